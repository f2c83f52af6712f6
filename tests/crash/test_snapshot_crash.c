/*
 * test_snapshot_crash.c: snapshots and restores that are cut off, or fail, at every step: the store is whole, and the copy is
 * whole or refused by everybody.
 * ctest: labels=crash
 */
#include <errno.h>

#include "support/world.h"

enum { EVENTS = 45 };

static const char snap[] = "store-snap";
static const char back[] = "store-back";

/* What is tried, and what has to be there before. */
typedef struct trying {
    bool restore;
    bpt_world world;
    bp_error error;
} trying;

static void begin(trying *t, bool restore)
{
    memset(t, 0, sizeof *t);
    t->restore = restore;
    bpt_world_fault(&t->world);
    bp_store *store = bpt_open(&t->world);
    for (unsigned i = 0; i < EVENTS; i++) {
        (void)bpt_put_sized(store, i % 2 == 0 ? "a:1" : "a:2", 3500);
    }
    if (restore) {
        CHECK_OK(bp_snapshot(store, snap, NULL, NULL, &t->error), &t->error);
    }
    bpt_close(store);
    /* what was written is on the medium, names too */
    (void)bpt_power_cut(&t->world, BPT_KEEP_ALL, 0);
}

static bp_status attempt(trying *t)
{
    bp_store *store = NULL;
    if (t->restore) {
        bp_restore_options options;
        bp_restore_options_init(&options);
        options.io = t->world.io;
        return bp_restore(snap, back, &options, NULL, &t->error);
    }
    bp_status status = bp_open_reader(t->world.path, &t->world.options, &store, &t->error);
    if (status == BP_OK) {
        status = bp_snapshot(store, snap, NULL, NULL, &t->error);
        (void)bp_close(store, NULL);
    }
    return status;
}

static const char *made(const trying *t)
{
    return t->restore ? back : snap;
}

/* The copy is a whole store or none, the original is whole. */
static bool check(trying *t, bool complete)
{
    bp_store *store = NULL;
    bp_status status = bp_open_reader(made(t), &t->world.options, &store, &t->error);
    if (complete) {
        CHECK_OK(status, &t->error);
    }
    CHECK(status == BP_OK || status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT, "a reader gets %s",
          bp_status_name(status));
    bool there = status == BP_OK;
    if (there) {
        CHECK(bp_store_frontiers(store).published == EVENTS, "not all are there");
        bpt_close(store);
        bp_verify_options options;
        bp_verify_report report;
        bp_verify_options_init(&options);
        options.io = t->world.io;
        CHECK_OK(bp_verify(made(t), &options, &report, &t->error), &t->error);
        CHECK(report.events == EVENTS, "not all are proven");
    } else {
        bp_options options = t->world.options;
        options.create = false;
        status = bp_open(made(t), &options, &store, &t->error);
        CHECK(status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT, "a writer gets %s", bp_status_name(status));
    }
    CHECK(bpt_verify(&t->world) == EVENTS, "the original is not whole");
    return there;
}

/* Every step, as a kill and as power cuts that keep nothing, all, and some of what was not synced. */
static void crash_everywhere(bool restore)
{
    static const struct {
        bpt_keep keep;
        uint64_t seed;
    } cuts[] = {
        {BPT_KEEP_NONE, 0}, {BPT_KEEP_ALL, 0}, {BPT_KEEP_RANDOM, 1}, {BPT_KEEP_RANDOM, 2}, {BPT_KEEP_RANDOM, 3}};
    trying t;
    begin(&t, restore);
    bool finished = false;
    unsigned whole = 0;
    for (uint64_t step = 1; !finished; step++) {
        for (size_t c = 0; c <= sizeof cuts / sizeof cuts[0]; c++) {
            trying copy = t;
            bpt_world_adopt(&copy.world, bpi_fault_clone(t.world.fault));
            bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
            bpi_fault_set_plan(copy.world.fault, &plan);
            bpt_note("step %llu, cut %zu", (unsigned long long)step, c);
            bp_status status = attempt(&copy);
            finished = !bpi_fault_crashed(copy.world.fault);
            CHECK(finished == (status == BP_OK), "%s", bp_status_name(status));
            if (c == sizeof cuts / sizeof cuts[0]) {
                bpi_fault_process_kill(copy.world.fault);
            } else {
                (void)bpt_power_cut(&copy.world, cuts[c].keep, cuts[c].seed);
            }
            whole += check(&copy, finished);
            bpt_world_end(&copy.world);
        }
        CHECK(step < 2000, "it does not end");
    }
    CHECK(whole > 0, "none was ever whole");
    bpt_world_end(&t.world);
}

static void a_snapshot_that_is_cut_off_is_none(void **state)
{
    (void)state;
    crash_everywhere(false);
}

static void a_restore_that_is_cut_off_is_none(void **state)
{
    (void)state;
    crash_everywhere(true);
}

/* Every step fails once, or from then on; what was made is taken back, and it can be done again. */
static void fail_everywhere(bool restore, int code, bool persistent)
{
    trying t;
    begin(&t, restore);
    bool finished = false;
    for (uint64_t step = 1; !finished; step++) {
        trying copy = t;
        bpt_world_adopt(&copy.world, bpi_fault_clone(t.world.fault));
        bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = step, .os_error = code, .persistent = persistent};
        bpi_fault_set_plan(copy.world.fault, &plan);
        bpt_note("step %llu fails with %d%s", (unsigned long long)step, code, persistent ? " for good" : "");
        bp_status status = attempt(&copy);
        finished = bpi_fault_steps(copy.world.fault) < step;
        CHECK(status == BP_OK || status == (code == ENOSPC ? BP_ERR_NO_SPACE : BP_ERR_IO), "%s",
              bp_status_name(status));
        bpi_fault_plan none = {.kind = BPI_FAULT_NONE};
        bpi_fault_set_plan(copy.world.fault, &none);
        (void)check(&copy, status == BP_OK);
        if (status != BP_OK && !persistent) {
            CHECK_OK(attempt(&copy), &copy.error); /* nothing is in the way */
            (void)check(&copy, true);
        }
        bpt_world_end(&copy.world);
        CHECK(step < 2000, "it does not end");
    }
    bpt_world_end(&t.world);
}

static void no_space_at_any_step(void **state)
{
    (void)state;
    fail_everywhere(false, ENOSPC, false);
    fail_everywhere(false, ENOSPC, true);
    fail_everywhere(true, ENOSPC, false);
    fail_everywhere(true, ENOSPC, true);
}

static void an_io_error_at_any_step(void **state)
{
    (void)state;
    fail_everywhere(false, EIO, false);
    fail_everywhere(true, EIO, false);
}

/* Every read fails, is short, or gives a flipped bit: a typed error, or a copy that is right. */
static void reads_that_go_wrong(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        trying t;
        begin(&t, kind % 2 != 0);
        bool finished = false;
        for (uint64_t call = 1; !finished; call++) {
            trying copy = t;
            bpt_world_adopt(&copy.world, bpi_fault_clone(t.world.fault));
            bpi_fault_plan plan = {
                .read_call = call, .read_flips_bit = kind / 2 == 1, .os_error = kind / 2 == 2 ? EIO : 0};
            bpi_fault_set_plan(copy.world.fault, &plan);
            bpt_note("read %llu, kind %u", (unsigned long long)call, kind);
            bp_status status = attempt(&copy);
            finished = bpi_fault_reads(copy.world.fault) < call;
            bpi_fault_plan none = {.kind = BPI_FAULT_NONE};
            bpi_fault_set_plan(copy.world.fault, &none);
            (void)check(&copy, status == BP_OK);
            bpt_world_end(&copy.world);
            CHECK(call < 4000, "it does not end");
        }
        bpt_world_end(&t.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_that_is_cut_off_is_none),
        cmocka_unit_test(a_restore_that_is_cut_off_is_none),
        cmocka_unit_test(no_space_at_any_step),
        cmocka_unit_test(an_io_error_at_any_step),
        cmocka_unit_test(reads_that_go_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
