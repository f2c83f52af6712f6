/*
 * keep.c: see keep.h.
 */
#include "follow/keep.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"

#define FOLDER "consumers"

static const bpi_home *home_of(const bp_store *store)
{
    return store->reader ? &store->follower.home : &store->log.home;
}

bp_id bpi_store_id(bp_store *store)
{
    if (!store->reader) {
        return store->log.catalog.manifest.store_id;
    }
    (void)pthread_mutex_lock(&store->follower.lock); /* the catalog may be loaded anew */
    bp_id id = store->follower.catalog.manifest.store_id;
    (void)pthread_mutex_unlock(&store->follower.lock);
    return id;
}

static bp_status told(bp_error *error, int code, const char *what, const char *name)
{
    bp_status status = bpi_error_system(error, code, "%s", what);
    bpi_error_file(error, FOLDER "/%s", name);
    return status;
}

bp_status bpi_keep_open_dir(bp_store *store, bool create, bpi_keep *keep, bp_error *error)
{
    const bpi_home *home = home_of(store);
    const bp_io *io = home->io;
    memset(keep, 0, sizeof *keep);
    int code = io->dir_open_at(io->context, home->root, FOLDER, false, &keep->dir);
    if (code == ENOENT && create) {
        code = io->dir_open_at(io->context, home->root, FOLDER, true, &keep->dir);
        if (code == 0) {
            code = io->dir_sync(io->context, home->root);
        }
    }
    if (code != 0) {
        if (keep->dir != NULL) {
            io->dir_close(io->context, keep->dir);
            keep->dir = NULL;
        }
        return told(error, code, "cannot open the consumers of the store", "");
    }
    keep->io = io;
    keep->allocator = store->allocator;
    return BP_OK;
}

static void name_files(bpi_keep *keep, bp_text name, uint32_t partition)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[BPI_CONSUMER_NAME_MAX + 4];
    memcpy(bytes, name.data, name.size);
    bpi_put32(bytes + name.size, partition);
    bp_hash hash = bp_hash_bytes(bytes, name.size + 4);
    for (size_t i = 0; i < 16; i++) {
        keep->name[2 * i] = digits[hash.bytes[i] >> 4];
        keep->name[2 * i + 1] = digits[hash.bytes[i] & 15];
    }
    memcpy(keep->lock_name, keep->name, 32);
    memcpy(keep->name + 32, ".pos", 5);
    memcpy(keep->lock_name + 32, ".lock", 6);
}

bp_status bpi_keep_open(bp_store *store, bp_text name, uint32_t partition, bool create, bpi_keep *keep, bp_error *error)
{
    bp_status status = bpi_keep_open_dir(store, create, keep, error);
    if (status != BP_OK) {
        return status;
    }
    name_files(keep, name, partition);
    uint64_t holder = 0;
    const bp_io *io = keep->io;
    int code = io->file_open(io->context, keep->dir, keep->lock_name, BP_OPEN_WRITE | BP_OPEN_CREATE, &keep->lock);
    if (code == 0) {
        code = io->file_lock(io->context, keep->lock, &holder);
    }
    if (code == EAGAIN) {
        bpi_error_set(error, BP_ERR_LOCKED, "consumer \"%.*s\" is open in process %llu", (int)name.size, name.data,
                      (unsigned long long)holder);
        bpi_error_file(error, FOLDER "/%s", keep->lock_name);
        bpi_error_hint(error, "close it there; or divide it, by the option partitions");
        status = BP_ERR_LOCKED;
    } else if (code != 0) {
        status = told(error, code, "cannot lock the consumer", keep->lock_name);
    }
    if (status != BP_OK) {
        bpi_keep_close(keep);
    }
    return status;
}

void bpi_keep_close(bpi_keep *keep)
{
    if (keep->io == NULL) {
        return;
    }
    if (keep->lock != NULL) {
        keep->io->file_close(keep->io->context, keep->lock);
    }
    keep->io->dir_close(keep->io->context, keep->dir);
    memset(keep, 0, sizeof *keep);
}

/* Reads all of an open file. */
static bp_status read_all(const bpi_keep *keep, bp_file *file, const char *name, uint8_t **bytes_out, size_t *size_out,
                          bp_error *error)
{
    uint64_t size = 0;
    int code = keep->io->file_size(keep->io->context, file, &size);
    if (code != 0) {
        return told(error, code, "cannot read the position of a consumer", name);
    }
    if (size > BPI_CONSUMER_SIZE_MAX || size == 0) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the position of a consumer is damaged: its size is %llu",
                      (unsigned long long)size);
        bpi_error_file(error, FOLDER "/%s", name);
        return BP_ERR_CORRUPT;
    }
    uint8_t *bytes = bpi_allocate(keep->allocator, (size_t)size);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read the position of a consumer");
    }
    size_t got = 0;
    code = keep->io->file_read(keep->io->context, file, 0, bytes, (size_t)size, &got);
    if (code != 0 || got != size) {
        bpi_release(keep->allocator, bytes, (size_t)size);
        return told(error, code != 0 ? code : EIO, "cannot read the position of a consumer", name);
    }
    *bytes_out = bytes;
    *size_out = got;
    return BP_OK;
}

bp_status bpi_keep_read(const bpi_keep *keep, const char *name, uint8_t **bytes_out, size_t *size_out,
                        bpi_consumer_file *file_out, bp_error *error)
{
    bp_file *file = NULL;
    uint32_t version = 0;
    *bytes_out = NULL;
    *size_out = 0;
    int code = keep->io->file_open(keep->io->context, keep->dir, name, BP_OPEN_READ, &file);
    if (code != 0) {
        return told(error, code, "cannot read the position of a consumer", name);
    }
    bp_status status = read_all(keep, file, name, bytes_out, size_out, error);
    keep->io->file_close(keep->io->context, file);
    if (status != BP_OK) {
        return status;
    }
    const char *fault = bpi_consumer_get(*bytes_out, *size_out, file_out, &version);
    if (fault == NULL) {
        return BP_OK;
    }
    bpi_release(keep->allocator, *bytes_out, *size_out);
    *bytes_out = NULL;
    *size_out = 0;
    status = version > BPI_CONSUMER_VERSION ? BP_ERR_VERSION : BP_ERR_CORRUPT;
    bpi_error_set(error, status, "the position of a consumer is %s: %s",
                  status == BP_ERR_VERSION ? "written by a newer version" : "damaged", fault);
    bpi_error_file(error, FOLDER "/%s", name);
    bpi_error_hint(error, "remove that file, and the consumer begins anew");
    return status;
}

bp_status bpi_keep_write(const bpi_keep *keep, const bpi_consumer_file *file, const bpi_parked *parked, bp_error *error)
{
    char fresh[40];
    const bp_io *io = keep->io;
    bp_file *handle = NULL;
    size_t size = bpi_consumer_size(file, parked);
    uint8_t *bytes = bpi_allocate(keep->allocator, size);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to write the position of a consumer");
    }
    bpi_consumer_put(file, parked, bytes);
    memcpy(fresh, keep->name, 32);
    memcpy(fresh + 32, ".new", 5);
    (void)io->dir_remove(io->context, keep->dir, fresh); /* what a crash left */
    unsigned flags = BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE;
    int code = io->file_open(io->context, keep->dir, fresh, flags, &handle);
    if (code == 0) {
        code = io->file_write(io->context, handle, 0, bytes, size);
    }
    if (code == 0 && !bpi_planted(BPI_PLANT_POSITION_UNSYNCED)) {
        code = io->file_sync(io->context, handle, BP_SYNC_ALL);
    }
    if (handle != NULL) {
        io->file_close(io->context, handle);
    }
    if (code == 0) {
        code = io->dir_rename(io->context, keep->dir, fresh, keep->name);
    }
    if (code == 0) {
        code = io->dir_sync(io->context, keep->dir);
    }
    bpi_release(keep->allocator, bytes, size);
    return code == 0 ? BP_OK : told(error, code, "cannot write the position of a consumer", keep->name);
}

bp_status bpi_keep_remove(const bpi_keep *keep, bp_error *error)
{
    int code = keep->io->dir_remove(keep->io->context, keep->dir, keep->name);
    if (code == 0) {
        code = keep->io->dir_sync(keep->io->context, keep->dir);
    }
    return code == 0 ? BP_OK : told(error, code, "cannot remove the consumer", keep->name);
}
