/*
 * test_failed_recovery.c: a write or sync fails, the store recovers in the process (P6), and in the middle of that comes
 * a crash, or a second failure. Whatever was acknowledged is there at the next opening, and it is no damage.
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>

#include "support/failing.h"

/* Sets the second fault when the library says that it failed. */
typedef struct second {
    bpi_fault *fault;
    bpi_fault_plan plan;
    bool set;
} second;

static void set_second(void *context, bp_log_level level, const char *target, const char *name,
                       const bp_log_field *fields, size_t field_count)
{
    second *next = context;
    (void)level;
    (void)fields;
    (void)field_count;
    if (!next->set && strcmp(target, "recovery") == 0 && strcmp(name, "failed") == 0) {
        next->set = true;
        bpi_fault_set_plan(next->fault, &next->plan);
    }
}

typedef enum ending { END_KILL, END_NONE, END_ALL, END_RANDOM, END_REOPEN } ending;

static void end(bpt_failing *r, ending how, uint64_t seed)
{
    bpt_failing_close(r);
    bpi_fault_set_plan(r->world.fault, &(bpi_fault_plan){0});
    switch (how) {
    case END_KILL:
        bpi_fault_process_kill(r->world.fault);
        break;
    case END_NONE:
        (void)bpt_power_cut(&r->world, BPT_KEEP_NONE, 0);
        break;
    case END_ALL:
        (void)bpt_power_cut(&r->world, BPT_KEEP_ALL, 0);
        break;
    case END_RANDOM:
        (void)bpt_power_cut(&r->world, BPT_KEEP_RANDOM, seed);
        break;
    default:
        break;
    }
    bool power = how == END_NONE || how == END_ALL || how == END_RANDOM;
    r->world.options.log = NULL;
    bpt_failing_aftermath(r, power ? r->durable : UINT64_MAX);
}

/* False when the second fault was never reached. */
static bool two_faults(bp_durability durability, uint64_t first, const bpi_fault_plan *plan, ending how, uint64_t seed)
{
    bpt_failing *r = calloc(1, sizeof *r);
    assert_non_null(r);
    bpt_note("durability %d, EIO at step %llu, then kind %d %llu steps into the recovery, ending %d of seed %llu",
             (int)durability, (unsigned long long)first, (int)plan->kind, (unsigned long long)plan->step, (int)how,
             (unsigned long long)seed);
    bpt_world_fault(&r->world);
    second next = {r->world.fault, *plan, false};
    bp_log_hook hook = {sizeof hook, &next, BP_LOG_DEBUG, set_second};
    r->world.options.durability = durability;
    r->world.options.log = &hook;
    bpi_fault_set_plan(r->world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = first, .os_error = EIO});
    if (bpt_script_begin(&r->script, &r->world)) {
        bpt_failing_run(r);
    }
    end(r, how, seed);
    bpt_world_end(&r->world);
    free(r);
    return next.set;
}

static void at_every_step(bpi_fault_kind kind, bool persistent, const ending *endings, size_t count)
{
    uint64_t stride = bpt_campaign() ? 1 : bpt_instrumented() ? 31 : 2;
    uint64_t depth = bpt_campaign() ? 40 : 20;
    uint64_t runs = 0;
    double start = bpt_seconds();
    bpt_reference *reference = calloc(1, sizeof *reference);
    bpt_random random = {bpt_seed(31)};
    assert_non_null(reference);
    for (int durability = BP_DURABLE; durability <= BP_BUFFERED; durability++) {
        bpt_reference_make(reference, (bp_durability)durability);
        for (uint64_t first = 1; first <= reference->steps; first += stride) {
            bpi_fault_plan plan = {.kind = kind, .os_error = EIO, .persistent = persistent};
            for (plan.step = 1; plan.step <= depth; plan.step++) {
                ending how = endings[runs % count];
                runs++;
                if (!two_faults((bp_durability)durability, first, &plan, how, bpt_random_next(&random))) {
                    break; /* this failure needs no recovery */
                }
            }
        }
    }
    free(reference);
    print_message("%llu runs in %.1f s\n", (unsigned long long)runs, bpt_seconds() - start);
}

static void a_crash_in_the_recovery(void **state)
{
    static const ending endings[] = {END_KILL, END_NONE, END_ALL, END_RANDOM, END_RANDOM};
    (void)state;
    at_every_step(BPI_FAULT_CRASH, false, endings, 5);
}

static void a_second_failure_in_the_recovery(void **state)
{
    static const ending endings[] = {END_REOPEN, END_NONE, END_RANDOM, END_KILL};
    (void)state;
    at_every_step(BPI_FAULT_ERROR, false, endings, 4);
}

static void a_recovery_that_fails_for_good(void **state)
{
    static const ending endings[] = {END_REOPEN, END_RANDOM};
    (void)state;
    at_every_step(BPI_FAULT_ERROR, true, endings, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_in_the_recovery),
        cmocka_unit_test(a_second_failure_in_the_recovery),
        cmocka_unit_test(a_recovery_that_fails_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
