/*
 * test_kinds.c: names for kinds: given once and for ever, in the log, with an event or by themselves.
 */
#include "support/world.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->store = bpt_open(&f->world);
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

static bp_status named(fixture *f, const char *name, bool strict, bp_receipt *receipt)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = name;
    options.strict_kind = strict;
    return bp_append(f->store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options, receipt, &f->error);
}

static void a_name_is_kept_over_reopening(void **state)
{
    fixture *f = *state;
    bp_kind_code kind = 0;
    CHECK_OK(bp_kind_define(f->store, 0x2001, "order.placed", &f->error), &f->error);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(bp_kind_find(f->store, "order.placed", &kind, &f->error), &f->error);
        assert_int_equal(kind, 0x2001);
        assert_string_equal(bp_kind_name(f->store, 0x2001), "order.placed");
        assert_null(bp_kind_name(f->store, 0x2002));
        bpt_close(f->store);
        f->store = bpt_open(&f->world);
    }
}

static void the_same_pair_again_writes_nothing(void **state)
{
    fixture *f = *state;
    CHECK_OK(bp_kind_define(f->store, 0x2001, "a", &f->error), &f->error);
    uint64_t before = bp_store_frontiers(f->store).published;
    assert_int_equal(before, 1);
    CHECK_OK(bp_kind_define(f->store, 0x2001, "a", &f->error), &f->error);
    assert_int_equal(bp_store_frontiers(f->store).published, before);
}

static void a_kind_has_one_name_and_a_name_one_kind(void **state)
{
    fixture *f = *state;
    CHECK_OK(bp_kind_define(f->store, 0x2001, "a", &f->error), &f->error);
    CHECK_STATUS(BP_ERR_EXISTS, bp_kind_define(f->store, 0x2001, "b", &f->error), &f->error);
    CHECK_SAYS(&f->error, "a");
    CHECK_STATUS(BP_ERR_EXISTS, bp_kind_define(f->store, 0x2002, "a", &f->error), &f->error);
    assert_int_equal(bp_store_frontiers(f->store).published, 1);
}

static void bad_names_and_closed_kinds_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {"", "1a", ".a", "a b", "a\n", "a\xff", "-a", "a:b", "a\"b", "a\xc2\x80"};
    char name[257];
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        CHECK_STATUS(BP_ERR_NAME, bp_kind_define(f->store, 0x2001, bad[index], &f->error), &f->error);
        assert_false(bp_kind_name_valid(bad[index], strlen(bad[index])));
    }
    memset(name, 'n', 256);
    name[256] = '\0';
    CHECK_STATUS(BP_ERR_NAME, bp_kind_define(f->store, 0x2001, name, &f->error), &f->error);
    name[255] = '\0';
    CHECK_OK(bp_kind_define(f->store, 0x2001, name, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_define(f->store, 0x0001, "x", &f->error), &f->error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_define(f->store, 0xd000, "x", &f->error), &f->error);
    assert_true(bp_kind_define(f->store, 0x2002, NULL, &f->error) != BP_OK);
    CHECK_OK(bp_kind_define(f->store, 0x2002, "größe/b-c_d.9", &f->error), &f->error);
    CHECK_OK(bp_kind_define(f->store, 0x2003, "事件", &f->error), &f->error);
}

static void an_unknown_name_is_given_a_free_kind_in_the_same_commit(void **state)
{
    fixture *f = *state;
    bp_receipt receipt;
    bp_kind_code kind;
    const bp_event *event = NULL;
    CHECK_OK(named(f, "order.placed", false, &receipt), &f->error);
    assert_true(receipt.kind_named);
    assert_int_equal(bp_kind_category(receipt.kind), 1);
    assert_int_equal(receipt.sequence, 1); /* behind the naming */
    assert_int_equal(receipt.clock, 0);
    CHECK_OK(bp_kind_find(f->store, "order.placed", &kind, &f->error), &f->error);
    assert_int_equal(kind, receipt.kind);
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    assert_int_equal(event->kind, BP_KIND_NAME);
    assert_true(bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY)));
    assert_true(bp_text_equal(event->scope, bp_text_of(BP_SYSTEM_SCOPE)));
    assert_int_equal(event->payload_version, 1);
    assert_int_equal(event->payload_size, 2 + strlen("order.placed"));
    bp_event_release(event);
    CHECK_OK(named(f, "order.placed", true, &receipt), &f->error);
    assert_false(receipt.kind_named);
    assert_int_equal(receipt.kind, kind);
    CHECK_OK(named(f, "order.paid", false, &receipt), &f->error);
    assert_true(receipt.kind_named && receipt.kind != kind);
}

static void strict_refuses_an_unknown_name(void **state)
{
    fixture *f = *state;
    CHECK_STATUS(BP_ERR_KIND, named(f, "order.placed", true, NULL), &f->error);
    CHECK_SAYS(&f->error, "order.placed");
    CHECK_STATUS(BP_ERR_KIND, named(f, "not a name", false, NULL), &f->error);
    assert_int_equal(bp_store_frontiers(f->store).published, 0);
}

static void one_new_name_in_a_batch_is_given_once(void **state)
{
    fixture *f = *state;
    bp_append_options options;
    bp_batch_item items[3];
    bp_receipt receipts[3];
    bp_append_options_init(&options);
    options.kind_name = "new.name";
    for (size_t index = 0; index < 3; index++) {
        items[index] = (bp_batch_item){bp_at("e", "s"), 0xf001, bp_raw("x", 1), &options};
    }
    CHECK_OK(bp_append_batch(f->store, items, 3, NULL, receipts, &f->error), &f->error);
    assert_int_equal(bp_store_frontiers(f->store).published, 4);
    assert_true(receipts[0].kind_named && !receipts[1].kind_named && !receipts[2].kind_named);
    assert_int_equal(receipts[0].kind, receipts[2].kind);
}

static void the_item_that_named_is_marked(void **state)
{
    fixture *f = *state;
    bp_append_options options;
    bp_batch_item items[3];
    bp_receipt receipts[3];
    bp_append_options_init(&options);
    options.kind_name = "new.name";
    for (size_t index = 0; index < 3; index++) {
        items[index] = (bp_batch_item){bp_at("e", "s"), 0xf001, bp_raw("x", 1), index == 1 ? &options : NULL};
    }
    CHECK_OK(bp_append_batch(f->store, items, 3, NULL, receipts, &f->error), &f->error);
    assert_false(receipts[0].kind_named);
    assert_true(receipts[1].kind_named);
    assert_false(receipts[2].kind_named);
    assert_int_equal(receipts[0].kind, 0xf001);
    assert_int_equal(bp_kind_category(receipts[1].kind), 1);
}

static void each_item_may_have_a_name_of_its_own(void **state)
{
    fixture *f = *state;
    bp_append_options options[2];
    bp_batch_item items[2];
    bp_receipt receipts[2];
    static const char *const names[] = {"order.placed", "order.paid"};
    for (size_t index = 0; index < 2; index++) {
        bp_append_options_init(&options[index]);
        options[index].kind_name = names[index];
        items[index] = (bp_batch_item){bp_at("e", "s"), 0, bp_raw("x", 1), &options[index]};
    }
    CHECK_OK(bp_append_batch(f->store, items, 2, NULL, receipts, &f->error), &f->error);
    assert_int_not_equal(receipts[0].kind, receipts[1].kind);
}

static void a_refused_append_names_nothing(void **state)
{
    fixture *f = *state;
    bp_append_options options;
    bp_kind_code kind;
    bp_append_options_init(&options);
    options.kind_name = "new.name";
    options.expect = (bp_expectation){BP_EXPECT_AT, 3};
    CHECK_STATUS(BP_ERR_CONFLICT, bp_append(f->store, bp_at("e", "s"), 0, bp_raw("x", 1), &options, NULL, &f->error),
                 &f->error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_find(f->store, "new.name", &kind, &f->error), &f->error);
}

static void a_free_kind_is_one_that_has_no_events_of_its_own(void **state)
{
    fixture *f = *state;
    bp_receipt receipt;
    for (unsigned type = 0; type < 5; type++) {
        CHECK_OK(bp_kind_define(f->store, bp_kind(1, type), (const char *[]){"a", "b", "c", "d", "e"}[type], &f->error),
                 &f->error);
    }
    CHECK_OK(named(f, "f", false, &receipt), &f->error);
    assert_true(bp_kind_category(receipt.kind) == 1 && bp_kind_type(receipt.kind) >= 5);
}

static void the_next_free_kind_is_what_a_new_name_is_given(void **state)
{
    fixture *f = *state;
    bp_kind_code next = 0;
    bp_receipt receipt;
    for (unsigned round = 0; round < 3; round++) {
        char name[8] = {'n', (char)('0' + round)};
        CHECK_OK(bp_kind_next_free(f->store, &next, &f->error), &f->error);
        assert_int_equal(bp_kind_category(next), 1);
        assert_null(bp_kind_name(f->store, next));
        CHECK_OK(named(f, name, false, &receipt), &f->error);
        assert_int_equal(receipt.kind, next);
    }
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_kind_next_free(f->store, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_kind_next_free(NULL, &next, &f->error), &f->error);
    for (unsigned type = bp_kind_type(next) + 1; type < 4096; type++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t%u", type);
        CHECK_OK(bp_kind_define(f->store, bp_kind(1, type), name, &f->error), &f->error);
    }
    CHECK_OK(bp_kind_define(f->store, bp_kind(1, 0), "zero", &f->error), &f->error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_next_free(f->store, &next, &f->error), &f->error);
}

static void kinds_are_found_as_people_write_them(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        bp_kind_code kind;
    } good[] = {{"0xF001", 0xf001}, {"0xf001", 0xf001}, {"15:1", 0xf001},     {"0:0", 0},   {"DATA", 0},
                {"ERROR", 0xd001},  {"ACK", 0xd004},    {"CONFLICT", 0xd007}, {"0x0000", 0}};
    static const char *const bad[] = {"", "0x", "0x10000", "16:0", "1:4096", "1:", ":1", "nobody", "15:1 ", "0xF001z"};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        bp_kind_code kind = 0xffff;
        CHECK_OK(bp_kind_find(f->store, good[index].text, &kind, &f->error), &f->error);
        assert_int_equal(kind, good[index].kind);
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        bp_kind_code kind;
        bpt_note("kind text \"%s\"", bad[index]);
        CHECK_STATUS(BP_ERR_KIND, bp_kind_find(f->store, bad[index], &kind, &f->error), &f->error);
    }
    bpt_note("%s", "");
}

typedef struct seen {
    unsigned count;
    bp_kind_code kinds[8];
    uint64_t events[8];
    bool has_name[8];
} seen;

static int see(void *argument, bp_kind_code kind, const char *name, uint64_t events)
{
    seen *all = argument;
    assert_true(all->count < 8);
    all->kinds[all->count] = kind;
    all->events[all->count] = events;
    all->has_name[all->count] = name != NULL;
    all->count++;
    return 0;
}

static void the_table_counts_events(void **state)
{
    fixture *f = *state;
    seen all = {0};
    CHECK_OK(bp_kind_define(f->store, 0x2001, "a", &f->error), &f->error);
    CHECK_OK(bp_kind_define(f->store, 0x2002, "b", &f->error), &f->error);
    for (int index = 0; index < 3; index++) {
        CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0x2002, bp_raw("", 0), NULL, NULL, &f->error), &f->error);
        CHECK_OK(bp_append(f->store, bp_at("e", "s"), 0xe000, bp_raw("", 0), NULL, NULL, &f->error), &f->error);
    }
    CHECK_OK(bp_kinds(f->store, see, &all, &f->error), &f->error);
    unsigned found = 0;
    for (unsigned index = 0; index < all.count; index++) {
        assert_true(index == 0 || all.kinds[index] > all.kinds[index - 1]);
        found += all.kinds[index] == 0x2001 && all.events[index] == 0 && all.has_name[index];
        found += all.kinds[index] == 0x2002 && all.events[index] == 3 && all.has_name[index];
        found += all.kinds[index] == 0xe000 && all.events[index] == 3 && !all.has_name[index];
    }
    assert_int_equal(found, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_name_is_kept_over_reopening),
        CASE(the_same_pair_again_writes_nothing),
        CASE(a_kind_has_one_name_and_a_name_one_kind),
        CASE(bad_names_and_closed_kinds_are_refused),
        CASE(an_unknown_name_is_given_a_free_kind_in_the_same_commit),
        CASE(strict_refuses_an_unknown_name),
        CASE(one_new_name_in_a_batch_is_given_once),
        CASE(the_item_that_named_is_marked),
        CASE(each_item_may_have_a_name_of_its_own),
        CASE(a_refused_append_names_nothing),
        CASE(a_free_kind_is_one_that_has_no_events_of_its_own),
        CASE(the_next_free_kind_is_what_a_new_name_is_given),
        CASE(kinds_are_found_as_people_write_them),
        CASE(the_table_counts_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
