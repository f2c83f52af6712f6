/*
 * copies.c: snapshots, and stores that are made out of them.
 *
 * A snapshot that was acknowledged is what the store was at its moment, whatever becomes of the store, and no crash takes it
 * back. One that was not is nothing, or something that nothing opens, or whole.
 */
#include "sim/sim.h"

#include "format/note.h"

const char *sim_copy_path(int copy)
{
    static const char *const paths[SIM_COPIES] = {"copy0", "copy1"};
    return copy < 0 ? "restored" : paths[copy];
}

/* ---- files of a world ---- */

typedef struct path_list {
    const char *prefix;
    char first[256];
    size_t count;
    uint64_t take; /* of the files, the number of the one wanted */
} path_list;

static int list_one(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    path_list *list = argument;
    (void)data;
    (void)size;
    if (strncmp(path, list->prefix, strlen(list->prefix)) == 0) {
        if (list->count == list->take) {
            (void)snprintf(list->first, sizeof list->first, "%s", path);
        }
        list->count++;
    }
    return 0;
}

static size_t count_files(bpi_fault *fault, const char *prefix)
{
    path_list list = {.prefix = prefix};
    (void)bpi_fault_each_file(fault, list_one, &list);
    return list.count;
}

void sim_remove_tree(bpi_fault *fault, const char *directory)
{
    static const char *const below[] = {"/log",           "/consumers",       "/keys",     "/index", "/cache", "",
                                        ".repairing/log", ".repairing/index", ".repairing"};
    char path[256];
    path_list list;
    do {
        list = (path_list){.prefix = directory};
        (void)bpi_fault_each_file(fault, list_one, &list);
        if (list.count != 0) {
            (void)bpi_fault_remove_file(fault, list.first);
        }
    } while (list.count > 1);
    for (size_t index = 0; index < sizeof below / sizeof below[0]; index++) {
        (void)snprintf(path, sizeof path, "%.200s%s", directory, below[index]);
        (void)bpi_fault_remove_file(fault, path);
    }
}

/* ---- looking at one ---- */

/* It opens, holds what it should, and is proven. */
static void check_whole(const sim_run *run, const bpt_world *world, const char *path, const sim_copy *copy,
                        uint64_t least, uint64_t most)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_status status = bp_open_reader(path, &world->options, &store, &error);
    SIM_CHECK(status == BP_OK, "%s does not open: %s", path, error.message);
    (void)sim_ledger_compare(&run->ledger, store, &copy->fates, least, most, NULL);
    (void)bp_close(store, NULL);
}

bool sim_has_file(bpi_fault *fault, const char *directory, const char *name)
{
    char path[256];
    uint8_t *data = NULL;
    uint64_t size = 0;
    (void)snprintf(path, sizeof path, "%.100s/%.100s", directory, name);
    bool there = bpi_fault_read_file(fault, path, &data, &size) == 0;
    free(data);
    return there;
}

/* What was being made when it crashed: complete, if its mark says so; else nothing opens it. */
static void check_begun(const sim_run *run, const bpt_world *world, const char *path, const sim_copy *copy,
                        bool complete)
{
    bp_store *store = NULL;
    bp_status status = bp_open_reader(path, &world->options, &store, NULL);
    SIM_CHECK(status == BP_OK || !complete, "%s is complete, and says %s", path, bp_status_name(status));
    if (status == BP_OK) {
        SIM_CHECK(complete, "%s opens, and was not completed", path);
        (void)bp_close(store, NULL);
        check_whole(run, world, path, copy, copy->exists ? copy->events : copy->least,
                    copy->exists ? copy->events : run->bounds.most);
    }
}

void sim_check_copies(const sim_run *run, const bpt_world *world, bpt_random *random)
{
    for (int index = 0; index < SIM_COPIES; index++) {
        const sim_copy *copy = &run->copies[index];
        if (copy->begun) {
            check_begun(run, world, sim_copy_path(index), copy,
                        sim_has_file(world->fault, sim_copy_path(index), BPI_NOTE_NAME));
        } else if (copy->exists && bpt_random_chance(random, 5)) {
            check_whole(run, world, sim_copy_path(index), copy, copy->events, copy->events);
        }
    }
    if (run->restoring >= 0) {
        bool complete = !sim_has_file(world->fault, "restored", BPI_NOTE_MARKER) &&
                        sim_has_file(world->fault, "restored", "MANIFEST");
        check_begun(run, world, "restored", &run->copies[run->restoring], complete);
    }
}

/* ---- snapshots ---- */

static void prove_copy(const sim_run *run, const sim_copy *copy, const char *path)
{
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = run->world.io;
    options.allocator = run->world.options.allocator;
    bp_status status = bp_verify(path, &options, &report, &error);
    SIM_CHECK(status == BP_OK && report.events == copy->events && bp_hash_equal(&report.root, &copy->root),
              "P5: verify of %s says %s: %s", path, bp_status_name(status), error.message);
}

void sim_op_snapshot(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_snapshot_options options;
    bp_snapshot_report report = {0};
    int index = (int)bpt_random_below(random, SIM_COPIES);
    int other = (index + 1) % SIM_COPIES;
    sim_copy *copy = &run->copies[index];
    bp_snapshot_options_init(&options);
    options.sharing = (bp_sharing)bpt_random_below(random, 3);
    options.consumers = bpt_random_chance(random, 50);
    options.keys = bpt_random_chance(random, 50);
    options.since = run->copies[other].exists && bpt_random_chance(random, 60) ? sim_copy_path(other) : NULL;
    sim_remove_tree(run->world.fault, sim_copy_path(index));
    uint64_t published = run->ledger.count;
    *copy = (sim_copy){.begun = true, .least = published, .fates = run->ledger.fates};
    copy->fates.locked = !options.keys;
    bp_status status = bp_snapshot(run->store, sim_copy_path(index), &options, &report, &error);
    sim_run_learn(run);
    if (!sim_done(run, status, &error)) {
        return;
    }
    SIM_CHECK(report.events >= published && report.events <= run->ledger.count,
              "a snapshot holds %llu events, %llu were published", (unsigned long long)report.events,
              (unsigned long long)published);
    copy->exists = true;
    copy->events = report.events;
    copy->root = report.root;
    run->ledger.durable = report.events > run->ledger.durable ? report.events : run->ledger.durable;
    run->watching = true;
    sim_pause(run);
    check_whole(run, &run->world, sim_copy_path(index), copy, copy->events, copy->events);
    prove_copy(run, copy, sim_copy_path(index));
    sim_resume(run);
    run->watching = false;
}

/* ---- restoring ---- */

static bp_status restore(const sim_run *run, int index, bp_snapshot_report *report, bp_error *error)
{
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = run->world.io;
    options.clock = run->world.options.clock;
    options.random = run->world.options.random;
    options.allocator = run->world.options.allocator;
    return bp_restore(sim_copy_path(index), "restored", &options, report, error);
}

/* One flipped bit in one of its segments: it is found, and nothing is made. The file may be the store's too: it is put right. */
static void restore_damaged(sim_run *run, int index, bpt_random *random)
{
    char prefix[64];
    uint8_t *data = NULL;
    uint64_t size = 0;
    bp_error error = {0};
    bpi_fault *fault = run->world.fault;
    (void)snprintf(prefix, sizeof prefix, "%s/log/", sim_copy_path(index));
    path_list list = {.prefix = prefix, .take = bpt_random_below(random, count_files(fault, prefix))};
    (void)bpi_fault_each_file(fault, list_one, &list);
    SIM_CHECK(bpi_fault_read_file(fault, list.first, &data, &size) == 0 && size != 0, "%s cannot be read", list.first);
    uint64_t used = size; /* what lies behind the end of a segment is no part of it */
    while (used > 1 && data[used - 1] == 0) {
        used--;
    }
    uint64_t at = bpt_random_below(random, used);
    uint8_t bit = (uint8_t)(1u << bpt_random_below(random, 8));
    data[at] ^= bit;
    (void)bpi_fault_write_file(fault, list.first, data, size);
    uint64_t steps = bpi_fault_steps(fault);
    run->watching = true;
    bp_status status = restore(run, index, NULL, &error);
    run->watching = false;
    SIM_CHECK(status == BP_ERR_CORRUPT, "a snapshot with a flipped bit at %llu of %s: %s", (unsigned long long)at,
              list.first, bp_status_name(status));
    SIM_CHECK(bpi_fault_steps(fault) == steps, "a restore of a damaged snapshot has made something");
    data[at] ^= bit;
    (void)bpi_fault_write_file(fault, list.first, data, size);
    free(data);
}

/* The new store goes on by itself. */
static void use_restored(const sim_run *run, const sim_copy *copy)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_append_options options;
    bp_receipt receipt = {0};
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    bp_status status = bp_open("restored", &run->world.options, &store, &error);
    SIM_CHECK(status == BP_OK, "a restored store does not open: %s", error.message);
    (void)sim_ledger_compare(&run->ledger, store, &copy->fates, copy->events, copy->events, NULL);
    status =
        bp_append(store, bp_at(sim_entity(0), "restored"), bp_kind(0xF, 9), bp_json("{}"), &options, &receipt, &error);
    uint64_t clock = sim_ledger_clock(&run->ledger, 0, copy->events);
    SIM_CHECK(status == BP_OK && receipt.sequence == copy->events && receipt.clock == clock,
              "a restored store goes on with event %llu, clock %llu: %s", (unsigned long long)receipt.sequence,
              (unsigned long long)receipt.clock, error.message);
    SIM_CHECK(bp_close(store, &error) == BP_OK, "a restored store does not close: %s", error.message);
}

void sim_op_restore(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_snapshot_report report = {0};
    int index = (int)bpt_random_below(random, SIM_COPIES);
    index = run->copies[index].exists ? index : (index + 1) % SIM_COPIES;
    const sim_copy *copy = &run->copies[index];
    if (!copy->exists) {
        sim_op_snapshot(run, random);
        return;
    }
    if (!run->spoiled && !run->misread && !run->starved && bpt_random_chance(random, 40)) {
        restore_damaged(run, index, random);
        return;
    }
    sim_remove_tree(run->world.fault, "restored");
    run->restoring = index;
    bp_status status = restore(run, index, &report, &error);
    if (sim_done(run, status, &error)) {
        run->watching = true;
        SIM_CHECK(report.events == copy->events && bp_hash_equal(&report.root, &copy->root),
                  "a restored store has %llu events, its snapshot %llu", (unsigned long long)report.events,
                  (unsigned long long)copy->events);
        sim_pause(run);
        use_restored(run, copy);
        sim_resume(run);
        run->watching = false;
    }
    sim_remove_tree(run->world.fault, "restored");
}
