/*
 * run.c: one plan.
 *
 * Everything happens in one thread. Other processes (readers) and other callers act between the steps that the fault world
 * shows: before and behind each write, store, sync and name, wherever the writer then is.
 */
#include <errno.h>

#include "sim/sim.h"

#include "log/log.h"
#include "store/store.h"

/* ---- readers ---- */

static void note_or_compare(sim_reader *reader, const bp_event *last, bool settled)
{
    if (!settled) {
        reader->noted = true;
        reader->noted_count = reader->seen;
        reader->noted_hash = last->event_hash;
    }
    SIM_CHECK(last->batch + last->batch_count == reader->seen, "P2: a reader sees %llu events, half of a commit",
              (unsigned long long)reader->seen);
}

/* The newest event may have been dropped, if anything was ever rewritten: then there is nothing to look at. */
static bool read_newest(const sim_run *run, const sim_reader *reader, const bp_event **last_out)
{
    bp_error error = {0};
    bp_status status = bp_get_sequence(reader->store, reader->seen - 1, last_out, &error);
    SIM_CHECK(status == BP_OK || (status == BP_ERR_DROPPED && run->rewrites != 0),
              "P8: a reader cannot read event %llu: %s", (unsigned long long)(reader->seen - 1), error.message);
    return status == BP_OK;
}

static void look(const sim_run *run, sim_reader *reader, uint64_t published, bool settled)
{
    bp_error error = {0};
    const bp_event *last = NULL;
    uint64_t ignored = 0;
    bp_status status = bp_count(reader->store, NULL, &ignored, &error);
    SIM_CHECK(status == BP_OK, "P8: a reader says %s", error.message);
    uint64_t seen = bp_store_frontiers(reader->store).published;
    SIM_CHECK(seen <= published, "P8: a reader sees %llu events, %llu are published", (unsigned long long)seen,
              (unsigned long long)published);
    SIM_CHECK(seen >= reader->seen, "P8: a reader saw %llu events, now %llu", (unsigned long long)reader->seen,
              (unsigned long long)seen);
    bool more = seen != reader->seen;
    reader->seen = seen;
    if (more && read_newest(run, reader, &last)) {
        note_or_compare(reader, last, settled);
        bp_event_release(last);
    }
    SIM_CHECK(!settled || seen == published, "P8: a reader sees %llu events of %llu", (unsigned long long)seen,
              (unsigned long long)published);
    if (settled) { /* what was dropped or erased it does not show any more */
        (void)sim_ledger_compare(&run->ledger, reader->store, &run->ledger.fates, seen, seen, NULL);
    }
}

void sim_readers_look(sim_run *run, bool settled)
{
    if (run->store == NULL) {
        return;
    }
    uint64_t published = bp_store_frontiers(run->store).published;
    for (size_t index = 0; index < SIM_READERS; index++) {
        sim_reader *reader = &run->readers[index];
        if (reader->store == NULL) {
            continue;
        }
        look(run, reader, published, settled);
        if (settled && reader->noted) {
            SIM_CHECK(reader->noted_count <= run->ledger.count &&
                          bp_hash_equal(&run->ledger.events[reader->noted_count - 1].hash, &reader->noted_hash),
                      "P8: a reader saw another event %llu", (unsigned long long)(reader->noted_count - 1));
            reader->noted = false;
        }
    }
}

void sim_readers_close(sim_run *run)
{
    for (size_t index = 0; index < SIM_READERS; index++) {
        (void)bp_close(run->readers[index].store, NULL);
        run->readers[index] = (sim_reader){0};
    }
}

/* ---- consumers ---- */

void sim_watcher_close(sim_run *run)
{
    sim_watcher *watcher = &run->watcher;
    if (watcher->consumer != NULL && bp_consumer_close(watcher->consumer, NULL) == BP_OK &&
        !bpi_fault_crashed(run->world.fault) && !run->spoiled && watcher->next > watcher->saved) {
        watcher->saved = watcher->next;
    }
    watcher->consumer = NULL;
}

void sim_watcher_check(const sim_run *run, bp_store *store, uint64_t count)
{
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    const bp_event *event = NULL;
    bp_consumer_options options;
    if (!run->watcher.exists) {
        return;
    }
    bp_consumer_options_init(&options);
    bp_status status = bp_consumer_open(store, "worker", NULL, &options, &consumer, &error);
    SIM_CHECK(status == BP_OK, "the consumer does not open: %s", error.message);
    status = bp_consumer_next(consumer, 0, 0, &event, &error);
    uint64_t furthest = sim_ledger_next_data(&run->ledger, run->watcher.acked);
    SIM_CHECK(status == BP_OK || (status == BP_ERR_TIMEOUT && furthest >= count),
              "the consumer is given nothing, though event %llu of %llu was never dealt with: %s",
              (unsigned long long)furthest, (unsigned long long)count, error.message);
    SIM_CHECK(status != BP_OK || (event->sequence <= furthest && event->sequence >= run->watcher_saved),
              "the consumer goes on with event %llu, it may be %llu to %llu",
              (unsigned long long)(event != NULL ? event->sequence : 0), (unsigned long long)run->watcher_saved,
              (unsigned long long)furthest);
    (void)bp_consumer_close(consumer, NULL);
}

/* ---- between the steps ---- */

/* While the store syncs off its lock: another caller. Not one that would wait for that sync: it stands below us on the
 * stack, and an append to a failed store recovers when the sync has ended. */
static void cut_in(sim_run *run)
{
    bpi_log *log = &run->store->log;
    if (!log->syncing || log->maintaining || atomic_load(&log->failed) || run->item_count == SIM_ITEMS_MAX ||
        pthread_mutex_trylock(&log->lock) != 0) {
        return;
    }
    (void)pthread_mutex_unlock(&log->lock);
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    uint8_t bytes[16];
    sim_item item = {.payload_seed = run->step,
                     .payload_size = sizeof bytes,
                     .kind = bp_kind(0xF, 4),
                     .entity = (uint8_t)(run->step % SIM_ENTITIES),
                     .scope = 0,
                     .group = ++run->groups};
    sim_payload(item.payload_seed, bytes, sizeof bytes);
    bp_status status = bp_append(run->store, bp_at(sim_entity(item.entity), sim_scope(0)), item.kind,
                                 bp_raw(bytes, sizeof bytes), &options, NULL, NULL);
    SIM_CHECK(status == BP_OK || status == BP_ERR_DENIED || run->faulty || run->starved,
              "another caller's append says %s", bp_status_name(status));
    if (status == BP_OK) {
        run->items[run->item_count++] = item;
    }
}

/* The plan of a sync that forgets stays, and its counter began anew with it, so that a second sync may forget too. Not the name of a
 * key: the next process would find that in the system's memory, and what a directory's sync forgot nobody can tell (io/fault.h). */
static void spare_names(sim_run *run, const bpi_fault_step *step)
{
    bool armed = run->drops != 0 && step->number == run->drops && strcmp(step->what, "sync a directory") == 0;
    if (armed &&
        bpi_fault_unsynced(run->world.fault, "store/keys") + bpi_fault_unsynced(run->world.fault, "store") != 0) {
        bpi_fault_set_plan(run->world.fault, &(bpi_fault_plan){0});
        run->drops = 0;
    }
}

static void between(void *argument, const bpi_fault_step *step)
{
    sim_run *run = argument;
    if (run->watching) {
        return;
    }
    run->watching = true;
    sim_pause(run);
    if (!step->done) {
        run->step++;
        sim_trace(run->step ^ (uint64_t)(unsigned char)step->what[0] << 48 ^ step->offset << 20 ^ step->size);
        sim_record(run);
        if (run->forgets && strcmp(step->what, "sync") == 0) {
            bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
            bpi_fault_set_plan(run->world.fault, &plan);
            run->forgets = false;
            run->drops = step->number;
        } else {
            spare_names(run, step);
        }
    }
    /* before a sync, which then covers it, or behind one, which does not */
    if (run->cuts_in && run->store != NULL && strcmp(step->what, "sync") == 0 && bpt_random_chance(&run->looks, 50)) {
        cut_in(run);
    }
    if (bpt_random_chance(&run->looks, 30)) { /* not always: what is missed is seen together with what follows */
        sim_readers_look(run, false);
    }
    sim_resume(run);
    run->watching = false;
}

/* ---- opening, crashing ---- */

void sim_run_learn(sim_run *run)
{
    sim_ledger *ledger = &run->ledger;
    if (run->store == NULL) {
        return;
    }
    sim_pause(run);
    sim_ledger_learn(ledger, run->store, run->items, run->item_count);
    sim_resume(run);
    uint64_t durable = bp_store_frontiers(run->store).durable;
    SIM_CHECK(durable <= ledger->count, "%llu events are durable, %llu are published", (unsigned long long)durable,
              (unsigned long long)ledger->count);
    ledger->durable = durable > ledger->durable ? durable : ledger->durable;
    run->item_count = 0;
}

/* What a closing wrote by itself: at most how many denials went unrecorded, when some did. The store is closed, so a
 * reader tells. */
static void learn_closing(sim_run *run, uint64_t unrecorded)
{
    bp_error error = {0};
    bp_store *reader = NULL;
    sim_ledger *ledger = &run->ledger;
    uint64_t before = ledger->count;
    bool watching = run->watching;
    run->watching = true;
    bp_status status = bp_open_reader(run->world.path, &run->world.options, &reader, &error);
    SIM_CHECK(status == BP_OK, "P8: no reader after the closing: %s", error.message);
    sim_ledger_learn(ledger, reader, NULL, 0);
    (void)bp_close(reader, NULL);
    run->watching = watching;
    uint64_t more = ledger->count - before;
    SIM_CHECK(more <= (unrecorded != 0) && (more == 0 || ledger->events[before].kind == BP_KIND_DENIAL),
              "closing wrote %llu events, and %llu denials were not recorded", (unsigned long long)more,
              (unsigned long long)unrecorded);
}

bp_status sim_run_close(sim_run *run, bp_error *error)
{
    bp_store *store = run->store;
    uint64_t unrecorded = bp_gate_denial_counts(store).unrecorded;
    run->store = NULL;
    bp_status status = bp_close(store, error);
    learn_closing(run, unrecorded);
    return status;
}

void sim_run_open(sim_run *run, uint64_t least)
{
    bp_error error = {0};
    bpi_fault_watch(run->world.fault, between, run);
    bp_status status = bp_open(run->world.path, &run->world.options, &run->store, &error);
    SIM_CHECK(status == BP_OK, "opening says %s: %s", bp_status_name(status), error.message);
    uint8_t shown[SIM_EVENTS_MAX];
    uint64_t count = sim_ledger_compare(&run->ledger, run->store, &run->ledger.fates, least, run->ledger.count, shown);
    sim_fates_settle(&run->ledger.fates, shown); /* what an opening shows stays */
    uint32_t epoch = bp_store_frontiers(run->store).epoch;
    SIM_CHECK(epoch >= run->epoch, "the epoch went back from %u to %u", (unsigned)run->epoch, (unsigned)epoch);
    run->epoch = epoch;
    run->opened = count;
    run->ledger.count = count;
    run->ledger.acked = count;
    run->ledger.durable = count;              /* what an opening shows is durable */
    for (uint64_t at = 0; at < count; at++) { /* who buried it may be gone */
        sim_event *event = &run->ledger.events[at];
        event->buried_by = event->buried_by < count ? event->buried_by : BP_NONE;
    }
}

void sim_run_crash(sim_run *run, bool power, bpt_random *random)
{
    static const bpt_keep keeps[] = {BPT_KEEP_NONE, BPT_KEEP_ALL, BPT_KEEP_RANDOM, BPT_KEEP_RANDOM};
    uint64_t least = power ? run->ledger.durable : run->ledger.acked;
    uint32_t epoch = run->epoch;
    bool wrote = run->ledger.count > run->opened;
    if (power) {
        (void)bpt_power_cut(&run->world, keeps[bpt_random_below(random, 4)], bpt_random_next(random));
    } else {
        bpi_fault_process_kill(run->world.fault);
    }
    sim_watcher saved = run->watcher;
    sim_watcher_close(run);
    run->watcher.saved = saved.saved; /* what the dead one wrote went nowhere */
    sim_readers_close(run);
    (void)bp_close(run->store, NULL);
    run->store = NULL;
    run->faulty = false;
    run->forgets = false;
    run->drops = 0;
    (void)atomic_fetch_add(&run->world.entropy.state, 0x1234567u); /* another process has other random bytes */
    sim_run_open(run, least);
    SIM_CHECK(run->epoch > epoch || !wrote, "after a crash the epoch is %u as before", (unsigned)epoch);
    run->bounds.acked = run->ledger.count;
    run->bounds.durable = power ? run->ledger.count : least < run->bounds.durable ? least : run->bounds.durable;
}

/* ---- the whole ---- */

static void begin(sim_run *run, const sim_plan *plan)
{
    run->plan = plan;
    run->looks.state = plan->seed;
    run->restoring = -1;
    run->repairing = -1;
    bpt_world_fault(&run->world);
    run->world.options.allocator = sim_allocator();
    run->world.options.segment_size = BP_SEGMENT_MIN + 4096; /* more than is looked at whole (io/world.h) */
    run->world.options.durability = plan->durability;
    run->world.options.layout = plan->layout;
    run->world.options.sync_every_events = 3;
    run->world.options.recovery_attempts = 2;
    run->world.entropy.state = plan->seed * 0x9e3779b97f4a7c15u;
    sim_where("making the store");
    sim_run_begin(run);
    sim_run_open(run, 0);
    sim_run_judge(run);
}

/* How far the list vouches for a segment: what a recovery in the process moved away lies behind that, and need not be synced. */
static uint64_t listed_length(const bpi_catalog *catalog, uint32_t ordinal)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->ordinal == ordinal && entry->generation == 1) {
            return entry->state == BPI_SEGMENT_SEALED ? entry->length
                   : entry->state == BPI_SEGMENT_OPEN ? UINT64_MAX
                                                      : 0;
        }
    }
    return 0;
}

/* At most two segments hold frames that no sync covered (docs/format.md, section 10). */
static void check_order_of_syncs(const sim_run *run)
{
    uint32_t active = run->store->log.active->segment->ordinal;
    for (uint32_t ordinal = active > 4 ? active - 4 : 0; ordinal + 2 <= active; ordinal++) {
        char name[64];
        char path[96];
        bp_segment_name(ordinal, 1, name); /* one that was rewritten is another file */
        (void)snprintf(path, sizeof path, "%.20s/log/%s", run->world.path, name);
        uint64_t sectors =
            bpi_fault_unsynced_below(run->world.fault, path, listed_length(&run->store->log.catalog, ordinal));
        SIM_CHECK(sectors == 0, "segment %u is written, segment %u has %llu unsynced sectors", (unsigned)active,
                  (unsigned)ordinal, (unsigned long long)sectors);
    }
}

void sim_run_begin(sim_run *run)
{
    run->bounds = (sim_bounds){run->ledger.acked, run->ledger.durable, run->ledger.count, &run->fates};
    run->fates = run->ledger.fates;
    run->watcher_saved = run->watcher.saved;
}

void sim_run_judge(sim_run *run)
{
    for (uint64_t at = 0; at < SIM_EVENTS_MAX; at++) {
        bool old = at < run->bounds.most;
        run->fates.least[at] = old ? run->fates.least[at] & run->ledger.fates.least[at] : 0;
        run->fates.most[at] = old ? run->fates.most[at] | run->ledger.fates.most[at] : 0;
    }
    run->bounds.most = run->ledger.count;
    run->lied = run->fates;
    run->lied.lied = true;
    sim_judge_all(run);
    for (size_t index = 0; index < SIM_COPIES; index++) {
        run->copies[index].begun = false;
    }
    run->restoring = -1;
    run->repairing = -1;
    run->rebuilding = false;
}

static void perform(sim_run *run, size_t index)
{
    const sim_op *op = &run->plan->ops[index];
    bpt_random random = {op->seed};
    run->op = index;
    run->item_count = 0;
    run->groups = 0;
    sim_run_begin(run);
    sim_where("seed %llu, operation %zu, %s, %llu events", (unsigned long long)run->plan->seed, index,
              op->operation->name, (unsigned long long)run->ledger.count);
    op->operation->perform(run, &random);
    run->watching = true;
    sim_run_learn(run);
    if (bpt_random_chance(&run->looks, 30)) {
        sim_readers_look(run, true);
    }
    if (!run->spoiled) { /* what a sync forgot counts as unsynced for ever */
        check_order_of_syncs(run);
    }
    run->watching = false;
    sim_run_judge(run);
    if (run->faulty && bp_store_frontiers(run->store).failed && bpt_random_chance(&random, 50)) {
        sim_run_begin(run);
        sim_run_crash(run, bpt_random_chance(&random, 50), &random);
        sim_run_judge(run);
    }
}

static void end(sim_run *run)
{
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_report report;
    sim_run_begin(run);
    sim_where("seed %llu, closing", (unsigned long long)run->plan->seed);
    sim_watcher_close(run);
    sim_readers_close(run);
    bp_status status = sim_run_close(run, &error);
    SIM_CHECK(status == BP_OK || run->faulty, "closing says %s: %s", bp_status_name(status), error.message);
    sim_run_judge(run);
    bp_verify_options_init(&options);
    options.io = run->world.io;
    options.allocator = run->world.options.allocator;
    status = bp_verify(run->world.path, &options, &report, &error);
    SIM_CHECK((status == BP_OK && report.events == run->ledger.count) || run->faulty, "P5: verify says %s, %llu events",
              bp_status_name(status), (unsigned long long)report.events);
    bpt_world_end(&run->world);
}

void sim_run_plan(const sim_plan *plan)
{
    sim_run *run = calloc(1, sizeof *run);
    SIM_CHECK(run != NULL, "no memory");
    begin(run, plan);
    for (size_t index = 0; index < plan->count; index++) {
        if ((plan->drop >> index & 1) == 0) {
            perform(run, index);
        }
    }
    end(run);
    free(run->snapshots);
    free(run);
}
