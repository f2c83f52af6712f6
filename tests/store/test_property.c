/*
 * test_property.c: random work on a store against the model, which is compared whole after each reopening.
 * BATPAK_SEED and BATPAK_STEPS replay a run.
 *
 * ctest: labels=campaign
 */
#include "support/workload.h"

static void work_on(bpt_world *world, uint64_t seed, uint64_t steps)
{
    bpt_workload *work = calloc(1, sizeof *work);
    double start = bpt_seconds();
    assert_non_null(work);
    bpt_workload_begin(work, world, seed);
    for (uint64_t step = 0; step < steps; step++) {
        bpt_workload_step(work);
    }
    bpt_workload_reopen(work);
    print_message("%llu steps, %zu events, %llu batches, %llu duplicates, %llu conflicts, %.2f s\n",
                  (unsigned long long)steps, work->model.count, (unsigned long long)work->batches,
                  (unsigned long long)work->duplicates, (unsigned long long)work->conflicts, bpt_seconds() - start);
    bpt_workload_end(work);
    free(work);
}

static void in_memory(bp_durability durability, bp_layout layout, uint64_t seed, uint64_t steps)
{
    bpt_world world;
    bpt_world_memory(&world);
    world.options.durability = durability;
    world.options.layout = layout;
    work_on(&world, seed, steps);
    bpt_world_end(&world);
}

static void in_memory_durable(void **state)
{
    (void)state;
    in_memory(BP_DURABLE, BP_LAYOUT_DEFAULT, bpt_seed(1), bpt_amount("BATPAK_STEPS", 3000, 20000));
}

static void in_memory_buffered(void **state)
{
    (void)state;
    in_memory(BP_BUFFERED, BP_LAYOUT_DEFAULT, bpt_seed(2), bpt_amount("BATPAK_STEPS", 3000, 20000));
}

static void in_memory_periodic(void **state)
{
    (void)state;
    in_memory(BP_PERIODIC, BP_LAYOUT_DEFAULT, bpt_seed(3), bpt_amount("BATPAK_STEPS", 2000, 20000));
}

static void every_layout_answers_alike(void **state)
{
    uint64_t seed = bpt_seed(4);
    (void)state;
    for (int layout = BP_LAYOUT_AOS; layout <= BP_LAYOUT_SOAOS; layout++) {
        in_memory(BP_BUFFERED, (bp_layout)layout, seed + (uint64_t)layout, bpt_amount("BATPAK_STEPS", 500, 5000));
    }
}

static void on_disk_with_the_keeper(void **state)
{
    static const bp_durability levels[] = {BP_DURABLE, BP_BUFFERED, BP_PERIODIC};
    uint64_t seed = bpt_seed(5);
    (void)state;
    for (size_t index = 0; index < 3; index++) {
        bpt_world world;
        bpt_world_disk(&world);
        world.options.durability = levels[index];
        work_on(&world, seed + index, bpt_amount("BATPAK_STEPS", 1500, 10000));
        bpt_world_end(&world);
    }
}

static void big_payloads_rotate_segments(void **state)
{
    bpt_world world;
    bpt_workload *work = calloc(1, sizeof *work);
    bp_stats stats = {.size = sizeof stats};
    bp_error error = {0};
    (void)state;
    assert_non_null(work);
    bpt_world_memory(&world);
    bpt_workload_begin(work, &world, bpt_seed(6));
    work->payload_max = 12000; /* a batch may be larger than a segment */
    for (uint64_t step = 0, steps = bpt_amount("BATPAK_STEPS", 800, 5000); step < steps; step++) {
        bpt_workload_step(work);
    }
    CHECK_OK(bp_store_stats(work->store, &stats, &error), &error);
    assert_true(stats.segments > (bpt_instrumented() ? 1 : 3));
    bpt_workload_end(work);
    free(work);
    bpt_world_end(&world);
}

static void many_short_runs(void **state)
{
    uint64_t seed = bpt_seed(1000);
    uint64_t runs = bpt_amount("BATPAK_RUNS", 60, 3000);
    (void)state;
    for (uint64_t run = 0; run < runs; run++) {
        bpt_world world;
        bpt_workload *work = calloc(1, sizeof *work);
        assert_non_null(work);
        bpt_world_memory(&world);
        world.options.durability = (bp_durability)(1 + run % 3);
        bpt_workload_begin(work, &world, seed + run);
        for (int step = 0; step < 60; step++) {
            bpt_workload_step(work);
        }
        bpt_workload_reopen(work);
        bpt_workload_end(work);
        free(work);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory_durable),       cmocka_unit_test(in_memory_buffered),
        cmocka_unit_test(in_memory_periodic),      cmocka_unit_test(every_layout_answers_alike),
        cmocka_unit_test(on_disk_with_the_keeper), cmocka_unit_test(big_payloads_rotate_segments),
        cmocka_unit_test(many_short_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
