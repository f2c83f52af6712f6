/*
 * bench.h: one workload, any number of engines, one way of measuring.
 *
 * The workload is the one of docs/performance.md: half of the events go to entities of 1000 events, half to entities
 * of 10, interleaved; 100 scopes, 64 kinds, 100 groups of entities by prefix, ids made by the engine, payloads of
 * random bytes; every query reads every payload byte. Names and payloads lie ready in tables, for every engine alike,
 * so making an event costs a few loads, which are inside the measured time.
 *
 * An engine is one file, engine_<name>.c, that fills a struct engine and is named in engines.c. Nothing else knows it.
 * Engines take turns within a run, so that what else the machine does meets them alike. A raw limit (limits.c) is kept
 * like an engine's result, under the name "limit" and the same case.
 */
#ifndef BATPAK_BENCH_H
#define BATPAK_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- the workload ---- */

enum {
    NAME_SIZE = 24,
    SCOPES = 100,
    KINDS = 64,
    GROUPS = 100,
    BIG_ENTITY = 1000,
    SMALL_ENTITY = 10,
    BATCH_MOST = 1000,
    PAYLOAD_MOST = 4096
};

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
    uint32_t payload_size; /* a copy of a workload may have another one, up to PAYLOAD_MOST */
    uint64_t big_entities;
    uint64_t small_entities;
    char (*entities)[NAME_SIZE]; /* the big ones, then the small ones */
    char (*scopes)[NAME_SIZE];
    uint8_t *payloads; /* random bytes; each payload is a window of them */
};

void workload_begin(struct workload *workload, uint64_t events, uint32_t payload_size);
void workload_end(struct workload *workload);
/* The event of that number; what it points to lives as long as the workload. */
void workload_fact(const struct workload *workload, uint64_t number, struct fact *fact_out);
/* Asks the memory for what the event of that number points to: who appends has just made what he appends. */
void workload_expect(const struct workload *workload, uint64_t number);
/* Where that event goes: index into entities. */
uint64_t workload_entity(const struct workload *workload, uint64_t number);
/* An entity's group, 0..GROUPS-1, and the prefix that its name shares with its group's others. */
unsigned workload_group(uint64_t entity);
void workload_prefix(bool big, unsigned group, char prefix_out[NAME_SIZE]);
/* What batpak puts into its log for one event appended alone: frame, record, names, payload. */
uint32_t workload_record_size(const struct workload *workload);

/* What a query saw: how many events, and the sum over all bytes of their payloads. */
struct tally {
    uint64_t events;
    uint64_t sum;
};

void tally_add(struct tally *tally, const void *payload, size_t size);
void tally_join(struct tally *tally, const struct tally *more);

/* What queries must see. */
struct answers {
    struct tally all;
    struct tally *entities;
    struct tally scopes[SCOPES];
    struct tally kinds[KINDS];
    struct tally kind_sequences[KINDS]; /* the sum is that of the sequences */
    struct tally prefixes[2][GROUPS];   /* small, big */
};

void answers_begin(struct answers *answers, const struct workload *workload);
void answers_end(struct answers *answers);
/* Of the events first..first + count. */
struct tally workload_tally(const struct workload *workload, uint64_t first, uint64_t count);

/* ---- engines ---- */

enum mode { MODE_BUFFERED, MODE_DURABLE };

struct opening {
    enum mode mode;
    bool make;       /* in an empty folder; else what was closed or killed there */
    unsigned layout; /* batpak's; 0: its default */
};

/*
 * Functions say what went wrong on stderr and return false. Several threads append at once; questions come from one
 * thread. Ids are the engine's own, of 16 bytes, a time in front. What an engine cannot do is NULL, and its cell in
 * the table is empty.
 */
struct engine {
    const char *name;
    const char *(*settings)(void); /* version and how it was tuned, one line */
    bool (*open)(const char *folder, const struct opening *opening, void **handle_out);
    /* One commit; ids_out may be NULL. Acknowledged as the mode says. */
    bool (*append)(void *handle, const struct fact *facts, size_t count, struct id *ids_out);
    bool (*settle)(void *handle); /* brings what it does in the background to an end */
    bool (*close)(void *handle);  /* clean; everything durable */
    /* Each adds what it finds to the tally; an absent id adds nothing. */
    bool (*get)(void *handle, const struct id *id, struct tally *tally);
    bool (*stream)(void *handle, const char *entity, struct tally *tally);
    bool (*scope)(void *handle, const char *scope, struct tally *tally);
    bool (*kind)(void *handle, unsigned kind, struct tally *tally);
    bool (*prefix)(void *handle, const char *prefix, struct tally *tally); /* names that begin "prefix:" */
    bool (*scan)(void *handle, struct tally *tally);
    /* The commit time of an event, in the engine's own strictly increasing unit; and all events from..to. */
    bool (*when)(void *handle, uint64_t sequence, uint64_t *time_out);
    bool (*between)(void *handle, uint64_t from, uint64_t to, struct tally *tally);
    /* Only sequences, no payloads: counts them and sums them up. */
    bool (*kind_sequences)(void *handle, unsigned kind, struct tally *tally);
    /* That event and what its entity had before it, newest first, at most so many. */
    bool (*walk)(void *handle, const struct id *id, uint64_t limit, struct tally *tally);
    /* Proves what lies in the folder, every byte of it; only counts events. */
    bool (*verify)(const char *folder, struct tally *tally);
    bool (*heap)(void *handle, uint64_t *bytes_out); /* what it holds from malloc now */
    void (*strip)(const char *folder);               /* removes what can be built again */
};

/* What this build has, batpak first; ends with NULL. */
extern const struct engine *const engines[];

/* ---- measuring ---- */

enum { RUNS_MOST = 9, FOLDER_SIZE = 512 };

struct settings {
    uint64_t events;         /* in the stores that are read */
    uint64_t growth;         /* in the store that grows; 0: none */
    uint64_t layout_events;  /* in the store of each layout */
    uint32_t growth_payload; /* bytes */
    double seconds;          /* of a run that counts most; others take a part of it */
    unsigned runs;           /* measured, after one that is not */
    bool full;               /* every combination of threads, batch and payload, all of them as often as `runs` says */
    bool cold;               /* appends and memory are not warmed up: nobody reads the figures */
    const char *mode;        /* "", "smoke", "quick", "full", "campaign" */
    double load;             /* of the last minute, when it began: what other programs were doing */
    const char *only;        /* groups whose name has this in it; NULL: all */
    const char *engine;      /* only this one; NULL: all */
    char folder[FOLDER_SIZE];
    char programs[FOLDER_SIZE]; /* where this program and its probes lie */
};

/* One case of one engine. */
struct result {
    char group[24];
    char name[64];
    char engine[24];    /* or a layout, or a size */
    const char *unit;   /* "events/s", "ms", ...; of what is counted per second more is better, of all else less */
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

struct result result_of(const char *group, const char *name, const char *engine, const char *unit);
/* Sorts the runs and keeps a copy; unit and remark must live on. */
void results_keep(struct results *results, struct result result);
double result_median(const struct result *result);
bool result_more_is_better(const struct result *result);
const struct result *results_find(const struct results *results, const char *group, const char *name,
                                  const char *engine);
/* The best engine of a case but batpak and the limit; NULL if there is none. */
const struct result *results_best_peer(const struct results *results, const char *group, const char *name);
/* How many times as good `result` is as `other`, whichever way is better. */
double result_ratio(const struct result *result, const struct result *other);
/* Is it the first result of its group, of its case? */
bool result_begins_group(const struct results *results, size_t index);
bool result_begins_case(const struct results *results, size_t index);

bool settings_want(const struct settings *settings, const char *group);
bool settings_want_engine(const struct settings *settings, const struct engine *engine);

/* Keeps a result of one run. */
void results_keep_one(struct results *results, const char *group, const char *name, const char *engine,
                      const char *unit, double value);

double seconds_now(void);
uint64_t nanoseconds_now(void);
double median_of(double *values, size_t count); /* sorts */
/* Sorts; p50, p99, p99.9 in microseconds. */
void percentiles_of(uint32_t *nanoseconds, size_t count, double out_us[3]);
uint64_t random_next(uint64_t *state);

/* An empty folder of that name below settings->folder; ends the program if it cannot be had. */
void folder_make(const struct settings *settings, const char *name, char path_out[FOLDER_SIZE]);
void folder_remove(const char *path);
/* Has the medium take in everything that was written to the folder's filesystem: no run pays for what came before. */
void folder_settle(const char *path);
/* A virtual machine's host takes back free memory and is slow to give it again. Memory that is held until just before a run, and taken
 * again just after it, is there when the run wants it. */
void memory_hold(void);
void memory_let_go(size_t bytes);       /* so much of it; SIZE_MAX: all */
uint64_t folder_disk(const char *path); /* bytes that the medium holds for it */
uint64_t folder_free(const char *path); /* bytes that are left there */

void id_print(const struct id *id, char text_out[33]);
bool id_parse(const char *text, struct id *id_out);

void *memory_get(size_t size); /* zeroed, or the program ends */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- the parts of a run ---- */

void bench_appends(const struct settings *settings, const struct workload *workload, struct results *results);
/* Fills a store of each engine; asks, opens, kills, weighs. */
void bench_stores(const struct settings *settings, const struct workload *workload, struct results *results);
/* batpak alone: what its layouts of the index cost, and what a store of so many events costs more than a small one. */
void bench_layouts(const struct settings *settings, struct results *results);
void bench_growth(const struct settings *settings, const char *group, struct results *results);
void bench_limits(const struct settings *settings, const struct workload *workload, struct results *results);

/* A store that is asked. */
struct subject {
    const struct settings *settings;
    const struct workload *workload;
    const struct answers *answers;
    const struct engine *engine;
    const char *label; /* what its results are kept under */
    struct results *results;
    char folder[FOLDER_SIZE];
    void *handle; /* NULL while it is closed */
    struct id *ids;
};

/* Writes the workload into the subject's empty folder, many events in a commit, and closes; events a second. */
double subject_fill(struct subject *subject, unsigned layout);
void subject_open(struct subject *subject);
void subject_close(struct subject *subject);

/* Asks every question of group "read", or only those that tell layouts apart, of open subjects in turn. */
void ask_questions(struct subject *subjects, size_t count, const char *group, double seconds, bool only_layouts);
void ask_verify(struct subject *subject);
void measure_opens(struct subject *subjects, size_t count);
void measure_kills(struct subject *subjects, size_t count);
void measure_weights(struct subject *subjects, size_t count);

/* What no store can beat: an engine with a table of numbers and a mapped file of records, no checks, no names. */
extern const struct engine engine_limit;
void *limit_make(const struct settings *settings, const struct workload *workload, struct id *ids_out);

/* From before the start of a program that opens the folder to its first answer (engine NULL: it opens nothing). */
double probe(const struct settings *settings, const char *engine, const char *folder, const struct id *id,
             double *resident_mib_out);
/* A program appends so many events to the store and is killed; the id of the last one. */
struct id probe_kill(const struct settings *settings, const char *engine, const char *folder, uint64_t events);

/* ---- telling ---- */

/* "1.23 M"; "1.23 M (1.20 M .. 1.25 M)". */
void value_print(char text[24], double value);
/* The same in the way of a result's unit. */
void result_print(char text[24], const struct result *result, double value);
void spread_print(char text[80], const struct result *result);
/* How many digits a ratio deserves: for %.*f. */
int ratio_digits(double ratio);

void report_progress(const struct result *result);
void report_table(FILE *stream, const struct results *results);
bool report_json(const char *path, const struct settings *settings, const struct workload *workload,
                 const struct results *results);
/* Replaces what stands between the marks bench:begin and bench:end (or campaign:...) of a page; false, with words, if
 * it cannot. */
bool report_page(const char *path, const char *mark, const struct settings *settings, const struct workload *workload,
                 const struct results *results);
/* Bars: batpak beside the best peer and beside the limit. */
bool report_picture(const char *path, const struct results *results);
/* "2 x AMD EPYC, 7.6 GiB, Linux 6.1, ext4" */
void machine_describe(const char *folder, char *text, size_t size);

#endif
