/*
 * test_outcome.c: outcomes, values and outputs with every allocation failing (support/exhaust.h). No constructor and no
 * combinator fails: where memory is missing, the answer is the error "out of memory", and what was taken is freed.
 *
 * ctest: labels=exhaust wrap=bp_allocator_system
 */
#include "support/exhaust.h"

static bp_outcome *number(const char *text)
{
    return bp_outcome_ok(bp_value_of_payload(bp_json(text)));
}

/* A made outcome; freed. Its own lack of memory, or that of an item. */
static bp_status judge(bpt_exhaust *x, bp_outcome *outcome)
{
    bool whole = true;
    const bp_failure *failure = bp_outcome_as_error(outcome);
    for (size_t index = 0; index <= bp_outcome_count(outcome); index++) {
        if (failure != NULL && bp_text_equal(failure->message, bp_text_of("out of memory"))) {
            CHECK(failure->kind == BP_FAILURE_INTERNAL, "out of memory is %s", bp_failure_kind_name(failure->kind));
            whole = false;
        }
        failure = index < bp_outcome_count(outcome) ? bp_outcome_as_error(bp_outcome_at(outcome, index)) : NULL;
    }
    bp_outcome_free(outcome);
    return bpt_exhaust_made(x, whole);
}

/* ok, an error with a compensation, and a batch of both: all that a combinator goes through. */
static bp_outcome *some(void)
{
    bp_id id = bp_id_from("exhaust", "outcome", 7);
    bp_compensation undo = bp_compensation_rollback(&id, 1);
    bp_failure failure = bp_failure_of(BP_FAILURE_STORAGE, "the disk is gone");
    failure.compensation = &undo;
    bp_outcome *items[2] = {number("1"), bp_outcome_error(&failure)};
    return bp_outcome_batch(items, 2);
}

static bp_value same(void *context, bp_value value)
{
    (void)context;
    return value;
}

static bp_outcome *then_ok(void *context, bp_value value)
{
    (void)context;
    return bp_outcome_ok(value);
}

static bool yes(void *context, const bp_value *value)
{
    (void)context;
    (void)value;
    return true;
}

static void rename_failure(void *context, bp_failure *failure)
{
    (void)context;
    failure->message = failure->kind == BP_FAILURE_INTERNAL ? failure->message : bp_text_of("said otherwise");
}

static bp_outcome *otherwise(void *context, const bp_failure *failure)
{
    (void)context;
    return bp_outcome_error(failure);
}

static void look(void *context, const bp_value *value)
{
    (void)context;
    (void)value;
}

static void look_err(void *context, const bp_failure *failure)
{
    (void)context;
    (void)failure;
}

static bp_value make(void *context)
{
    (void)context;
    return bp_value_none();
}

static bp_status act_ok(bpt_exhaust *x)
{
    return judge(x, number("1"));
}

static bp_status act_error(bpt_exhaust *x)
{
    bp_failure failure = bp_failure_of(BP_FAILURE_TIMEOUT, "too late");
    return judge(x, bp_outcome_error(&failure));
}

static bp_status act_retry(bpt_exhaust *x)
{
    return judge(x, bp_outcome_retry(10, 1, 3, "not now"));
}

static bp_status act_pending(bpt_exhaust *x)
{
    bp_id id = bp_id_from("exhaust", "pending", 7);
    bp_wait parts[2] = {bp_wait_event(&id), bp_wait_custom(7, "data", 4)};
    bp_wait all = bp_wait_all(parts, 2);
    return judge(x, bp_outcome_pending(&all, &id));
}

static bp_status act_cancelled(bpt_exhaust *x)
{
    return judge(x, bp_outcome_cancelled("no longer wanted"));
}

static bp_status act_batch(bpt_exhaust *x)
{
    return judge(x, some());
}

static bp_status act_of_status(bpt_exhaust *x)
{
    bp_error error = {0};
    (void)bp_error_set(&error, BP_ERR_IO, "the disk is gone");
    return judge(x, bp_outcome_of_status(BP_ERR_IO, &error, bp_value_of_payload(bp_json("1"))));
}

static bp_status act_map(bpt_exhaust *x)
{
    return judge(x, bp_outcome_map(some(), same, NULL));
}

static bp_status act_and_then(bpt_exhaust *x)
{
    return judge(x, bp_outcome_and_then(some(), then_ok, NULL));
}

static bp_status act_and_then_if(bpt_exhaust *x)
{
    return judge(x, bp_outcome_and_then_if(some(), yes, then_ok, NULL));
}

static bp_status act_map_err(bpt_exhaust *x)
{
    return judge(x, bp_outcome_map_err(some(), rename_failure, NULL));
}

static bp_status act_or_else(bpt_exhaust *x)
{
    return judge(x, bp_outcome_or_else(some(), otherwise, NULL));
}

static bp_status act_inspect(bpt_exhaust *x)
{
    return judge(x, bp_outcome_inspect(some(), look, NULL));
}

static bp_status act_inspect_err(bpt_exhaust *x)
{
    return judge(x, bp_outcome_inspect_err(some(), look_err, NULL));
}

static bp_status act_flatten(bpt_exhaust *x)
{
    return judge(x, bp_outcome_flatten(bp_outcome_ok(bp_value_of_outcome(number("1")))));
}

static bp_status act_zip(bpt_exhaust *x)
{
    bp_outcome *items[2] = {number("1"), number("2")};
    return judge(x, bp_outcome_zip(bp_outcome_batch(items, 2), number("3")));
}

static bp_status act_join_all(bpt_exhaust *x)
{
    bp_outcome *items[2] = {number("1"), number("2")};
    return judge(x, bp_outcome_join_all(items, 2));
}

/* One without memory is passed over for the one that has it. */
static bp_status act_join_any(bpt_exhaust *x)
{
    bp_failure failure = bp_failure_of(BP_FAILURE_TIMEOUT, "too late");
    bp_outcome *items[2] = {bp_outcome_error(&failure), number("2")};
    return judge(x, bp_outcome_join_any(items, 2));
}

static bp_status act_into_result(bpt_exhaust *x)
{
    bp_value value = bp_value_none();
    bp_outcome *error = NULL;
    if (bp_outcome_into_result(bp_outcome_retry(1, 1, 1, "later"), &value, &error)) {
        bp_value_destroy(value);
        return BP_OK;
    }
    return judge(x, error);
}

static bp_status act_unwrap_or(bpt_exhaust *x)
{
    bp_value value = bp_outcome_unwrap_or(number("1"), bp_value_none());
    bool made = bp_value_payload(&value) != NULL;
    bp_value_destroy(value);
    return bpt_exhaust_made(x, made);
}

static bp_status act_unwrap_or_else(bpt_exhaust *x)
{
    bp_value value = bp_outcome_unwrap_or_else(number("1"), make, NULL);
    bool made = bp_value_payload(&value) != NULL;
    bp_value_destroy(value);
    return bpt_exhaust_made(x, made);
}

static void prepare_outcome(bpt_exhaust *x)
{
    x->thing[0] = some();
    x->thing[1] = bp_output_new(NULL);
}

static void prepare_text(bpt_exhaust *x)
{
    prepare_outcome(x);
    CHECK_OK(bp_outcome_encode(x->thing[0], BP_PAYLOAD_JSON, x->thing[1], &x->error), &x->error);
}

static void prepare_msgpack(bpt_exhaust *x)
{
    bp_id id = bp_id_from("exhaust", "pending", 7);
    bp_wait part = bp_wait_event(&id);
    bp_wait any = bp_wait_any(&part, 1);
    bp_outcome *items[2] = {bp_outcome_pending(&any, &id), bp_outcome_cancelled("no longer")};
    x->thing[0] = bp_outcome_batch(items, 2);
    x->thing[1] = bp_output_new(NULL);
    CHECK_OK(bp_outcome_encode(x->thing[0], BP_PAYLOAD_MSGPACK, x->thing[1], &x->error), &x->error);
}

static bp_status act_encode(bpt_exhaust *x)
{
    bp_status status = bp_outcome_encode(x->thing[0], BP_PAYLOAD_JSON, x->thing[1], &x->error);
    CHECK(status == BP_OK || bp_output_size(x->thing[1]) == 0, "the output is not as it was");
    return status;
}

static bp_status decode(bpt_exhaust *x, bp_payload bytes)
{
    bp_outcome *outcome = NULL;
    bp_status status = bp_outcome_decode(bytes, NULL, &outcome, &x->error);
    CHECK((status == BP_OK) == (outcome != NULL), "%s with an outcome", bp_status_name(status));
    bp_outcome_free(outcome);
    return status;
}

static bp_status act_decode(bpt_exhaust *x)
{
    return decode(x, bp_json_bytes(bp_output_data(x->thing[1]), bp_output_size(x->thing[1])));
}

static bp_status act_decode_msgpack(bpt_exhaust *x)
{
    return decode(x, bp_msgpack(bp_output_data(x->thing[1]), bp_output_size(x->thing[1])));
}

static void finish_outcome(bpt_exhaust *x)
{
    bp_outcome_free(x->thing[0]);
    bp_output_free(x->thing[1]);
}

static bp_status act_output_new(bpt_exhaust *x)
{
    x->thing[1] = bp_output_new(NULL);
    return bpt_exhaust_made(x, x->thing[1] != NULL);
}

static void prepare_output(bpt_exhaust *x)
{
    x->thing[1] = bp_output_new(NULL);
}

static bp_status act_output_append(bpt_exhaust *x)
{
    return bpt_exhaust_made(x, bp_output_append(x->thing[1], "some bytes", 10));
}

static bp_status act_output_extend(bpt_exhaust *x)
{
    return bpt_exhaust_made(x, bp_output_extend(x->thing[1], 1000) != NULL);
}

static bp_status act_value_of_payload(bpt_exhaust *x)
{
    bp_value value = bp_value_of_payload(bp_json("1"));
    bool made = bp_value_payload(&value) != NULL;
    bp_value_destroy(value);
    return bpt_exhaust_made(x, made);
}

static bp_status act_value_list(bpt_exhaust *x)
{
    bp_value values[2] = {bp_value_none(), bp_value_none()};
    bp_value list = bp_value_list(values, 2);
    bool made = bp_value_is_list(&list);
    bp_value_destroy(list);
    return bpt_exhaust_made(x, made);
}

static bp_status act_value_of_outcome(bpt_exhaust *x)
{
    return judge(x, bp_outcome_ok(bp_value_of_outcome(bp_outcome_cancelled("inside"))));
}

/* A list with bytes in it. */
static bp_status act_value_copy(bpt_exhaust *x)
{
    bp_value copy = bp_value_none();
    bp_value values[2] = {bp_value_of_payload(bp_json("1")), bp_value_of_payload(bp_json("2"))};
    bp_value list = bp_value_list(values, 2);
    bp_status status = bp_value_is_list(&list) ? bp_value_copy(&list, &copy, &x->error) : bpt_exhaust_made(x, false);
    bp_value_destroy(list);
    bp_value_destroy(copy);
    return status;
}

enum { ALONE = BPT_EXHAUST_NO_IO | BPT_EXHAUST_CLOSED };

#define MAKES(function, act)                   \
    {                                          \
        function, ALONE, 0, 0, NULL, act, NULL \
    }

static const bpt_exhaust_row rows[] = {
    MAKES("bp_outcome_ok", act_ok),
    MAKES("bp_outcome_error", act_error),
    MAKES("bp_outcome_retry", act_retry),
    MAKES("bp_outcome_pending", act_pending),
    MAKES("bp_outcome_cancelled", act_cancelled),
    MAKES("bp_outcome_batch", act_batch),
    MAKES("bp_outcome_of_status", act_of_status),
    MAKES("bp_outcome_map", act_map),
    MAKES("bp_outcome_and_then", act_and_then),
    MAKES("bp_outcome_and_then_if", act_and_then_if),
    MAKES("bp_outcome_map_err", act_map_err),
    MAKES("bp_outcome_or_else", act_or_else),
    MAKES("bp_outcome_inspect", act_inspect),
    MAKES("bp_outcome_inspect_err", act_inspect_err),
    MAKES("bp_outcome_flatten", act_flatten),
    MAKES("bp_outcome_zip", act_zip),
    MAKES("bp_outcome_join_all", act_join_all),
    MAKES("bp_outcome_join_any", act_join_any),
    MAKES("bp_outcome_into_result", act_into_result),
    MAKES("bp_outcome_unwrap_or", act_unwrap_or),
    MAKES("bp_outcome_unwrap_or_else", act_unwrap_or_else),
    {"bp_outcome_encode", ALONE, 0, 0, prepare_outcome, act_encode, finish_outcome},
    {"bp_outcome_decode", ALONE, 0, 0, prepare_text, act_decode, finish_outcome},
    {"bp_outcome_decode", ALONE, 0, 0, prepare_msgpack, act_decode_msgpack, finish_outcome},
    {"bp_output_new", ALONE, 0, 0, NULL, act_output_new, finish_outcome},
    {"bp_output_append", ALONE, 0, 0, prepare_output, act_output_append, finish_outcome},
    {"bp_output_extend", ALONE, 0, 0, prepare_output, act_output_extend, finish_outcome},
    MAKES("bp_value_of_payload", act_value_of_payload),
    MAKES("bp_value_list", act_value_list),
    MAKES("bp_value_of_outcome", act_value_of_outcome),
    MAKES("bp_value_copy", act_value_copy),
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("outcome", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
