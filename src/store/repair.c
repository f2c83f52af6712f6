/*
 * repair.c: which events of a damaged store are proven, and what becomes of each.
 *
 * Records come in the order of their sequences. Each is held against the heads of its entity as the old store had them: the
 * stored hash of the event before, even if that one had to be rejected, since what follows was hashed over it. What fits is added
 * to the new store, with stand-ins for the sequences between. The same is gone through in a dry run.
 */
#include "store/repair.h"

#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "log/recover.h"
#include "store/burial.h"

enum { LOST_MAX = 50000000 };

void bp_repair_options_default(bp_repair_options *options, size_t size)
{
    bp_repair_options defaults = {.size = sizeof defaults, .lost_max = LOST_MAX};
    if (options == NULL || size < sizeof(size_t)) {
        return;
    }
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

/* ---- telling ---- */

void bpi_repair_note(const bpi_repair *repair, const bp_repair_note *note)
{
    if (repair->options->note != NULL) {
        repair->options->note(repair->options->note_context, note);
    }
}

void bpi_repair_end_run(bpi_repair *repair)
{
    if (repair->run.count > 0) {
        bpi_repair_note(repair, &repair->run);
        repair->run.count = 0;
    }
}

static void extend_run(bpi_repair *repair, uint64_t sequence, bp_proof proof, bool changed)
{
    bp_repair_note *run = &repair->run;
    if (run->count == 0 || run->proof != proof || run->changed != changed || run->last + 1 != sequence) {
        bpi_repair_end_run(repair);
        *run = (bp_repair_note){.kind = BP_REPAIR_RUN, .first = sequence, .proof = proof, .changed = changed};
    }
    run->last = sequence;
    run->count++;
}

static void tell_file(void *argument, const char *file, uint64_t offset, const char *what)
{
    bp_repair_note note = {.kind = BP_REPAIR_FILE, .file = file, .what = what};
    note.has_offset = offset != UINT64_MAX;
    note.offset = note.has_offset ? offset : 0;
    bpi_repair_note(argument, &note);
}

static void tell_hole(void *argument, const char *file, uint64_t from, uint64_t to, const char *what)
{
    bpi_repair *repair = argument;
    bp_repair_note note = {
        .kind = BP_REPAIR_DAMAGE, .file = file, .has_offset = true, .offset = from, .bytes = to - from, .what = what};
    repair->report->damages++;
    repair->report->damaged_bytes += to - from;
    bpi_repair_note(repair, &note);
}

static void reject(bpi_repair *repair, const bp_event *event, const char *what)
{
    char entity[BP_NAME_MAX + 1];
    memcpy(entity, event->entity.data, event->entity.size);
    entity[event->entity.size] = '\0';
    bp_repair_note note = {
        .kind = BP_REPAIR_REJECTED, .first = event->sequence, .last = event->sequence, .entity = entity, .what = what};
    repair->report->rejected++;
    bpi_repair_note(repair, &note);
}

/* ---- judging ---- */

/* What cannot be, whatever came before. */
static const char *contradiction(const bp_event *event)
{
    bpi_burial burial;
    if (event->dropped) {
        return bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY))
                   ? "events of the library's own are never dropped"
                   : NULL;
    }
    if (event->kind == BP_KIND_TOMBSTONE && !event->payload_absent &&
        !bpi_burial_read(event->payload, event->payload_size, event->sequence, &burial)) {
        return "it does not say which earlier events it buries";
    }
    return bpi_record_contradiction(event);
}

static bool misses_cause(const bpi_repair *repair, const bp_event *event)
{
    for (size_t i = 0; i < event->cause_count && !event->external; i++) {
        if (!bpi_salvage_table_has(&repair->table, &event->causes[i])) {
            return true;
        }
    }
    return false;
}

static bool gives_name(const bp_event *event)
{
    return event->kind == BP_KIND_NAME && !event->payload_absent && !event->dropped;
}

/* What events of the library's own tell the store: a log in which that contradicts itself could not be opened. */
static const char *teaching_fault(bpi_repair *repair, const bp_event *event)
{
    bpi_burial burial;
    if (gives_name(event) && bpi_kinds_check(&repair->kinds, event->payload, event->payload_size, NULL) != BP_OK) {
        return "it gives no name, or its kind or name is taken";
    }
    if (event->kind != BP_KIND_TOMBSTONE || event->payload_absent || event->dropped) {
        return NULL;
    }
    bool same = bpi_burial_read(event->payload, event->payload_size, event->sequence, &burial) &&
                burial.count == event->cause_count;
    bool external = event->external || misses_cause(repair, event);
    for (size_t i = 0; same && !external && i < burial.count; i++) {
        same = bpi_salvage_table_has_at(&repair->table, &event->causes[i], burial.sequences[i]);
    }
    return same ? NULL : "the events that it buries are not its causes";
}

/* What speaks against an event that is right by itself; NULL: nothing. The head is its entity's. */
static const char *fault_of(bpi_repair *repair, const bp_event *event, const bpi_salvage_head *head,
                            bp_proof *proof_out)
{
    const char *fault = contradiction(event);
    if (fault != NULL) {
        return fault;
    }
    uint64_t gap = event->sequence - repair->next;
    if (event->hlc <= repair->last_hlc || event->hlc - repair->last_hlc <= gap) {
        return "HLC does not increase";
    }
    if (event->clock < head->old_next || event->clock - head->old_next > repair->report->lost + gap) {
        return "clock does not follow";
    }
    if (bpi_salvage_table_has(&repair->table, &event->id)) {
        return "id is not unique";
    }
    *proof_out = event->clock == head->old_next ? BP_PROOF_CHAIN : BP_PROOF_CHECKSUM;
    if (*proof_out == BP_PROOF_CHAIN && !event->dropped) {
        bp_hash hash = bp_event_compute_hash(event, event->clock == 0 ? NULL : &head->old_hash);
        if (!bp_hash_equal(&hash, &event->event_hash)) {
            return "event hash does not match what it binds";
        }
    }
    return teaching_fault(repair, event);
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
}

/* The old store's head moves on whatever becomes of the event. */
static void move_old_head(bpi_repair *repair, bpi_salvage_head *head, const bp_event *event, bool taken)
{
    uint64_t missing = event->clock - head->old_next + !taken;
    if (missing > 0) {
        repair->report->entities_affected += head->lost == 0;
        head->lost += missing;
        head->changed = true;
    }
    head->old_next = event->clock + 1;
    head->old_hash = event->event_hash;
}

static bp_status take_event(bpi_repair *repair, const bp_event *event, bp_error *error)
{
    bp_repair_report *report = repair->report;
    bp_proof proof = BP_PROOF_CHAIN;
    if (event->sequence < repair->next) {
        return BP_OK; /* it was taken from another segment */
    }
    bpi_salvage_head *head = bpi_salvage_table_head(&repair->table, event->entity);
    if (head == NULL) {
        return no_memory(error);
    }
    const char *fault = fault_of(repair, event, head, &proof);
    if (fault != NULL) {
        reject(repair, event, fault);
        if (event->clock == head->old_next) {
            move_old_head(repair, head, event, false);
        }
        return BP_OK;
    }
    bp_status status = BP_OK;
    if (event->sequence > repair->next) {
        status = bpi_repair_stand_in(repair, event->sequence, event->hlc, error);
        head = bpi_salvage_table_head(&repair->table, event->entity); /* the table may have grown */
    }
    if (status != BP_OK || head == NULL) {
        return status != BP_OK ? status : no_memory(error);
    }
    bool external = misses_cause(repair, event);
    bool changed = head->changed || external || event->clock != head->old_next || event->clock != head->new_next;
    bp_error local = {0};
    status = bpi_repair_add(repair, event, head, changed, external, proof, &local);
    if (status == BP_ERR_TOO_LARGE) {
        reject(repair, event, local.message);
        move_old_head(repair, head, event, false);
        return BP_OK;
    }
    if (status != BP_OK) {
        if (error != NULL) {
            *error = local;
        }
        return status;
    }
    move_old_head(repair, head, event, true);
    head->changed = changed;
    report->dropped += event->dropped;
    report->events += !event->dropped;
    report->unchanged += !changed && !event->dropped;
    report->checked += proof == BP_PROOF_CHECKSUM && !event->dropped;
    report->causes_lost += external;
    extend_run(repair, event->sequence, proof, changed);
    if (gives_name(event)) {
        status = bpi_kinds_learn(&repair->kinds, event->payload, event->payload_size, error);
    }
    if (status != BP_OK) {
        return status;
    }
    return bpi_salvage_table_add(&repair->table, &event->id, event->sequence) ? BP_OK : no_memory(error);
}

static bp_status take_commit(void *argument, const bp_event *events, size_t count, bool whole, bp_error *error)
{
    bpi_repair *repair = argument;
    bp_status status = BP_OK;
    (void)whole;
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        status = take_event(repair, &events[i], error);
    }
    return status == BP_OK ? bpi_repair_flush(repair, error) : status;
}

/* ---- the whole ---- */

static void tell_entities(bpi_repair *repair)
{
    for (size_t i = 0; i < repair->table.head_slots; i++) {
        const bpi_salvage_head *head = &repair->table.heads[i];
        char entity[BP_NAME_MAX + 1];
        if (head->name == NULL) {
            continue;
        }
        repair->report->entities += head->old_next > head->lost;
        if (head->lost > 0) {
            memcpy(entity, head->name, head->name_size);
            entity[head->name_size] = '\0';
            bp_repair_note note = {.kind = BP_REPAIR_ENTITY, .entity = entity, .count = head->lost};
            bpi_repair_note(repair, &note);
        }
    }
}

static bp_status salvage(bpi_repair *repair, bp_error *error)
{
    bp_repair_report *report = repair->report;
    bpi_salvage_result result;
    bpi_live_word word;
    bool believed = false; /* a page that cannot be read is none: what can be proven is taken */
    (void)bpi_read_live(&repair->home, &repair->sources.store_id, &word, &believed, NULL);
    bpi_salvage_calls calls = {.argument = repair,
                               .commit = take_commit,
                               .hole = tell_hole,
                               .progress = repair->options->progress,
                               .progress_context = repair->options->progress_context};
    bp_status status = bpi_salvage_run(&repair->sources, believed ? &word : NULL, &calls, &result, error);
    if (status == BP_OK && result.known_next > repair->next) {
        status = bpi_repair_stand_in(repair, result.known_next, 0, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_repair_end_run(repair);
    report->next_sequence = repair->next;
    report->partial_commits = result.partial;
    report->unsettled_bytes = result.unsettled;
    tell_entities(repair);
    return report->lost > 0 ? bpi_repair_summary(repair, error) : BP_OK;
}

static bp_status find_sources(bpi_repair *repair, const char *source_dir, bp_error *error)
{
    const bp_repair_options *o = repair->options;
    bp_repair_report *report = repair->report;
    repair->home = (bpi_home){.io = o->io, .clock = o->clock, .random = o->random, .allocator = o->allocator};
    bp_status status = bpi_home_open(&repair->home, source_dir, false, error);
    if (status == BP_OK) {
        status = bpi_sources_find(&repair->home, tell_file, repair, &repair->sources, error);
    }
    if (status != BP_OK) {
        return status;
    }
    const bpi_sources *sources = &repair->sources;
    report->source_id = sources->store_id;
    report->manifest_good = sources->manifest_good;
    report->list_good = sources->list_good;
    report->segments = sources->count;
    report->segments_missing = sources->missing;
    report->segments_foreign = sources->foreign;
    report->segments_superseded = sources->superseded;
    return BP_OK;
}

static bp_status run(bpi_repair *repair, const char *source_dir, const char *target_dir, bp_error *error)
{
    const bp_repair_options *o = repair->options;
    uint64_t key = 0;
    repair->now_us = o->clock->now_us(o->clock->context);
    bp_status status = find_sources(repair, source_dir, error);
    if (status != BP_OK) {
        return status;
    }
    int code = o->random->fill(o->random->context, &key, sizeof key);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw random bytes");
    }
    if (!bpi_salvage_table_init(&repair->table, o->allocator, key)) {
        return no_memory(error);
    }
    if (!o->dry_run) {
        status = bpi_repair_begin_target(repair, target_dir, error);
    }
    if (status == BP_OK) {
        status = salvage(repair, error);
    }
    return status == BP_OK && !o->dry_run ? bpi_repair_end_target(repair, target_dir, error) : status;
}

static void release(bpi_repair *repair)
{
    bpi_repair_release_target(repair);
    bpi_sources_free(&repair->sources);
    bpi_home_close(&repair->home);
    bpi_kinds_fini(&repair->kinds);
    if (repair->table.allocator != NULL) {
        bpi_salvage_table_fini(&repair->table);
    }
    bpi_release(repair->options->allocator, repair, sizeof *repair);
}

bp_status bp_repair(const char *source_dir, const char *target_dir, const bp_repair_options *options,
                    bp_repair_report *report_out, bp_error *error)
{
    bp_repair_options all;
    bp_repair_report unused;
    bp_repair_options_init(&all);
    bp_status status = bpi_options_take(options, BPI_SIZE_WITH(bp_repair_options, progress_context), &all, sizeof all,
                                        "bp_repair_options", error);
    if (status != BP_OK) {
        return status;
    }
    if (source_dir == NULL || source_dir[0] == '\0' ||
        (!all.dry_run && (target_dir == NULL || target_dir[0] == '\0'))) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_repair needs a damaged store and a place for the new one");
    }
    all.io = all.io != NULL ? all.io : bp_io_posix();
    all.clock = all.clock != NULL ? all.clock : bp_clock_system();
    all.random = all.random != NULL ? all.random : bp_random_system();
    all.allocator = all.allocator != NULL ? all.allocator : bp_allocator_system();
    bpi_repair *repair = bpi_allocate_zero(all.allocator, sizeof *repair);
    if (repair == NULL) {
        return no_memory(error);
    }
    repair->options = &all;
    bpi_kinds_init(&repair->kinds, all.allocator);
    repair->report = report_out != NULL ? report_out : &unused;
    memset(repair->report, 0, sizeof *repair->report);
    status = run(repair, source_dir, target_dir, error);
    release(repair);
    return status;
}
