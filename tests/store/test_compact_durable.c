/*
 * test_compact_durable.c: what a compaction decides by is durable before it acts: newer events, with keep_last, and tombstones. A power
 * cut behind it takes neither back.
 */
#include <errno.h>

#include "support/world.h"

static bp_status drop_by(bp_store *store, bool keep_last, bool plan_only, bp_compact_report *report_out)
{
    bp_compact_options how;
    bp_compact_options_init(&how);
    how.plan_only = plan_only;
    how.keep_last = keep_last;
    how.stub_tombstoned = !keep_last;
    return bp_compact(store, &how, report_out, NULL);
}

/* Three events of an entity that are sealed, and one behind them that no sync has met. */
static bp_store *begin(bpt_world *world)
{
    bpt_world_fault(world);
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    for (int i = 0; i < 3; i++) {
        bpt_put(store, "a", "text");
    }
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    bpt_put(store, "a", "newest");
    return store;
}

static bp_store *cut_and_open(bpt_world *world, bp_store *store)
{
    bpi_fault_set_plan(world->fault, &(bpi_fault_plan){0});
    (void)bpt_power_cut(world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    return bpt_open(world);
}

static void the_newest_that_others_are_dropped_for_stays(void **state)
{
    bpt_world world;
    bp_compact_report report;
    const bp_event *event = NULL;
    (void)state;
    bp_store *store = begin(&world);
    assert_int_equal(drop_by(store, true, false, &report), BP_OK);
    assert_int_equal(report.events_dropped, 3);
    store = cut_and_open(&world, store);
    assert_int_equal(bp_get_sequence(store, 3, &event, NULL), BP_OK);
    bp_event_release(event);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    bpt_world_end(&world);
}

static void a_plan_syncs_nothing(void **state)
{
    bpt_world world;
    bp_compact_report report;
    (void)state;
    bp_store *store = begin(&world);
    assert_int_equal(drop_by(store, true, true, &report), BP_OK);
    assert_int_equal(report.events_dropped, 3);
    assert_int_equal(bp_store_frontiers(store).durable, 3);
    store = cut_and_open(&world, store);
    assert_int_equal(bp_store_frontiers(store).published, 3);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status bury(bp_store *store)
{
    bp_region region = bp_region_stream("a");
    bp_tombstone_options options;
    bp_tombstone_options_init(&options);
    options.region = &region;
    options.reason = options.by = "x";
    return bp_tombstone(store, &options, NULL, NULL);
}

enum { SYNC_STEP = 3 }; /* of a tombstoning, with its frame written */

/* A tombstone whose sync failed, and nobody asks again; then a compaction, and the power is cut at each of its steps. */
static void no_stub_is_left_without_its_tombstone(void **state)
{
    unsigned stubs = 0;
    bool through = false;
    (void)state;
    for (uint64_t step = 1; !through; step++) {
        bpt_world world;
        const bp_event *event = NULL;
        bp_store *store = begin(&world);
        bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = SYNC_STEP, .os_error = EIO};
        bpi_fault_set_plan(world.fault, &plan);
        assert_int_not_equal(bury(store), BP_OK);
        assert_int_equal(bp_store_frontiers(store).published, 5);
        assert_int_equal(bp_store_frontiers(store).durable, 3);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = step});
        through = drop_by(store, false, false, NULL) == BP_OK;
        store = cut_and_open(&world, store);
        for (uint64_t sequence = 0; sequence < 3; sequence++) {
            assert_int_equal(bp_get_sequence(store, sequence, &event, NULL), BP_OK);
            CHECK(!event->payload_absent || bp_store_frontiers(store).published == 5,
                  "step %llu: event %llu lost its payload for a tombstone that is gone", (unsigned long long)step,
                  (unsigned long long)sequence);
            stubs += event->payload_absent;
            bp_event_release(event);
        }
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
    assert_true(stubs > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_that_others_are_dropped_for_stays),
        cmocka_unit_test(a_plan_syncs_nothing),
        cmocka_unit_test(no_stub_is_left_without_its_tombstone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
