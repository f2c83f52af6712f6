/*
 * test_fault_cut.c: what a power cut leaves, sector by sector and name by name. What the crash tests of the store rest
 * on must itself be known to bite.
 */
#include "fault_setup.h"

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
        page[1500] = 4;
        bpi_fault *copy = bpi_fault_clone(fault);
        bpi_fault *second = bpi_fault_clone(copy);
        assert_int_equal(bpi_fault_power_cut(fault, round == 0 ? lose : keep, NULL), 2);
        assert_int_equal(byte_at("d/live", 0), 1);
        assert_int_equal(byte_at("d/live", 600), round == 0 ? 0 : 3);
        bpi_fault *original = fault;
        fault = copy;
        bpi_fault_process_kill(copy);
        assert_int_equal(byte_at("d/live", 600), 3);
        bpi_fault_free(copy);
        fault = second;
        assert_int_equal(bpi_fault_power_cut(second, lose, NULL), 2);
        assert_int_equal(byte_at("d/live", 600), 0);
        assert_int_equal(byte_at("d/live", 1500), 0);
        bpi_fault_free(second);
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
        TEST(random_runs_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
