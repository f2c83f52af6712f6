/*
 * test_projection.c: folding, caches in memory and watching with every failure (support/exhaust.h).
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "projection/folding.h"
#include "support/exhaust.h"

static bp_projection tally;
static bp_projection second;

static void prepare_cache(bpt_exhaust *x)
{
    bp_cache *cache = NULL;
    tally = bpt_tally_projection("tally", true);
    second = bpt_tally_projection("second", false);
    x->world.options.incremental_projection = true;
    CHECK_OK(bp_cache_memory(0, bpt_exhaust_allocator(), &cache, &x->error), &x->error);
    x->thing[0] = cache;
}

/* With a state of every entity in it. */
static void prepare_filled(bpt_exhaust *x)
{
    bpt_tally state;
    bp_project_options options;
    prepare_cache(x);
    bp_project_options_init(&options);
    options.cache = x->thing[0];
    CHECK_OK(bp_project(x->store, &tally, "order:1", &options, &state, NULL, &x->error), &x->error);
}

static void finish_cache(bpt_exhaust *x)
{
    bp_cache_close(x->thing[0]);
}

static bp_project_options with_cache(const bpt_exhaust *x)
{
    bp_project_options options;
    bp_project_options_init(&options);
    options.cache = x->thing[0];
    return options;
}

/* A cache that cannot take or give is passed by; the answer must be right all the same. */
static bp_status act_project(bpt_exhaust *x)
{
    bpt_tally state;
    bp_project_options options = with_cache(x);
    bp_status status = bp_project(x->store, &tally, "order:1", &options, &state, NULL, &x->error);
    CHECK(status != BP_OK || state.count == 4, "%llu events of four", (unsigned long long)state.count);
    return status;
}

static bp_status act_project_region(bpt_exhaust *x)
{
    bpt_tally state;
    bp_project_options options = with_cache(x);
    bp_region region = bp_region_by_scope("eu");
    bp_status status = bp_project_region(x->store, &tally, &region, &options, &state, NULL, &x->error);
    CHECK(status != BP_OK || state.count == 6, "%llu events of six", (unsigned long long)state.count);
    return status;
}

static bp_status act_project_if_changed(bpt_exhaust *x)
{
    bpt_tally state;
    bp_projected result;
    bp_project_options options = with_cache(x);
    bp_region region = bp_region_by_scope("us");
    bp_position seen = {0};
    bp_status status = bp_project_if_changed(x->store, &tally, &region, &seen, &options, &state, &result, &x->error);
    CHECK(status != BP_OK || (result.changed && state.count == 6), "%llu events of six",
          (unsigned long long)state.count);
    return status;
}

static bp_status act_project_fused(bpt_exhaust *x)
{
    bpt_tally states[2];
    bp_project_options options = with_cache(x);
    bp_region region = bp_region_by_scope("us");
    bp_projection_item items[2] = {{.projection = &tally, .state = &states[0]},
                                   {.projection = &second, .state = &states[1]}};
    bp_status status = bp_project_fused(x->store, &region, items, 2, &options, &x->error);
    CHECK(status != BP_OK || (states[0].count == 6 && states[1].count == 6), "not six events each");
    return status;
}

static bp_status act_project_prefetch(bpt_exhaust *x)
{
    const char *const entities[] = {"order:1", "stock"};
    bp_project_prefetch(x->store, &tally, entities, 2, x->thing[0]);
    return BP_OK;
}

static bp_status act_cache_memory(bpt_exhaust *x)
{
    bp_cache *cache = NULL;
    bp_status status = bp_cache_memory(0, NULL, &cache, &x->error);
    x->thing[0] = cache;
    return status;
}

static bp_status act_cache_forget(bpt_exhaust *x)
{
    uint64_t deleted = 0;
    return bp_cache_forget(x->thing[0], "tally", &deleted, &x->error);
}

static bp_status act_cache_sync(bpt_exhaust *x)
{
    return bp_cache_sync(x->thing[0], &x->error);
}

static bp_status open_watch(bpt_exhaust *x)
{
    bp_watch *watch = NULL;
    bp_project_options options = with_cache(x);
    bp_region region = bp_region_by_scope("eu");
    bp_status status = bp_watch_open(x->store, &tally, &region, &options, &watch, &x->error);
    x->thing[1] = watch;
    return status;
}

static void prepare_watch(bpt_exhaust *x)
{
    prepare_cache(x);
    CHECK_OK(open_watch(x), &x->error);
}

static bp_status act_watch_next(bpt_exhaust *x)
{
    bpt_tally state;
    bp_projected result;
    bp_status status = bp_watch_next(x->thing[1], 0, &state, &result, &x->error);
    CHECK(status != BP_OK || (result.present && state.count == 6), "not six events");
    return status;
}

static void finish_watch(bpt_exhaust *x)
{
    bpt_tally state;
    bp_projected result;
    bp_error error = {0};
    if (x->thing[1] != NULL) { /* whatever was answered, the last answer is the state now */
        bp_status status = bp_watch_next(x->thing[1], 0, &state, &result, &error);
        CHECK(status == BP_OK || status == BP_ERR_TIMEOUT, "the next answer of a watch is %s", bp_status_name(status));
    }
    bp_watch_close(x->thing[1]);
    bp_cache_close(x->thing[0]);
}

enum { BOTH = BPT_EXHAUST_READER, NO_IO = BPT_EXHAUST_NO_IO, CLOSED = BPT_EXHAUST_CLOSED };

static const bpt_exhaust_row rows[] = {
    {"bp_project", BOTH, 0, 0, prepare_cache, act_project, finish_cache},
    {"bp_project", BOTH, 0, 0, prepare_filled, act_project, finish_cache},
    {"bp_project_region", BOTH, 0, 0, prepare_cache, act_project_region, finish_cache},
    {"bp_project_if_changed", BOTH, 0, 0, prepare_cache, act_project_if_changed, finish_cache},
    {"bp_project_fused", BOTH, 0, 0, prepare_cache, act_project_fused, finish_cache},
    {"bp_project_prefetch", 0, 0, 0, prepare_filled, act_project_prefetch, finish_cache},
    {"bp_cache_memory", NO_IO | CLOSED, 0, 0, NULL, act_cache_memory, finish_cache},
    {"bp_cache_forget", 0, 0, 0, prepare_filled, act_cache_forget, finish_cache},
    {"bp_cache_sync", 0, 0, 0, prepare_filled, act_cache_sync, finish_cache},
    {"bp_watch_open", BOTH, 0, 0, prepare_cache, open_watch, finish_watch},
    {"bp_watch_next", BOTH, 0, 0, prepare_watch, act_watch_next, finish_watch},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("projection", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
