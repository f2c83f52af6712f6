/*
 * test_guard.c: appending only if nothing came between.
 */
#include "support/world.h"

static bpt_world world;

static int setup(void **state)
{
    (void)state;
    bpt_world_memory(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_world_end(&world);
    return 0;
}

static bp_receipt put(bp_store *store, const char *entity, const char *scope, bp_kind_code kind)
{
    bp_receipt receipt;
    bp_error error = {0};
    CHECK_OK(bp_append(store, bp_at(entity, scope), kind, bp_raw("x", 1), NULL, &receipt, &error), &error);
    return receipt;
}

static bp_position here(bp_store *store)
{
    bp_position position;
    bp_error error = {0};
    CHECK_OK(bp_store_position(store, &position, &error), &error);
    return position;
}

static bp_status try(bp_store *store, const bp_region *region, bp_position after, bp_error *error)
{
    bp_guard guard = bp_guard_of(region, after);
    bp_append_options options;
    bp_append_options_init(&options);
    options.guards = &guard;
    options.guard_count = 1;
    return bp_append(store, bp_at("decision", "elsewhere"), 0xe001, bp_raw("d", 1), &options, NULL, error);
}

static bp_store *filled(void)
{
    bp_store *store = bpt_open(&world);
    put(store, "order:1", "eu", 0xf001);
    put(store, "order:1:line", "us", 0xf002);
    put(store, "order:10", "eu", 0xf001);
    return store;
}

/* Each kind of region: what lies in it stops the append, what does not lie in it does not. */
static void every_kind_of_region_guards(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_region entity = bp_region_stream("order:1");
    bp_region scope = bp_region_by_scope("eu");
    bp_region kind = bp_region_by_kind(0xf001);
    bp_region prefix = bp_region_all();
    bp_region_set_prefix(&prefix, bp_text_of("order:1"));
    bp_region category = bp_region_all();
    bp_region_set_category(&category, 0xf);
    bp_region two = bp_region_stream("order:1");
    bp_region_set_kind(&two, 0xf002);
    const struct {
        bp_region *region;
        const char *entity, *scope;
        bp_kind_code kind;
        const char *other_entity, *other_scope;
        bp_kind_code other_kind;
    } cases[] = {
        {&entity, "order:1", "us", 0xf009, "order:1:line", "eu", 0xf001},
        {&entity, "order:1", "us", 0xf009, "order:10", "eu", 0xf001},
        {&scope, "other", "eu", 0xf009, "order:1", "us", 0xf001},
        {&kind, "other", "us", 0xf001, "order:1", "eu", 0xf002},
        {&prefix, "order:1:line", "us", 0xf009, "order:10", "eu", 0xf001},
        {&prefix, "order:1", "us", 0xf009, "order:12", "eu", 0xf001},
        {&category, "other", "us", 0xf00a, "order:1", "eu", 0xe00a},
        {&two, "order:1", "us", 0xf002, "order:1", "eu", 0xf001},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bpt_note("case %zu", i);
        bp_position before = here(store);
        put(store, cases[i].other_entity, cases[i].other_scope, cases[i].other_kind);
        CHECK_OK(try(store, cases[i].region, before, &error), &error);
        bp_receipt between = put(store, cases[i].entity, cases[i].scope, cases[i].kind);
        put(store, cases[i].other_entity, cases[i].other_scope, cases[i].other_kind);
        uint64_t next = bp_store_frontiers(store).published;
        CHECK_STATUS(BP_ERR_CONFLICT, try(store, cases[i].region, before, &error), &error);
        assert_true(error.has_sequence && error.has_id);
        assert_int_equal(error.sequence, between.sequence);
        assert_true(bp_id_equal(&error.id, &between.id));
        assert_string_equal(error.entity, cases[i].entity);
        assert_int_equal(bp_store_frontiers(store).published, next);
        CHECK_OK(try(store, cases[i].region, here(store), &error), &error);
    }
    bpt_close(store);
}

static void a_conflict_names_what_came_between(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_region region = bp_region_by_scope("eu");
    bp_position before = here(store);
    put(store, "order:7", "eu", 0xf001);
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &region, before, &error), &error);
    CHECK_SAYS(&error, "event 3");
    CHECK_SAYS(&error, "order:7");
    CHECK_SAYS(&error, "scope=eu");
    CHECK_SAYS(&error, "query again");
    bpt_close(store);
}

/* Also over what lies in sealed segments, and behind a position long ago. */
static void an_old_position_guards_over_many_segments(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_position before = here(store);
    for (unsigned i = 0; i < 3000; i++) {
        char entity[32];
        (void)snprintf(entity, sizeof entity, "filler:%u", i % 7);
        put(store, entity, i == 1000 ? "rare" : "common", 0xf003);
        if (i % 1000 == 999) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    bp_region rare = bp_region_by_scope("rare");
    bp_region never = bp_region_by_scope("never");
    bp_region eu = bp_region_by_scope("eu");
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &rare, before, &error), &error);
    assert_int_equal(error.sequence, 1003);
    CHECK_OK(try(store, &never, before, &error), &error);
    CHECK_OK(try(store, &eu, before, &error), &error);
    bp_position empty = {0};
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &eu, empty, &error), &error);
    CHECK_OK(try(store, &never, empty, &error), &error);
    bpt_close(store);
}

/* What is known of a scope in memory must agree with what lies in sealed segments, also after a reopening. */
static void a_scope_guards_after_a_reopening(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_position before = here(store);
    put(store, "a", "us", 0xf001);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    store = bpt_open(&world);
    bp_region eu = bp_region_by_scope("eu");
    bp_region us = bp_region_by_scope("us");
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &us, before, &error), &error);
    CHECK_OK(try(store, &eu, before, &error), &error);
    bp_position later = here(store);
    put(store, "a", "eu", 0xf001);
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &eu, later, &error), &error);
    CHECK_OK(try(store, &us, later, &error), &error);
    bpt_close(store);
}

static void all_guards_of_all_items_must_hold(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_position before = here(store);
    put(store, "order:9", "us", 0xf009);
    bp_region eu = bp_region_by_scope("eu");
    bp_region us = bp_region_by_scope("us");
    bp_region kind = bp_region_by_kind(0xf00b);
    bp_guard holding[2] = {bp_guard_of(&eu, before), bp_guard_of(&kind, before)};
    bp_guard broken[2] = {bp_guard_of(&eu, before), bp_guard_of(&us, before)};
    bp_append_options first;
    bp_append_options second;
    bp_append_options_init(&first);
    bp_append_options_init(&second);
    first.guards = holding;
    first.guard_count = 2;
    second.guards = broken;
    second.guard_count = 2;
    bp_batch_item items[2] = {{bp_at("a", "eu"), 0xf00b, bp_raw("1", 1), &first},
                              {bp_at("b", "eu"), 0xf00b, bp_raw("2", 1), &second}};
    uint64_t next = bp_store_frontiers(store).published;
    CHECK_STATUS(BP_ERR_CONFLICT, bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    assert_true(error.has_index);
    assert_int_equal(error.index, 1);
    assert_int_equal(error.sequence, 3);
    assert_int_equal(bp_store_frontiers(store).published, next);
    /* What the batch itself writes into the regions is no conflict. */
    second.guard_count = 1;
    CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    bpt_close(store);
}

static void a_position_of_another_history_has_diverged(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_region never = bp_region_by_scope("never");
    bp_position position = here(store);
    position.event_hash.bytes[5] ^= 1;
    CHECK_STATUS(BP_ERR_DIVERGED, try(store, &never, position, &error), &error);
    CHECK_SAYS(&error, "event 2");
    position = here(store);
    position.next++;
    CHECK_STATUS(BP_ERR_DIVERGED, try(store, &never, position, &error), &error);
    position.next = UINT64_MAX;
    CHECK_STATUS(BP_ERR_DIVERGED, try(store, &never, position, &error), &error);
    position = here(store);
    position.epoch += 7; /* another epoch alone is no divergence */
    CHECK_OK(try(store, &never, position, &error), &error);
    bpt_close(store);
}

static void a_retry_is_answered_before_its_guards(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_region all = bp_region_all();
    bp_guard guard = bp_guard_of(&all, here(store));
    bp_append_options options;
    bp_receipt first;
    bp_receipt again;
    bp_append_options_init(&options);
    options.id = bp_id_from("test", "guarded", 7);
    options.guards = &guard;
    options.guard_count = 1;
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("x", 1), &options, &first, &error), &error);
    put(store, "b", "s", 0xf001);
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("x", 1), &options, &again, &error), &error);
    assert_true(again.duplicate);
    assert_int_equal(again.sequence, first.sequence);
    bpt_close(store);
}

static void system_events_do_not_disturb_a_guard(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_position before = here(store);
    CHECK_OK(bp_kind_define(store, 0x1001, "thing.done", &error), &error);
    CHECK_OK(try(store, NULL, before, &error), &error);
    bp_region system = bp_region_all();
    bp_region_set_system(&system, true);
    bp_region_set_kind(&system, BP_KIND_NAME);
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &system, before, &error), &error);
    bpt_close(store);
}

static void the_position_of_an_iterator_is_that_of_its_view(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    bp_position seen;
    bp_region eu = bp_region_by_scope("eu");
    CHECK_OK(bp_query(store, &eu, NULL, &iterator, &error), &error);
    bp_position before = here(store);
    put(store, "order:2", "eu", 0xf001);
    CHECK_OK(bp_iterator_position(iterator, &seen, &error), &error);
    assert_int_equal(seen.next, before.next);
    assert_true(bp_hash_equal(&seen.event_hash, &before.event_hash));
    CHECK_STATUS(BP_ERR_CONFLICT, try(store, &eu, seen, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_iterator_position(NULL, &seen, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_iterator_position(iterator, NULL, &error), &error);
    bpt_close(store);
    CHECK_OK(bp_iterator_position(iterator, &seen, &error), &error); /* it outlives the store */
    bp_iterator_close(iterator);
}

static void hostile_guards_are_refused(void **state)
{
    (void)state;
    bp_store *store = filled();
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.guard_count = 3;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("x", 1), &options, NULL, &error),
                 &error);
    bp_region region = bp_region_all();
    region.fields = UINT32_MAX;
    CHECK_STATUS(BP_ERR_ARGUMENT, try(store, &region, here(store), &error), &error);
    CHECK_SAYS(&error, "guard 0");
    region = bp_region_all();
    region.size = 3;
    CHECK_STATUS(BP_ERR_ARGUMENT, try(store, &region, here(store), &error), &error);
    region = bp_region_all();
    bp_region_set_sequence(&region, 5, 2); /* empty: nothing can come into it */
    bp_position empty = {0};
    CHECK_OK(try(store, &region, empty, &error), &error);
    bpt_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_region_guards, setup, teardown),
        cmocka_unit_test_setup_teardown(a_conflict_names_what_came_between, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_position_guards_over_many_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scope_guards_after_a_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(all_guards_of_all_items_must_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_position_of_another_history_has_diverged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_is_answered_before_its_guards, setup, teardown),
        cmocka_unit_test_setup_teardown(system_events_do_not_disturb_a_guard, setup, teardown),
        cmocka_unit_test_setup_teardown(the_position_of_an_iterator_is_that_of_its_view, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_guards_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
