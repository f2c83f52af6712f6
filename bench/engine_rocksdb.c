/*
 * engine_rocksdb.c: RocksDB through its C interface, set up as its tuning guide advises: large memtables, filters over
 * whole keys, a block cache that holds the store, no compression for bytes that do not compress, pipelined writes,
 * gets in batches. Ordered keys in one column family, see peer.h.
 */
#include "peer.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

enum { GATHER = 64 }; /* events got at once */

struct handle {
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_t *database;
    rocksdb_column_family_handle_t *family;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_options;
    rocksdb_iterator_t *iterator; /* while a question is asked */
    uint64_t gathered[GATHER];
    size_t gathered_count;
    struct ledger ledger;
};

static const char *settings(void)
{
    return "RocksDB " BENCH_ROCKSDB_VERSION ", C interface, level compaction tuned "
           "for a memtable budget of 512 MiB (128 MiB each), 2 background jobs, bloom filters of 10 bits, LRU block "
           "cache 1 GiB, no compression, pipelined writes, batched MultiGet; buffered: WAL without sync, durable: "
           "sync, its own group commit; compacted before it is read";
}

/* True if there is no message. */
static bool passed(const char *what, char *message)
{
    if (message != NULL) {
        fprintf(stderr, "rocksdb: %s: %s\n", what, message);
        rocksdb_free(message);
        return false;
    }
    return true;
}

/* ---- reading ---- */

/* Reads the events that were gathered, in one call. */
static bool flush_gathered(struct handle *handle, struct tally *tally)
{
    struct key keys[GATHER];
    const char *key_list[GATHER] = {0};
    size_t key_sizes[GATHER] = {0};
    rocksdb_pinnableslice_t *values[GATHER] = {0};
    char *errors[GATHER] = {0};
    bool good = true;
    size_t count = handle->gathered_count;
    for (size_t index = 0; index < count; index++) {
        keys[index] = key_event(handle->gathered[index]);
        key_list[index] = keys[index].bytes;
        key_sizes[index] = keys[index].size;
    }
    handle->gathered_count = 0;
    rocksdb_batched_multi_get_cf(handle->database, handle->read_options, handle->family, count, key_list, key_sizes,
                                 values, errors, false);
    for (size_t index = 0; index < count; index++) {
        size_t size = 0;
        const char *record = values[index] == NULL ? NULL : rocksdb_pinnableslice_value(values[index], &size);
        good = passed("events", errors[index]) && record != NULL && record_tally(record, size, tally) && good;
        rocksdb_pinnableslice_destroy(values[index]);
    }
    return good;
}

static bool gather(struct handle *handle, uint64_t sequence, struct tally *tally)
{
    handle->gathered[handle->gathered_count++] = sequence;
    return handle->gathered_count < GATHER || flush_gathered(handle, tally);
}

static void seek(struct handle *handle, const struct key *key)
{
    rocksdb_iter_seek(handle->iterator, key->bytes, key->size);
}

/* The key at hand, if it begins as the first so many bytes of `start`. */
static const char *key_here(struct handle *handle, const struct key *start, size_t length)
{
    size_t size = 0;
    if (!rocksdb_iter_valid(handle->iterator)) {
        return NULL;
    }
    const char *key = rocksdb_iter_key(handle->iterator, &size);
    return key_begins(key, size, start, length) ? key : NULL;
}

static void ask_begin(struct handle *handle)
{
    handle->iterator = rocksdb_create_iterator(handle->database, handle->read_options);
    handle->gathered_count = 0;
}

static bool ask_end(struct handle *handle, struct tally *tally)
{
    char *error = NULL;
    bool good = handle->gathered_count == 0 || flush_gathered(handle, tally);
    rocksdb_iter_get_error(handle->iterator, &error);
    rocksdb_iter_destroy(handle->iterator);
    handle->iterator = NULL;
    return passed("iterator", error) && good;
}

/* Every posting whose key begins so; the sequence is its value, or stands at the end of its key. */
static bool count_postings(struct handle *handle, const struct key *start, size_t length, bool in_value,
                           struct tally *tally)
{
    bool good = true;
    ask_begin(handle);
    seek(handle, start);
    for (const char *key; good && (key = key_here(handle, start, length)) != NULL;
         rocksdb_iter_next(handle->iterator)) {
        size_t size = 0;
        const char *value = in_value ? rocksdb_iter_value(handle->iterator, &size) : key + length;
        good = gather(handle, number_read(value), tally);
    }
    return ask_end(handle, tally) && good;
}

static bool find_sequence(struct handle *handle, const struct id *id, bool *found_out, uint64_t *sequence_out)
{
    struct key key = key_id(id);
    char *error = NULL;
    size_t size = 0;
    rocksdb_pinnableslice_t *value =
        rocksdb_get_pinned(handle->database, handle->read_options, key.bytes, key.size, &error);
    *found_out = value != NULL;
    if (value != NULL) {
        *sequence_out = number_read(rocksdb_pinnableslice_value(value, &size));
        rocksdb_pinnableslice_destroy(value);
    }
    return passed("id", error);
}

/* The record of a sequence; to be destroyed. */
static rocksdb_pinnableslice_t *find_event(struct handle *handle, uint64_t sequence)
{
    struct key key = key_event(sequence);
    char *error = NULL;
    rocksdb_pinnableslice_t *value =
        rocksdb_get_pinned(handle->database, handle->read_options, key.bytes, key.size, &error);
    passed("event", error);
    return value;
}

static bool get(void *pointer, const struct id *id, struct tally *tally)
{
    struct handle *handle = pointer;
    bool found = false;
    uint64_t sequence = 0;
    size_t size = 0;
    if (!find_sequence(handle, id, &found, &sequence) || !found) {
        return !found;
    }
    rocksdb_pinnableslice_t *value = find_event(handle, sequence);
    if (value == NULL) {
        return false;
    }
    const char *record = rocksdb_pinnableslice_value(value, &size);
    bool good = record_tally(record, size, tally);
    rocksdb_pinnableslice_destroy(value);
    return good;
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
    for (const char *key; (key = key_here(handle, &start, length)) != NULL; rocksdb_iter_next(handle->iterator)) {
        tally->events++;
        tally->sum += number_read(key + length);
    }
    return ask_end(handle, tally);
}

/* All events from that sequence on whose time is not above. */
static bool count_range(struct handle *handle, uint64_t first, uint64_t to_us, struct tally *tally)
{
    struct key start = key_event(first);
    bool good = true;
    ask_begin(handle);
    seek(handle, &start);
    for (; good && key_here(handle, &start, 1) != NULL; rocksdb_iter_next(handle->iterator)) {
        struct record record;
        size_t size = 0;
        const char *value = rocksdb_iter_value(handle->iterator, &size);
        good = record_read(value, size, &record);
        if (!good || record.time_us > to_us) {
            break;
        }
        good = record_tally(value, size, tally);
    }
    return ask_end(handle, tally) && good;
}

static bool scan(void *pointer, struct tally *tally)
{
    return count_range(pointer, 0, UINT64_MAX, tally);
}

static bool when(void *pointer, uint64_t sequence, uint64_t *time_out)
{
    rocksdb_pinnableslice_t *value = find_event(pointer, sequence);
    struct record record;
    size_t size = 0;
    if (value == NULL) {
        return false;
    }
    const char *bytes = rocksdb_pinnableslice_value(value, &size);
    bool good = record_read(bytes, size, &record);
    *time_out = record.time_us;
    rocksdb_pinnableslice_destroy(value);
    return good;
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

/* The entity and clock of an event. */
static bool place_of(struct handle *handle, const struct id *id, char entity_out[NAME_SIZE], uint64_t *clock_out)
{
    bool found = false;
    uint64_t sequence = 0;
    size_t size = 0;
    struct record record;
    if (!find_sequence(handle, id, &found, &sequence) || !found) {
        return false;
    }
    rocksdb_pinnableslice_t *value = find_event(handle, sequence);
    if (value == NULL) {
        return false;
    }
    const char *bytes = rocksdb_pinnableslice_value(value, &size);
    bool good = record_read(bytes, size, &record) && record_entity(bytes, size, entity_out);
    *clock_out = record.clock;
    rocksdb_pinnableslice_destroy(value);
    return good;
}

static bool walk(void *pointer, const struct id *id, uint64_t limit, struct tally *tally)
{
    struct handle *handle = pointer;
    char entity[NAME_SIZE];
    uint64_t clock = 0;
    bool good = place_of(handle, id, entity, &clock);
    if (!good) {
        return false;
    }
    struct key start = key_entity(entity, clock);
    ask_begin(handle);
    seek(handle, &start);
    for (uint64_t steps = 0; good && steps < limit && key_here(handle, &start, start.size - 8) != NULL; steps++) {
        size_t size = 0;
        good = gather(handle, number_read(rocksdb_iter_value(handle->iterator, &size)), tally);
        rocksdb_iter_prev(handle->iterator);
    }
    return ask_end(handle, tally) && good;
}

/* ---- opening, appending ---- */

static bool close_database(void *pointer)
{
    struct handle *handle = pointer;
    if (handle->family != NULL) {
        rocksdb_column_family_handle_destroy(handle->family);
    }
    if (handle->database != NULL) {
        rocksdb_close(handle->database);
    }
    rocksdb_options_destroy(handle->options);
    rocksdb_cache_destroy(handle->cache);
    rocksdb_writeoptions_destroy(handle->write_options);
    rocksdb_readoptions_destroy(handle->read_options);
    ledger_end(&handle->ledger);
    free(handle);
    return true;
}

static void set_options(struct handle *handle, const struct opening *opening)
{
    enum { LEVELS = 7 };
    static const int none[LEVELS] = {rocksdb_no_compression}; /* which is 0 */
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    handle->cache = rocksdb_cache_create_lru((size_t)1 << 30);
    rocksdb_block_based_options_set_block_cache(table, handle->cache);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    handle->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(handle->options, opening->make);
    rocksdb_options_increase_parallelism(handle->options, 2);
    rocksdb_options_optimize_level_style_compaction(handle->options, (uint64_t)512 << 20);
    rocksdb_options_set_compression(handle->options, rocksdb_no_compression);
    rocksdb_options_set_compression_per_level(handle->options, none, LEVELS); /* which the call before had set */
    rocksdb_options_set_enable_pipelined_write(handle->options, 1);
    rocksdb_options_set_block_based_table_factory(handle->options, table);
    rocksdb_block_based_options_destroy(table);
    handle->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(handle->write_options, opening->mode == MODE_DURABLE);
    handle->read_options = rocksdb_readoptions_create();
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
    rocksdb_iter_seek_for_prev(handle->iterator, behind.bytes, behind.size);
    if (key_here(handle, &start, 1) != NULL) {
        size_t size = 0;
        const char *value = rocksdb_iter_value(handle->iterator, &size);
        good = record_read(value, size, &record);
        any = true;
    }
    ledger_end(&handle->ledger);
    ledger_begin(&handle->ledger, any ? record.sequence + 1 : 0, record.time_us);
    return ask_end(handle, NULL) && good;
}

static bool open_database(const char *folder, const struct opening *opening, void **handle_out)
{
    struct handle *handle = memory_get(sizeof *handle);
    char *error = NULL;
    ledger_begin(&handle->ledger, 0, 0);
    set_options(handle, opening);
    const char *family = "default";
    const rocksdb_options_t *options = handle->options;
    handle->database =
        rocksdb_open_column_families(handle->options, folder, 1, &family, &options, &handle->family, &error);
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
    struct key start = key_entity(entity, UINT64_MAX);
    bool good = true;
    ask_begin(handle);
    rocksdb_iter_seek_for_prev(handle->iterator, start.bytes, start.size);
    if (key_here(handle, &start, start.size - 8) != NULL) {
        size_t size = 0;
        struct record record;
        rocksdb_pinnableslice_t *value = find_event(handle, number_read(rocksdb_iter_value(handle->iterator, &size)));
        const char *bytes = value == NULL ? NULL : rocksdb_pinnableslice_value(value, &size);
        good = bytes != NULL && record_read(bytes, size, &record);
        if (good) {
            head_out->next_clock = record.clock + 1;
            memcpy(head_out->event.bytes, record.event, sizeof record.event);
        }
        rocksdb_pinnableslice_destroy(value);
    }
    return ask_end(handle, NULL) && good;
}

static void put_event(rocksdb_writebatch_t *batch, const struct fact *fact, const struct stamp *stamp)
{
    static _Thread_local char record[RECORD_MOST];
    struct key event = key_event(stamp->sequence);
    struct key id = key_id(&stamp->id);
    struct key entity = key_entity(fact->entity, stamp->clock);
    struct key scope_key = key_scope(fact->scope, stamp->sequence);
    struct key kind_key = key_kind(fact->kind, stamp->sequence);
    const char *sequence = event.bytes + 1;
    record_write(record, stamp, fact);
    rocksdb_writebatch_put(batch, event.bytes, event.size, record, record_size(fact));
    rocksdb_writebatch_put(batch, id.bytes, id.size, sequence, 8);
    rocksdb_writebatch_put(batch, entity.bytes, entity.size, sequence, 8);
    rocksdb_writebatch_put(batch, scope_key.bytes, scope_key.size, "", 0);
    rocksdb_writebatch_put(batch, kind_key.bytes, kind_key.size, "", 0);
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
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t index = 0; index < count; index++) {
        put_event(batch, &facts[index], &stamps[index]);
        if (ids_out != NULL) {
            ids_out[index] = stamps[index].id;
        }
    }
    rocksdb_write(handle->database, handle->write_options, batch, &error);
    rocksdb_writebatch_destroy(batch);
    return passed("write", error);
}

static bool settle(void *pointer)
{
    struct handle *handle = pointer;
    rocksdb_compact_range(handle->database, NULL, 0, NULL, 0);
    return true;
}

const struct engine engine_rocksdb = {
    .name = "rocksdb",
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
