/*
 * keeper.c: the keeper at work beside appenders, a syncer, who seals and merges, and a reader, under a scheduler that owns every switch, over
 * a medium that fails: it fills fresh space, makes segments, seals and syncs them, writes MARKs; one of all syncs fails and forgets what
 * it covered; at one of all steps the power goes.
 *
 * What must hold in every run: what was said to be durable, by a receipt or a frontier, is there afterwards, the same; answers are typed; a
 * reader shows a prefix that only grows; what is left verifies.
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>

#include "schedule/scene.h"

enum {
    WORKERS = 5,
    APPENDERS = 2,
    EACH = 7,
    EVENTS = APPENDERS * EACH,
    BYTES = 7000,
    LOOKS = 4,
    SYNCS = 3,
    MERGES = 3,
    STEPS = 160,
    FAILURES = 14
};

static uint8_t text[BYTES];

/* What is known of the run from outside; one thread runs at a time. */
static struct {
    bp_store *store;
    bp_store *reader;
    uint64_t durable; /* events that were said to be */
    bp_id ids[EVENTS];
    bool known[EVENTS];  /* its id: its append was answered */
    unsigned syncs_left; /* until one fails and forgets; 0: none does */
    unsigned again;      /* the same for a second one */
    bool failing;
    unsigned steps_left; /* until the power goes; 0: it stays on */
    bpi_fault *left;     /* the world as it was then */
    uint64_t durable_then;
    bool known_then[EVENTS];
    uint64_t shown; /* by the reader */
} run;

static void say_durable(uint64_t count)
{
    run.durable = count > run.durable ? count : run.durable;
}

static void look_at_frontier(void)
{
    if (run.store != NULL) {
        bps_pause(true);
        say_durable(bp_store_frontiers(run.store).durable);
        bps_pause(false);
    }
}

static void lose_power(void)
{
    look_at_frontier();
    run.left = bpi_fault_clone(bps_world.fault);
    run.durable_then = run.durable;
    memcpy(run.known_then, run.known, sizeof run.known);
}

/* A bpi_fault_watch_fn. */
static void at_step(void *argument, const bpi_fault_step *step)
{
    (void)argument;
    if (step->done && run.failing) {
        run.failing = false;
        run.syncs_left = run.again;
        run.again = 0;
        bpi_fault_set_plan(bps_world.fault, &(bpi_fault_plan){0});
    }
    bps_point();
    if (run.steps_left > 0 && --run.steps_left == 0) {
        lose_power();
    }
    if (!step->done && strcmp(step->what, "sync") == 0 && run.syncs_left > 0 && --run.syncs_left == 0) {
        bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
        run.failing = true;
        bpi_fault_set_plan(bps_world.fault, &plan);
    }
}

static bool may_be(bp_status status)
{
    return status == BP_OK || status == BP_ERR_IO || status == BP_ERR_FAILED;
}

static void *append_some(void *argument)
{
    unsigned number = *(const unsigned *)argument;
    for (unsigned i = 0; i < EACH; i++) {
        bp_error error = {0};
        bp_receipt receipt = {0};
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = (i + number) % 3 == 0 ? BP_BUFFERED : BP_DURABLE;
        bp_status status = bp_append(run.store, bp_at(number == 0 ? "even" : "odd", "s"), 0xf001, bp_raw(text, BYTES),
                                     &options, &receipt, &error);
        CHECK(may_be(status), "an append is answered %s: %s", bp_status_name(status), error.message);
        if (status == BP_OK) {
            CHECK(receipt.sequence < EVENTS, "sequence %llu is too great", (unsigned long long)receipt.sequence);
            run.ids[receipt.sequence] = receipt.id;
            run.known[receipt.sequence] = true;
            say_durable(receipt.durable ? receipt.sequence + 1 : 0);
        }
    }
    return NULL;
}

static void *sync_some(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < SYNCS; i++) {
        bp_error error = {0};
        bp_status status = bp_sync(run.store, &error);
        CHECK(may_be(status), "a sync is answered %s: %s", bp_status_name(status), error.message);
        look_at_frontier();
        bps_sleep();
    }
    return NULL;
}

static void *merge_some(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < MERGES; i++) {
        bp_error error = {0};
        bps_sleep();
        bp_status status = bp_seal(run.store, &error);
        CHECK(may_be(status), "a seal is answered %s: %s", bp_status_name(status), error.message);
        status = bp_compact(run.store, NULL, NULL, &error);
        CHECK(may_be(status), "a merge is answered %s: %s", bp_status_name(status), error.message);
    }
    return NULL;
}

static void look(bp_store *store)
{
    bp_error error = {0};
    uint64_t count = 0;
    CHECK_OK(bp_count(store, NULL, &count, &error), &error);
    CHECK(count >= run.shown, "%llu events are shown after %llu", (unsigned long long)count,
          (unsigned long long)run.shown);
    run.shown = count;
    for (uint64_t sequence = count > 2 ? count - 2 : 0; sequence < count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        CHECK(!run.known[sequence] || bp_id_equal(&event->id, &run.ids[sequence]), "event %llu is another one",
              (unsigned long long)sequence);
        bp_event_release(event);
    }
}

static void *look_sometimes(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LOOKS; i++) {
        look(run.reader);
        bps_sleep();
    }
    return NULL;
}

/* In what a power cut leaves of that world. */
static void judge(bpi_fault *left, bpt_keep keep, uint64_t seed, uint64_t durable, const bool *known)
{
    bpt_world after;
    bp_error error = {0};
    bpt_world_adopt(&after, left);
    after.options.segment_size = BP_SEGMENT_MIN;
    (void)bpt_power_cut(&after, keep, seed);
    bp_store *store = bpt_open(&after);
    uint64_t there = bp_store_frontiers(store).published;
    CHECK(there >= durable, "%llu events were durable, %llu are there", (unsigned long long)durable,
          (unsigned long long)there);
    for (uint64_t sequence = 0; sequence < durable; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        CHECK(!known[sequence] || bp_id_equal(&event->id, &run.ids[sequence]), "event %llu is another one",
              (unsigned long long)sequence);
        bp_event_release(event);
    }
    bpt_close(store);
    (void)bpt_verify(&after);
    bpt_world_end(&after);
}

static void set_options(bp_options *options)
{
    options->segment_size = BP_SEGMENT_MIN;
    options->recovery_attempts = 4;
    options->sync_every_events = 3;
    options->sync_every_ms = 1;
}

static void begin(const bps_plan *plan)
{
    static const bp_durability modes[] = {BP_DURABLE, BP_PERIODIC, BP_BUFFERED};
    bpt_random random = {plan->seed * 7919 + 3};
    memset(&run, 0, sizeof run);
    memset(text, 'x', sizeof text);
    bp_durability mode = modes[bpt_random_below(&random, 3)];
    run.store = bps_scene_begin(plan, mode, BP_KEEPER_THREAD, set_options);
    bps_pause(true);
    run.reader = bpt_reader(&bps_world);
    bps_pause(false);
    run.syncs_left = bpt_random_chance(&random, 60) ? (unsigned)bpt_random_below(&random, FAILURES) + 1 : 0;
    run.again = bpt_random_chance(&random, 40) ? (unsigned)bpt_random_below(&random, FAILURES) + 1 : 0;
    run.steps_left = (unsigned)bpt_random_below(&random, STEPS) + 1;
    bpi_fault_watch(bps_world.fault, at_step, NULL);
}

static bool work_of(const bps_plan *plan, unsigned workers)
{
    static unsigned numbers[WORKERS] = {0, 1};
    void *(*const starts[WORKERS])(void *) = {append_some, append_some, sync_some, look_sometimes, merge_some};
    pthread_t threads[WORKERS];
    begin(plan);
    for (unsigned i = 0; i < workers; i++) {
        CHECK(bps_thread_start(&threads[i], starts[i], &numbers[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < workers; i++) {
        (void)bps_thread_join(threads[i]);
    }
    run.syncs_left = 0;
    look(run.reader);
    look_at_frontier();
    bpi_fault *end = bpi_fault_clone(bps_world.fault);
    bps_pause(true);
    judge(end, BPT_KEEP_NONE, 0, run.durable, run.known);
    if (run.left != NULL) {
        judge(run.left, plan->seed % 2 == 0 ? BPT_KEEP_NONE : BPT_KEEP_RANDOM, plan->seed, run.durable_then,
              run.known_then);
    }
    bpt_close(run.reader);
    bps_pause(false);
    bp_store *store = run.store;
    run.store = NULL;
    (void)bp_close(store, NULL); /* it may have failed too often to recover */
    bpi_fault_watch(bps_world.fault, NULL, NULL);
    return bps_scene_end(NULL);
}

static bool at_work(const bps_plan *plan)
{
    return work_of(plan, WORKERS - 1);
}

static bool at_work_and_merging(const bps_plan *plan)
{
    return work_of(plan, WORKERS);
}

static void what_was_said_to_be_durable_is(void **state)
{
    (void)state;
    bps_at_random("the keeper at work", at_work, bpt_amount("BATPAK_RUNS", 400, 200000));
    bps_at_random("and merging", at_work_and_merging, bpt_amount("BATPAK_RUNS", 200, 200000));
}

static void planted_mistakes_are_found(void **state)
{
    static const struct {
        const char *name;
        bpi_plant plant;
    } planted[] = {
        {"keeper silent", BPI_PLANT_KEEPER_SILENT},     {"synced beside", BPI_PLANT_SYNCED_BESIDE},
        {"durable too far", BPI_PLANT_DURABLE_TOO_FAR}, {"sealed unsynced", BPI_PLANT_SEALED_UNSYNCED},
        {"sync retried", BPI_PLANT_SYNC_RETRIED},       {"segment name unsynced", BPI_PLANT_SEGMENT_NAME_UNSYNCED}};
    (void)state;
    assert_false(bps_is_found(at_work, BPS_NO_BUG, BPI_PLANT_NONE, 20));
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        double start = bpt_seconds();
        bool found = bps_is_found(at_work, BPS_NO_BUG, planted[i].plant, 8000);
        print_message("%s: %s in %.1f s\n", planted[i].name, found ? "found" : "not found", bpt_seconds() - start);
        CHECK(found, "planted and not found: %s", planted[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_to_be_durable_is),
        cmocka_unit_test(planted_mistakes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
