/*
 * settle.c: from a manifest to a log that can be written: read, judge, cut, sync, claim, seal.
 */
#include "log/opening.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "io/optional.h"
#include "io/process.h"

/* State of one opening. */
typedef struct settling {
    bpi_log *log;
    const bpi_log_options *options;
    bpi_segment **segments; /* one per catalog entry, as far as read */
    size_t count;
    uint64_t total;
    uint64_t done;
    uint32_t old_segment_size;
    bool list_changed;
    bool clean; /* closed cleanly, and the log ends where the manifest says */
} settling;

static bp_status open_mapped(settling *s, const bpi_segment_entry *entry, bpi_segment **segment_out, bp_error *error)
{
    bpi_log *log = s->log;
    bp_file *file = NULL;
    if (entry->state == BPI_SEGMENT_SEALED) {
        *segment_out = bpi_segment_lazy(log->opener, entry); /* the walk reads the file; few read the mapping soon */
        return *segment_out != NULL ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    bp_status status = bpi_open_listed(&log->home, &log->catalog, entry, BP_OPEN_WRITE, &file, NULL, error);
    if (status != BP_OK) {
        return status;
    }
    size_t map_size = s->old_segment_size > log->segment_size ? s->old_segment_size : log->segment_size;
    return bpi_segment_wrap(&log->home, file, entry, bpi_record_seed(&log->catalog.manifest.store_id), map_size,
                            log->mapped, segment_out, error);
}

static void progress(const settling *s)
{
    const bpi_load_calls *calls = &s->options->calls;
    if (calls->progress != NULL) {
        calls->progress(calls->progress_context, "reading the log", s->done, s->total);
    }
}

static uint64_t size_of(const settling *s, const bpi_segment_entry *entry)
{
    return entry->state == BPI_SEGMENT_SEALED ? entry->length : s->old_segment_size;
}

static bp_status covered(void *argument, size_t index, size_t *count_out, bp_error *error)
{
    settling *s = argument;
    const bpi_load_calls *calls = &s->options->calls;
    *count_out = 0;
    bp_status status = calls->covered == NULL ? BP_OK : calls->covered(calls->argument, index, count_out, error);
    for (size_t i = 0; i < *count_out; i++) {
        s->done += size_of(s, &s->log->catalog.entries[index + i]);
    }
    return status;
}

static bp_status tail(void *argument, size_t index, bp_file *file, bpi_index_tail *tail_out, uint64_t *next_out,
                      bp_error *error)
{
    const settling *s = argument;
    const bpi_load_calls *calls = &s->options->calls;
    return calls->tail == NULL ? BP_OK : calls->tail(calls->argument, index, file, tail_out, next_out, error);
}

static bp_status begin_segment(void *argument, const bpi_segment_entry *entry, uint64_t first_sequence, bp_error *error)
{
    settling *s = argument;
    size_t index = (size_t)(entry - s->log->catalog.entries);
    bp_status status = open_mapped(s, entry, &s->segments[index], error);
    if (status != BP_OK) {
        return status;
    }
    const bpi_load_calls *calls = &s->options->calls;
    progress(s);
    s->done += size_of(s, entry);
    uint64_t capacity = entry->state == BPI_SEGMENT_SEALED ? entry->length : s->segments[index]->map_size;
    return calls->segment(calls->argument, s->segments[index], first_sequence, capacity, error);
}

static bool allocate_segments(settling *s)
{
    s->count = s->log->catalog.count;
    s->segments = bpi_allocate_array(s->log->home.allocator, s->count, sizeof *s->segments);
    for (size_t i = 0; i < s->count; i++) {
        s->total += size_of(s, &s->log->catalog.entries[i]);
    }
    return s->segments != NULL;
}

static void free_segments(settling *s)
{
    for (size_t i = 0; s->segments != NULL && i < s->count; i++) {
        bpi_segment_drop(s->segments[i]);
    }
    bpi_release(s->log->home.allocator, s->segments, s->count * sizeof *s->segments);
    s->segments = NULL;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* "An unclean open syncs the tail before it claims any of it." What is behind `durable`, no sync that is known of has covered:
 * one may have failed, so it is written once more first. */
static bp_status sync_tail(settling *s, const bpi_log_walk *walk, const bpi_verdict *verdict, uint64_t durable,
                           bp_error *error)
{
    const bpi_home *home = &s->log->home;
    for (size_t i = 0; i <= verdict->index; i++) {
        const bpi_segment_entry *entry = &s->log->catalog.entries[i];
        if (entry->state != BPI_SEGMENT_OPEN || s->segments[i] == NULL) {
            continue;
        }
        bp_file *file = s->segments[i]->file;
        uint64_t from = greater(durable, bpi_lsn(entry->ordinal, BPI_SEGMENT_HEADER));
        uint64_t end = i == verdict->index ? verdict->p : bpi_lsn(entry->ordinal, walk->tails[i].end);
        int code = from < end && !bpi_planted(BPI_PLANT_TAIL_NOT_REWRITTEN)
                       ? bpi_write_again(home, file, bpi_lsn_offset(from), bpi_lsn_offset(end))
                       : 0;
        if (code == 0) {
            code = home->io->file_sync(home->io->context, file, BP_SYNC_ALL);
        }
        if (code != 0) {
            return bpi_error_system(error, code, "cannot sync the end of the log");
        }
    }
    return BP_OK;
}

/* Turns the entry of a finished segment into a sealed one. */
static bp_status seal_entry(bpi_segment_entry *entry, const bpi_tail *tail, uint64_t next_first, bpi_segment *segment,
                            bp_error *error)
{
    uint64_t count = 0;
    if (!bpi_segment_root(segment, tail->end, &entry->frames, &count, &entry->root) ||
        count != next_first - tail->first_sequence) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "cannot compute the root of segment %u",
                             (unsigned)entry->ordinal);
    }
    entry->state = BPI_SEGMENT_SEALED;
    entry->first_sequence = tail->first_sequence;
    entry->count = count;
    entry->length = tail->end;
    entry->link = tail->link;
    entry->last_hlc = tail->last_hlc;
    return BP_OK;
}

/* A finished segment as an appending process leaves it for its keeper. All of it is synced. */
static bp_status adopt_finished(bpi_log *log, bpi_segment *segment, const bpi_tail *tail, bp_error *error)
{
    bpi_open_segment *open = bpi_allocate_zero(log->home.allocator, sizeof *open);
    if (open == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    *open = (bpi_open_segment){.segment = bpi_segment_hold(segment),
                               .capacity = tail->end,
                               .first_sequence = tail->first_sequence,
                               .end = tail->end,
                               .frames = tail->frames,
                               .allocated = tail->end,
                               .base = tail->end,
                               .link = tail->link,
                               .last_hlc = tail->last_hlc,
                               .finished = true};
    log->finished[log->finished_count++] = open;
    return BP_OK;
}

/*
 * What is finished before p's segment is sealed: by the keeper, which was killed on its way to that, when the store is open
 * (bpi_log_resume). Its root needs every event once more. Here, where there is no keeper, or more than it was ever left.
 */
static bp_status seal_finished(settling *s, const bpi_log_walk *walk, const bpi_verdict *verdict, bool *changed_out,
                               bp_error *error)
{
    bpi_log *log = s->log;
    bpi_catalog *catalog = &log->catalog;
    size_t left = 0;
    for (size_t i = 0; i < verdict->index; i++) {
        left += catalog->entries[i].state == BPI_SEGMENT_OPEN;
    }
    bp_status status = BP_OK;
    for (size_t i = 0; i < verdict->index && status == BP_OK; i++) {
        if (catalog->entries[i].state != BPI_SEGMENT_OPEN) {
            continue;
        }
        bool few = left < BPI_OPEN_SEGMENTS;
        left--;
        if (log->threaded && few) {
            status = adopt_finished(log, s->segments[i], &walk->tails[i], error);
            continue;
        }
        size_t next = i + 1;
        while (next < verdict->index && catalog->entries[next].state == BPI_SEGMENT_RETIRED) {
            next++;
        }
        status =
            seal_entry(&catalog->entries[i], &walk->tails[i], walk->tails[next].first_sequence, s->segments[i], error);
        *changed_out = true;
    }
    return status;
}

/* How much of the file behind `end` may be written without asking for space: a close, or a copy, may have left zeros that take none. */
static uint64_t allocated_behind(const bpi_segment *segment, uint64_t end)
{
    uint64_t size = atomic_load(&segment->size);
    uint64_t reserved = size;
    int code = end < size ? bpi_io_reserved(segment->io, segment->file, end, &reserved) : ENOSYS;
    reserved = code == 0 ? reserved : code == ENOSYS ? size : end;
    return reserved < size ? reserved : size;
}

static bp_status new_open_segment(bpi_log *log, bpi_segment *segment, uint64_t end, bpi_open_segment **open_out,
                                  bp_error *error)
{
    bpi_open_segment *open = bpi_allocate_zero(log->home.allocator, sizeof *open);
    if (open == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    open->segment = bpi_segment_hold(segment);
    open->allocated = allocated_behind(segment, end);
    open->base = end < open->allocated ? end : open->allocated;
    open->end = end;
    *open_out = open;
    return BP_OK;
}

/* The segment behind p's, if one is listed, is the prepared one; any further are dropped from the list. */
static bp_status adopt_next(settling *s, size_t active, bool *changed_out, bp_error *error)
{
    bpi_log *log = s->log;
    bpi_catalog *catalog = &log->catalog;
    size_t next = active + 1;
    if (next >= catalog->count || catalog->entries[next].state != BPI_SEGMENT_OPEN) {
        return BP_OK;
    }
    if (catalog->count > next + 1) {
        catalog->count = next + 1;
        *changed_out = true;
    }
    bpi_segment *segment = NULL;
    bp_status status = open_mapped(s, &catalog->entries[next], &segment, error);
    if (status != BP_OK) {
        return status;
    }
    /* It may be zero only because an opening that was killed had zeroed it, and not synced it yet. */
    int code = s->clean ? 0 : segment->io->file_sync(segment->io->context, segment->file, BP_SYNC_ALL);
    status = code == 0 ? new_open_segment(log, segment, BPI_SEGMENT_HEADER, &log->next, error)
                       : bpi_error_system(error, code, "cannot sync the next segment of the log");
    bpi_segment_drop(segment);
    return status;
}

static bp_status adopt_active(settling *s, const bpi_log_walk *walk, const bpi_verdict *verdict, bp_error *error)
{
    bpi_log *log = s->log;
    const bpi_tail *tail = &walk->tails[verdict->index];
    bpi_segment *segment = s->segments[verdict->index];
    bp_status status = new_open_segment(log, segment, bpi_lsn_offset(verdict->p), &log->active, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_open_segment *active = log->active;
    active->first_sequence = tail->first_sequence;
    active->frames = walk->scanner.frames;
    active->link = walk->chain.link;
    active->last_hlc = walk->chain.last_hlc;
    active->finished = tail->finished;
    active->capacity = greater(atomic_load(&segment->size), s->old_segment_size);
    if (log->segment_size != s->old_segment_size) {
        /* Another size from now on: what is there ends with the next frame; an empty segment takes the new size. */
        active->capacity = active->frames != 0 ? active->end + BPI_FRAME_HEADER : log->segment_size;
    }
    log->next_sequence = walk->chain.next_sequence;
    if (bpi_planted(BPI_PLANT_SEQUENCE_REUSED) && verdict->loose != 0 && log->next_sequence != 0) {
        log->next_sequence--;
    }
    log->last_type = walk->chain.last_type;
    log->last_hlc = walk->chain.last_hlc;
    if (log->last_hlc < log->catalog.manifest.hlc_ceiling) {
        log->last_hlc = log->catalog.manifest.hlc_ceiling;
    }
    log->last_hlc = bpi_planted(BPI_PLANT_HLC_FORGOTTEN) ? 0 : log->last_hlc;
    return BP_OK;
}

static bp_status open_live(bpi_log *log, bp_error *error)
{
    const bp_io *io = log->home.io;
    int code = io->file_open(io->context, log->home.root, "live", BP_OPEN_WRITE | BP_OPEN_CREATE, &log->live_file);
    if (code == 0) {
        code = io->file_allocate(io->context, log->live_file, BPI_LIVE_SIZE);
    }
    void *address = NULL;
    if (code == 0) {
        code = io->map_open(io->context, log->live_file, BPI_LIVE_SIZE, true, &address);
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot map the page that readers watch");
        bpi_error_file(error, "%s/live", log->home.path);
        return status;
    }
    log->live = address;
    return BP_OK;
}

/* Step 6: a new epoch unless nothing happened since a clean close. */
static bp_status claim(settling *s, const bpi_verdict *verdict, uint64_t cut, bool list_changed, bp_error *error)
{
    bpi_log *log = s->log;
    bpi_manifest *manifest = &log->catalog.manifest;
    bool clean = s->clean;
    bool options_changed = manifest->segment_size != log->segment_size ||
                           (s->options->layout != 0 && manifest->layout != (uint8_t)(s->options->layout - 1));
    if (!clean) {
        manifest->epoch += !bpi_planted(BPI_PLANT_EPOCH_STAYS);
        manifest->clean = false;
        manifest->durable = verdict->p;
    }
    if (cut != 0 && !bpi_planted(BPI_PLANT_CUT_NOT_TOLD)) {
        manifest->cuts++;
        manifest->cut_lsn = verdict->p;
        manifest->cut_bytes = cut;
        log->cuts_now = 1;
    }
    manifest->hlc_ceiling = log->last_hlc;
    manifest->segment_size = log->segment_size;
    if (s->options->layout != 0) {
        manifest->layout = (uint8_t)(s->options->layout - 1);
    }
    if (!clean || list_changed || options_changed) {
        bp_status status = bpi_catalog_store(&log->home, &log->catalog, list_changed, false, error);
        if (status != BP_OK) {
            return status;
        }
    }
    log->clean = clean;
    log->epoch = manifest->epoch;
    return BP_OK;
}

static bp_status take_over(settling *s, bpi_log_walk *walk, bp_error *error)
{
    bpi_log *log = s->log;
    bpi_verdict verdict;
    bpi_live_word word;
    bool believed = false;
    bp_status status = bpi_read_live(&log->home, &log->catalog.manifest.store_id, &word, &believed, error);
    if (status == BP_OK) {
        status = bpi_judge(walk, believed ? &word : NULL, &verdict, error);
    }
    if (status != BP_OK) {
        return status;
    }
    uint64_t cut = 0;
    if (verdict.loose > 0) {
        status = bpi_cut(&log->home, &log->catalog, &verdict, &cut, error);
        bpi_say_number(&log->home, BP_LOG_WARN, "recovery", "cut", "bytes", (int64_t)cut);
    }
    bool changed = s->list_changed;
    const bpi_manifest *manifest = &log->catalog.manifest;
    s->clean = manifest->clean && cut == 0 && verdict.p == manifest->durable;
    if (status == BP_OK && !s->clean &&
        !bpi_planted(BPI_PLANT_TAIL_UNSYNCED)) { /* before any of it is sealed or claimed */
        uint64_t durable = greater(manifest->durable, greater(walk->chain.frontier, believed ? word.durable : 0));
        status = sync_tail(s, walk, &verdict, durable, error);
    }
    if (status == BP_OK) {
        status = adopt_active(s, walk, &verdict, error);
    }
    if (status == BP_OK) {
        status = adopt_next(s, verdict.index, &changed, error);
    }
    if (status == BP_OK) {
        status = seal_finished(s, walk, &verdict, &changed, error);
    }
    if (status == BP_OK) {
        status = claim(s, &verdict, cut, changed, error);
    }
    if (status == BP_OK) {
        atomic_store(&log->written, verdict.p);
        atomic_store(&log->durable, verdict.p);
        atomic_store(&log->written_sequence, log->next_sequence);
        atomic_store(&log->durable_sequence, log->next_sequence);
        status = open_live(log, error);
    }
    return status;
}

/*
 * Are the files of the sealed segments there? Before anything that took their place is removed: if the newest slot of the manifest
 * was lost, and the older one answers, what that calls retired may be all that is left.
 */
static bp_status check_sealed(const settling *s, bp_error *error)
{
    const bpi_log *log = s->log;
    const bpi_catalog *catalog = &log->catalog;
    bp_status status = BP_OK;
    for (size_t i = 0; i < catalog->count && status == BP_OK; i++) {
        bp_file *file = NULL;
        if (catalog->entries[i].state == BPI_SEGMENT_SEALED) {
            status = bpi_open_listed(&log->home, catalog, &catalog->entries[i], BP_OPEN_READ, &file, NULL, error);
            if (file != NULL) {
                log->home.io->file_close(log->home.io->context, file);
            }
        }
    }
    return status;
}

static bool any_retired(const bpi_catalog *catalog)
{
    size_t i = 0;
    while (i < catalog->count && catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
        i++;
    }
    return i < catalog->count;
}

/*
 * Files of retired segments go, and then their entries. A file that is gone already was removed before a crash. One that stays
 * must stay listed: unlisted, its frames would be damage to the next opening.
 */
static bp_status drop_retired(settling *s, bp_error *error)
{
    bpi_log *log = s->log;
    bpi_catalog *catalog = &log->catalog;
    size_t kept = 0;
    int code = 0;
    for (size_t i = 0; i < catalog->count && (code == 0 || code == ENOENT); i++) {
        if (catalog->entries[i].state == BPI_SEGMENT_RETIRED) {
            char name[BP_SEGMENT_NAME_SIZE];
            bp_segment_name(catalog->entries[i].ordinal, catalog->entries[i].generation, name);
            code = log->home.io->dir_remove(log->home.io->context, log->home.log, name);
            s->list_changed = true;
        }
    }
    code = code == ENOENT ? 0 : code;
    if (code == 0 && s->list_changed) {
        code = log->home.io->dir_sync(log->home.io->context, log->home.log);
    }
    if (code != 0) {
        return bpi_error_system(error, code, "cannot remove a segment that another took the place of, in %s/log",
                                log->home.path);
    }
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            catalog->entries[kept++] = catalog->entries[i];
        }
    }
    catalog->count = kept;
    return BP_OK;
}

bp_status bpi_log_settle(bpi_log *log, const bpi_log_options *options, bp_error *error)
{
    settling s = {.log = log, .options = options, .old_segment_size = log->catalog.manifest.segment_size};
    log->segment_size = options->segment_size != 0 ? options->segment_size : s.old_segment_size;
    bp_status dropped = any_retired(&log->catalog) ? check_sealed(&s, error) : BP_OK;
    dropped = dropped == BP_OK ? drop_retired(&s, error) : dropped;
    if (dropped != BP_OK) {
        return dropped;
    }
    if (!allocate_segments(&s)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open the log");
    }
    bp_status status = bpi_opener_new(&log->home, &log->catalog.manifest.store_id, &log->opener, error);
    if (status != BP_OK) {
        free_segments(&s);
        return status;
    }
    if (options->calls.begin != NULL) {
        options->calls.begin(options->calls.argument);
    }
    bpi_walk_calls calls = {&s, tail, covered, begin_segment, options->calls.record, options->calls.expect};
    bpi_log_walk walk;
    status = bpi_log_walk_begin(&walk, &log->home, &log->catalog, &calls, error);
    if (status == BP_OK) {
        walk.record_argument = options->calls.argument;
        status = bpi_log_walk_run(&walk, UINT64_MAX, error);
        if (options->calls.end != NULL) {
            options->calls.end(options->calls.argument);
        }
        if (status == BP_END) {
            status = take_over(&s, &walk, error);
        }
        bpi_log_walk_end(&walk);
    }
    free_segments(&s);
    if (status == BP_OK) {
        bpi_catalog_sweep(&log->home, &log->catalog);
        bpi_log_announce(log, bpi_process_id());
        bpi_say_number(&log->home, BP_LOG_INFO, "recovery", log->clean ? "opened" : "recovered", "next_sequence",
                       (int64_t)log->next_sequence);
    }
    return status;
}
