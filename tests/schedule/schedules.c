/*
 * schedules.c: group commit, views, seals and merges, subscriptions and failures under a scheduler that owns every switch.
 *
 * What must hold in every run: it ends; receipts are dense and unique, and durable ones survive a power cut that loses all that was not
 * synced; readers see a prefix, whole and in order, that only grows; who waits is woken by what happens and not by a clock;
 * after a failed sync everybody has an answer.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "schedule/scene.h"

enum { THREADS = 3, EACH = 2 };

/* ---- what threads do ---- */

typedef struct task {
    bp_store *store;
    unsigned number;
    bp_durability durability;
    uint64_t count; /* of what it did */
    bp_receipt receipts[EACH];
    bp_status status;
} task;

static void *append_some(void *argument)
{
    task *t = argument;
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = t->durability;
    for (unsigned i = 0; i < EACH && t->status == BP_OK; i++) {
        bp_error error = {0};
        uint8_t payload[64];
        memset(payload, (int)(t->number * EACH + i), sizeof payload);
        t->status = bp_append(t->store, bp_at(t->number % 2 == 0 ? "even" : "odd", "s"), 0xf001,
                              bp_raw(payload, sizeof payload), &options, &t->receipts[i], &error);
        t->count += t->status == BP_OK;
    }
    return NULL;
}

/* A prefix, whole, in order. */
static uint64_t read_prefix(bp_store *store, uint64_t least)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t count = 0;
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    bp_status status;
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        const uint8_t *payload = event->payload;
        CHECK(event->sequence == count, "event %llu comes as number %llu", (unsigned long long)event->sequence,
              (unsigned long long)count);
        CHECK(event->payload_size == 64 && payload[0] == payload[63] && payload[0] < THREADS * EACH,
              "the payload of event %llu is another's", (unsigned long long)count);
        count++;
    }
    CHECK_STATUS(BP_END, status, &error);
    CHECK(count >= least, "%llu events after %llu", (unsigned long long)count, (unsigned long long)least);
    bp_iterator_close(iterator);
    return count;
}

static void *read_some(void *argument)
{
    task *t = argument;
    for (unsigned i = 0; i < 3; i++) {
        t->count = read_prefix(t->store, t->count);
    }
    return NULL;
}

static void *seal_some(void *argument)
{
    task *t = argument;
    bp_error error = {0};
    for (unsigned i = 0; i < EACH; i++) {
        CHECK_OK(bp_seal(t->store, &error), &error);
    }
    return NULL;
}

static void *await_some(void *argument)
{
    task *t = argument;
    bp_error error = {0};
    bp_subscription_options options;
    bp_subscription *subscription = NULL;
    bp_delivery delivery;
    bp_subscription_options_init(&options);
    options.replay = true;
    CHECK_OK(bp_subscribe(t->store, NULL, &options, &subscription, &error), &error);
    for (; t->count < EACH; t->count++) {
        CHECK_OK(bp_subscription_next(subscription, BP_FOREVER, &delivery, &error), &error);
        CHECK(delivery.event.sequence == t->count, "event %llu is delivered as number %llu",
              (unsigned long long)delivery.event.sequence, (unsigned long long)t->count);
    }
    bp_subscription_close(subscription);
    return NULL;
}

static void run_threads(task *tasks, void *(*const *starts)(void *), unsigned count)
{
    pthread_t threads[THREADS + 1];
    for (unsigned i = 0; i < count; i++) {
        CHECK(bps_thread_start(&threads[i], starts[i], &tasks[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < count; i++) {
        (void)bps_thread_join(threads[i]);
    }
}

/* What was acknowledged as durable is there after a power cut that loses whatever may be lost. */
static void survives(const task *tasks, unsigned count)
{
    bpt_world after;
    bp_error error = {0};
    bps_pause(true);
    bpt_world_adopt(&after, bpi_fault_clone(bps_world.fault));
    (void)bpt_power_cut(&after, BPT_KEEP_NONE, 0);
    bp_store *store = bpt_open(&after);
    for (unsigned i = 0; i < count; i++) {
        for (uint64_t n = 0; n < tasks[i].count; n++) {
            const bp_event *event = NULL;
            const bp_receipt *receipt = &tasks[i].receipts[n];
            CHECK(receipt->durable, "a durable append is answered as not durable");
            CHECK_OK(bp_get_sequence(store, receipt->sequence, &event, &error), &error);
            CHECK(bp_id_equal(&event->id, &receipt->id), "event %llu is another one",
                  (unsigned long long)receipt->sequence);
            bp_event_release(event);
        }
    }
    bpt_close(store);
    bpt_world_end(&after);
    bps_pause(false);
}

/* ---- scenarios ---- */

static bool group_commit(const bps_plan *plan, unsigned threads, bp_keeper_mode keeper)
{
    void *(*const starts[])(void *) = {append_some, append_some, append_some};
    task tasks[THREADS] = {0};
    bool seen[THREADS * EACH] = {false};
    bp_store *store = bps_scene_begin(plan, BP_DURABLE, keeper, NULL);
    for (unsigned i = 0; i < threads; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_DURABLE};
    }
    run_threads(tasks, starts, threads);
    for (unsigned i = 0; i < threads; i++) {
        CHECK(tasks[i].status == BP_OK && tasks[i].count == EACH, "an append is answered %s",
              bp_status_name(tasks[i].status));
        for (unsigned n = 0; n < EACH; n++) {
            uint64_t sequence = tasks[i].receipts[n].sequence;
            CHECK(sequence < (uint64_t)threads * EACH && !seen[sequence], "sequence %llu comes twice or is too great",
                  (unsigned long long)sequence);
            seen[sequence] = true;
        }
    }
    survives(tasks, threads);
    return bps_scene_end(store);
}

static bool commit_of_two(const bps_plan *plan)
{
    return group_commit(plan, 2, BP_KEEPER_INLINE);
}

static bool commit_of_three(const bps_plan *plan)
{
    return group_commit(plan, THREADS, BP_KEEPER_THREAD);
}

/* Buffered appends, seals, and a reader whose views outlive the blocks that they were pinned with. */
static bool views(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {append_some, read_some, seal_some};
    task tasks[THREADS] = {0};
    bp_store *store = bps_scene_begin(plan, BP_BUFFERED, BP_KEEPER_THREAD, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_BUFFERED};
    }
    run_threads(tasks, starts, THREADS);
    CHECK(tasks[0].status == BP_OK, "an append is answered %s", bp_status_name(tasks[0].status));
    CHECK(read_prefix(store, tasks[1].count) == EACH, "what was appended is not all there");
    return bps_scene_end(store);
}

static bool subscription(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {await_some, append_some};
    task tasks[2] = {0};
    bp_store *store = bps_scene_begin(plan, BP_BUFFERED, BP_KEEPER_INLINE, NULL);
    for (unsigned i = 0; i < 2; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_BUFFERED};
    }
    run_threads(tasks, starts, 2);
    CHECK(tasks[0].count == EACH, "not all was delivered");
    CHECK(bps_timeouts() == 0, "who waits was woken by the clock, %llu times", (unsigned long long)bps_timeouts());
    return bps_scene_end(store);
}

/* One of the syncs fails: everybody has an answer, and what was acknowledged before stays. */
static bool failed_sync(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {append_some, append_some, append_some};
    task tasks[THREADS] = {0};
    bp_error error = {0};
    bp_store *store = bps_scene_begin(plan, BP_DURABLE, BP_KEEPER_THREAD, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_DURABLE};
    }
    bps_syncs_left = 1 + plan->seed % 6;
    run_threads(tasks, starts, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK(tasks[i].status == BP_OK || tasks[i].status == BP_ERR_FAILED || tasks[i].status == BP_ERR_IO,
              "an append is answered %s", bp_status_name(tasks[i].status));
    }
    bps_syncs_left = 0;
    survives(tasks, THREADS);
    (void)bp_close(store, &error);
    return bps_scene_end(NULL);
}

static void group_commit_answers_all(void **state)
{
    (void)state;
    bps_at_random("three durable appenders", commit_of_three, bpt_amount("BATPAK_RUNS", 700, 200000));
    bps_all_of("two durable appenders", commit_of_two, 1, bpt_amount("BATPAK_RUNS", 2000, 10000000));
}

static void views_outlive_seals_and_merges(void **state)
{
    (void)state;
    bps_at_random("views", views, bpt_amount("BATPAK_RUNS", 500, 200000));
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    bps_at_random("a subscription", subscription, bpt_amount("BATPAK_RUNS", 700, 200000));
    bps_all_of("a subscription", subscription, 1, bpt_amount("BATPAK_RUNS", 1500, 10000000));
}

static void a_failed_sync_answers_all(void **state)
{
    (void)state;
    bps_at_random("a failed sync", failed_sync, bpt_amount("BATPAK_RUNS", 700, 200000));
}

/* ---- planted bugs ---- */

static void planted_bugs_are_found(void **state)
{
    static const struct {
        const char *name;
        bps_scenario run;
        bps_bug bug;
    } planted[] = {{"no locks", commit_of_three, BPS_NO_LOCKS},
                   {"a word that is not looked at", subscription, BPS_WORD_UNSEEN},
                   {"a wait that lets go first", commit_of_two, BPS_WAIT_LETS_GO_FIRST}};
    (void)state;
    assert_false(bps_is_found(commit_of_three, BPS_NO_BUG, BPI_PLANT_NONE, 20));
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        double start = bpt_seconds();
        bool found = bps_is_found(planted[i].run, planted[i].bug, BPI_PLANT_NONE, 2000);
        print_message("%s: %s in %.1f s\n", planted[i].name, found ? "found" : "not found", bpt_seconds() - start);
        CHECK(found, "planted and not found: %s", planted[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_commit_answers_all), cmocka_unit_test(views_outlive_seals_and_merges),
        cmocka_unit_test(who_waits_is_woken),       cmocka_unit_test(a_failed_sync_answers_all),
        cmocka_unit_test(planted_bugs_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
