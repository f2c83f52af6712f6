/*
 * test_append.c: bp_append, bp_append_reaction and bp_append_batch: every option, every refusal and that the store is
 * as before, limits at the edge and one beyond.
 */
#include "support/model.h"
#include "support/world.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bp_receipt receipt;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->world.options.segment_size = 1 << 20;
    f->store = bpt_open(&f->world);
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    (void)bpt_verify(&f->world);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static bp_append_options defaults(void)
{
    bp_append_options options;
    bp_append_options_init(&options);
    return options;
}

static uint64_t published(const fixture *f)
{
    return bp_store_frontiers(f->store).published;
}

/* The append must be refused so, and leave the store as it was. */
static void refused(fixture *f, bp_status want, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                    const bp_append_options *options)
{
    uint64_t before = published(f);
    bpt_note("options size %zu flags %u durability %d expect %d, payload type %u size %zu",
             options != NULL ? options->size : 0, options != NULL ? options->flags : 0,
             options != NULL ? (int)options->durability : 0, options != NULL ? (int)options->expect.kind : 0,
             payload.type, payload.size);
    memset(&f->error, 0, sizeof f->error);
    CHECK_STATUS(want, bp_append(f->store, at, kind, payload, options, &f->receipt, &f->error), &f->error);
    assert_int_equal(f->error.status, want);
    assert_true(f->error.message[0] != '\0');
    assert_int_equal(published(f), before);
    CHECK_STATUS(want, bp_append(f->store, at, kind, payload, options, NULL, NULL), &f->error);
    assert_int_equal(published(f), before);
}

static void refused_name(fixture *f, const void *entity, size_t entity_size, const void *scope, size_t scope_size)
{
    refused(f, BP_ERR_NAME, bp_at_bytes(entity, entity_size, scope, scope_size), 0xf001, bp_raw("x", 1), NULL);
}

/* ---- what comes back ---- */

static void a_receipt_says_what_was_assigned(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_receipt first = bpt_put(f->store, "player:alice", "one");
    bp_receipt second = bpt_put(f->store, "player:alice", "two");
    bp_receipt other = bpt_put(f->store, "player:bob", "three");
    assert_int_equal(first.sequence, 0);
    assert_int_equal(first.clock, 0);
    assert_int_equal(second.sequence, 1);
    assert_int_equal(second.clock, 1);
    assert_int_equal(other.sequence, 2);
    assert_int_equal(other.clock, 0);
    assert_true(first.hlc < second.hlc && second.hlc < other.hlc);
    assert_true(first.durable && !first.duplicate && !first.unverifiable && !first.kind_named);
    assert_int_equal(first.kind, bp_kind(0xF, 1));
    assert_false(bp_id_is_nil(&first.id) || bp_id_equal(&first.id, &second.id));
    assert_int_equal(first.id.bytes[6] >> 4, 7); /* UUIDv7 */
    CHECK_OK(bp_get(f->store, &second.id, &event, &f->error), &f->error);
    assert_true(bp_hash_equal(&event->event_hash, &second.event_hash));
    assert_int_equal(event->position, second.position);
    assert_int_equal(event->hlc, second.hlc);
    assert_int_equal(event->batch_count, 1);
    bp_event_release(event);
}

static void every_option_is_read_back(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_receipt first = bpt_put(f->store, "a", "first");
    bp_receipt second = bpt_put(f->store, "b", "second");
    bp_id causes[2] = {second.id, first.id};
    bp_append_options options = defaults();
    options.id = bp_id_from("test", "id", 2);
    options.correlation = bp_id_from("test", "correlation", 11);
    options.causes = causes;
    options.cause_count = 2;
    options.has_time = true;
    options.time_us = -5;
    options.flags = BP_FLAG_REQUIRES_ACK | BP_FLAG_REPLAY;
    options.lane = 7;
    options.depth = 3;
    options.durability = BP_BUFFERED;
    bp_payload payload = bp_payload_versioned((bp_payload){"\0\xff\1", 3, 200, 0}, 65535);
    CHECK_OK(bp_append(f->store, bp_at("spieler:älice", "räum"), 0xe7ff, payload, &options, &f->receipt, &f->error),
             &f->error);
    assert_true(bp_id_equal(&f->receipt.id, &options.id));
    CHECK_OK(bp_get(f->store, &options.id, &event, &f->error), &f->error);
    assert_true(bp_text_equal(event->entity, bp_text_of("spieler:älice")));
    assert_true(bp_text_equal(event->scope, bp_text_of("räum")));
    assert_int_equal(event->kind, 0xe7ff);
    assert_int_equal(event->flags, 9);
    assert_int_equal(event->lane, 7);
    assert_int_equal(event->depth, 3);
    assert_int_equal(event->time_us, -5);
    assert_int_equal(event->payload_type, 200);
    assert_int_equal(event->payload_version, 65535);
    assert_int_equal(event->payload_size, 3);
    assert_memory_equal(event->payload, "\0\xff\1", 3);
    assert_true(bp_id_equal(&event->correlation, &options.correlation));
    assert_int_equal(event->cause_count, 2);
    assert_true(bp_id_equal(&event->causes[0], &second.id) && bp_id_equal(&event->causes[1], &first.id));
    assert_true(bp_event_is_correlated(event) && bp_event_is_caused_by(event, &first.id));
    assert_true(bp_event_is_genesis(event) && !bp_event_is_root_cause(event));
    assert_true(bp_chain_verify(event, NULL));
    bp_event_release(event);
}

static void empty_payloads_and_times_at_the_ends_are_fine(void **state)
{
    fixture *f = *state;
    static const int64_t times[] = {INT64_MIN, -1, 0, INT64_MAX};
    for (size_t index = 0; index < 4; index++) {
        const bp_event *event = NULL;
        bp_append_options options = defaults();
        options.has_time = true;
        options.time_us = times[index];
        CHECK_OK(bp_append(f->store, bp_at("e", "s"), BP_KIND_DATA, bp_raw(NULL, 0), &options, &f->receipt, &f->error),
                 &f->error);
        CHECK_OK(bp_get_sequence(f->store, index, &event, &f->error), &f->error);
        assert_int_equal(event->time_us, times[index]);
        assert_int_equal(event->payload_size, 0);
        bp_event_release(event);
    }
}

static void time_is_the_commit_unless_given(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    int64_t before = atomic_load(&f->world.clock.now_us);
    bpt_put(f->store, "e", "x");
    int64_t after = atomic_load(&f->world.clock.now_us);
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    assert_true(event->time_us >= before && event->time_us <= after);
    assert_true((int64_t)BP_HLC_MS(event->hlc) >= before / 1000 && (int64_t)BP_HLC_MS(event->hlc) <= after / 1000);
    bp_event_release(event);
}

static void hlc_grows_over_a_frozen_clock_and_a_step_back(void **state)
{
    fixture *f = *state;
    bp_hlc last = 0;
    atomic_store(&f->world.clock.step_us, 0);
    for (int index = 0; index < 70000; index++) { /* more than the counter's 16 bits */
        bp_append_options options = defaults();
        options.durability = BP_BUFFERED;
        if (index == 200) {
            (void)atomic_fetch_sub(&f->world.clock.now_us, 3600000000);
        }
        if (index > 300 && bpt_instrumented()) {
            break;
        }
        bp_receipt receipt = bpt_put_with(f->store, "e", "", &options);
        assert_true(receipt.hlc > last);
        last = receipt.hlc;
    }
    atomic_store(&f->world.clock.step_us, 7);
    bpt_close(f->store);
    (void)atomic_fetch_sub(&f->world.clock.now_us, 7200000000); /* and over a reopening */
    f->store = bpt_open(&f->world);
    assert_true(bpt_put(f->store, "e", "x").hlc > last);
}

static void a_reaction_carries_correlation_and_causes(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_receipt cause = bpt_put(f->store, "a", "x");
    bp_append_options options = defaults();
    options.lane = 2;
    CHECK_OK(bp_append_reaction(f->store, bp_at("b", "s"), 0xf001, bp_json("{}"), &cause.id, &cause.id, 1, &options,
                                &f->receipt, &f->error),
             &f->error);
    CHECK_OK(bp_get(f->store, &f->receipt.id, &event, &f->error), &f->error);
    assert_true(bp_id_equal(&event->correlation, &cause.id));
    assert_int_equal(event->cause_count, 1);
    assert_int_equal(event->lane, 2);
    bp_event_release(event);
    CHECK_STATUS(BP_ERR_ARGUMENT,
                 bp_append_reaction(f->store, bp_at("b", "s"), 0xf001, bp_json("{}"), &cause.id, &cause.id, 0, NULL,
                                    NULL, &f->error),
                 &f->error);
    CHECK_STATUS(
        BP_ERR_ARGUMENT,
        bp_append_reaction(f->store, bp_at("b", "s"), 0xf001, bp_json("{}"), NULL, NULL, 1, NULL, NULL, &f->error),
        &f->error);
    assert_int_equal(published(f), 2);
}

/* ---- names ---- */

static void names_at_the_limit_and_one_beyond(void **state)
{
    fixture *f = *state;
    char name[1025];
    memset(name, 'n', sizeof name);
    CHECK_OK(
        bp_append(f->store, bp_at_bytes(name, 1024, name, 1024), 0xf001, bp_raw("x", 1), NULL, &f->receipt, &f->error),
        &f->error);
    refused_name(f, name, 1025, "s", 1);
    refused_name(f, "e", 1, name, 1025);
    CHECK_SAYS(&f->error, "1024");
    refused_name(f, "", 0, "s", 1);
    refused_name(f, "e", 1, "", 0);
    refused_name(f, NULL, 0, "s", 1);
    CHECK_OK(bp_append(f->store, bp_at_bytes("e", 1, "s", 1), 0xf001, bp_raw("x", 1), NULL, NULL, &f->error),
             &f->error);
}

static void names_with_bad_bytes_are_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"a\0b", 3},
        {"a\nb", 3},
        {"\x7f", 1},
        {"\xc2\x85", 2}, /* U+0085 */
        {"\xc3", 1},
        {"\xc3(", 2},
        {"\xa0", 1},
        {"\xc0\x80", 2}, /* overlong */
        {"\xe0\x80\xaf", 3},
        {"\xed\xa0\x80", 3}, /* surrogate */
        {"\xf4\x90\x80\x80", 4},
        {"\xff", 1},
        {"\xf0\x9f\x98", 3},
        {"a\x1f", 2},
        {"\xef\xbf", 2},
    };
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        bpt_note("bad name %zu", index);
        refused_name(f, bad[index].bytes, bad[index].size, "s", 1);
        refused_name(f, "e", 1, bad[index].bytes, bad[index].size);
    }
    CHECK_OK(bp_append(f->store, bp_at("\xf4\x8f\xbf\xbf", "\xc2\xa0 \xef\xbf\xbd"), 0xf001, bp_raw("x", 1), NULL, NULL,
                       &f->error),
             &f->error);
}

static void the_system_entity_is_closed(void **state)
{
    fixture *f = *state;
    refused(f, BP_ERR_KIND, bp_at(BP_SYSTEM_ENTITY, "s"), 0xf001, bp_raw("x", 1), NULL);
    refused(f, BP_ERR_KIND, bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE), BP_KIND_DATA, bp_raw("x", 1), NULL);
    CHECK_OK(
        bp_append(f->store, bp_at("batpak:system:x", BP_SYSTEM_SCOPE), 0xf001, bp_raw("x", 1), NULL, NULL, &f->error),
        &f->error);
    CHECK_OK(bp_append(f->store, bp_at("batpak", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &f->error), &f->error);
}

/* ---- kinds ---- */

static void every_reserved_kind_is_refused_and_no_other(void **state)
{
    fixture *f = *state;
    for (unsigned kind = 0; kind < 65536; kind += kind < 0x1000 || (kind >= 0xcff0 && kind < 0xe000) ? 1 : 0x101) {
        bp_append_options options = defaults();
        options.durability = BP_BUFFERED;
        bp_status status =
            bp_append(f->store, bp_at("e", "s"), (bp_kind_code)kind, bp_raw("", 0), &options, NULL, &f->error);
        unsigned category = kind >> 12;
        bool open = kind == 0 || (category != 0 && category != 0xd) || kind == 0xd001 || kind == 0xd002 ||
                    (kind >= 0xd004 && kind <= 0xd007);
        CHECK(status == (open ? BP_OK : BP_ERR_KIND), "kind 0x%04X: %s", kind, bp_status_name(status));
        assert_int_equal(bp_kind_is_open((bp_kind_code)kind), open);
    }
}

/* ---- sizes ---- */

static void payloads_at_the_limit_and_one_beyond(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bpt_close(f->store);
    f->world.options.payload_max = 100000;
    f->store = bpt_open(&f->world);
    uint8_t *bytes = malloc(100001);
    assert_non_null(bytes);
    memset(bytes, 0xab, 100001);
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw(bytes, 100000), NULL, NULL, &f->error), &f->error);
    refused(f, BP_ERR_TOO_LARGE, bp_at("e", "s"), 0xf001, bp_raw(bytes, 100001), NULL);
    CHECK_SAYS(&f->error, "100000");
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    assert_int_equal(event->payload_size, 100000);
    assert_memory_equal(event->payload, bytes, 100000);
    bp_event_release(event);
    free(bytes);
}

static void the_default_payload_limit_is_16_mib(void **state)
{
    fixture *f = *state;
    uint8_t *bytes = calloc(1, BP_PAYLOAD_DEFAULT_MAX + 1);
    const bp_event *event = NULL;
    assert_non_null(bytes);
    bytes[BP_PAYLOAD_DEFAULT_MAX - 1] = 9;
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw(bytes, BP_PAYLOAD_DEFAULT_MAX), NULL, NULL, &f->error),
             &f->error); /* larger than a segment: gets one of its own */
    refused(f, BP_ERR_TOO_LARGE, bp_at("e", "s"), 0xf001, bp_raw(bytes, BP_PAYLOAD_DEFAULT_MAX + 1), NULL);
    bpt_put(f->store, "e", "after");
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    assert_int_equal(event->payload_size, BP_PAYLOAD_DEFAULT_MAX);
    assert_memory_equal(event->payload, bytes, BP_PAYLOAD_DEFAULT_MAX);
    bp_event_release(event);
    free(bytes);
}

static void sixty_four_causes_and_one_more(void **state)
{
    fixture *f = *state;
    bp_id causes[65];
    const bp_event *event = NULL;
    for (size_t index = 0; index < 65; index++) {
        causes[index] = bpt_put(f->store, "c", "x").id;
    }
    bp_append_options options = defaults();
    options.causes = causes;
    options.cause_count = 65;
    refused(f, BP_ERR_TOO_LARGE, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options);
    CHECK_SAYS(&f->error, "64");
    options.cause_count = SIZE_MAX;
    refused(f, BP_ERR_TOO_LARGE, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options);
    options.cause_count = 64;
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, &f->receipt, &f->error), &f->error);
    CHECK_OK(bp_get(f->store, &f->receipt.id, &event, &f->error), &f->error);
    assert_int_equal(event->cause_count, 64);
    assert_memory_equal(event->causes, causes, 64 * sizeof *causes);
    bp_event_release(event);
}

static void causes_must_exist_unless_external(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_id causes[2] = {bpt_put(f->store, "c", "x").id, bp_id_from("nowhere", "x", 1)};
    bp_append_options options = defaults();
    options.causes = causes;
    options.cause_count = 2;
    refused(f, BP_ERR_CAUSE, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options);
    memset(&causes[1], 0, sizeof causes[1]);
    refused(f, BP_ERR_ARGUMENT, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options);
    causes[1] = bp_id_from("nowhere", "x", 1);
    options.external = true;
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, &f->receipt, &f->error), &f->error);
    CHECK_OK(bp_get(f->store, &f->receipt.id, &event, &f->error), &f->error);
    assert_true(event->external);
    bp_event_release(event);
}

/* ---- expectations ---- */

static void expect(fixture *f, bp_expect_kind kind, uint64_t clock, bool holds, uint64_t actual)
{
    bp_append_options options = defaults();
    options.expect.kind = kind;
    options.expect.clock = clock;
    if (holds) {
        CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &f->error), &f->error);
        return;
    }
    refused(f, BP_ERR_CONFLICT, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options);
    assert_int_equal(f->error.expected, kind == BP_EXPECT_NONE ? BP_NONE : clock);
    assert_int_equal(f->error.actual, actual);
    assert_string_equal(f->error.entity, "e");
}

static void expectations_none_any_at(void **state)
{
    fixture *f = *state;
    expect(f, BP_EXPECT_AT, 0, false, BP_NONE);
    expect(f, BP_EXPECT_NONE, 99, true, 0);
    expect(f, BP_EXPECT_NONE, 0, false, 0); /* "at 0" and "none" are not the same */
    expect(f, BP_EXPECT_AT, 1, false, 0);
    expect(f, BP_EXPECT_AT, 0, true, 0);
    expect(f, BP_EXPECT_AT, 0, false, 1);
    expect(f, BP_EXPECT_ANY, 77, true, 0);
    expect(f, BP_EXPECT_AT, 2, true, 0);
    expect(f, BP_EXPECT_AT, UINT64_MAX, false, 3);
    assert_int_equal(published(f), 4);
}

static void an_expectation_is_of_the_entity_over_all_scopes(void **state)
{
    fixture *f = *state;
    bp_append_options options = defaults();
    CHECK_OK(bp_append(f->store, bp_at("e", "one"), 0xf001, bp_raw("", 0), NULL, NULL, &f->error), &f->error);
    options.expect.kind = BP_EXPECT_NONE;
    refused(f, BP_ERR_CONFLICT, bp_at("e", "two"), 0xf001, bp_raw("", 0), &options);
    options.expect.kind = BP_EXPECT_AT;
    options.expect.clock = 0;
    CHECK_OK(bp_append(f->store, bp_at("e", "two"), 0xf001, bp_raw("", 0), &options, &f->receipt, &f->error),
             &f->error);
    assert_int_equal(f->receipt.clock, 1);
}

/* ---- hostile arguments ---- */

static void null_arguments_are_refused(void **state)
{
    fixture *f = *state;
    bp_batch_item item = {bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL};
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append(NULL, item.at, item.kind, item.payload, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_batch(NULL, &item, 1, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_batch(f->store, NULL, 1, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_batch(f->store, &item, 0, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(f->store, NULL, 1, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(NULL, NULL, 0, &f->error), &f->error);
    refused(f, BP_ERR_ARGUMENT, item.at, item.kind, bp_raw(NULL, 5), NULL);
    bp_append_options options = defaults();
    options.cause_count = 1;
    refused(f, BP_ERR_ARGUMENT, item.at, item.kind, item.payload, &options);
    options = defaults();
    options.cause_item_count = 1;
    refused(f, BP_ERR_ARGUMENT, item.at, item.kind, item.payload, &options);
    bp_status status = bp_append(f->store, bp_at_bytes(NULL, 7, "s", 1), 0xf001, item.payload, NULL, NULL, &f->error);
    assert_true(status == BP_ERR_NAME || status == BP_ERR_ARGUMENT);
    assert_int_equal(published(f), 0);
}

static void garbage_in_options_is_refused(void **state)
{
    fixture *f = *state;
    bp_coordinate at = bp_at("e", "s");
    bp_payload payload = bp_raw("x", 1);
    for (unsigned bit = 0; bit < 16; bit++) {
        bp_append_options options = defaults();
        options.flags = (uint16_t)(1u << bit);
        if (bit == 0 || bit == 1 || bit == 3) {
            continue;
        }
        refused(f, BP_ERR_ARGUMENT, at, 0xf001, payload, &options);
    }
    bp_append_options options = defaults();
    options.durability = (bp_durability)77;
    refused(f, BP_ERR_ARGUMENT, at, 0xf001, payload, &options);
    options = defaults();
    options.expect.kind = (bp_expect_kind)9;
    refused(f, BP_ERR_ARGUMENT, at, 0xf001, payload, &options);
    options = defaults();
    options.size = 3;
    refused(f, BP_ERR_ARGUMENT, at, 0xf001, payload, &options);
    refused(f, BP_ERR_ARGUMENT, at, 0xf001, (bp_payload){"x", 1, 3, 0}, NULL);
    refused(f, BP_ERR_ARGUMENT, at, 0xf001, (bp_payload){"x", 1, 127, 0}, NULL);
    refused(f, BP_ERR_TOO_LARGE, at, 0xf001, bp_raw("x", SIZE_MAX), NULL);
    refused(f, BP_ERR_TOO_LARGE, at, 0xf001, bp_raw("x", (size_t)1 << 32), NULL);
    refused(f, BP_ERR_NAME, bp_at_bytes("x", SIZE_MAX, "s", 1), 0xf001, payload, NULL);
    refused(f, BP_ERR_NAME, bp_at_bytes("x", 1, "s", ((size_t)1 << 32) + 1), 0xf001, payload, NULL);
}

static void an_error_pointer_may_be_null(void **state)
{
    fixture *f = *state;
    assert_int_equal(bp_append(f->store, bp_at("", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, NULL), BP_ERR_NAME);
    assert_int_equal(bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, NULL), BP_OK);
}

static void payloads_are_copied(void **state)
{
    fixture *f = *state;
    char text[] = "before";
    char entity[] = "entity";
    const bp_event *event = NULL;
    CHECK_OK(bp_append(f->store, bp_at(entity, "s"), 0xf001, bp_raw(text, 6), NULL, NULL, &f->error), &f->error);
    memset(text, 'X', 6);
    memset(entity, 'X', 6);
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    assert_memory_equal(event->payload, "before", 6);
    assert_true(bp_text_equal(event->entity, bp_text_of("entity")));
    bp_event_release(event);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_receipt_says_what_was_assigned),
        CASE(every_option_is_read_back),
        CASE(empty_payloads_and_times_at_the_ends_are_fine),
        CASE(time_is_the_commit_unless_given),
        CASE(hlc_grows_over_a_frozen_clock_and_a_step_back),
        CASE(a_reaction_carries_correlation_and_causes),
        CASE(names_at_the_limit_and_one_beyond),
        CASE(names_with_bad_bytes_are_refused),
        CASE(the_system_entity_is_closed),
        CASE(every_reserved_kind_is_refused_and_no_other),
        CASE(payloads_at_the_limit_and_one_beyond),
        CASE(the_default_payload_limit_is_16_mib),
        CASE(sixty_four_causes_and_one_more),
        CASE(causes_must_exist_unless_external),
        CASE(expectations_none_any_at),
        CASE(an_expectation_is_of_the_entity_over_all_scopes),
        CASE(null_arguments_are_refused),
        CASE(garbage_in_options_is_refused),
        CASE(an_error_pointer_may_be_null),
        CASE(payloads_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
