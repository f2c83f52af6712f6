/*
 * trouble.c: memory for simulated stores, and what fails or lies.
 */
#include <errno.h>

#include "sim/sim.h"

enum { SPARES = 16, SPARE_LEAST = 64 << 10 };

/* ---- memory ---- */

/* Great blocks are kept: an opening asks for windows of a megabyte, and paging them in is most of its time. */
static struct {
    void *memory;
    size_t size;
} spares[SPARES];

/* The allocation with that number gives nothing. */
static struct {
    uint64_t left; /* 0: none */
    bool persistent;
    bool paused;
} starving;

static bool is_starved(void)
{
    if (starving.left == 0 || starving.paused || --starving.left != 0) {
        return false;
    }
    starving.left = starving.persistent ? 1 : 0;
    return true;
}

static void *sim_allocate(void *context, size_t size)
{
    (void)context;
    if (is_starved()) {
        return NULL;
    }
    for (size_t index = 0; size >= SPARE_LEAST && index < SPARES; index++) {
        if (spares[index].size == size) {
            void *memory = spares[index].memory;
            spares[index].size = 0;
            return memory;
        }
    }
    return malloc(size);
}

static void sim_release(void *context, void *memory, size_t size)
{
    (void)context;
    for (size_t index = 0; memory != NULL && size >= SPARE_LEAST && index < SPARES; index++) {
        if (spares[index].size == 0) {
            spares[index].memory = memory;
            spares[index].size = size;
            return;
        }
    }
    free(memory);
}

static void *sim_resize(void *context, void *memory, size_t old_size, size_t size)
{
    if (old_size < SPARE_LEAST && size < SPARE_LEAST) {
        return is_starved() ? NULL : realloc(memory, size);
    }
    void *moved = sim_allocate(context, size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        sim_release(context, memory, old_size);
    }
    return moved;
}

const bp_allocator *sim_allocator(void)
{
    static const bp_allocator table = {sizeof(bp_allocator), NULL, sim_allocate, sim_resize, sim_release};
    return &table;
}

/* ---- an opening in trouble ---- */

typedef enum trouble { WRITES_FAIL, SYNC_FORGETS, READ_FAILS, READ_SHORT, READ_FLIPPED, NO_MEMORY, TROUBLES } trouble;

static bpi_fault_plan some_plan(trouble what, bpt_random *random)
{
    bpi_fault_plan plan = {0};
    bool no_space = bpt_random_chance(random, 30);
    switch (what) {
    case WRITES_FAIL:
    case SYNC_FORGETS:
        plan.kind = what == SYNC_FORGETS            ? BPI_FAULT_SYNC_DROPS
                    : bpt_random_chance(random, 50) ? BPI_FAULT_ERROR
                                                    : BPI_FAULT_HALF;
        plan.step = 1 + bpt_random_below(random, 25);
        plan.persistent = bpt_random_chance(random, 30);
        plan.os_error = no_space ? ENOSPC : EIO;
        break;
    case READ_FAILS:
    case READ_SHORT:
    case READ_FLIPPED:
        plan.read_call = 1 + bpt_random_below(random, 70);
        plan.os_error = what == READ_FAILS ? EIO : 0;
        plan.read_flips_bit = what == READ_FLIPPED;
        break;
    default:
        break;
    }
    return plan;
}

/* What may be said of it. A read that lies may look like damage, and like a version that does not exist yet. */
static bool is_named(trouble what, bp_status status)
{
    switch (what) {
    case WRITES_FAIL:
    case SYNC_FORGETS:
        return status == BP_ERR_IO || status == BP_ERR_NO_SPACE;
    case READ_FAILS:
        return status == BP_ERR_IO;
    case READ_SHORT:
        return status == BP_ERR_IO || status == BP_ERR_CORRUPT;
    case READ_FLIPPED:
        return status == BP_ERR_IO || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION;
    default:
        return status == BP_ERR_NO_MEMORY;
    }
}

/* A sync that fails and forgets, of a file: what a directory's forgot, nobody can say once more. */
typedef struct forgetting {
    bpi_fault *fault;
    uint64_t left; /* syncs until then */
} forgetting;

static void forget(void *argument, const bpi_fault_step *step)
{
    forgetting *wanted = argument;
    if (wanted->left == 0 || strcmp(step->what, "sync") != 0) {
        return;
    }
    bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
    if (step->done) { /* that was it: the counter began anew with the plan, and must not come to it again */
        plan = (bpi_fault_plan){0};
        wanted->left = wanted->left == 1 ? 0 : wanted->left;
    } else if (wanted->left > 1) {
        wanted->left--;
        return;
    }
    bpi_fault_set_plan(wanted->fault, &plan);
}

void sim_open_in_trouble(const sim_run *run, const bpt_world *world, sim_bounds *in, uint64_t least, bpt_random *random)
{
    bp_error error = {0};
    bp_store *store = NULL;
    trouble what = (trouble)bpt_random_below(random, TROUBLES);
    bpi_fault_plan plan = some_plan(what, random);
    forgetting wanted = {world->fault, what == SYNC_FORGETS ? 1 + plan.step % 5 : 0};
    starving.persistent = bpt_random_chance(random, 50);
    starving.left = what == NO_MEMORY ? 1 + bpt_random_below(random, 120) : 0;
    bpi_fault_set_plan(world->fault, what == SYNC_FORGETS ? &(bpi_fault_plan){0} : &plan);
    bpi_fault_watch(world->fault, what == SYNC_FORGETS ? forget : NULL, &wanted);
    bp_status status = bp_open(world->path, &world->options, &store, &error);
    bpi_fault_watch(world->fault, NULL, NULL);
    bpi_fault_set_plan(world->fault, &(bpi_fault_plan){0});
    starving.left = 0;
    sim_trace((uint64_t)status);
    SIM_CHECK(status == BP_OK || is_named(what, status), "opening in trouble (%d, call %llu) says %s: %s", (int)what,
              (unsigned long long)(plan.step + plan.read_call), bp_status_name(status), error.message);
    if (status == BP_OK) {
        bp_stats stats = {.size = sizeof stats};
        bool cut = bp_store_stats(store, &stats, NULL) == BP_OK && stats.cut_now;
        /* What nothing vouches for is cut where it seems to be torn, and is kept (io/fault.h). */
        if (what == READ_FLIPPED && cut) {
            least = 0;
            in->fates = &run->lied;
        }
        in->durable = sim_ledger_compare(&run->ledger, store, in->fates, least, in->most, NULL);
        in->acked = in->durable;
    }
    bpi_fault_process_kill(world->fault);
    (void)bp_close(store, NULL);
}

/* ---- operations in trouble ---- */

void sim_pause(sim_run *run)
{
    if (run->pauses++ != 0) {
        return;
    }
    starving.paused = true;
    if (run->misread) {
        uint64_t reads = bpi_fault_reads(run->world.fault);
        run->reading.read_call = reads < run->reading.read_call ? run->reading.read_call - reads : 0;
        bpi_fault_set_plan(run->world.fault, &(bpi_fault_plan){0});
    }
}

void sim_resume(sim_run *run)
{
    if (--run->pauses != 0) {
        return;
    }
    starving.paused = false;
    if (run->misread) {
        bpi_fault_set_plan(run->world.fault, &run->reading);
    }
}

static const sim_operation *some_operation(bpt_random *random)
{
    static const char *const names[] = {"append", "batch",    "retry",   "name",    "seal",    "sync",      "compact",
                                        "erase",  "snapshot", "restore", "subject", "destroy", "tombstone", "repair"};
    const char *wanted = names[bpt_random_below(random, sizeof names / sizeof names[0])];
    const sim_operation *found = sim_operations;
    while (strcmp(found->name, wanted) != 0) {
        found++;
    }
    return found;
}

void sim_op_trouble(sim_run *run, bpt_random *random)
{
    const sim_operation *operation = some_operation(random);
    if (bpt_random_chance(random, 60)) {
        run->misread = true;
        run->reading = some_plan((trouble)(READ_FAILS + bpt_random_below(random, 3)), random);
        bpi_fault_set_plan(run->world.fault, &run->reading);
    } else {
        run->starved = true;
        starving.persistent = bpt_random_chance(random, 50);
        starving.left = 1 + bpt_random_below(random, 60);
    }
    operation->perform(run, random);
    if (run->misread) {
        bpi_fault_set_plan(run->world.fault, &(bpi_fault_plan){0});
    }
    starving.left = 0;
    run->misread = false;
    run->starved = false;
    /* A manifest that could not be opened counts as one that could not be written. */
    run->faulty = run->faulty || bp_store_frontiers(run->store).failed;
}
