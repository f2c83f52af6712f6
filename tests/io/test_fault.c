/*
 * test_fault.c: planned faults, killed processes, copies: the declared fault model, clause by clause.
 */
#include "fault_setup.h"

/* ---- kill, handles, locks, place ---- */

static void a_killed_process_loses_nothing(void **state)
{
    void *address = NULL;
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 100);
    assert_int_equal(io->map_open(io->context, file, 1 << 20, true, &address), 0);
    io->map_store(io->context, file, address, 50, "abc", 3);
    bpi_fault_process_kill(fault);
    assert_int_equal(byte_at("d/a", 0), 1);
    assert_int_equal(byte_at("d/a", 50), 'a');
    /* what was not synced still may be lost by the machine */
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), -2);
}

static void handles_die_with_their_process(void **state)
{
    uint64_t size;
    uint8_t byte = 0;
    size_t got;
    void *address;
    uint64_t holder;
    (void)state;
    bp_file *file = make("a");
    bpi_fault_process_kill(fault);
    bp_dir *old = dir;
    assert_int_equal(io->file_write(io->context, file, 0, &byte, 1), ESHUTDOWN);
    assert_int_equal(io->file_read(io->context, file, 0, &byte, 1, &got), ESHUTDOWN);
    assert_int_equal(io->file_size(io->context, file, &size), ESHUTDOWN);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), ESHUTDOWN);
    assert_int_equal(io->file_allocate(io->context, file, 10), ESHUTDOWN);
    assert_int_equal(io->file_lock(io->context, file, &holder), ESHUTDOWN);
    assert_int_equal(io->map_open(io->context, file, 10, true, &address), ESHUTDOWN);
    assert_int_equal(io->dir_sync(io->context, old), ESHUTDOWN);
    assert_int_equal(io->dir_remove(io->context, old, "a"), ESHUTDOWN);
    assert_int_equal(io->dir_rename(io->context, old, "a", "b"), ESHUTDOWN);
    io->file_close(io->context, file);
    reopen();
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    io->dir_close(io->context, old);
}

static void locks_and_boot_end_as_declared(void **state)
{
    uint64_t holder = 0;
    bp_io_place first;
    bp_io_place second;
    (void)state;
    bp_file *file = make("LOCK");
    assert_int_equal(io->file_lock(io->context, file, &holder), 0);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    assert_int_equal(io->dir_place(io->context, dir, &first), 0);
    bpi_fault_process_kill(fault);
    reopen();
    assert_int_equal(io->dir_place(io->context, dir, &second), 0);
    assert_memory_equal(first.boot, second.boot, sizeof(first.boot));
    assert_int_equal(first.mount, second.mount);
    file = make("LOCK");
    assert_int_equal(io->file_lock(io->context, file, &holder), 0);
    (void)bpi_fault_power_cut(fault, lose, NULL);
    reopen();
    assert_int_equal(io->dir_place(io->context, dir, &second), 0);
    assert_memory_not_equal(first.boot, second.boot, sizeof(first.boot));
    file = make("LOCK");
    assert_int_equal(io->file_lock(io->context, file, &holder), 0);
}

/* ---- planned faults ---- */

static void plan(bpi_fault_plan wanted)
{
    bpi_fault_set_plan(fault, &wanted);
}

static void every_step_is_counted(void **state)
{
    bp_file *file;
    uint8_t byte = 1;
    uint64_t size;
    size_t got;
    void *address;
    (void)state;
    plan((bpi_fault_plan){.kind = BPI_FAULT_NONE});
    file = make("a");                                                    /* 1 */
    put(file, 0, 1, 10);                                                 /* 2 */
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0); /* 3 */
    assert_int_equal(io->file_allocate(io->context, file, 4096), 0);     /* 4 */
    assert_int_equal(io->dir_rename(io->context, dir, "a", "b"), 0);     /* 5 */
    assert_int_equal(io->dir_remove(io->context, dir, "none"), ENOENT);  /* 6 */
    assert_int_equal(io->dir_sync(io->context, dir), 0);                 /* 7 */
    assert_int_equal(bpi_fault_reads(fault), 0);
    assert_int_equal(io->map_open(io->context, file, 4096, true, &address), 0); /* read 1 */
    io->map_store(io->context, file, address, 0, &byte, 1);                     /* 8 */
    assert_int_equal(io->file_size(io->context, file, &size), 0);               /* read 2 */
    assert_int_equal(io->file_read(io->context, file, 0, &byte, 1, &got), 0);   /* read 3 */
    assert_int_equal(io->file_open(io->context, dir, "b", NEW, &file), 0);      /* read 4 */
    assert_int_equal(bpi_fault_steps(fault), 8);
    assert_int_equal(bpi_fault_reads(fault), 4);
}

static void a_crash_stops_everything_at_its_step(void **state)
{
    void *address;
    uint64_t size;
    (void)state;
    bp_file *file = make("a");
    assert_int_equal(io->file_allocate(io->context, file, 4096), 0);
    sync_all(file);
    assert_int_equal(io->map_open(io->context, file, 4096, true, &address), 0);
    plan((bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 3});
    io->map_store(io->context, file, address, 0, "1", 1);
    io->map_store(io->context, file, address, 1, "2", 1);
    assert_false(bpi_fault_crashed(fault));
    io->map_store(io->context, file, address, 2, "3", 1);
    assert_true(bpi_fault_crashed(fault));
    io->map_store(io->context, file, address, 3, "4", 1);
    assert_int_equal(io->file_write(io->context, file, 4, "5", 1), ESHUTDOWN);
    assert_int_equal(io->file_size(io->context, file, &size), ESHUTDOWN);
    assert_int_equal(io->dir_open(io->context, "d", false, &dir), ESHUTDOWN);
    ((char *)address)[5] = '6';
    bpi_fault_process_kill(fault);
    assert_false(bpi_fault_crashed(fault));
    assert_int_equal(byte_at("d/a", 0), '1');
    assert_int_equal(byte_at("d/a", 1), '2');
    for (unsigned index = 2; index < 6; index++) {
        assert_int_equal(byte_at("d/a", index), 0);
    }
    reopen();
    io->file_close(io->context, make("a"));
}

static void a_step_fails_once_or_from_then_on(void **state)
{
    (void)state;
    bp_file *file = make("a");
    plan((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 2, .os_error = ENOSPC});
    put(file, 0, 1, 1);
    assert_int_equal(io->file_write(io->context, file, 0, "x", 1), ENOSPC);
    put(file, 0, 2, 1);
    plan((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 2, .persistent = true});
    put(file, 0, 3, 1);
    assert_int_equal(io->file_write(io->context, file, 0, "x", 1), EIO);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), EIO);
    bp_file *other = NULL;
    assert_int_equal(io->file_open(io->context, dir, "b", NEW, &other), EIO);
    assert_null(other);
    assert_int_equal(byte_at("d/b", 0), -2);
    assert_int_equal(byte_at("d/a", 0), 3);
}

static void half_of_a_write_is_done(void **state)
{
    uint8_t bytes[1000];
    (void)state;
    memset(bytes, 9, sizeof(bytes));
    bp_file *file = make("a");
    plan((bpi_fault_plan){.kind = BPI_FAULT_HALF, .step = 1, .os_error = EIO});
    assert_int_equal(io->file_write(io->context, file, 0, bytes, sizeof(bytes)), EIO);
    assert_int_equal(byte_at("d/a", 499), 9);
    assert_int_equal(byte_at("d/a", 500), -1);
}

static void a_failed_sync_leaves_the_choice(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("a");
        put(file, 0, 1, 1);
        sync_all(file);
        put(file, 0, 2, 1);
        plan((bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1});
        assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), EIO);
        assert_int_equal(bpi_fault_power_cut(fault, round == 0 ? lose : keep, NULL), 1);
        assert_int_equal(byte_at("d/a", 0), round == 0 ? 1 : 2);
    }
}

static void a_sync_that_drops_is_believed_by_the_next_one(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 3 * SECTOR);
    sync_all(file);
    put(file, 0, 2, 3 * SECTOR);
    put(file, 4 * SECTOR, 2, 1);
    plan((bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = 1});
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), EIO);
    assert_int_equal(byte_at("d/a", 0), 2);                              /* memory shows what was written */
    put(file, SECTOR, 2, 1);                                             /* rewritten as it is: dirty again */
    put(file, 2 * SECTOR, 3, 1);                                         /* written anew */
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0); /* "all is well" */
    assert_int_equal(bpi_fault_power_cut(fault, keep, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), 1);
    assert_int_equal(byte_at("d/a", SECTOR), 2);
    assert_int_equal(byte_at("d/a", SECTOR + 1), 2);
    assert_int_equal(byte_at("d/a", 2 * SECTOR), 3);
    assert_int_equal(byte_at("d/a", 2 * SECTOR + 1), 2);
    assert_int_equal(byte_at("d/a", 3 * SECTOR), -1); /* the growth was dropped with the rest */
}

static void a_growth_after_a_dropped_one_is_synced(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, SECTOR);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    plan((bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = 1});
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), EIO);
    put(file, SECTOR, 2, SECTOR);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), 0); /* dropped: a hole */
    assert_int_equal(byte_at("d/a", SECTOR), 2);
}

static void a_directory_sync_that_drops_forgets_names(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 1);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    plan((bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = 1});
    assert_int_equal(io->dir_sync(io->context, dir), EIO);
    file = make("b");
    put(file, 0, 1, 1);
    sync_all(file);
    assert_int_equal(byte_at("d/a", 0), 1);
    assert_int_equal(bpi_fault_power_cut(fault, keep, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), -2);
    assert_int_equal(byte_at("d/b", 0), 1);
}

static void a_sync_that_lies_changes_nothing(void **state)
{
    (void)state;
    bp_file *file = make("a");
    plan((bpi_fault_plan){.sync_lies = true});
    put(file, 0, 1, 1);
    sync_all(file);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), -2);
}

static unsigned bits_between(const uint8_t *a, const uint8_t *b, size_t size)
{
    unsigned count = 0;
    for (size_t index = 0; index < 8 * size; index++) {
        count += ((a[index / 8] ^ b[index / 8]) >> index % 8 & 1) != 0;
    }
    return count;
}

static void a_read_fails_is_short_or_flips_a_bit(void **state)
{
    uint8_t bytes[64];
    uint8_t back[64];
    size_t got = 0;
    (void)state;
    bp_file *file = make("a");
    memset(bytes, 0x5a, sizeof(bytes));
    assert_int_equal(io->file_write(io->context, file, 0, bytes, sizeof(bytes)), 0);
    plan((bpi_fault_plan){.read_call = 2, .os_error = EIO});
    assert_int_equal(io->file_read(io->context, file, 0, back, sizeof(back), &got), 0);
    assert_int_equal(io->file_read(io->context, file, 0, back, sizeof(back), &got), EIO);
    assert_int_equal(got, 0);
    assert_int_equal(io->file_read(io->context, file, 0, back, sizeof(back), &got), 0);
    assert_memory_equal(bytes, back, sizeof(bytes));
    plan((bpi_fault_plan){.read_call = 1});
    assert_int_equal(io->file_read(io->context, file, 0, back, sizeof(back), &got), 0);
    assert_int_equal(got, sizeof(back) / 2);
    plan((bpi_fault_plan){.read_call = 1, .read_flips_bit = true});
    assert_int_equal(io->file_read(io->context, file, 0, back, sizeof(back), &got), 0);
    assert_int_equal(got, sizeof(back));
    assert_int_equal(bits_between(bytes, back, sizeof(bytes)), 1);
    assert_int_equal(byte_at("d/a", 0), 0x5a); /* the medium is as it was */
}

/* ---- copies, looking in ---- */

static void a_copy_goes_its_own_way(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, SECTOR);
    sync_all(file);
    put(file, 0, 2, SECTOR);
    bpi_fault *copy = bpi_fault_clone(fault);
    put(file, 0, 3, SECTOR);
    bpi_fault *original = fault;
    fault = copy;
    assert_int_equal(byte_at("d/a", 0), 2);
    assert_int_equal(bpi_fault_power_cut(copy, lose, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), 1);
    bpi_fault_free(copy);
    fault = original;
    assert_int_equal(byte_at("d/a", 0), 3);
    put(file, 0, 4, 1); /* our handles live on */
}

static void a_copy_of_a_crashed_world_can_be_cut(void **state)
{
    (void)state;
    bp_file *file = make("a");
    sync_all(file);
    plan((bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 2});
    put(file, 0, 1, 1);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), ESHUTDOWN);
    bpi_fault *original = fault;
    for (unsigned round = 0; round < 2; round++) {
        fault = bpi_fault_clone(original);
        assert_false(bpi_fault_crashed(fault));
        assert_int_equal(bpi_fault_power_cut(fault, round == 0 ? lose : keep, NULL), round == 0 ? 1 : 2);
        assert_int_equal(byte_at("d/a", 0), round == 0 ? -1 : 1);
        bpi_fault_free(fault);
    }
    fault = original;
}

typedef struct seen {
    unsigned files;
    uint64_t bytes;
    char last[64];
} seen;

static int on_file(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    seen *all = argument;
    all->files++;
    all->bytes += size;
    (void)snprintf(all->last, sizeof(all->last), "%s", path);
    return size != 0 && data[size - 1] == 99 ? 42 : 0;
}

static void files_can_be_looked_at_and_changed(void **state)
{
    seen all = {0};
    bp_dir *sub = NULL;
    (void)state;
    put(make("a"), 0, 1, 10);
    put(make("b"), 0, 2, 20);
    assert_int_equal(io->dir_open_at(io->context, dir, "c", true, &sub), 0);
    assert_int_equal(bpi_fault_write_file(fault, "d/c/x", (const uint8_t *)"12345", 5), 0);
    assert_int_equal(io->file_allocate(io->context, make("big"), 1 << 20), 0);
    assert_int_equal(bpi_fault_each_file(fault, on_file, &all), 0);
    assert_int_equal(all.files, 4);
    assert_int_equal(all.bytes, 35 + (1 << 20));
    assert_string_equal(all.last, "d/c/x");
    assert_int_equal(bpi_fault_write_file(fault, "d/a", (const uint8_t *)"c", 1), 0);
    assert_int_equal(bpi_fault_each_file(fault, on_file, &all), 42);
    assert_int_equal(bpi_fault_write_file(fault, "none/x", (const uint8_t *)"1", 1), ENOENT);
    assert_int_equal(bpi_fault_write_file(fault, "d/c", (const uint8_t *)"1", 1), EISDIR);
    assert_int_equal(bpi_fault_remove_file(fault, "d/b"), 0);
    assert_int_equal(bpi_fault_remove_file(fault, "d/b"), ENOENT);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    (void)bpi_fault_power_cut(fault, lose, NULL);
    assert_int_equal(byte_at("d/a", 0), 'c'); /* what was put in from outside is durable */
    assert_int_equal(byte_at("d/c/x", 4), '5');
    assert_int_equal(byte_at("d/b", 0), -2);
}

/* ---- watching ---- */

typedef struct watched {
    unsigned begun;
    unsigned done;
    char letters[16]; /* the first of each step's name */
    bpi_fault *copy;  /* of the world before the third step */
} watched;

static void on_step(void *argument, const bpi_fault_step *step)
{
    watched *all = argument;
    if (step->done) {
        all->done++;
        assert_int_equal(step->number, all->done);
        return;
    }
    all->letters[all->begun++] = step->what[0];
    assert_int_equal(step->number, all->begun);
    if (all->begun == 3) {
        all->copy = bpi_fault_clone(fault); /* the world is free to be looked at */
    }
}

static void a_watcher_sees_each_step_before_and_behind_it(void **state)
{
    watched all = {0};
    (void)state;
    plan((bpi_fault_plan){.kind = BPI_FAULT_NONE});
    bpi_fault_watch(fault, on_step, &all);
    bp_file *file = make("a");
    put(file, 0, 7, 10);
    put(file, 0, 8, 10);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(io->dir_remove(io->context, dir, "none"), ENOENT); /* what fails is a step too */
    assert_string_equal(all.letters, "cwwsr");
    assert_int_equal(all.done, 5);
    bpi_fault *world = fault;
    fault = all.copy;
    assert_int_equal(byte_at("d/a", 0), 7);
    bpi_fault_free(fault);
    fault = world;
    bpi_fault_process_kill(fault);
    reopen();
    put(make("b"), 0, 1, 1);
    assert_int_equal(all.begun, 5); /* a restart is watched by nobody */
}

static void what_is_not_synced_is_counted(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 7, (size_t)2 * SECTOR);
    assert_int_equal(bpi_fault_unsynced(fault, "d/a"), 2);
    assert_int_equal(bpi_fault_unsynced(fault, "d"), 1);
    assert_int_equal(bpi_fault_unsynced_below(fault, "d/a", (uint64_t)2 * SECTOR), 2);
    assert_int_equal(bpi_fault_unsynced_below(fault, "d/a", SECTOR), 1);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(bpi_fault_unsynced(fault, "d/a"), 0);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    assert_int_equal(bpi_fault_unsynced(fault, "d"), 0);
    assert_int_equal(bpi_fault_unsynced(fault, "d/none"), 0);
    assert_int_equal(bpi_fault_unsynced_below(fault, "d/none", 1), 0);
    /* In a sector that is written once more, what lies before the new bytes cannot be taken back. */
    put(file, 100, 9, 10);
    assert_int_equal(bpi_fault_unsynced_below(fault, "d/a", 100), 0);
    assert_int_equal(bpi_fault_unsynced_below(fault, "d/a", 101), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_process_loses_nothing),
        TEST(handles_die_with_their_process),
        TEST(locks_and_boot_end_as_declared),
        TEST(every_step_is_counted),
        TEST(a_crash_stops_everything_at_its_step),
        TEST(a_step_fails_once_or_from_then_on),
        TEST(half_of_a_write_is_done),
        TEST(a_failed_sync_leaves_the_choice),
        TEST(a_sync_that_drops_is_believed_by_the_next_one),
        TEST(a_growth_after_a_dropped_one_is_synced),
        TEST(a_directory_sync_that_drops_forgets_names),
        TEST(a_sync_that_lies_changes_nothing),
        TEST(a_read_fails_is_short_or_flips_a_bit),
        TEST(a_copy_goes_its_own_way),
        TEST(a_copy_of_a_crashed_world_can_be_cut),
        TEST(files_can_be_looked_at_and_changed),
        TEST(a_watcher_sees_each_step_before_and_behind_it),
        TEST(what_is_not_synced_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
