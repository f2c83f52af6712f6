/*
 * test_threads_seal.c: seals and readers beside appends, as hostile users ran them: one turn of maintenance at a time
 * with the inline keeper too, and a reader that crosses a rotation reads what it has left behind.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "support/world.h"

enum { APPENDS = 3000, BATCH = 3, DISK_APPENDS = 150 };

typedef struct job {
    bp_store *store;
    _Atomic bool done;
} job;

static void *seal_again_and_again(void *argument)
{
    job *shared = argument;
    while (!atomic_load(&shared->done)) {
        bp_error error = {0};
        CHECK_OK(bp_seal(shared->store, &error), &error);
    }
    return NULL;
}

static void append_all(bp_store *store)
{
    char text[200];
    memset(text, 'x', sizeof text);
    for (int index = 0; index < APPENDS; index++) {
        bp_error error = {0};
        bp_status status = bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(text, sizeof text), NULL, NULL, &error);
        CHECK_OK(status, &error);
    }
}

static void seals_beside_appends(bp_keeper_mode keeper, bp_durability durability)
{
    bpt_world world;
    job shared = {0};
    pthread_t sealer;
    bpt_world_memory(&world);
    world.options.segment_size = BP_SEGMENT_MIN;
    world.options.keeper = keeper;
    world.options.durability = durability;
    shared.store = bpt_open(&world);
    assert_int_equal(pthread_create(&sealer, NULL, seal_again_and_again, &shared), 0);
    append_all(shared.store);
    atomic_store(&shared.done, true);
    (void)pthread_join(sealer, NULL);
    bpt_close(shared.store);
    assert_int_equal(bpt_verify(&world), APPENDS);
    bpt_close(bpt_open(&world));
    bpt_world_end(&world);
}

static void seals_beside_appends_with_an_inline_keeper(void **state)
{
    (void)state;
    seals_beside_appends(BP_KEEPER_INLINE, BP_DURABLE);
    seals_beside_appends(BP_KEEPER_INLINE, BP_BUFFERED);
}

static void seals_beside_appends_with_a_keeper_thread(void **state)
{
    (void)state;
    seals_beside_appends(BP_KEEPER_THREAD, BP_DURABLE);
    seals_beside_appends(BP_KEEPER_THREAD, BP_BUFFERED);
}

static void *append_durable(void *argument)
{
    bp_store *store = argument;
    char text[200];
    memset(text, 'x', sizeof text);
    for (int index = 0; index < DISK_APPENDS; index++) {
        bp_error error = {0};
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = BP_DURABLE;
        bp_status status = bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(text, sizeof text), &options, NULL, &error);
        CHECK_OK(status, &error);
    }
    return NULL;
}

/* On this machine's files, whose descriptors are given back when a segment is sealed: a sync that was under way then must
 * not find its descriptor gone. */
static void syncs_beside_seals_on_disk(void **state)
{
    (void)state;
    for (int buffered = 0; buffered < 2; buffered++) {
        bpt_world world;
        job shared = {0};
        pthread_t sealer;
        pthread_t writers[3];
        bpt_world_disk(&world);
        world.options.segment_size = BP_SEGMENT_MIN;
        world.options.durability = buffered ? BP_BUFFERED : BP_DURABLE;
        shared.store = bpt_open(&world);
        assert_int_equal(pthread_create(&sealer, NULL, seal_again_and_again, &shared), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(pthread_create(&writers[i], NULL, append_durable, shared.store), 0);
        }
        for (int i = 0; i < 3; i++) {
            (void)pthread_join(writers[i], NULL);
        }
        atomic_store(&shared.done, true);
        (void)pthread_join(sealer, NULL);
        bpt_close(shared.store);
        assert_int_equal(bpt_verify(&world), 3 * DISK_APPENDS);
        bpt_world_end(&world);
    }
}

/* The reader looks rarely, so that one look crosses the end of a segment whose file has grown since it was mapped. */
static void a_reader_reads_what_lies_behind_a_rotation(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *reader = NULL;
    char text[300];
    (void)state;
    memset(text, 'x', sizeof text);
    bpt_world_memory(&world);
    world.options.segment_size = BP_SEGMENT_MIN;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_append(store, bp_at("e", "s"), 1 << 12, bp_raw(text, sizeof text), NULL, NULL, &error), &error);
    CHECK_OK(bp_open_reader(world.path, &world.options, &reader, &error), &error);
    for (uint64_t appended = 1; appended < 1000; appended++) {
        CHECK_OK(bp_append(store, bp_at("e", "s"), 1 << 12, bp_raw(text, sizeof text), NULL, NULL, &error), &error);
        if (appended % 200 != 0) {
            continue;
        }
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        uint64_t seen = 0;
        CHECK_OK(bp_query(reader, NULL, NULL, &iterator, &error), &error);
        bp_status status = BP_OK;
        while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
            seen++;
        }
        CHECK(status == BP_END, "%s", error.message);
        assert_int_equal(seen, appended + 1);
        bp_iterator_close(iterator);
    }
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static int64_t beyond_the_calendar(void *context)
{
    (void)context;
    return INT64_MAX;
}

static void a_clock_at_the_end_of_time_does_not_turn_the_hlc_over(void **state)
{
    bpt_world world;
    bp_receipt first;
    bp_receipt second;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_clock clock = *bp_clock_system();
    clock.now_us = beyond_the_calendar;
    world.options.clock = &clock;
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, &first, &error), &error);
    CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, &second, &error), &error);
    assert_true(second.hlc > first.hlc && second.hlc < UINT64_MAX / 2);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_beside_appends_with_an_inline_keeper),
        cmocka_unit_test(seals_beside_appends_with_a_keeper_thread),
        cmocka_unit_test(syncs_beside_seals_on_disk),
        cmocka_unit_test(a_reader_reads_what_lies_behind_a_rotation),
        cmocka_unit_test(a_clock_at_the_end_of_time_does_not_turn_the_hlc_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
