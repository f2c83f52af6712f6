/*
 * snapshot_fixture.h: stores beside a world's own: where they lie, that they are proven, what is in them.
 */
#ifndef TESTS_STORE_SNAPSHOT_FIXTURE_H
#define TESTS_STORE_SNAPSHOT_FIXTURE_H

#include <errno.h>

#include "support/world.h"

static bp_error error;

/* A world's path below its store's: "<path>-<name>". */
static inline const char *beside(const bpt_world *world, const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s-%s", world->path, name);
    return path;
}

static inline bp_verify_report proven(const bpt_world *world, const char *path)
{
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = world->io;
    CHECK_OK(bp_verify(path, &options, &report, &error), &error);
    return report;
}

static inline bp_store *open_at(const bpt_world *world, const char *path, bool reader)
{
    bp_store *store = NULL;
    bp_options options = world->options;
    options.create = false;
    CHECK_OK(reader ? bp_open_reader(path, &options, &store, &error) : bp_open(path, &options, &store, &error), &error);
    return store;
}

static inline bp_restore_options restoring(const bpt_world *world)
{
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = world->io;
    return options;
}

/* Fills some segments. */
static inline void fill(bp_store *store, unsigned events, unsigned from)
{
    for (unsigned i = 0; i < events; i++) {
        char entity[32];
        (void)snprintf(entity, sizeof entity, "item:%u", (from + i) % 7);
        (void)bpt_put_sized(store, entity, 2000);
    }
}

/* Both hold the same events below `events`, hash by hash, and the copy no more. */
static inline void check_prefix(bp_store *original, bp_store *copy, uint64_t events)
{
    CHECK(bp_store_frontiers(copy).published == events, "the copy has %llu events, not %llu",
          (unsigned long long)bp_store_frontiers(copy).published, (unsigned long long)events);
    for (uint64_t sequence = 0; sequence < events; sequence++) {
        const bp_event *one = NULL;
        const bp_event *other = NULL;
        CHECK_OK(bp_get_sequence(original, sequence, &one, &error), &error);
        CHECK_OK(bp_get_sequence(copy, sequence, &other, &error), &error);
        CHECK(bp_hash_equal(&one->event_hash, &other->event_hash), "event %llu differs", (unsigned long long)sequence);
        CHECK(one->payload_size == other->payload_size && memcmp(one->payload, other->payload, one->payload_size) == 0,
              "payload %llu differs", (unsigned long long)sequence);
        bp_event_release(one);
        bp_event_release(other);
    }
}

static inline int count_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    (void)is_directory;
    (void)size;
    (void)name;
    ++*(unsigned *)argument;
    return 0;
}

/* How many names a directory holds; 0: none, or there is no such directory. */
static inline unsigned names_in(const bpt_world *world, const char *path)
{
    const bp_io *io = world->io != NULL ? world->io : bp_io_posix();
    bp_dir *dir = NULL;
    unsigned count = 0;
    if (io->dir_open(io->context, path, false, &dir) == 0) {
        (void)io->dir_list(io->context, dir, count_name, &count);
        io->dir_close(io->context, dir);
    }
    return count;
}

static inline void flip(const bpt_world *world, const char *directory, const char *name, uint64_t offset)
{
    const bp_io *io = world->io != NULL ? world->io : bp_io_posix();
    char path[700];
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    uint8_t byte = 0;
    size_t got = 0;
    (void)snprintf(path, sizeof path, "%s/log", directory);
    assert_int_equal(io->dir_open(io->context, path, false, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, name, BP_OPEN_WRITE, &file), 0);
    assert_int_equal(io->file_read(io->context, file, offset, &byte, 1, &got), 0);
    byte ^= 1;
    assert_int_equal(io->file_write(io->context, file, offset, &byte, 1), 0);
    io->file_close(io->context, file);
    io->dir_close(io->context, dir);
}

/* ---- what is in it ---- */

#endif
