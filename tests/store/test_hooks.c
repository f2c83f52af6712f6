/*
 * test_hooks.c: the two tables that the upper layers take part with.
 */
#include "store/hooks.h"
#include "store/store.h"
#include "support/world.h"

typedef struct told {
    uint64_t calls;
    uint64_t last;
    uint64_t closed;
} told;

static void on_published(void *context, uint64_t sequence)
{
    told *seen = context;
    assert_true(sequence > seen->last);
    seen->calls++;
    seen->last = sequence;
}

static void on_closing(void *context)
{
    told *seen = context;
    seen->closed++;
}

static void every_publication_is_told_until_it_is_taken_out(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    told seen = {0};
    const bpi_after_publish table = {&seen, on_published, on_closing};
    assert_null(bpi_store_set_after(store, &table));
    bpt_put(store, "a", "1");
    assert_int_equal(seen.last, 1);
    bp_batch_item items[2] = {{bp_at("a", "s"), 0xf001, bp_raw("2", 1), NULL},
                              {bp_at("b", "s"), 0xf001, bp_raw("3", 1), NULL}};
    bp_error error = {0};
    CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    assert_int_equal(seen.last, 3);
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(bpi_store_set_after(store, NULL), &table);
    bpt_put(store, "a", "4");
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.closed, 0);
    bpt_close(store);
    assert_int_equal(seen.closed, 0);
    bpt_world_end(&world);
}

static void closing_is_told_once(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    told seen = {0};
    const bpi_after_publish table = {&seen, on_published, on_closing};
    (void)bpi_store_set_after(store, &table);
    bpt_put(store, "a", "1");
    bpt_close(store);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.calls, 1);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_publication_is_told_until_it_is_taken_out),
        cmocka_unit_test(closing_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
