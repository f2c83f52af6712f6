/*
 * test_seam.c: what every bp_io promises, run over all three implementations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "io/fault.h"

typedef struct seam {
    const bp_io *io;
    bp_io *memory;
    bpi_fault *fault;
    bp_dir *dir;
} seam;

static seam s;
static unsigned folder;

static int open_folder(void)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "folder%u", folder++);
    return s.io->dir_open(s.io->context, name, true, &s.dir);
}

static int posix_setup(void **state)
{
    (void)state;
    s = (seam){.io = bp_io_posix()};
    return open_folder();
}

static int memory_setup(void **state)
{
    (void)state;
    s = (seam){.memory = bp_io_memory_new()};
    s.io = s.memory;
    return open_folder();
}

static int fault_setup(void **state)
{
    (void)state;
    s = (seam){.fault = bpi_fault_new()};
    s.io = bpi_fault_io(s.fault);
    return open_folder();
}

static int teardown(void **state)
{
    (void)state;
    s.io->dir_close(s.io->context, s.dir);
    bp_io_memory_free(s.memory);
    bpi_fault_free(s.fault);
    return 0;
}

static bp_file *file_of(const char *name, unsigned flags)
{
    bp_file *file = NULL;
    assert_int_equal(s.io->file_open(s.io->context, s.dir, name, flags, &file), 0);
    assert_non_null(file);
    return file;
}

static void put(bp_file *file, uint64_t offset, const void *data, size_t size)
{
    assert_int_equal(s.io->file_write(s.io->context, file, offset, data, size), 0);
}

static void assert_reads(bp_file *file, uint64_t offset, const void *wanted, size_t size)
{
    uint8_t buffer[256];
    size_t got = 0;
    assert_true(size <= sizeof(buffer));
    assert_int_equal(s.io->file_read(s.io->context, file, offset, buffer, size, &got), 0);
    assert_int_equal(got, size);
    assert_memory_equal(buffer, wanted, size);
}

static uint64_t size_of(bp_file *file)
{
    uint64_t size = 0;
    assert_int_equal(s.io->file_size(s.io->context, file, &size), 0);
    return size;
}

static void close_file(bp_file *file)
{
    s.io->file_close(s.io->context, file);
}

enum { NEW = BP_OPEN_WRITE | BP_OPEN_CREATE };

static void what_is_written_is_read(void **state)
{
    (void)state;
    bp_file *file = file_of("a", NEW);
    assert_int_equal(size_of(file), 0);
    put(file, 0, "hello", 5);
    put(file, 3, "p!!", 3);
    assert_int_equal(size_of(file), 6);
    assert_reads(file, 0, "help!!", 6);
    put(file, 9, "", 0);
    assert_int_equal(size_of(file), 6);
    close_file(file);
    file = file_of("a", BP_OPEN_READ);
    assert_reads(file, 0, "help!!", 6);
    close_file(file);
}

static void a_read_past_the_end_is_short(void **state)
{
    uint8_t buffer[16];
    size_t got = 99;
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 0, "hello", 5);
    assert_int_equal(s.io->file_read(s.io->context, file, 2, buffer, 16, &got), 0);
    assert_int_equal(got, 3);
    assert_int_equal(s.io->file_read(s.io->context, file, 5, buffer, 16, &got), 0);
    assert_int_equal(got, 0);
    assert_int_equal(s.io->file_read(s.io->context, file, 1000000, buffer, 16, &got), 0);
    assert_int_equal(got, 0);
    close_file(file);
}

static void a_hole_reads_as_zeros(void **state)
{
    static const uint8_t zeros[100];
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 1000000, "x", 1);
    assert_int_equal(size_of(file), 1000001);
    assert_reads(file, 0, zeros, 100);
    assert_reads(file, 999900, zeros, 100);
    assert_reads(file, 1000000, "x", 1);
    close_file(file);
}

static void zeros_overwrite_what_was_there(void **state)
{
    static const uint8_t zeros[8];
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 0, "abcdefgh", 8);
    put(file, 2, zeros, 4);
    assert_reads(file, 0, "ab\0\0\0\0gh", 8);
    put(file, 6, zeros, 8);
    assert_reads(file, 0, "ab\0\0\0\0\0\0\0\0\0\0\0\0", 14);
    assert_int_equal(size_of(file), 14);
    close_file(file);
}

static void opening_says_what_is_there(void **state)
{
    bp_file *file = NULL;
    bp_dir *dir = NULL;
    (void)state;
    const bp_io *io = s.io;
    assert_int_equal(io->file_open(io->context, s.dir, "a", BP_OPEN_READ, &file), ENOENT);
    assert_null(file);
    close_file(file_of("a", NEW | BP_OPEN_EXCLUSIVE));
    assert_int_equal(io->file_open(io->context, s.dir, "a", NEW | BP_OPEN_EXCLUSIVE, &file), EEXIST);
    close_file(file_of("a", NEW));
    assert_int_equal(io->dir_open_at(io->context, s.dir, "a", false, &dir), ENOTDIR);
    assert_int_equal(io->dir_open_at(io->context, s.dir, "b", false, &dir), ENOENT);
    assert_int_equal(io->dir_open_at(io->context, s.dir, "b", true, &dir), 0);
    io->dir_close(io->context, dir);
    assert_int_equal(io->dir_open_at(io->context, s.dir, "b", true, &dir), 0);
    io->dir_close(io->context, dir);
    assert_int_equal(io->file_open(io->context, s.dir, "b", BP_OPEN_READ, &file), EISDIR);
    assert_int_equal(io->dir_open(io->context, "no such folder", false, &dir), ENOENT);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/a", "../a"};
    const bp_io *io = s.io;
    bp_file *file = NULL;
    bp_dir *dir = NULL;
    (void)state;
    close_file(file_of("a", NEW));
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        assert_int_equal(io->file_open(io->context, s.dir, names[index], NEW, &file), EINVAL);
        assert_int_equal(io->dir_open_at(io->context, s.dir, names[index], true, &dir), EINVAL);
        assert_int_equal(io->dir_remove(io->context, s.dir, names[index]), EINVAL);
        assert_int_equal(io->dir_rename(io->context, s.dir, "a", names[index]), EINVAL);
        assert_int_equal(io->dir_rename(io->context, s.dir, names[index], "a"), EINVAL);
    }
    assert_int_equal(io->file_open(io->context, s.dir, "a", BP_OPEN_EXCLUSIVE, &file), EINVAL);
}

static void a_rename_replaces(void **state)
{
    (void)state;
    bp_file *first = file_of("a", NEW);
    put(first, 0, "first", 5);
    bp_file *second = file_of("b", NEW);
    put(second, 0, "second", 6);
    assert_int_equal(s.io->dir_rename(s.io->context, s.dir, "a", "b"), 0);
    bp_file *now = file_of("b", BP_OPEN_READ);
    assert_reads(now, 0, "first", 5);
    assert_reads(second, 0, "second", 6); /* an open file outlives its name */
    assert_int_equal(s.io->dir_rename(s.io->context, s.dir, "a", "b"), ENOENT);
    assert_int_equal(s.io->dir_rename(s.io->context, s.dir, "b", "b"), 0);
    close_file(now);
    close_file(first);
    close_file(second);
}

static void what_is_removed_is_gone(void **state)
{
    const bp_io *io = s.io;
    bp_file *file = file_of("a", NEW);
    bp_dir *dir = NULL;
    (void)state;
    put(file, 0, "kept", 4);
    assert_int_equal(io->dir_remove(io->context, s.dir, "a"), 0);
    assert_int_equal(io->dir_remove(io->context, s.dir, "a"), ENOENT);
    assert_reads(file, 0, "kept", 4);
    close_file(file);
    assert_int_equal(io->dir_open_at(io->context, s.dir, "d", true, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "x", NEW, &file), 0);
    close_file(file);
    assert_int_equal(io->dir_remove(io->context, s.dir, "d"), ENOTEMPTY);
    assert_int_equal(io->dir_remove(io->context, dir, "x"), 0);
    io->dir_close(io->context, dir);
    assert_int_equal(io->dir_remove(io->context, s.dir, "d"), 0);
}

typedef struct listing {
    unsigned files, dirs, calls;
    uint64_t bytes;
    unsigned stop_at;
    bool removes;
} listing;

static int on_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    listing *seen = argument;
    seen->files += is_directory ? 0 : 1;
    seen->dirs += is_directory ? 1 : 0;
    seen->bytes += size;
    if (seen->removes) {
        assert_int_equal(s.io->dir_remove(s.io->context, s.dir, name), 0);
    }
    return ++seen->calls == seen->stop_at ? 77 : 0;
}

static void a_listing_shows_every_name_once(void **state)
{
    bp_dir *dir = NULL;
    listing seen = {0};
    (void)state;
    for (unsigned index = 0; index < 20; index++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "file%u", index);
        bp_file *file = file_of(name, NEW);
        put(file, 0, "12345678901234567890", index);
        close_file(file);
    }
    assert_int_equal(s.io->dir_open_at(s.io->context, s.dir, "sub", true, &dir), 0);
    s.io->dir_close(s.io->context, dir);
    assert_int_equal(s.io->dir_list(s.io->context, s.dir, on_entry, &seen), 0);
    assert_int_equal(seen.files, 20);
    assert_int_equal(seen.dirs, 1);
    assert_int_equal(seen.bytes, 190);
    seen = (listing){.stop_at = 3};
    assert_int_equal(s.io->dir_list(s.io->context, s.dir, on_entry, &seen), 77);
    assert_int_equal(seen.calls, 3);
    seen = (listing){.removes = true};
    assert_int_equal(s.io->dir_list(s.io->context, s.dir, on_entry, &seen), 0);
    seen = (listing){0};
    assert_int_equal(s.io->dir_list(s.io->context, s.dir, on_entry, &seen), 0);
    assert_int_equal(seen.calls, 0);
}

static void reserved_space_reads_as_zeros(void **state)
{
    static const uint8_t zeros[64];
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 0, "data", 4);
    assert_int_equal(s.io->file_allocate(s.io->context, file, 1 << 20), 0);
    assert_int_equal(size_of(file), 1 << 20);
    assert_reads(file, 0, "data", 4);
    assert_reads(file, 4, zeros, 64);
    assert_reads(file, (1 << 20) - 64, zeros, 64);
    assert_int_equal(s.io->file_allocate(s.io->context, file, 100), 0); /* never shorter */
    assert_int_equal(s.io->file_allocate(s.io->context, file, 0), 0);
    assert_int_equal(size_of(file), 1 << 20);
    close_file(file);
}

static void sizes_beyond_the_system_are_refused(void **state)
{
    size_t got;
    uint8_t byte = 1;
    (void)state;
    bp_file *file = file_of("a", NEW);
    assert_int_equal(s.io->file_allocate(s.io->context, file, UINT64_MAX), EFBIG);
    assert_int_equal(s.io->file_write(s.io->context, file, UINT64_MAX, &byte, 1), EFBIG);
    int result = s.io->file_read(s.io->context, file, UINT64_MAX, &byte, 1, &got);
    assert_true(result == EFBIG || (result == 0 && got == 0));
    assert_int_equal(size_of(file), 0);
    close_file(file);
}

static void a_file_opened_for_reading_is_not_written(void **state)
{
    void *address = NULL;
    (void)state;
    close_file(file_of("a", NEW));
    bp_file *file = file_of("a", BP_OPEN_READ);
    assert_int_equal(s.io->file_write(s.io->context, file, 0, "x", 1), EBADF);
    assert_int_equal(s.io->file_allocate(s.io->context, file, 100), EBADF);
    assert_int_equal(s.io->map_open(s.io->context, file, 4096, true, &address), EACCES);
    assert_null(address);
    close_file(file);
}

static void syncs_succeed(void **state)
{
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 0, "x", 1);
    assert_int_equal(s.io->file_sync(s.io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(s.io->file_sync(s.io->context, file, BP_SYNC_ALL), 0);
    assert_int_equal(s.io->dir_sync(s.io->context, s.dir), 0);
    close_file(file);
}

static void mapping_and_file_are_one(void **state)
{
    enum { SIZE = 1 << 20 };
    const bp_io *io = s.io;
    void *writer = NULL;
    void *reader = NULL;
    (void)state;
    bp_file *file = file_of("a", NEW);
    put(file, 0, "before", 6);
    assert_int_equal(io->file_allocate(io->context, file, 8192), 0);
    assert_int_equal(io->map_open(io->context, file, SIZE, true, &writer), 0);
    bp_file *other = file_of("a", BP_OPEN_READ);
    assert_int_equal(io->map_open(io->context, other, SIZE, false, &reader), 0);
    assert_memory_equal(reader, "before", 6);
    io->map_store(io->context, file, writer, 100, "stored", 6);
    assert_reads(file, 100, "stored", 6);
    assert_reads(other, 100, "stored", 6);
    assert_memory_equal((uint8_t *)reader + 100, "stored", 6);
    put(file, 5000, "written", 7);
    assert_memory_equal((uint8_t *)writer + 5000, "written", 7);
    assert_memory_equal((uint8_t *)reader + 5000, "written", 7);
    io->map_store(io->context, file, writer, 5000, "\0\0", 2);
    assert_reads(other, 5000, "\0\0itten", 7);
    /* past map_store, as the shared page of a store does it */
    memcpy((uint8_t *)writer + 200, "direct", 6);
    assert_reads(other, 200, "direct", 6);
    memcpy((uint8_t *)writer + 7000, "direct", 6);
    put(file, 7000, "\0\0\0\0\0", 6); /* zeros are written, though nobody told what stands there */
    assert_reads(other, 7000, "\0\0\0\0\0", 6);
    io->map_close(io->context, other, reader, SIZE);
    io->map_close(io->context, file, writer, SIZE);
    assert_reads(file, 100, "stored", 6);
    close_file(file);
    close_file(other);
}

static void a_mapping_stays_while_its_file_grows(void **state)
{
    enum { SIZE = 8 << 20 };
    const bp_io *io = s.io;
    void *address = NULL;
    (void)state;
    bp_file *file = file_of("a", NEW);
    assert_int_equal(io->map_open(io->context, file, SIZE, true, &address), 0);
    for (uint64_t size = 1 << 20; size <= SIZE; size += 1 << 20) {
        assert_int_equal(io->file_allocate(io->context, file, size), 0);
        io->map_store(io->context, file, address, size - 4, "end", 4);
        assert_string_equal((const char *)address + size - 4, "end");
        assert_reads(file, size - 4, "end", 4);
    }
    io->map_close(io->context, file, address, SIZE);
    close_file(file);
}

static void an_empty_mapping_is_refused(void **state)
{
    void *address = NULL;
    (void)state;
    bp_file *file = file_of("a", NEW);
    assert_int_equal(s.io->map_open(s.io->context, file, 0, true, &address), EINVAL);
    close_file(file);
}

static void one_holds_the_lock(void **state)
{
    uint64_t holder = 0;
    (void)state;
    bp_file *first = file_of("LOCK", NEW);
    bp_file *second = file_of("LOCK", NEW);
    assert_int_equal(s.io->file_lock(s.io->context, first, &holder), 0);
    assert_int_equal(s.io->file_lock(s.io->context, first, &holder), 0); /* again, by its holder */
    assert_int_equal(s.io->file_lock(s.io->context, second, &holder), EAGAIN);
    assert_int_not_equal(holder, 0);
    assert_int_equal(s.io->file_lock(s.io->context, second, &holder), EAGAIN); /* still */
    close_file(first);
    assert_int_equal(s.io->file_lock(s.io->context, second, &holder), 0);
    close_file(second);
}

static void a_place_is_the_same_while_nothing_happens(void **state)
{
    bp_io_place first;
    bp_io_place second;
    bp_dir *dir = NULL;
    (void)state;
    assert_int_equal(s.io->dir_open_at(s.io->context, s.dir, "d", true, &dir), 0);
    assert_int_equal(s.io->dir_place(s.io->context, s.dir, &first), 0);
    assert_int_equal(s.io->dir_place(s.io->context, dir, &second), 0);
    assert_memory_equal(first.boot, second.boot, sizeof(first.boot));
    assert_int_equal(first.mount, second.mount);
    s.io->dir_close(s.io->context, dir);
}

static void a_second_name_is_the_same_file(void **state)
{
    (void)state;
    bp_dir *other = NULL;
    uint64_t count = 0;
    assert_int_equal(s.io->dir_open_at(s.io->context, s.dir, "other", true, &other), 0);
    bp_file *file = file_of("first", BP_OPEN_WRITE | BP_OPEN_CREATE);
    put(file, 0, "abc", 3);
    assert_int_equal(s.io->file_links(s.io->context, file, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(s.io->file_link(s.io->context, file, other, "second"), 0);
    assert_int_equal(s.io->file_link(s.io->context, file, other, "second"), EEXIST);
    assert_int_equal(s.io->file_link(s.io->context, file, other, "../third"), EINVAL);
    assert_int_equal(s.io->file_links(s.io->context, file, &count), 0);
    assert_int_equal(count, 2);
    put(file, 1, "X", 1);
    close_file(file);
    assert_int_equal(s.io->dir_remove(s.io->context, s.dir, "first"), 0);
    assert_int_equal(s.io->file_open(s.io->context, other, "second", BP_OPEN_READ, &file), 0);
    assert_reads(file, 0, "aXc", 3);
    assert_int_equal(s.io->file_links(s.io->context, file, &count), 0);
    assert_int_equal(count, 1);
    close_file(file);
    s.io->dir_close(s.io->context, other);
}

static void what_lies_within_is_known(void **state)
{
    (void)state;
    bp_dir *inner = NULL;
    bp_dir *deep = NULL;
    bp_dir *beside = NULL;
    bool within = false;
    assert_int_equal(s.io->dir_open_at(s.io->context, s.dir, "inner", true, &inner), 0);
    assert_int_equal(s.io->dir_open_at(s.io->context, inner, "deep", true, &deep), 0);
    assert_int_equal(s.io->dir_open_at(s.io->context, s.dir, "beside", true, &beside), 0);
    assert_int_equal(s.io->dir_is_within(s.io->context, deep, s.dir, &within), 0);
    assert_true(within);
    assert_int_equal(s.io->dir_is_within(s.io->context, s.dir, s.dir, &within), 0);
    assert_true(within);
    assert_int_equal(s.io->dir_is_within(s.io->context, s.dir, deep, &within), 0);
    assert_false(within);
    assert_int_equal(s.io->dir_is_within(s.io->context, beside, inner, &within), 0);
    assert_false(within);
    s.io->dir_close(s.io->context, inner);
    s.io->dir_close(s.io->context, deep);
    s.io->dir_close(s.io->context, beside);
}

static void closing_nothing_is_allowed(void **state)
{
    (void)state;
    s.io->file_close(s.io->context, NULL);
    s.io->dir_close(s.io->context, NULL);
}

#define ALL(test)                                                                                                   \
    {#test " [posix]", test, posix_setup, teardown, NULL}, {#test " [memory]", test, memory_setup, teardown, NULL}, \
    {                                                                                                               \
#test " [fault]", test, fault_setup, teardown, NULL                                                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(what_is_written_is_read),
        ALL(a_read_past_the_end_is_short),
        ALL(a_hole_reads_as_zeros),
        ALL(zeros_overwrite_what_was_there),
        ALL(opening_says_what_is_there),
        ALL(names_that_lead_elsewhere_are_refused),
        ALL(a_rename_replaces),
        ALL(what_is_removed_is_gone),
        ALL(a_listing_shows_every_name_once),
        ALL(reserved_space_reads_as_zeros),
        ALL(sizes_beyond_the_system_are_refused),
        ALL(a_file_opened_for_reading_is_not_written),
        ALL(syncs_succeed),
        ALL(mapping_and_file_are_one),
        ALL(a_mapping_stays_while_its_file_grows),
        ALL(an_empty_mapping_is_refused),
        ALL(one_holds_the_lock),
        ALL(a_place_is_the_same_while_nothing_happens),
        ALL(a_second_name_is_the_same_file),
        ALL(what_lies_within_is_known),
        ALL(closing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
