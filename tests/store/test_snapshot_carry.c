/*
 * test_snapshot_carry.c: what a snapshot brings over of consumers/ and keys/: files that go, grow beyond all sense or end early while
 * they are read, names that are none of the store's, positions ahead of what the copy holds; and every call that fails on the way.
 */
#include "io/fault_memory.h"
#include "store/snapshot_fixture.h"

typedef enum mischief { NONE, GOES, IS_DENIED, TOO_LARGE, ENDS_EARLY } mischief;

static struct {
    const bp_io *io;
    mischief what;
    bp_file *file; /* the position, while it is open */
} medium;

static bool is_position(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".pos") == 0;
}

static int open_file(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    bool position = is_position(name) && (flags & BP_OPEN_WRITE) == 0;
    if (position && medium.what == GOES) {
        return ENOENT;
    }
    if (position && medium.what == IS_DENIED) {
        return EACCES;
    }
    int code = medium.io->file_open(context, dir, name, flags, file_out);
    medium.file = position && code == 0 ? *file_out : NULL;
    return code;
}

static int file_size(void *context, bp_file *file, uint64_t *size_out)
{
    int code = medium.io->file_size(context, file, size_out);
    *size_out = medium.what == TOO_LARGE && file == medium.file ? UINT64_C(1) << 40 : *size_out;
    return code;
}

static int file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    int code = medium.io->file_read(context, file, offset, buffer, size, got_out);
    *got_out -= medium.what == ENDS_EARLY && file == medium.file ? 1 : 0;
    return code;
}

typedef struct scene {
    bpt_world world;
    bp_io table;
    bpi_fault_memory memory;
    bp_store *store;
    bool keys;
} scene;

static void make_consumer(bp_store *store, const char *name)
{
    bp_consumer_options options;
    bp_consumer *consumer = NULL;
    const bp_event *event = NULL;
    bp_consumer_options_init(&options);
    options.published = true;
    CHECK_OK(bp_consumer_open(store, name, NULL, &options, &consumer, &error), &error);
    while (bp_consumer_next(consumer, 0, 0, &event, &error) == BP_OK) {
        CHECK_OK(bp_consumer_ack(consumer, event->sequence, &error), &error);
    }
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
}

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    medium.io = s->world.io;
    medium.what = NONE;
    s->table = *s->world.io;
    s->table.file_open = open_file;
    s->table.file_size = file_size;
    s->table.file_read = file_read;
    s->world.options.io = &s->table;
    bpi_fault_memory_init(&s->memory);
    s->world.options.allocator = &s->memory.table;
    s->store = bpt_open(&s->world);
    bpt_put(s->store, "e", "one");
    bpt_put(s->store, "e", "two");
    if (bp_encryption_available()) {
        bp_append_options options;
        bp_append_options_init(&options);
        options.subject = "alice";
        bpt_put_with(s->store, "e", "hers", &options);
        s->keys = true;
    }
    make_consumer(s->store, "mailer");
    /* What is none of the store's stays behind. */
    bpt_file_write(&s->world,
                   "consumers/a name that no position of a consumer has, because it is far too long for one, longer "
                   "than any that the library gives: as it is",
                   "?", 1);
    bpt_file_write(&s->world, "consumers/notes.txt", "?", 1);
    bpt_file_write(&s->world, "keys/0123.key.new", "?", 1);
    bpt_file_write(&s->world, "keys/0123.lock", "?", 1);
}

static bp_status copy(bp_store *store, const char *to, bp_snapshot_report *report)
{
    bp_snapshot_options options;
    bp_snapshot_options_init(&options);
    options.consumers = true;
    options.keys = true;
    return bp_snapshot(store, to, &options, report, &error);
}

static void end(scene *s)
{
    bpt_close(s->store);
    bpt_world_end(&s->world);
    assert_int_equal(s->memory.bytes, 0);
}

static void only_what_is_the_stores_is_copied(void **state)
{
    scene s;
    bp_snapshot_report report;
    (void)state;
    begin(&s);
    CHECK_OK(copy(s.store, "copy", &report), &error);
    assert_true(report.consumers == 1 && report.keys == (s.keys ? 1 : 0));
    assert_int_equal(names_in(&s.world, "copy/consumers"), 1);
    end(&s);
}

static void a_file_that_goes_is_none_and_one_that_cannot_be_read_is_told(void **state)
{
    static const struct {
        mischief what;
        bp_status status;
    } cases[] = {{GOES, BP_OK}, {IS_DENIED, BP_ERR_IO}, {TOO_LARGE, BP_ERR_IO}, {ENDS_EARLY, BP_ERR_IO}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s;
        bp_snapshot_report report;
        bpt_note("mischief %d", (int)cases[i].what);
        begin(&s);
        medium.what = cases[i].what;
        bp_status status = copy(s.store, "copy", &report);
        CHECK(status == cases[i].status || (status != BP_OK && cases[i].status != BP_OK && status != BP_ERR_CORRUPT),
              "it says %s: %s", bp_status_name(status), error.message);
        if (status == BP_OK) {
            assert_int_equal(report.consumers, 0);
        } else {
            CHECK_SAYS(&error, "cannot read consumers/");
        }
        medium.what = NONE;
        CHECK_OK(copy(s.store, "another", &report), &error);
        assert_int_equal(report.consumers, 1);
        end(&s);
    }
}

/* A reader copies what is durable: a position behind that would fit nothing. */
static void a_position_ahead_of_the_copy_stays_behind(void **state)
{
    scene s;
    bp_append_options lazy;
    bp_snapshot_report report;
    (void)state;
    begin(&s);
    bp_append_options_init(&lazy);
    lazy.durability = BP_BUFFERED;
    for (int i = 0; i < 3; i++) {
        bpt_put_with(s.store, "e", "not durable yet", &lazy);
    }
    make_consumer(s.store, "ahead");
    bp_store *reader = bpt_reader(&s.world);
    CHECK_OK(copy(reader, "copy", &report), &error);
    uint64_t events = proven(&s.world, "copy").events;
    assert_true(events < bp_store_frontiers(s.store).published);
    assert_int_equal(report.consumers, 1);
    bpt_close(reader);
    end(&s);
}

static int in_copy(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    (void)argument;
    (void)data;
    (void)size;
    return strncmp(path, "copy", 4) == 0;
}

/* Each call, each step, each allocation of it fails once, and each allocation for good: it says so, or it was not needed; then nothing of
 * it is left, of which the store would know nothing, and asked again it is whole. */
static void whatever_fails_on_the_way(void **state)
{
    unsigned failures = 0;
    (void)state;
    for (int how = 0; how < 4; how++) {
        bool reached = true;
        for (uint64_t nth = 1; reached; nth += bpt_instrumented() ? 5 : 1) {
            scene s;
            bp_snapshot_report report;
            bpt_note("way %d, call %llu", how, (unsigned long long)nth);
            begin(&s);
            bpi_fault_plan plan = {.os_error = EIO};
            plan.kind = how == 0 ? BPI_FAULT_ERROR : BPI_FAULT_NONE;
            plan.step = how == 0 ? nth : 0;
            plan.read_call = how == 1 ? nth : 0;
            bpi_fault_set_plan(s.world.fault, &plan);
            s.memory.fails_at = how >= 2 ? s.memory.calls + nth : 0;
            s.memory.persistent = how == 3;
            bp_status status = copy(s.store, "copy", &report);
            reached = how == 0   ? bpi_fault_steps(s.world.fault) >= nth
                      : how == 1 ? bpi_fault_reads(s.world.fault) >= nth
                                 : s.memory.calls >= s.memory.fails_at;
            CHECK(status == BP_OK || status == (how >= 2 ? BP_ERR_NO_MEMORY : BP_ERR_IO) || status == BP_ERR_FAILED,
                  "it says %s: %s", bp_status_name(status), error.message);
            bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){0});
            s.memory.fails_at = 0;
            failures += status != BP_OK;
            CHECK(status == BP_OK || bpi_fault_each_file(s.world.fault, in_copy, NULL) == 0, "something is left: %s",
                  bp_status_name(status));
            if (status != BP_ERR_FAILED) {
                CHECK_OK(copy(s.store, "another", &report), &error);
                assert_true(report.consumers == 1 && report.keys == (s.keys ? 1 : 0));
                (void)proven(&s.world, "another");
            }
            (void)bp_close(s.store, NULL);
            bpt_world_end(&s.world);
            assert_int_equal(s.memory.bytes, 0);
        }
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_the_stores_is_copied),
        cmocka_unit_test(a_file_that_goes_is_none_and_one_that_cannot_be_read_is_told),
        cmocka_unit_test(a_position_ahead_of_the_copy_stays_behind),
        cmocka_unit_test(whatever_fails_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
