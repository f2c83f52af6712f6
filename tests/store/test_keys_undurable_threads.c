/*
 * test_keys_undurable_threads.c: other threads append for the subject while its key is destroyed and what destroying it does fails.
 * ctest: labels=threads
 */
#include <pthread.h>
#include <sched.h>

#include "store/keys_undurable.h"

enum { STEP_FIRST = 4, STEPS = 8, WRITERS = 3, ROUNDS = 30, RECEIPTS_MAX = 4000 };

typedef struct writing {
    pthread_t thread;
    bp_store *store;
    uint64_t sequences[RECEIPTS_MAX];
    _Atomic size_t count;
    _Atomic bool *stop;
} writing;

static void *write_for_anna(void *argument)
{
    writing *mine = argument;
    while (!atomic_load(mine->stop) && atomic_load(&mine->count) < RECEIPTS_MAX) {
        bp_receipt receipt = {0};
        if (try_put(mine->store, "anna", &receipt, NULL) == BP_OK) {
            mine->sequences[atomic_load(&mine->count)] = receipt.sequence;
            (void)atomic_fetch_add(&mine->count, 1);
        }
        (void)sched_yield();
    }
    return NULL;
}

static void go_on(writing *writers)
{
    for (size_t i = 0; i < WRITERS; i++) {
        size_t before = atomic_load(&writers[i].count);
        while (atomic_load(&writers[i].count) < before + 2 && before + 2 < RECEIPTS_MAX) {
            (void)sched_yield();
        }
    }
}

/* What was put last: nobody destroys a key now. */
static void check_last(writing *writers, bp_store *reader, const bpi_fault_plan *plan)
{
    for (size_t i = 0; i < WRITERS; i++) {
        size_t count = atomic_load(&writers[i].count);
        check_shown(reader, writers[i].sequences[count - 1], "in a reader, with other threads", plan);
    }
}

static void others_append_for_the_subject_meanwhile(void **state)
{
    static writing writers[WRITERS];
    _Atomic bool stop = false;
    bpt_world world;
    bpt_random random = {bpt_seed(7)};
    bpi_fault_plan plan = {0};
    unsigned failures = 0;
    (void)state;
    skip_without_cipher();
    bpt_world_fault(&world);
    world.options.recovery_attempts = 100000;
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (writing){.store = store, .stop = &stop};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_for_anna, &writers[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        bp_error error = {0};
        go_on(writers);
        plan = (bpi_fault_plan){
            .kind = kinds[round % 2], .step = STEP_FIRST + bpt_random_below(&random, STEPS), .os_error = EIO};
        bpi_fault_set_plan(world.fault, &plan);
        failures += destroy(store, NULL, &error) != BP_OK;
        go_on(writers);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        check_last(writers, reader, &plan);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    }
    bpt_close(reader);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    for (size_t i = 0; i < WRITERS; i++) {
        for (size_t n = 0; n < atomic_load(&writers[i].count); n += 16) { /* each looks through all behind it */
            check_shown(store, writers[i].sequences[n], "with other threads", &plan);
        }
    }
    assert_true(failures != 0);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_append_for_the_subject_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
