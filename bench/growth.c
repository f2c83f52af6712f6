/*
 * growth.c: batpak alone, one store that grows, and what the same work costs at each size.
 *
 * The store grows by blocks. A block is the whole workload with names of its own, so that entities are as long, scopes
 * and kinds as full in the first block as in the last: nine tenths of each of its twenty parts go in in batches of 100, the rest one by
 * one, so that both meet whatever is done beside them.
 * At certain sizes the store is closed, opened by another process, opened here, and asked.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 100,
    BLOCK_MOST = 1000000,
    PARTS = 20,
    SINGLES_PART = 10,
    IDS_MOST = 2000000,
    STREAMS = 256,
    CLOCK_EVERY = 64,
    WARM_EVENTS = 500000,
    PICKED = 1 << 20
};

enum { KILLED_MOST = 50000, KILLED_BURST = 600000, KILLED_PART = 100, BURST_PART = 16 };

struct growth {
    const struct settings *settings;
    struct results *results;
    const char *group;
    const struct engine *engine;
    struct workload workload; /* of one block; its names change from block to block */
    struct answers answers;
    uint64_t blocks; /* written */
    void *handle;
    struct id *ids; /* of every id_step-th event */
    uint64_t id_step;
    struct id *picked; /* PICKED of them, to be asked for */
    double batch_rate; /* of the newest block */
    double single_rate;
    uint64_t turn; /* of asking */
    char label[24];
    char folder[FOLDER_SIZE];
};

/* The names of block `block`: as workload_begin's, numbered on. */
static void entity_name(const struct growth *growth, uint64_t block, uint64_t entity, char name_out[NAME_SIZE])
{
    const struct workload *workload = &growth->workload;
    bool big = entity < workload->big_entities;
    uint64_t number = big ? entity : entity - workload->big_entities;
    uint64_t each = big ? workload->big_entities : workload->small_entities;
    unsigned long long place = block * each + number;
    char prefix[NAME_SIZE];
    workload_prefix(big, workload_group(entity), prefix);
    snprintf(name_out, NAME_SIZE, "%.12s:%08llu", prefix, place);
}

static void append(struct growth *growth, uint64_t number, size_t count)
{
    struct fact facts[BATCH];
    struct id ids[BATCH];
    uint64_t sequence = growth->blocks * growth->workload.events + number;
    for (size_t index = 0; index < count; index++) {
        workload_fact(&growth->workload, number + index, &facts[index]);
    }
    if (!growth->engine->append(growth->handle, facts, count, ids)) {
        die("%s cannot append", growth->engine->name);
    }
    for (size_t index = 0; index < count; index++) {
        if ((sequence + index) % growth->id_step == 0) {
            growth->ids[(sequence + index) / growth->id_step] = ids[index];
        }
    }
}

static void write_block(struct growth *growth)
{
    struct workload *workload = &growth->workload;
    uint64_t parts = workload->events < PARTS * SINGLES_PART * BATCH ? 1 : PARTS;
    uint64_t batched = 0;
    double in_batches = 0;
    double in_singles = 0;
    for (uint64_t entity = 0; entity < workload->big_entities + workload->small_entities; entity++) {
        entity_name(growth, growth->blocks, entity, workload->entities[entity]);
    }
    uint64_t number = 0;
    for (uint64_t part = 1; part <= parts; part++) {
        uint64_t end = workload->events * part / parts;
        uint64_t last = end - (end - number) / SINGLES_PART;
        double begun = seconds_now();
        for (; number + BATCH <= last; number += BATCH) {
            append(growth, number, BATCH);
            batched += BATCH;
        }
        double between = seconds_now();
        for (; number < end; number++) {
            append(growth, number, 1);
        }
        in_batches += between - begun;
        in_singles += seconds_now() - between;
    }
    growth->batch_rate = (double)batched / in_batches;
    growth->single_rate = (double)(workload->events - batched) / in_singles;
    growth->blocks++;
}

static void keep(const struct growth *growth, const char *name, const char *unit, double value)
{
    results_keep_one(growth->results, growth->group, name, growth->label, unit, value);
}

static void open_handle(struct growth *growth, bool make)
{
    struct opening opening = {.mode = MODE_BUFFERED, .make = make};
    if (!growth->engine->open(growth->folder, &opening, &growth->handle)) {
        die("%s cannot be opened", growth->engine->name);
    }
}

static void close_handle(struct growth *growth)
{
    if (!growth->engine->close(growth->handle)) {
        die("%s cannot be closed", growth->engine->name);
    }
}

/* As before the first block: nothing waits to be written, neither for the medium nor for an index. */
static void rest(struct growth *growth)
{
    close_handle(growth);
    folder_settle(growth->folder);
    open_handle(growth, false);
}

/* ---- what is asked, first for a while that does not count ---- */

typedef double (*growth_question)(const struct growth *growth, double seconds);

static uint64_t known_ids(const struct growth *growth)
{
    return growth->blocks * growth->workload.events / growth->id_step;
}

/* Ids of events anywhere, others each time, in one array: what is timed is the store's looking for them, not this program's. */
static void pick_ids(const struct growth *growth, bool present)
{
    uint64_t state = growth->turn;
    for (size_t index = 0; index < PICKED; index++) {
        struct id *id = &growth->picked[index];
        *id = growth->ids[random_next(&state) % known_ids(growth)];
        uint64_t random = random_next(&state);
        if (!present) {
            memcpy(id->bytes + 8, &random, sizeof random);
        }
    }
}

static double gets(const struct growth *growth, double seconds, bool present)
{
    struct tally found = {0};
    uint64_t turns = 0;
    pick_ids(growth, present);
    double begun = seconds_now();
    double taken = 0;
    while (taken < seconds) {
        if (!growth->engine->get(growth->handle, &growth->picked[turns % PICKED], &found)) {
            die("%s cannot get", growth->engine->name);
        }
        turns++;
        taken = turns % CLOCK_EVERY == 0 ? seconds_now() - begun : taken;
    }
    if (found.events != (present ? turns : 0)) {
        die("%s: gets found %llu events in %llu turns", growth->engine->name, (unsigned long long)found.events,
            (unsigned long long)turns);
    }
    return (double)turns / taken;
}

static double ask_present(const struct growth *growth, double seconds)
{
    return gets(growth, seconds, true);
}

static double ask_absent(const struct growth *growth, double seconds)
{
    return gets(growth, seconds, false);
}

static double ask_streams(const struct growth *growth, double seconds)
{
    static char names[STREAMS][NAME_SIZE];
    struct tally wanted[STREAMS];
    struct tally found = {0};
    struct tally all = {0};
    uint64_t state = growth->blocks;
    uint64_t turns = 0;
    for (size_t index = 0; index < STREAMS; index++) {
        uint64_t entity = random_next(&state) % growth->workload.big_entities;
        entity_name(growth, random_next(&state) % growth->blocks, entity, names[index]);
        wanted[index] = growth->answers.entities[entity];
    }
    double begun = seconds_now();
    double taken = 0;
    while (taken < seconds) {
        if (!growth->engine->stream(growth->handle, names[turns % STREAMS], &found)) {
            die("%s cannot read a stream", growth->engine->name);
        }
        tally_join(&all, &wanted[turns++ % STREAMS]);
        taken = seconds_now() - begun;
    }
    if (found.events != all.events || found.sum != all.sum) {
        die("%s: streams: not the answer that the workload demands", growth->engine->name);
    }
    return (double)found.events / taken;
}

/* Milliseconds for one kind. */
static double ask_kind(const struct growth *growth, double seconds)
{
    uint64_t turns = 0;
    double begun = seconds_now();
    double taken = 0;
    while (taken < seconds) {
        unsigned kind = (unsigned)(turns++ % KINDS);
        const struct tally *one = &growth->answers.kind_sequences[kind];
        uint64_t events = growth->blocks * one->events;
        uint64_t before = growth->blocks * (growth->blocks - 1) / 2 * growth->workload.events;
        struct tally found = {0};
        if (!growth->engine->kind_sequences(growth->handle, kind, &found) || found.events != events ||
            found.sum != growth->blocks * one->sum + before * one->events) {
            die("%s: sequences by kind: not the answer that the workload demands", growth->engine->name);
        }
        taken = seconds_now() - begun;
    }
    return taken * 1e3 / (double)turns;
}

static void measure_size(struct growth *growth)
{
    static const struct {
        const char *name;
        const char *unit;
        growth_question ask;
        bool anywhere; /* it is warm when it was everywhere */
    } questions[] = {{"get by id, present", "gets/s", ask_present, true},
                     {"get by id, absent", "gets/s", ask_absent, false},
                     {"streams of 1000 events", "events/s", ask_streams, false},
                     {"one kind of 64, sequences only", "ms", ask_kind, false}};
    uint64_t events = growth->blocks * growth->workload.events;
    double resident_mib = 0;
    uint64_t heap = 0;
    value_print(growth->label, (double)events);
    keep(growth, "append in batches of 100", "events/s", growth->batch_rate);
    keep(growth, "append one by one", "events/s", growth->single_rate);
    double begun = seconds_now();
    close_handle(growth);
    keep(growth, "close", "ms", (seconds_now() - begun) * 1e3);
    double taken = probe(growth->settings, growth->engine->name, growth->folder, &growth->ids[0], &resident_mib);
    keep(growth, "exec to the first answer", "ms", taken * 1e3);
    keep(growth, "resident after the first answer", "MiB", resident_mib);
    keep(growth, "disk for an event", "bytes", (double)folder_disk(growth->folder) / (double)events);
    open_handle(growth, false);
    if (growth->engine->heap != NULL && growth->engine->heap(growth->handle, &heap)) {
        keep(growth, "heap for an event, opened again", "bytes", (double)heap / (double)events);
    }
    for (size_t index = 0; index < sizeof questions / sizeof *questions; index++) {
        double seconds = growth->settings->seconds / 4;
        double warming = seconds * (1 + (double)events / WARM_EVENTS);
        questions[index].ask(growth, questions[index].anywhere ? warming : seconds);
        growth->turn++;
        keep(growth, questions[index].name, questions[index].unit, questions[index].ask(growth, seconds));
    }
}

/* The closed store, at its last size: killed behind some events, and behind a burst that left no time for index files. */
static void measure_kills_of(const struct growth *growth)
{
    const struct settings *settings = growth->settings;
    const struct {
        const char *name;
        uint64_t part;
        uint64_t most;
    } kills[] = {{"after a kill, exec to answer", KILLED_PART, KILLED_MOST},
                 {"after a kill in a burst, exec to answer", BURST_PART, KILLED_BURST}};
    for (size_t index = 0; index < sizeof kills / sizeof *kills; index++) {
        uint64_t events = settings->growth / kills[index].part;
        events = events < kills[index].most ? events : kills[index].most;
        double resident_mib = 0;
        struct id id = probe_kill(settings, growth->engine->name, growth->folder, events);
        double taken = probe(settings, growth->engine->name, growth->folder, &id, &resident_mib);
        keep(growth, kills[index].name, "ms", taken * 1e3);
    }
}

/* The sizes that are looked at: 1, 2, 5, 10, 20, 50, 100 blocks, and the last one. */
static bool is_looked_at(uint64_t blocks, uint64_t last)
{
    uint64_t digits = blocks;
    while (digits % 10 == 0) {
        digits /= 10;
    }
    return digits == 1 || digits == 2 || digits == 5 || blocks == last;
}

void bench_growth(const struct settings *settings, const char *group, struct results *results)
{
    enum { BYTES_BESIDE = 512 }; /* an event without its payload, with room to spare */
    struct growth growth = {.settings = settings, .results = results, .group = group, .engine = engines[0]};
    uint64_t block = settings->growth < 10 * (uint64_t)BLOCK_MOST ? settings->growth / 10 : BLOCK_MOST;
    if (settings->growth == 0 || !settings_want(settings, group) || !settings_want_engine(settings, engines[0])) {
        return;
    }
    folder_make(settings, "growth", growth.folder);
    if (folder_free(growth.folder) < settings->growth * (settings->growth_payload + BYTES_BESIDE)) {
        die("no room for %llu events in %s", (unsigned long long)settings->growth, growth.folder);
    }
    workload_begin(&growth.workload, block, settings->growth_payload);
    answers_begin(&growth.answers, &growth.workload);
    growth.id_step = settings->growth / IDS_MOST + 1;
    growth.ids = memory_get((settings->growth / growth.id_step + 1) * sizeof *growth.ids);
    growth.picked = memory_get(PICKED * sizeof *growth.picked);
    open_handle(&growth, true);
    for (uint64_t blocks = settings->growth / block; growth.blocks < blocks;) {
        bool looked_at = is_looked_at(growth.blocks + 1, blocks);
        if (looked_at) {
            rest(&growth);
        }
        write_block(&growth);
        if (looked_at) {
            measure_size(&growth);
        }
    }
    close_handle(&growth);
    measure_kills_of(&growth);
    folder_remove(growth.folder);
    answers_end(&growth.answers);
    workload_end(&growth.workload);
    free(growth.ids);
    free(growth.picked);
}
