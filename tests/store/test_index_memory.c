/*
 * test_index_memory.c: memory that runs out once, at each place, while a reader follows a merge of segments in whose midst it stands, is
 * over when there is memory again: what it shows then is everything.
 */
#include <batpak/compact.h>

#include "io/fault_memory.h"
#include "support/world.h"

enum { SIZE = 4000, HALF = 8, COUNT = 40 };

static void put(bp_store *store, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        (void)bpt_put_sized(store, i % 2 == 0 ? "a" : "b", SIZE);
    }
}

static void merge(bp_store *store)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.merge = true;
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
}

static void shows_all(bp_store *reader)
{
    bp_error error = {0};
    uint64_t count = 0;
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, COUNT);
    for (uint64_t sequence = 0; sequence < COUNT; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(reader, sequence, &event, &error), &error);
        assert_int_equal(event->payload_size, SIZE);
        bp_event_release(event);
    }
}

/* False: that many were not asked for. */
static bool follows_without(uint64_t nth)
{
    bpt_world world;
    bp_error error = {0};
    bpi_fault_memory memory;
    uint64_t count = 0;
    bpt_note("allocation %llu", (unsigned long long)nth);
    bpt_world_memory(&world);
    world.options.segment_size = BP_SEGMENT_MIN;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    put(store, 0, HALF);
    bpi_fault_memory_init(&memory);
    world.options.allocator = &memory.table;
    bp_store *reader = bpt_reader(&world);
    world.options.allocator = NULL;
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    put(store, HALF, COUNT);
    bpt_close(store);
    world.options.segment_size = 8 * BP_SEGMENT_MIN; /* so that several become one */
    store = bpt_open(&world);
    merge(store);
    uint64_t before = memory.calls;
    memory.fails_at = before + nth;
    bp_status status = bp_count(reader, NULL, &count, &error);
    bool failed = memory.calls >= memory.fails_at;
    memory.fails_at = 0;
    CHECK(failed || status == BP_OK, "%s", bp_status_name(status));
    CHECK(status == BP_OK || status == BP_ERR_NO_MEMORY, "%s: %s", bp_status_name(status), error.message);
    shows_all(reader);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
    return failed;
}

static void a_lack_of_memory_is_over_when_there_is_some(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (follows_without(nth)) {
        nth++;
    }
    assert_true(nth > 5);
    bpt_note("%s", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lack_of_memory_is_over_when_there_is_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
