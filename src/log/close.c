/*
 * close.c: a clean end, and the release of everything.
 */
#include "log/opening.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "io/optional.h"

enum { REST_KEPT = 1 << 20, REST_LEAST = 256 << 10, REST_PAGE = 4096 };

void bpi_log_init_locks(bpi_log *log)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&log->lock, NULL);
    (void)pthread_mutex_init(&log->catalog_lock, NULL);
    (void)pthread_mutex_init(&log->sync_lock, NULL);
    (void)pthread_mutex_init(&log->keeper_lock, NULL);
    (void)pthread_cond_init(&log->maintained, NULL);
    (void)pthread_cond_init(&log->synced, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->keeper_wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static void release_open(bpi_log *log, bpi_open_segment *open)
{
    if (open != NULL) {
        bpi_segment_drop(open->segment);
        bpi_release(log->home.allocator, open, sizeof *open);
    }
}

void bpi_log_release(bpi_log *log)
{
    const bp_io *io = log->home.io;
    for (size_t i = 0; i < log->finished_count; i++) {
        release_open(log, log->finished[i]);
    }
    log->finished_count = 0;
    release_open(log, log->active);
    release_open(log, log->next);
    log->active = NULL;
    log->next = NULL;
    if (log->live != NULL) {
        io->map_close(io->context, log->live_file, log->live, BPI_LIVE_SIZE);
        log->live = NULL;
    }
    if (log->live_file != NULL) {
        io->file_close(io->context, log->live_file);
        log->live_file = NULL;
    }
    if (log->lock_file != NULL) {
        io->file_close(io->context, log->lock_file);
        log->lock_file = NULL;
    }
    bpi_opener_drop(log->opener);
    log->opener = NULL;
    bpi_catalog_free(&log->home, &log->catalog);
    bpi_home_close(&log->home);
    if (log->forked) {
        return; /* whoever waits on these is another process; destroying them would wait for it */
    }
    (void)pthread_mutex_destroy(&log->lock);
    (void)pthread_mutex_destroy(&log->catalog_lock);
    (void)pthread_mutex_destroy(&log->sync_lock);
    (void)pthread_mutex_destroy(&log->keeper_lock);
    (void)pthread_cond_destroy(&log->maintained);
    (void)pthread_cond_destroy(&log->synced);
    (void)pthread_cond_destroy(&log->keeper_wake);
}

static bp_status put_close(bpi_log *log, bp_error *error)
{
    bp_status status = bpi_log_sync_locked(log, error);
    if (status == BP_OK && log->last_type != BP_FRAME_CLOSE) {
        status = bpi_log_room(log, BPI_FRAME_HEADER, error);
        if (status == BP_OK) {
            uint8_t frame[BPI_FRAME_HEADER];
            status = bpi_log_write(log, frame, sizeof frame, BP_FRAME_CLOSE, 0, 0, log->last_hlc, error);
        }
        if (status == BP_OK) {
            bpi_log_publish(log);
            status = bpi_planted(BPI_PLANT_CLOSE_UNSYNCED) ? BP_OK : bpi_log_sync_locked(log, error);
        }
    }
    return status;
}

/* Tells the owner where the log ends, after a CLOSE. */
static void tell_closing(const bpi_log *log)
{
    const bpi_open_segment *active = log->active;
    if (log->closing == NULL || log->last_type != BP_FRAME_CLOSE || active->frames == 0) {
        return;
    }
    bpi_index_tail tail = {
        .salt = active->segment->salt, .length = active->end, .link = active->link, .epoch = log->epoch};
    log->closing(log->sealed_argument, active->segment->ordinal, &tail);
}

/*
 * What was filled ahead and never used takes no space while nobody writes. The file stays as long as it is and reads the same, so
 * that neither a crash nor whoever has it mapped can tell; the next opening sees how much is left ready. `kept` is, so that short
 * openings, one after the other, do not fill and release again and again.
 */
static void release_rest(const bpi_open_segment *open, uint64_t kept)
{
    if (open == NULL || open->allocated < open->end) {
        return;
    }
    uint64_t from = bpi_round_up(open->end + kept, REST_PAGE);
    if (open->allocated >= from + REST_LEAST) {
        bpi_io_release(open->segment->io, open->segment->file, from, open->allocated - from);
    }
}

/* The commit lock is held, the keeper is gone. */
static bp_status write_end(bpi_log *log, bp_error *error)
{
    if (atomic_load(&log->failed)) {
        return bpi_log_failed(log, error);
    }
    if (log->clean) {
        tell_closing(log);
        return BP_OK; /* nothing was written since it was opened clean */
    }
    log->threaded = false;
    bp_status status = put_close(log, error);
    for (bool done = true; done && status == BP_OK;) {
        status = bpi_log_seal_one(log, true, &done, error);
    }
    if (status != BP_OK) {
        return status;
    }
    tell_closing(log);
    (void)pthread_mutex_lock(&log->catalog_lock);
    bpi_manifest *manifest = &log->catalog.manifest;
    manifest->clean = true;
    manifest->durable = atomic_load(bpi_planted(BPI_PLANT_CLOSE_UNSYNCED) ? &log->written : &log->durable);
    manifest->hlc_ceiling = log->last_hlc;
    status = bpi_catalog_store(&log->home, &log->catalog, false, false, error);
    (void)pthread_mutex_unlock(&log->catalog_lock);
    if (status == BP_OK) {
        release_rest(log->active, REST_KEPT);
        release_rest(log->next, 0);
    }
    return status;
}

bp_status bpi_log_close(bpi_log *log, bool write, bp_error *error)
{
    bp_status status = BP_OK;
    log->forked = !write;
    if (write) {
        bpi_keeper_stop(log);
        (void)pthread_mutex_lock(&log->lock);
        status = write_end(log, error);
        (void)pthread_mutex_unlock(&log->lock);
        if (log->live != NULL) {
            atomic_store(&log->live->generation, log->catalog.manifest.generation);
            atomic_store(&log->live->state, status == BP_OK ? BPI_LIVE_CLOSED : BPI_LIVE_FAILED);
            bpi_log_ring(log, BPI_WAKE_ALL);
        }
    }
    bpi_log_release(log);
    return status;
}
