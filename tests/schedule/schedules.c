/*
 * schedules.c: group commit, views, seals and merges, subscriptions and failures under a scheduler that owns every switch.
 *
 * What must hold in every run: it ends; receipts are dense and unique, and durable ones survive a power cut that loses all that was not
 * synced; readers see a prefix, whole and in order, that only grows; who waits is woken by what happens and not by a clock;
 * after a failed sync everybody has an answer. Freed memory is filled, and given back only when the run ends, so
 * that a view that is used after its end shows.
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule/scheduler.h"
#include "support/world.h"

enum { THREADS = 3, EACH = 2, FREED = 1 << 16 };

/* ---- the world of a run ---- */

static bpt_world world;
static const bp_io *below;
static bp_io table;
static uint64_t syncs_left; /* before one fails; 0: none does */

static int file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    bps_point();
    if (syncs_left > 0 && --syncs_left == 0) {
        return EIO;
    }
    int code = below->file_sync(context, file, mode);
    bps_point();
    return code;
}

static int file_write(void *context, bp_file *file, uint64_t offset, const void *data, size_t size)
{
    bps_point();
    return below->file_write(context, file, offset, data, size);
}

static void map_store(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size)
{
    bps_point();
    below->map_store(context, file, address, offset, data, size);
}

static int map_wait(void *context, bp_file *file, void *address, uint64_t offset, uint32_t expected, uint32_t bits,
                    uint64_t timeout_ns)
{
    const uint8_t *word = (const uint8_t *)address + offset;
    uint32_t now;
    (void)context;
    (void)file;
    (void)timeout_ns;
    bps_point();
    memcpy(&now, word, sizeof now);
    return (now != expected && !bps_bug_is(BPS_WORD_UNSEEN)) || bps_word_wait(word, bits) ? 0 : ETIMEDOUT;
}

static void map_wake(void *context, bp_file *file, void *address, uint64_t offset, uint32_t bits)
{
    (void)context;
    (void)file;
    bps_word_wake((const uint8_t *)address + offset, bits);
}

static uint64_t steady_ns(void *context)
{
    (void)context;
    return atomic_fetch_add(&world.clock.steady_ns, 20000); /* so that lingering ends after a few looks */
}

static void sleep_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    (void)atomic_fetch_add(&world.clock.steady_ns, duration_ns);
    bps_sleep();
}

static struct {
    void *memory;
    size_t size;
} freed[FREED];
static size_t freed_count;

static void *allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void release(void *context, void *memory, size_t size)
{
    (void)context;
    if (memory != NULL) {
        memset(memory, 0xdd, size);
        CHECK(freed_count < FREED, "too much is freed in one run");
        freed[freed_count].size = size;
        freed[freed_count++].memory = memory;
    }
}

static void *resize(void *context, void *memory, size_t old_size, size_t size)
{
    void *moved = malloc(size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        release(context, memory, old_size);
    }
    return moved;
}

static const bp_allocator keeping = {sizeof keeping, NULL, allocate, resize, release};

static void give_back(void)
{
    for (size_t i = 0; i < freed_count; i++) {
        const uint8_t *bytes = freed[i].memory;
        for (size_t at = 0; at < freed[i].size; at++) {
            CHECK(bytes[at] == 0xdd, "memory of %zu bytes was written to after it was freed", freed[i].size);
        }
        free(freed[i].memory);
    }
    freed_count = 0;
}

static bp_store *begin(const bps_plan *plan, bp_durability durability, bp_keeper_mode keeper)
{
    bpt_world_fault(&world);
    below = world.io;
    table = *below;
    table.file_sync = file_sync;
    table.file_write = file_write;
    table.map_store = map_store;
    table.map_wait = map_wait;
    table.map_wake = map_wake;
    world.clock.table.steady_ns = steady_ns;
    world.clock.table.sleep_ns = sleep_ns;
    world.options.io = &table;
    world.options.allocator = &keeping;
    world.options.durability = durability;
    world.options.keeper = keeper;
    syncs_left = 0;
    bps_begin(plan);
    bps_pause(true);
    bp_store *store = bpt_open(&world);
    bps_pause(false);
    return store;
}

static bool end(bp_store *store)
{
    if (store != NULL) {
        bpt_close(store);
    }
    bool more = bps_end();
    world.options.io = below;
    CHECK(bpt_verify(&world) < 1000, "verified");
    give_back();
    bpt_world_end(&world);
    return more;
}

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
    bpt_world_adopt(&after, bpi_fault_clone(world.fault));
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

/* ---- scenarios: one run each; true: exhaustive, and there are more ---- */

typedef bool (*scenario)(const bps_plan *plan);

static bool group_commit(const bps_plan *plan, unsigned threads, bp_keeper_mode keeper)
{
    void *(*const starts[])(void *) = {append_some, append_some, append_some};
    task tasks[THREADS] = {0};
    bool seen[THREADS * EACH] = {false};
    bp_store *store = begin(plan, BP_DURABLE, keeper);
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
    return end(store);
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
    bp_store *store = begin(plan, BP_BUFFERED, BP_KEEPER_THREAD);
    for (unsigned i = 0; i < THREADS; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_BUFFERED};
    }
    run_threads(tasks, starts, THREADS);
    CHECK(tasks[0].status == BP_OK, "an append is answered %s", bp_status_name(tasks[0].status));
    CHECK(read_prefix(store, tasks[1].count) == EACH, "what was appended is not all there");
    return end(store);
}

static bool subscription(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {await_some, append_some};
    task tasks[2] = {0};
    bp_store *store = begin(plan, BP_BUFFERED, BP_KEEPER_INLINE);
    for (unsigned i = 0; i < 2; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_BUFFERED};
    }
    run_threads(tasks, starts, 2);
    CHECK(tasks[0].count == EACH, "not all was delivered");
    CHECK(bps_timeouts() == 0, "who waits was woken by the clock, %llu times", (unsigned long long)bps_timeouts());
    return end(store);
}

/* One of the syncs fails: everybody has an answer, and what was acknowledged before stays. */
static bool failed_sync(const bps_plan *plan)
{
    void *(*const starts[])(void *) = {append_some, append_some, append_some};
    task tasks[THREADS] = {0};
    bp_error error = {0};
    bp_store *store = begin(plan, BP_DURABLE, BP_KEEPER_THREAD);
    for (unsigned i = 0; i < THREADS; i++) {
        tasks[i] = (task){.store = store, .number = i, .durability = BP_DURABLE};
    }
    syncs_left = 1 + plan->seed % 6;
    run_threads(tasks, starts, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK(tasks[i].status == BP_OK || tasks[i].status == BP_ERR_FAILED || tasks[i].status == BP_ERR_IO,
              "an append is answered %s", bp_status_name(tasks[i].status));
    }
    syncs_left = 0;
    survives(tasks, THREADS);
    (void)bp_close(store, &error);
    return end(NULL);
}

/* ---- runs ---- */

static void at_random(const char *name, scenario run, uint64_t runs)
{
    uint64_t seed = bpt_seed(1);
    uint64_t points = 0;
    double start = bpt_seconds();
    for (uint64_t i = 0; i < runs; i++) {
        bps_plan plan = {.seed = seed + i, .one_in = 2u << ((seed + i) % 9)};
        bpt_note("%s: BATPAK_SEED=%llu BATPAK_RUNS=1", name, (unsigned long long)plan.seed);
        (void)run(&plan);
        points += bps_points();
    }
    bpt_note("%s", "");
    print_message("%s: %llu schedules, %llu points each, in %.1f s\n", name, (unsigned long long)runs,
                  (unsigned long long)(points / (runs > 0 ? runs : 1)), bpt_seconds() - start);
}

/* All runs with so many preemptions, or the first `most` of them. */
static void all_of(const char *name, scenario run, unsigned preemptions, uint64_t most)
{
    uint64_t runs = 0;
    bool more = true;
    double start = bpt_seconds();
    bps_restart();
    while (more && runs < most) {
        bps_plan plan = {.exhaustive = true, .preemptions = preemptions};
        bpt_note("%s: run %llu with %u preemptions", name, (unsigned long long)runs, preemptions);
        more = run(&plan);
        runs++;
    }
    bpt_note("%s", "");
    print_message("%s: %s%llu schedules with at most %u preemptions, in %.1f s\n", name, more ? "the first " : "all ",
                  (unsigned long long)runs, preemptions, bpt_seconds() - start);
}

static void group_commit_answers_all(void **state)
{
    (void)state;
    at_random("three durable appenders", commit_of_three, bpt_amount("BATPAK_RUNS", 700, 200000));
    all_of("two durable appenders", commit_of_two, 1, bpt_amount("BATPAK_RUNS", 2000, 10000000));
}

static void views_outlive_seals_and_merges(void **state)
{
    (void)state;
    at_random("views", views, bpt_amount("BATPAK_RUNS", 500, 200000));
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    at_random("a subscription", subscription, bpt_amount("BATPAK_RUNS", 700, 200000));
    all_of("a subscription", subscription, 1, bpt_amount("BATPAK_RUNS", 1500, 10000000));
}

static void a_failed_sync_answers_all(void **state)
{
    (void)state;
    at_random("a failed sync", failed_sync, bpt_amount("BATPAK_RUNS", 700, 200000));
}

/* ---- planted bugs ---- */

/* In a child: how it ended, after so many runs. */
static bool is_found(scenario run, bps_bug bug, uint64_t runs)
{
    pid_t child = fork();
    CHECK(child >= 0, "no process");
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        (void)freopen("/dev/null", "w", stderr);
        (void)freopen("/dev/null", "w", stdout);
        for (uint64_t i = 0; i < runs; i++) {
            bps_plan plan = {.seed = i, .one_in = 2u << (i % 9), .bug = bug, .quiet = true};
            (void)run(&plan);
        }
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void planted_bugs_are_found(void **state)
{
    static const struct {
        const char *name;
        scenario run;
        bps_bug bug;
    } planted[] = {{"no locks", commit_of_three, BPS_NO_LOCKS},
                   {"a word that is not looked at", subscription, BPS_WORD_UNSEEN},
                   {"a wait that lets go first", commit_of_two, BPS_WAIT_LETS_GO_FIRST}};
    (void)state;
    assert_false(is_found(commit_of_three, BPS_NO_BUG, 20));
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        double start = bpt_seconds();
        bool found = is_found(planted[i].run, planted[i].bug, 2000);
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
