/*
 * write.c: frames into segments.
 *
 * Two ways in. Durable stores write each commit with one pwrite into space the keeper filled with zeros, so that the sync
 * behind it moves data only. Buffered stores store it into the mapping, the header last, so that a kill between the two
 * leaves no frame. Space is reserved before anything is written: no room is a clean refusal.
 */
#include "log/log.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"

enum { STEP_LEAST = 16 << 10, STEP_MOST = 8 << 20, MAPPED_STEP_MOST = BPI_ZERO_CHUNK };

uint64_t bpi_log_next_lsn(const bpi_log *log)
{
    return bpi_lsn(log->active->segment->ordinal, log->active->end);
}

/* Reserves space for `length` bytes more in the active segment, in doubling steps. */
static bp_status extend(bpi_log *log, uint64_t length, bp_error *error)
{
    if (log->filling) {
        (void)pthread_cond_wait(&log->maintained, &log->lock);
        return BP_OK;
    }
    bpi_open_segment *active = log->active;
    uint64_t end = active->end + length;
    uint64_t step = active->allocated < STEP_LEAST ? STEP_LEAST : active->allocated;
    uint64_t most = log->mapped ? MAPPED_STEP_MOST : STEP_MOST; /* what is written with zeros here delays an append */
    uint64_t wanted = active->allocated + (step > most ? most : step);
    wanted = wanted < end ? end : wanted;
    wanted = wanted > BPI_ZERO_CHUNK ? bpi_round_up(wanted, BPI_ZERO_CHUNK) : wanted;
    wanted = wanted > active->capacity ? active->capacity : wanted;
    const bp_io *io = log->home.io;
    int code = io->file_allocate(io->context, active->segment->file, wanted);
    if (code != 0 && wanted > end) {
        wanted = end;
        code = io->file_allocate(io->context, active->segment->file, wanted);
    }
    if (code == 0 && log->mapped) {
        code = bpi_log_zero(log, active->segment, active->allocated, wanted);
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "no room for the event");
        bpi_error_file(error, "%s/log", log->home.path);
        bpi_error_hint(error, "free some space; nothing was appended");
        return status;
    }
    active->allocated = wanted;
    atomic_store_explicit(&active->segment->size, wanted, memory_order_release);
    return BP_OK;
}

/* The first frame after a clean opening: from now on a crash must be recovered from. */
static bp_status leave_clean(bpi_log *log, bp_error *error)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    log->catalog.manifest.clean = false;
    bp_status status = bpi_catalog_store(&log->home, &log->catalog, false, false, error);
    if (status != BP_OK) {
        log->catalog.manifest.clean = true;
    }
    (void)pthread_mutex_unlock(&log->catalog_lock);
    log->clean = status != BP_OK;
    return status;
}

/* What is stored to soon was last touched by the keeper, on another processor; in its first lines nothing else runs ahead. */
static void expect_store(const bpi_log *log, uint64_t length)
{
    enum { LINE = 64, LINES_MOST = 16 };
    const bpi_open_segment *active = log->active;
    if (log->mapped) {
        const uint8_t *to = (const uint8_t *)active->segment->writable + active->end;
        for (uint64_t line = 0; line < LINES_MOST && line * LINE < length; line++) {
            BPI_PREFETCH_TO_WRITE(to + line * LINE);
        }
    }
}

bp_status bpi_log_room(bpi_log *log, uint64_t length, bp_error *error)
{
    /* Rotating and extending may wait, and so let others write, or fail: what held before must be looked at again. */
    for (;;) {
        bp_status status = BP_OK;
        if (BPI_UNLIKELY(atomic_load_explicit(&log->failed, memory_order_acquire))) {
            status = bpi_log_failed(log, error);
        } else if (BPI_UNLIKELY(log->clean)) {
            status = leave_clean(log, error);
        } else if (log->active->finished || log->active->end + length + BPI_FRAME_HEADER > log->active->capacity) {
            status = bpi_log_rotate(log, length, error);
        } else if (log->active->end + length > log->active->allocated) {
            status = extend(log, length, error);
        } else {
            expect_store(log, length);
            return BP_OK;
        }
        if (status != BP_OK) {
            return status;
        }
    }
}

static bp_status put_bytes(bpi_log *log, const uint8_t *frame, uint32_t length, bp_error *error)
{
    bpi_open_segment *active = log->active;
    const bp_io *io = log->home.io;
    if (log->mapped) {
        void *address = active->segment->writable;
        if (length > BPI_FRAME_HEADER) {
            io->map_store(io->context, active->segment->file, address, active->end + BPI_FRAME_HEADER,
                          frame + BPI_FRAME_HEADER, length - BPI_FRAME_HEADER);
        }
        io->map_store(io->context, active->segment->file, address, active->end, frame, BPI_FRAME_HEADER);
        return BP_OK;
    }
    int code = io->file_write(io->context, active->segment->file, active->end, frame, length);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot write to the log");
        bpi_error_at(error, active->end, "log segment %u", (unsigned)active->segment->ordinal);
        return bpi_log_fail(log, status, error);
    }
    return BP_OK;
}

bp_status bpi_log_write(bpi_log *log, uint8_t *frame, uint32_t length, uint8_t type, uint32_t record_count,
                        uint32_t body_crc, bp_hlc last_hlc, bp_error *error)
{
    bpi_open_segment *active = log->active;
    BPI_ASSERT(active->end + length <= active->allocated && !active->finished);
    bp_frame header = {.salt = active->segment->salt,
                       .length = length,
                       .record_count = record_count,
                       .type = type,
                       .flags = BPI_FRAME_MUST_UNDERSTAND,
                       .epoch = log->epoch,
                       .lsn = bpi_log_next_lsn(log),
                       .first_sequence = log->next_sequence,
                       .frontier = bpi_planted(BPI_PLANT_FRONTIER_TOO_HIGH)
                                       ? bpi_log_next_lsn(log)
                                       : atomic_load_explicit(&log->durable, memory_order_acquire),
                       .origin = 0,
                       .previous_crc = active->link,
                       .body_crc = body_crc};
    uint32_t crc = bpi_frame_put(&header, frame);
    bp_status status = put_bytes(log, frame, length, error);
    if (status != BP_OK) {
        return status;
    }
    active->link = crc;
    active->end += length;
    active->frames++;
    if (record_count != 0) {
        active->last_hlc = last_hlc;
        log->last_hlc = last_hlc;
    }
    log->next_sequence += record_count;
    log->last_type = type;
    log->data_unmarked = type == BP_FRAME_DATA || log->data_unmarked;
    atomic_store_explicit(&log->written_sequence, log->next_sequence, memory_order_relaxed);
    atomic_store_explicit(&log->written, bpi_log_next_lsn(log), memory_order_release);
    return BP_OK;
}

void bpi_log_ring(bpi_log *log, uint32_t bits)
{
    bpi_live *live = log->live;
    /* This load and the store before it, the sleeper's bit and its look at the page: in one order for all. */
    if (live == NULL || (atomic_load(&live->waiters) & bits) == 0) {
        return;
    }
    (void)atomic_fetch_and(&live->waiters, ~bits);
    (void)atomic_fetch_add(&live->futex, 1);
    log->home.io->map_wake(log->home.io->context, log->live_file, live, BPI_LIVE_FUTEX, bits);
}

/*
 * Readers look at the page meanwhile: without its magic it is not believed, and the numbers go from the old ones straight to the new
 * ones. Bits and word are theirs too: who fell asleep under the writer before is woken, and nobody's bit is taken away.
 */
void bpi_log_announce(bpi_log *log, uint32_t pid)
{
    bpi_live *live = log->live;
    bpi_live fresh;
    bpi_live_put(&fresh, &log->catalog.manifest.store_id, &log->home.place, log->epoch, pid);
    memset(live->magic, 0, sizeof live->magic);
    atomic_thread_fence(memory_order_seq_cst);
    memcpy((uint8_t *)live + sizeof live->magic, (const uint8_t *)&fresh + sizeof live->magic,
           BPI_LIVE_PUBLISHED - sizeof live->magic);
    memset(live->zero, 0, sizeof live->zero);
    /* the generation first: who sees what is published reads that list */
    atomic_store(&live->generation, log->catalog.manifest.generation);
    atomic_store(&live->published, atomic_load(&log->written));
    atomic_store(&live->sequence, log->next_sequence);
    atomic_store(&live->durable, atomic_load(&log->durable));
    atomic_store(&live->state, BPI_LIVE_OPEN);
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(live->magic, fresh.magic, sizeof live->magic);
    (void)atomic_fetch_and(&live->waiters, BPI_WAKE_ANY);
    (void)atomic_fetch_add(&live->futex, 1);
    log->home.io->map_wake(log->home.io->context, log->live_file, live, BPI_LIVE_FUTEX, BPI_WAKE_ALL);
}

void bpi_log_publish(bpi_log *log)
{
    if (log->live != NULL) {
        /* The sequence last: who is woken by it finds the LSN. */
        atomic_store_explicit(&log->live->published, bpi_log_next_lsn(log), memory_order_release);
        atomic_store(&log->live->sequence, log->next_sequence);
        bpi_log_ring(log, BPI_WAKE_PUBLISHED);
    }
    const bpi_open_segment *active = log->active;
    if (log->threaded && !atomic_load_explicit(&log->keeper_due, memory_order_relaxed) &&
        (!log->keeper_started || bpi_log_wants_space(log) || log->finished_count > 0 ||
         (log->next == NULL && active->end * 2 > active->capacity))) {
        (void)bpi_log_maintain(log, NULL);
    }
}

/* Frames go into the next segment only when the one before the active is synced (format.md, section 10). */
static bool settled_before(const bpi_log *log)
{
    return log->finished_count == 0 || bpi_planted(BPI_PLANT_ROTATED_EARLY) ||
           bpi_lsn_ordinal(atomic_load_explicit(&log->durable, memory_order_acquire)) >= log->active->segment->ordinal;
}

/* Waits for the keeper or does its work, until there is a next segment and room to remember the finished one. */
static bp_status have_next(bpi_log *log, bp_error *error)
{
    while (log->next == NULL || log->finished_count >= BPI_OPEN_SEGMENTS - 1) {
        if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
            return bpi_log_failed(log, error);
        }
        if (log->maintaining) {
            (void)pthread_cond_wait(&log->maintained, &log->lock);
            continue;
        }
        bool done = false;
        bp_status status =
            log->next == NULL ? bpi_log_prepare(log, true, error) : bpi_log_seal_one(log, true, &done, error);
        if (status != BP_OK) {
            return status;
        }
    }
    return BP_OK;
}

/* Ends the active segment, which has room for it; afterwards nothing can fail. */
static bp_status put_pad(bpi_log *log, bp_error *error)
{
    uint8_t pad[BPI_FRAME_HEADER];
    return bpi_log_write(log, pad, sizeof pad, BP_FRAME_PAD, 0, 0, log->last_hlc, error);
}

static void switch_to_next(bpi_log *log, uint64_t capacity)
{
    bpi_open_segment *next = log->next;
    log->active->finished = true;
    log->finished[log->finished_count++] = log->active;
    next->capacity = capacity;
    next->link = log->active->link;
    next->last_hlc = log->active->last_hlc;
    next->first_sequence = log->next_sequence;
    log->active = next;
    log->next = NULL;
    atomic_store_explicit(&log->written, bpi_log_next_lsn(log), memory_order_release);
}

/* Is there all that a rotation needs? If not, does or awaits one thing of it; others may write and rotate meanwhile. */
static bp_status step_towards_rotation(bpi_log *log, bool *ready_out, bp_error *error)
{
    const bpi_open_segment *active = log->active;
    *ready_out = false;
    if (log->next == NULL || log->finished_count >= BPI_OPEN_SEGMENTS - 1) {
        return have_next(log, error);
    }
    if (!settled_before(log)) {
        if (log->maintaining && !atomic_load_explicit(&log->failed, memory_order_acquire)) {
            (void)pthread_cond_wait(&log->maintained, &log->lock); /* the keeper syncs that very segment */
            return BP_OK;
        }
        return bpi_log_sync_finished(log, error);
    }
    if (!active->finished && active->end + BPI_FRAME_HEADER > active->allocated) {
        return extend(log, BPI_FRAME_HEADER, error);
    }
    *ready_out = true;
    return BP_OK;
}

bp_status bpi_log_rotate(bpi_log *log, uint64_t needed, bp_error *error)
{
    uint32_t ordinal = log->active->segment->ordinal;
    for (bool ready = false; !ready;) {
        bp_status status = atomic_load_explicit(&log->failed, memory_order_acquire)
                               ? bpi_log_failed(log, error)
                               : step_towards_rotation(log, &ready, error);
        if (status != BP_OK || log->active->segment->ordinal != ordinal) {
            return status; /* while this waited, somebody else rotated */
        }
    }
    bp_status status = BP_OK;
    uint64_t capacity = BPI_SEGMENT_HEADER + needed + BPI_FRAME_HEADER;
    capacity = bpi_round_up(capacity < log->segment_size ? log->segment_size : capacity, 4096);
    if (capacity > log->next->segment->map_size) {
        status = bpi_segment_remap(log->next->segment, (size_t)capacity, error);
    }
    if (status == BP_OK && !log->active->finished) {
        status = put_pad(log, error);
    }
    if (status != BP_OK) {
        return status;
    }
    switch_to_next(log, capacity);
    if (log->threaded) {
        (void)bpi_log_maintain(log, NULL);
    }
    return BP_OK;
}
