/*
 * rewrite.c: staging a rewritten segment, and the manifest write that puts it in the place of its sources.
 */
#include "log/rewrite.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "io/pace.h"
#include "log/restate.h"

/* ---- the list ---- */

static bool same_file(const bpi_segment_entry *a, const bpi_segment_entry *b)
{
    return a->ordinal == b->ordinal && a->generation == b->generation;
}

static size_t find(const bpi_catalog *catalog, const bpi_segment_entry *entry)
{
    size_t i = 0;
    while (i < catalog->count && !same_file(&catalog->entries[i], entry)) {
        i++;
    }
    return i;
}

static void take_out(bpi_catalog *catalog, size_t i)
{
    catalog->count--;
    memmove(&catalog->entries[i], &catalog->entries[i + 1], (catalog->count - i) * sizeof catalog->entries[0]);
}

/* Writes the catalog; catalog_lock is held. */
static bp_status store_catalog(bpi_log *log, bp_error *error)
{
    bpi_manifest *manifest = &log->catalog.manifest;
    if (!manifest->clean) {
        manifest->durable = atomic_load_explicit(&log->durable, memory_order_acquire);
    }
    bp_status status = bpi_catalog_store(&log->home, &log->catalog, true, false, error);
    if (status == BP_OK && log->live != NULL) {
        atomic_store_explicit(&log->live->generation, manifest->generation, memory_order_release);
    }
    return status;
}

static bp_status gone(const bpi_segment_entry *entry, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    bpi_error_set(error, BP_ERR_CONFLICT, "a segment that was to be rewritten is not listed as sealed any more");
    bpi_error_file(error, "log/%s", name);
    return BP_ERR_CONFLICT;
}

/* Are the sources what the list has, one behind the other? Gives the place of the first, and the entry before it. */
static bp_status find_sources(const bpi_catalog *catalog, const bpi_rewrite *r, size_t *at_out,
                              const bpi_segment_entry **before_out, bp_error *error)
{
    *before_out = NULL;
    *at_out = find(catalog, &r->sources[0].entry);
    for (size_t i = 0; i < *at_out && i < catalog->count; i++) {
        *before_out = catalog->entries[i].state != BPI_SEGMENT_RETIRED ? &catalog->entries[i] : *before_out;
    }
    size_t i = *at_out;
    for (size_t n = 0; n < r->count; i++) {
        if (i >= catalog->count) {
            return gone(&r->sources[n].entry, error);
        }
        if (catalog->entries[i].state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        if (!same_file(&catalog->entries[i], &r->sources[n].entry) || catalog->entries[i].state != BPI_SEGMENT_SEALED) {
            return gone(&r->sources[n].entry, error);
        }
        n++;
    }
    return BP_OK;
}

/* Step 1: a new name, listed as retired. Also tells what the first frame follows. */
static bp_status list_pending(bpi_log *log, bpi_rewrite *r, uint32_t *link_out, bp_error *error)
{
    bpi_catalog *catalog = &log->catalog;
    const bpi_segment_entry *before = NULL;
    size_t at = 0;
    bp_status status = find_sources(catalog, r, &at, &before, error);
    if (status != BP_OK) {
        return status;
    }
    *link_out = before != NULL ? before->link : 0;
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal == r->entry.ordinal && catalog->entries[i].generation >= r->entry.generation) {
            r->entry.generation = catalog->entries[i].generation + 1;
        }
    }
    if (!bpi_catalog_reserve(&log->home, catalog, catalog->count + 1)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list a segment");
    }
    uint64_t incompat = catalog->manifest.incompat;
    memmove(&catalog->entries[at + 1], &catalog->entries[at], (catalog->count - at) * sizeof catalog->entries[0]);
    catalog->count++;
    catalog->entries[at] = r->entry;
    catalog->entries[at].state = BPI_SEGMENT_RETIRED;
    catalog->manifest.incompat |= BPI_INCOMPAT_FOLD;
    status = store_catalog(log, error);
    if (status == BP_OK) {
        r->pending = true;
        return BP_OK;
    }
    take_out(catalog, at);
    catalog->manifest.incompat = incompat;
    return catalog->slot_unknown ? bpi_log_fail(log, status, error) : status;
}

/* ---- the file ---- */

typedef struct rewriting {
    bpi_log *log;
    bpi_rewrite *r;
    const bpi_rewrite_calls *calls;
    bpi_restate restate;
    bpi_merkle merkle;
    uint64_t before; /* bytes of the sources that are done */
    bool cancelled;
} rewriting;

static bp_status visit(void *argument, const bp_event *event, bp_error *error)
{
    rewriting *w = argument;
    unsigned fate = BPI_FATE_KEEP;
    bpi_pace_point();
    bpi_merkle_add(&w->merkle, &event->event_hash);
    if (!event->dropped && w->calls->decide != NULL) {
        bp_status status = w->calls->decide(w->calls->argument, event, &fate, error);
        if (status != BP_OK) {
            return status;
        }
    }
    if (bpi_planted(BPI_PLANT_SURVIVOR_DROPPED) && w->calls->decide != NULL && event->sequence % 5 == 3) {
        fate = BPI_FATE_DROP;
    }
    if (w->calls->progress != NULL && (event->sequence & 1023) == 0 &&
        !w->calls->progress(w->calls->progress_argument, w->before + bpi_lsn_offset(event->position))) {
        w->cancelled = true;
        return BP_END;
    }
    return bpi_restate_add(&w->restate, event, bpi_fate_of(event, fate), error);
}

/* What the frames must not fall below. A segment without frames (a recovery in the process leaves such) has none. */
static uint32_t epoch_of(const bpi_rewrite *r)
{
    uint32_t epoch = 0;
    for (size_t i = 0; i < r->count; i++) {
        epoch = r->sources[i].epoch > epoch ? r->sources[i].epoch : epoch;
    }
    return epoch;
}

static bp_status put_header(const bpi_log *log, const bpi_rewrite *r, bp_file *file, bp_error *error)
{
    uint8_t bytes[BPI_SEGMENT_HEADER];
    bpi_segment_header header = {.store_id = log->catalog.manifest.store_id,
                                 .ordinal = r->entry.ordinal,
                                 .generation = r->entry.generation,
                                 .salt = r->entry.salt,
                                 .epoch = epoch_of(r)};
    bpi_segment_header_put(&header, bytes);
    int code = log->home.io->file_write(log->home.io->context, file, 0, bytes, sizeof bytes);
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot write a rewritten segment");
}

/* All frames of all sources, then the PAD; where nothing happened no frame at all. */
static bp_status put_frames(rewriting *w, bp_error *error)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < w->r->count && status == BP_OK; i++) {
        const bpi_segment_entry *entry = &w->r->sources[i].entry;
        bpi_scanner scanner;
        bpi_chain chain;
        status = bpi_log_scan_sealed(w->log, entry, visit, w, &scanner, &chain, error);
        w->before += entry->length;
    }
    if (status == BP_OK) {
        w->restate.next_sequence = w->r->entry.first_sequence + w->r->entry.count;
        status = bpi_restate_end(&w->restate, error);
    }
    return status == BP_OK && w->r->entry.count != 0 ? bpi_restate_pad(&w->restate, error) : status;
}

static bp_status put_file(rewriting *w, bp_file *file, uint32_t link, bp_error *error)
{
    const bp_io *io = w->log->home.io;
    bpi_segment_entry *entry = &w->r->entry;
    bpi_restate_target target = {.io = io,
                                 .file = file,
                                 .ordinal = entry->ordinal,
                                 .salt = entry->salt,
                                 .epoch = epoch_of(w->r),
                                 .link = link,
                                 .seed = bpi_record_seed(&w->log->catalog.manifest.store_id)};
    bpi_merkle_begin(&w->merkle);
    bpi_restate_begin(&w->restate, w->log->home.allocator, &target);
    bp_status status = put_header(w->log, w->r, file, error);
    if (status == BP_OK) {
        status = put_frames(w, error);
    }
    if (status == BP_OK) {
        int code = bpi_planted(BPI_PLANT_REWRITE_UNSYNCED) ? 0 : io->file_sync(io->context, file, BP_SYNC_ALL);
        if (code == 0 && !bpi_planted(BPI_PLANT_REWRITE_NAME_UNSYNCED)) {
            code = io->dir_sync(io->context, w->log->home.log);
        }
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot sync a rewritten segment");
    }
    entry->length = w->restate.end;
    entry->frames = w->restate.frames;
    entry->own_link = w->restate.link;
    bpi_merkle_root(&w->merkle, &entry->root);
    if (status == BP_OK && w->merkle.count != entry->count) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "a segment changed while it was rewritten");
    }
    bpi_restate_fini(&w->restate);
    return status;
}

static bp_status make_file(rewriting *w, uint32_t link, bp_error *error)
{
    const bpi_home *home = &w->log->home;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_file *file = NULL;
    bp_segment_name(w->r->entry.ordinal, w->r->entry.generation, name);
    int code = home->io->file_open(home->io->context, home->log, name,
                                   BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, &file);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot make a rewritten segment");
        bpi_error_file(error, "log/%s", name);
        return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
    }
    bp_status status = put_file(w, file, link, error);
    home->io->file_close(home->io->context, file);
    return w->cancelled ? BP_END : status;
}

/* The entry of what will be, as far as the sources tell. */
static bp_status begin_entry(const bpi_log *log, bpi_rewrite *r, bp_error *error)
{
    const bpi_segment_entry *last = &r->sources[r->count - 1].entry;
    int code = 0;
    r->entry = (bpi_segment_entry){.ordinal = r->sources[0].entry.ordinal,
                                   .generation = r->sources[0].entry.generation + 1,
                                   .state = BPI_SEGMENT_SEALED,
                                   .link = last->link,
                                   .first_sequence = r->sources[0].entry.first_sequence,
                                   .last_hlc = last->last_hlc,
                                   .rewritten = true};
    for (size_t i = 0; i < r->count; i++) {
        r->entry.count += r->sources[i].entry.count;
    }
    while (r->entry.salt == 0 && code == 0) {
        code = log->home.random->fill(log->home.random->context, &r->entry.salt, sizeof r->entry.salt);
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot draw a salt for a segment");
}

static void say_how_much(const bpi_survey *sources, size_t count, bp_error *error)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += sources[i].length_after;
    }
    bpi_error_hint(
        error,
        "make room for %llu bytes and ask again: the new segment is written before the old ones go, one at a "
        "time; what was rewritten until now stays so",
        (unsigned long long)bytes);
}

bp_status bpi_log_rewrite(bpi_log *log, const bpi_survey *sources, size_t count, const bpi_rewrite_calls *calls,
                          bpi_rewrite *rewrite_out, bp_error *error)
{
    *rewrite_out = (bpi_rewrite){.sources = sources, .count = count};
    uint32_t link = 0;
    bp_status status = begin_entry(log, rewrite_out, error);
    if (status == BP_OK) {
        (void)pthread_mutex_lock(&log->catalog_lock);
        status = list_pending(log, rewrite_out, &link, error);
        (void)pthread_mutex_unlock(&log->catalog_lock);
    }
    if (status != BP_OK) {
        return status;
    }
    rewriting *w = bpi_allocate_zero(log->home.allocator, sizeof *w);
    if (w == NULL) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to rewrite a segment");
    } else {
        w->log = log;
        w->r = rewrite_out;
        w->calls = calls;
        status = make_file(w, link, error);
        bpi_release(log->home.allocator, w, sizeof *w);
    }
    if (status != BP_OK) {
        bpi_log_rewrite_abandon(log, rewrite_out);
    }
    if (status == BP_ERR_NO_SPACE) {
        say_how_much(sources, count, error);
    }
    return status;
}

/* ---- the swap ---- */

/* 0 or an errno: then it may still be there, and its entry must stay for the next opening, which removes it. */
static int remove_file(const bpi_log *log, const bpi_segment_entry *entry)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    if (bpi_planted(BPI_PLANT_OLD_SEGMENT_LEFT)) {
        return 0;
    }
    int code = log->home.io->dir_remove(log->home.io->context, log->home.log, name);
    return code == ENOENT ? 0 : code;
}

/* With the catalog lock. The entries as they are to be; `saved`: as they were. */
static bp_status swap_locked(bpi_log *log, bpi_rewrite *r, bpi_segment_entry *saved, bp_error *error)
{
    bpi_catalog *catalog = &log->catalog;
    const bpi_segment_entry *before = NULL;
    size_t at = 0;
    bp_status status = find_sources(catalog, r, &at, &before, error);
    if (status != BP_OK) {
        return status;
    }
    memcpy(saved, catalog->entries, catalog->count * sizeof *saved);
    for (size_t i = 0; i < r->count; i++) {
        if (bpi_planted(BPI_PLANT_SOURCES_REMOVED_EARLY)) {
            (void)remove_file(log, &r->sources[i].entry);
        }
        catalog->entries[find(catalog, &r->sources[i].entry)].state = BPI_SEGMENT_RETIRED;
    }
    catalog->entries[find(catalog, &r->entry)] = r->entry;
    status = store_catalog(log, error);
    if (status != BP_OK) {
        memcpy(catalog->entries, saved, catalog->count * sizeof *saved);
        return catalog->slot_unknown ? bpi_log_fail(log, status, error) : status;
    }
    r->swapped = true;
    return BP_OK;
}

bp_status bpi_log_rewrite_swap(bpi_log *log, bpi_rewrite *rewrite, bp_error *error)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    size_t size = log->catalog.count * sizeof(bpi_segment_entry);
    bpi_segment_entry *saved = bpi_allocate(log->home.allocator, size);
    bp_status status = saved == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list a segment")
                                     : swap_locked(log, rewrite, saved, error);
    bool unknown = log->catalog.slot_unknown;
    bpi_release(log->home.allocator, saved, size);
    (void)pthread_mutex_unlock(&log->catalog_lock);
    if (status != BP_OK && !unknown) {
        bpi_log_rewrite_abandon(log, rewrite);
    }
    return status;
}

static void forget_entry(bpi_log *log, const bpi_segment_entry *entry)
{
    size_t i = find(&log->catalog, entry);
    if (i < log->catalog.count && log->catalog.entries[i].state == BPI_SEGMENT_RETIRED) {
        take_out(&log->catalog, i);
    }
}

bp_status bpi_log_rewrite_retire(bpi_log *log, const bpi_rewrite *rewrite, bp_error *error)
{
    int code = 0;
    for (size_t i = 0; i < rewrite->count; i++) {
        int one = remove_file(log, &rewrite->sources[i].entry);
        code = code == 0 ? one : code;
    }
    /* Before a list that does not name them any more: a file that came back with the power would be unlisted. */
    if (code == 0 && !bpi_planted(BPI_PLANT_REMOVAL_UNSYNCED)) {
        code = log->home.io->dir_sync(log->home.io->context, log->home.log);
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "a segment was rewritten, but its old file cannot be removed");
        bpi_error_hint(error, "ask again, or open the store anew: that removes it");
        return status;
    }
    (void)pthread_mutex_lock(&log->catalog_lock);
    for (size_t i = 0; i < rewrite->count; i++) {
        forget_entry(log, &rewrite->sources[i].entry);
    }
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return BP_OK;
}

void bpi_log_rewrite_abandon(bpi_log *log, bpi_rewrite *rewrite)
{
    if (!rewrite->pending || rewrite->swapped) {
        return;
    }
    int code = remove_file(log, &rewrite->entry);
    rewrite->pending = false;
    if (code != 0 || log->home.io->dir_sync(log->home.io->context, log->home.log) != 0) {
        return; /* its entry stays, so that the next opening removes what comes back */
    }
    (void)pthread_mutex_lock(&log->catalog_lock);
    forget_entry(log, &rewrite->entry);
    (void)pthread_mutex_unlock(&log->catalog_lock);
}

/* ---- questions ---- */

bp_status bpi_log_sealed(bpi_log *log, bpi_segment_entry **entries_out, size_t *count_out, bp_error *error)
{
    (void)pthread_mutex_lock(&log->catalog_lock);
    const bpi_catalog *catalog = &log->catalog;
    bpi_segment_entry *entries = bpi_allocate(log->home.allocator, (catalog->count + 1) * sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; entries != NULL && i < catalog->count; i++) {
        if (catalog->entries[i].state == BPI_SEGMENT_SEALED) {
            entries[count++] = catalog->entries[i];
        }
    }
    size_t capacity = catalog->count + 1;
    (void)pthread_mutex_unlock(&log->catalog_lock);
    *entries_out = entries;
    *count_out = count;
    if (entries == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list the segments");
    }
    /* Given back with the size that it has. */
    *entries_out = bpi_resize(log->home.allocator, entries, capacity * sizeof *entries, (count + 1) * sizeof *entries);
    if (*entries_out == NULL) {
        bpi_release(log->home.allocator, entries, capacity * sizeof *entries);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list the segments");
    }
    return BP_OK;
}

bool bpi_log_is_listed(bpi_log *log, uint32_t ordinal, uint32_t generation)
{
    bpi_segment_entry entry = {.ordinal = ordinal, .generation = generation};
    (void)pthread_mutex_lock(&log->catalog_lock);
    size_t i = find(&log->catalog, &entry);
    bool listed = i < log->catalog.count && log->catalog.entries[i].state == BPI_SEGMENT_SEALED;
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return listed;
}
