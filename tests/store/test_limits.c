/*
 * test_limits.c: what there may be no more of: names for kinds, events of a commit with the names they bring, words of a walk's end;
 * arguments of a restore; a name of a kind that holds none, under right checksums.
 */
#include <batpak/erase.h>

#include "format/record.h"
#include "support/forge.h"

enum { KINDS = 4096 }; /* of one category; type 0 is none */

static void all_kinds_are_taken_at_some_time(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_kind_code kind = 0;
    unsigned defined = 0;
    (void)state;
    bpt_world_memory(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    while (bp_kind_next_free(store, &kind, &error) == BP_OK) {
        char name[16];
        (void)snprintf(name, sizeof name, "k%u", defined++);
        assert_true(bp_kind_category(kind) == 1 && defined <= KINDS);
        CHECK_OK(bp_kind_define(store, kind, name, &error), &error);
    }
    CHECK_STATUS(BP_ERR_KIND, bp_kind_next_free(store, &kind, &error), &error);
    assert_true(defined >= KINDS - 1);
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = "one.more";
    CHECK_STATUS(BP_ERR_KIND, bp_append(store, bp_at("e", "s"), 0, bp_raw("x", 1), &options, NULL, &error), &error);
    CHECK_SAYS(&error, "all kinds of category 1 are taken");
    options.kind_name = "k7";
    CHECK_OK(bp_append(store, bp_at("e", "s"), 0, bp_raw("x", 1), &options, NULL, &error), &error);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), defined + 1);
    store = bpt_open(&world);
    assert_string_equal(bp_kind_name(store, bp_kind(1, 8)), "k7");
    bpt_close(store);
    bpt_world_end(&world);
}

static void names_of_the_library_are_not_given_away(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_EXISTS, bp_kind_define(store, bp_kind(1, 1), "DATA", &error), &error);
    CHECK_SAYS(&error, "DATA is the name of kind 0x0000");
    CHECK_STATUS(BP_ERR_KIND, bp_kind_define(store, BP_KIND_DATA, "mine", &error), &error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_define(store, BP_KIND_TOMBSTONE, "mine", &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

/* The names take places of the commit, too. */
static void a_commit_holds_so_many_events_and_new_names(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_batch_item *items = calloc(BP_BATCH_MAX, sizeof *items);
    assert_non_null(items);
    bp_append_options_init(&options);
    options.kind_name = "a.new.name";
    for (size_t i = 0; i < BP_BATCH_MAX; i++) {
        items[i] = (bp_batch_item){bp_at("e", "s"), 0, bp_raw("x", 1), &options};
    }
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_append_batch(store, items, BP_BATCH_MAX, NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "4096 events and 1 new kind names");
    assert_int_equal(bp_store_frontiers(store).published, 0);
    CHECK_OK(bp_append_batch(store, items, BP_BATCH_MAX - 1, NULL, NULL, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, BP_BATCH_MAX);
    CHECK_OK(bp_append_batch(store, items, BP_BATCH_MAX, NULL, NULL, &error), &error); /* it is no new name any more */
    free(items);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2 * BP_BATCH_MAX);
    bpt_world_end(&world);
}

enum { LARGE_COUNT = 4, SMALL_COUNT = BP_BATCH_MAX - LARGE_COUNT };

/* One commit: as many small events of "small" as there may be, and large ones of "large", the last of `last` bytes. */
static bp_status append_large(bp_store *store, const void *bytes, size_t large, size_t last, bp_error *error)
{
    bp_batch_item *items = calloc(BP_BATCH_MAX, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < BP_BATCH_MAX; i++) {
        size_t size = i < SMALL_COUNT ? 1 : i + 1 < BP_BATCH_MAX ? large : last;
        items[i] =
            (bp_batch_item){bp_at(i < SMALL_COUNT ? "small" : "large", "s"), bp_kind(1, 1), bp_raw(bytes, size), NULL};
    }
    bp_status status = bp_append_batch(store, items, BP_BATCH_MAX, NULL, NULL, error);
    free(items);
    return status;
}

static uint64_t position_of(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    assert_int_equal(bp_get_sequence(store, sequence, &event, NULL), BP_OK);
    uint64_t position = event->position;
    bp_event_release(event);
    return position;
}

/* A stub is larger than a payload of a few bytes: the largest commit has room for those of all its events. */
static void all_of_the_largest_commit_can_be_erased(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_erase_options options;
    bp_erase_report report;
    bp_region region = bp_region_stream("small");
    (void)state;
    bpt_world_disk(&world);
    world.options.payload_max = BP_PAYLOAD_MAX;
    bp_store *store = bpt_open(&world);
    uint8_t *bytes = calloc(1, BP_PAYLOAD_MAX);
    assert_non_null(bytes);
    CHECK_OK(append_large(store, bytes, 8, 8, &error), &error);
    bpt_put(store, "behind", "x");
    uint64_t least = position_of(store, BP_BATCH_MAX) - position_of(store, 0);
    uint64_t room = BP_FRAME_MAX - SMALL_COUNT * sizeof(bp_hash) - least;
    size_t last = (size_t)(room - 3 * (uint64_t)(BP_PAYLOAD_MAX - 8)) + 8;
    last -= last % 8;
    CHECK_STATUS(BP_ERR_TOO_LARGE, append_large(store, bytes, BP_PAYLOAD_MAX, last + 8, &error), &error);
    CHECK_SAYS(&error, "over the limit of 268435456 bytes for one commit");
    CHECK_OK(append_large(store, bytes, BP_PAYLOAD_MAX, last, &error), &error);
    free(bytes);
    bp_erase_options_init(&options);
    options.region = &region;
    options.reason = options.by = "x";
    CHECK_OK(bp_erase(store, &options, &report, &error), &error);
    assert_int_equal(report.erased, 2 * SMALL_COUNT);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2 * BP_BATCH_MAX + 2);
    bpt_world_end(&world);
}

/* The only event of a store is a name; its payload is cut to so many bytes, or its letters changed. */
static void a_name_that_holds_none_is_damage(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        bpt_world world;
        bp_error error = {0};
        bp_store *other = NULL;
        bpt_note("way %d", how);
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        CHECK_OK(bp_kind_define(store, bp_kind(1, 1), "a", &error), &error);
        bpt_close(store);
        bpt_forge *forge = bpt_forge_begin(&world, 0);
        uint8_t *bytes = bpt_forge_record(forge, 0);
        uint32_t size = bpt_get32(bytes + BPI_RECORD_PAYLOAD_SIZE);
        assert_int_equal(size, 3);
        uint8_t *name = bytes + bpt_forge_length(forge, 0) - 1;
        while (*name != 'a') {
            name--;
        }
        *name = how == 0 ? 0 : '\n';
        bpt_set32(bytes + BPI_RECORD_PAYLOAD_SIZE, how == 0 ? 2 : 3);
        bpt_forge_hash(forge, 0, NULL);
        bpt_forge_fix(forge);
        bpt_forge_end(forge);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_open(world.path, &world.options, &other, &error), &error);
        CHECK_SAYS(&error, "a kind-name event does not hold a kind and a name");
        bp_verify_options options;
        bp_verify_options_init(&options);
        options.io = world.io;
        CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(world.path, &options, NULL, &error), &error);
        bpt_world_end(&world);
    }
}

static void a_restore_needs_two_places(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_restore_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_restore_options_init(&options);
    options.io = world.io;
    static const char *const pairs[][2] = {{NULL, "to"}, {"", "to"}, {"from", NULL}, {"from", ""}};
    for (size_t i = 0; i < 4; i++) {
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_restore(pairs[i][0], pairs[i][1], &options, NULL, &error), &error);
        CHECK_SAYS(&error, "a restore needs a snapshot and a target");
    }
    bp_io table = *world.io;
    table.size = 0;
    options.io = &table;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_restore("from", "to", &options, NULL, &error), &error);
    options.io = world.io;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_restore("from", "to", &options, NULL, &error), &error);
    bpt_world_end(&world);
}

static void set_epoch(uint8_t *bytes, size_t size)
{
    (void)size;
    bpt_set32(bytes + 64, UINT32_MAX);
}

static void set_generation(uint8_t *bytes, size_t size)
{
    (void)size;
    bpt_set64(bytes + 16, UINT64_MAX - (bpt_get64(bytes + 16) % 2 == 0));
}

static void set_ordinal(uint8_t *bytes, size_t size)
{
    (void)size;
    bpt_set32(bytes + 64, UINT32_MAX);
}

static void set_file_generation(uint8_t *bytes, size_t size)
{
    (void)size;
    bpt_set32(bytes + 64 + 4, UINT32_MAX);
}

/* Under right checksums: what counts on from there would wrap around. */
static void what_could_not_count_on_is_damage(void **state)
{
    static const struct {
        bpt_change_fn change;
        bool list;
        bp_status status;
    } forged[] = {{set_epoch, false, BP_ERR_CORRUPT},
                  {set_generation, false, BP_OK}, /* that slot is none: the older one answers */
                  {set_ordinal, true, BP_ERR_CORRUPT},
                  {set_file_generation, true, BP_ERR_CORRUPT}};
    (void)state;
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        bpt_world world;
        bp_error error = {0};
        bp_store *store = NULL;
        bpt_world_memory(&world);
        store = bpt_open(&world);
        bpt_put(store, "e", "x");
        bpt_close(store);
        if (forged[i].list) {
            bpt_change_list(&world, forged[i].change);
        } else {
            bpt_change_manifest(&world, forged[i].change);
        }
        CHECK_STATUS(forged[i].status, bp_open(world.path, &world.options, &store, &error), &error);
        if (forged[i].status == BP_OK) {
            bpt_put(store, "e", "y");
            bpt_close(store);
            assert_int_equal(bpt_verify(&world), 2);
        } else {
            CHECK_SAYS(&error, "out of range");
        }
        bpt_world_end(&world);
    }
}

static void each_end_of_a_walk_has_its_words(void **state)
{
    (void)state;
    assert_string_equal(bp_walk_stop_text(BP_WALK_GOING), "going");
    assert_string_equal(bp_walk_stop_text(BP_WALK_DONE), "done");
    assert_string_equal(bp_walk_stop_text(BP_WALK_LIMIT), "limit");
    assert_string_equal(bp_walk_stop_text(BP_WALK_DEPTH), "depth");
    assert_string_equal(bp_walk_stop_text(BP_WALK_MISSING), "missing causes");
    assert_string_equal(bp_walk_stop_text(BP_WALK_DROPPED), "dropped events");
    assert_string_equal(bp_walk_stop_text((bp_walk_stop)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_taken_at_some_time),
        cmocka_unit_test(names_of_the_library_are_not_given_away),
        cmocka_unit_test(a_commit_holds_so_many_events_and_new_names),
        cmocka_unit_test(all_of_the_largest_commit_can_be_erased),
        cmocka_unit_test(a_name_that_holds_none_is_damage),
        cmocka_unit_test(a_restore_needs_two_places),
        cmocka_unit_test(what_could_not_count_on_is_damage),
        cmocka_unit_test(each_end_of_a_walk_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
