/*
 * keys.c: a copy of a store in which a subject's key is destroyed while the record that it was destroyed comes from the original
 * (bp_append_exact), under a scheduler that owns every switch, over a medium that fails: one of all syncs fails and forgets what it
 * covered; at one of all steps the power goes.
 *
 * What must hold in every run: while no record is there nothing has cost the key; when one is, nobody reads with it; what was said to be destroyed
 * stays so.
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>

#include "schedule/scene.h"

#define SECRET "the text that nobody else may read"

enum { STEPS = 40, FAILURES = 8, TRIES = 3 };

/* What is known of the run from outside; one thread runs at a time. */
static struct {
    bp_store *store;
    bpt_world original;
    bp_store *there;
    const bp_event *record; /* the original's */
    bool destroyed;         /* it was said */
    unsigned syncs_left;    /* until one fails and forgets; 0: none does */
    bool failing;
    unsigned steps_left; /* until the power goes; 0: it stays on */
    bpi_fault *left;     /* the world as it was then */
    bool destroyed_then;
} run;

static unsigned taken_over; /* records, in all runs */
static unsigned refused;

/* A bpi_fault_watch_fn. */
static void at_step(void *argument, const bpi_fault_step *step)
{
    (void)argument;
    if (step->done && run.failing) {
        run.failing = false;
        bpi_fault_set_plan(bps_world.fault, &(bpi_fault_plan){0});
    }
    bps_point();
    if (run.steps_left > 0 && --run.steps_left == 0) {
        run.left = bpi_fault_clone(bps_world.fault);
        run.destroyed_then = run.destroyed;
    }
    if (!step->done && strstr(step->what, "sync") != NULL && run.syncs_left > 0 && --run.syncs_left == 0) {
        bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
        run.failing = true;
        bpi_fault_set_plan(bps_world.fault, &plan);
    }
}

static bp_status destroy(bp_store *store, bp_error *error)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    return bp_key_destroy(store, "alice", &options, NULL, error);
}

static void *destroy_here(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TRIES && !run.destroyed; i++) {
        bp_error error = {0};
        bp_status status = destroy(run.store, &error);
        CHECK(status == BP_OK || status == BP_ERR_IO || status == BP_ERR_FAILED, "destroying is answered %s: %s",
              bp_status_name(status), error.message);
        run.destroyed = status == BP_OK;
    }
    return NULL;
}

static void *take_over(void *argument)
{
    bp_error error = {0};
    (void)argument;
    bp_status status = bp_append_exact(run.store, run.record, 1, &error);
    CHECK(status == BP_OK || status == BP_ERR_NOT_EMPTY || status == BP_ERR_HASH || status == BP_ERR_IO ||
              status == BP_ERR_FAILED,
          "taking the record over is answered %s: %s", bp_status_name(status), error.message);
    taken_over += status == BP_OK;
    refused += status == BP_ERR_NOT_EMPTY;
    return NULL;
}

/* Is what was said under the key still to be had? */
static bool is_open(bp_store *store)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, 0, &event, &error), &error);
    bool open = event->encryption == BP_ENCRYPTION_OPENED;
    CHECK(open || event->encryption == BP_ENCRYPTION_SHREDDED, "the event is handed out as %u",
          (unsigned)event->encryption);
    CHECK(!open || memcmp(event->payload, SECRET, sizeof SECRET - 1) == 0, "the event says something else");
    bp_event_release(event);
    return open;
}

/* In what a power cut leaves of that world. */
static void judge(bpi_fault *left, bpt_keep keep, uint64_t seed, bool destroyed)
{
    bpt_world after;
    bpt_world_adopt(&after, left);
    (void)bpt_power_cut(&after, keep, seed);
    bp_store *store = bpt_open(&after);
    bool recorded = bp_store_frontiers(store).published > 1;
    CHECK(is_open(store) != recorded, "the key is %s, and %s on record as destroyed", recorded ? "there" : "gone",
          recorded ? "is" : "is not");
    CHECK(recorded || !destroyed, "the record of a destroyed key is gone");
    CHECK_OK(destroy(store, NULL), NULL);
    bpt_close(store);
    store = bpt_open(&after);
    CHECK(!is_open(store), "the key is there again");
    bpt_close(store);
    (void)bpt_verify(&after);
    bpt_world_end(&after);
}

/* A store with one event for alice, opened anew; the original is a copy of it in which her key was destroyed. */
static void begin(const bps_plan *plan)
{
    static const bp_durability modes[] = {BP_DURABLE, BP_PERIODIC, BP_BUFFERED};
    bpt_random random = {plan->seed * 7919 + 5};
    bp_append_options options;
    bp_error error = {0};
    memset(&run, 0, sizeof run);
    run.store = bps_scene_begin(plan, modes[bpt_random_below(&random, 3)], BP_KEEPER_THREAD, NULL);
    bps_pause(true);
    bps_world.options.recovery_attempts = 4;
    bp_append_options_init(&options);
    options.subject = "alice";
    bpt_put_with(run.store, "person:1", SECRET, &options);
    bpt_close(run.store);
    bpt_world_adopt(&run.original, bpi_fault_clone(bps_world.fault));
    run.there = bpt_open(&run.original);
    CHECK_OK(destroy(run.there, &error), &error);
    CHECK_OK(bp_get_sequence(run.there, 1, &run.record, &error), &error);
    run.store = bpt_open(&bps_world);
    bps_pause(false);
    run.syncs_left = bpt_random_chance(&random, 50) ? (unsigned)bpt_random_below(&random, FAILURES) + 1 : 0;
    run.steps_left = (unsigned)bpt_random_below(&random, STEPS) + 1;
    bpi_fault_watch(bps_world.fault, at_step, NULL);
}

static bool both(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {destroy_here, take_over};
    pthread_t threads[2];
    begin(plan);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(bps_thread_start(&threads[i], starts[i], NULL) == 0, "no thread");
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)bps_thread_join(threads[i]);
    }
    run.syncs_left = 0;
    bpi_fault *end = bpi_fault_clone(bps_world.fault);
    bps_pause(true);
    CHECK(!run.destroyed || !is_open(run.store), "the key is used after it was destroyed");
    judge(end, BPT_KEEP_NONE, 0, run.destroyed);
    if (run.left != NULL) {
        judge(run.left, plan->seed % 2 == 0 ? BPT_KEEP_NONE : BPT_KEEP_RANDOM, plan->seed, run.destroyed_then);
    }
    bp_event_release(run.record);
    bpt_close(run.there);
    bpt_world_end(&run.original);
    bps_pause(false);
    (void)bp_close(run.store, NULL);
    bpi_fault_watch(bps_world.fault, NULL, NULL);
    return bps_scene_end(NULL);
}

/* ---- a snapshot with keys beside the first event of a subject ---- */

static void *append_for_new_subjects(void *argument)
{
    static const char *const subjects[] = {"bob", "carol", "dave"};
    (void)argument;
    for (unsigned i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        bp_append_options options;
        bp_append_options_init(&options);
        options.subject = subjects[i];
        bpt_put_with(run.store, "person:2", SECRET, &options);
    }
    return NULL;
}

static void *take_snapshot(void *argument)
{
    bp_error error = {0};
    bp_snapshot_options options;
    (void)argument;
    bp_snapshot_options_init(&options);
    options.keys = true;
    CHECK_OK(bp_snapshot(run.store, "copy", &options, NULL, &error), &error);
    return NULL;
}

/* What is encrypted in the snapshot can be read from it alone. */
static bool snapshot_of_keys(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {append_for_new_subjects, take_snapshot};
    pthread_t threads[2];
    bp_append_options append;
    bp_error error = {0};
    memset(&run, 0, sizeof run);
    run.store = bps_scene_begin(plan, BP_DURABLE, BP_KEEPER_INLINE, NULL);
    bps_pause(true);
    bp_append_options_init(&append);
    append.subject = "alice";
    bpt_put_with(run.store, "person:1", SECRET, &append);
    bps_pause(false);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(bps_thread_start(&threads[i], starts[i], NULL) == 0, "no thread");
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)bps_thread_join(threads[i]);
    }
    bps_pause(true);
    bp_store *copy = NULL;
    CHECK_OK(bp_open_reader("copy", &bps_world.options, &copy, &error), &error);
    uint64_t count = bp_store_frontiers(copy).published;
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(copy, sequence, &event, &error), &error);
        CHECK(event->encryption == BP_ENCRYPTION_OPENED, "event %llu of %llu is without its key",
              (unsigned long long)sequence, (unsigned long long)count);
        bp_event_release(event);
    }
    bpt_close(copy);
    bps_pause(false);
    return bps_scene_end(run.store);
}

static void a_snapshot_has_the_keys_of_its_events(void **state)
{
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    bps_at_random("a snapshot with keys", snapshot_of_keys, bpt_amount("BATPAK_RUNS", 500, 100000));
}

static void a_record_from_elsewhere_costs_no_key(void **state)
{
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    bps_at_random("a key destroyed here and there", both, bpt_amount("BATPAK_RUNS", 800, 200000));
    print_message("%u records taken over, %u came behind one of this store's own\n", taken_over, refused);
}

static void planted_mistakes_are_found(void **state)
{
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    assert_false(bps_is_found(both, BPS_NO_BUG, BPI_PLANT_NONE, 20));
    assert_true(bps_is_found(both, BPS_NO_BUG, BPI_PLANT_KEY_DESTROYED_EARLY, 4000));
    assert_true(bps_is_found(both, BPS_NO_BUG, BPI_PLANT_SYNC_LEFT_OUT, 4000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_from_elsewhere_costs_no_key),
        cmocka_unit_test(a_snapshot_has_the_keys_of_its_events),
        cmocka_unit_test(planted_mistakes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
