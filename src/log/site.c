/*
 * site.c: see site.h.
 */
#include "log/site.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "io/optional.h"

enum { NAME_SIZE = 256, FOUND_MAX = 64 };

/* Of files that are to be removed, some at a time. */
typedef struct bpi_site_names {
    char found[FOUND_MAX][NAME_SIZE];
    bool is_directory[FOUND_MAX];
    size_t count;
} names;

/* ---- looking ---- */

/* Cuts "a/b/c//" into "a/b/" (or ".") and "c". False: the last part is none that a directory could be made under. */
static bool cut_path(bpi_site *site, char **parent_out)
{
    char *path = site->parts;
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') {
        path[--end] = '\0';
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    site->name = path + start;
    if (start == end || strcmp(site->name, ".") == 0 || strcmp(site->name, "..") == 0) {
        return false;
    }
    /* room was left for moving the name by one */
    memmove(path + start + 1, path + start, end - start + 1);
    path[start] = '\0';
    site->name = path + start + 1;
    *parent_out = path;
    return true;
}

static bp_status refuse_inside(const bpi_site *site, const bpi_home *source, bp_dir *dir, bp_error *error)
{
    bool within = false;
    int code = bpi_io_is_within(source->io, dir, source->root, &within);
    if (code != 0 && code != ENOSYS) {
        return bpi_error_system(error, code, "cannot find out where %s lies", site->home.path);
    }
    if (within) {
        bpi_error_set(error, BP_ERR_ARGUMENT, "%s lies inside of %s, which is to be copied", site->home.path,
                      source->path);
        bpi_error_hint(error, "name a directory beside it");
        return BP_ERR_ARGUMENT;
    }
    return BP_OK;
}

static bp_status refuse_entry(const bpi_site *site, const char *found, bp_error *error)
{
    bool broken = strcmp(found, BPI_NOTE_MARKER) == 0;
    bpi_error_set(error, BP_ERR_NOT_EMPTY, "%s is not empty: it holds %s", site->home.path, found);
    bpi_error_hint(error, broken ? "remove what a broken off copy left there" : "name an empty or new directory");
    return BP_ERR_NOT_EMPTY;
}

static int first_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    char *found = argument;
    (void)is_directory;
    (void)size;
    strncpy(found, name, NAME_SIZE - 1);
    return ECANCELED;
}

static bp_status refuse_used(const bpi_site *site, bp_error *error)
{
    char found[NAME_SIZE] = {0};
    const bp_io *io = site->home.io;
    int code = io->dir_list(io->context, site->home.root, first_entry, found);
    if (code == ECANCELED) {
        return refuse_entry(site, found, error);
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot list %s", site->home.path);
}

static bp_status open_parent(bpi_site *site, const char *path, bp_error *error)
{
    const bp_io *io = site->home.io;
    int code = io->dir_open(io->context, path[0] == '\0' ? "." : path, false, &site->parent);
    if (code == ENOENT && path[0] == '\0') {
        code = io->dir_open(io->context, "", false, &site->parent); /* worlds whose top has no name */
    }
    if (code == ENOENT) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "the directory above %s does not exist", site->home.path);
        bpi_error_hint(error, "make that directory first");
        return BP_ERR_NOT_FOUND;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot open the directory above %s", site->home.path);
}

static bp_status open_target(bpi_site *site, bool create, bp_error *error)
{
    const bp_io *io = site->home.io;
    int code = io->dir_open_at(io->context, site->parent, site->name, create, &site->home.root);
    if (code == ENOTDIR || code == ELOOP) {
        bpi_error_set(error, BP_ERR_EXISTS, "%s is no directory, or a symbolic link, which is not followed",
                      site->home.path);
        bpi_error_hint(error, "name a new directory, by its own path");
        return BP_ERR_EXISTS;
    }
    if (code == ENOENT && !create) {
        site->made = true; /* by bpi_site_begin */
        return BP_OK;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot open %s", site->home.path);
}

bp_status bpi_site_open(bpi_site *site, const bpi_home *source, const char *path, bp_error *error)
{
    memset(site, 0, sizeof *site);
    site->home = *source;
    site->home.root = NULL;
    site->home.log = NULL;
    site->home.path = (char *)(uintptr_t)path; /* for messages alone */
    site->parts_size = strlen(path) + 2;
    site->parts = bpi_allocate(source->allocator, site->parts_size);
    site->names = bpi_allocate(source->allocator, sizeof *site->names);
    if (site->parts == NULL || site->names == NULL) {
        bpi_site_close(site);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to make a copy");
    }
    memcpy(site->parts, path, site->parts_size - 1);
    char *parent = NULL;
    bp_status status = BP_OK;
    if (cut_path(site, &parent)) {
        status = open_parent(site, parent, error);
        status = status == BP_OK ? refuse_inside(site, source, site->parent, error) : status;
        status = status == BP_OK ? open_target(site, false, error) : status;
    } else {
        int code = source->io->dir_open(source->io->context, path, false, &site->home.root);
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot open %s", path);
    }
    if (status == BP_OK && site->home.root != NULL) {
        status = refuse_inside(site, source, site->home.root, error);
        status = status == BP_OK ? refuse_used(site, error) : status;
    }
    if (status != BP_OK) {
        bpi_site_close(site);
    }
    return status;
}

void bpi_site_close(bpi_site *site)
{
    const bp_io *io = site->home.io;
    bp_dir *const dirs[] = {site->home.log, site->home.root, site->parent};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        if (dirs[i] != NULL) {
            io->dir_close(io->context, dirs[i]);
        }
    }
    if (site->parts != NULL) {
        bpi_release(site->home.allocator, site->parts, site->parts_size);
    }
    if (site->names != NULL) {
        bpi_release(site->home.allocator, site->names, sizeof *site->names);
    }
    site->home.log = NULL;
    site->home.root = NULL;
    site->parent = NULL;
    site->parts = NULL;
    site->names = NULL;
}

/* ---- making ---- */

int bpi_write_fresh(const bpi_home *home, bp_dir *dir, const char *name, const void *data, size_t size)
{
    const bp_io *io = home->io;
    bp_file *file = NULL;
    int code = io->file_open(io->context, dir, name, BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, &file);
    if (code != 0) {
        return code;
    }
    code = io->file_write(io->context, file, 0, data, size);
    if (code == 0) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    io->file_close(io->context, file);
    return code;
}

static int begin(bpi_site *site, const uint8_t *bytes, size_t size)
{
    const bp_io *io = site->home.io;
    int code = site->parent != NULL ? io->dir_sync(io->context, site->parent) : 0;
    if (code == 0) {
        code = bpi_write_fresh(&site->home, site->home.root, BPI_NOTE_MARKER, bytes, size);
        site->begun = code != EEXIST;
    }
    return code == 0 ? io->dir_sync(io->context, site->home.root) : code;
}

static int other_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    return strcmp(name, BPI_NOTE_MARKER) == 0 ? 0 : first_entry(argument, name, is_directory, size);
}

/* A writer may have begun a store here before the marker was there; one who begins behind it meets it. What is there then is his. */
static bp_status refuse_beside(bpi_site *site, bp_error *error)
{
    char found[NAME_SIZE] = {0};
    const bp_io *io = site->home.io;
    int code = io->dir_list(io->context, site->home.root, other_entry, found);
    if (code != ECANCELED) {
        return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot list %s", site->home.path);
    }
    site->begun = false;
    (void)io->dir_remove(io->context, site->home.root, BPI_NOTE_MARKER);
    return refuse_entry(site, found, error);
}

bp_status bpi_site_make(bpi_site *site, bp_error *error)
{
    if (site->home.root != NULL) {
        return BP_OK;
    }
    bp_status status = open_target(site, true, error);
    return status == BP_OK ? refuse_used(site, error) : status; /* it may have come since we looked */
}

bp_status bpi_site_begin(bpi_site *site, const bpi_note *note, bp_error *error)
{
    bp_status status = bpi_site_make(site, error);
    if (status != BP_OK) {
        return status;
    }
    uint8_t *bytes = bpi_allocate(site->home.allocator, BPI_NOTE_SIZE_MAX);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to make a copy");
    }
    int code = begin(site, bytes, bpi_note_put(note, bytes));
    bpi_release(site->home.allocator, bytes, BPI_NOTE_SIZE_MAX);
    if (code == EEXIST) {
        bpi_error_set(error, BP_ERR_NOT_EMPTY, "something else is being made in %s", site->home.path);
        return BP_ERR_NOT_EMPTY;
    }
    if (code != 0) {
        status = bpi_error_system(error, code, "cannot write into %s", site->home.path);
        return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
    }
    status = refuse_beside(site, error);
    return status == BP_OK ? bpi_home_make_log(&site->home, error) : status;
}

static int replace_marker(bpi_site *site, const bpi_note *note, uint8_t *bytes)
{
    const bp_io *io = site->home.io;
    bp_file *file = NULL;
    int code = io->file_open(io->context, site->home.root, BPI_NOTE_MARKER, BP_OPEN_WRITE, &file);
    if (code != 0) {
        return code;
    }
    code = io->file_write(io->context, file, 0, bytes, bpi_note_put(note, bytes));
    if (code == 0) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    io->file_close(io->context, file);
    return code == 0 ? io->dir_rename(io->context, site->home.root, BPI_NOTE_MARKER, BPI_NOTE_NAME) : code;
}

bp_status bpi_site_finish(bpi_site *site, const bpi_note *note, bp_error *error)
{
    const bp_io *io = site->home.io;
    int code = 0;
    if (note == NULL) {
        code = io->dir_remove(io->context, site->home.root, BPI_NOTE_MARKER);
    } else {
        uint8_t *bytes = bpi_allocate(site->home.allocator, BPI_NOTE_SIZE_MAX);
        code = bytes == NULL ? ENOMEM : replace_marker(site, note, bytes);
        bpi_release(site->home.allocator, bytes, BPI_NOTE_SIZE_MAX);
    }
    site->unmarked = code == 0;
    if (code == 0 && !bpi_planted(BPI_PLANT_COMPLETION_UNSYNCED)) {
        code = io->dir_sync(io->context, site->home.root);
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot complete %s", site->home.path);
}

/* ---- taking back ---- */

static int note_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    names *list = argument;
    (void)size;
    if (strcmp(name, BPI_NOTE_MARKER) == 0) {
        return 0;
    }
    strncpy(list->found[list->count], name, NAME_SIZE - 1);
    list->is_directory[list->count] = is_directory;
    list->count++;
    return list->count == FOUND_MAX ? ECANCELED : 0;
}

/* Files first; what cannot be removed, or listed, ends it. */
static bool empty_folder(const bp_io *io, bp_dir *dir, names *list)
{
    for (;;) {
        memset(list, 0, sizeof *list);
        int code = io->dir_list(io->context, dir, note_name, list);
        if (code != 0 && code != ECANCELED) {
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            if (list->is_directory[i] || io->dir_remove(io->context, dir, list->found[i]) != 0) {
                return false;
            }
        }
        if (list->count == 0) {
            return true;
        }
    }
}

static void remove_folder(const bp_io *io, bp_dir *root, const char *name, names *list)
{
    bp_dir *dir = NULL;
    if (io->dir_open_at(io->context, root, name, false, &dir) == 0) {
        bool emptied = empty_folder(io, dir, list);
        io->dir_close(io->context, dir);
        if (emptied) {
            (void)io->dir_remove(io->context, root, name);
        }
    }
}

/* The marker had gone before the end failed: it comes back, for good, before anything else goes. */
static bool mark_again(bpi_site *site)
{
    const bp_io *io = site->home.io;
    if (!site->unmarked) {
        return true;
    }
    int code = io->dir_rename(io->context, site->home.root, BPI_NOTE_NAME, BPI_NOTE_MARKER);
    if (code == ENOENT) {
        code = bpi_write_fresh(&site->home, site->home.root, BPI_NOTE_MARKER, BPI_NOTE_MARKER, 1);
    }
    return code == 0 && io->dir_sync(io->context, site->home.root) == 0;
}

bool bpi_site_undo(bpi_site *site)
{
    static const char *const folders[] = {"log", "consumers", "keys"};
    const bp_io *io = site->home.io;
    names *list = site->names;
    if (site->home.root != NULL && site->begun && !mark_again(site)) {
        return false;
    }
    if (site->home.root != NULL && site->begun) {
        /* without its manifest it is nothing from the first step on */
        (void)io->dir_remove(io->context, site->home.root, "MANIFEST");
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
            remove_folder(io, site->home.root, folders[i], list);
        }
        /* A power cut must not bring the manifest back without the marker: the marker goes last, and only when the rest is gone for
         * good. */
        if (empty_folder(io, site->home.root, list) && io->dir_sync(io->context, site->home.root) == 0) {
            (void)io->dir_remove(io->context, site->home.root, BPI_NOTE_MARKER);
        }
    }
    if (site->made && site->parent != NULL && site->home.root != NULL) {
        (void)io->dir_remove(io->context, site->parent, site->name);
    }
    return true;
}

/* ---- notes ---- */

bp_status bpi_note_read(const bpi_home *home, bp_dir *dir, const char *name, bpi_note *note_out, bp_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum { MOST = BPI_NOTE_SIZE_MAX + 1 };
    bp_status status = bpi_read_file(home, dir, name, MOST, &bytes, &size, error);
    if (status != BP_OK) {
        return status;
    }
    const char *fault = bpi_note_get(bytes, size, note_out);
    bpi_release(home->allocator, bytes, MOST + 1);
    if (fault == NULL) {
        return BP_OK;
    }
    status = strcmp(fault, "newer") == 0 ? BP_ERR_VERSION : BP_ERR_CORRUPT;
    bpi_error_set(
        error, status, "the note of a snapshot is %s%s",
        status == BP_ERR_VERSION ? "written by a newer version" : "damaged: ", status == BP_ERR_VERSION ? "" : fault);
    bpi_error_file(error, "%s", name);
    return status;
}
