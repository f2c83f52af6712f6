/*
 * test_mistakes.c: mistakes of other stores that have no better place (docs/promises.md): bytes of a user's that look like the
 * log's own, answers that rest on what is not durable yet, polls that ask everything again.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "support/world.h"

/* ---- payloads and names that look like structure ---- */

enum { COPIES = 6 };

static void append_bytes(bp_store *store, const char *entity, const void *bytes, size_t size)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    CHECK_OK(bp_append(store, bp_at(entity, "BATPAKSG"), 0xf001, bp_raw(bytes, size), &options, NULL, &error), &error);
}

/* What the segment holds so far, salt, headers, CLOSE and all; more of it each time. */
static void append_own_log(bpt_world *world, bp_store *store)
{
    size_t size = 0;
    uint8_t *log = bpt_file_read(world, "log/0000000000-1.seg", &size);
    assert_non_null(log);
    while (size > 0 && log[size - 1] == 0) {
        size--;
    }
    assert_true(size > 64);
    append_bytes(store, "BATPAKMF", log, size < 60000 ? size : 60000);
    free(log);
}

static void remove_derived(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "index/", 6) == 0 || strcmp(name, "live") == 0) {
        bpt_file_remove(argument, name);
    }
}

static void what_looks_like_the_log_is_payload(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) { /* closed, killed, the power gone */
        bpt_world world;
        bpt_world_fault(&world);
        world.options.segment_size = 1 << 20;
        bp_store *store = bpt_open(&world);
        append_bytes(store, "e", "BATPAKSG", 8);
        for (uint64_t copies = 1; copies <= COPIES; copies++) {
            bpt_note("way %u, copy %u", way, (unsigned)copies);
            append_own_log(&world, store);
            CHECK_OK(bp_sync(store, NULL), NULL);
            if (way == 1) {
                bpi_fault_process_kill(world.fault);
            } else if (way == 2) {
                (void)bpt_power_cut(&world, BPT_KEEP_RANDOM, copies);
            }
            (void)bp_close(store, NULL);
            bpt_file_each(&world, remove_derived, &world);
            assert_int_equal(bpt_verify(&world), 1 + copies);
            store = bpt_open(&world);
            assert_int_equal(bp_store_frontiers(store).published, 1 + copies);
            bp_stats stats = {.size = sizeof stats};
            CHECK_OK(bp_store_stats(store, &stats, NULL), NULL);
            assert_int_equal(stats.cuts, 0);
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* ---- answers that rest on an append whose sync is not back yet ---- */

enum { CALLERS = 3 };

typedef struct caller {
    struct scene *scene;
    unsigned number; /* 0: expects an empty entity; 1: the same request; 2: the same id, another payload */
    pthread_t thread;
    bp_status status;
    bp_receipt receipt;
    atomic_bool answered;
} caller;

typedef struct scene {
    bpt_world world;
    bp_store *store;
    pthread_t first;
    atomic_bool begun;
    bool early; /* somebody was answered before the sync came back */
    caller callers[CALLERS];
} scene;

static bp_status ask(bp_store *store, unsigned number, bp_receipt *receipt, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    if (number == 0) {
        options.expect.kind = BP_EXPECT_NONE;
    } else {
        options.id = bp_id_from("mistakes", "id", 2);
    }
    return bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(number == 2 ? "other" : "first", 5), &options, receipt,
                     error);
}

static void *call(void *argument)
{
    caller *c = argument;
    bp_error error = {0};
    c->status = ask(c->scene->store, c->number, &c->receipt, &error);
    atomic_store(&c->answered, true);
    return NULL;
}

static void on_step(void *argument, const bpi_fault_step *step)
{
    scene *s = argument;
    if (!pthread_equal(pthread_self(), s->first) || strcmp(step->what, "sync") != 0 || step->done ||
        atomic_exchange(&s->begun, true)) {
        return;
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        caller *c = &s->callers[i];
        c->scene = s;
        c->number = i;
        assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    for (unsigned i = 0; i < CALLERS; i++) {
        s->early = s->early || atomic_load(&s->callers[i].answered);
    }
}

static void answers_wait_for(bool fails)
{
    scene *s = calloc(1, sizeof *s);
    bp_error error = {0};
    bp_receipt receipt;
    assert_non_null(s);
    bpt_world_fault(&s->world);
    s->world.options.recovery_attempts = 0;
    s->store = bpt_open(&s->world);
    bpt_put(s->store, "other", "so that the segment is there");
    s->first = pthread_self();
    uint64_t before = bpi_fault_steps(s->world.fault);
    bpt_put(s->store, "other", "as long as that one");
    uint64_t steps = bpi_fault_steps(s->world.fault) - before; /* of an append, its sync the last */
    if (fails) {
        bpi_fault_set_plan(s->world.fault,
                           &(bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = steps, .os_error = EIO});
    }
    bpi_fault_watch(s->world.fault, on_step, s);
    bp_status status = ask(s->store, 1, &receipt, &error);
    bpi_fault_watch(s->world.fault, NULL, NULL);
    assert_true(atomic_load(&s->begun));
    assert_false(s->early);
    assert_int_equal(status == BP_OK, !fails);
    static const bp_status good[CALLERS] = {BP_ERR_CONFLICT, BP_OK, BP_ERR_IDEMPOTENCY};
    for (unsigned i = 0; i < CALLERS; i++) {
        caller *c = &s->callers[i];
        assert_int_equal(pthread_join(c->thread, NULL), 0);
        CHECK(fails ? c->status == BP_ERR_IO || c->status == BP_ERR_FAILED : c->status == good[i], "caller %u: %s", i,
              bp_status_name(c->status));
        assert_true(c->status != BP_OK || (c->receipt.duplicate && c->receipt.durable));
    }
    (void)bp_close(s->store, NULL);
    bpt_world_end(&s->world);
    free(s);
}

static void answers_that_rest_on_a_sync_wait_for_it(void **state)
{
    (void)state;
    answers_wait_for(false);
    answers_wait_for(true);
}

/* ---- closing while an append waits for its sync ---- */

typedef struct farewell {
    bpt_world world;
    bp_store *store;
    pthread_t first;
    pthread_t closer;
    atomic_bool begun;
    atomic_bool closed;
    bool early;
    bp_status status;
} farewell;

static void *close_it(void *argument)
{
    farewell *f = argument;
    f->status = bp_close(f->store, NULL);
    atomic_store(&f->closed, true);
    return NULL;
}

static void on_step_close(void *argument, const bpi_fault_step *step)
{
    farewell *f = argument;
    if (pthread_equal(pthread_self(), f->first) && strcmp(step->what, "sync") == 0 && !step->done &&
        !atomic_exchange(&f->begun, true)) {
        assert_int_equal(pthread_create(&f->closer, NULL, close_it, f), 0);
        (void)nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        f->early = atomic_load(&f->closed);
    }
}

static void closing_waits_for_an_append_that_is_under_way(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        static farewell f;
        f = (farewell){.first = pthread_self()};
        bp_error error = {0};
        bp_receipt receipt;
        bpt_world_fault(&f.world);
        f.world.options.recovery_attempts = 0;
        f.store = bpt_open(&f.world);
        bpt_put(f.store, "e", "so that the segment is there");
        uint64_t before = bpi_fault_steps(f.world.fault);
        bpt_put(f.store, "e", "first");
        uint64_t steps = bpi_fault_steps(f.world.fault) - before;
        if (fails != 0) {
            bpi_fault_set_plan(f.world.fault,
                               &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = steps, .os_error = EIO});
        }
        bpi_fault_watch(f.world.fault, on_step_close, &f);
        bp_status status = ask(f.store, 1, &receipt, &error);
        assert_true(atomic_load(&f.begun));
        assert_int_equal(pthread_join(f.closer, NULL), 0);
        bpi_fault_watch(f.world.fault, NULL, NULL);
        assert_false(f.early);
        CHECK(fails != 0 ? status == BP_ERR_IO || status == BP_ERR_FAILED : status == BP_OK && receipt.durable, "%s",
              bp_status_name(status));
        assert_int_equal(f.status == BP_OK, fails == 0);
        (void)bpt_power_cut(&f.world, BPT_KEEP_NONE, 0);
        f.store = bpt_open(&f.world);
        assert_true(bp_store_frontiers(f.store).published >= (fails != 0 ? 2 : 3));
        bpt_close(f.store);
        bpt_world_end(&f.world);
    }
}

/* ---- erased bytes in what is derived ---- */

static void keep_no_bytes(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)argument;
    CHECK(size < 9 || memmem(data, size, "forget me", 9) == NULL, "%s holds what was erased", name);
}

static void what_is_erased_is_gone_from_caches_too(void **state)
{
    static const char *const files[] = {"cache/states", "cache/lmdb/data.mdb", "cache/lmdb/MARK",
                                        "cache/sqlite/cache.db", "log/0000000000-1-64-1.torn"};
    bpt_world world;
    bp_error error = {0};
    bp_erase_options options;
    bp_erase_report report;
    bp_region region = bp_region_stream("e");
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "forget me");
    bpt_put(store, "other", "stays");
    static const char *const folders[] = {"store/cache", "store/cache/lmdb", "store/cache/sqlite"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        bp_dir *dir = NULL;
        assert_int_equal(world.io->dir_open(world.io->context, folders[i], true, &dir), 0);
        world.io->dir_close(world.io->context, dir);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bpt_file_write(&world, files[i], "do forget me", 12);
    }
    bp_erase_options_init(&options);
    options.region = &region;
    options.reason = "asked for";
    options.by = "the test";
    CHECK_OK(bp_erase(store, &options, &report, &error), &error);
    assert_int_equal(report.erased, 1);
    assert_int_equal(report.caches, 4);
    assert_int_equal(report.torn, 1);
    bpt_file_each(&world, keep_no_bytes, NULL);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* ---- polling ---- */

static double poll_seconds(bp_cursor *cursor)
{
    struct timespec from;
    struct timespec to;
    const bp_event *event = NULL;
    double best = 1e9;
    for (unsigned round = 0; round < 5; round++) {
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (unsigned i = 0; i < 200; i++) {
            assert_int_equal(bp_cursor_next(cursor, &event, NULL), BP_END);
        }
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double took = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = took < best ? took : best;
    }
    return best;
}

/* A region that no posting narrows and that nothing is in: asked from the beginning, each poll would look at all rows. */
static void polls_cost_what_is_new(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_region region = bp_region_all();
    bp_cursor *cursor = NULL;
    const bp_event *event = NULL;
    (void)state;
    bpt_world_memory(&world);
    world.options.segment_size = 64 << 20;
    bp_store *store = bpt_open(&world);
    bp_region_set_lane(&region, 5);
    double took[2];
    for (unsigned size = 0; size < 2; size++) {
        for (unsigned i = 0, count = size == 0 ? 100 : 40000; i < count; i++) {
            append_bytes(store, "e", "x", 1);
        }
        CHECK_OK(bp_cursor_open(store, &region, NULL, &cursor, &error), &error);
        assert_int_equal(bp_cursor_next(cursor, &event, &error), BP_END);
        took[size] = poll_seconds(cursor);
        bp_cursor_close(cursor);
    }
    CHECK(took[1] < 20 * took[0], "200 polls take %.1f us behind 100 events, %.1f us behind 40,000", 1e6 * took[0],
          1e6 * took[1]);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looks_like_the_log_is_payload),
        cmocka_unit_test(answers_that_rest_on_a_sync_wait_for_it),
        cmocka_unit_test(closing_waits_for_an_append_that_is_under_way),
        cmocka_unit_test(what_is_erased_is_gone_from_caches_too),
        cmocka_unit_test(polls_cost_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
