/*
 * test_repair_strays.c: what a repair makes of files that lie where segments and lists do, and are none, or are twice there.
 */
#include "support/forge.h"

#include "format/manifest.h"

enum { ROUNDS = 60 };

/* Three segments and more; the number of events. */
static uint64_t make(bpt_world *world)
{
    bp_error error = {0};
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)bpt_put(store, i % 3 == 0 ? "a" : "b", "some words");
        if (i % 20 == 19) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    uint64_t count = bp_store_frontiers(store).published;
    bpt_close(store);
    return count;
}

static bp_repair_options options_of(bpt_world *world)
{
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = world->io;
    options.clock = world->options.clock;
    options.random = world->options.random;
    return options;
}

static bp_status repair_of(bpt_world *world, const char *target, bp_repair_report *report, bp_error *error)
{
    bp_repair_options options = options_of(world);
    options.dry_run = target == NULL;
    return bp_repair(world->path, target, &options, report, error);
}

/* All events, unchanged. */
static bp_repair_report whole(bpt_world *world, uint64_t count)
{
    bp_error error = {0};
    bp_repair_report report;
    CHECK_OK(repair_of(world, "saved", &report, &error), &error);
    CHECK(report.events == count && report.unchanged == count && report.lost == 0,
          "%llu of %llu events, %llu unchanged", (unsigned long long)report.events, (unsigned long long)count,
          (unsigned long long)report.unchanged);
    return report;
}

static void remove_list(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS-", 9) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void newest_list(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char *newest = argument;
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS-", 9) == 0 && (newest[0] == '\0' || atoi(name + 9) > atoi(newest + 9))) {
        (void)snprintf(newest, 40, "%s", name);
    }
}

static void the_newest_list_that_is_right_is_taken(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        static const uint8_t junk[192] = "BATPAKSL";
        bpt_world world;
        char newest[40] = "";
        size_t size = 0;
        bpt_note("way %u", way);
        uint64_t count = make(&world);
        bpt_file_remove(&world, "MANIFEST");
        if (way & 1) { /* those that are none are passed over */
            bpt_file_write(&world, "SEGMENTS-1000", junk, sizeof junk);
            bpt_file_write(&world, "SEGMENTS-1001", junk, 64);
            bpt_file_write(&world, "SEGMENTS-1002", junk, 1);
            bpt_file_write(&world, "SEGMENTS-999", "", 0);
            bpt_file_write(&world, "SEGMENTS-none", junk, sizeof junk);
        }
        if (way & 2) { /* the one before it stands for less, and the rest lies there */
            bpt_file_each(&world, newest_list, newest);
            uint8_t *data = bpt_file_read(&world, newest, &size);
            assert_non_null(data);
            data[size / 2] ^= 1;
            bpt_file_write(&world, newest, data, size);
            free(data);
        }
        bp_repair_report report = whole(&world, count);
        assert_false(report.manifest_good);
        bpt_world_end(&world);
    }
}

static void copy_segment(bpt_world *world, const char *from, const char *to)
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(world, from, &size);
    assert_non_null(data);
    bpt_file_write(world, to, data, size);
    free(data);
}

/* The header of a segment changed, its sum right. */
static void change_header(bpt_world *world, const char *name, size_t offset, uint32_t value)
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(world, name, &size);
    assert_non_null(data);
    bpt_set32(data + offset, value);
    bpt_put_crc(data, 64, 12);
    bpt_file_write(world, name, data, size);
    free(data);
}

static const char first[] = "log/0000000000-1.seg";

static void of_several_files_of_one_segment_the_right_one_is_taken(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 12; way++) {
        bpt_world world;
        static const char *const others[] = {"log/0000000000-2.seg", "log/0000000009-9.seg"};
        const char *other = others[way % 2];
        bpt_note("way %u", way);
        uint64_t count = make(&world);
        copy_segment(&world, first, other);
        const char *wrong = way % 4 < 2 ? other : first; /* the right one may bear the wrong name */
        if (way < 4) {
            change_header(&world, wrong, 36, 7); /* a generation that no list names */
        } else if (way < 8) {
            bpt_file_write(&world, wrong, "nothing", 7);
        }
        if (way >= 8 && way % 4 < 2) { /* nor does a list say which */
            bpt_file_remove(&world, "MANIFEST");
            bpt_file_each(&world, remove_list, &world);
        }
        bp_repair_report report;
        bp_error error = {0};
        CHECK_OK(repair_of(&world, NULL, &report, &error), &error);
        bool by_name_alone = way >= 4 && way < 8 && wrong == other && way % 2 == 1;
        CHECK(by_name_alone || report.segments_superseded == 1, "%u are told", report.segments_superseded);
        (void)whole(&world, count);
        bpt_world_end(&world);
    }
}

static void what_is_no_segment_is_left_alone(void **state)
{
    (void)state;
    bpt_world world;
    bp_dir *dir = NULL;
    char path[600];
    uint64_t count = make(&world);
    bpt_file_write(&world, "log/README", "words", 5);
    bpt_file_write(&world, "log/1.seg", "words", 5);
    (void)snprintf(path, sizeof path, "%s/log/0000000007-1.seg", world.path);
    assert_int_equal(world.io->dir_open(world.io->context, path, true, &dir), 0);
    world.io->dir_close(world.io->context, dir);
    bp_repair_report report = whole(&world, count);
    assert_int_equal(report.segments_superseded + report.segments_foreign, 0);
    bpt_world_end(&world);
}

static void a_newer_format_is_no_damage(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bp_repair_report report;
    (void)make(&world);
    change_header(&world, "log/0000000001-1.seg", 8, 2);
    CHECK_STATUS(BP_ERR_VERSION, repair_of(&world, "saved", &report, &error), &error);
    CHECK_SAYS(&error, "version 2");
    assert_string_equal(error.file, "log/0000000001-1.seg");
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world.io;
    CHECK_STATUS(BP_ERR_VERSION, bp_verify(world.path, &options, NULL, &error), &error);
    bpt_world_end(&world);
}

static void break_header(void *argument, const char *name, const uint8_t *data, size_t size)
{
    bpt_world *world = argument;
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    if (strncmp(name, "log/", 4) == 0) {
        copy[0] ^= 1;
        bpt_file_write(world, name, copy, size);
    }
    free(copy);
}

static void what_nothing_can_be_told_of(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bp_repair_report report;
    (void)make(&world);
    bpt_file_remove(&world, "MANIFEST");
    bpt_file_each(&world, remove_list, &world);
    bpt_file_each(&world, break_header, &world);
    CHECK_STATUS(BP_ERR_CORRUPT, repair_of(&world, "saved", &report, &error), &error);
    CHECK_SAYS(&error, "neither MANIFEST nor a list nor a segment header can be read");
    bpt_world_end(&world);
    bpt_world_fault(&world);
    bp_dir *dir = NULL;
    assert_int_equal(world.io->dir_open(world.io->context, world.path, true, &dir), 0);
    CHECK_STATUS(BP_ERR_NOT_FOUND, repair_of(&world, "saved", &report, &error), &error);
    CHECK_SAYS(&error, "neither a manifest nor a segment is there");
    bp_dir *log = NULL;
    assert_int_equal(world.io->dir_open_at(world.io->context, dir, "log", true, &log), 0);
    world.io->dir_close(world.io->context, log);
    world.io->dir_close(world.io->context, dir);
    CHECK_STATUS(BP_ERR_NOT_FOUND, repair_of(&world, "saved", &report, &error), &error);
    bpt_world_end(&world);
}

static void slashes_and_sizes_of_the_new_store(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bp_repair_report report;
    uint64_t count = make(&world);
    bp_repair_options options = options_of(&world);
    options.segment_size = 1 << 20;
    CHECK_OK(bp_repair(world.path, "saved///", &options, &report, &error), &error);
    assert_int_equal(report.events, count);
    (void)snprintf(world.path, sizeof world.path, "saved");
    assert_int_equal(bpt_verify(&world), count);
    size_t size = 0;
    uint8_t *manifest = bpt_file_read(&world, "MANIFEST", &size);
    assert_non_null(manifest);
    assert_int_equal(bpt_get32(manifest + bpt_newest_slot(manifest) * BPI_SLOT_SIZE + BPI_SLOT_SEGMENT_SIZE), 1 << 20);
    free(manifest);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_list_that_is_right_is_taken),
        cmocka_unit_test(of_several_files_of_one_segment_the_right_one_is_taken),
        cmocka_unit_test(what_is_no_segment_is_left_alone),
        cmocka_unit_test(a_newer_format_is_no_damage),
        cmocka_unit_test(what_nothing_can_be_told_of),
        cmocka_unit_test(slashes_and_sizes_of_the_new_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
