/*
 * test_processes.c: followers in other processes: a writer that is killed again and again, and how long a delivery takes.
 *
 * ctest: labels=campaign,slow timeout=3600
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/world.h"

enum { READERS = 8, LAST_KIND = 0xf00f };

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int child_fails(const char *what, const bp_error *error)
{
    (void)fprintf(stderr, "process %ld: %s\n", (long)getpid(), what);
    (void)bp_print_error(stderr, error);
    return 40;
}

/* ---- the writer ---- */

static void *append_for_ever(void *argument)
{
    bp_store *store = argument;
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    for (unsigned i = 0;; i++) {
        bp_batch_item items[5];
        size_t count = i % 4 == 0 ? 5 : 1;
        bp_batch_options batch;
        bp_batch_options_init(&batch);
        batch.durability = i % 64 == 0 ? BP_DURABLE : BP_BUFFERED;
        for (size_t n = 0; n < count; n++) {
            items[n] = (bp_batch_item){bp_at(n % 2 == 0 ? "a" : "b", "s"), 0xf001, bp_raw("some payload", 12), NULL};
        }
        if (bp_append_batch(store, items, count, &batch, NULL, &error) != BP_OK) {
            _exit(child_fails("append", &error));
        }
    }
    return NULL;
}

/* Two threads append until the process is killed. */
static int write_until_killed(const bpt_world *world)
{
    bp_store *store = NULL;
    bp_error error = {0};
    pthread_t thread;
    if (bp_open(world->path, &world->options, &store, &error) != BP_OK) {
        return child_fails("open", &error);
    }
    if (pthread_create(&thread, NULL, append_for_ever, store) != 0) {
        return 41;
    }
    (void)append_for_ever(store);
    return 0;
}

/* ---- a reader ---- */

/* What was seen, in one number: any event left out, doubled or out of order changes it. */
static void digest(bp_hash *hash, const bp_event *event)
{
    uint8_t bytes[72];
    memcpy(bytes, hash->bytes, 32);
    memcpy(bytes + 32, event->event_hash.bytes, 32);
    memcpy(bytes + 64, &event->sequence, 8);
    *hash = bp_hash_bytes(bytes, sizeof bytes);
}

static int follow_to_the_last(const bpt_world *world, int out)
{
    bp_store *reader = NULL;
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    bp_delivery deliveries[32];
    bp_error error = {0};
    bp_hash hash = {{0}};
    uint64_t next = 0;
    bool last = false;
    if (bp_open_reader(world->path, &world->options, &reader, &error) != BP_OK) {
        return child_fails("open the reader", &error);
    }
    bp_subscription_options_init(&options);
    options.replay = true;
    if (bp_subscribe(reader, NULL, &options, &subscription, &error) != BP_OK) {
        return child_fails("subscribe", &error);
    }
    while (!last) {
        size_t count = 0;
        if (bp_subscription_next_many(subscription, 120000, deliveries, 32, &count, &error) != BP_OK) {
            return child_fails("next", &error);
        }
        /* What follows the last may come with it: the log is proved writable afterwards. */
        for (size_t i = 0; i < count && !last; i++, next++) {
            const bp_event *event = &deliveries[i].event;
            if (event->sequence != next || event->sequence < event->batch ||
                event->sequence >= event->batch + event->batch_count) {
                return child_fails("a gap, a double, or half a batch", &error);
            }
            digest(&hash, event);
            last = event->kind == LAST_KIND;
        }
    }
    ssize_t written = write(out, hash.bytes, sizeof hash.bytes);
    bp_subscription_close(subscription);
    return written == (ssize_t)sizeof hash.bytes && bp_close(reader, &error) == BP_OK ? 0 : 42;
}

static void must_end_well(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with %d (signal %d)",
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static bp_hash digest_of_the_log(bpt_world *world, uint64_t *count_out)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_hash hash = {{0}};
    bp_store *store = bpt_open(world);
    bpt_put(store, "still", "writable");
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    for (bool last = false; !last;) {
        CHECK_OK(bp_next(iterator, &event, &error), &error);
        digest(&hash, event);
        last = event->kind == LAST_KIND;
        *count_out = event->sequence + 1;
    }
    bp_iterator_close(iterator);
    bpt_close(store);
    return hash;
}

static void readers_see_exactly_the_log_whatever_happens_to_the_writer(void **state)
{
    bpt_world world;
    bpt_random random = {bpt_seed((uint64_t)now_ns())};
    uint64_t deaths = bpt_amount("BATPAK_DEATHS", 10, 100);
    pid_t readers[READERS];
    int ends[READERS][2];
    bp_error error = {0};
    (void)state;
    bpt_world_disk(&world);
    world.options.segment_size = 256u << 10;
    world.options.durability = BP_BUFFERED;
    bpt_close(bpt_open(&world));
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pipe(ends[i]), 0);
        readers[i] = fork();
        assert_true(readers[i] >= 0);
        if (readers[i] == 0) {
            _exit(follow_to_the_last(&world, ends[i][1]));
        }
        (void)close(ends[i][1]);
    }
    for (uint64_t death = 0; death < deaths; death++) {
        pid_t writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
            _exit(write_until_killed(&world));
        }
        (void)usleep((useconds_t)(20000 + bpt_random_below(&random, 60000)));
        assert_int_equal(kill(writer, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(writer, &status, 0), writer);
        CHECK(WIFSIGNALED(status), "the writer ended by itself with %d", WEXITSTATUS(status));
    }
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_append(store, bp_at("the", "end"), LAST_KIND, bp_raw("", 0), NULL, NULL, &error), &error);
    bpt_close(store);
    uint64_t count = 0;
    bp_hash expected = digest_of_the_log(&world, &count);
    for (int i = 0; i < READERS; i++) {
        bp_hash seen;
        assert_int_equal(read(ends[i][0], seen.bytes, sizeof seen.bytes), sizeof seen.bytes);
        must_end_well(readers[i]);
        CHECK(bp_hash_equal(&seen, &expected), "reader %d saw another history", i);
        (void)close(ends[i][0]);
    }
    print_message("%llu deaths of the writer, %llu events, %d readers\n", (unsigned long long)deaths,
                  (unsigned long long)count, READERS);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* ---- how long a delivery takes ---- */

enum { PINGS = 201 };

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Each payload is the moment of its append. */
static bp_status measure(bp_store *store, uint64_t took_ns[PINGS], int ready, bp_error *error)
{
    bp_subscription *subscription = NULL;
    bp_status status = bp_subscribe(store, NULL, NULL, &subscription, error);
    if (status != BP_OK || write(ready, "x", 1) != 1) {
        return status;
    }
    for (int i = 0; i < PINGS && status == BP_OK; i++) {
        bp_delivery delivery;
        status = bp_subscription_next(subscription, 60000, &delivery, error);
        if (status == BP_OK) {
            uint64_t sent;
            memcpy(&sent, delivery.event.payload, sizeof sent);
            took_ns[i] = now_ns() - sent;
        }
    }
    bp_subscription_close(subscription);
    return status;
}

static double median_us(uint64_t took_ns[PINGS])
{
    qsort(took_ns, PINGS, sizeof took_ns[0], compare);
    uint64_t middle = took_ns[PINGS / 2];
    return (double)middle / 1000;
}

static void ping(bp_store *store, int ready)
{
    char byte;
    bp_error error = {0};
    assert_int_equal(read(ready, &byte, 1), 1);
    (void)usleep(20000);
    for (int i = 0; i < PINGS; i++) {
        uint64_t sent = now_ns();
        CHECK_OK(bp_append(store, bp_at("p", "s"), 0xf001, bp_raw(&sent, sizeof sent), NULL, NULL, &error), &error);
        (void)usleep(2000);
    }
}

static void a_waiting_process_is_woken(void **state)
{
    bpt_world world;
    int ready[2];
    int result[2];
    double median = 0;
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bpt_close(bpt_open(&world));
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(result), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bp_error error = {0};
        bp_store *reader = NULL;
        uint64_t took_ns[PINGS];
        char byte;
        (void)alarm(120);
        if (read(result[0], &byte, 1) != 1 || bp_open_reader(world.path, &world.options, &reader, &error) != BP_OK ||
            measure(reader, took_ns, ready[1], &error) != BP_OK) {
            _exit(child_fails("measure", &error));
        }
        median = median_us(took_ns);
        (void)bp_close(reader, NULL);
        _exit(write(ready[1], &median, sizeof median) == sizeof median ? 0 : 43);
    }
    bp_store *store = bpt_open(&world);
    assert_int_equal(write(result[1], "x", 1), 1);
    ping(store, ready[0]);
    assert_int_equal(read(ready[0], &median, sizeof median), sizeof median);
    must_end_well(pid);
    print_message("median delivery to another process: %.1f us\n", median);
    CHECK(median < 10000, "median delivery took %.1f us", median);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(result[i]);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

typedef struct measuring {
    bp_store *store;
    uint64_t took_ns[PINGS];
    int ready;
    bp_status status;
} measuring;

static void *measure_in_thread(void *argument)
{
    measuring *m = argument;
    m->status = measure(m->store, m->took_ns, m->ready, NULL);
    return NULL;
}

static void a_waiting_thread_is_woken(void **state)
{
    bpt_world world;
    measuring m = {0};
    pthread_t thread;
    int ready[2];
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    m.store = bpt_open(&world);
    assert_int_equal(pipe(ready), 0);
    m.ready = ready[1];
    assert_int_equal(pthread_create(&thread, NULL, measure_in_thread, &m), 0);
    ping(m.store, ready[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(m.status, BP_OK);
    double median = median_us(m.took_ns);
    print_message("median delivery in the same process: %.1f us\n", median);
    CHECK(median < 5000, "median delivery took %.1f us", median);
    (void)close(ready[0]);
    (void)close(ready[1]);
    bpt_close(m.store);
    bpt_world_end(&world);
}

/* ---- directories that may only be read ---- */

static void a_read_only_directory_is_polled(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char command[600];
    int ends[2];
    (void)state;
    if (geteuid() != 0) {
        skip(); /* only root can become somebody else */
    }
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    (void)snprintf(command, sizeof command, "chmod -R a+rX '%s'", world.root);
    assert_int_equal(system(command), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bp_store *reader = NULL;
        bp_subscription *subscription = NULL;
        bp_delivery delivery;
        (void)alarm(60);
        if (chdir(world.root) != 0 || setgid(65534) != 0 || setuid(65534) != 0 ||
            bp_open_reader("store", &world.options, &reader, &error) != BP_OK ||
            bp_subscribe(reader, NULL, NULL, &subscription, &error) != BP_OK) {
            _exit(child_fails("open", &error));
        }
        bool waited = write(ends[1], "x", 1) == 1 &&
                      bp_subscription_next(subscription, 30000, &delivery, &error) == BP_OK &&
                      memcmp(delivery.event.payload, "two", 3) == 0;
        bp_subscription_close(subscription);
        _exit(waited && bp_close(reader, &error) == BP_OK ? 0 : child_fails("next", &error));
    }
    (void)close(ends[1]);
    char byte;
    if (read(ends[0], &byte, 1) == 1) {
        (void)usleep(30000);
        bpt_put(store, "a", "two");
    }
    must_end_well(pid);
    (void)close(ends[0]);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- forks ---- */

static void a_forked_child_is_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_cursor *cursor = NULL;
    bp_subscription *subscription = NULL;
    int fd = -1;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    CHECK_OK(bp_cursor_open(store, NULL, NULL, &cursor, &error), &error);
    CHECK_OK(bp_subscribe(store, NULL, NULL, &subscription, &error), &error);
    CHECK_OK(bp_subscription_descriptor(subscription, &fd, &error), &error);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const bp_event *event = NULL;
        bp_delivery delivery;
        bp_cursor *another = NULL;
        (void)alarm(60);
        bool refused = bp_cursor_next(cursor, &event, &error) == BP_ERR_FORKED &&
                       bp_subscription_next(subscription, 1000, &delivery, &error) == BP_ERR_FORKED &&
                       bp_cursor_open(store, NULL, NULL, &another, &error) == BP_ERR_FORKED;
        bp_subscription_stop(subscription);
        bp_subscription_close(subscription);
        bp_cursor_close(cursor);
        _exit(refused && bp_close(store, &error) == BP_ERR_FORKED ? 0 : child_fails("not refused", &error));
    }
    must_end_well(pid);
    bpt_put(store, "a", "two");
    bp_delivery delivery;
    CHECK_OK(bp_subscription_next(subscription, 10000, &delivery, &error), &error);
    bp_subscription_close(subscription);
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_exactly_the_log_whatever_happens_to_the_writer),
        cmocka_unit_test(a_waiting_process_is_woken),
        cmocka_unit_test(a_waiting_thread_is_woken),
        cmocka_unit_test(a_read_only_directory_is_polled),
        cmocka_unit_test(a_forked_child_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
