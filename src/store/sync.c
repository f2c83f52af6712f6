/*
 * sync.c: frontiers, positions, syncing and sealing on demand.
 */
#include <string.h>

#include "base/error.h"
#include "format/frame.h"
#include "store/read.h"
#include "store/store.h"

enum { WAIT_STEP_NS = 200000 };

bp_frontiers bp_store_frontiers(const bp_store *store)
{
    bp_frontiers frontiers = {0};
    if (store == NULL) {
        return frontiers;
    }
    if (store->reader) {
        /* What is durable first, beside a refresh by another thread. A sync may cover what is not published yet. */
        const bpi_follower *follower = &store->follower;
        frontiers.durable = atomic_load(&follower->durable_sequence);
        frontiers.durable_lsn = atomic_load(&follower->durable_lsn);
        frontiers.published_lsn = atomic_load(&follower->published_lsn);
        frontiers.published = bpi_index_published(store->index);
        frontiers.epoch = atomic_load(&follower->epoch);
        if (frontiers.durable_lsn > frontiers.published_lsn) {
            frontiers.durable_lsn = frontiers.published_lsn;
        }
        return frontiers;
    }
    const bpi_log *log = &store->log;
    frontiers.durable_lsn = atomic_load_explicit(&log->durable, memory_order_acquire);
    frontiers.durable = atomic_load_explicit(&log->durable_sequence, memory_order_relaxed);
    frontiers.published_lsn = atomic_load_explicit(&log->written, memory_order_acquire);
    frontiers.published = bpi_index_published(store->index);
    frontiers.epoch = log->epoch;
    frontiers.failed = atomic_load_explicit(&log->failed, memory_order_acquire);
    return frontiers;
}

bp_status bp_sync(bp_store *store, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status == BP_OK) {
        status = bpi_log_sync(&store->log, error);
    }
    if (status == BP_OK) {
        bpi_store_flow(store, "sync", atomic_load(&store->log.durable_sequence));
    }
    return status;
}

static uint64_t durable_sequence(const bp_store *store)
{
    return bp_store_frontiers(store).durable;
}

bp_status bpi_store_settle(bp_store *store, uint64_t end, bp_error *error)
{
    bpi_log *log = &store->log;
    if (atomic_load(&log->durable_sequence) >= end) {
        return BP_OK;
    }
    (void)pthread_mutex_lock(&log->lock);
    bp_status status = atomic_load(&log->failed) ? bpi_store_revive(store, error) : BP_OK;
    (void)pthread_mutex_unlock(&log->lock);
    return status == BP_OK ? bpi_log_sync(log, error) : status;
}

bp_status bp_wait_durable(bp_store *store, uint64_t sequence, uint32_t timeout_ms, bp_error *error)
{
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_store_flow(store, "wait-durable", sequence);
    if (!store->reader && store->options.keeper == BP_KEEPER_INLINE && durable_sequence(store) <= sequence) {
        status = bpi_log_sync(&store->log, error);
        if (status != BP_OK) {
            return status;
        }
    }
    const bp_clock *clock = store->options.clock;
    uint64_t start = clock->steady_ns(clock->context);
    while (durable_sequence(store) <= sequence) {
        if (!store->reader && atomic_load(&store->log.failed)) {
            return bpi_log_failed(&store->log, error);
        }
        uint64_t waited = clock->steady_ns(clock->context) - start;
        if (timeout_ms != UINT32_MAX && waited >= (uint64_t)timeout_ms * 1000000u) {
            return bpi_error_set(error, BP_ERR_TIMEOUT, "event %llu is not durable after %u ms",
                                 (unsigned long long)sequence, (unsigned)timeout_ms);
        }
        clock->sleep_ns(clock->context, WAIT_STEP_NS);
        if (store->reader) {
            status = bpi_follower_refresh(store, error);
            if (status != BP_OK) {
                return status;
            }
        }
    }
    return BP_OK;
}

/* Ends the active segment unless it is empty. */
static bp_status rotate(bp_store *store, bp_error *error)
{
    bpi_log *log = &store->log;
    (void)pthread_mutex_lock(&log->lock);
    bp_status status = BP_OK;
    if (atomic_load(&log->failed)) {
        status = bpi_log_failed(log, error);
    } else if (log->next_sequence > log->active->first_sequence) {
        status = bpi_log_room(log, BPI_FRAME_HEADER, error); /* leaves the clean state */
        if (status == BP_OK && log->next_sequence > log->active->first_sequence) {
            status = bpi_log_rotate(log, 0, error);
        }
        if (status == BP_OK) {
            bpi_log_publish(log);
        }
    }
    (void)pthread_mutex_unlock(&log->lock);
    return status;
}

bp_status bp_seal(bp_store *store, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status == BP_OK) {
        status = rotate(store, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_log *log = &store->log;
    for (size_t left = 1; status == BP_OK && left > 0;) {
        bool done = false;
        status = bpi_log_seal_one(log, false, &done, error);
        (void)pthread_mutex_lock(&log->lock);
        while (!done && log->maintaining) {
            (void)pthread_cond_wait(&log->maintained, &log->lock); /* the keeper is at it */
        }
        left = log->finished_count;
        (void)pthread_mutex_unlock(&log->lock);
    }
    if (status == BP_OK) {
        bpi_tender_settle(store);
        bpi_store_flow(store, "seal", atomic_load(&store->log.durable_sequence));
    }
    return status;
}

bp_status bpi_view_position(const bpi_view *view, uint32_t epoch, bp_position *position_out, bp_error *error)
{
    bp_event event;
    uint64_t end = bpi_view_end(view);
    memset(position_out, 0, sizeof *position_out);
    if (end == 0) {
        return BP_OK;
    }
    bp_status status = bpi_view_event(view, end - 1, &event, error);
    if (status == BP_OK) {
        *position_out = (bp_position){.next = end, .epoch = epoch, .event_hash = event.event_hash};
    }
    return status;
}

bp_status bp_store_position(bp_store *store, bp_position *position_out, bp_error *error)
{
    if (position_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "position_out is NULL");
    }
    memset(position_out, 0, sizeof *position_out);
    bp_error local;
    error = error != NULL ? error : &local;
    bpi_index *index = bpi_store_read_begin(store, "position", error);
    if (index == NULL) {
        return error->status;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = bpi_view_position(view, bp_store_frontiers(store).epoch, position_out, error);
    bpi_view_drop(view);
    return status;
}

bp_status bp_position_check(bp_store *store, const bp_position *position, bp_error *error)
{
    if (position == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "position is NULL");
    }
    bp_error local;
    error = error != NULL ? error : &local;
    bpi_index *index = bpi_store_read_begin(store, "position", error);
    if (index == NULL) {
        return error->status;
    }
    if (position->next == 0) {
        return BP_OK;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_event event;
    bp_status status = BP_ERR_DIVERGED;
    if (position->next <= bpi_view_end(view)) {
        status = bpi_view_event(view, position->next - 1, &event, error);
        if (status == BP_OK && !bp_hash_equal(&event.event_hash, &position->event_hash)) {
            status = BP_ERR_DIVERGED;
        }
    }
    bpi_view_drop(view);
    if (status == BP_ERR_DIVERGED) {
        bpi_error_set(error, BP_ERR_DIVERGED, "the position (event %llu of epoch %u) is not in this store's history",
                      (unsigned long long)(position->next - 1), (unsigned)position->epoch);
        bpi_error_hint(error, "start again from the beginning, or from a position this store gave");
    }
    return status;
}
