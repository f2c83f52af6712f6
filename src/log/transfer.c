/*
 * transfer.c: segments, list and manifest into another directory. See transfer.h.
 *
 * Holds: a file of the copy is new, or it is one that never changes; which file that is was found out on the descriptor it is
 * linked from. Names are synced before the manifest that names them.
 */
#include "log/transfer.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "io/optional.h"
#include "log/walk.h"

enum { COPY_STEP = 1 << 20, NAME_SIZE = 256 };

/* The room to copy in; two halves, so that files can be compared. */
typedef struct copying {
    bpi_transfer *transfer;
    uint8_t *buffer;
    uint64_t done;
} copying;

/* Errors that say "not here", not "not at all". */
static bool not_here(int code)
{
    return code == EXDEV || code == EPERM || code == EACCES || code == EMLINK || code == ENOSYS || code == EOPNOTSUPP ||
           code == EINVAL || code == ENOTTY || code == ENOENT || code == ELOOP;
}

static void progress(const copying *c)
{
    const bpi_transfer *t = c->transfer;
    if (t->progress != NULL) {
        t->progress(t->progress_context, "copying", c->done, t->picture->bytes);
    }
}

static int copy_bytes(copying *c, const bp_io *io, bp_file *from, bp_file *to, uint64_t length)
{
    int code = 0;
    for (uint64_t at = 0; at < length && code == 0;) {
        size_t wanted = length - at < COPY_STEP ? (size_t)(length - at) : COPY_STEP;
        size_t got = 0;
        code = io->file_read(io->context, from, at, c->buffer, wanted, &got);
        if (code == 0 && got < wanted) {
            code = EIO; /* it was as long as this a moment ago */
        }
        if (code == 0) {
            code = io->file_write(io->context, to, at, c->buffer, wanted);
        }
        at += wanted;
        c->done += wanted;
        progress(c);
    }
    return code;
}

/* A file of its own; with `clone` on the same blocks where that can be. */
static int make_copy(copying *c, bp_file *from, const char *name, uint64_t length, bool clone)
{
    bpi_transfer *t = c->transfer;
    const bp_io *io = t->target->io;
    bp_file *to = NULL;
    unsigned flags = BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE;
    int code = io->file_open(io->context, t->target->log, name, flags, &to);
    if (code != 0) {
        return code;
    }
    int cloned = clone ? bpi_io_clone(io, from, to) : ENOSYS;
    if (cloned == 0) {
        t->cloned++;
        t->shared_bytes += length;
        c->done += length;
    } else if (clone && !not_here(cloned)) {
        code = cloned;
    } else {
        code = copy_bytes(c, io, from, to, length);
        t->copied++;
        t->copied_bytes += length;
    }
    if (code == 0 && !bpi_planted(BPI_PLANT_SNAPSHOT_UNSYNCED)) {
        code = io->file_sync(io->context, to, BP_SYNC_ALL);
    }
    io->file_close(io->context, to);
    return code;
}

/* The same bytes in both files? */
static int compare(copying *c, const bp_io *io, bp_file *a, bp_file *b, uint64_t length, bool *same_out)
{
    uint8_t *half = c->buffer + COPY_STEP / 2;
    int code = 0;
    *same_out = true;
    for (uint64_t at = 0; at < length && code == 0 && *same_out;) {
        size_t wanted = length - at < COPY_STEP / 2 ? (size_t)(length - at) : COPY_STEP / 2;
        size_t got[2] = {0, 0};
        code = io->file_read(io->context, a, at, c->buffer, wanted, &got[0]);
        code = code == 0 ? io->file_read(io->context, b, at, half, wanted, &got[1]) : code;
        *same_out = code == 0 && got[0] == wanted && got[1] == wanted && memcmp(c->buffer, half, wanted) == 0;
        at += wanted;
    }
    return code;
}

static bool same_entry(const bpi_segment_entry *a, const bpi_segment_entry *b)
{
    return a->state == b->state && a->ordinal == b->ordinal && a->generation == b->generation && a->salt == b->salt &&
           a->length == b->length && a->count == b->count && a->first_sequence == b->first_sequence &&
           bp_hash_equal(&a->root, &b->root);
}

/* From the earlier copy, if it has that very segment, byte for byte. Anything wrong with it there: not from there. */
static int reuse(copying *c, bp_file *from, const bpi_segment_entry *entry, const char *name, bool *done_out)
{
    bpi_transfer *t = c->transfer;
    const bp_io *io = t->target->io;
    *done_out = false;
    for (size_t i = 0; t->since != NULL && i < t->since_catalog->count; i++) {
        bp_file *there = NULL;
        bool same = false;
        if (!same_entry(&t->since_catalog->entries[i], entry) ||
            bpi_open_listed(t->since, t->since_catalog, entry, BP_OPEN_READ, &there, NULL, NULL) != BP_OK) {
            continue;
        }
        int code = compare(c, io, from, there, entry->length, &same);
        code = code == 0 && same ? bpi_io_link(io, there, t->target->log, name) : code != 0 ? code : ENOSYS;
        io->file_close(io->context, there);
        *done_out = code == 0;
        return *done_out || not_here(code) || code == EIO ? 0 : code;
    }
    return 0;
}

static int bring_sealed(copying *c, bp_file *from, const bpi_segment_entry *entry, const char *name)
{
    bpi_transfer *t = c->transfer;
    bool reused = false;
    int code = t->way == BPI_WAY_LINK ? bpi_io_link(t->target->io, from, t->target->log, name) : ENOSYS;
    bool linked = code == 0;
    if (!linked && not_here(code)) {
        code = reuse(c, from, entry, name, &reused);
    }
    if (code != 0 || !(linked || reused)) {
        return code != 0 ? code : make_copy(c, from, name, entry->length, t->way <= BPI_WAY_CLONE);
    }
    t->linked += linked;
    t->reused += reused;
    t->shared_bytes += entry->length;
    c->done += entry->length;
    return 0;
}

static bp_status bring(copying *c, size_t index, bp_error *error)
{
    const bpi_transfer *t = c->transfer;
    const bpi_picture *picture = t->picture;
    const bpi_segment_entry *entry = &picture->catalog.entries[index];
    const bp_io *io = picture->home->io;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_file *from = NULL;
    uint64_t size = 0;
    bp_status status = bpi_open_listed(picture->home, &picture->catalog, entry, BP_OPEN_READ, &from, &size, error);
    if (status != BP_OK) {
        return status;
    }
    bp_segment_name(entry->ordinal, entry->generation, name);
    if (size < picture->lengths[index]) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: segment is shorter than listed");
        bpi_error_at(error, size, "log/%s", name);
    } else {
        bool shared = entry->state == BPI_SEGMENT_SEALED || bpi_planted(BPI_PLANT_OPEN_SEGMENT_SHARED);
        int code =
            shared ? bring_sealed(c, from, entry, name) : make_copy(c, from, name, picture->lengths[index], false);
        if (code != 0) {
            status = bpi_error_system(error, code, "cannot copy a segment");
            status = status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
            bpi_error_file(error, "%s/log/%s", t->target->path, name);
        }
    }
    io->file_close(io->context, from);
    progress(c);
    return status;
}

bp_status bpi_transfer_segments(bpi_transfer *transfer, bp_error *error)
{
    const bpi_home *target = transfer->target;
    copying c = {.transfer = transfer, .buffer = bpi_allocate(target->allocator, COPY_STEP)};
    if (c.buffer == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to copy");
    }
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < transfer->picture->catalog.count; i++) {
        status = bring(&c, i, error);
    }
    if (status == BP_OK) {
        int code = target->io->dir_sync(target->io->context, target->log);
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot sync %s/log", target->path);
    }
    bpi_release(target->allocator, c.buffer, COPY_STEP);
    return status;
}

bp_status bpi_transfer_catalog(const bpi_transfer *transfer, uint32_t epoch, bp_error *error)
{
    bpi_catalog catalog = transfer->picture->catalog; /* the entries stay the picture's */
    bpi_manifest *manifest = &catalog.manifest;
    manifest->generation = 0;
    manifest->epoch = epoch;
    manifest->clean = false; /* the first who writes there takes an epoch of its own */
    manifest->durable = transfer->picture->frontier;
    catalog.other_list = 0;
    return bpi_catalog_store(transfer->target, &catalog, true, true, error);
}
