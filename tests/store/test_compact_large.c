/*
 * test_compact_large.c: compaction of segments that are written and synced in pieces, of more dropped events in a row than one
 * frame holds, stopped at every moment at which it may be; and of segments that are not what the list says of them.
 */
#include "support/forge.h"

enum { LARGE = 8 << 20, PIECES = 110, PIECE = 60000, MANY = 9000 };

typedef struct stopping {
    uint64_t calls;
    uint64_t stop_at; /* 0: never */
} stopping;

static bool go_on(void *context, const char *what, uint64_t done, uint64_t total)
{
    stopping *s = context;
    (void)what;
    (void)done;
    (void)total;
    return ++s->calls != s->stop_at;
}

static bool every_tenth(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 10 == 9;
}

static bool all_but_some(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 4500 != 17;
}

static bp_status compact(bp_store *store, bp_drop_fn drop, stopping *stop, bp_compact_report *report, bp_error *error)
{
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = drop;
    options.progress = stop != NULL ? go_on : NULL;
    options.progress_context = stop;
    return bp_compact(store, &options, report, error);
}

static uint64_t count_of(bp_store *store)
{
    bp_error error = {0};
    uint64_t count = 0;
    CHECK_OK(bp_count(store, NULL, &count, &error), &error);
    return count;
}

/* Large payloads: what is written anew goes to the file piece by piece, and is synced on the way. */
static void a_large_segment_is_synced_on_the_way(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_compact_report report;
    uint8_t *bytes = malloc(PIECE);
    (void)state;
    assert_non_null(bytes);
    bpt_world_memory(&world);
    world.options.segment_size = LARGE;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < PIECES; i++) {
        memset(bytes, (int)i, PIECE);
        CHECK_OK(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(bytes, PIECE), NULL, NULL, &error), &error);
    }
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(compact(store, every_tenth, NULL, &report, &error), &error);
    assert_int_equal(report.events_dropped, PIECES / 10);
    for (unsigned i = 0; i < PIECES; i++) {
        const bp_event *event = NULL;
        bool gone = i % 10 == 9;
        CHECK_STATUS(gone ? BP_ERR_DROPPED : BP_OK, bp_get_sequence(store, i, &event, &error), &error);
        if (!gone) {
            const uint8_t *payload = event->payload;
            assert_true(event->payload_size == PIECE && payload[0] == (uint8_t)i && payload[PIECE - 1] == (uint8_t)i);
            bp_event_release(event);
        }
    }
    free(bytes);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), PIECES);
    bpt_world_end(&world);
}

static void put_many(bp_store *store, unsigned count, size_t entity_size)
{
    bp_error error = {0};
    char entity[BP_NAME_MAX + 1];
    memset(entity, 'e', entity_size);
    entity[entity_size] = '\0';
    for (unsigned done = 0; done < count;) {
        bp_batch_item items[100];
        unsigned n = count - done < 100 ? count - done : 100;
        for (unsigned i = 0; i < n; i++) {
            items[i] = (bp_batch_item){bp_at(entity, "s"), 0xf001, bp_raw("x", 1), NULL};
        }
        CHECK_OK(bp_append_batch(store, items, n, NULL, NULL, &error), &error);
        done += n;
    }
}

/* More in a row than one frame takes, by their number and by their names' size. */
static void many_dropped_in_a_row_are_kept_in_several_frames(void **state)
{
    (void)state;
    for (int by_size = 0; by_size < 2; by_size++) {
        bpt_world world;
        bp_error error = {0};
        bp_compact_report report;
        unsigned many = by_size != 0 ? MANY / 6 : MANY;
        bpt_world_memory(&world);
        world.options.segment_size = LARGE;
        world.options.durability = BP_BUFFERED;
        bp_store *store = bpt_open(&world);
        put_many(store, many, by_size != 0 ? BP_NAME_MAX : 1);
        CHECK_OK(bp_seal(store, &error), &error);
        CHECK_OK(compact(store, all_but_some, NULL, &report, &error), &error);
        uint64_t kept = count_of(store);
        assert_int_equal(kept, by_size != 0 ? 1 : 2);
        assert_int_equal(report.events_dropped, many - kept);
        put_many(store, 1, by_size != 0 ? BP_NAME_MAX : 1); /* the head went on */
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), many + 1);
        store = bpt_open(&world);
        assert_int_equal(count_of(store), kept + 1);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* Stopped at each of its calls: each segment is old or new, and asking again finishes it. */
static void it_can_be_stopped_at_any_call(void **state)
{
    bool stopped_within = false;
    (void)state;
    for (uint64_t at = 1;; at++) {
        bpt_world world;
        bp_error error = {0};
        stopping stop = {.stop_at = at};
        bpt_note("stopped at call %llu", (unsigned long long)at);
        bpt_world_memory(&world);
        world.options.segment_size = LARGE / 2;
        world.options.durability = BP_BUFFERED;
        bp_store *store = bpt_open(&world);
        for (int segment = 0; segment < 2; segment++) {
            put_many(store, 1100, 1);
            CHECK_OK(bp_seal(store, &error), &error);
        }
        bp_status status = compact(store, all_but_some, &stop, NULL, &error);
        uint64_t left = count_of(store);
        CHECK(status == BP_OK ? left == 1 : left == 2200 || left == 1101 || left == 1, "%llu events are left",
              (unsigned long long)left);
        stopped_within = stopped_within || (status == BP_END && stop.calls > 2);
        CHECK(status == BP_OK || status == BP_END, "it says %s", bp_status_name(status));
        CHECK_OK(compact(store, all_but_some, NULL, NULL, &error), &error);
        assert_int_equal(count_of(store), 1);
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), 2200);
        bpt_world_end(&world);
        if (status == BP_OK) {
            break;
        }
    }
    assert_true(stopped_within);
}

/* ---- sources that are not what the list says ---- */

static void other_words(bpt_forge *forge)
{
    uint8_t *payload = memmem(bpt_forge_record(forge, 1), bpt_forge_length(forge, 1), "words", 5);
    assert_non_null(payload);
    payload[0] = 'W';
    bp_hash before = bpt_forge_hash_of(forge, 0);
    bpt_forge_hash(forge, 1, &before);
}

static void a_segment_that_is_not_as_listed_is_not_rewritten(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < 6; i++) {
        bpt_put(store, "e", "words of all");
        if (i % 2 == 1) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    bpt_close(store);
    bpt_forge *forge = bpt_forge_begin(&world, 1);
    other_words(forge);
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    store = bpt_open(&world); /* index files answer for it */
    CHECK_STATUS(BP_ERR_CORRUPT, compact(store, all_but_some, NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "sealed segment is not what the list says of it; nothing was rewritten from it");
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_segment_is_synced_on_the_way),
        cmocka_unit_test(many_dropped_in_a_row_are_kept_in_several_frames),
        cmocka_unit_test(it_can_be_stopped_at_any_call),
        cmocka_unit_test(a_segment_that_is_not_as_listed_is_not_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
