/*
 * salvage.c: what is made of a store by those who only read it: inspections, repairs, and a store that is rebuilt event by event.
 *
 * What an inspection says an opening does, the opening then does. A repair of a store that a crash left has what an opening has; of
 * one that is damaged besides, nothing that is another than it was, and of a damaged snapshot all but the commit that was hit. Neither
 * changes a byte of the store, and a crash leaves a repaired store whole or none.
 */
#include "sim/sim.h"

#include "base/checksum.h"
#include "format/frame.h"

#define REPAIRED "repaired"
#define REBUILT "rebuilt"

/* ---- nothing is changed ---- */

typedef struct sum {
    const char *prefix;
    uint32_t crc;
} sum;

static int add_file(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    sum *total = argument;
    if (strncmp(path, total->prefix, strlen(total->prefix)) == 0) {
        total->crc = bpi_crc32c(total->crc, path, strlen(path) + 1);
        total->crc = bpi_crc32c(total->crc, data, (size_t)size);
    }
    return 0;
}

/* Names and bytes of all files below that directory. */
static uint32_t sum_of(bpi_fault *fault, const char *prefix)
{
    sum total = {.prefix = prefix};
    (void)bpi_fault_each_file(fault, add_file, &total);
    return total.crc;
}

/* ---- inspections ---- */

static int note_segment(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    sim_inspection *noted = argument;
    (void)data;
    (void)size;
    if (strncmp(path, "store/log/", 10) == 0 && noted->before_count < sizeof noted->before / sizeof noted->before[0]) {
        (void)snprintf(noted->before[noted->before_count++], sizeof noted->before[0], "%s", path + 6);
    }
    return 0;
}

static int note_step(void *context, const bp_recovery_step *step)
{
    sim_inspection *noted = context;
    bool goes = step->kind == BP_STEP_FINISH || step->kind == BP_STEP_REMOVE;
    if (goes && noted->gone_count < sizeof noted->gone / sizeof noted->gone[0]) {
        (void)snprintf(noted->gone[noted->gone_count++], sizeof noted->gone[0], "%s", step->file);
    }
    return 0;
}

/* What verify says before anybody opens. After a kill it takes the page for that of a writer who may still live. */
static uint64_t verify_unopened(const bpt_world *world, bool cut, bool made)
{
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = world->io;
    options.allocator = world->options.allocator;
    bp_status status = bp_verify(world->path, &options, &report, &error);
    SIM_CHECK(status == BP_OK || !made, "P5: before an opening verify says %s: %s (%s)", bp_status_name(status),
              error.message, error.file);
    return made && cut ? report.unsettled_bytes : BP_NONE;
}

void sim_inspect(const bpt_world *world, bool cut, sim_inspection *out)
{
    bp_error error = {0};
    uint64_t steps = bpi_fault_steps(world->fault);
    uint32_t before = sum_of(world->fault, "");
    *out = (sim_inspection){.asked = true};
    (void)bpi_fault_each_file(world->fault, note_segment, out);
    bp_status status = bp_inspect_recovery(world->path, &world->options, note_step, out, &out->says, &error);
    SIM_CHECK(status == BP_OK, "an inspection says %s: %s", bp_status_name(status), error.message);
    SIM_CHECK(out->says.verdict != BP_RECOVERY_REFUSE, "P3: an inspection says that opening after the crash says %s",
              out->says.refusal.message);
    out->unsettled = verify_unopened(world, cut, out->says.verdict != BP_RECOVERY_MAKE);
    SIM_CHECK(bpi_fault_steps(world->fault) == steps && sum_of(world->fault, "") == before,
              "an inspection, or verify, has changed something");
}

/* Those went that it named, and no others. */
static void judge_files(const sim_inspection *inspection, const bpt_world *world)
{
    for (size_t index = 0; index < inspection->before_count; index++) {
        const char *name = inspection->before[index];
        bool named = false;
        for (size_t at = 0; at < inspection->gone_count; at++) {
            named = named || strcmp(inspection->gone[at], name) == 0;
        }
        bool there = sim_has_file(world->fault, "store", name);
        SIM_CHECK(there != named, "an inspection said that %s %s", name, named ? "goes" : "stays");
    }
}

void sim_inspection_judge(const sim_inspection *inspection, const bpt_world *world, bp_store *store, uint64_t count,
                          bool erases)
{
    const bp_inspection *says = &inspection->says;
    bp_stats stats = {.size = sizeof stats};
    if (!inspection->asked) {
        return;
    }
    SIM_CHECK(bp_store_stats(store, &stats, NULL) == BP_OK, "no statistics");
    SIM_CHECK(says->events == count && says->epoch == bp_store_frontiers(store).epoch,
              "an inspection said %llu events and epoch %u, opening has %llu and %u", (unsigned long long)says->events,
              (unsigned)says->epoch, (unsigned long long)count, (unsigned)bp_store_frontiers(store).epoch);
    SIM_CHECK((says->verdict == BP_RECOVERY_CUT) == stats.cut_now, "an inspection said %d, and opening has %scut",
              (int)says->verdict, stats.cut_now ? "" : "not ");
    SIM_CHECK(!stats.cut_now || (says->cut_bytes == stats.cut_bytes && says->end == stats.cut_lsn),
              "an inspection said that %llu bytes are cut at %llx, opening has cut %llu at %llx",
              (unsigned long long)says->cut_bytes, (unsigned long long)says->end, (unsigned long long)stats.cut_bytes,
              (unsigned long long)stats.cut_lsn);
    SIM_CHECK(inspection->unsettled == BP_NONE || says->writer != 0 ||
                  inspection->unsettled == (stats.cut_now ? stats.cut_bytes : 0),
              "verify calls %llu bytes unsettled, %llu were cut", (unsigned long long)inspection->unsettled,
              (unsigned long long)stats.cut_bytes);
    SIM_CHECK(says->verdict != BP_RECOVERY_MAKE || count == 0, "an inspection said that there was no store");
    if (says->verdict != BP_RECOVERY_MAKE &&
        !(erases && says->erasures != 0)) { /* both make files with names that were there */
        judge_files(inspection, world);
    }
}

/* ---- repairs ---- */

static bp_status repair(const bpt_world *world, const char *source, bp_repair_report *report, bp_error *error)
{
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = world->io;
    options.clock = world->options.clock;
    options.random = world->options.random;
    options.allocator = world->options.allocator;
    return bp_repair(source, REPAIRED, &options, report, error);
}

static bp_store *open_repaired(const bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_status status = bp_open_reader(REPAIRED, &world->options, &store, &error);
    SIM_CHECK(status == BP_OK, "a repaired store does not open: %s", error.message);
    return store;
}

static sim_fates fates_of_repaired(const sim_fates *fates)
{
    sim_fates changed = *fates;
    changed.locked = true;
    changed.salvaged = true;
    return changed;
}

void sim_repair_world(const sim_run *run, const bpt_world *world, const sim_bounds *in, uint64_t least,
                      sim_salvage *out)
{
    bp_error error = {0};
    bp_repair_report report = {0};
    sim_remove_tree(world->fault, REPAIRED); /* what a crash left of another */
    uint32_t before = sum_of(world->fault, "store/");
    bp_status status = repair(world, "store", &report, &error);
    SIM_CHECK(sum_of(world->fault, "store/") == before, "a repair has changed the old store");
    if (status != BP_OK) { /* a store that was never made whole */
        SIM_CHECK(least == 0 && (status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT),
                  "a repair of a store with %llu events says %s: %s", (unsigned long long)least, bp_status_name(status),
                  error.message);
        sim_remove_tree(world->fault, REPAIRED);
        return;
    }
    SIM_CHECK(report.lost == 0 && report.rejected == 0 && report.unchanged == report.events,
              "a repair of a store that is not damaged lost %llu events, and changed %llu",
              (unsigned long long)report.lost, (unsigned long long)(report.events - report.unchanged));
    sim_fates fates = fates_of_repaired(in->fates);
    bp_store *store = open_repaired(world);
    out->count = sim_ledger_compare(&run->ledger, store, &fates, least, in->most, NULL);
    (void)bp_close(store, NULL);
    sim_remove_tree(world->fault, REPAIRED);
    out->unsettled = report.unsettled_bytes;
}

void sim_salvage_judge(const sim_salvage *salvage, bp_store *store, uint64_t count)
{
    bp_stats stats = {.size = sizeof stats};
    if (salvage->count == BP_NONE) {
        return;
    }
    SIM_CHECK(salvage->count == count, "a repair finds %llu events, an opening %llu",
              (unsigned long long)salvage->count, (unsigned long long)count);
    SIM_CHECK(bp_store_stats(store, &stats, NULL) == BP_OK, "no statistics");
    SIM_CHECK(salvage->unsettled == (stats.cut_now ? stats.cut_bytes : 0),
              "a repair says that %llu bytes are unsettled, %llu were cut", (unsigned long long)salvage->unsettled,
              (unsigned long long)stats.cut_bytes);
}

/* ---- repairs of what is damaged ---- */

typedef struct drawing {
    const char *prefix;
    char path[256];
    uint64_t size; /* but for zeros at its end */
    uint64_t seen;
    bpt_random random;
} drawing;

static int draw_file(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    drawing *drawn = argument;
    while (size > 0 && data[size - 1] == 0) {
        size--;
    }
    if (size != 0 && strncmp(path, drawn->prefix, strlen(drawn->prefix)) == 0 &&
        bpt_random_below(&drawn->random, ++drawn->seen) == 0) {
        (void)snprintf(drawn->path, sizeof drawn->path, "%s", path);
        drawn->size = size;
    }
    return 0;
}

/* One file below that prefix: a bit flips, sectors are lost, its end, or all of it; where it begins. */
static uint64_t damage(bpi_fault *fault, const char *prefix, bool flips, bpt_random *random)
{
    drawing drawn = {.prefix = prefix, .random = {bpt_random_next(random)}};
    uint8_t *data = NULL;
    uint64_t size = 0;
    (void)bpi_fault_each_file(fault, draw_file, &drawn);
    uint64_t at = drawn.size == 0 ? 0 : bpt_random_below(random, drawn.size);
    uint64_t how = flips ? 0 : bpt_random_below(random, 5);
    if (drawn.size == 0) {
        return 0;
    }
    if (how == 4) {
        (void)bpi_fault_remove_file(fault, drawn.path);
        return 0;
    }
    SIM_CHECK(bpi_fault_read_file(fault, drawn.path, &data, &size) == 0, "%s cannot be read", drawn.path);
    if (how < 2) {
        data[at] ^= (uint8_t)(1u << bpt_random_below(random, 8));
    } else if (how == 2) {
        at = at / 512 * 512;
        memset(data + at, 0, (size_t)(size - at < 1024 ? size - at : 1024));
    } else {
        size = at;
    }
    (void)bpi_fault_write_file(fault, drawn.path, data, size);
    free(data);
    return at;
}

static bool is_stand_in(const bp_event *event)
{
    return event->kind == BP_KIND_INIT && bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY));
}

/* What was taken over is what it was, but for its clock and its hash. */
static void compare_salvaged(const sim_ledger *ledger, const bp_event *event)
{
    unsigned long long sequence = event->sequence;
    SIM_CHECK(event->sequence < ledger->count, "a repaired store has event %llu, which never was", sequence);
    const sim_event *known = &ledger->events[event->sequence];
    SIM_CHECK(bp_id_equal(&event->id, &known->id) && event->hlc == known->hlc && event->kind == known->kind,
              "P3: event %llu of a repaired store is another one", sequence);
    SIM_CHECK(known->system || (bp_text_equal(event->entity, bp_text_of(sim_entity(known->entity))) &&
                                bp_text_equal(event->scope, bp_text_of(sim_scope(known->scope)))),
              "P3: event %llu of a repaired store stands in another place", sequence);
    SIM_CHECK(event->payload_absent || known->system || sim_event_holds(known, event),
              "P3: event %llu of a repaired store has another payload", sequence);
    SIM_CHECK(!event->payload_absent || known->subject != 0 || (ledger->fates.most[event->sequence] & SIM_STUB) != 0,
              "P9: event %llu of a repaired store has no payload", sequence);
}

/* Those that are lost lie in one commit; `exact`: so it must be. */
static void judge_salvaged(const sim_ledger *ledger, bp_store *store, uint64_t count, bool exact)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t commit = BP_NONE;
    uint64_t next = 0;
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    bp_status status = bp_query(store, &region, NULL, &iterator, &error);
    SIM_CHECK(status == BP_OK, "a query of a repaired store says %s", error.message);
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        for (; next < event->sequence && next < ledger->count; next++) {
            SIM_CHECK((ledger->fates.most[next] & SIM_DROP) != 0, "P3: a repaired store passes over event %llu",
                      (unsigned long long)next);
        }
        next = event->sequence + 1;
        if (!is_stand_in(event)) {
            compare_salvaged(ledger, event);
        } else if (exact && event->sequence < count && (ledger->fates.most[event->sequence] & SIM_DROP) == 0) {
            uint64_t batch = ledger->events[event->sequence].batch;
            SIM_CHECK(commit == BP_NONE || commit == batch,
                      "of a snapshot with one flipped bit events of two commits are lost, %llu and %llu",
                      (unsigned long long)commit, (unsigned long long)batch);
            commit = batch;
        }
    }
    bp_iterator_close(iterator);
    SIM_CHECK(status == BP_END, "reading a repaired store says %s", error.message);
}

static void repair_damaged_store(const sim_ledger *ledger, const bpt_world *world, const char *source, uint64_t count,
                                 bool exact)
{
    char prefix[64];
    bp_error error = {0};
    bp_repair_report report = {0};
    (void)snprintf(prefix, sizeof prefix, "%s/", source);
    sim_remove_tree(world->fault, REPAIRED);
    uint32_t before = sum_of(world->fault, prefix);
    bp_status status = repair(world, source, &report, &error);
    SIM_CHECK(sum_of(world->fault, prefix) == before, "a repair has changed the damaged store");
    SIM_CHECK(status == BP_OK || (!exact && (status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT)),
              "a repair of a damaged store says %s: %s", bp_status_name(status), error.message);
    if (status == BP_OK) {
        bp_store *store = open_repaired(world);
        judge_salvaged(ledger, store, count, exact);
        (void)bp_close(store, NULL);
    }
    sim_remove_tree(world->fault, REPAIRED);
}

void sim_repair_damaged(const sim_run *run, bpi_fault *fault, bpt_random *random)
{
    bpt_world world;
    bpt_world_adopt(&world, bpi_fault_clone(fault));
    world.options = run->world.options;
    world.options.io = world.io;
    world.options.clock = &world.clock.table;
    world.options.random = &world.entropy.table;
    (void)damage(world.fault, bpt_random_chance(random, 70) ? "store/log/" : "store/", false, random);
    repair_damaged_store(&run->ledger, &world, "store", 0, false);
    bpt_world_end(&world);
}

/* A copy of the snapshot with one flipped bit: all but the commit that was hit is there. */
static void repair_flipped(sim_run *run, int index, bpt_random *random)
{
    bpt_world world;
    char prefix[64];
    bpt_world_adopt(&world, bpi_fault_clone(run->world.fault));
    world.options = run->world.options;
    world.options.io = world.io;
    world.options.clock = &world.clock.table;
    world.options.random = &world.entropy.table;
    (void)snprintf(prefix, sizeof prefix, "%s/%s", sim_copy_path(index), bpt_random_chance(random, 70) ? "log/" : "");
    (void)damage(world.fault, prefix, true, random);
    sim_pause(run);
    repair_damaged_store(&run->ledger, &world, sim_copy_path(index), run->copies[index].events, true);
    sim_resume(run);
    bpt_world_end(&world);
}

void sim_op_repair(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_repair_report report = {0};
    int index = (int)bpt_random_below(random, SIM_COPIES);
    index = run->copies[index].exists ? index : (index + 1) % SIM_COPIES;
    const sim_copy *copy = &run->copies[index];
    if (!copy->exists) {
        sim_op_snapshot(run, random);
        return;
    }
    if (bpt_random_chance(random, 50)) {
        repair_flipped(run, index, random);
        return;
    }
    sim_remove_tree(run->world.fault, REPAIRED);
    run->repairing = index;
    bp_status status = repair(&run->world, sim_copy_path(index), &report, &error);
    if (sim_done(run, status, &error)) {
        run->watching = true;
        sim_pause(run);
        sim_fates fates = fates_of_repaired(&copy->fates);
        bp_store *store = open_repaired(&run->world);
        (void)sim_ledger_compare(&run->ledger, store, &fates, copy->events, copy->events, NULL);
        (void)bp_close(store, NULL);
        sim_resume(run);
        run->watching = false;
    }
    sim_remove_tree(run->world.fault, REPAIRED);
}

/* ---- rebuilding ---- */

enum { REBUILT_AT_ONCE = 32, REBUILT_BYTES = 256 << 10 };

/* A commit, copied. */
typedef struct commit {
    bp_event events[REBUILT_AT_ONCE];
    size_t count;
    size_t used;
    _Alignas(16) uint8_t bytes[REBUILT_BYTES];
} commit;

static void *keep(commit *out, const void *bytes, size_t size)
{
    uint8_t *place = out->bytes + out->used;
    SIM_CHECK(out->used + size + 16 <= sizeof out->bytes, "a commit is too great");
    if (size != 0) {
        memcpy(place, bytes, size);
    }
    out->used += (size + 15) / 16 * 16;
    return place;
}

static void keep_event(commit *out, const bp_event *event)
{
    SIM_CHECK(out->count < REBUILT_AT_ONCE, "a commit has too many events");
    bp_event *kept = &out->events[out->count++];
    *kept = *event;
    kept->entity.data = keep(out, event->entity.data, event->entity.size);
    kept->scope.data = keep(out, event->scope.data, event->scope.size);
    kept->causes = keep(out, event->causes, event->cause_count * sizeof *event->causes);
    kept->payload = keep(out, event->payload, event->payload_size);
    kept->extensions = keep(out, event->extensions, event->public_extensions_size + event->private_extensions_size);
}

static bp_status put_commit(bp_store *target, commit *gathered, bp_error *error)
{
    bp_status status = gathered->count == 0 ? BP_OK : bp_append_exact(target, gathered->events, gathered->count, error);
    gathered->count = 0;
    gathered->used = 0;
    return status;
}

static bp_status rebuild(bp_store *source, bp_store *target, bp_error *error)
{
    static commit gathered;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options options;
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    bp_query_options_init(&options);
    options.stored = true;
    gathered.count = 0;
    gathered.used = 0;
    bp_status status = bp_query(source, &region, &options, &iterator, error);
    while (status == BP_OK && (status = bp_next(iterator, &event, error)) == BP_OK) {
        if (gathered.count != 0 && gathered.events[0].batch != event->batch) {
            status = put_commit(target, &gathered, error);
        }
        keep_event(&gathered, event);
    }
    status = status == BP_END ? put_commit(target, &gathered, error) : status;
    bp_iterator_close(iterator);
    return status;
}

static bool has_dropped(const sim_ledger *ledger)
{
    uint64_t at = 0;
    while (at < ledger->count && (ledger->fates.most[at] & SIM_DROP) == 0) {
        at++;
    }
    return at < ledger->count;
}

void sim_op_rebuild(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_store *target = NULL;
    (void)random;
    if (has_dropped(&run->ledger)) {
        return; /* what was dropped cannot be put into another store */
    }
    sim_remove_tree(run->world.fault, REBUILT);
    run->rebuilding = true;
    bp_status status = bp_open(REBUILT, &run->world.options, &target, &error);
    status = status == BP_OK ? rebuild(run->store, target, &error) : status;
    bp_status closed = bp_close(target, status == BP_OK ? &error : NULL);
    if (sim_done(run, status == BP_OK ? closed : status, &error)) {
        bp_store *reader = NULL;
        run->watching = true;
        sim_pause(run);
        sim_fates fates = run->ledger.fates;
        fates.locked = true;
        status = bp_open_reader(REBUILT, &run->world.options, &reader, &error);
        SIM_CHECK(status == BP_OK, "a rebuilt store does not open: %s", error.message);
        (void)sim_ledger_compare(&run->ledger, reader, &fates, run->ledger.count, run->ledger.count, NULL);
        (void)bp_close(reader, NULL);
        sim_resume(run);
        run->watching = false;
    }
    sim_remove_tree(run->world.fault, REBUILT);
}

/* ---- after a crash ---- */

void sim_check_salvaged(const sim_run *run, const bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = NULL;
    if (run->repairing >= 0 && sim_has_file(world->fault, REPAIRED, "MANIFEST")) {
        const sim_copy *copy = &run->copies[run->repairing];
        sim_fates fates = fates_of_repaired(&copy->fates);
        store = open_repaired(world);
        (void)sim_ledger_compare(&run->ledger, store, &fates, copy->events, copy->events, NULL);
        (void)bp_close(store, NULL);
    }
    if (run->rebuilding && sim_has_file(world->fault, REBUILT, "MANIFEST")) {
        sim_fates fates = *run->bounds.fates;
        fates.locked = true;
        fates.rebuilt = true;
        bp_status status = bp_open(REBUILT, &world->options, &store, &error);
        SIM_CHECK(status == BP_OK, "P3: opening a store that was being rebuilt says %s: %s", bp_status_name(status),
                  error.message);
        (void)sim_ledger_compare(&run->ledger, store, &fates, 0, run->bounds.most, NULL);
        (void)bp_close(store, NULL);
    }
}
