/*
 * engine_leveldb.c: LevelDB through its C interface, set up as its documentation advises: a large memtable, filters, a
 * block cache that holds the store, no compression for bytes that do not compress. Ordered keys, see peer.h.
 */
#include "peer.h"

#include <leveldb/c.h>
#include <stdlib.h>
#include <string.h>

struct handle {
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_t *database;
    leveldb_writeoptions_t *write_options;
    leveldb_readoptions_t *read_options;
    leveldb_iterator_t *iterator; /* while a question is asked */
    struct ledger ledger;
};

static const char *settings(void)
{
    static char text[320];
    snprintf(text, sizeof text,
             "LevelDB %d.%d, C interface, memtable 128 MiB, tables of 32 MiB, bloom filter of 10 bits, LRU block cache "
             "1 GiB, no compression; buffered: log without sync, durable: sync, its own group commit; compacted before "
             "it is read",
             leveldb_major_version(), leveldb_minor_version());
    return text;
}

/* True if there is no message. */
static bool passed(const char *what, char *message)
{
    if (message != NULL) {
        fprintf(stderr, "leveldb: %s: %s\n", what, message);
        leveldb_free(message);
        return false;
    }
    return true;
}

/* ---- reading ---- */

static void seek(struct handle *handle, const struct key *key)
{
    leveldb_iter_seek(handle->iterator, key->bytes, key->size);
}

/* The newest key before one that is not there: LevelDB only seeks forward. */
static void seek_before(struct handle *handle, const struct key *key)
{
    seek(handle, key);
    if (leveldb_iter_valid(handle->iterator)) {
        leveldb_iter_prev(handle->iterator);
    } else {
        leveldb_iter_seek_to_last(handle->iterator);
    }
}

/* The key at hand, if it begins as the first so many bytes of `start`. */
static const char *key_here(struct handle *handle, const struct key *start, size_t length)
{
    size_t size = 0;
    if (!leveldb_iter_valid(handle->iterator)) {
        return NULL;
    }
    const char *key = leveldb_iter_key(handle->iterator, &size);
    return key_begins(key, size, start, length) ? key : NULL;
}

static void ask_begin(struct handle *handle)
{
    handle->iterator = leveldb_create_iterator(handle->database, handle->read_options);
}

static bool ask_end(struct handle *handle)
{
    char *error = NULL;
    leveldb_iter_get_error(handle->iterator, &error);
    leveldb_iter_destroy(handle->iterator);
    handle->iterator = NULL;
    return passed("iterator", error);
}

/* A value, to be freed; NULL if there is none, and *good_out false if that is no answer. */
static char *find(struct handle *handle, struct key key, size_t *size_out, bool *good_out)
{
    char *error = NULL;
    char *value = leveldb_get(handle->database, handle->read_options, key.bytes, key.size, size_out, &error);
    *good_out = passed("get", error);
    return value;
}

static bool count_event(struct handle *handle, uint64_t sequence, struct tally *tally)
{
    bool good = true;
    size_t size = 0;
    char *record = find(handle, key_event(sequence), &size, &good);
    good = good && record != NULL && record_tally(record, size, tally);
    leveldb_free(record);
    return good;
}

/* Every posting whose key begins so; the sequence is its value, or stands at the end of its key. */
static bool count_postings(struct handle *handle, const struct key *start, size_t length, bool in_value,
                           struct tally *tally)
{
    bool good = true;
    ask_begin(handle);
    seek(handle, start);
    for (const char *key; good && (key = key_here(handle, start, length)) != NULL;
         leveldb_iter_next(handle->iterator)) {
        size_t size = 0;
        const char *value = in_value ? leveldb_iter_value(handle->iterator, &size) : key + length;
        good = count_event(handle, number_read(value), tally);
    }
    return ask_end(handle) && good;
}

static bool find_sequence(struct handle *handle, const struct id *id, bool *found_out, uint64_t *sequence_out)
{
    bool good = true;
    size_t size = 0;
    char *value = find(handle, key_id(id), &size, &good);
    *found_out = value != NULL;
    *sequence_out = value != NULL ? number_read(value) : 0;
    leveldb_free(value);
    return good;
}

static bool get(void *pointer, const struct id *id, struct tally *tally)
{
    bool found = false;
    uint64_t sequence = 0;
    return find_sequence(pointer, id, &found, &sequence) && (!found || count_event(pointer, sequence, tally));
}

static bool stream(void *pointer, const char *entity, struct tally *tally)
{
    struct key start = key_entity(entity, 0);
    return count_postings(pointer, &start, start.size - 8, true, tally);
}

static bool scope(void *pointer, const char *name, struct tally *tally)
{
    struct key start = key_scope(name, 0);
    return count_postings(pointer, &start, start.size - 8, false, tally);
}

static bool kind(void *pointer, unsigned number, struct tally *tally)
{
    struct key start = key_kind(number, 0);
    return count_postings(pointer, &start, start.size - 8, false, tally);
}

static bool prefix(void *pointer, const char *text, struct tally *tally)
{
    char name[NAME_SIZE + 2];
    snprintf(name, sizeof name, "%s:", text);
    struct key start = key_entity(name, 0);
    return count_postings(pointer, &start, start.size - 9, true, tally); /* without the 0 behind the name */
}

static bool kind_sequences(void *pointer, unsigned number, struct tally *tally)
{
    struct handle *handle = pointer;
    struct key start = key_kind(number, 0);
    size_t length = start.size - 8;
    ask_begin(handle);
    seek(handle, &start);
    for (const char *key; (key = key_here(handle, &start, length)) != NULL; leveldb_iter_next(handle->iterator)) {
        tally->events++;
        tally->sum += number_read(key + length);
    }
    return ask_end(handle);
}

/* All events from that sequence on whose time is not above. */
static bool count_range(struct handle *handle, uint64_t first, uint64_t to_us, struct tally *tally)
{
    struct key start = key_event(first);
    bool good = true;
    ask_begin(handle);
    seek(handle, &start);
    for (; good && key_here(handle, &start, 1) != NULL; leveldb_iter_next(handle->iterator)) {
        struct record record;
        size_t size = 0;
        const char *value = leveldb_iter_value(handle->iterator, &size);
        good = record_read(value, size, &record);
        if (!good || record.time_us > to_us) {
            break;
        }
        good = record_tally(value, size, tally);
    }
    return ask_end(handle) && good;
}

static bool scan(void *pointer, struct tally *tally)
{
    return count_range(pointer, 0, UINT64_MAX, tally);
}

/* The fixed part and the entity of an event. */
static bool read_event(struct handle *handle, uint64_t sequence, struct record *record_out, char entity_out[NAME_SIZE])
{
    bool good = true;
    size_t size = 0;
    char *value = find(handle, key_event(sequence), &size, &good);
    good = good && value != NULL && record_read(value, size, record_out) && record_entity(value, size, entity_out);
    leveldb_free(value);
    return good;
}

static bool when(void *pointer, uint64_t sequence, uint64_t *time_out)
{
    struct record record;
    char entity[NAME_SIZE];
    if (!read_event(pointer, sequence, &record, entity)) {
        return false;
    }
    *time_out = record.time_us;
    return true;
}

/* Halving finds the first event: commit times rise with sequences. */
static bool between(void *pointer, uint64_t from, uint64_t to, struct tally *tally)
{
    struct handle *handle = pointer;
    uint64_t low = 0;
    uint64_t high = handle->ledger.next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t found = 0;
        if (!when(handle, middle, &found)) {
            return false;
        }
        low = found < from ? middle + 1 : low;
        high = found < from ? high : middle;
    }
    return count_range(handle, low, to, tally);
}

static bool walk(void *pointer, const struct id *id, uint64_t limit, struct tally *tally)
{
    struct handle *handle = pointer;
    struct record record;
    char entity[NAME_SIZE];
    bool found = false;
    uint64_t sequence = 0;
    if (!find_sequence(handle, id, &found, &sequence) || !found || !read_event(handle, sequence, &record, entity)) {
        return false;
    }
    struct key start = key_entity(entity, record.clock);
    bool good = true;
    ask_begin(handle);
    seek(handle, &start);
    for (uint64_t steps = 0; good && steps < limit && key_here(handle, &start, start.size - 8) != NULL; steps++) {
        size_t size = 0;
        good = count_event(handle, number_read(leveldb_iter_value(handle->iterator, &size)), tally);
        leveldb_iter_prev(handle->iterator);
    }
    return ask_end(handle) && good;
}

/* ---- opening, appending ---- */

static bool close_database(void *pointer)
{
    struct handle *handle = pointer;
    if (handle->database != NULL) {
        leveldb_close(handle->database);
    }
    leveldb_options_destroy(handle->options);
    leveldb_cache_destroy(handle->cache);
    leveldb_filterpolicy_destroy(handle->filter);
    leveldb_writeoptions_destroy(handle->write_options);
    leveldb_readoptions_destroy(handle->read_options);
    ledger_end(&handle->ledger);
    free(handle);
    return true;
}

static void set_options(struct handle *handle, const struct opening *opening)
{
    handle->cache = leveldb_cache_create_lru((size_t)1 << 30);
    handle->filter = leveldb_filterpolicy_create_bloom(10);
    handle->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(handle->options, opening->make);
    leveldb_options_set_write_buffer_size(handle->options, (size_t)128 << 20);
    leveldb_options_set_max_file_size(handle->options, (size_t)32 << 20);
    leveldb_options_set_max_open_files(handle->options, 1000);
    leveldb_options_set_cache(handle->options, handle->cache);
    leveldb_options_set_filter_policy(handle->options, handle->filter);
    leveldb_options_set_compression(handle->options, leveldb_no_compression);
    handle->write_options = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(handle->write_options, opening->mode == MODE_DURABLE);
    handle->read_options = leveldb_readoptions_create();
}

/* Where the ledger goes on: behind the newest event. */
static bool begin_ledger(struct handle *handle)
{
    struct key behind = {.size = 1, .bytes = {'f'}};
    struct key start = key_event(0);
    struct record record = {0};
    bool good = true;
    bool any = false;
    ask_begin(handle);
    seek_before(handle, &behind);
    if (key_here(handle, &start, 1) != NULL) {
        size_t size = 0;
        const char *value = leveldb_iter_value(handle->iterator, &size);
        good = record_read(value, size, &record);
        any = true;
    }
    ledger_end(&handle->ledger);
    ledger_begin(&handle->ledger, any ? record.sequence + 1 : 0, record.time_us);
    return ask_end(handle) && good;
}

static bool open_database(const char *folder, const struct opening *opening, void **handle_out)
{
    struct handle *handle = memory_get(sizeof *handle);
    char *error = NULL;
    ledger_begin(&handle->ledger, 0, 0);
    set_options(handle, opening);
    handle->database = leveldb_open(handle->options, folder, &error);
    if (passed("open", error) && begin_ledger(handle)) {
        *handle_out = handle;
        return true;
    }
    close_database(handle);
    return false;
}

static bool find_head(void *pointer, const char *entity, struct head *head_out)
{
    struct handle *handle = pointer;
    struct key behind = key_entity(entity, UINT64_MAX);
    bool good = true;
    ask_begin(handle);
    seek_before(handle, &behind);
    if (key_here(handle, &behind, behind.size - 8) != NULL) {
        struct record record;
        char name[NAME_SIZE];
        size_t size = 0;
        good = read_event(handle, number_read(leveldb_iter_value(handle->iterator, &size)), &record, name);
        if (good) {
            head_out->next_clock = record.clock + 1;
            memcpy(head_out->event.bytes, record.event, sizeof record.event);
        }
    }
    return ask_end(handle) && good;
}

static void put_event(leveldb_writebatch_t *batch, const struct fact *fact, const struct stamp *stamp)
{
    static _Thread_local char record[RECORD_MOST];
    struct key event = key_event(stamp->sequence);
    struct key id = key_id(&stamp->id);
    struct key entity = key_entity(fact->entity, stamp->clock);
    struct key scope_key = key_scope(fact->scope, stamp->sequence);
    struct key kind_key = key_kind(fact->kind, stamp->sequence);
    const char *sequence = event.bytes + 1;
    record_write(record, stamp, fact);
    leveldb_writebatch_put(batch, event.bytes, event.size, record, record_size(fact));
    leveldb_writebatch_put(batch, id.bytes, id.size, sequence, 8);
    leveldb_writebatch_put(batch, entity.bytes, entity.size, sequence, 8);
    leveldb_writebatch_put(batch, scope_key.bytes, scope_key.size, "", 0);
    leveldb_writebatch_put(batch, kind_key.bytes, kind_key.size, "", 0);
}

/* The lock is given back before the write, so that the database can join the writes of several threads. */
static bool append(void *pointer, const struct fact *facts, size_t count, struct id *ids_out)
{
    static _Thread_local struct stamp stamps[BATCH_MOST];
    struct handle *handle = pointer;
    char *error = NULL;
    stamp_contents(facts, count, stamps);
    pthread_mutex_lock(&handle->ledger.lock);
    bool good = ledger_assign(&handle->ledger, find_head, handle, facts, count, stamps);
    pthread_mutex_unlock(&handle->ledger.lock);
    if (!good) {
        return false;
    }
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    for (size_t index = 0; index < count; index++) {
        put_event(batch, &facts[index], &stamps[index]);
        if (ids_out != NULL) {
            ids_out[index] = stamps[index].id;
        }
    }
    leveldb_write(handle->database, handle->write_options, batch, &error);
    leveldb_writebatch_destroy(batch);
    return passed("write", error);
}

static bool settle(void *pointer)
{
    struct handle *handle = pointer;
    leveldb_compact_range(handle->database, NULL, 0, NULL, 0);
    return true;
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .settings = settings,
    .open = open_database,
    .append = append,
    .settle = settle,
    .close = close_database,
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
