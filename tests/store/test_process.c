/*
 * test_process.c: a store and other processes: a reader beside the writer, a forked handle, a lock that dies with its
 * holder.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/world.h"

static void must_exit(pid_t pid, int want)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == want, "the child ended with %d (signal %d), not %d",
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, want);
}

static void step(int fd)
{
    char byte = 'x';
    ssize_t done = write(fd, &byte, 1);
    (void)done;
}

static bool wait_step(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1;
}

/* ---- a reader beside the writer ---- */

/* Sees all that is published, never half a batch. Exit code 0 when all is well. */
static int follow(const bpt_world *world, uint64_t until)
{
    bp_store *reader = NULL;
    bp_error error = {0};
    uint64_t last = 0;
    if (bp_open_reader(world->path, &world->options, &reader, &error) != BP_OK) {
        (void)bp_print_error(stderr, &error);
        return 10;
    }
    for (double end = bpt_seconds() + 60; last < until && bpt_seconds() < end;) {
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        bp_query_options options;
        uint64_t members = 0;
        bp_status status;
        bp_query_options_init(&options);
        options.resume = last > 0;
        options.resume_after = last - 1;
        if (bp_query(reader, NULL, &options, &iterator, &error) != BP_OK) {
            (void)bp_print_error(stderr, &error);
            return 11;
        }
        while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
            if (event->sequence != last) {
                return 12;
            }
            last++;
            members = last - event->batch == event->batch_count ? 0 : last - event->batch;
        }
        bp_iterator_close(iterator);
        if (status != BP_END || members != 0) {
            return 13;
        }
    }
    return bp_close(reader, &error) == BP_OK && last == until ? 0 : 14;
}

static void write_beside_a_reader(bp_durability durability)
{
    enum { COUNT = 3000 };
    bpt_world world;
    bp_error error = {0};
    int ends[2];
    bpt_world_disk(&world);
    world.options.durability = durability;
    bpt_close(bpt_open(&world));
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork(); /* before the writer opens, so that the child has no handle of it */
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(90); /* a child that hangs dies */
        (void)wait_step(ends[0]);
        _exit(follow(&world, COUNT));
    }
    bp_store *store = bpt_open(&world);
    step(ends[1]);
    for (int index = 0; index < COUNT / 3; index++) {
        bp_batch_item items[2] = {{bp_at("b", "s"), 0xf001, bp_raw("xyz", 3), NULL},
                                  {bp_at("c", "s"), 0xf001, bp_raw("xyz", 3), NULL}};
        bpt_put(store, "a", "the payload of a single one");
        CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    }
    must_exit(pid, 0);
    bpt_close(store);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(bpt_verify(&world), COUNT);
    bpt_world_end(&world);
}

static void a_reader_follows_a_durable_writer(void **state)
{
    (void)state;
    write_beside_a_reader(BP_DURABLE);
}

static void a_reader_follows_a_buffered_writer(void **state)
{
    (void)state;
    write_beside_a_reader(BP_BUFFERED);
}

static void a_reader_sees_what_is_published_when_it_asks(void **state)
{
    bpt_world world;
    bp_error error = {0};
    uint64_t count = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bp_store *reader = bpt_reader(&world);
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, 1);
    for (int index = 0; index < 40; index++) { /* over a rotation */
        (void)bpt_put_sized(store, "e", 5000);
        CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
        assert_int_equal(count, index + 2);
    }
    bpt_close(store);
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, 41);
    store = bpt_open(&world);
    bpt_put(store, "e", "two");
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, 42);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_reader_writes_nothing(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_append(reader, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error),
                 &error);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_seal(reader, &error), &error);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_kind_define(reader, 0x2001, "name", &error), &error);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_reader_of_a_dead_writers_store_shows_what_was_published(void **state)
{
    bpt_world world;
    bp_error error = {0};
    uint64_t count = 0;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_put(store, "e", "two");
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    bp_store *reader = bpt_reader(&world);
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, 2);
    bpt_close(reader);
    assert_int_equal(bpi_fault_steps(world.fault), 0); /* and changes nothing */
    bpt_world_end(&world);
}

static void a_reader_after_a_power_cut_shows_what_is_left(void **state)
{
    bpt_world world;
    bp_error error = {0};
    uint64_t count = 0;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_put(store, "e", "two"); /* says that "one" is durable; nothing says it of this one yet */
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    bpt_put_with(store, "e", "three", &options);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    bp_store *reader = bpt_reader(&world);
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    assert_int_equal(count, 1);
    bpt_close(reader);
    assert_int_equal(bpi_fault_steps(world.fault), 0);
    bpt_world_end(&world);
}

/* ---- forks ---- */

static int ask_all_in_child(bp_store *store)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_iterator *iterator = NULL;
    bp_id id = {{1}};
    uint64_t count;
    if (bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error) != BP_ERR_FORKED) {
        return 20;
    }
    if (bp_get(store, &id, &event, &error) != BP_ERR_FORKED || bp_sync(store, &error) != BP_ERR_FORKED) {
        return 21;
    }
    if (bp_query(store, NULL, NULL, &iterator, &error) != BP_ERR_FORKED ||
        bp_count(store, NULL, &count, &error) != BP_ERR_FORKED) {
        return 22;
    }
    if (bp_seal(store, &error) != BP_ERR_FORKED || bp_wait_durable(store, 0, 1, &error) != BP_ERR_FORKED) {
        return 23;
    }
    return bp_close(store, &error) == BP_ERR_FORKED ? 0 : 24;
}

static void a_forked_handle_is_refused(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "before");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(90); /* a child that hangs dies */
        _exit(ask_all_in_child(store));
    }
    must_exit(pid, 0);
    bpt_put(store, "e", "the parent goes on");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

static void a_child_neither_keeps_nor_takes_the_lock(void **state)
{
    bpt_world world;
    bp_error error = {0};
    int ends[2];
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(90);      /* a child that hangs dies */
        bp_store *own = NULL; /* the parent has the lock */
        bool refused = bp_open(world.path, &world.options, &own, &error) == BP_ERR_LOCKED;
        (void)wait_step(ends[0]);
        _exit(refused ? 0 : 30);
    }
    (void)usleep(50000);
    bpt_close(store);
    store = bpt_open(&world); /* although the child lives */
    step(ends[1]);
    must_exit(pid, 0);
    bpt_close(store);
    (void)close(ends[0]);
    (void)close(ends[1]);
    bpt_world_end(&world);
}

/* The child has the keeper's locks and conditions but not the keeper: destroying what a sleeper waits on would hang. */
static void a_childs_close_does_not_wait_for_a_sleeping_keeper(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "starts the keeper");
    (void)usleep(60000); /* a MARK and some idle looks later it sleeps without a timer */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(20); /* a child that hangs dies */
        bp_error error = {0};
        bp_status status = bp_close(store, &error);
        _exit(status == BP_OK || status == BP_ERR_FORKED ? 0 : 40);
    }
    must_exit(pid, 0);
    bpt_put(store, "e", "the parent's keeper is where it was");
    bp_error error = {0};
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

/* A page from before says that less was published than the manifest knows to be durable: it is no bound for anybody. */
static void a_stale_live_page_bounds_nothing(void **state)
{
    bpt_world world;
    bp_error error = {0};
    size_t size = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "first");
    uint8_t *early = bpt_file_read(&world, "live", &size);
    assert_non_null(early);
    for (int index = 0; index < 20; index++) {
        bpt_put(store, "e", "later");
    }
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_file_write(&world, "live", early, size);
    free(early);
    bp_store *reader = bpt_reader(&world);
    assert_int_equal(bp_store_frontiers(reader).published, 21);
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(reader, 20, &event, &error), &error);
    bp_event_release(event);
    bpt_close(reader);
    assert_int_equal(bpt_verify(&world), 21);
    bpt_close(store);
    bpt_world_end(&world);
}

static int count_fault(void *context, const bp_fault *fault)
{
    (void)fault;
    ++*(unsigned *)context;
    return 0;
}

/* A store that has lost its manifest is damaged, which is not the same as no store. */
static void a_lost_manifest_is_damage_to_readers_and_verify(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *reader = NULL;
    unsigned faults = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    bpt_close(store);
    bpt_file_remove(&world, "MANIFEST");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(world.path, &world.options, &reader, &error), &error);
    assert_null(reader);
    CHECK(strstr(error.message, "MANIFEST") != NULL, "MANIFEST is not named: %s", error.message);
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world.io;
    options.fault = count_fault;
    options.fault_context = &faults;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(world.path, &options, NULL, &error), &error);
    assert_true(faults > 0);
    bpt_world_end(&world);
}

static void the_lock_dies_with_its_holder(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    char text[32];
    int ends[2];
    int status = 0;
    (void)state;
    bpt_world_disk(&world);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(90); /* a child that hangs dies */
        (void)bpt_put(bpt_open(&world), "e", "x");
        step(ends[1]);
        (void)pause();
        _exit(0);
    }
    assert_true(wait_step(ends[0]));
    CHECK_STATUS(BP_ERR_LOCKED, bp_open(world.path, &world.options, &store, &error), &error);
    (void)snprintf(text, sizeof text, "%ld", (long)pid);
    CHECK_SAYS(&error, text);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).published, 1);
    bpt_close(store);
    (void)close(ends[0]);
    (void)close(ends[1]);
    bpt_world_end(&world);
}

/* A segment that was made for a large batch has some room behind it: what comes there later is read, too. */
static void a_reader_sees_what_comes_behind_a_large_event(void **state)
{
    enum { LARGE = 100000, STEP = 500, SMALL = 30 };
    (void)state;
    for (size_t size = LARGE; size < LARGE + 4096; size += STEP) {
        bpt_world world;
        bp_error error = {0};
        uint64_t count = 0;
        bpt_world_fault(&world);
        world.options.segment_size = BP_SEGMENT_MIN;
        bp_store *store = bpt_open(&world);
        bp_store *reader = bpt_reader(&world);
        (void)bpt_put_sized(store, "e", size);
        for (uint64_t next = 1; next <= SMALL; next++) {
            const bp_event *event = NULL;
            CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
            assert_int_equal(count, next);
            bp_receipt receipt = bpt_put(store, "e", "x");
            CHECK_OK(bp_get_sequence(reader, receipt.sequence, &event, &error), &error);
            bp_event_release(event);
        }
        bpt_close(reader);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* A segment that nobody has written to takes the size of the next opening: readers who had it mapped already go on in it. */
static void a_reader_goes_on_when_segments_become_larger(void **state)
{
    enum { SIZE = 5000, COUNT = 40 };
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        bpt_world world;
        bp_error error = {0};
        bpt_world_fault(&world);
        world.options.segment_size = BP_SEGMENT_MIN;
        bp_store *store = bpt_open(&world);
        if ((way & 1) != 0) {
            (void)bpt_put(store, "e", "x");
            CHECK_OK(bp_seal(store, &error), &error);
        }
        bp_store *reader = bpt_reader(&world);
        uint64_t count = 0;
        CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
        for (unsigned times = 0; times < 1 + way / 2; times++) {
            bpt_close(store);
            world.options.segment_size = 4 * BP_SEGMENT_MIN;
            store = bpt_open(&world);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            const bp_event *event = NULL;
            bp_receipt receipt = bpt_put_sized(store, "e", SIZE);
            CHECK_OK(bp_get_sequence(reader, receipt.sequence, &event, &error), &error);
            assert_int_equal(event->payload_size, SIZE);
            bp_event_release(event);
        }
        bpt_close(reader);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_follows_a_durable_writer),
        cmocka_unit_test(a_reader_follows_a_buffered_writer),
        cmocka_unit_test(a_reader_sees_what_is_published_when_it_asks),
        cmocka_unit_test(a_reader_writes_nothing),
        cmocka_unit_test(a_reader_of_a_dead_writers_store_shows_what_was_published),
        cmocka_unit_test(a_reader_after_a_power_cut_shows_what_is_left),
        cmocka_unit_test(a_forked_handle_is_refused),
        cmocka_unit_test(a_child_neither_keeps_nor_takes_the_lock),
        cmocka_unit_test(a_childs_close_does_not_wait_for_a_sleeping_keeper),
        cmocka_unit_test(a_stale_live_page_bounds_nothing),
        cmocka_unit_test(a_lost_manifest_is_damage_to_readers_and_verify),
        cmocka_unit_test(the_lock_dies_with_its_holder),
        cmocka_unit_test(a_reader_sees_what_comes_behind_a_large_event),
        cmocka_unit_test(a_reader_goes_on_when_segments_become_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
