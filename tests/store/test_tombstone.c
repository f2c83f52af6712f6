/*
 * test_tombstone.c: events tombstoned: flagged by every way of reading, in every handle and after every opening, with and without index
 * files; nothing else of them changes; stubbed, dropped and erased by what asks for them.
 */
#include "support/forge.h"
#include "support/world.h"

static bp_tombstone_report bury(bp_store *store, const bp_id *ids, size_t count, const bp_region *region)
{
    bp_tombstone_options options;
    bp_tombstone_report report;
    bp_error error = {0};
    bp_tombstone_options_init(&options);
    options.ids = ids;
    options.id_count = count;
    options.region = region;
    options.reason = "entered twice";
    options.by = "clerk 7";
    CHECK_OK(bp_tombstone(store, &options, &report, &error), &error);
    return report;
}

/* A letter for each event of the region, in order: t or . */
static void flags_of(bp_store *store, const bp_region *region, char *text, size_t size)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_status status = BP_OK;
    size_t at = 0;
    CHECK_OK(bp_query(store, region, NULL, &iterator, &error), &error);
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        assert_true(at + 1 < size);
        text[at++] = event->tombstoned ? 't' : '.';
    }
    CHECK_STATUS(BP_END, status, &error);
    text[at] = '\0';
    bp_iterator_close(iterator);
}

static void expect_flags(bp_store *store, const char *want)
{
    char got[512];
    bp_error error = {0};
    uint64_t count = 0;
    uint64_t buried = 0;
    flags_of(store, NULL, got, sizeof got);
    assert_string_equal(got, want);
    for (const char *at = want; *at != '\0'; at++) {
        buried += *at == 't';
    }
    for (int yes = 0; yes < 2; yes++) {
        bp_region region = bp_region_all();
        bp_region_set_tombstoned(&region, yes != 0);
        CHECK_OK(bp_count(store, &region, &count, &error), &error);
        assert_int_equal(count, yes ? buried : strlen(want) - buried);
        flags_of(store, &region, got, sizeof got);
        assert_int_equal(strlen(got), count);
        assert_null(strchr(got, yes ? '.' : 't'));
    }
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.tombstoned, buried);
}

static const bp_event *get(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    return event;
}

static void expect_event(bp_store *store, uint64_t sequence, bool tombstoned, const char *text)
{
    const bp_event *event = get(store, sequence);
    assert_int_equal(event->tombstoned, tombstoned);
    assert_int_equal(event->payload_absent, text == NULL);
    assert_int_equal(event->payload_size, text == NULL ? 0 : strlen(text));
    assert_true(text == NULL || memcmp(event->payload, text, strlen(text)) == 0);
    bp_event_release(event);
}

static bp_receipt put(bp_store *store, const char *entity, const char *text)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = bp_id_from("tombstone", text, strlen(text));
    return bpt_put_with(store, entity, text, &options);
}

/* Every way in which an event is handed out. */
static void every_way_of_reading_tells(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    put(store, "a", "one");
    bp_receipt two = put(store, "a", "two");
    put(store, "b", "three");
    bp_iterator *before = NULL;
    CHECK_OK(bp_query(store, NULL, NULL, &before, &error), &error);
    bp_tombstone_report report = bury(store, &two.id, 1, NULL);
    assert_int_equal(report.found, 1);
    assert_int_equal(report.before, 0);
    assert_int_equal(report.buried, 1);
    assert_int_equal(report.records, 1);
    assert_int_equal(report.sequence, 3);
    for (unsigned i = 0; i < 3; i++) { /* one that was open sees what it pinned */
        CHECK_OK(bp_next(before, &event, &error), &error);
        assert_false(event->tombstoned);
    }
    bp_iterator_close(before);
    for (int turn = 0; turn < 2; turn++) {
        bp_store *handle = turn == 0 ? store : reader;
        expect_flags(handle, ".t.");
        expect_event(handle, 0, false, "one");
        expect_event(handle, 1, true, "two");
        CHECK_OK(bp_get(handle, &two.id, &event, &error), &error);
        assert_true(event->tombstoned && bp_hash_equal(&event->event_hash, &two.event_hash) && event->kind == two.kind);
        bp_event_release(event);
        bp_region stream = bp_region_stream("a");
        CHECK_OK(bp_newest(handle, &stream, &event, &error), &error);
        assert_true(event->tombstoned && event->sequence == 1);
        bp_event_release(event);
        bp_region_set_tombstoned(&stream, false);
        CHECK_OK(bp_newest(handle, &stream, &event, &error), &error);
        assert_int_equal(event->sequence, 0);
        bp_event_release(event);
        bp_cursor *cursor = NULL;
        CHECK_OK(bp_cursor_open(handle, NULL, NULL, &cursor, &error), &error);
        for (unsigned i = 0; i < 3; i++) {
            CHECK_OK(bp_cursor_next(cursor, &event, &error), &error);
            assert_int_equal(event->tombstoned, i == 1);
        }
        bp_cursor_close(cursor);
        bp_subscription_options options;
        bp_subscription_options_init(&options);
        options.replay = true;
        bp_region left = bp_region_all();
        bp_region_set_tombstoned(&left, false);
        bp_subscription *subscription = NULL;
        CHECK_OK(bp_subscribe(handle, &left, &options, &subscription, &error), &error);
        for (unsigned i = 0; i < 2; i++) {
            bp_delivery delivery;
            CHECK_OK(bp_subscription_next(subscription, 1000, &delivery, &error), &error);
            assert_int_equal(delivery.event.sequence, i * 2);
        }
        bp_subscription_close(subscription);
    }
    bpt_close(reader);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    bpt_world_end(&world);
}

static void the_record_says_who_and_a_walk_finds_it(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt one = put(store, "a", "one");
    bp_receipt two = put(store, "a", "two");
    bp_id ids[3] = {two.id, one.id, two.id};
    assert_int_equal(bury(store, ids, 3, NULL).buried, 2);
    static const char payload[] = "{\"sequences\":[0,1],\"reason\":\"entered twice\",\"by\":\"clerk 7\"}";
    const bp_event *record = get(store, 2);
    assert_int_equal(record->kind, BP_KIND_TOMBSTONE);
    assert_int_equal(record->payload_size, sizeof payload - 1);
    assert_memory_equal(record->payload, payload, sizeof payload - 1);
    assert_int_equal(record->cause_count, 2);
    assert_false(record->tombstoned);
    bp_walk_options options;
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    bp_walk_options_init(&options);
    options.kind = BP_WALK_EFFECTS;
    CHECK_OK(bp_walk_begin(store, &two.id, &options, &walk, &error), &error);
    CHECK_OK(bp_walk_next(walk, &event, NULL, &error), &error);
    assert_true(event->tombstoned);
    CHECK_OK(bp_walk_next(walk, &event, NULL, &error), &error);
    assert_true(bp_id_equal(&event->id, &record->id));
    bp_walk_end(walk);
    bp_event_release(record);
    bpt_close(store);
    bpt_world_end(&world);
}

static void asked_again_nothing_is_done(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt one = put(store, "a", "one");
    put(store, "a", "two");
    bp_region region = bp_region_stream("a");
    (void)bury(store, &one.id, 1, NULL);
    for (int turn = 0; turn < 3; turn++) {
        bp_tombstone_report report = bury(store, turn == 1 ? NULL : &one.id, turn != 1, turn == 1 ? &region : NULL);
        assert_int_equal(report.before, 1);
        assert_int_equal(report.buried, turn == 1);
        assert_true((report.sequence == BP_NONE) == (turn != 1));
    }
    expect_flags(store, "tt");
    bp_receipt again = put(store, "a", "one"); /* its retry is what it was */
    assert_true(again.duplicate && !again.unverifiable && again.sequence == 0);
    bp_receipt more = put(store, "a", "three");
    assert_int_equal(more.clock, 2);
    expect_flags(store, "tt.");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 5);
    bpt_world_end(&world);
}

/* Sealed, merged, without index files, made anew: always the same. */
static void every_opening_tells(void **state)
{
    enum { EVENTS = 300 };
    bpt_world world;
    bp_error error = {0};
    bpt_random random = {bpt_seed(3)};
    char want[EVENTS + 1];
    bp_id ids[EVENTS];
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < EVENTS; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "text %u", i);
        want[i] = '.';
        ids[i] = put(store, i % 3 == 0 ? "a" : "b", text).id;
        unsigned which = (unsigned)bpt_random_below(&random, i + 1);
        if (bpt_random_chance(&random, 20)) {
            bp_tombstone_report report = bury(store, &ids[which], 1, NULL);
            assert_int_equal(report.buried, want[which] == '.');
            want[which] = 't';
        }
        if (bpt_random_chance(&random, 4)) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
        if (bpt_random_chance(&random, 4)) {
            bpt_close(store);
            store = bpt_open(&world);
        }
    }
    want[EVENTS] = '\0';
    expect_flags(store, want);
    bpt_close(store);
    for (int turn = 0; turn < 3; turn++) {
        if (turn == 1) {
            CHECK_OK(bp_reindex(world.path, &world.options, NULL, &error), &error);
        }
        store = turn == 2 ? bpt_reader(&world) : bpt_open(&world);
        expect_flags(store, want);
        if (turn == 0) {
            CHECK_OK(bp_compact(store, NULL, NULL, &error), &error);
            expect_flags(store, want);
        }
        bpt_close(store);
    }
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void a_region_of_many_is_one_commit(void **state)
{
    enum { EVENTS = 500 };
    bpt_world world;
    char want[EVENTS + 1];
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < EVENTS; i++) {
        bpt_put(store, i % 5 == 0 ? "keep" : "log:x", "line");
        want[i] = i % 5 == 0 ? '.' : 't';
    }
    want[EVENTS] = '\0';
    bp_region region = bp_region_all();
    bp_region_set_prefix(&region, bp_text_of("log"));
    bp_tombstone_report report = bury(store, NULL, 0, &region);
    assert_int_equal(report.buried, 400);
    assert_int_equal(report.records, 7);
    const bp_event *record = get(store, report.sequence);
    assert_int_equal(record->batch, EVENTS);
    assert_int_equal(record->batch_count, 7);
    bp_event_release(record);
    char got[EVENTS + 1];
    flags_of(store, NULL, got, sizeof got);
    assert_string_equal(got, want);
    bpt_close(store);
    store = bpt_open(&world);
    flags_of(store, NULL, got, sizeof got);
    assert_string_equal(got, want);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void arguments_that_are_wrong_are_told(void **state)
{
    bpt_world world;
    bp_tombstone_options options;
    bp_error error = {0};
    bp_region region = bp_region_all();
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_id ids[2] = {put(store, "a", "one").id, bp_id_from("test", "unknown", 7)};
    bp_tombstone_options_init(&options);
    options.reason = options.by = "x";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "one of them");
    options.ids = ids;
    options.id_count = 2;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "nothing was tombstoned");
    expect_flags(store, ".");
    options.id_count = BP_TOMBSTONE_MAX + 1;
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "sequence=A..B");
    options.id_count = 1;
    options.region = &region;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, &options, NULL, &error), &error);
    options.region = NULL;
    options.ids = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, &options, NULL, &error), &error);
    options.ids = ids;
    options.reason = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "a tombstone needs its reason");
    options.reason = "x\n";
    CHECK_STATUS(BP_ERR_NAME, bp_tombstone(store, &options, NULL, &error), &error);
    options.reason = "x";
    options.by = "";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "author");
    options.plan_only = true;
    bp_tombstone_report report;
    CHECK_OK(bp_tombstone(store, &options, &report, &error), &error);
    assert_true(report.found == 1 && report.buried == 0 && report.sequence == BP_NONE);
    expect_flags(store, ".");
    options.plan_only = false;
    options.by = "x";
    CHECK_OK(bp_tombstone(store, &options, &report, &error), &error);
    const bp_event *record = get(store, report.sequence);
    ids[0] = record->id;
    bp_event_release(record);
    CHECK_STATUS(BP_ERR_KIND, bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(store, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_tombstone(NULL, &options, NULL, &error), &error);
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_tombstone(reader, &options, NULL, &error), &error);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- what asks for them ---- */

static bp_compact_report compact(bp_store *store, const bp_compact_options *options)
{
    bp_compact_report report;
    bp_error error = {0};
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, options, &report, &error), &error);
    return report;
}

static void compaction_stubs_them_when_asked(void **state)
{
    bpt_world world;
    bp_compact_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    put(store, "a", "one");
    bp_receipt two = put(store, "a", "two");
    put(store, "a", "three");
    (void)bury(store, &two.id, 1, NULL);
    assert_int_equal(compact(store, NULL).events_stubbed, 0);
    expect_event(store, 1, true, "two");
    bp_compact_options_init(&options);
    options.stub_tombstoned = true;
    options.plan_only = true;
    assert_int_equal(compact(store, &options).events_stubbed, 1);
    expect_event(store, 1, true, "two");
    options.plan_only = false;
    bp_compact_report report = compact(store, &options);
    assert_int_equal(report.events_stubbed, 1);
    assert_int_equal(report.events_dropped, 0);
    for (int turn = 0; turn < 2; turn++) {
        expect_flags(store, ".t.");
        expect_event(store, 0, false, "one");
        expect_event(store, 1, true, NULL);
        expect_event(store, 2, false, "three");
        bp_receipt again = put(store, "a", "two");
        assert_true(again.duplicate && again.unverifiable && bp_hash_equal(&again.event_hash, &two.event_hash));
        bpt_close(store);
        store = bpt_open(&world);
    }
    report = compact(store, &options); /* nothing is left to be done */
    assert_int_equal(report.events_stubbed, 0);
    assert_int_equal(report.rewritten, 0);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    bpt_world_end(&world);
}

static bool says_tombstoned(void *context, const bp_event *event)
{
    (void)context;
    return event->tombstoned;
}

static void compaction_and_erasure_find_them(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* dropped by the region, dropped by the caller's rule, erased */
        bpt_world world;
        bp_error error = {0};
        bp_region region = bp_region_all();
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        put(store, "a", "one");
        bp_receipt two = put(store, "a", "two");
        bp_receipt three = put(store, "a", "three");
        (void)bury(store, &two.id, 1, NULL);
        bp_region_set_tombstoned(&region, true);
        if (how == 2) {
            bp_erase_options what;
            bp_erase_report report;
            bp_erase_options_init(&what);
            what.region = &region;
            what.reason = what.by = "x";
            CHECK_OK(bp_erase(store, &what, &report, &error), &error);
            assert_int_equal(report.erased, 1);
            expect_flags(store, ".t.");
            expect_event(store, 1, true, NULL);
        } else {
            bp_compact_options options;
            bp_compact_options_init(&options);
            options.drop = how == 0 ? &region : NULL;
            options.drop_count = how == 0;
            options.drop_if = how == 1 ? says_tombstoned : NULL;
            assert_int_equal(compact(store, &options).events_dropped, 1);
            bp_tombstone_options again;
            bp_tombstone_options_init(&again);
            again.ids = &two.id;
            again.id_count = 1;
            again.reason = again.by = "x";
            CHECK_STATUS(BP_ERR_DROPPED, bp_tombstone(store, &again, NULL, &error), &error);
        }
        expect_event(store, 0, false, "one");
        (void)bury(store, &three.id, 1, NULL);
        expect_event(store, 2, true, "three");
        bpt_close(store);
        store = bpt_open(&world);
        expect_event(store, 2, true, "three");
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

static void a_rebuilt_store_has_them(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&from);
    bp_store *copy = bpt_open(&to);
    put(store, "a", "one");
    bp_receipt two = put(store, "a", "two");
    (void)bury(store, &two.id, 1, NULL);
    for (uint64_t sequence = 0; sequence < 3; sequence++) {
        const bp_event *event = get(store, sequence);
        bp_event forged = *event;
        if (event->kind == BP_KIND_TOMBSTONE) { /* one that says nothing would make the store unreadable */
            static const char *const wrong[] = {"",
                                                "{}",
                                                "{\"sequences\":[",
                                                "{\"sequences\":[]",
                                                "{\"sequences\":[1,1]}",
                                                "{\"sequences\":[2]}",
                                                "{\"sequences\":[01]}",
                                                "{\"sequences\":[18446744073709551616]}",
                                                "{\"sequences\":[1"};
            for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                forged.payload = wrong[i];
                forged.payload_size = strlen(wrong[i]);
                forged.event_hash = bp_event_compute_hash(&forged, NULL);
                CHECK_STATUS(BP_ERR_FORMAT, bp_append_exact(copy, &forged, 1, &error), &error);
            }
        }
        CHECK_OK(bp_append_exact(copy, event, 1, &error), &error);
        bp_event_release(event);
    }
    for (int turn = 0; turn < 2; turn++) {
        expect_flags(copy, ".t");
        bpt_close(copy);
        copy = bpt_open(&to);
    }
    bpt_close(copy);
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), 3);
    bpt_world_end(&to);
    bpt_world_end(&from);
}

/* With every checksum and hash right again, but a list of sequences that cannot be. */
static void a_forged_record_is_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt one = put(store, "a", "one");
    (void)bury(store, &one.id, 1, NULL);
    bpt_close(store);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    uint8_t *record = bpt_forge_record(forge, 1);
    size_t length = bpt_forge_length(forge, 1);
    size_t changed = 0;
    for (size_t at = 0; at + 4 <= length; at++) {
        if (memcmp(record + at, ":[0]", 4) == 0) {
            record[at + 2] = '7';
            changed++;
        }
    }
    assert_int_equal(changed, 1);
    bpt_forge_hash(forge, 1, NULL);
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open(world.path, &world.options, &store, &error), &error);
    CHECK_SAYS(&error, "TOMBSTONE");
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = world.options.io;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(world.path, &options, &report, &error), &error);
    bpt_world_end(&world);
}

static int note_fault(void *context, const bp_fault *fault)
{
    (void)snprintf(context, 200, "%s", fault->what);
    return 0;
}

/* Its causes are what it names: as many, and all of them there. */
static void verify_holds_names_against_causes(void **state)
{
    (void)state;
    for (unsigned forged = 0; forged < 2; forged++) {
        bpt_world world;
        bp_error error = {0};
        bp_receipt receipts[124];
        bp_batch_item items[124];
        char what[200] = "";
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        for (unsigned i = 0; i < 124; i++) {
            items[i] = (bp_batch_item){bp_at("a", "s"), 0xf001, bp_raw("x", 1), NULL};
        }
        CHECK_OK(bp_append_batch(store, items, 124, NULL, receipts, &error), &error);
        bp_id last = receipts[123].id;
        (void)bury(store, &last, 1, NULL);
        bpt_close(store);
        bpt_forge *forge = bpt_forge_begin(&world, 0);
        assert_int_equal(forge->record_count, 125);
        uint8_t *record = bpt_forge_record(forge, 124);
        size_t length = bpt_forge_length(forge, 124);
        unsigned changed = 0;
        for (size_t at = 0; at + 16 <= length; at++) {
            if (forged == 0 && memcmp(record + at, ":[123]", 6) == 0) {
                memcpy(record + at, ":[1,3]", 6); /* two, and one cause */
                changed++;
            } else if (forged == 1 && memcmp(record + at, &last, sizeof last) == 0) {
                record[at + 15] ^= 1; /* a cause that is no event */
                changed++;
            }
        }
        assert_int_equal(changed, 1);
        bpt_forge_hash(forge, 124, NULL);
        bpt_forge_fix(forge);
        bpt_forge_end(forge);
        bp_verify_options options;
        bp_verify_options_init(&options);
        options.io = world.options.io;
        options.fault = note_fault;
        options.fault_context = what;
        CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(world.path, &options, NULL, &error), &error);
        CHECK(strstr(what, forged == 0 ? "TOMBSTONE" : "a cause") != NULL, "it says: %s", what);
        bpt_world_end(&world);
    }
}

/* ---- folds ---- */

typedef struct seen {
    uint32_t events;
    uint32_t buried;
} seen;

static bp_status count_seen(void *context, void *state, const bp_event *event, bp_error *error)
{
    seen *so_far = state;
    (void)context;
    (void)error;
    so_far->events++;
    so_far->buried += event->tombstoned;
    return BP_OK;
}

static seen fold(bp_store *store, const char *entity, bp_cache *cache, bool *cached_out)
{
    seen state = {0};
    bp_project_options options;
    bp_projected result;
    bp_error error = {0};
    bp_projection projection = {.size = sizeof projection,
                                .type = "seen",
                                .version = 1,
                                .apply = count_seen,
                                .state_size = sizeof(seen),
                                .flat = true,
                                .incremental = true};
    bp_project_options_init(&options);
    options.cache = cache;
    CHECK_OK(bp_project(store, &projection, entity, &options, &state, &result, &error), &error);
    *cached_out = result.cached;
    return state;
}

static void a_cached_state_with_a_buried_event_is_folded_anew(void **state)
{
    bpt_world world;
    bp_cache *cache = NULL;
    bp_error error = {0};
    bool cached = false;
    (void)state;
    bpt_world_memory(&world);
    world.options.incremental_projection = true;
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &error), &error);
    bp_receipt one = put(store, "a", "one");
    put(store, "a", "two");
    put(store, "b", "three");
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(fold(store, "a", cache, &cached).buried, 0);
        assert_int_equal(cached, turn);
        assert_int_equal(fold(store, "b", cache, &cached).events, 1);
        assert_int_equal(cached, turn);
    }
    (void)bury(store, &one.id, 1, NULL);
    assert_int_equal(fold(store, "b", cache, &cached).buried, 0);
    assert_true(cached); /* it is none of b's */
    seen got = fold(store, "a", cache, &cached);
    assert_true(got.events == 2 && got.buried == 1 && !cached);
    got = fold(store, "a", cache, &cached);
    assert_true(got.events == 2 && got.buried == 1 && cached);
    put(store, "a", "four");
    got = fold(store, "a", cache, &cached);
    assert_true(got.events == 3 && got.buried == 1 && cached);
    bp_cache_close(cache);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_reading_tells),
        cmocka_unit_test(the_record_says_who_and_a_walk_finds_it),
        cmocka_unit_test(asked_again_nothing_is_done),
        cmocka_unit_test(every_opening_tells),
        cmocka_unit_test(a_region_of_many_is_one_commit),
        cmocka_unit_test(arguments_that_are_wrong_are_told),
        cmocka_unit_test(compaction_stubs_them_when_asked),
        cmocka_unit_test(compaction_and_erasure_find_them),
        cmocka_unit_test(a_rebuilt_store_has_them),
        cmocka_unit_test(a_forged_record_is_damage),
        cmocka_unit_test(verify_holds_names_against_causes),
        cmocka_unit_test(a_cached_state_with_a_buried_event_is_folded_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
