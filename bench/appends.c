/*
 * appends.c: how fast events go in, and how long one waits.
 *
 * What is timed is the appending until everything is acknowledged, as the mode says; opening and closing are not. Each
 * run has a store of its own, in an empty folder of the same filesystem, and begins when the medium has taken in what
 * was written before. A first run of a tenth of the time is not counted. Engines take turns, run by run.
 *
 * While events are appended the memory of the next ones' payloads and names is asked for, the same for every engine: a program appends what
 * it has just made, while here payloads are windows of a megabyte of random bytes that comes round.
 *
 * Durable appends are clocked one by one. Buffered ones only in a case of its own, so that the clock does not weigh on
 * the rates; it lasts long enough that stores seal, checkpoint, flush or compact beside it.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* How much a case counts: its runs and their time. */
enum weight { HEADLINE, SIDE, FULL_ONLY };

struct append_case {
    const char *name;
    enum mode mode;
    unsigned threads;
    unsigned batch;
    uint32_t payload;
    enum weight weight;
    bool latency; /* buffered: the long run with a clock reading for each append */
};

static const struct append_case cases[] = {
    {"one by one", MODE_BUFFERED, 1, 1, 256, HEADLINE, false},
    {"in batches of 100", MODE_BUFFERED, 1, 100, 256, HEADLINE, false},
    {"in batches of 1000", MODE_BUFFERED, 1, 1000, 256, SIDE, false},
    {"8 threads, one by one", MODE_BUFFERED, 8, 1, 256, SIDE, false},
    {"8 threads, in batches of 100", MODE_BUFFERED, 8, 100, 256, SIDE, false},
    {"8 threads, in batches of 1000", MODE_BUFFERED, 8, 1000, 256, FULL_ONLY, false},
    {"64 bytes, one by one", MODE_BUFFERED, 1, 1, 64, SIDE, false},
    {"64 bytes, in batches of 100", MODE_BUFFERED, 1, 100, 64, SIDE, false},
    {"64 bytes, in batches of 1000", MODE_BUFFERED, 1, 1000, 64, FULL_ONLY, false},
    {"64 bytes, 8 threads, one by one", MODE_BUFFERED, 8, 1, 64, FULL_ONLY, false},
    {"64 bytes, 8 threads, in batches of 100", MODE_BUFFERED, 8, 100, 64, FULL_ONLY, false},
    {"64 bytes, 8 threads, in batches of 1000", MODE_BUFFERED, 8, 1000, 64, FULL_ONLY, false},
    {"4096 bytes, one by one", MODE_BUFFERED, 1, 1, 4096, SIDE, false},
    {"4096 bytes, in batches of 100", MODE_BUFFERED, 1, 100, 4096, SIDE, false},
    {"4096 bytes, in batches of 1000", MODE_BUFFERED, 1, 1000, 4096, FULL_ONLY, false},
    {"4096 bytes, 8 threads, one by one", MODE_BUFFERED, 8, 1, 4096, FULL_ONLY, false},
    {"4096 bytes, 8 threads, in batches of 100", MODE_BUFFERED, 8, 100, 4096, FULL_ONLY, false},
    {"4096 bytes, 8 threads, in batches of 1000", MODE_BUFFERED, 8, 1000, 4096, FULL_ONLY, false},
    {"one by one, clocked, beside background work", MODE_BUFFERED, 1, 1, 256, SIDE, true},
    {"one by one", MODE_DURABLE, 1, 1, 256, HEADLINE, true},
    {"in batches of 100", MODE_DURABLE, 1, 100, 256, HEADLINE, true},
    {"in batches of 1000", MODE_DURABLE, 1, 1000, 256, SIDE, true},
    {"8 threads, one by one", MODE_DURABLE, 8, 1, 256, HEADLINE, true},
    {"8 threads, in batches of 100", MODE_DURABLE, 8, 100, 256, SIDE, true},
    {"8 threads, in batches of 1000", MODE_DURABLE, 8, 1000, 256, FULL_ONLY, true},
    {"64 bytes, one by one", MODE_DURABLE, 1, 1, 64, SIDE, true},
    {"64 bytes, in batches of 100", MODE_DURABLE, 1, 100, 64, FULL_ONLY, true},
    {"64 bytes, in batches of 1000", MODE_DURABLE, 1, 1000, 64, FULL_ONLY, true},
    {"64 bytes, 8 threads, one by one", MODE_DURABLE, 8, 1, 64, FULL_ONLY, true},
    {"64 bytes, 8 threads, in batches of 100", MODE_DURABLE, 8, 100, 64, FULL_ONLY, true},
    {"64 bytes, 8 threads, in batches of 1000", MODE_DURABLE, 8, 1000, 64, FULL_ONLY, true},
    {"4096 bytes, one by one", MODE_DURABLE, 1, 1, 4096, SIDE, true},
    {"4096 bytes, in batches of 100", MODE_DURABLE, 1, 100, 4096, FULL_ONLY, true},
    {"4096 bytes, in batches of 1000", MODE_DURABLE, 1, 1000, 4096, FULL_ONLY, true},
    {"4096 bytes, 8 threads, one by one", MODE_DURABLE, 8, 1, 4096, FULL_ONLY, true},
    {"4096 bytes, 8 threads, in batches of 100", MODE_DURABLE, 8, 100, 4096, FULL_ONLY, true},
    {"4096 bytes, 8 threads, in batches of 1000", MODE_DURABLE, 8, 1000, 4096, FULL_ONLY, true},
};

enum { THREADS_MOST = 8, CLOCK_EVERY = 64, DURATIONS_MOST = 8 << 20 };

static const uint64_t log_most = (uint64_t)2 << 30; /* bytes that a run may write */

struct worker {
    const struct append_case *what;
    const struct workload *workload;
    const struct engine *engine;
    void *handle;
    pthread_barrier_t *start;
    uint64_t first; /* number of its first event */
    uint64_t most;
    double seconds;
    uint32_t *durations; /* one an append, room for `durations_most`; or NULL */
    size_t durations_most;
    size_t durations_count;
    uint64_t done;
    uint64_t began_ns;
    uint64_t ended_ns;
    bool good;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct fact facts[BATCH_MOST];
    unsigned batch = worker->what->batch;
    unsigned clock_every = worker->what->mode == MODE_DURABLE || batch > 1 ? 1 : CLOCK_EVERY;
    uint64_t commits = 0;
    pthread_barrier_wait(worker->start);
    uint64_t before = nanoseconds_now();
    worker->began_ns = before;
    uint64_t end = before + (uint64_t)(worker->seconds * 1e9);
    worker->good = true;
    while (worker->done + batch <= worker->most) {
        for (unsigned index = 0; index < batch; index++) {
            workload_fact(worker->workload, worker->first + worker->done + index, &facts[index]);
        }
        for (unsigned index = 0; index < batch; index++) {
            workload_expect(worker->workload, worker->first + worker->done + batch + index);
        }
        if (!worker->engine->append(worker->handle, facts, batch, NULL)) {
            worker->good = false;
            break;
        }
        worker->done += batch;
        commits++;
        if (worker->durations != NULL && worker->durations_count < worker->durations_most) {
            uint64_t now = nanoseconds_now();
            uint64_t taken = now - before;
            worker->durations[worker->durations_count++] = taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX;
            before = now;
            if (now > end) {
                break;
            }
        } else if (commits % clock_every == 0 && nanoseconds_now() > end) {
            break;
        }
    }
    worker->ended_ns = nanoseconds_now();
    return NULL;
}

struct outcome {
    uint64_t done;
    uint64_t began_ns;
    uint64_t ended_ns;
    size_t durations; /* joined at the front of the room that was given */
};

/* Starts the threads of a run together and waits for all. `durations` is NULL or room for DURATIONS_MOST. */
static struct outcome run_workers(const struct workload *workload, const struct engine *engine, void *handle,
                                  const struct append_case *what, double seconds, uint32_t *durations)
{
    struct worker workers[THREADS_MOST];
    pthread_t ids[THREADS_MOST];
    pthread_barrier_t start;
    struct outcome outcome = {.began_ns = UINT64_MAX};
    size_t share = DURATIONS_MOST / what->threads;
    if (pthread_barrier_init(&start, NULL, what->threads) != 0) {
        die("cannot make a barrier");
    }
    for (unsigned index = 0; index < what->threads; index++) {
        workers[index] = (struct worker){.what = what,
                                         .workload = workload,
                                         .engine = engine,
                                         .handle = handle,
                                         .start = &start,
                                         .first = index * (workload->events / what->threads),
                                         .most = log_most / (what->payload + 256u) / what->threads,
                                         .seconds = seconds,
                                         .durations = durations == NULL ? NULL : durations + index * share,
                                         .durations_most = share};
        if (pthread_create(&ids[index], NULL, work, &workers[index]) != 0) {
            die("cannot start a thread");
        }
    }
    for (unsigned index = 0; index < what->threads; index++) {
        struct worker *worker = &workers[index];
        pthread_join(ids[index], NULL);
        if (!worker->good) {
            die("%s cannot append", engine->name);
        }
        if (durations != NULL) {
            memmove(durations + outcome.durations, worker->durations, worker->durations_count * sizeof *durations);
            outcome.durations += worker->durations_count;
        }
        outcome.done += worker->done;
        outcome.began_ns = worker->began_ns < outcome.began_ns ? worker->began_ns : outcome.began_ns;
        outcome.ended_ns = worker->ended_ns > outcome.ended_ns ? worker->ended_ns : outcome.ended_ns;
    }
    pthread_barrier_destroy(&start);
    return outcome;
}

/* What a run takes at most, whatever the engine: most of it the page cache's. */
static size_t memory_of_run(enum mode mode, double seconds)
{
    return mode == MODE_DURABLE ? (size_t)64 << 20 : (size_t)(seconds * 900e6);
}

/* One run in a folder of its own; returns events a second. */
static double run_once(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                       const struct append_case *what, double seconds, uint32_t *durations, size_t *taken_out)
{
    char folder[FOLDER_SIZE];
    struct opening opening = {.mode = what->mode, .make = true};
    void *handle = NULL;
    folder_make(settings, "append", folder);
    folder_settle(folder);
    memory_let_go(memory_of_run(what->mode, seconds));
    if (!engine->open(folder, &opening, &handle)) {
        die("%s cannot be opened", engine->name);
    }
    struct outcome outcome = run_workers(workload, engine, handle, what, seconds, durations);
    if (!engine->close(handle)) {
        die("%s cannot be closed", engine->name);
    }
    folder_remove(folder);
    if (!settings->cold) {
        memory_hold();
    }
    *taken_out = outcome.durations;
    return (double)outcome.done * 1e9 / (double)(outcome.ended_ns - outcome.began_ns);
}

/* Runs of one case, and how long each lasts. */
static double plan_case(const struct settings *settings, const struct append_case *what, unsigned *runs_out)
{
    bool clocked = what->mode == MODE_BUFFERED && what->latency;
    bool headline = what->weight == HEADLINE;
    bool is_long = clocked || (headline && what->mode == MODE_BUFFERED); /* so that stores do what they put off */
    *runs_out = headline || settings->full ? settings->runs : 1;
    return is_long ? settings->seconds * 2 : headline ? settings->seconds : settings->seconds / 2;
}

static void measure_case(const struct settings *settings, const struct workload *workload,
                         const struct append_case *what, uint32_t *durations, struct results *results)
{
    enum { ENGINES_MOST = 8 };
    struct result kept[ENGINES_MOST] = {0};
    double found[ENGINES_MOST][3][RUNS_MOST] = {0};
    double rates[ENGINES_MOST] = {0};
    unsigned runs = 1;
    double seconds = plan_case(settings, what, &runs);
    for (unsigned run = 0; run < runs + 1; run++) { /* the first one is not counted */
        for (size_t index = 0; engines[index] != NULL; index++) {
            struct result *result = &kept[index];
            size_t taken = 0;
            double percentiles[3];
            if (!settings_want_engine(settings, engines[index])) {
                continue;
            }
            if (run == 0) {
                *result = result_of(what->mode == MODE_DURABLE ? "append durable" : "append buffered", what->name,
                                    engines[index]->name, "events/s");
                if (!settings->cold) {
                    rates[index] = run_once(settings, workload, engines[index], what, seconds / 10, NULL, &taken);
                }
                continue;
            }
            rates[index] =
                run_once(settings, workload, engines[index], what, seconds, what->latency ? durations : NULL, &taken);
            result->values[result->runs++] = rates[index];
            percentiles_of(durations, taken, percentiles);
            for (size_t share = 0; share < 3; share++) {
                found[index][share][run - 1] = percentiles[share];
            }
        }
    }
    for (size_t index = 0; engines[index] != NULL; index++) {
        if (settings_want_engine(settings, engines[index])) {
            kept[index].has_latency = what->latency;
            kept[index].p50_us = median_of(found[index][0], runs);
            kept[index].p99_us = median_of(found[index][1], runs);
            kept[index].p999_us = median_of(found[index][2], runs);
            results_keep(results, kept[index]);
        }
    }
}

void bench_appends(const struct settings *settings, const struct workload *workload, struct results *results)
{
    uint32_t *durations = memory_get(DURATIONS_MOST * sizeof *durations);
    memset(durations, 1, DURATIONS_MOST * sizeof *durations); /* so that no run touches fresh pages here */
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        const struct append_case *what = &cases[index];
        struct workload sized = *workload;
        sized.payload_size = what->payload;
        if (settings_want(settings, what->mode == MODE_DURABLE ? "append durable" : "append buffered") &&
            (what->weight != FULL_ONLY || settings->full)) {
            measure_case(settings, &sized, what, durations, results);
        }
    }
    free(durations);
    memory_let_go(SIZE_MAX);
}
