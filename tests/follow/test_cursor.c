/*
 * test_cursor.c: going on from a position: nothing twice, nothing left out, nothing of another history.
 */
#include "support/world.h"

static bp_cursor *open_cursor(bp_store *store, const char *region_text, const bp_cursor_options *options)
{
    bp_error error = {0};
    bp_region region;
    bp_region_text *owner = NULL;
    bp_cursor *cursor = NULL;
    CHECK_OK(bp_region_parse(store, region_text, &region, &owner, &error), &error);
    CHECK_OK(bp_cursor_open(store, &region, options, &cursor, &error), &error);
    bp_region_text_free(owner); /* the cursor has its own copy */
    return cursor;
}

/* The payload of the next event, as a string. */
static void expect(bp_cursor *cursor, const char *text)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_cursor_next(cursor, &event, &error), &error);
    CHECK(event->payload_size == strlen(text) && memcmp(event->payload, text, strlen(text)) == 0, "%.*s is not %s",
          (int)event->payload_size, (const char *)event->payload, text);
}

static void expect_end(bp_cursor *cursor)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_STATUS(BP_END, bp_cursor_next(cursor, &event, &error), &error);
    assert_null(event);
}

static void goes_on_with_what_came(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    bp_cursor *beside[2] = {open_cursor(store, "entity=a:*", NULL), open_cursor(reader, "entity=a:*", NULL)};
    for (int i = 0; i < 2; i++) {
        expect_end(beside[i]);
    }
    bpt_put(store, "a:1", "one");
    bpt_put(store, "b", "other");
    bpt_put(store, "a", "two");
    for (int i = 0; i < 2; i++) {
        expect(beside[i], "one");
        expect(beside[i], "two");
        expect_end(beside[i]);
        expect_end(beside[i]);
    }
    bpt_put(store, "a:2", "three");
    for (int i = 0; i < 2; i++) {
        expect(beside[i], "three");
        expect_end(beside[i]);
        bp_cursor_close(beside[i]);
    }
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

/* Small pieces are looked through, large ones scanned; batches and rotations lie across both. The same as a query. */
static void sees_what_a_query_sees_whatever_the_pieces(void **state)
{
    static const char *const regions[] = {"",
                                          "entity=e:*",
                                          "entity=e:3",
                                          "scope=s",
                                          "kind=15:2",
                                          "sequence=100..700",
                                          "entity=e:* kind=15:1 clock=2..40",
                                          "system=yes"};
    enum { REGIONS = sizeof regions / sizeof regions[0] };
    bpt_world world;
    bpt_random random = {bpt_seed(41)};
    bp_cursor *cursors[REGIONS];
    uint64_t seen[REGIONS] = {0};
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (size_t r = 0; r < REGIONS; r++) {
        cursors[r] = open_cursor(store, regions[r], NULL);
    }
    CHECK_OK(bp_kind_define(store, 0x2001, "some.name", &error), &error);
    for (int round = 0; round < 12; round++) {
        uint64_t count = bpt_random_below(&random, 4) == 0 ? 300 : bpt_random_below(&random, 40);
        for (uint64_t i = 0; i < count; i++) {
            char entity[16];
            (void)snprintf(entity, sizeof entity, "e:%u", (unsigned)bpt_random_below(&random, 7));
            bp_batch_item items[3];
            for (int b = 0; b < 3; b++) {
                items[b] = (bp_batch_item){bp_at(entity, "s"), bp_kind(15, (unsigned)bpt_random_below(&random, 3)),
                                           bp_raw("payload", 7), NULL};
            }
            CHECK_OK(bp_append_batch(store, items, 1 + bpt_random_below(&random, 3), NULL, NULL, &error), &error);
        }
        for (size_t r = 0; r < REGIONS; r++) {
            const bp_event *event = NULL;
            const bp_event *same = NULL;
            bp_iterator *iterator = NULL;
            bp_query_options options;
            bp_region region;
            bp_region_text *owner = NULL;
            bp_status status;
            bpt_note("round %d region '%s'", round, regions[r]);
            bp_query_options_init(&options);
            options.resume = seen[r] != 0;
            options.resume_after = seen[r] - 1;
            CHECK_OK(bp_region_parse(store, regions[r], &region, &owner, &error), &error);
            CHECK_OK(bp_query(store, &region, &options, &iterator, &error), &error);
            while ((status = bp_next(iterator, &same, &error)) == BP_OK) {
                CHECK_OK(bp_cursor_next(cursors[r], &event, &error), &error);
                CHECK(event->sequence == same->sequence && event->batch == same->batch &&
                          event->batch_count == same->batch_count,
                      "event %llu, not %llu", (unsigned long long)event->sequence, (unsigned long long)same->sequence);
                seen[r] = same->sequence + 1;
            }
            assert_int_equal(status, BP_END);
            expect_end(cursors[r]);
            bp_iterator_close(iterator);
            bp_region_text_free(owner);
        }
    }
    for (size_t r = 0; r < REGIONS; r++) {
        bp_cursor_close(cursors[r]);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status twice(void *context, const bp_event *event, bp_output *output, bp_error *error)
{
    (void)error;
    if (*(const bool *)context) {
        return BP_ERR_FORMAT;
    }
    (void)bp_output_append(output, event->payload, event->payload_size);
    (void)bp_output_append(output, event->payload, event->payload_size);
    return BP_OK;
}

static void payloads_are_converted_unless_asked_for_as_stored(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_cursor_options options;
    const bp_event *event = NULL;
    bool broken = false;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put(store, "a", "x");
    bp_upcast converter = {.kind = receipt.kind, .from = 0, .convert = twice, .context = &broken};
    CHECK_OK(bp_upcast_register(store, &converter, 1, &error), &error);
    bp_cursor_options_init(&options);
    options.stored = true;
    bp_cursor *stored = open_cursor(store, "", &options);
    bp_cursor *cursor = open_cursor(store, "", NULL);
    expect(stored, "x");
    broken = true;
    CHECK_STATUS(BP_ERR_FORMAT, bp_cursor_next(cursor, &event, &error), &error);
    broken = false;
    expect(cursor, "xx"); /* it stayed before it */
    bp_cursor_close(stored);
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_world_end(&world);
}

static void kinds_narrow_a_region(void **state)
{
    static const bp_kind_code kinds[] = {0xf001, 0xf003};
    bpt_world world;
    bp_error error = {0};
    bp_cursor_options options;
    const bp_event *event = NULL;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_cursor_options_init(&options);
    options.kinds = kinds;
    options.kind_count = 2;
    bp_cursor *cursor = open_cursor(store, "", &options);
    for (uint64_t pieces = 0; pieces < 2; pieces++) { /* a small one, and one that is scanned */
        for (int i = 0; i < (pieces == 0 ? 8 : 400); i++) {
            CHECK_OK(
                bp_append(store, bp_at("a", "s"), (bp_kind_code)(0xf000 + i % 4), bp_raw("p", 1), NULL, NULL, &error),
                &error);
        }
        for (int i = 0; i < (pieces == 0 ? 4 : 200); i++) {
            CHECK_OK(bp_cursor_next(cursor, &event, &error), &error);
            assert_int_equal(event->kind, kinds[i % 2]);
        }
        expect_end(cursor);
    }
    bp_cursor_close(cursor);
    options.kinds = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void resumes_at_a_position(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_position position = {0};
    bp_cursor_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_cursor *cursor = open_cursor(store, "entity=a", NULL);
    CHECK_OK(bp_cursor_position(cursor, &position, &error), &error);
    assert_int_equal(position.next, 0);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "other");
    expect(cursor, "one");
    CHECK_OK(bp_cursor_position(cursor, &position, &error), &error);
    assert_int_equal(position.next, 1);
    expect_end(cursor);
    CHECK_OK(bp_cursor_position(cursor, &position, &error), &error);
    assert_int_equal(position.next, 2); /* behind what it passed over, too */
    bpt_put(store, "a", "two");
    bp_cursor_close(cursor);
    bpt_close(store);
    store = bpt_open(&world);
    bp_cursor_options_init(&options);
    options.from = &position;
    cursor = open_cursor(store, "entity=a", &options);
    expect(cursor, "two");
    expect_end(cursor);
    CHECK_OK(bp_cursor_seek(cursor, &(bp_position){0}, &error), &error);
    expect(cursor, "one");
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_position_of_another_history_is_refused(void **state)
{
    bpt_world world;
    bpt_world other;
    bp_error error = {0};
    bp_position position = {0};
    bp_cursor_options options;
    bp_cursor *cursor = NULL;
    (void)state;
    bpt_world_memory(&world);
    bpt_world_memory(&other);
    bpt_entropy_init(&other.entropy, 99);
    bp_store *store = bpt_open(&world);
    bp_store *foreign = bpt_open(&other);
    bpt_put(store, "a", "one");
    bpt_put(foreign, "a", "one");
    bpt_put(foreign, "a", "two");
    bp_cursor_options_init(&options);
    options.from = &position;
    CHECK_OK(bp_store_position(foreign, &position, &error), &error);
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    CHECK_SAYS(&error, "start again");
    assert_null(cursor);
    position.next = 1; /* there is such an event, with another hash */
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    cursor = open_cursor(store, "", NULL);
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_seek(cursor, &position, &error), &error);
    expect(cursor, "one"); /* it stayed where it was */
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_close(foreign);
    bpt_world_end(&world);
    bpt_world_end(&other);
}

/* The mistake: a position that a power cut took back is believed, and what is written anew is skipped for ever. */
static void a_position_that_a_power_cut_took_back_is_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_position position = {0};
    bp_cursor_options options;
    bp_cursor *cursor = NULL;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "kept");
    CHECK_OK(bp_sync(store, &error), &error);
    bpt_put(store, "a", "lost");
    cursor = open_cursor(store, "", NULL);
    expect(cursor, "kept");
    expect(cursor, "lost");
    CHECK_OK(bp_cursor_position(cursor, &position, &error), &error);
    bp_cursor_close(cursor);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    bp_cursor_options_init(&options);
    options.from = &position;
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    bpt_put(store, "a", "anew"); /* as long again: only the hash tells */
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void durable_means_durable(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_cursor_options options;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    bp_cursor_options_init(&options);
    options.durable = true;
    bp_cursor *beside[2] = {open_cursor(store, "", &options), open_cursor(reader, "", &options)};
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    for (int i = 0; i < 2; i++) {
        expect_end(beside[i]);
    }
    CHECK_OK(bp_sync(store, &error), &error);
    bpt_put(store, "a", "three");
    for (int i = 0; i < 2; i++) {
        expect(beside[i], "one");
        expect(beside[i], "two");
        expect_end(beside[i]);
    }
    assert_int_equal(bp_store_frontiers(reader).published, 3);
    assert_int_equal(bp_store_frontiers(reader).durable, 2);
    CHECK_OK(bp_sync(store, &error), &error);
    for (int i = 0; i < 2; i++) {
        expect(beside[i], "three");
        bp_cursor_close(beside[i]);
    }
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void lag_is_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_lag lag;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_cursor *cursor = open_cursor(store, "entity=a", NULL);
    CHECK_OK(bp_cursor_lag(cursor, &lag, &error), &error);
    assert_int_equal(lag.events, 0);
    assert_int_equal(lag.age_us, 0);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "other");
    atomic_fetch_add(&world.clock.now_us, 5000000);
    bpt_put(store, "a", "two");
    CHECK_OK(bp_cursor_lag(cursor, &lag, &error), &error);
    assert_int_equal(lag.events, 2);
    assert_in_range(lag.age_us, 5000000, 5010000);
    expect(cursor, "one");
    CHECK_OK(bp_cursor_lag(cursor, &lag, &error), &error);
    assert_int_equal(lag.events, 1);
    assert_in_range(lag.age_us, 0, 10000);
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_world_end(&world);
}

static void note_segment(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "log/0000000000-", 15) == 0) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

static void damage_is_not_passed_over(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    size_t size = 0;
    char name[64] = "";
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "a payload to be damaged");
    bpt_put(store, "a", "three");
    bp_cursor *cursor = open_cursor(store, "", NULL);
    bpt_file_each(&world, note_segment, name);
    uint8_t *bytes = bpt_file_read(&world, name, &size);
    assert_non_null(bytes);
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/%s", world.path, name);
    FILE *file = fopen(path, "r+b"); /* in place: the store has it mapped */
    assert_non_null(file);
    const uint8_t *payload = memmem(bytes, size, "to be damaged", 13);
    assert_non_null(payload);
    assert_int_equal(fseek(file, (long)(payload - bytes), SEEK_SET), 0);
    assert_int_equal(fputc('T', file), 'T');
    assert_int_equal(fclose(file), 0);
    free(bytes);
    expect(cursor, "one");
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(BP_ERR_CORRUPT, bp_cursor_next(cursor, &event, &error), &error);
    }
    bp_cursor_close(cursor);
    (void)bp_close(store, NULL);
    bpt_world_end(&world);
}

static void outlives_the_store(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_position position;
    bp_lag lag;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "a", "two");
    bp_cursor *cursor = open_cursor(store, "", NULL);
    expect(cursor, "one");
    bpt_close(store);
    expect(cursor, "two"); /* pinned before */
    CHECK_STATUS(BP_ERR_CLOSED, bp_cursor_next(cursor, &event, &error), &error);
    CHECK_STATUS(BP_ERR_CLOSED, bp_cursor_position(cursor, &position, &error), &error);
    CHECK_STATUS(BP_ERR_CLOSED, bp_cursor_lag(cursor, &lag, &error), &error);
    bp_cursor_close(cursor);
    bp_cursor_close(NULL);
    bpt_world_end(&world);
}

static void hostile_arguments_are_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_cursor *cursor = NULL;
    bp_position position = {0};
    bp_cursor_options options = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_open(NULL, NULL, NULL, &cursor, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_open(store, NULL, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_next(NULL, &event, &error), &error);
    CHECK_OK(bp_cursor_open(store, NULL, NULL, &cursor, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_next(cursor, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_position(cursor, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_seek(cursor, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cursor_lag(cursor, NULL, &error), &error);
    position.next = UINT64_MAX;
    CHECK_STATUS(BP_ERR_DIVERGED, bp_cursor_seek(cursor, &position, &error), &error);
    bp_cursor_close(cursor);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_with_what_came),
        cmocka_unit_test(sees_what_a_query_sees_whatever_the_pieces),
        cmocka_unit_test(payloads_are_converted_unless_asked_for_as_stored),
        cmocka_unit_test(kinds_narrow_a_region),
        cmocka_unit_test(resumes_at_a_position),
        cmocka_unit_test(a_position_of_another_history_is_refused),
        cmocka_unit_test(a_position_that_a_power_cut_took_back_is_refused),
        cmocka_unit_test(durable_means_durable),
        cmocka_unit_test(lag_is_told),
        cmocka_unit_test(damage_is_not_passed_over),
        cmocka_unit_test(outlives_the_store),
        cmocka_unit_test(hostile_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
