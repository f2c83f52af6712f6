/*
 * place.c: directories of caches.
 */
#include "projection/place.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/store.h"

/* The parts with slashes between, empty ones left out; exactly as long as it says. */
static char *join(const char *a, const char *b, const char *c)
{
    const char *parts[] = {a, b, c};
    size_t size = 0;
    for (size_t i = 0; i < 3; i++) {
        size += parts[i][0] == '\0' ? 0 : strlen(parts[i]) + 1;
    }
    char *path = bpi_allocate(bp_allocator_system(), size);
    size_t at = 0;
    for (size_t i = 0; path != NULL && i < 3; i++) {
        size_t length = strlen(parts[i]);
        if (length > 0) {
            memcpy(path + at, parts[i], length);
            at += length;
            path[at] = at + 1 == size ? '\0' : '/';
            at++;
        }
    }
    return path;
}

static void path_free(char *path)
{
    if (path != NULL) {
        bpi_release(bp_allocator_system(), path, strlen(path) + 1);
    }
}

static bp_status open_in_store(bpi_place *place, bp_store *store, const char *name, bp_error *error)
{
    const bp_io *io = place->io;
    bp_dir *home = NULL;
    bp_dir *caches = NULL;
    int code = io->dir_open(io->context, store->path, false, &home);
    if (code == 0) {
        code = io->dir_open_at(io->context, home, "cache", true, &caches);
        io->dir_close(io->context, home);
    }
    if (code == 0) {
        code = io->dir_open_at(io->context, caches, name, true, &place->dir);
        io->dir_close(io->context, caches);
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot make the directory of a cache");
}

bp_status bpi_place_open(bpi_place *place, bp_store *store, const char *directory, const char *name, bp_error *error)
{
    memset(place, 0, sizeof *place);
    place->io = bp_io_posix();
    directory = directory != NULL && directory[0] == '\0' ? NULL : directory;
    if (directory == NULL && store == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a cache on disk needs a store or a directory");
    }
    bp_status status = store == NULL ? BP_OK : bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (directory == NULL && store->options.io != place->io) {
        bpi_error_set(error, BP_ERR_UNSUPPORTED, "the store does not lie on this machine's files");
        bpi_error_hint(error, "give the cache a directory");
        return BP_ERR_UNSUPPORTED;
    }
    place->path = directory != NULL ? join(directory, "", "") : join(store->path, "cache", name);
    if (place->path == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache");
    }
    if (directory == NULL) {
        status = open_in_store(place, store, name, error);
    } else {
        int code = place->io->dir_open(place->io->context, directory, true, &place->dir);
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot open the directory of a cache");
    }
    if (status != BP_OK) {
        bpi_error_file(error, "%s", place->path);
        bpi_place_close(place);
    }
    return status;
}

void bpi_place_close(bpi_place *place)
{
    if (place->dir != NULL) {
        place->io->dir_close(place->io->context, place->dir);
    }
    path_free(place->path);
    place->dir = NULL;
    place->path = NULL;
}

char *bpi_place_join(const bpi_place *place, const char *file, size_t *size_out)
{
    char *path = join(place->path, file, "");
    *size_out = path == NULL ? 0 : strlen(path) + 1;
    return path;
}

bp_status bpi_place_remove(const bpi_place *place, const char *file, bp_error *error)
{
    int code = place->io->dir_remove(place->io->context, place->dir, file);
    if (code != 0 && code != ENOENT) {
        bp_status status = bpi_error_system(error, code, "cannot remove a cache's file");
        bpi_error_file(error, "%s/%s", place->path, file);
        return status;
    }
    return BP_OK;
}

void bpi_place_say(const bp_store *store, const bpi_place *place, const char *name, const char *reason)
{
    const bp_log_hook *hook = store == NULL ? NULL : store->options.log;
    if (hook != NULL && hook->level <= BP_LOG_INFO) {
        const bp_log_field fields[] = {{"directory", place->path, 0}, {"reason", reason, 0}};
        hook->write(hook->context, BP_LOG_INFO, "cache", name, fields, 2);
    }
}
