/*
 * test_kill.c: real processes on the real filesystem. A child appends and says on a pipe what was acknowledged; it is
 * killed at a random moment; every acknowledged event is there, in order, once, and verify is clean.
 *
 * ctest: labels=slow,campaign timeout=7200
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/world.h"

/* What the child says: its number n was acknowledged in an answer that said `durable` or not. */
typedef struct answer {
    uint64_t number;
    uint64_t sequence;
} answer;

static bp_id key_of(uint64_t number)
{
    return bp_id_from("kill", &number, sizeof number);
}

static size_t size_of(uint64_t number)
{
    return (size_t)(number * 2654435761u % 1500);
}

static void payload_of(uint64_t number, uint8_t *bytes, size_t size)
{
    bpt_random random = {number};
    for (size_t index = 0; index < size; index++) {
        bytes[index] = (uint8_t)bpt_random_next(&random);
    }
}

static void options_of(uint64_t number, bp_append_options *options)
{
    bp_append_options_init(options);
    options->id = key_of(number);
    options->durability = number % 3 == 0 ? BP_DURABLE : BP_BUFFERED;
}

/* Appends number; a batch of two every so often: number and number + 1. Returns how many. */
static uint64_t append(bp_store *store, uint64_t number, bp_status *status_out, bp_receipt receipts[2], bp_error *error)
{
    static uint8_t bytes[2][1500];
    bp_append_options options[2];
    bp_batch_item items[2];
    uint64_t count = number % 5 == 0 ? 2 : 1;
    for (uint64_t index = 0; index < count; index++) {
        size_t size = size_of(number + index);
        payload_of(number + index, bytes[index], size);
        options_of(number + index, &options[index]);
        items[index] = (bp_batch_item){bp_at("kill", "s"), 0xf001, bp_raw(bytes[index], size), &options[index]};
    }
    if (count == 2) {
        *status_out = bp_append_batch(store, items, 2, NULL, receipts, error);
    } else {
        *status_out = bp_append(store, items[0].at, items[0].kind, items[0].payload, &options[0], receipts, error);
    }
    return count;
}

/* The child: from `first` on until it is killed. Never returns. */
static void child(const bpt_world *world, uint64_t first, int out)
{
    bp_store *store = NULL;
    bp_error error = {0};
    if (bp_open(world->path, &world->options, &store, &error) != BP_OK) {
        (void)bp_print_error(stderr, &error);
        _exit(3);
    }
    for (uint64_t number = first;;) {
        bp_status status = BP_OK;
        bp_receipt receipts[2];
        uint64_t count = append(store, number, &status, receipts, &error);
        if (status != BP_OK) {
            (void)bp_print_error(stderr, &error);
            _exit(4);
        }
        for (uint64_t index = 0; index < count; index++) {
            answer told = {number + index, receipts[index].sequence};
            if (write(out, &told, sizeof told) != (ssize_t)sizeof told) {
                _exit(5);
            }
        }
        number += count;
        if (number % 97 == 0 && bp_seal(store, &error) != BP_OK) {
            _exit(6);
        }
    }
}

/* Runs a child for a while and kills it; the number behind the last acknowledged one. */
static uint64_t run_and_kill(const bpt_world *world, uint64_t first, uint64_t delay_us)
{
    int ends[2];
    answer told;
    uint64_t next = first;
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        child(world, first, ends[1]);
    }
    (void)close(ends[1]);
    struct timespec nap = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
    (void)fcntl(ends[0], F_SETPIPE_SZ, 1 << 20); /* the child shall not wait for us */
    (void)nanosleep(&nap, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(ends[0], &told, sizeof told) == (ssize_t)sizeof told) {
        CHECK(told.number == next && told.sequence == next, "the child was told sequence %llu for %llu, not %llu",
              (unsigned long long)told.sequence, (unsigned long long)told.number, (unsigned long long)next);
        next++;
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status), "the child ended by itself with %d", WEXITSTATUS(status));
    return next;
}

/* Events 0.. are the numbers 0.., each once; at least `least`. Checks those from `from` on byte for byte. */
static uint64_t look(bpt_world *world, uint64_t least, uint64_t from)
{
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    uint64_t count = bp_store_frontiers(store).published;
    static uint8_t bytes[1500];
    CHECK(count >= least, "%llu events are left, %llu were acknowledged", (unsigned long long)count,
          (unsigned long long)least);
    for (uint64_t number = from; number < count; number++) {
        const bp_event *event = NULL;
        bp_id key = key_of(number);
        CHECK_OK(bp_get(store, &key, &event, &error), &error);
        payload_of(number, bytes, size_of(number));
        CHECK(event->sequence == number && event->clock == number, "%llu is event %llu", (unsigned long long)number,
              (unsigned long long)event->sequence);
        CHECK(event->payload_size == size_of(number) && memcmp(event->payload, bytes, event->payload_size) == 0,
              "%llu has another payload", (unsigned long long)number);
        bp_event_release(event);
    }
    if (least > 0) { /* the last acknowledged one once more */
        bp_status status = BP_OK;
        bp_receipt receipts[2];
        uint64_t number = (least - 1) % 5 == 1 ? least - 2 : least - 1;
        (void)append(store, number, &status, receipts, &error);
        bpt_check_status(status, BP_OK, &error, "a retry", __FILE__, __LINE__);
        assert_true(receipts[0].duplicate);
        assert_int_equal(bp_store_frontiers(store).published, count);
    }
    bpt_close(store);
    return count;
}

static void kills(bp_durability durability)
{
    bpt_world world;
    bpt_random random = {bpt_seed((uint64_t)durability)};
    uint64_t rounds = bpt_amount("BATPAK_KILLS", 30, 500);
    uint64_t count = 0;
    bpt_world_disk(&world);
    world.options.durability = durability;
    world.options.segment_size = 1 << 20;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t delay = bpt_random_below(&random, 60000);
        bpt_note("round %llu, %llu events, killed after %llu us", (unsigned long long)round, (unsigned long long)count,
                 (unsigned long long)delay);
        uint64_t acked = run_and_kill(&world, count, delay);
        uint64_t from = count;
        count = look(&world, acked, from);
        if (round % 10 == 9) {
            assert_int_equal(bpt_verify(&world), count);
        }
        if (count > 200000) { /* fresh, so that rounds stay short */
            bpt_world_end(&world);
            bpt_world_disk(&world);
            world.options.durability = durability;
            world.options.segment_size = 1 << 20;
            count = 0;
        }
    }
    assert_int_equal(bpt_verify(&world), look(&world, 0, 0));
    print_message("%llu kills, %llu events\n", (unsigned long long)rounds, (unsigned long long)count);
    bpt_world_end(&world);
}

static void killed_while_durable(void **state)
{
    (void)state;
    kills(BP_DURABLE);
}

static void killed_while_buffered(void **state)
{
    (void)state;
    kills(BP_BUFFERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_durable),
        cmocka_unit_test(killed_while_buffered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
