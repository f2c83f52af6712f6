/*
 * test_snapshot_threads.c: snapshots at random moments under four writing threads: each is the beginning of what the store has in
 * the end, with everything that was acknowledged before it was asked for.
 * ctest: labels=threads
 */
#include <pthread.h>

#include "support/world.h"

enum { WRITERS = 4, EVENTS = 120, SNAPSHOTS = 6 };

typedef struct writing {
    bp_store *store;
    unsigned number;
    _Atomic uint64_t *acknowledged;
    uint64_t seed;
} writing;

static void *write_all(void *argument)
{
    writing *w = argument;
    bpt_random random = {w->seed + w->number};
    char entity[32];
    (void)snprintf(entity, sizeof entity, "writer:%u", w->number);
    for (unsigned i = 0; i < EVENTS; i++) {
        uint8_t payload[3000] = {0};
        bp_error error = {0};
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = bpt_random_chance(&random, 20) ? BP_DURABLE : BP_BUFFERED;
        bp_payload bytes = {.data = payload, .size = (size_t)bpt_random_below(&random, sizeof payload)};
        bp_status status =
            bp_append(w->store, bp_at(entity, "threads"), bp_kind(0xF, 1), bytes, &options, NULL, &error);
        if (status != BP_OK) {
            (void)bp_print_error(stderr, &error);
            abort();
        }
        atomic_fetch_add(w->acknowledged, 1);
    }
    return NULL;
}

static void check_prefix(bp_store *store, const char *path, uint64_t least)
{
    bp_error error;
    bp_store *copy = NULL;
    CHECK_OK(bp_verify(path, NULL, NULL, &error), &error);
    CHECK_OK(bp_open_reader(path, NULL, &copy, &error), &error);
    uint64_t events = bp_store_frontiers(copy).published;
    CHECK(events >= least, "%llu events, but %llu were acknowledged", (unsigned long long)events,
          (unsigned long long)least);
    for (uint64_t sequence = 0; sequence < events; sequence++) {
        const bp_event *one = NULL;
        const bp_event *other = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &one, &error), &error);
        CHECK_OK(bp_get_sequence(copy, sequence, &other, &error), &error);
        CHECK(bp_hash_equal(&one->event_hash, &other->event_hash), "event %llu differs", (unsigned long long)sequence);
        bp_event_release(one);
        bp_event_release(other);
    }
    bpt_close(copy);
}

static void snapshots_at_random_moments_are_beginnings(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_disk(&world);
    uint64_t seed = bpt_seed(20261122);
    bpt_random random = {seed};
    _Atomic uint64_t acknowledged = 0;
    char paths[SNAPSHOTS][600];
    uint64_t least[SNAPSHOTS];
    pthread_t threads[WRITERS];
    writing writers[WRITERS];
    bp_error error;
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (writing){store, i, &acknowledged, seed};
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        bp_snapshot_options options;
        bp_snapshot_options_init(&options);
        bool by_reader = i % 3 == 2;
        options.sharing = bpt_random_chance(&random, 50) ? BP_SHARE_LINK : BP_SHARE_NOTHING;
        options.since = i > 0 && bpt_random_chance(&random, 50) ? paths[i - 1] : NULL;
        (void)snprintf(paths[i], sizeof paths[i], "%s-%u", world.path, i);
        bp_clock_system()->sleep_ns(NULL, bpt_random_below(&random, 30) * 1000000);
        bpt_note("seed %llu snapshot %u", (unsigned long long)seed, i);
        least[i] = by_reader ? 0 : atomic_load(&acknowledged);
        CHECK_OK(bp_snapshot(by_reader ? reader : store, paths[i], &options, NULL, &error), &error);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        bpt_note("seed %llu snapshot %u", (unsigned long long)seed, i);
        check_prefix(store, paths[i], least[i]);
    }
    bpt_close(reader);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), WRITERS * EVENTS);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_at_random_moments_are_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
