/*
 * engine_lmdb.c: LMDB as lmdb.h advises where speed counts: a writable map when it need not sync, appending puts for
 * what comes in order, values reserved and written in place, duplicates of fixed size for the postings, read transactions renewed instead
 * of begun.
 */
#include "peer.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

enum table { EVENTS, IDS, ENTITIES, SCOPE_POSTINGS, KIND_POSTINGS, TABLES };

static const struct {
    const char *name;
    unsigned flags;
} tables[TABLES] = {
    [EVENTS] = {"events", MDB_INTEGERKEY},
    [IDS] = {"ids", 0},
    [ENTITIES] = {"entities", MDB_DUPSORT | MDB_DUPFIXED}, /* clock and sequence, big-endian */
    [SCOPE_POSTINGS] = {"scopes", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP},
    [KIND_POSTINGS] = {"kinds", MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP},
};

enum { LINK = 16 }; /* bytes of an entity's posting: clock, sequence */

struct handle {
    MDB_env *environment;
    MDB_dbi tables[TABLES];
    MDB_txn *reader;
    MDB_cursor *cursors[TABLES];
    MDB_txn *writer; /* while one appends */
    struct ledger ledger;
};

#define VERSION_QUOTED(major, minor, patch) #major "." #minor "." #patch
#define VERSION_TEXT(major, minor, patch) VERSION_QUOTED(major, minor, patch)

static const char *settings(void)
{
    return "LMDB " VERSION_TEXT(MDB_VERSION_MAJOR, MDB_VERSION_MINOR,
                                MDB_VERSION_PATCH) ", map of 64 GiB, MDB_APPEND and "
                                                   "MDB_RESERVE for events, MDB_APPENDDUP and MDB_DUPFIXED for "
                                                   "postings; buffered: MDB_WRITEMAP and MDB_NOSYNC "
                                                   "(a crash of the machine may break it), durable: its default, a "
                                                   "sync at each commit; one write transaction at "
                                                   "a time, threads wait for a mutex";
}

static bool failed(const char *what, int result)
{
    fprintf(stderr, "lmdb: %s: %s\n", what, mdb_strerror(result));
    return false;
}

static MDB_val value_of(const void *data, size_t size)
{
    return (MDB_val){.mv_size = size, .mv_data = (void *)(uintptr_t)data};
}

/* ---- reading ---- */

static bool read_begin(struct handle *handle)
{
    int result = mdb_txn_renew(handle->reader);
    for (size_t index = 0; result == 0 && index < TABLES; index++) {
        result = mdb_cursor_renew(handle->reader, handle->cursors[index]);
    }
    return result == 0 || failed("renew", result);
}

static void read_end(struct handle *handle)
{
    mdb_txn_reset(handle->reader);
}

static bool find_event(struct handle *handle, uint64_t sequence, MDB_val *record_out)
{
    MDB_val key = value_of(&sequence, sizeof sequence);
    int result = mdb_cursor_get(handle->cursors[EVENTS], &key, record_out, MDB_SET);
    return result == 0 || failed("event", result);
}

static bool count_event(struct handle *handle, uint64_t sequence, struct tally *tally)
{
    MDB_val record;
    return find_event(handle, sequence, &record) && record_tally(record.mv_data, record.mv_size, tally);
}

/* All events of one entity behind the cursor's place, a page of postings at a time. */
static bool count_links(struct handle *handle, MDB_val *key, struct tally *tally)
{
    MDB_val links;
    int result = mdb_cursor_get(handle->cursors[ENTITIES], key, &links, MDB_GET_MULTIPLE);
    while (result == 0) {
        for (size_t offset = 0; offset + LINK <= links.mv_size; offset += LINK) {
            if (!count_event(handle, number_read((const char *)links.mv_data + offset + 8), tally)) {
                return false;
            }
        }
        result = mdb_cursor_get(handle->cursors[ENTITIES], key, &links, MDB_NEXT_MULTIPLE);
    }
    return result == MDB_NOTFOUND || failed("links", result);
}

static bool count_postings(struct handle *handle, enum table which, MDB_val key, bool records, struct tally *tally)
{
    MDB_val page;
    MDB_cursor *cursor = handle->cursors[which];
    int result = mdb_cursor_get(cursor, &key, &page, MDB_SET);
    if (result == 0) {
        result = mdb_cursor_get(cursor, &key, &page, MDB_GET_MULTIPLE);
    }
    while (result == 0) {
        for (size_t offset = 0; offset < page.mv_size; offset += sizeof(uint64_t)) {
            uint64_t sequence;
            memcpy(&sequence, (const char *)page.mv_data + offset, sizeof sequence);
            if (!records) {
                tally->events++;
                tally->sum += sequence;
            } else if (!count_event(handle, sequence, tally)) {
                return false;
            }
        }
        result = mdb_cursor_get(cursor, &key, &page, MDB_NEXT_MULTIPLE);
    }
    return result == MDB_NOTFOUND || failed(tables[which].name, result);
}

static bool get(void *pointer, const struct id *id, struct tally *tally)
{
    struct handle *handle = pointer;
    MDB_val key = value_of(id->bytes, sizeof id->bytes);
    MDB_val found;
    bool good = read_begin(handle);
    int result = good ? mdb_cursor_get(handle->cursors[IDS], &key, &found, MDB_SET) : MDB_NOTFOUND;
    if (result == 0) {
        uint64_t sequence;
        memcpy(&sequence, found.mv_data, sizeof sequence);
        good = count_event(handle, sequence, tally);
    } else {
        good = good && (result == MDB_NOTFOUND || failed("id", result));
    }
    read_end(handle);
    return good;
}

static bool stream(void *pointer, const char *entity, struct tally *tally)
{
    struct handle *handle = pointer;
    MDB_val key = value_of(entity, strlen(entity));
    MDB_val first;
    bool good = read_begin(handle);
    int result = good ? mdb_cursor_get(handle->cursors[ENTITIES], &key, &first, MDB_SET) : MDB_NOTFOUND;
    good = good && (result == MDB_NOTFOUND || (result == 0 && count_links(handle, &key, tally)));
    read_end(handle);
    return good;
}

static bool scope(void *pointer, const char *name, struct tally *tally)
{
    struct handle *handle = pointer;
    bool good = read_begin(handle) && count_postings(handle, SCOPE_POSTINGS, value_of(name, strlen(name)), true, tally);
    read_end(handle);
    return good;
}

static bool kind(void *pointer, unsigned number, struct tally *tally)
{
    struct handle *handle = pointer;
    bool good =
        read_begin(handle) && count_postings(handle, KIND_POSTINGS, value_of(&number, sizeof number), true, tally);
    read_end(handle);
    return good;
}

static bool kind_sequences(void *pointer, unsigned number, struct tally *tally)
{
    struct handle *handle = pointer;
    bool good =
        read_begin(handle) && count_postings(handle, KIND_POSTINGS, value_of(&number, sizeof number), false, tally);
    read_end(handle);
    return good;
}

static bool prefix(void *pointer, const char *start, struct tally *tally)
{
    struct handle *handle = pointer;
    char first[NAME_SIZE + 2];
    snprintf(first, sizeof first, "%s:", start);
    size_t length = strlen(first);
    MDB_val key = value_of(first, length);
    MDB_val value;
    bool good = read_begin(handle);
    int result = good ? mdb_cursor_get(handle->cursors[ENTITIES], &key, &value, MDB_SET_RANGE) : MDB_NOTFOUND;
    while (good && result == 0 && key.mv_size >= length && memcmp(key.mv_data, first, length) == 0) {
        good = count_links(handle, &key, tally);
        result = mdb_cursor_get(handle->cursors[ENTITIES], &key, &value, MDB_NEXT_NODUP);
    }
    read_end(handle);
    return good && (result == 0 || result == MDB_NOTFOUND || failed("prefix", result));
}

static bool scan(void *pointer, struct tally *tally)
{
    struct handle *handle = pointer;
    MDB_val key;
    MDB_val record;
    bool good = read_begin(handle);
    int result = good ? mdb_cursor_get(handle->cursors[EVENTS], &key, &record, MDB_FIRST) : MDB_NOTFOUND;
    while (good && result == 0) {
        good = record_tally(record.mv_data, record.mv_size, tally);
        result = mdb_cursor_get(handle->cursors[EVENTS], &key, &record, MDB_NEXT);
    }
    read_end(handle);
    return good && (result == 0 || result == MDB_NOTFOUND || failed("scan", result));
}

static bool time_of(struct handle *handle, uint64_t sequence, uint64_t *time_out)
{
    MDB_val value;
    struct record record;
    if (!find_event(handle, sequence, &value) || !record_read(value.mv_data, value.mv_size, &record)) {
        return false;
    }
    *time_out = record.time_us;
    return true;
}

static bool when(void *pointer, uint64_t sequence, uint64_t *time_out)
{
    struct handle *handle = pointer;
    bool good = read_begin(handle) && time_of(handle, sequence, time_out);
    read_end(handle);
    return good;
}

/* Halving finds the first event: commit times rise with sequences. */
static bool between(void *pointer, uint64_t from, uint64_t to, struct tally *tally)
{
    struct handle *handle = pointer;
    uint64_t low = 0;
    uint64_t high = handle->ledger.next;
    bool good = read_begin(handle);
    while (good && low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t found = 0;
        good = time_of(handle, middle, &found);
        low = found < from ? middle + 1 : low;
        high = found < from ? high : middle;
    }
    MDB_val key = value_of(&low, sizeof low);
    MDB_val value;
    int result = good ? mdb_cursor_get(handle->cursors[EVENTS], &key, &value, MDB_SET) : MDB_NOTFOUND;
    for (struct record record; good && result == 0;) {
        good = record_read(value.mv_data, value.mv_size, &record);
        if (!good || record.time_us > to) {
            break;
        }
        good = record_tally(value.mv_data, value.mv_size, tally);
        result = mdb_cursor_get(handle->cursors[EVENTS], &key, &value, MDB_NEXT);
    }
    read_end(handle);
    return good && (result == 0 || result == MDB_NOTFOUND || failed("between", result));
}

/* From that event's posting back over the entity's. */
static bool walk_back(struct handle *handle, MDB_val record, uint64_t limit, struct tally *tally)
{
    char entity[NAME_SIZE];
    uint8_t link[LINK];
    struct record fixed;
    if (!record_entity(record.mv_data, record.mv_size, entity) ||
        !record_read(record.mv_data, record.mv_size, &fixed)) {
        return false;
    }
    number_write(link, fixed.clock);
    number_write(link + 8, fixed.sequence);
    MDB_val key = value_of(entity, strlen(entity));
    MDB_val value = value_of(link, LINK);
    int result = mdb_cursor_get(handle->cursors[ENTITIES], &key, &value, MDB_GET_BOTH);
    for (uint64_t steps = 0; result == 0 && steps < limit; steps++) {
        if (!count_event(handle, number_read((const char *)value.mv_data + 8), tally)) {
            return false;
        }
        result = mdb_cursor_get(handle->cursors[ENTITIES], &key, &value, MDB_PREV_DUP);
    }
    return result == 0 || result == MDB_NOTFOUND || failed("walk", result);
}

static bool walk(void *pointer, const struct id *id, uint64_t limit, struct tally *tally)
{
    struct handle *handle = pointer;
    MDB_val key = value_of(id->bytes, sizeof id->bytes);
    MDB_val found;
    MDB_val record;
    bool good = read_begin(handle) && mdb_cursor_get(handle->cursors[IDS], &key, &found, MDB_SET) == 0;
    if (good) {
        uint64_t sequence;
        memcpy(&sequence, found.mv_data, sizeof sequence);
        good = find_event(handle, sequence, &record) && walk_back(handle, record, limit, tally);
    }
    read_end(handle);
    return good;
}

/* ---- opening, appending ---- */

static bool close_environment(void *pointer)
{
    struct handle *handle = pointer;
    int result = 0;
    for (size_t index = 0; index < TABLES; index++) {
        if (handle->cursors[index] != NULL) {
            mdb_cursor_close(handle->cursors[index]);
        }
    }
    if (handle->reader != NULL) {
        mdb_txn_abort(handle->reader);
    }
    if (handle->environment != NULL) {
        result = mdb_env_sync(handle->environment, 1);
        mdb_env_close(handle->environment);
    }
    ledger_end(&handle->ledger);
    free(handle);
    return result == 0 || failed("close", result);
}

static int open_tables(struct handle *handle, bool make)
{
    MDB_txn *transaction = NULL;
    int result = mdb_txn_begin(handle->environment, NULL, make ? 0 : MDB_RDONLY, &transaction);
    for (size_t index = 0; result == 0 && index < TABLES; index++) {
        result = mdb_dbi_open(transaction, tables[index].name, tables[index].flags | (make ? MDB_CREATE : 0),
                              &handle->tables[index]);
    }
    if (result == 0) {
        result = mdb_txn_commit(transaction);
    }
    if (result == 0) {
        result = mdb_txn_begin(handle->environment, NULL, MDB_RDONLY, &handle->reader);
    }
    for (size_t index = 0; result == 0 && index < TABLES; index++) {
        result = mdb_cursor_open(handle->reader, handle->tables[index], &handle->cursors[index]);
    }
    return result;
}

/* Where the ledger goes on: behind the newest event. */
static bool begin_ledger(struct handle *handle)
{
    MDB_val key;
    MDB_val value;
    struct record record = {0};
    int result = mdb_cursor_get(handle->cursors[EVENTS], &key, &value, MDB_LAST);
    if (result == 0 && !record_read(value.mv_data, value.mv_size, &record)) {
        return false;
    }
    mdb_txn_reset(handle->reader);
    ledger_end(&handle->ledger);
    ledger_begin(&handle->ledger, result == 0 ? record.sequence + 1 : 0, record.time_us);
    return result == 0 || result == MDB_NOTFOUND || failed("newest", result);
}

static bool open_environment(const char *folder, const struct opening *opening, void **handle_out)
{
    struct handle *handle = memory_get(sizeof *handle);
    unsigned flags = MDB_NOTLS | (opening->mode == MODE_DURABLE ? 0 : MDB_WRITEMAP | MDB_NOSYNC);
    ledger_begin(&handle->ledger, 0, 0);
    int result = mdb_env_create(&handle->environment);
    if (result == 0) {
        result = mdb_env_set_maxdbs(handle->environment, TABLES);
    }
    if (result == 0) {
        result = mdb_env_set_mapsize(handle->environment, (size_t)64 << 30);
    }
    if (result == 0) {
        result = mdb_env_open(handle->environment, folder, flags, 0600);
    }
    if (result == 0) {
        result = open_tables(handle, opening->make);
    }
    if ((result == 0 || failed("open", result)) && begin_ledger(handle)) {
        *handle_out = handle;
        return true;
    }
    close_environment(handle);
    return false;
}

/* Inside the write transaction, which sees all that was written. */
static bool find_head(void *pointer, const char *entity, struct head *head_out)
{
    struct handle *handle = pointer;
    MDB_cursor *cursor = NULL;
    MDB_val key = value_of(entity, strlen(entity));
    MDB_val value;
    int result = mdb_cursor_open(handle->writer, handle->tables[ENTITIES], &cursor);
    if (result == 0) {
        result = mdb_cursor_get(cursor, &key, &value, MDB_SET);
        if (result == 0) {
            result = mdb_cursor_get(cursor, &key, &value, MDB_LAST_DUP);
        }
        if (result == 0) {
            uint64_t sequence = number_read((const char *)value.mv_data + 8);
            struct record record;
            key = value_of(&sequence, sizeof sequence);
            result = mdb_get(handle->writer, handle->tables[EVENTS], &key, &value);
            if (result == 0 && record_read(value.mv_data, value.mv_size, &record)) {
                head_out->next_clock = record.clock + 1;
                memcpy(head_out->event.bytes, record.event, sizeof record.event);
            }
        }
        mdb_cursor_close(cursor);
    }
    return result == 0 || result == MDB_NOTFOUND || failed("head", result);
}

static int put(struct handle *handle, enum table which, MDB_val key, const void *data, size_t size, unsigned flags)
{
    MDB_val value = value_of(data, size);
    return mdb_put(handle->writer, handle->tables[which], &key, &value, flags);
}

static bool put_event(struct handle *handle, const struct fact *fact, const struct stamp *stamp)
{
    uint64_t sequence = stamp->sequence;
    uint8_t link[LINK];
    MDB_val key = value_of(&sequence, sizeof sequence);
    MDB_val record = {.mv_size = record_size(fact)};
    number_write(link, stamp->clock);
    number_write(link + 8, sequence);
    int result = mdb_put(handle->writer, handle->tables[EVENTS], &key, &record, MDB_APPEND | MDB_RESERVE);
    if (result == 0) {
        record_write(record.mv_data, stamp, fact);
        result = put(handle, IDS, value_of(stamp->id.bytes, sizeof stamp->id.bytes), &sequence, sizeof sequence, 0);
    }
    if (result == 0) {
        result = put(handle, ENTITIES, value_of(fact->entity, strlen(fact->entity)), link, LINK, MDB_APPENDDUP);
    }
    if (result == 0) {
        result = put(handle, SCOPE_POSTINGS, value_of(fact->scope, strlen(fact->scope)), &sequence, sizeof sequence,
                     MDB_APPENDDUP);
    }
    if (result == 0) {
        unsigned kind_key = fact->kind;
        result =
            put(handle, KIND_POSTINGS, value_of(&kind_key, sizeof kind_key), &sequence, sizeof sequence, MDB_APPENDDUP);
    }
    return result == 0 || failed("put", result);
}

static bool append(void *pointer, const struct fact *facts, size_t count, struct id *ids_out)
{
    static _Thread_local struct stamp stamps[BATCH_MOST];
    struct handle *handle = pointer;
    stamp_contents(facts, count, stamps);
    pthread_mutex_lock(&handle->ledger.lock);
    int result = mdb_txn_begin(handle->environment, NULL, 0, &handle->writer);
    bool good = (result == 0 || failed("begin", result)) &&
                ledger_assign(&handle->ledger, find_head, handle, facts, count, stamps);
    for (size_t index = 0; good && index < count; index++) {
        good = put_event(handle, &facts[index], &stamps[index]);
        if (ids_out != NULL) {
            ids_out[index] = stamps[index].id;
        }
    }
    if (good) {
        result = mdb_txn_commit(handle->writer);
        good = result == 0 || failed("commit", result);
    }
    pthread_mutex_unlock(&handle->ledger.lock);
    return good;
}

const struct engine engine_lmdb = {
    .name = "lmdb",
    .settings = settings,
    .open = open_environment,
    .append = append,
    .close = close_environment,
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
