/*
 * test_keys_trouble.c: keys of subjects when reads lie, and when syncs fail and forget what they covered: no key is lost that
 * payloads need, and one that is to be destroyed can be, by asking again.
 */
#include <errno.h>

#include "support/world.h"

#include "format/key_file.h"

#define SECRET "the text that nobody else may read"

static bp_status try_put(bp_store *store, const char *subject, bp_receipt *receipt, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    options.durability = BP_DURABLE;
    return bp_append(store, bp_at("person:1", "x"), BP_KIND_DATA, bp_raw(SECRET, strlen(SECRET)), &options, receipt,
                     error);
}

static bp_status destroy(bp_store *store, const char *subject, bp_error *error)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    return bp_key_destroy(store, subject, &options, NULL, error);
}

static bool is_readable(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    bool readable = event->encryption == BP_ENCRYPTION_OPENED && event->payload_size == strlen(SECRET) &&
                    memcmp(event->payload, SECRET, strlen(SECRET)) == 0;
    bp_event_release(event);
    return readable;
}

static void skip_without_cipher(void)
{
    if (!bp_encryption_available()) {
        skip();
    }
}

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

/* Before the record of a destroyed key is there, a read that lies does not finish what was only intended. */
static void a_misread_destroys_no_key(void **state)
{
    unsigned openings = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t step = 1; step < 40; step++) {
        bpt_world world;
        bp_error error = {0};
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        CHECK_OK(try_put(store, "anna", NULL, &error), &error);
        bpi_fault_set_plan(world.fault, &plan);
        bool finished = destroy(store, "anna", &error) == BP_OK;
        bpi_fault_process_kill(world.fault);
        (void)bp_close(store, NULL);
        bpi_fault *crashed = bpi_fault_clone(world.fault);
        bpt_world_end(&world);
        for (uint64_t call = 1, most = 1; !finished && call <= most; call++) {
            bpi_fault_plan lies = {.read_call = call, .read_flips_bit = true};
            bpt_world after;
            bpt_world_adopt(&after, bpi_fault_clone(crashed));
            bpi_fault_set_plan(after.fault, &lies);
            store = NULL;
            bool opened = bp_open(after.path, &after.options, &store, NULL) == BP_OK;
            assert_true(opened == (store != NULL));
            most = bpi_fault_reads(after.fault) > most ? bpi_fault_reads(after.fault) : most;
            bpi_fault_set_plan(after.fault, &(bpi_fault_plan){0});
            bpi_fault_process_kill(after.fault);
            (void)bp_close(store, NULL);
            store = bpt_open(&after);
            bool on_record = bp_store_frontiers(store).published > 1;
            CHECK(on_record || is_readable(store, 0), "killed at step %llu, misread at call %llu: the key is gone",
                  (unsigned long long)step, (unsigned long long)call);
            openings++;
            bpt_close(store);
            bpt_world_end(&after);
        }
        bpi_fault_free(crashed);
    }
    assert_true(openings > 100);
}

static const bpi_fault_kind kinds[] = {BPI_FAULT_ERROR, BPI_FAULT_HALF, BPI_FAULT_SYNC_DROPS};

/* What fails half is finished by asking again, and no power cut brings it back. */
static void destroying_is_finished_by_asking_again(void **state)
{
    unsigned failures = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 3 * 25; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipt = {0};
        key_seen seen = {.found = false};
        bpi_fault_plan plan = {.kind = kinds[which % 3], .step = 1 + which / 3, .os_error = EIO};
        bpt_world_fault(&world);
        world.options.recovery_attempts = 1;
        bp_store *store = bpt_open(&world);
        CHECK_OK(try_put(store, "anna", NULL, &error), &error);
        bpt_file_each(&world, note_key, &seen);
        assert_true(seen.found);
        bpi_fault_set_plan(world.fault, &plan);
        failures += destroy(store, "anna", &error) != BP_OK;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        CHECK(destroy(store, "anna", &error) == BP_OK, "kind %d, step %llu: asked again, it says %s", (int)plan.kind,
              (unsigned long long)plan.step, error.message);
        CHECK_OK(try_put(store, "anna", &receipt, &error), &error);
        assert_true(is_readable(store, receipt.sequence));
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        CHECK(is_readable(store, receipt.sequence), "kind %d, step %llu: the new key is gone", (int)plan.kind,
              (unsigned long long)plan.step);
        assert_false(is_readable(store, 0));
        seen.found = false;
        bpt_file_each(&world, look_for_key, &seen);
        CHECK(!seen.found, "kind %d, step %llu: the old key is back", (int)plan.kind, (unsigned long long)plan.step);
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(failures > 10);
}

/* A key that was destroyed by half, and another for the same subject: a read of that one that lies destroys nothing of it. */
static void what_was_meant_for_a_key_is_not_done_to_the_next(void **state)
{
    unsigned openings = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 2 * 25; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipt = {0};
        bpi_fault_plan plan = {.kind = kinds[which % 2], .step = 1 + which / 2, .os_error = EIO};
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        CHECK_OK(try_put(store, "anna", NULL, &error), &error);
        bpi_fault_set_plan(world.fault, &plan);
        bool failed = destroy(store, "anna", &error) != BP_OK;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        bool put = try_put(store, "anna", &receipt, &error) == BP_OK;
        bpi_fault_process_kill(world.fault);
        (void)bp_close(store, NULL);
        for (uint64_t call = 1, most = 1; failed && put && call <= most; call++) {
            bpi_fault_plan lies = {.read_call = call, .read_flips_bit = true};
            bpt_world after;
            bpt_world_adopt(&after, bpi_fault_clone(world.fault));
            bpi_fault_set_plan(after.fault, &lies);
            store = NULL;
            bool opened = bp_open(after.path, &after.options, &store, NULL) == BP_OK;
            assert_true(opened == (store != NULL));
            most = bpi_fault_reads(after.fault) > most ? bpi_fault_reads(after.fault) : most;
            bpi_fault_set_plan(after.fault, &(bpi_fault_plan){0});
            bpi_fault_process_kill(after.fault);
            (void)bp_close(store, NULL);
            store = bpt_open(&after);
            CHECK(bp_store_frontiers(store).published <= receipt.sequence || is_readable(store, receipt.sequence),
                  "kind %d, step %llu, misread at call %llu: the next key is gone", (int)plan.kind,
                  (unsigned long long)plan.step, (unsigned long long)call);
            openings++;
            bpt_close(store);
            bpt_world_end(&after);
        }
        bpt_world_end(&world);
    }
    assert_true(openings > 30);
}

/* A sync of keys/ that failed may have forgotten a new key's name: the next append does not rely on it. */
static void a_key_whose_sync_failed_is_not_relied_upon(void **state)
{
    unsigned failures = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 3 * 20; which++) {
        for (unsigned again = 0; again < 2; again++) {
            bpt_world world;
            bp_error error = {0};
            bp_receipt receipts[2] = {{0}};
            bpi_fault_plan plan = {.kind = kinds[which % 3], .step = 1 + which / 3, .os_error = EIO};
            bpt_world_fault(&world);
            world.options.recovery_attempts = 1;
            bp_store *store = bpt_open(&world);
            bpt_put(store, "first", "x");
            bpi_fault_set_plan(world.fault, &plan);
            failures += try_put(store, "anna", NULL, &error) != BP_OK;
            bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
            CHECK_OK(try_put(store, again == 0 ? "anna" : "björn", &receipts[0], &error), &error);
            CHECK_OK(try_put(store, "anna", &receipts[1], &error), &error);
            (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
            (void)bp_close(store, NULL);
            store = bpt_open(&world);
            for (unsigned index = 0; index < 2; index++) {
                CHECK(is_readable(store, receipts[index].sequence), "kind %d, step %llu, %u: a key is gone",
                      (int)plan.kind, (unsigned long long)plan.step, again);
            }
            bpt_close(store);
            bpt_world_end(&world);
        }
    }
    assert_true(failures > 10);
}

/* A sync forgot the name of a new key, and the caller gave up: the next process of the same boot, which would find that name, does
 * not. `before`: there is keys/ already. */
static void a_key_whose_sync_failed_is_not_left_to_the_next_process(void **state)
{
    unsigned failures = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 3 * 12 * 4; which++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipt = {0};
        bool before = which % 2 != 0;
        bool killed = which / 2 % 2 != 0;
        bpi_fault_plan plan = {.kind = kinds[which / 4 % 3], .step = 1 + which / 12, .os_error = EIO};
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        CHECK_OK(try_put(store, before ? "björn" : NULL, NULL, &error), &error);
        bpi_fault_set_plan(world.fault, &plan);
        failures += try_put(store, "anna", NULL, &error) != BP_OK;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        if (killed) {
            bpi_fault_process_kill(world.fault);
        }
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        CHECK_OK(try_put(store, "anna", &receipt, &error), &error);
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        CHECK(is_readable(store, receipt.sequence), "kind %d, step %llu, %d %d: the key is gone", (int)plan.kind,
              (unsigned long long)plan.step, before, killed);
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(failures > 10);
}

/* What an earlier call left to be done is known at every step of asking again: where the record is there, the key's bytes are not. */
static void asking_again_can_be_cut_off_anywhere(void **state)
{
    unsigned cuts = 0;
    unsigned cut_off = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t which = 0; which < 12; which++) {
        bool crashed = true;
        for (uint64_t step = 1; crashed && step < 60; step++) {
            for (uint64_t cut = 0; cut < 8; cut++) {
                bpt_world world;
                bp_error error = {0};
                key_seen seen = {.found = false};
                bpi_fault_plan fails = {.kind = BPI_FAULT_ERROR, .step = 1 + which, .os_error = EIO};
                bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
                bpt_world_fault(&world);
                world.options.recovery_attempts = 1;
                bp_store *store = bpt_open(&world);
                CHECK_OK(try_put(store, "anna", NULL, &error), &error);
                bpt_file_each(&world, note_key, &seen);
                assert_true(seen.found);
                bpi_fault_set_plan(world.fault, &fails);
                bool failed = destroy(store, "anna", &error) != BP_OK;
                bpi_fault_set_plan(world.fault, &plan);
                crashed = destroy(store, "anna", &error) != BP_OK;
                cut_off += failed && crashed;
                (void)bpt_power_cut(&world, cut == 0 ? BPT_KEEP_NONE : cut == 1 ? BPT_KEEP_ALL : BPT_KEEP_RANDOM, cut);
                (void)bp_close(store, NULL);
                store = bpt_open(&world);
                bool on_record = bp_store_frontiers(store).published > 1;
                seen.found = false;
                bpt_file_each(&world, look_for_key, &seen);
                CHECK(!on_record || !seen.found, "failed at step %llu, cut off at step %llu, %llu: the key is there",
                      (unsigned long long)which + 1, (unsigned long long)step, (unsigned long long)cut);
                CHECK(on_record || is_readable(store, 0), "failed at step %llu, cut off at step %llu, %llu: it is gone",
                      (unsigned long long)which + 1, (unsigned long long)step, (unsigned long long)cut);
                cuts++;
                bpt_close(store);
                bpt_world_end(&world);
            }
        }
    }
    CHECK(cuts > 500 && cut_off > 300, "%u cuts, %u", cuts, cut_off);
}

/* Nothing tells a copied key's bytes from others until they are needed: they are read twice. */
static void a_misread_key_is_not_copied(void **state)
{
    unsigned copies = 0;
    (void)state;
    skip_without_cipher();
    for (uint64_t call = 1, most = 1; call <= most; call++) {
        bpt_world world;
        bp_error error = {0};
        bp_store *copy = NULL;
        bp_snapshot_options options;
        bpi_fault_plan lies = {.read_call = call, .read_flips_bit = true};
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        CHECK_OK(try_put(store, "anna", NULL, &error), &error);
        bp_snapshot_options_init(&options);
        options.keys = true;
        bpi_fault_set_plan(world.fault, &lies);
        bp_status status = bp_snapshot(store, "copy", &options, NULL, &error);
        most = bpi_fault_reads(world.fault) > most ? bpi_fault_reads(world.fault) : most;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        if (status == BP_OK) {
            CHECK_OK(bp_open_reader("copy", &world.options, &copy, &error), &error);
            CHECK(is_readable(copy, 0), "misread at call %llu: the copy has another key", (unsigned long long)call);
            bpt_close(copy);
            copies++;
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
    assert_true(copies > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misread_destroys_no_key),
        cmocka_unit_test(destroying_is_finished_by_asking_again),
        cmocka_unit_test(what_was_meant_for_a_key_is_not_done_to_the_next),
        cmocka_unit_test(a_key_whose_sync_failed_is_not_relied_upon),
        cmocka_unit_test(asking_again_can_be_cut_off_anywhere),
        cmocka_unit_test(a_misread_key_is_not_copied),
        cmocka_unit_test(a_key_whose_sync_failed_is_not_left_to_the_next_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
