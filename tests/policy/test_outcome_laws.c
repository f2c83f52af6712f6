/*
 * test_outcome_laws.c: what must hold of all outcomes, tried on random ones: the laws of functors and monads, distribution over
 * batches, the rules of zip and the joins. Two outcomes are equal if their texts are.
 */
#include "support/outcomes.h"

static int setup(void **state)
{
    (void)state;
    bpt_memory_begin(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_note("%s", "");
    (void)bpt_memory_end();
    return 0;
}

/* What is tried: a seed for outcomes, from which also the functions take what they do. */
typedef struct trial {
    uint64_t seed;
    uint64_t left;
} trial;

static trial first_trial(void)
{
    return (trial){.seed = bpt_seed(41), .left = bpt_amount("BATPAK_TRIALS", 800, 100000)};
}

static bool next_trial(trial *t)
{
    t->seed = t->seed * 6364136223846793005u + 1442695040888963407u;
    bpt_note("seed of the outcome %llu", (unsigned long long)t->seed);
    return t->left-- != 0;
}

static bp_value same(void *context, bp_value value)
{
    (void)context;
    return value;
}

static bp_value changed(bp_value value, int64_t factor, int64_t summand)
{
    bp_value result = bpt_number(bpt_number_of(&value) * factor + summand);
    bp_value_destroy(value);
    return result;
}

static bp_value f(void *context, bp_value value)
{
    (void)context;
    return changed(value, 3, 1);
}

static bp_value g(void *context, bp_value value)
{
    (void)context;
    return changed(value, -2, 7);
}

static bp_value f_then_g(void *context, bp_value value)
{
    return g(context, f(context, value));
}

/* Any outcome, always the same for a number. */
static bp_outcome *k(void *context, bp_value value)
{
    const trial *t = context;
    uint64_t number = (uint64_t)bpt_number_of(&value);
    bp_value_destroy(value);
    return bpt_random_outcome(t->seed ^ (number * 0x9e3779b97f4a7c15u));
}

static bp_outcome *h(void *context, bp_value value)
{
    trial other = {.seed = ((const trial *)context)->seed + 77};
    return k(&other, value);
}

static bp_outcome *pure(void *context, bp_value value)
{
    (void)context;
    return bp_outcome_ok(value);
}

static bp_outcome *pure_f(void *context, bp_value value)
{
    return bp_outcome_ok(f(context, value));
}

static bp_outcome *k_then_h(void *context, bp_value value)
{
    return bp_outcome_and_then(k(context, value), h, context);
}

static bp_value boxed_k(void *context, bp_value value)
{
    return bp_value_of_outcome(k(context, value));
}

static void maps_are_functors(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        SAME(bp_outcome_map(bpt_random_outcome(t.seed), same, NULL), bpt_random_outcome(t.seed));
        SAME(bp_outcome_map(bp_outcome_map(bpt_random_outcome(t.seed), f, NULL), g, NULL),
             bp_outcome_map(bpt_random_outcome(t.seed), f_then_g, NULL));
    }
}

static void and_then_is_a_monads(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        int64_t number = (int64_t)(t.seed % 100);
        SAME(bp_outcome_and_then(bpt_ok(number), k, &t), k(&t, bpt_number(number)));
        SAME(bp_outcome_and_then(bpt_random_outcome(t.seed), pure, NULL), bpt_random_outcome(t.seed));
        SAME(bp_outcome_and_then(bp_outcome_and_then(bpt_random_outcome(t.seed), k, &t), h, &t),
             bp_outcome_and_then(bpt_random_outcome(t.seed), k_then_h, &t));
        SAME(bp_outcome_and_then(bpt_random_outcome(t.seed), pure_f, NULL),
             bp_outcome_map(bpt_random_outcome(t.seed), f, NULL));
        SAME(bp_outcome_flatten(bp_outcome_map(bpt_random_outcome(t.seed), boxed_k, &t)),
             bp_outcome_and_then(bpt_random_outcome(t.seed), k, &t));
    }
}

static bool always(void *context, const bp_value *value)
{
    (void)context;
    return value != NULL;
}

static bool never(void *context, const bp_value *value)
{
    (void)context;
    return value == NULL;
}

static void unchanged(void *context, bp_failure *failure)
{
    (void)context;
    (void)failure;
}

static void flipped(void *context, bp_failure *failure)
{
    (void)context;
    failure->retryable = !failure->retryable;
}

static void as_conflict(void *context, bp_failure *failure)
{
    (void)context;
    failure->kind = BP_FAILURE_CONFLICT;
}

static void flipped_as_conflict(void *context, bp_failure *failure)
{
    flipped(context, failure);
    as_conflict(context, failure);
}

static bp_outcome *fails_again(void *context, const bp_failure *failure)
{
    (void)context;
    return bp_outcome_error(failure);
}

static bp_outcome *recovers(void *context, const bp_failure *failure)
{
    return k(context, bpt_number((int64_t)failure->message.size));
}

static void errors_have_the_same_laws(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        SAME(bp_outcome_map_err(bpt_random_outcome(t.seed), unchanged, NULL), bpt_random_outcome(t.seed));
        SAME(bp_outcome_map_err(bp_outcome_map_err(bpt_random_outcome(t.seed), flipped, NULL), as_conflict, NULL),
             bp_outcome_map_err(bpt_random_outcome(t.seed), flipped_as_conflict, NULL));
        SAME(bp_outcome_or_else(bpt_random_outcome(t.seed), fails_again, NULL), bpt_random_outcome(t.seed));
        SAME(bp_outcome_or_else(bpt_error(BP_FAILURE_TIMEOUT, "abc"), recovers, &t), k(&t, bpt_number(3)));
        SAME(bp_outcome_and_then_if(bpt_random_outcome(t.seed), always, k, &t),
             bp_outcome_and_then(bpt_random_outcome(t.seed), k, &t));
        SAME(bp_outcome_and_then_if(bpt_random_outcome(t.seed), never, k, &t), bpt_random_outcome(t.seed));
    }
}

static bp_outcome *applied(unsigned which, bp_outcome *outcome, trial *t)
{
    switch (which) {
    case 0:
        return bp_outcome_map(outcome, f, NULL);
    case 1:
        return bp_outcome_and_then(outcome, k, t);
    case 2:
        return bp_outcome_map_err(outcome, flipped, NULL);
    case 3:
        return bp_outcome_or_else(outcome, recovers, t);
    case 4:
        return bp_outcome_and_then_if(outcome, always, h, t);
    case 5:
        return bp_outcome_flatten(outcome);
    default:
        return bp_outcome_zip(outcome, bpt_ok(5)); /* an ok goes to each */
    }
}

static void all_distribute_over_batches(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        for (unsigned which = 0; which < 7; which++) {
            bp_outcome *before[3];
            bp_outcome *after[3];
            for (size_t index = 0; index < 3; index++) {
                before[index] = bpt_random_outcome(t.seed + index);
                after[index] = applied(which, bpt_random_outcome(t.seed + index), &t);
            }
            SAME(applied(which, bp_outcome_batch(before, 3), &t), bp_outcome_batch(after, 3));
        }
    }
}

static bp_value swapped(void *context, bp_value list)
{
    (void)context;
    bp_value values[] = {bp_value_list_take(&list, 1), bp_value_list_take(&list, 0)};
    bp_value_destroy(list);
    return bp_value_list(values, 2);
}

static bp_value f_and_g(void *context, bp_value list)
{
    bp_value values[] = {f(context, bp_value_list_take(&list, 0)), g(context, bp_value_list_take(&list, 1))};
    bp_value_destroy(list);
    return bp_value_list(values, 2);
}

static unsigned rank_of(const bp_outcome *outcome)
{
    static const unsigned ranks[] = {0, 5, 3, 2, 4, 1}; /* ok error retry pending cancelled batch */
    return ranks[bp_outcome_type_of(outcome)];
}

static void zip_is_natural_and_ranks(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        bp_outcome *a = bpt_random_outcome(t.seed);
        bp_outcome *b = bpt_random_outcome(t.seed + 1);
        unsigned rank_a = rank_of(a);
        unsigned rank_b = rank_of(b);
        bp_outcome *zipped = bp_outcome_zip(a, b);
        assert_int_equal(rank_of(zipped), rank_a > rank_b ? rank_a : rank_b);
        SAME(bp_outcome_map(zipped, f_and_g, NULL),
             bp_outcome_zip(bp_outcome_map(bpt_random_outcome(t.seed), f, NULL),
                            bp_outcome_map(bpt_random_outcome(t.seed + 1), g, NULL)));
        if (rank_a >= 2 || rank_b >= 2) { /* one of them, whole */
            SAME(bp_outcome_zip(bpt_random_outcome(t.seed), bpt_random_outcome(t.seed + 1)),
                 bpt_random_outcome(rank_a >= rank_b ? t.seed : t.seed + 1));
        }
        /* with an ok the sides can be changed: there are no ties below */
        SAME(bp_outcome_map(bp_outcome_zip(bpt_ok(1), bpt_random_outcome(t.seed)), swapped, NULL),
             bp_outcome_zip(bpt_random_outcome(t.seed), bpt_ok(1)));
    }
}

/* What join_all must give, from the leaves in order; a model of it. */
typedef struct leaves {
    char text[65536];
    char stopped[65536];
} leaves;

static void visit(leaves *all, const bp_outcome *root)
{
    const bp_outcome *stack[256] = {root};
    size_t count = 1;
    while (count > 0 && all->stopped[0] == '\0') {
        const bp_outcome *one = stack[--count];
        if (bp_outcome_is_batch(one)) {
            for (size_t index = bp_outcome_count(one); index > 0; index--) {
                assert_true(count < 256);
                stack[count++] = bp_outcome_at(one, index - 1);
            }
        } else if (bp_outcome_is_ok(one)) {
            size_t size = strlen(all->text);
            (void)snprintf(all->text + size, sizeof all->text - size, "%s%lld", size == 0 ? "" : ",",
                           (long long)bpt_number_of(bp_outcome_as_ok(one)));
        } else {
            char *text = bpt_text_of(one);
            assert_true(strlen(text) < sizeof all->stopped);
            memcpy(all->stopped, text, strlen(text) + 1);
            free(text);
        }
    }
}

static void join_all_is_its_model(void **state)
{
    static leaves all;
    static char wanted[sizeof all.text + 64];
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        bp_outcome *items[4];
        bp_outcome *again[4];
        size_t count = (size_t)(t.seed % 5);
        memset(&all, 0, sizeof all);
        for (size_t index = 0; index < count; index++) {
            items[index] = bpt_random_outcome(t.seed + index);
            again[index] = bpt_random_outcome(t.seed + index);
            visit(&all, items[index]);
        }
        (void)snprintf(wanted, sizeof wanted, "{\"type\":\"ok\",\"data\":[%s]}", all.text);
        IS(bp_outcome_join_all(items, count), all.stopped[0] != '\0' ? all.stopped : wanted);
        bp_outcome *batch[] = {bp_outcome_batch(again, count)}; /* batches are taken for what is in them */
        IS(bp_outcome_join_all(batch, 1), all.stopped[0] != '\0' ? all.stopped : wanted);
    }
}

static void join_any_is_its_model(void **state)
{
    (void)state;
    for (trial t = first_trial(); next_trial(&t);) {
        bp_outcome *items[4];
        size_t count = 1 + (size_t)(t.seed % 4);
        size_t wanted = count - 1;
        for (size_t index = count; index > 0; index--) {
            items[index - 1] = bpt_random_outcome(t.seed + index - 1);
            wanted = bp_outcome_is_error(items[index - 1]) ? wanted : index - 1;
        }
        SAME(bp_outcome_join_any(items, count), bpt_random_outcome(t.seed + wanted));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(maps_are_functors),           CASE(and_then_is_a_monads),     CASE(errors_have_the_same_laws),
        CASE(all_distribute_over_batches), CASE(zip_is_natural_and_ranks), CASE(join_all_is_its_model),
        CASE(join_any_is_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
