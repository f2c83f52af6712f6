/*
 * compact_live.c: what a compaction costs those who append beside it.
 *
 *   compact_live [MIB] [THREADS] [SECONDS] [DIRECTORY] [PART]     2048, 8, 10, ./compact_live.store (removed first, and left behind), all
 *
 * The store is filled with so many MiB of log, in commits of 500 events of 1024 bytes: every second commit is what a region drops. Then so many threads append durable events of
 * 256 bytes: for some seconds alone, and then while bp_compact runs. Printed are appends a second, p50, p99, p99.9 and the longest
 * alone, while segments are read to find out what is to be done, while they are rewritten, and over the whole compaction; the ratios to what they
 * are alone; the space that the store takes before and after, and what bp_verify says.
 *
 * PART: `fill` makes the store and stops, `measure` takes one that was filled: so that nothing else need rest while it is made.
 */
#include <batpak/batpak.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PAYLOAD = 256,
    FILL_PAYLOAD = 1024,
    BATCH = 500,
    ENTITIES = 1000,
    THREADS_MAX = 64,
    SAMPLES = 1 << 21,
    RECORD = 150 /* about what an event takes besides its payload */
};

enum { ALONE, SURVEYING, REWRITING, PHASES };

/* One phase of one thread. */
typedef struct samples {
    uint32_t *us; /* microseconds of each append; the first SAMPLES of them */
    size_t count;
} samples;

typedef struct appender {
    pthread_t thread;
    unsigned number;
    samples phases[PHASES];
} appender;

static bp_store *store;
static _Atomic unsigned phase; /* PHASES: the end */
static double phase_begun[PHASES + 1];

static void must(bp_status status, const bp_error *error)
{
    if (status != BP_OK) {
        (void)bp_print_error(stderr, error);
        exit(1);
    }
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the store ---- */

static uint64_t space_of(const char *directory)
{
    char path[4096];
    uint64_t sum = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct stat status;
        if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < (int)sizeof path &&
            lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            sum += (uint64_t)status.st_blocks * 512;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return sum;
}

static uint64_t space_of_log(const char *directory)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/log", directory);
    return space_of(path);
}

static void remove_store(const char *directory)
{
    static const char *const folders[] = {"log", "index", "."};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", directory, folders[i]);
        DIR *dir = opendir(path);
        for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
        if (dir != NULL) {
            (void)closedir(dir);
        }
        (void)rmdir(path);
    }
    (void)rmdir(directory);
}

/* Every second commit is of entities that begin with "drop:". */
static void fill(const char *directory, uint64_t mib)
{
    static char payload[FILL_PAYLOAD];
    static char names[BATCH][32];
    static bp_batch_item items[BATCH];
    bp_error error = {0};
    bp_options options;
    uint64_t events = 0;
    memset(payload, 'p', sizeof payload);
    bp_options_init(&options);
    options.durability = BP_BUFFERED;
    must(bp_open(directory, &options, &store, &error), &error);
    for (uint64_t done = 0; done < mib << 20;) {
        for (size_t i = 0; i < BATCH; i++, events++) {
            (void)snprintf(names[i], sizeof names[i], "%s:%u", events / BATCH % 2 == 0 ? "keep" : "drop",
                           (unsigned)(events % ENTITIES));
            items[i] = (bp_batch_item){
                .at = bp_at(names[i], "bench"), .kind = bp_kind(1, 1), .payload = bp_raw(payload, sizeof payload)};
        }
        bp_receipt receipts[BATCH];
        must(bp_append_batch(store, items, BATCH, NULL, receipts, &error), &error);
        done += (uint64_t)BATCH * (FILL_PAYLOAD + RECORD);
    }
    must(bp_seal(store, &error), &error);
    must(bp_close(store, &error), &error);
    printf("%llu events\n", (unsigned long long)events);
}

/* ---- who appends ---- */

static void *append(void *argument)
{
    appender *a = argument;
    char name[32];
    char payload[PAYLOAD];
    bp_error error = {0};
    (void)snprintf(name, sizeof name, "live:%u", a->number);
    memset(payload, 'l', sizeof payload);
    for (unsigned now = 0; (now = atomic_load(&phase)) < PHASES;) {
        samples *s = &a->phases[now];
        double begun = now_s();
        must(bp_append(store, bp_at(name, "bench"), bp_kind(1, 2), bp_raw(payload, sizeof payload), NULL, NULL, &error),
             &error);
        if (s->count < SAMPLES) {
            s->us[s->count++] = (uint32_t)((now_s() - begun) * 1e6);
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

typedef struct figures {
    double rate;
    double seconds;
    uint32_t p50, p99, p999, longest;
} figures;

/* Of the phases [from, to). */
static figures take_figures(const appender *appenders, unsigned threads, unsigned from, unsigned to)
{
    double seconds = phase_begun[to] - phase_begun[from];
    size_t count = 0;
    for (unsigned i = 0; i < threads; i++) {
        for (unsigned p = from; p < to; p++) {
            count += appenders[i].phases[p].count;
        }
    }
    uint32_t *all = malloc((count + 1) * sizeof *all);
    if (all == NULL || count == 0) {
        free(all);
        return (figures){0};
    }
    size_t at = 0;
    for (unsigned i = 0; i < threads; i++) {
        for (unsigned p = from; p < to; p++) {
            memcpy(all + at, appenders[i].phases[p].us, appenders[i].phases[p].count * sizeof *all);
            at += appenders[i].phases[p].count;
        }
    }
    qsort(all, count, sizeof *all, compare);
    figures f = {(double)count / seconds, seconds,       all[count / 2], all[count * 99 / 100],
                 all[count * 999 / 1000], all[count - 1]};
    free(all);
    return f;
}

static void print_figures(const char *what, const figures *f, const figures *alone)
{
    printf("%-10s %8.0f appends/s   p50 %6u µs   p99 %6u µs   p99.9 %6u µs   longest %7u µs   (%.1f s)", what, f->rate,
           (unsigned)f->p50, (unsigned)f->p99, (unsigned)f->p999, (unsigned)f->longest, f->seconds);
    if (alone != NULL && alone->rate > 0) {
        printf("   %.2f of the appends, p50 %.2f, p99 %.2f, p99.9 %.2f times", f->rate / alone->rate,
               (double)f->p50 / alone->p50, (double)f->p99 / alone->p99, (double)f->p999 / alone->p999);
    }
    printf("\n");
}

/* ---- all of it ---- */

static void enter(unsigned next)
{
    for (unsigned now = atomic_load(&phase); now < next; now++) {
        phase_begun[now + 1] = now_s();
    }
    atomic_store(&phase, next);
}

static bool watch(void *argument, const char *what, uint64_t done, uint64_t total)
{
    (void)argument;
    (void)done;
    (void)total;
    if (atomic_load(&phase) == SURVEYING && strcmp(what, "rewriting") == 0) {
        enter(REWRITING);
    }
    return true;
}

static bp_compact_report compact(void)
{
    bp_error error = {0};
    bp_region region = bp_region_all();
    bp_compact_options options;
    bp_compact_report report;
    bp_region_set_prefix(&region, bp_text_of("drop"));
    bp_compact_options_init(&options);
    options.drop = &region;
    options.drop_count = 1;
    options.progress = watch;
    must(bp_compact(store, &options, &report, &error), &error);
    return report;
}

static bp_compact_report measure(appender *appenders, unsigned threads, double seconds)
{
    for (unsigned i = 0; i < threads; i++) {
        appenders[i].number = i;
        for (unsigned p = 0; p < PHASES; p++) {
            appenders[i].phases[p].us = malloc(SAMPLES * sizeof(uint32_t));
        }
        if (appenders[i].phases[0].us == NULL || appenders[i].phases[1].us == NULL ||
            pthread_create(&appenders[i].thread, NULL, append, &appenders[i]) != 0) {
            exit(1);
        }
    }
    phase_begun[ALONE] = now_s();
    (void)sleep((unsigned)seconds);
    enter(SURVEYING);
    bp_compact_report report = compact();
    enter(PHASES);
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(appenders[i].thread, NULL);
    }
    figures alone = take_figures(appenders, threads, ALONE, SURVEYING);
    figures surveying = take_figures(appenders, threads, SURVEYING, REWRITING);
    figures rewriting = take_figures(appenders, threads, REWRITING, PHASES);
    figures whole = take_figures(appenders, threads, SURVEYING, PHASES);
    print_figures("alone", &alone, NULL);
    print_figures("surveying", &surveying, &alone);
    print_figures("rewriting", &rewriting, &alone);
    print_figures("compaction", &whole, &alone);
    return report;
}

int main(int argc, char **argv)
{
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 2048;
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 8;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 10;
    const char *directory = argc > 4 ? argv[4] : "./compact_live.store";
    const char *part = argc > 5 ? argv[5] : "all";
    static appender appenders[THREADS_MAX];
    bp_error error = {0};
    bp_verify_report report;
    if (mib == 0 || threads == 0 || threads > THREADS_MAX || seconds < 1) {
        fprintf(stderr, "compact_live [MIB] [THREADS, 1..%d] [SECONDS, 1 or more] [DIRECTORY] [fill|measure]\n",
                THREADS_MAX);
        return 2;
    }
    if (strcmp(part, "measure") != 0) {
        remove_store(directory);
        fill(directory, mib);
    }
    if (strcmp(part, "fill") == 0) {
        return 0;
    }
    must(bp_open(directory, NULL, &store, &error), &error);
    uint64_t before = space_of_log(directory);
    bp_compact_report done = measure(appenders, threads, seconds);
    uint64_t after = space_of_log(directory);
    printf("log      %.1f MiB before, %.1f MiB after; rewritten %.1f MiB to %.1f MiB in %llu segments, %llu events "
           "dropped\n",
           (double)before / 1048576, (double)after / 1048576, (double)done.bytes_before / 1048576,
           (double)done.bytes_after / 1048576, (unsigned long long)done.written,
           (unsigned long long)done.events_dropped);
    must(bp_close(store, &error), &error);
    bp_status status = bp_verify(directory, NULL, &report, &error);
    printf("verify   %s: %llu events, %llu dropped, %llu faults\n", bp_status_name(status),
           (unsigned long long)report.events, (unsigned long long)report.dropped, (unsigned long long)report.faults);
    return status == BP_OK ? 0 : 1;
}
