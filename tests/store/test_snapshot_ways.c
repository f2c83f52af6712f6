/*
 * test_snapshot_ways.c: how a snapshot gets its segments: where a link cannot be made it copies, for whatever reason that is, and
 * where something fails it says so; a segment that is shorter than listed. And the notes of snapshots: what is none, or another's.
 * And compaction that has to know where every entity stands, in trouble.
 */
#include "io/fault_memory.h"
#include "store/snapshot_fixture.h"

typedef struct scene {
    bpt_world world;
    bp_io table;
    bp_store *store;
    unsigned refusals;
} scene;

static struct {
    const bp_io *io;
    int code; /* of link and clone; 0: as they are */
    unsigned links;
    int folders; /* from the first refusal on, what looking into folders gives; 0: as they are */
} medium;

static int refuse_link(void *context, bp_file *file, bp_dir *dir, const char *name)
{
    medium.links++;
    return medium.code != 0 ? medium.code : medium.io->file_link(context, file, dir, name);
}

static int refuse_clone(void *context, bp_file *from, bp_file *to)
{
    return medium.code != 0 ? medium.code : medium.io->file_clone(context, from, to);
}

static int refuse_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    return medium.links != 0 && medium.folders != 0 ? medium.folders
                                                    : medium.io->dir_list(context, dir, entry, argument);
}

static int refuse_folder(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    return medium.links != 0 && medium.folders != 0 ? medium.folders
                                                    : medium.io->dir_open_at(context, parent, name, create, dir_out);
}

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    memset(&medium, 0, sizeof medium);
    medium.io = s->world.io;
    s->table = *s->world.io;
    s->table.file_link = refuse_link;
    s->table.file_clone = refuse_clone;
    s->table.dir_list = refuse_list;
    s->table.dir_open_at = refuse_folder;
    s->world.options.io = &s->table;
    s->store = bpt_open(&s->world);
    for (int i = 0; i < 3; i++) {
        fill(s->store, 5, 0);
        CHECK_OK(bp_seal(s->store, &error), &error);
    }
    fill(s->store, 2, 0);
}

static void end(scene *s)
{
    bpt_close(s->store);
    bpt_world_end(&s->world);
}

static bp_status copy(scene *s, const char *to, const char *since, bp_snapshot_report *report)
{
    bp_snapshot_options options;
    bp_snapshot_options_init(&options);
    options.since = since;
    return bp_snapshot(s->store, to, &options, report, &error);
}

static void where_no_link_can_be_it_copies(void **state)
{
    static const int codes[] = {EXDEV, EPERM, EACCES, EMLINK, ENOSYS, EOPNOTSUPP, EINVAL, ENOTTY};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        scene s;
        bp_snapshot_report report;
        bpt_note("errno %d", codes[i]);
        begin(&s);
        CHECK_OK(copy(&s, "linked", NULL, &report), &error);
        assert_true(report.linked == 3 && report.copied == 1);
        medium.code = codes[i];
        CHECK_OK(copy(&s, "copied", NULL, &report), &error);
        assert_true(report.linked == 0 && report.reused == 0 && report.cloned == 0 && report.copied == 4);
        assert_true(medium.links > 3);
        CHECK_OK(copy(&s, "again", "copied", &report), &error); /* nor of the earlier one's */
        assert_true(report.linked == 0 && report.reused == 0 && report.copied == 4);
        assert_int_equal(proven(&s.world, "copied").events, 17);
        assert_int_equal(proven(&s.world, "again").events, 17);
        end(&s);
    }
}

static void what_fails_is_said(void **state)
{
    static const struct {
        int code;
        bp_status status;
    } cases[] = {{ENOSPC, BP_ERR_NO_SPACE}, {EIO, BP_ERR_IO}, {ENOMEM, BP_ERR_NO_MEMORY}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s;
        bpt_note("errno %d", cases[i].code);
        begin(&s);
        medium.code = cases[i].code;
        CHECK_STATUS(cases[i].status, copy(&s, "copy", NULL, NULL), &error);
        CHECK_SAYS(&error, "cannot copy a segment");
        medium.code = 0;
        CHECK_OK(copy(&s, "another", NULL, NULL), &error);
        end(&s);
    }
}

static bool holds(const scene *s, const char *path, const char *name)
{
    const bp_io *io = s->world.io;
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    assert_int_equal(io->dir_open(io->context, path, false, &dir), 0);
    int code = io->file_open(io->context, dir, name, BP_OPEN_READ, &file);
    if (code == 0) {
        io->file_close(io->context, file);
    }
    io->dir_close(io->context, dir);
    return code == 0;
}

/* What cannot be looked into is not taken for empty: the marker says what the rest is. */
static void what_cannot_be_undone_stays_marked(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    medium.code = EMFILE;
    medium.folders = EMFILE;
    assert_int_not_equal(copy(&s, "copy", NULL, NULL), BP_OK);
    assert_true(medium.links != 0);
    assert_true(holds(&s, "copy", "INCOMPLETE"));
    medium.code = 0;
    medium.folders = 0;
    CHECK_STATUS(BP_ERR_NOT_EMPTY, copy(&s, "copy", NULL, NULL), &error);
    CHECK_OK(copy(&s, "another", NULL, NULL), &error);
    end(&s);
}

/* Somebody has cut a sealed segment since it was read. */
static void a_segment_that_was_cut_is_damage(void **state)
{
    static const char name[] = "log/0000000001-1.seg";
    scene s;
    size_t size = 0;
    (void)state;
    begin(&s);
    uint8_t *data = bpt_file_read(&s.world, name, &size);
    assert_non_null(data);
    bpt_file_write(&s.world, name, data, 600);
    CHECK_STATUS(BP_ERR_CORRUPT, copy(&s, "copy", NULL, NULL), &error);
    CHECK_SAYS(&error, "segment is shorter than listed");
    bpt_file_write(&s.world, name, data, size);
    free(data);
    CHECK_OK(copy(&s, "another", NULL, NULL), &error);
    end(&s);
}

/* ---- notes ---- */

typedef struct shown {
    unsigned count;
    bp_id last;
} shown;

static int show(void *argument, const bp_snapshot_info *info)
{
    shown *s = argument;
    s->count++;
    s->last = info->id;
    return 0;
}

static void find_note(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "snapshots/", 10) == 0 && strlen(name) == 42) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

static void notes_of_others_are_none_or_told(void **state)
{
    scene s;
    shown seen = {0};
    char name[64] = "";
    size_t size = 0;
    (void)state;
    begin(&s);
    CHECK_OK(copy(&s, "copy", NULL, NULL), &error);
    bpt_file_each(&s.world, find_note, name);
    assert_true(name[0] != '\0');
    bpt_file_write(&s.world, "snapshots/notes.txt", "?", 1);
    bpt_file_write(&s.world, "snapshots/0123456789abcdef0123456789abcdeg", "?", 1);
    CHECK_OK(bp_snapshots(s.store, show, &seen, &error), &error);
    assert_int_equal(seen.count, 1);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshots(s.store, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot_forget(s.store, NULL, &error), &error);
    /* A copy of the note under another's name. */
    uint8_t *data = bpt_file_read(&s.world, name, &size);
    assert_non_null(data);
    name[10] = name[10] == '0' ? '1' : '0';
    bpt_file_write(&s.world, name, data, size);
    free(data);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_snapshots(s.store, show, &seen, &error), &error);
    CHECK_SAYS(&error, "another's name");
    bpt_file_remove(&s.world, name);
    seen.count = 0;
    CHECK_OK(bp_snapshots(s.store, show, &seen, &error), &error);
    assert_int_equal(seen.count, 1);
    CHECK_OK(bp_snapshot_forget(s.store, &seen.last, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_snapshot_forget(s.store, &seen.last, &error), &error);
    end(&s);
}

/* ---- where every entity stands ---- */

static void flip_pages(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    if (strncmp(name, "index/", 6) == 0 && strstr(name, ".idx") != NULL && size > 8192) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

/* Only the newest two of each entity stay, also when index files have bad pages, and when memory or a read fails on the way. */
static void the_newest_are_kept_in_trouble(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        bool reached = true;
        for (uint64_t nth = 1; reached; nth += bpt_instrumented() ? 9 : 1 + nth / 16) {
            scene s;
            bpi_fault_memory memory;
            bp_compact_options options;
            uint64_t count = 0;
            bpt_note("way %d, call %llu", how, (unsigned long long)nth);
            begin(&s);
            bpt_close(s.store);
            bpi_fault_memory_init(&memory);
            s.world.options.allocator = &memory.table;
            if (how == 2) { /* each page of an index file in turn */
                char name[64] = "";
                size_t size = 0;
                bpt_file_each(&s.world, flip_pages, name);
                uint8_t *data = bpt_file_read(&s.world, name, &size);
                assert_non_null(data);
                reached = nth * 4096 + 8 < size;
                data[reached ? nth * 4096 + 8 : size - 1] ^= 1;
                bpt_file_write(&s.world, name, data, size);
                free(data);
            }
            s.store = bpt_open(&s.world);
            bp_compact_options_init(&options);
            options.keep_last = 2;
            memory.fails_at = how == 0 ? memory.calls + nth : 0;
            bpi_fault_set_plan(s.world.fault,
                               &(bpi_fault_plan){.read_call = how == 1 ? nth : 0, .os_error = how == 1 ? EIO : 0});
            bp_status status = bp_compact(s.store, &options, NULL, &error);
            reached = how == 0   ? memory.calls >= memory.fails_at
                      : how == 1 ? bpi_fault_reads(s.world.fault) >= nth
                                 : reached;
            CHECK(status == BP_OK || (how == 0 && status == BP_ERR_NO_MEMORY) ||
                      (how == 1 && (status == BP_ERR_IO || status == BP_ERR_FAILED)),
                  "it says %s: %s", bp_status_name(status), error.message);
            memory.fails_at = 0;
            bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){0});
            bool shows_old = status != BP_OK && strstr(error.message, "still shows the old one") != NULL;
            if (shows_old || status == BP_ERR_FAILED) { /* it said so: only a reopening helps */
                (void)bp_close(s.store, NULL);
                s.store = bpt_open(&s.world);
            }
            CHECK_OK(bp_compact(s.store, &options, NULL, &error), &error);
            CHECK_OK(bp_count(s.store, NULL, &count, &error), &error);
            CHECK(count == 10, "%llu events are left; at first it said %s", (unsigned long long)count,
                  bp_status_name(status));
            end(&s);
            assert_int_equal(memory.bytes, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_no_link_can_be_it_copies),     cmocka_unit_test(what_fails_is_said),
        cmocka_unit_test(what_cannot_be_undone_stays_marked), cmocka_unit_test(a_segment_that_was_cut_is_damage),
        cmocka_unit_test(notes_of_others_are_none_or_told),   cmocka_unit_test(the_newest_are_kept_in_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
