/*
 * test_keys_undurable.c: destroying a key when the record of that is written, or half written, and cannot be synced. Whatever
 * becomes of the record, nothing that was acknowledged is lost that the record does not say is destroyed, and nothing is
 * encrypted under a key that it says is.
 * ctest: labels=threads
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "support/world.h"

#include "format/key_file.h"

#define SECRET "the text that nobody else may read"

enum { STEPS = 16, WRITERS = 3, ROUNDS = 60, RECEIPTS_MAX = 4000 };

static const bpi_fault_kind kinds[] = {BPI_FAULT_ERROR, BPI_FAULT_HALF, BPI_FAULT_SYNC_DROPS};

static bp_status try_put(bp_store *store, const char *subject, bp_receipt *receipt, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    options.durability = BP_DURABLE;
    return bp_append(store, bp_at("person:1", "x"), BP_KIND_DATA, bp_raw(SECRET, strlen(SECRET)), &options, receipt,
                     error);
}

static bp_status destroy(bp_store *store, bp_key_report *report, bp_error *error)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    return bp_key_destroy(store, "anna", &options, report, error);
}

/* How an event's payload is handed out; opened, it is the one that was put. */
static bp_encryption shown(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    bp_encryption how = (bp_encryption)event->encryption;
    assert_true(how != BP_ENCRYPTION_OPENED ||
                (event->payload_size == strlen(SECRET) && memcmp(event->payload, SECRET, strlen(SECRET)) == 0));
    bp_event_release(event);
    return how;
}

/* The last event behind `sequence` that says that a key is destroyed, BP_NONE: there is none. */
static uint64_t record_behind(bp_store *store, uint64_t sequence)
{
    uint64_t record = BP_NONE;
    for (uint64_t at = sequence + 1; at < bp_store_frontiers(store).published; at++) {
        const bp_event *event = NULL;
        bp_error error = {0};
        CHECK_OK(bp_get_sequence(store, at, &event, &error), &error);
        record = event->kind == BP_KIND_ERASURE ? at : record;
        bp_event_release(event);
    }
    return record;
}

/* Anna's payload is destroyed if and only if an event behind it says so. */
static void check_shown(bp_store *store, uint64_t sequence, const char *where, const bpi_fault_plan *plan)
{
    bp_encryption how = shown(store, sequence); /* first: a reader learns by reading */
    bp_encryption expected = record_behind(store, sequence) != BP_NONE ? BP_ENCRYPTION_SHREDDED : BP_ENCRYPTION_OPENED;
    CHECK(how == expected, "kind %d, step %llu%s, %s: the payload of event %llu is %d, it should be %d",
          (int)plan->kind, (unsigned long long)plan->step, plan->persistent ? " and on" : "", where,
          (unsigned long long)sequence, (int)how, (int)expected);
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

/* ---- threads ---- */

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
        plan =
            (bpi_fault_plan){.kind = kinds[round % 2], .step = 1 + bpt_random_below(&random, STEPS), .os_error = EIO};
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
        for (size_t n = 0; n < atomic_load(&writers[i].count); n++) {
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
        cmocka_unit_test(what_is_appended_behind_a_failed_record_stays_readable),
        cmocka_unit_test(a_record_that_a_crash_takes_back_leaves_the_key),
        cmocka_unit_test(asked_again_it_is_destroyed_for_good_or_not_said_to_be),
        cmocka_unit_test(a_crash_at_any_step_of_what_follows_costs_no_payload),
        cmocka_unit_test(others_append_for_the_subject_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
