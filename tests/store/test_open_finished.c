/*
 * test_open_finished.c: segments that were finished and not sealed when a process was killed: the next one, with a keeper thread,
 * answers first and seals them then. (Not for the thread sanitizer: this world ends under the threads that write to its maps.)
 */
#include "store/store.h"
#include "support/world.h"

enum { EVENTS = 60, PAYLOAD = 6000 };

static void begin(bpt_world *world)
{
    bpt_world_fault(world);
    world->options.keeper = BP_KEEPER_THREAD;
    world->options.segment_size = BP_SEGMENT_MIN;
}

static size_t finished(bp_store *store)
{
    (void)pthread_mutex_lock(&store->log.lock);
    size_t count = store->log.finished_count;
    (void)pthread_mutex_unlock(&store->log.lock);
    return count;
}

/* Appends until the world ends; how many events were acknowledged. */
static uint64_t append_until_killed(bpt_world *world, uint64_t step)
{
    bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
    bp_store *store = bpt_open(world);
    uint8_t payload[PAYLOAD] = {7};
    uint64_t acknowledged = 0;
    bpi_fault_set_plan(world->fault, &plan);
    while (acknowledged < EVENTS && bp_append(store, bp_at("ledger", "book"), BP_KIND(1, 1),
                                              bp_raw(payload, sizeof payload), NULL, NULL, NULL) == BP_OK) {
        acknowledged++;
    }
    bpi_fault_process_kill(world->fault);
    (void)bp_close(store, NULL);
    return acknowledged;
}

/* All is there at once; what was finished is sealed without being asked for. */
static void check_opened(bpt_world *world, uint64_t acknowledged, unsigned *left)
{
    bp_stats stats = {.size = sizeof stats};
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    *left += finished(store) > 0;
    uint64_t published = bp_store_frontiers(store).published;
    CHECK(published >= acknowledged, "%llu of %llu", (unsigned long long)published, (unsigned long long)acknowledged);
    for (uint64_t sequence = 0; sequence < published; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        assert_int_equal(event->payload_size, PAYLOAD);
        bp_event_release(event);
    }
    for (unsigned i = 0; finished(store) > 0 && i < 20000; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    assert_int_equal(finished(store), 0);
    (void)bpt_put(store, "ledger", "on");
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.events, published + 1);
    bpt_close(store);
    assert_int_equal(bpt_verify(world), published + 1);
}

static void they_are_sealed_by_the_keeper_of_the_next_process(void **state)
{
    unsigned left = 0;
    (void)state;
    for (uint64_t step = 1; step < 400; step += 3) {
        bpt_world world;
        begin(&world);
        uint64_t acknowledged = append_until_killed(&world, step);
        check_opened(&world, acknowledged, &left);
        bpt_world_end(&world);
    }
    CHECK(left > 0, "no opening found a segment that was finished and not sealed");
}

/* A process that is killed before its keeper has sealed them leaves them as they were. */
static void an_opening_that_is_killed_leaves_them_to_the_next(void **state)
{
    unsigned left = 0;
    (void)state;
    for (uint64_t step = 2; step < 400; step += 9) {
        bpt_world world;
        bp_store *store = NULL;
        begin(&world);
        uint64_t acknowledged = append_until_killed(&world, step);
        for (uint64_t again = 1; again < 40; again += 4) {
            bpt_world after;
            bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = again};
            bpt_world_adopt(&after, bpi_fault_clone(world.fault));
            after.options.keeper = BP_KEEPER_THREAD;
            bpi_fault_set_plan(after.fault, &plan);
            bool opened = bp_open(after.path, &after.options, &store, NULL) == BP_OK;
            assert_true(opened == (store != NULL));
            bpi_fault_process_kill(after.fault);
            (void)bp_close(store, NULL);
            check_opened(&after, acknowledged, &left);
            bpt_world_end(&after);
        }
        bpt_world_end(&world);
    }
    CHECK(left > 0, "no opening found a segment that was finished and not sealed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_sealed_by_the_keeper_of_the_next_process),
        cmocka_unit_test(an_opening_that_is_killed_leaves_them_to_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
