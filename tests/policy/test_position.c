/*
 * test_position.c: places in the graph of branches, and their order.
 */
#include "support/world.h"

static bp_dag_position at(uint32_t depth, uint32_t lane, uint64_t clock, bp_hlc hlc)
{
    return (bp_dag_position){.depth = depth, .lane = lane, .clock = clock, .hlc = hlc};
}

static void a_root_is_where_all_begins(void **state)
{
    (void)state;
    bp_dag_position root = bp_dag_root();
    assert_true(bp_dag_is_root(&root));
    root.hlc = 77;
    assert_true(bp_dag_is_root(&root));
    bp_dag_position others[] = {at(1, 0, 0, 0), at(0, 1, 0, 0), at(0, 0, 1, 0)};
    for (size_t index = 0; index < 3; index++) {
        assert_false(bp_dag_is_root(&others[index]));
    }
}

static void a_child_stays_on_its_branch_and_a_fork_leaves_it(void **state)
{
    (void)state;
    bp_dag_position parent = at(3, 9, 5, 50);
    bp_dag_position child = bp_dag_child(&parent, 6, 60);
    assert_true(child.depth == 3 && child.lane == 9 && child.clock == 6 && child.hlc == 60);
    assert_true(bp_dag_is_ancestor_of(&parent, &child));
    assert_false(bp_dag_is_ancestor_of(&child, &parent));
    bp_dag_position fork = bp_dag_fork(&parent, 12);
    assert_true(fork.depth == 4 && fork.lane == 12 && fork.clock == 0 && fork.hlc == 0);
    assert_false(bp_dag_is_ancestor_of(&parent, &fork));
    assert_int_equal(bp_dag_compare(&parent, &fork), BP_DAG_INCOMPARABLE);
    bp_dag_position deepest = at(UINT32_MAX, 0, 0, 0);
    assert_int_equal(bp_dag_fork(&deepest, 1).depth, UINT32_MAX);
}

static void order_is_by_clock_then_time_and_never_across_branches(void **state)
{
    (void)state;
    bpt_random random = {bpt_seed(11)};
    for (unsigned round = 0; round < 20000; round++) {
        bp_dag_position a = at((uint32_t)bpt_random_below(&random, 2), (uint32_t)bpt_random_below(&random, 2),
                               bpt_random_below(&random, 3), bpt_random_below(&random, 3));
        bp_dag_position b = at((uint32_t)bpt_random_below(&random, 2), (uint32_t)bpt_random_below(&random, 2),
                               bpt_random_below(&random, 3), bpt_random_below(&random, 3));
        bp_dag_order order = bp_dag_compare(&a, &b);
        bool branch = a.depth == b.depth && a.lane == b.lane;
        assert_int_equal(order == BP_DAG_INCOMPARABLE, !branch);
        assert_int_equal(order == BP_DAG_EQUAL, branch && a.clock == b.clock && a.hlc == b.hlc);
        if (branch) {
            assert_int_equal((int)order, -(int)bp_dag_compare(&b, &a));
        }
        assert_int_equal(bp_dag_is_ancestor_of(&a, &b), branch && a.clock < b.clock);
        if (bp_dag_is_ancestor_of(&a, &b)) {
            assert_int_equal(order, BP_DAG_LESS);
        }
    }
}

static void the_longest_position_fits_its_text(void **state)
{
    (void)state;
    char text[BP_DAG_TEXT_SIZE];
    bp_dag_position some = at(1, 2, 3, BP_HLC_MIN_OF_MS(1700000000000u) | 4);
    bp_dag_print(&some, text);
    assert_string_equal(text, "1:2:3@1700000000000.4");
    bp_dag_position longest = at(UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX);
    bp_dag_print(&longest, text);
    assert_string_equal(text, "4294967295:4294967295:18446744073709551615@281474976710655.65535");
}

static void an_event_knows_its_place(void **state)
{
    (void)state;
    bpt_world world;
    bp_append_options options;
    bp_error error;
    const bp_event *event = NULL;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.lane = 7;
    options.depth = 2;
    bp_receipt receipt = bpt_put_with(store, "a", "x", &options);
    CHECK_OK(bp_get(store, &receipt.id, &event, &error), &error);
    bp_dag_position place = bp_dag_position_of(event);
    assert_true(place.depth == 2 && place.lane == 7 && place.clock == 0 && place.hlc == receipt.hlc);
    bp_event_release(event);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_is_where_all_begins),
        cmocka_unit_test(a_child_stays_on_its_branch_and_a_fork_leaves_it),
        cmocka_unit_test(order_is_by_clock_then_time_and_never_across_branches),
        cmocka_unit_test(the_longest_position_fits_its_text),
        cmocka_unit_test(an_event_knows_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
