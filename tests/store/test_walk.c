/*
 * test_walk.c: walks: order, depth, bounds, cycles, what is missing, and a chain that was tampered with.
 */
#include "support/forge.h"

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
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

/* The id of event `number` of a test's graph. */
static bp_id id_of(uint8_t number)
{
    return bp_id_from("walk", &number, 1);
}

/* Appends event `number`, caused by others that may not be there. */
static void node(fixture *f, const char *entity, uint8_t number, const uint8_t *causes, size_t count)
{
    bp_id ids[BP_CAUSES_MAX];
    bp_append_options options;
    bp_append_options_init(&options);
    for (size_t i = 0; i < count; i++) {
        ids[i] = id_of(causes[i]);
    }
    options.id = id_of(number);
    options.causes = ids;
    options.cause_count = count;
    options.external = true;
    options.correlation = number > 100 ? id_of(100) : options.id;
    (void)bpt_put_with(f->store, entity, "x", &options);
}

static void root(fixture *f, const char *entity, uint8_t number)
{
    node(f, entity, number, NULL, 0);
}

static void one(fixture *f, const char *entity, uint8_t number, uint8_t cause)
{
    node(f, entity, number, &cause, 1);
}

static void two(fixture *f, const char *entity, uint8_t number, uint8_t cause, uint8_t other)
{
    const uint8_t causes[] = {cause, other};
    node(f, entity, number, causes, 2);
}

/* Walks and checks: events as numbers, their depths, the reason. */
static void check(fixture *f, uint8_t start, const bp_walk_options *options, const char *shown, bp_walk_stop reason)
{
    char text[256] = "";
    bp_id id = id_of(start);
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    uint32_t depth = 0;
    CHECK_OK(bp_walk_begin(f->store, &id, options, &walk, &f->error), &f->error);
    bp_status status = BP_OK;
    while ((status = bp_walk_next(walk, &event, &depth, &f->error)) == BP_OK) {
        unsigned number = 0;
        bp_id candidate = id_of(0);
        while (!bp_id_equal(&candidate, &event->id) && number < 255) {
            candidate = id_of((uint8_t)++number);
        }
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s%u@%u", used == 0 ? "" : " ", number, (unsigned)depth);
    }
    CHECK_STATUS(BP_END, status, &f->error);
    assert_string_equal(text, shown);
    assert_int_equal(bp_walk_reason(walk), reason);
    assert_int_equal(bp_walk_next(walk, &event, &depth, &f->error), BP_END);
    bp_walk_end(walk);
}

static bp_walk_options way(bp_walk_kind kind, uint32_t depth, uint64_t limit)
{
    bp_walk_options options;
    bp_walk_options_init(&options);
    options.kind = kind;
    options.depth = depth;
    options.limit = limit;
    options.verify = true;
    return options;
}

/* 1 <- 2, 1 <- 3, 4 is a merge of 2 and 3, 5 follows 4. */
static void diamond(fixture *f)
{
    root(f, "a", 1);
    one(f, "b", 2, 1);
    one(f, "b", 3, 1);
    two(f, "c", 4, 2, 3);
    one(f, "d", 5, 4);
}

static void causes_breadth_first_each_once(void **state)
{
    fixture *f = *state;
    diamond(f);
    bp_walk_options options = way(BP_WALK_CAUSES, 0, 0);
    check(f, 5, &options, "5@0 4@1 2@2 3@2 1@3", BP_WALK_DONE);
    options = way(BP_WALK_CAUSES, 2, 0);
    check(f, 5, &options, "5@0 4@1 2@2 3@2", BP_WALK_DEPTH);
    options = way(BP_WALK_CAUSES, 3, 0);
    check(f, 5, &options, "5@0 4@1 2@2 3@2 1@3", BP_WALK_DONE);
    options = way(BP_WALK_CAUSES, 0, 3);
    check(f, 5, &options, "5@0 4@1 2@2", BP_WALK_LIMIT);
    options = way(BP_WALK_CAUSES, 0, 5);
    check(f, 5, &options, "5@0 4@1 2@2 3@2 1@3", BP_WALK_DONE);
    check(f, 1, &options, "1@0", BP_WALK_DONE);
}

static void effects_breadth_first_each_once(void **state)
{
    fixture *f = *state;
    diamond(f);
    bp_walk_options options = way(BP_WALK_EFFECTS, 0, 0);
    check(f, 1, &options, "1@0 2@1 3@1 4@2 5@3", BP_WALK_DONE);
    options = way(BP_WALK_EFFECTS, 1, 0);
    check(f, 1, &options, "1@0 2@1 3@1", BP_WALK_DEPTH);
    options = way(BP_WALK_EFFECTS, 0, 2);
    check(f, 1, &options, "1@0 2@1", BP_WALK_LIMIT);
    check(f, 5, &options, "5@0", BP_WALK_DONE);
}

static void a_cycle_ends(void **state)
{
    fixture *f = *state;
    one(f, "a", 1, 3); /* 3 comes later */
    one(f, "a", 2, 1);
    two(f, "a", 3, 2, 3);
    bp_walk_options options = way(BP_WALK_CAUSES, 0, 0);
    check(f, 3, &options, "3@0 2@1 1@2", BP_WALK_DONE);
    options = way(BP_WALK_EFFECTS, 0, 0);
    check(f, 1, &options, "1@0 2@1 3@2", BP_WALK_DONE);
}

static void causes_that_are_not_here_are_told(void **state)
{
    fixture *f = *state;
    one(f, "a", 1, 77);
    two(f, "a", 2, 1, 78);
    bp_walk_options options = way(BP_WALK_CAUSES, 0, 0);
    check(f, 2, &options, "2@0 1@1", BP_WALK_MISSING);
    options = way(BP_WALK_CAUSES, 0, 1);
    check(f, 2, &options, "2@0", BP_WALK_LIMIT);
}

static void a_chain_goes_back_to_genesis(void **state)
{
    fixture *f = *state;
    for (uint8_t i = 1; i < 40; i++) {
        root(f, i % 4 == 0 ? "four" : "other", i);
    }
    bp_walk_options options = way(BP_WALK_CHAIN, 0, 0);
    check(f, 20, &options, "20@0 16@1 12@2 8@3 4@4", BP_WALK_DONE);
    options = way(BP_WALK_CHAIN, 2, 0);
    check(f, 20, &options, "20@0 16@1 12@2", BP_WALK_DEPTH);
    options = way(BP_WALK_CHAIN, 4, 0);
    check(f, 20, &options, "20@0 16@1 12@2 8@3 4@4", BP_WALK_DONE);
    options = way(BP_WALK_CHAIN, 0, 2);
    check(f, 20, &options, "20@0 16@1", BP_WALK_LIMIT);
    options.verify = false;
    check(f, 20, &options, "20@0 16@1", BP_WALK_LIMIT);
}

static void a_correlation_shows_the_start_first(void **state)
{
    fixture *f = *state;
    root(f, "a", 100);
    root(f, "b", 1);
    root(f, "b", 101);
    root(f, "b", 102);
    root(f, "b", 103);
    bp_walk_options options = way(BP_WALK_CORRELATION, 0, 0);
    check(f, 102, &options, "102@0 100@1 101@1 103@1", BP_WALK_DONE);
    check(f, 1, &options, "1@0", BP_WALK_DONE);
    options = way(BP_WALK_CORRELATION, 0, 2);
    check(f, 102, &options, "102@0 100@1", BP_WALK_LIMIT);
    options = way(BP_WALK_CORRELATION, 0, 4);
    check(f, 102, &options, "102@0 100@1 101@1 103@1", BP_WALK_DONE);
}

static void where_a_link_does_not_hold_it_is_told(void **state)
{
    fixture *f = *state;
    for (uint8_t i = 1; i < 6; i++) {
        node(f, "a", i, NULL, 0);
    }
    bpt_close(f->store);
    /* Somebody changes the third payload and makes every checksum right again. */
    bpt_forge *forge = bpt_forge_begin(&f->world, 0);
    uint8_t *record = bpt_forge_record(forge, 2);
    size_t payload = (size_t)128 + record[68] + record[70] + record[74];
    assert_int_equal(record[payload], 'x');
    record[payload] = 'y';
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    f->store = bpt_open(&f->world);
    bp_walk_options options = way(BP_WALK_CHAIN, 0, 0);
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    bp_id id = id_of(5);
    CHECK_OK(bp_walk_begin(f->store, &id, &options, &walk, &f->error), &f->error);
    for (uint64_t sequence = 4; sequence != UINT64_MAX; sequence--) {
        bp_status status = bp_walk_next(walk, &event, NULL, &f->error);
        assert_int_equal(status, sequence == 2 ? BP_ERR_CORRUPT : BP_OK); /* and it goes on behind it */
        assert_true(status != BP_OK || event->sequence == sequence);
    }
    assert_int_equal(bp_walk_next(walk, &event, NULL, NULL), BP_END);
    bp_walk_end(walk);
    assert_string_equal(f->error.file, "log/0000000000-1.seg");
    assert_string_equal(f->error.entity, "a");
    assert_true(f->error.has_sequence && f->error.sequence == 2);
    /* Without verifying nobody looks. */
    options.verify = false;
    check(f, 5, &options, "5@0 4@1 3@2 2@3 1@4", BP_WALK_DONE);
}

static void hostile_arguments_are_refused(void **state)
{
    fixture *f = *state;
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    bp_id id = id_of(9);
    bp_walk_options options = way(BP_WALK_CHAIN, 0, 0);
    assert_int_equal(bp_walk_begin(f->store, &id, &options, &walk, NULL), BP_ERR_NOT_FOUND);
    assert_null(walk);
    assert_int_equal(bp_walk_begin(NULL, &id, &options, &walk, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_walk_begin(f->store, NULL, &options, &walk, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_walk_begin(f->store, &id, &options, NULL, NULL), BP_ERR_ARGUMENT);
    options.kind = (bp_walk_kind)9;
    assert_int_equal(bp_walk_begin(f->store, &id, &options, &walk, NULL), BP_ERR_ARGUMENT);
    options.size = 3;
    assert_int_equal(bp_walk_begin(f->store, &id, &options, &walk, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_walk_next(NULL, &event, NULL, NULL), BP_ERR_ARGUMENT);
    bp_walk_end(NULL);
    assert_string_equal(bp_walk_stop_text(BP_WALK_MISSING), "missing causes");
    assert_string_equal(bp_walk_stop_text((bp_walk_stop)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(causes_breadth_first_each_once, setup, teardown),
        cmocka_unit_test_setup_teardown(effects_breadth_first_each_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cycle_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(causes_that_are_not_here_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_chain_goes_back_to_genesis, setup, teardown),
        cmocka_unit_test_setup_teardown(a_correlation_shows_the_start_first, setup, teardown),
        cmocka_unit_test_setup_teardown(where_a_link_does_not_hold_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_arguments_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
