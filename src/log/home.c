/*
 * home.c: opening the directory, reading small files, speaking through the log hook.
 */
#include "log/home.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/note.h"

bp_status bpi_home_refuse_incomplete(const bpi_home *home, bp_error *error)
{
    bp_file *file = NULL;
    int code = home->io->file_open(home->io->context, home->root, BPI_NOTE_MARKER, BP_OPEN_READ, &file);
    if (file != NULL) {
        home->io->file_close(home->io->context, file);
    }
    if (code == ENOENT) {
        return BP_OK;
    }
    if (code != 0 && code != ELOOP && code != EISDIR && code != EINVAL) {
        return bpi_error_system(error, code, "cannot look into %s", home->path);
    }
    bpi_error_set(error, BP_ERR_CORRUPT,
                  "%s is an unfinished copy: the snapshot or restore that made it was broken off", home->path);
    bpi_error_file(error, "%s/%s", home->path, BPI_NOTE_MARKER);
    bpi_error_hint(error, "remove that directory and take the copy anew");
    return BP_ERR_CORRUPT;
}

bp_status bpi_home_find_log(bpi_home *home, bp_error *error)
{
    const bp_io *io = home->io;
    int code = home->log != NULL ? 0 : io->dir_open_at(io->context, home->root, "log", false, &home->log);
    if (code != 0 && code != ENOENT) {
        bp_status status = bpi_error_system(error, code, "cannot open the log of the store");
        bpi_error_file(error, "%s/log", home->path);
        return status;
    }
    return BP_OK;
}

static bp_status open_directories(bpi_home *home, bool create, bp_error *error)
{
    const bp_io *io = home->io;
    int code = home->lent ? 0 : io->dir_open(io->context, home->path, create, &home->root);
    if (code == ENOENT && create) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "cannot make a store at %s: the directory above it does not exist",
                      home->path);
        bpi_error_hint(error, "make that directory first");
        return BP_ERR_NOT_FOUND;
    }
    if (code == ENOENT) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no store at %s", home->path);
        bpi_error_hint(error, "batpak init %s", home->path);
        return BP_ERR_NOT_FOUND;
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot open the directory of the store");
        bpi_error_file(error, "%s", home->path);
        return status;
    }
    bp_status status = bpi_home_refuse_incomplete(home, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_home_find_log(home, error);
    if (status != BP_OK) {
        return status;
    }
    code = io->dir_place(io->context, home->root, &home->place);
    if (code != 0 && code != ENOSYS) {
        status = bpi_error_system(error, code, "cannot tell the filesystem of the store");
        bpi_error_file(error, "%s", home->path);
        return status;
    }
    if (code == ENOSYS) {
        memset(&home->place, 0, sizeof home->place);
    }
    return BP_OK;
}

bp_status bpi_home_open(bpi_home *home, const char *path, bool create, bp_error *error)
{
    size_t size = strlen(path) + 1;
    home->path = bpi_allocate(home->allocator, size);
    if (home->path == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open the store");
    }
    memcpy(home->path, path, size);
    bp_status status = open_directories(home, create, error);
    if (status != BP_OK) {
        bpi_home_close(home);
    }
    return status;
}

bp_status bpi_home_make_log(bpi_home *home, bp_error *error)
{
    const bp_io *io = home->io;
    bool made = home->log == NULL;
    int code = made ? io->dir_open_at(io->context, home->root, "log", true, &home->log) : 0;
    if (code == 0) {
        code = io->dir_sync(io->context, home->root);
    }
    if (code != 0 && made && home->log != NULL) { /* the sync may have forgotten it, and who finds it believes it */
        io->dir_close(io->context, home->log);
        home->log = NULL;
        (void)io->dir_remove(io->context, home->root, "log");
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot make the log of the store");
        bpi_error_file(error, "%s/log", home->path);
        return status;
    }
    return BP_OK;
}

void bpi_home_close(bpi_home *home)
{
    if (home->log != NULL) {
        home->io->dir_close(home->io->context, home->log);
    }
    if (home->root != NULL && !home->lent) {
        home->io->dir_close(home->io->context, home->root);
    }
    if (home->path != NULL) {
        bpi_release(home->allocator, home->path, strlen(home->path) + 1);
    }
    home->log = NULL;
    home->root = NULL;
    home->path = NULL;
}

void bpi_say(const bpi_home *home, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
             size_t count)
{
    if (home->hook != NULL && level >= home->hook->level) {
        home->hook->write(home->hook->context, level, target, name, fields, count);
    }
}

void bpi_say_number(const bpi_home *home, bp_log_level level, const char *target, const char *name, const char *key,
                    int64_t number)
{
    bp_log_field field = {key, NULL, number};
    bpi_say(home, level, target, name, &field, 1);
}

static bp_status read_open_file(const bpi_home *home, bp_file *file, const char *name, size_t most, uint8_t **data_out,
                                size_t *size_out, bp_error *error)
{
    uint64_t size = 0;
    int code = home->io->file_size(home->io->context, file, &size);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot read %s", name);
        bpi_error_file(error, "%s", name);
        return status;
    }
    size_t wanted = size < most ? (size_t)size : most;
    /* One byte more, so that an empty file gives memory too. */
    uint8_t *data = bpi_allocate_zero(home->allocator, most + 1);
    if (data == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read %s", name);
    }
    size_t got = 0;
    code = home->io->file_read(home->io->context, file, 0, data, wanted, &got);
    if (code != 0) {
        bpi_release(home->allocator, data, most + 1);
        bp_status status = bpi_error_system(error, code, "cannot read %s", name);
        bpi_error_file(error, "%s", name);
        return status;
    }
    *data_out = data;
    *size_out = got;
    return BP_OK;
}

bp_status bpi_read_file(const bpi_home *home, bp_dir *dir, const char *name, size_t most, uint8_t **data_out,
                        size_t *size_out, bp_error *error)
{
    bp_file *file = NULL;
    int code = home->io->file_open(home->io->context, dir, name, BP_OPEN_READ, &file);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot open %s", name);
        bpi_error_file(error, "%s", name);
        return code == ENOENT ? BP_ERR_NOT_FOUND : status;
    }
    bp_status status = read_open_file(home, file, name, most, data_out, size_out, error);
    home->io->file_close(home->io->context, file);
    return status;
}
