/*
 * reads.c: how fast a store opens and answers, what it weighs in memory and on the medium.
 *
 * One store is filled in batches and closed cleanly; everything is asked of that store, opened again. What each query
 * found is compared with what the workload says it must find, down to the payload bytes.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GETS = 200000, ABSENT = 500000, ID_DIGITS = 32, SINGLES = 500000, SINGLES_SECONDS = 5 };

struct subject {
    const struct settings *settings;
    const struct workload *workload;
    const struct engine *engine;
    char folder[FOLDER_SIZE];
    void *handle;
    struct id *ids;
    struct results *results;
    struct tally all; /* what must be found of everything, and of the big entities */
    struct tally big;
};

/*
 * Writes so many events, `batch` in a commit, into an empty folder, and closes it. ids_out may be NULL. Stops earlier when
 * `seconds` have passed (0: never); returns how many were written.
 */
static uint64_t fill(const struct subject *subject, uint64_t events, size_t batch, struct id *ids_out, double seconds)
{
    const struct workload *workload = subject->workload;
    struct fact facts[BATCH_MOST];
    void *handle = NULL;
    if (!subject->engine->open(subject->folder, MODE_BUFFERED, true, &handle)) {
        die("%s cannot be opened", subject->engine->name);
    }
    double end = seconds_now() + seconds;
    uint64_t number = 0;
    while (number < events && (seconds <= 0 || number % BATCH_MOST != 0 || seconds_now() < end)) {
        size_t count = 0;
        for (; count < batch && number + count < events; count++) {
            workload_fact(workload, number + count, &facts[count]);
        }
        if (!subject->engine->append(handle, facts, count, ids_out == NULL ? NULL : ids_out + number)) {
            die("%s cannot append", subject->engine->name);
        }
        number += count;
    }
    if (!subject->engine->close(handle)) {
        die("%s cannot be closed", subject->engine->name);
    }
    return number;
}

static struct result result_of(const struct subject *subject, const char *group, const char *name, const char *unit)
{
    return (struct result){.group = group, .name = name, .engine = subject->engine->name, .unit = unit};
}

static void keep_one(const struct subject *subject, const char *group, const char *name, const char *unit, double value)
{
    struct result result = result_of(subject, group, name, unit);
    result.values[result.runs++] = value;
    results_keep(subject->results, result);
}

/* ---- opening ---- */

static void measure_open(struct subject *subject)
{
    struct result result = result_of(subject, "open", "after a clean close, in the process", "ms");
    for (unsigned run = 0; run < subject->settings->runs + 1; run++) {
        struct tally tally = {0};
        double begun = seconds_now();
        if (!subject->engine->open(subject->folder, MODE_BUFFERED, false, &subject->handle) ||
            !subject->engine->get(subject->handle, &subject->ids[run], &tally) || tally.events != 1) {
            die("%s cannot be opened again", subject->engine->name);
        }
        double taken = seconds_now() - begun;
        if (run > 0) { /* the first one warms the caches */
            result.values[result.runs++] = taken * 1e3;
        }
        if (!subject->engine->close(subject->handle)) {
            die("%s cannot be closed", subject->engine->name);
        }
    }
    results_keep(subject->results, result);
}

int bench_probe(const struct engine *engine, const char *folder, const char *id_text)
{
    struct id id;
    struct tally tally = {0};
    struct rusage usage;
    void *handle = NULL;
    if (strlen(id_text) != ID_DIGITS) {
        return 2;
    }
    for (size_t index = 0; index < sizeof id.bytes; index++) {
        char digits[3] = {id_text[2 * index], id_text[2 * index + 1], '\0'};
        id.bytes[index] = (uint8_t)strtoul(digits, NULL, 16);
    }
    if (!engine->open(folder, MODE_BUFFERED, false, &handle) || !engine->get(handle, &id, &tally) ||
        tally.events != 1) {
        return 1;
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld\n", usage.ru_maxrss);
    fflush(stdout);
    return engine->close(handle) ? 0 : 1;
}

/* Runs this program anew as the probe; seconds from before the fork to its answer, and its resident KiB. */
static double probe(const struct subject *subject, const char *self, const struct id *id, long *resident_out)
{
    char id_text[ID_DIGITS + 1];
    char answer[32] = {0};
    int ends[2];
    int status = 0;
    for (size_t index = 0; index < sizeof id->bytes; index++) {
        snprintf(id_text + 2 * index, 3, "%02x", id->bytes[index]);
    }
    if (pipe(ends) != 0) {
        die("cannot make a pipe");
    }
    double begun = seconds_now();
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(self, self, "--probe", subject->engine->name, subject->folder, id_text, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t got = child < 0 ? -1 : read(ends[0], answer, sizeof answer - 1);
    double taken = seconds_now() - begun;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || got <= 0) {
        die("%s cannot be opened by another process", subject->engine->name);
    }
    *resident_out = strtol(answer, NULL, 10);
    return taken;
}

static void measure_probe(const struct subject *subject, const char *self)
{
    struct result answer = result_of(subject, "open", "exec to the first answer", "ms");
    struct result resident = result_of(subject, "size", "resident after the first answer", "MiB");
    for (unsigned run = 0; run < subject->settings->runs; run++) {
        long kib = 0;
        answer.values[answer.runs++] = probe(subject, self, &subject->ids[run], &kib) * 1e3;
        resident.values[resident.runs++] = (double)kib / 1024;
    }
    results_keep(subject->results, answer);
    results_keep(subject->results, resident);
}

/* ---- asking ---- */

static bool ask_present(struct subject *subject, struct tally *tally)
{
    uint64_t state = 1;
    bool good = true;
    for (unsigned index = 0; index < GETS && good; index++) {
        uint64_t number = random_next(&state) % subject->workload->events;
        good = subject->engine->get(subject->handle, &subject->ids[number], tally);
    }
    return good && tally->events == GETS;
}

static bool ask_absent(struct subject *subject, struct tally *tally)
{
    uint64_t state = 2;
    bool good = true;
    for (unsigned index = 0; index < ABSENT && good; index++) {
        struct id id = subject->ids[random_next(&state) % subject->workload->events];
        uint64_t random = random_next(&state);
        memcpy(id.bytes + 8, &random, sizeof random);
        good = subject->engine->get(subject->handle, &id, tally);
    }
    good = good && tally->events == 0;
    tally->events = ABSENT;
    return good;
}

static bool is_tally(const struct tally *found, const struct tally *wanted)
{
    return found->events == wanted->events && found->sum == wanted->sum;
}

static bool ask_big_streams(struct subject *subject, struct tally *tally)
{
    bool good = true;
    for (uint64_t index = 0; index < subject->workload->big_entities && good; index++) {
        good = subject->engine->stream(subject->handle, subject->workload->entities[index], tally);
    }
    return good && is_tally(tally, &subject->big);
}

static bool ask_small_streams(struct subject *subject, struct tally *tally)
{
    const struct workload *workload = subject->workload;
    bool good = true;
    for (uint64_t index = 0; index < workload->small_entities && good; index++) {
        good = subject->engine->stream(subject->handle, workload->entities[workload->big_entities + index], tally);
    }
    return good && tally->events == subject->all.events - subject->big.events &&
           tally->sum == subject->all.sum - subject->big.sum;
}

static bool ask_scopes(struct subject *subject, struct tally *tally)
{
    bool good = true;
    for (unsigned index = 0; index < SCOPES && good; index++) {
        good = subject->engine->scope(subject->handle, subject->workload->scopes[index], tally);
    }
    return good && is_tally(tally, &subject->all);
}

static bool ask_kinds(struct subject *subject, struct tally *tally)
{
    bool good = true;
    for (unsigned index = 0; index < KINDS && good; index++) {
        good = subject->engine->kind(subject->handle, index, tally);
    }
    return good && is_tally(tally, &subject->all);
}

static bool ask_scan(struct subject *subject, struct tally *tally)
{
    return subject->engine->scan(subject->handle, tally) && is_tally(tally, &subject->all);
}

static bool ask_verify(struct subject *subject, struct tally *tally)
{
    return subject->engine->verify(subject->folder, tally) && tally->events == subject->all.events;
}

struct question {
    const char *name;
    const char *unit;
    bool (*ask)(struct subject *subject, struct tally *tally);
};

static const struct question questions[] = {
    {"get by id, present", "gets/s", ask_present},
    {"get by id, absent", "gets/s", ask_absent},
    {"streams of 1000 events", "events/s", ask_big_streams},
    {"streams of 10 events", "events/s", ask_small_streams},
    {"by scope, 1 %", "events/s", ask_scopes},
    {"by kind, 1.6 %", "events/s", ask_kinds},
    {"full scan", "events/s", ask_scan},
};

/* Once to warm up, then the runs that count. */
static void measure_question(struct subject *subject, const char *group, const struct question *question)
{
    struct result result = result_of(subject, group, question->name, question->unit);
    for (unsigned run = 0; run < subject->settings->runs + 1; run++) {
        struct tally tally = {0};
        double begun = seconds_now();
        if (!question->ask(subject, &tally)) {
            die("%s: %s: not the answer that the workload demands (%llu events)", subject->engine->name, question->name,
                (unsigned long long)tally.events);
        }
        double taken = seconds_now() - begun;
        if (run > 0) {
            result.values[result.runs++] = (double)tally.events / taken;
        }
    }
    results_keep(subject->results, result);
}

/* What the first so many events are by themselves: payload and names, in bytes an event. */
static double own_size(const struct workload *workload, uint64_t events)
{
    uint64_t names = 0;
    for (uint64_t number = 0; number < events; number++) {
        struct fact fact;
        workload_fact(workload, number, &fact);
        names += strlen(fact.entity) + strlen(fact.scope);
    }
    return workload->payload_size + (double)names / (double)events;
}

static void measure_heap(const struct subject *subject)
{
    uint64_t heap = 0;
    if (!subject->engine->heap(subject->handle, &heap)) {
        die("%s does not know its heap", subject->engine->name);
    }
    keep_one(subject, "size", "heap for each event", "bytes", (double)heap / (double)subject->workload->events);
}

static void measure_sizes(const struct subject *subject)
{
    const struct workload *workload = subject->workload;
    double disk = (double)folder_disk(subject->folder) / (double)workload->events;
    keep_one(subject, "size", "on the medium for each event, written in batches of 1000", "bytes", disk);
    keep_one(subject, "size", "of that, beyond payload and names (batches)", "bytes",
             disk - own_size(workload, workload->events));
}

/* The same for a store that was written one by one, which the folder becomes. */
static void measure_singles(struct subject *subject)
{
    uint64_t events = subject->workload->events < SINGLES ? subject->workload->events : SINGLES;
    folder_make(subject->settings, "store", subject->folder);
    events = fill(subject, events, 1, NULL, SINGLES_SECONDS);
    double disk = (double)folder_disk(subject->folder) / (double)events;
    keep_one(subject, "size", "on the medium for each event, written one by one", "bytes", disk);
    keep_one(subject, "size", "of that, beyond payload and names (one by one)", "bytes",
             disk - own_size(subject->workload, events));
}

void bench_reads(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                 const char *self, struct results *results)
{
    struct subject subject = {.settings = settings, .workload = workload, .engine = engine, .results = results};
    bool reads = settings_want(settings, "read");
    bool opens = settings_want(settings, "open");
    bool sizes = settings_want(settings, "size");
    if (!reads && !opens && !sizes) {
        return;
    }
    subject.ids = memory_get(workload->events * sizeof *subject.ids);
    subject.all = workload_tally(workload, workload->events, false);
    subject.big = workload_tally(workload, workload->events, true);
    folder_make(settings, "store", subject.folder);
    (void)fill(&subject, workload->events, BATCH_MOST, subject.ids, 0);
    if (opens) {
        measure_open(&subject);
        measure_probe(&subject, self);
    }
    if (!engine->open(subject.folder, MODE_BUFFERED, false, &subject.handle)) {
        die("%s cannot be opened", engine->name);
    }
    for (size_t index = 0; reads && index < sizeof questions / sizeof *questions; index++) {
        measure_question(&subject, "read", &questions[index]);
    }
    if (sizes && engine->heap != NULL) {
        measure_heap(&subject);
    }
    if (!engine->close(subject.handle)) {
        die("%s cannot be closed", engine->name);
    }
    if (reads && engine->verify != NULL) {
        static const struct question verify = {"verify everything, one core", "events/s", ask_verify};
        measure_question(&subject, "read", &verify);
    }
    if (sizes) {
        measure_sizes(&subject);
        measure_singles(&subject);
    }
    folder_remove(subject.folder);
    free(subject.ids);
}
