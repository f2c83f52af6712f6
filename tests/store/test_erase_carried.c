/*
 * test_erase_carried.c: an erasure that is on record and not finished goes along with every copy of the store: the first opening of a
 * restored, a copied or a repaired one finishes it.
 */
#include <batpak/repair.h>
#include <batpak/snapshot.h>

#include "support/world.h"

#include "store/intent.h"

#define SECRET "the words that have to go"

typedef enum way { RESTORED, COPIED, REPAIRED, WAYS } way;

static bool stop_writing(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return strcmp(what, "rewriting") != 0;
}

static void erase_by_half(bp_store *store)
{
    bp_error error = {0};
    bp_region region = bp_region_stream("person:1");
    bp_erase_options options;
    bp_erase_options_init(&options);
    options.region = &region;
    options.reason = "asked for";
    options.by = "a clerk";
    options.progress = stop_writing;
    CHECK_STATUS(BP_END, bp_erase(store, &options, NULL, &error), &error);
}

/* What the store at `path` says of the event, once a writer has opened it. */
static void expect_erased(bpt_world *world, const char *path)
{
    bp_error error = {0};
    bp_store *store = NULL;
    const bp_event *event = NULL;
    CHECK_OK(bp_open(path, &world->options, &store, &error), &error);
    CHECK_OK(bp_get_sequence(store, 0, &event, &error), &error);
    CHECK(event->payload_absent, "%s has the payload still", path);
    bp_event_release(event);
    CHECK_OK(bp_get_sequence(store, 1, &event, &error), &error);
    assert_false(event->payload_absent);
    bp_event_release(event);
    bpt_close(store);
}

static void repair(bpt_world *world, const char *from, const char *to)
{
    bp_error error = {0};
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = world->io;
    CHECK_OK(bp_repair(from, to, &options, NULL, &error), &error);
}

static void restore(bpt_world *world, const char *from, const char *to)
{
    bp_error error = {0};
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = world->io;
    CHECK_OK(bp_restore(from, to, &options, NULL, &error), &error);
}

static void an_unfinished_erasure_goes_along(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2 * WAYS; how++) {
        bpt_world world;
        bp_error error = {0};
        char other[600];
        char copy[600];
        bool by_reader = how >= WAYS;
        bpt_note("way %u", how);
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "person:1", SECRET);
        bpt_put(store, "person:2", "stays");
        erase_by_half(store);
        (void)snprintf(other, sizeof other, "%s-other", world.path);
        (void)snprintf(copy, sizeof copy, "%s-copy", world.path);
        if (how % WAYS == COPIED) {
            bp_store *reader = by_reader ? bpt_reader(&world) : NULL;
            CHECK_OK(bp_snapshot(by_reader ? reader : store, copy, NULL, NULL, &error), &error);
            bpt_close(reader);
        }
        bpt_close(store);
        if (how % WAYS == RESTORED) {
            restore(&world, world.path, other);
        } else if (how % WAYS == COPIED) {
            restore(&world, copy, other);
        } else {
            repair(&world, world.path, other);
        }
        expect_erased(&world, other);
        expect_erased(&world, world.path);
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
}

static void find_note(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, BPI_INTENT_PREFIX, strlen(BPI_INTENT_PREFIX)) == 0) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

/* Whichever byte of the note is another one, even the version: a repair takes what can be proven. */
static void a_damaged_note_is_left_out_of_a_repair(void **state)
{
    (void)state;
    for (size_t at = 0; at < BPI_INTENT_HEADER + 2; at++) {
        bpt_world world;
        bp_error error = {0};
        bp_store *repaired = NULL;
        size_t size = 0;
        char note[64] = "";
        char other[600];
        bpt_note("byte %zu", at);
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "person:1", SECRET);
        erase_by_half(store);
        bpt_close(store);
        bpt_file_each(&world, find_note, note);
        uint8_t *bytes = bpt_file_read(&world, note, &size);
        assert_non_null(bytes);
        bytes[at] ^= 0x10;
        bpt_file_write(&world, note, bytes, size);
        free(bytes);
        (void)snprintf(other, sizeof other, "%s-other", world.path);
        repair(&world, world.path, other);
        CHECK_OK(bp_open(other, &world.options, &repaired, &error), &error);
        bpt_close(repaired);
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unfinished_erasure_goes_along),
        cmocka_unit_test(a_damaged_note_is_left_out_of_a_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
