/*
 * append.h: writing events.
 *
 * Every append is atomic: it is there whole, in every reader, or not at all. The receipt tells what was assigned.
 *
 * Retrying is safe when an id is given: the same id with the same request (coordinate, kind, payload bytes, type and
 * version, correlation, causes, flags, lane, depth) answers the first receipt, marked `duplicate`, before any
 * expectation is looked at; the same id with another request is BP_ERR_IDEMPOTENCY.
 *
 * Errors of all appends, and the state afterwards: nothing was appended and the store is as before, unless it says
 * otherwise.
 *   BP_ERR_ARGUMENT  a NULL, an unknown flag or type, a nil cause, an empty batch, a payload that its decision is not about
 *   BP_ERR_NAME      an entity or scope that is empty, too long, not UTF-8, holds control characters
 *   BP_ERR_KIND      a reserved kind, or BP_SYSTEM_ENTITY as entity; a kind name that is none
 *   BP_ERR_TOO_LARGE payload, batch, frame or causes beyond the limits of types.h
 *   BP_ERR_CONFLICT  the expectation does not hold; error->expected, error->actual, error->entity, error->index. Or a guard
 *                    does not: error->has_sequence is set, and sequence, id and entity are those of the event that came
 *   BP_ERR_DENIED    a gate that is bound to the store (bind.h) refuses; the message is `[gate] message`. Or a decision
 *                    is used outside the commit of its permit, or a second time
 *   BP_ERR_DIVERGED  a guard's position comes from another history
 *   BP_ERR_IDEMPOTENCY, BP_ERR_CAUSE
 *   BP_ERR_NO_SPACE  no room for it
 *   BP_ERR_IO, BP_ERR_FAILED  a write or a sync failed: the outcome is unknown until the store is reopened (or recovered
 *                    by its policy); retry with the same id then
 *   BP_ERR_NO_MEMORY, BP_ERR_READ_ONLY, BP_ERR_FORKED, BP_ERR_CLOSED
 *   With a subject: BP_ERR_UNSUPPORTED (built without libsodium); BP_ERR_CORRUPT (its key's file is damaged);
 *   BP_ERR_DENIED (its key is wrapped under another key_encryption_key); BP_ERR_IO (no key could be made)
 */
#ifndef BATPAK_APPEND_H
#define BATPAK_APPEND_H

#include <batpak/event.h>
#include <batpak/guard.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gates passed, or a bypass and its reason; opaque: what a permit hands out (pipeline.h). */
typedef struct bp_decision bp_decision;

/* What must hold of the entity for the append to happen. */
typedef enum bp_expect_kind {
    BP_EXPECT_ANY = 0,
    BP_EXPECT_NONE = 1, /* the entity has no event yet */
    BP_EXPECT_AT = 2    /* the entity's newest event has this clock */
} bp_expect_kind;

typedef struct bp_expectation {
    bp_expect_kind kind;
    uint64_t clock;
} bp_expectation;

/* Options of one event. Always start from bp_append_options_init; NULL is the same. */
typedef struct bp_append_options {
    size_t size;
    bp_expectation expect;
    bp_id id;            /* nil: the store makes a UUIDv7; given: the idempotency key */
    bp_id correlation;   /* nil: the event's own id */
    const bp_id *causes; /* the first is the causation id */
    size_t cause_count;
    /* Causes inside the batch: indexes of earlier items, appended behind `causes`; bp_append_batch only. */
    const uint32_t *cause_items;
    size_t cause_item_count;
    bool external; /* causes need not be in this store */
    bool has_time;
    int64_t time_us; /* when it happened; default: the time of the commit */
    uint16_t flags;  /* BP_FLAG_... */
    uint32_t lane;
    uint32_t depth;
    /*
     * A kind by name (NULL: the `kind` argument counts): resolved in the same commit; an unknown name is given the next
     * free type of category 1, in the same commit, unless strict_kind, when it is BP_ERR_KIND.
     */
    const char *kind_name;
    bool strict_kind;
    uint32_t hops;            /* how many reactions led to it, at most BP_HOPS_MAX; bp_reaction sets it */
    bp_durability durability; /* default: as the store says; of a batch: as bp_batch_options says */
    const bp_guard *guards; /* nothing may have come into these regions; all guards of all items of a batch must hold */
    size_t guard_count;
    /*
     * Of the bp_permit_view that a commit's callback is given: put on record with the event; NULL: nothing. Good inside that
     * commit only, for the permitted payload, and for one append; an append that was refused leaves it as it was, one
     * whose outcome is unknown (BP_ERR_IO, ...) uses it up.
     */
    const bp_decision *decision;
    /*
     * Whose the payload is: it is encrypted under this subject's key (keys.h), which is made when there is none; NULL: it is
     * not. UTF-8, a name like an entity's; it stands in the event, and goes when the event is erased. Part of the request.
     */
    const char *subject;
} bp_append_options;

BP_API void bp_append_options_default(bp_append_options *options, size_t size);
static inline void bp_append_options_init(bp_append_options *options)
{
    bp_append_options_default(options, sizeof *options);
}

typedef struct bp_receipt {
    uint64_t sequence;
    bp_id id;
    uint64_t clock;
    bp_hlc hlc;
    bp_hash event_hash;
    uint64_t position; /* LSN of the record */
    bp_kind_code kind; /* the one that was appended: tells what a kind_name became */
    bool durable;      /* survives power loss, known at the time of this answer */
    bool duplicate;    /* this is the receipt of an earlier append with the same id and request */
    bool unverifiable; /* duplicate of an event whose payload was erased: the request could not be compared whole */
    bool kind_named;   /* kind_name was new and was given `kind` by this append */
} bp_receipt;

/*
 * Appends one event. Nothing that is passed is kept. receipt_out may be NULL. Any thread; blocks on the commit lock,
 * and until the covering sync when durable.
 */
BP_API BP_MUST_USE bp_status bp_append(bp_store *store, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                                       const bp_append_options *options, bp_receipt *receipt_out, bp_error *error);

/* Appends what follows from other events: their correlation and their ids as causes (1..64); options may add the rest. */
BP_API BP_MUST_USE bp_status bp_append_reaction(bp_store *store, bp_coordinate at, bp_kind_code kind,
                                                bp_payload payload, const bp_id *correlation, const bp_id *causes,
                                                size_t cause_count, const bp_append_options *options,
                                                bp_receipt *receipt_out, bp_error *error);

typedef struct bp_batch_item {
    bp_coordinate at;
    bp_kind_code kind;
    bp_payload payload;
    const bp_append_options *options; /* NULL: defaults */
} bp_batch_item;

typedef struct bp_batch_options {
    size_t size;
    bp_durability durability;
} bp_batch_options;

BP_API void bp_batch_options_default(bp_batch_options *options, size_t size);
static inline void bp_batch_options_init(bp_batch_options *options)
{
    bp_batch_options_default(options, sizeof *options);
}

/*
 * Appends 1..BP_BATCH_MAX events as one commit: all or none. Expectations are judged in order, each seeing the items
 * before it. If any item has an id, the missing ones are derived from the first given and the index; the batch is a
 * duplicate only if all its events, in their order, are one whole committed batch; a part of one, another order, or a mix of
 * known and new ids is BP_ERR_IDEMPOTENCY. (One event by itself is a duplicate wherever it was committed.) New kind names
 * take a place in the commit each, so that events and new names together are at most BP_BATCH_MAX.
 * `receipts_out`: NULL or room for `count`. error->index names the item that was refused.
 */
BP_API BP_MUST_USE bp_status bp_append_batch(bp_store *store, const bp_batch_item *items, size_t count,
                                             const bp_batch_options *options, bp_receipt *receipts_out,
                                             bp_error *error);

/*
 * Rebuilds a store from an export: events exactly as they were, hashes, times, clocks and salts included. Only into a store
 * whose sequences end where these begin, with no ordinary append before. `count` events with dense sequences
 * are one commit. Every hash is computed anew and compared: BP_ERR_HASH names the event. prev_hash is not needed. Stubs are
 * taken as they are; what retention dropped is BP_ERR_ARGUMENT. BP_ERR_FORMAT: a TOMBSTONE event that names nothing before it, or
 * others than its causes. BP_ERR_CAUSE: a cause that is neither here nor earlier in the commit, of an event that is not external.
 * Refused, nothing was written.
 */
BP_API BP_MUST_USE bp_status bp_append_exact(bp_store *store, const bp_event *events, size_t count, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
