/*
 * test_typestate.c: machines as types and as tables: moves append themselves, old states are refused, histories are
 * followed. (That wrong moves do not compile is shown by tests/cli/wrong_types.sh.)
 */
#include "support/world.h"

#define DOOR(STATE, MOVE, m)                       \
    STATE(m, closed)                               \
    STATE(m, opened)                               \
    STATE(m, locked)                               \
    MOVE(m, push, closed, opened, BP_KIND(0xf, 1)) \
    MOVE(m, shut, opened, closed, BP_KIND(0xf, 2)) \
    MOVE(m, lock, closed, locked, BP_KIND(0xf, 3)) \
    MOVE(m, unlock, locked, closed, BP_KIND(0xf, 4))
struct door_data {
    int key;
};
BP_TYPESTATE(door, DOOR, closed, struct door_data);

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

static const bp_payload nothing = {.data = NULL, .size = 0, .type = BP_PAYLOAD_RAW, .version = 0};

static uint64_t published(const fixture *f)
{
    return bp_store_frontiers(f->store).published;
}

static void moves_append_themselves(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    door_opened opened = {0};
    door_locked locked = {0};
    door_closed closed = door_start(bp_at("door:1", "cellar"), (struct door_data){7});
    CHECK_OK(door_push(f->store, closed, bp_json("{\"by\":\"alice\"}"), NULL, &opened, &f->error), &f->error);
    CHECK_OK(door_shut(f->store, opened, nothing, NULL, &closed, &f->error), &f->error);
    CHECK_OK(door_lock(f->store, closed, nothing, NULL, &locked, &f->error), &f->error);
    assert_int_equal(locked.data.key, 7);
    assert_int_equal(locked.stance.receipt.clock, 2);
    CHECK_OK(bp_get(f->store, &opened.stance.receipt.id, &event, &f->error), &f->error);
    assert_int_equal(event->kind, BP_KIND(0xf, 1));
    assert_int_equal(event->payload_size, strlen("{\"by\":\"alice\"}"));
    bp_event_release(event);
    /* the receipt is not owed to anyone */
    CHECK_OK(door_unlock(f->store, locked, nothing, NULL, NULL, NULL), &f->error);
}

static void an_old_state_is_refused(void **state)
{
    fixture *f = *state;
    door_opened opened = {0};
    door_locked locked = {0};
    door_closed closed = door_start(bp_at("door:1", "cellar"), (struct door_data){7});
    CHECK_OK(door_push(f->store, closed, nothing, NULL, &opened, &f->error), &f->error);
    uint64_t before = published(f);
    CHECK_STATUS(BP_ERR_CONFLICT, door_lock(f->store, closed, nothing, NULL, &locked, &f->error), &f->error);
    assert_int_equal(published(f), before);
    assert_int_equal(locked.data.key, 0); /* as it was */
    bpt_put(f->store, "door:1", "an event of another kind counts too");
    CHECK_STATUS(BP_ERR_CONFLICT, door_shut(f->store, opened, nothing, NULL, &closed, &f->error), &f->error);
}

static void a_state_is_loaded_from_its_history(void **state)
{
    fixture *f = *state;
    door_any any = {0};
    door_locked locked = {0};
    bp_coordinate at = bp_at("door:1", "cellar");
    CHECK_OK(door_load(f->store, at, (struct door_data){3}, &any, &f->error), &f->error);
    assert_int_equal(any.state, door_state_closed);
    assert_int_equal(any.as.closed.stance.seen.kind, BP_EXPECT_NONE);
    CHECK_OK(door_lock(f->store, any.as.closed, nothing, NULL, &locked, &f->error), &f->error);
    bpt_put_with(f->store, "door:1", "painted",
                 &(bp_append_options){.size = sizeof(bp_append_options), .kind_name = "door.painted"});
    bpt_put(f->store, "door:10", "another door");
    CHECK_OK(door_load(f->store, at, (struct door_data){3}, &any, &f->error), &f->error);
    assert_int_equal(any.state, door_state_locked);
    assert_int_equal(any.as.locked.data.key, 3);
    assert_string_equal(door_state_name(any.state), "locked");
    assert_string_equal(door_state_name((enum door_state)77), "?");
    door_closed closed = {0};
    CHECK_OK(door_unlock(f->store, any.as.locked, nothing, NULL, &closed, &f->error), &f->error);
    assert_int_equal(closed.stance.receipt.clock, 2);
}

static void a_history_that_breaks_the_machine_is_told(void **state)
{
    fixture *f = *state;
    door_any any = {.state = door_state_locked};
    CHECK_OK(bp_append(f->store, bp_at("door:2", "x"), BP_KIND(0xf, 2), nothing, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_FORMAT, door_load(f->store, bp_at("door:2", "x"), (struct door_data){0}, &any, &f->error),
                 &f->error);
    CHECK_SAYS(&f->error, "'closed'");
    CHECK_SAYS(&f->error, "'door'");
    assert_true(f->error.has_sequence && f->error.sequence == 0);
    assert_string_equal(f->error.entity, "door:2");
    assert_int_equal(any.state, door_state_locked);
    CHECK_STATUS(BP_ERR_FORMAT, door_load(f->store, bp_at("door:2", "x"), (struct door_data){0}, &any, NULL),
                 &f->error);
}

static void a_retry_moves_as_the_first_did(void **state)
{
    fixture *f = *state;
    bp_append_options options;
    door_opened first = {0};
    door_opened again = {0};
    bp_append_options_init(&options);
    options.id = bp_id_from("door", "push", 4);
    door_closed closed = door_start(bp_at("door:1", "cellar"), (struct door_data){7});
    CHECK_OK(door_push(f->store, closed, nothing, &options, &first, &f->error), &f->error);
    CHECK_OK(door_push(f->store, closed, nothing, &options, &again, &f->error), &f->error);
    assert_true(again.stance.receipt.duplicate && !first.stance.receipt.duplicate);
    assert_int_equal(published(f), 1);
    CHECK_OK(door_shut(f->store, again, nothing, NULL, &closed, &f->error), &f->error);
}

static void data_driven_moves_are_judged_when_they_run(void **state)
{
    fixture *f = *state;
    const bp_machine *machine = door_machine();
    size_t lock = 0;
    size_t shut = 0;
    CHECK_OK(bp_machine_check(machine, &f->error), &f->error);
    assert_true(bp_machine_find_move(machine, bp_text_of("lock"), &lock));
    assert_true(bp_machine_find_move(machine, bp_text_of("shut"), &shut));
    assert_false(bp_machine_find_move(machine, bp_text_of("loc"), &lock));
    bp_stance stance = bp_machine_start(machine, bp_at("door:1", "cellar"));
    CHECK_STATUS(BP_ERR_DENIED, bp_machine_apply(f->store, machine, shut, &stance, nothing, NULL, &f->error),
                 &f->error);
    CHECK_SAYS(&f->error, "'shut'");
    CHECK_SAYS(&f->error, "'closed'");
    assert_int_equal(published(f), 0);
    assert_int_equal(stance.state, door_state_closed);
    CHECK_OK(bp_machine_apply(f->store, machine, lock, &stance, nothing, NULL, &f->error), &f->error);
    assert_int_equal(stance.state, door_state_locked);
    uint16_t to = 99;
    assert_true(bp_machine_find_state(machine, bp_text_of("locked"), &to) && to == door_state_locked);
    assert_false(bp_machine_find_state(machine, bp_text_of(""), &to));
    assert_true(bp_machine_next(machine, door_state_locked, BP_KIND(0xf, 4), &to) && to == door_state_closed);
    assert_false(bp_machine_next(machine, door_state_locked, BP_KIND(0xf, 3), &to));
    assert_true(bp_machine_state_behind(machine, BP_KIND(0xf, 4), &to) && to == door_state_closed);
    assert_false(bp_machine_state_behind(machine, BP_KIND(0xf, 5), &to));
}

static void a_table_that_is_none_is_refused(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"a", "b"};
    static const char *const twice[] = {"a", "a"};
    static const char *const unnamed[] = {"a", ""};
    const bp_machine_move good = {"go", 0, 1, BP_KIND(1, 1)};
    const struct {
        bp_machine machine;
        bp_machine_move moves[2];
        const char *says;
    } cases[] = {
        {{.size = 3, .name = "m", .states = names, .state_count = 2}, {good, good}, "size"},
        {{sizeof(bp_machine), NULL, names, 2, NULL, 1, 0}, {good, good}, "NULL"},
        {{sizeof(bp_machine), "m", names, 0, NULL, 1, 0}, {good, good}, "0 states"},
        {{sizeof(bp_machine), "m", names, 70000, NULL, 1, 0}, {good, good}, "70000"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 1, 2}, {good, good}, "begins in number 2"},
        {{sizeof(bp_machine), "m", twice, 2, NULL, 1, 0}, {good, good}, "two states 'a'"},
        {{sizeof(bp_machine), "m", unnamed, 2, NULL, 1, 0}, {good, good}, "state 1"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 2, 0}, {good, good}, "two moves 'go'"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 1, 0}, {{"go", 2, 1, BP_KIND(1, 1)}, good}, "from state 2"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 1, 0}, {{"go", 0, 2, BP_KIND(1, 1)}, good}, "to 2"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 1, 0}, {{"", 0, 1, BP_KIND(1, 1)}, good}, "move 0"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 1, 0}, {{"go", 0, 1, BP_KIND_TOMBSTONE}, good}, "reserved"},
        {{sizeof(bp_machine), "m", names, 2, NULL, 2, 0}, {good, {"other", 0, 0, BP_KIND(1, 1)}}, "one kind"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        bp_machine machine = cases[index].machine;
        machine.moves = cases[index].moves;
        bpt_note("case %zu", index);
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_check(&machine, &f->error), &f->error);
        CHECK_SAYS(&f->error, cases[index].says);
    }
    bpt_note("%s", "");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_check(NULL, &f->error), &f->error);
    bp_machine loops = {sizeof(bp_machine), "m", names, 2, NULL, 2, 0};
    const bp_machine_move moves[] = {{"go", 0, 1, BP_KIND(1, 1)}, {"stay", 1, 0, BP_KIND(1, 1)}};
    loops.moves = moves;
    CHECK_OK(bp_machine_check(&loops, &f->error), &f->error); /* one kind from two states is fine ... */
    uint16_t to = 0;
    assert_false(bp_machine_state_behind(&loops, BP_KIND(1, 1), &to)); /* ... and says no state by itself */
}

static void hostile_tables_and_arguments_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"a"};
    const bp_machine_move far[] = {{"go", 0, 60000, BP_KIND(1, 1)}};
    const bp_machine machine = {sizeof(bp_machine), "m", names, 1, far, 1, 0};
    bp_stance stance = bp_machine_start(&machine, bp_at("e", "s"));
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, &machine, 0, &stance, nothing, NULL, &f->error),
                 &f->error);
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), BP_KIND(1, 1), nothing, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_FORMAT, bp_machine_load(f->store, &machine, bp_at("e", "s"), &stance, &f->error), &f->error);
    stance = bp_machine_start(door_machine(), bp_at("e", "s"));
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, door_machine(), 4, &stance, nothing, NULL, &f->error),
                 &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, door_machine(), 0, NULL, nothing, NULL, &f->error),
                 &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(NULL, door_machine(), 0, &stance, nothing, NULL, &f->error),
                 &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_load(NULL, door_machine(), bp_at("e", "s"), &stance, &f->error),
                 &f->error);
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = "other";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, door_machine(), 0, &stance, nothing, &options, &f->error),
                 &f->error);
    memset(&options, 0, sizeof options);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, door_machine(), 0, &stance, nothing, &options, &f->error),
                 &f->error);
    stance.state = 77;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_machine_apply(f->store, door_machine(), 0, &stance, nothing, NULL, &f->error),
                 &f->error);
    CHECK_STATUS(
        BP_ERR_NAME,
        bp_machine_apply(f->store, door_machine(), 0, &(bp_stance){.at = bp_at("", "s")}, nothing, NULL, &f->error),
        &f->error);
}

/* Moves at random, by table and by hand: the stance, the model and a stance loaded anew must agree after each. */
static void random_walks_agree_with_what_is_loaded(void **state)
{
    fixture *f = *state;
    bpt_random random = {bpt_seed(5)};
    const bp_machine *machine = door_machine();
    bp_stance stance = bp_machine_start(machine, bp_at("door:9", "x"));
    uint64_t count = 0;
    for (unsigned step = 0; step < 300; step++) {
        size_t move = (size_t)bpt_random_below(&random, machine->move_count);
        uint16_t before = stance.state;
        bpt_note("step %u move %s", step, machine->moves[move].name);
        bp_status status = bp_machine_apply(f->store, machine, move, &stance, nothing, NULL, &f->error);
        bool allowed = machine->moves[move].from == before;
        assert_int_equal(status, allowed ? BP_OK : BP_ERR_DENIED);
        count += allowed;
        assert_int_equal(stance.state, allowed ? machine->moves[move].to : before);
        assert_int_equal(published(f), count);
        bp_stance loaded;
        CHECK_OK(bp_machine_load(f->store, machine, bp_at("door:9", "x"), &loaded, &f->error), &f->error);
        assert_int_equal(loaded.state, stance.state);
        assert_int_equal(loaded.seen.kind, stance.seen.kind);
        assert_int_equal(loaded.seen.clock, stance.seen.clock);
    }
    bpt_note("%s", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves_append_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_state_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_is_loaded_from_its_history, setup, teardown),
        cmocka_unit_test_setup_teardown(a_history_that_breaks_the_machine_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_moves_as_the_first_did, setup, teardown),
        cmocka_unit_test_setup_teardown(data_driven_moves_are_judged_when_they_run, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_that_is_none_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_tables_and_arguments_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(random_walks_agree_with_what_is_loaded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
