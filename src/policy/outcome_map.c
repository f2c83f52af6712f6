/*
 * outcome_map.c: the combinators that work on one outcome.
 *
 * Holds: each is one function of a leaf, and bpi_outcome_each carries it to every leaf of a batch. A function of the caller's
 * gets what it is to own, and what it gives is owned here.
 */
#include "policy/outcome.h"

#include <inttypes.h>

#include "base/error.h"

typedef struct map_call {
    bp_outcome_map_fn map;
    void *context;
} map_call;

static bp_outcome *map_leaf(void *context, bp_outcome *leaf)
{
    map_call *call = context;
    if (leaf->type != BP_OUTCOME_OK) {
        return leaf;
    }
    bp_value mapped = call->map(call->context, bpi_outcome_take(leaf));
    if (bpi_value_is_no_memory(&mapped)) {
        bp_outcome_free(leaf);
        return bpi_outcome_no_memory();
    }
    leaf->as.value = mapped;
    return leaf;
}

bp_outcome *bp_outcome_map(bp_outcome *outcome, bp_outcome_map_fn map, void *context)
{
    map_call call = {.map = map, .context = context};
    return bpi_outcome_each(outcome, map_leaf, &call);
}

typedef struct then_call {
    bp_outcome_test_fn test; /* NULL: always */
    bp_outcome_then_fn then;
    void *context;
} then_call;

static bp_outcome *then_leaf(void *context, bp_outcome *leaf)
{
    then_call *call = context;
    if (leaf->type != BP_OUTCOME_OK || (call->test != NULL && !call->test(call->context, &leaf->as.value))) {
        return leaf;
    }
    bp_value value = bpi_outcome_take(leaf);
    bp_outcome_free(leaf);
    return bpi_outcome_given(call->then(call->context, value));
}

bp_outcome *bp_outcome_and_then(bp_outcome *outcome, bp_outcome_then_fn then, void *context)
{
    then_call call = {.test = NULL, .then = then, .context = context};
    return bpi_outcome_each(outcome, then_leaf, &call);
}

bp_outcome *bp_outcome_and_then_if(bp_outcome *outcome, bp_outcome_test_fn test, bp_outcome_then_fn then, void *context)
{
    then_call call = {.test = test, .then = then, .context = context};
    return bpi_outcome_each(outcome, then_leaf, &call);
}

typedef struct failure_call {
    bp_outcome_failure_fn map;
    void *context;
} failure_call;

static bp_outcome *failure_leaf(void *context, bp_outcome *leaf)
{
    failure_call *call = context;
    if (leaf->type != BP_OUTCOME_ERROR) {
        return leaf;
    }
    bp_failure failure = leaf->as.failure;
    call->map(call->context, &failure);
    bp_outcome *mapped = bp_outcome_error(&failure);
    bp_outcome_free(leaf);
    return mapped;
}

bp_outcome *bp_outcome_map_err(bp_outcome *outcome, bp_outcome_failure_fn map, void *context)
{
    failure_call call = {.map = map, .context = context};
    return bpi_outcome_each(outcome, failure_leaf, &call);
}

typedef struct else_call {
    bp_outcome_else_fn otherwise;
    void *context;
} else_call;

static bp_outcome *else_leaf(void *context, bp_outcome *leaf)
{
    else_call *call = context;
    if (leaf->type != BP_OUTCOME_ERROR) {
        return leaf;
    }
    bp_outcome *other = bpi_outcome_given(call->otherwise(call->context, &leaf->as.failure));
    bp_outcome_free(leaf);
    return other;
}

bp_outcome *bp_outcome_or_else(bp_outcome *outcome, bp_outcome_else_fn otherwise, void *context)
{
    else_call call = {.otherwise = otherwise, .context = context};
    return bpi_outcome_each(outcome, else_leaf, &call);
}

typedef struct look_call {
    bp_outcome_value_fn value;
    bp_outcome_look_fn failure;
    void *context;
} look_call;

static bp_outcome *look_leaf(void *context, bp_outcome *leaf)
{
    const look_call *call = context;
    if (leaf->type == BP_OUTCOME_OK && call->value != NULL) {
        call->value(call->context, &leaf->as.value);
    } else if (leaf->type == BP_OUTCOME_ERROR && call->failure != NULL) {
        call->failure(call->context, &leaf->as.failure);
    }
    return leaf;
}

bp_outcome *bp_outcome_inspect(bp_outcome *outcome, bp_outcome_value_fn look, void *context)
{
    look_call call = {.value = look, .failure = NULL, .context = context};
    return bpi_outcome_each(outcome, look_leaf, &call);
}

bp_outcome *bp_outcome_inspect_err(bp_outcome *outcome, bp_outcome_look_fn look, void *context)
{
    look_call call = {.value = NULL, .failure = look, .context = context};
    return bpi_outcome_each(outcome, look_leaf, &call);
}

static bp_outcome *flatten_leaf(void *context, bp_outcome *leaf)
{
    (void)context;
    bp_outcome *inner = leaf->type == BP_OUTCOME_OK ? bpi_value_take_outcome(&leaf->as.value) : NULL;
    if (inner == NULL) {
        return leaf;
    }
    bp_outcome_free(leaf);
    return inner;
}

bp_outcome *bp_outcome_flatten(bp_outcome *outcome)
{
    return bpi_outcome_each(outcome, flatten_leaf, NULL);
}

/* ---- ending ---- */

static int width_of(bp_text text)
{
    return text.size < BP_ERROR_MESSAGE_SIZE ? (int)text.size : BP_ERROR_MESSAGE_SIZE;
}

/* The error that stands for an outcome that is neither ok nor an error. bpi_error_set cuts between characters. */
static bp_outcome *collapsed(const bp_outcome *outcome)
{
    const bp_retry *retry = bp_outcome_as_retry(outcome);
    const bp_text *reason = bp_outcome_as_cancelled(outcome);
    bp_failure_kind kind = retry != NULL ? BP_FAILURE_TIMEOUT : BP_FAILURE_INTERNAL;
    bp_error words = {.status = BP_OK};
    if (retry != NULL) {
        bpi_error_set(
            &words, BP_ERR_TIMEOUT, "to be tried again after %" PRIu64 " ms (attempt %" PRIu32 " of %" PRIu32 "): %.*s",
            retry->after_ms, retry->attempt, retry->max_attempts, width_of(retry->reason), retry->reason.data);
    } else if (reason != NULL) {
        bpi_error_set(&words, BP_ERR_FAILED, "cancelled: %.*s", width_of(*reason), reason->data);
    } else if (outcome->type == BP_OUTCOME_PENDING) {
        char token[BP_ID_TEXT_SIZE];
        bp_id_print(&outcome->as.pending.resume_token, token);
        bpi_error_set(&words, BP_ERR_FAILED, "pending, to be resumed with %s", token);
    } else {
        bpi_error_set(&words, BP_ERR_FAILED, "a batch of %zu outcomes is no single result", outcome->as.batch.count);
    }
    return bpi_outcome_failed(kind, "%s", words.message);
}

bool bp_outcome_into_result(bp_outcome *outcome, bp_value *value_out, bp_outcome **error_out)
{
    outcome = bpi_outcome_given(outcome);
    *value_out = bp_value_none();
    *error_out = NULL;
    if (outcome->type == BP_OUTCOME_OK) {
        *value_out = bpi_outcome_take(outcome);
        bp_outcome_free(outcome);
        return true;
    }
    if (outcome->type == BP_OUTCOME_ERROR) {
        *error_out = outcome;
        return false;
    }
    *error_out = collapsed(outcome);
    bp_outcome_free(outcome);
    return false;
}

bp_value bp_outcome_unwrap_or(bp_outcome *outcome, bp_value fallback)
{
    bp_value value = fallback;
    if (bp_outcome_is_ok(outcome)) {
        value = bpi_outcome_take(outcome);
        bp_value_destroy(fallback);
    }
    bp_outcome_free(outcome);
    return value;
}

bp_value bp_outcome_unwrap_or_else(bp_outcome *outcome, bp_outcome_make_fn make, void *context)
{
    bool ok = bp_outcome_is_ok(outcome);
    bp_value value = ok ? bpi_outcome_take(outcome) : bp_value_none();
    bp_outcome_free(outcome);
    return ok ? value : make(context);
}
