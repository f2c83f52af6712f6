/*
 * test_leftovers.c: segments that others took the place of, and whose files the system does not let go of. They stay on the list,
 * in the midst of the others; nothing reads them, everything goes on beside them, and they go when it can be.
 */
#include <errno.h>

#include "store/snapshot_fixture.h"

enum { SEGMENTS = 4, EACH = 6 };

static struct {
    const bp_io *io;
    bp_io table;
    bool refuses;
} medium;

static int refuse_removal(void *context, bp_dir *dir, const char *name)
{
    size_t size = strlen(name);
    bool segment = size > 4 && strcmp(name + size - 4, ".seg") == 0;
    return medium.refuses && segment ? EIO : medium.io->dir_remove(context, dir, name);
}

typedef struct scene {
    bpt_world world;
    bp_store *store;
    uint64_t events; /* all that were appended */
    uint64_t dropped;
} scene;

static void put(scene *s, unsigned count, bp_durability durability)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = durability;
    for (unsigned i = 0; i < count; i++) {
        bpt_put_with(s->store, s->events % 3 == 0 ? "a" : "b", "some words that are kept", &options);
        s->events++;
    }
}

static bool is_third(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 3 == 2;
}

static void count_segments(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *(unsigned *)argument += strncmp(name, "log/", 4) == 0 && strstr(name, ".seg") != NULL;
}

static unsigned segment_files(scene *s)
{
    unsigned count = 0;
    bpt_file_each(&s->world, count_segments, &count);
    return count;
}

/* Everything that looks at the store finds the same. */
static void look(scene *s, bp_store *store)
{
    uint64_t count = 0;
    CHECK_OK(bp_count(store, NULL, &count, &error), &error);
    CHECK(count == s->events - s->dropped, "%llu events", (unsigned long long)count);
    for (uint64_t i = 0; i < s->events; i++) {
        const bp_event *event = NULL;
        bool gone = s->dropped != 0 && i < (uint64_t)SEGMENTS * EACH && i % 3 == 2;
        CHECK_STATUS(gone ? BP_ERR_DROPPED : BP_OK, bp_get_sequence(store, i, &event, &error), &error);
        bp_event_release(gone ? NULL : event);
    }
}

static void look_from_everywhere(scene *s)
{
    bp_inspection inspection;
    bp_repair_options repair;
    bp_repair_report report;
    look(s, s->store);
    bp_store *reader = bpt_reader(&s->world);
    look(s, reader);
    bpt_close(reader);
    assert_int_equal(bpt_verify(&s->world), s->events);
    CHECK_OK(bp_inspect_recovery(s->world.path, &s->world.options, NULL, NULL, &inspection, &error), &error);
    assert_int_equal(inspection.events, s->events);
    bp_repair_options_init(&repair);
    repair.io = s->world.io;
    repair.dry_run = true;
    CHECK_OK(bp_repair(s->world.path, NULL, &repair, &report, &error), &error);
    assert_true(report.lost == 0 && report.events == s->events - s->dropped);
}

static void compact(scene *s, bool merge, bp_status expected)
{
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = is_third;
    options.merge = merge;
    CHECK_STATUS(expected, bp_compact(s->store, &options, NULL, &error), &error);
    if (expected != BP_OK) {
        CHECK_SAYS(&error, "a segment was rewritten, but its old file cannot be removed");
    }
}

/* Some segments, each rewritten, with the old files beside them. */
static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    medium.io = s->world.io;
    medium.table = *s->world.io;
    medium.table.dir_remove = refuse_removal;
    medium.refuses = false;
    s->world.options.io = &medium.table;
    s->store = bpt_open(&s->world);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        put(s, EACH, BP_DURABLE);
        CHECK_OK(bp_seal(s->store, &error), &error);
    }
    put(s, 2, BP_DURABLE);
    unsigned before = segment_files(s);
    medium.refuses = true;
    for (unsigned i = 0; i < SEGMENTS; i++) { /* each stops behind the first that it rewrote */
        compact(s, false, BP_ERR_IO);
    }
    s->dropped = SEGMENTS * EACH / 3;
    assert_int_equal(segment_files(s), before + SEGMENTS);
}

static void end(scene *s)
{
    bpt_close(s->store);
    s->store = bpt_open(&s->world);
    look_from_everywhere(s);
    bpt_close(s->store);
    assert_int_equal(bpt_verify(&s->world), s->events);
    bpt_world_end(&s->world);
}

static void nothing_reads_them(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    bp_store *reader = bpt_reader(&s.world); /* which goes on beside them */
    look_from_everywhere(&s);
    put(&s, 3, BP_DURABLE);
    CHECK_OK(bp_seal(s.store, &error), &error);
    put(&s, 3, BP_DURABLE);
    look(&s, reader);
    look_from_everywhere(&s);
    bpt_close(reader);
    medium.refuses = false;
    end(&s);
}

static void a_copy_does_without_them(void **state)
{
    scene s;
    bp_snapshot_options options;
    (void)state;
    begin(&s);
    bp_snapshot_options_init(&options);
    CHECK_OK(bp_snapshot(s.store, "copy", &options, NULL, &error), &error);
    assert_int_equal(proven(&s.world, "copy").events, s.events);
    bp_store *copy = open_at(&s.world, "copy", true);
    look(&s, copy);
    bpt_close(copy);
    medium.refuses = false;
    end(&s);
}

/* Merging what lies around them. */
static void they_are_rewritten_once_more(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    unsigned before = segment_files(&s);
    compact(&s, true, BP_ERR_IO);
    assert_int_equal(segment_files(&s), before + 1);
    look_from_everywhere(&s);
    medium.refuses = false;
    compact(&s, true, BP_OK);
    look_from_everywhere(&s);
    end(&s);
}

/* The store fails and recovers in the process, with them on the list. */
static void a_recovery_goes_past_them(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    s.world.options.recovery_attempts = 1;
    bp_store *reader = bpt_reader(&s.world);
    put(&s, 2, BP_BUFFERED);
    look(&s, reader);
    bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(s.store, &error), &error);
    bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){0});
    put(&s, 1, BP_DURABLE);
    look(&s, reader);
    look_from_everywhere(&s);
    bpt_close(reader);
    medium.refuses = false;
    end(&s);
}

/* Erasing has to know them: what is erased lies in them too. */
static void erasing_says_that_they_stay_and_removes_them(void **state)
{
    scene s;
    bp_erase_options options;
    const bp_event *first = NULL;
    (void)state;
    begin(&s);
    CHECK_OK(bp_get_sequence(s.store, 0, &first, &error), &error);
    bp_id id = first->id;
    bp_event_release(first);
    bp_erase_options_init(&options);
    options.ids = &id;
    options.id_count = 1;
    options.reason = "asked for";
    options.by = "a clerk";
    CHECK_STATUS(BP_ERR_IO, bp_erase(s.store, &options, NULL, &error), &error);
    s.events = bp_store_frontiers(s.store).published; /* its record */
    medium.refuses = false;
    CHECK_OK(bp_erase(s.store, &options, NULL, &error), &error);
    s.events = bp_store_frontiers(s.store).published;
    assert_true(segment_files(&s) <= SEGMENTS + 2); /* the one in use, and the one behind it */
    bpt_close(s.store);
    assert_int_equal(bpt_verify(&s.world), s.events);
    bpt_world_end(&s.world);
}

/* An opening does not go on without them gone: unlisted they would be damage. */
static void an_opening_removes_them_or_says_so(void **state)
{
    scene s;
    bp_store *store = NULL;
    (void)state;
    begin(&s);
    bpi_fault_process_kill(s.world.fault);
    (void)bp_close(s.store, NULL);
    CHECK_STATUS(BP_ERR_IO, bp_open(s.world.path, &s.world.options, &store, &error), &error);
    CHECK_SAYS(&error, "cannot remove a segment that another took the place of");
    bp_store *reader = bpt_reader(&s.world); /* who only reads goes past them */
    look(&s, reader);
    bpt_close(reader);
    medium.refuses = false;
    s.store = bpt_open(&s.world);
    assert_true(segment_files(&s) <= SEGMENTS + 2);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_reads_them),
        cmocka_unit_test(a_copy_does_without_them),
        cmocka_unit_test(they_are_rewritten_once_more),
        cmocka_unit_test(a_recovery_goes_past_them),
        cmocka_unit_test(erasing_says_that_they_stay_and_removes_them),
        cmocka_unit_test(an_opening_removes_them_or_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
