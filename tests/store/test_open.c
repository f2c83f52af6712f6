/*
 * test_open.c: making and opening stores: what is refused and named, what an opening changes, modes, locks, epochs.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/world.h"

static bp_status try_open(const bpt_world *world, bp_error *error)
{
    bp_store *store = NULL;
    memset(error, 0, sizeof *error);
    bp_status status = bp_open(world->path, &world->options, &store, error);
    assert_int_equal(status == BP_OK, store != NULL);
    assert_true(status == BP_OK || error->status == status);
    (void)bp_close(store, NULL);
    return status;
}

/* ---- making ---- */

static void it_makes_what_is_missing(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    assert_string_equal(bp_store_path(store), world.path);
    assert_int_equal(bp_store_frontiers(store).published, 0);
    assert_int_equal(bp_store_frontiers(store).epoch, 1);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 0);
    bpt_world_end(&world);
}

static void null_options_are_the_defaults(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    bp_stats stats = {.size = sizeof stats};
    (void)state;
    bpt_world_disk(&world);
    CHECK_OK(bp_open(world.path, NULL, &store, &error), &error);
    bp_receipt receipt = bpt_put(store, "e", "x");
    assert_true(receipt.durable);
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.options.segment_size, 64u << 20);
    assert_int_equal(stats.options.durability, BP_DURABLE);
    assert_int_equal(stats.options.payload_max, BP_PAYLOAD_DEFAULT_MAX);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 1);
    bpt_world_end(&world);
}

static void without_create_a_missing_store_is_not_found(void **state)
{
    bpt_world world;
    bp_error error = {0};
    struct stat status;
    (void)state;
    bpt_world_disk(&world);
    world.options.create = false;
    CHECK_STATUS(BP_ERR_NOT_FOUND, try_open(&world, &error), &error);
    CHECK_SAYS(&error, world.path);
    CHECK_SAYS(&error, "; try: ");
    assert_int_equal(stat(world.path, &status), -1); /* and nothing was made */
    bpt_world_end(&world);
}

static void exclusive_refuses_a_store_that_is_there(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    world.options.exclusive = true;
    bpt_close(bpt_open(&world));
    CHECK_STATUS(BP_ERR_EXISTS, try_open(&world, &error), &error);
    world.options.exclusive = false;
    bpt_close(bpt_open(&world));
    bpt_world_end(&world);
}

typedef struct meanwhile {
    bpt_world *world;
    void (*act)(bpt_world *world);
    bool acted;
} meanwhile;

/* Another one comes between an opening's look at the place and its lock. */
static void before_the_lock(void *argument, const bpi_fault_step *step)
{
    meanwhile *m = argument;
    if (!m->acted && !step->done && step->name != NULL && strcmp(step->name, "LOCK") == 0) {
        m->acted = true;
        m->act(m->world);
    }
}

static void make_and_close(bpt_world *world)
{
    bpt_close(bpt_open(world));
}

static void begin_a_copy(bpt_world *world)
{
    bpt_file_write(world, "INCOMPLETE", "a copy", 6);
}

static void what_comes_before_the_lock_is_seen_behind_it(void **state)
{
    bpt_world world;
    bp_error error = {0};
    size_t size = 0;
    (void)state;
    meanwhile store = {.world = &world, .act = make_and_close};
    bpt_world_fault(&world);
    world.options.exclusive = true;
    bpi_fault_watch(world.fault, before_the_lock, &store);
    CHECK_STATUS(BP_ERR_EXISTS, try_open(&world, &error), &error); /* of two who make it one has made it */
    assert_true(store.acted);
    bpt_world_end(&world);

    meanwhile copy = {.world = &world, .act = begin_a_copy};
    bpt_world_fault(&world);
    bpi_fault_watch(world.fault, before_the_lock, &copy);
    CHECK_STATUS(BP_ERR_CORRUPT, try_open(&world, &error), &error);
    CHECK_SAYS(&error, "unfinished copy");
    assert_true(copy.acted);
    assert_null(bpt_file_read(&world, "MANIFEST", &size));
    bpt_world_end(&world);
}

static void a_folder_with_other_things_is_left_alone(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_disk(&world);
    assert_int_equal(mkdir(world.path, 0700), 0);
    bpt_file_write(&world, "letter.txt", "dear", 4);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, try_open(&world, &error), &error);
    size_t size = 0;
    uint8_t *data = bpt_file_read(&world, "letter.txt", &size);
    assert_int_equal(size, 4);
    free(data);
    assert_null(bpt_file_read(&world, "MANIFEST", &size));
    bpt_file_remove(&world, "letter.txt");
    bpt_close(bpt_open(&world)); /* empty: fine */
    bpt_file_write(&world, "letter.txt", "dear", 4);
    bpt_close(bpt_open(&world)); /* beside a store other names are left alone */
    bpt_file_remove(&world, "letter.txt");
    bpt_world_end(&world);
}

static void a_missing_parent_and_a_file_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_disk(&world);
    size_t length = strlen(world.path);
    (void)snprintf(world.path + length, sizeof world.path - length, "/deeper");
    bp_status status = try_open(&world, &error);
    assert_true(status == BP_ERR_NOT_FOUND || status == BP_ERR_IO);
    world.path[length] = '\0';
    FILE *stream = fopen(world.path, "we");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    status = try_open(&world, &error);
    assert_true(status == BP_ERR_IO || status == BP_ERR_NOT_EMPTY || status == BP_ERR_NOT_FOUND);
    CHECK_SAYS(&error, "store");
    bpt_world_end(&world);
}

static void check_modes(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char path[1200];
    struct stat status;
    (void)data;
    (void)size;
    (void)snprintf(path, sizeof path, "%s/%s", ((const bpt_world *)argument)->path, name);
    assert_int_equal(lstat(path, &status), 0);
    CHECK((status.st_mode & 07777) == 0600, "%s has mode %o", name, status.st_mode & 07777);
}

static void folders_are_0700_and_files_0600(void **state)
{
    bpt_world world;
    char path[600];
    struct stat status;
    (void)state;
    bpt_world_disk(&world);
    mode_t mask = umask(0);
    bp_store *store = bpt_open(&world);
    for (int index = 0; index < 30; index++) {
        (void)bpt_put_sized(store, "e", 5000);
    }
    bpt_close(store);
    (void)umask(mask);
    bpt_file_each(&world, check_modes, &world);
    assert_int_equal(stat(world.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    (void)snprintf(path, sizeof path, "%.500s/log", world.path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    bpt_world_end(&world);
}

static void links_are_not_followed(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char from[600];
    char to[600];
    (void)state;
    bpt_world_disk(&world);
    bpt_close(bpt_open(&world));
    (void)snprintf(from, sizeof from, "%.500s/MANIFEST", world.path);
    (void)snprintf(to, sizeof to, "%.500s/elsewhere", world.root);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(symlink(to, from), 0);
    assert_true(try_open(&world, &error) != BP_OK);
    bpt_world_end(&world);
}

/* ---- options ---- */

static void out_of_range(bpt_world *world, const char *field)
{
    bp_error error = {0};
    CHECK_STATUS(BP_ERR_ARGUMENT, try_open(world, &error), &error);
    CHECK_SAYS(&error, field);
    size_t size = 0;
    assert_null(bpt_file_read(world, "MANIFEST", &size)); /* nothing was made */
    bp_options_init(&world->options);
    world->options.io = world->io;
}

static void options_out_of_range_are_named(void **state)
{
    static const uint32_t sizes[] = {1,         4096, BP_SEGMENT_MIN - 4096, BP_SEGMENT_MIN + 1, BP_SEGMENT_MAX + 4096,
                                     UINT32_MAX};
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_options *options = &world.options;
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        options->segment_size = sizes[index];
        out_of_range(&world, "segment_size");
    }
    options->durability = (bp_durability)9;
    out_of_range(&world, "durability");
    options->layout = (bp_layout)7;
    out_of_range(&world, "layout");
    options->sync_mode = (bp_sync_mode)5;
    out_of_range(&world, "sync_mode");
    options->keeper = (bp_keeper_mode)5;
    out_of_range(&world, "keeper");
    options->payload_max = BP_PAYLOAD_MAX + 1;
    out_of_range(&world, "payload_max");
    options->fd_budget = 7;
    out_of_range(&world, "fd_budget");
    options->sync_every_events = 0;
    out_of_range(&world, "sync_every_events");
    options->sync_every_ms = 0;
    out_of_range(&world, "sync_every_ms");
    options->commit_max_events = 0;
    out_of_range(&world, "commit_max_events");
    options->commit_max_bytes = 0;
    out_of_range(&world, "commit_max_bytes");
    options->keeper_stack_size = 65535;
    out_of_range(&world, "keeper_stack_size");
    options->keeper_stack_size = (1u << 30) + 1;
    out_of_range(&world, "keeper_stack_size");
    options->size = 1;
    out_of_range(&world, "bp_options_init");
    bpt_world_end(&world);
}

static void ignore_message(void *context, bp_log_level level, const char *target, const char *name,
                           const bp_log_field *fields, size_t count)
{
    (void)context;
    (void)level;
    (void)target;
    (void)name;
    (void)fields;
    (void)count;
}

/* A table whose size was not set would be a call to nowhere. */
static void tables_without_a_size_are_named(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_options *options = &world.options;
    bp_io io = *world.io;
    bp_clock clock = world.clock.table;
    bp_random random = world.entropy.table;
    bp_allocator allocator = *bp_allocator_system();
    bp_log_hook hook = {sizeof hook, NULL, BP_LOG_ERROR, ignore_message};
    io.size = 0;
    options->io = &io;
    CHECK_STATUS(BP_ERR_ARGUMENT, try_open(&world, &error), &error);
    CHECK_SAYS(&error, "option io");
    options->io = world.io;
    clock.size = 1;
    options->clock = &clock;
    out_of_range(&world, "option clock");
    random.size = sizeof random - 1;
    options->random = &random;
    out_of_range(&world, "option random");
    allocator.size = 0;
    options->allocator = &allocator;
    out_of_range(&world, "option allocator");
    hook.size = 0;
    options->log = &hook;
    out_of_range(&world, "option log");
    hook = (bp_log_hook){.size = sizeof hook};
    options->log = &hook;
    out_of_range(&world, "option log");
    hook.write = ignore_message;
    options->log = &hook;
    CHECK_OK(try_open(&world, &error), &error);
    bpt_world_end(&world);
}

static void null_arguments_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    (void)state;
    bpt_world_memory(&world);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_open(NULL, &world.options, &store, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_open("store", &world.options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_open_reader(NULL, &world.options, &store, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_open_reader("store", &world.options, NULL, &error), &error);
    CHECK_OK(bp_close(NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_sync(NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_seal(NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_open_reader("store", &world.options, &store, &error), &error);
    bpt_world_end(&world);
}

static void stored_options_stay(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    (void)state;
    bpt_world_memory(&world);
    world.options.segment_size = 128 * 1024;
    world.options.layout = BP_LAYOUT_SOA;
    bpt_close(bpt_open(&world));
    world.options.segment_size = 0;
    world.options.layout = BP_LAYOUT_DEFAULT;
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.options.segment_size, 128 * 1024);
    assert_int_equal(stats.options.layout, BP_LAYOUT_SOA);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- locks ---- */

static void a_second_writer_is_refused_with_the_pid(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char pid[32];
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_LOCKED, try_open(&world, &error), &error);
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    CHECK_SAYS(&error, pid);
    bpt_put(store, "e", "still writes");
    bpt_close(store);
    bpt_close(bpt_open(&world));
    bpt_world_end(&world);
}

static void a_second_writer_in_memory_is_refused_too(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_LOCKED, try_open(&world, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- epochs ---- */

static void a_clean_reopening_keeps_the_epoch_and_an_unclean_one_raises_it(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_close(store);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).epoch, 1);
    bpt_put(store, "e", "two");
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).epoch, 2);
    assert_int_equal(bp_store_frontiers(store).published, 2);
    assert_int_equal(bp_store_frontiers(store).durable, 2);
    bpt_close(store);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).epoch, 2);
    bpt_close(store);
    bpt_world_end(&world);
}

static void opening_and_closing_many_times_adds_nothing(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_stats first = {.size = sizeof first};
    bp_stats last = {.size = sizeof last};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    CHECK_OK(bp_store_stats(store, &first, &error), &error);
    bpt_close(store);
    for (int index = 0; index < 50; index++) {
        store = bpt_open(&world);
        CHECK_OK(bp_store_stats(store, &last, &error), &error);
        bpt_close(store);
    }
    assert_int_equal(last.segments, first.segments);
    assert_int_equal(last.events, 1);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* ---- positions ---- */

static void positions_match_their_history(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_position empty = {0};
    bp_position position;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_position_check(store, &empty, &error), &error);
    CHECK_OK(bp_store_position(store, &position, &error), &error);
    assert_int_equal(position.next, 0);
    bpt_put(store, "e", "one");
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    bpt_put_with(store, "e", "two", &options);
    CHECK_OK(bp_store_position(store, &position, &error), &error);
    assert_int_equal(position.next, 2);
    CHECK_OK(bp_position_check(store, &position, &error), &error);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_DIVERGED, bp_position_check(store, &position, &error), &error); /* not there any more */
    bpt_put(store, "e", "another two");
    bpt_put(store, "e", "three");
    CHECK_STATUS(BP_ERR_DIVERGED, bp_position_check(store, &position, &error), &error); /* another event is there */
    CHECK_OK(bp_position_check(store, &empty, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_makes_what_is_missing),
        cmocka_unit_test(null_options_are_the_defaults),
        cmocka_unit_test(without_create_a_missing_store_is_not_found),
        cmocka_unit_test(exclusive_refuses_a_store_that_is_there),
        cmocka_unit_test(what_comes_before_the_lock_is_seen_behind_it),
        cmocka_unit_test(a_folder_with_other_things_is_left_alone),
        cmocka_unit_test(a_missing_parent_and_a_file_are_refused),
        cmocka_unit_test(folders_are_0700_and_files_0600),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(options_out_of_range_are_named),
        cmocka_unit_test(tables_without_a_size_are_named),
        cmocka_unit_test(null_arguments_are_refused),
        cmocka_unit_test(stored_options_stay),
        cmocka_unit_test(a_second_writer_is_refused_with_the_pid),
        cmocka_unit_test(a_second_writer_in_memory_is_refused_too),
        cmocka_unit_test(a_clean_reopening_keeps_the_epoch_and_an_unclean_one_raises_it),
        cmocka_unit_test(opening_and_closing_many_times_adds_nothing),
        cmocka_unit_test(positions_match_their_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
