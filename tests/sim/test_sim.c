/*
 * test_sim.c: the simulation: seeds one after the other until so many crash points were judged.
 *
 * BATPAK_SEED the first seed; BATPAK_RUNS so many seeds; BATPAK_DROP operations left out, as a failure prints it;
 * BATPAK_POINTS so many crash points; BATPAK_JOBS side by side; BATPAK_SECONDS at most so long. BATPAK_LEDGER a file that
 * remembers which seeds passed, so that a campaign can be stopped and goes on.
 *
 * ctest: labels=slow,campaign timeout=14400
 */
#include "sim/sim.h"

static double number(const char *variable, double normal)
{
    const char *text = getenv(variable);
    return text == NULL ? normal : strtod(text, NULL);
}

static void crash_points(void **state)
{
    sim_report total;
    sim_hunt hunt = {.seed = bpt_seed(1),
                     .points = bpt_amount("BATPAK_POINTS", 300000, 10000000),
                     .seconds = number("BATPAK_SECONDS", bpt_campaign() ? 14000 : 45),
                     .jobs = (unsigned)number("BATPAK_JOBS", bpt_campaign() ? 2 : 1),
                     .shrinks = getenv("BATPAK_DROP") == NULL,
                     .keeps = true};
    double start = bpt_seconds();
    (void)state;
    bool good = sim_hunt_run(&hunt, &total);
    double seconds = bpt_seconds() - start;
    print_message(
        "%llu crash points in %llu runs, %.1f s: %.0f a second; in recoveries, one, two and three deep: %llu, "
        "%llu, %llu; %llu openings judged; trace %016llx\n",
        (unsigned long long)total.points, (unsigned long long)total.runs, seconds, (double)total.points / seconds,
        (unsigned long long)total.nested[1], (unsigned long long)total.nested[2], (unsigned long long)total.nested[3],
        (unsigned long long)total.recoveries, (unsigned long long)total.trace);
    assert_true(good);
}

/* What a failure prints is of use only if it comes again. */
static void a_seed_replays_to_the_same_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        sim_hunt once = {.seed = seed, .points = 1, .seconds = 50, .jobs = 1, .quiet = true};
        sim_report first;
        sim_report second;
        assert_true(sim_hunt_run(&once, &first));
        assert_true(sim_hunt_run(&once, &second));
        assert_int_equal(first.runs, 1);
        assert_true(first.trace == second.trace && first.points == second.points);
        once.seed = seed + 1;
        assert_true(sim_hunt_run(&once, &second));
        assert_true(first.trace != second.trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crash_points),
                                       cmocka_unit_test(a_seed_replays_to_the_same_trace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
