/*
 * append.c: the ways in: one event, a reaction, a batch, a kind's name.
 *
 * The life of an append: stage (copy, check, hash) without a lock; commit under the lock; wait for the covering sync
 * without a lock. A kind name that is unknown is defined by a system event in front of the same commit; who does that
 * holds `kinds.naming`, so that no two names get one kind.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/frame.h"
#include "store/commit.h"

void bp_append_options_default(bp_append_options *options, size_t size)
{
    bp_append_options defaults = {.size = sizeof defaults};
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

void bp_batch_options_default(bp_batch_options *options, size_t size)
{
    bp_batch_options defaults = {.size = sizeof defaults};
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

static void fill_receipts(const bp_store *store, const bpi_scratch *scratch, size_t lead, size_t count,
                          const bpi_outcome *outcome, bool named, bp_receipt *receipts)
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
                                   .durable = durable > position,
                                   .duplicate = outcome->duplicate,
                                   .unverifiable = outcome->unverifiable,
                                   .kind_named = named && i == 0};
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
    bool refusal = status == BP_ERR_CONFLICT || status == BP_ERR_IDEMPOTENCY || status == BP_ERR_CAUSE;
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

static bp_status commit_request(bp_store *store, bpi_scratch *scratch, const bpi_request *request,
                                bp_durability durability, bp_receipt *receipts, bool named, bp_error *error)
{
    bp_status status = bpi_stage(store, scratch, request, error);
    if (status != BP_OK) {
        return status;
    }
    if (durability == BP_DURABLE) {
        bpi_log_throttle(&store->log, store->options.commit_max_events, store->options.commit_max_bytes);
    }
    bpi_outcome outcome;
    (void)pthread_mutex_lock(&store->log.lock);
    status = bpi_commit(store, scratch, request->count, request->now_us, &outcome, error);
    (void)pthread_mutex_unlock(&store->log.lock);
    count_outcome(store, status, &outcome);
    size_t lead = request->system ? 1 : 0;
    status = wait_for(store, durability, status, &outcome, scratch->frame.size, error);
    if (status == BP_OK && receipts != NULL) {
        fill_receipts(store, scratch, lead, request->count - lead, &outcome, named, receipts);
    }
    if (status == BP_OK) {
        bpi_store_flow(store, request->count > 1 ? "append-batch" : "append", outcome.first);
        status = inline_keeping(store, durability, error);
    }
    return status;
}

static bp_status run_request(bp_store *store, const bpi_request *request, bp_durability durability,
                             bp_receipt *receipts, bool named, bp_error *error)
{
    bpi_scratch *scratch = bpi_scratch_take(store);
    if (scratch == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_status status = commit_request(store, scratch, request, durability, receipts, named, error);
    bpi_scratch_give(store, scratch);
    return status;
}

static int64_t now_us(const bp_store *store)
{
    return store->options.clock->now_us(store->options.clock->context);
}

/* A batch item that gives `kind` a name. The payload bytes are the caller's. */
static bp_batch_item naming_item(uint8_t payload[BPI_KIND_PAYLOAD_MAX], bp_kind_code kind, const char *name)
{
    size_t size = bpi_kind_payload(payload, kind, name);
    return (bp_batch_item){.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                           .kind = BP_KIND_NAME,
                           .payload = bp_payload_versioned(bp_raw(payload, size), 1)};
}

/* Appends items that use one new kind name, the name's definition in front of them. `naming` is held. */
static bp_status append_naming(bp_store *store, const bp_batch_item *items, size_t count, const char *name,
                               bp_kind_code kind, bp_durability durability, bp_receipt *receipts, bp_error *error)
{
    if (count >= BP_BATCH_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "a batch that names a new kind can have %u events",
                             BP_BATCH_MAX - 1);
    }
    uint8_t payload[BPI_KIND_PAYLOAD_MAX];
    size_t size = (count + 1) * sizeof(bp_batch_item);
    bp_batch_item *all = bpi_allocate(store->allocator, size);
    if (all == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    all[0] = naming_item(payload, kind, name);
    bpi_copy(all + 1, items, count * sizeof *items);
    bpi_request request = {.items = all, .count = count + 1, .system = true, .kind = kind, .now_us = now_us(store)};
    bp_status status = run_request(store, &request, durability, receipts, true, error);
    if (status == BP_OK || status == BP_ERR_FAILED) {
        /* After a failed write the name may or may not be in the log; reopening will tell. */
        bp_status learned = bpi_kinds_learn(&store->kinds, payload, bpi_kind_payload(payload, kind, name), NULL);
        status = status == BP_OK ? learned : status;
    } else if (error != NULL && error->has_index) {
        error->index -= error->index > 0;
    }
    bpi_release(store->allocator, all, size);
    return status;
}

static bp_status unknown_name(const char *name, bp_error *error)
{
    bpi_error_set(error, BP_ERR_KIND, "kind name %s is unknown", name);
    bpi_error_hint(error, "batpak kinds shows the names; define it, or write 0xF001 or 15:1");
    return BP_ERR_KIND;
}

/* Resolves the one name that the items use. found_out false: it has to be defined, as `kind_out`. */
static bp_status resolve_name(bp_store *store, const char *name, bool strict, bp_kind_code *kind_out, bool *found_out,
                              bp_error *error)
{
    size_t size = strlen(name);
    *found_out = bp_kind_parse_number(name, size, kind_out) || bpi_kinds_find_name(&store->kinds, name, size, kind_out) ||
                 bpi_kind_constant_find(name, size, kind_out);
    if (*found_out) {
        return BP_OK;
    }
    if (!bp_kind_name_valid(name, size)) {
        return bpi_error_set(error, BP_ERR_KIND, "%.64s is no name for a kind", name);
    }
    return strict ? unknown_name(name, error) : BP_OK;
}

/* The kind name that the items use; BP_ERR_ARGUMENT when they use several. */
static bp_status one_name(const bp_batch_item *items, size_t count, const char **name_out, bool *strict_out,
                          bp_error *error)
{
    *name_out = NULL;
    *strict_out = false;
    for (size_t i = 0; i < count; i++) {
        const char *name = items[i].options != NULL ? items[i].options->kind_name : NULL;
        if (name == NULL) {
            continue;
        }
        if (*name_out != NULL && strcmp(*name_out, name) != 0) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "several kind names in one batch: resolve them beforehand");
        }
        *name_out = name;
        *strict_out = *strict_out || items[i].options->strict_kind;
    }
    return BP_OK;
}

static bp_status append_named(bp_store *store, const bp_batch_item *items, size_t count, const char *name, bool strict,
                              bp_durability durability, bp_receipt *receipts, bp_error *error)
{
    bp_kind_code kind = 0;
    bool found = false;
    bp_status status = resolve_name(store, name, strict, &kind, &found, error);
    if (status == BP_OK && !found) {
        (void)pthread_mutex_lock(&store->kinds.naming);
        if (!bpi_kinds_find_name(&store->kinds, name, strlen(name), &kind)) {
            if (bpi_kinds_free_kind(&store->kinds, &kind)) {
                status = append_naming(store, items, count, name, kind, durability, receipts, error);
            } else {
                status = bpi_error_set(error, BP_ERR_KIND, "all kinds of category 1 are taken; name a kind by number");
            }
            (void)pthread_mutex_unlock(&store->kinds.naming);
            return status;
        }
        (void)pthread_mutex_unlock(&store->kinds.naming);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_request request = {.items = items, .count = count, .kind = kind, .now_us = now_us(store)};
    return run_request(store, &request, durability, receipts, false, error);
}

static bp_status append_items(bp_store *store, const bp_batch_item *items, size_t count, bp_durability durability,
                              bp_receipt *receipts, bp_error *error)
{
    if (durability == BP_DURABILITY_DEFAULT) {
        durability = store->options.durability;
    }
    const char *name = NULL;
    bool strict = false;
    bp_status status = one_name(items, count, &name, &strict, error);
    if (status != BP_OK) {
        return status;
    }
    if (name != NULL) {
        return append_named(store, items, count, name, strict, durability, receipts, error);
    }
    bpi_request request = {.items = items, .count = count, .now_us = now_us(store)};
    return run_request(store, &request, durability, receipts, false, error);
}

bp_status bp_append(bp_store *store, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                    const bp_append_options *options, bp_receipt *receipt_out, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
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
    bp_append_options_init(&all);
    if (options != NULL) {
        all = *options;
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
    bp_durability durability = options != NULL ? options->durability : BP_DURABILITY_DEFAULT;
    if ((unsigned)durability > BP_PERIODIC) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "durability %d is none", (int)durability);
    }
    return append_items(store, items, count, durability, receipts_out, error);
}

static bp_status check_definition(bp_store *store, bp_kind_code kind, const char *name, bool *known_out, bp_error *error)
{
    *known_out = false;
    if (name == NULL || !bp_kind_name_valid(name, strlen(name))) {
        return bpi_error_set(error, BP_ERR_NAME, "%.64s is no name for a kind: a letter, then letters, digits, . _ - /",
                             name == NULL ? "NULL" : name);
    }
    if (!bp_kind_is_open(kind) || bpi_kind_constant_name(kind) != NULL) {
        return bpi_error_set(error, BP_ERR_KIND, "kind 0x%04X cannot be named", (unsigned)kind);
    }
    bp_kind_code taken = 0;
    if (bpi_kind_constant_find(name, strlen(name), &taken)) {
        return bpi_error_set(error, BP_ERR_EXISTS, "%s is the name of kind 0x%04X", name, (unsigned)taken);
    }
    if (bpi_kinds_find_name(&store->kinds, name, strlen(name), &taken)) {
        *known_out = taken == kind;
        return taken == kind ? BP_OK
                             : bpi_error_set(error, BP_ERR_EXISTS, "%s is the name of kind 0x%04X", name, (unsigned)taken);
    }
    const char *other = bpi_kinds_name_of(&store->kinds, kind);
    if (other != NULL) {
        return bpi_error_set(error, BP_ERR_EXISTS, "kind 0x%04X is named %s", (unsigned)kind, other);
    }
    return BP_OK;
}

bp_status bp_kind_define(bp_store *store, bp_kind_code kind, const char *name, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bool known = false;
    (void)pthread_mutex_lock(&store->kinds.naming);
    status = check_definition(store, kind, name, &known, error);
    if (status == BP_OK && !known) {
        status = append_naming(store, NULL, 0, name, kind, store->options.durability, NULL, error);
    }
    (void)pthread_mutex_unlock(&store->kinds.naming);
    return status;
}
