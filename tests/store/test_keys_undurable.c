/*
 * test_keys_undurable.c: destroying a key when the record of that is written, or half written, and cannot be synced. Whatever
 * becomes of the record, nothing that was acknowledged is lost that the record does not say is destroyed, and nothing is
 * encrypted under a key that it says is.
 */
#include "store/keys_undurable.h"

#include "format/key_file.h"

enum { STEPS = 16 };

typedef struct key_seen {
    uint8_t bytes[BPI_CIPHER_KEY];
    bool found;
} key_seen;

static void note_key(void *argument, const char *name, const uint8_t *data, size_t size)
{
    key_seen *seen = argument;
    bpi_key_file file;
    if (strncmp(name, "keys/", 5) == 0 && bpi_key_file_get(data, size, &file) == NULL) {
        memcpy(seen->bytes, file.key, sizeof seen->bytes);
        seen->found = true;
    }
}

static void look_for_key(void *argument, const char *name, const uint8_t *data, size_t size)
{
    key_seen *seen = argument;
    (void)name;
    seen->found = seen->found || memmem(data, size, seen->bytes, sizeof seen->bytes) != NULL;
}

static bpi_fault_plan some_plan(uint64_t which)
{
    return (bpi_fault_plan){
        .kind = kinds[which % 3], .persistent = which / 3 % 2 != 0, .step = 1 + which / 6, .os_error = EIO};
}

/* A store with one payload for anna, whose key could be destroyed or not, with the plan's fault. */
static bp_store *begin(bpt_world *world, uint32_t attempts, const bpi_fault_plan *plan, bp_store **reader_out,
                       bool *destroyed_out)
{
    bp_error error = {0};
    bpt_world_fault(world);
    world->options.recovery_attempts = attempts;
    bp_store *store = bpt_open(world);
    CHECK_OK(try_put(store, "anna", NULL, &error), &error);
    if (reader_out != NULL) {
        *reader_out = bpt_reader(world);
        assert_int_equal(shown(*reader_out, 0), BP_ENCRYPTION_OPENED);
    }
    bpi_fault_set_plan(world->fault, plan);
    *destroyed_out = destroy(store, NULL, &error) == BP_OK;
    return store;
}

typedef enum ending { KILLED, CUT_NONE, CUT_ALL, CUT_SOME, ENDINGS } ending;

static const char *const ending_names[] = {"killed", "nothing unsynced kept", "everything kept", "some kept"};

/* Another process opens a copy of the world, as the ending leaves it. */
static bp_store *reopen(const bpt_world *world, ending how, uint64_t seed, bpt_world *after)
{
    bpt_world_adopt(after, bpi_fault_clone(world->fault));
    if (how == KILLED) {
        bpi_fault_process_kill(after->fault);
    } else {
        static const bpt_keep keeps[] = {BPT_KEEP_NONE, BPT_KEEP_ALL, BPT_KEEP_RANDOM};
        (void)bpt_power_cut(after, keeps[how - CUT_NONE], seed);
    }
    return bpt_open(after);
}

static void what_is_appended_behind_a_failed_record_stays_readable(void **state)
{
    unsigned failures = 0;
    unsigned undurable = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 6 * STEPS; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipts[2] = {{0}};
        bpi_fault_plan plan = some_plan(which);
        bp_store *reader = NULL;
        bool destroyed = false;
        bp_store *store = begin(&world, 1, &plan, &reader, &destroyed);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        failures += !destroyed;
        undurable += !destroyed && record_behind(store, 0) != BP_NONE;
        check_shown(store, 0, "in the handle", &plan);
        check_shown(reader, 0, "in a reader", &plan);
        for (unsigned i = 0; i < 2; i++) {
            CHECK_OK(try_put(store, "anna", &receipts[i], &error), &error);
            check_shown(store, receipts[i].sequence, "in the handle", &plan);
            check_shown(reader, receipts[i].sequence, "in a reader", &plan);
        }
        check_shown(store, 0, "in the handle, later", &plan);
        check_shown(reader, 0, "in a reader, later", &plan);
        bpt_close(reader);
        for (ending how = KILLED; how < ENDINGS; how++) {
            bpt_world after;
            bp_store *next = reopen(&world, how, which, &after);
            assert_true(bp_store_frontiers(next).published > receipts[1].sequence);
            check_shown(next, 0, ending_names[how], &plan);
            check_shown(next, receipts[0].sequence, ending_names[how], &plan);
            check_shown(next, receipts[1].sequence, ending_names[how], &plan);
            bpt_close(next);
            bpt_world_end(&after);
        }
        bpt_close(store);
        store = bpt_open(&world);
        check_shown(store, 0, "closed", &plan);
        check_shown(store, receipts[0].sequence, "closed", &plan);
        check_shown(store, receipts[1].sequence, "closed", &plan);
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(failures > 30);
    assert_true(undurable >= 3);
}

/* The store does not recover, or what fails goes on failing: no key is lost, whatever is asked meanwhile. */
static void a_record_that_a_crash_takes_back_leaves_the_key(void **state)
{
    unsigned taken = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 2 * 6 * STEPS; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipt = {.sequence = BP_NONE};
        bpi_fault_plan plan = some_plan(which / 2);
        bool destroyed = false;
        bp_store *store = begin(&world, which % 2, &plan, NULL, &destroyed);
        uint64_t record = record_behind(store, 0);
        bool put = try_put(store, "anna", &receipt, &error) == BP_OK;
        destroyed = destroy(store, NULL, &error) == BP_OK || destroyed;
        check_shown(store, 0, "in the handle", &plan);
        for (ending how = KILLED; how < ENDINGS; how++) {
            bpt_world after;
            bp_store *next = reopen(&world, how, which, &after);
            uint64_t found = record_behind(next, 0);
            CHECK(!destroyed || found != BP_NONE, "kind %d, step %llu, %s: it was destroyed, and nothing says so",
                  (int)plan.kind, (unsigned long long)plan.step, ending_names[how]);
            taken += record != BP_NONE && found == BP_NONE;
            check_shown(next, 0, ending_names[how], &plan);
            if (put) {
                check_shown(next, receipt.sequence, ending_names[how], &plan);
            }
            bpt_close(next);
            bpt_world_end(&after);
        }
        (void)bp_close(store, NULL);
        bpt_world_end(&world);
    }
    assert_true(taken >= 3);
}

static void asked_again_it_is_destroyed_for_good_or_not_said_to_be(void **state)
{
    unsigned undurable = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 2 * 6 * STEPS; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_key_report report = {0};
        key_seen seen = {.found = false};
        bpi_fault_plan plan = some_plan(which / 2);
        bool destroyed = false;
        bool recovers = which % 2 != 0;
        bp_store *store = begin(&world, recovers, &plan, NULL, &destroyed);
        bool written = record_behind(store, 0) != BP_NONE;
        bool failed = bp_store_frontiers(store).failed;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        undurable += !destroyed && written && failed;
        bpt_file_each(&world, note_key, &seen);
        bp_status status = destroy(store, &report, &error);
        CHECK(recovers || !failed ? status == BP_OK : status == BP_ERR_FAILED, "kind %d, step %llu: it says %s, %s",
              (int)plan.kind, (unsigned long long)plan.step, bp_status_name(status), error.message);
        if (status != BP_OK && written) {
            assert_non_null(strstr(error.message, "ask again"));
            assert_true(seen.found); /* the file is as it was */
        }
        if (status == BP_OK) {
            assert_int_equal(bp_key_find(store, "anna", NULL, &error), BP_ERR_NOT_FOUND);
        }
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        check_shown(store, 0, "asked again", &plan);
        if (status == BP_OK) {
            assert_true(record_behind(store, 0) != BP_NONE);
            bool had = seen.found;
            seen.found = false;
            bpt_file_each(&world, look_for_key, &seen);
            CHECK(!had || !seen.found, "kind %d, step %llu: the key is still there", (int)plan.kind,
                  (unsigned long long)plan.step);
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(undurable >= 4);
}

/* What is asked next makes the record durable first; a crash in its midst costs nothing either. */
static void a_crash_at_any_step_of_what_follows_costs_no_payload(void **state)
{
    unsigned crashes = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 2 * 6 * STEPS; which++) {
        bool crashed = true;
        for (uint64_t step = 1; crashed; step++) {
            bpt_world world;
            bp_error error = {0};
            bp_receipt receipt = {.sequence = BP_NONE};
            bpi_fault_plan plan = some_plan(which / 2);
            bpi_fault_plan crash = {.kind = BPI_FAULT_CRASH, .step = step};
            bool destroyed = false;
            bp_store *store = begin(&world, 1, &plan, NULL, &destroyed);
            crashed = !destroyed && record_behind(store, 0) != BP_NONE && bp_store_frontiers(store).failed;
            bpi_fault_set_plan(world.fault, &crash);
            bool put = crashed && which % 2 == 0 && try_put(store, "anna", &receipt, &error) == BP_OK;
            bool again = crashed && which % 2 != 0 && destroy(store, NULL, &error) == BP_OK;
            crashed = crashed && bpi_fault_crashed(world.fault);
            crashes += crashed;
            for (ending how = KILLED; crashed && how < ENDINGS; how++) {
                bpt_world after;
                bp_store *next = reopen(&world, how, step, &after);
                check_shown(next, 0, ending_names[how], &plan);
                assert_true(!again || record_behind(next, 0) != BP_NONE);
                if (put) {
                    check_shown(next, receipt.sequence, ending_names[how], &plan);
                }
                bpt_close(next);
                bpt_world_end(&after);
            }
            (void)bp_close(store, NULL);
            bpt_world_end(&world);
        }
    }
    assert_true(crashes > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_behind_a_failed_record_stays_readable),
        cmocka_unit_test(a_record_that_a_crash_takes_back_leaves_the_key),
        cmocka_unit_test(asked_again_it_is_destroyed_for_good_or_not_said_to_be),
        cmocka_unit_test(a_crash_at_any_step_of_what_follows_costs_no_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
