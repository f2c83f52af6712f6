/*
 * test_comeback.c: a reader opens, without a live page that it believes, while a writer who was killed comes back: at every call that
 * the reader makes to the world the writer opens the store, claims it and appends. What is only newer is not damage.
 */
#include <errno.h>

#include "format/live.h"
#include "format/manifest.h"
#include "support/forge.h"

enum { EVENTS = 12, CALLS_MAX = 5000, SLOT_FLAGS = 68, FLIPPED = 100 };

static struct {
    const bp_io *base;
    bp_io table;
    bpt_world *world;
    bp_store *store;    /* NULL: the writer has not come back */
    unsigned countdown; /* 0: never */
    bool unmapped;      /* the page cannot be mapped by who opens */
} scene;

/* In the next epoch. */
static void come_back(void)
{
    scene.store = bpt_open(scene.world);
    bpt_put(scene.store, "e", "of the writer who came back");
}

static void meddle(void)
{
    if (scene.countdown != 0 && --scene.countdown == 0) {
        come_back();
    }
}

static int file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    meddle();
    return scene.base->file_open(context, dir, name, flags, file_out);
}

static int file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    meddle();
    return scene.base->file_read(context, file, offset, buffer, size, got_out);
}

static int file_size(void *context, bp_file *file, uint64_t *size_out)
{
    meddle();
    return scene.base->file_size(context, file, size_out);
}

static int map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    meddle();
    return scene.unmapped && size == BPI_LIVE_SIZE ? ENOMEM
                                                   : scene.base->map_open(context, file, size, writable, address_out);
}

static void forget_clean(uint8_t *slot, size_t size)
{
    assert_true(size > SLOT_FLAGS);
    slot[SLOT_FLAGS] = 0;
}

/* A store whose writer was killed. */
static void begin(bpt_world *world, bool page)
{
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < EVENTS; i++) {
        bpt_put(store, "e", "a payload of some length");
    }
    bpt_close(store);
    bpt_change_manifest(world, forget_clean);
    if (!page) {
        bpt_file_remove(world, "live");
    }
    memset(&scene, 0, sizeof scene);
    scene.base = world->io;
    scene.table = *world->io;
    scene.table.file_open = file_open;
    scene.table.file_read = file_read;
    scene.table.file_size = file_size;
    scene.table.map_open = map_open;
    scene.world = world;
}

static void opening(bool page, bool unmapped)
{
    bool met = true;
    for (unsigned at = 1; met && at < CALLS_MAX; at++) {
        bpt_world world;
        bp_store *reader = NULL;
        bp_error error = {0};
        uint64_t count = 0;
        begin(&world, page);
        bp_options options = world.options;
        options.io = &scene.table;
        scene.countdown = at;
        scene.unmapped = unmapped;
        bpt_note("the writer comes back at call %u", at);
        CHECK_OK(bp_open_reader(world.path, &options, &reader, &error), &error);
        scene.countdown = 0;
        scene.unmapped = false;
        met = scene.store != NULL;
        if (!met) {
            come_back();
        }
        CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
        assert_int_equal(count, EVENTS + 1);
        bpt_close(reader);
        bpt_close(scene.store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
        assert_true(met || at > 10);
    }
    assert_false(met);
}

static void without_a_page(void **state)
{
    (void)state;
    opening(false, false);
}

static void with_a_page_that_cannot_be_mapped(void **state)
{
    (void)state;
    opening(false, true);
    opening(true, true);
}

static void with_the_page_of_before(void **state)
{
    (void)state;
    opening(true, false);
}

/* Damage is damage, however often it is looked at. */
static void what_is_missing_is_told(void **state)
{
    bpt_world world;
    bp_store *reader = NULL;
    bp_error error = {0};
    (void)state;
    begin(&world, false);
    size_t size = 0;
    uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
    assert_non_null(data);
    data[BPI_SEGMENT_HEADER + FLIPPED] ^= 1;
    bpt_file_write(&world, "log/0000000000-1.seg", data, size);
    free(data);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(world.path, &world.options, &reader, &error), &error);
    assert_null(reader);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_page),
        cmocka_unit_test(with_a_page_that_cannot_be_mapped),
        cmocka_unit_test(with_the_page_of_before),
        cmocka_unit_test(what_is_missing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
