/*
 * test_refused.c: who refuses all of a long history is stopped, and comes back in time, before its end.
 */
#include <unistd.h>

#include "base/bytes.h"
#include "follow/consumer_world.h"

enum { EVENTS = 6000 };

static void fill(bp_store *store, const char *entity)
{
    for (int i = 0; i < EVENTS; i++) {
        bpt_put(store, entity, "no");
    }
    bpt_put(store, "b", "yes");
}

typedef struct refusing {
    bp_subscription *subscription;
    unsigned asked;
    bool stops;
    unsigned pause_us;
} refusing;

static bool refuse(void *context, const bp_event *event)
{
    refusing *r = context;
    if (r->asked++ == 0 && r->stops) {
        bp_subscription_stop(r->subscription);
    }
    (void)usleep(r->pause_us);
    return event->payload_size == 3 && !r->stops;
}

static bp_subscription *subscribe(bp_store *store, refusing *r, bool latest)
{
    bp_error error = {0};
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    options.filter = refuse;
    options.context = r;
    options.latest = latest;
    CHECK_OK(bp_subscribe(store, NULL, &options, &r->subscription, &error), &error);
    return r->subscription;
}

static void a_stop_is_seen_while_events_are_refused(void **state)
{
    (void)state;
    for (int latest = 0; latest < 2; latest++) {
        bpt_world world;
        bp_error error = {0};
        bp_delivery delivery;
        refusing r = {.stops = true};
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        fill(store, "a");
        bp_subscription *subscription = subscribe(store, &r, latest != 0);
        CHECK_STATUS(BP_END, bp_subscription_next(subscription, BP_FOREVER, &delivery, &error), &error);
        CHECK(r.asked < EVENTS / 2, "it asked %u times", r.asked);
        bp_subscription_close(subscription);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

static void a_timeout_is_seen_while_events_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    refusing r = {.pause_us = 200};
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    fill(store, "a");
    bp_subscription *subscription = subscribe(store, &r, false);
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_subscription_next(subscription, 5, &delivery, &error), &error);
    CHECK(r.asked < EVENTS / 2, "it asked %u times", r.asked);
    r.pause_us = 0;
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_int_equal(r.asked, EVENTS + 1); /* it went on where it was */
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

/* A clock that goes on with each look at it, and may stop a consumer with a later one. */
static struct {
    uint64_t ns;
    uint64_t step;
    bp_consumer *stops;
    int left;
} ticking;

static uint64_t tick(void *context)
{
    (void)context;
    ticking.ns += ticking.step;
    if (ticking.stops != NULL && --ticking.left == 0) {
        bp_consumer_stop(ticking.stops);
        ticking.stops = NULL;
    }
    return ticking.ns;
}

static uint32_t partition_of(const char *entity)
{
    bp_hash hash = bp_hash_bytes(entity, strlen(entity));
    return (uint32_t)(bpi_get64(hash.bytes) % 2);
}

static void a_partition_comes_back_from_what_is_of_others(void **state)
{
    (void)state;
    for (int stop = 0; stop < 2; stop++) {
        bpt_world world;
        bp_error error = {0};
        const bp_event *event = NULL;
        char entity[8] = "a";
        bp_consumer_options options = published();
        options.partitions = 2;
        options.partition = partition_of("b");
        while (partition_of(entity) == options.partition) {
            entity[0]++;
        }
        bpt_world_memory(&world);
        world.clock.table.steady_ns = tick;
        bp_store *store = bpt_open(&world);
        fill(store, entity);
        bp_consumer *consumer = open_consumer(store, &options);
        if (stop != 0) {
            ticking.stops = consumer;
            ticking.left = 2; /* when it has looked whether it is stopped */
            CHECK_STATUS(BP_END, bp_consumer_next(consumer, 0, BP_FOREVER, &event, &error), &error);
        } else {
            ticking.step = 1000000;
            CHECK_STATUS(BP_ERR_TIMEOUT, bp_consumer_next(consumer, 0, 3, &event, &error), &error);
            ticking.step = 0;
            ack(consumer, next_of(consumer, 0, "yes"));
        }
        close_consumer(consumer);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_is_seen_while_events_are_refused),
        cmocka_unit_test(a_timeout_is_seen_while_events_are_refused),
        cmocka_unit_test(a_partition_comes_back_from_what_is_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
