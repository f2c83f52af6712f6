/*
 * test_hooks.c: the two tables that the upper layers take part with.
 */
#include "store/hooks.h"
#include "store/store.h"
#include "support/world.h"

typedef struct told {
    uint64_t closed;
    bool inside;
    uint64_t published; /* when it was told */
    bp_store *store;
} told;

static bool on_closing(void *context)
{
    told *seen = context;
    if (seen->inside) {
        return false;
    }
    seen->closed++;
    seen->published = bp_store_frontiers(seen->store).published;
    return true;
}

static void followers_are_told_the_end_once(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    told seen = {.store = store};
    const bpi_after_publish table = {&seen, on_closing};
    assert_null(bpi_store_set_after(store, &table));
    bpt_put(store, "a", "1");
    assert_int_equal(seen.closed, 0);
    bpt_close(store);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.published, 1); /* it could still be asked */
    bpt_world_end(&world);
}

static void a_table_that_was_taken_out_is_told_nothing(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    told seen = {.store = store};
    const bpi_after_publish table = {&seen, on_closing};
    (void)bpi_store_set_after(store, &table);
    assert_ptr_equal(bpi_store_set_after(store, NULL), &table);
    bpt_close(store);
    assert_int_equal(seen.closed, 0);
    bpt_world_end(&world);
}

static void a_follower_cannot_close_from_inside(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    told seen = {.store = store, .inside = true};
    const bpi_after_publish table = {&seen, on_closing};
    (void)bpi_store_set_after(store, &table);
    CHECK_STATUS(BP_ERR_REENTRANT, bp_close(store, &error), &error);
    bpt_put(store, "a", "it is open as before");
    seen.inside = false;
    bpt_close(store);
    assert_int_equal(seen.closed, 1);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_are_told_the_end_once),
        cmocka_unit_test(a_table_that_was_taken_out_is_told_nothing),
        cmocka_unit_test(a_follower_cannot_close_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
