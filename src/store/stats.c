/*
 * stats.c: counts, segments, metrics.
 */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "format/frame.h"
#include "store/read.h"
#include "store/store.h"

const char *bp_store_path(const bp_store *store)
{
    return store == NULL ? "" : store->path;
}

static void lock_catalog(bp_store *store, const bpi_catalog **catalog_out)
{
    if (store->reader) {
        (void)pthread_mutex_lock(&store->follower.lock);
        *catalog_out = &store->follower.catalog;
    } else {
        (void)pthread_mutex_lock(&store->log.lock);
        (void)pthread_mutex_lock(&store->log.catalog_lock);
        *catalog_out = &store->log.catalog;
    }
}

static void unlock_catalog(bp_store *store)
{
    if (store->reader) {
        (void)pthread_mutex_unlock(&store->follower.lock);
    } else {
        (void)pthread_mutex_unlock(&store->log.catalog_lock);
        (void)pthread_mutex_unlock(&store->log.lock);
    }
}

/* Where frames end in an open segment. */
static uint64_t open_end(const bp_store *store, const bpi_segment_entry *entry, uint64_t *first_out, uint64_t *next_out)
{
    if (store->reader) {
        const bpi_log_walk *walk = &store->follower.walk;
        for (size_t i = 0; i < walk->tail_count; i++) {
            if (walk->catalog->entries[i].ordinal != entry->ordinal || !walk->tails[i].visited) {
                continue;
            }
            *first_out = walk->tails[i].first_sequence;
            *next_out = i + 1 < walk->tail_count && walk->tails[i + 1].visited ? walk->tails[i + 1].first_sequence
                                                                               : walk->chain.next_sequence;
            return walk->tails[i].end != 0 ? walk->tails[i].end : BPI_SEGMENT_HEADER;
        }
        *first_out = *next_out = walk->chain.next_sequence;
        return BPI_SEGMENT_HEADER;
    }
    const bpi_log *log = &store->log;
    const bpi_open_segment *after = log->active;
    *next_out = log->next_sequence;
    if (log->active->segment->ordinal != entry->ordinal) {
        after = NULL;
        for (size_t i = 0; i < log->finished_count; i++) {
            if (log->finished[i]->segment->ordinal == entry->ordinal) {
                after = log->finished[i];
                *next_out =
                    i + 1 < log->finished_count ? log->finished[i + 1]->first_sequence : log->active->first_sequence;
            }
        }
    }
    *first_out = after != NULL ? after->first_sequence : log->next_sequence;
    return after != NULL ? after->end : BPI_SEGMENT_HEADER;
}

static void describe(const bp_store *store, const bpi_segment_entry *entry, bp_segment_info *info)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    memset(info, 0, sizeof *info);
    info->ordinal = entry->ordinal;
    info->generation = entry->generation;
    info->sealed = entry->state == BPI_SEGMENT_SEALED;
    (void)snprintf(info->name, sizeof info->name, "log/%s", name);
    if (info->sealed) {
        info->first_sequence = entry->first_sequence;
        info->events = entry->count;
        info->bytes = entry->length;
        info->root = entry->root;
    } else {
        uint64_t next = 0;
        info->bytes = open_end(store, entry, &info->first_sequence, &next);
        info->events = next - info->first_sequence;
    }
}

typedef struct totals {
    uint64_t segments;
    uint64_t sealed;
    uint64_t log_bytes;
    uint64_t file_bytes;
} totals;

/* Described, in the order of their ordinals. */
typedef struct listing {
    bp_segment_info *infos;
    size_t count;
} listing;

/* Takes the size of a file that is one of the segments. */
static int take_size(void *argument, const char *name, bool is_directory, uint64_t size)
{
    const listing *list = argument;
    uint32_t ordinal = 0;
    uint32_t generation = 0;
    size_t low = 0;
    size_t high = list->count;
    if (is_directory || !bp_segment_name_parse(name, &ordinal, &generation)) {
        return 0;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->infos[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < list->count && list->infos[low].ordinal == ordinal && list->infos[low].generation == generation) {
        list->infos[low].file_bytes = size;
    }
    return 0;
}

/* Without a lock: appends do not wait for as many looks at the directory as there are segments. What went meanwhile has size 0. */
static void fill_sizes(const bp_store *store, bp_segment_info *infos, size_t count)
{
    const bpi_home *home = store->reader ? &store->follower.home : &store->log.home;
    listing list = {infos, count};
    if (home->log != NULL) {
        (void)home->io->dir_list(home->io->context, home->log, take_size, &list);
    }
}

/* Copies what the catalog says, so that a visitor may call the store. */
static bp_status copy_segments(bp_store *store, bp_segment_info **infos_out, size_t *count_out, bp_error *error)
{
    const bpi_catalog *catalog = NULL;
    lock_catalog(store, &catalog);
    size_t count = 0;
    bp_segment_info *infos = bpi_allocate_array(store->allocator, catalog->count, sizeof *infos);
    for (size_t i = 0; infos != NULL && i < catalog->count; i++) {
        if (catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            describe(store, &catalog->entries[i], &infos[count++]);
        }
    }
    *count_out = catalog->count;
    unlock_catalog(store);
    if (infos == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list the segments");
    }
    fill_sizes(store, infos, count);
    *infos_out = infos;
    return BP_OK;
}

bp_status bp_segments(bp_store *store, bp_segment_fn visit, void *argument, bp_error *error)
{
    if (visit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_segments needs a function to call");
    }
    bp_error local;
    error = error != NULL ? error : &local;
    if (bpi_store_read_begin(store, "stats", error) == NULL) {
        return error->status;
    }
    bp_segment_info *infos = NULL;
    size_t count = 0;
    bp_status status = copy_segments(store, &infos, &count, error);
    for (size_t i = 0; infos != NULL && i < count && infos[i].name[0] != '\0'; i++) {
        if (visit(argument, &infos[i]) != 0) {
            break;
        }
    }
    bpi_release(store->allocator, infos, count * sizeof *infos);
    return status;
}

static int add_segment(void *argument, const bp_segment_info *segment)
{
    totals *sum = argument;
    sum->segments++;
    sum->sealed += segment->sealed;
    sum->log_bytes += segment->bytes;
    sum->file_bytes += segment->file_bytes;
    return 0;
}

static uint64_t count_kinds(const bp_store *store)
{
    uint64_t kinds = 0;
    for (unsigned category = 0; category < BPI_KIND_CATEGORIES; category++) {
        const _Atomic uint64_t *counts = store->kinds.events[category];
        for (unsigned type = 0; counts != NULL && type < BPI_KIND_TYPES; type++) {
            kinds += atomic_load_explicit(&counts[type], memory_order_relaxed) != 0;
        }
    }
    return kinds;
}

static void fill_manifest(bp_store *store, bp_stats *stats)
{
    const bpi_catalog *catalog = NULL;
    lock_catalog(store, &catalog);
    stats->store_id = catalog->manifest.store_id;
    stats->cuts = catalog->manifest.cuts;
    stats->cut_lsn = catalog->manifest.cut_lsn;
    stats->cut_bytes = catalog->manifest.cut_bytes;
    stats->last_hlc = store->reader ? store->follower.walk.chain.last_hlc : store->log.last_hlc;
    unlock_catalog(store);
}

static void fill_writer(bp_store *store, bp_stats *stats)
{
    const bpi_log *log = &store->log;
    stats->cut_now = log->cuts_now != 0;
    stats->recoveries = atomic_load(&store->counters.recoveries);
    stats->appends = atomic_load(&store->counters.appends);
    stats->duplicates = atomic_load(&store->counters.duplicates);
    stats->conflicts = atomic_load(&store->counters.conflicts);
    stats->syncs = atomic_load(&log->syncs);
    stats->keeper_seals = atomic_load(&log->seals);
    stats->keeper_marks = atomic_load(&log->marks);
}

static bp_status gather(bp_store *store, bp_stats *stats, bp_error *error)
{
    totals sum = {0};
    bp_status status = bp_segments(store, add_segment, &sum, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_index_counts counts;
    bpi_index_count(store->index, &counts);
    stats->events = bpi_index_published(store->index);
    stats->system_events = atomic_load(&store->counters.system_events);
    stats->tombstoned = bpi_index_buried(store->index);
    stats->entities = counts.entities;
    stats->scopes = counts.scopes;
    stats->kinds = count_kinds(store);
    stats->segments = sum.segments;
    stats->sealed_segments = sum.sealed;
    stats->log_bytes = sum.log_bytes;
    stats->file_bytes = sum.file_bytes;
    stats->mapped_bytes = counts.mapped;
    stats->heap_bytes = bpi_heap_bytes(store->heap);
    stats->index_bytes = counts.bytes;
    stats->index_files = counts.files;
    stats->index_file_bytes = counts.file_bytes;
    stats->frontiers = bp_store_frontiers(store);
    fill_manifest(store, stats);
    if (!store->reader) {
        fill_writer(store, stats);
    }
    stats->read_only = store->reader;
    stats->options = store->options;
    return BP_OK;
}

bp_status bp_store_stats(bp_store *store, bp_stats *stats_out, bp_error *error)
{
    if (stats_out == NULL || !bpi_size_given(stats_out, offsetof(bp_stats, options))) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "stats_out->size must be sizeof(bp_stats)");
    }
    bp_stats stats = {.size = sizeof stats};
    bp_status status = gather(store, &stats, error);
    if (status == BP_OK) {
        bpi_options_give(&stats, sizeof stats, stats_out);
    }
    return status;
}

typedef struct metric {
    const char *name;
    const char *type;
    const char *help;
    uint64_t value;
} metric;

bp_status bp_metrics_write(bp_store *store, FILE *stream, bp_error *error)
{
    if (stream == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "stream is NULL");
    }
    bp_stats stats = {.size = sizeof stats};
    bp_status status = bp_store_stats(store, &stats, error);
    if (status != BP_OK) {
        return status;
    }
    const metric metrics[] = {
        {"batpak_events", "gauge", "Published events.", stats.events},
        {"batpak_tombstoned_events", "gauge", "Events that are tombstoned.", stats.tombstoned},
        {"batpak_entities", "gauge", "Entities with events.", stats.entities},
        {"batpak_scopes", "gauge", "Scopes with events.", stats.scopes},
        {"batpak_kinds", "gauge", "Kinds with events.", stats.kinds},
        {"batpak_segments", "gauge", "Segment files.", stats.segments},
        {"batpak_log_bytes", "gauge", "Bytes of frames.", stats.log_bytes},
        {"batpak_file_bytes", "gauge", "Sizes of the segment files.", stats.file_bytes},
        {"batpak_heap_bytes", "gauge", "Memory from the allocator.", stats.heap_bytes},
        {"batpak_durable_events", "gauge", "Events that survive power loss.", stats.frontiers.durable},
        {"batpak_epoch", "gauge", "Epoch of the store.", stats.frontiers.epoch},
        {"batpak_failed", "gauge", "1 when a write or sync failed.", stats.frontiers.failed},
        {"batpak_appends_total", "counter", "Appends through this handle.", stats.appends},
        {"batpak_duplicates_total", "counter", "Retries answered.", stats.duplicates},
        {"batpak_conflicts_total", "counter", "Expectations not met.", stats.conflicts},
        {"batpak_syncs_total", "counter", "Syncs of the log.", stats.syncs},
        {"batpak_seals_total", "counter", "Segments sealed.", stats.keeper_seals},
        {"batpak_marks_total", "counter", "Marks written.", stats.keeper_marks},
        {"batpak_cuts_total", "counter", "Cuts ever made by recovery.", stats.cuts},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0] && good; i++) {
        const metric *m = &metrics[i];
        good = fprintf(stream, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", m->name, m->help, m->name, m->type, m->name,
                       (unsigned long long)m->value) > 0;
    }
    return good ? BP_OK : bpi_error_set(error, BP_ERR_IO, "cannot write the metrics");
}
