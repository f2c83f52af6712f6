/*
 * test_bind_refused.c: what is told and kept of a refusal, and what a refusal is taken for.
 */
#include "support/world.h"

static bpt_world world;
static bp_store *store;
static bp_error error;

static int setup(void **state)
{
    (void)state;
    bpt_world_memory(&world);
    store = bpt_open(&world);
    error = (bp_error){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return 0;
}

static bp_verdict passes(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static void push(bp_gate_set *set, const char *name, bp_gate_fn evaluate, void *state)
{
    bp_gate gate = {name, "what the test wants", evaluate, state, NULL};
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
}

static void bind(bp_gate_set *set, const bp_bind_options *options)
{
    CHECK_OK(bp_gate_bind(store, NULL, set, options, NULL, &error), &error);
    bp_gate_set_free(set);
}

/* Names that take as many bytes on record as what a gate leaves of its refusal has. */
static bp_gate_set *gates_of(size_t bytes)
{
    bp_gate_set *set = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    for (unsigned i = 0; bytes != 0; i++) {
        char name[BP_GATE_NAME_MAX + 1];
        size_t size = bytes > BP_GATE_NAME_MAX + 1 ? BP_GATE_NAME_MAX : bytes - 1;
        memset(name, 'y', size);
        name[size] = '\0';
        name[0] = (char)('a' + i % 26);
        push(set, name, passes, NULL);
        bytes -= size + 1;
    }
    return set;
}

static void a_key_that_does_not_open_is_no_gates_refusal(void **state)
{
    uint8_t wrap[32];
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = "alice";
    memset(wrap, 7, sizeof wrap);
    bpt_close(store);
    world.options.key_encryption_key = wrap;
    store = bpt_open(&world);
    CHECK_OK(bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error), &error);
    bpt_close(store);
    world.options.key_encryption_key = NULL;
    store = bpt_open(&world);
    bp_bind_options bound;
    bp_bind_options_init(&bound);
    bound.record_gates = true;
    bound.record_denials = true;
    bind(gates_of(1672), &bound);
    CHECK_STATUS(BP_ERR_DENIED, bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error),
                 &error);
    CHECK_SAYS(&error, "key_encryption_key");
    bp_denial_counts counts = bp_gate_denial_counts(store);
    assert_int_equal(counts.denied, 0);
    assert_int_equal(counts.recorded + counts.unrecorded, 0);
    assert_int_equal(bp_store_frontiers(store).published, 1);
}

static bp_verdict no_x(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    const bp_event *event = bp_commit_event(context);
    if (event->payload_size != 1 || memcmp(event->payload, "x", 1) != 0) {
        return BP_VERDICT_PASS;
    }
    return bp_denial_say(denial, "AN_X", "it is an x");
}

static bp_gate_set *no_x_set(void)
{
    bp_gate_set *set = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    push(set, "no-x", no_x, NULL);
    return set;
}

/* Causes by their ids may be earlier items of the batch, which come to nothing with it. */
static void a_denial_is_kept_whatever_causes_it_names(void **state)
{
    (void)state;
    bp_bind_options bound;
    bp_append_options options[2];
    bp_receipt there = {0};
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("1", 1), NULL, &there, &error), &error);
    bp_id causes[2] = {bp_id_from("test", "earlier", 7), there.id};
    for (unsigned i = 0; i < 2; i++) {
        bp_append_options_init(&options[i]);
    }
    options[0].id = causes[0];
    options[1].causes = causes;
    options[1].cause_count = 2;
    bp_batch_item items[2] = {{bp_at("a", "s"), 0xf001, bp_raw("2", 1), &options[0]},
                              {bp_at("a", "s"), 0xf001, bp_raw("x", 1), &options[1]}};
    bp_bind_options_init(&bound);
    bound.record_denials = true;
    bind(no_x_set(), &bound);
    CHECK_STATUS(BP_ERR_DENIED, bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    bp_denial_counts counts = bp_gate_denial_counts(store);
    assert_int_equal(counts.recorded, 1);
    assert_int_equal(counts.unrecorded, 0);
    const bp_event *denial = NULL;
    CHECK_OK(bp_get_sequence(store, 1, &denial, &error), &error);
    assert_int_equal(denial->kind, BP_KIND_DENIAL);
    assert_int_equal(denial->cause_count, 1);
    assert_true(bp_id_equal(&denial->causes[0], &there.id));
    bp_event_release(denial);
}

/* Random bytes that bind a gate when they are asked for the second time. */
typedef struct binder {
    bp_random table;
    const bp_random *inner;
    unsigned asked;
    unsigned when;
} binder;

static int fill_and_bind(void *context, void *bytes, size_t size)
{
    binder *b = context;
    if (++b->asked == b->when) {
        bp_bind_options bound;
        bp_bind_options_init(&bound);
        bound.record_gates = true;
        bind(no_x_set(), &bound);
    }
    return b->inner->fill(b->inner->context, bytes, size);
}

/* A binding that comes while a batch is staged is on record with all of it, the first of the store and any other. */
static void a_batch_goes_by_one_state_of_the_rules(void **state)
{
    binder b = {.inner = world.options.random};
    (void)state;
    bpt_close(store);
    b.table = (bp_random){sizeof b.table, &b, fill_and_bind};
    world.options.random = &b.table;
    store = bpt_open(&world);
    for (unsigned round = 0; round < 2; round++) {
        bp_batch_item items[2] = {{bp_at("a", "s"), 0xf001, bp_raw("1", 1), NULL},
                                  {bp_at("a", "s"), 0xf001, bp_raw("2", 1), NULL}};
        bp_receipt receipts[2];
        b.when = b.asked + 2;
        CHECK_OK(bp_append_batch(store, items, 2, NULL, receipts, &error), &error);
        assert_true(b.asked > b.when);
        for (unsigned i = 0; i < 2; i++) {
            const bp_event *event = NULL;
            const uint8_t *value = NULL;
            size_t size = 0;
            CHECK_OK(bp_get(store, &receipts[i].id, &event, &error), &error);
            bpt_note("round %u, item %u", round, i);
            assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
            assert_int_equal(size, (round + 1) * (sizeof "no-x"));
            bp_event_release(event);
        }
    }
}

static bp_verdict note_hlc(const void *state, const void *context, bp_denial *denial)
{
    union {
        const void *given;
        bp_hlc *mine;
    } hold = {state};
    (void)denial;
    *hold.mine = bp_commit_hlc(context);
    return BP_VERDICT_PASS;
}

/* A clock beyond the year 9999, or before 1970, stands still for the store. */
static void the_hlc_seen_is_never_beyond_the_one_given(void **state)
{
    (void)state;
    static const int64_t clocks[] = {1, INT64_C(253402300799999999), INT64_C(253402300800000000), INT64_MAX / 2, -5};
    bp_hlc seen = 0;
    bp_gate_set *set = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    push(set, "note", note_hlc, &seen);
    bind(set, NULL);
    for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        bp_receipt receipt = {0};
        atomic_store(&world.clock.now_us, clocks[i]);
        CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("1", 1), NULL, &receipt, &error), &error);
        CHECK(seen == receipt.hlc, "clock %u: %llx seen, %llx given", i, (unsigned long long)seen,
              (unsigned long long)receipt.hlc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_that_does_not_open_is_no_gates_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_denial_is_kept_whatever_causes_it_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_goes_by_one_state_of_the_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hlc_seen_is_never_beyond_the_one_given, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
