/*
 * outcome.h: outcomes from the inside.
 *
 * An outcome is one allocation that holds all it carries but values and, of a batch, the items. Walks over batches keep
 * their place in the batches themselves (`up`, `at`), so that no depth needs a stack; they are for owners. Those that only look
 * (encode) keep theirs outside and stop at BP_OUTCOME_DEPTH_MAX.
 */
#ifndef BPI_POLICY_OUTCOME_H
#define BPI_POLICY_OUTCOME_H

#include <batpak/outcome.h>

#include "base/compiler.h"
#include "base/memory.h"

typedef struct bpi_batch {
    bp_outcome **items; /* NULL where one was taken out */
    size_t count;
    /* while an owner walks: */
    bp_outcome *up;
    size_t at;
    bp_outcome *left; /* zip: what the items are still to be made of */
    bp_outcome *right;
} bpi_batch;

struct bp_outcome {
    bp_outcome_type type;
    size_t size; /* of this allocation; 0: one of those that live for ever */
    union {
        bp_value value;
        bp_failure failure;
        bp_retry retry;
        bp_pending pending;
        bp_text reason;
        bpi_batch batch;
    } as;
};

const bp_allocator *bpi_outcome_allocator(void);

/* The two that live for ever. */
bp_outcome *bpi_outcome_no_memory(void);
bp_outcome *bpi_outcome_missing(void);
/* The outcome, or for NULL the one that says so. */
bp_outcome *bpi_outcome_given(bp_outcome *outcome);

/* Zeroed room for one with `extra` bytes behind it, or NULL. */
bp_outcome *bpi_outcome_new(bp_outcome_type type, size_t extra);
/* A batch of `count` items that are all NULL yet, or NULL. */
bp_outcome *bpi_outcome_new_batch(size_t count);
/* An error of that kind with formatted words. */
bp_outcome *bpi_outcome_failed(bp_failure_kind kind, const char *format, ...) BPI_PRINTF(2, 3);
bp_outcome *bpi_outcome_retry_text(uint64_t after_ms, uint32_t attempt, uint32_t max_attempts, bp_text reason);
bp_outcome *bpi_outcome_cancelled_text(bp_text reason);

/* Takes the value out of an ok; none is left. */
bp_value bpi_outcome_take(bp_outcome *ok);

/* Puts fn(leaf) into the place of every outcome that is no batch. The function owns the leaf. */
typedef bp_outcome *(*bpi_leaf_fn)(void *context, bp_outcome *leaf);
bp_outcome *bpi_outcome_each(bp_outcome *root, bpi_leaf_fn leaf, void *context);

bool bpi_value_is_no_memory(const bp_value *value);
/* The outcome inside a value made by bp_value_of_outcome, taken out; NULL if it is no such value. */
bp_outcome *bpi_value_take_outcome(bp_value *value);

/* A list that grows. */
typedef struct bpi_list {
    size_t room;
    size_t count;
    const bp_value_type *fixed; /* the first of its items' types that cannot be copied; NULL: all can */
    bp_value items[];
} bpi_list;
/* Takes the value; false: no memory, the value is destroyed, the list stays. *list may be NULL at first. */
bool bpi_list_push(bpi_list **list, bp_value value);
bp_value bpi_list_value(bpi_list *list); /* NULL: the empty list */
void bpi_list_free(bpi_list *list);

#endif
