/*
 * test_thread_locals.c: a program with large thread-local variables, which some systems put on the stack of every thread: the
 * library's threads start all the same.
 *
 * ctest: labels=threads
 */
#include <string.h>
#include <time.h>

#include "support/world.h"

enum { LARGE = 1 << 20, SEGMENT = 256 << 10, SEGMENTS = 3 };

static _Thread_local volatile char large[LARGE];

static uint64_t sealed_segments(bp_store *store)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    return stats.sealed_segments;
}

static void segments_are_sealed_beside_the_appends(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char text[4096];
    (void)state;
    memset(text, 'x', sizeof text);
    large[LARGE - 1] = 1; /* so that it is there */
    bpt_world_memory(&world);
    world.options.segment_size = SEGMENT;
    world.options.durability = BP_BUFFERED;
    world.options.keeper = BP_KEEPER_THREAD;
    bp_store *store = bpt_open(&world);
    for (int i = 0; i < (SEGMENTS + 1) * SEGMENT / (int)sizeof text; i++) {
        CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(text, sizeof text), NULL, NULL, &error), &error);
    }
    const struct timespec pause = {0, 10000000};
    for (int tries = 0; tries < 1000 && sealed_segments(store) < SEGMENTS; tries++) {
        (void)nanosleep(&pause, NULL);
    }
    CHECK(sealed_segments(store) >= SEGMENTS, "%llu segments are sealed", (unsigned long long)sealed_segments(store));
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(segments_are_sealed_beside_the_appends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
