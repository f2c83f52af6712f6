/*
 * test_closing.c: followers that end while bp_close waits for a thread that is still inside the store.
 *
 * ctest: labels=threads
 */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "follow/consumer_world.h"

/* A subscription whose filter stays inside until it is let go. */
typedef struct lingering {
    bp_store *store;
    bp_subscription *subscription;
    bool wanted; /* what the filter says */
    _Atomic bool inside;
    _Atomic bool go;
    pthread_t threads[2];
    bp_status delivered;
    bp_status closed;
} lingering;

static void await_flag(const _Atomic bool *flag)
{
    for (int tries = 0; tries < 5000 && !atomic_load(flag); tries++) {
        (void)usleep(2000);
    }
    assert_true(atomic_load(flag));
}

static bool linger(void *context, const bp_event *event)
{
    lingering *l = context;
    (void)event;
    atomic_store(&l->inside, true);
    await_flag(&l->go);
    return l->wanted;
}

static void *stay_inside(void *argument)
{
    lingering *l = argument;
    bp_delivery delivery;
    l->delivered = bp_subscription_next(l->subscription, 0, &delivery, NULL);
    return NULL;
}

static void *close_store(void *argument)
{
    lingering *l = argument;
    l->closed = bp_close(l->store, NULL);
    return NULL;
}

static void subscribe(lingering *l, bp_store *store)
{
    bp_error error = {0};
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    options.latest = true; /* one look, in one piece */
    options.filter = linger;
    options.context = l;
    l->store = store;
    CHECK_OK(bp_subscribe(store, NULL, &options, &l->subscription, &error), &error);
}

/* There is an event; a thread is inside with it. */
static void begin(lingering *l)
{
    assert_int_equal(pthread_create(&l->threads[0], NULL, stay_inside, l), 0);
    await_flag(&l->inside);
}

static void begin_close(lingering *l)
{
    assert_int_equal(pthread_create(&l->threads[1], NULL, close_store, l), 0);
}

static void end(lingering *l, bp_status delivered)
{
    atomic_store(&l->go, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(l->threads[i], NULL), 0);
    }
    assert_int_equal(l->delivered, delivered);
    assert_int_equal(l->closed, BP_OK);
}

static int note_lag(void *argument, const bp_consumer_info *info)
{
    *(uint64_t *)argument = info->lag.events;
    return 0;
}

static void a_consumer_closed_meanwhile_saves_its_position(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    uint64_t lag = 1;
    lingering l = {.wanted = true};
    bp_consumer_options options = published();
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    bpt_put(store, "a", "one");
    options.save_every_ms = 1000000;
    bp_consumer *consumer = open_consumer(store, &options);
    ack(consumer, next_of(consumer, 0, "one"));
    subscribe(&l, store);
    begin(&l);
    begin_close(&l);
    CHECK_STATUS(BP_ERR_CLOSED, bp_consumer_next(consumer, 0, BP_FOREVER, &event, &error), &error);
    close_consumer(consumer);
    CHECK_OK(bp_consumers(reader, note_lag, &lag, &error), &error);
    assert_int_equal(lag, 0); /* it is written when the close is done, not when bp_close is */
    end(&l, BP_OK);
    bp_subscription_close(l.subscription);
    bpt_close(reader);
    store = bpt_open(&world);
    consumer = open_consumer(store, &options);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, timeout_ms) == 1 && (watched.revents & POLLIN) != 0;
}

/* The store's end comes while a thread is inside, which then finds nothing. */
static void a_descriptor_tells_the_end_to_who_was_inside(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    bp_subscription *other = NULL;
    int fd = -1;
    lingering l = {.wanted = false};
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    CHECK_OK(bp_subscribe(store, NULL, NULL, &other, &error), &error);
    subscribe(&l, store);
    CHECK_OK(bp_subscription_descriptor(l.subscription, &fd, &error), &error);
    begin(&l);
    begin_close(&l);
    CHECK_STATUS(BP_ERR_CLOSED, bp_subscription_next(other, BP_FOREVER, &delivery, &error), &error);
    (void)usleep(20000); /* it has told the descriptors */
    end(&l, BP_ERR_CLOSED);
    assert_true(readable(fd, 2000));
    CHECK_STATUS(BP_ERR_CLOSED, bp_subscription_next(l.subscription, 0, &delivery, &error), &error);
    bp_subscription_close(l.subscription);
    bp_subscription_close(other);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_closed_meanwhile_saves_its_position),
        cmocka_unit_test(a_descriptor_tells_the_end_to_who_was_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
