/*
 * test_elsewhere.c: readers whose mount is not the writer's, as in a container, or is not known, as Linux before 6.8 does not tell
 * mounts apart: they follow the writer all the same; and a page that outlived what it tells of stops nobody.
 */
#include "format/live.h"
#include "support/world.h"

enum { KNOWN_OTHER = 77, UNKNOWN = 0 };

/* The world on mounts that the scene names; the machine never starts anew. */
static struct {
    bp_io table;
    const bp_io *io;
    uint64_t writer;
    uint64_t reader;
    bool reading; /* who asks where it is */
} scene;

static int place(void *context, bp_dir *dir, bp_io_place *place_out)
{
    int code = scene.io->dir_place(context, dir, place_out);
    memset(place_out->boot, 0xb0, sizeof place_out->boot);
    place_out->mount = scene.reading ? scene.reader : scene.writer;
    return code;
}

static void begin(bpt_world *world, uint64_t writer_mount, uint64_t reader_mount)
{
    bpt_world_fault(world);
    scene.table = *world->io;
    scene.table.dir_place = place;
    scene.io = world->io;
    scene.writer = writer_mount;
    scene.reader = reader_mount;
    scene.reading = false;
    world->options.io = &scene.table;
    world->options.durability = BP_BUFFERED;
}

static bp_store *open_reader(bpt_world *world)
{
    scene.reading = true;
    bp_store *reader = bpt_reader(world);
    scene.reading = false;
    return reader;
}

static uint64_t seen(bp_store *reader)
{
    const bp_event *event = NULL;
    uint64_t count = 0;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    bp_region all = bp_region_all();
    CHECK_OK(bp_query(reader, &all, NULL, &iterator, &error), &error);
    bp_status status = BP_OK;
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        CHECK(event->sequence == count, "event %llu at %llu", (unsigned long long)event->sequence,
              (unsigned long long)count);
        count++;
    }
    CHECK_STATUS(BP_END, status, &error);
    bp_iterator_close(iterator);
    return count;
}

static void see_both(bpt_world *world, bp_store *reader, uint64_t events)
{
    assert_int_equal(seen(reader), events);
    bp_store *fresh = open_reader(world);
    assert_int_equal(seen(fresh), events);
    bpt_close(fresh);
}

static void merge(bp_store *store)
{
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    assert_int_equal(bp_compact(store, NULL, NULL, NULL), BP_OK);
}

/* Buffered events, a sync, sealed segments that are merged, another writer: the reader sees each at once. */
static void a_reader_follows_a_writer_of(uint64_t writer_mount, uint64_t reader_mount)
{
    bpt_world world;
    uint64_t events = 0;
    begin(&world, writer_mount, reader_mount);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "first");
    events++;
    bp_store *reader = open_reader(&world);
    for (int round = 0; round < 3; round++) {
        see_both(&world, reader, events);
        for (int i = 0; i < 20; i++) {
            (void)bpt_put_sized(store, "a", 900);
            events++;
            assert_int_equal(seen(reader), events);
        }
        assert_true(bp_store_frontiers(store).durable < events || round > 0);
        assert_int_equal(bp_sync(store, NULL), BP_OK);
        bpt_put(store, "b", "behind the sync");
        events++;
        see_both(&world, reader, events);
        assert_true(bp_store_frontiers(reader).durable >= events - 1);
        merge(store);
        see_both(&world, reader, events);
        bpt_close(store);
        see_both(&world, reader, events);
        store = bpt_open(&world);
    }
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_reader_on_another_mount_follows(void **state)
{
    (void)state;
    a_reader_follows_a_writer_of(1, KNOWN_OTHER);
}

static void a_reader_of_a_mount_that_is_not_known_follows(void **state)
{
    (void)state;
    a_reader_follows_a_writer_of(UNKNOWN, UNKNOWN);
}

/* A killed writer's events that were not synced: who opens then shows what the page tells of, as who had opened before does. */
static void after_a_kill_readers_show_what_was_told(void **state)
{
    bpt_world world;
    (void)state;
    begin(&world, 1, KNOWN_OTHER);
    bp_store *store = bpt_open(&world);
    for (int i = 0; i < 5; i++) {
        bpt_put(store, "a", "x");
    }
    bp_store *reader = open_reader(&world);
    see_both(&world, reader, 5);
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    bpt_close(reader);
    reader = open_reader(&world);
    see_both(&world, reader, 5);
    bpt_close(reader);
    bpt_world_end(&world);
}

/* The medium comes back without what was not written, but with the page; the machine did not start anew. */
static void lose_all_but_the_page(bpt_world *world, bp_store *store)
{
    size_t size = 0;
    uint8_t *page = bpt_file_read(world, "live", &size);
    assert_int_equal(size, BPI_LIVE_SIZE);
    (void)bpt_power_cut(world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    bpt_file_write(world, "live", page, size);
    free(page);
}

static void a_page_that_outlived_its_events_stops_nobody(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        bpt_world world;
        begin(&world, other ? 1 : UNKNOWN, UNKNOWN);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "a", "kept");
        assert_int_equal(bp_sync(store, NULL), BP_OK);
        bpt_put(store, "a", "lost");
        lose_all_but_the_page(&world, store);
        scene.writer = other ? 2 : UNKNOWN;
        bp_store *reader = open_reader(&world);
        see_both(&world, reader, 1);
        store = bpt_open(&world); /* cuts */
        see_both(&world, reader, 1);
        bpt_put(store, "b", "goes on");
        see_both(&world, reader, 2);
        bpt_close(reader);
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), 2);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_on_another_mount_follows),
        cmocka_unit_test(a_reader_of_a_mount_that_is_not_known_follows),
        cmocka_unit_test(after_a_kill_readers_show_what_was_told),
        cmocka_unit_test(a_page_that_outlived_its_events_stops_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
