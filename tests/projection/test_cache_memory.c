/*
 * test_cache_memory.c: the cache in memory by itself: what it keeps, what goes first, prefixes, threads.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

#include "base/output.h"
#include "projection/folding.h"

typedef struct fixture {
    bp_cache *cache;
    bp_output output;
    bp_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpi_output_init(&f->output, bp_allocator_system());
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bp_cache_close(f->cache);
    bpi_output_fini(&f->output);
    free(f);
    return 0;
}

static void make(fixture *f, size_t bytes_max)
{
    CHECK_OK(bp_cache_memory(bytes_max, NULL, &f->cache, &f->error), &f->error);
}

static void put(fixture *f, const char *key, const void *value, size_t size)
{
    CHECK_OK(f->cache->put(f->cache->context, key, strlen(key), value, size, &f->error), &f->error);
}

static bool has(fixture *f, const char *key)
{
    bp_output_clear(&f->output);
    bp_status status = f->cache->get(f->cache->context, key, strlen(key), &f->output, &f->error);
    assert_true(status == BP_OK || status == BP_ERR_NOT_FOUND);
    return status == BP_OK;
}

static void values_come_back_and_are_replaced(void **state)
{
    fixture *f = *state;
    make(f, 0);
    assert_false(has(f, "a"));
    put(f, "a", "one", 3);
    put(f, "b", "", 0);
    assert_true(has(f, "a"));
    assert_int_equal(bp_output_size(&f->output), 3);
    assert_memory_equal(bp_output_data(&f->output), "one", 3);
    put(f, "a", "other", 5);
    assert_true(has(f, "a"));
    assert_memory_equal(bp_output_data(&f->output), "other", 5);
    assert_true(has(f, "b"));
    assert_int_equal(bp_output_size(&f->output), 0);
    CHECK_OK(bp_cache_sync(f->cache, &f->error), &f->error);
}

static void what_was_used_longest_ago_goes_first(void **state)
{
    fixture *f = *state;
    char value[300] = {0};
    char key[16];
    make(f, 4096);
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "key %u", i);
        put(f, key, value, sizeof value);
        assert_true(i == 0 || has(f, "key 0")); /* used all the time */
    }
    assert_true(has(f, "key 199"));
    assert_false(has(f, "key 150"));
    unsigned kept = 0;
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "key %u", i);
        kept += has(f, key);
    }
    assert_true(kept >= 8 && kept <= 13);
    static const char large[5000];
    put(f, "key 199", large, sizeof large); /* too large to keep: the old value is not kept either */
    assert_false(has(f, "key 199"));
}

static void a_type_is_forgotten_and_no_other(void **state)
{
    fixture *f = *state;
    uint64_t deleted = 0;
    make(f, 0);
    for (unsigned i = 0; i < 100; i++) {
        char key[32] = {0};
        const char *type = i % 2 == 0 ? "order" : "order2";
        int size = snprintf(key, sizeof key, "%s", type);
        (void)snprintf(key + size + 1, sizeof key - (size_t)size - 1, "%u", i);
        CHECK_OK(f->cache->put(f->cache->context, key, (size_t)size + 4, "v", 1, &f->error), &f->error);
    }
    CHECK_OK(bp_cache_forget(f->cache, "order", &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 50);
    CHECK_OK(bp_cache_forget(f->cache, "orde", &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 0);
    CHECK_OK(bp_cache_forget(f->cache, NULL, &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 50);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_forget(NULL, "order", NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_sync(NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_memory(0, NULL, NULL, &f->error), &f->error);
    bp_cache_close(NULL);
}

typedef struct worker {
    bpt_world *world;
    bp_store *store;
    bp_cache *cache;
    unsigned number;
    bool failed;
} worker;

static void *project_on(void *argument)
{
    worker *w = argument;
    bp_projection tally = bpt_tally_projection("tally", true);
    bp_project_options options;
    bp_error error = {0};
    bpt_tally got = {0};
    uint64_t count = 0;
    bp_project_options_init(&options);
    options.cache = w->cache;
    for (unsigned i = 0; i < 300 && !w->failed; i++) {
        if (w->number == 0) {
            w->failed = bp_append(w->store, bp_at("a", "s"), 0xF001, bp_raw("x", 1), NULL, NULL, &error) != BP_OK;
        }
        bp_status status = bp_project(w->store, &tally, "a", &options, &got, NULL, &error);
        w->failed = w->failed || (status != BP_OK && status != BP_ERR_NOT_FOUND) ||
                    (status == BP_OK && (got.count < count || got.last + 1 != got.count));
        count = status == BP_OK ? got.count : count;
        if (w->number == 3 && i % 50 == 0) {
            w->failed = w->failed || bp_cache_forget(w->cache, NULL, NULL, &error) != BP_OK;
        }
    }
    return NULL;
}

static void threads_project_through_one_cache(void **state)
{
    fixture *f = *state;
    bpt_world world;
    pthread_t threads[4];
    worker workers[4];
    make(f, 0);
    bpt_world_memory(&world);
    world.options.incremental_projection = true;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (worker){.world = &world, .store = store, .cache = f->cache, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, project_on, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(workers[i].failed);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_come_back_and_are_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_used_longest_ago_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_type_is_forgotten_and_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_project_through_one_cache, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
