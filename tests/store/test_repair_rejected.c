/*
 * test_repair_rejected.c: records that are whole, under right checksums, and contradict the history: a repair leaves each out, says
 * which and why, and takes over all others.
 */
#include "format/record.h"
#include "support/forge.h"

enum {
    PLAIN = 12,
    GRAVE = PLAIN,
    NAME = GRAVE + 1, /* of two kinds, one after the other */
    EVENTS = NAME + 2,
    ENTITIES = 3,
    FORGED = 10,
    FIRST_TYPE = 7
}; /* the last of its entity, as is the one behind it */

static const char *const entities[ENTITIES] = {"a", "b", "c"};

/* Before it in its entity. */
static bp_hash hash_before(bpt_forge *forge, size_t record)
{
    return bpt_forge_hash_of(forge, record - ENTITIES);
}

static void rehash(bpt_forge *forge, size_t record)
{
    bp_hash before = hash_before(forge, record);
    bpt_forge_hash(forge, record, &before);
}

static uint64_t field(bpt_forge *forge, size_t record, size_t at)
{
    return bpt_get64(bpt_forge_record(forge, record) + at);
}

static void set_field(bpt_forge *forge, size_t record, size_t at, uint64_t value)
{
    bpt_set64(bpt_forge_record(forge, record) + at, value);
}

static void set_kind(bpt_forge *forge, size_t record, unsigned kind)
{
    uint8_t *at = bpt_forge_record(forge, record) + BPI_RECORD_KIND;
    at[0] = (uint8_t)kind;
    at[1] = (uint8_t)(kind >> 8);
}

static void change_payload(bpt_forge *forge, size_t record)
{
    uint8_t *payload = memmem(bpt_forge_record(forge, record), bpt_forge_length(forge, record), "words", 5);
    assert_non_null(payload);
    payload[0] = 'W';
}

static void another_payload(bpt_forge *forge)
{
    change_payload(forge, FORGED);
}

/* The later events of its entity are taken over, under other clocks. */
static void another_payload_in_the_middle(bpt_forge *forge)
{
    change_payload(forge, FORGED - 2 * ENTITIES);
}

static void an_hlc_that_stands_still(bpt_forge *forge)
{
    set_field(forge, FORGED, BPI_RECORD_HLC, field(forge, FORGED - 1, BPI_RECORD_HLC));
    rehash(forge, FORGED);
}

/* Behind an event that is left out there must have been room for its HLC. */
static void an_hlc_without_room_for_the_lost(bpt_forge *forge)
{
    another_payload(forge);
    set_field(forge, FORGED + 1, BPI_RECORD_HLC, field(forge, FORGED - 1, BPI_RECORD_HLC) + 1);
    rehash(forge, FORGED + 1);
}

static void a_clock_that_was_given_before(bpt_forge *forge)
{
    set_field(forge, FORGED, BPI_RECORD_CLOCK, field(forge, FORGED, BPI_RECORD_CLOCK) - 1);
    rehash(forge, FORGED);
}

static void a_clock_ahead(bpt_forge *forge)
{
    set_field(forge, FORGED, BPI_RECORD_CLOCK, field(forge, FORGED, BPI_RECORD_CLOCK) + 2);
    rehash(forge, FORGED);
}

static void an_id_that_was_given_before(bpt_forge *forge)
{
    memcpy(bpt_forge_record(forge, FORGED) + BPI_RECORD_ID, bpt_forge_record(forge, 2) + BPI_RECORD_ID, 16);
    rehash(forge, FORGED);
}

static void an_unknown_reserved_kind(bpt_forge *forge)
{
    set_kind(forge, FORGED, 0x0abc);
    rehash(forge, FORGED);
}

static void a_system_kind_elsewhere(bpt_forge *forge)
{
    set_kind(forge, FORGED, BP_KIND_NAME);
    rehash(forge, FORGED);
}

/* The library's own events, from that one on. */
static void hash_from(bpt_forge *forge, size_t record)
{
    for (; record < EVENTS; record++) {
        bp_hash before = bpt_forge_hash_of(forge, record - 1);
        bpt_forge_hash(forge, record, record == GRAVE ? NULL : &before);
    }
}

static void a_tombstone_without_a_grave(bpt_forge *forge)
{
    uint8_t *payload = memmem(bpt_forge_record(forge, GRAVE), bpt_forge_length(forge, GRAVE), "[0]", 3);
    assert_non_null(payload);
    payload[1] = 'x';
    hash_from(forge, GRAVE);
}

static void a_tombstone_of_another_event(bpt_forge *forge)
{
    uint8_t *payload = memmem(bpt_forge_record(forge, GRAVE), bpt_forge_length(forge, GRAVE), "[0]", 3);
    assert_non_null(payload);
    payload[1] = '1';
    hash_from(forge, GRAVE);
}

static void a_name_that_is_taken(bpt_forge *forge)
{
    uint8_t *name = memmem(bpt_forge_record(forge, NAME + 1), bpt_forge_length(forge, NAME + 1), "other.kind", 10);
    assert_non_null(name);
    memcpy(name, "first.kind", 10);
    hash_from(forge, NAME + 1);
}

static void a_kind_that_has_a_name(bpt_forge *forge)
{
    uint8_t *name = memmem(bpt_forge_record(forge, NAME + 1), bpt_forge_length(forge, NAME + 1), "other.kind", 10);
    assert_non_null(name);
    name[-2] = FIRST_TYPE;
    hash_from(forge, NAME + 1);
}

typedef struct forgery {
    void (*make)(bpt_forge *forge);
    uint64_t sequence; /* the first that is left out */
    uint64_t count;
    const char *what; /* of the last */
} forgery;

static const forgery forgeries[] = {
    {another_payload, FORGED, 1, "event hash does not match what it binds"},
    {another_payload_in_the_middle, FORGED - 2 * ENTITIES, 1, "event hash does not match what it binds"},
    {an_hlc_that_stands_still, FORGED, 1, "HLC does not increase"},
    {an_hlc_without_room_for_the_lost, FORGED, 2, "HLC does not increase"},
    {a_clock_that_was_given_before, FORGED, 1, "clock does not follow"},
    {a_clock_ahead, FORGED, 1, "clock does not follow"},
    {an_id_that_was_given_before, FORGED, 1, "id is not unique"},
    {an_unknown_reserved_kind, FORGED, 1, "reserved kind unknown"},
    {a_system_kind_elsewhere, FORGED, 1, "system entity and kind do not go together"},
    {a_tombstone_without_a_grave, GRAVE, 1, "it does not say which earlier events it buries"},
    {a_tombstone_of_another_event, GRAVE, 1, "the events that it buries are not its causes"},
    {a_name_that_is_taken, NAME + 1, 1, "it gives no name, or its kind or name is taken"},
    {a_kind_that_has_a_name, NAME + 1, 1, "it gives no name, or its kind or name is taken"},
};

typedef struct told {
    const forgery *of;
    uint64_t rejected;
    uint64_t lost;
    bool other;
    char what[128];
} told;

static void see_note(void *context, const bp_repair_note *note)
{
    told *t = context;
    if (note->kind == BP_REPAIR_REJECTED) {
        t->other = t->other || note->first != t->of->sequence + t->rejected || note->entity == NULL;
        t->rejected++;
        (void)snprintf(t->what, sizeof t->what, "%s", note->what);
    } else if (note->kind == BP_REPAIR_LOST) {
        t->lost += note->last - note->first + 1;
    }
}

static void fill(bpt_world *world)
{
    bp_error error = {0};
    bp_receipt first = {0};
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < PLAIN; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "words of %u", i);
        bp_receipt receipt = bpt_put(store, entities[i % ENTITIES], text);
        first = i == 0 ? receipt : first;
    }
    bp_tombstone_options options;
    bp_tombstone_options_init(&options);
    options.ids = &first.id;
    options.id_count = 1;
    options.reason = "written by mistake";
    options.by = "a test";
    CHECK_OK(bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_OK(bp_kind_define(store, bp_kind(15, FIRST_TYPE), "first.kind", &error), &error);
    CHECK_OK(bp_kind_define(store, bp_kind(15, FIRST_TYPE + 1), "other.kind", &error), &error);
    bpt_close(store);
}

/* All events but those that were left out, with their ids and payloads, and stand-ins for those. */
static void check_rest(bpt_world *world, const forgery *of)
{
    bp_error error = {0};
    bp_store *store = NULL;
    CHECK_OK(bp_open_reader("saved", &world->options, &store, &error), &error);
    for (uint64_t i = 0; i < PLAIN; i++) {
        const bp_event *event = NULL;
        char text[32];
        (void)snprintf(text, sizeof text, "words of %u", (unsigned)i);
        CHECK_OK(bp_get_sequence(store, i, &event, &error), &error);
        if (i >= of->sequence && i < of->sequence + of->count) {
            CHECK(event->kind == BP_KIND_INIT, "event %u is not a stand-in", (unsigned)i);
        } else {
            CHECK(bp_text_equal(event->entity, bp_text_of(entities[i % ENTITIES])) &&
                      event->payload_size == strlen(text) && memcmp(event->payload, text, event->payload_size) == 0,
                  "event %u is another one", (unsigned)i);
        }
        bp_event_release(event);
    }
    bpt_close(store);
}

static void one(const forgery *of)
{
    bpt_world world;
    bp_error error = {0};
    bp_repair_options options;
    bp_repair_report report = {0};
    told seen = {.of = of};
    bpt_note("%s", of->what);
    bpt_world_fault(&world);
    fill(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    of->make(forge);
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    bp_repair_options_init(&options);
    options.io = world.io;
    options.clock = &world.clock.table;
    options.random = &world.entropy.table;
    options.note = see_note;
    options.note_context = &seen;
    CHECK_OK(bp_repair(world.path, "saved", &options, &report, &error), &error);
    CHECK(report.rejected == of->count && seen.rejected == of->count, "%llu were left out, %llu told of",
          (unsigned long long)report.rejected, (unsigned long long)seen.rejected);
    CHECK(!seen.other && strcmp(seen.what, of->what) == 0, "it says: %s", seen.what);
    CHECK(report.lost == of->count && seen.lost == of->count && report.events == EVENTS - of->count,
          "%llu lost, %llu taken over", (unsigned long long)report.lost, (unsigned long long)report.events);
    check_rest(&world, of);
    bp_verify_options verify;
    bp_verify_report verified = {0};
    bp_verify_options_init(&verify);
    verify.io = world.io;
    CHECK_OK(bp_verify("saved", &verify, &verified, &error), &error);
    assert_int_equal(verified.events, EVENTS + 1);
    bpt_world_end(&world);
}

static void what_contradicts_the_history_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        one(&forgeries[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_contradicts_the_history_is_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
