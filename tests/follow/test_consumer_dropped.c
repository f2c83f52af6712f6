/*
 * test_consumer_dropped.c: what retention takes away while a consumer is at it is passed over: an event that waits for its turn,
 * one that is to be tried again, one that was parked.
 */
#include "follow/consumer_world.h"

static bool is_text(void *context, const bp_event *event)
{
    const char *text = context;
    return event->payload_size == strlen(text) && memcmp(event->payload, text, strlen(text)) == 0;
}

static void drop(bp_store *store, const char *text)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_report report;
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%s", text);
    bp_compact_options_init(&options);
    options.drop_if = is_text;
    options.drop_context = wanted;
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, &options, &report, &error), &error);
    assert_int_equal(report.events_dropped, 1);
}

static void what_waits_and_is_dropped_is_passed_over(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bpt_put(store, "b", "three");
    bpt_put(store, "a", "four");
    bp_consumer *consumer = open_consumer(store, NULL);
    ack(consumer, next_of(consumer, 0, "one"));
    drop(store, "two");
    drop(store, "four");
    ack(consumer, next_of(consumer, 0, "three"));
    nothing_for(consumer, 0);
    bpt_put(store, "a", "five");
    ack(consumer, next_of(consumer, 0, "five"));
    close_consumer(consumer);
    consumer = open_consumer(store, NULL);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void what_failed_and_is_dropped_is_not_tried_again(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    options.retries = 0;
    bp_consumer *consumer = open_consumer(store, &options);
    fail_it(consumer, next_of(consumer, 0, "one")); /* parked */
    CHECK_OK(bp_consumer_retry(consumer, 0, &error), &error);
    drop(store, "one");
    ack(consumer, next_of(consumer, 0, "two"));
    nothing_for(consumer, 0);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_consumer_retry(consumer, 0, &error), &error); /* it is parked no more */
    close_consumer(consumer);
    consumer = open_consumer(store, &options);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_and_is_dropped_is_passed_over),
        cmocka_unit_test(what_failed_and_is_dropped_is_not_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
