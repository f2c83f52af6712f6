/*
 * test_swap_threads.c: snapshots, compactions, erasures and tombstones beside threads that append, query, follow and consume, and beside a
 * reader's handle: what is kept comes once, in order, and none is told of damage.
 *
 * ctest: labels=threads timeout=300
 */
#include <pthread.h>

#include "support/world.h"

enum { APPENDERS = 4, EACH = 150, TOTAL = APPENDERS * EACH, ROUNDS = 5 };

typedef struct shared {
    bpt_world world;
    bp_store *store;
    bp_store *reader;
    _Atomic unsigned appending;
    _Atomic bool over;
} shared;

typedef struct following {
    shared *s;
    bp_store *store;
    uint64_t kept; /* events that no compaction drops */
} following;

/* Sequences in which the appenders' events lie are not known beforehand; their kinds are: 1 stays, 2 goes. */
static bool goes(void *context, const bp_event *event)
{
    (void)context;
    return event->kind == bp_kind(1, 2);
}

static void *append(void *argument)
{
    shared *s = argument;
    char payload[300] = "x";
    for (unsigned i = 0; i < EACH; i++) {
        bp_error error = {0};
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = i % 8 == 0 ? BP_DURABLE : BP_BUFFERED;
        CHECK_OK(bp_append(s->store, bp_at(i % 3 == 0 ? "a" : "b", "eu"), bp_kind(1, 1 + i % 2),
                           bp_raw(payload, sizeof payload), &options, NULL, &error),
                 &error);
    }
    atomic_fetch_sub(&s->appending, 1);
    return NULL;
}

/* Whole queries, over and over: sequences ascend, and what stays only grows. */
static void *query(void *argument)
{
    following *f = argument;
    bp_region region = bp_region_by_kind(bp_kind(1, 1));
    for (bool last = false; !last;) {
        last = atomic_load(&f->s->over);
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        bp_error error = {0};
        uint64_t next = 0;
        uint64_t count = 0;
        bp_status status = bp_query(f->store, &region, NULL, &iterator, &error);
        CHECK_OK(status, &error);
        while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
            CHECK(event->sequence >= next, "%d behind %d", (int)event->sequence, (int)next);
            next = event->sequence + 1;
            count++;
        }
        CHECK_STATUS(BP_END, status, &error);
        bp_iterator_close(iterator);
        CHECK(count >= f->kept, "%d, and %d before", (int)count, (int)f->kept);
        f->kept = count;
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    following *f = argument;
    bp_error error = {0};
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    uint64_t next = 0;
    bp_subscription_options_init(&options);
    options.replay = true;
    CHECK_OK(bp_subscribe(f->store, NULL, &options, &subscription, &error), &error);
    while (f->kept < TOTAL / 2) {
        bp_delivery delivery;
        CHECK_OK(bp_subscription_next(subscription, 20000, &delivery, &error), &error);
        CHECK(delivery.event.sequence >= next, "%d behind %d", (int)delivery.event.sequence, (int)next);
        next = delivery.event.sequence + 1;
        f->kept += delivery.event.kind == bp_kind(1, 1);
    }
    bp_subscription_close(subscription);
    return NULL;
}

static void *consume(void *argument)
{
    following *f = argument;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    uint64_t next = 0;
    CHECK_OK(bp_consumer_open(f->store, "mailer", NULL, NULL, &consumer, &error), &error);
    while (f->kept < TOTAL / 2) {
        const bp_event *event = NULL;
        CHECK_OK(bp_consumer_next(consumer, 0, 20000, &event, &error), &error);
        CHECK(event->sequence >= next, "%d behind %d", (int)event->sequence, (int)next);
        next = event->sequence + 1;
        f->kept += event->kind == bp_kind(1, 1);
        CHECK_OK(bp_consumer_ack(consumer, event->sequence, &error), &error);
    }
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
    return NULL;
}

static void one_round(shared *s, unsigned round)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = goes;
    options.merge = round % 2 == 0;
    CHECK_OK(bp_seal(s->store, &error), &error);
    CHECK_OK(bp_compact(s->store, &options, NULL, &error), &error);
    bp_region region = bp_region_stream("a");
    region.kind = bp_kind(1, 1);
    region.fields |= BP_REGION_KIND;
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    erase.reason = "asked to";
    erase.by = "officer 7";
    erase.region = &region;
    CHECK_OK(bp_erase(s->store, &erase, NULL, &error), &error);
    char path[600];
    (void)snprintf(path, sizeof path, "%.500s/snapshot-%u", s->world.root, round);
    CHECK_OK(bp_snapshot(round % 2 == 0 ? s->store : s->reader, path, NULL, NULL, &error), &error);
    CHECK_OK(bp_verify(s->world.path, NULL, NULL, &error), &error);
}

static void all_at_once(void **state)
{
    (void)state;
    static void *(*const followers[])(void *) = {query, query, subscribe, subscribe, consume};
    enum { FOLLOWERS = sizeof followers / sizeof followers[0] };
    shared s = {0};
    pthread_t threads[APPENDERS + FOLLOWERS];
    following f[FOLLOWERS] = {0};
    bpt_world_disk(&s.world);
    s.store = bpt_open(&s.world);
    s.reader = bpt_reader(&s.world);
    atomic_store(&s.appending, APPENDERS);
    for (unsigned i = 0; i < APPENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, append, &s), 0);
    }
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        f[i] = (following){.s = &s, .store = i % 2 == 0 ? s.store : s.reader};
        assert_int_equal(pthread_create(&threads[APPENDERS + i], NULL, followers[i], &f[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS || atomic_load(&s.appending) != 0; round++) {
        one_round(&s, round);
    }
    atomic_store(&s.over, true);
    bp_error error = {0};
    CHECK_OK(bp_sync(s.store, &error), &error);
    for (unsigned i = 0; i < APPENDERS + FOLLOWERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        CHECK(f[i].kept == TOTAL / 2, "follower %u has %d of %d", i, (int)f[i].kept, TOTAL / 2);
    }
    bpt_close(s.reader);
    bpt_close(s.store);
    (void)bpt_verify(&s.world);
    bpt_world_end(&s.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
