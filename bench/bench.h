/*
 * bench.h: one workload, any number of engines, one way of measuring.
 *
 * The workload is the one of docs/performance.md: half of the events go to entities of 1000 events, half to entities
 * of 10, interleaved; 100 scopes, 64 kinds, ids made by the engine, payloads of random bytes; every query reads every
 * payload byte. Names and payloads lie ready in tables, for every engine alike, so making an event costs a few
 * loads, which are inside the measured time.
 *
 * An engine is one file, engine_<name>.c, that fills a struct engine and is named in main.c. Nothing else knows it.
 * A raw limit (limits.c) is kept like an engine's result, under the name "limit" and the same case.
 */
#ifndef BATPAK_BENCH_H
#define BATPAK_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- the workload ---- */

enum { NAME_SIZE = 24, SCOPES = 100, KINDS = 64, BIG_ENTITY = 1000, SMALL_ENTITY = 10, BATCH_MOST = 1000 };

struct id {
    uint8_t bytes[16];
};

struct fact {
    const char *entity; /* NUL-terminated */
    const char *scope;
    unsigned kind; /* 0..KINDS-1 */
    const uint8_t *payload;
    size_t payload_size;
};

struct workload {
    uint64_t events;
    uint32_t payload_size;
    uint64_t big_entities;
    uint64_t small_entities;
    char (*entities)[NAME_SIZE]; /* the big ones, then the small ones */
    char (*scopes)[NAME_SIZE];
    uint8_t *payloads;    /* random bytes; each payload is a window of them */
    uint32_t record_size; /* what batpak puts into its log for one event appended alone: frame, record, payload */
};

void workload_begin(struct workload *workload, uint64_t events, uint32_t payload_size);
void workload_end(struct workload *workload);
/* The event of that number; what it points to lives as long as the workload. */
void workload_fact(const struct workload *workload, uint64_t number, struct fact *fact_out);

/* What a query saw: how many events, and the sum over all bytes of their payloads. */
struct tally {
    uint64_t events;
    uint64_t sum;
};

void tally_add(struct tally *tally, const void *payload, size_t size);
/* What a query for everything must see of the first so many events. */
struct tally workload_tally(const struct workload *workload, uint64_t events, bool only_big);

/* ---- engines ---- */

enum mode { MODE_BUFFERED, MODE_DURABLE };

/*
 * Functions say what went wrong on stderr and return false. A handle is used by several threads at once. Ids are the
 * engine's own and of 16 bytes. What an engine cannot do is NULL, and its cell in the table is empty.
 */
struct engine {
    const char *name;
    const char *(*settings)(void); /* version and how it was tuned, one line */
    /* In an empty folder (make) or on what was closed there. */
    bool (*open)(const char *folder, enum mode mode, bool make, void **handle_out);
    /* One commit; ids_out may be NULL. Acknowledged as the mode says. */
    bool (*append)(void *handle, const struct fact *facts, size_t count, struct id *ids_out);
    bool (*close)(void *handle); /* clean; everything durable */
    /* Each adds what it finds to the tally. */
    bool (*get)(void *handle, const struct id *id, struct tally *tally);
    bool (*stream)(void *handle, const char *entity, struct tally *tally);
    bool (*scope)(void *handle, const char *scope, struct tally *tally);
    bool (*kind)(void *handle, unsigned kind, struct tally *tally);
    bool (*scan)(void *handle, struct tally *tally);
    /* Proves what lies in the folder, every byte of it; only counts events. */
    bool (*verify)(const char *folder, struct tally *tally);
    bool (*heap)(void *handle, uint64_t *bytes_out); /* what it holds from malloc now */
};

extern const struct engine engine_batpak;

/* ---- measuring ---- */

enum { RUNS_MOST = 9, FOLDER_SIZE = 512 };

struct settings {
    uint64_t events; /* in the store that is read */
    double seconds;  /* a run of appends ends after so long, if its events last */
    unsigned runs;   /* measured, after one that is not */
    bool quick;
    double load;              /* of the last minute, when it began: what other programs were doing */
    const char *only;         /* groups whose name has this in it; NULL: all */
    char folder[FOLDER_SIZE]; /* of results and stores */
};

/* One case of one engine. */
struct result {
    const char *group;
    const char *name;
    const char *engine;
    const char *unit;   /* "events/s", "ms", ...; of events/s more is better, of all others less */
    const char *remark; /* of a limit: what was measured */
    unsigned runs;
    double values[RUNS_MOST]; /* sorted once kept */
    bool has_latency;
    double p50_us, p99_us, p999_us; /* medians of the runs */
};

struct results {
    struct result *items;
    size_t count;
};

/* Sorts the runs and keeps a copy; the texts must live on. */
void results_keep(struct results *results, struct result result);
double result_median(const struct result *result);
const struct result *results_find(const struct results *results, const char *group, const char *name,
                                  const char *engine);

/* Is a group to be measured? */
bool settings_want(const struct settings *settings, const char *group);

double seconds_now(void);
uint64_t nanoseconds_now(void);
double median_of(double *values, size_t count); /* sorts */
/* Sorts; p50, p99, p99.9 in microseconds. */
void percentiles_of(uint32_t *nanoseconds, size_t count, double out_us[3]);
uint64_t random_next(uint64_t *state);

/* An empty folder of that name below settings->folder; ends the program if it cannot be had. */
void folder_make(const struct settings *settings, const char *name, char path_out[FOLDER_SIZE]);
void folder_remove(const char *path);
/* Bytes that the medium holds for it. */
uint64_t folder_disk(const char *path);

void *memory_get(size_t size); /* zeroed, or the program ends */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- the parts of a run ---- */

void bench_appends(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                   struct results *results);
void bench_reads(const struct settings *settings, const struct workload *workload, const struct engine *engine,
                 const char *self, struct results *results);
/* The child of bench_reads: opens, gets one event, says when and with how much memory. */
int bench_probe(const struct engine *engine, const char *folder, const char *id_text);
void bench_limits(const struct settings *settings, const struct workload *workload, struct results *results);

/* ---- telling ---- */

/* In the order of the tables; ends with NULL. */
extern const struct engine *const engines[];

/* "1.23 M"; "1.23 M (1.20 M .. 1.25 M)". */
void value_print(char text[24], double value);
void spread_print(char text[80], const struct result *result);
/* Is it the first result of its group, of its case? */
bool result_begins_group(const struct results *results, size_t index);
bool result_begins_case(const struct results *results, size_t index);

void report_progress(const struct result *result);
void report_table(FILE *stream, const struct results *results);
bool report_json(const char *path, const struct settings *settings, const struct workload *workload,
                 const struct results *results);
/* Replaces what stands between the marks of a page; false, with words, if it cannot. */
bool report_page(const char *path, const struct settings *settings, const struct workload *workload,
                 const struct results *results);
/* "2 × AMD EPYC, 7.6 GiB, Linux 6.1, ext4" */
void machine_describe(const char *folder, char *text, size_t size);

#endif
