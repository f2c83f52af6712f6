/*
 * test_gate_dropped.c: gates over events that retention took away.
 */
#include "support/world.h"

static bpt_world world;
static bp_store *store;
static bp_error error;
static bp_policy *policy;

static int setup(void **state)
{
    (void)state;
    bpt_world_memory(&world);
    store = bpt_open(&world);
    error = (bp_error){0};
    policy = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bp_policy_free(policy);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return 0;
}

static void reopen(void)
{
    bpt_close(store);
    store = bpt_open(&world);
}

static void bind(const char *text)
{
    CHECK_OK(bp_policy_parse(store, text, strlen(text), &policy, &error), &error);
    CHECK_OK(bp_policy_bind(policy, &error), &error);
}

static bp_receipt put(const char *entity)
{
    bp_receipt receipt = {0};
    CHECK_OK(bp_append(store, bp_at(entity, "s"), 0xf001, bp_raw("1", 1), NULL, &receipt, &error), &error);
    return receipt;
}

/* Drops the events from `first` on that are there. */
static bool from(void *context, const bp_event *event)
{
    return event->sequence >= *(const uint64_t *)context;
}

static void drop_from(uint64_t first)
{
    bp_compact_options options;
    bp_compact_report report;
    bp_compact_options_init(&options);
    options.drop_if = from;
    options.drop_context = &first;
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, &options, &report, &error), &error);
    assert_true(report.events_dropped != 0);
}

/* A dropped event has no kind any more, and DATA's number stands in its place. */
static void a_step_from_a_dropped_event_cannot_be_judged(void **state)
{
    (void)state;
    put("e");
    drop_from(0);
    bind("gate flow {\n step DATA -> 0xF002\n step 0xF002 -> 0xF003\n}\n");
    bp_batch_item items[2] = {{bp_at("e", "s"), 0xf002, bp_raw("2", 1), NULL},
                              {bp_at("e", "s"), 0xf003, bp_raw("3", 1), NULL}};
    for (unsigned pass = 0; pass < 2; pass++) {
        CHECK_STATUS(BP_ERR_DENIED, bp_append_batch(store, items, 1, NULL, NULL, &error), &error);
        CHECK(strstr(error.message, "cannot be read") != NULL, "%s", error.message);
        bp_policy_free(policy);
        policy = NULL;
        reopen();
        bind("gate flow {\n step DATA -> 0xF002\n step 0xF002 -> 0xF003\n}\n");
    }
    /* An item of the same batch that is judged elsewhere is known. */
    bp_policy_free(policy);
    policy = NULL;
    reopen();
    bind("gate flow {\n on kind=0xF003\n step 0xF002 -> 0xF003\n}\n");
    CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
}

static void a_dropped_cause_is_of_no_kind(void **state)
{
    (void)state;
    bp_receipt dropped = put("a");
    drop_from(0);
    bp_receipt there = {0};
    CHECK_OK(bp_append(store, bp_at("b", "s"), BP_KIND_DATA, bp_raw("1", 1), NULL, &there, &error), &error);
    bind("gate caused {\n cause DATA\n}\n");
    bp_id causes[2] = {dropped.id, there.id};
    for (unsigned count = 1; count <= 2; count++) {
        bp_status status = bp_append_reaction(store, bp_at("c", "s"), 0xf002, bp_raw("2", 1), &causes[0], causes, count,
                                              NULL, NULL, &error);
        CHECK_STATUS(count == 1 ? BP_ERR_DENIED : BP_OK, status, &error);
    }
}

typedef struct shown {
    bp_status status;
    bp_head head;
} shown;

static bp_verdict look_at_b(const void *state, const void *context, bp_denial *denial)
{
    union {
        const void *given;
        shown *mine;
    } hold = {state};
    (void)denial;
    hold.mine->status = bp_commit_head(context, bp_text_of("b"), &hold.mine->head);
    return BP_VERDICT_PASS;
}

static shown head_of_b(void)
{
    shown what = {0};
    bp_gate gate = {"look", "what the test wants", look_at_b, &what, NULL};
    bp_gate_set *set = NULL;
    bp_binding *binding = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
    CHECK_OK(bp_gate_bind(store, NULL, set, NULL, &binding, &error), &error);
    bp_gate_set_free(set);
    put("a");
    CHECK_OK(bp_gate_unbind(store, binding, &error), &error);
    return what;
}

/* Of five events those from `first` on are dropped; the entity is looked at in memory, and in sealed blocks. */
static void heads_count_what_was_dropped(void **state)
{
    (void)state;
    for (uint64_t first = 0; first <= 4; first += 4) {
        bpt_note("first %u", (unsigned)first);
        for (unsigned i = 0; i < 5; i++) {
            put("b");
        }
        drop_from(first);
        for (unsigned pass = 0; pass < 3; pass++) {
            bpt_note("first %u, pass %u", (unsigned)first, pass);
            shown what = head_of_b();
            assert_int_equal(what.status, BP_ERR_DROPPED);
            assert_int_equal(what.head.events, 5);
            assert_int_equal(what.head.sequence, 4);
            assert_int_equal(what.head.kind, BP_KIND_DATA);
            CHECK_OK(bp_seal(store, &error), &error);
            reopen();
        }
        (void)teardown(NULL);
        (void)setup(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_step_from_a_dropped_event_cannot_be_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dropped_cause_is_of_no_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_count_what_was_dropped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
