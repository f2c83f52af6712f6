/*
 * test_kinds_threads.c: one thread's first event of a category by number beside another's first by a new name.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

#include "support/world.h"

enum { ROUNDS = 20, TYPE = 4000 };

static void *by_number(void *store)
{
    bp_error error = {0};
    CHECK_OK(bp_append(store, bp_at("a", "s"), bp_kind(1, TYPE), bp_raw("x", 1), NULL, NULL, &error), &error);
    return NULL;
}

static void *by_name(void *store)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = "a.new.name";
    CHECK_OK(bp_append(store, bp_at("b", "s"), 0, bp_raw("x", 1), &options, NULL, &error), &error);
    return NULL;
}

static void a_first_event_beside_a_first_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        bpt_world world;
        pthread_t threads[2];
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        assert_int_equal(pthread_create(&threads[0], NULL, by_number, store), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, by_name, store), 0);
        (void)pthread_join(threads[0], NULL);
        (void)pthread_join(threads[1], NULL);
        assert_string_equal(bp_kind_name(store, bp_kind(1, 1)), "a.new.name");
        assert_null(bp_kind_name(store, bp_kind(1, TYPE)));
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), 3);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_event_beside_a_first_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
