/*
 * exact.c: rebuilding a store from an export, every hash computed anew.
 *
 * The events bring their sequence, clock, HLC, time, salt and hash; each must be what this history would have it be:
 * the next sequence, the next clock of its entity, a greater HLC, and a hash over the chain as it stands here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/frame.h"
#include "store/burial.h"
#include "store/commit.h"

static bp_status refuse(const bp_event *event, size_t index, bp_status status, const char *what, bp_error *error)
{
    bpi_error_set(error, status, "event %llu cannot be taken over: %s", (unsigned long long)event->sequence, what);
    bpi_error_entity(error, event->entity.data != NULL ? event->entity : (bp_text){"", 0});
    if (error != NULL) {
        error->has_sequence = true;
        error->sequence = event->sequence;
        error->has_id = true;
        error->id = event->id;
        error->has_index = true;
        error->index = index;
    }
    return status;
}

static bp_status check_shape(const bp_store *store, const bp_event *event, size_t index, bp_error *error)
{
    if (event->entity.data == NULL || event->entity.size == 0 || event->entity.size > BP_NAME_MAX ||
        event->scope.data == NULL || event->scope.size == 0 || event->scope.size > BP_NAME_MAX ||
        event->cause_count > BP_CAUSES_MAX || (event->cause_count != 0 && event->causes == NULL) ||
        event->payload_size > BP_PAYLOAD_MAX || (event->payload_size != 0 && event->payload == NULL) ||
        (event->payload_absent && event->payload_size != 0) || event->public_extensions_size > BPI_EXTENSIONS_MAX ||
        event->private_extensions_size > BPI_EXTENSIONS_MAX ||
        (event->extensions == NULL && event->public_extensions_size + event->private_extensions_size != 0)) {
        return refuse(event, index, BP_ERR_ARGUMENT,
                      "a part is missing, over its limit, or there though it is called absent", error);
    }
    (void)store;
    return BP_OK;
}

/* Copies the events into staged items. */
static bp_status stage_events(bp_store *store, bpi_scratch *scratch, const bp_event *events, size_t count,
                              bp_error *error)
{
    scratch->arena.size = 0;
    if (!bpi_scratch_items(scratch, count)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the events");
    }
    for (size_t i = 0; i < count; i++) {
        const bp_event *event = &events[i];
        bpi_staged *staged = &scratch->items[i];
        bp_status status = check_shape(store, event, i, error);
        if (status != BP_OK) {
            return status;
        }
        memset(staged, 0, sizeof *staged);
        bpi_record_input_of(event, &staged->input);
        staged->lane = event->lane;
        staged->correlation = event->correlation;
        staged->system = bp_kind_is_system(event->kind) && event->kind != BP_KIND_DATA;
        staged->assigned =
            (bpi_record_assigned){event->sequence, event->clock, event->hlc, event->time_us, event->event_hash};
    }
    bp_status status = bpi_stage_build(store, scratch, count, error);
    return status == BP_OK ? bpi_stage_hash(store, scratch, count, error) : status;
}

/* What the format says of a record by itself: the built bytes are judged like bytes from a file. */
static bp_status check_records(bp_store *store, bpi_scratch *scratch, const bp_event *events, size_t count,
                               bp_error *error)
{
    uint32_t seed = bpi_record_seed(&store->log.catalog.manifest.store_id);
    for (size_t i = 0; i < count; i++) {
        bpi_staged *staged = &scratch->items[i];
        uint8_t *record = scratch->frame.data + staged->offset;
        (void)bpi_record_assign(record, &staged->assigned, staged->tail_crc);
        bp_event event;
        size_t length = 0;
        const char *fault = bpi_record_check(record, staged->size, seed, &event, &length);
        if (fault == NULL) {
            fault = bpi_record_contradiction(&event);
        }
        if (fault == NULL && event.encryption != BP_ENCRYPTION_NONE && event.payload_size < BPI_SEALED_MORE) {
            fault = "it has a subject, but its payload is too short to be encrypted";
        }
        if (fault != NULL) {
            return refuse(&events[i], i, BP_ERR_FORMAT, fault, error);
        }
        staged->correlation = event.correlation;
        staged->lane = event.lane;
        staged->external = event.external;
        staged->given_causes = staged->input.cause_count;
    }
    return BP_OK;
}

/* By id; of one id in their order. */
static int compare_events(const void *a, const void *b)
{
    const bp_event *left = *(const bp_event *const *)a;
    const bp_event *right = *(const bp_event *const *)b;
    int order = bp_id_compare(&left->id, &right->id);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Each id once: the index tells only of earlier commits. */
static bp_status check_ids(const bp_store *store, const bp_event *events, size_t count, bp_error *error)
{
    if (count == 1) {
        return BP_OK;
    }
    const bp_event **sorted = bpi_allocate_array(store->allocator, count, sizeof *sorted);
    if (sorted == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the events");
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &events[i];
    }
    qsort((void *)sorted, count, sizeof *sorted, compare_events);
    bp_status status = BP_OK;
    for (size_t i = 1; i < count && status == BP_OK; i++) {
        if (bp_id_equal(&sorted[i]->id, &sorted[i - 1]->id)) {
            status = refuse(sorted[i], (size_t)(sorted[i] - events), BP_ERR_IDEMPOTENCY,
                            "an earlier event of the commit has its id", error);
        }
    }
    bpi_release(store->allocator, (void *)sorted, count * sizeof *sorted);
    return status;
}

static void compute_hash(const bpi_staged *staged, const bpi_head *head, bp_hash *hash_out)
{
    bp_event event = {.id = staged->input.id, .kind = staged->input.kind, .flags = staged->input.flags};
    event.payload_type = staged->input.payload_type;
    event.payload_version = staged->input.payload_version;
    event.payload_absent = true; /* the content hash is known already */
    event.content_hash = staged->input.content_hash;
    event.cause_count = staged->input.cause_count;
    event.causes = staged->input.causes;
    event.entity = staged->input.entity;
    event.scope = staged->input.scope;
    event.extensions = staged->input.public_extensions;
    event.public_extensions_size = staged->input.public_size;
    event.sequence = staged->assigned.sequence;
    event.clock = staged->assigned.clock;
    event.hlc = staged->assigned.hlc;
    event.time_us = staged->assigned.time_us;
    *hash_out = bp_event_compute_hash(&event, head->events == 0 ? NULL : &head->hash);
}

/* Each event against the history as it stands with those before it. Heads are moved and put back by the caller. */
static bp_status check_history(bp_store *store, bpi_scratch *scratch, const bp_event *events, size_t count,
                               bp_error *error)
{
    uint64_t sequence = store->log.next_sequence;
    bp_hlc last = sequence == 0 ? 0 : store->log.last_hlc;
    for (size_t i = 0; i < count; i++, sequence++) {
        bpi_staged *staged = &scratch->items[i];
        bpi_head *head = &staged->entity->head;
        uint64_t known = 0;
        bp_hash hash;
        if (staged->assigned.sequence != sequence) {
            return refuse(&events[i], i, BP_ERR_NOT_EMPTY, "it is not the next sequence of this store", error);
        }
        if (BP_HLC_MS(staged->assigned.hlc) > (uint64_t)BPI_LAST_MS) {
            return refuse(&events[i], i, BP_ERR_HASH, "its HLC lies beyond the year 9999", error);
        }
        if (staged->assigned.clock != head->events || staged->assigned.hlc <= last) {
            return refuse(&events[i], i, BP_ERR_HASH, "its clock or HLC does not follow", error);
        }
        bp_status taken = bpi_index_find_id(store->index, &staged->input.id, &known, error);
        if (taken != BP_ERR_NOT_FOUND) {
            return taken == BP_OK ? refuse(&events[i], i, BP_ERR_IDEMPOTENCY, "its id is taken", error) : taken;
        }
        compute_hash(staged, head, &hash);
        if (events[i].dropped) {
            hash = staged->assigned.event_hash; /* nothing is left that it could be held against */
        }
        if (!bp_hash_equal(&hash, &staged->assigned.event_hash)) {
            return refuse(&events[i], i, BP_ERR_HASH, "its hash does not match what it binds", error);
        }
        head->events++;
        head->last = sequence;
        head->hash = hash;
        last = staged->assigned.hlc;
    }
    return BP_OK;
}

static bp_status check_with_heads(bp_store *store, bpi_scratch *scratch, const bp_event *events, size_t count,
                                  bp_error *error)
{
    bpi_head *saved = bpi_allocate_array(store->allocator, count, sizeof *saved);
    if (saved == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the events");
    }
    for (size_t i = 0; i < count; i++) {
        saved[i] = scratch->items[i].entity->head;
    }
    bp_status status = check_history(store, scratch, events, count, error);
    for (size_t i = count; i-- > 0;) {
        scratch->items[i].entity->head = saved[i];
    }
    bpi_release(store->allocator, saved, count * sizeof *saved);
    return status;
}

static bool gives_name(const bp_event *event)
{
    return event->kind == BP_KIND_NAME && !event->payload_absent;
}

static bool same_name(const bp_event *a, const bp_event *b)
{
    const uint8_t *left = a->payload;
    const uint8_t *right = b->payload;
    return bpi_get16(left) == bpi_get16(right) ||
           (a->payload_size == b->payload_size && memcmp(left + 2, right + 2, a->payload_size - 2) == 0);
}

/* Is the event with that id the one at that sequence, as far as it is here or earlier in the commit? */
static bool is_at(const bp_store *store, const bp_event *events, size_t count, const bp_id *id, uint64_t sequence)
{
    uint64_t known = 0;
    if (sequence >= events[0].sequence) {
        return sequence - events[0].sequence < count && bp_id_equal(&events[sequence - events[0].sequence].id, id);
    }
    return bpi_index_find_id(store->index, id, &known, NULL) == BP_OK && known == sequence;
}

/* Does the n-th cause name the n-th event that is buried? With causes from elsewhere it may be one that was lost. */
static const char *burial_fault(const bp_store *store, const bpi_staged *staged, const bp_event *events, size_t index)
{
    const bp_event *event = &events[index];
    bpi_burial burial;
    if (!bpi_burial_read(event->payload, event->payload_size, event->sequence, &burial)) {
        return "it does not say which earlier events it buries";
    }
    bool same = burial.count == event->cause_count;
    for (size_t i = 0; i < burial.count && same && !staged->external; i++) {
        same = is_at(store, events, index, &event->causes[i], burial.sequences[i]);
    }
    return same ? NULL : "the events that it buries are not its causes";
}

/* A log in which a name is given twice, or a tombstone says nothing, could not be opened: looks before anything is written, and
 * makes room. */
static bp_status check_taught(bp_store *store, const bpi_scratch *scratch, const bp_event *events, size_t count,
                              bp_error *error)
{
    size_t names = 0;
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        if (events[i].kind == BP_KIND_TOMBSTONE && !events[i].payload_absent) {
            const char *fault = burial_fault(store, &scratch->items[i], events, i);
            if (fault != NULL) {
                return refuse(&events[i], i, BP_ERR_FORMAT, fault, error);
            }
        }
        if (!gives_name(&events[i])) {
            continue;
        }
        names++;
        status = bpi_kinds_check(&store->kinds, events[i].payload, events[i].payload_size, error);
        for (size_t j = 0; j < i && status == BP_OK; j++) {
            if (gives_name(&events[j]) && same_name(&events[i], &events[j])) {
                status = bpi_error_set(error, BP_ERR_CORRUPT, "a kind or a name is named twice");
            }
        }
    }
    if (status == BP_OK && !bpi_kinds_reserve(&store->kinds, names)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the names of kinds");
    }
    return status;
}

static bp_status commit_exact(bp_store *store, bpi_scratch *scratch, const bp_event *events, size_t count,
                              bpi_outcome *outcome, bp_error *error)
{
    bp_status status = bpi_log_room(&store->log, scratch->frame.size, error);
    if (status == BP_OK && atomic_load(&store->counters.appends) != 0) {
        status =
            bpi_error_set(error, BP_ERR_NOT_EMPTY, "events were appended to this store; a rebuild needs an empty one");
    }
    if (status == BP_OK) {
        status = bpi_entities_resolve(store, scratch, count, error);
    }
    if (status != BP_OK) {
        return status;
    }
    status = check_with_heads(store, scratch, events, count, error);
    if (status == BP_OK) {
        status = bpi_causes_check(store, scratch, count, error);
    }
    if (status == BP_OK) {
        status = check_taught(store, scratch, events, count, error);
    }
    if (status == BP_OK) {
        status = bpi_commit_write(store, scratch, count, 0, true, outcome, error);
    }
    if (status != BP_OK) {
        bpi_entities_undo(store, scratch, count);
    }
    return status;
}

bp_status bp_append_exact(bp_store *store, const bp_event *events, size_t count, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (events == NULL || count == 0 || count > BP_BATCH_MAX) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a commit has 1 to %u events", BP_BATCH_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (events[i].dropped) {
            return refuse(&events[i], i, BP_ERR_ARGUMENT, "retention dropped it, and nothing is left to be proven",
                          error);
        }
    }
    return bpi_append_exact(store, events, count, error);
}

bp_status bpi_append_exact(bp_store *store, const bp_event *events, size_t count, bp_error *error)
{
    bpi_scratch *scratch = bpi_scratch_take(store);
    if (scratch == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the events");
    }
    bpi_outcome outcome = {0};
    bp_status status = stage_events(store, scratch, events, count, error);
    if (status == BP_OK) {
        status = check_records(store, scratch, events, count, error);
    }
    if (status == BP_OK) {
        status = check_ids(store, events, count, error);
    }
    if (status == BP_OK) {
        (void)pthread_mutex_lock(&store->kinds.naming); /* nobody is about to give a name that these give */
        (void)pthread_mutex_lock(&store->log.lock);
        status = commit_exact(store, scratch, events, count, &outcome, error);
        (void)pthread_mutex_unlock(&store->log.lock);
        (void)pthread_mutex_unlock(&store->kinds.naming);
    }
    if (status == BP_OK && store->options.durability == BP_DURABLE) {
        status = bpi_log_wait(&store->log, outcome.lsn, scratch->frame.size, error);
    }
    bpi_scratch_give(store, scratch);
    if (status == BP_OK) {
        bpi_store_flow(store, "append-exact", outcome.first);
    }
    return status;
}
