/*
 * test_crash_points.c: a crash at every step of a mixed workload, as process kill and as power cut, with nothing, all,
 * single sectors and names, and random subsets of what was not synced; then recovery, and crashes within recovery.
 *
 * After each: what was acknowledged is there (P1), commits are whole (P2), the history is a prefix of what was tried, byte
 * for byte, and never BP_ERR_CORRUPT (P3); verify is clean, appending goes on, and what recovery showed stays.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "support/script.h"

typedef struct campaign {
    bpt_reference reference;
    bp_durability durability;
    bpt_random random;
    uint64_t crashes;    /* crashes before recovery */
    uint64_t recoveries; /* recoveries judged */
    uint64_t subsets;    /* random subsets at each point */
    uint64_t singles;    /* at most so many single choices at each point */
    uint64_t nested;     /* nested crashes at each point */
} campaign;

typedef struct bounds {
    uint64_t least;
    uint64_t most;
} bounds;

/* A clone of the crashed world, as the next process finds it. */
static void next_world(campaign *c, const bpi_fault *crashed, bpt_world *world)
{
    bpi_fault_plan none = {0};
    bpt_world_adopt(world, bpi_fault_clone(crashed));
    world->options.durability = c->durability;
    (void)atomic_fetch_add(&world->entropy.state, 0x1234567u); /* another process has other random bytes */
    bpi_fault_set_plan(world->fault, &none);
}

/* Opens it, judges it, writes on, cuts the power with nothing kept: what was shown must stay. Ends the world. */
static void judge(campaign *c, bpt_world *world, bounds in)
{
    bp_store *store = bpt_open(world);
    uint64_t count = bpt_reference_check(&c->reference, store, in.least, in.most);
    (void)bpt_power_cut(world, BPT_KEEP_NONE, 0); /* what recovery claims is durable */
    (void)bp_close(store, NULL);
    store = bpt_open(world);
    (void)bpt_reference_check(&c->reference, store, count, count);
    bp_receipt receipt = bpt_put(store, "afterwards", "goes on");
    CHECK(receipt.sequence == count && receipt.clock == 0, "the next event is %llu, not %llu",
          (unsigned long long)receipt.sequence, (unsigned long long)count);
    if (c->recoveries++ % 3 == 0) { /* another kill, then open again */
        bpi_fault_process_kill(world->fault);
        (void)bp_close(store, NULL);
        store = bpt_open(world);
        CHECK(bp_store_frontiers(store).published == count + 1, "the event after recovery is gone");
    }
    bpt_close(store);
    CHECK(bpt_verify(world) == count + 1, "verify counts other events");
    bpt_world_end(world);
}

/* The recovery itself crashes at a random step, `depth` times over; then it must succeed. */
static void judge_nested(campaign *c, const bpi_fault *crashed, bounds in, unsigned depth)
{
    bpt_world world;
    bp_store *store = NULL;
    next_world(c, crashed, &world);
    for (unsigned level = 0; level < depth; level++) {
        bpt_world probe;
        next_world(c, world.fault, &probe);
        bpt_close(bpt_open(&probe));
        uint64_t steps = bpi_fault_steps(probe.fault);
        bpt_world_end(&probe);
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = 1 + bpt_random_below(&c->random, steps)};
        bpi_fault_set_plan(world.fault, &plan);
        bp_status status = bp_open(world.path, &world.options, &store, NULL);
        CHECK(status == BP_OK || status == BP_ERR_IO, "a crash in recovery is %s", bp_status_name(status));
        (void)bp_close(store, NULL);
        store = NULL;
        uint64_t which = bpt_random_next(&c->random);
        switch (which % 4) {
        case 0:
            bpi_fault_process_kill(world.fault);
            break;
        case 1:
            (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
            break;
        default:
            (void)bpt_power_cut(&world, BPT_KEEP_RANDOM, which);
            break;
        }
        c->crashes++;
    }
    judge(c, &world, in);
}

static void kill_point(campaign *c, const bpi_fault *crashed, const bpt_script *script)
{
    bpt_world world;
    next_world(c, crashed, &world);
    bpi_fault_process_kill(world.fault);
    judge(c, &world, (bounds){script->acked, script->tried});
}

/* One power cut; the number of choices it offered. */
static uint64_t cut_point(campaign *c, const bpi_fault *crashed, const bpt_script *script, bpt_keep keep,
                          uint64_t which)
{
    bpt_world world;
    bounds in = {script->durable, script->tried};
    char before[512];
    (void)snprintf(before, sizeof before, "%s", bpt_note_text());
    bpt_note("%s, cut %d of %llu", before, (int)keep, (unsigned long long)which);
    next_world(c, crashed, &world);
    uint64_t choices = bpt_power_cut(&world, keep, which);
    if (keep == BPT_KEEP_RANDOM && c->nested > 0) {
        for (uint64_t index = 0; index < c->nested; index++) {
            judge_nested(c, world.fault, in, 1 + (unsigned)(index % 2));
        }
    }
    judge(c, &world, in);
    bpt_note("%s", before);
    return choices;
}

static void power_point(campaign *c, const bpi_fault *crashed, const bpt_script *script)
{
    uint64_t choices = cut_point(c, crashed, script, BPT_KEEP_NONE, 0);
    (void)cut_point(c, crashed, script, BPT_KEEP_ALL, 0);
    if (choices > 1 && choices <= 3) { /* all subsets; none and all are done */
        for (uint64_t mask = 1; mask + 1 < UINT64_C(1) << choices; mask++) {
            (void)cut_point(c, crashed, script, BPT_KEEP_MASK, mask);
        }
    } else if (choices > 3) {
        uint64_t singles = choices < c->singles ? choices : c->singles;
        for (uint64_t index = 0; index < singles; index++) {
            uint64_t which = singles == choices ? index : bpt_random_below(&c->random, choices);
            (void)cut_point(c, crashed, script, BPT_KEEP_ONE, which);
            (void)cut_point(c, crashed, script, BPT_LOSE_ONE, which);
        }
    }
    for (uint64_t index = 0; choices > 1 && index < c->subsets; index++) {
        (void)cut_point(c, crashed, script, BPT_KEEP_RANDOM, bpt_random_next(&c->random));
    }
}

/* The workload up to the crash at that step; false when it ended before it. */
static bool crash_at(campaign *c, uint64_t step)
{
    bpt_world world;
    bpt_script script;
    bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
    bpt_world_fault(&world);
    world.options.durability = c->durability;
    bpi_fault_set_plan(world.fault, &plan);
    bool whole = bpt_script_begin(&script, &world) && bpt_script_rest(&script);
    bool crashed = bpi_fault_crashed(world.fault);
    bpt_note("%s, step %llu, op %u", c->durability == BP_DURABLE ? "durable" : "buffered", (unsigned long long)step,
             script.op);
    CHECK(whole || crashed, "without a crash: %s", script.error.message);
    bpt_script_abandon(&script);
    if (crashed) {
        c->crashes++;
        kill_point(c, world.fault, &script);
        power_point(c, world.fault, &script);
    }
    bpt_world_end(&world);
    return crashed;
}

static void every_step(bp_durability durability)
{
    campaign *c = calloc(1, sizeof *c);
    double start = bpt_seconds();
    assert_non_null(c);
    c->durability = durability;
    c->random.state = bpt_seed(durability);
    c->subsets = bpt_amount("BATPAK_SUBSETS", 10, 60);
    c->singles = bpt_amount("BATPAK_SINGLES", 8, 64);
    c->nested = bpt_amount("BATPAK_NESTED", 1, 4);
    bpt_reference_make(&c->reference, durability);
    uint64_t stride = bpt_instrumented() && !bpt_campaign() ? 7 : 1;
    for (uint64_t step = 1; step <= c->reference.steps; step += stride) {
        (void)crash_at(c, step);
    }
    double seconds = bpt_seconds() - start;
    print_message("%llu steps, %llu events: %llu crashes, %llu recoveries judged in %.1f s, %.0f a second\n",
                  (unsigned long long)c->reference.steps, (unsigned long long)c->reference.count,
                  (unsigned long long)c->crashes, (unsigned long long)c->recoveries, seconds,
                  (double)c->recoveries / seconds);
    free(c);
}

static void every_step_of_the_durable_path(void **state)
{
    (void)state;
    every_step(BP_DURABLE);
}

static void every_step_of_the_buffered_path(void **state)
{
    (void)state;
    every_step(BP_BUFFERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_of_the_durable_path),
        cmocka_unit_test(every_step_of_the_buffered_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
