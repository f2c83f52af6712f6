/*
 * test_restore_race.c: a writer makes a store where a store is being restored, at the same moment: one of them is refused, and the
 * other one's files are whole.
 */
#include "support/world.h"

static struct {
    const bp_io *base;
    bp_io table;
    bpt_world *world;
    const char *at; /* before this is made in the target */
    bp_store *store;
    bp_status opened;
    bool done;
} scene;

/* Who comes meanwhile. */
static void come(const char *name)
{
    if (!scene.done && strcmp(name, scene.at) == 0) {
        scene.done = true;
        scene.opened = bp_open("target", &scene.world->options, &scene.store, NULL);
        if (scene.opened == BP_OK) {
            bpt_put(scene.store, "a", "acknowledged");
        }
    }
}

static int file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    if ((flags & BP_OPEN_CREATE) != 0) {
        come(name);
    }
    return scene.base->file_open(context, dir, name, flags, file_out);
}

static int dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    if (create) {
        come(name);
    }
    return scene.base->dir_open_at(context, parent, name, create, dir_out);
}

/* A store, and its snapshot beside it. */
static void begin(bpt_world *world, const char *at)
{
    bpt_world_fault(world);
    bp_snapshot_options how;
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    for (int i = 0; i < 5; i++) {
        bpt_put(store, "a", "x");
    }
    bp_snapshot_options_init(&how);
    CHECK_OK(bp_snapshot(store, "copy", &how, NULL, &error), &error);
    bpt_close(store);
    memset(&scene, 0, sizeof scene);
    scene.base = world->io;
    scene.table = *world->io;
    scene.table.file_open = file_open;
    scene.table.dir_open_at = dir_open_at;
    scene.world = world;
    scene.at = at;
}

static bp_status restore(bpt_world *world)
{
    bp_restore_options how;
    bp_restore_options_init(&how);
    how.io = &scene.table;
    how.clock = world->options.clock;
    how.random = world->options.random;
    bp_status status = bp_restore("copy", "target", &how, NULL, NULL);
    assert_true(scene.done);
    return status;
}

static void expect_events(bpt_world *world, uint64_t events)
{
    bp_store *store = NULL;
    bp_error error = {0};
    CHECK_OK(bp_open("target", &world->options, &store, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, events);
    bpt_put(store, "b", "goes on");
    bpt_close(store);
}

static void a_writer_who_was_first_keeps_his_store(void **state)
{
    bpt_world world;
    (void)state;
    begin(&world, "INCOMPLETE");
    assert_int_equal(restore(&world), BP_ERR_NOT_EMPTY);
    assert_int_equal(scene.opened, BP_OK);
    bpt_put(scene.store, "a", "goes on");
    bpt_close(scene.store);
    expect_events(&world, 2);
    bpt_world_end(&world);
}

static void a_writer_who_comes_behind_the_marker_is_refused(void **state)
{
    bpt_world world;
    (void)state;
    begin(&world, "log");
    assert_int_equal(restore(&world), BP_OK);
    assert_int_equal(scene.opened, BP_ERR_CORRUPT); /* "a copy is being made there, or was broken off" */
    expect_events(&world, 5);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_who_was_first_keeps_his_store),
        cmocka_unit_test(a_writer_who_comes_behind_the_marker_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
