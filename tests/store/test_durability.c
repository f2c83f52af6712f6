/*
 * test_durability.c: receipts tell the truth: durable means synced before the answer, buffered is not durable until a
 * sync; periodic syncs in time; frontiers never run ahead or back.
 */
#include "support/world.h"

static bp_append_options with(bp_durability durability)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = durability;
    return options;
}

/* How many events a power cut that keeps nothing would leave now. */
static uint64_t safe_now(const bpt_world *world)
{
    bpt_world probe;
    bpt_world_adopt(&probe, bpi_fault_clone(world->fault));
    (void)bpt_power_cut(&probe, BPT_KEEP_NONE, 0);
    bp_store *store = bpt_open(&probe);
    uint64_t count = bp_store_frontiers(store).published;
    bpt_close(store);
    bpt_world_end(&probe);
    return count;
}

static void a_durable_receipt_is_on_the_medium(void **state)
{
    bpt_world world;
    (void)state;
    for (int path = BP_DURABLE; path <= BP_PERIODIC; path++) {
        bp_append_options options = with(BP_DURABLE);
        bpt_world_fault(&world);
        world.options.durability = (bp_durability)path;
        bp_store *store = bpt_open(&world);
        for (uint64_t count = 1; count <= 30; count++) {
            bp_receipt receipt = bpt_put_with(store, "e", "some payload", &options);
            assert_true(receipt.durable);
            assert_int_equal(bp_store_frontiers(store).durable, count);
            assert_int_equal(safe_now(&world), count);
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* The folder of a new store is a name in its parent, which must be synced too before a receipt says durable. */
static void the_folder_of_a_new_store_is_durable_too(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_adopt(&world, bpi_fault_new()); /* not even the folder is there */
    bp_store *store = bpt_open(&world);
    assert_true(bpt_put(store, "e", "x").durable);
    assert_int_equal(safe_now(&world), 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_buffered_receipt_says_not_durable(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = with(BP_BUFFERED);
    (void)state;
    for (int path = BP_DURABLE; path <= BP_BUFFERED; path++) {
        bpt_world_fault(&world);
        world.options.durability = (bp_durability)path;
        bp_store *store = bpt_open(&world);
        for (uint64_t count = 1; count <= 5; count++) {
            bp_receipt receipt = bpt_put_with(store, "e", "some payload", &options);
            assert_false(receipt.durable);
            assert_int_equal(bp_store_frontiers(store).published, count);
            assert_int_equal(bp_store_frontiers(store).durable, 0);
            assert_int_equal(safe_now(&world), 0);
        }
        CHECK_OK(bp_sync(store, &error), &error);
        assert_int_equal(bp_store_frontiers(store).durable, 5);
        assert_int_equal(safe_now(&world), 5);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

static void a_durable_append_covers_the_buffered_before_it(void **state)
{
    bpt_world world;
    bp_append_options buffered = with(BP_BUFFERED);
    bp_append_options durable = with(BP_DURABLE);
    (void)state;
    for (int path = BP_DURABLE; path <= BP_BUFFERED; path++) {
        bpt_world_fault(&world);
        world.options.durability = (bp_durability)path;
        bp_store *store = bpt_open(&world);
        for (int index = 0; index < 20; index++) { /* over a rotation: the segment before must be synced too */
            (void)bpt_put_with(store, "e", "buffered", &buffered);
            (void)bpt_put_sized(store, "e", 9000);
        }
        (void)bpt_put_with(store, "e", "durable", &durable);
        assert_int_equal(bp_store_frontiers(store).durable, 41);
        assert_int_equal(safe_now(&world), 41);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

static void closing_makes_all_durable(void **state)
{
    bpt_world world;
    bp_append_options options = with(BP_BUFFERED);
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    for (int index = 0; index < 9; index++) {
        (void)bpt_put_with(store, "e", "x", &options);
    }
    bpt_close(store);
    assert_int_equal(safe_now(&world), 9);
    bpt_world_end(&world);
}

static void the_store_option_is_the_default(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    assert_false(bpt_put(store, "e", "x").durable);
    bpt_close(store);
    world.options.durability = BP_DURABILITY_DEFAULT;
    store = bpt_open(&world);
    assert_true(bpt_put(store, "e", "x").durable);
    bpt_close(store);
    bpt_world_end(&world);
}

static void periodic_syncs_after_so_many_events(void **state)
{
    bpt_world world;
    bp_append_options options = with(BP_PERIODIC);
    (void)state;
    bpt_world_fault(&world);
    world.options.sync_every_events = 10;
    world.options.sync_every_ms = 3600000;
    bp_store *store = bpt_open(&world);
    for (uint64_t count = 1; count <= 100; count++) {
        (void)bpt_put_with(store, "e", "x", &options);
        uint64_t durable = bp_store_frontiers(store).durable;
        assert_true(count - durable <= 10);
    }
    assert_true(safe_now(&world) >= 90);
    bpt_close(store);
    bpt_world_end(&world);
}

static void periodic_syncs_after_some_time(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = with(BP_PERIODIC);
    (void)state;
    bpt_world_disk(&world); /* with the keeper thread */
    world.options.sync_every_events = 1000000;
    world.options.sync_every_ms = 20;
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put_with(store, "e", "x", &options);
    CHECK_OK(bp_wait_durable(store, receipt.sequence, 10000, &error), &error);
    assert_true(bp_store_frontiers(store).durable > receipt.sequence);
    bpt_close(store);
    bpt_world_end(&world);
}

/* What was filled ahead before is room for long: the keeper is there all the same. */
static void the_keeper_is_at_work_behind_a_reopening(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = with(BP_PERIODIC);
    (void)state;
    bpt_world_disk(&world);
    world.options.sync_every_events = 1000000;
    world.options.sync_every_ms = 20;
    for (unsigned i = 0; i < 3; i++) {
        bp_store *store = bpt_open(&world);
        bp_stats stats = {.size = sizeof stats};
        bp_receipt receipt = bpt_put_with(store, "e", "x", &options);
        CHECK_OK(bp_wait_durable(store, receipt.sequence, 10000, &error), &error);
        for (unsigned looks = 0; looks < 1000 && stats.keeper_marks == 0; looks++) {
            CHECK_OK(bp_store_stats(store, &stats, &error), &error);
            bp_clock_system()->sleep_ns(NULL, 5000000);
        }
        assert_true(stats.keeper_marks > 0);
        bpt_close(store);
    }
    bpt_world_end(&world);
}

static void waiting_for_durable_times_out(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = with(BP_BUFFERED);
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt first = bpt_put(store, "e", "x");
    CHECK_OK(bp_wait_durable(store, first.sequence, 0, &error), &error);
    bp_receipt receipt = bpt_put_with(store, "e", "x", &options);
    double start = bpt_seconds();
    bp_status status = bp_wait_durable(store, receipt.sequence, 30, &error);
    assert_true(status == BP_ERR_TIMEOUT || status == BP_OK); /* a rotation or the keeper may have synced it */
    assert_true(status == BP_OK || bpt_seconds() - start > 0.025);
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_wait_durable(store, 1000, 1, &error), &error); /* not there yet */
    CHECK_OK(bp_sync(store, &error), &error);
    CHECK_OK(bp_wait_durable(store, receipt.sequence, UINT32_MAX, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void waiting_syncs_when_the_keeper_is_inline(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = with(BP_BUFFERED);
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put_with(store, "e", "x", &options);
    CHECK_OK(bp_wait_durable(store, receipt.sequence, 1000, &error), &error);
    assert_int_equal(safe_now(&world), 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void frontiers_never_go_back_and_durable_never_leads(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bpt_random random = {bpt_seed(9)};
    bp_frontiers last = {0};
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    for (int index = 0; index < 400; index++) {
        bp_append_options options = with((bp_durability)(1 + bpt_random_below(&random, 3)));
        (void)bpt_put_with(store, "e", "some payload", &options);
        if (bpt_random_chance(&random, 5)) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
        bp_frontiers now = bp_store_frontiers(store);
        assert_true(now.published >= last.published && now.durable >= last.durable);
        assert_true(now.published_lsn >= last.published_lsn && now.durable_lsn >= last.durable_lsn);
        assert_true(now.durable <= now.published && now.durable_lsn <= now.published_lsn);
        assert_false(now.failed);
        last = now;
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_lying_sync_loses_what_it_lied_about_and_nothing_else(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one"); /* honest */
    bpt_close(store);
    store = bpt_open(&world);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.sync_lies = true});
    bpt_put(store, "e", "two");
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).published, 1); /* the model bites: this test would see a missing sync */
    bpt_close(store);
    bpt_world_end(&world);
}

static void syncing_an_empty_store_and_twice_is_fine(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_sync(store, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_put(store, "e", "x");
    CHECK_OK(bp_sync(store, &error), &error);
    uint64_t steps = bpi_fault_steps(world.fault);
    CHECK_OK(bp_sync(store, &error), &error);
    assert_int_equal(bpi_fault_steps(world.fault), steps); /* nothing to do */
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_durable_receipt_is_on_the_medium),
        cmocka_unit_test(the_folder_of_a_new_store_is_durable_too),
        cmocka_unit_test(a_buffered_receipt_says_not_durable),
        cmocka_unit_test(a_durable_append_covers_the_buffered_before_it),
        cmocka_unit_test(closing_makes_all_durable),
        cmocka_unit_test(the_store_option_is_the_default),
        cmocka_unit_test(periodic_syncs_after_so_many_events),
        cmocka_unit_test(periodic_syncs_after_some_time),
        cmocka_unit_test(the_keeper_is_at_work_behind_a_reopening),
        cmocka_unit_test(waiting_for_durable_times_out),
        cmocka_unit_test(waiting_syncs_when_the_keeper_is_inline),
        cmocka_unit_test(frontiers_never_go_back_and_durable_never_leads),
        cmocka_unit_test(a_lying_sync_loses_what_it_lied_about_and_nothing_else),
        cmocka_unit_test(syncing_an_empty_store_and_twice_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
