/*
 * test_swapped.c: states in a cache over a compaction and an erasure: what retention dropped stays in the states that had it, as what was
 * once counted, and what goes on from them; what was erased is in none when the cache was named to the erasure.
 */
#include "projection/folding.h"

typedef struct scene {
    bpt_world world;
    bp_store *store;
    bp_cache *cache;
    bp_error error;
} scene;

static bpt_tally fold(scene *s, bool cached, bp_projected *result)
{
    bp_projection tally = bpt_tally_projection("tally", true);
    bp_project_options options;
    bpt_tally got = {0};
    bp_project_options_init(&options);
    options.cache = cached ? s->cache : NULL;
    CHECK_OK(bp_project(s->store, &tally, "a", &options, &got, result, &s->error), &s->error);
    return got;
}

static bool is_early(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence < 10;
}

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_memory(&s->world);
    s->world.options.incremental_projection = true;
    s->store = bpt_open(&s->world);
    CHECK_OK(bp_cache_memory(1 << 20, NULL, &s->cache, &s->error), &s->error);
    for (unsigned i = 0; i < 20; i++) {
        (void)bpt_put(s->store, "a", i < 10 ? "early" : "late");
    }
    CHECK_OK(bp_seal(s->store, &s->error), &s->error);
}

static void end(scene *s)
{
    bp_cache_close(s->cache);
    bpt_close(s->store);
    bpt_world_end(&s->world);
}

static void what_was_dropped_stays_counted(void **state)
{
    (void)state;
    scene s;
    bp_projected result;
    bp_compact_options how;
    begin(&s);
    assert_int_equal(fold(&s, true, &result).count, 20);
    bp_compact_options_init(&how);
    how.drop_if = is_early;
    CHECK_OK(bp_compact(s.store, &how, NULL, &s.error), &s.error);
    assert_int_equal(fold(&s, false, &result).count, 10);
    assert_int_equal(fold(&s, true, &result).count, 20);
    assert_true(result.cached && result.applied == 0);
    (void)bpt_put(s.store, "a", "later");
    assert_int_equal(fold(&s, true, &result).count, 21);
    assert_true(result.cached && result.applied == 1);
    CHECK_OK(bp_cache_forget(s.cache, NULL, NULL, &s.error), &s.error);
    assert_int_equal(fold(&s, true, &result).count, 11);
    assert_false(result.cached);
    end(&s);
}

static void what_was_erased_is_in_no_state(void **state)
{
    (void)state;
    scene s;
    bp_projected result;
    bp_erase_options erase;
    begin(&s);
    bpt_tally before = fold(&s, true, &result);
    bp_region region = bp_region_stream("a");
    bp_region_set_sequence(&region, 0, 9);
    bp_cache *const caches[] = {s.cache};
    bp_erase_options_init(&erase);
    erase.region = &region;
    erase.reason = "asked to";
    erase.by = "officer 7";
    erase.caches = caches;
    erase.cache_count = 1;
    CHECK_OK(bp_erase(s.store, &erase, NULL, &s.error), &s.error);
    bpt_tally behind = fold(&s, true, &result);
    bpt_tally plain = fold(&s, false, &result);
    bpt_check_tally(&behind, &plain, "behind the erasure");
    assert_true(behind.count == 20 && behind.digest != before.digest);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_dropped_stays_counted),
        cmocka_unit_test(what_was_erased_is_in_no_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
