/*
 * stores.c: one store of each engine, filled alike and closed cleanly; everything that is asked of a store is asked of
 * these. All of them lie there at once, so that engines can take turns.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { SUBJECTS_MOST = 8, SINGLES = 500000, CLOCK_EVERY = 64 };

double subject_fill(struct subject *subject, unsigned layout)
{
    const struct workload *workload = subject->workload;
    const struct engine *engine = subject->engine;
    struct opening opening = {.mode = MODE_BUFFERED, .make = true, .layout = layout};
    struct fact facts[BATCH_MOST];
    if (!engine->open(subject->folder, &opening, &subject->handle)) {
        die("%s cannot be opened", subject->label);
    }
    double begun = seconds_now();
    for (uint64_t number = 0; number < workload->events;) {
        size_t count = 0;
        for (; count < BATCH_MOST && number + count < workload->events; count++) {
            workload_fact(workload, number + count, &facts[count]);
        }
        if (!engine->append(subject->handle, facts, count, subject->ids + number)) {
            die("%s cannot append", subject->label);
        }
        number += count;
    }
    double taken = seconds_now() - begun;
    if (engine->settle != NULL && !engine->settle(subject->handle)) {
        die("%s cannot come to rest", subject->label);
    }
    subject_close(subject);
    return (double)workload->events / taken;
}

void subject_open(struct subject *subject)
{
    struct opening opening = {.mode = MODE_BUFFERED};
    if (!subject->engine->open(subject->folder, &opening, &subject->handle)) {
        die("%s cannot be opened again", subject->label);
    }
}

void subject_close(struct subject *subject)
{
    if (!subject->engine->close(subject->handle)) {
        die("%s cannot be closed", subject->label);
    }
    subject->handle = NULL;
}

/* ---- weight ---- */

/* What events are by themselves: payload and names, in bytes an event. */
static double own_size(const struct workload *workload)
{
    uint64_t names = 0;
    for (uint64_t number = 0; number < workload->events; number++) {
        struct fact fact;
        workload_fact(workload, number, &fact);
        names += strlen(fact.entity) + strlen(fact.scope);
    }
    return workload->payload_size + (double)names / (double)workload->events;
}

/* Appends one by one to a new store for a while, closes it; bytes on the medium for each event. */
static double weigh_singles(const struct subject *subject, double seconds)
{
    char folder[FOLDER_SIZE];
    struct opening opening = {.mode = MODE_BUFFERED, .make = true};
    void *handle = NULL;
    uint64_t number = 0;
    folder_make(subject->settings, "singles", folder);
    if (!subject->engine->open(folder, &opening, &handle)) {
        die("%s cannot be opened", subject->label);
    }
    double end = seconds_now() + seconds;
    while (number < SINGLES && (number % CLOCK_EVERY != 0 || seconds_now() < end)) {
        struct fact fact;
        workload_fact(subject->workload, number++, &fact);
        if (!subject->engine->append(handle, &fact, 1, NULL)) {
            die("%s cannot append", subject->label);
        }
    }
    if ((subject->engine->settle != NULL && !subject->engine->settle(handle)) || !subject->engine->close(handle)) {
        die("%s cannot be closed", subject->label);
    }
    double weight = (double)folder_disk(folder) / (double)number;
    folder_remove(folder);
    return weight;
}

void measure_weights(struct subject *subjects, size_t count)
{
    struct results *results = subjects->results;
    const struct workload *workload = subjects->workload;
    double own = own_size(workload);
    for (size_t index = 0; index < count; index++) {
        struct subject *subject = &subjects[index];
        double batches = (double)folder_disk(subject->folder) / (double)workload->events;
        double singles = weigh_singles(subject, subject->settings->seconds * 2);
        results_keep_one(results, "size", "disk for an event, in batches of 1000", subject->label, "bytes", batches);
        results_keep_one(results, "size", "of it beyond payload and names, batches", subject->label, "bytes",
                         batches - own);
        results_keep_one(results, "size", "disk for an event, one by one", subject->label, "bytes", singles);
        results_keep_one(results, "size", "of it beyond payload and names, one by one", subject->label, "bytes",
                         singles - own);
    }
}

static void measure_heap(const struct subject *subject)
{
    uint64_t heap = 0;
    if (!subject->engine->heap(subject->handle, &heap)) {
        die("%s does not know its heap", subject->label);
    }
    results_keep_one(subject->results, "size", "heap for an event, opened again", subject->label, "bytes",
                     (double)heap / (double)subject->workload->events);
}

/* ---- all of it ---- */

static size_t make_subjects(const struct settings *settings, const struct workload *workload,
                            const struct answers *answers, struct results *results, struct subject *subjects)
{
    size_t count = 0;
    for (size_t index = 0; engines[index] != NULL; index++) {
        char name[64];
        if (!settings_want_engine(settings, engines[index])) {
            continue;
        }
        struct subject *subject = &subjects[count++];
        *subject = (struct subject){.settings = settings,
                                    .workload = workload,
                                    .answers = answers,
                                    .engine = engines[index],
                                    .label = engines[index]->name,
                                    .results = results,
                                    .ids = memory_get(workload->events * sizeof(struct id))};
        snprintf(name, sizeof name, "store-%s", subject->label);
        folder_make(settings, name, subject->folder);
        folder_settle(subject->folder);
        if (!settings->cold) {
            memory_hold();
        }
        memory_let_go(SIZE_MAX);
        double rate = subject_fill(subject, 0);
        results_keep_one(results, "append buffered", "the store that is read, in batches of 1000", subject->label,
                         "events/s", rate);
    }
    return count;
}

/* Asks all of them, and the limit behind them. */
static void ask_all(const struct settings *settings, struct subject *subjects, size_t count)
{
    struct subject *limit = &subjects[count];
    for (size_t index = 0; index < count; index++) {
        subject_open(&subjects[index]);
    }
    *limit = subjects[0];
    limit->engine = &engine_limit;
    limit->label = "limit";
    limit->ids = memory_get(limit->workload->events * sizeof *limit->ids);
    limit->handle = limit_make(settings, limit->workload, limit->ids);
    if (settings_want(settings, "read")) {
        ask_questions(subjects, count + 1, "read", settings->seconds / 5, false);
    }
    for (size_t index = 0; index < count; index++) {
        if (settings_want(settings, "size") && subjects[index].engine->heap != NULL) {
            measure_heap(&subjects[index]);
        }
        subject_close(&subjects[index]);
    }
    subject_close(limit);
    free(limit->ids);
}

void bench_stores(const struct settings *settings, const struct workload *workload, struct results *results)
{
    struct subject subjects[SUBJECTS_MOST + 1];
    struct answers answers;
    bool reads = settings_want(settings, "read");
    bool opens = settings_want(settings, "open");
    bool sizes = settings_want(settings, "size");
    if (!reads && !opens && !sizes) {
        return;
    }
    answers_begin(&answers, workload);
    size_t count = make_subjects(settings, workload, &answers, results, subjects);
    if (count > 0) {
        folder_settle(subjects->folder);
        if (opens || sizes) {
            measure_opens(subjects, count);
        }
        ask_all(settings, subjects, count);
        for (size_t index = 0; reads && index < count; index++) {
            if (subjects[index].engine->verify != NULL) {
                ask_verify(&subjects[index]);
            }
        }
        if (sizes) {
            measure_weights(subjects, count);
        }
        if (opens) {
            measure_kills(subjects, count);
        }
    }
    for (size_t index = 0; index < count; index++) {
        folder_remove(subjects[index].folder);
        free(subjects[index].ids);
    }
    answers_end(&answers);
}
