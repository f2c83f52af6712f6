/*
 * test_fault.c: the declared fault model, clause by clause. What the crash tests of the store rest on must itself be
 * known to bite.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fault.h"

enum { NEW = BP_OPEN_WRITE | BP_OPEN_CREATE, SECTOR = 512 };

static bpi_fault *fault;
static const bp_io *io;
static bp_dir *dir;

/* Opens directory "d" of the world, durable. */
static void enter_world(bpi_fault *world)
{
    fault = world;
    io = bpi_fault_io(world);
    bp_dir *root = NULL;
    assert_int_equal(io->dir_open(io->context, "", false, &root), 0);
    assert_int_equal(io->dir_open(io->context, "d", true, &dir), 0);
    assert_int_equal(io->dir_sync(io->context, root), 0);
    io->dir_close(io->context, root);
}

static int setup(void **state)
{
    (void)state;
    enter_world(bpi_fault_new());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpi_fault_free(fault);
    return 0;
}

/* ---- choices ---- */

static unsigned lose(void *argument, unsigned options)
{
    (void)argument;
    assert_true(options >= 2);
    return 0;
}

static unsigned keep(void *argument, unsigned options)
{
    (void)argument;
    return options - 1;
}

typedef struct script {
    const unsigned *picks;
    unsigned count;
    unsigned asked;
} script;

static unsigned follow(void *argument, unsigned options)
{
    script *plan = argument;
    unsigned pick = plan->asked < plan->count ? plan->picks[plan->asked] : options - 1;
    plan->asked++;
    return pick < options ? pick : options - 1;
}

static unsigned binary(void *argument, unsigned options)
{
    uint64_t *bits = argument;
    unsigned pick = (*bits & 1u) != 0 ? options - 1 : 0;
    *bits >>= 1;
    return pick;
}

/* ---- helpers ---- */

static bp_file *make(const char *name)
{
    bp_file *file = NULL;
    assert_int_equal(io->file_open(io->context, dir, name, NEW, &file), 0);
    return file;
}

static void put(bp_file *file, uint64_t offset, uint8_t value, size_t size)
{
    uint8_t bytes[8 * SECTOR];
    assert_true(size <= sizeof(bytes));
    memset(bytes, value, size);
    assert_int_equal(io->file_write(io->context, file, offset, bytes, size), 0);
}

static void sync_all(bp_file *file)
{
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
}

/* The byte at an offset of a file in the world, -1 beyond its end, -2 when there is no such file. */
static int byte_at(const char *path, uint64_t offset)
{
    uint8_t *data = NULL;
    uint64_t size = 0;
    if (bpi_fault_read_file(fault, path, &data, &size) != 0) {
        return -2;
    }
    int value = offset < size ? data[offset] : -1;
    free(data);
    return value;
}

static void reopen(void)
{
    assert_int_equal(io->dir_open(io->context, "d", false, &dir), 0);
}

/* ---- power cut ---- */

static void what_was_synced_survives(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 1000);
    sync_all(file);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), 1);
    assert_int_equal(byte_at("d/a", 999), 1);
    assert_int_equal(byte_at("d/a", 1000), -1);
}

static void a_name_without_a_directory_sync_is_lost(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 10);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_ALL), 0);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), -2);
}

static void a_name_without_a_file_sync_has_no_content(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 10);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1); /* the growth; its sector goes with it */
    assert_int_equal(byte_at("d/a", 0), -1);
}

static void a_kept_growth_may_have_lost_sectors(void **state)
{
    static const unsigned picks[] = {1, 0, 1, 0};
    (void)state;
    bp_file *file = make("a");
    sync_all(file);
    put(file, 0, 7, 3 * SECTOR);
    script plan = {.picks = picks, .count = 4};
    assert_int_equal(bpi_fault_power_cut(fault, follow, &plan), 4);
    assert_int_equal(byte_at("d/a", 0), 0);
    assert_int_equal(byte_at("d/a", SECTOR), 7);
    assert_int_equal(byte_at("d/a", 2 * SECTOR), 0);
    assert_int_equal(byte_at("d/a", 3 * SECTOR - 1), 0);
    assert_int_equal(byte_at("d/a", 3 * SECTOR), -1);
}

static void sectors_are_lost_each_by_itself(void **state)
{
    (void)state;
    for (uint64_t subset = 0; subset < 8; subset++) {
        uint64_t bits = subset;
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("a");
        put(file, 0, 1, 3 * SECTOR);
        sync_all(file);
        put(file, 100, 2, 2 * SECTOR + 100);
        assert_int_equal(bpi_fault_power_cut(fault, binary, &bits), 3);
        assert_int_equal(byte_at("d/a", 99), 1); /* not written: the same in both */
        assert_int_equal(byte_at("d/a", 100), (subset & 1) != 0 ? 2 : 1);
        assert_int_equal(byte_at("d/a", SECTOR), (subset & 2) != 0 ? 2 : 1);
        assert_int_equal(byte_at("d/a", 2 * SECTOR), (subset & 4) != 0 ? 2 : 1);
        assert_int_equal(byte_at("d/a", 2 * SECTOR + 199), (subset & 4) != 0 ? 2 : 1);
        assert_int_equal(byte_at("d/a", 2 * SECTOR + 200), 1);
    }
}

static void a_sector_keeps_any_of_its_versions(void **state)
{
    (void)state;
    for (unsigned pick = 0; pick < 5; pick++) {
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("a");
        put(file, 0, 10, SECTOR);
        sync_all(file);
        for (uint8_t version = 11; version < 14; version++) {
            put(file, 0, version, SECTOR);
        }
        script plan = {.picks = &pick, .count = 1};
        assert_int_equal(bpi_fault_power_cut(fault, follow, &plan), 1);
        assert_int_equal(byte_at("d/a", 0), pick < 4 ? (int)(10 + pick) : 13);
    }
}

static void of_many_versions_the_first_and_the_last_remain(void **state)
{
    static const int wanted[] = {10, 11, 27, 28, 29, 30};
    (void)state;
    for (unsigned pick = 0; pick < 6; pick++) {
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("a");
        put(file, 0, 10, SECTOR);
        sync_all(file);
        for (uint8_t version = 11; version <= 30; version++) {
            put(file, 0, version, SECTOR);
        }
        script plan = {.picks = &pick, .count = 1};
        assert_int_equal(bpi_fault_power_cut(fault, follow, &plan), 1);
        assert_int_equal(byte_at("d/a", 0), wanted[pick]);
    }
}

static void a_cut_leaves_nothing_undecided(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, SECTOR);
    assert_int_equal(bpi_fault_power_cut(fault, keep, NULL), 3);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), 1);
}

static void zeros_and_repeats_offer_no_choice(void **state)
{
    static uint8_t zeros[64 * 1024];
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 5, 100);
    assert_int_equal(io->file_allocate(io->context, file, 64 << 20), 0);
    sync_all(file);
    put(file, 0, 5, 100);
    assert_int_equal(io->file_write(io->context, file, 4096, zeros, sizeof(zeros)), 0);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 0);
    assert_int_equal(byte_at("d/a", 0), 5);
}

static void a_store_is_lost_like_a_write(void **state)
{
    void *address = NULL;
    (void)state;
    bp_file *file = make("a");
    assert_int_equal(io->file_allocate(io->context, file, 1 << 20), 0);
    sync_all(file);
    assert_int_equal(io->map_open(io->context, file, 1 << 20, true, &address), 0);
    io->map_store(io->context, file, address, 10, "abc", 3);
    io->map_store(io->context, file, address, 5000, "abc", 3);
    sync_all(file);
    io->map_store(io->context, file, address, 20, "def", 3);
    io->map_store(io->context, file, address, 6000, "ghi", 3);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 2);
    assert_int_equal(byte_at("d/a", 10), 'a');
    assert_int_equal(byte_at("d/a", 20), 0);
    assert_int_equal(byte_at("d/a", 5000), 'a');
    assert_int_equal(byte_at("d/a", 6000), 0);
    io->map_store(io->context, file, address, 10, "XXX", 3); /* the dead store nothing */
    ((uint8_t *)address)[30] = 'X';
    assert_int_equal(byte_at("d/a", 10), 'a');
    assert_int_equal(byte_at("d/a", 30), 0);
    io->map_close(io->context, file, address, 1 << 20);
    io->file_close(io->context, file);
}

static void a_store_past_map_store_is_a_sector_too(void **state)
{
    uint8_t *page = NULL;
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("live");
        assert_int_equal(io->file_allocate(io->context, file, 4096), 0);
        assert_int_equal(io->map_open(io->context, file, 4096, true, (void **)&page), 0);
        page[0] = 1;
        sync_all(file);
        page[600] = 2;
        io->map_store(io->context, file, page, 700, "x", 1);
        page[600] = 3;
        bpi_fault *copy = bpi_fault_clone(fault);
        assert_int_equal(bpi_fault_power_cut(fault, round == 0 ? lose : keep, NULL), 1);
        assert_int_equal(byte_at("d/live", 0), 1);
        assert_int_equal(byte_at("d/live", 600), round == 0 ? 0 : 3);
        bpi_fault *original = fault;
        fault = copy;
        bpi_fault_process_kill(copy);
        assert_int_equal(byte_at("d/live", 600), 3);
        bpi_fault_free(copy);
        fault = original;
    }
}

/* ---- names ---- */

static void a_rename_is_kept_or_lost(void **state)
{
    (void)state;
    for (uint64_t kept = 0; kept < 2; kept++) {
        uint64_t bits = kept;
        teardown(NULL);
        setup(NULL);
        bp_file *old = make("name");
        put(old, 0, 1, 1);
        bp_file *new = make("name.tmp");
        put(new, 0, 2, 1);
        assert_int_equal(io->file_sync(io->context, new, BP_SYNC_DATA), 0);
        sync_all(old);
        assert_int_equal(io->dir_rename(io->context, dir, "name.tmp", "name"), 0);
        assert_int_equal(byte_at("d/name", 0), 2);
        assert_int_equal(bpi_fault_power_cut(fault, binary, &bits), 1);
        assert_int_equal(byte_at("d/name", 0), kept != 0 ? 2 : 1);
        assert_int_equal(byte_at("d/name.tmp", 0), kept != 0 ? -2 : 2);
    }
}

static void a_removed_name_comes_back(void **state)
{
    (void)state;
    bp_file *file = make("a");
    put(file, 0, 1, 1);
    sync_all(file);
    io->file_close(io->context, file);
    assert_int_equal(io->dir_remove(io->context, dir, "a"), 0);
    assert_int_equal(byte_at("d/a", 0), -2);
    bpi_fault *copy = bpi_fault_clone(fault);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), 1);
    bpi_fault_free(fault);
    fault = copy;
    assert_int_equal(bpi_fault_power_cut(fault, keep, NULL), 1);
    assert_int_equal(byte_at("d/a", 0), -2);
}

/* Three changes in a row; every subset leaves names that make sense and lead to one node each. */
static void any_subset_of_changes_leaves_a_directory(void **state)
{
    (void)state;
    for (uint64_t subset = 0; subset < 8; subset++) {
        uint64_t bits = subset;
        teardown(NULL);
        setup(NULL);
        bp_file *old = make("x");
        put(old, 0, 1, 1);
        sync_all(old);
        bp_file *new = make("y"); /* first change */
        put(new, 0, 2, 1);
        assert_int_equal(io->file_sync(io->context, new, BP_SYNC_DATA), 0);
        assert_int_equal(io->dir_remove(io->context, dir, "x"), 0);      /* second */
        assert_int_equal(io->dir_rename(io->context, dir, "y", "x"), 0); /* third */
        assert_int_equal(bpi_fault_power_cut(fault, binary, &bits), 3);
        bool made = (subset & 1) != 0;
        bool removed = (subset & 2) != 0;
        bool renamed = (subset & 4) != 0;
        assert_int_equal(byte_at("d/x", 0), renamed ? 2 : removed ? -2 : 1);
        assert_int_equal(byte_at("d/y", 0), made && !renamed ? 2 : -2);
    }
}

static void a_lost_directory_takes_its_content_along(void **state)
{
    bp_dir *sub = NULL;
    bp_file *file = NULL;
    (void)state;
    assert_int_equal(io->dir_open_at(io->context, dir, "sub", true, &sub), 0);
    assert_int_equal(io->file_open(io->context, sub, "a", NEW, &file), 0);
    put(file, 0, 1, 1);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_ALL), 0);
    assert_int_equal(io->dir_sync(io->context, sub), 0);
    assert_int_equal(byte_at("d/sub/a", 0), 1);
    assert_int_equal(bpi_fault_power_cut(fault, lose, NULL), 1);
    assert_int_equal(byte_at("d/sub/a", 0), -2);
}

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

/* ---- the model against a second, plain one ---- */

enum { MODEL_SECTORS = 16, MODEL_SIZE = MODEL_SECTORS * SECTOR };

typedef struct model {
    uint8_t synced[MODEL_SIZE];
    uint8_t now[MODEL_SIZE];
} model;

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static unsigned roll(void *argument, unsigned options)
{
    return next(argument) % options;
}

static void model_write(model *m, bp_file *file, void *address, uint32_t *seed)
{
    uint8_t bytes[1500];
    size_t size = 1 + next(seed) % sizeof(bytes);
    size_t offset = next(seed) % (MODEL_SIZE - size);
    memset(bytes, (int)(next(seed) % 4), size);
    memcpy(m->now + offset, bytes, size);
    if (next(seed) % 2 == 0) {
        assert_int_equal(io->file_write(io->context, file, offset, bytes, size), 0);
    } else {
        io->map_store(io->context, file, address, offset, bytes, size);
    }
}

/* Random writes, stores, syncs and cuts: every sector is one that stood there since the last sync, untouched ones are
 * the synced ones, and with `keep` all is there. */
static void random_runs_agree_with_a_plain_model(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t seed = round;
        model m = {0};
        void *address = NULL;
        teardown(NULL);
        setup(NULL);
        bp_file *file = make("a");
        assert_int_equal(io->file_allocate(io->context, file, MODEL_SIZE), 0);
        sync_all(file);
        assert_int_equal(io->map_open(io->context, file, 1 << 20, true, &address), 0);
        unsigned steps = next(&seed) % 30;
        for (unsigned step = 0; step < steps; step++) {
            if (next(&seed) % 6 == 0) {
                assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
                memcpy(m.synced, m.now, MODEL_SIZE);
            } else {
                model_write(&m, file, address, &seed);
            }
        }
        uint8_t *data = NULL;
        uint64_t size = 0;
        bpi_fault *copies[3] = {bpi_fault_clone(fault), bpi_fault_clone(fault), bpi_fault_clone(fault)};
        (void)bpi_fault_power_cut(copies[0], lose, NULL);
        assert_int_equal(bpi_fault_read_file(copies[0], "d/a", &data, &size), 0);
        assert_int_equal(size, MODEL_SIZE);
        assert_memory_equal(data, m.synced, MODEL_SIZE);
        free(data);
        (void)bpi_fault_power_cut(copies[1], keep, NULL);
        assert_int_equal(bpi_fault_read_file(copies[1], "d/a", &data, &size), 0);
        assert_memory_equal(data, m.now, MODEL_SIZE);
        free(data);
        (void)bpi_fault_power_cut(copies[2], roll, &seed);
        (void)bpi_fault_power_cut(fault, roll, &seed);
        for (unsigned index = 0; index < 3; index++) {
            bpi_fault_free(copies[index]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_synced_survives),
        TEST(a_name_without_a_directory_sync_is_lost),
        TEST(a_name_without_a_file_sync_has_no_content),
        TEST(a_kept_growth_may_have_lost_sectors),
        TEST(sectors_are_lost_each_by_itself),
        TEST(a_sector_keeps_any_of_its_versions),
        TEST(of_many_versions_the_first_and_the_last_remain),
        TEST(a_cut_leaves_nothing_undecided),
        TEST(zeros_and_repeats_offer_no_choice),
        TEST(a_store_is_lost_like_a_write),
        TEST(a_store_past_map_store_is_a_sector_too),
        TEST(a_rename_is_kept_or_lost),
        TEST(a_removed_name_comes_back),
        TEST(any_subset_of_changes_leaves_a_directory),
        TEST(a_lost_directory_takes_its_content_along),
        TEST(a_killed_process_loses_nothing),
        TEST(handles_die_with_their_process),
        TEST(locks_and_boot_end_as_declared),
        TEST(every_step_is_counted),
        TEST(a_crash_stops_everything_at_its_step),
        TEST(a_step_fails_once_or_from_then_on),
        TEST(half_of_a_write_is_done),
        TEST(a_failed_sync_leaves_the_choice),
        TEST(a_sync_that_drops_is_believed_by_the_next_one),
        TEST(a_directory_sync_that_drops_forgets_names),
        TEST(a_sync_that_lies_changes_nothing),
        TEST(a_read_fails_is_short_or_flips_a_bit),
        TEST(a_copy_goes_its_own_way),
        TEST(a_copy_of_a_crashed_world_can_be_cut),
        TEST(files_can_be_looked_at_and_changed),
        TEST(random_runs_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
