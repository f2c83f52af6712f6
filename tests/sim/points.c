/*
 * points.c: crash points.
 *
 * While an operation runs, the world is copied before each of its steps. When the operation has ended, and it is known what
 * it acknowledged and what it might have left, each copy is made what a kill, and what several power cuts leave of it; each of
 * these worlds is a crash point: it is opened and judged. While some of them recover, copies are taken again, and so on, three
 * deep. Judged are P1 (acknowledged is kept), P2 (whole commits), P3 (never BP_ERR_CORRUPT, never another event; what is cut is
 * kept in .torn), P4 (index files taken away or damaged change nothing), P5 (verify), P7 (a retry gets its first
 * receipt), P8 (a reader sees the same), and that what an opening showed stays.
 */
#include "sim/sim.h"

#include "format/manifest.h"

enum { NESTED_AT_ONCE = 2 };

/* ---- recording ---- */

void sim_record(sim_run *run)
{
    if (run->snapshot_count == run->snapshot_capacity) {
        run->snapshot_capacity = run->snapshot_capacity == 0 ? 64 : run->snapshot_capacity * 2;
        run->snapshots = realloc(run->snapshots, run->snapshot_capacity * sizeof *run->snapshots);
        SIM_CHECK(run->snapshots != NULL, "no memory");
    }
    run->snapshots[run->snapshot_count++] = (sim_snapshot){bpi_fault_clone(run->world.fault), run->step};
}

/* While a recovery runs: some of its steps, each as likely as another. */
typedef struct sampler {
    bpi_fault *source;
    bpi_fault *kept[NESTED_AT_ONCE];
    uint64_t seen;
    bpt_random random;
} sampler;

static void sample(void *argument, const bpi_fault_step *step)
{
    sampler *taken = argument;
    if (step->done) {
        return;
    }
    uint64_t slot = taken->seen < NESTED_AT_ONCE ? taken->seen : bpt_random_below(&taken->random, taken->seen + 1);
    taken->seen++;
    if (slot < NESTED_AT_ONCE) {
        if (taken->kept[slot] != NULL) {
            bpi_fault_free(taken->kept[slot]);
        }
        taken->kept[slot] = bpi_fault_clone(taken->source);
    }
}

/* ---- one crash point ---- */

/* A world after a crash. */
typedef struct point {
    const sim_run *run;
    bpi_fault *before; /* as the crash left it, when that is settled; else NULL */
    sim_bounds in;
    bool cut; /* the power went, now or in a crash before */
    unsigned depth;
    bpt_random random;
    uint8_t shown[SIM_EVENTS_MAX]; /* what became of each event, as the opening showed it */
} point;

static void take_world(const sim_run *run, bpi_fault *fault, bpt_world *world, bpt_random *random)
{
    static const int64_t steps[] = {-3600000000, 0, 0, 1000000};
    bpt_world_adopt(world, fault);
    world->options = run->world.options;
    world->options.io = world->io;
    world->options.clock = &world->clock.table;
    world->options.random = &world->entropy.table;
    atomic_store(&world->clock.now_us, atomic_load(&run->world.clock.now_us) + steps[bpt_random_below(random, 4)]);
    atomic_store(&world->entropy.state, bpt_random_next(random)); /* another process has other random bytes */
}

/* P4: what is derived goes, or is not what it was. */
static int damage_index(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    (void)data;
    (void)size;
    if (strstr(path, "/index/") == NULL) {
        return 0;
    }
    (void)snprintf(argument, 256, "%s", path);
    return 1;
}

static void spoil_index(bpt_world *world, bpt_random *random)
{
    char path[256] = "";
    uint8_t *data = NULL;
    uint64_t size = 0;
    if (bpi_fault_each_file(world->fault, damage_index, path) != 1) {
        return;
    }
    uint64_t how = bpt_random_below(random, 3);
    if (how == 0) {
        (void)bpi_fault_remove_file(world->fault, path);
        return;
    }
    if (bpi_fault_read_file(world->fault, path, &data, &size) != 0 || size == 0) {
        free(data);
        return;
    }
    if (how == 1) {
        data[bpt_random_below(random, size)] ^= (uint8_t)(1u << bpt_random_below(random, 8));
    } else {
        size = bpt_random_below(random, size);
    }
    (void)bpi_fault_write_file(world->fault, path, data, size);
    free(data);
}

/* ---- evidence: what was cut is kept ---- */

typedef struct evidence {
    bpi_fault *after;
    uint64_t end; /* LSN where the log ends now */
    const uint8_t *loose;
    size_t size;
    bool found;
    bool told;
} evidence;

static int find_torn(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    evidence *wanted = argument;
    if (strstr(path, ".torn") != NULL && size >= wanted->size && memcmp(data, wanted->loose, wanted->size) == 0) {
        wanted->found = true;
        return 1;
    }
    return 0;
}

static int check_segment(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    evidence *wanted = argument;
    uint32_t ordinal = 0;
    uint32_t generation = 0;
    const char *name = strrchr(path, '/');
    if (strncmp(path, "store/", 6) != 0 || name == NULL || !bp_segment_name_parse(name + 1, &ordinal, &generation) ||
        ordinal < wanted->end >> 32) {
        return 0;
    }
    uint64_t from = ordinal == wanted->end >> 32 ? wanted->end & UINT32_MAX : BPI_SEGMENT_HEADER;
    while (size > from && data[size - 1] == 0) {
        size--;
    }
    if (size <= from) {
        return 0;
    }
    SIM_CHECK(wanted->told, "P3: %llu bytes behind the end of %s were cut, and nothing says so",
              (unsigned long long)(size - from), path);
    wanted->loose = data + from;
    wanted->size = (size_t)(size - from);
    wanted->found = false;
    (void)bpi_fault_each_file(wanted->after, find_torn, wanted);
    SIM_CHECK(wanted->found, "P3: %llu bytes behind the end of %s were cut and are kept nowhere",
              (unsigned long long)wanted->size, path);
    return 0;
}

static void check_evidence(const point *at, const bpt_world *world, bp_store *store)
{
    evidence wanted = {.after = world->fault, .end = bp_store_frontiers(store).published_lsn};
    bp_stats stats = {.size = sizeof stats};
    if (at->before != NULL) {
        /* of a recovery that crashed, the next one does not know what had been cut */
        wanted.told = at->depth != 0 || (bp_store_stats(store, &stats, NULL) == BP_OK && stats.cut_now);
        (void)bpi_fault_each_file(at->before, check_segment, &wanted);
    }
}

/* ---- judging ---- */

static bp_store *open_world(const bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_status status = bp_open(world->path, &world->options, &store, &error);
    sim_reporting->recoveries++;
    SIM_CHECK(status == BP_OK, "P3: opening after the crash says %s: %s (%s at %llu)", bp_status_name(status),
              error.message, error.file, (unsigned long long)error.offset);
    return store;
}

/* P7: an event that is there, asked for once more. */
static void retry_one(const sim_run *run, bp_store *store, uint64_t count, const uint8_t *shown, bpt_random *random)
{
    static uint8_t bytes[SIM_PAYLOAD_MAX + 8];
    bp_error error = {0};
    bp_append_options options;
    bp_receipt receipt = {0};
    uint64_t sequence = bpt_random_below(random, count);
    const sim_event *event = &run->ledger.events[sequence];
    if (event->system || event->batch_count > 1) {
        return;
    }
    bp_append_options_init(&options);
    options.id = event->id;
    options.subject = event->subject != 0 ? sim_subject(event->subject) : NULL;
    options.durability = BP_BUFFERED;
    sim_event_payload(event, bytes);
    bp_status status = bp_append(store, bp_at(sim_entity(event->entity), sim_scope(event->scope)), event->kind,
                                 bp_raw(bytes, event->payload_size), &options, &receipt, &error);
    SIM_CHECK(
        status == BP_OK && receipt.duplicate && receipt.sequence == sequence &&
            receipt.unverifiable == (shown[sequence] != 0 || sim_ledger_shredded(&run->ledger, sequence, count)) &&
            bp_hash_equal(&receipt.event_hash, &event->hash),
        "P7: a retry of event %llu says %s: %s", (unsigned long long)sequence, bp_status_name(status), error.message);
}

/* Writing goes on where the log ends. */
static void append_one(const sim_run *run, bp_store *store, uint64_t count, bpt_random *random)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    unsigned entity = (unsigned)bpt_random_below(random, SIM_ENTITIES);
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    if (bp_encryption_available() && bpt_random_chance(random, 40)) {
        options.subject = sim_subject(1 + (unsigned)bpt_random_below(random, SIM_SUBJECTS));
    }
    bp_status status = bp_append(store, bp_at(sim_entity(entity), "behind"), bp_kind(0xF, 9), bp_json("{}"), &options,
                                 &receipt, &error);
    SIM_CHECK(status == BP_OK, "writing does not go on: %s: %s", bp_status_name(status), error.message);
    uint64_t clock = sim_ledger_clock(&run->ledger, entity, count);
    SIM_CHECK(receipt.sequence == count && receipt.clock == clock && receipt.durable,
              "the next event is %llu with clock %llu, not %llu with %llu", (unsigned long long)receipt.sequence,
              (unsigned long long)receipt.clock, (unsigned long long)count, (unsigned long long)clock);
    SIM_CHECK(count == 0 || receipt.hlc > run->ledger.events[count - 1].hlc, "the HLC goes back");
}

static void verify_world(const bpt_world *world, uint64_t count)
{
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = world->io;
    options.allocator = world->options.allocator;
    bp_status status = bp_verify(world->path, &options, &report, &error);
    SIM_CHECK(status == BP_OK && report.events == count, "P5: verify says %s: %s; %llu events of %llu",
              bp_status_name(status), error.message, (unsigned long long)report.events, (unsigned long long)count);
}

/* Another process shows the same. */
static void read_beside(const point *at, const bpt_world *world, uint64_t count)
{
    bp_error error = {0};
    bp_store *reader = NULL;
    sim_fates fates;
    sim_fates_settle(&fates, at->shown);
    fates.lied = at->in.fates->lied;
    bp_status status = bp_open_reader(world->path, &world->options, &reader, &error);
    SIM_CHECK(status == BP_OK, "P8: no reader after the crash: %s", error.message);
    (void)sim_ledger_compare(&at->run->ledger, reader, &fates, count, count, NULL);
    (void)bp_close(reader, NULL);
}

/* What was appended behind the crash is readable, for a subject too. */
static void check_behind(bp_store *store, uint64_t sequence)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_status status = bp_get_sequence(store, sequence, &event, &error);
    SIM_CHECK(status == BP_OK && event->payload_size == 2 && memcmp(event->payload, "{}", 2) == 0,
              "P1: event %llu, acknowledged behind the crash, has another payload: %s (%d)",
              (unsigned long long)sequence, error.message, status == BP_OK ? (int)event->encryption : -1);
    bp_event_release(event);
}

/* The process dies; what it had not synced is lost; the next one must find the same. */
static bp_store *cut_and_open(const point *at, bpt_world *world, bp_store *store, uint64_t count, uint64_t more)
{
    (void)bpt_power_cut(world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = open_world(world);
    bp_stats stats = {.size = sizeof stats};
    SIM_CHECK(bp_store_stats(store, &stats, NULL) == BP_OK && !stats.cut_now,
              "P3: what one opening had cut, or claimed, the next one cuts again: %llu bytes at %llx, depth %u%s; %llu "
              "events",
              (unsigned long long)stats.cut_bytes, (unsigned long long)stats.cut_lsn, at->depth,
              at->cut ? ", power" : "", (unsigned long long)count);
    if (more == 0) {
        sim_fates fates;
        sim_fates_settle(&fates, at->shown);
        fates.lied = at->in.fates->lied;
        (void)sim_ledger_compare(&at->run->ledger, store, &fates, count, count, NULL);
    } else {
        uint64_t published = bp_store_frontiers(store).published;
        SIM_CHECK(published == count + more, "P1: %llu events are left of %llu", (unsigned long long)published,
                  (unsigned long long)(count + more));
        check_behind(store, count);
    }
    return store;
}

static void go_on(point *at, bpt_world *world, bp_store *store, uint64_t count)
{
    bp_error error = {0};
    bpt_random *random = &at->random;
    bp_stats stats = {.size = sizeof stats};
    bool cut = bp_store_stats(store, &stats, NULL) == BP_OK && stats.cut_now;
    switch (cut && bpt_random_chance(random, 40) ? 0 : bpt_random_below(random, 9)) {
    case 0: /* what recovery claims is durable */
        store = cut_and_open(at, world, store, count, 0);
        break;
    case 1:
        append_one(at->run, store, count, random);
        store = cut_and_open(at, world, store, count, 1);
        break;
    case 2: {
        bool appends = bpt_random_chance(random, 50);
        if (appends) {
            append_one(at->run, store, count, random);
        }
        bp_status status = bp_close(store, &error);
        store = NULL;
        SIM_CHECK(status == BP_OK, "closing after the crash says %s", error.message);
        verify_world(world, count + appends);
        break;
    }
    case 3:
        if (count != 0) {
            retry_one(at->run, store, count, at->shown, random);
        }
        sim_ledger_ask(&at->run->ledger, store, count, at->shown, random);
        break;
    case 4:
        read_beside(at, world, count);
        break;
    case 5:
        sim_watcher_check(at->run, store, count);
        break;
    case 6:
        sim_erase_again(at->run, world, store, at->shown, random);
        break;
    default:
        break;
    }
    bpi_fault_process_kill(world->fault); /* the quickest end */
    (void)bp_close(store, NULL);
}

/* Points that wait to be judged, the youngest first: those of one crash, and of the crashes in its recovery. */
typedef struct waiting {
    point points[NESTED_AT_ONCE * SIM_DEPTH_MAX + 1];
    bpi_fault *faults[NESTED_AT_ONCE * SIM_DEPTH_MAX + 1];
    size_t count;
    bpi_fault *before; /* the first one's, kept for all */
} waiting;

/* Cuts the power, or kills; the world is taken over. */
static void crash_world(waiting *tree, point at, bpi_fault *fault, bool power)
{
    static const bpt_keep keeps[] = {BPT_KEEP_NONE, BPT_KEEP_ALL, BPT_KEEP_RANDOM, BPT_KEEP_RANDOM};
    if (power) {
        bpt_choice choice = {.keep = keeps[bpt_random_below(&at.random, 4)], .random = {bpt_random_next(&at.random)}};
        (void)bpi_fault_power_cut(fault, bpt_choose, &choice);
        at.cut = true;
    } else {
        bpi_fault_process_kill(fault);
    }
    tree->points[tree->count] = at;
    tree->faults[tree->count++] = fault;
}

/* An opening finishes an erasure that was begun, and what had been set aside goes with it. */
static bool may_erase(const sim_fates *fates)
{
    size_t at = 0;
    while (at < SIM_EVENTS_MAX && (fates->most[at] & SIM_STUB) == 0) {
        at++;
    }
    return at < SIM_EVENTS_MAX;
}

/* Opens a world after a crash, which is taken over, and judges it; crashes within that are put to the waiting. */
static void judge_one(waiting *tree, point *at, bpi_fault *fault)
{
    bpt_world world;
    sampler taken = {.source = fault, .random = {bpt_random_next(&at->random)}};
    take_world(at->run, fault, &world, &at->random);
    bool settled = at->cut && at->depth == 0 && bpt_random_chance(&at->random, 25) && !may_erase(at->in.fates);
    if (settled) {
        tree->before = bpi_fault_clone(fault);
        at->before = tree->before;
    }
    if (bpt_random_chance(&at->random, 12)) {
        spoil_index(&world, &at->random);
    }
    if (bpt_random_chance(&at->random, 6)) {
        sim_open_in_trouble(at->run, &world, &at->in, at->cut ? at->in.durable : at->in.acked, &at->random);
        at->before = NULL; /* what was cut was perhaps cut then */
    }
    uint64_t least = at->cut ? at->in.durable : at->in.acked;
    sim_salvage salvaged = {.count = BP_NONE};
    sim_inspection inspection = {.asked = bpt_random_chance(&at->random, 10)};
    if (inspection.asked) {
        sim_inspect(&world, at->cut, &inspection);
    }
    bool repairs = at->run->repairing < 0;
    if (repairs && bpt_random_chance(&at->random, 2)) {
        sim_repair_world(at->run, &world, &at->in, least, &salvaged);
    }
    if (repairs && bpt_random_chance(&at->random, 1)) {
        sim_repair_damaged(at->run, fault, &at->random);
    }
    bool nests = at->depth < SIM_DEPTH_MAX && bpt_random_chance(&at->random, settled ? 50 : 15);
    if (nests) {
        bpi_fault_watch(fault, sample, &taken);
    }
    bp_store *store = open_world(&world);
    bpi_fault_watch(fault, NULL, NULL);
    uint64_t count = sim_ledger_compare(&at->run->ledger, store, at->in.fates, least, at->in.most, at->shown);
    sim_salvage_judge(&salvaged, store, count);
    sim_inspection_judge(&inspection, &world, store, count, may_erase(at->in.fates));
    check_evidence(at, &world, store);
    sim_check_keys(at->run, fault, count);
    sim_check_salvaged(at->run, &world);
    sim_check_erased(at->run, fault, 1, &at->random);
    sim_check_copies(at->run, &world, &at->random);
    sim_reporting->points++;
    sim_reporting->nested[at->depth]++;
    sim_trace(count);
    go_on(at, &world, store, count);
    bpt_world_end(&world);
    for (size_t index = 0; index < NESTED_AT_ONCE; index++) {
        if (taken.kept[index] != NULL) {
            point next = *at;
            next.depth++;
            next.random.state = bpt_random_next(&at->random);
            crash_world(tree, next, taken.kept[index], bpt_random_chance(&at->random, 70));
        }
    }
}

static void judge(const point *at, bpi_fault *fault)
{
    waiting tree = {.points = {*at}, .faults = {fault}, .count = 1};
    while (tree.count != 0) {
        tree.count--;
        point next = tree.points[tree.count];
        judge_one(&tree, &next, tree.faults[tree.count]);
    }
    if (tree.before != NULL) {
        bpi_fault_free(tree.before);
    }
}

/* ---- all crash points of an operation ---- */

/* One power cut of a copy; returns how many choices it had. */
static uint64_t cut_copy(const sim_run *run, bpi_fault *source, bpt_keep keep, uint64_t which, bpt_random random)
{
    point at = {.run = run, .in = run->bounds, .cut = true, .random = random};
    bpi_fault *copy = bpi_fault_clone(source);
    bpt_choice choice = {.keep = keep, .which = which, .random = {which * 77 + 5}};
    (void)bpi_fault_power_cut(copy, bpt_choose, &choice);
    if (choice.asked == 0 && keep != BPT_KEEP_NONE) { /* the same world once more */
        bpi_fault_free(copy);
        return 0;
    }
    judge(&at, copy);
    return choice.asked;
}

static void crash_at(const sim_run *run, const sim_snapshot *snapshot)
{
    bpt_random random = {run->plan->seed * 31 + snapshot->step * 1000003};
    point killed = {.run = run, .in = run->bounds, .random = {bpt_random_next(&random)}};
    bpi_fault *copy = bpi_fault_clone(snapshot->fault);
    bpi_fault_process_kill(copy);
    judge(&killed, copy);
    bpt_random seed = {bpt_random_next(&random)};
    uint64_t choices = cut_copy(run, snapshot->fault, BPT_KEEP_NONE, 0, seed);
    if (choices == 0) {
        return;
    }
    seed.state = bpt_random_next(&random);
    (void)cut_copy(run, snapshot->fault, BPT_KEEP_ALL, 0, seed);
    if (choices <= 3) { /* all subsets; none and all are done */
        for (uint64_t mask = 1; mask + 1 < UINT64_C(1) << choices; mask++) {
            seed.state = bpt_random_next(&random);
            (void)cut_copy(run, snapshot->fault, BPT_KEEP_MASK, mask, seed);
        }
        return;
    }
    seed.state = bpt_random_next(&random);
    (void)cut_copy(run, snapshot->fault, BPT_KEEP_ONE, bpt_random_below(&random, choices), seed);
    seed.state = bpt_random_next(&random);
    (void)cut_copy(run, snapshot->fault, BPT_LOSE_ONE, bpt_random_below(&random, choices), seed);
    for (unsigned index = 0; index < run->plan->subsets; index++) {
        seed.state = bpt_random_next(&random);
        (void)cut_copy(run, snapshot->fault, BPT_KEEP_RANDOM, bpt_random_next(&random), seed);
    }
}

void sim_judge_all(sim_run *run)
{
    char before[sizeof sim_reporting->where];
    (void)snprintf(before, sizeof before, "%s", sim_reporting->where);
    for (size_t index = 0; index < run->snapshot_count; index++) {
        sim_where("%.200s, crash at step %llu", before, (unsigned long long)run->snapshots[index].step);
        crash_at(run, &run->snapshots[index]);
        bpi_fault_free(run->snapshots[index].fault);
    }
    run->snapshot_count = 0;
    sim_where("%s", before);
}
