/*
 * test_bind.c: gates inside the commit.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

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

/* A set of one gate. */
static bp_gate_set *gate(const char *name, bp_gate_fn evaluate, void *state)
{
    bp_gate_set *set = NULL;
    bp_gate one = {name, "what the test wants", evaluate, state, NULL};
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    CHECK_OK(bp_gate_set_push(set, &one, &error), &error);
    return set;
}

static bp_binding *bind(const bp_region *region, const char *name, bp_gate_fn evaluate, void *state,
                        const bp_bind_options *options)
{
    bp_binding *binding = NULL;
    bp_gate_set *set = gate(name, evaluate, state);
    CHECK_OK(bp_gate_bind(store, region, set, options, &binding, &error), &error);
    bp_gate_set_free(set);
    return binding;
}

static bp_status put(const char *entity, const char *scope, const char *text, const bp_append_options *options)
{
    return bp_append(store, bp_at(entity, scope), 0xf001, bp_raw(text, strlen(text)), options, NULL, &error);
}

static bp_verdict no_x(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    const bp_event *event = bp_commit_event(context);
    if (event->payload_size == 0 || memchr(event->payload, 'x', event->payload_size) == NULL) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict =
        bp_denial_say(denial, "AN_X", "\"%.*s\" has an x", (int)event->payload_size, (const char *)event->payload);
    bp_denial_add(denial, "clock", "%llu", (unsigned long long)event->clock);
    return verdict;
}

static void what_a_gate_refuses_is_not_appended(void **state)
{
    (void)state;
    bp_region eu = bp_region_by_scope("eu");
    bp_binding *binding = bind(&eu, "no-x", no_x, NULL, NULL);
    CHECK_OK(put("a", "eu", "fine", NULL), &error);
    CHECK_STATUS(BP_ERR_DENIED, put("a", "eu", "x", NULL), &error);
    assert_string_equal(error.message, "[no-x] \"x\" has an x");
    assert_string_equal(error.entity, "a");
    CHECK_SAYS(&error, "what the test wants");
    CHECK_OK(put("a", "us", "x", NULL), &error); /* not its region */
    bp_batch_item items[3] = {{bp_at("a", "eu"), 0xf001, bp_raw("1", 1), NULL},
                              {bp_at("new", "eu"), 0xf001, bp_raw("x", 1), NULL},
                              {bp_at("a", "eu"), 0xf001, bp_raw("3", 1), NULL}};
    CHECK_STATUS(BP_ERR_DENIED, bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
    assert_true(error.has_index);
    assert_int_equal(error.index, 1);
    bp_id cause = bp_id_from("test", "elsewhere", 9);
    bp_append_options options;
    bp_append_options_init(&options);
    options.external = true;
    CHECK_STATUS(
        BP_ERR_DENIED,
        bp_append_reaction(store, bp_at("a", "eu"), 0xf001, bp_raw("x", 1), &cause, &cause, 1, &options, NULL, &error),
        &error);
    assert_int_equal(bp_store_frontiers(store).published, 2);
    CHECK_OK(bp_gate_unbind(store, binding, &error), &error);
    CHECK_OK(put("a", "eu", "x", NULL), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_gate_unbind(store, binding, &error), &error);
}

static void a_retry_is_answered_before_any_gate(void **state)
{
    (void)state;
    bp_append_options options;
    bp_receipt receipt;
    bp_append_options_init(&options);
    options.id = bp_id_from("test", "once", 4);
    CHECK_OK(put("a", "s", "x", &options), &error);
    (void)bind(NULL, "no-x", no_x, NULL, NULL);
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("x", 1), &options, &receipt, &error), &error);
    assert_true(receipt.duplicate);
    CHECK_STATUS(BP_ERR_IDEMPOTENCY, put("a", "s", "other x", &options), &error);
}

/* What a gate is shown. */
typedef struct shown {
    unsigned calls;
    bp_event event;
    bp_expectation expect;
    size_t count, index;
    bp_head own, other, none;
    uint64_t seen;
    uint64_t sequences[8];
    bool found, found_missing;
    bp_status bad[3];
    bp_hlc hlc;
    int64_t now_us;
} shown;

static int note_sequence(void *argument, const bp_event *event)
{
    shown *what = argument;
    what->sequences[what->seen++ % 8] = event->sequence;
    return 0;
}

static bp_verdict look(const void *state, const void *context, bp_denial *denial)
{
    (void)denial;
    union {
        const void *given;
        shown *mine;
    } hold = {state};
    shown *what = hold.mine;
    bp_event first;
    bp_region b = bp_region_stream("b");
    what->calls++;
    what->event = *bp_commit_event(context);
    what->expect = bp_commit_expectation(context);
    what->count = bp_commit_count(context);
    what->index = bp_commit_index(context);
    if (bp_commit_head(context, what->event.entity, &what->own) != BP_OK ||
        bp_commit_head(context, bp_text_of("b"), &what->other) != BP_OK ||
        bp_commit_head(context, bp_text_of("nobody"), &what->none) != BP_OK) {
        return (bp_verdict)98;
    }
    what->hlc = bp_commit_hlc(context);
    what->now_us = bp_commit_time_us(context);
    what->seen = 0;
    uint64_t count = 0;
    if (bp_commit_query(context, &b, 3, note_sequence, what, &count) != BP_OK || count != what->seen) {
        return (bp_verdict)99;
    }
    bp_id id = bp_id_from("test", "first", 5);
    what->found = bp_commit_find(context, &id, &first) && first.sequence == 0;
    what->found_missing = bp_commit_find(context, &(bp_id){{1}}, &first);
    what->bad[0] = bp_commit_query(context, &b, 0, NULL, NULL, &count);
    what->bad[1] = bp_commit_query(context, &b, BP_COMMIT_QUERY_MAX + 1, NULL, NULL, &count);
    b.fields = UINT32_MAX;
    what->bad[2] = bp_commit_query(context, &b, 1, NULL, NULL, &count);
    return BP_VERDICT_PASS;
}

static void a_gate_sees_request_heads_log_and_time(void **state)
{
    (void)state;
    shown what = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = bp_id_from("test", "first", 5);
    CHECK_OK(put("a", "s", "0", &options), &error);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(put("b", "s", "b", NULL), &error);
    }
    (void)bind(NULL, "look", look, &what, NULL);
    bp_append_options_init(&options);
    options.expect = (bp_expectation){BP_EXPECT_AT, 0};
    options.lane = 3;
    CHECK_OK(put("a", "s", "payload", &options), &error);
    assert_int_equal(what.calls, 1);
    assert_int_equal(what.event.sequence, 5);
    assert_int_equal(what.event.clock, 1);
    assert_int_equal(what.event.lane, 3);
    assert_int_equal(what.expect.kind, BP_EXPECT_AT);
    assert_int_equal(what.count, 1);
    assert_int_equal(what.own.events, 1);
    assert_int_equal(what.own.sequence, 0);
    assert_int_equal(what.own.kind, 0xf001);
    assert_int_equal(what.other.events, 4);
    assert_int_equal(what.other.sequence, 4);
    assert_int_equal(what.none.events, 0);
    assert_int_equal(what.none.sequence, BP_NONE);
    assert_int_equal(what.seen, 3);
    assert_int_equal(what.sequences[0], 4);
    assert_int_equal(what.sequences[2], 2);
    assert_true(what.found);
    assert_false(what.found_missing);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(what.bad[i], BP_ERR_ARGUMENT);
    }
    assert_true(what.now_us != 0 && what.event.time_us == what.now_us);
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(store, 5, &event, &error), &error);
    assert_true(event->hlc >= what.hlc);
    bp_event_release(event);
}

/* After a reopening entities are found in sealed blocks. */
static void heads_are_seen_wherever_they_lie(void **state)
{
    (void)state;
    shown what = {0};
    CHECK_OK(put("b", "s", "b", NULL), &error);
    CHECK_OK(put("b", "s", "b", NULL), &error);
    CHECK_OK(put("a", "s", "a", NULL), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    store = bpt_open(&world);
    (void)bind(NULL, "look", look, &what, NULL);
    CHECK_OK(put("a", "s", "2", NULL), &error);
    assert_int_equal(what.own.events, 1);
    assert_int_equal(what.own.sequence, 2);
    assert_int_equal(what.own.kind, 0xf001);
    assert_int_equal(what.other.events, 2);
    assert_int_equal(what.other.sequence, 1);
    assert_int_equal(what.other.kind, 0xf001);
    assert_int_equal(what.none.events, 0);
    assert_int_equal(what.seen, 2);
}

static void earlier_items_of_a_batch_count_as_there(void **state)
{
    (void)state;
    shown what = {0};
    CHECK_OK(put("b", "s", "0", NULL), &error);
    (void)bind(NULL, "look", look, &what, NULL);
    bp_append_options named;
    bp_append_options_init(&named);
    named.kind_name = "thing.done"; /* its definition goes in front and is nobody's item */
    bp_batch_item items[4] = {{bp_at("b", "s"), 0xf002, bp_raw("1", 1), NULL},
                              {bp_at("c", "s"), 0xf003, bp_raw("2", 1), &named},
                              {bp_at("b", "s"), 0xf004, bp_raw("3", 1), NULL},
                              {bp_at("b", "s"), 0xf005, bp_raw("4", 1), NULL}};
    CHECK_OK(bp_append_batch(store, items, 4, NULL, NULL, &error), &error);
    assert_int_equal(what.calls, 4);
    assert_int_equal(what.count, 4);
    assert_int_equal(what.index, 3);
    assert_int_equal(what.own.events, 3);
    assert_int_equal(what.own.kind, 0xf004);
    assert_true(what.own.of_this_batch);
    assert_int_equal(what.event.clock, 3);
    assert_int_equal(what.event.sequence, 5);
    assert_int_equal(what.seen, 3);
    assert_int_equal(what.sequences[0], 4);
    assert_int_equal(what.sequences[1], 2);
    assert_int_equal(what.sequences[2], 0);
}

typedef struct back {
    bp_status append, query, close, sync, bind;
    uint64_t calls;
} back;

static bp_verdict calls_back(const void *state, const void *context, bp_denial *denial)
{
    (void)context;
    (void)denial;
    union {
        const void *given;
        back *mine;
    } hold = {state};
    back *what = hold.mine;
    bp_iterator *iterator = NULL;
    what->calls++;
    what->append = bp_append(store, bp_at("z", "s"), 0xf001, bp_raw("z", 1), NULL, NULL, NULL);
    what->query = bp_query(store, NULL, NULL, &iterator, NULL);
    what->sync = bp_sync(store, NULL);
    what->close = bp_close(store, NULL);
    what->bind = bp_gate_unbind(store, NULL, NULL);
    return BP_VERDICT_PASS;
}

static void calling_back_into_the_store_is_refused(void **state)
{
    (void)state;
    back what = {0};
    (void)bind(NULL, "calls-back", calls_back, &what, NULL);
    CHECK_OK(put("a", "s", "1", NULL), &error);
    assert_int_equal(what.calls, 1);
    assert_int_equal(what.append, BP_ERR_REENTRANT);
    assert_int_equal(what.query, BP_ERR_REENTRANT);
    assert_int_equal(what.sync, BP_ERR_REENTRANT);
    assert_int_equal(what.close, BP_ERR_REENTRANT);
    assert_int_equal(what.bind, BP_ERR_REENTRANT);
    CHECK_OK(bp_sync(store, &error), &error); /* outside of it all is well */
    assert_int_equal(bp_store_frontiers(store).published, 1);
}

static void the_librarys_own_events_are_not_judged(void **state)
{
    (void)state;
    shown what = {0};
    (void)bind(NULL, "look", look, &what, NULL);
    CHECK_OK(bp_kind_define(store, 0x1001, "thing.done", &error), &error);
    assert_int_equal(what.calls, 0);
    assert_int_equal(bp_store_frontiers(store).published, 1);
}

static void defects_and_impossible_bindings_are_told(void **state)
{
    (void)state;
    bp_gate_set *empty = NULL;
    bp_gate_set *set = gate("no-x", no_x, NULL);
    CHECK_OK(bp_gate_set_new(&empty, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_bind(store, NULL, empty, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_bind(store, NULL, NULL, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_bind(NULL, NULL, set, NULL, NULL, &error), &error);
    bp_region region = bp_region_all();
    bp_region_set_clock(&region, 1, 2);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_bind(store, &region, set, NULL, NULL, &error), &error);
    region = bp_region_all();
    bp_region_set_system(&region, true);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_bind(store, &region, set, NULL, NULL, &error), &error);
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_gate_bind(reader, NULL, set, NULL, NULL, &error), &error);
    bpt_close(reader);
    bp_gate_set_free(empty);
    bp_gate_set_free(set);
    CHECK_OK(put("a", "s", "x", NULL), &error); /* nothing was bound */
}

/* ---- on record ---- */

static uint64_t denials_on_record(bp_id *asked, char *payload, size_t size)
{
    bp_region region = bp_region_by_kind(BP_KIND_DENIAL);
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t count = 0;
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        count++;
        *asked = event->correlation;
        (void)snprintf(payload, size, "%.*s", (int)event->payload_size, (const char *)event->payload);
        assert_string_equal(BP_SYSTEM_ENTITY, "batpak:system");
        assert_int_equal(event->payload_type, BP_PAYLOAD_JSON);
    }
    bp_iterator_close(iterator);
    return count;
}

static void gates_passed_are_kept_with_the_event(void **state)
{
    (void)state;
    bp_bind_options options;
    bp_bind_options_init(&options);
    options.record_gates = true;
    bp_region eu = bp_region_by_scope("eu");
    bp_receipt receipt;
    const bp_event *event = NULL;
    const uint8_t *value = NULL;
    size_t size = 0;
    (void)bind(NULL, "no-x", no_x, NULL, &options);
    (void)bind(&eu, "europe", no_x, NULL, &options);
    (void)bind(NULL, "silent", no_x, NULL, NULL);
    CHECK_OK(bp_append(store, bp_at("a", "eu"), 0xf001, bp_raw("1", 1), NULL, &receipt, &error), &error);
    CHECK_OK(bp_get(store, &receipt.id, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_int_equal(size, 12);
    assert_memory_equal(value,
                        "\x04no-x\x06"
                        "europe",
                        12);
    bp_event_release(event);
    CHECK_OK(bp_append(store, bp_at("a", "us"), 0xf001, bp_raw("1", 1), NULL, &receipt, &error), &error);
    CHECK_OK(bp_get(store, &receipt.id, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_int_equal(size, 5);
    bp_event_release(event);
}

static void denials_are_kept_and_linked_to_what_was_asked(void **state)
{
    (void)state;
    bp_bind_options bound;
    bp_bind_options_init(&bound);
    bound.record_denials = true;
    bp_append_options options;
    bp_append_options_init(&options);
    bp_receipt cause;
    CHECK_OK(bp_append(store, bp_at("c", "s"), 0xf001, bp_raw("c", 1), NULL, &cause, &error), &error);
    options.id = bp_id_from("test", "asked", 5);
    options.causes = &cause.id;
    options.cause_count = 1;
    (void)bind(NULL, "no-x", no_x, NULL, &bound);
    CHECK_STATUS(BP_ERR_DENIED, put("say \"x\"", "s", "x\ny", &options), &error);
    bp_id asked;
    char payload[1024];
    assert_int_equal(denials_on_record(&asked, payload, sizeof payload), 1);
    assert_true(bp_id_equal(&asked, &options.id));
    assert_non_null(strstr(payload, "\"gate\":\"no-x\",\"code\":\"AN_X\",\"message\":\"\\\"x\\u000ay\\\" has an x\""));
    assert_non_null(strstr(payload, "\"context\":{\"clock\":\"0\"}"));
    assert_non_null(strstr(payload, "\"entity\":\"say \\\"x\\\"\",\"scope\":\"s\",\"kind\":\"0xF001\",\"id\":\""));
    bp_region effects = bp_region_effects_of(&cause.id);
    bp_region_set_system(&effects, true);
    uint64_t count = 0;
    CHECK_OK(bp_count(store, &effects, &count, &error), &error);
    assert_int_equal(count, 1);
    bp_denial_counts counts = bp_gate_denial_counts(store);
    assert_int_equal(counts.denied, 1);
    assert_int_equal(counts.recorded, 1);
    assert_int_equal(counts.unrecorded, 0);
}

static bp_verdict fills_in_by_hand(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    memset(denial, 'y', sizeof *denial);
    denial->pair_count = 1000000;
    return BP_VERDICT_DENY;
}

static void a_denial_filled_in_by_hand_is_kept_within_its_bounds(void **state)
{
    (void)state;
    bp_bind_options bound;
    bp_bind_options_init(&bound);
    bound.record_denials = true;
    (void)bind(NULL, "by-hand", fills_in_by_hand, NULL, &bound);
    CHECK_STATUS(BP_ERR_DENIED, put("a", "s", "x", NULL), &error);
    bp_id asked;
    char payload[4096];
    assert_int_equal(denials_on_record(&asked, payload, sizeof payload), 1);
    size_t pairs = 0;
    for (const char *at = payload; (at = strstr(at, "\":\"yyy")) != NULL; at++) {
        pairs++;
    }
    assert_int_equal(pairs, 2 + BP_DENIAL_PAIRS_MAX); /* code, message, pairs */
}

static void a_flood_of_denials_is_counted_and_told(void **state)
{
    (void)state;
    bp_bind_options bound;
    bp_bind_options_init(&bound);
    bound.record_denials = true;
    bound.denials_per_second = 3;
    (void)bind(NULL, "no-x", no_x, NULL, &bound);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_STATUS(BP_ERR_DENIED, put("a", "s", "x", NULL), &error);
    }
    bp_id asked;
    char payload[1024] = "";
    assert_int_equal(denials_on_record(&asked, payload, sizeof payload), 3);
    assert_null(strstr(payload, "unrecorded"));
    assert_int_equal(bp_gate_denial_counts(store).unrecorded, 97);
    atomic_fetch_add(&world.clock.steady_ns, UINT64_C(2000000000));
    CHECK_STATUS(BP_ERR_DENIED, put("a", "s", "x", NULL), &error);
    assert_int_equal(denials_on_record(&asked, payload, sizeof payload), 4);
    assert_non_null(strstr(payload, "\"unrecorded\":97"));
    /* What is not told when the store closes is told by a last event. */
    for (unsigned i = 0; i < 7; i++) {
        CHECK_STATUS(BP_ERR_DENIED, put("a", "s", "x", NULL), &error);
    }
    bpt_close(store);
    store = bpt_open(&world);
    assert_int_equal(denials_on_record(&asked, payload, sizeof payload), 7);
    assert_string_equal(payload, "{\"unrecorded\":5}");
}

/* ---- threads: bindings come and go while others append ---- */

enum { WRITERS = 8, EVENTS = 300 };

typedef struct appender {
    pthread_t thread;
    unsigned number;
    unsigned wrong;
} appender;

static void *append_some(void *argument)
{
    appender *self = argument;
    for (unsigned i = 0; i < EVENTS; i++) {
        char entity[16];
        (void)snprintf(entity, sizeof entity, "w:%u", self->number);
        bp_status status = bp_append(store, bp_at(entity, "s"), 0xf001, bp_raw("fine", 4), NULL, NULL, NULL);
        bp_status denied = bp_append(store, bp_at(entity, "guarded"), 0xf001, bp_raw("x", 1), NULL, NULL, NULL);
        self->wrong += status != BP_OK || denied != BP_ERR_DENIED;
    }
    return NULL;
}

static void bindings_come_and_go_beside_appends(void **state)
{
    (void)state;
    bp_bind_options options;
    bp_bind_options_init(&options);
    options.record_gates = true;
    options.record_denials = true;
    bp_region guarded = bp_region_by_scope("guarded");
    (void)bind(&guarded, "no-x", no_x, NULL, &options);
    appender appenders[WRITERS] = {0};
    for (unsigned i = 0; i < WRITERS; i++) {
        appenders[i].number = i;
        assert_int_equal(pthread_create(&appenders[i].thread, NULL, append_some, &appenders[i]), 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        bp_binding *binding = bind(NULL, "also", no_x, NULL, &options);
        CHECK_OK(put("main", "s", "1", NULL), &error);
        CHECK_OK(bp_gate_unbind(store, binding, &error), &error);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(appenders[i].thread, NULL), 0);
        assert_int_equal(appenders[i].wrong, 0);
    }
    bp_region scope = bp_region_by_scope("guarded");
    uint64_t count = 9;
    CHECK_OK(bp_count(store, &scope, &count, &error), &error);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_gate_refuses_is_not_appended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_is_answered_before_any_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gate_sees_request_heads_log_and_time, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_are_seen_wherever_they_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(earlier_items_of_a_batch_count_as_there, setup, teardown),
        cmocka_unit_test_setup_teardown(calling_back_into_the_store_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_librarys_own_events_are_not_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(defects_and_impossible_bindings_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(gates_passed_are_kept_with_the_event, setup, teardown),
        cmocka_unit_test_setup_teardown(denials_are_kept_and_linked_to_what_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_denial_filled_in_by_hand_is_kept_within_its_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_denials_is_counted_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(bindings_come_and_go_beside_appends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
