/*
 * keys_undurable.h: what the tests of destroyed keys whose record is not durable have in common: payloads for one subject, and how
 * they have to be handed out.
 */
#ifndef BPT_STORE_KEYS_UNDURABLE_H
#define BPT_STORE_KEYS_UNDURABLE_H

#include <errno.h>

#include "support/world.h"

#define SECRET "the text that nobody else may read"

static const bpi_fault_kind kinds[] = {BPI_FAULT_ERROR, BPI_FAULT_HALF, BPI_FAULT_SYNC_DROPS};

static inline bp_status try_put(bp_store *store, const char *subject, bp_receipt *receipt, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    options.durability = BP_DURABLE;
    return bp_append(store, bp_at("person:1", "x"), BP_KIND_DATA, bp_raw(SECRET, strlen(SECRET)), &options, receipt,
                     error);
}

static inline bp_status destroy(bp_store *store, bp_key_report *report, bp_error *error)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    return bp_key_destroy(store, "anna", &options, report, error);
}

/* How an event's payload is handed out; opened, it is the one that was put. */
static inline bp_encryption shown(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    bp_encryption how = (bp_encryption)event->encryption;
    assert_true(how != BP_ENCRYPTION_OPENED ||
                (event->payload_size == strlen(SECRET) && memcmp(event->payload, SECRET, strlen(SECRET)) == 0));
    bp_event_release(event);
    return how;
}

/* The last event behind `sequence` that says that a key is destroyed, BP_NONE: there is none. */
static inline uint64_t record_behind(bp_store *store, uint64_t sequence)
{
    uint64_t record = BP_NONE;
    for (uint64_t at = sequence + 1; at < bp_store_frontiers(store).published; at++) {
        const bp_event *event = NULL;
        bp_error error = {0};
        CHECK_OK(bp_get_sequence(store, at, &event, &error), &error);
        record = event->kind == BP_KIND_ERASURE ? at : record;
        bp_event_release(event);
    }
    return record;
}

/* Anna's payload is destroyed if and only if an event behind it says so. */
static inline void check_shown(bp_store *store, uint64_t sequence, const char *where, const bpi_fault_plan *plan)
{
    bp_encryption how = shown(store, sequence); /* first: a reader learns by reading */
    bp_encryption expected = record_behind(store, sequence) != BP_NONE ? BP_ENCRYPTION_SHREDDED : BP_ENCRYPTION_OPENED;
    CHECK(how == expected, "kind %d, step %llu%s, %s: the payload of event %llu is %d, it should be %d",
          (int)plan->kind, (unsigned long long)plan->step, plan->persistent ? " and on" : "", where,
          (unsigned long long)sequence, (int)how, (int)expected);
}

static inline void skip_without_cipher(void)
{
    if (!bp_encryption_available()) {
        skip();
    }
}

#endif
