/*
 * test_watch.c: a state told anew when it changed: the first answer at once, many changes as one, nothing for what is not
 * relevant, the last answer always the state now, and a clean end.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <unistd.h>

#include "projection/folding.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_projection tally;
    bp_region region;
    bp_watch *watch;
    bp_projected result;
    bp_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->world.options.durability = BP_BUFFERED;
    f->world.options.incremental_projection = true;
    f->store = bpt_open(&f->world);
    f->tally = bpt_tally_projection("tally", true);
    f->region = bp_region_stream("a");
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bp_watch_close(f->watch);
    if (f->store != NULL) {
        bpt_close(f->store);
    }
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void open_watch(fixture *f, const bp_project_options *options)
{
    char entity[] = "a";
    bp_region region = f->region;
    if (region.fields & BP_REGION_ENTITY) {
        region.entity.data = entity; /* a copy is made */
    }
    CHECK_OK(bp_watch_open(f->store, &f->tally, &region, options, &f->watch, &f->error), &f->error);
    memset(entity, 'z', 1);
}

static void put(fixture *f, const char *entity, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)bpt_put(f->store, entity, "x");
    }
}

/* The next answer has so many events; 0: absent. */
static void expect(fixture *f, uint64_t count)
{
    bpt_tally got = {0};
    CHECK_OK(bp_watch_next(f->watch, 0, &got, &f->result, &f->error), &f->error);
    assert_int_equal(f->result.present, count > 0);
    assert_int_equal(got.count, count);
}

static void expect_status(fixture *f, bp_status status)
{
    bpt_tally got;
    CHECK_STATUS(status, bp_watch_next(f->watch, 0, &got, &f->result, &f->error), &f->error);
}

static void many_changes_are_one_answer(void **state)
{
    fixture *f = *state;
    open_watch(f, NULL);
    expect(f, 0); /* absent, told once */
    expect_status(f, BP_ERR_TIMEOUT);
    put(f, "a", 1);
    expect(f, 1);
    expect_status(f, BP_ERR_TIMEOUT);
    put(f, "a", 5);
    put(f, "b", 3);
    expect(f, 6);
    put(f, "b", 3); /* not this entity's */
    expect_status(f, BP_ERR_TIMEOUT);
    CHECK_SAYS(&f->error, "nothing came");
    put(f, "a", 1);
    expect(f, 7);
}

static void what_is_not_relevant_tells_nothing(void **state)
{
    fixture *f = *state;
    bp_kind_code kind = 0xF002; /* bpt_put appends 0xF001 */
    f->tally.kinds = &kind;
    f->tally.kind_count = 1;
    f->region = bp_region_all();
    put(f, "a", 2);
    open_watch(f, NULL);
    expect(f, 0);
    put(f, "a", 2);
    expect_status(f, BP_ERR_TIMEOUT);
    (void)bpt_put_sized(f->store, "q", 3);
    expect(f, 1);
}

static void a_watch_goes_on_from_its_cached_state(void **state)
{
    fixture *f = *state;
    bp_project_options options;
    bp_project_options_init(&options);
    bp_cache *cache = NULL;
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &f->error), &f->error);
    options.cache = cache;
    put(f, "a", 10);
    open_watch(f, &options);
    expect(f, 10);
    put(f, "a", 2);
    expect(f, 12);
    assert_int_equal(f->result.applied, 2);
    bp_watch_close(f->watch);
    f->watch = NULL;
    bp_cache_close(cache);
}

static void a_stop_and_a_close_end_it(void **state)
{
    fixture *f = *state;
    open_watch(f, NULL);
    expect(f, 0);
    bp_watch_stop(f->watch);
    put(f, "a", 1);
    expect_status(f, BP_END);
    expect_status(f, BP_END);
    bp_watch_close(f->watch);
    open_watch(f, NULL);
    expect(f, 1);
    bpt_close(f->store);
    f->store = NULL;
    expect_status(f, BP_END);
    bp_watch_stop(f->watch);
    bp_watch_stop(NULL);
    bp_watch_close(NULL);
}

static bp_status picky(void *context, void *state, const bp_event *event, bp_error *error)
{
    fixture *f = context;
    if (event->payload_size == 4) {
        return bp_error_set(error, BP_ERR_FORMAT, "four is too many");
    }
    if (event->payload_size == 5) {
        CHECK_STATUS(BP_ERR_REENTRANT, bp_close(f->store, error), error);
        bp_watch_stop(f->watch);
    }
    return bpt_tally_apply(NULL, state, event, error);
}

static void what_apply_answers_is_the_answer(void **state)
{
    fixture *f = *state;
    f->tally.apply = picky;
    f->tally.context = f;
    open_watch(f, NULL);
    expect(f, 0);
    (void)bpt_put(f->store, "a", "four");
    expect_status(f, BP_ERR_FORMAT);
    CHECK_SAYS(&f->error, "four is too many");
    expect_status(f, BP_ERR_FORMAT); /* and again: nothing was told */
    f->region = bp_region_stream("b");
    bp_watch_close(f->watch);
    CHECK_OK(bp_watch_open(f->store, &f->tally, &f->region, NULL, &f->watch, &f->error), &f->error);
    (void)bpt_put(f->store, "b", "fives");
    expect(f, 1); /* stopped in the middle: this answer is whole, and the last */
    expect_status(f, BP_END);
}

static void hostile_arguments_are_refused(void **state)
{
    fixture *f = *state;
    bpt_tally got;
    bp_project_options options;
    bp_project_options_init(&options);
    options.as_of = BP_AS_OF_SEQUENCE;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_open(f->store, &f->tally, NULL, &options, &f->watch, &f->error), &f->error);
    CHECK_SAYS(&f->error, "as_of");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_open(NULL, &f->tally, NULL, NULL, &f->watch, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_open(f->store, NULL, NULL, NULL, &f->watch, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_open(f->store, &f->tally, NULL, NULL, NULL, NULL), NULL);
    assert_null(f->watch);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_next(NULL, 0, &got, &f->result, NULL), NULL);
    open_watch(f, NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_next(f->watch, 0, NULL, &f->result, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_watch_next(f->watch, 0, &got, NULL, NULL), NULL);
}

/* ---- threads ---- */

enum { APPENDS = 400 };

typedef struct watcher {
    bp_watch *watch;
    uint64_t until; /* ends when the state has so many events */
    unsigned answers;
    bp_status ended;
    bool wrong;
} watcher;

static void *watch_on(void *argument)
{
    watcher *w = argument;
    uint64_t count = 0;
    bp_error error = {0};
    while (w->ended == BP_OK && count < w->until) {
        bpt_tally got = {0};
        bp_projected result;
        w->ended = bp_watch_next(w->watch, 20000, &got, &result, &error);
        if (w->ended == BP_OK) {
            /* Every answer is new, but the first. */
            w->wrong = w->wrong || (w->answers > 0 && got.count <= count) || result.present != (got.count > 0);
            count = got.count;
            w->answers++;
        }
    }
    return NULL;
}

static void who_waits_is_told_the_last_state(void **state)
{
    fixture *f = *state;
    pthread_t threads[3];
    watcher watchers[3] = {{0}};
    bp_store *reader = bpt_reader(&f->world);
    for (unsigned i = 0; i < 3; i++) {
        watchers[i].until = APPENDS;
        CHECK_OK(bp_watch_open(i == 2 ? reader : f->store, &f->tally, &f->region, NULL, &watchers[i].watch, &f->error),
                 &f->error);
        assert_int_equal(pthread_create(&threads[i], NULL, watch_on, &watchers[i]), 0);
    }
    for (unsigned i = 0; i < APPENDS; i++) {
        put(f, "b", 1);
        put(f, "a", 1);
        if (i % 100 == 0) {
            (void)usleep(2000);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        CHECK(watchers[i].ended == BP_OK && !watchers[i].wrong, "watcher %u: %s, wrong %d", i,
              bp_status_name(watchers[i].ended), watchers[i].wrong);
        assert_true(watchers[i].answers >= 1 && watchers[i].answers <= APPENDS + 1);
        bp_watch_close(watchers[i].watch);
    }
    bpt_close(reader);
}

static void who_waits_is_let_go(void **state)
{
    fixture *f = *state;
    for (unsigned how = 0; how < 2; how++) {
        pthread_t thread;
        watcher w = {.until = UINT64_MAX};
        CHECK_OK(bp_watch_open(f->store, &f->tally, &f->region, NULL, &w.watch, &f->error), &f->error);
        assert_int_equal(pthread_create(&thread, NULL, watch_on, &w), 0);
        (void)usleep(3000);
        if (how == 0) {
            bp_watch_stop(w.watch);
        } else {
            bpt_close(f->store);
            f->store = NULL;
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(w.ended, BP_END);
        bp_watch_close(w.watch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_changes_are_one_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_relevant_tells_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_goes_on_from_its_cached_state, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_and_a_close_end_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_apply_answers_is_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_arguments_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_the_last_state, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_let_go, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
