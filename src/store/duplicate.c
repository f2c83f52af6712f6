/*
 * duplicate.c: is this a retry? (promise P7)
 *
 * A single event is a duplicate if its id is there and the request is the same. A batch is one only if all its events
 * match one committed batch, which may begin with kind names that the first attempt had to define.
 */
#include "store/commit.h"

#include <string.h>

#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "log/segment.h"

static bp_status taken(const bp_id *id, const char *why, size_t index, size_t count, bp_error *error)
{
    char text[BP_ID_TEXT_SIZE];
    bp_id_print(id, text);
    bpi_error_set(error, BP_ERR_IDEMPOTENCY, "id %s %s", text, why);
    bpi_error_hint(error, "a retry must be the same request; for another event use another id");
    if (error != NULL) {
        error->has_id = true;
        error->id = *id;
        error->has_index = count > 1;
        error->index = index;
    }
    return BP_ERR_IDEMPOTENCY;
}

bp_status bpi_commit_event(bp_store *store, uint64_t sequence, bp_event *event_out, bp_error *error)
{
    bp_status status = bpi_index_event(store->index, sequence, event_out, error);
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, status, "an event that this rests on cannot be read");
}

/* An encrypted payload is another one under another key: then that of the event is destroyed, and nothing can be said. */
static bool same_payload(const bpi_staged *staged, const bp_event *event, bool *unverifiable_out)
{
    const bpi_record_input *input = &staged->input;
    bp_text subject = {NULL, 0};
    *unverifiable_out = event->payload_absent;
    if (event->payload_absent) {
        return true;
    }
    bool encrypted = bpi_event_subject(event, &subject);
    if (encrypted != (staged->subject.data != NULL) || (encrypted && !bp_text_equal(subject, staged->subject))) {
        return false;
    }
    if (encrypted && memcmp(input->payload, event->payload, BPI_SEALED_NONCE) != 0) {
        *unverifiable_out = true;
        return true;
    }
    return input->payload_size == event->payload_size &&
           (input->payload_size == 0 || memcmp(input->payload, event->payload, input->payload_size) == 0);
}

/* The same request? A payload that was erased cannot be compared. */
static bool same_request(const bpi_staged *staged, const bp_event *event, bool *unverifiable_out)
{
    const bpi_record_input *input = &staged->input;
    const uint8_t *value = NULL;
    size_t size = 0;
    uint8_t lane[8] = {0};
    uint8_t wanted[8] = {0};
    if (bpi_extension_find(event->extensions, event->public_extensions_size, BP_TAG_LANE, &value, &size) && size == 8) {
        memcpy(lane, value, 8);
    }
    if (bpi_extension_find(input->public_extensions, input->public_size, BP_TAG_LANE, &value, &size) && size == 8) {
        memcpy(wanted, value, 8);
    }
    if (!bp_text_equal(input->entity, event->entity) || !bp_text_equal(input->scope, event->scope) ||
        input->kind != event->kind || input->flags != event->flags || input->payload_type != event->payload_type ||
        input->payload_version != event->payload_version || !bp_id_equal(&staged->correlation, &event->correlation) ||
        memcmp(lane, wanted, sizeof lane) != 0 || input->cause_count != event->cause_count ||
        (input->cause_count != 0 &&
         memcmp(input->causes, event->causes, (size_t)input->cause_count * sizeof(bp_id)) != 0)) {
        return false;
    }
    return same_payload(staged, event, unverifiable_out) || bpi_planted(BPI_PLANT_RETRY_NOT_COMPARED);
}

/* Fills in what the first commit assigned. */
static void take_assigned(bpi_staged *staged, const bp_event *event, bpi_outcome *outcome)
{
    staged->assigned =
        (bpi_record_assigned){event->sequence, event->clock, event->hlc, event->time_us, event->event_hash};
    outcome->lsn = event->position + 1 > outcome->lsn ? event->position + 1 : outcome->lsn;
    staged->offset = (size_t)bpi_lsn_offset(event->position);
    staged->previous = event->position; /* the receipt's file position */
}

static bp_status compare_item(bp_store *store, bpi_scratch *scratch, size_t i, size_t count, uint64_t sequence,
                              bpi_outcome *outcome, bp_error *error)
{
    bpi_staged *staged = &scratch->items[i];
    if (sequence >= bpi_index_next(store->index)) {
        return taken(&staged->input.id, "belongs to another request", i, count, error);
    }
    bp_event event;
    bp_status status = bpi_commit_event(store, sequence, &event, error);
    if (status != BP_OK) {
        return status;
    }
    bool unverifiable = event.dropped;
    /* Of an event that retention took away nothing is left to compare but its names. */
    bool same = event.dropped ? bp_text_equal(staged->input.entity, event.entity) &&
                                    bp_text_equal(staged->input.scope, event.scope)
                              : same_request(staged, &event, &unverifiable);
    if (!bp_id_equal(&event.id, &staged->input.id) || !same) {
        return taken(&staged->input.id, "belongs to another request", i, count, error);
    }
    outcome->unverifiable = outcome->unverifiable || unverifiable;
    take_assigned(staged, &event, outcome);
    return BP_OK;
}

/* Do the events from `first` on make up one commit of `count`, beside leading system events? */
static bp_status is_whole_commit(bp_store *store, uint64_t first, size_t count, bool *whole_out, bp_error *error)
{
    bpi_view *view = bpi_view_pin(store->index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_event event;
    bp_status status = bpi_view_event(view, first, &event, error);
    bool whole = status == BP_OK && first - event.batch + count == event.batch_count;
    for (uint64_t s = whole ? event.batch : first; status == BP_OK && whole && s < first; s++) {
        bp_event system;
        status = bpi_view_event(view, s, &system, error);
        whole = status == BP_OK && bp_kind_is_system(system.kind) && system.kind != BP_KIND_DATA;
    }
    bpi_view_drop(view);
    *whole_out = whole;
    return status == BP_ERR_DROPPED ? BP_OK : status;
}

/* The same id twice in one batch. */
static bp_status check_within(const bpi_scratch *scratch, size_t count, bp_error *error)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (bp_id_equal(&scratch->items[i].input.id, &scratch->items[j].input.id)) {
                return taken(&scratch->items[i].input.id, "stands twice in the batch", i, count, error);
            }
        }
    }
    return BP_OK;
}

bp_status bpi_find_duplicates(bp_store *store, bpi_scratch *scratch, size_t count, bpi_outcome *outcome,
                              bp_error *error)
{
    /* Leading system items (a kind to be named) are the library's and have fresh ids. */
    size_t lead = 0;
    while (scratch->items[lead].system && lead + 1 < count) {
        lead++;
    }
    size_t known = 0;
    uint64_t first = 0;
    size_t first_known = count;
    for (size_t i = lead; i < count; i++) {
        uint64_t sequence = 0;
        bp_status status = bpi_index_find_id(store->index, &scratch->items[i].input.id, &sequence, error);
        if (status == BP_OK && bpi_planted(BPI_PLANT_OLD_ID_FORGOTTEN) &&
            sequence < store->log.active->first_sequence) {
            status = BP_ERR_NOT_FOUND;
        }
        bp_event event;
        if (bpi_planted(BPI_PLANT_DROPPED_ID_FREE) && status == BP_OK &&
            bpi_commit_event(store, sequence, &event, NULL) == BP_OK && event.dropped) {
            status = BP_ERR_NOT_FOUND;
        }
        if (status == BP_ERR_NOT_FOUND) {
            continue;
        }
        if (status != BP_OK) {
            return status;
        }
        if (known++ == 0) {
            first_known = i;
            first = sequence - (i - lead);
        }
    }
    size_t wanted = count - lead;
    if (known == 0) {
        return wanted > 1 ? check_within(scratch, count, error) : BP_OK;
    }
    const bp_id *id = &scratch->items[first_known].input.id;
    if (known != wanted) {
        return taken(id, "is taken, but not all ids of the batch are", first_known, count, error);
    }
    if (lead != 0) {
        return taken(id, "belongs to a request with another kind", first_known, count, error);
    }
    for (size_t i = 0; i < count; i++) {
        bp_status status = compare_item(store, scratch, i, count, first + i, outcome, error);
        if (status != BP_OK) {
            return status;
        }
    }
    bool whole = true;
    bp_status status = count > 1 ? is_whole_commit(store, first, count, &whole, error) : BP_OK;
    if (status != BP_OK) {
        return status;
    }
    if (!whole) {
        return taken(id, "belongs to another batch", first_known, count, error);
    }
    outcome->duplicate = true;
    outcome->lsn = bpi_planted(BPI_PLANT_RETRY_UNWAITED) ? 0 : outcome->lsn;
    outcome->first = first;
    return BP_OK;
}
