/*
 * snapshot.c: bp_snapshot, and what a store knows of its snapshots.
 *
 * Holds: the frontier is read with the list that names its segment, so that neither a rotation nor a compaction comes between;
 * no lock that an append or a query needs is held while anything is copied. In the writer's process files that a compaction or an erasure
 * is done with stay until the copy has them (store->files); beside a writer of another process they may go, and all begins anew. Positions of consumers are read before the frontier is, so that none is beyond it.
 */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "store/making.h"
#include "store/store.h"

enum { ATTEMPTS = 12, PAUSE_NS = 1000000 }; /* the pause doubles: two seconds in all */

void bp_snapshot_options_default(bp_snapshot_options *options, size_t size)
{
    bp_snapshot_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

typedef struct snapping {
    bp_store *store;
    const bpi_home *home;
    const char *directory;
    const bp_snapshot_options *options;
    bpi_home since;
    bpi_catalog since_catalog;
    bpi_making making;
    bool held; /* the store's files */
} snapping;

static const bpi_home *home_of(const bp_store *store)
{
    return store->reader ? &store->follower.home : &store->log.home;
}

static bp_status copy_catalog(const bpi_home *home, const bpi_catalog *from, bpi_catalog *to, bp_error *error)
{
    memset(to, 0, sizeof *to);
    if (!bpi_catalog_reserve(home, to, from->count)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the segment list");
    }
    to->manifest = from->manifest;
    to->count = from->count;
    memcpy(to->entries, from->entries, from->count * sizeof *to->entries);
    return BP_OK;
}

/* The list, and how far the log is durable, as of one moment. */
static bp_status look(snapping *s, bpi_catalog *catalog_out, uint64_t *frontier_out, bp_error *error)
{
    bp_store *store = s->store;
    if (!store->reader) {
        bpi_log *log = &store->log;
        bp_status status = bpi_log_sync(log, error);
        /* what is finished can be shared once it is sealed */
        bool done = true;
        for (int i = 0; i < BPI_OPEN_SEGMENTS && status == BP_OK && done; i++) {
            status = bpi_log_seal_one(log, false, &done, error);
        }
        if (status == BP_OK) {
            (void)pthread_mutex_lock(&log->catalog_lock);
            *frontier_out = atomic_load_explicit(&log->durable, memory_order_acquire);
            status = copy_catalog(s->home, &log->catalog, catalog_out, error);
            (void)pthread_mutex_unlock(&log->catalog_lock);
        }
        return status;
    }
    /* The frontier is taken while the list is that one: offsets in a segment that was rewritten are others. */
    for (int i = 0;; i++) {
        bp_status status = bpi_catalog_load_live(s->home, catalog_out, error);
        if (status == BP_OK) {
            status = bpi_follower_refresh(store, error);
            *frontier_out = atomic_load(&store->follower.durable_lsn);
        }
        if (status != BP_OK || i == ATTEMPTS || !bpi_catalog_moved(s->home, catalog_out)) {
            return status;
        }
        bpi_catalog_free(s->home, catalog_out);
    }
}

/* And the keys of what lies below the frontier: none is destroyed before they are read. What another process destroys meanwhile may be left
 * out. */
static bp_status look_with_keys(snapping *s, bpi_catalog *catalog_out, uint64_t *frontier_out, bp_error *error)
{
    bool entered = s->options->keys && !s->store->reader;
    if (entered) {
        bpi_keys_enter(s->store->keys);
    }
    bp_status status = look(s, catalog_out, frontier_out, error);
    if (status == BP_OK && s->options->keys) {
        status = bpi_make_gather_keys(&s->making, s->home, error);
    }
    if (entered) {
        bpi_keys_leave(s->store->keys);
    }
    return status;
}

static void hold_files(snapping *s)
{
    if (!s->store->reader) {
        (void)pthread_mutex_lock(&s->store->files);
        s->held = true;
    }
}

static void let_files_go(void *argument)
{
    snapping *s = argument;
    if (s->held) {
        s->held = false;
        (void)pthread_mutex_unlock(&s->store->files);
    }
}

/* Was the list replaced since the picture was taken? Then what was missing may have been compacted away. */
static bool list_changed(snapping *s)
{
    bpi_catalog now = {0};
    uint64_t generation = 0;
    if (!s->store->reader) {
        bpi_log *log = &s->store->log;
        (void)pthread_mutex_lock(&log->catalog_lock);
        generation = log->catalog.manifest.list_generation;
        (void)pthread_mutex_unlock(&log->catalog_lock);
    } else if (bpi_catalog_load(s->home, &now, NULL) == BP_OK) {
        generation = now.manifest.list_generation;
        bpi_catalog_free(s->home, &now);
    }
    return s->making.picture.list_generation != 0 && generation != s->making.picture.list_generation;
}

/* Beside a writer of another process erasures end, and their notes go, with the files they rewrote: then all begins anew. In the writer's
 * they wait for the files. */
static bp_status gather_erasures(snapping *s, bp_error *error)
{
    bpi_catalog now = {0};
    bp_status status = bpi_make_gather_erasures(&s->making, s->home, error);
    if (status != BP_OK || !s->store->reader) {
        return status;
    }
    status = bpi_catalog_load_live(s->home, &now, error);
    if (status == BP_OK && now.manifest.list_generation != s->making.picture.list_generation) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "segments were rewritten while they were looked at");
    }
    bpi_catalog_free(s->home, &now);
    return status;
}

static bp_status attempt(snapping *s, bp_error *error)
{
    bpi_making *m = &s->making;
    const bp_snapshot_options *o = s->options;
    bpi_catalog catalog = {0};
    uint64_t frontier = 0;
    *m = (bpi_making){.snapshot = true,
                      .record = s->home,
                      .brought = let_files_go,
                      .brought_argument = s,
                      .progress = o->progress,
                      .progress_context = o->progress_context,
                      .transfer = {.since = s->since.root != NULL ? &s->since : NULL,
                                   .since_catalog = &s->since_catalog,
                                   .way = (bpi_way)o->sharing}};
    bp_status status = bpi_make_gather(m, s->home, o->consumers, error);
    if (status != BP_OK) {
        return status;
    }
    hold_files(s);
    status = look_with_keys(s, &catalog, &frontier, error);
    if (status == BP_OK) {
        m->epoch = catalog.manifest.epoch;
        status = bpi_picture_take(&m->picture, s->home, &catalog, frontier, error);
    }
    if (status == BP_OK) {
        status = gather_erasures(s, error);
        status = status == BP_OK ? bpi_site_open(&m->site, s->home, s->directory, error) : status;
        if (status == BP_OK) {
            return bpi_make(m, error);
        }
        bpi_picture_free(&m->picture);
    } else if (catalog.entries != NULL) {
        bpi_catalog_free(s->home, &catalog);
    }
    let_files_go(s);
    bpi_make_forget(m);
    return status;
}

/* Again and again, as long as what was missing may have been there a moment ago. */
static bp_status try_all(snapping *s, bp_error *error)
{
    const bp_clock *clock = s->home->clock;
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        bp_status status = attempt(s, error);
        if (status != BP_ERR_CORRUPT || !list_changed(s)) {
            return status;
        }
        clock->sleep_ns(clock->context, (uint64_t)PAUSE_NS << i);
    }
    bpi_error_set(error, BP_ERR_CONFLICT,
                  "segments were rewritten while they were copied, %u times over; there is no snapshot",
                  (unsigned)ATTEMPTS);
    bpi_error_hint(error, "take it when the compaction or the erasure is done, or from the process that writes");
    return BP_ERR_CONFLICT;
}

static bp_status open_since(snapping *s, bp_error *error)
{
    if (s->options->since == NULL) {
        return BP_OK;
    }
    s->since = *s->home;
    s->since.root = NULL;
    s->since.log = NULL;
    bp_status status = bpi_home_open(&s->since, s->options->since, false, error);
    if (status == BP_OK) {
        status = bpi_catalog_load(&s->since, &s->since_catalog, error);
    }
    if (status == BP_ERR_NOT_FOUND) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no snapshot at %s", s->options->since);
        bpi_error_hint(error, "leave it out, and all is taken from the store");
    }
    if (status == BP_OK && !bp_id_equal(&s->since_catalog.manifest.store_id, &s->store->id)) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "the snapshot at %s is of another store", s->options->since);
    }
    return status;
}

bp_status bp_snapshot(bp_store *store, const char *directory, const bp_snapshot_options *options,
                      bp_snapshot_report *report_out, bp_error *error)
{
    bp_snapshot_options taken;
    bp_snapshot_options_init(&taken);
    bp_status status = bpi_store_check(store, error);
    if (status == BP_OK) {
        status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_snapshot_options", error);
    }
    if (status != BP_OK) {
        return status;
    }
    if (directory == NULL || directory[0] == '\0' || (unsigned)taken.sharing > BP_SHARE_NOTHING) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a snapshot needs a directory, and one of the ways of sharing");
    }
    snapping *s = bpi_allocate_zero(store->allocator, sizeof *s);
    if (s == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a snapshot");
    }
    *s = (snapping){.store = store, .home = home_of(store), .directory = directory, .options = &taken};
    status = open_since(s, error);
    if (status == BP_OK) {
        status = try_all(s, error);
    }
    if (status == BP_OK && report_out != NULL) {
        *report_out = s->making.report;
    }
    if (s->since.root != NULL) {
        bpi_catalog_free(&s->since, &s->since_catalog);
        bpi_home_close(&s->since);
    }
    if (status == BP_OK) {
        bpi_store_flow(store, "snapshot", s->making.report.events);
    }
    bpi_release(store->allocator, s, sizeof *s);
    return status;
}
