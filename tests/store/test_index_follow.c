/*
 * test_index_follow.c: a reader that stays while another handle writes: it takes the index files that come, so that what it holds
 * in memory does not grow with the log, and answers as before.
 */
#include "store/index_fixture.h"

enum { SEGMENTS = 40, HELD_MOST = 12 };

static void grow(bpt_workload *work, uint64_t sealed)
{
    while (sealed_of(work->store) < sealed) {
        bpt_workload_step(work);
    }
}

static bpt_workload *begin(bpt_world *world, uint64_t seed)
{
    bpt_world_fault(world);
    world->options.durability = BP_BUFFERED;
    bpt_workload *work = calloc(1, sizeof *work);
    assert_non_null(work);
    bpt_workload_begin(work, world, seed);
    work->reopens = false;
    work->asks = false;
    return work;
}

static void end(bpt_world *world, bpt_workload *work)
{
    bpt_close(work->store);
    bpt_model_free(&work->model);
    free(work);
    bpt_world_end(world);
}

/* Opened before there is any file, on a store without an event. */
static void a_reader_that_stays_takes_the_files_that_come(void **state)
{
    bpt_world world;
    (void)state;
    bpt_workload *work = begin(&world, bpt_seed(81));
    bp_store *reader = bpt_reader(&world);
    uint64_t early = 0;
    for (uint64_t sealed = 1; sealed <= SEGMENTS; sealed++) {
        grow(work, sealed);
        bp_stats stats = stats_of(reader);
        assert_int_equal(stats.events, work->model.count);
        early = sealed == HELD_MOST ? stats.index_bytes : early;
        CHECK(sealed < 2 || stats.index_files > 0, "no file is used with %u sealed segments", (unsigned)sealed);
        if (sealed % 10 == 0) {
            bpt_compare(&work->model, reader, &work->random);
        }
    }
    bp_stats stats = stats_of(reader);
    CHECK(stats.index_bytes < 2 * early, "%llu bytes with %u segments, %llu with %u",
          (unsigned long long)stats.index_bytes, (unsigned)SEGMENTS, (unsigned long long)early, (unsigned)HELD_MOST);
    CHECK(stats.index_files < HELD_MOST + 4, "%llu files: merged ones are not taken",
          (unsigned long long)stats.index_files);
    bpt_close(reader);
    end(&world, work);
}

/* What an iterator has pinned stays what it was, whichever files take its place. */
static void an_iterator_is_not_disturbed(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    (void)state;
    bpt_workload *work = begin(&world, bpt_seed(82));
    bp_store *reader = bpt_reader(&world);
    grow(work, 3);
    uint64_t pinned = stats_of(reader).events;
    CHECK_OK(bp_query(reader, NULL, NULL, &iterator, &error), &error);
    uint64_t seen = 0;
    bp_status status = BP_OK;
    for (uint64_t sealed = 4; status == BP_OK; sealed += sealed < 20) {
        grow(work, sealed);
        (void)stats_of(reader);
        for (unsigned i = 0; i < 20 && (status = bp_next(iterator, &event, &error)) == BP_OK; i++) {
            CHECK(event->sequence >= seen && event->sequence < pinned, "event %llu behind %llu",
                  (unsigned long long)event->sequence, (unsigned long long)seen);
            seen = event->sequence + 1;
        }
    }
    assert_int_equal(status, BP_END);
    bp_iterator_close(iterator);
    bpt_compare(&work->model, reader, &work->random);
    bpt_close(reader);
    end(&world, work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_stays_takes_the_files_that_come),
        cmocka_unit_test(an_iterator_is_not_disturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
