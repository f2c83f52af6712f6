/*
 * test_output.c: outputs that callers make for themselves.
 */
#include "support/outcomes.h"

static void an_output_of_ones_own_grows_and_is_freed(void **state)
{
    (void)state;
    bpt_memory_begin(0);
    bp_output *output = bp_output_new(bpt_memory_allocator());
    assert_non_null(output);
    assert_int_equal(bp_output_size(output), 0);
    for (unsigned index = 0; index < 1000; index++) {
        assert_true(bp_output_append(output, "0123456789", 10));
    }
    assert_int_equal(bp_output_size(output), 10000);
    assert_memory_equal((const char *)bp_output_data(output) + 9990, "0123456789", 10);
    bp_output_free(output);
    bp_output_free(NULL);
    assert_true(bpt_memory_end() > 1);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    bpt_memory_begin(1);
    assert_null(bp_output_new(bpt_memory_allocator()));
    (void)bpt_memory_end();
    bpt_memory_begin(2);
    bp_output *output = bp_output_new(bpt_memory_allocator());
    assert_non_null(output);
    assert_false(bp_output_append(output, "x", 1));
    assert_int_equal(bp_output_size(output), 0);
    bp_output_free(output);
    (void)bpt_memory_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_of_ones_own_grows_and_is_freed),
        cmocka_unit_test(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
