/*
 * test_repair_folded.c: repairs of stores that were compacted, erased and tombstoned: without damage the new store is the old one again,
 * dropped events included; with damage every event that is proven is there, what was dropped stays dropped, and the rest is told as lost.
 */
#include "support/world.h"

enum { EVENTS_MAX = 128 };

typedef struct known {
    bp_hash hash;
    bool dropped;
    bool absent;
    bool tombstoned;
    bp_id id;
} known;

typedef struct fixture {
    bpt_world world;
    uint64_t count;
    uint64_t dropped;
    known events[EVENTS_MAX];
} fixture;

static void put_many(bp_store *store, const char *tag, unsigned count)
{
    static const char *const entities[] = {"order:1", "order:2", "log:x"};
    for (unsigned i = 0; i < count; i++) {
        char text[64];
        bp_append_options options;
        bp_append_options_init(&options);
        (void)snprintf(text, sizeof text, "%s %u", tag, i);
        options.id = bp_id_from("folded", text, strlen(text));
        (void)bpt_put_with(store, entities[i % 3], text, &options);
    }
}

static bool drop_some(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 4 == 1 || (event->sequence >= 20 && event->sequence < 26);
}

static void note_events(fixture *f, bp_store *store)
{
    bp_error error = {0};
    f->count = bp_store_frontiers(store).published;
    assert_true(f->count <= EVENTS_MAX);
    for (uint64_t sequence = 0; sequence < f->count; sequence++) {
        const bp_event *event = NULL;
        known *one = &f->events[sequence];
        bp_status status = bp_get_sequence(store, sequence, &event, &error);
        one->dropped = status == BP_ERR_DROPPED;
        f->dropped += one->dropped;
        if (one->dropped) {
            one->id = error.id;
            continue;
        }
        CHECK_OK(status, &error);
        one->hash = event->event_hash;
        one->id = event->id;
        one->absent = event->payload_absent;
        one->tombstoned = event->tombstoned;
        bp_event_release(event);
    }
}

static void begin(fixture *f)
{
    bp_error error = {0};
    memset(f, 0, sizeof *f);
    bpt_world_memory(&f->world);
    bp_store *store = bpt_open(&f->world);
    put_many(store, "first", 21);
    bp_batch_item items[8];
    for (unsigned i = 0; i < 8; i++) {
        items[i] =
            (bp_batch_item){bp_at(i % 2 == 0 ? "batch:a" : "batch:b", "x"), BP_KIND_DATA, bp_raw("item", 4), NULL};
    }
    CHECK_OK(bp_append_batch(store, items, 8, NULL, NULL, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bp_region region = bp_region_stream("order:2");
    bp_tombstone_options what;
    bp_tombstone_options_init(&what);
    what.region = &region;
    what.reason = what.by = "x";
    CHECK_OK(bp_tombstone(store, &what, NULL, &error), &error);
    put_many(store, "second", 6);
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    erase.region = &region;
    erase.reason = erase.by = "x";
    CHECK_OK(bp_erase(store, &erase, NULL, &error), &error);
    bp_compact_options how;
    bp_compact_options_init(&how);
    how.drop_if = drop_some;
    CHECK_OK(bp_compact(store, &how, NULL, &error), &error);
    put_many(store, "third", 6);
    note_events(f, store);
    assert_true(f->dropped > 8);
    bpt_close(store);
}

static bp_repair_report repair(const fixture *f, bpt_world *world, const char *target)
{
    bp_repair_options options;
    bp_repair_report report;
    bp_error error = {0};
    bp_repair_options_init(&options);
    options.io = world->io;
    options.clock = f->world.options.clock;
    options.random = f->world.options.random;
    options.dry_run = target == NULL;
    CHECK_OK(bp_repair(world->path, target, &options, &report, &error), &error);
    return report;
}

static bp_store *open_repaired(bpt_world *world, const char *target)
{
    bp_store *store = NULL;
    bp_error error = {0};
    CHECK_OK(bp_open(target, &world->options, &store, &error), &error);
    return store;
}

static bp_hash old_hash(const bp_event *event)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    bp_hash hash = event->event_hash;
    if (bp_event_extension(event, BP_TAG_SALVAGED, &value, &size)) {
        assert_int_equal(size, 41);
        memcpy(hash.bytes, value + 8, sizeof hash.bytes);
    }
    return hash;
}

/* Each event of the repaired store is what it was, or stands in for one that is lost. How many stand-ins. */
static uint64_t compare(const fixture *f, bp_store *store, bool whole)
{
    uint64_t lost = 0;
    uint64_t dropped = 0;
    for (uint64_t sequence = 0; sequence < f->count; sequence++) {
        const known *want = &f->events[sequence];
        const bp_event *event = NULL;
        bp_error error = {0};
        bp_status status = bp_get_sequence(store, sequence, &event, &error);
        if (status == BP_ERR_DROPPED) {
            assert_true(want->dropped && bp_id_equal(&error.id, &want->id));
            dropped++;
            continue;
        }
        CHECK(status == BP_OK || (!whole && status == BP_ERR_NOT_FOUND), "event %llu: %s", (unsigned long long)sequence,
              error.message);
        if (status != BP_OK) {
            break; /* behind the end of what anything tells of */
        }
        if (event->kind == BP_KIND_INIT) {
            lost++;
        } else {
            bp_hash hash = old_hash(event);
            assert_false(want->dropped);
            assert_true(bp_hash_equal(&hash, &want->hash) && bp_id_equal(&event->id, &want->id));
            assert_int_equal(event->payload_absent, want->absent);
            CHECK(event->tombstoned == want->tombstoned || !whole, "event %llu is flagged otherwise",
                  (unsigned long long)sequence);
        }
        bp_event_release(event);
    }
    assert_true(!whole || (lost == 0 && dropped == f->dropped));
    return lost;
}

static void remove_lists(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS", 8) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void without_damage_it_is_the_old_store_again(void **state)
{
    fixture f;
    bp_error error = {0};
    (void)state;
    begin(&f);
    for (int turn = 0; turn < 2; turn++) { /* with lists, and when nothing tells that segments were rewritten */
        const char *target = turn == 0 ? "again" : "once-more";
        bp_repair_report dry = repair(&f, &f.world, NULL);
        bp_repair_report report = repair(&f, &f.world, target);
        assert_int_equal(report.dropped, f.dropped);
        assert_int_equal(dry.dropped, f.dropped);
        CHECK(report.lost == 0 && report.rejected == 0 && report.unchanged == f.count - f.dropped &&
                  report.events == report.unchanged && dry.unchanged == report.unchanged,
              "%d lost, %d unchanged of %d", (int)report.lost, (int)report.unchanged, (int)f.count);
        bp_store *store = open_repaired(&f.world, target);
        assert_int_equal(compare(&f, store, true), 0);
        bp_append_options options;
        bp_append_options_init(&options);
        options.id = f.events[1].id; /* dropped: its id stays taken, its entity goes on */
        bp_receipt again = bpt_put_with(store, "order:2", "first 1", &options);
        assert_true(again.duplicate && again.unverifiable && again.sequence == 1);
        bp_event dropped = {.sequence = f.count, .dropped = true, .entity = bp_text_of("a"), .scope = bp_text_of("b")};
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(store, &dropped, 1, &error), &error); /* it proves nothing */
        bpt_put(store, "order:2", "goes on");
        bpt_close(store);
        bp_verify_options verify;
        bp_verify_report found;
        bp_verify_options_init(&verify);
        verify.io = f.world.io;
        CHECK_OK(bp_verify(target, &verify, &found, &error), &error);
        assert_int_equal(found.dropped, f.dropped);
        bpt_file_each(&f.world, remove_lists, &f.world);
    }
    bpt_world_end(&f.world);
}

typedef struct target_file {
    char name[64];
    uint8_t *data;
    size_t size;
} target_file;

/* The rewritten segment: the first one. */
static void find_rewritten(void *argument, const char *name, const uint8_t *data, size_t size)
{
    target_file *file = argument;
    if (strncmp(name, "log/0000000000-", 15) == 0 && strstr(name, ".seg") != NULL) {
        (void)snprintf(file->name, sizeof file->name, "%s", name);
        free(file->data);
        file->data = malloc(size);
        assert_non_null(file->data);
        memcpy(file->data, data, size);
        file->size = size;
    }
}

/* Whatever byte is damaged: it is repaired, nothing wrong is in the new store, and what is lost is said. */
static void damage_costs_what_it_hits(void **state)
{
    fixture f;
    target_file file = {.data = NULL};
    bpt_random random = {bpt_seed(5)};
    bp_error error = {0};
    uint64_t worst = 0;
    unsigned tried = 0;
    (void)state;
    begin(&f);
    bpt_file_each(&f.world, find_rewritten, &file);
    assert_non_null(file.data);
    size_t step = (size_t)bpt_amount("BATPAK_STRIDE", 37, 3);
    for (size_t at = (size_t)bpt_random_below(&random, step); at < file.size; at += step) {
        char target[32];
        (void)snprintf(target, sizeof target, "repaired-%zu", at);
        bpt_note("byte %zu of %zu", at, file.size);
        file.data[at] ^= 0x20;
        bpt_file_write(&f.world, file.name, file.data, file.size);
        bp_repair_report report = repair(&f, &f.world, target);
        assert_int_equal(report.events + report.dropped + report.lost, report.next_sequence);
        bp_store *store = open_repaired(&f.world, target);
        uint64_t lost = compare(&f, store, false);
        assert_true(lost == report.lost || report.next_sequence > f.count);
        worst = lost > worst ? lost : worst;
        bpt_put(store, "order:1", "goes on");
        bpt_close(store);
        bp_verify_options verify;
        bp_verify_options_init(&verify);
        verify.io = f.world.io;
        CHECK_OK(bp_verify(target, &verify, NULL, &error), &error);
        file.data[at] ^= 0x20;
        tried++;
    }
    CHECK(worst <= 8, "one byte cost %llu events", (unsigned long long)worst);
    printf("%u damaged bytes, at most %llu events lost to one\n", tried, (unsigned long long)worst);
    free(file.data);
    bpt_world_end(&f.world);
}

/* Files that were replaced, and are about to go, say nothing of where the ones that replaced them end. */
static void a_compaction_that_was_killed_at_any_step_costs_nothing(void **state)
{
    (void)state;
    unsigned crashed = 0;
    bool finished = false;
    for (uint64_t step = 1; !finished; step++) {
        fixture f;
        bp_error error = {0};
        bp_compact_options how;
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
        memset(&f, 0, sizeof f);
        bpt_world_fault(&f.world);
        bp_store *store = bpt_open(&f.world);
        put_many(store, "first", 6);
        CHECK_OK(bp_seal(store, &error), &error);
        put_many(store, "second", 6);
        CHECK_OK(bp_seal(store, &error), &error);
        note_events(&f, store);
        bp_compact_options_init(&how);
        bpi_fault_set_plan(f.world.fault, &plan);
        finished = bp_compact(store, &how, NULL, &error) == BP_OK;
        crashed += bpi_fault_crashed(f.world.fault);
        bpi_fault_process_kill(f.world.fault);
        (void)bp_close(store, NULL);
        bpi_fault_set_plan(f.world.fault, &(bpi_fault_plan){0});
        bp_repair_report report = repair(&f, &f.world, "repaired");
        CHECK(report.lost == 0 && report.unchanged == f.count, "killed at step %llu, repaired: %llu events lost",
              (unsigned long long)step, (unsigned long long)report.lost);
        store = open_repaired(&f.world, "repaired");
        (void)compare(&f, store, true);
        bpt_close(store);
        bpt_world_end(&f.world);
    }
    assert_true(crashed > 10);
}

/* Nothing protects what a killed writer's page says: more events than the log has room for are not believed. */
static void a_damaged_live_page_makes_no_stand_ins(void **state)
{
    enum { AT_SEQUENCE = 72 };
    fixture f;
    size_t size = 0;
    (void)state;
    memset(&f, 0, sizeof f);
    bpt_world_fault(&f.world);
    bp_store *store = bpt_open(&f.world);
    put_many(store, "killed", 6);
    note_events(&f, store);
    bpi_fault_process_kill(f.world.fault);
    (void)bp_close(store, NULL);
    uint8_t *live = bpt_file_read(&f.world, "live", &size);
    assert_int_equal(live[AT_SEQUENCE], 6);
    live[AT_SEQUENCE + 7] ^= 0x10;
    bpt_file_write(&f.world, "live", live, size);
    free(live);
    bp_repair_report report = repair(&f, &f.world, "repaired");
    assert_int_equal(report.lost, 0);
    assert_int_equal(report.unchanged, 6);
    bpt_world_end(&f.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_live_page_makes_no_stand_ins),
        cmocka_unit_test(a_compaction_that_was_killed_at_any_step_costs_nothing),
        cmocka_unit_test(without_damage_it_is_the_old_store_again),
        cmocka_unit_test(damage_costs_what_it_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
