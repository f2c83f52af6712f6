/*
 * test_snapshot_undo.c: the last sync of a snapshot or a restore fails, what was made is taken back, and the power goes at any step of
 * that: what lies there then is the whole copy, or refused as incomplete, or nothing; never a part of one that opens.
 */
#include <errno.h>

#include "store/snapshot_fixture.h"

enum { EVENTS = 30, CUTS = 6, CLONES_MAX = 64 };

typedef struct watching {
    bpi_fault *fault;
    uint64_t from; /* the step that fails */
    bpi_fault *clones[CLONES_MAX];
    unsigned count;
} watching;

static void keep_world(void *argument, const bpi_fault_step *step)
{
    watching *w = argument;
    if (step->done && step->number >= w->from && w->count < CLONES_MAX) {
        w->clones[w->count++] = bpi_fault_clone(w->fault);
    }
}

static bp_status copy(bpt_world *world, bp_store *store, bool snapshot, const char *to)
{
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = world->io;
    return snapshot ? bp_snapshot(store, to, NULL, NULL, &error)
                    : bp_restore(beside(world, "source"), to, &options, NULL, &error);
}

/* 0: it is nothing; else whole or refused. */
static void judge(bpt_world *world, const char *path, bool *whole_out)
{
    bp_store *reader = NULL;
    uint64_t count = 0;
    bp_status status = bp_open_reader(path, &world->options, &reader, &error);
    *whole_out = status == BP_OK;
    if (status == BP_OK) {
        CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
        assert_int_equal(count, EVENTS);
        bpt_close(reader);
        return;
    }
    CHECK(status == BP_ERR_NOT_FOUND || status == BP_ERR_NOT_EMPTY || strstr(error.message, "unfinished copy") != NULL,
          "%s: %s", bp_status_name(status), error.message);
}

static void cut_at_every_step(bool snapshot, bpi_fault_kind kind)
{
    bpt_world world;
    watching w = {.count = 0};
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    fill(store, EVENTS, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "source"), NULL, NULL, &error), &error);
    bpi_fault_plan plan = {0};
    bpi_fault_set_plan(world.fault, &plan);
    CHECK_OK(copy(&world, store, snapshot, beside(&world, "tried")), &error);
    uint64_t steps = bpi_fault_steps(world.fault);
    plan = (bpi_fault_plan){.kind = kind, .step = steps, .os_error = EIO};
    w.fault = world.fault;
    w.from = steps;
    bpi_fault_watch(world.fault, keep_world, &w);
    bpi_fault_set_plan(world.fault, &plan);
    CHECK_STATUS(BP_ERR_IO, copy(&world, store, snapshot, beside(&world, "copy")), &error);
    bpi_fault_watch(world.fault, NULL, NULL);
    CHECK(w.count > 3 && w.count < CLONES_MAX, "%u steps of taking back", w.count);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    bpt_close(store);
    for (unsigned i = 0; i < w.count; i++) {
        for (unsigned cut = 0; cut < CUTS; cut++) {
            bpt_world probe;
            bool whole = false;
            bpt_note("%s, fault %u, step %u behind, cut %u", snapshot ? "snapshot" : "restore", (unsigned)kind, i, cut);
            bpt_world_adopt(&probe, bpi_fault_clone(w.clones[i]));
            (void)bpt_power_cut(&probe, cut == 0 ? BPT_KEEP_NONE : cut == 1 ? BPT_KEEP_ALL : BPT_KEEP_RANDOM, cut);
            judge(&probe, beside(&probe, "copy"), &whole);
            bpt_world_end(&probe);
        }
        bpi_fault_free(w.clones[i]);
    }
    bpt_note("%s", "");
    bpt_world_end(&world);
}

static void what_is_taken_back_is_never_half_there(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        cut_at_every_step((way & 1) != 0, (way & 2) != 0 ? BPI_FAULT_SYNC_DROPS : BPI_FAULT_ERROR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_back_is_never_half_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
