/*
 * relay.c: a new segment in place of a tail of which nobody knows what reached the medium.
 *
 * Holds: the old segments are not written again; the manifest write is the switch; what the old tail holds beyond the
 * durable LSN is outside of the listed length, or in a retired segment, and so is nothing to any later opening.
 */
#include "log/relay.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/frame.h"
#include "log/opening.h"

void bpi_log_quiesce(bpi_log *log)
{
    for (;;) {
        while (log->filling || log->maintaining) {
            (void)pthread_cond_wait(&log->maintained, &log->lock);
        }
        (void)pthread_mutex_unlock(&log->lock);
        (void)pthread_mutex_lock(&log->sync_lock);
        while (log->syncing) {
            (void)pthread_cond_wait(&log->synced, &log->sync_lock);
        }
        (void)pthread_mutex_unlock(&log->sync_lock);
        (void)pthread_mutex_lock(&log->lock);
        /* Who begins to sync after this look gathers with the lock; who had begun may still raise what is durable. */
        (void)pthread_mutex_lock(&log->sync_lock);
        bool syncing = log->syncing;
        (void)pthread_mutex_unlock(&log->sync_lock);
        if (!syncing && !log->filling && !log->maintaining) {
            return;
        }
    }
}

/* What the frames of a segment below `end` come to. */
static bool measure(const bpi_open_segment *open, uint64_t end, bpi_segment_entry *entry)
{
    const uint8_t *address = open->segment->address;
    entry->frames = 0;
    for (uint64_t at = BPI_SEGMENT_HEADER; at < end;) {
        bp_frame frame;
        if (!bpi_frame_get(address + at, &frame) || frame.length < BPI_FRAME_HEADER || frame.length > end - at) {
            return false;
        }
        entry->frames++;
        entry->link = frame.header_crc;
        size_t record = (size_t)at + BPI_FRAME_HEADER;
        for (uint32_t i = 0; frame.type == BP_FRAME_DATA && i < frame.record_count; i++) {
            entry->last_hlc = bpi_get64(address + record + BPI_RECORD_HLC);
            record += bpi_get32(address + record + BPI_RECORD_LENGTH);
        }
        at += frame.length;
    }
    entry->state = BPI_SEGMENT_SEALED;
    entry->first_sequence = open->first_sequence;
    entry->length = end;
    return bpi_segment_root(open->segment, end, &entry->frames, &entry->count, &entry->root);
}

static bpi_segment_entry *entry_of(bpi_catalog *catalog, uint32_t ordinal)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal == ordinal && catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            return &catalog->entries[i];
        }
    }
    return NULL;
}

/* The one before it in the log; NULL for the first. */
static const bpi_segment_entry *entry_before(const bpi_catalog *catalog, const bpi_segment_entry *entry)
{
    while (entry != catalog->entries) {
        entry--;
        if (entry->state != BPI_SEGMENT_RETIRED) {
            return entry;
        }
    }
    return NULL;
}

/* A new segment, listed before it holds a frame; it becomes log->next. */
static bp_status make_target(bpi_log *log, uint64_t capacity, bp_error *error)
{
    bpi_catalog *catalog = &log->catalog;
    bpi_open_segment *target = bpi_allocate_zero(log->home.allocator, sizeof *target);
    if (target == NULL || !bpi_catalog_reserve(&log->home, catalog, catalog->count + 1)) {
        bpi_release(log->home.allocator, target, sizeof *target);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
    }
    bpi_segment_entry *entry = &catalog->entries[catalog->count];
    bp_status status = bpi_segment_create(&log->home, &catalog->manifest, entry[-1].ordinal + 1, (size_t)capacity,
                                          log->mapped, entry, &target->segment, error);
    if (status == BP_OK) {
        catalog->count++;
        status = bpi_catalog_store(&log->home, catalog, true, false, error);
        catalog->count -= status != BP_OK;
    }
    if (status != BP_OK) {
        bpi_segment_drop(target->segment);
        bpi_release(log->home.allocator, target, sizeof *target);
        return status;
    }
    target->allocated = atomic_load(&target->segment->size);
    log->next = target;
    return BP_OK;
}

/* The segment that takes the relayed frames: the prepared one, or a new one. */
static bp_status find_target(bpi_log *log, uint64_t capacity, bp_error *error)
{
    if (log->next == NULL) {
        (void)pthread_mutex_lock(&log->catalog_lock);
        bp_status status = make_target(log, capacity, error);
        (void)pthread_mutex_unlock(&log->catalog_lock);
        return status;
    }
    return capacity > log->next->segment->map_size ? bpi_segment_remap(log->next->segment, (size_t)capacity, error)
                                                   : BP_OK;
}

/* Frames and sync. The target's end and link tell how far it came. */
static bp_status write_frames(bpi_log *log, bpi_open_segment *target, uint8_t *bytes, const bpi_relay_frame *frames,
                              size_t count, uint64_t first_sequence, bp_error *error)
{
    bpi_segment *segment = target->segment;
    const bp_io *io = segment->io;
    uint64_t total = BPI_SEGMENT_HEADER;
    for (size_t i = 0; i < count; i++) {
        total += frames[i].length;
    }
    int code = io->file_allocate(io->context, segment->file, total);
    for (size_t i = 0; i < count && code == 0; i++) {
        bp_frame header = {.salt = segment->salt,
                           .length = frames[i].length,
                           .record_count = frames[i].record_count,
                           .type = BP_FRAME_DATA,
                           .flags = BPI_FRAME_MUST_UNDERSTAND,
                           .epoch = log->epoch + 1,
                           .lsn = bpi_lsn(segment->ordinal, target->end),
                           .first_sequence = first_sequence,
                           .frontier = atomic_load(&log->durable),
                           .previous_crc = target->link,
                           .body_crc = frames[i].body_crc};
        target->link = bpi_frame_put(&header, bytes + frames[i].at);
        code = io->file_write(io->context, segment->file, target->end, bytes + frames[i].at, frames[i].length);
        target->end += frames[i].length;
        target->frames++;
        target->last_hlc = frames[i].last_hlc;
        first_sequence += frames[i].record_count;
    }
    if (code == 0) {
        code = io->file_sync(io->context, segment->file, BP_SYNC_ALL);
    }
    if (code != 0) {
        return bpi_error_system(error, code, "cannot write the recovered events");
    }
    target->allocated = total > target->allocated ? total : target->allocated;
    atomic_store(&segment->size, target->allocated);
    return BP_OK;
}

/* The new list: everything unsealed is sealed as far as it was durable, or retired. */
static bp_status rewrite_entries(bpi_log *log, uint64_t durable, bp_error *error)
{
    bpi_open_segment *all[BPI_OPEN_SEGMENTS + 1];
    size_t count = 0;
    for (size_t i = 0; i < log->finished_count; i++) {
        all[count++] = log->finished[i];
    }
    all[count++] = log->active;
    for (size_t i = 0; i < count; i++) {
        uint32_t ordinal = all[i]->segment->ordinal;
        bpi_segment_entry *entry = entry_of(&log->catalog, ordinal);
        if (entry == NULL || entry->state != BPI_SEGMENT_OPEN) {
            continue;
        }
        if (ordinal > bpi_lsn_ordinal(durable)) {
            entry->state = BPI_SEGMENT_RETIRED;
            continue;
        }
        const bpi_segment_entry *previous = entry_before(&log->catalog, entry);
        entry->link = previous != NULL ? previous->link : 0; /* for a segment that holds no frame */
        entry->last_hlc = previous != NULL ? previous->last_hlc : 0;
        uint64_t end = ordinal == bpi_lsn_ordinal(durable) ? bpi_lsn_offset(durable) : all[i]->end;
        if (!measure(all[i], end, entry)) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "cannot compute the root of segment %u", (unsigned)ordinal);
        }
    }
    for (size_t i = 0; i < log->catalog.count; i++) {
        /* Listed by an attempt that failed. */
        bpi_segment_entry *entry = &log->catalog.entries[i];
        if (entry->state == BPI_SEGMENT_OPEN && entry->ordinal > log->active->segment->ordinal &&
            entry->ordinal != log->next->segment->ordinal) {
            entry->state = BPI_SEGMENT_RETIRED;
        }
    }
    return BP_OK;
}

static void release_old(bpi_log *log)
{
    for (size_t i = 0; i < log->finished_count; i++) {
        bpi_segment_drop(log->finished[i]->segment);
        bpi_release(log->home.allocator, log->finished[i], sizeof *log->finished[i]);
    }
    log->finished_count = 0;
    bpi_segment_drop(log->active->segment);
    bpi_release(log->home.allocator, log->active, sizeof *log->active);
}

static void switch_over(bpi_log *log, uint64_t capacity, uint64_t first_sequence)
{
    bpi_open_segment *target = log->next;
    release_old(log);
    target->capacity = capacity;
    target->first_sequence = first_sequence;
    log->active = target;
    log->next = NULL;
    log->epoch = log->catalog.manifest.epoch;
    log->last_type = target->frames != 0 ? BP_FRAME_DATA : log->last_type;
    log->data_unmarked = target->frames != 0;
    uint64_t lsn = bpi_log_next_lsn(log);
    atomic_store(&log->written, lsn);
    atomic_store(&log->durable_sequence, log->next_sequence);
    atomic_store(&log->durable, lsn);
    if (log->live != NULL) {
        bpi_log_announce(log, log->live->pid);
    }
    (void)pthread_mutex_lock(&log->sync_lock);
    memset(&log->failure, 0, sizeof log->failure);
    atomic_store(&log->failed, false);
    (void)pthread_cond_broadcast(&log->synced);
    (void)pthread_mutex_unlock(&log->sync_lock);
}

static bp_status switch_manifest(bpi_log *log, uint64_t end_lsn, bp_error *error)
{
    bpi_catalog *catalog = &log->catalog;
    size_t count = catalog->count;
    bpi_manifest before = catalog->manifest;
    bpi_segment_entry *saved = bpi_allocate(log->home.allocator, count * sizeof *saved);
    if (saved == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
    }
    memcpy(saved, catalog->entries, count * sizeof *saved);
    bp_status status = rewrite_entries(log, atomic_load(&log->durable), error);
    if (status == BP_OK) {
        catalog->manifest.epoch++;
        catalog->manifest.clean = false;
        catalog->manifest.durable = end_lsn;
        catalog->manifest.hlc_ceiling = log->last_hlc;
        status = bpi_catalog_store(&log->home, catalog, true, false, error);
    }
    if (status != BP_OK) {
        uint64_t generation = catalog->manifest.generation;
        catalog->manifest = before;
        catalog->manifest.generation = generation; /* names that were tried are not used again */
        memcpy(catalog->entries, saved, count * sizeof *saved);
    }
    bpi_release(log->home.allocator, saved, count * sizeof *saved);
    return status;
}

/* The segment in which the durable frames end, and the link and the HLC that it began with. */
static bpi_open_segment *find_holder(bpi_log *log, uint64_t durable, bpi_segment_entry *begins_out)
{
    bpi_open_segment *holder = log->finished_count > 0 ? log->finished[0] : log->active;
    const bpi_segment_entry *entry = entry_of(&log->catalog, holder->segment->ordinal);
    const bpi_segment_entry *previous = entry == NULL ? NULL : entry_before(&log->catalog, entry);
    begins_out->link = previous != NULL ? previous->link : 0;
    begins_out->last_hlc = previous != NULL ? previous->last_hlc : 0;
    for (size_t i = 0; i < log->finished_count && holder->segment->ordinal < bpi_lsn_ordinal(durable); i++) {
        begins_out->link = log->finished[i]->link;
        begins_out->last_hlc = log->finished[i]->last_hlc;
        holder = i + 1 < log->finished_count ? log->finished[i + 1] : log->active;
    }
    return holder;
}

bp_status bpi_log_relay_target(bpi_log *log, const bpi_relay_frame *frames, size_t count, bpi_segment **segment_out,
                               uint64_t *capacity_out, bp_error *error)
{
    uint64_t total = BPI_SEGMENT_HEADER + BPI_FRAME_HEADER;
    for (size_t i = 0; i < count; i++) {
        total += frames[i].length;
    }
    *capacity_out = bpi_round_up(total < log->segment_size ? log->segment_size : total, 4096);
    bp_status status = find_target(log, *capacity_out, error);
    *segment_out = status == BP_OK ? log->next->segment : NULL;
    return status;
}

bp_status bpi_log_relay(bpi_log *log, uint8_t *bytes, const bpi_relay_frame *frames, size_t count,
                        uint64_t first_sequence, bp_error *error)
{
    bpi_segment *segment = NULL;
    uint64_t capacity = 0;
    bp_status status = bpi_log_relay_target(log, frames, count, &segment, &capacity, error);
    if (status != BP_OK) {
        return status;
    }
    /* The chain goes on from the last durable frame. */
    bpi_open_segment *target = log->next;
    bpi_segment_entry durable_end = {0};
    uint64_t durable = atomic_load(&log->durable);
    bpi_open_segment *holder = find_holder(log, durable, &durable_end);
    target->end = BPI_SEGMENT_HEADER;
    target->frames = 0;
    if (!measure(holder, bpi_lsn_offset(durable), &durable_end)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "cannot read back the last durable frame");
    }
    target->link = durable_end.link;
    target->last_hlc = durable_end.last_hlc;
    status = write_frames(log, target, bytes, frames, count, first_sequence, error);
    if (status == BP_OK) {
        (void)pthread_mutex_lock(&log->catalog_lock);
        status = switch_manifest(log, bpi_lsn(target->segment->ordinal, target->end), error);
        (void)pthread_mutex_unlock(&log->catalog_lock);
    }
    if (status == BP_OK) {
        switch_over(log, capacity, first_sequence);
    } else {
        target->end = BPI_SEGMENT_HEADER;
        target->frames = 0;
    }
    return status;
}
