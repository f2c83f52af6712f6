/*
 * verb_bench.c: this machine's figures, of a store in a folder that is made for it and removed again.
 *
 * Each figure is the median of three runs. The events: 256 bytes of payload; half of them go to entities of 1000
 * events, half to entities of 10, interleaved; 100 scopes, 64 kinds, ids by the store. Reads look at every byte.
 */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "session.h"
#include "table.h"
#include "verbs.h"

enum {
    RUNS = 3,
    PAYLOAD_SIZE = 256,
    BATCH = 100,
    THREADS = 8,
    SCOPES = 100,
    KINDS = 64,
    LARGE = 1000, /* events of an entity */
    SMALL = 10,
    NAME_SIZE = 32,
    TMPFS = 0x01021994
};

static const double durable_seconds = 0.4;

static struct {
    uint64_t events;
    bool json;
} given = {.events = 200000};

static const struct option options[] = {
    {"events", 0, OPTION_U64, &given.events, "N", "events of a run (200000)", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each figure", NULL},
    {.name = NULL},
};

static volatile sig_atomic_t interrupted;

struct bench {
    bp_store *store;
    uint64_t made; /* events so far, which also numbers them */
    bp_id *ids;    /* of the buffered ones */
    uint64_t id_count;
    uint8_t payload[PAYLOAD_SIZE];
    char (*names)[NAME_SIZE]; /* of large entities, then of small ones, then of scopes */
    uint64_t large;           /* how many of each */
    uint64_t small;
    struct table table;
    uint64_t sum; /* of the bytes read, so that reading them is not left out */
    int code;
};

/* The work of one run; answers how many events it was about. */
typedef uint64_t (*work_fn)(struct bench *bench);

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static bool check(struct bench *bench, bp_status status, const bp_error *error)
{
    if (status != BP_OK && bench->code == 0) {
        bench->code = fail(error);
    }
    return status == BP_OK && interrupted == 0;
}

/* Names are made beforehand: making them is no part of an append. */
static void make_names(struct bench *bench)
{
    uint64_t half = given.events * RUNS / 2 + 1;
    uint64_t count;

    bench->large = half / LARGE + 1;
    bench->small = half / SMALL + 1;
    count = bench->large + bench->small + SCOPES;
    bench->names = memory_resize(NULL, count * sizeof *bench->names);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = i < bench->large                  ? i
                          : i < bench->large + bench->small ? i - bench->large
                                                            : i - bench->large - bench->small;

        (void)snprintf(bench->names[i], NAME_SIZE, "%s:%llu",
                       i < bench->large                  ? "large"
                       : i < bench->large + bench->small ? "small"
                                                         : "scope",
                       (unsigned long long)number);
    }
}

/* Where event i is put. */
static bp_coordinate place_of(const struct bench *bench, uint64_t i)
{
    uint64_t entity = i % 2 == 0 ? i / 2 % bench->large : bench->large + i / 2 % bench->small;

    return bp_at(bench->names[entity], bench->names[bench->large + bench->small + i % SCOPES]);
}

static bp_status append_one(struct bench *bench, uint64_t i, bp_receipt *receipt, bp_error *error)
{
    return bp_append(bench->store, place_of(bench, i), bp_kind(2, (unsigned)(i % KINDS)),
                     bp_raw(bench->payload, sizeof bench->payload), NULL, receipt, error);
}

static uint64_t append_singly(struct bench *bench)
{
    bp_error error = {0};
    bp_receipt receipt;
    uint64_t done = 0;

    while (done < given.events && check(bench, append_one(bench, bench->made, &receipt, &error), &error)) {
        bench->ids[bench->id_count++] = receipt.id;
        bench->made++;
        done++;
    }
    return done;
}

static uint64_t append_batches(struct bench *bench)
{
    bp_batch_item items[BATCH];
    bp_error error = {0};
    uint64_t done = 0;
    bool good = true;

    while (done < given.events && good) {
        for (size_t i = 0; i < BATCH; i++) {
            items[i] = (bp_batch_item){place_of(bench, bench->made + i), bp_kind(2, (unsigned)(i % KINDS)),
                                       bp_raw(bench->payload, sizeof bench->payload), NULL};
        }
        good = check(bench, bp_append_batch(bench->store, items, BATCH, NULL, NULL, &error), &error);
        bench->made += BATCH;
        done += BATCH;
    }
    return done;
}

static uint64_t append_durably(struct bench *bench)
{
    double until = seconds_now() + durable_seconds;
    bp_error error = {0};
    bp_receipt receipt;
    uint64_t done = 0;

    while (seconds_now() < until && check(bench, append_one(bench, bench->made, &receipt, &error), &error)) {
        bench->made++;
        done++;
    }
    return done;
}

struct worker {
    struct bench *bench;
    pthread_t thread;
    uint64_t first; /* numbers of its own */
    uint64_t done;
    bp_error error;
    bp_status status;
    double until;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    bp_receipt receipt;

    while (worker->status == BP_OK && seconds_now() < worker->until && interrupted == 0) {
        worker->status = append_one(worker->bench, worker->first + worker->done * THREADS, &receipt, &worker->error);
        worker->done++;
    }
    return NULL;
}

static uint64_t append_together(struct bench *bench)
{
    struct worker workers[THREADS] = {{0}};
    uint64_t done = 0;
    size_t started = 0;
    double until = seconds_now() + durable_seconds;

    for (; started < THREADS; started++) {
        workers[started] = (struct worker){.bench = bench, .first = bench->made + started, .until = until};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) {
            bench->code = fail_system(EAGAIN, "cannot start a thread");
            break;
        }
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        (void)check(bench, workers[i].status, &workers[i].error);
        done += workers[i].done;
    }
    bench->made += done + THREADS;
    return done;
}

static void look_at(struct bench *bench, const bp_event *event)
{
    const uint8_t *bytes = event->payload;
    uint64_t word;

    for (size_t i = 0; i + sizeof word <= event->payload_size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        bench->sum += word;
    }
}

/* Random numbers from here on: the same each time, so that runs compare. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t get_by_id(struct bench *bench)
{
    uint64_t state = 1;
    uint64_t done = 0;
    bp_error error = {0};
    const bp_event *event;

    while (done < given.events && bench->id_count > 0) {
        const bp_id *id = &bench->ids[next_random(&state) % bench->id_count];

        if (!check(bench, bp_get(bench->store, id, &event, &error), &error)) {
            break;
        }
        look_at(bench, event);
        bp_event_release(event);
        done++;
    }
    return done;
}

static uint64_t drain(struct bench *bench, bp_iterator *iterator)
{
    const bp_event *event;
    bp_error error = {0};
    bp_status status;
    uint64_t done = 0;

    while ((status = bp_next(iterator, &event, &error)) == BP_OK && interrupted == 0) {
        look_at(bench, event);
        done++;
    }
    bp_iterator_close(iterator);
    if (status != BP_END) {
        (void)check(bench, status, &error);
    }
    return done;
}

static uint64_t read_streams(struct bench *bench)
{
    uint64_t state = 2;
    uint64_t done = 0;

    while (done < given.events && bench->code == 0 && interrupted == 0) {
        bp_iterator *iterator = NULL;
        bp_error error = {0};
        const char *entity = bench->names[next_random(&state) % bench->large];
        uint64_t read;

        if (!check(bench, bp_stream(bench->store, entity, NULL, &iterator, &error), &error)) {
            break;
        }
        read = drain(bench, iterator);
        if (read == 0) {
            break;
        }
        done += read;
    }
    return done;
}

static uint64_t scan_all(struct bench *bench)
{
    bp_iterator *iterator = NULL;
    bp_error error = {0};

    if (!check(bench, bp_query(bench->store, NULL, NULL, &iterator, &error), &error)) {
        return 0;
    }
    return drain(bench, iterator);
}

static int compare_rates(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void measure(struct bench *bench, const char *name, const char *words, work_fn run)
{
    double rates[RUNS];

    for (size_t i = 0; i < RUNS && bench->code == 0 && interrupted == 0; i++) {
        double started = seconds_now();
        uint64_t done = run(bench);

        rates[i] = (double)done / (seconds_now() - started);
    }
    if (bench->code != 0 || interrupted != 0) {
        return;
    }
    qsort(rates, RUNS, sizeof rates[0], compare_rates);
    if (given.json) {
        text_add_char(out(), '{');
        put_string(out(), "name", name);
        put_number(out(), "per_second", rates[RUNS / 2], 0);
        put_number(out(), "least", rates[0], 0);
        put_number(out(), "most", rates[RUNS - 1], 0);
        text_add_string(out(), "}\n");
        out_flush();
        return;
    }
    table_add(&bench->table, words);
    table_add_count(&bench->table, (uint64_t)rates[RUNS / 2]);
    table_add_count(&bench->table, (uint64_t)rates[0]);
    table_add_count(&bench->table, (uint64_t)rates[RUNS - 1]);
    table_flush(&bench->table);
    out_flush();
}

static bool open_store(struct bench *bench, const char *path, bp_durability durability)
{
    bp_options open_options;
    bp_error error = {0};

    bp_options_init(&open_options);
    open_options.durability = durability;
    bench->made = 0;
    return check(bench, bp_open(path, &open_options, &bench->store, &error), &error);
}

static void shut_store(struct bench *bench)
{
    bench->code = close_store(bench->store, bench->code);
    bench->store = NULL;
}

static void measure_all(struct bench *bench, const char *folder)
{
    struct text path = {0};

    text_add_format(&path, "%s/buffered", folder);
    if (open_store(bench, text_string(&path), BP_BUFFERED)) {
        measure(bench, "append_buffered", "append, buffered, one by one", append_singly);
        measure(bench, "get", "get by id", get_by_id);
        measure(bench, "stream", "stream of an entity, events", read_streams);
        measure(bench, "scan", "scan of everything, events", scan_all);
        measure(bench, "append_buffered_100", "append, buffered, batches of 100", append_batches);
    }
    shut_store(bench);
    path.size = 0;
    text_add_format(&path, "%s/durable", folder);
    if (bench->code == 0 && interrupted == 0 && open_store(bench, text_string(&path), BP_DURABLE)) {
        measure(bench, "append_durable", "append, durable, 1 thread", append_durably);
        measure(bench, "append_durable_8", "append, durable, 8 threads", append_together);
    }
    shut_store(bench);
    text_free(&path);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void say_where(const char *folder)
{
    struct statfs place;

    if (!given.json) {
        text_add_format(out(), "events a second, 256 bytes each, median of %d runs, in %s\n\n", RUNS, folder);
        out_flush();
    }
    if (statfs(folder, &place) == 0 && place.f_type == TMPFS) {
        say("%s lies in memory: the durable figures say nothing about a disk; give another folder", folder);
    }
}

static int run(size_t count, char **arguments)
{
    static const struct column columns[] = {{"WORK", false}, {"MEDIAN", true}, {"LEAST", true}, {"MOST", true}};
    static struct bench bench;
    const char *parent = getenv("TMPDIR");
    struct text folder = {0};

    if (given.events < BATCH || given.events > 100000000) {
        return fail_usage("--events is %d to 100000000", BATCH);
    }
    parent = count > 0 ? arguments[0] : parent != NULL && parent[0] != '\0' ? parent : "/tmp";
    text_add_format(&folder, "%s/batpak-bench-XXXXXX", parent);
    (void)text_string(&folder);
    if (mkdtemp(folder.data) == NULL) {
        int code = fail_system(errno, "cannot make a folder in %s", parent);

        text_free(&folder);
        return code;
    }
    (void)signal(SIGINT, on_interrupt);
    (void)signal(SIGTERM, on_interrupt);
    say_where(folder.data);
    memset(bench.payload, 'x', sizeof bench.payload);
    bench.ids = memory_resize(NULL, given.events * RUNS * sizeof *bench.ids);
    make_names(&bench);
    table_begin(&bench.table, columns, sizeof columns / sizeof columns[0]);
    bench.table.widths[0] = strlen("append, buffered, batches of 100");
    bench.table.widths[1] = bench.table.widths[2] = bench.table.widths[3] = strlen("10,000,000");
    measure_all(&bench, folder.data);
    table_end(&bench.table);
    free(bench.ids);
    free(bench.names);
    if (nftw(folder.data, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        say("could not remove all of %s", folder.data);
    }
    text_free(&folder);
    if (interrupted != 0 && bench.code == 0) {
        say("interrupted");
        return EXIT_NO;
    }
    return bench.code;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure this machine",
    .arguments = "[DIR]",
    .about = "Makes stores in a temporary folder within DIR (TMPDIR, else /tmp), measures, and removes them. Takes\n"
             "some seconds. Half the events go to entities of 1000 events, half to entities of 10.",
    .examples = "batpak bench\nbatpak bench /var/tmp --json",
    .exits = "0  measured\n1  interrupted\n2  the command line is wrong\n4  the system refused",
    .groups = {options},
    .least = 0,
    .most = 1,
    .run = run,
};
