/*
 * test_snapshot.c: a store as of one moment in another directory, and a store out of it: what is in it, what it shares, where it
 * may lie, what becomes of it when things go wrong.
 */
/* The library's own headers come first: the fixture has a variable by the name of their parameters. */
#include "log/transfer.h"
#include "store/store.h"

#include "store/snapshot_fixture.h"

static void check_moment(bpt_world *world)
{
    bp_snapshot_report report;
    bp_store *store = bpt_open(world);
    fill(store, 150, 0);
    CHECK_OK(bp_snapshot(store, beside(world, "snap"), NULL, &report, &error), &error);
    fill(store, 60, 150);
    assert_int_equal(report.events, 150);
    CHECK(report.linked >= 3 && report.copied >= 1, "linked %llu, copied %llu", (unsigned long long)report.linked,
          (unsigned long long)report.copied);
    assert_true(report.recorded);
    bp_verify_report proof = proven(world, beside(world, "snap"));
    assert_int_equal(proof.events, 150);
    assert_int_equal(proof.unsettled_bytes, 0);
    assert_true(bp_hash_equal(&proof.root, &report.root));
    bp_store *copy = open_at(world, beside(world, "snap"), true);
    check_prefix(store, copy, 150);
    bpt_close(copy);
    bpt_close(store);
    assert_int_equal(bpt_verify(world), 210);
}

static void a_snapshot_is_the_store_as_of_its_moment(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    check_moment(&world);
    bpt_world_end(&world);
    bpt_world_disk(&world);
    check_moment(&world);
    bpt_world_end(&world);
}

/* At every length of a store, rotations and seals and ends of segments included. */
static void a_snapshot_after_every_event(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < 70; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "s%u", i);
        bpt_note("after %u events", i);
        bp_snapshot_report report;
        CHECK_OK(bp_snapshot(store, beside(&world, name), NULL, &report, &error), &error);
        assert_int_equal(report.events, i);
        bp_store *copy = open_at(&world, beside(&world, name), i % 2 == 0);
        check_prefix(store, copy, i);
        if (i % 2 != 0) {
            fill(copy, 40, i);
        }
        bpt_close(copy);
        if (i % 10 == 9) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
        fill(store, 1, i);
    }
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 70);
    bpt_world_end(&world);
}

/* The frontier may be the very beginning of a segment, and somebody appends there before the log is looked at. */
static void a_frontier_at_the_beginning_of_a_segment(void **state)
{
    (void)state;
    bpt_world world;
    bpi_catalog catalog;
    bpi_picture picture;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 40, 0);
    CHECK_OK(bp_seal(store, &error), &error);
    fill(store, 3, 40);
    const bpi_home *home = &store->log.home;
    CHECK_OK(bpi_catalog_load(home, &catalog, &error), &error);
    const bpi_segment_entry *last = &catalog.entries[catalog.count - 1];
    uint64_t frontier = bpi_lsn(last->ordinal, BPI_SEGMENT_HEADER);
    CHECK_OK(bpi_picture_take(&picture, home, &catalog, frontier, &error), &error);
    assert_int_equal(picture.frontier, frontier);
    assert_int_equal(picture.events, 40);
    bpi_picture_free(&picture);
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_empty_store_has_a_snapshot(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bpt_close(store);
    bp_store *copy = open_at(&world, beside(&world, "snap"), false);
    (void)bpt_put(copy, "first", "{}");
    bpt_close(copy);
    assert_int_equal(proven(&world, beside(&world, "snap")).events, 1);
    bpt_world_end(&world);
}

static void buffered_events_are_in_it(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bp_snapshot_report report;
    bp_store *store = bpt_open(&world);
    fill(store, 80, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, &report, &error), &error);
    assert_int_equal(report.events, 80);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_readers_snapshot_has_what_is_durable(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_snapshot_report report;
    bp_store *store = bpt_open(&world);
    fill(store, 90, 0);
    bp_store *reader = bpt_reader(&world);
    fill(store, 20, 90);
    CHECK_OK(bp_snapshot(reader, beside(&world, "snap"), NULL, &report, &error), &error);
    assert_int_equal(report.events, 110);
    assert_true(report.recorded);
    bp_store *copy = open_at(&world, beside(&world, "snap"), true);
    check_prefix(store, copy, 110);
    bpt_close(copy);
    bpt_close(reader);
    bpt_close(store);
    reader = bpt_reader(&world); /* and with nobody writing */
    CHECK_OK(bp_snapshot(reader, beside(&world, "cold"), NULL, &report, &error), &error);
    assert_int_equal(report.events, 110);
    bpt_close(reader);
    bpt_world_end(&world);
}

static void histories_that_part_are_told_apart(void **state)
{
    (void)state;
    bpt_world world;
    bp_position common;
    bp_position ahead;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 40, 0);
    CHECK_OK(bp_store_position(store, &common, &error), &error);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    fill(store, 5, 40);
    CHECK_OK(bp_store_position(store, &ahead, &error), &error);
    bp_store *copy = open_at(&world, beside(&world, "snap"), false);
    CHECK_OK(bp_position_check(copy, &common, &error), &error);
    CHECK_STATUS(BP_ERR_DIVERGED, bp_position_check(copy, &ahead, &error), &error);
    fill(copy, 5, 40); /* the same words, another history */
    CHECK_OK(bp_position_check(copy, &common, &error), &error);
    CHECK_STATUS(BP_ERR_DIVERGED, bp_position_check(copy, &ahead, &error), &error);
    CHECK(bp_store_frontiers(copy).epoch > common.epoch, "the copy has no epoch of its own");
    bpt_close(copy);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- what it shares ---- */

static void sealed_files_are_shared_and_never_written(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bpt_close(store);
    bp_verify_report before = proven(&world, world.path);
    for (int round = 0; round < 3; round++) {
        bp_store *copy = open_at(&world, beside(&world, "snap"), false);
        fill(copy, 60, 0);
        CHECK_OK(bp_seal(copy, &error), &error);
        bpt_close(copy);
    }
    bp_verify_report after = proven(&world, world.path);
    assert_true(bp_hash_equal(&before.root, &after.root));
    assert_int_equal(before.bytes, after.bytes);
    bpt_world_end(&world);
}

/* What a copy with hard links (cp -al) of a whole store would do to the original. */
static void an_open_segment_with_two_names_is_refused(void **state)
{
    (void)state;
    bpt_world world;
    bp_dir *log = NULL;
    bp_dir *other = NULL;
    bp_file *file = NULL;
    char path[600];
    bpt_world_memory(&world);
    bpt_close(bpt_open(&world));
    (void)snprintf(path, sizeof path, "%s/log", world.path);
    assert_int_equal(world.io->dir_open(world.io->context, path, false, &log), 0);
    assert_int_equal(world.io->dir_open(world.io->context, "elsewhere", true, &other), 0);
    assert_int_equal(world.io->file_open(world.io->context, log, "0000000000-1.seg", BP_OPEN_READ, &file), 0);
    assert_int_equal(world.io->file_link(world.io->context, file, other, "0000000000-1.seg"), 0);
    bp_store *store = NULL;
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_open(world.path, &world.options, &store, &error), &error);
    CHECK_SAYS(&error, "names");
    CHECK_SAYS(&error, "restore");
    assert_int_equal(world.io->dir_remove(world.io->context, other, "0000000000-1.seg"), 0);
    bpt_close(bpt_open(&world));
    world.io->file_close(world.io->context, file);
    world.io->dir_close(world.io->context, log);
    world.io->dir_close(world.io->context, other);
    bpt_world_end(&world);
}

static void sharing_is_as_asked_and_as_can_be(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_options options;
    bp_snapshot_report report;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    bp_snapshot_options_init(&options);
    options.sharing = BP_SHARE_CLONE;
    CHECK_OK(bp_snapshot(store, beside(&world, "cloned"), &options, &report, &error), &error);
    CHECK(report.cloned >= 2 && report.linked == 0 && report.copied == 1, "not cloned");
    options.sharing = BP_SHARE_NOTHING;
    CHECK_OK(bp_snapshot(store, beside(&world, "copied"), &options, &report, &error), &error);
    CHECK(report.cloned == 0 && report.linked == 0 && report.copied == report.segments && report.shared_bytes == 0,
          "not copied");
    bpt_close(store);
    /* a table of a time before there were links: copies, whatever is asked */
    bp_io old = *world.io;
    old.size = offsetof(bp_io, file_link);
    world.options.io = &old;
    store = bpt_open(&world);
    CHECK_OK(bp_snapshot(store, beside(&world, "old"), NULL, &report, &error), &error);
    CHECK(report.cloned == 0 && report.linked == 0 && report.copied == report.segments, "not copied");
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_incremental_one_takes_what_is_there(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_options options;
    bp_snapshot_report first;
    bp_snapshot_report second;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    bp_snapshot_options_init(&options);
    options.sharing = BP_SHARE_NOTHING;
    CHECK_OK(bp_snapshot(store, beside(&world, "one"), &options, &first, &error), &error);
    fill(store, 100, 100);
    options.since = beside(&world, "one");
    CHECK_OK(bp_snapshot(store, beside(&world, "two"), &options, &second, &error), &error);
    assert_int_equal(second.reused, first.segments - 1);
    assert_int_equal(second.reused + second.copied, second.segments);
    assert_int_equal(second.events, 200);
    /* a file of the earlier one that is not right any more is not taken, and does no harm */
    flip(&world, beside(&world, "two"), "0000000001-1.seg", 5000);
    options.since = beside(&world, "two");
    CHECK_OK(bp_snapshot(store, beside(&world, "three"), &options, &second, &error), &error);
    assert_int_equal(proven(&world, beside(&world, "three")).events, 200);
    bp_store *copy = open_at(&world, beside(&world, "three"), true);
    check_prefix(store, copy, 200);
    bpt_close(copy);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- restoring ---- */

static void a_restored_store_is_its_own(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_report taken;
    bp_snapshot_report restored;
    bpt_world_memory(&world);
    bp_restore_options options = restoring(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, &taken, &error), &error);
    CHECK_OK(bp_restore(beside(&world, "snap"), beside(&world, "back"), &options, &restored, &error), &error);
    assert_int_equal(restored.events, 100);
    assert_int_equal(restored.linked, 0);
    assert_int_equal(restored.copied, restored.segments);
    assert_true(bp_hash_equal(&taken.root, &restored.root));
    assert_true(bp_id_equal(&taken.store_id, &restored.store_id));
    assert_true(bp_id_is_nil(&restored.id));
    CHECK(restored.epoch > taken.epoch, "no new epoch");
    flip(&world, beside(&world, "snap"), "0000000001-1.seg", 5000); /* and of the store, whose file it is */
    bp_store *back = open_at(&world, beside(&world, "back"), false);
    fill(back, 10, 100);
    bpt_close(back);
    assert_int_equal(proven(&world, beside(&world, "back")).events, 110);
    flip(&world, beside(&world, "snap"), "0000000001-1.seg", 5000);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_compacted_store_comes_back_compacted(void **state)
{
    (void)state;
    bpt_world world;
    bp_compact_options compact;
    const bp_event *event = NULL;
    bpt_world_memory(&world);
    bp_restore_options options = restoring(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 150, 0);
    CHECK_OK(bp_seal(store, &error), &error);
    bp_compact_options_init(&compact);
    compact.keep_last = 3;
    CHECK_OK(bp_compact(store, &compact, NULL, &error), &error);
    fill(store, 20, 150);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    CHECK_OK(bp_restore(beside(&world, "snap"), beside(&world, "back"), &options, NULL, &error), &error);
    bp_store *back = open_at(&world, beside(&world, "back"), false);
    for (uint64_t sequence = 0; sequence < 170; sequence++) {
        bp_status is = bp_get_sequence(back, sequence, &event, &error);
        CHECK(is == (sequence < 150 - 7 * 3 ? BP_ERR_DROPPED : BP_OK), "%d of %d", (int)is, (int)sequence);
        bp_event_release(is == BP_OK ? event : NULL);
    }
    fill(back, 10, 170);
    CHECK_OK(bp_compact(back, NULL, NULL, &error), &error);
    bpt_close(back);
    bp_verify_report proof = proven(&world, beside(&world, "back"));
    assert_true(proof.events == 180 && proof.dropped == 129);
    assert_int_equal(proven(&world, beside(&world, "snap")).dropped, 129);
    bpt_close(store);
    bpt_world_end(&world);
}

/* Nothing is in the target while a snapshot is looked at that will be refused. */
static void nothing_is_made(void *context, const char *what, uint64_t done, uint64_t total)
{
    const bpt_world *world = context;
    (void)what;
    (void)done;
    (void)total;
    assert_int_equal(names_in(world, beside(world, "back")), 0);
}

static void a_damaged_snapshot_is_found_before_anything_is_made(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_restore_options options = restoring(&world);
    bp_snapshot_options copying;
    bp_snapshot_options_init(&copying);
    copying.sharing = BP_SHARE_NOTHING;
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), &copying, NULL, &error), &error);
    bpt_close(store);
    options.progress = nothing_is_made;
    options.progress_context = &world;
    static const char *const files[] = {"0000000000-1.seg", "0000000001-1.seg", "0000000002-1.seg"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (uint64_t at = 0; at < 6000; at += 373) {
            bpt_note("%s at %llu", files[i], (unsigned long long)at);
            flip(&world, beside(&world, "snap"), files[i], at);
            CHECK_STATUS(BP_ERR_CORRUPT,
                         bp_restore(beside(&world, "snap"), beside(&world, "back"), &options, NULL, &error), &error);
            assert_int_equal(names_in(&world, beside(&world, "back")), 0);
            flip(&world, beside(&world, "snap"), files[i], at);
        }
    }
    options.progress = NULL;
    CHECK_OK(bp_restore(beside(&world, "snap"), beside(&world, "back"), &options, NULL, &error), &error);
    bpt_world_end(&world);
}

static void a_damaged_store_gives_no_snapshot(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 100, 0);
    flip(&world, world.path, "0000000001-1.seg", 5000);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "0000000001-1.seg");
    assert_int_equal(names_in(&world, beside(&world, "snap")), 0);
    bp_store *none = NULL;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_open_reader(beside(&world, "snap"), &world.options, &none, &error), &error);
    flip(&world, world.path, "0000000001-1.seg", 5000);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_store_that_is_written_is_not_restored(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_restore_options options = restoring(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10, 0);
    CHECK_STATUS(BP_ERR_LOCKED, bp_restore(world.path, beside(&world, "back"), &options, NULL, &error), &error);
    CHECK_SAYS(&error, "snapshot");
    bpt_close(store);
    CHECK_OK(bp_restore(world.path, beside(&world, "back"), &options, NULL, &error), &error);
    assert_int_equal(proven(&world, beside(&world, "back")).events, 10);
    bpt_world_end(&world);
}

/* ---- where it may lie ---- */

static void places_that_will_not_do(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_disk(&world);
    bp_restore_options options = restoring(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10, 0);
    char inside[600];
    char deep[600];
    char none[600];
    (void)snprintf(inside, sizeof inside, "%s/snap", world.path);
    (void)snprintf(deep, sizeof deep, "%s/log/snap", world.path);
    (void)snprintf(none, sizeof none, "%s/not/there", world.root);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, inside, NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "inside of");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, deep, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, world.path, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_snapshot(store, none, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_snapshot(store, world.root, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, "", NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, NULL, NULL, NULL, &error), &error);
    assert_int_equal(names_in(&world, inside), 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bpt_close(store);
    (void)snprintf(inside, sizeof inside, "%s/back", beside(&world, "snap"));
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_restore(beside(&world, "snap"), inside, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_restore(beside(&world, "snap"), world.path, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_restore(none, beside(&world, "back"), &options, NULL, &error), &error);
    bpt_world_end(&world);
}

static void another_stores_snapshot_is_no_earlier_one(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_snapshot_options options;
    bp_store *store = bpt_open(&world);
    bp_store *other = NULL;
    CHECK_OK(bp_open(beside(&world, "other"), &world.options, &other, &error), &error);
    CHECK_OK(bp_snapshot(other, beside(&world, "theirs"), NULL, NULL, &error), &error);
    bp_snapshot_options_init(&options);
    options.since = beside(&world, "theirs");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_snapshot(store, beside(&world, "snap"), &options, NULL, &error), &error);
    options.since = beside(&world, "nowhere");
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_snapshot(store, beside(&world, "snap"), &options, NULL, &error), &error);
    assert_int_equal(names_in(&world, beside(&world, "snap")), 0);
    bpt_close(other);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- what comes along, and what is remembered ---- */

static void consumers_and_keys_come_along_when_asked(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_options options;
    bp_snapshot_report report;
    bp_consumer *consumer = NULL;
    bpt_world_memory(&world);
    bp_restore_options back = restoring(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 20, 0);
    CHECK_OK(bp_consumer_open(store, "mailer", NULL, NULL, &consumer, &error), &error);
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
    bp_dir *keys = NULL;
    assert_int_equal(world.io->dir_open(world.io->context, "store/keys", true, &keys), 0);
    world.io->dir_close(world.io->context, keys);
    bpt_file_write(&world, "keys/subject.key", "secret", 6);
    bpt_file_write(&world, "keys/subject.lock", "", 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "bare"), NULL, &report, &error), &error);
    CHECK(report.consumers == 0 && report.keys == 0, "they were not asked for");
    bp_snapshot_options_init(&options);
    options.consumers = true;
    options.keys = true;
    CHECK_OK(bp_snapshot(store, beside(&world, "whole"), &options, &report, &error), &error);
    CHECK(report.consumers == 1 && report.keys == 1, "%u consumers, %u keys", report.consumers, report.keys);
    CHECK_OK(bp_restore(beside(&world, "whole"), beside(&world, "back"), &back, &report, &error), &error);
    CHECK(report.consumers == 1 && report.keys == 1, "%u consumers, %u keys", report.consumers, report.keys);
    back.keys = false;
    back.consumers = false;
    CHECK_OK(bp_restore(beside(&world, "whole"), beside(&world, "less"), &back, &report, &error), &error);
    CHECK(report.consumers == 0 && report.keys == 0, "they were not asked for");
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_unfinished_copy_is_refused_by_all(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_restore_options options = restoring(&world);
    bp_store *store = bpt_open(&world);
    bp_store *none = NULL;
    fill(store, 10, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bp_dir *dir = NULL;
    assert_int_equal(world.io->dir_open(world.io->context, beside(&world, "snap"), false, &dir), 0);
    assert_int_equal(world.io->dir_rename(world.io->context, dir, "SNAPSHOT", "INCOMPLETE"), 0);
    world.io->dir_close(world.io->context, dir);
    bp_verify_options verifying;
    bp_verify_options_init(&verifying);
    verifying.io = world.io;
    const char *path = beside(&world, "snap");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open(path, &world.options, &none, &error), &error);
    CHECK_SAYS(&error, "unfinished copy");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(path, &world.options, &none, &error), &error);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(path, &verifying, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_restore(path, beside(&world, "back"), &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_snapshot(store, path, NULL, NULL, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_the_store_as_of_its_moment),
        cmocka_unit_test(a_snapshot_after_every_event),
        cmocka_unit_test(a_frontier_at_the_beginning_of_a_segment),
        cmocka_unit_test(an_empty_store_has_a_snapshot),
        cmocka_unit_test(buffered_events_are_in_it),
        cmocka_unit_test(a_readers_snapshot_has_what_is_durable),
        cmocka_unit_test(histories_that_part_are_told_apart),
        cmocka_unit_test(sealed_files_are_shared_and_never_written),
        cmocka_unit_test(an_open_segment_with_two_names_is_refused),
        cmocka_unit_test(sharing_is_as_asked_and_as_can_be),
        cmocka_unit_test(an_incremental_one_takes_what_is_there),
        cmocka_unit_test(a_restored_store_is_its_own),
        cmocka_unit_test(a_compacted_store_comes_back_compacted),
        cmocka_unit_test(a_damaged_snapshot_is_found_before_anything_is_made),
        cmocka_unit_test(a_damaged_store_gives_no_snapshot),
        cmocka_unit_test(a_store_that_is_written_is_not_restored),
        cmocka_unit_test(places_that_will_not_do),
        cmocka_unit_test(another_stores_snapshot_is_no_earlier_one),
        cmocka_unit_test(consumers_and_keys_come_along_when_asked),
        cmocka_unit_test(an_unfinished_copy_is_refused_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
