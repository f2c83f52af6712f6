/*
 * commit.h: what happens under the commit lock.
 */
#ifndef BPI_STORE_COMMIT_H
#define BPI_STORE_COMMIT_H

#include "store/stage.h"

/* The last millisecond of the year 9999: far from the end of the HLC's 48 bits, so that it never wraps. */
#define BPI_LAST_MS INT64_C(253402300799999)

/* How a commit ended, beside its status. */
typedef struct bpi_outcome {
    uint64_t lsn;   /* what has to be durable before a durable answer */
    uint64_t first; /* sequence of the first item */
    bool duplicate;
    bool unverifiable;
} bpi_outcome;

/*
 * Commits what was staged, with the commit lock held: duplicates, causes, expectations, then sequence, clock, HLC, hash, the
 * frame, the index, publication. Refusals leave everything as it was; a failed write fails the log. BP_END: the rules that
 * it was staged by have changed; stage it anew.
 */
bp_status bpi_commit(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bpi_outcome *outcome_out,
                     bp_error *error);

/* The HLC of the next event after one with `last`. */
bp_hlc bpi_commit_next_hlc(bp_hlc last, int64_t now_us);

/* The second half: entities are resolved and everything is allowed. `exact`: the staged items bring what is assigned. */
bp_status bpi_commit_write(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bool exact,
                           bpi_outcome *outcome_out, bp_error *error);

/* bp_append_exact, whose events may be `dropped`: a stub without a content is written of each, whose hash is not judged, for a rewriting
 * to make a fold entry of it (store/exact.c). */
bp_status bpi_append_exact(bp_store *store, const bp_event *events, size_t count, bp_error *error);

/* Looks for earlier events with the staged ids (store/duplicate.c). BP_OK and outcome->duplicate, or not; or
 * BP_ERR_IDEMPOTENCY, BP_ERR_CORRUPT. */
bp_status bpi_find_duplicates(bp_store *store, bpi_scratch *scratch, size_t count, bpi_outcome *outcome,
                              bp_error *error);

/* Does every cause that has to exist: in the store, or earlier in this batch? BP_ERR_CAUSE, BP_ERR_CORRUPT. */
bp_status bpi_causes_check(bp_store *store, const bpi_scratch *scratch, size_t count, bp_error *error);

/* Do the guards of all items hold (store/guard.c)? BP_ERR_CONFLICT, BP_ERR_DIVERGED, BP_ERR_CORRUPT. */
bp_status bpi_guards_check(bp_store *store, const bpi_scratch *scratch, size_t count, bp_error *error);

/* What the hook before appends says: BP_OK, BP_END (stage anew), or why not (store/decide.c). */
bp_status bpi_before_judge(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bp_error *error);
/*
 * Takes the decisions of all items for this append: each must be open (BP_ERR_DENIED). What was taken is given back by
 * bpi_decisions_give if the append was refused, so that it may be tried again (store/decide.c).
 */
bp_status bpi_decisions_take(const bp_batch_item *items, size_t count, bp_error *error);
void bpi_decisions_give(const bp_batch_item *items, size_t count, bp_status refused);
/* Tells it, without the lock, that its BP_ERR_DENIED was heard. */
void bpi_tell_refused(bp_store *store, const bpi_scratch *scratch);

/* Reads the record of any event that is written, published or not; good while the commit lock is held. */
bp_status bpi_commit_event(bp_store *store, uint64_t sequence, bp_event *event_out, bp_error *error);

/* Finds the entity of each item, adding what is new; undone by bpi_entities_undo in reverse. */
bp_status bpi_entities_resolve(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error);
void bpi_entities_undo(bp_store *store, bpi_scratch *scratch, size_t count);

#endif
