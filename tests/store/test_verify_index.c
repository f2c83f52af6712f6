/*
 * test_verify_index.c: index files that cannot be looked at, for lack of memory or because the medium does not give them, are not
 * called right, nor wrong: verify says that it could not look. What is not there is no matter.
 */
#include <errno.h>

#include "io/fault_memory.h"
#include "store/index_fixture.h"

enum { SEGMENTS = 5 };

/* The world's table, in which one way of looking at index files fails. */
typedef enum broken_way { OPEN_FOLDER, LIST_FOLDER, OPEN_FILE, SIZE_FILE, MAP_FILE, WAYS } broken_way;

static struct {
    const bp_io *base;
    bp_io table;
    broken_way way;
    int code;
    const bp_dir *folder;
    const bp_file *file; /* the index file opened last */
} broken;

static int dir_open_at(void *context, bp_dir *dir, const char *name, bool create, bp_dir **dir_out)
{
    bool index = strcmp(name, "index") == 0;
    if (index && broken.way == OPEN_FOLDER) {
        return broken.code;
    }
    int code = broken.base->dir_open_at(context, dir, name, create, dir_out);
    broken.folder = index && code == 0 ? *dir_out : broken.folder;
    return code;
}

static int dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    return dir == broken.folder && broken.way == LIST_FOLDER ? broken.code
                                                             : broken.base->dir_list(context, dir, entry, argument);
}

static int file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    bool index = strstr(name, ".idx") != NULL;
    if (index && broken.way == OPEN_FILE) {
        return broken.code;
    }
    int code = broken.base->file_open(context, dir, name, flags, file_out);
    broken.file = code != 0 ? broken.file : index ? *file_out : NULL;
    return code;
}

static int file_size(void *context, bp_file *file, uint64_t *size_out)
{
    return file == broken.file && broken.way == SIZE_FILE ? broken.code
                                                          : broken.base->file_size(context, file, size_out);
}

static int map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    return file == broken.file && broken.way == MAP_FILE
               ? broken.code
               : broken.base->map_open(context, file, size, writable, address_out);
}

static const bp_io *break_way(const bp_io *base, broken_way way, int code)
{
    memset(&broken, 0, sizeof broken);
    broken.base = base;
    broken.table = *base;
    broken.table.dir_open_at = dir_open_at;
    broken.table.dir_list = dir_list;
    broken.table.file_open = file_open;
    broken.table.file_size = file_size;
    broken.table.map_open = map_open;
    broken.way = way;
    broken.code = code;
    return &broken.table;
}

static void what_the_medium_does_not_give_is_told(void **state)
{
    static const int codes[] = {EIO, EACCES, ENOMEM, ENOENT};
    fixture f;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(43), SEGMENTS);
    for (broken_way way = OPEN_FOLDER; way < WAYS; way++) {
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
            bp_verify_options options;
            bp_verify_report report;
            bp_error error = {0};
            bool gone = codes[i] == ENOENT;
            if (gone && way != OPEN_FOLDER && way != OPEN_FILE) {
                continue;
            }
            bpt_note("way %d, %s", (int)way, strerror(codes[i]));
            bp_verify_options_init(&options);
            options.io = break_way(f.world.io, way, codes[i]);
            bp_status status = bp_verify(f.world.path, &options, &report, &error);
            CHECK_STATUS(gone ? BP_OK : codes[i] == ENOMEM ? BP_ERR_NO_MEMORY : BP_ERR_IO, status, &error);
            assert_int_equal(report.index_files_wrong, 0);
        }
    }
    bpt_note("%s", "");
    unmake(&f);
}

static void without_memory_no_file_is_called_wrong(void **state)
{
    fixture f;
    bool failed = true;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(44), SEGMENTS);
    for (uint64_t nth = 1; failed; nth++) {
        bp_verify_options options;
        bp_verify_report report;
        bpi_fault_memory memory;
        bp_error error = {0};
        bpt_note("allocation %llu", (unsigned long long)nth);
        bpi_fault_memory_init(&memory);
        memory.fails_at = nth;
        bp_verify_options_init(&options);
        options.io = f.world.io;
        options.allocator = &memory.table;
        bp_status status = bp_verify(f.world.path, &options, &report, &error);
        failed = memory.calls >= nth;
        assert_true(status == BP_OK || (failed && status == BP_ERR_NO_MEMORY));
        assert_true(status != BP_OK || report.index_files == f.count);
        assert_int_equal(report.index_files_wrong, 0);
        assert_int_equal(memory.bytes, 0);
    }
    bpt_note("%s", "");
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_medium_does_not_give_is_told),
        cmocka_unit_test(without_memory_no_file_is_called_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
