/*
 * test_failures.c: calls that fail without a crash: every step of the mixed workload fails once, for good, after half of
 * a write, or as a sync that forgets. What was acknowledged stays, answers are typed, readers go on, and a reopening
 * brings writing back (P6).
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>

#include "support/failing.h"

static void with_plan(bp_durability durability, const bpi_fault_plan *plan, uint32_t attempts, bool power)
{
    bpt_failing *r = calloc(1, sizeof *r);
    assert_non_null(r);
    bpt_note("durability %d, kind %d, errno %d, step %llu%s, attempts %u%s", (int)durability, (int)plan->kind,
             plan->os_error, (unsigned long long)plan->step, plan->persistent ? " and on" : "", attempts,
             power ? ", then a power cut" : "");
    bpt_world_fault(&r->world);
    r->world.options.durability = durability;
    r->world.options.recovery_attempts = attempts;
    bpi_fault_set_plan(r->world.fault, plan);
    bool opened = bpt_script_begin(&r->script, &r->world);
    CHECK(opened || bpt_is_typed(r->script.status), "opening is answered %s: %s", bp_status_name(r->script.status),
          r->script.error.message);
    bpt_failing_run(r);
    bpt_failing_close(r);
    bpi_fault_set_plan(r->world.fault, &(bpi_fault_plan){0});
    if (power) {
        (void)bpt_power_cut(&r->world, BPT_KEEP_NONE, 0);
    }
    bpt_failing_aftermath(r, power ? r->durable : UINT64_MAX);
    bpt_world_end(&r->world);
    free(r);
}

/* The plan at every step (in part under the sanitizers), both ways of writing, with and without recovery. */
static void at_every_step(bpi_fault_plan plan, bool power)
{
    uint64_t stride = bpt_campaign() ? 1 : bpt_instrumented() ? 29 : 1;
    uint64_t runs = 0;
    double start = bpt_seconds();
    for (int durability = BP_DURABLE; durability <= BP_BUFFERED; durability++) {
        bpt_reference *reference = calloc(1, sizeof *reference);
        assert_non_null(reference);
        bpt_reference_make(reference, (bp_durability)durability);
        for (plan.step = 1; plan.step <= reference->steps; plan.step += stride) {
            with_plan((bp_durability)durability, &plan, 0, power);
            with_plan((bp_durability)durability, &plan, 1, power);
            runs += 2;
        }
        free(reference);
    }
    print_message("%llu runs in %.1f s\n", (unsigned long long)runs, bpt_seconds() - start);
}

static void one_eio(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .os_error = EIO}, false);
}

static void one_eio_then_power_cut(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .os_error = EIO}, true);
}

static void eio_for_good(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .os_error = EIO, .persistent = true}, false);
}

static void one_enospc(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .os_error = ENOSPC}, false);
}

static void enospc_for_good(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .os_error = ENOSPC, .persistent = true}, false);
}

static void half_a_write(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_HALF, .os_error = EIO}, false);
}

static void a_sync_that_forgets(void **state)
{
    (void)state;
    at_every_step((bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .os_error = EIO}, true);
}

/* ---- the recovery policy ---- */

/* Fails the next sync of an append. */
static bp_status fail_one(bpt_world *world, bp_store *store, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options, NULL, error), error);
    bpi_fault_set_plan(world->fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    return bp_sync(store, error);
}

static void policy(uint32_t attempts, unsigned failures, bool writes_again)
{
    bpt_world world;
    bp_error error = {0};
    bpt_world_fault(&world);
    world.options.recovery_attempts = attempts;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "first");
    for (unsigned index = 0; index < failures; index++) {
        bp_status status = fail_one(&world, store, &error);
        CHECK(bpt_is_typed(status), "a failed sync is answered %s", bp_status_name(status));
    }
    bp_status status = bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("y", 1), NULL, NULL, &error);
    bpt_check_status(status, writes_again ? BP_OK : BP_ERR_FAILED, &error, "bp_append", __FILE__, __LINE__);
    assert_int_equal(bp_store_frontiers(store).failed, !writes_again);
    if (!writes_again) {
        CHECK_STATUS(BP_ERR_FAILED, bp_sync(store, &error), &error);
        CHECK_STATUS(BP_ERR_FAILED, bp_wait_durable(store, 1000000, 5, &error), &error);
        CHECK_SAYS(&error, "open it again");
    }
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(store, 0, &event, &error), &error); /* readers go on */
    bp_event_release(event);
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.recoveries, writes_again ? failures : attempts);
    (void)bp_close(store, NULL);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    store = bpt_open(&world);
    bpt_put(store, "e", "reopened");
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void no_recovery_stays_failed_until_reopened(void **state)
{
    (void)state;
    policy(0, 1, false);
}

static void one_recovery_by_default_brings_writing_back(void **state)
{
    (void)state;
    policy(1, 1, true);
}

static void a_second_failure_is_final_by_default(void **state)
{
    (void)state;
    policy(1, 2, false);
}

static void three_attempts_are_three(void **state)
{
    (void)state;
    policy(3, 3, true);
}

static void a_failed_handle_closes_and_says_so(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_fault(&world);
    world.options.recovery_attempts = 0;
    bp_store *store = bpt_open(&world);
    assert_true(bpt_is_typed(fail_one(&world, store, &error)));
    bp_status status = bp_close(store, &error);
    assert_true(status == BP_ERR_FAILED || status == BP_ERR_IO);
    bpt_world_end(&world);
}

/* After an inconclusive write the retry decides: there once, whatever became of it. */
static void a_retry_after_recovery_is_there_once(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 12; step++) {
        bpt_world world;
        bp_error error = {0};
        uint64_t count = 0;
        bp_append_options options;
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "e", "first");
        bp_append_options_init(&options);
        options.id = bp_id_from("retry", &step, sizeof step);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = step, .os_error = EIO});
        bp_status status = bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options, NULL, &error);
        assert_true(status == BP_OK || bpt_is_typed(status));
        CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options, NULL, &error), &error);
        CHECK_OK(bp_count(store, NULL, &count, &error), &error);
        assert_int_equal(count, 2);
        (void)bp_close(store, NULL);
        bpt_world_end(&world);
    }
}

/* The sync failed, and the system forgot that the pages are not on the medium. They are still in its memory, where the next
 * process of the same boot finds them, and a sync alone writes them no more. */
static void what_a_failed_sync_forgot_is_written_again_by_the_next_opening(void **state)
{
    (void)state;
    for (int durability = BP_DURABLE; durability <= BP_BUFFERED; durability++) {
        bpt_world world;
        bp_error error = {0};
        bpt_world_fault(&world);
        world.options.durability = (bp_durability)durability;
        world.options.recovery_attempts = 0;
        bp_store *store = bpt_open(&world);
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = BP_BUFFERED;
        bpt_put(store, "e", "first");
        CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options, NULL, &error), &error);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = 1, .os_error = EIO});
        assert_true(bpt_is_typed(bp_sync(store, &error)));
        (void)bp_close(store, NULL);
        store = bpt_open(&world); /* claims both events */
        assert_int_equal(bp_store_frontiers(store).durable, 2);
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        assert_int_equal(bp_store_frontiers(store).published, 2);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* Making a store failed at a step, and the syncs forgot what they covered: who asks again gets one that a power cut leaves there. */
static void a_store_that_could_not_be_made_is_made_by_asking_again(void **state)
{
    unsigned failures = 0;
    (void)state;
    for (uint64_t step = 1; step < 30; step++) {
        bpt_world world;
        bp_error error = {0};
        bp_dir *dirs[2] = {NULL, NULL};
        bp_store *store = NULL;
        bpt_world_fault(&world);
        assert_int_equal(world.io->dir_open(world.io->context, world.path, true, &dirs[0]), 0);
        assert_int_equal(world.io->dir_open(world.io->context, "", false, &dirs[1]), 0);
        assert_int_equal(world.io->dir_sync(world.io->context, dirs[1]), 0);
        world.io->dir_close(world.io->context, dirs[0]);
        world.io->dir_close(world.io->context, dirs[1]);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = step, .os_error = EIO});
        bool failed = bp_open(world.path, &world.options, &store, &error) != BP_OK;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        failures += failed;
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        bpt_put(store, "e", "first");
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = NULL;
        CHECK(bp_open(world.path, &world.options, &store, &error) == BP_OK && bp_store_frontiers(store).published == 1,
              "step %llu: the store is gone: %s", (unsigned long long)step, error.message);
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_eio),
        cmocka_unit_test(one_eio_then_power_cut),
        cmocka_unit_test(eio_for_good),
        cmocka_unit_test(one_enospc),
        cmocka_unit_test(enospc_for_good),
        cmocka_unit_test(half_a_write),
        cmocka_unit_test(a_sync_that_forgets),
        cmocka_unit_test(no_recovery_stays_failed_until_reopened),
        cmocka_unit_test(one_recovery_by_default_brings_writing_back),
        cmocka_unit_test(a_second_failure_is_final_by_default),
        cmocka_unit_test(three_attempts_are_three),
        cmocka_unit_test(a_failed_handle_closes_and_says_so),
        cmocka_unit_test(a_retry_after_recovery_is_there_once),
        cmocka_unit_test(what_a_failed_sync_forgot_is_written_again_by_the_next_opening),
        cmocka_unit_test(a_store_that_could_not_be_made_is_made_by_asking_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
