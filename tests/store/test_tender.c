/*
 * test_tender.c: index files are written and merged by a thread of their own while appends rotate: nothing is seen twice,
 * nothing is missing, and what was sealed has its file when bp_seal returns, when nothing is appended for a while, and when the store is closed.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/world.h"

enum {
    ROUNDS = 4,
    EVENTS = 6000,
    ENTITIES = 50,
    PAUSE_FROM = 4096,
    PAUSE_NS = 500000,
    ENDS_ONE = BP_SEGMENT_MIN / 400
};

/* The thread that appends: its larger requests for memory, which a rotation makes, take so long that the other threads get far. */
static pthread_t appender;

static void *allocate_slowly(void *context, size_t size)
{
    (void)context;
    if (size >= PAUSE_FROM && pthread_equal(pthread_self(), appender)) {
        const struct timespec pause = {0, PAUSE_NS};
        (void)nanosleep(&pause, NULL);
    }
    return malloc(size);
}

static void *resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return realloc(memory, size);
}

static void release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static const bp_allocator slow = {sizeof slow, NULL, allocate_slowly, resize, release};

static void append(bp_store *store, int number)
{
    char name[24];
    char text[256];
    bp_error error = {0};
    memset(text, 'x', sizeof text);
    (void)snprintf(name, sizeof name, "e:%d", number % ENTITIES);
    CHECK_OK(bp_append(store, bp_at(name, "s"), 0xf001, bp_raw(text, sizeof text), NULL, NULL, &error), &error);
}

/* Every sequence once, in order, and as many of each entity as there should be. */
static void check_all(bp_store *store, uint64_t count)
{
    bp_error error = {0};
    bp_iterator *iter = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_all();
    uint64_t next = 0;
    CHECK_OK(bp_query(store, &region, NULL, &iter, &error), &error);
    while (bp_next(iter, &event, &error) == BP_OK) {
        assert_int_equal(event->sequence, next);
        next++;
    }
    bp_iterator_close(iter);
    assert_int_equal(next, count);
    for (int entity = 0; entity < ENTITIES; entity += 7) {
        char name[24];
        uint64_t found = 0;
        (void)snprintf(name, sizeof name, "e:%d", entity);
        region = bp_region_stream(name);
        CHECK_OK(bp_count(store, &region, &found, &error), &error);
        assert_int_equal(found, count / ENTITIES);
    }
}

static bp_stats stats_of(bp_store *store)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    return stats;
}

static void files_are_written_and_merged_beside_rotations(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        bpt_world world;
        bpt_world_memory(&world);
        world.options.segment_size = BP_SEGMENT_MIN;
        world.options.keeper = BP_KEEPER_THREAD;
        world.options.durability = BP_BUFFERED;
        world.options.allocator = &slow;
        appender = pthread_self();
        bp_store *store = bpt_open(&world);
        for (int number = 0; number < EVENTS; number++) {
            append(store, number);
        }
        check_all(store, EVENTS);
        bp_error error = {0};
        CHECK_OK(bp_seal(store, &error), &error);
        bp_stats stats = stats_of(store);
        assert_true(stats.sealed_segments > 16);
        assert_true(stats.index_files > 0 &&
                    stats.index_files < stats.sealed_segments / 4); /* all have one, eight in one */
        check_all(store, EVENTS);
        bpt_close(store);
        store = bpt_open(&world);
        check_all(store, EVENTS);
        assert_int_equal(stats_of(store).index_files, stats.index_files);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* What one or two segments wait for: that nothing is appended for some milliseconds. */
static void a_file_is_written_in_a_lull(void **state)
{
    (void)state;
    enum { WAITS = 600, WAIT_NS = 5000000 };
    static const bp_durability ways[] = {BP_BUFFERED, BP_DURABLE};
    for (size_t way = 0; way < 2; way++) {
        bpt_world world;
        bpt_world_memory(&world);
        world.options.segment_size = BP_SEGMENT_MIN;
        world.options.keeper = BP_KEEPER_THREAD;
        world.options.durability = ways[way];
        bp_store *store = bpt_open(&world);
        for (int number = 0; number < ENDS_ONE; number++) {
            append(store, number);
        }
        const struct timespec wait = {0, WAIT_NS};
        for (int waits = 0; stats_of(store).index_files == 0; waits++) {
            assert_true(waits < WAITS);
            (void)nanosleep(&wait, NULL);
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_written_and_merged_beside_rotations),
        cmocka_unit_test(a_file_is_written_in_a_lull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
