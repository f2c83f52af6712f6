/*
 * outcome_join.c: several outcomes as one.
 *
 * Holds: everything that was taken is in the result or freed. A zip of batches keeps the two it is made of in the batch
 * that it makes, until all of that one's items are there: this is what its recursion would keep on the stack.
 */
#include "policy/outcome.h"

static unsigned rank_of(const bp_outcome *outcome)
{
    static const unsigned ranks[] = {
        [BP_OUTCOME_OK] = 0,    [BP_OUTCOME_BATCH] = 1,     [BP_OUTCOME_PENDING] = 2,
        [BP_OUTCOME_RETRY] = 3, [BP_OUTCOME_CANCELLED] = 4, [BP_OUTCOME_ERROR] = 5,
    };
    return ranks[outcome->type];
}

static bp_outcome *pair_of(bp_outcome *a, bp_outcome *b)
{
    bp_value values[2] = {bpi_outcome_take(a), bpi_outcome_take(b)};
    bp_outcome_free(a);
    bp_outcome_free(b);
    return bp_outcome_ok(bp_value_list(values, 2));
}

/* Two as one: done, or a batch whose items are still to be made of `left` and `right`. */
static bp_outcome *combine(bp_outcome *a, bp_outcome *b)
{
    bool first = rank_of(a) >= rank_of(b);
    bp_outcome *strong = first ? a : b;
    if (rank_of(strong) == 0) {
        return pair_of(a, b);
    }
    if (strong->type != BP_OUTCOME_BATCH) {
        bp_outcome_free(first ? b : a);
        return strong;
    }
    size_t count = bp_outcome_count(strong);
    if (a->type == b->type && bp_outcome_count(b) < count) {
        count = bp_outcome_count(b);
    }
    bp_outcome *batch = bpi_outcome_new_batch(count);
    if (batch == NULL) {
        bp_outcome_free(a);
        bp_outcome_free(b);
        return bpi_outcome_no_memory();
    }
    batch->as.batch.left = a;
    batch->as.batch.right = b;
    return batch;
}

/* What one side gives to item `index`: its own item, or another copy of its value. */
static bp_outcome *side(bp_outcome *from, size_t index)
{
    bp_error error = {.status = BP_OK};
    bp_value copy;
    if (from->type == BP_OUTCOME_BATCH) {
        bp_outcome *item = from->as.batch.items[index];
        from->as.batch.items[index] = NULL;
        return item;
    }
    bp_status status = bp_value_copy(&from->as.value, &copy, &error);
    if (status == BP_OK) {
        return bp_outcome_ok(copy);
    }
    return status == BP_ERR_NO_MEMORY ? bpi_outcome_no_memory()
                                      : bpi_outcome_failed(BP_FAILURE_INTERNAL, "%s", error.message);
}

bp_outcome *bp_outcome_zip(bp_outcome *a, bp_outcome *b)
{
    bp_outcome *root = combine(bpi_outcome_given(a), bpi_outcome_given(b));
    bp_outcome *batch = root->type == BP_OUTCOME_BATCH ? root : NULL;
    while (batch != NULL) {
        bpi_batch *work = &batch->as.batch;
        if (work->at == work->count) {
            bp_outcome_free(work->left);
            bp_outcome_free(work->right);
            work->left = NULL;
            work->right = NULL;
            batch = work->up;
            continue;
        }
        size_t index = work->at++;
        bp_outcome *left = side(work->left, index);
        bp_outcome *item = combine(left, side(work->right, index));
        work->items[index] = item;
        if (item->type == BP_OUTCOME_BATCH) {
            item->as.batch.up = batch;
            batch = item;
        }
    }
    return root;
}

bp_outcome *bp_outcome_join_all(bp_outcome *const *items, size_t count)
{
    bp_outcome *root = bp_outcome_batch(items, count);
    bp_outcome *batch = root->type == BP_OUTCOME_BATCH ? root : NULL;
    bp_outcome *answer = NULL;
    bpi_list *values = NULL;
    if (batch == NULL) {
        return root;
    }
    while (batch != NULL && answer == NULL) {
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
        } else if ((*slot)->type != BP_OUTCOME_OK) {
            answer = *slot;
            *slot = NULL;
        } else if (!bpi_list_push(&values, bpi_outcome_take(*slot))) {
            answer = bpi_outcome_no_memory();
        }
    }
    bp_outcome_free(root);
    if (answer != NULL) {
        bpi_list_free(values);
        return answer;
    }
    return bp_outcome_ok(bpi_list_value(values));
}

bp_outcome *bp_outcome_join_any(bp_outcome *const *items, size_t count)
{
    bp_outcome *answer = NULL;
    bool found = false;
    for (size_t index = 0; index < count; index++) {
        bp_outcome *item = bpi_outcome_given(items[index]);
        if (found) {
            bp_outcome_free(item);
            continue;
        }
        bp_outcome_free(answer);
        answer = item;
        found = item->type != BP_OUTCOME_ERROR;
    }
    return answer != NULL ? answer : bpi_outcome_failed(BP_FAILURE_INTERNAL, "nothing was given to choose from");
}
