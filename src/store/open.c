/*
 * open.c: opening and closing a writer, and what is learnt from the log on the way.
 */
#include <sched.h>
#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/options.h"
#include "format/frame.h"
#include "index/names.h"
#include "io/optional.h"
#include "io/process.h"
#include "store/burial.h"
#include "store/erasure.h"
#include "store/indexing.h"

enum { FD_LEAST = 8, STACK_LEAST = 64 << 10, STACK_MOST = 1 << 30, ROW_LEAST = 136, CLOSE_LOOK_NS = 50000 };
enum { MAPPED_MOST = 1024 }; /* segments; systems allow some 65,000 mappings in a process */

void bp_options_default(bp_options *options, size_t size)
{
    bp_options defaults = {.size = sizeof defaults,
                           .create = true,
                           .durability = BP_DURABLE,
                           .sync_every_events = 1000,
                           .sync_every_ms = 100,
                           .sync_mode = BP_SYNC_DATA,
                           .commit_max_events = 4096,
                           .commit_max_bytes = 64u << 20,
                           .payload_max = BP_PAYLOAD_DEFAULT_MAX,
                           .fd_budget = 64,
                           .recovery_attempts = 1,
                           .keeper = BP_KEEPER_THREAD,
                           .keeper_stack_size = 256u << 10};
    if (options == NULL || size < sizeof(size_t)) {
        return;
    }
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

static bp_status out_of_range(const char *field, const char *range, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_ARGUMENT, "option %s is out of range: %s", field, range);
}

/* A table that was not filled in would be a call to nowhere. */
static bp_status check_tables(const bp_options *o, bp_error *error)
{
    if (!bpi_size_fits(o->io, BPI_IO_LEAST, sizeof *o->io)) {
        return out_of_range("io", "a table whose size is set", error);
    }
    if (!bpi_size_fits(o->clock, sizeof *o->clock, sizeof *o->clock)) {
        return out_of_range("clock", "a table whose size is set", error);
    }
    if (!bpi_size_fits(o->random, sizeof *o->random, sizeof *o->random)) {
        return out_of_range("random", "a table whose size is set", error);
    }
    if (!bpi_size_fits(o->allocator, sizeof *o->allocator, sizeof *o->allocator)) {
        return out_of_range("allocator", "a table whose size is set", error);
    }
    if (o->log != NULL && (!bpi_size_fits(o->log, sizeof *o->log, sizeof *o->log) || o->log->write == NULL)) {
        return out_of_range("log", "a table whose size and function are set", error);
    }
    return BP_OK;
}

static bp_status check_options(const bp_options *o, bp_error *error)
{
    if (o->segment_size != 0 &&
        (o->segment_size % 4096 != 0 || o->segment_size < BP_SEGMENT_MIN || o->segment_size > BP_SEGMENT_MAX)) {
        return out_of_range("segment_size", "a multiple of 4096 from 65536 to 1073741824", error);
    }
    if ((unsigned)o->durability > BP_PERIODIC) {
        return out_of_range("durability", "a bp_durability", error);
    }
    if ((unsigned)o->layout > BP_LAYOUT_SOAOS) {
        return out_of_range("layout", "a bp_layout", error);
    }
    if (o->sync_every_events == 0 || o->sync_every_ms == 0) {
        return out_of_range(o->sync_every_events == 0 ? "sync_every_events" : "sync_every_ms", "1 or more", error);
    }
    if ((unsigned)o->sync_mode > BP_SYNC_ALL) {
        return out_of_range("sync_mode", "BP_SYNC_DATA or BP_SYNC_ALL", error);
    }
    if (o->commit_max_events == 0 || o->commit_max_bytes == 0) {
        return out_of_range(o->commit_max_events == 0 ? "commit_max_events" : "commit_max_bytes", "1 or more", error);
    }
    if (o->payload_max > BP_PAYLOAD_MAX) {
        return out_of_range("payload_max", "at most 67108864", error);
    }
    if (o->fd_budget < FD_LEAST) {
        return out_of_range("fd_budget", "8 or more", error);
    }
    if ((unsigned)o->keeper > BP_KEEPER_INLINE) {
        return out_of_range("keeper", "a bp_keeper_mode", error);
    }
    if (o->keeper_stack_size < STACK_LEAST || o->keeper_stack_size > STACK_MOST) {
        return out_of_range("keeper_stack_size", "65536 to 1073741824", error);
    }
    return check_tables(o, error);
}

bp_status bpi_store_take_options(const bp_options *given, bp_options *options, bp_error *error)
{
    bp_options_init(options);
    bp_status status = bpi_options_take(given, offsetof(bp_options, incremental_projection), options, sizeof *options,
                                        "bp_options", error);
    if (status != BP_OK) {
        return status;
    }
    if (options->durability == BP_DURABILITY_DEFAULT) {
        options->durability = BP_DURABLE;
    }
    options->io = options->io != NULL ? options->io : bp_io_posix();
    options->clock = options->clock != NULL ? options->clock : bp_clock_system();
    options->random = options->random != NULL ? options->random : bp_random_system();
    options->allocator = options->allocator != NULL ? options->allocator : bp_allocator_system();
    return check_options(options, error);
}

void bpi_store_free(bp_store *store)
{
    bpi_heap *heap = store->heap;
    bpi_indexing_end(store);
    if (!store->log.forked) {
        bpi_tender_fini(store);
    }
    bpi_index_free(store->index);
    bpi_kinds_fini(&store->kinds);
    (void)pthread_mutex_destroy(&store->rewriting);
    (void)pthread_mutex_destroy(&store->burying);
    (void)pthread_mutex_destroy(&store->erasing);
    (void)pthread_rwlock_destroy(&store->putting);
    (void)pthread_mutex_destroy(&store->files);
    bpi_upcast_slot_fini(&store->upcasts);
    for (size_t i = 0; i < BPI_SCRATCHES; i++) {
        bpi_scratch_free(store->scratches[i]);
    }
    if (store->path != NULL) {
        bpi_release(store->allocator, store->path, strlen(store->path) + 1);
    }
    bpi_release(store->allocator, store, sizeof *store);
    bpi_heap_leave(heap);
}

bp_status bpi_store_new(const char *path, const bp_options *options, bool reader, bp_store **store_out, bp_error *error)
{
    bpi_heap *heap = bpi_heap_new(options->allocator);
    bp_store *store = heap == NULL ? NULL : bpi_allocate_zero(&heap->table, sizeof *store);
    if (store == NULL) {
        if (heap != NULL) {
            bpi_heap_leave(heap);
        }
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open the store");
    }
    store->heap = heap;
    store->allocator = &heap->table;
    store->options = *options;
    store->reader = reader;
    store->fork_generation = bpi_fork_generation();
    bpi_tender_init(store, !reader && options->keeper == BP_KEEPER_THREAD);
    (void)pthread_mutex_init(&store->rewriting, NULL);
    (void)pthread_mutex_init(&store->burying, NULL);
    (void)pthread_mutex_init(&store->erasing, NULL);
    (void)pthread_rwlock_init(&store->putting, NULL);
    (void)pthread_mutex_init(&store->files, NULL);
    bpi_kinds_init(&store->kinds, store->allocator);
    uint64_t key = 0;
    int code = options->random->fill(options->random->context, &key, sizeof key);
    store->index = code != 0 ? NULL : bpi_index_new(store->allocator, options->layout, key);
    store->keys = bpi_keys_new(options->allocator);
    heap->last = store->keys != NULL ? bpi_keys_free : NULL;
    heap->last_argument = store->keys;
    store->path = bpi_allocate(store->allocator, strlen(path) + 1);
    if (store->path != NULL) {
        memcpy(store->path, path, strlen(path) + 1);
    }
    if (store->index == NULL || store->path == NULL || store->keys == NULL) {
        bpi_store_free(store);
        return code != 0 ? bpi_error_system(error, code, "cannot draw random bytes")
                         : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open the store");
    }
    bpi_keys_wrap(store->keys, options->key_encryption_key);
    store->options.key_encryption_key = NULL; /* the caller's memory */
    *store_out = store;
    return BP_OK;
}

size_t bpi_store_rows_max(uint64_t capacity)
{
    return (size_t)(capacity / ROW_LEAST) + 1;
}

bp_status bpi_store_load_segment(void *argument, bpi_segment *segment, uint64_t first_sequence, uint64_t capacity,
                                 bp_error *error)
{
    bp_store *store = argument;
    if (store->block_segment != NULL && store->loading) {
        bpi_indexing_loaded(store, store->block_segment);
    }
    if (store->tail != NULL) {
        bp_status status = bpi_indexing_take_tail(store, segment, error);
        if (status != BP_OK) {
            return status;
        }
    }
    if (!bpi_index_begin_block(store->index, segment, first_sequence, bpi_store_rows_max(capacity))) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
    }
    store->block_segment = segment;
    return BP_OK;
}

void bpi_store_row_of(const bp_event *event, const bpi_entity *entity, bpi_row *row_out)
{
    *row_out = (bpi_row){.id = event->id,
                         .correlation = event->correlation,
                         .causes = event->causes,
                         .cause_count = event->cause_count,
                         .clock = event->clock,
                         .hlc = event->hlc,
                         .time_us = event->time_us,
                         .previous = entity->head.events == 0 ? BP_NONE : entity->head.last,
                         .offset = (uint32_t)bpi_lsn_offset(event->position),
                         .lane = event->lane,
                         .kind = event->kind,
                         .first_of_commit = event->batch == event->sequence,
                         .dropped = event->dropped};
}

static bp_status bad_clock(const bp_event *event, uint64_t expected, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the log contradicts itself: clock %llu follows, not %llu",
                  (unsigned long long)event->clock, (unsigned long long)expected);
    bpi_error_at(error, bpi_lsn_offset(event->position), "log segment %u", (unsigned)bpi_lsn_ordinal(event->position));
    bpi_error_entity(error, event->entity);
    if (error != NULL) {
        error->has_sequence = true;
        error->sequence = event->sequence;
    }
    return BP_ERR_CORRUPT;
}

bp_status bpi_store_index_record(bp_store *store, const bp_event *event, bp_error *error)
{
    bpi_entity *entity = NULL;
    bpi_entity *scope = NULL;
    bool added = false;
    uint32_t expected = bpi_names_expect_slot(bpi_index_expect_begin(store->index), event->entity);
    bpi_index_expect_end(store->index);
    bp_status status = bpi_index_take_entity(store->index, event->entity, expected, false, &entity, &added, error);
    if (status == BP_OK && added && BPI_UNLIKELY(event->clock != entity->head.events)) {
        status = bpi_index_doubt_entity(store->index, event->entity, expected, event->clock, &entity, error);
    }
    if (status == BP_OK) {
        status = bpi_index_take_scope(store->index, event->scope, &scope, error);
    }
    if (status != BP_OK) {
        return status;
    }
    if (!bpi_index_reserve(store->index, 1)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
    }
    if (event->clock != entity->head.events) {
        return bad_clock(event, entity->head.events, error);
    }
    bpi_row row;
    bpi_store_row_of(event, entity, &row);
    entity->head.events++;
    entity->head.last = event->sequence;
    entity->head.hash = event->event_hash;
    bpi_index_append(store->index, entity, scope, &row);
    return BP_OK;
}

bp_status bpi_store_learn(bp_store *store, const bp_event *event, bp_error *error)
{
    if (event->payload_absent) {
        return BP_OK;
    }
    switch (event->kind) {
    case BP_KIND_NAME:
        return bpi_kinds_learn(&store->kinds, event->payload, event->payload_size, error);
    case BP_KIND_ERASURE:
        return bpi_keys_learn(store->keys, event->payload, event->payload_size, event->sequence, error);
    case BP_KIND_TOMBSTONE:
        return bpi_burial_learn(store->index, event, error);
    default:
        return BP_OK;
    }
}

bp_status bpi_store_teach(bp_store *store, const bp_event *event, bp_error *error)
{
    if (event->dropped) {
        return BP_OK; /* of what kind it was is not known any more */
    }
    if (!bpi_kinds_reserve_count(&store->kinds, event->kind)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
    }
    bool system = bp_kind_is_system(event->kind) && event->kind != BP_KIND_DATA;
    bp_status status = system ? bpi_store_learn(store, event, error) : BP_OK;
    if (status == BP_OK) {
        bpi_kinds_count_event(&store->kinds, event->kind);
        atomic_fetch_add_explicit(&store->counters.system_events, system, memory_order_relaxed);
    }
    return status;
}

bp_status bpi_store_load_record(void *argument, const bp_event *event, bp_error *error)
{
    bp_store *store = argument;
    bp_status status = bpi_store_teach(store, event, error);
    return status == BP_OK ? bpi_store_index_record(store, event, error) : status;
}

static void on_sealed(void *argument, uint32_t ordinal, bool locked)
{
    bpi_tender_sealed(argument, ordinal, locked);
}

/* Nothing has been appended for a while: what waited for that is done, and what only makes appending quicker can go. */
static void on_idle(void *argument)
{
    bp_store *store = argument;
    bpi_tender_lull(store);
    (void)pthread_mutex_lock(&store->log.lock);
    (void)bpi_index_shed(store->index, true); /* without memory for it all stays as it is */
    (void)pthread_mutex_unlock(&store->log.lock);
}

static void on_closing(void *argument, uint32_t ordinal, const bpi_index_tail *tail)
{
    bpi_indexing_closing(argument, ordinal, tail);
}

/* Names and ids of a frame lie anywhere in memory: they are asked for while the frame is judged. */
static void expect_record(void *argument, const bp_event *event)
{
    bp_store *store = argument;
    const bpi_names *names = bpi_index_expect_begin(store->index);
    uint32_t *behind = &store->expected[store->expected_at++ % BPI_NAMES_BEHIND];
    bpi_index_expect_id(store->index, &event->id);
    bpi_names_expect_item(names, *behind);
    *behind = bpi_names_expect_slot(names, event->entity);
    bpi_index_expect_end(store->index);
}

static void begin_loading(void *argument)
{
    bpi_indexing_begin(argument);
}

static void end_loading(void *argument)
{
    bpi_indexing_read(argument);
}

static bp_status open_log(bp_store *store, const char *path, bp_dir *root, bp_error *error)
{
    const bp_options *o = &store->options;
    bpi_log *log = &store->log;
    log->home = (bpi_home){.io = o->io,
                           .clock = o->clock,
                           .random = o->random,
                           .allocator = store->allocator,
                           .hook = o->log,
                           .sync_mode = o->sync_mode,
                           .root = root,
                           .lent = root != NULL};
    log->sealed = on_sealed;
    log->closing = on_closing;
    log->idle = on_idle;
    log->sealed_argument = store;
    bpi_log_options options = {.durability = o->durability,
                               .segment_size = o->segment_size,
                               .layout = (uint8_t)o->layout,
                               .create = o->create,
                               .exclusive = o->exclusive,
                               .threaded = o->keeper == BP_KEEPER_THREAD,
                               .keeper_stack_size = o->keeper_stack_size,
                               .sync_every_events = o->sync_every_events,
                               .sync_every_ms = o->sync_every_ms,
                               .calls = {.argument = store,
                                         .begin = begin_loading,
                                         .covered = bpi_indexing_covered,
                                         .tail = bpi_indexing_tail,
                                         .segment = bpi_store_load_segment,
                                         .record = bpi_store_load_record,
                                         .expect = expect_record,
                                         .end = end_loading,
                                         .progress = o->progress,
                                         .progress_context = o->progress_context}};
    return bpi_log_open(log, path, &options, error);
}

/*
 * Opens the log. Damage that was found with the help of index files may be theirs: the log alone decides, which is read once more without
 * them, and they are made anew. NULL in *store_out: it could not be.
 */
static bp_status open_judged(const char *path, bp_dir *root, const bp_options *all, bool reader, bool reindex,
                             bp_store **store_out, bp_error *error)
{
    bool disbelieving = false;
    for (;;) {
        bp_store *store = NULL;
        bp_status status = bpi_store_new(path, all, reader, &store, error);
        *store_out = store;
        if (store == NULL) {
            return status;
        }
        store->reindex = reindex;
        store->disbelieving = disbelieving;
        status = reader ? bpi_follower_open(store, path, error) : open_log(store, path, root, error);
        if (status == BP_OK) {
            return BP_OK;
        }
        disbelieving = status == BP_ERR_CORRUPT && store->believed;
        bpi_store_free(store);
        *store_out = NULL;
        if (!disbelieving) {
            return status;
        }
    }
}

bp_status bpi_store_open(const char *path, bp_dir *root, const bp_options *options, bool reindex, bp_store **store_out,
                         bp_error *error)
{
    if (store_out != NULL) {
        *store_out = NULL;
    }
    if (store_out == NULL || path == NULL || path[0] == '\0') {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the path of the store is empty, or there is no place for it");
    }
    bp_options all;
    bp_store *store = NULL;
    bp_status status = bpi_store_take_options(options, &all, error);
    if (status == BP_OK) {
        status = open_judged(path, root, &all, false, reindex, &store, error);
    }
    if (status != BP_OK) {
        return status;
    }
    BPI_ASSERT(store != NULL);
    store->id = store->log.catalog.manifest.store_id;
    store->options.segment_size = store->log.segment_size;
    store->options.layout = (bp_layout)(store->log.catalog.manifest.layout + 1);
    bpi_keys_open(store->keys, &store->log.home, &store->id, true);
    bpi_keys_settle(store->keys);
    bpi_index_publish(store->index, store->log.next_sequence);
    bpi_indexing_settle(store);
    bpi_indexing_watch(store, MAPPED_MOST);
    bpi_log_resume(&store->log);
    status = bpi_erasures_finish(store, error);
    if (status != BP_OK) {
        (void)bp_close(store, NULL);
        return status;
    }
    bpi_store_flow(store, "open", store->log.next_sequence);
    *store_out = store;
    return BP_OK;
}

bp_status bp_open(const char *path, const bp_options *options, bp_store **store_out, bp_error *error)
{
    return bpi_store_open(path, NULL, options, false, store_out, error);
}

bp_status bp_open_reader(const char *path, const bp_options *options, bp_store **store_out, bp_error *error)
{
    if (store_out != NULL) {
        *store_out = NULL;
    }
    if (store_out == NULL || path == NULL || path[0] == '\0') {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the path of the store is empty, or there is no place for it");
    }
    bp_options all;
    bp_store *store = NULL;
    bp_status status = bpi_store_take_options(options, &all, error);
    if (status == BP_OK) {
        status = open_judged(path, NULL, &all, true, false, &store, error);
    }
    if (status != BP_OK) {
        return status;
    }
    BPI_ASSERT(store != NULL);
    bpi_keys_open(store->keys, &store->follower.home, &store->id, false);
    bpi_store_flow(store, "open-reader", bpi_index_published(store->index));
    *store_out = store;
    return BP_OK;
}

/* Followers first: what they append on their way out is still judged. False: the thread is one of theirs. */
static bool tell_closing(bp_store *store)
{
    const bpi_after_publish *after = atomic_load(&store->after);
    if (after != NULL && !after->closing(after->context)) {
        return false;
    }
    (void)bpi_store_set_after(store, NULL);
    const bpi_before_append *before = bpi_store_set_before(store, NULL);
    if (before != NULL) {
        before->closing(before->context);
    }
    return true;
}

bp_status bp_close(bp_store *store, bp_error *error)
{
    if (store == NULL) {
        return BP_OK;
    }
    if (bpi_hook_inside(store)) {
        return bpi_error_set(error, BP_ERR_REENTRANT, "a hook cannot close its store; it stays open");
    }
    bool forked = store->fork_generation != bpi_fork_generation();
    bp_status status = BP_OK;
    if (!tell_closing(store)) {
        return bpi_error_set(error, BP_ERR_REENTRANT, "a follower's function cannot close its store; it stays open");
    }
    atomic_store(&store->closing, true);
    while (!forked && bpi_appends_under_way(store)) { /* appends under way: their callers use the log still */
        (void)sched_yield();
        store->options.clock->sleep_ns(store->options.clock->context, CLOSE_LOOK_NS);
    }
    if (!forked) { /* a rewriting stops at its next step, and is over then */
        (void)pthread_mutex_lock(&store->rewriting);
        (void)pthread_mutex_unlock(&store->rewriting);
    }
    bpi_keys_close(store->keys);
    if (store->reader) {
        bpi_follower_close(store);
    } else {
        if (!forked) {
            bpi_indexing_watch(store, 0);
            bpi_tender_stop(store);
        }
        status = bpi_log_close(&store->log, !forked, error);
    }
    if (forked) {
        status = bpi_error_set(error, BP_ERR_FORKED, "the store was opened before a fork; nothing was written");
    }
    if (status != BP_ERR_FORKED) {
        bpi_store_flow(store, "close", 0);
    }
    bpi_store_free(store);
    return status;
}

bp_status bpi_store_check(const bp_store *store, bp_error *error)
{
    if (store == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "store is NULL");
    }
    if (store->fork_generation != bpi_fork_generation()) {
        bpi_error_set(error, BP_ERR_FORKED, "the store was opened before a fork");
        bpi_error_hint(error, "open it anew in the child");
        return BP_ERR_FORKED;
    }
    if (atomic_load_explicit(&store->closing, memory_order_relaxed)) {
        return bpi_error_set(error, BP_ERR_CLOSED, "the store is being closed");
    }
    if (BPI_UNLIKELY(bpi_hook_inside(store))) {
        bpi_error_set(error, BP_ERR_REENTRANT, "a hook called back into its store");
        bpi_error_hint(error, "a gate sees the store through what it is given, nothing else");
        return BP_ERR_REENTRANT;
    }
    return BP_OK;
}

bp_status bpi_store_check_writer(const bp_store *store, bp_error *error)
{
    bp_status status = bpi_store_check(store, error);
    if (status == BP_OK && store->reader) {
        bpi_error_set(error, BP_ERR_READ_ONLY, "the store was opened for reading");
        bpi_error_hint(error, "open it with bp_open to write");
        return BP_ERR_READ_ONLY;
    }
    return status;
}

void bpi_store_flow(const bp_store *store, const char *name, uint64_t number)
{
    const bp_log_hook *hook = store->options.log;
    if (hook != NULL && hook->level <= BP_LOG_DEBUG) {
        bp_log_field field = {"sequence", NULL, (int64_t)number};
        hook->write(hook->context, BP_LOG_DEBUG, "flow", name, &field, 1);
    }
}
