/*
 * making.c: see making.h.
 *
 * The order, and what a crash behind each step leaves: INCOMPLETE (nothing that opens) · segments, positions, keys (the same) ·
 * list and manifest (the same, INCOMPLETE being there) · the proof · the store's note (of a snapshot that there may
 * not be) · INCOMPLETE renamed or removed: complete.
 */
#include "store/making.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "format/consumer.h"
#include "io/optional.h"
#include "store/intent.h"
#include "store/verify.h"

enum { POSITION_NAME = 36 };

/* ---- proving ---- */

typedef struct first_fault {
    bool found;
    char what[256];
    char file[BP_ERROR_PATH_SIZE];
    uint64_t offset;
} first_fault;

static int keep_first(void *context, const bp_fault *fault)
{
    first_fault *first = context;
    if (!first->found) {
        first->found = true;
        (void)snprintf(first->what, sizeof first->what, "%s", fault->what);
        (void)snprintf(first->file, sizeof first->file, "%s", fault->file);
        first->offset = fault->offset;
    }
    return 0;
}

bp_status bpi_prove(const bpi_home *home, bp_progress_fn progress, void *context, bp_verify_report *report,
                    bp_error *error)
{
    first_fault first = {0};
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.fault = keep_first;
    options.fault_context = &first;
    options.progress = progress;
    options.progress_context = context;
    bp_status status = bpi_verify_home(home, &options, report, error);
    if (status == BP_ERR_CORRUPT && first.found) {
        bpi_error_set(error, BP_ERR_CORRUPT, "%llu faults, the first: %s", (unsigned long long)report->faults,
                      first.what);
        bpi_error_at(error, first.offset, "%s/%s", home->path, first.file);
    }
    return status;
}

/* ---- bringing over ---- */

static bool is_position(const char *name)
{
    size_t size = strlen(name);
    return size == POSITION_NAME && strcmp(name + size - 4, ".pos") == 0;
}

/* Of keys/: what is whole. */
static bool is_key(const char *name)
{
    size_t size = strlen(name);
    return (size < 4 || strcmp(name + size - 4, ".new") != 0) && (size < 5 || strcmp(name + size - 5, ".lock") != 0);
}

bp_status bpi_make_gather(bpi_making *m, const bpi_home *home, bool consumers, bp_error *error)
{
    bpi_buffer_init(&m->consumers, home->allocator);
    bpi_buffer_init(&m->keys, home->allocator);
    bpi_buffer_init(&m->erasures, home->allocator);
    bp_status status = consumers ? bpi_folder_read(home, "consumers", is_position, &m->consumers, error) : BP_OK;
    if (status != BP_OK) {
        bpi_make_forget(m);
    }
    return status;
}

bp_status bpi_make_gather_keys(bpi_making *m, const bpi_home *home, bp_error *error)
{
    return bpi_folder_read(home, "keys", is_key, &m->keys, error);
}

bp_status bpi_make_gather_erasures(bpi_making *m, const bpi_home *home, bp_error *error)
{
    return bpi_folder_read(home, NULL, bpi_intent_named, &m->erasures, error);
}

void bpi_make_forget(bpi_making *m)
{
    bpi_folder_forget(&m->erasures);
    bpi_folder_forget(&m->consumers);
    bpi_folder_forget(&m->keys);
}

/* A consumer that does not wait for syncs may be ahead of what is durable: its position would fit no event of the copy. */
static void leave_out_what_is_ahead(bpi_making *m)
{
    bpi_folder_file *file = NULL;
    const uint8_t *bytes = NULL;
    for (size_t at = 0; bpi_folder_next(&m->consumers, &at, &file, &bytes);) {
        bpi_consumer_file consumer;
        uint32_t version = 0;
        const char *fault = bpi_consumer_get(bytes, (size_t)file->size, &consumer, &version);
        file->left_out = fault == NULL && consumer.position.next > m->picture.events;
    }
}

static bp_status bring(bpi_making *m, bp_error *error)
{
    const bpi_home *target = &m->site.home;
    uint32_t erasures = 0;
    m->transfer.picture = &m->picture;
    m->transfer.target = target;
    m->transfer.progress = m->progress;
    m->transfer.progress_context = m->progress_context;
    bp_status status = bpi_transfer_segments(&m->transfer, error);
    if (status == BP_OK) {
        leave_out_what_is_ahead(m);
        status = bpi_folder_write(target, "consumers", &m->consumers, &m->report.consumers, error);
    }
    if (status == BP_OK) {
        status = bpi_folder_write(target, "keys", &m->keys, &m->report.keys, error);
    }
    if (status == BP_OK) {
        status = bpi_folder_write(target, NULL, &m->erasures, &erasures, error);
    }
    return status == BP_OK ? bpi_transfer_catalog(&m->transfer, m->epoch, error) : status;
}

static void tell(bpi_making *m, const bp_verify_report *proven)
{
    const bpi_transfer *t = &m->transfer;
    bp_snapshot_report *report = &m->report;
    report->store_id = m->picture.catalog.manifest.store_id;
    report->events = m->picture.events;
    report->frontier = m->picture.frontier;
    report->epoch = m->epoch;
    report->root = proven->root;
    report->segments = m->picture.catalog.count;
    report->linked = t->linked;
    report->reused = t->reused;
    report->cloned = t->cloned;
    report->copied = t->copied;
    report->shared_bytes = t->shared_bytes;
    report->copied_bytes = t->copied_bytes;
    m->note.root = proven->root;
    m->note.flags = (m->report.consumers != 0 ? BPI_NOTE_CONSUMERS : 0u) | (m->report.keys != 0 ? BPI_NOTE_KEYS : 0u) |
                    (t->linked + t->reused + t->cloned != 0 ? BPI_NOTE_SHARED : 0u);
}

static bp_status prove(bpi_making *m, bp_error *error)
{
    bp_verify_report proven;
    bp_status status = bpi_prove(&m->site.home, m->progress, m->progress_context, &proven, error);
    if (status == BP_OK && (proven.events != m->picture.events || proven.unsettled_bytes != 0)) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "it holds %llu events of %llu", (unsigned long long)proven.events,
                               (unsigned long long)m->picture.events);
    }
    if (status != BP_OK) {
        return bpi_error_wrap(error, status, "what was copied does not hold");
    }
    tell(m, &proven);
    return BP_OK;
}

/* ---- the store's own note of it ---- */

static int write_note(const bpi_home *home, const char *name, const uint8_t *bytes, size_t size)
{
    const bp_io *io = home->io;
    bp_dir *dir = NULL;
    int code = io->dir_open_at(io->context, home->root, BPI_NOTE_FOLDER, true, &dir);
    if (code != 0) {
        return code;
    }
    code = io->dir_sync(io->context, home->root);
    code = code == 0 ? bpi_write_fresh(home, dir, name, bytes, size) : code;
    code = code == 0 ? io->dir_sync(io->context, dir) : code;
    io->dir_close(io->context, dir);
    return code;
}

static bp_status record(bpi_making *m, bp_error *error)
{
    char name[BPI_NOTE_ID_NAME];
    if (m->record == NULL) {
        return BP_OK;
    }
    uint8_t *bytes = bpi_allocate(m->record->allocator, BPI_NOTE_SIZE_MAX);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to note the snapshot");
    }
    bpi_note_name(&m->note.id, name);
    int code = write_note(m->record, name, bytes, bpi_note_put(&m->note, bytes));
    bpi_release(m->record->allocator, bytes, BPI_NOTE_SIZE_MAX);
    m->report.recorded = code == 0;
    if (code == 0 || code == EROFS || code == EACCES || code == EPERM) {
        return BP_OK; /* a store that cannot be written to cannot be erased in either */
    }
    bp_status status = bpi_error_system(error, code, "cannot note the snapshot in the store");
    bpi_error_file(error, "%s/" BPI_NOTE_FOLDER "/%s", m->record->path, name);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

static void unrecord(const bpi_making *m)
{
    char name[BPI_NOTE_ID_NAME];
    bp_dir *dir = NULL;
    if (!m->report.recorded) {
        return;
    }
    const bp_io *io = m->record->io;
    bpi_note_name(&m->note.id, name);
    if (io->dir_open_at(io->context, m->record->root, BPI_NOTE_FOLDER, false, &dir) == 0) {
        (void)io->dir_remove(io->context, dir, name);
        io->dir_close(io->context, dir);
    }
}

/* ---- all of it ---- */

static bp_status begin(bpi_making *m, bp_error *error)
{
    const bpi_picture *picture = &m->picture;
    bpi_note *note = &m->note;
    note->store_id = picture->catalog.manifest.store_id;
    note->frontier = picture->frontier;
    note->events = picture->events;
    note->epoch = m->epoch;
    note->flags = m->snapshot ? 0 : BPI_NOTE_RESTORE;
    note->time_us = picture->home->clock->now_us(picture->home->clock->context);
    int code = 0;
    if (m->snapshot) {
        code = picture->home->random->fill(picture->home->random->context, note->id.bytes, sizeof note->id.bytes);
        m->report.id = note->id;
    }
    return code == 0 ? bpi_site_begin(&m->site, note, error) : bpi_error_system(error, code, "cannot draw an id");
}

/* Its absolute path if that is known, for who looks for it later from somewhere else. */
static void name_site(bpi_making *m)
{
    bpi_note *note = &m->note;
    const bpi_home *home = &m->site.home;
    if (bpi_io_path(home->io, home->root, note->path, sizeof note->path) != 0) {
        (void)snprintf(note->path, sizeof note->path, "%s", home->path);
    }
    note->path_size = (uint32_t)strlen(note->path);
}

bp_status bpi_make(bpi_making *m, bp_error *error)
{
    bp_status status = begin(m, error);
    if (status == BP_OK) {
        status = bring(m, error);
    }
    if (m->brought != NULL) {
        m->brought(m->brought_argument);
    }
    if (status == BP_OK) {
        status = prove(m, error);
    }
    if (status == BP_OK && m->snapshot) {
        name_site(m);
        status = record(m, error);
    }
    if (status == BP_OK) {
        status = bpi_site_finish(&m->site, m->snapshot ? &m->note : NULL, error);
    }
    if (status != BP_OK) {
        if (bpi_site_undo(&m->site)) {
            unrecord(m);
        }
    }
    bpi_site_close(&m->site);
    bpi_picture_free(&m->picture);
    bpi_make_forget(m);
    return status;
}
