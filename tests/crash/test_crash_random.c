/*
 * test_crash_random.c: random work, a crash at a random step, a random subset of what was not synced, recovery, compared
 * with the model; and again on the same store, over and over.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "support/workload.h"

static void crash(bpt_workload *work, uint64_t *cuts)
{
    uint64_t how = bpt_random_below(&work->random, 5);
    if (work->store != NULL) {
        (void)bp_close(work->store, NULL);
        work->store = NULL;
    }
    if (how == 0) {
        bpi_fault_process_kill(work->world->fault);
        (void)bpt_workload_recover(work, work->model.count);
        return;
    }
    (*cuts)++;
    bpt_keep keep = how == 1 ? BPT_KEEP_NONE : how == 2 ? BPT_KEEP_ALL : BPT_KEEP_RANDOM;
    (void)bpt_power_cut(work->world, keep, bpt_random_next(&work->random));
    (void)bpt_workload_recover(work, work->durable);
}

static void crash_run(uint64_t seed, unsigned crashes, uint64_t *cuts)
{
    bpt_world world;
    bpt_workload *work = calloc(1, sizeof *work);
    assert_non_null(work);
    bpt_world_fault(&world);
    world.options.durability = (bp_durability)(1 + seed % 3);
    bpt_workload_begin(work, &world, seed);
    work->payload_max = seed % 4 == 0 ? 9000 : 900;
    work->asks = false;
    for (unsigned round = 0; round < crashes; round++) {
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = 1 + bpt_random_below(&work->random, 120)};
        bpi_fault_set_plan(world.fault, &plan);
        for (int step = 0; step < 400 && !bpi_fault_crashed(world.fault); step++) {
            bpt_workload_step(work);
        }
        crash(work, cuts);
    }
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    bpt_workload_end(work);
    free(work);
    bpt_world_end(&world);
}

static void random_work_and_random_crashes(void **state)
{
    uint64_t seed = bpt_seed(100);
    uint64_t runs = bpt_amount("BATPAK_RUNS", 400, 2500);
    uint64_t cuts = 0;
    uint64_t crashes = runs * 5;
    double start = bpt_seconds();
    (void)state;
    for (uint64_t run = 0; run < runs; run++) {
        crash_run(seed + run, 5, &cuts);
    }
    double seconds = bpt_seconds() - start;
    print_message("%llu crashes, %llu of them power cuts, in %.1f s: %.0f a second\n", (unsigned long long)crashes,
                  (unsigned long long)cuts, seconds, (double)crashes / seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_work_and_random_crashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
