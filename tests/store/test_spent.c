/*
 * test_spent.c: manifests whose numbers are at their end, which only forging makes: a writer refuses them, and so does who foresees
 * what it would do; what a writer leaves is always read again.
 */
#include "format/manifest.h"
#include "support/forge.h"

static uint64_t forged_generation;

static void set_generation(uint8_t *slot, size_t size)
{
    (void)size;
    uint64_t before = bpt_get64(slot + BPI_SLOT_GENERATION);
    bpt_set64(slot + BPI_SLOT_GENERATION, forged_generation - (forged_generation % 2 != before % 2));
}

static void set_epoch(uint8_t *slot, size_t size)
{
    (void)size;
    bpt_set32(slot + BPI_SLOT_EPOCH, BPI_COUNT_MOST - 2);
}

/* Writers come and are killed until one is refused; readers read on behind each. */
static void write_until_refused(bpt_change_fn change)
{
    bpt_world world;
    bp_error error = {0};
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "x");
    bpt_close(store);
    bpt_change_manifest(&world, change);
    uint64_t events = 1;
    bp_status status = BP_OK;
    for (int i = 0; i < 10 && status == BP_OK; i++) {
        status = bp_open(world.path, &world.options, &store, &error);
        if (status == BP_OK) {
            bpt_put(store, "a", "x");
            events++;
            bpi_fault_process_kill(world.fault);
            (void)bp_close(store, NULL);
        }
        bpt_close(bpt_reader(&world));
        assert_int_equal(bpt_verify(&world), events);
    }
    CHECK_STATUS(BP_ERR_CORRUPT, status, &error);
    assert_non_null(strstr(error.message, "greatest number"));
    bp_inspection found;
    CHECK_OK(bp_inspect_recovery(world.path, &world.options, NULL, NULL, &found, &error), &error);
    assert_int_equal(found.verdict, BP_RECOVERY_REFUSE);
    assert_int_equal(found.refusal.status, BP_ERR_CORRUPT);
    bpt_world_end(&world);
}

static void an_epoch_at_its_end_is_refused(void **state)
{
    (void)state;
    write_until_refused(set_epoch);
}

static void a_generation_at_its_end_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        forged_generation = BPI_GENERATION_MOST - i;
        write_until_refused(set_generation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_at_its_end_is_refused),
        cmocka_unit_test(a_generation_at_its_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
