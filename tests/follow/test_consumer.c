/*
 * test_consumer.c: positions that last, order, failures, parking, and what is refused.
 */
#include "follow/consumer_world.h"

static void goes_on_behind_what_was_acknowledged(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bpt_put(store, "a", "three");
    bp_consumer *consumer = open_consumer(store, NULL);
    ack(consumer, next_of(consumer, 0, "one"));
    (void)next_of(consumer, 0, "two"); /* not acknowledged: it comes again */
    close_consumer(consumer);
    bpt_close(store);
    bp_store *reader = bpt_reader(&world); /* another process would do the same */
    consumer = open_consumer(reader, NULL);
    uint64_t two = next_of(consumer, 0, "two");
    ack(consumer, next_of(consumer, 0, "three")); /* out of turn: it holds nothing back, and comes again */
    (void)two;
    close_consumer(consumer);
    consumer = open_consumer(reader, NULL);
    ack(consumer, next_of(consumer, 0, "two"));
    ack(consumer, next_of(consumer, 0, "three"));
    nothing_for(consumer, 0);
    bpt_close(reader); /* the store's end saves the position */
    close_consumer(consumer);
    store = bpt_open(&world);
    consumer = open_consumer(store, NULL);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void begins_now_if_told(void **state)
{
    bpt_world world;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "old");
    bp_consumer_options_init(&options);
    options.now = true;
    close_consumer(open_consumer(store, &options));
    bpt_put(store, "a", "new");
    bp_consumer *consumer = open_consumer(store, &options); /* it has a position now */
    ack(consumer, next_of(consumer, 0, "new"));
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void durable_events_by_default(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bp_consumer *consumer = open_consumer(store, NULL);
    bpt_put(store, "a", "one");
    nothing_for(consumer, 0);
    CHECK_OK(bp_sync(store, &error), &error);
    (void)next_of(consumer, 0, "one");
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void what_it_is_bound_to_cannot_change_unless_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "two");
    consumer = open_consumer(store, NULL);
    ack(consumer, next_of(consumer, 0, "one"));
    close_consumer(consumer);
    bp_region region = bp_region_stream("b");
    CHECK_STATUS(BP_ERR_CONFLICT, bp_consumer_open(store, "mailer", &region, NULL, &consumer, &error), &error);
    CHECK_SAYS(&error, "entity=b");
    bp_consumer_options_init(&options);
    options.partitions = 2;
    CHECK_STATUS(BP_ERR_CONFLICT, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    options.partition = 1; /* it has no file yet, and partition 0 of 1 has every entity */
    CHECK_STATUS(BP_ERR_CONFLICT, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    CHECK_SAYS(&error, "1 partitions, not 2");
    CHECK_OK(bp_consumer_open(store, "other", NULL, &options, &consumer, &error), &error);
    close_consumer(consumer);
    options = published();
    CHECK_STATUS(BP_ERR_CONFLICT, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    options.rebind = true;
    CHECK_OK(bp_consumer_open(store, "mailer", &region, &options, &consumer, &error), &error);
    ack(consumer, next_of(consumer, 0, "two"));
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void one_at_a_time_has_it_open(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    bp_consumer *second = NULL;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    consumer = open_consumer(store, NULL);
    CHECK_STATUS(BP_ERR_LOCKED, bp_consumer_open(store, "mailer", NULL, NULL, &second, &error), &error);
    CHECK_SAYS(&error, "process");
    CHECK_STATUS(BP_ERR_LOCKED, bp_consumer_forget(store, "mailer", 0, &error), &error);
    CHECK_STATUS(BP_ERR_LOCKED, bp_consumer_retry_later(store, "mailer", 0, BP_NONE, &error), &error);
    CHECK_OK(bp_consumer_open(store, "../../other:*", NULL, NULL, &second, &error), &error); /* no path is made of it */
    close_consumer(second);
    close_consumer(consumer);
    close_consumer(open_consumer(store, NULL));
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- order ---- */

static void streams_stay_in_order_over_workers(void **state)
{
    bpt_world world;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "a1");
    bpt_put(store, "a", "a2");
    bpt_put(store, "b", "b1");
    bpt_put(store, "a", "a3");
    bp_consumer_options_init(&options);
    options.workers = 3;
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t a1 = next_of(consumer, 0, "a1");
    uint64_t b1 = next_of(consumer, 1, "b1"); /* a is worker 0's now */
    nothing_for(consumer, 2);
    uint64_t a2 = next_of(consumer, 0, "a2"); /* who has the stream may have more of it */
    ack(consumer, a1);
    nothing_for(consumer, 1);
    ack(consumer, a2);
    uint64_t a3 = next_of(consumer, 1, "a3");
    ack(consumer, a3);
    ack(consumer, b1);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_event_that_requires_it_is_alone(void **state)
{
    bpt_world world;
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.flags = BP_FLAG_REQUIRES_ACK;
    bpt_put_with(store, "a", "alone", &options);
    bpt_put(store, "a", "behind it");
    bpt_put(store, "b", "beside it");
    bp_consumer *consumer = open_consumer(store, NULL);
    uint64_t alone = next_of(consumer, 0, "alone");
    ack(consumer, next_of(consumer, 0, "beside it"));
    nothing_for(consumer, 0);
    ack(consumer, alone);
    ack(consumer, next_of(consumer, 0, "behind it"));
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void partitions_share_the_entities(void **state)
{
    enum { ENTITIES = 60, PARTITIONS = 3 };
    bpt_world world;
    bp_error error = {0};
    unsigned seen[ENTITIES] = {0};
    unsigned parts = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (int i = 0; i < 2 * ENTITIES; i++) {
        char entity[16];
        (void)snprintf(entity, sizeof entity, "%d", i % ENTITIES);
        bpt_put(store, entity, "x");
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        bp_consumer_options options;
        const bp_event *event = NULL;
        unsigned count = 0;
        bp_consumer_options_init(&options);
        options.partition = p;
        options.partitions = PARTITIONS;
        bp_consumer *consumer = open_consumer(store, &options);
        while (bp_consumer_next(consumer, 0, 0, &event, &error) == BP_OK) {
            seen[atoi((const char *)event->entity.data)]++;
            count++;
            ack(consumer, event->sequence);
        }
        assert_int_equal(error.status, BP_ERR_TIMEOUT);
        parts += count > 0;
        close_consumer(consumer);
    }
    for (int i = 0; i < ENTITIES; i++) {
        assert_int_equal(seen[i], 2);
    }
    assert_int_equal(parts, PARTITIONS);
    bpt_close(store);
    bpt_world_end(&world);
}

static void the_window_bounds_what_is_held(void **state)
{
    bpt_world world;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (int i = 0; i < 5; i++) {
        bpt_put(store, "a", "x");
    }
    bp_consumer_options_init(&options);
    options.window = 2;
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t first = next_of(consumer, 0, "x");
    (void)next_of(consumer, 0, "x");
    nothing_for(consumer, 0);
    ack(consumer, first);
    assert_int_equal(next_of(consumer, 0, "x"), 2);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- failures ---- */

static void a_failure_stops_before_the_event(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "bad");
    bpt_put(store, "b", "good");
    bp_consumer *consumer = open_consumer(store, NULL);
    fail_it(consumer, next_of(consumer, 0, "bad"));
    CHECK_STATUS(BP_END, bp_consumer_next(consumer, 0, BP_FOREVER, &event, &error), &error);
    close_consumer(consumer);
    consumer = open_consumer(store, NULL);
    (void)next_of(consumer, 0, "bad");
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_failure_is_tried_again_later_and_later(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "bad");
    bpt_put(store, "a", "behind");
    bpt_put(store, "b", "other");
    bp_consumer_options_init(&options);
    options.retries = 3;
    options.backoff_ms = 1000;
    options.backoff_max_ms = 3000;
    bp_consumer *consumer = open_consumer(store, &options);
    static const uint64_t pauses_ms[] = {1000, 2000, 3000};
    fail_it(consumer, next_of(consumer, 0, "bad"));
    ack(consumer, next_of(consumer, 0, "other")); /* other streams go on */
    for (int i = 0; i < 3; i++) {
        atomic_fetch_add(&world.clock.steady_ns, (pauses_ms[i] - 10) * 1000000u);
        nothing_for(consumer, 0);
        atomic_fetch_add(&world.clock.steady_ns, 11 * 1000000u);
        fail_it(consumer, next_of(consumer, 0, "bad"));
    }
    CHECK_STATUS(BP_END, bp_consumer_next(consumer, 0, 0, &event, &error), &error);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

typedef struct shown {
    size_t consumers;
    size_t parked;
    uint64_t sequence;
    char reason[64];
    bool retry;
    uint32_t attempts;
    bp_lag lag;
    bp_status status;
    char name[64];
    char region[64];
} shown;

static int note(void *argument, const bp_consumer_info *info)
{
    shown *s = argument;
    s->consumers++;
    s->parked = info->parked_count;
    s->lag = info->lag;
    s->status = info->status;
    (void)snprintf(s->name, sizeof s->name, "%.*s", (int)info->name.size, info->name.data);
    (void)snprintf(s->region, sizeof s->region, "%.*s", (int)info->region.size, info->region.data);
    if (info->parked_count > 0) {
        const bp_parked *parked = &info->parked[0];
        s->sequence = parked->sequence;
        s->retry = parked->retry;
        s->attempts = parked->attempts;
        (void)snprintf(s->reason, sizeof s->reason, "%.*s", (int)parked->reason.size, parked->reason.data);
    }
    return 0;
}

static shown show(bp_store *store)
{
    bp_error error = {0};
    shown s = {0};
    CHECK_OK(bp_consumers(store, note, &s, &error), &error);
    return s;
}

static void a_poison_event_is_parked_and_can_be_tried_again(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "bad");
    bpt_put(store, "a", "behind");
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    bp_consumer *consumer = open_consumer(store, &options);
    fail_it(consumer, next_of(consumer, 0, "bad"));
    shown s = show(store); /* written at once */
    assert_int_equal(s.parked, 1);
    assert_int_equal(s.sequence, 0);
    assert_int_equal(s.attempts, 1);
    assert_string_equal(s.reason, "it hurts");
    ack(consumer, next_of(consumer, 0, "behind")); /* the stream goes on */
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_retry(consumer, 7, &error), &error);
    CHECK_OK(bp_consumer_retry(consumer, 0, &error), &error);
    CHECK_OK(bp_consumer_retry(consumer, BP_NONE, &error), &error); /* not twice */
    fail_it(consumer, next_of(consumer, 0, "bad"));
    nothing_for(consumer, 0);
    close_consumer(consumer);
    s = show(store);
    assert_int_equal(s.parked, 1);
    assert_int_equal(s.attempts, 2);
    assert_false(s.retry);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_retry_later(store, "mailer", 0, 9, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_retry_later(store, "nobody", 0, 0, &error), &error);
    CHECK_SAYS(&error, "no consumer \"nobody\"");
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_forget(store, "nobody", 2, &error), &error);
    CHECK_SAYS(&error, "no consumer \"nobody\" with that partition");
    CHECK_OK(bp_consumer_retry_later(store, "mailer", 0, BP_NONE, &error), &error);
    assert_true(show(store).retry);
    consumer = open_consumer(store, &options);
    ack(consumer, next_of(consumer, 0, "bad"));
    nothing_for(consumer, 0);
    close_consumer(consumer);
    assert_int_equal(show(store).parked, 0);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_full_list_of_parked_stops(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    options.parked_max = 2;
    bp_consumer *consumer = open_consumer(store, &options);
    for (int i = 0; i < 3; i++) {
        bpt_put(store, "a", "bad");
        fail_it(consumer, next_of(consumer, 0, "bad"));
    }
    CHECK_STATUS(BP_END, bp_consumer_next(consumer, 0, 0, &event, &error), &error);
    close_consumer(consumer);
    assert_int_equal(show(store).parked, 2);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status as_it_is(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    (void)context;
    (void)error;
    return bp_output_append(payload, event->payload, event->payload_size) ? BP_OK : BP_ERR_NO_MEMORY;
}

/* Newer than the converters know, until they know it. */
static void what_cannot_be_converted_is_parked_or_stops(void **state)
{
    enum { KIND = 0xf020 };
    bpt_world world;
    bp_error error = {0};
    bp_receipt receipt;
    const bp_event *event = NULL;
    bp_consumer_options options;
    bp_upcast steps[] = {{.kind = KIND, .from = 1, .convert = as_it_is},
                         {.kind = KIND, .from = 2, .convert = as_it_is}};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_upcast_register(store, steps, 1, &error), &error);
    bp_payload newer = bp_payload_versioned(bp_raw("new", 3), 3);
    CHECK_OK(bp_append(store, bp_at("a", "s"), KIND, newer, NULL, &receipt, &error), &error);
    bpt_put(store, "a", "behind");
    bp_consumer_options_init(&options);
    bp_consumer *consumer = open_consumer(store, &options);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BP_ERR_VERSION, bp_consumer_next(consumer, 0, 0, &event, &error), &error);
        assert_non_null(strstr(error.hint, "bp_upcast_register"));
    }
    close_consumer(consumer);
    options.on_failure = BP_ON_FAILURE_PARK;
    consumer = open_consumer(store, &options);
    ack(consumer, next_of(consumer, 0, "behind"));
    CHECK_OK(bp_consumer_retry(consumer, 0, &error), &error);
    nothing_for(consumer, 0); /* parked again */
    CHECK_OK(bp_consumer_retry(consumer, 0, &error), &error);
    close_consumer(consumer);
    shown s = show(store);
    assert_int_equal(s.parked, 1);
    assert_int_equal(s.attempts, 2);
    assert_non_null(strstr(s.reason, "payload version 3"));
    assert_int_equal(s.lag.events, 0);
    CHECK_OK(bp_upcast_register(store, steps + 1, 1, &error), &error);
    consumer = open_consumer(store, &options);
    CHECK_OK(bp_consumer_retry(consumer, BP_NONE, &error), &error);
    ack(consumer, next_of(consumer, 0, "new"));
    nothing_for(consumer, 0);
    close_consumer(consumer);
    assert_int_equal(show(store).parked, 0);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status handle(void *context, const bp_event *event, bp_error *error)
{
    unsigned *calls = context;
    (*calls)++;
    if (memcmp(event->payload, "bad", 3) != 0) {
        return BP_OK;
    }
    (void)snprintf(error->message, sizeof error->message, "no mail for %.*s", (int)event->entity.size,
                   event->entity.data);
    return error->status = BP_ERR_IO;
}

static void run_ends_with_the_reason(void **state)
{
    bpt_world world;
    bp_error error = {0};
    unsigned calls = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "good");
    bpt_put(store, "b", "bad one");
    bp_consumer *consumer = open_consumer(store, NULL);
    CHECK_STATUS(BP_ERR_FAILED, bp_consumer_run(consumer, 0, handle, &calls, &error), &error);
    assert_non_null(strstr(error.message, "no mail for b"));
    assert_int_equal(calls, 2);
    close_consumer(consumer);
    consumer = open_consumer(store, NULL);
    bp_consumer_stop(consumer);
    CHECK_OK(bp_consumer_run(consumer, 0, handle, &calls, &error), &error);
    assert_int_equal(calls, 2);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void all_consumers_are_listed_with_their_lag(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    assert_int_equal(show(store).consumers, 0);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bp_region region = bp_region_stream("a");
    bp_consumer *consumer = NULL;
    CHECK_OK(bp_consumer_open(store, "s\303\274\303\237 /etc", &region, NULL, &consumer, &error), &error);
    ack(consumer, next_of(consumer, 0, "one"));
    close_consumer(consumer);
    bp_store *reader = bpt_reader(&world);
    shown s = show(reader);
    assert_int_equal(s.consumers, 1);
    assert_string_equal(s.name, "s\303\274\303\237 /etc");
    assert_string_equal(s.region, "entity=a");
    assert_int_equal(s.lag.events, 1);
    assert_int_equal(s.status, BP_OK);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void hostile_arguments_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    const bp_event *event = NULL;
    char long_name[300];
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_open(NULL, "a", NULL, NULL, &consumer, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_open(store, NULL, NULL, NULL, &consumer, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_consumer_open(store, "", NULL, NULL, &consumer, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_consumer_open(store, "a\nb", NULL, NULL, &consumer, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_consumer_open(store, long_name, NULL, NULL, &consumer, &error), &error);
    static const size_t offsets[] = {offsetof(bp_consumer_options, workers), offsetof(bp_consumer_options, partitions),
                                     offsetof(bp_consumer_options, window), offsetof(bp_consumer_options, parked_max),
                                     offsetof(bp_consumer_options, save_every)};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        bp_consumer_options options;
        bp_consumer_options_init(&options);
        memset((char *)&options + offsets[i], 0, sizeof(uint32_t));
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_open(store, "a", NULL, &options, &consumer, &error), &error);
    }
    consumer = open_consumer(store, NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_next(consumer, 1, 0, &event, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_next(consumer, 0, 0, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_ack(consumer, 0, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_fail(consumer, 0, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_ack(NULL, 0, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_run(consumer, 0, NULL, NULL, &error), &error);
    bp_consumer_stop(NULL);
    CHECK_OK(bp_consumer_close(NULL, &error), &error);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_behind_what_was_acknowledged),
        cmocka_unit_test(begins_now_if_told),
        cmocka_unit_test(durable_events_by_default),
        cmocka_unit_test(what_it_is_bound_to_cannot_change_unless_told),
        cmocka_unit_test(one_at_a_time_has_it_open),
        cmocka_unit_test(streams_stay_in_order_over_workers),
        cmocka_unit_test(an_event_that_requires_it_is_alone),
        cmocka_unit_test(partitions_share_the_entities),
        cmocka_unit_test(the_window_bounds_what_is_held),
        cmocka_unit_test(a_failure_stops_before_the_event),
        cmocka_unit_test(a_failure_is_tried_again_later_and_later),
        cmocka_unit_test(a_poison_event_is_parked_and_can_be_tried_again),
        cmocka_unit_test(a_full_list_of_parked_stops),
        cmocka_unit_test(what_cannot_be_converted_is_parked_or_stops),
        cmocka_unit_test(run_ends_with_the_reason),
        cmocka_unit_test(all_consumers_are_listed_with_their_lag),
        cmocka_unit_test(hostile_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
