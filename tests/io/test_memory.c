/*
 * test_memory.c: worlds in memory are cheap, apart from each other, and safe for many threads.
 *
 * ctest: labels=threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <batpak/io.h>

enum { NEW = BP_OPEN_WRITE | BP_OPEN_CREATE };

static void worlds_are_apart(void **state)
{
    (void)state;
    bp_io *a = bp_io_memory_new();
    bp_io *b = bp_io_memory_new();
    bp_dir *in_a = NULL;
    bp_dir *in_b = NULL;
    bp_io_place place_a;
    bp_io_place place_b;
    assert_int_equal(a->dir_open(a->context, "store", true, &in_a), 0);
    assert_int_equal(b->dir_open(b->context, "store", false, &in_b), ENOENT);
    assert_int_equal(b->dir_open(b->context, "", false, &in_b), 0);
    assert_int_equal(a->dir_place(a->context, in_a, &place_a), 0);
    assert_int_equal(b->dir_place(b->context, in_b, &place_b), 0);
    assert_memory_not_equal(place_a.boot, place_b.boot, sizeof(place_a.boot));
    bp_io_memory_free(a); /* frees what was never closed */
    bp_io_memory_free(b);
}

static void paths_are_plain_parts(void **state)
{
    (void)state;
    bp_io *io = bp_io_memory_new();
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    uint64_t size = 0;
    assert_int_equal(io->dir_open(io->context, "/var/lib/store", true, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "a", NEW, &file), 0);
    assert_int_equal(io->file_write(io->context, file, 0, "abc", 3), 0);
    assert_int_equal(io->dir_open(io->context, "var//./lib/store/", false, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "a", BP_OPEN_READ, &file), 0);
    assert_int_equal(io->file_size(io->context, file, &size), 0);
    assert_int_equal(size, 3);
    assert_int_equal(io->dir_open(io->context, "var/../var", true, &dir), EINVAL);
    assert_int_equal(io->dir_open(io->context, "var/lib/store/a", false, &dir), ENOTDIR);
    bp_io_memory_free(io);
}

static void many_small_stores_cost_little(void **state)
{
    enum { STORES = 20000, FILES = 10 };
    (void)state;
    bp_io *io = bp_io_memory_new();
    for (unsigned store = 0; store < STORES; store++) {
        char name[32];
        bp_dir *dir = NULL;
        (void)snprintf(name, sizeof(name), "store%u", store);
        assert_int_equal(io->dir_open(io->context, name, true, &dir), 0);
        for (unsigned index = 0; index < FILES; index++) {
            bp_file *file = NULL;
            (void)snprintf(name, sizeof(name), "file%u", index);
            assert_int_equal(io->file_open(io->context, dir, name, NEW, &file), 0);
            assert_int_equal(io->file_write(io->context, file, 0, name, sizeof(name)), 0);
            assert_int_equal(io->file_allocate(io->context, file, 64 << 20), 0);
            io->file_close(io->context, file);
        }
        io->dir_close(io->context, dir);
    }
    bp_io_memory_free(io);
}

static void a_mapped_file_does_not_outgrow_its_reservation(void **state)
{
    void *address = NULL;
    void *larger = NULL;
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    uint8_t byte = 1;
    (void)state;
    bp_io *io = bp_io_memory_new();
    assert_int_equal(io->dir_open(io->context, "", false, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "a", NEW, &file), 0);
    assert_int_equal(io->map_open(io->context, file, 4096, true, &address), 0);
    assert_int_equal(io->file_write(io->context, file, 60 << 20, &byte, 1), 0);
    assert_int_equal(io->file_write(io->context, file, UINT64_C(70) << 20, &byte, 1), EFBIG);
    assert_int_equal(io->map_open(io->context, file, (size_t)100 << 20, true, &larger), ENOMEM);
    io->map_close(io->context, file, address, 4096);
    assert_int_equal(io->file_write(io->context, file, UINT64_C(70) << 20, &byte, 1), 0);
    assert_int_equal(io->map_open(io->context, file, (size_t)100 << 20, true, &larger), 0);
    assert_int_equal(((uint8_t *)larger)[60 << 20], 1);
    assert_int_equal(((uint8_t *)larger)[70 << 20], 1);
    bp_io_memory_free(io);
}

typedef struct job {
    bp_io *io;
    bp_dir *dir;
    bp_file *shared;
    unsigned number;
    int failures;
} job;

static void *work(void *argument)
{
    job *mine = argument;
    bp_io *io = mine->io;
    for (unsigned round = 0; round < 500; round++) {
        char name[32];
        char back[32];
        size_t got = 0;
        bp_file *file = NULL;
        uint64_t offset = (uint64_t)mine->number * 100000 + (uint64_t)round * 32;
        (void)snprintf(name, sizeof(name), "file%u-%u", mine->number, round % 7);
        memset(back, 0, sizeof(back));
        mine->failures += io->file_open(io->context, mine->dir, name, NEW, &file) != 0;
        mine->failures += io->file_write(io->context, file, round, name, sizeof(name)) != 0;
        mine->failures += io->file_read(io->context, file, round, back, sizeof(back), &got) != 0;
        mine->failures += memcmp(name, back, sizeof(name)) != 0;
        mine->failures += io->file_write(io->context, mine->shared, offset, name, sizeof(name)) != 0;
        mine->failures += io->file_read(io->context, mine->shared, offset, back, sizeof(back), &got) != 0;
        mine->failures += memcmp(name, back, sizeof(name)) != 0;
        io->file_close(io->context, file);
        mine->failures += io->dir_remove(io->context, mine->dir, name) != 0;
    }
    return NULL;
}

static void threads_share_a_world(void **state)
{
    enum { COUNT = 4 };
    pthread_t threads[COUNT];
    job jobs[COUNT];
    bp_dir *dir = NULL;
    bp_file *shared = NULL;
    (void)state;
    bp_io *io = bp_io_memory_new();
    assert_int_equal(io->dir_open(io->context, "d", true, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "shared", NEW, &shared), 0);
    for (unsigned index = 0; index < COUNT; index++) {
        jobs[index] = (job){.io = io, .dir = dir, .shared = shared, .number = index};
        assert_int_equal(pthread_create(&threads[index], NULL, work, &jobs[index]), 0);
    }
    for (unsigned index = 0; index < COUNT; index++) {
        assert_int_equal(pthread_join(threads[index], NULL), 0);
        assert_int_equal(jobs[index].failures, 0);
    }
    bp_io_memory_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worlds_are_apart),
        cmocka_unit_test(paths_are_plain_parts),
        cmocka_unit_test(many_small_stores_cost_little),
        cmocka_unit_test(a_mapped_file_does_not_outgrow_its_reservation),
        cmocka_unit_test(threads_share_a_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
