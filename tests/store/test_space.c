/*
 * test_space.c: the space that a store takes when nobody writes to it: what was filled with zeros ahead is given back at a clean
 * close, and asked for again before anything is written where it was. And what an opening leaves that has no room for what it sets aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/world.h"

enum { SEGMENT = 16 << 20, KEPT = 1 << 20, SLACK = 512 << 10, PAYLOAD = 4000, BLOCK = 512, PATIENCE = 20 };

static uint64_t taken(const bpt_world *world, const char *name, uint64_t *size_out)
{
    char path[600];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/log/%s", world->path, name);
    if (stat(path, &about) != 0) {
        *size_out = 0;
        return 0;
    }
    *size_out = (uint64_t)about.st_size;
    return (uint64_t)about.st_blocks * BLOCK;
}

/* Does the filesystem take holes at all? */
static bool has_holes(const bpt_world *world)
{
    char path[600];
    struct stat about = {0};
    (void)snprintf(path, sizeof path, "%s/holes", world->root);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    static const uint8_t zeros[SLACK];
    bool has = fd >= 0 && write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros && fsync(fd) == 0 &&
               fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)sizeof zeros) == 0 &&
               fstat(fd, &about) == 0 && about.st_blocks == 0;
    (void)close(fd);
    (void)unlink(path);
    return has;
}

static uint64_t events_of(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    assert_int_equal(bp_store_stats(store, &stats, NULL), BP_OK);
    return stats.events;
}

/* Appends until the first segment is three quarters full and the keeper has filled the next one ahead. */
static void fill(const bpt_world *world, bp_store *store, uint64_t *written_out)
{
    uint64_t size = 0;
    *written_out = 0;
    while (*written_out < SEGMENT / 4 * 3) {
        (void)bpt_put_sized(store, "filler", PAYLOAD);
        *written_out += PAYLOAD;
    }
    double end = bpt_seconds() + PATIENCE;
    while (taken(world, "0000000001-1.seg", &size) < SEGMENT / 4) {
        CHECK(bpt_seconds() < end, "the next segment is not made ready: %llu bytes", (unsigned long long)size);
        usleep(1000);
    }
}

static void begin(bpt_world *world)
{
    bpt_world_disk(world);
    world->options.durability = BP_BUFFERED;
    world->options.segment_size = SEGMENT;
    if (!has_holes(world)) {
        bpt_world_end(world);
        skip();
    }
}

static void a_clean_close_gives_back_what_was_filled_ahead(void **state)
{
    bpt_world world;
    uint64_t written = 0;
    uint64_t size = 0;
    (void)state;
    begin(&world);
    bp_store *store = bpt_open(&world);
    fill(&world, store, &written);
    uint64_t events = events_of(store);
    bp_store *reader = bpt_reader(&world);
    assert_int_equal(events_of(reader), events);
    bpt_close(store);
    CHECK(taken(&world, "0000000001-1.seg", &size) < SLACK, "the spare segment takes space");
    CHECK(size >= SEGMENT / 4, "a file that may be mapped became shorter: %llu bytes", (unsigned long long)size);
    uint64_t active = taken(&world, "0000000000-1.seg", &size);
    CHECK(active < written + written / 8 + KEPT + SLACK, "%llu bytes for %llu", (unsigned long long)active,
          (unsigned long long)written);
    CHECK(size > active, "a file that may be mapped became shorter: %llu bytes", (unsigned long long)size);
    assert_int_equal(events_of(reader), events); /* who has it mapped reads on */
    bpt_close(reader);
    /* Into the next segment, which had lost its space. */
    store = bpt_open(&world);
    assert_int_equal(events_of(store), events);
    for (uint64_t more = 0; more < SEGMENT / 2; more += PAYLOAD) {
        (void)bpt_put_sized(store, "filler", PAYLOAD);
        events++;
    }
    assert_int_equal(events_of(store), events);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), events);
    bpt_world_end(&world);
}

/* A short opening does not fill ahead what is still ready, only to give it back. */
static void what_is_kept_serves_short_openings(void **state)
{
    bpt_world world;
    uint64_t written = 0;
    uint64_t size = 0;
    (void)state;
    begin(&world);
    bp_store *store = bpt_open(&world);
    fill(&world, store, &written);
    bpt_close(store);
    uint64_t before = taken(&world, "0000000000-1.seg", &size);
    uint64_t spare = taken(&world, "0000000001-1.seg", &size);
    for (unsigned i = 0; i < 3; i++) {
        store = bpt_open(&world);
        (void)bpt_put(store, "filler", "short");
        bpt_close(store);
        assert_int_equal(taken(&world, "0000000000-1.seg", &size), before);
        assert_true(taken(&world, "0000000001-1.seg", &size) <= spare + SLACK);
    }
    bpt_world_end(&world);
}

/* ---- a full disk ---- */

static bool full;

static int allocate(void *context, bp_file *file, uint64_t size)
{
    return full ? ENOSPC : bp_io_posix()->file_allocate(context, file, size);
}

/* Storing into a hole of a full disk would end the process. */
static void nothing_is_written_into_a_hole_without_asking(void **state)
{
    bpt_world world;
    bp_error error = {0};
    static uint8_t payload[PAYLOAD];
    uint64_t written = 0;
    (void)state;
    begin(&world);
    bp_store *store = bpt_open(&world);
    fill(&world, store, &written);
    bpt_close(store);
    bp_io io = *bp_io_posix();
    io.file_allocate = allocate;
    world.options.io = &io;
    store = bpt_open(&world);
    uint64_t events = events_of(store);
    bp_status status = BP_OK;
    full = true;
    for (written = 0; status == BP_OK && written < SEGMENT; written += PAYLOAD) {
        status = bp_append(store, bp_at("filler", "s"), 0xf001, bp_raw(payload, sizeof payload), NULL, NULL, &error);
        events += status == BP_OK;
    }
    full = false;
    CHECK(status == BP_ERR_NO_SPACE, "%s: %s", bp_status_name(status), error.message);
    CHECK(written < 2 * KEPT, "%llu bytes went into holes", (unsigned long long)written);
    (void)bpt_put(store, "filler", "there is room again");
    bpt_close(store);
    world.options.io = NULL;
    assert_int_equal(bpt_verify(&world), events + 1);
    bpt_world_end(&world);
}

typedef struct torn {
    unsigned files;
    size_t size;
    bool holds; /* the mark that was written */
} torn;

static void see_torn(void *argument, const char *name, const uint8_t *data, size_t size)
{
    torn *all = argument;
    if (strstr(name, ".torn") != NULL) {
        all->files++;
        all->size += size;
        all->holds = all->holds || memmem(data, size, "EVIDENCE", 8) != NULL;
    }
}

static bp_status open_status(bpt_world *world, bp_error *error)
{
    bp_store *store = NULL;
    bp_status status = bp_open(world->path, &world->options, &store, error);
    (void)bp_close(store, NULL);
    return status;
}

/* One durable event, then a big one that is not, of which only part survives a power cut. */
static void make_torn(bpt_world *world)
{
    char text[4000];
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    bpt_put(store, "e", "durable");
    memset(text, 'z', sizeof text);
    memcpy(text + 20, "EVIDENCE", 8);
    text[sizeof text - 1] = '\0';
    bpt_put_with(store, "e", text, &options);
    bpt_tear(world, 1);
    (void)bp_close(store, NULL);
}

static bool same_segment(bpt_world *one, bpt_world *other)
{
    size_t sizes[2];
    uint8_t *first = bpt_file_read(one, "log/0000000000-1.seg", &sizes[0]);
    uint8_t *second = bpt_file_read(other, "log/0000000000-1.seg", &sizes[1]);
    assert_true(first != NULL && second != NULL);
    bool same = sizes[0] == sizes[1] && memcmp(first, second, sizes[0]) == 0;
    free(first);
    free(second);
    return same;
}

/* No room, a step fails: nothing is zeroed, and no half copy stays; with room there is one. */
static void a_copy_that_failed_is_no_evidence(void **state)
{
    bpt_world world;
    (void)state;
    make_torn(&world);
    unsigned failed = 0;
    for (uint64_t step = 1;; step++) {
        bpt_world clone;
        bp_error error = {0};
        torn found = {0};
        bpt_note("step %llu fails", (unsigned long long)step);
        bpt_world_adopt(&clone, bpi_fault_clone(world.fault));
        for (int tries = 0; tries < 3; tries++) {
            bpi_fault_plan plan = {.kind = BPI_FAULT_HALF, .step = step, .os_error = ENOSPC};
            bpi_fault_set_plan(clone.fault, &plan);
            if (open_status(&clone, &error) == BP_OK) {
                break;
            }
            bool cutting = strstr(error.message, "set aside") != NULL;
            failed += cutting;
            found = (torn){0};
            bpt_file_each(&clone, see_torn, &found);
            if (!same_segment(&world, &clone)) {
                assert_int_equal(found.files, 1);
                break; /* the copy was whole, and the zeroing began */
            }
            CHECK(found.files == 0, "%u .torn files of %zu bytes", found.files, found.size);
        }
        bool over = bpi_fault_steps(clone.fault) < step;
        bpi_fault_set_plan(clone.fault, &(bpi_fault_plan){0});
        bpt_close(bpt_open(&clone));
        found = (torn){0};
        bpt_file_each(&clone, see_torn, &found);
        assert_true(found.files >= 1 && found.holds);
        bpt_world_end(&clone);
        if (over) {
            break;
        }
    }
    bpt_note("%s", "");
    assert_true(failed >= 4);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_close_gives_back_what_was_filled_ahead),
        cmocka_unit_test(what_is_kept_serves_short_openings),
        cmocka_unit_test(nothing_is_written_into_a_hole_without_asking),
        cmocka_unit_test(a_copy_that_failed_is_no_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
