/*
 * test_recovery_limits.c: how often a handle recovers by itself from a failed sync: never, so often in its life, so often within
 * a time; and that it says what failed when it does not any more.
 */
#include <errno.h>

#include "support/world.h"

typedef struct scene {
    bpt_world world;
    bp_store *store;
    uint64_t events;
} scene;

static void begin(scene *s, uint32_t attempts, uint32_t within_ms)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    s->world.options.recovery_attempts = attempts;
    s->world.options.recovery_within_ms = within_ms;
    s->store = bpt_open(&s->world);
    bpt_put(s->store, "e", "first");
    s->events = 1;
}

/* A sync fails; is the next append taken? */
static bool recovers(scene *s)
{
    bp_error error = {0};
    bp_append_options buffered;
    bp_append_options_init(&buffered);
    buffered.durability = BP_BUFFERED;
    bpt_put_with(s->store, "e", "published", &buffered);
    s->events++;
    bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(s->store, &error), &error);
    bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){0});
    bp_status status = bp_append(s->store, bp_at("f", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error);
    if (status != BP_OK) {
        CHECK_STATUS(BP_ERR_FAILED, status, &error);
        CHECK_SAYS(&error, "sync");
        assert_true(bp_store_frontiers(s->store).failed);
        return false;
    }
    s->events++;
    return true;
}

static void end(scene *s)
{
    bp_error error = {0};
    uint64_t count = 0;
    (void)bp_close(s->store, NULL);
    s->store = bpt_open(&s->world);
    CHECK_OK(bp_count(s->store, NULL, &count, &error), &error);
    assert_int_equal(count, s->events);
    bpt_close(s->store);
    assert_int_equal(bpt_verify(&s->world), s->events);
    bpt_world_end(&s->world);
}

static void none_are_allowed(void **state)
{
    scene s;
    (void)state;
    begin(&s, 0, 0);
    assert_false(recovers(&s));
    end(&s);
}

static void so_many_in_the_life_of_a_handle(void **state)
{
    scene s;
    (void)state;
    begin(&s, 10, 0); /* more than it keeps the times of */
    for (unsigned i = 0; i < 10; i++) {
        assert_true(recovers(&s));
        (void)atomic_fetch_add(&s.world.clock.steady_ns, UINT64_C(3600000000000)); /* time brings none back */
    }
    assert_false(recovers(&s));
    end(&s);
}

static void so_many_within_a_time(void **state)
{
    scene s;
    (void)state;
    begin(&s, 2, 1000);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(recovers(&s));
        assert_true(recovers(&s));
        (void)atomic_fetch_add(&s.world.clock.steady_ns, UINT64_C(1100000000));
    }
    assert_true(recovers(&s));
    assert_true(recovers(&s));
    assert_false(recovers(&s));
    end(&s);
}

/* Within a time it never recovers more than eight times, whatever was asked for. */
static void at_most_eight_within_a_time(void **state)
{
    scene s;
    (void)state;
    begin(&s, 1000, 60000);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(recovers(&s));
    }
    assert_false(recovers(&s));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_are_allowed),
        cmocka_unit_test(so_many_in_the_life_of_a_handle),
        cmocka_unit_test(so_many_within_a_time),
        cmocka_unit_test(at_most_eight_within_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
