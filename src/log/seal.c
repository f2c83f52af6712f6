/*
 * seal.c: the next segment made, the finished ones sealed under their root, marks.
 *
 * Each of these ends in one manifest write. Off the commit lock they run one at a time, under `maintaining`.
 */
#include "log/opening.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "format/hashing.h"

enum { LEAVES_AT_ONCE = 256 };

typedef struct root_run {
    bpi_merkle merkle;
    bp_hash leaves[LEAVES_AT_ONCE];
    size_t count;
} root_run;

/* The event hashes of one DATA frame, whose bytes were checked when they were written or read. */
static bool add_frame(root_run *run, const uint8_t *frame, uint32_t length, uint32_t records)
{
    size_t at = BPI_FRAME_HEADER;
    for (uint32_t i = 0; i < records; i++) {
        if (length - at < BPI_RECORD_MIN) {
            return false;
        }
        size_t size = bpi_get32(frame + at + BPI_RECORD_LENGTH);
        if (size < BPI_RECORD_MIN || size > length - at) {
            return false;
        }
        memcpy(run->leaves[run->count++].bytes, frame + at + BPI_RECORD_EVENT_HASH, sizeof(bp_hash));
        if (run->count == LEAVES_AT_ONCE) {
            bpi_merkle_add_many(&run->merkle, run->leaves, run->count);
            run->count = 0;
        }
        at += size;
    }
    return true;
}

bool bpi_segment_root(const bpi_segment *segment, uint64_t end, uint64_t *frames_out, uint64_t *count_out,
                      bp_hash *root_out)
{
    root_run *run = bpi_allocate(segment->allocator, sizeof *run);
    if (run == NULL) {
        return false;
    }
    bpi_merkle_begin(&run->merkle);
    run->count = 0;
    bool good = true;
    *frames_out = 0;
    for (uint64_t at = BPI_SEGMENT_HEADER; at < end && good;) {
        const uint8_t *frame = segment->address + at;
        uint32_t length = bpi_get32(frame + BPI_FRAME_LENGTH);
        good = length >= BPI_FRAME_HEADER && length <= end - at;
        if (good && frame[BPI_FRAME_TYPE] == BP_FRAME_DATA) {
            good = add_frame(run, frame, length, bpi_get32(frame + BPI_FRAME_RECORDS));
        }
        at += length;
        (*frames_out)++;
    }
    bpi_merkle_add_many(&run->merkle, run->leaves, run->count);
    *count_out = run->merkle.count;
    bpi_merkle_root(&run->merkle, root_out);
    bpi_release(segment->allocator, run, sizeof *run);
    return good;
}

bool bpi_log_binding(bpi_log *log, uint32_t first, uint32_t last, bp_hash *binding_out)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    bool there = bpi_catalog_binding(&log->catalog, first, last, binding_out);
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return there;
}

static void lock_commit(bpi_log *log, bool locked)
{
    if (!locked) {
        (void)pthread_mutex_lock(&log->lock);
    }
}

static void unlock_commit(bpi_log *log, bool locked)
{
    if (!locked) {
        (void)pthread_mutex_unlock(&log->lock);
    }
}

/* Ends a turn of maintenance that ran off the lock. */
static void end_turn(bpi_log *log, bool locked)
{
    if (!locked) {
        log->maintaining = false;
    }
    (void)pthread_cond_broadcast(&log->maintained);
}

/* Writes the catalog; catalog_lock is held. A slot of unknown state is a failed write. */
static bp_status store_catalog(bpi_log *log, bp_hlc last_hlc, bp_error *error)
{
    bpi_manifest *manifest = &log->catalog.manifest;
    manifest->durable = atomic_load_explicit(&log->durable, memory_order_acquire);
    if (last_hlc > manifest->hlc_ceiling) {
        manifest->hlc_ceiling = last_hlc;
    }
    bp_status status = bpi_catalog_store(&log->home, &log->catalog, true, false, error);
    if (status == BP_OK && log->live != NULL) {
        atomic_store_explicit(&log->live->generation, manifest->generation, memory_order_release);
    }
    return status;
}

static bp_status list_next(bpi_log *log, const bpi_segment_entry *entry, bp_hlc last_hlc, bp_error *error)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    bp_status status = BP_OK;
    if (!bpi_catalog_reserve(&log->home, &log->catalog, log->catalog.count + 1)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list a segment");
    } else {
        log->catalog.entries[log->catalog.count++] = *entry;
        status = store_catalog(log, last_hlc, error);
        if (status != BP_OK) {
            log->catalog.count--;
        }
    }
    bool unknown = log->catalog.slot_unknown;
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return unknown ? bpi_log_fail(log, status, error) : status;
}

bp_status bpi_log_prepare(bpi_log *log, bool locked, bp_error *error)
{
    lock_commit(log, locked);
    if (log->next != NULL || log->maintaining) {
        unlock_commit(log, locked);
        return BP_OK;
    }
    uint32_t ordinal = log->active->segment->ordinal + 1;
    bp_hlc last_hlc = log->last_hlc;
    log->maintaining = !locked;
    unlock_commit(log, locked);

    bpi_segment_entry entry;
    bpi_open_segment *next = bpi_allocate_zero(log->home.allocator, sizeof *next);
    bpi_segment *segment = NULL;
    bp_status status = next == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a segment") : BP_OK;
    if (status == BP_OK) {
        status = bpi_segment_create(&log->home, &log->catalog.manifest, ordinal, log->segment_size, log->mapped, &entry,
                                    &segment, error);
    }
    if (status == BP_OK) {
        status = list_next(log, &entry, last_hlc, error);
        if (status != BP_OK && status != BP_ERR_FAILED) {
            char name[BP_SEGMENT_NAME_SIZE];
            bp_segment_name(entry.ordinal, entry.generation, name);
            (void)log->home.io->dir_remove(log->home.io->context, log->home.log, name);
        }
    }
    lock_commit(log, locked);
    if (status == BP_OK) {
        BPI_ASSERT(next != NULL && segment != NULL);
        next->segment = segment;
        next->allocated = atomic_load(&segment->size);
        next->end = BPI_SEGMENT_HEADER;
        next->capacity = log->segment_size;
        log->next = next;
    } else {
        bpi_segment_drop(segment);
        bpi_release(log->home.allocator, next, sizeof *next);
    }
    end_turn(log, locked);
    unlock_commit(log, locked);
    return status;
}

/* The entry of a sealed segment, listed. */
static bp_status list_sealed(bpi_log *log, const bpi_open_segment *open, uint64_t count, const bp_hash *root,
                             bp_error *error)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    bp_status status = BP_OK;
    for (size_t i = 0; i < log->catalog.count; i++) {
        bpi_segment_entry *entry = &log->catalog.entries[i];
        if (entry->ordinal != open->segment->ordinal || entry->state != BPI_SEGMENT_OPEN) {
            continue;
        }
        bpi_segment_entry before = *entry;
        entry->state = BPI_SEGMENT_SEALED;
        entry->link = open->link;
        entry->first_sequence = open->first_sequence;
        entry->count = count;
        entry->length = open->end;
        entry->frames = open->frames;
        entry->last_hlc = open->last_hlc;
        entry->root = *root;
        status = store_catalog(log, open->last_hlc, error);
        if (status != BP_OK) {
            *entry = before;
        }
        break;
    }
    bool unknown = log->catalog.slot_unknown;
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return unknown ? bpi_log_fail(log, status, error) : status;
}

static void retire_finished(bpi_log *log)
{
    bpi_open_segment *open = log->finished[0];
    log->finished_count--;
    memmove(&log->finished[0], &log->finished[1], log->finished_count * sizeof log->finished[0]);
    bpi_segment_drop(open->segment);
    bpi_release(log->home.allocator, open, sizeof *open);
}

bp_status bpi_log_seal_one(bpi_log *log, bool locked, bool *done_out, bp_error *error)
{
    *done_out = false;
    lock_commit(log, locked);
    if (log->finished_count == 0 || log->maintaining) {
        unlock_commit(log, locked);
        return BP_OK;
    }
    bpi_open_segment open = *log->finished[0];
    const bpi_open_segment *after = log->finished_count > 1 ? log->finished[1] : log->active;
    uint64_t after_lsn = bpi_lsn(after->segment->ordinal, BPI_SEGMENT_HEADER);
    uint64_t after_sequence = after->first_sequence;
    (void)bpi_segment_hold(open.segment);
    log->maintaining = !locked;
    unlock_commit(log, locked);

    uint32_t ordinal = open.segment->ordinal;
    bp_status status = BP_OK;
    if (atomic_load_explicit(&log->durable, memory_order_acquire) < after_lsn &&
        !bpi_planted(BPI_PLANT_SEALED_UNSYNCED)) {
        status = bpi_log_sync_segment(log, open.segment, after_lsn, after_sequence, error);
        lock_commit(log, locked);
        (void)pthread_cond_broadcast(&log->maintained); /* who wants to rotate waits for this sync, not for the seal */
        unlock_commit(log, locked);
    }
    uint64_t count = 0;
    bp_hash root;
    if (status == BP_OK && !bpi_segment_root(open.segment, open.end, &open.frames, &count, &root)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "cannot compute the root of segment %u", (unsigned)ordinal);
    }
    if (status == BP_OK) {
        status = list_sealed(log, &open, count, &root, error);
    }
    if (status == BP_OK && log->sealed != NULL) {
        log->sealed(log->sealed_argument, ordinal, locked);
    }
    lock_commit(log, locked);
    if (status == BP_OK) {
        bpi_segment_settle(open.segment, log->opener,
                           open.end); /* with the lock, under which the unsealed ones are read */
        retire_finished(log);
        atomic_fetch_add(&log->seals, 1);
        *done_out = true;
        bpi_say_number(&log->home, BP_LOG_INFO, "keeper", "sealed", "segment", ordinal);
    }
    end_turn(log, locked);
    unlock_commit(log, locked);
    bpi_segment_drop(open.segment);
    return status;
}

/* All DATA is durable, and nothing says so yet. */
static bool wants_mark(const bpi_log *log)
{
    return log->data_unmarked && log->last_type == BP_FRAME_DATA &&
           atomic_load_explicit(&log->durable, memory_order_acquire) >= bpi_log_next_lsn(log);
}

bp_status bpi_log_mark(bpi_log *log, bp_error *error)
{
    (void)pthread_mutex_lock(&log->lock);
    bp_status status = BP_OK;
    uint64_t lsn = 0;
    if (wants_mark(log) && !bpi_planted(BPI_PLANT_NO_MARK)) {
        status = bpi_log_room(log, BPI_FRAME_HEADER, error);
    }
    /* Making room may have let others write. */
    if (status == BP_OK && wants_mark(log) && !bpi_planted(BPI_PLANT_NO_MARK)) {
        uint8_t frame[BPI_FRAME_HEADER];
        status = bpi_log_write(log, frame, sizeof frame, BP_FRAME_MARK, 0, 0, log->last_hlc, error);
        log->data_unmarked = status != BP_OK;
        if (status == BP_OK) {
            bpi_log_publish(log);
            lsn = bpi_log_next_lsn(log);
            atomic_fetch_add(&log->marks, 1);
        }
    }
    (void)pthread_mutex_unlock(&log->lock);
    return lsn != 0 ? bpi_log_wait(log, lsn, 0, error) : status;
}
