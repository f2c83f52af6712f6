/*
 * hunt.c: many seeds, in child processes that tell what they found through shared memory.
 *
 * A child that ends without having said that all is well has found something: by sim_fail, an assertion, a signal, or by not
 * ending in time. Its seed is run again, with ever more operations left out as long as it still fails.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/sim.h"

enum { JOBS_MAX = 64, SECONDS_MAX = 120, FAILED = 70 };

static sim_report alone;
sim_report *sim_reporting = &alone;

void sim_trace(uint64_t number)
{
    bpt_random random = {sim_reporting->trace ^ number};
    sim_reporting->trace = bpt_random_next(&random);
}

void sim_where(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sim_reporting->where, sizeof sim_reporting->where, format, arguments);
    va_end(arguments);
}

void sim_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sim_reporting->failure, sizeof sim_reporting->failure, format, arguments);
    va_end(arguments);
    _exit(FAILED);
}

/* ---- children ---- */

typedef struct child {
    pid_t pid;
    sim_report *report; /* shared */
} child;

static sim_report *share(void)
{
    void *memory = mmap(NULL, sizeof(sim_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        (void)fprintf(stderr, "no shared memory\n");
        exit(2);
    }
    return memory;
}

static void run_seed(uint64_t seed, uint64_t drop)
{
    sim_plan plan;
    sim_plan_make(&plan, seed, drop);
    sim_reporting->seed = seed;
    (void)alarm(SECONDS_MAX);
    sim_run_plan(&plan);
    (void)alarm(0);
    sim_reporting->runs++;
}

/* What became of a child that has ended; empty: all is well. */
static void explain(int status, sim_report *report)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        (void)snprintf(report->failure, sizeof report->failure, "it does not end");
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(report->failure, sizeof report->failure, "signal %d", WTERMSIG(status));
    } else if (report->failure[0] == '\0') {
        (void)snprintf(report->failure, sizeof report->failure, "it ends with code %d", WEXITSTATUS(status));
    }
}

/* One seed in a child of its own; true: all is well. */
static bool try_seed(uint64_t seed, uint64_t drop, bool quiet, sim_report *report)
{
    memset(report, 0, sizeof *report);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (quiet && (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)) {
            _exit(FAILED);
        }
        sim_reporting = report;
        run_seed(seed, drop);
        _exit(0);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    explain(status, report);
    return report->failure[0] == '\0';
}

/* ---- what was found ---- */

static uint64_t shrink(uint64_t seed, uint64_t drop, sim_report *report)
{
    sim_plan plan;
    sim_report kept = *report;
    sim_plan_make(&plan, seed, drop);
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (size_t index = plan.count; index-- > 0;) {
            uint64_t without = drop | UINT64_C(1) << index;
            if (without != drop && !try_seed(seed, without, true, report)) {
                drop = without;
                kept = *report;
                smaller = true;
            }
        }
    }
    *report = kept;
    return drop;
}

static void tell(uint64_t seed, uint64_t drop, const sim_report *report, bool shrinks)
{
    sim_plan plan;
    sim_report *again = share();
    *again = *report;
    printf("seed %llu: %s\n  %s\n", (unsigned long long)seed, report->failure, report->where);
    if (shrinks) {
        drop = shrink(seed, drop, again);
        printf("smallest: %s\n  %s\n  trace %016llx\n", again->failure, again->where, (unsigned long long)again->trace);
    }
    sim_plan_make(&plan, seed, drop);
    sim_plan_print(&plan);
    printf("again: BATPAK_SEED=%llu BATPAK_DROP=0x%llx BATPAK_RUNS=1\n", (unsigned long long)seed,
           (unsigned long long)drop);
    (void)munmap(again, sizeof *again);
}

static void add(sim_report *total, const sim_report *part)
{
    total->points += part->points;
    total->recoveries += part->recoveries;
    total->runs += part->runs;
    for (size_t depth = 0; depth < 4; depth++) {
        total->nested[depth] += part->nested[depth];
    }
    total->trace ^= part->trace;
}

/* Every jobs-th seed from `first` on, until its share is done. */
static void work(const sim_hunt *hunt, unsigned first, sim_report *report)
{
    uint64_t share_of = hunt->points / hunt->jobs + 1;
    double start = bpt_seconds();
    const char *drop = getenv("BATPAK_DROP");
    const char *runs = getenv("BATPAK_RUNS");
    sim_reporting = report;
    for (uint64_t index = first; report->points < share_of; index += hunt->jobs) {
        if ((runs != NULL && index >= strtoull(runs, NULL, 0)) || bpt_seconds() - start > hunt->seconds) {
            break;
        }
        run_seed(hunt->seed + index, drop == NULL ? 0 : strtoull(drop, NULL, 0));
    }
}

bool sim_hunt_run(const sim_hunt *hunt, sim_report *total_out)
{
    child children[JOBS_MAX];
    bool good = true;
    memset(total_out, 0, sizeof *total_out);
    (void)fflush(NULL);
    for (unsigned index = 0; index < hunt->jobs; index++) {
        children[index].report = share();
        children[index].pid = fork();
        if (children[index].pid == 0) {
            if (hunt->quiet &&
                (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)) {
                _exit(FAILED);
            }
            work(hunt, index, children[index].report);
            _exit(0);
        }
    }
    for (unsigned index = 0; index < hunt->jobs; index++) {
        sim_report *report = children[index].report;
        int status = 0;
        (void)waitpid(children[index].pid, &status, 0);
        explain(status, report);
        add(total_out, report);
        if (report->failure[0] != '\0') {
            const char *drop = getenv("BATPAK_DROP");
            if (!hunt->quiet) {
                tell(report->seed, drop == NULL ? 0 : strtoull(drop, NULL, 0), report, hunt->shrinks);
            }
            total_out->seed = report->seed;
            (void)snprintf(total_out->failure, sizeof total_out->failure, "%s", report->failure);
            good = false;
        }
        (void)munmap(report, sizeof *report);
    }
    return good;
}
