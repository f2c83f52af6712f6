/*
 * outcome.c: making outcomes, looking at them, freeing them; the walk that all combinators share.
 *
 * Holds: what is given is never NULL and owns all it carries. An outcome of size 0 lives for ever and is never written to.
 */
#include "policy/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static const bp_allocator *chosen;

void bp_outcome_use_allocator(const bp_allocator *allocator)
{
    chosen = allocator;
}

const bp_allocator *bpi_outcome_allocator(void)
{
    return chosen != NULL ? chosen : bp_allocator_system();
}

bp_outcome *bpi_outcome_no_memory(void)
{
    static bp_outcome outcome = {
        .type = BP_OUTCOME_ERROR,
        .as.failure = {.kind = BP_FAILURE_INTERNAL, .message = {.data = "out of memory", .size = 13}},
    };
    return &outcome;
}

bp_outcome *bpi_outcome_missing(void)
{
    static bp_outcome outcome = {
        .type = BP_OUTCOME_ERROR,
        .as.failure = {.kind = BP_FAILURE_INTERNAL, .message = {.data = "no outcome was given", .size = 20}},
    };
    return &outcome;
}

bp_outcome *bpi_outcome_given(bp_outcome *outcome)
{
    return outcome != NULL ? outcome : bpi_outcome_missing();
}

bp_outcome *bpi_outcome_new(bp_outcome_type type, size_t extra)
{
    if (extra > SIZE_MAX / 2) {
        return NULL;
    }
    bp_outcome *outcome = bpi_allocate_zero(bpi_outcome_allocator(), sizeof(*outcome) + extra);
    if (outcome != NULL) {
        outcome->type = type;
        outcome->size = sizeof(*outcome) + extra;
    }
    return outcome;
}

bp_outcome *bpi_outcome_new_batch(size_t count)
{
    if (count > SIZE_MAX / 4 / sizeof(bp_outcome *)) {
        return NULL;
    }
    bp_outcome *batch = bpi_outcome_new(BP_OUTCOME_BATCH, count * sizeof(bp_outcome *));
    if (batch != NULL) {
        batch->as.batch.items = (bp_outcome **)(void *)(batch + 1);
        batch->as.batch.count = count;
    }
    return batch;
}

bp_outcome *bp_outcome_ok(bp_value value)
{
    if (bpi_value_is_no_memory(&value)) {
        return bpi_outcome_no_memory();
    }
    bp_outcome *outcome = bpi_outcome_new(BP_OUTCOME_OK, 0);
    if (outcome == NULL) {
        bp_value_destroy(value);
        return bpi_outcome_no_memory();
    }
    outcome->as.value = value;
    return outcome;
}

bp_outcome *bpi_outcome_retry_text(uint64_t after_ms, uint32_t attempt, uint32_t max_attempts, bp_text reason)
{
    bp_outcome *outcome = bpi_outcome_new(BP_OUTCOME_RETRY, reason.size + 1);
    if (outcome == NULL) {
        return bpi_outcome_no_memory();
    }
    char *text = (char *)(outcome + 1);
    bpi_copy(text, reason.data, reason.size);
    outcome->as.retry = (bp_retry){
        .after_ms = after_ms,
        .attempt = attempt,
        .max_attempts = max_attempts,
        .reason = {.data = text, .size = reason.size},
    };
    return outcome;
}

bp_outcome *bp_outcome_retry(uint64_t after_ms, uint32_t attempt, uint32_t max_attempts, const char *reason)
{
    return bpi_outcome_retry_text(after_ms, attempt, max_attempts, bp_text_of(reason));
}

bp_outcome *bpi_outcome_cancelled_text(bp_text reason)
{
    bp_outcome *outcome = bpi_outcome_new(BP_OUTCOME_CANCELLED, reason.size + 1);
    if (outcome == NULL) {
        return bpi_outcome_no_memory();
    }
    char *text = (char *)(outcome + 1);
    bpi_copy(text, reason.data, reason.size);
    outcome->as.reason = (bp_text){.data = text, .size = reason.size};
    return outcome;
}

bp_outcome *bp_outcome_cancelled(const char *reason)
{
    return bpi_outcome_cancelled_text(bp_text_of(reason));
}

bp_outcome *bpi_outcome_failed(bp_failure_kind kind, const char *format, ...)
{
    char message[BP_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    bp_failure failure = bp_failure_of(kind, message);
    return bp_outcome_error(&failure);
}

bp_outcome *bp_outcome_batch(bp_outcome *const *items, size_t count)
{
    bp_outcome *batch = bpi_outcome_new_batch(count);
    for (size_t index = 0; index < count; index++) {
        if (batch == NULL) {
            bp_outcome_free(items[index]);
        } else {
            batch->as.batch.items[index] = bpi_outcome_given(items[index]);
        }
    }
    return batch != NULL ? batch : bpi_outcome_no_memory();
}

/* Releases what is no batch, or a batch whose items are gone. */
static void release(bp_outcome *outcome)
{
    if (outcome == NULL || outcome->size == 0) {
        return;
    }
    if (outcome->type == BP_OUTCOME_OK) {
        bp_value_destroy(outcome->as.value);
    }
    bpi_release(bpi_outcome_allocator(), outcome, outcome->size);
}

void bp_outcome_free(bp_outcome *outcome)
{
    if (outcome == NULL || outcome->type != BP_OUTCOME_BATCH) {
        release(outcome);
        return;
    }
    bp_outcome *batch = outcome;
    batch->as.batch.up = NULL;
    batch->as.batch.at = 0;
    while (batch != NULL) {
        bpi_batch *walk = &batch->as.batch;
        if (walk->at == walk->count) {
            bp_outcome *up = walk->up;
            release(batch);
            batch = up;
            continue;
        }
        bp_outcome *item = walk->items[walk->at++];
        if (item != NULL && item->type == BP_OUTCOME_BATCH) {
            item->as.batch.up = batch;
            item->as.batch.at = 0;
            batch = item;
        } else {
            release(item);
        }
    }
}

bp_outcome *bpi_outcome_each(bp_outcome *root, bpi_leaf_fn leaf, void *context)
{
    root = bpi_outcome_given(root);
    if (root->type != BP_OUTCOME_BATCH) {
        return leaf(context, root);
    }
    bp_outcome *batch = root;
    batch->as.batch.up = NULL;
    batch->as.batch.at = 0;
    while (batch != NULL) {
        bpi_batch *walk = &batch->as.batch;
        if (walk->at == walk->count) {
            batch = walk->up;
            continue;
        }
        bp_outcome **slot = &walk->items[walk->at++];
        if ((*slot)->type == BP_OUTCOME_BATCH) {
            (*slot)->as.batch.up = batch;
            (*slot)->as.batch.at = 0;
            batch = *slot;
        } else {
            *slot = leaf(context, *slot);
        }
    }
    return root;
}

bp_value bpi_outcome_take(bp_outcome *ok)
{
    bp_value value = ok->as.value;
    ok->as.value = bp_value_none();
    return value;
}

/* ---- looking ---- */

bp_outcome_type bp_outcome_type_of(const bp_outcome *outcome)
{
    return outcome != NULL ? outcome->type : BP_OUTCOME_ERROR;
}

const char *bp_outcome_type_name(bp_outcome_type type)
{
    static const char *const names[] = {"ok", "error", "retry", "pending", "cancelled", "batch"};
    return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

bool bp_outcome_is_ok(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_OK;
}

bool bp_outcome_is_error(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_ERROR;
}

bool bp_outcome_is_retry(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_RETRY;
}

bool bp_outcome_is_pending(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_PENDING;
}

bool bp_outcome_is_cancelled(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_CANCELLED;
}

bool bp_outcome_is_batch(const bp_outcome *outcome)
{
    return bp_outcome_type_of(outcome) == BP_OUTCOME_BATCH;
}

bool bp_outcome_is_terminal(const bp_outcome *outcome)
{
    return bp_outcome_is_ok(outcome) || bp_outcome_is_error(outcome) || bp_outcome_is_cancelled(outcome);
}

const bp_value *bp_outcome_as_ok(const bp_outcome *outcome)
{
    return bp_outcome_is_ok(outcome) ? &outcome->as.value : NULL;
}

const bp_failure *bp_outcome_as_error(const bp_outcome *outcome)
{
    const bp_outcome *given = outcome != NULL ? outcome : bpi_outcome_missing();
    return bp_outcome_is_error(given) ? &given->as.failure : NULL;
}

const bp_retry *bp_outcome_as_retry(const bp_outcome *outcome)
{
    return bp_outcome_is_retry(outcome) ? &outcome->as.retry : NULL;
}

const bp_pending *bp_outcome_as_pending(const bp_outcome *outcome)
{
    return bp_outcome_is_pending(outcome) ? &outcome->as.pending : NULL;
}

const bp_text *bp_outcome_as_cancelled(const bp_outcome *outcome)
{
    return bp_outcome_is_cancelled(outcome) ? &outcome->as.reason : NULL;
}

size_t bp_outcome_count(const bp_outcome *outcome)
{
    return bp_outcome_is_batch(outcome) ? outcome->as.batch.count : 0;
}

const bp_outcome *bp_outcome_at(const bp_outcome *outcome, size_t index)
{
    return index < bp_outcome_count(outcome) ? outcome->as.batch.items[index] : NULL;
}
