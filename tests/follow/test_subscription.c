/*
 * test_subscription.c: waiting for events in the same process: nothing lost, nothing twice, an end that is clean.
 *
 * ctest: labels=threads
 */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "support/world.h"

static bp_subscription *subscribe(bp_store *store, const bp_subscription_options *options)
{
    bp_error error = {0};
    bp_subscription *subscription = NULL;
    CHECK_OK(bp_subscribe(store, NULL, options, &subscription, &error), &error);
    return subscription;
}

static bp_subscription_options replaying(void)
{
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    return options;
}

static void expect(bp_subscription *subscription, uint32_t timeout_ms, const char *text)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_OK(bp_subscription_next(subscription, timeout_ms, &delivery, &error), &error);
    CHECK(delivery.event.payload_size == strlen(text) && memcmp(delivery.event.payload, text, strlen(text)) == 0,
          "%.*s is not %s", (int)delivery.event.payload_size, (const char *)delivery.event.payload, text);
}

static void expect_status(bp_subscription *subscription, uint32_t timeout_ms, bp_status status)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_STATUS(status, bp_subscription_next(subscription, timeout_ms, &delivery, &error), &error);
}

static void starts_now_unless_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_position position;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bp_subscription *now = subscribe(store, NULL);
    bp_subscription_options options = replaying();
    bp_subscription *all = subscribe(store, &options);
    bpt_put(store, "a", "two");
    expect(now, 0, "two");
    expect_status(now, 0, BP_ERR_TIMEOUT);
    expect(all, 0, "one");
    CHECK_OK(bp_subscription_position(all, &position, &error), &error);
    bp_subscription_options_init(&options);
    options.from = &position;
    bp_subscription *behind = subscribe(store, &options);
    expect(behind, 0, "two");
    bp_subscription_close(now);
    bp_subscription_close(all);
    bp_subscription_close(behind);
    bpt_close(store);
    bpt_world_end(&world);
}

static bool is_long(void *context, const bp_event *event)
{
    (*(unsigned *)context)++;
    return event->payload_size > 3;
}

static bool upper(void *context, const bp_event *event, void **value_out)
{
    static char text[32];
    (void)context;
    (void)snprintf(text, sizeof text, "<%.*s>", (int)event->payload_size, (const char *)event->payload);
    *value_out = text;
    return ((const char *)event->payload)[0] != 'd';
}

static void filters_maps_and_takes_in_that_order(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    unsigned looked = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.filter = is_long;
    options.map = upper;
    options.take = 2;
    options.context = &looked;
    bp_subscription *subscription = subscribe(store, &options);
    static const char *const texts[] = {"one", "drop me", "three", "two", "four", "five5"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bpt_put(store, "a", texts[i]);
    }
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_string_equal(delivery.value, "<three>");
    assert_int_equal(delivery.event.sequence, 2);
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_string_equal(delivery.value, "<four>");
    expect_status(subscription, 0, BP_END);
    expect_status(subscription, BP_FOREVER, BP_END);
    assert_int_equal(looked, 5); /* behind the second it looked no further */
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

static void many_are_valid_together(void **state)
{
    enum { COUNT = 500 };
    bpt_world world;
    bp_error error = {0};
    bp_delivery deliveries[64];
    size_t count = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.take = COUNT - 10;
    bp_subscription *subscription = subscribe(store, &options);
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "payload %d", i);
        bpt_put(store, "a", text);
    }
    uint64_t seen = 0;
    bp_status status;
    while ((status = bp_subscription_next_many(subscription, 0, deliveries, 64, &count, &error)) == BP_OK) {
        assert_in_range(count, 1, 64);
        for (size_t i = 0; i < count; i++) {
            char text[32];
            (void)snprintf(text, sizeof text, "payload %llu", (unsigned long long)seen + i);
            assert_int_equal(deliveries[i].event.sequence, seen + i);
            assert_memory_equal(deliveries[i].event.payload, text, strlen(text));
        }
        seen += count;
    }
    assert_int_equal(status, BP_END);
    assert_int_equal(seen, COUNT - 10);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_next_many(subscription, 0, deliveries, 0, &count, &error), &error);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

static void the_newest_with_the_gap_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.latest = true;
    bp_subscription *subscription = subscribe(store, &options);
    for (int i = 0; i < 7; i++) {
        bpt_put(store, "a", "old");
    }
    bpt_put(store, "a", "new");
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_memory_equal(delivery.event.payload, "new", 3);
    assert_int_equal(delivery.skipped, 7);
    expect_status(subscription, 0, BP_ERR_TIMEOUT);
    bpt_put(store, "a", "newer");
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_memory_equal(delivery.event.payload, "newer", 5);
    assert_int_equal(delivery.skipped, 0);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

static bool is_wanted(void *context, const bp_event *event)
{
    (void)context;
    return ((const char *)event->payload)[0] == 'y';
}

/* Each event is delivered or told as passed over, once; also those of a look that found nothing. */
static void the_gap_counts_what_nobody_wanted(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.latest = true;
    options.filter = is_wanted;
    bp_subscription *subscription = subscribe(store, &options);
    for (int i = 0; i < 3; i++) {
        bpt_put(store, "a", "n");
    }
    expect_status(subscription, 0, BP_ERR_TIMEOUT);
    bpt_put(store, "a", "n");
    bpt_put(store, "a", "y");
    bpt_put(store, "a", "n");
    bpt_put(store, "a", "n");
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_int_equal(delivery.event.sequence, 4);
    assert_int_equal(delivery.skipped, 4);
    bpt_put(store, "a", "y");
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_int_equal(delivery.skipped, 2);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

static uint64_t frozen_ns(void *context)
{
    (void)context;
    return 1;
}

static void a_timeout_ends_although_the_clock_stands_still(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    world.clock.table.steady_ns = frozen_ns;
    bp_store *store = bpt_open(&world);
    bp_subscription *subscription = subscribe(store, NULL);
    double start = bpt_seconds();
    expect_status(subscription, 30, BP_ERR_TIMEOUT);
    assert_true(bpt_seconds() - start < 10);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- with threads ---- */

typedef struct worker {
    bp_store *store;
    bp_subscription *subscription;
    uint64_t wanted;
    uint64_t seen;
    bp_status status;
    uint32_t pause_us;
} worker;

/* Delivers until the end; sequences without a gap. */
static void *deliver(void *argument)
{
    worker *w = argument;
    bp_delivery delivery;
    bp_error error = {0};
    while (w->seen < w->wanted) {
        w->status = bp_subscription_next(w->subscription, 60000, &delivery, &error);
        if (w->status != BP_OK || delivery.event.sequence != w->seen) {
            break;
        }
        w->seen++;
        if (w->pause_us != 0 && w->seen % 64 == 0) {
            (void)usleep(w->pause_us);
        }
    }
    return NULL;
}

static void *append_some(void *argument)
{
    worker *w = argument;
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    for (uint64_t i = 0; i < w->wanted && w->status == BP_OK; i++) {
        options.durability = i % 97 == 0 ? BP_DURABLE : BP_BUFFERED;
        w->status = bp_append(w->store, bp_at("a", "s"), 0xf001, bp_raw("payload", 7), &options, NULL, &error);
    }
    return NULL;
}

static void many_threads_see_all(bool through_reader, bool durable)
{
    enum { THREADS = 6, APPENDERS = 2 };
    bpt_world world;
    bp_error error = {0};
    uint64_t each = bpt_amount("BATPAK_EVENTS", 2000, 50000);
    pthread_t threads[THREADS + APPENDERS];
    worker workers[THREADS + APPENDERS] = {{0}};
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bp_store *followed = through_reader ? bpt_reader(&world) : store;
    bp_subscription_options options = replaying();
    options.durable = durable;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.store = followed,
                              .subscription = subscribe(followed, &options),
                              .wanted = each * APPENDERS,
                              .pause_us = i == 0 ? 3000 : 0}; /* a slow one */
        assert_int_equal(pthread_create(&threads[i], NULL, deliver, &workers[i]), 0);
    }
    for (int i = THREADS; i < THREADS + APPENDERS; i++) {
        workers[i] = (worker){.store = store, .wanted = each};
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, &workers[i]), 0);
    }
    for (int i = THREADS; i < THREADS + APPENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, BP_OK);
    }
    CHECK_OK(bp_sync(store, &error), &error);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        CHECK(workers[i].seen == workers[i].wanted, "subscriber %d saw %llu and %s", i,
              (unsigned long long)workers[i].seen, bp_status_name(workers[i].status));
        bp_subscription_close(workers[i].subscription);
    }
    if (through_reader) {
        bpt_close(followed);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static void threads_beside_the_writer_see_all(void **state)
{
    (void)state;
    many_threads_see_all(false, false);
}

static void threads_of_a_reader_see_all(void **state)
{
    (void)state;
    many_threads_see_all(true, false);
}

static void durable_threads_see_all(void **state)
{
    (void)state;
    many_threads_see_all(true, true);
}

static void a_stop_wakes_who_waits(void **state)
{
    enum { THREADS = 4 };
    bpt_world world;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.subscription = subscribe(store, NULL), .wanted = 1};
        assert_int_equal(pthread_create(&threads[i], NULL, deliver, &workers[i]), 0);
    }
    (void)usleep(20000);
    for (int i = 0; i < THREADS; i++) {
        double start = bpt_seconds();
        bp_subscription_stop(workers[i].subscription);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, BP_END);
        CHECK(bpt_seconds() - start < 5, "the stop took %f s", bpt_seconds() - start);
        expect_status(workers[i].subscription, 0, BP_END);
        bp_subscription_close(workers[i].subscription);
    }
    bp_subscription_stop(NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void closing_wakes_who_waits(void **state)
{
    enum { THREADS = 4 };
    bpt_world world;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.subscription = subscribe(i % 2 == 0 ? store : reader, NULL), .wanted = 1};
        assert_int_equal(pthread_create(&threads[i], NULL, deliver, &workers[i]), 0);
    }
    (void)usleep(20000);
    bpt_close(reader);
    bpt_close(store);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, BP_ERR_CLOSED);
        expect_status(workers[i].subscription, 0, BP_ERR_CLOSED);
        bp_subscription_close(workers[i].subscription);
    }
    bpt_world_end(&world);
}

static bool close_it(void *context, const bp_event *event)
{
    bp_error error = {0};
    (void)event;
    CHECK_STATUS(BP_ERR_REENTRANT, bp_close(context, &error), &error);
    return true;
}

static void a_filter_cannot_close_the_store(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.filter = close_it;
    options.context = store;
    bp_subscription *subscription = subscribe(store, &options);
    bpt_put(store, "a", "one");
    expect(subscription, 0, "one");
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- descriptors ---- */

static bool readable(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, timeout_ms) == 1 && (watched.revents & POLLIN) != 0;
}

static void event_loops(bool through_reader)
{
    bpt_world world;
    bp_error error = {0};
    int fds[2] = {-1, -1};
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bp_store *followed = through_reader ? bpt_reader(&world) : store;
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    bp_subscription *subscriptions[2] = {subscribe(followed, &options), NULL};
    options.durable = true;
    subscriptions[1] = subscribe(followed, &options);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(bp_subscription_descriptor(subscriptions[i], &fds[i], &error), &error);
        assert_true(readable(fds[i], 0)); /* it begins so */
        expect_status(subscriptions[i], 0, BP_ERR_TIMEOUT);
        assert_false(readable(fds[i], 0));
    }
    for (int round = 0; round < 20; round++) {
        bpt_put(store, "a", "one");
        bpt_put(store, "a", "two");
        for (int i = 0; i < 2; i++) {
            for (int got = 0; got < 2;) {
                bp_delivery delivery;
                assert_true(readable(fds[i], 10000));
                got += bp_subscription_next(subscriptions[i], 0, &delivery, &error) == BP_OK;
            }
            do { /* a mark that is synced may make it look once more */
                expect_status(subscriptions[i], 0, BP_ERR_TIMEOUT);
            } while (readable(fds[i], 1));
        }
    }
    bp_subscription_stop(subscriptions[0]);
    assert_true(readable(fds[0], 10000));
    expect_status(subscriptions[0], 0, BP_END);
    if (through_reader) {
        bpt_close(followed);
    }
    bpt_close(store);
    assert_true(readable(fds[1], 10000)); /* the end, too */
    expect_status(subscriptions[1], 0, BP_ERR_CLOSED);
    bp_subscription_close(subscriptions[0]);
    bp_subscription_close(subscriptions[1]);
    bpt_world_end(&world);
}

static void event_loops_beside_the_writer(void **state)
{
    (void)state;
    event_loops(false);
}

static void event_loops_of_a_reader(void **state)
{
    (void)state;
    event_loops(true);
}

static bool stop_it(void *context, const bp_event *event)
{
    (void)event;
    bp_subscription_stop(*(bp_subscription **)context);
    return false;
}

static void a_stop_while_it_looks_is_told_to_event_loops(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_subscription *subscription = NULL;
    int fd = -1;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bp_subscription_options options = replaying();
    options.filter = stop_it;
    options.context = &subscription;
    subscription = subscribe(store, &options);
    CHECK_OK(bp_subscription_descriptor(subscription, &fd, &error), &error);
    bpt_put(store, "a", "one");
    bp_delivery delivery;
    bp_status status = bp_subscription_next(subscription, 0, &delivery, &error);
    assert_true(status == BP_ERR_TIMEOUT || status == BP_END);
    assert_true(readable(fd, 2000));
    expect_status(subscription, 0, BP_END);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

static void hostile_arguments_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_subscription *subscription = NULL;
    bp_subscription_options options = {0};
    bp_delivery delivery;
    size_t count;
    int fd;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscribe(NULL, NULL, NULL, &subscription, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscribe(store, NULL, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscribe(store, NULL, &options, &subscription, &error), &error);
    subscription = subscribe(store, NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_next(NULL, 0, &delivery, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_next(subscription, 0, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_next_many(subscription, 0, NULL, 1, &count, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_next_many(subscription, 0, &delivery, 1, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_descriptor(NULL, &fd, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_descriptor(subscription, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_lag(NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_subscription_position(NULL, NULL, &error), &error);
    bp_subscription_close(subscription);
    bp_subscription_close(NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_now_unless_told),
        cmocka_unit_test(filters_maps_and_takes_in_that_order),
        cmocka_unit_test(many_are_valid_together),
        cmocka_unit_test(the_newest_with_the_gap_told),
        cmocka_unit_test(the_gap_counts_what_nobody_wanted),
        cmocka_unit_test(a_timeout_ends_although_the_clock_stands_still),
        cmocka_unit_test(threads_beside_the_writer_see_all),
        cmocka_unit_test(threads_of_a_reader_see_all),
        cmocka_unit_test(durable_threads_see_all),
        cmocka_unit_test(a_stop_wakes_who_waits),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(a_filter_cannot_close_the_store),
        cmocka_unit_test(event_loops_beside_the_writer),
        cmocka_unit_test(event_loops_of_a_reader),
        cmocka_unit_test(a_stop_while_it_looks_is_told_to_event_loops),
        cmocka_unit_test(hostile_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
