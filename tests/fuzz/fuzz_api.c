/*
 * fuzz_api.c: sequences of calls, judged by the model (tests/support/model.h). The input is where the workload's random
 * numbers come from: which call, which entity, which payload, which crash. When it is used up, the store is compared with
 * the model, closed and proven.
 */
#include "fuzz/fuzz.h"

#include "support/workload.h"

enum { STEPS_MOST = 120, SEED_SIZE = 96 };

static void crash(bpt_workload *work)
{
    uint64_t how = bpt_random_below(&work->random, 4);
    bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = 1 + bpt_random_below(&work->random, 16)};
    bpi_fault_set_plan(work->world->fault, &plan);
    for (int step = 0; step < 20 && !bpi_fault_crashed(work->world->fault); step++) {
        bpt_workload_step(work);
    }
    if (work->store != NULL) {
        (void)bp_close(work->store, NULL);
        work->store = NULL;
    }
    if (how == 0) {
        bpi_fault_process_kill(work->world->fault);
        (void)bpt_workload_recover(work, work->model.count);
    } else {
        bpt_keep keep = how == 1 ? BPT_KEEP_NONE : how == 2 ? BPT_KEEP_ALL : BPT_KEEP_RANDOM;
        (void)bpt_power_cut(work->world, keep, bpt_random_below(&work->random, 65536));
        (void)bpt_workload_recover(work, work->durable);
    }
    bpi_fault_set_plan(work->world->fault, &(bpi_fault_plan){0});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bpt_world world;
    bpt_workload *work = calloc(1, sizeof *work);
    CHECK(work != NULL, "no memory");
    bpt_random_feed(data, size);
    bpt_world_fault(&world);
    world.options.durability = (bp_durability)(size > 0 ? 1 + data[0] % 3 : 1);
    bpt_workload_begin(work, &world, 1);
    for (int step = 0; step < STEPS_MOST && bpt_random_fed() > 0; step++) {
        if (bpt_random_below(&work->random, 256) >= 244) {
            crash(work);
        } else {
            bpt_workload_step(work);
        }
    }
    bpt_workload_end(work);
    bpt_random_feed(NULL, 0);
    free(work);
    bpt_world_end(&world);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    for (unsigned number = 0; number < 6; number++) {
        char name[16];
        uint8_t bytes[SEED_SIZE * 6];
        size_t size = (size_t)SEED_SIZE * (number + 1);
        bpt_random random = {number};
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)bpt_random_next(&random);
        }
        (void)snprintf(name, sizeof name, "random-%u", number);
        emit(argument, name, bytes, size);
    }
}
