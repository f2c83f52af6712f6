/*
 * names.c: names that come into a book while a reader looks through the books, under a scheduler that owns every switch.
 *
 * What must hold in every run: a query by prefix has every event of its view, whatever entity was appended to for the first time, or for the
 * first time since a new book began, meanwhile.
 */
#include "schedule/scheduler.h"

#include "index/world.h"
#include "support/check.h"

enum { NAMES = 4, ROWS = 64, LOOKS = 2 };

static const char *const names[] = {"P", "P:1", "P:2", "P:3", "P:4", "P:5"};

static void append(world *w, const char *name)
{
    uint64_t sequence = bpi_index_next(w->index);
    world_append(w, (model_event){.id = world_id(sequence),
                                  .correlation = world_id(sequence),
                                  .entity = name,
                                  .scope = "s",
                                  .kind = BP_KIND(1, 1),
                                  .hlc = 1000 + sequence,
                                  .batch = sequence,
                                  .batch_count = 1});
    bpi_index_publish(w->index, bpi_index_next(w->index));
}

/* First those that the older book has, from the newest to the oldest, then such as no book has. */
static void *append_all(void *argument)
{
    world *w = argument;
    for (unsigned i = 0; i < NAMES; i++) {
        append(w, names[NAMES - 1 - i]);
    }
    for (unsigned i = NAMES; i < sizeof names / sizeof names[0]; i++) {
        append(w, names[i]);
    }
    return NULL;
}

/* All events are of the prefix: each answer is the whole view. */
static void *look(void *argument)
{
    world *w = argument;
    bp_region region = {
        .size = sizeof region, .fields = BP_REGION_ENTITY | BP_REGION_PREFIX, .entity = bp_text_of("P")};
    bp_query_options options = {.size = sizeof options};
    for (unsigned i = 0; i < LOOKS; i++) {
        bp_error error = {0};
        bpi_scan *scan = NULL;
        bpi_view *view = bpi_view_pin(w->index);
        uint64_t end = bpi_view_end(view);
        uint64_t sequence = 0;
        CHECK_OK(bpi_scan_begin(view, &region, &options, &scan, &error), &error);
        for (uint64_t want = 0; want < end; want++) {
            bp_status status = bpi_scan_next(scan, &sequence, NULL, &error);
            CHECK(status == BP_OK && sequence == want, "event %llu of %llu is left out", (unsigned long long)want,
                  (unsigned long long)end);
        }
        CHECK_STATUS(BP_END, bpi_scan_next(scan, &sequence, NULL, &error), &error);
        bpi_scan_end(scan);
        bpi_view_drop(view);
    }
    return NULL;
}

static bool one_run(const bps_plan *plan)
{
    world w;
    pthread_t threads[2];
    bps_begin(plan);
    bps_pause(true);
    world_begin(&w, BP_LAYOUT_SOA);
    w.max_rows = ROWS; /* so that each block begins a book */
    assert_true(world_rotate(&w));
    for (unsigned i = 0; i < NAMES; i++) {
        append(&w, names[i]);
    }
    assert_true(world_rotate(&w));
    bps_pause(false);
    CHECK(bps_thread_start(&threads[0], look, &w) == 0, "no thread");
    CHECK(bps_thread_start(&threads[1], append_all, &w) == 0, "no thread");
    (void)bps_thread_join(threads[0]);
    (void)bps_thread_join(threads[1]);
    bps_pause(true);
    world_end(&w);
    bps_pause(false);
    return bps_end();
}

static void a_prefix_has_every_event_of_its_view(void **state)
{
    uint64_t seed = bpt_seed(1);
    uint64_t runs = bpt_amount("BATPAK_RUNS", 1000, 100000);
    (void)state;
    for (uint64_t i = 0; i < runs; i++) {
        bps_plan plan = {.seed = seed + i, .one_in = 2u << ((seed + i) % 9)};
        bpt_note("names in books: BATPAK_SEED=%llu BATPAK_RUNS=1", (unsigned long long)plan.seed);
        (void)one_run(&plan);
    }
    bpt_note("%s", "");
    uint64_t all = 0;
    bool more = true;
    bps_restart();
    while (more && all < runs) { /* one switch away from who could have gone on is enough */
        bps_plan plan = {.exhaustive = true, .preemptions = 1};
        bpt_note("names in books: run %llu with one preemption", (unsigned long long)all);
        more = one_run(&plan);
        all++;
    }
    bpt_note("%s", "");
    print_message("%llu schedules at random, %s%llu with one preemption\n", (unsigned long long)runs,
                  more ? "the first " : "all ", (unsigned long long)all);
}

/* ---- a block is sealed while the next one begins ---- */

static void *seal_the_last(void *argument)
{
    world *w = argument;
    CHECK(bpi_index_seal_block(w->index, 0), "a block that gets no more rows was not sealed");
    return NULL;
}

static void *begin_the_next(void *argument)
{
    world *w = argument;
    assert_true(world_rotate(w));
    append(w, "P");
    append(w, "P:5");
    return NULL;
}

static bool sealed_beside(const bps_plan *plan)
{
    world w;
    pthread_t threads[2];
    bps_begin(plan);
    bps_pause(true);
    world_begin(&w, BP_LAYOUT_SOA);
    assert_true(world_rotate(&w));
    for (unsigned i = 0; i < NAMES; i++) {
        append(&w, names[i]);
    }
    bps_pause(false);
    CHECK(bps_thread_start(&threads[0], seal_the_last, &w) == 0, "no thread");
    CHECK(bps_thread_start(&threads[1], begin_the_next, &w) == 0, "no thread");
    (void)bps_thread_join(threads[0]);
    (void)bps_thread_join(threads[1]);
    bps_pause(true);
    world_end(&w);
    bps_pause(false);
    return bps_end();
}

static void a_block_is_sealed_with_its_own_rows(void **state)
{
    uint64_t seed = bpt_seed(1);
    uint64_t runs = bpt_amount("BATPAK_RUNS", 2000, 100000);
    (void)state;
    for (uint64_t i = 0; i < runs; i++) {
        bps_plan plan = {.seed = seed + i, .one_in = 2u << ((seed + i) % 9)};
        bpt_note("a block beside the next: BATPAK_SEED=%llu BATPAK_RUNS=1", (unsigned long long)plan.seed);
        (void)sealed_beside(&plan);
    }
    bpt_note("%s", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_prefix_has_every_event_of_its_view),
                                       cmocka_unit_test(a_block_is_sealed_with_its_own_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
