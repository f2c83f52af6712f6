/*
 * test_swap_processes.c: a process that appends, compacts and erases is killed again and again, while others open the store, read it, keep it
 * open and verify it: what was acknowledged is shown, what is gone is not, and nobody is told of damage.
 *
 * ctest: labels=slow,campaign timeout=600
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/world.h"

enum { ROUND = 16, PAUSE_US = 200, READERS = 3, FAILED = 40, PUBLISHED = 0x1001, TRANSIENT = 0x1002 };

/* What the writer was told, in memory that all processes see. Raised behind each answer, so that it is never too much. */
typedef struct told {
    _Atomic uint64_t kept;          /* events of the kind that stays */
    _Atomic uint64_t dropped_below; /* none of the other kind is left below */
    _Atomic uint64_t erased_below;  /* none of "a" has its payload below */
    _Atomic uint64_t lives;
    _Atomic uint64_t rounds;
    _Atomic uint64_t looks;
    _Atomic bool over;
} told;

static told *all;

static void must(bp_status status, const char *what, const bp_error *error)
{
    if (status != BP_OK) {
        (void)fprintf(stderr, "process %ld: %s: ", (long)getpid(), what);
        (void)bp_print_error(stderr, error);
        _exit(FAILED);
    }
}

static void must_hold(bool condition, const char *what, uint64_t is, uint64_t than)
{
    if (!condition) {
        (void)fprintf(stderr, "process %ld: %s: %llu, %llu\n", (long)getpid(), what, (unsigned long long)is,
                      (unsigned long long)than);
        _exit(FAILED);
    }
}

/* ---- the writer ---- */

static uint64_t append_some(bp_store *store)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    char payload[200];
    memset(payload, 'p', sizeof payload);
    for (unsigned i = 0; i < ROUND; i++) {
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = i % 16 == 0 ? BP_DURABLE : BP_BUFFERED;
        must(bp_append(store, bp_at(i % 4 < 2 ? "a" : "b", "s"), i % 2 == 0 ? PUBLISHED : TRANSIENT,
                       bp_raw(payload, sizeof payload), &options, &receipt, &error),
             "append", &error);
        atomic_fetch_add(&all->kept, i % 2 == 0);
    }
    return receipt.sequence + 1;
}

static void drop_and_erase(bp_store *store, uint64_t end, bool merge)
{
    bp_error error = {0};
    bp_region transient = bp_region_by_kind(TRANSIENT);
    bp_region of_a = bp_region_stream("a");
    bp_compact_options how;
    bp_erase_options erase;
    must(bp_seal(store, &error), "seal", &error);
    bp_compact_options_init(&how);
    how.drop = &transient;
    how.drop_count = 1;
    how.merge = merge;
    must(bp_compact(store, &how, NULL, &error), "compact", &error);
    atomic_store(&all->dropped_below, end);
    bp_region_set_sequence(&of_a, 0, end - 1);
    bp_erase_options_init(&erase);
    erase.region = &of_a;
    erase.reason = "asked to";
    erase.by = "officer 7";
    must(bp_erase(store, &erase, NULL, &error), "erase", &error);
    atomic_store(&all->erased_below, end);
}

static void write_until_killed(const bpt_world *world)
{
    bp_store *store = NULL;
    bp_error error = {0};
    must(bp_open(world->path, &world->options, &store, &error), "open", &error);
    atomic_fetch_add(&all->lives, 1);
    for (unsigned round = 0;; round++) {
        drop_and_erase(store, append_some(store), round % 3 != 0);
        atomic_fetch_add(&all->rounds, 1);
    }
}

/* ---- those beside it ---- */

static void look(bp_store *reader)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status;
    uint64_t kept = atomic_load(&all->kept);
    uint64_t dropped_below = atomic_load(&all->dropped_below);
    uint64_t erased_below = atomic_load(&all->erased_below);
    uint64_t next = 0;
    uint64_t count = 0;
    must(bp_query(reader, NULL, NULL, &iterator, &error), "query", &error);
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        bool of_a = bp_text_equal(event->entity, bp_text_of("a"));
        must_hold(event->sequence >= next, "out of order", event->sequence, next);
        must_hold(event->kind == PUBLISHED || event->sequence >= dropped_below, "shown, and dropped before",
                  event->sequence, dropped_below);
        must_hold(!of_a || event->payload_absent || event->sequence >= erased_below, "whole, and erased before",
                  event->sequence, erased_below);
        must_hold(event->payload_absent || event->payload_size == 200, "a payload of another size", event->sequence,
                  event->payload_size);
        next = event->sequence + 1;
        count += event->kind == PUBLISHED;
    }
    must(status == BP_END ? BP_OK : status, "next", &error);
    bp_iterator_close(iterator);
    must_hold(count >= kept, "fewer than were acknowledged", count, kept);
    atomic_fetch_add(&all->looks, 1);
}

static int tell_fault(void *context, const bp_fault *fault)
{
    (void)context;
    (void)fprintf(stderr, "process %ld: fault: %s at %llu: %s\n", (long)getpid(), fault->file,
                  (unsigned long long)fault->offset, fault->what);
    return 0;
}

/* One of them goes on with the handle that it has, one opens anew each time, one verifies. */
static void look_until_over(const bpt_world *world, unsigned which)
{
    bp_store *reader = NULL;
    bp_error error = {0};
    while (!atomic_load(&all->over)) {
        bp_verify_options options;
        bp_verify_report report;
        if (which == 2) {
            bp_verify_options_init(&options);
            options.fault = tell_fault;
            must(bp_verify(world->path, &options, &report, &error), "verify", &error);
            (void)usleep(PAUSE_US);
            continue;
        }
        if (reader == NULL) {
            must(bp_open_reader(world->path, &world->options, &reader, &error), "open a reader", &error);
        }
        look(reader);
        if (which == 1) {
            must(bp_close(reader, &error), "close a reader", &error);
            reader = NULL;
        }
        (void)usleep(PAUSE_US);
    }
    must(bp_close(reader, &error), "close a reader", &error);
}

static pid_t begin(const bpt_world *world, int which)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(bpt_campaign() ? 3600 : 120); /* a child that hangs dies */
        if (which < 0) {
            write_until_killed(world);
        }
        look_until_over(world, (unsigned)which);
        _exit(0);
    }
    return pid;
}

static bool has_done_all(void)
{
    return atomic_load(&all->rounds) > 0 && atomic_load(&all->looks) > 0;
}

static void killed_again_and_again(void **state)
{
    (void)state;
    bpt_world world;
    bpt_random random = {bpt_seed(1)};
    pid_t readers[READERS];
    double seconds = (double)bpt_amount("BATPAK_SECONDS", 5, 300);
    int status = 0;
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    bpt_world_disk(&world);
    bpt_close(bpt_open(&world));
    for (int i = 0; i < READERS; i++) {
        readers[i] = begin(&world, i);
    }
    for (double end = bpt_seconds() + seconds; bpt_seconds() < end || !has_done_all();) {
        CHECK(bpt_seconds() < end + 60, "nothing was done");
        uint64_t lives = atomic_load(&all->lives);
        pid_t writer = begin(&world, -1);
        while (atomic_load(&all->lives) == lives && waitpid(writer, &status, WNOHANG) == 0) {
            (void)usleep(1000);
        }
        CHECK(atomic_load(&all->lives) != lives, "the writer ended by itself with %d", WEXITSTATUS(status));
        (void)usleep((useconds_t)bpt_random_below(&random, 400000));
        assert_int_equal(kill(writer, SIGKILL), 0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        CHECK(WIFSIGNALED(status), "the writer ended by itself with %d", WEXITSTATUS(status));
    }
    atomic_store(&all->over, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reader %d ended with %d", i, status);
    }
    print_message("%llu lives of the writer, %llu compactions and erasures, %llu looks\n",
                  (unsigned long long)atomic_load(&all->lives), (unsigned long long)atomic_load(&all->rounds),
                  (unsigned long long)atomic_load(&all->looks));
    bp_store *store = bpt_open(&world);
    look(store);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    (void)munmap(all, sizeof *all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_again_and_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
