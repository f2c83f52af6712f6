/*
 * revive.c: going on after a failed write or sync, without being reopened (promise P6, docs/format.md, section 11).
 *
 * What was published but is not known to be durable is read back with file_read and proven against the heads in memory:
 * every record's CRC, every event hash over the chain, and every entity's chain must end at its head. Only then is it
 * written anew. Nothing here trusts that a second sync of the same file would tell the truth.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "index/move.h"
#include "log/relay.h"
#include "store/indexing.h"
#include "store/store.h"

/* What was read back. */
typedef struct readback {
    bp_store *store;
    bpi_view *view;
    uint64_t first; /* sequence of the first event that is not durable */
    uint64_t end;
    bpi_buffer bytes;   /* frames, 64 bytes free before each commit's records */
    bpi_buffer frames;  /* bpi_relay_frame */
    bpi_buffer offsets; /* size_t: where each record lies in bytes */
} readback;

static bool allowed(bp_store *store)
{
    const bp_options *o = &store->options;
    const bp_clock *clock = o->clock;
    uint64_t now = clock->steady_ns(clock->context);
    uint32_t recent = 0;
    if (o->recovery_attempts == 0) {
        return false;
    }
    uint32_t known = store->revive_count < 8 ? store->revive_count : 8;
    for (uint32_t i = 0; i < known; i++) {
        bool within =
            o->recovery_within_ms == 0 || now - store->revive_times[i] <= (uint64_t)o->recovery_within_ms * 1000000u;
        recent += within;
    }
    uint32_t used = o->recovery_within_ms == 0 ? store->revive_count : recent;
    if (used >= o->recovery_attempts || (o->recovery_within_ms != 0 && recent >= 8)) {
        return false;
    }
    store->revive_times[store->revive_count % 8] = now;
    store->revive_count++;
    return true;
}

static bp_status unreadable(const bp_event *event, const char *what, bp_error *error)
{
    bpi_error_set(error, BP_ERR_FAILED, "event %llu cannot be recovered: %s", (unsigned long long)event->sequence,
                  what);
    bpi_error_hint(error, "close the store and open it again");
    return BP_ERR_FAILED;
}

/* Reads one record from its file, not from the mapping, behind what the buffer holds. */
static bp_status read_record(readback *back, const bp_event *mapped, bp_event *event_out, bp_error *error)
{
    bpi_segment *segment = NULL;
    uint32_t offset = 0;
    uint8_t head[8];
    size_t got = 0;
    if (!bpi_index_locate(back->store->index, mapped->sequence, &segment, &offset)) {
        return unreadable(mapped, "it is not in the index", error);
    }
    const bp_io *io = segment->io;
    int code = io->file_read(io->context, segment->file, offset, head, sizeof head, &got);
    size_t length = code == 0 && got == sizeof head ? bpi_get32(head + BPI_RECORD_LENGTH) : 0;
    if (length < BPI_RECORD_MIN || length > BP_FRAME_MAX) {
        return unreadable(mapped, "it cannot be read back", error);
    }
    size_t at = back->bytes.size;
    if (!bpi_buffer_reserve(&back->bytes, length) || !bpi_buffer_append(&back->offsets, &at, sizeof at)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
    }
    uint8_t *record = back->bytes.data + at;
    code = io->file_read(io->context, segment->file, offset, record, length, &got);
    size_t found = 0;
    const char *fault = code != 0 || got < length ? "it cannot be read back"
                                                  : bpi_record_check(record, length, segment->seed, event_out, &found);
    if (fault == NULL && (found != length || event_out->sequence != mapped->sequence)) {
        fault = "another record was read back";
    }
    if (fault != NULL) {
        return unreadable(mapped, fault, error);
    }
    back->bytes.size += length;
    return BP_OK;
}

/* The stored hash of an event that is durable or was read back already. */
static bp_status hash_of(const readback *back, uint64_t sequence, bp_hash *hash_out, bp_error *error)
{
    if (sequence >= back->first) {
        size_t at = 0;
        memcpy(&at, back->offsets.data + (size_t)(sequence - back->first) * sizeof at, sizeof at);
        memcpy(hash_out->bytes, back->bytes.data + at + BPI_RECORD_EVENT_HASH, sizeof hash_out->bytes);
        return BP_OK;
    }
    bp_event event = {0};
    bp_status status = bpi_view_event(back->view, sequence, &event, error);
    if (status == BP_OK) {
        *hash_out = event.event_hash;
    }
    return status;
}

static bp_status prove(const readback *back, const bp_event *event, bp_error *error)
{
    bp_hash previous = {{0}};
    uint64_t before = BP_NONE;
    bp_status status = bpi_view_previous(back->view, event->sequence, &before, error);
    if (status == BP_OK && before != BP_NONE) {
        status = hash_of(back, before, &previous, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bp_hash hash = bp_event_compute_hash(event, before == BP_NONE ? NULL : &previous);
    if (!bp_hash_equal(&hash, &event->event_hash)) {
        return unreadable(event, "its hash does not match", error);
    }
    const bpi_entity *entity = bpi_index_find_entity(back->store->index, event->entity);
    if (entity == NULL || entity->head.last < event->sequence ||
        (entity->head.last == event->sequence && !bp_hash_equal(&entity->head.hash, &hash))) {
        return unreadable(event, "its chain does not end at the head in memory", error);
    }
    return BP_OK;
}

/* One commit: its records behind each other, and what its header will say. */
static bp_status read_commit(readback *back, const bp_event *first, bp_error *error)
{
    static const uint8_t header[BPI_FRAME_HEADER];
    bpi_relay_frame frame = {.at = back->bytes.size, .record_count = first->batch_count};
    if (!bpi_buffer_append(&back->bytes, header, sizeof header)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
    }
    for (uint32_t i = 0; i < first->batch_count; i++) {
        bp_event mapped = {.sequence = first->sequence + i};
        bp_event event = {0};
        size_t at = back->bytes.size;
        bp_status status = read_record(back, &mapped, &event, error);
        if (status == BP_OK) {
            status = prove(back, &event, error);
        }
        if (status != BP_OK) {
            return status;
        }
        frame.body_crc = bpi_crc32c(frame.body_crc, back->bytes.data + at + BPI_RECORD_CRC, 4);
        frame.last_hlc = event.hlc;
    }
    frame.length = (uint32_t)(back->bytes.size - frame.at);
    return bpi_buffer_append(&back->frames, &frame, sizeof frame)
               ? BP_OK
               : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
}

static bp_status read_all(readback *back, bp_error *error)
{
    for (uint64_t sequence = back->first; sequence < back->end;) {
        bp_event event;
        bp_status status = bpi_view_event(back->view, sequence, &event, error);
        if (status == BP_OK && event.batch != sequence) {
            status = unreadable(&event, "a commit is durable in part", error);
        }
        if (status == BP_OK) {
            status = read_commit(back, &event, error);
        }
        if (status != BP_OK) {
            return status;
        }
        sequence += event.batch_count;
    }
    return BP_OK;
}

/* The rows of what was read back, as they will be in that segment. */
static bp_status index_beside(const readback *back, bpi_segment *segment, uint64_t capacity, bpi_move *move,
                              bp_error *error)
{
    static const bpi_entity nobody; /* the index knows which event came before */
    const bpi_relay_frame *frames = (const bpi_relay_frame *)(const void *)back->frames.data;
    size_t count = back->frames.size / sizeof *frames;
    bp_status status =
        bpi_index_move_begin(back->store->index, back->first, segment, bpi_store_rows_max(capacity), move, error);
    uint64_t offset = BPI_SEGMENT_HEADER;
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        size_t at = frames[i].at + BPI_FRAME_HEADER;
        for (uint32_t r = 0; r < frames[i].record_count; r++) {
            bp_event event;
            bpi_row row;
            size_t length = 0;
            const char *fault =
                bpi_record_view(back->bytes.data + at, back->bytes.size - at, segment->seed, &event, &length);
            if (fault != NULL) {
                bpi_index_move_give_up(move);
                return bpi_error_set(error, BP_ERR_FAILED, "%s", fault);
            }
            event.position = bpi_lsn(segment->ordinal, offset + (at - frames[i].at));
            event.batch = event.sequence - r;
            bpi_store_row_of(&event, &nobody, &row);
            bpi_index_move_row(move, event.sequence, &row);
            at += length;
        }
        offset += frames[i].length;
    }
    return status;
}

/* Everything that can fail comes before the switch, but for the switch: until it succeeds all is shown where it was (P6). */
static bp_status relay(readback *back, bp_error *error)
{
    bp_store *store = back->store;
    const bpi_relay_frame *frames = (const bpi_relay_frame *)(const void *)back->frames.data;
    size_t count = back->frames.size / sizeof *frames;
    bpi_segment *segment = NULL;
    uint64_t capacity = 0;
    bpi_move move = {.old = NULL};
    bp_status status = bpi_log_relay_target(&store->log, frames, count, &segment, &capacity, error);
    if (status == BP_OK && count != 0) {
        status = index_beside(back, segment, capacity, &move, error);
    }
    if (status != BP_OK) {
        return status;
    }
    status = bpi_log_relay(&store->log, back->bytes.data, frames, count, back->first, error);
    if (status == BP_OK && count != 0) {
        bpi_index_move_end(store->index, &move);
        store->block_segment = segment;
    } else if (count != 0) {
        bpi_index_move_give_up(&move);
    }
    return status;
}

static bp_status revive(readback *back, bp_error *error)
{
    bp_status status = read_all(back, error);
    if (status == BP_OK) {
        bpi_tender_pause(back->store);
        status = relay(back, error);
        bpi_tender_resume(back->store);
    }
    if (status == BP_OK) {
        bpi_indexing_revived(back->store);
    }
    return status;
}

bp_status bpi_store_revive(bp_store *store, bp_error *error)
{
    bpi_log *log = &store->log;
    bpi_log_quiesce(log);
    if (!atomic_load(&log->failed)) {
        return BP_OK; /* somebody else did it while this waited */
    }
    if (!allowed(store)) {
        return bpi_log_failed(log, error);
    }
    readback back = {.store = store, .first = atomic_load(&log->durable_sequence), .end = log->next_sequence};
    bpi_buffer_init(&back.bytes, store->allocator);
    bpi_buffer_init(&back.frames, store->allocator);
    bpi_buffer_init(&back.offsets, store->allocator);
    back.view = bpi_view_pin(store->index);
    bp_status status =
        back.view == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover") : revive(&back, error);
    bpi_view_drop(back.view);
    bpi_buffer_fini(&back.bytes);
    bpi_buffer_fini(&back.frames);
    bpi_buffer_fini(&back.offsets);
    if (status == BP_OK) {
        atomic_fetch_add(&store->counters.recoveries, 1);
    }
    bpi_say_number(&log->home, status == BP_OK ? BP_LOG_WARN : BP_LOG_ERROR, "recovery",
                   status == BP_OK ? "revived" : "not-revived", "events", (int64_t)(back.end - back.first));
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, BP_ERR_FAILED, "the store failed and did not recover");
}
