/*
 * test_outcome.c: making outcomes, looking at them, each combinator, zip and the joins by their tables; what is taken is freed.
 */
#include "support/outcomes.h"

static int setup(void **state)
{
    (void)state;
    bpt_note("%s", "");
    bpt_memory_begin(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)bpt_memory_end();
    return 0;
}

static bp_outcome *batch_of(bp_outcome *a, bp_outcome *b)
{
    bp_outcome *items[] = {a, b};
    return bp_outcome_batch(items, 2);
}

/* ---- variants ---- */

static void every_variant_carries_what_it_was_given(void **state)
{
    (void)state;
    char words[] = "no such order";
    bp_id ids[] = {bp_id_from_parts(0, 1), bp_id_from_parts(0, 2)};
    bp_compensation compensation = bp_compensation_rollback(ids, 2);
    bp_failure failure = bp_failure_of(BP_FAILURE_NOT_FOUND, words);
    failure.compensation = &compensation;
    bp_outcome *error = bp_outcome_error(&failure);
    memset(words, 'x', sizeof words - 1); /* all of it was copied */
    memset(ids, 0, sizeof ids);
    const bp_failure *kept = bp_outcome_as_error(error);
    assert_int_equal(kept->kind, BP_FAILURE_NOT_FOUND);
    assert_true(bp_text_equal(kept->message, bp_text_of("no such order")));
    assert_int_equal(kept->message.data[kept->message.size], 0);
    assert_false(kept->retryable);
    assert_int_equal(kept->compensation->id_count, 2);
    assert_true(bp_id_low(&kept->compensation->ids[1]) == 2);
    bp_outcome_free(error);

    bp_outcome *retry = bp_outcome_retry(250, 2, 5, "busy");
    assert_true(bp_outcome_as_retry(retry)->after_ms == 250 && bp_outcome_as_retry(retry)->attempt == 2 &&
                bp_outcome_as_retry(retry)->max_attempts == 5);
    assert_string_equal(bp_outcome_as_retry(retry)->reason.data, "busy");
    bp_outcome_free(retry);

    bp_outcome *cancelled = bp_outcome_cancelled(NULL);
    assert_int_equal(bp_outcome_as_cancelled(cancelled)->size, 0);
    bp_outcome_free(cancelled);

    bp_outcome *ok = bpt_ok(7);
    assert_int_equal(bpt_number_of(bp_outcome_as_ok(ok)), 7);
    bp_outcome_free(ok);
    bp_outcome *nothing = bp_outcome_ok(bp_value_none());
    assert_null(bp_outcome_as_ok(nothing)->type);
    bp_outcome_free(nothing);

    bp_outcome *batch = batch_of(bpt_ok(1), bp_outcome_cancelled("no"));
    assert_int_equal(bp_outcome_count(batch), 2);
    assert_true(bp_outcome_is_cancelled(bp_outcome_at(batch, 1)));
    assert_null(bp_outcome_at(batch, 2));
    bp_outcome_free(batch);
    bp_outcome_free(NULL);
}

static void predicates_tell_the_variants_apart(void **state)
{
    (void)state;
    bp_outcome *all[] = {bpt_ok(1),    bpt_error(BP_FAILURE_STORAGE, "e"), bp_outcome_retry(1, 1, 1, "r"),
                         bpt_until(5), bp_outcome_cancelled("c"),          bp_outcome_batch(NULL, 0)};
    for (size_t index = 0; index < 6; index++) {
        const bp_outcome *one = all[index];
        assert_int_equal(bp_outcome_type_of(one), index);
        assert_int_equal(bp_outcome_is_ok(one), index == 0);
        assert_int_equal(bp_outcome_is_error(one), index == 1);
        assert_int_equal(bp_outcome_is_retry(one), index == 2);
        assert_int_equal(bp_outcome_is_pending(one), index == 3);
        assert_int_equal(bp_outcome_is_cancelled(one), index == 4);
        assert_int_equal(bp_outcome_is_batch(one), index == 5);
        assert_int_equal(bp_outcome_is_terminal(one), index == 0 || index == 1 || index == 4);
        assert_int_equal(bp_outcome_as_ok(one) != NULL, index == 0);
        assert_int_equal(bp_outcome_as_error(one) != NULL, index == 1);
        assert_int_equal(bp_outcome_as_retry(one) != NULL, index == 2);
        assert_int_equal(bp_outcome_as_pending(one) != NULL, index == 3);
        assert_int_equal(bp_outcome_as_cancelled(one) != NULL, index == 4);
    }
    for (size_t index = 0; index < 6; index++) {
        bp_outcome_free(all[index]);
    }
    assert_string_equal(bp_outcome_type_name(BP_OUTCOME_PENDING), "pending");
    assert_string_equal(bp_outcome_type_name((bp_outcome_type)6), "?");
}

static void kinds_of_failure_are_domain_or_operational(void **state)
{
    (void)state;
    unsigned domain = 0;
    unsigned operational = 0;
    unsigned retryable = 0;
    for (unsigned kind = 0; kind <= BP_FAILURE_CUSTOM; kind++) {
        bp_failure_kind one = (bp_failure_kind)kind;
        assert_false(bp_failure_kind_is_domain(one) && bp_failure_kind_is_operational(one));
        domain += bp_failure_kind_is_domain(one);
        operational += bp_failure_kind_is_operational(one);
        retryable += bp_failure_kind_is_retryable(one);
        assert_int_equal(bp_failure_of(one, "").retryable, bp_failure_kind_is_retryable(one));
    }
    assert_true(domain == 4 && operational == 4 && retryable == 2);
    assert_true(bp_failure_kind_is_retryable(BP_FAILURE_STORAGE) && bp_failure_kind_is_retryable(BP_FAILURE_TIMEOUT));
    assert_true(bp_failure_kind_is_domain(BP_FAILURE_POLICY_REJECTION));
    assert_string_equal(bp_failure_kind_name(BP_FAILURE_POLICY_REJECTION), "policy-rejection");
    assert_string_equal(bp_failure_kind_name((bp_failure_kind)99), "?");
}

static void what_was_not_given_is_an_error(void **state)
{
    (void)state;
    assert_true(bp_outcome_is_error(NULL));
    assert_int_equal(bp_outcome_as_error(NULL)->kind, BP_FAILURE_INTERNAL);
    IS(bp_outcome_map(NULL, NULL, NULL), "{\"type\":\"error\",\"data\":{\"kind\":\"internal\",\"message\":\"no outcome "
                                         "was given\",\"retryable\":false}}");
    bp_outcome *items[] = {NULL};
    bp_outcome *batch = bp_outcome_batch(items, 1);
    assert_non_null(bp_outcome_at(batch, 0));
    assert_true(bp_outcome_is_error(bp_outcome_at(batch, 0)));
    bp_outcome_free(batch);
    bp_value some[] = {bpt_number(1), bp_value_no_memory(), bpt_number(2)};
    bp_outcome *list = bp_outcome_ok(bp_value_list(some, 3));
    assert_true(bp_text_equal(bp_outcome_as_error(list)->message, bp_text_of("out of memory")));
    bp_outcome_free(list);
    bp_failure odd = {.kind = (bp_failure_kind)77};
    bp_outcome *error = bp_outcome_error(&odd);
    assert_int_equal(bp_outcome_as_error(error)->kind, BP_FAILURE_VALIDATION);
    bp_outcome_free(error);
    assert_true(bp_outcome_is_error(bp_outcome_error(NULL)));
    assert_true(bp_outcome_is_error(bp_outcome_pending(NULL, NULL)));
    bp_value none = bp_outcome_unwrap_or(NULL, bp_value_none());
    assert_null(none.type);
}

static void a_status_becomes_an_outcome(void **state)
{
    (void)state;
    static const struct {
        bp_status status;
        bp_failure_kind kind;
        bool retryable;
    } rows[] = {
        {BP_ERR_NOT_FOUND, BP_FAILURE_NOT_FOUND, false},     {BP_ERR_CONFLICT, BP_FAILURE_CONFLICT, false},
        {BP_ERR_IDEMPOTENCY, BP_FAILURE_CONFLICT, false},    {BP_ERR_NAME, BP_FAILURE_VALIDATION, false},
        {BP_ERR_DENIED, BP_FAILURE_POLICY_REJECTION, false}, {BP_ERR_IO, BP_FAILURE_STORAGE, true},
        {BP_ERR_CORRUPT, BP_FAILURE_STORAGE, false},         {BP_ERR_TIMEOUT, BP_FAILURE_TIMEOUT, true},
        {BP_ERR_FORMAT, BP_FAILURE_SERIALIZATION, false},    {BP_ERR_CLOSED, BP_FAILURE_INTERNAL, false},
        {BP_ERR_NO_MEMORY, BP_FAILURE_INTERNAL, false},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        bp_outcome *outcome = bp_outcome_of_status(rows[index].status, NULL, bpt_number(1));
        assert_int_equal(bp_outcome_as_error(outcome)->kind, rows[index].kind);
        assert_int_equal(bp_outcome_as_error(outcome)->retryable, rows[index].retryable);
        bp_outcome_free(outcome);
    }
    bp_error error = {.status = BP_ERR_CONFLICT, .message = "the entity has moved"};
    bp_outcome *outcome = bp_outcome_of_status(BP_ERR_CONFLICT, &error, bp_value_none());
    assert_string_equal(bp_outcome_as_error(outcome)->message.data, "the entity has moved");
    bp_outcome_free(outcome);
    IS(bp_outcome_of_status(BP_OK, NULL, bpt_number(3)), "{\"type\":\"ok\",\"data\":3}");
}

/* ---- combinators ---- */

static bp_value twice(void *context, bp_value value)
{
    ++*(int *)context;
    bp_value result = bpt_number(2 * bpt_number_of(&value));
    bp_value_destroy(value);
    return result;
}

static bp_outcome *half(void *context, bp_value value)
{
    (void)context;
    int64_t number = bpt_number_of(&value);
    bp_value_destroy(value);
    return number % 2 == 0 ? bpt_ok(number / 2) : bpt_error(BP_FAILURE_VALIDATION, "odd");
}

static void louder(void *context, bp_failure *failure)
{
    (void)context;
    failure->message = bp_text_of("ODD");
    failure->retryable = true;
}

static bp_outcome *zero(void *context, const bp_failure *failure)
{
    *(bool *)context = bp_text_equal(failure->message, bp_text_of("odd"));
    return bpt_ok(0);
}

static void sum(void *context, const bp_value *value)
{
    *(int64_t *)context += bpt_number_of(value);
}

static void count(void *context, const bp_failure *failure)
{
    *(int64_t *)context += failure->message.size > 0;
}

static bool is_large(void *context, const bp_value *value)
{
    (void)context;
    return bpt_number_of(value) > 10;
}

#define ODD "{\"type\":\"error\",\"data\":{\"kind\":\"validation\",\"message\":\"odd\",\"retryable\":false}}"

static void each_combinator_does_its_part(void **state)
{
    (void)state;
    int calls = 0;
    bool seen = false;
    int64_t number = 0;
    IS(bp_outcome_map(bpt_ok(21), twice, &calls), "{\"type\":\"ok\",\"data\":42}");
    IS(bp_outcome_map(bp_outcome_cancelled("x"), twice, &calls),
       "{\"type\":\"cancelled\",\"data\":{\"reason\":\"x\"}}");
    assert_int_equal(calls, 1);
    IS(bp_outcome_and_then(bpt_ok(4), half, NULL), "{\"type\":\"ok\",\"data\":2}");
    IS(bp_outcome_and_then(bpt_ok(5), half, NULL), ODD);
    IS(bp_outcome_and_then_if(bpt_ok(4), is_large, half, NULL), "{\"type\":\"ok\",\"data\":4}");
    IS(bp_outcome_and_then_if(bpt_ok(40), is_large, half, NULL), "{\"type\":\"ok\",\"data\":20}");
    IS(bp_outcome_map_err(bp_outcome_and_then(bpt_ok(5), half, NULL), louder, NULL),
       "{\"type\":\"error\",\"data\":{\"kind\":\"validation\",\"message\":\"ODD\",\"retryable\":true}}");
    IS(bp_outcome_map_err(bpt_ok(5), louder, NULL), "{\"type\":\"ok\",\"data\":5}");
    IS(bp_outcome_or_else(bp_outcome_and_then(bpt_ok(5), half, NULL), zero, &seen), "{\"type\":\"ok\",\"data\":0}");
    assert_true(seen);
    IS(bp_outcome_inspect(batch_of(bpt_ok(3), bpt_ok(4)), sum, &number),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":3},{\"type\":\"ok\",\"data\":4}]}");
    assert_int_equal(number, 7);
    IS(bp_outcome_inspect_err(bpt_error(BP_FAILURE_VALIDATION, "odd"), count, &number), ODD);
    assert_int_equal(number, 8);
}

static void combinators_reach_through_batches(void **state)
{
    (void)state;
    int calls = 0;
    bp_outcome *deep = bpt_ok(1);
    for (unsigned depth = 0; depth < 50000; depth++) { /* no stack could hold it */
        bp_outcome *items[] = {deep};
        deep = bp_outcome_batch(items, 1);
    }
    deep = bp_outcome_map(deep, twice, &calls);
    assert_int_equal(calls, 1);
    const bp_outcome *leaf = deep;
    while (bp_outcome_is_batch(leaf)) {
        leaf = bp_outcome_at(leaf, 0);
    }
    assert_int_equal(bpt_number_of(bp_outcome_as_ok(leaf)), 2);
    bp_error error = {0};
    bp_output *output = bp_output_new(NULL);
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_outcome_encode(deep, BP_PAYLOAD_JSON, output, &error), &error);
    assert_int_equal(bp_output_size(output), 0);
    bp_output_free(output);
    deep = bp_outcome_zip(deep, bpt_ok(9));
    bp_outcome *items[] = {deep};
    IS(bp_outcome_join_all(items, 1), "{\"type\":\"ok\",\"data\":[[2,9]]}");

    /* what a function gives is not gone into again */
    IS(bp_outcome_and_then(batch_of(bpt_ok(4), bpt_ok(3)), half, NULL),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":2}," ODD "]}");
}

static void flatten_takes_one_layer(void **state)
{
    (void)state;
    bp_outcome *inner = bp_outcome_ok(bp_value_of_outcome(bpt_ok(1)));
    IS(bp_outcome_flatten(bp_outcome_ok(bp_value_of_outcome(inner))),
       "{\"type\":\"ok\",\"data\":{\"type\":\"ok\",\"data\":1}}");
    IS(bp_outcome_flatten(bp_outcome_ok(bp_value_of_outcome(bp_outcome_cancelled("c")))),
       "{\"type\":\"cancelled\",\"data\":{\"reason\":\"c\"}}");
    IS(bp_outcome_flatten(bpt_ok(1)), "{\"type\":\"ok\",\"data\":1}");
}

static bp_value nine(void *context)
{
    ++*(int *)context;
    return bpt_number(9);
}

static void ends_give_the_value_or_something_else(void **state)
{
    (void)state;
    bp_value value;
    bp_outcome *error = NULL;
    int calls = 0;
    value = bp_outcome_unwrap_or(bpt_ok(1), bpt_number(2));
    assert_int_equal(bpt_number_of(&value), 1);
    bp_value_destroy(value);
    value = bp_outcome_unwrap_or(bp_outcome_cancelled("c"), bpt_number(2));
    assert_int_equal(bpt_number_of(&value), 2);
    bp_value_destroy(value);
    value = bp_outcome_unwrap_or_else(bpt_ok(1), nine, &calls);
    assert_int_equal(bpt_number_of(&value), 1);
    bp_value_destroy(value);
    value = bp_outcome_unwrap_or_else(batch_of(bpt_ok(1), bpt_ok(2)), nine, &calls);
    assert_int_equal(bpt_number_of(&value), 9);
    assert_int_equal(calls, 1);
    bp_value_destroy(value);
    assert_true(bp_outcome_into_result(bpt_ok(3), &value, &error));
    assert_null(error);
    assert_int_equal(bpt_number_of(&value), 3);
    bp_value_destroy(value);
    static const struct {
        const char *says;
        bp_failure_kind kind;
    } rows[] = {{"e", BP_FAILURE_CONFLICT},
                {"after 5 ms (attempt 1 of 2): busy", BP_FAILURE_TIMEOUT},
                {"00000000-0000-0000-0000-000000000005", BP_FAILURE_INTERNAL},
                {"cancelled: enough", BP_FAILURE_INTERNAL},
                {"batch of 2", BP_FAILURE_INTERNAL}};
    bp_outcome *others[] = {bpt_error(BP_FAILURE_CONFLICT, "e"), bp_outcome_retry(5, 1, 2, "busy"), bpt_until(5),
                            bp_outcome_cancelled("enough"), batch_of(bpt_ok(1), bpt_ok(2))};
    for (size_t index = 0; index < 5; index++) {
        assert_false(bp_outcome_into_result(others[index], &value, &error));
        assert_null(value.type);
        CHECK(strstr(bp_outcome_as_error(error)->message.data, rows[index].says) != NULL, "%s",
              bp_outcome_as_error(error)->message.data);
        assert_int_equal(bp_outcome_as_error(error)->kind, rows[index].kind);
        bp_outcome_free(error);
    }
}

/* ---- zip and joins ---- */

static bp_outcome *variant(unsigned type, int which)
{
    char text[8];
    (void)snprintf(text, sizeof text, "%d", which);
    switch ((bp_outcome_type)type) {
    case BP_OUTCOME_OK:
        return bpt_ok(which);
    case BP_OUTCOME_ERROR:
        return bpt_error(BP_FAILURE_INTERNAL, text);
    case BP_OUTCOME_RETRY:
        return bp_outcome_retry(1, 1, 1, text);
    case BP_OUTCOME_PENDING:
        return bpt_until((uint64_t)which);
    case BP_OUTCOME_CANCELLED:
        return bp_outcome_cancelled(text);
    default:
        return batch_of(bpt_ok(which), bpt_ok(which + 10));
    }
}

static void zip_goes_by_rank_and_the_first_on_ties(void **state)
{
    static const bp_outcome_type by_rank[] = {BP_OUTCOME_OK,    BP_OUTCOME_BATCH,     BP_OUTCOME_PENDING,
                                              BP_OUTCOME_RETRY, BP_OUTCOME_CANCELLED, BP_OUTCOME_ERROR};
    (void)state;
    for (unsigned a = 0; a < 6; a++) {
        for (unsigned b = 0; b < 6; b++) {
            if (a < 2 && b < 2) {
                continue; /* below */
            }
            bpt_note("zip of rank %u and %u", a, b);
            SAME(bp_outcome_zip(variant(by_rank[a], 1), variant(by_rank[b], 2)),
                 a >= b ? variant(by_rank[a], 1) : variant(by_rank[b], 2));
        }
    }
    bpt_note("%s", "");
    IS(bp_outcome_zip(bpt_ok(1), bpt_ok(2)), "{\"type\":\"ok\",\"data\":[1,2]}");
    IS(bp_outcome_zip(batch_of(bpt_ok(1), bpt_ok(2)), bpt_ok(3)),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":[1,3]},{\"type\":\"ok\",\"data\":[2,3]}]}");
    IS(bp_outcome_zip(bpt_ok(3), batch_of(bpt_ok(1), bp_outcome_cancelled("c"))),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":[3,1]},{\"type\":\"cancelled\",\"data\":{\"reason\":"
       "\"c\"}}]}");
    bp_outcome *three[] = {bpt_ok(7), bpt_ok(8), bpt_ok(9)};
    IS(bp_outcome_zip(batch_of(bpt_ok(1), bpt_ok(2)), bp_outcome_batch(three, 3)),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":[1,7]},{\"type\":\"ok\",\"data\":[2,8]}]}");
    IS(bp_outcome_zip(bp_outcome_batch(NULL, 0), bpt_ok(3)), "{\"type\":\"batch\",\"data\":[]}");
}

static void what_cannot_be_copied_is_told_where_it_would_be(void **state)
{
    (void)state;
    bp_value number = bpt_number(1);
    bp_outcome *single = bp_outcome_ok(bp_value_of(&bpt_single_type, number.data));
    bp_outcome *zipped = bp_outcome_zip(batch_of(bpt_ok(1), bp_outcome_cancelled("c")), single);
    CHECK(strstr(bp_outcome_as_error(bp_outcome_at(zipped, 0))->message.data, "'single'") != NULL, "no name");
    assert_int_equal(bp_outcome_as_error(bp_outcome_at(zipped, 0))->kind, BP_FAILURE_INTERNAL);
    bp_outcome_free(zipped);
    /* two that are not copied are zipped all the same, and the list of them knows that it cannot be copied */
    bp_value other = bpt_number(2);
    number = bpt_number(1);
    zipped = bp_outcome_zip(bp_outcome_ok(bp_value_of(&bpt_single_type, number.data)),
                            bp_outcome_ok(bp_value_of(&bpt_single_type, other.data)));
    bp_value copy;
    bp_error error;
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_value_copy(bp_outcome_as_ok(zipped), &copy, &error), &error);
    CHECK_SAYS(&error, "'single'");
    bp_outcome_free(zipped);
}

static void join_all_is_the_first_that_is_not_ok_or_all(void **state)
{
    (void)state;
    IS(bp_outcome_join_all(NULL, 0), "{\"type\":\"ok\",\"data\":[]}");
    bp_outcome *good[] = {bpt_ok(1), batch_of(bpt_ok(2), batch_of(bpt_ok(3), bpt_ok(4))), bpt_ok(5)};
    IS(bp_outcome_join_all(good, 3), "{\"type\":\"ok\",\"data\":[1,2,3,4,5]}");
    for (unsigned type = 1; type < 5; type++) {
        bp_outcome *items[] = {bpt_ok(1), batch_of(bpt_ok(2), variant(type, 8)),
                               bpt_error(BP_FAILURE_CONFLICT, "later")};
        SAME(bp_outcome_join_all(items, 3), variant(type, 8));
    }
}

static void join_any_is_the_first_ok_or_what_ends_the_search(void **state)
{
    (void)state;
    bp_outcome *nothing = bp_outcome_join_any(NULL, 0);
    assert_int_equal(bp_outcome_as_error(nothing)->kind, BP_FAILURE_INTERNAL);
    bp_outcome_free(nothing);
    for (unsigned type = 0; type < 6; type++) {
        bp_outcome *items[] = {variant(BP_OUTCOME_ERROR, 1), variant(type, 2), variant(BP_OUTCOME_OK, 3),
                               variant(BP_OUTCOME_RETRY, 4)};
        SAME(bp_outcome_join_any(items, 4), type == BP_OUTCOME_ERROR ? variant(BP_OUTCOME_OK, 3) : variant(type, 2));
    }
    bp_outcome *errors[] = {variant(BP_OUTCOME_ERROR, 1), variant(BP_OUTCOME_ERROR, 2)};
    SAME(bp_outcome_join_any(errors, 2), variant(BP_OUTCOME_ERROR, 2));
}

static void lists_hand_out_what_they_hold(void **state)
{
    (void)state;
    bp_value items[] = {bpt_number(1), bp_value_of_payload(bp_json("{}"))};
    bp_value list = bp_value_list(items, 2);
    assert_true(bp_value_is_list(&list));
    assert_int_equal(bp_value_list_count(&list), 2);
    assert_int_equal(bp_value_payload(bp_value_list_at(&list, 1))->size, 2);
    assert_null(bp_value_list_at(&list, 2));
    bp_value copy;
    bp_error error;
    CHECK_OK(bp_value_copy(&list, &copy, &error), &error);
    bp_value taken = bp_value_list_take(&list, 0);
    assert_int_equal(bpt_number_of(&taken), 1);
    assert_null(bp_value_list_at(&list, 0)->type);
    assert_null(bp_value_list_take(&list, 7).type);
    assert_int_equal(bpt_number_of(bp_value_list_at(&copy, 0)), 1);
    bp_value_destroy(taken);
    bp_value_destroy(list);
    bp_value_destroy(copy);
    bp_value none = bp_value_none();
    assert_false(bp_value_is_list(&none));
    assert_null(bp_value_data(&none, NULL));
}

/* ---- conditions ---- */

static bool known(void *context, const bp_wait *condition)
{
    ++*(int *)context;
    return condition->type == BP_WAIT_CUSTOM ? condition->tag == 7 : bp_id_low(&condition->event) == 1;
}

static void conditions_hold_when_they_should(void **state)
{
    (void)state;
    int asked = 0;
    bp_id yes = bp_id_from_parts(0, 1);
    bp_id no = bp_id_from_parts(0, 2);
    const bp_wait ones[] = {bp_wait_until(10), bp_wait_event(&yes), bp_wait_event(&no), bp_wait_custom(7, "x", 1)};
    assert_true(bp_wait_holds(&ones[0], 10, NULL, NULL) && !bp_wait_holds(&ones[0], 9, NULL, NULL));
    assert_true(bp_wait_holds(&ones[1], 0, known, &asked) && !bp_wait_holds(&ones[2], 0, known, &asked));
    assert_true(bp_wait_holds(&ones[3], 0, known, &asked) && !bp_wait_holds(&ones[3], 0, NULL, NULL));
    const bp_wait groups[] = {bp_wait_all(ones, 2), bp_wait_any(ones + 1, 2), bp_wait_all(ones, 4),
                              bp_wait_all(NULL, 0), bp_wait_any(NULL, 0)};
    assert_true(bp_wait_holds(&groups[0], 10, known, &asked) && !bp_wait_holds(&groups[0], 9, known, &asked));
    assert_true(bp_wait_holds(&groups[1], 0, known, &asked) && !bp_wait_holds(&groups[2], 10, known, &asked));
    assert_true(bp_wait_holds(&groups[3], 0, NULL, NULL) && !bp_wait_holds(&groups[4], 0, NULL, NULL));
    bp_wait nested = bp_wait_any(groups + 2, 3);
    assert_true(bp_wait_holds(&nested, 0, known, &asked));
    bp_wait all = bp_wait_all(groups, 2);
    assert_true(bp_wait_holds(&all, 10, known, &asked));
    asked = 0;
    bp_wait first = bp_wait_any(ones + 1, 3); /* what is decided is not asked on */
    assert_true(bp_wait_holds(&first, 0, known, &asked) && asked == 1);
}

static void conditions_have_limits(void **state)
{
    (void)state;
    static bp_wait many[BP_WAIT_MAX];
    bp_wait deep[BP_OUTCOME_DEPTH_MAX + 1];
    bp_id token = bp_id_from_parts(0, 1);
    for (size_t index = 0; index < BP_WAIT_MAX; index++) {
        many[index] = bp_wait_until(index);
    }
    bp_wait fits = bp_wait_all(many, BP_WAIT_MAX - 1);
    bp_outcome *outcome = bp_outcome_pending(&fits, &token);
    assert_true(bp_outcome_is_pending(outcome));
    assert_true(bp_outcome_as_pending(outcome)->condition.items[BP_WAIT_MAX - 2].until_ms == BP_WAIT_MAX - 2);
    bp_outcome_free(outcome);
    bp_wait too_many = bp_wait_all(many, BP_WAIT_MAX);
    outcome = bp_outcome_pending(&too_many, &token);
    assert_int_equal(bp_outcome_as_error(outcome)->kind, BP_FAILURE_VALIDATION);
    bp_outcome_free(outcome);
    deep[0] = bp_wait_until(1);
    for (size_t index = 1; index <= BP_OUTCOME_DEPTH_MAX; index++) {
        deep[index] = bp_wait_any(&deep[index - 1], 1);
    }
    outcome = bp_outcome_pending(&deep[BP_OUTCOME_DEPTH_MAX - 1], &token);
    assert_true(bp_outcome_is_pending(outcome));
    assert_true(bp_wait_holds(&bp_outcome_as_pending(outcome)->condition, 1, NULL, NULL));
    bp_outcome_free(outcome);
    outcome = bp_outcome_pending(&deep[BP_OUTCOME_DEPTH_MAX], &token);
    assert_true(bp_outcome_is_error(outcome));
    bp_outcome_free(outcome);
    bp_wait circle = bp_wait_all(&circle, 1); /* never ends, and is refused */
    outcome = bp_outcome_pending(&circle, &token);
    assert_true(bp_outcome_is_error(outcome));
    bp_outcome_free(outcome);
    assert_false(bp_wait_holds(&circle, 0, NULL, NULL));
    const bp_wait odd[] = {{.type = (bp_wait_type)9}, {.type = BP_WAIT_ALL, .items = NULL, .item_count = 3}};
    for (size_t index = 0; index < 2; index++) {
        outcome = bp_outcome_pending(&odd[index], &token);
        assert_int_equal(bp_outcome_as_error(outcome)->kind, BP_FAILURE_VALIDATION);
        bp_outcome_free(outcome);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_variant_carries_what_it_was_given),
        CASE(predicates_tell_the_variants_apart),
        CASE(kinds_of_failure_are_domain_or_operational),
        CASE(what_was_not_given_is_an_error),
        CASE(a_status_becomes_an_outcome),
        CASE(each_combinator_does_its_part),
        CASE(combinators_reach_through_batches),
        CASE(flatten_takes_one_layer),
        CASE(ends_give_the_value_or_something_else),
        CASE(zip_goes_by_rank_and_the_first_on_ties),
        CASE(what_cannot_be_copied_is_told_where_it_would_be),
        CASE(join_all_is_the_first_that_is_not_ok_or_all),
        CASE(join_any_is_the_first_ok_or_what_ends_the_search),
        CASE(lists_hand_out_what_they_hold),
        CASE(conditions_hold_when_they_should),
        CASE(conditions_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
