/*
 * hunt.c: many seeds, in child processes that tell what they found through shared memory.
 *
 * A child that ends without having said that all is well has found something: by sim_fail, an assertion, a signal, or by not
 * ending in time. Its seed is run again, with ever more operations left out as long as it still fails.
 *
 * BATPAK_LEDGER names a file in which seeds that passed are noted, a line each: a hunt that is stopped goes on there. It holds for
 * one table of operations only; in its first line stands for which.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/sim.h"

enum { JOBS_MAX = 64, SECONDS_MAX = 120, SECONDS_BESIDE = 1800 /* of a campaign, beside other work */, FAILED = 70 };

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
    (void)alarm(getenv("BATPAK_LEDGER") != NULL ? SECONDS_BESIDE : SECONDS_MAX);
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

/* ---- seeds that passed before ---- */

static struct {
    const char *path; /* NULL: none is kept */
    uint64_t *seeds;
    size_t count;
    uint64_t points;
} passed;

static int compare_seeds(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* Other operations, or other chances, make other plans of the same seeds. */
static unsigned long long fingerprint(void)
{
    bpt_random random = {1};
    for (const sim_operation *each = sim_operations; each->name != NULL; each++) {
        random.state ^= each->weight;
        for (const char *letter = each->name; *letter != '\0'; letter++) {
            random.state ^= (uint64_t)(unsigned char)*letter << 32;
            random.state = bpt_random_next(&random);
        }
    }
    return bpt_random_next(&random);
}

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", passed.path, what);
    exit(2);
}

static void append_line(const char *format, unsigned long long first, unsigned long long second)
{
    char line[96];
    int size = snprintf(line, sizeof line, format, first, second);
    int file = open(passed.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, (size_t)size) != size) { /* one write: others append too */
        give_up("cannot be written");
    }
    (void)close(file);
}

static void read_passed(void)
{
    unsigned long long seed = 0;
    unsigned long long points = 0;
    size_t capacity = 0;
    passed.path = getenv("BATPAK_LEDGER");
    FILE *file = passed.path == NULL ? NULL : fopen(passed.path, "r");
    if (file == NULL) {
        if (passed.path != NULL) {
            append_line("operations %llx\n", fingerprint(), 0);
        }
        return;
    }
    if (fscanf(file, "operations %llx\n", &seed) != 1 || seed != fingerprint()) {
        give_up("of other operations; begin a new one");
    }
    while (fscanf(file, "%llu %llu\n", &seed, &points) == 2) {
        if (passed.count == capacity) {
            capacity = capacity == 0 ? 1024 : capacity * 2;
            passed.seeds = realloc(passed.seeds, capacity * sizeof *passed.seeds);
            SIM_CHECK(passed.seeds != NULL, "no memory");
        }
        passed.seeds[passed.count++] = seed;
        passed.points += points;
    }
    (void)fclose(file);
    if (passed.count != 0) {
        qsort(passed.seeds, passed.count, sizeof *passed.seeds, compare_seeds);
    }
    printf("%s: %zu seeds passed before, with %llu crash points\n", passed.path, passed.count,
           (unsigned long long)passed.points);
}

static bool has_passed(uint64_t seed)
{
    return passed.count != 0 && bsearch(&seed, passed.seeds, passed.count, sizeof seed, compare_seeds) != NULL;
}

/* Every jobs-th seed from `first` on, until its share is done. */
static void work(const sim_hunt *hunt, unsigned first, sim_report *report)
{
    uint64_t before_us = hunt->keeps ? passed.points : 0;
    uint64_t left = hunt->points > before_us ? hunt->points - before_us : 0;
    uint64_t share_of = left == 0 ? 0 : left / hunt->jobs + 1;
    double start = bpt_seconds();
    const char *drop = getenv("BATPAK_DROP");
    const char *runs = getenv("BATPAK_RUNS");
    sim_reporting = report;
    for (uint64_t index = first; report->points < share_of; index += hunt->jobs) {
        if ((runs != NULL && index >= strtoull(runs, NULL, 0)) || bpt_seconds() - start > hunt->seconds) {
            break;
        }
        uint64_t before = report->points;
        if (hunt->keeps && has_passed(hunt->seed + index)) {
            continue;
        }
        run_seed(hunt->seed + index, drop == NULL ? 0 : strtoull(drop, NULL, 0));
        if (hunt->keeps && passed.path != NULL && drop == NULL) {
            append_line("%llu %llu\n", hunt->seed + index, report->points - before);
        }
    }
}

bool sim_hunt_run(const sim_hunt *hunt, sim_report *total_out)
{
    child children[JOBS_MAX];
    bool good = true;
    memset(total_out, 0, sizeof *total_out);
    if (hunt->keeps) {
        read_passed();
    }
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
