/*
 * test_tombstone_crash.c: a region tombstoned, sealed and stubbed, with a crash or a failure at every step: all of it or none is flagged, what
 * was said to be done stays, and asking again finishes.
 */
#include <errno.h>

#include "support/world.h"

static bp_status bury(bp_store *store, const bp_region *region, bp_tombstone_report *report_out)
{
    bp_tombstone_options options;
    bp_tombstone_options_init(&options);
    options.region = region;
    options.reason = options.by = "x";
    return bp_tombstone(store, &options, report_out, NULL);
}

enum { CRASH_EVENTS = 70 }; /* two records of one commit */

static bp_status run_script(bpt_world *world)
{
    bp_store *store = NULL;
    bp_region region = bp_region_stream("a");
    if (bp_open(world->path, &world->options, &store, NULL) != BP_OK) {
        return BP_ERR_IO;
    }
    bp_status status = bury(store, &region, NULL);
    if (status == BP_OK) {
        bp_compact_options how;
        bp_compact_options_init(&how);
        how.stub_tombstoned = true;
        (void)!bp_seal(store, NULL);
        (void)!bp_compact(store, &how, NULL, NULL);
    }
    (void)bp_close(store, NULL);
    return status;
}

/* All or none are flagged; what was said to be done is; a stub is flagged. */
static void judge(bpt_world *world, bp_status said)
{
    bpi_fault_plan none = {0};
    bpi_fault_set_plan(world->fault, &none);
    bp_store *store = bpt_open(world);
    bp_tombstone_report report;
    const bp_event *event = NULL;
    bool flagged = false;
    for (uint64_t sequence = 0; sequence < CRASH_EVENTS; sequence++) {
        assert_int_equal(bp_get_sequence(store, sequence, &event, NULL), BP_OK);
        flagged = sequence == 0 ? event->tombstoned : flagged;
        CHECK(event->tombstoned == flagged, "event %llu is not as the first", (unsigned long long)sequence);
        CHECK(!event->payload_absent || flagged, "a stub that is not flagged");
        bp_event_release(event);
    }
    CHECK(flagged || said != BP_OK, "a tombstone is gone");
    bp_region region = bp_region_stream("a");
    assert_int_equal(bury(store, &region, &report), BP_OK);
    assert_int_equal(report.buried, flagged ? 0 : CRASH_EVENTS);
    bpt_put(store, "b", "goes on");
    bpt_close(store);
    (void)bpt_verify(world);
}

static void a_crash_or_failure_at_every_step(void **state)
{
    bpt_world first;
    bpt_random random = {bpt_seed(9)};
    bpi_fault_plan none = {0};
    (void)state;
    bpt_world_fault(&first);
    bp_store *store = bpt_open(&first);
    for (unsigned i = 0; i < CRASH_EVENTS; i++) {
        bpt_put(store, "a", "x");
    }
    bpt_close(store);
    bpi_fault *fault = bpi_fault_clone(first.fault);
    bpt_world_end(&first);
    bpt_world probe;
    bpt_world_adopt(&probe, bpi_fault_clone(fault));
    (void)atomic_fetch_add(&probe.entropy.state, 0x1234567u);
    bpi_fault_set_plan(probe.fault, &none);
    assert_int_equal(run_script(&probe), BP_OK);
    uint64_t steps = bpi_fault_steps(probe.fault);
    bpt_world_end(&probe);
    for (uint64_t at = 1; at <= steps; at++) {
        for (int how = 0; how < 4; how++) {
            bpt_world world;
            bpi_fault_plan plan = {
                .kind = how == 0 ? BPI_FAULT_ERROR : BPI_FAULT_CRASH, .step = at, .os_error = how == 0 ? 5 : 0};
            bpt_note("step %llu of %llu, way %d", (unsigned long long)at, (unsigned long long)steps, how);
            bpt_world_adopt(&world, bpi_fault_clone(fault));
            (void)atomic_fetch_add(&world.entropy.state, 0x1234567u); /* another process has other random bytes */
            bpi_fault_set_plan(world.fault, &plan);
            bp_status said = run_script(&world);
            if (how == 1) {
                bpi_fault_process_kill(world.fault);
            } else if (how > 1) {
                (void)bpt_power_cut(&world, how == 2 ? BPT_KEEP_NONE : BPT_KEEP_RANDOM, bpt_random_next(&random));
            }
            judge(&world, said);
            bpt_world_end(&world);
        }
    }
    bpi_fault_free(fault);
    printf("crashes and failures at %llu steps\n", (unsigned long long)steps);
}

/* Both calls, and what of it a power cut leaves. */
static bp_status ask(bp_store *store, bool names)
{
    bp_region region = bp_region_stream("a");
    return names ? bp_kind_define(store, 0x2001, "order.placed", NULL) : bury(store, &region, NULL);
}

/* Every step of a first call fails once: the same call again says BP_OK only of what no power cut takes back. */
static void asking_again_acknowledges_only_what_is_durable(void **state)
{
    unsigned refused = 0;
    (void)state;
    for (int names = 0; names < 2; names++) {
        bool through = false;
        for (uint64_t step = 1; !through; step++) {
            bpt_world world;
            bpt_world_fault(&world);
            bp_store *store = bpt_open(&world);
            bpt_put(store, "a", "text");
            bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step, .os_error = EIO};
            bpi_fault_set_plan(world.fault, &plan);
            through = ask(store, names) == BP_OK;
            bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
            bool there = bp_store_frontiers(store).published > 1;
            bp_status again = ask(store, names);
            refused += there && !through && again != BP_OK;
            (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
            (void)bp_close(store, NULL);
            store = bpt_open(&world);
            CHECK(again != BP_OK || bp_store_frontiers(store).published == 2, "%s, step %llu: acknowledged, and gone",
                  names ? "a name" : "a tombstone", (unsigned long long)step);
            bpt_close(store);
            bpt_world_end(&world);
        }
    }
    assert_true(refused >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_or_failure_at_every_step),
        cmocka_unit_test(asking_again_acknowledges_only_what_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
