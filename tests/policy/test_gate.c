/*
 * test_gate.c: gates by themselves: sets, denials, defects.
 */
#include "support/check.h"

typedef struct request {
    int amount;
    unsigned *asked;
} request;

static bp_verdict at_most(const void *state, const void *context, bp_denial *denial)
{
    const request *asked = context;
    int most = *(const int *)state;
    if (asked->asked != NULL) {
        (*asked->asked)++;
    }
    if (asked->amount <= most) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict = bp_denial_say(denial, "TOO_MUCH", "%d is over %d", asked->amount, most);
    bp_denial_add(denial, "amount", "%d", asked->amount);
    bp_denial_add(denial, "most", "%d", most);
    return verdict;
}

static bp_verdict forgets_its_verdict(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)bp_denial_say(denial, "WHATEVER", "the ledger was not to be had");
    return (bp_verdict)0;
}

static bp_verdict says_nothing(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_DENY;
}

static unsigned released;

static void release(void *state)
{
    (void)state;
    released++;
}

static int ten = 10;
static int five = 5;

static bp_gate_set *set_of(const bp_gate *gates, size_t count)
{
    bp_gate_set *set = NULL;
    bp_error error = {0};
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(bp_gate_set_push(set, &gates[i], &error), &error);
    }
    return set;
}

static void the_first_denial_wins(void **state)
{
    (void)state;
    const bp_gate gates[] = {{"limit.high", "at most ten", at_most, &ten, NULL},
                             {"limit.low", "at most five", at_most, &five, NULL},
                             {"mute", "nothing at all", says_nothing, NULL, NULL}};
    bp_gate_set *set = set_of(gates, 3);
    bp_error error = {0};
    bp_denial denial;
    unsigned asked = 0;
    request seven = {7, &asked};
    assert_int_equal(bp_gate_set_length(set), 3);
    assert_string_equal(bp_gate_set_name(set, 1), "limit.low");
    assert_string_equal(bp_gate_set_description(set, 1), "at most five");
    assert_null(bp_gate_set_name(set, 3));
    CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate(set, &seven, &denial, &error), &error);
    assert_int_equal(asked, 2);
    assert_string_equal(denial.gate, "limit.low");
    assert_string_equal(denial.code, "TOO_MUCH");
    assert_string_equal(denial.message, "7 is over 5");
    assert_string_equal(bp_denial_find(&denial, "most"), "5");
    assert_null(bp_denial_find(&denial, "least"));
    char text[64];
    assert_int_equal(bp_denial_format(&denial, text, sizeof text), strlen("[limit.low] 7 is over 5"));
    assert_string_equal(text, "[limit.low] 7 is over 5");
    assert_string_equal(error.message, "[limit.low] 7 is over 5");
    CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate(set, &seven, NULL, NULL), &error);
    bp_gate_set_free(set);
}

static void evaluating_all_tells_every_denial_and_defect(void **state)
{
    (void)state;
    const bp_gate gates[] = {{"high", "at most ten", at_most, &ten, NULL},
                             {"broken", NULL, forgets_its_verdict, NULL, NULL},
                             {"low", "at most five", at_most, &five, NULL},
                             {"mute", "nothing at all", says_nothing, NULL, NULL}};
    bp_gate_set *set = set_of(gates, 4);
    bp_error error = {0};
    bp_denial denials[4];
    size_t count = 0;
    request eleven = {11, NULL};
    request one = {1, NULL};
    CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate_all(set, &eleven, denials, 4, &count, &error), &error);
    assert_int_equal(count, 4);
    assert_string_equal(denials[0].gate, "high");
    assert_string_equal(denials[1].code, BP_GATE_DEFECT);
    assert_non_null(strstr(denials[1].message, "the ledger was not to be had"));
    assert_string_equal(denials[2].gate, "low");
    assert_string_equal(denials[3].message, "nothing at all");
    assert_string_equal(denials[3].code, "DENIED");
    CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate_all(set, &one, denials, 1, &count, &error), &error);
    assert_int_equal(count, 2); /* counted, though there is room for one */
    assert_string_equal(denials[0].gate, "broken");
    CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate_all(set, &one, NULL, 0, &count, &error), &error);
    assert_string_equal(error.message, "[broken] the gate failed itself: the ledger was not to be had");
    bp_gate_set_free(set);
}

static void an_empty_set_passes_everything(void **state)
{
    (void)state;
    bp_gate_set *set = set_of(NULL, 0);
    bp_error error = {0};
    size_t count = 9;
    CHECK_OK(bp_gate_set_evaluate(set, NULL, NULL, &error), &error);
    CHECK_OK(bp_gate_set_evaluate_all(set, NULL, NULL, 0, &count, &error), &error);
    assert_int_equal(count, 0);
    bp_gate_set_free(set);
}

static void bad_gates_are_refused(void **state)
{
    (void)state;
    bp_gate_set *set = set_of(NULL, 0);
    bp_error error = {0};
    bp_gate gate = {"fine", NULL, at_most, &ten, release};
    char name[BP_GATE_NAME_MAX + 2];
    released = 0;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_push(NULL, &gate, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_push(set, NULL, &error), &error);
    gate.evaluate = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_push(set, &gate, &error), &error);
    gate.evaluate = at_most;
    const char *const bad[] = {NULL, "", "1st", "a b", "a]b", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gate.name = bad[i];
        CHECK_STATUS(BP_ERR_NAME, bp_gate_set_push(set, &gate, &error), &error);
    }
    memset(name, 'a', sizeof name);
    name[BP_GATE_NAME_MAX + 1] = '\0';
    gate.name = name;
    CHECK_STATUS(BP_ERR_NAME, bp_gate_set_push(set, &gate, &error), &error);
    name[BP_GATE_NAME_MAX] = '\0';
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
    CHECK_STATUS(BP_ERR_EXISTS, bp_gate_set_push(set, &gate, &error), &error);
    assert_int_equal(released, 0);
    for (size_t i = 1; i < BP_GATES_MAX; i++) {
        (void)snprintf(name, sizeof name, "gate%zu", i);
        CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
    }
    (void)snprintf(name, sizeof name, "one-more");
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_gate_set_push(set, &gate, &error), &error);
    bp_gate_set_free(set);
    assert_int_equal(released, BP_GATES_MAX);
    bp_gate_set_free(NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_evaluate(NULL, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_evaluate_all(NULL, NULL, NULL, 0, NULL, &error), &error);
}

static void a_denial_that_says_too_much_is_cut(void **state)
{
    (void)state;
    bp_denial denial;
    char text[1024];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(bp_denial_say(&denial, text, "%s", text), BP_VERDICT_DENY);
    for (size_t i = 0; i < BP_DENIAL_PAIRS_MAX + 3; i++) {
        bp_denial_add(&denial, text, "%s", text);
    }
    assert_int_equal(denial.pair_count, BP_DENIAL_PAIRS_MAX);
    assert_int_equal(strlen(denial.message), sizeof denial.message - 1);
    assert_int_equal(strlen(denial.pairs[7].value), sizeof denial.pairs[7].value - 1);
    assert_int_equal(bp_denial_say(NULL, "X", "nothing to write to"), BP_VERDICT_DENY);
    bp_denial_add(NULL, "a", "b");
    assert_null(bp_denial_find(NULL, "a"));
    assert_int_equal(bp_denial_format(NULL, text, 5), 0);
    assert_string_equal(text, "");
}

static void a_text_is_cut_behind_a_whole_character(void **state)
{
    (void)state;
    bp_denial denial;
    char text[1024];
    char line[16];
    for (size_t shift = 0; shift < 4; shift++) { /* U+1F600, four bytes each */
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 5);
        }
        (void)bp_denial_say(&denial, text, "%s", text);
        bp_denial_add(&denial, text, "%s", text);
        (void)snprintf(denial.gate, sizeof denial.gate, "g");
        assert_int_equal(strlen(denial.code) % 4, shift);
        assert_int_equal(strlen(denial.message) % 4, shift);
        assert_int_equal(strlen(denial.pairs[0].key) % 4, shift);
        assert_int_equal(strlen(denial.pairs[0].value) % 4, shift);
        assert_true(strlen(denial.message) > sizeof denial.message - 5);
        assert_int_equal(bp_denial_format(&denial, line, sizeof line), strlen("[g] ") + strlen(denial.message));
        assert_int_equal(strlen(line) % 4, shift);
    }
}

static bp_verdict fills_in_by_hand(const void *state, const void *context, bp_denial *denial)
{
    (void)context;
    memset(denial, 'x', sizeof *denial);
    denial->pair_count = SIZE_MAX;
    return *(const bp_verdict *)state;
}

static void what_a_gate_filled_in_by_hand_is_put_right(void **state)
{
    (void)state;
    static bp_verdict verdicts[] = {BP_VERDICT_DENY, (bp_verdict)0};
    for (size_t i = 0; i < 2; i++) {
        const bp_gate one = {"by-hand", NULL, fills_in_by_hand, &verdicts[i], NULL};
        bp_gate_set *set = set_of(&one, 1);
        bp_error error = {0};
        bp_denial denial;
        CHECK_STATUS(BP_ERR_DENIED, bp_gate_set_evaluate(set, NULL, &denial, &error), &error);
        assert_string_equal(denial.gate, "by-hand");
        assert_non_null(memchr(denial.code, '\0', sizeof denial.code));
        assert_non_null(memchr(denial.message, '\0', sizeof denial.message));
        assert_true(denial.pair_count <= BP_DENIAL_PAIRS_MAX);
        for (size_t p = 0; p < denial.pair_count; p++) {
            assert_non_null(memchr(denial.pairs[p].key, '\0', sizeof denial.pairs[p].key));
            assert_non_null(memchr(denial.pairs[p].value, '\0', sizeof denial.pairs[p].value));
        }
        bp_gate_set_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_denial_wins),
        cmocka_unit_test(evaluating_all_tells_every_denial_and_defect),
        cmocka_unit_test(an_empty_set_passes_everything),
        cmocka_unit_test(bad_gates_are_refused),
        cmocka_unit_test(a_denial_that_says_too_much_is_cut),
        cmocka_unit_test(a_text_is_cut_behind_a_whole_character),
        cmocka_unit_test(what_a_gate_filled_in_by_hand_is_put_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
