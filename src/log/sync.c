/*
 * sync.c: making written frames durable: one sync serves all that wait.
 *
 * There is no writer thread. Of the appends that wait, one leads: it lingers some tens of microseconds until as many have
 * joined as last time, syncs once, and wakes the others. Frames written meanwhile are the next group's.
 *
 * Holds: durable moves only after every segment file up to the new value was synced, oldest first, and never after a
 * failure. The system tells of a failed write-back once: of two syncs of a file side by side one may succeed though the other
 * was told that what both covered is lost. So none is believed before those beside it have ended.
 */
#include "log/log.h"

#include <sched.h>

#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"

enum { LINGER_NS = 60000, FOLLOW_YIELDS = 40 };

static void raise_durable(bpi_log *log, uint64_t lsn, uint64_t sequence)
{
    uint64_t now = atomic_load_explicit(&log->durable, memory_order_relaxed);
    if (lsn <= now) {
        return;
    }
    atomic_store_explicit(&log->durable_sequence, sequence, memory_order_relaxed);
    atomic_store_explicit(&log->durable, lsn, memory_order_release);
    if (log->live != NULL) {
        atomic_store(&log->live->durable, lsn);
        bpi_log_ring(log, BPI_WAKE_DURABLE);
    }
    atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
}

bp_status bpi_log_fail(bpi_log *log, bp_status status, bp_error *error)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    if (!atomic_load_explicit(&log->failed, memory_order_relaxed)) {
        if (error != NULL) {
            log->failure = *error;
        } else {
            (void)bpi_error_set(&log->failure, status, "a write or sync of the log failed");
        }
        atomic_store_explicit(&log->failed, true, memory_order_release);
        if (log->live != NULL) {
            atomic_store_explicit(&log->live->state, BPI_LIVE_FAILED, memory_order_release);
            bpi_log_ring(log, BPI_WAKE_ALL);
        }
    }
    (void)pthread_cond_broadcast(&log->synced);
    (void)pthread_mutex_unlock(&log->sync_lock);
    bpi_say_number(&log->home, BP_LOG_ERROR, "recovery", "failed", "status", status);
    return bpi_log_failed(log, error);
}

bp_status bpi_log_failed(bpi_log *log, bp_error *error)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    if (error != NULL) {
        *error = log->failure;
        error->status = BP_ERR_FAILED;
    }
    (void)pthread_mutex_unlock(&log->sync_lock);
    bpi_error_hint(error, "the outcome is unknown: close the store, open it again, then retry with the same id");
    return bpi_error_wrap(error, BP_ERR_FAILED, "a write or sync failed and the store stopped acknowledging");
}

typedef struct sync_work {
    bpi_segment *segments[BPI_OPEN_SEGMENTS + 1];
    size_t count;
    uint64_t lsn;
    uint64_t sequence;
} sync_work;

/* A segment that was sealed meanwhile is synced and no work. */
static void add_work(sync_work *work, bpi_segment *segment)
{
    if (bpi_segment_use(segment)) {
        work->segments[work->count++] = bpi_segment_hold(segment);
    }
}

static void done_with(bpi_segment *segment)
{
    bpi_segment_unuse(segment);
    bpi_segment_drop(segment);
}

/* What has to be synced; the commit lock is held. The segments are held and in use until `done_with`. */
static void gather(bpi_log *log, sync_work *work)
{
    uint32_t from = bpi_lsn_ordinal(atomic_load_explicit(&log->durable, memory_order_acquire));
    work->count = 0;
    for (size_t i = 0; i < log->finished_count; i++) {
        if (log->finished[i]->segment->ordinal >= from) {
            add_work(work, log->finished[i]->segment);
        }
    }
    add_work(work, log->active->segment);
    work->lsn = bpi_log_next_lsn(log);
    work->sequence = log->next_sequence;
}

void bpi_log_sync_begins(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    log->syncs_under_way++;
    (void)pthread_mutex_unlock(&log->sync_lock);
}

void bpi_log_sync_ended(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    log->syncs_under_way--;
    if (log->syncs_awaiting > 0) {
        (void)pthread_cond_broadcast(&log->synced);
    }
    (void)pthread_mutex_unlock(&log->sync_lock);
}

/* Until those beside it have ended, and said so if they failed. */
static void await_others(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    log->syncs_awaiting++;
    while (log->syncs_under_way > 0) {
        (void)pthread_cond_wait(&log->synced, &log->sync_lock);
    }
    log->syncs_awaiting--;
    (void)pthread_mutex_unlock(&log->sync_lock);
}

static bp_status perform(bpi_log *log, sync_work *work, bp_error *error)
{
    bp_status status = BP_OK;
    bpi_log_sync_begins(log);
    for (size_t i = 0; i < work->count; i++) {
        bpi_segment *segment = work->segments[i];
        if (status == BP_OK) {
            int code = bpi_planted(BPI_PLANT_SYNC_LEFT_OUT)
                           ? 0
                           : segment->io->file_sync(segment->io->context, segment->file, log->home.sync_mode);
            if (code != 0) {
                status = bpi_error_system(error, code, "cannot sync the log");
                bpi_error_file(error, "log segment %u", (unsigned)segment->ordinal);
            }
        }
        done_with(segment);
    }
    if (status != BP_OK && !bpi_planted(BPI_PLANT_SYNC_RETRIED)) {
        status = bpi_log_fail(log, status, error);
    }
    bpi_log_sync_ended(log);
    if (status != BP_OK) {
        return status;
    }
    if (!bpi_planted(BPI_PLANT_SYNCED_BESIDE)) {
        await_others(log);
    }
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return bpi_log_failed(log, error);
    }
    return BP_OK;
}

static void make_durable(bpi_log *log, uint64_t lsn, uint64_t sequence)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    raise_durable(log, lsn, sequence);
    (void)pthread_cond_broadcast(&log->synced);
    (void)pthread_mutex_unlock(&log->sync_lock);
}

bp_status bpi_log_sync_locked(bpi_log *log, bp_error *error)
{
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return bpi_log_failed(log, error);
    }
    sync_work work;
    gather(log, &work);
    bp_status status = perform(log, &work, error);
    if (status == BP_OK) {
        make_durable(log, work.lsn, work.sequence);
    }
    return status;
}

bp_status bpi_log_sync_finished(bpi_log *log, bp_error *error)
{
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return bpi_log_failed(log, error);
    }
    sync_work work;
    gather(log, &work);
    done_with(work.segments[--work.count]); /* not the active one */
    bp_status status = perform(log, &work, error);
    if (status == BP_OK) {
        make_durable(log, bpi_lsn(log->active->segment->ordinal, BPI_SEGMENT_HEADER), log->active->first_sequence);
    }
    return status;
}

bp_status bpi_log_sync_segment(bpi_log *log, bpi_segment *segment, uint64_t lsn, uint64_t sequence, bp_error *error)
{
    sync_work work = {.count = 0};
    add_work(&work, segment);
    bp_status status = perform(log, &work, error);
    if (status == BP_OK) {
        make_durable(log, lsn, sequence);
    }
    return status;
}

/* The leader: waits a little for others, then syncs. sync_lock is not held. */
static bp_status lead(bpi_log *log, uint32_t last_group, bp_error *error)
{
    if (last_group > 1) {
        uint64_t until = log->home.clock->steady_ns(log->home.clock->context) + LINGER_NS;
        for (;;) {
            (void)pthread_mutex_lock(&log->sync_lock);
            bool enough = log->waiting >= last_group;
            (void)pthread_mutex_unlock(&log->sync_lock);
            if (enough || log->home.clock->steady_ns(log->home.clock->context) >= until) {
                break;
            }
            (void)sched_yield();
        }
    }
    sync_work work;
    (void)pthread_mutex_lock(&log->lock);
    gather(log, &work);
    (void)pthread_mutex_unlock(&log->lock);
    (void)pthread_mutex_lock(&log->sync_lock);
    uint32_t group = log->waiting;
    (void)pthread_mutex_unlock(&log->sync_lock);
    bp_status status = perform(log, &work, error);
    (void)pthread_mutex_lock(&log->sync_lock);
    if (status == BP_OK && bpi_planted(BPI_PLANT_DURABLE_TOO_FAR)) {
        raise_durable(log, atomic_load(&log->written), atomic_load(&log->written_sequence));
    }
    if (status == BP_OK) {
        raise_durable(log, work.lsn, work.sequence);
    }
    log->last_group = group;
    (void)pthread_mutex_unlock(&log->sync_lock);
    return status;
}

/* A follower looks a few times without sleeping: waking a sleeping thread costs as much as a third of a sync. */
static bool follow_briefly(bpi_log *log, uint64_t lsn)
{
    for (int i = 0; i < FOLLOW_YIELDS; i++) {
        if (atomic_load_explicit(&log->durable, memory_order_acquire) >= lsn) {
            return true;
        }
        (void)sched_yield();
    }
    return false;
}

static bp_status wait_locked(bpi_log *log, uint64_t lsn, bp_error *error)
{
    bool yielded = false;
    while (atomic_load_explicit(&log->durable, memory_order_acquire) < lsn) {
        if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
            (void)pthread_mutex_unlock(&log->sync_lock);
            bp_status status = bpi_log_failed(log, error);
            (void)pthread_mutex_lock(&log->sync_lock);
            return status;
        }
        if (!log->syncing) {
            log->syncing = true;
            uint32_t last_group = log->last_group;
            (void)pthread_mutex_unlock(&log->sync_lock);
            bp_status status = lead(log, last_group, error);
            (void)pthread_mutex_lock(&log->sync_lock);
            log->syncing = false;
            (void)pthread_cond_broadcast(&log->synced);
            if (status != BP_OK) {
                return status;
            }
        } else if (!yielded) {
            yielded = true;
            (void)pthread_mutex_unlock(&log->sync_lock);
            (void)follow_briefly(log, lsn);
            (void)pthread_mutex_lock(&log->sync_lock);
        } else {
            (void)pthread_cond_wait(&log->synced, &log->sync_lock);
        }
    }
    return BP_OK;
}

bp_status bpi_log_wait(bpi_log *log, uint64_t lsn, uint64_t bytes, bp_error *error)
{
    if (atomic_load_explicit(&log->durable, memory_order_acquire) >= lsn || bpi_planted(BPI_PLANT_ACKNOWLEDGED_EARLY)) {
        return BP_OK;
    }
    (void)pthread_mutex_lock(&log->sync_lock);
    log->waiting++;
    log->waiting_bytes += bytes;
    bp_status status = wait_locked(log, lsn, error);
    log->waiting--;
    log->waiting_bytes -= bytes;
    (void)pthread_cond_broadcast(&log->synced);
    (void)pthread_mutex_unlock(&log->sync_lock);
    if (status == BP_OK && log->threaded) {
        bpi_keeper_arm(log);
    }
    return status;
}

bp_status bpi_log_sync(bpi_log *log, bp_error *error)
{
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return bpi_log_failed(log, error);
    }
    return bpi_log_wait(log, atomic_load_explicit(&log->written, memory_order_acquire), 0, error);
}

void bpi_log_throttle(bpi_log *log, uint32_t max_count, uint64_t max_bytes)
{
    (void)pthread_mutex_lock(&log->sync_lock);
    while (log->waiting > 0 && (log->waiting >= max_count || log->waiting_bytes >= max_bytes) &&
           !atomic_load_explicit(&log->failed, memory_order_acquire)) {
        (void)pthread_cond_wait(&log->synced, &log->sync_lock);
    }
    (void)pthread_mutex_unlock(&log->sync_lock);
}
