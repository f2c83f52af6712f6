/*
 * test_crash_import.c: what `import --ack` does, cut off by power cuts and kills at any step: lines with ids, by
 * themselves or in batches, acknowledged by a sync every so often, by waiting for their sequence, or one by one. An oracle
 * that knows only the acknowledgements: each acknowledged line is there, batches are whole, verify is clean, and the
 * same lines once more double nothing, crash upon crash.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "support/world.h"

enum { LINES = 120, COMMIT_MOST = 12, CRASHES_MOST = 3, PAYLOAD_MOST = 700 };

/* How lines are acknowledged, as the command's options have it. */
typedef enum manner { BY_SYNC, BY_WAITING, EACH_DURABLE, MANNERS } manner;

typedef struct import {
    bpt_world world;
    uint64_t seed;
    manner manner;
    uint64_t sync_each; /* lines */
    uint64_t acked;     /* lines below this were acknowledged, ever */
    uint64_t duplicates;
} import;

static bp_id id_of(uint64_t line)
{
    return bp_id_from("import", &line, sizeof line);
}

static size_t payload_of(uint64_t line, uint8_t bytes[PAYLOAD_MOST])
{
    size_t size = (size_t)(line * 2654435761u % PAYLOAD_MOST);
    bpt_random random = {line + 1};
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)bpt_random_next(&random);
    }
    return size;
}

/* The lines of the commit that begins at `line`: the same whenever these lines are imported. */
static uint64_t commit_size(const import *run, uint64_t line)
{
    bpt_random random = {run->seed * 1000003 + line};
    uint64_t size = bpt_random_chance(&random, 50) ? 1 : 1 + bpt_random_below(&random, COMMIT_MOST);
    return size < LINES - line ? size : LINES - line;
}

static bp_status append(import *run, bp_store *store, uint64_t line, uint64_t count)
{
    static uint8_t bytes[COMMIT_MOST][PAYLOAD_MOST];
    static char names[COMMIT_MOST][16];
    bp_append_options options[COMMIT_MOST];
    bp_batch_item items[COMMIT_MOST];
    bp_receipt receipts[COMMIT_MOST];
    bp_error error = {0};
    bp_durability durability = run->manner == EACH_DURABLE ? BP_DURABLE : BP_BUFFERED;
    for (uint64_t i = 0; i < count; i++) {
        bp_append_options_init(&options[i]);
        options[i].id = id_of(line + i);
        options[i].durability = durability;
        (void)snprintf(names[i], sizeof names[i], "e:%u", (unsigned)((line + i) % 9));
        size_t size = payload_of(line + i, bytes[i]);
        items[i] = (bp_batch_item){bp_at(names[i], "s"), 0xf001, bp_raw(bytes[i], size), &options[i]};
    }
    bp_status status = BP_OK;
    if (count == 1) {
        status = bp_append(store, items[0].at, items[0].kind, items[0].payload, &options[0], receipts, &error);
    } else {
        bp_batch_options batch;
        bp_batch_options_init(&batch);
        batch.durability = durability;
        status = bp_append_batch(store, items, count, &batch, receipts, &error);
    }
    for (uint64_t i = 0; i < count && status == BP_OK; i++) {
        CHECK(receipts[i].sequence == line + i, "line %llu has sequence %llu", (unsigned long long)(line + i),
              (unsigned long long)receipts[i].sequence);
        run->duplicates += receipts[i].duplicate;
    }
    return status;
}

/* All lines from the first on; false when the world crashed on the way. */
static bool import_all(import *run, bp_store *store)
{
    uint64_t behind = 0; /* the line behind the last acknowledgement of this time */
    for (uint64_t line = 0; line < LINES;) {
        uint64_t count = commit_size(run, line);
        bp_status status = append(run, store, line, count);
        line += count;
        bool due = line - behind >= run->sync_each || line == LINES;
        if (status == BP_OK && due && run->manner == BY_SYNC) {
            status = bp_sync(store, NULL);
        } else if (status == BP_OK && due && run->manner == BY_WAITING) {
            status = bp_wait_durable(store, line - 1, 1000, NULL);
        }
        if (status != BP_OK) {
            CHECK(bpi_fault_crashed(run->world.fault), "import: %s without a crash", bp_status_name(status));
            return false;
        }
        if (due || run->manner == EACH_DURABLE) {
            run->acked = line > run->acked ? line : run->acked;
            behind = line;
        }
    }
    return true;
}

static void check_line(bp_store *store, uint64_t line, uint64_t count)
{
    uint8_t bytes[PAYLOAD_MOST];
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_id id = id_of(line);
    bp_status status = bp_get(store, &id, &event, &error);
    if (line >= count) {
        CHECK(status == BP_ERR_NOT_FOUND, "line %llu is there behind the end", (unsigned long long)line);
        return;
    }
    CHECK_OK(status, &error);
    size_t size = payload_of(line, bytes);
    assert_int_equal(event->sequence, line);
    assert_int_equal(event->payload_size, size);
    assert_true(size == 0 || memcmp(event->payload, bytes, size) == 0);
    bp_event_release(event);
}

/* What a restart finds. */
static void check_store(const import *run, bp_store *store)
{
    uint64_t count = bp_store_frontiers(store).published;
    CHECK(count >= run->acked, "P1: %llu lines are left, %llu were acknowledged", (unsigned long long)count,
          (unsigned long long)run->acked);
    uint64_t border = 0;
    while (border < count) {
        border += commit_size(run, border);
    }
    CHECK(border == count, "P2: %llu lines are left, which is within a batch", (unsigned long long)count);
    for (uint64_t line = 0; line < LINES; line++) {
        check_line(store, line, count);
    }
}

static void crash(import *run, bpt_random *random)
{
    uint64_t how = bpt_random_below(random, 10);
    if (how == 0) {
        bpi_fault_process_kill(run->world.fault);
    } else {
        bpt_keep keep = how == 1 ? BPT_KEEP_NONE : how == 2 ? BPT_KEEP_ALL : BPT_KEEP_RANDOM;
        (void)bpt_power_cut(&run->world, keep, bpt_random_next(random));
    }
}

static void begin(import *run, uint64_t seed)
{
    *run = (import){.seed = seed, .manner = (manner)(seed % MANNERS)};
    bpt_world_fault(&run->world);
    run->world.options.durability = run->manner == EACH_DURABLE ? BP_DURABLE : BP_BUFFERED;
    run->sync_each = 1 + seed / MANNERS % 40;
}

/* How many steps of the world an import takes that nothing disturbs. */
static uint64_t whole_steps(uint64_t seed)
{
import run;
    begin(&run, seed);
    bp_store *store = bpt_open(&run.world);
    assert_true(import_all(&run, store));
    bpt_close(store);
    uint64_t steps = bpi_fault_steps(run.world.fault);
    bpt_world_end(&run.world);
    return steps;
}

/* One import until it is through, whatever happens on the way. Returns the crashes. */
static uint64_t survive(uint64_t seed, uint64_t steps)
{
import run;
    bpt_random random = {seed * 31 + 7};
    uint64_t crashes = 0;
    begin(&run, seed);
    bpt_note("seed %llu", (unsigned long long)seed);
    for (bool through = false; !through;) {
        bpi_fault_plan plan = {0};
        if (crashes < CRASHES_MOST) {
            plan = (bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 1 + bpt_random_below(&random, steps)};
        }
        bp_store *store = NULL;
        if (crashes == 0) {
            bpi_fault_set_plan(run.world.fault, &plan);
            bp_status opened = bp_open(run.world.path, &run.world.options, &store, NULL);
            CHECK(opened == BP_OK || bpi_fault_crashed(run.world.fault), "opening: %s", bp_status_name(opened));
        } else {
            store = bpt_open(&run.world);
            check_store(&run, store);
            (void)bpt_verify(&run.world);
            bpi_fault_set_plan(run.world.fault, &plan);
        }
        through = store != NULL && import_all(&run, store);
        if (store != NULL && bp_close(store, NULL) != BP_OK) {
            through = false;
        }
        if (!through) {
            CHECK(bpi_fault_crashed(run.world.fault), "it failed without a crash");
            crashes++;
            crash(&run, &random);
        }
    }
    bpi_fault_set_plan(run.world.fault, &(bpi_fault_plan){0});
    bp_store *store = bpt_open(&run.world);
    run.duplicates = 0;
    assert_true(import_all(&run, store));
    assert_int_equal(run.duplicates, LINES);
    assert_int_equal(bp_store_frontiers(store).published, LINES);
    check_store(&run, store);
    bpt_close(store);
    assert_int_equal(bpt_verify(&run.world), LINES);
    bpt_world_end(&run.world);
    bpt_note("%s", "");
    return crashes;
}

static void an_import_survives_what_may_come(void **state)
{
    uint64_t seed = bpt_seed(1);
    uint64_t wanted = bpt_amount("BATPAK_RUNS", 200, 12000);
    uint64_t crashes = 0;
    uint64_t runs = 0;
    double start = bpt_seconds();
    (void)state;
    for (; crashes < wanted; runs++) {
        crashes += survive(seed + runs, whole_steps(seed + runs));
    }
    double seconds = bpt_seconds() - start;
    print_message("%llu crashes (nine in ten are power cuts) of %llu imports in %.1f s: %.0f a second\n",
                  (unsigned long long)crashes, (unsigned long long)runs, seconds, (double)crashes / seconds);
}

/* Killed while the store is made, opened again, something acknowledged, and then the power is cut: what the first process
 * had named but not synced must not take with it what the second one said. */
static bool made_and_killed_at(uint64_t step, bpt_keep keep)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    bpt_note("killed at step %llu", (unsigned long long)step);
    bpt_world_fault(&world);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = step});
    bp_status status = bp_open(world.path, &world.options, &store, &error);
    bool crashed = bpi_fault_crashed(world.fault);
    CHECK(status == BP_OK || crashed, "opening: %s", bp_status_name(status));
    if (store != NULL && bp_close(store, NULL) != BP_OK) {
        CHECK(bpi_fault_crashed(world.fault), "closing fails without a crash");
    }
    if (crashed) {
        bpi_fault_process_kill(world.fault);
        store = bpt_open(&world);
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = BP_DURABLE;
        (void)bpt_put_with(store, "e", "said to be durable", &options);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 1});
        (void)bp_close(store, NULL);
        (void)bpt_power_cut(&world, keep, step);
        store = bpt_open(&world);
        assert_int_equal(bp_store_frontiers(store).published, 1);
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), 1);
    }
    bpt_world_end(&world);
    bpt_note("%s", "");
    return crashed;
}

static void a_making_that_was_killed_loses_nothing_later(void **state)
{
    (void)state;
    uint64_t step = 1;
    while (made_and_killed_at(step, BPT_KEEP_NONE) && made_and_killed_at(step, BPT_KEEP_RANDOM)) {
        step++;
    }
    assert_true(step > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_import_survives_what_may_come),
                                       cmocka_unit_test(a_making_that_was_killed_loses_nothing_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
