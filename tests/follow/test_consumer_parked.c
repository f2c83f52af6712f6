/*
 * test_consumer_parked.c: events parked behind the position, which is that of an earlier one that nobody acknowledged: after
 * the next opening they are on the list still, and come when they are asked for, once.
 */
#include "follow/consumer_world.h"

static bp_consumer_options parking(void)
{
    bp_consumer_options options = published();
    options.workers = 2;
    options.on_failure = BP_ON_FAILURE_PARK;
    return options;
}

static int count_parked(void *argument, const bp_consumer_info *info)
{
    *(size_t *)argument = info->parked_count;
    return 0;
}

static void expect_parked(bp_store *store, size_t wanted)
{
    bp_error error = {0};
    size_t parked = 99;
    CHECK_OK(bp_consumers(store, count_parked, &parked, &error), &error);
    assert_int_equal(parked, wanted);
}

/* One is held, two is parked, and the position is before one. */
static bp_store *begin(bpt_world *world, const bp_consumer_options *options)
{
    bpt_world_memory(world);
    bp_store *store = bpt_open(world);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "two");
    bp_consumer *consumer = open_consumer(store, options);
    (void)next_of(consumer, 0, "one");
    fail_it(consumer, next_of(consumer, 1, "two"));
    close_consumer(consumer);
    expect_parked(store, 1);
    return store;
}

/* Nothing is left to be delivered, now and later. */
static void end(bpt_world *world, bp_store *store, bp_consumer *consumer, const bp_consumer_options *options,
                size_t parked)
{
    nothing_for(consumer, 0);
    nothing_for(consumer, 1);
    close_consumer(consumer);
    expect_parked(store, parked);
    consumer = open_consumer(store, options);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(world);
}

static void what_is_parked_stays_parked(void **state)
{
    bpt_world world;
    bp_consumer_options options = parking();
    (void)state;
    bp_store *store = begin(&world, &options);
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    bpt_put(store, "b", "three");
    ack(consumer, next_of(consumer, 1, "three"));
    ack(consumer, one);
    end(&world, store, consumer, &options, 1);
}

static void what_is_to_be_tried_later_comes_once(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options = parking();
    (void)state;
    bp_store *store = begin(&world, &options);
    CHECK_OK(bp_consumer_retry_later(store, "mailer", 0, BP_NONE, &error), &error);
    bp_consumer *consumer = open_consumer(store, &options);
    uint64_t one = next_of(consumer, 0, "one");
    uint64_t two = next_of(consumer, 1, "two");
    nothing_for(consumer, 0);
    nothing_for(consumer, 1);
    ack(consumer, two);
    ack(consumer, one);
    end(&world, store, consumer, &options, 0);
}

static void what_is_tried_again_before_it_is_met_comes_once(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options = parking();
    (void)state;
    bp_store *store = begin(&world, &options);
    bp_consumer *consumer = open_consumer(store, &options);
    CHECK_OK(bp_consumer_retry(consumer, 1, &error), &error);
    ack(consumer, next_of(consumer, 0, "one"));
    fail_it(consumer, next_of(consumer, 1, "two"));
    nothing_for(consumer, 0);
    CHECK_OK(bp_consumer_retry(consumer, 1, &error), &error);
    ack(consumer, next_of(consumer, 1, "two"));
    end(&world, store, consumer, &options, 0);
}

/* Of published events one that is parked can be taken back. What lies in its place then is another. */
static void another_event_in_the_place_of_a_parked_one_is_delivered(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        bpt_world world;
        bp_error error = {0};
        bp_consumer_options options = parking();
        bpt_note("way %d", way);
        bpt_world_fault(&world);
        world.options.durability = BP_BUFFERED;
        bp_store *store = bpt_open(&world);
        bpt_put(store, "a", "one");
        CHECK_OK(bp_sync(store, &error), &error);
        bpt_put(store, "b", "two");
        bp_consumer *consumer = open_consumer(store, &options);
        (void)next_of(consumer, 0, "one");
        fail_it(consumer, next_of(consumer, 1, "two"));
        if ((way & 1) != 0) {
            CHECK_OK(bp_consumer_retry(consumer, 1, &error), &error);
            CHECK_OK(bp_consumer_save(consumer, &error), &error);
        }
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        (void)bp_consumer_close(consumer, NULL);
        store = bpt_open(&world);
        if ((way & 2) != 0) {
            bpt_put(store, "b", "anew");
        }
        consumer = open_consumer(store, &options);
        if ((way & 2) == 0) {
            bpt_put(store, "b", "anew");
        }
        ack(consumer, next_of(consumer, 0, "one"));
        ack(consumer, next_of(consumer, 1, "anew"));
        end(&world, store, consumer, &options, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_parked_stays_parked),
        cmocka_unit_test(what_is_to_be_tried_later_comes_once),
        cmocka_unit_test(what_is_tried_again_before_it_is_met_comes_once),
        cmocka_unit_test(another_event_in_the_place_of_a_parked_one_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
