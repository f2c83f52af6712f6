/*
 * keeper.c: the one background thread: it fills space ahead, makes the next segment, seals, marks, and syncs now and then.
 *
 * It starts with the first append. It sleeps without a timer while there is nothing to watch; while `keeper_armed` is
 * set it looks every 5 ms, so that a MARK stands at most 10 ms behind the last sync of DATA.
 */
#include "log/opening.h"

#include <errno.h>
#include <time.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"
#include "base/thread.h"
#include "format/frame.h"

enum {
    FILL_STEP_LEAST = 64 << 10,
    FILL_STEP_MOST = 4 << 20,
    SPACE_LEAST = 32 << 10,
    SPACE_MOST = 16 << 20,
    NEXT_MOST = 32 << 20,
    BEGIN_SYNC_LEAST = 16 << 20 /* a segment so small is synced soon anyway */
};

/* What the keeper knows from tick to tick. */
typedef struct watch {
    uint64_t last_written;
    uint64_t last_sync_ns;
} watch;

bool bpi_log_wants_space(const bpi_log *log)
{
    const bpi_open_segment *active = log->active;
    uint64_t ahead = (active->allocated - active->base) / 4;
    ahead = ahead < SPACE_LEAST ? SPACE_LEAST : ahead > SPACE_MOST ? SPACE_MOST : ahead;
    return active->allocated < active->capacity && active->end + ahead > active->allocated;
}

/*
 * In steps that end at multiples of a chunk: page caches keep what one write brought as one large page, which one fault
 * maps and one look finds clean or dirty. Page by page a mapping that is synced costs an append more than all its hashing.
 */
int bpi_log_zero(bpi_log *log, const bpi_segment *segment, uint64_t from, uint64_t to)
{
    static uint8_t zeros[BPI_ZERO_CHUNK]; /* never written, so it takes no memory */
    const bp_io *io = log->home.io;
    int code = 0;
    for (uint64_t at = from; at < to && code == 0;) {
        uint64_t next = (at / BPI_ZERO_CHUNK + 1) * BPI_ZERO_CHUNK;
        next = next < to ? next : to;
        code = io->file_write(io->context, segment->file, at, zeros, (size_t)(next - at));
        at = next;
    }
    return code;
}

/* A sync that failed may have taken frames with it, which lie in the same file; nobody else would be told of it (P6). */
static void fail(bpi_log *log, const bpi_segment *segment, int code)
{
    bp_error error = {0};
    bp_status status = bpi_error_system(&error, code, "cannot sync the log");
    bpi_error_file(&error, "log segment %u", (unsigned)segment->ordinal);
    (void)bpi_log_fail(log, status, &error);
}

/* Reserves [from, to) and writes zeros, in durable stores synced, so that commits there change data only. Off the lock. */
static int fill_zeros(bpi_log *log, const bpi_segment *segment, uint64_t from, uint64_t to)
{
    const bp_io *io = log->home.io;
    int code = io->file_allocate(io->context, segment->file, to);
    if (code == 0) {
        code = bpi_log_zero(log, segment, from, to);
    }
    if (code == 0 && !log->mapped) {
        bpi_log_sync_begins(log);
        code = io->file_sync(io->context, segment->file, BP_SYNC_DATA);
        if (code != 0 && !bpi_planted(BPI_PLANT_KEEPER_SILENT)) {
            fail(log, segment, code);
        }
        bpi_log_sync_ended(log);
    }
    return code;
}

/* Doubling steps at first, then whole chunks. */
static uint64_t fill_target(const bpi_open_segment *active)
{
    uint64_t step = active->allocated - active->base;
    step = step < FILL_STEP_LEAST ? FILL_STEP_LEAST : step;
    step = step > FILL_STEP_MOST ? FILL_STEP_MOST : step;
    uint64_t target = active->allocated + step;
    target = target > BPI_ZERO_CHUNK ? bpi_round_up(target, BPI_ZERO_CHUNK) : target;
    return target > active->capacity ? active->capacity : target;
}

/* Fills the active or the next segment with zeros to `to`; the commit lock is held, and let go meanwhile. */
static bool fill(bpi_log *log, bpi_open_segment *open, uint64_t to)
{
    uint64_t from = open->allocated;
    if (log->filling || to <= from) {
        return false;
    }
    bpi_segment *segment = bpi_segment_hold(open->segment);
    bool used = bpi_segment_use(segment);
    log->filling = true;
    (void)pthread_mutex_unlock(&log->lock);
    int code = used ? fill_zeros(log, segment, from, to) : EBADF;
    if (used) {
        bpi_segment_unuse(segment);
    }
    (void)pthread_mutex_lock(&log->lock);
    /* The segment is held, so it is told from another that took the place of a retired one in memory. */
    bool still = (log->active == open || log->next == open) && open->segment == segment;
    bool good = code == 0 && still && open->allocated == from;
    if (good) {
        open->allocated = to;
        atomic_store_explicit(&segment->size, to, memory_order_release);
    }
    log->filling = false;
    (void)pthread_cond_broadcast(&log->maintained);
    bpi_segment_drop(segment);
    return good;
}

/* Sees that enough of the active segment is ready, and of the next one: the keeper has no time for it while it syncs what was
 * finished. */
static void fill_ahead(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    for (bool more = true; more;) {
        if (!log->active->finished && bpi_log_wants_space(log)) {
            more = fill(log, log->active, fill_target(log->active));
            continue;
        }
        bpi_open_segment *next = log->mapped ? log->next : NULL;
        uint64_t ready = next == NULL ? 0 : next->capacity / 2 < NEXT_MOST ? next->capacity / 2 : NEXT_MOST;
        more = next != NULL && next->allocated < ready && fill(log, next, fill_target(next));
    }
    (void)pthread_mutex_unlock(&log->lock);
}

/* What is written is given to the medium while the segment fills, so that the sync at its end has little left to wait for. */
static void begin_sync(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    bpi_open_segment *active = log->active;
    uint64_t from = active->begun;
    uint64_t to = active->end / BPI_ZERO_CHUNK * BPI_ZERO_CHUNK;
    bpi_segment *segment = NULL;
    if (log->mapped && to > from && active->capacity >= BEGIN_SYNC_LEAST) {
        active->begun = to;
        segment = bpi_segment_use(active->segment) ? bpi_segment_hold(active->segment) : NULL;
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (segment != NULL) {
        segment->io->file_begin_sync(segment->io->context, segment->file, from, to - from);
        bpi_segment_unuse(segment);
        bpi_segment_drop(segment);
    }
}

static void work(bpi_log *log)
{
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return;
    }
    fill_ahead(log);
    begin_sync(log);
    for (bool done = true; done;) {
        (void)pthread_mutex_lock(&log->lock);
        bool want_next = log->next == NULL && (log->active->end * 2 > log->active->capacity || log->finished_count > 0);
        (void)pthread_mutex_unlock(&log->lock);
        if (want_next) {
            (void)bpi_log_prepare(log, false, NULL);
            fill_ahead(log);
        }
        (void)bpi_log_seal_one(log, false, &done, NULL);
    }
}

static bool periodic_due(bpi_log *log, const watch *w, uint64_t now)
{
    uint32_t unsynced = atomic_load_explicit(&log->unsynced_events, memory_order_relaxed);
    return unsynced > 0 && log->sync_every_events > 0 &&
           (unsynced >= log->sync_every_events || now - w->last_sync_ns >= (uint64_t)log->sync_every_ms * 1000000u);
}

/* One look; false when there is nothing left to watch. */
static bool tick(bpi_log *log, watch *w)
{
    uint64_t now = log->home.clock->steady_ns(log->home.clock->context);
    if (periodic_due(log, w, now)) {
        atomic_store_explicit(&log->unsynced_events, 0, memory_order_relaxed);
        (void)bpi_log_sync(log, NULL);
        w->last_sync_ns = now;
    }
    uint64_t written = atomic_load_explicit(&log->written, memory_order_acquire);
    bool quiet = written == w->last_written;
    w->last_written = written;
    if (!quiet) {
        return true;
    }
    log->idle(log->sealed_argument);
    if (atomic_load_explicit(&log->durable, memory_order_acquire) >= written) {
        (void)bpi_log_mark(log, NULL);
        w->last_written = atomic_load_explicit(&log->written, memory_order_acquire);
    }
    return atomic_load_explicit(&log->unsynced_events, memory_order_relaxed) > 0;
}

static void sleep_until_woken(bpi_log *log, bool timed)
{
    if (!timed) {
        (void)pthread_cond_wait(&log->keeper_wake, &log->keeper_lock);
        return;
    }
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += BPI_KEEPER_TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&log->keeper_wake, &log->keeper_lock, &until);
}

static void *keeper_main(void *argument)
{
    bpi_log *log = argument;
    watch w = {0, 0};
    (void)pthread_mutex_lock(&log->keeper_lock);
    while (!log->keeper_stop) {
        bool armed = atomic_load(&log->keeper_armed);
        if (!atomic_load(&log->keeper_due)) {
            sleep_until_woken(log, armed);
        }
        bool due = atomic_exchange(&log->keeper_due, false);
        if (log->keeper_stop) {
            break;
        }
        (void)pthread_mutex_unlock(&log->keeper_lock);
        if (due) {
            work(log);
        }
        if (armed && !tick(log, &w)) {
            /* Disarmed first, then looked once more: an append that armed in between is not missed. */
            atomic_store(&log->keeper_armed, false);
            if (tick(log, &w) || atomic_load(&log->durable) > w.last_written) {
                atomic_store(&log->keeper_armed, true);
            }
        }
        (void)pthread_mutex_lock(&log->keeper_lock);
    }
    (void)pthread_mutex_unlock(&log->keeper_lock);
    return NULL;
}

static void wake(bpi_log *log, bool due)
{
    (void)pthread_mutex_lock(&log->keeper_lock);
    if (due) {
        atomic_store(&log->keeper_due, true);
    }
    (void)pthread_cond_signal(&log->keeper_wake);
    (void)pthread_mutex_unlock(&log->keeper_lock);
}

void bpi_keeper_arm(bpi_log *log)
{
    if (!atomic_load_explicit(&log->keeper_armed, memory_order_relaxed) && !atomic_exchange(&log->keeper_armed, true)) {
        wake(log, false);
    }
}

static bp_status start(bpi_log *log, bp_error *error)
{
    int code = bpi_thread_start(&log->keeper, log->keeper_stack_size, keeper_main, log);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot start the keeper thread");
    }
    log->keeper_started = true;
    return BP_OK;
}

bp_status bpi_log_maintain(bpi_log *log, bp_error *error)
{
    if (log->threaded) {
        if (!log->keeper_started) {
            bp_status status = start(log, error);
            if (status != BP_OK) {
                return status;
            }
        }
        wake(log, true);
        return BP_OK;
    }
    bp_status status = BP_OK;
    for (bool done = true; done && status == BP_OK;) {
        status = bpi_log_seal_one(log, true, &done, error);
    }
    return status;
}

void bpi_log_resume(bpi_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    if (log->finished_count > 0) {
        (void)bpi_log_maintain(log, NULL); /* the next append asks again */
    }
    (void)pthread_mutex_unlock(&log->lock);
}

void bpi_keeper_stop(bpi_log *log)
{
    if (!log->keeper_started) {
        return;
    }
    (void)pthread_mutex_lock(&log->keeper_lock);
    log->keeper_stop = true;
    (void)pthread_cond_signal(&log->keeper_wake);
    (void)pthread_mutex_unlock(&log->keeper_lock);
    (void)pthread_join(log->keeper, NULL);
    log->keeper_started = false;
}
