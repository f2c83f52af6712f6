/*
 * snapshots.c: what a store knows of its snapshots: one note for each, in snapshots/.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/site.h"
#include "store/making.h"
#include "store/store.h"

enum { ID_DIGITS = 32 };

typedef struct found_note {
    int64_t time_us;
    bp_id id;
} found_note;

typedef struct looking {
    const bpi_home *home;
    bp_dir *dir;
    bpi_buffer ids;   /* bp_id, as the listing gives them */
    bpi_buffer notes; /* found_note, to be sorted */
    bpi_note note;    /* of whichever is looked at */
    bpi_note there;   /* what lies at its path */
    bp_status status; /* of the first note that could not be told of */
    bp_error error;
} looking;

static int take_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    looking *l = argument;
    bp_id id;
    (void)size;
    if (is_directory || strlen(name) != ID_DIGITS || !bp_id_parse(name, ID_DIGITS, &id)) {
        return 0;
    }
    return bpi_buffer_append(&l->ids, &id, sizeof id) ? 0 : ENOMEM;
}

static bp_status open_folder(looking *l, bp_store *store, bp_error *error)
{
    memset(l, 0, sizeof *l);
    l->home = store->reader ? &store->follower.home : &store->log.home;
    bpi_buffer_init(&l->ids, store->allocator);
    bpi_buffer_init(&l->notes, store->allocator);
    const bp_io *io = l->home->io;
    int code = io->dir_open_at(io->context, l->home->root, BPI_NOTE_FOLDER, false, &l->dir);
    if (code != 0 && code != ENOENT) {
        bp_status status = bpi_error_system(error, code, "cannot look for the store's snapshots");
        bpi_error_file(error, "%s/" BPI_NOTE_FOLDER, l->home->path);
        return status;
    }
    return BP_OK;
}

static void close_folder(looking *l)
{
    bpi_buffer_fini(&l->ids);
    bpi_buffer_fini(&l->notes);
    if (l->dir != NULL) {
        l->home->io->dir_close(l->home->io->context, l->dir);
    }
}

static bp_status read_one(looking *l, const bp_id *id, bp_error *error)
{
    char name[BPI_NOTE_ID_NAME];
    bpi_note_name(id, name);
    bp_status status = bpi_note_read(l->home, l->dir, name, &l->note, error);
    if (status == BP_OK && !bp_id_equal(&l->note.id, id)) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "the note of a snapshot has another's name");
    }
    if (status != BP_OK) {
        bpi_error_file(error, "%s/" BPI_NOTE_FOLDER "/%s", l->home->path, name);
    }
    return status;
}

static int older(const void *a, const void *b)
{
    const found_note *x = a;
    const found_note *y = b;
    int order = (x->time_us > y->time_us) - (x->time_us < y->time_us);
    return order != 0 ? order : memcmp(x->id.bytes, y->id.bytes, sizeof x->id.bytes);
}

/* One that cannot be told of keeps none from being: the first error is for the end. */
static void keep_first(looking *l, bp_status status, const bp_error *own)
{
    if (l->status == BP_OK) {
        l->status = status;
        l->error = *own;
    }
}

static bp_status sort_notes(looking *l, bp_error *error)
{
    const bp_io *io = l->home->io;
    int code = io->dir_list(io->context, l->dir, take_name, l);
    bp_status status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot look for the store's snapshots");
    for (size_t at = 0; status == BP_OK && at < l->ids.size; at += sizeof(bp_id)) {
        bp_id id;
        bp_error own = {0};
        memcpy(&id, l->ids.data + at, sizeof id);
        bp_status read = read_one(l, &id, &own);
        if (read != BP_OK) {
            if (read != BP_ERR_NOT_FOUND) { /* forgotten meanwhile */
                keep_first(l, read, &own);
            }
            continue;
        }
        found_note note = {.time_us = l->note.time_us, .id = id};
        if (!bpi_buffer_append(&l->notes, &note, sizeof note)) {
            status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to look for snapshots");
        }
    }
    if (status == BP_OK && l->notes.size != 0) {
        qsort(l->notes.data, l->notes.size / sizeof(found_note), sizeof(found_note), older);
    }
    return status;
}

/* Does that very snapshot lie at its path still? What lies there may be anything; but when it cannot be looked at, "no" would be a
 * guess. */
static bp_status find_there(looking *l, bool *present_out, bp_error *error)
{
    const bp_io *io = l->home->io;
    bp_dir *dir = NULL;
    *present_out = false;
    int code = io->dir_open(io->context, l->note.path, false, &dir);
    if (code == ENOENT || code == ENOTDIR) {
        return BP_OK;
    }
    bp_status status = BP_OK;
    if (code != 0) {
        status = bpi_error_system(error, code, "cannot look whether a snapshot is still there");
    } else {
        status = bpi_note_read(l->home, dir, BPI_NOTE_NAME, &l->there, error);
        io->dir_close(io->context, dir);
    }
    *present_out = status == BP_OK && bp_id_equal(&l->there.id, &l->note.id);
    if (status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION) {
        return BP_OK; /* something else */
    }
    if (status != BP_OK) {
        bpi_error_file(error, "%s", l->note.path);
    }
    return status;
}

static bp_status show_all(looking *l, bp_snapshot_fn visit, void *argument, bp_error *error)
{
    bp_status status = sort_notes(l, error);
    bool stopped = false;
    for (size_t at = 0; status == BP_OK && !stopped && at < l->notes.size; at += sizeof(found_note)) {
        found_note found;
        bp_error own = {0};
        bool present = false;
        memcpy(&found, l->notes.data + at, sizeof found);
        bp_status read = read_one(l, &found.id, &own);
        if (read == BP_ERR_NOT_FOUND) {
            continue; /* forgotten meanwhile */
        }
        read = read == BP_OK ? find_there(l, &present, &own) : read;
        if (read != BP_OK) {
            keep_first(l, read, &own);
            continue;
        }
        bp_snapshot_info info = {.id = l->note.id,
                                 .time_us = l->note.time_us,
                                 .events = l->note.events,
                                 .root = l->note.root,
                                 .shares = (l->note.flags & BPI_NOTE_SHARED) != 0,
                                 .keys = (l->note.flags & BPI_NOTE_KEYS) != 0,
                                 .present = present,
                                 .path = l->note.path};
        stopped = visit(argument, &info) != 0;
    }
    if (status == BP_OK && !stopped && l->status != BP_OK) {
        status = l->status;
        if (error != NULL) {
            *error = l->error;
        }
    }
    return status;
}

static bp_status begin(bp_store *store, looking **looking_out, bp_error *error)
{
    looking *l = bpi_allocate(store->allocator, sizeof *l);
    if (l == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to look for snapshots");
    }
    bp_status status = open_folder(l, store, error);
    if (status != BP_OK) {
        bpi_release(store->allocator, l, sizeof *l);
        l = NULL;
    }
    *looking_out = l;
    return status;
}

bp_status bp_snapshots(bp_store *store, bp_snapshot_fn visit, void *argument, bp_error *error)
{
    looking *l = NULL;
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (visit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "visit is NULL");
    }
    status = begin(store, &l, error);
    if (l == NULL) {
        return status;
    }
    status = l->dir != NULL ? show_all(l, visit, argument, error) : BP_OK;
    close_folder(l);
    bpi_release(store->allocator, l, sizeof *l);
    return status;
}

static bp_status forget(const looking *l, const bp_id *id, bp_error *error)
{
    const bp_io *io = l->home->io;
    char name[BPI_NOTE_ID_NAME];
    bpi_note_name(id, name);
    int code = l->dir == NULL ? ENOENT : io->dir_remove(io->context, l->dir, name);
    if (code == ENOENT) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "the store has no note of a snapshot %s", name);
    }
    code = code == 0 ? io->dir_sync(io->context, l->dir) : code;
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot remove the note of snapshot %s", name);
}

bp_status bp_snapshot_forget(bp_store *store, const bp_id *id, bp_error *error)
{
    looking *l = NULL;
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (id == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "id is NULL");
    }
    status = begin(store, &l, error);
    if (l == NULL) {
        return status;
    }
    status = forget(l, id, error);
    close_folder(l);
    bpi_release(store->allocator, l, sizeof *l);
    return status;
}
