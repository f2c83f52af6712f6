/*
 * appends.c: how fast events go in, and how long one waits.
 *
 * What is timed is the appending until everything is acknowledged, as the mode says; opening and closing are not. Each
 * run has a folder of its own. A first run of a tenth is not counted. Latencies come from runs of their own, one clock
 * reading an event, so that the clock does not weigh on the rates.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct append_case {
    const char *name;
    enum mode mode;
    unsigned threads;
    unsigned batch;
    bool latency;
};

static const struct append_case cases[] = {
    {"one by one", MODE_BUFFERED, 1, 1, true},
    {"in batches of 100", MODE_BUFFERED, 1, 100, false},
    {"in batches of 1000", MODE_BUFFERED, 1, 1000, false},
    {"8 threads, one by one", MODE_BUFFERED, 8, 1, false},
    {"one by one", MODE_DURABLE, 1, 1, true},
    {"8 threads, one by one", MODE_DURABLE, 8, 1, true},
    {"in batches of 100", MODE_DURABLE, 1, 100, false},
};

enum { THREADS_MOST = 8, CLOCK_EVERY = 64 };

struct worker {
    const struct append_case *what;
    const struct workload *workload;
    const struct engine *engine;
    void *handle;
    pthread_barrier_t *start;
    uint64_t first; /* events of its own: first..first + count */
    uint64_t count;
    double seconds;
    uint32_t *durations; /* one an append, or NULL */
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
    while (worker->done + batch <= worker->count) {
        for (unsigned index = 0; index < batch; index++) {
            workload_fact(worker->workload, worker->first + worker->done + index, &facts[index]);
        }
        if (!worker->engine->append(worker->handle, facts, batch, NULL)) {
            worker->good = false;
            break;
        }
        worker->done += batch;
        commits++;
        if (worker->durations != NULL) {
            uint64_t now = nanoseconds_now();
            uint64_t taken = now - before;
            worker->durations[commits - 1] = taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX;
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

static void start_workers(struct worker *workers, unsigned threads, pthread_t *ids)
{
    for (unsigned index = 0; index < threads; index++) {
        if (pthread_create(&ids[index], NULL, work, &workers[index]) != 0) {
            die("cannot start a thread");
        }
    }
}

/* One run in a folder of its own; returns events a second. `durations` has room for `events`; *taken_out says how many. */
static double run_once(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                       const struct append_case *what, uint64_t events, uint32_t *durations, size_t *taken_out)
{
    char folder[FOLDER_SIZE];
    struct worker workers[THREADS_MOST];
    pthread_t ids[THREADS_MOST];
    pthread_barrier_t start;
    void *handle = NULL;
    uint64_t done = 0;
    folder_make(settings, "store", folder);
    if (!engine->open(folder, what->mode, true, &handle) ||
        pthread_barrier_init(&start, NULL, what->threads + 1) != 0) {
        die("%s cannot be opened", engine->name);
    }
    for (unsigned index = 0; index < what->threads; index++) {
        uint64_t share = events / what->threads;
        workers[index] = (struct worker){.what = what,
                                         .workload = workload,
                                         .engine = engine,
                                         .handle = handle,
                                         .start = &start,
                                         .first = index * share,
                                         .count = share,
                                         .seconds = settings->seconds,
                                         .durations = durations == NULL ? NULL : durations + index * share};
    }
    start_workers(workers, what->threads, ids);
    pthread_barrier_wait(&start);
    uint64_t began = UINT64_MAX;
    uint64_t ended = 0;
    for (unsigned index = 0; index < what->threads; index++) {
        struct worker *worker = &workers[index];
        pthread_join(ids[index], NULL);
        if (!worker->good) {
            die("%s cannot append", engine->name);
        }
        if (durations != NULL && index > 0) {
            memmove(durations + done, worker->durations, worker->done * sizeof *durations);
        }
        done += worker->done;
        began = worker->began_ns < began ? worker->began_ns : began;
        ended = worker->ended_ns > ended ? worker->ended_ns : ended;
    }
    if (!engine->close(handle)) {
        die("%s cannot be closed", engine->name);
    }
    pthread_barrier_destroy(&start);
    folder_remove(folder);
    if (taken_out != NULL) {
        *taken_out = (size_t)done;
    }
    return (double)done * 1e9 / (double)(ended - began);
}

static void measure_latency(const struct settings *settings, const struct workload *workload,
                            const struct engine *engine, const struct append_case *what, struct result *result)
{
    uint32_t *durations = memory_get(workload->events * sizeof *durations);
    double found[3][RUNS_MOST];
    for (unsigned run = 0; run < settings->runs; run++) {
        double percentiles[3];
        size_t taken = 0;
        run_once(settings, workload, engine, what, workload->events, durations, &taken);
        percentiles_of(durations, taken, percentiles);
        for (size_t index = 0; index < 3; index++) {
            found[index][run] = percentiles[index];
        }
    }
    result->has_latency = true;
    result->p50_us = median_of(found[0], settings->runs);
    result->p99_us = median_of(found[1], settings->runs);
    result->p999_us = median_of(found[2], settings->runs);
    free(durations);
}

void bench_appends(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                   struct results *results)
{
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        const struct append_case *what = &cases[index];
        struct result result = {.group = what->mode == MODE_DURABLE ? "append durable" : "append buffered",
                                .name = what->name,
                                .engine = engine->name,
                                .unit = "events/s",
                                .runs = settings->runs};
        if (!settings_want(settings, result.group)) {
            continue;
        }
        run_once(settings, workload, engine, what, workload->events / 10, NULL, NULL);
        for (unsigned run = 0; run < settings->runs; run++) {
            result.values[run] = run_once(settings, workload, engine, what, workload->events, NULL, NULL);
        }
        if (what->latency) {
            measure_latency(settings, workload, engine, what, &result);
        }
        results_keep(results, result);
    }
}
