/*
 * test_pace.c: a thread that gives way: pauses only beside others, in proportion to what was worked, none where somebody waits.
 */
#include "io/pace.h"
#include "support/check.h"

enum { TURN_NS = 20000, TURNS = 20000 };

/* A clock that stands still but for what the test works and the pace sleeps. */
typedef struct still {
    bp_clock table;
    uint64_t now_ns;
    uint64_t slept_ns;
    uint64_t longest_ns;
    unsigned looks;
    unsigned sleeps;
} still;

static uint64_t steady_ns(void *context)
{
    still *clock = context;
    clock->looks++;
    return clock->now_ns;
}

static void sleep_ns(void *context, uint64_t duration_ns)
{
    still *clock = context;
    clock->now_ns += duration_ns;
    clock->slept_ns += duration_ns;
    clock->longest_ns = duration_ns > clock->longest_ns ? duration_ns : clock->longest_ns;
    clock->sleeps++;
}

static _Atomic uint64_t others;

static void begin(still *clock, bpi_pace *pace, uint32_t share)
{
    *clock =
        (still){.table = {.size = sizeof(bp_clock), .context = clock, .steady_ns = steady_ns, .sleep_ns = sleep_ns},
                .now_ns = 1000000000};
    *pace = (bpi_pace){.clock = &clock->table, .others = &others, .share = share};
    bpi_pace_begin(pace);
    clock->looks = 0;
}

/* So many turns of some work; the others are about in each, or in none. */
static void work(still *clock, unsigned turns, bool with_others)
{
    for (unsigned i = 0; i < turns; i++) {
        clock->now_ns += TURN_NS;
        others += with_others;
        bpi_pace_point();
    }
}

static void without_a_pace_a_point_is_nothing(void **state)
{
    (void)state;
    still clock;
    bpi_pace pace;
    begin(&clock, &pace, 10);
    bpi_pace_end(&pace);
    work(&clock, TURNS, true);
    bpi_pace_piece();
    assert_int_equal(clock.looks, 0);
    assert_int_equal(clock.sleeps, 0);
}

static void beside_others_it_takes_its_share(void **state)
{
    (void)state;
    static const uint32_t shares[] = {1, 10, 33, 50, 90};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        still clock;
        bpi_pace pace;
        begin(&clock, &pace, shares[i]);
        work(&clock, TURNS, true);
        bpi_pace_end(&pace);
        uint64_t worked = (uint64_t)TURN_NS * TURNS;
        uint64_t percent = worked * 100 / (worked + clock.slept_ns);
        CHECK(percent >= shares[i] && percent <= shares[i] + 1, "%u percent became %llu", (unsigned)shares[i],
              (unsigned long long)percent);
        assert_true(clock.sleeps > worked / 1000000); /* in pieces of less than a millisecond */
        assert_true(clock.looks < TURNS / 4);
    }
}

static void alone_it_does_not_pause(void **state)
{
    (void)state;
    still clock;
    bpi_pace pace;
    begin(&clock, &pace, 10);
    work(&clock, TURNS, false);
    assert_int_equal(clock.sleeps, 0);
    work(&clock, TURNS, true);
    assert_true(clock.sleeps > 0);
    unsigned sleeps = clock.sleeps;
    uint64_t slept = clock.slept_ns;
    work(&clock, TURNS, false); /* they are gone: soon that is seen */
    assert_true(clock.slept_ns - slept <= 100000000);
    sleeps = clock.sleeps;
    work(&clock, TURNS, false);
    assert_int_equal(clock.sleeps, sleeps);
    bpi_pace_end(&pace);
}

static bool asked(void *argument)
{
    return *(const bool *)argument;
}

static void who_is_waited_for_does_not_pause(void **state)
{
    (void)state;
    still clock;
    bpi_pace pace;
    bool waits = true;
    begin(&clock, &pace, 10);
    pace.hurry = asked;
    pace.argument = &waits;
    work(&clock, TURNS, true);
    assert_int_equal(clock.sleeps, 0);
    waits = false;
    work(&clock, TURNS, true);
    assert_true(clock.sleeps > 0);
    bpi_pace_end(&pace);
    begin(&clock, &pace, 100);
    work(&clock, TURNS, true);
    assert_int_equal(clock.sleeps, 0);
    bpi_pace_end(&pace);
}

static void a_pause_has_an_end(void **state)
{
    (void)state;
    still clock;
    bpi_pace pace;
    begin(&clock, &pace, 0);
    others++;
    clock.now_ns += UINT64_C(3600000000000); /* the machine slept, or a medium hung */
    bpi_pace_piece();
    assert_int_equal(clock.sleeps, 1);
    assert_true(clock.longest_ns <= 100000000);
    bpi_pace_piece(); /* nothing was worked since */
    assert_int_equal(clock.sleeps, 1);
    bpi_pace_end(&pace);
}

static void the_pace_outside_comes_back(void **state)
{
    (void)state;
    still outer;
    still inner;
    bpi_pace one;
    bpi_pace two;
    begin(&outer, &one, 50);
    begin(&inner, &two, 50);
    work(&inner, 100, true);
    assert_true(inner.sleeps > 0);
    assert_int_equal(outer.sleeps, 0);
    bpi_pace_end(&two);
    unsigned sleeps = inner.sleeps;
    work(&outer, 100, true);
    assert_true(outer.sleeps > 0);
    assert_int_equal(inner.sleeps, sleeps);
    bpi_pace_end(&one);
    assert_null(bpi_paced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_pace_a_point_is_nothing),
        cmocka_unit_test(beside_others_it_takes_its_share),
        cmocka_unit_test(alone_it_does_not_pause),
        cmocka_unit_test(who_is_waited_for_does_not_pause),
        cmocka_unit_test(a_pause_has_an_end),
        cmocka_unit_test(the_pace_outside_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
