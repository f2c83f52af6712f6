/*
 * test_consumer_order.c: what comes again goes to nobody while another worker has an event of its entity.
 */
#include "follow/consumer_world.h"

static bp_consumer_options of_two_workers(void)
{
    bp_consumer_options options = published();
    options.workers = 2;
    options.backoff_ms = 0;
    return options;
}

static void what_failed_waits_for_the_worker_that_has_its_entity(void **state)
{
    bpt_world world;
    bp_consumer_options options = of_two_workers();
    (void)state;
    options.retries = 3;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bpt_put(store, "b", "other");
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    uint64_t two = next_of(consumer, 0, "two");
    fail_it(consumer, one);
    ack(consumer, next_of(consumer, 1, "other"));
    nothing_for(consumer, 1);
    ack(consumer, two);
    one = next_of(consumer, 1, "one");
    fail_it(consumer, one);
    ack(consumer, next_of(consumer, 0, "one"));
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_parked_one_waits_for_the_worker_that_has_its_entity(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options = of_two_workers();
    (void)state;
    options.on_failure = BP_ON_FAILURE_PARK;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    fail_it(consumer, one);
    uint64_t two = next_of(consumer, 0, "two");
    CHECK_OK(bp_consumer_retry(consumer, one, &error), &error);
    nothing_for(consumer, 1);
    (void)next_of(consumer, 0, "one"); /* the same worker may have both */
    ack(consumer, one);
    ack(consumer, two);
    nothing_for(consumer, 1);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void what_failed_waits_for_an_event_that_is_alone(void **state)
{
    bpt_world world;
    bp_append_options alone;
    bp_consumer_options options = of_two_workers();
    (void)state;
    options.retries = 3;
    bp_append_options_init(&alone);
    alone.flags = BP_FLAG_REQUIRES_ACK;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put_with(store, "a", "two", &alone);
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    uint64_t two = next_of(consumer, 0, "two");
    fail_it(consumer, one);
    nothing_for(consumer, 0);
    nothing_for(consumer, 1);
    ack(consumer, two);
    ack(consumer, next_of(consumer, 1, "one"));
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status never(void *context, const bp_event *event, bp_error *error)
{
    (void)context;
    (void)event;
    (void)error;
    fail();
    return BP_OK;
}

/* Two workers fail; the first of them is why it ends. */
static void the_first_failure_is_the_reason(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options = of_two_workers();
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "two");
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    uint64_t two = next_of(consumer, 1, "two");
    CHECK_OK(bp_consumer_fail(consumer, two, "the printer burns", &error), &error);
    CHECK_OK(bp_consumer_fail(consumer, one, "no light", &error), &error);
    for (uint32_t worker = 0; worker < 2; worker++) {
        CHECK_STATUS(BP_ERR_FAILED, bp_consumer_run(consumer, worker, never, NULL, &error), &error);
        CHECK_SAYS(&error, "the printer burns");
    }
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_failed_waits_for_the_worker_that_has_its_entity),
        cmocka_unit_test(a_parked_one_waits_for_the_worker_that_has_its_entity),
        cmocka_unit_test(what_failed_waits_for_an_event_that_is_alone),
        cmocka_unit_test(the_first_failure_is_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
