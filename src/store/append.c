/*
 * append.c: the ways in: one event, a reaction, a batch.
 *
 * The life of an append: stage (copy, check, hash) without a lock; commit under the lock; wait for the covering sync
 * without a lock.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/options.h"
#include "base/plant.h"
#include "format/frame.h"
#include "store/commit.h"
#include "store/items.h"
#include "store/naming.h"

void bp_append_options_default(bp_append_options *options, size_t size)
{
    bp_append_options defaults = {.size = sizeof defaults};
    if (options == NULL || size < sizeof(size_t)) {
        return;
    }
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

void bp_batch_options_default(bp_batch_options *options, size_t size)
{
    bp_batch_options defaults = {.size = sizeof defaults};
    if (options == NULL || size < sizeof(size_t)) {
        return;
    }
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

static void fill_receipts(const bp_store *store, const bpi_scratch *scratch, size_t lead, size_t count,
                          const bpi_outcome *outcome, bp_receipt *receipts)
{
    uint64_t durable = atomic_load_explicit(&store->log.durable, memory_order_acquire);
    uint64_t frame = outcome->lsn - scratch->frame.size;
    for (size_t i = 0; i < count; i++) {
        const bpi_staged *staged = &scratch->items[lead + i];
        uint64_t position = outcome->duplicate ? staged->previous : frame + staged->offset;
        receipts[i] = (bp_receipt){.sequence = staged->assigned.sequence,
                                   .id = staged->input.id,
                                   .clock = staged->assigned.clock,
                                   .hlc = staged->assigned.hlc,
                                   .event_hash = staged->assigned.event_hash,
                                   .position = position,
                                   .kind = staged->input.kind,
                                   .durable = durable > position || bpi_planted(BPI_PLANT_RECEIPT_BOASTS),
                                   .duplicate = outcome->duplicate,
                                   .unverifiable = outcome->unverifiable};
    }
}

static void count_outcome(bp_store *store, bp_status status, const bpi_outcome *outcome)
{
    if (status == BP_OK) {
        atomic_fetch_add_explicit(outcome->duplicate ? &store->counters.duplicates : &store->counters.appends, 1,
                                  memory_order_relaxed);
    } else if (status == BP_ERR_CONFLICT) {
        atomic_fetch_add_explicit(&store->counters.conflicts, 1, memory_order_relaxed);
    }
}

/* What the answer waits for. Refusals rest on what is pending too. */
static bp_status wait_for(bp_store *store, bp_durability durability, bp_status status, const bpi_outcome *outcome,
                          size_t bytes, bp_error *error)
{
    bool refusal = status == BP_ERR_CONFLICT || status == BP_ERR_IDEMPOTENCY || status == BP_ERR_CAUSE ||
                   status == BP_ERR_DIVERGED || status == BP_ERR_DENIED;
    if (durability == BP_DURABLE && (status == BP_OK || refusal)) {
        bp_error waiting = {0};
        bp_status waited = bpi_log_wait(&store->log, outcome->lsn, bytes, &waiting);
        if (waited != BP_OK && error != NULL) {
            *error = waiting;
        }
        return waited != BP_OK ? waited : status;
    }
    if (durability == BP_PERIODIC && status == BP_OK && store->log.sync_every_events != 0) {
        (void)atomic_fetch_add_explicit(&store->log.unsynced_events, 1, memory_order_relaxed);
        bpi_keeper_arm(&store->log);
    }
    return status;
}

/* With the keeper inline, periodic syncs and seals are done by the append that made them due. */
static bp_status inline_keeping(bp_store *store, bp_durability durability, bp_error *error)
{
    if (store->options.keeper != BP_KEEPER_INLINE) {
        return BP_OK;
    }
    bpi_log *log = &store->log;
    bp_status status = BP_OK;
    if (durability == BP_PERIODIC && atomic_load(&log->unsynced_events) >= store->options.sync_every_events) {
        atomic_store(&log->unsynced_events, 0);
        status = bpi_log_sync(log, error);
    }
    return status;
}

/* *staged_out false: it was refused before it came to a commit. */
static bp_status stage_and_commit(bp_store *store, bpi_scratch *scratch, const bpi_request *request,
                                  bp_durability durability, bool *staged_out, bpi_outcome *outcome, bp_error *error)
{
    bp_status status = bpi_stage(store, scratch, request, error);
    *staged_out = status == BP_OK;
    if (status == BP_OK) {
        if (durability == BP_DURABLE) {
            bpi_log_throttle(&store->log, store->options.commit_max_events, store->options.commit_max_bytes);
        }
        (void)pthread_mutex_lock(&store->log.lock);
        status = bpi_commit(store, scratch, request->count, request->now_us, outcome, error);
        (void)pthread_mutex_unlock(&store->log.lock);
    }
    if (BPI_UNLIKELY(scratch->entered)) {
        bpi_keys_leave(store->keys);
        scratch->entered = false;
    }
    return status;
}

static bp_status commit_request(bp_store *store, bpi_scratch *scratch, const bpi_request *request,
                                bp_durability durability, bp_receipt *receipts, bp_error *error)
{
    bpi_outcome outcome;
    bool staged = false;
    bp_status status = stage_and_commit(store, scratch, request, durability, &staged, &outcome, error);
    if (!staged || BPI_UNLIKELY(status == BP_END)) {
        return status;
    }
    count_outcome(store, status, &outcome);
    status = wait_for(store, durability, status, &outcome, scratch->frame.size, error);
    if (status == BP_OK && receipts != NULL) {
        fill_receipts(store, scratch, request->lead, request->count - request->lead, &outcome, receipts);
    }
    if (status == BP_OK && request->first_out != NULL) {
        *request->first_out = outcome.first;
    }
    if (status == BP_OK) {
        bpi_store_flow(store, request->count > 1 ? "append-batch" : "append", outcome.first);
        status = inline_keeping(store, durability, error);
    }
    return status;
}

bp_status bpi_store_run(bp_store *store, const bpi_request *request, bp_durability durability, bp_receipt *receipts,
                        bp_error *error)
{
    bpi_scratch *scratch = bpi_scratch_take(store);
    if (scratch == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_status status = BP_END;
    while (status == BP_END) { /* gates were bound or taken out meanwhile */
        status = commit_request(store, scratch, request, durability, receipts, error);
    }
    if (BPI_UNLIKELY(status == BP_ERR_DENIED && scratch->refused)) {
        bpi_tell_refused(store, scratch);
    }
    bpi_scratch_give(store, scratch);
    return status;
}

int64_t bpi_store_now_us(const bp_store *store)
{
    return store->options.clock->now_us(store->options.clock->context);
}

static bp_status run_items(bp_store *store, const bp_batch_item *items, size_t count, bp_durability durability,
                           bp_receipt *receipts, bp_error *error)
{
    if (durability == BP_DURABILITY_DEFAULT) {
        durability = store->options.durability;
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].options != NULL && items[i].options->kind_name != NULL) {
            return bpi_append_named(store, items, count, durability, receipts, error);
        }
    }
    bpi_request request = {.items = items, .count = count, .now_us = bpi_store_now_us(store)};
    return bpi_store_run(store, &request, durability, receipts, error);
}

static bp_status append_items(bp_store *store, const bp_batch_item *items, size_t count, bp_durability durability,
                              bp_receipt *receipts, bp_error *error)
{
    for (size_t i = 0; i < count && i < BPI_PAYLOADS_AHEAD; i++) {
        bpi_expect_payload(items[i].payload.data, items[i].payload.size);
    }
    bp_status status = bpi_decisions_take(items, count, error);
    for (size_t i = 0; bpi_planted(BPI_PLANT_BATCH_SPLIT) && status == BP_OK && i + 1 < count; i++, items++, count--) {
        status = run_items(store, items, 1, durability, receipts == NULL ? NULL : receipts++, error);
    }
    if (status == BP_OK) {
        status = run_items(store, items, count, durability, receipts, error);
        bpi_decisions_give(items, count, status);
    }
    return status;
}

bp_status bp_append(bp_store *store, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                    const bp_append_options *options, bp_receipt *receipt_out, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bp_append_options other;
    if (options != NULL && BPI_UNLIKELY(options->size != sizeof *options)) {
        status = bpi_append_options_take(options, &other, error);
        if (status != BP_OK) {
            return status;
        }
        options = &other;
    }
    bp_batch_item item = {at, kind, payload, options};
    bp_durability durability = options != NULL ? options->durability : BP_DURABILITY_DEFAULT;
    if ((unsigned)durability > BP_PERIODIC) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "durability %d is none", (int)durability);
    }
    return append_items(store, &item, 1, durability, receipt_out, error);
}

bp_status bp_append_reaction(bp_store *store, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                             const bp_id *correlation, const bp_id *causes, size_t cause_count,
                             const bp_append_options *options, bp_receipt *receipt_out, bp_error *error)
{
    if (correlation == NULL || causes == NULL || cause_count == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a reaction needs a correlation and at least one cause");
    }
    bp_append_options all;
    bp_status status = bpi_append_options_take(options, &all, error);
    if (status != BP_OK) {
        return status;
    }
    all.correlation = *correlation;
    all.causes = causes;
    all.cause_count = cause_count;
    return bp_append(store, at, kind, payload, &all, receipt_out, error);
}

bp_status bp_append_batch(bp_store *store, const bp_batch_item *items, size_t count, const bp_batch_options *options,
                          bp_receipt *receipts_out, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (items == NULL || count == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a batch needs at least one event");
    }
    if (count > BP_BATCH_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "a batch of %zu events is over the limit of %u", count,
                             BP_BATCH_MAX);
    }
    bp_batch_options taken;
    bp_batch_options_init(&taken);
    status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_batch_options", error);
    if (status != BP_OK) {
        return status;
    }
    if ((unsigned)taken.durability > BP_PERIODIC) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "durability %d is none", (int)taken.durability);
    }
    bpi_items ours;
    status = bpi_items_take(store->allocator, items, count, &ours, error);
    if (status == BP_OK) {
        status = append_items(store, ours.items, count, taken.durability, receipts_out, error);
        bpi_items_give(&ours);
    }
    return status;
}
