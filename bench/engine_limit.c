/*
 * engine_limit.c: what no store can beat when it is asked: records of batpak's size in a mapped file, an open hash
 * table from id to number, and the numbers of every entity, scope, kind and group as plain arrays. No names, no
 * checksums, no snapshots, nothing can be appended. It answers the questions of reads.c like any engine, so its
 * answers are checked too.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { AHEAD = 8, LINE = 64 };

static const uint32_t free_place = UINT32_MAX;

/* The numbers of events by one property: those of value v stand at starts[v] .. starts[v + 1]. */
struct postings {
    uint64_t *starts;
    uint32_t *numbers;
};

struct handle {
    const struct workload *workload;
    size_t record;
    size_t payload;
    uint8_t *map;
    struct id *ids;
    uint32_t *places; /* by id: numbers of events */
    size_t room;
    struct postings by_entity, by_scope, by_kind, by_group;
};

/* ---- making it ---- */

typedef uint64_t (*value_fn)(const struct workload *workload, uint64_t number);

static uint64_t scope_of(const struct workload *workload, uint64_t number)
{
    return workload_entity(workload, number) % SCOPES;
}

static uint64_t kind_of(const struct workload *workload, uint64_t number)
{
    struct fact fact;
    workload_fact(workload, number, &fact);
    return fact.kind;
}

static uint64_t group_of(const struct workload *workload, uint64_t number)
{
    uint64_t entity = workload_entity(workload, number);
    return workload_group(entity) + (entity < workload->big_entities ? (uint64_t)GROUPS : 0);
}

static struct postings postings_make(const struct workload *workload, value_fn value, uint64_t values)
{
    struct postings postings = {.starts = memory_get((values + 2) * sizeof *postings.starts),
                                .numbers = memory_get(workload->events * sizeof *postings.numbers)};
    uint64_t *next = postings.starts + 1; /* becomes starts, one place on, as numbers fill in */
    for (uint64_t number = 0; number < workload->events; number++) {
        next[value(workload, number) + 1]++;
    }
    for (uint64_t index = 1; index <= values; index++) {
        next[index] += next[index - 1];
    }
    for (uint64_t number = 0; number < workload->events; number++) {
        postings.numbers[next[value(workload, number)]++] = (uint32_t)number;
    }
    return postings;
}

static void postings_free(struct postings *postings)
{
    free(postings->starts);
    free(postings->numbers);
}

/* Ids have a time in front: the random part places them. */
static size_t place_of(const struct handle *handle, const struct id *id)
{
    uint64_t word;
    memcpy(&word, id->bytes + 8, sizeof word);
    return (size_t)(word * 0x9e3779b97f4a7c15u >> 20) & (handle->room - 1);
}

static void number_ids(struct handle *handle)
{
    uint64_t events = handle->workload->events;
    uint64_t state = 3;
    for (handle->room = 1; handle->room < 2 * events;) {
        handle->room *= 2;
    }
    handle->places = memory_get(handle->room * sizeof *handle->places);
    memset(handle->places, 0xff, handle->room * sizeof *handle->places);
    for (uint64_t number = 0; number < events; number++) {
        uint64_t words[2] = {number >> 8, random_next(&state)};
        memcpy(handle->ids[number].bytes, words, sizeof words);
        size_t place = place_of(handle, &handle->ids[number]);
        while (handle->places[place] != free_place) {
            place = (place + 1) & (handle->room - 1);
        }
        handle->places[place] = (uint32_t)number;
    }
}

static void map_records(struct handle *handle, const char *folder)
{
    char path[FOLDER_SIZE + 16];
    size_t size = handle->workload->events * handle->record;
    snprintf(path, sizeof path, "%s/records", folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, (off_t)size) != 0) {
        die("cannot make %s: %s", path, strerror(errno));
    }
    handle->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (handle->map == MAP_FAILED) {
        die("cannot map %s: %s", path, strerror(errno));
    }
    close(file);
    for (uint64_t number = 0; number < handle->workload->events; number++) {
        struct fact fact;
        workload_fact(handle->workload, number, &fact);
        memcpy(handle->map + (number + 1) * handle->record - handle->payload, fact.payload, handle->payload);
    }
}

void *limit_make(const struct settings *settings, const struct workload *workload, struct id *ids_out)
{
    struct handle *handle = memory_get(sizeof *handle);
    char folder[FOLDER_SIZE];
    *handle = (struct handle){.workload = workload,
                              .record = workload_record_size(workload),
                              .payload = workload->payload_size,
                              .ids = ids_out};
    folder_make(settings, "limits", folder);
    map_records(handle, folder);
    folder_settle(folder);
    number_ids(handle);
    uint64_t entities = workload->big_entities + workload->small_entities;
    handle->by_entity = postings_make(workload, workload_entity, entities);
    handle->by_scope = postings_make(workload, scope_of, SCOPES);
    handle->by_kind = postings_make(workload, kind_of, KINDS);
    handle->by_group = postings_make(workload, group_of, 2 * (uint64_t)GROUPS);
    folder_remove(folder); /* the mapping keeps the file */
    return handle;
}

static bool close_limit(void *pointer)
{
    struct handle *handle = pointer;
    munmap(handle->map, handle->workload->events * handle->record);
    free(handle->places);
    postings_free(&handle->by_entity);
    postings_free(&handle->by_scope);
    postings_free(&handle->by_kind);
    postings_free(&handle->by_group);
    free(handle);
    return true;
}

/* ---- asking it ---- */

static const uint8_t *payload_of(const struct handle *handle, uint64_t number)
{
    return handle->map + (number + 1) * handle->record - handle->payload;
}

static bool count_numbers(const struct handle *handle, const struct postings *postings, uint64_t value,
                          struct tally *tally)
{
    uint64_t last = postings->starts[value + 1];
    for (uint64_t index = postings->starts[value]; index < last; index++) {
        if (index + AHEAD < last) {
            const uint8_t *ahead = payload_of(handle, postings->numbers[index + AHEAD]);
            for (size_t offset = 0; offset < handle->payload; offset += LINE) {
                __builtin_prefetch(ahead + offset);
            }
        }
        tally_add(tally, payload_of(handle, postings->numbers[index]), handle->payload);
    }
    return true;
}

static bool get(void *pointer, const struct id *id, struct tally *tally)
{
    const struct handle *handle = pointer;
    for (size_t place = place_of(handle, id); handle->places[place] != free_place;
         place = (place + 1) & (handle->room - 1)) {
        uint32_t number = handle->places[place];
        if (memcmp(handle->ids[number].bytes, id->bytes, sizeof id->bytes) == 0) {
            tally_add(tally, payload_of(handle, number), handle->payload);
            break;
        }
    }
    return true;
}

/* The names are the workload's own, so their place tells which one it is. */
static bool stream(void *pointer, const char *entity, struct tally *tally)
{
    const struct handle *handle = pointer;
    uint64_t index = (uint64_t)(entity - handle->workload->entities[0]) / NAME_SIZE;
    return count_numbers(handle, &handle->by_entity, index, tally);
}

static bool scope(void *pointer, const char *name, struct tally *tally)
{
    const struct handle *handle = pointer;
    uint64_t index = (uint64_t)(name - handle->workload->scopes[0]) / NAME_SIZE;
    return count_numbers(handle, &handle->by_scope, index, tally);
}

static bool kind(void *pointer, unsigned number, struct tally *tally)
{
    const struct handle *handle = pointer;
    return count_numbers(handle, &handle->by_kind, number, tally);
}

static bool prefix(void *pointer, const char *text, struct tally *tally)
{
    const struct handle *handle = pointer;
    uint64_t group = strtoul(strchr(text, ':') + 1, NULL, 10);
    return count_numbers(handle, &handle->by_group, group + (text[0] == 'a' ? (uint64_t)GROUPS : 0), tally);
}

static bool when(void *pointer, uint64_t sequence, uint64_t *time_out)
{
    (void)pointer;
    *time_out = sequence;
    return true;
}

static bool between(void *pointer, uint64_t from, uint64_t to, struct tally *tally)
{
    const struct handle *handle = pointer;
    for (uint64_t number = from; number <= to; number++) {
        tally_add(tally, payload_of(handle, number), handle->payload);
    }
    return true;
}

static bool scan(void *pointer, struct tally *tally)
{
    const struct handle *handle = pointer;
    return between(pointer, 0, handle->workload->events - 1, tally);
}

static bool kind_sequences(void *pointer, unsigned number, struct tally *tally)
{
    const struct postings *postings = &((const struct handle *)pointer)->by_kind;
    uint64_t last = postings->starts[number + 1];
    for (uint64_t index = postings->starts[number]; index < last; index++) {
        tally->events++;
        tally->sum += postings->numbers[index];
    }
    return true;
}

/* Which entity it is, one look at the table says; then as a stream. */
static bool walk(void *pointer, const struct id *id, uint64_t limit, struct tally *tally)
{
    const struct handle *handle = pointer;
    size_t place = place_of(handle, id);
    while (memcmp(handle->ids[handle->places[place]].bytes, id->bytes, sizeof id->bytes) != 0) {
        place = (place + 1) & (handle->room - 1);
    }
    (void)limit; /* which is as long as the longest entity */
    return count_numbers(handle, &handle->by_entity, workload_entity(handle->workload, handle->places[place]), tally);
}

const struct engine engine_limit = {
    .name = "limit",
    .close = close_limit,
    .get = get,
    .stream = stream,
    .scope = scope,
    .kind = kind,
    .prefix = prefix,
    .scan = scan,
    .when = when,
    .between = between,
    .kind_sequences = kind_sequences,
    .walk = walk,
};
