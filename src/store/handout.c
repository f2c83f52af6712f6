/*
 * handout.c: converters, registered and applied.
 *
 * Holds: the steps of a table are sorted by kind and version, and those of a kind follow one another without a gap.
 */
#include "store/handout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/store.h"

struct bpi_upcasts {
    const bp_allocator *allocator;
    _Atomic uint32_t references;
    bpi_upcasts *older; /* held by the store through this one */
    size_t count;
    bp_upcast steps[];
};

/* ---- tables ---- */

static bpi_upcasts *table_new(const bp_allocator *allocator, size_t count)
{
    bpi_upcasts *table = bpi_allocate_zero(allocator, sizeof *table + count * sizeof table->steps[0]);
    if (table != NULL) {
        table->allocator = allocator;
        table->count = count;
        atomic_init(&table->references, 1);
    }
    return table;
}

static void table_drop(bpi_upcasts *table)
{
    if (table != NULL && atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) == 1) {
        bpi_release(table->allocator, table, sizeof *table + table->count * sizeof table->steps[0]);
    }
}

void bpi_upcast_slot_fini(bpi_upcast_slot *slot)
{
    bpi_upcasts *table = atomic_load_explicit(&slot->current, memory_order_acquire);
    while (table != NULL) {
        bpi_upcasts *older = table->older;
        table_drop(table);
        table = older;
    }
}

static int compare(const void *a, const void *b)
{
    const bp_upcast *left = a;
    const bp_upcast *right = b;
    int by_kind = (left->kind > right->kind) - (left->kind < right->kind);
    return by_kind != 0 ? by_kind : (left->from > right->from) - (left->from < right->from);
}

static bp_status check_steps(const bp_upcast *steps, size_t count, bp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const bp_upcast *step = &steps[i];
        if (step->convert == NULL || step->from == UINT16_MAX) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "converter of kind 0x%04X from version %u: %s",
                                 (unsigned)step->kind, (unsigned)step->from,
                                 step->convert == NULL ? "there is no function" : "there is no version behind it");
        }
    }
    return BP_OK;
}

/* The sorted steps of old and new: nothing twice, nothing missing between. */
static bp_status check_chains(const bpi_upcasts *table, const bpi_upcasts *old, bp_error *error)
{
    for (size_t i = 1; i < table->count; i++) {
        const bp_upcast *before = &table->steps[i - 1];
        const bp_upcast *step = &table->steps[i];
        if (before->kind != step->kind || before->from + 1 == step->from) {
            continue;
        }
        if (before->from == step->from) {
            bool known = old != NULL && bsearch(step, old->steps, old->count, sizeof *step, compare) != NULL;
            return bpi_error_set(error, known ? BP_ERR_EXISTS : BP_ERR_ARGUMENT,
                                 "kind 0x%04X has two converters from version %u", (unsigned)step->kind,
                                 (unsigned)step->from);
        }
        bpi_error_set(error, BP_ERR_ARGUMENT, "the chain of kind 0x%04X has a gap: nothing converts from version %u",
                      (unsigned)step->kind, before->from + 1u);
        bpi_error_hint(error, "register a converter for each version from the oldest to the newest");
        return BP_ERR_ARGUMENT;
    }
    return BP_OK;
}

bp_status bp_upcast_register(bp_store *store, const bp_upcast *upcasts, size_t count, bp_error *error)
{
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    if ((upcasts == NULL && count > 0) || count > UINT16_MAX) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_upcast_register needs an array of at most 65535 converters");
    }
    status = check_steps(upcasts, count, error);
    if (status != BP_OK || count == 0) {
        return status;
    }
    bpi_upcast_slot *slot = &store->upcasts;
    bpi_upcasts *old = atomic_load_explicit(&slot->current, memory_order_acquire);
    for (;;) {
        size_t kept = old == NULL ? 0 : old->count;
        bpi_upcasts *table = table_new(store->allocator, kept + count);
        if (table == NULL) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for converters");
        }
        for (size_t i = 0; i < kept + count; i++) {
            table->steps[i] = i < kept ? old->steps[i] : upcasts[i - kept];
        }
        qsort(table->steps, table->count, sizeof table->steps[0], compare);
        table->older = old;
        status = check_chains(table, old, error);
        if (status == BP_OK && atomic_compare_exchange_strong(&slot->current, &old, table)) {
            return BP_OK;
        }
        table_drop(table);
        if (status != BP_OK) {
            return status;
        }
    }
}

/* ---- handing out ---- */

void bpi_handout_begin_plain(bpi_handout *handout, bp_store *store)
{
    handout->upcasts = NULL;
    handout->keys = store->keys;
    bpi_buffer_init(&handout->plain, store->allocator);
}

void bpi_handout_begin(bpi_handout *handout, bp_store *store, bool stored)
{
    bpi_handout_begin_plain(handout, store);
    handout->keys = stored ? NULL : handout->keys;
    /* A table stays with the store until it is freed, so that it may be held without a lock. */
    handout->upcasts = stored ? NULL : atomic_load_explicit(&store->upcasts.current, memory_order_acquire);
    handout->at = 0;
    if (handout->upcasts != NULL) {
        atomic_fetch_add_explicit(&handout->upcasts->references, 1, memory_order_relaxed);
        bpi_output_init(&handout->payload[0], store->allocator);
        bpi_output_init(&handout->payload[1], store->allocator);
    }
}

void bpi_handout_end(bpi_handout *handout)
{
    if (handout->plain.data != NULL) {
        bpi_wipe(handout->plain.data, handout->plain.capacity);
        bpi_buffer_fini(&handout->plain);
    }
    if (handout->upcasts != NULL) {
        bpi_output_fini(&handout->payload[0]);
        bpi_output_fini(&handout->payload[1]);
        table_drop(handout->upcasts);
        handout->upcasts = NULL;
    }
}

/* The place of the first step of the kind whose version is not below the event's. */
static size_t find(const bpi_upcasts *table, const bp_event *event)
{
    bp_upcast key = {.kind = event->kind, .from = event->payload_version};
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&table->steps[middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bp_status wrong_version(const bp_event *event, const char *what, unsigned known, bp_error *error)
{
    bpi_error_set(error, BP_ERR_VERSION, "event %" PRIu64 " of kind 0x%04X has payload version %u, %s %u",
                  event->sequence, (unsigned)event->kind, (unsigned)event->payload_version, what, known);
    bpi_error_entity(error, event->entity);
    if (error != NULL) {
        error->sequence = event->sequence;
        error->has_sequence = true;
    }
    return BP_ERR_VERSION;
}

static bp_status convert_step(bpi_handout *handout, const bp_upcast *step, bp_event *event, bp_error *error)
{
    bp_error own = {0};
    bp_output *output = &handout->payload[handout->at ^ 1u];
    bp_output_clear(output);
    bp_status status = step->convert(step->context, event, output, &own);
    if (status == BP_OK && output->failed) {
        status = bpi_error_set(&own, BP_ERR_NO_MEMORY, "no memory for the payload");
    }
    status = bpi_error_callback(&own, status, "the converter");
    if (status != BP_OK) {
        bpi_error_wrap(&own, status, "event %" PRIu64 ", kind 0x%04X from version %u", event->sequence,
                       (unsigned)step->kind, (unsigned)step->from);
        own.sequence = event->sequence;
        own.has_sequence = true;
        if (error != NULL) {
            *error = own;
        }
        return status;
    }
    handout->at ^= 1u;
    event->payload = bp_output_data(output);
    event->payload_size = bp_output_size(output);
    event->payload_type = step->payload_type;
    event->payload_version = (uint16_t)(step->from + 1);
    event->converted = true;
    return BP_OK;
}

static bp_status convert(bpi_handout *handout, bp_event *event, bp_error *error)
{
    const bpi_upcasts *table = handout->upcasts;
    size_t at = find(table, event);
    bool here = at < table->count && table->steps[at].kind == event->kind;
    bool older = at > 0 && table->steps[at - 1].kind == event->kind;
    if ((!here && !older) || event->payload_absent) {
        return BP_OK;
    }
    if (!here) {
        unsigned newest = table->steps[at - 1].from + 1u;
        return event->payload_version == newest
                   ? BP_OK
                   : wrong_version(event, "and this program knows no more than", newest, error);
    }
    if (table->steps[at].from != event->payload_version) {
        return wrong_version(event, "and converters begin at", table->steps[at].from, error);
    }
    bp_status status = BP_OK;
    for (; status == BP_OK && at < table->count && table->steps[at].kind == event->kind; at++) {
        status = convert_step(handout, &table->steps[at], event, error);
    }
    return status;
}

bp_status bpi_handout_change(bpi_handout *handout, bp_event *event, bp_error *error)
{
    bp_status status = BP_OK;
    if (event->encryption == BP_ENCRYPTION_STORED && handout->keys != NULL) {
        status = bpi_keys_open_event(handout->keys, &handout->plain, event, error);
    }
    return status == BP_OK && handout->upcasts != NULL ? convert(handout, event, error) : status;
}
