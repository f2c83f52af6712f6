/*
 * segment.c: the shared mapping of a segment file.
 */
#include "log/segment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "log/log.h"
#include "log/opener.h"
#include "log/walk.h"

enum { LARGE_LEAST = 16 << 20 }; /* a segment so large is filled in whole chunks of zeros */

bp_status bpi_opener_new(const bpi_home *home, const bp_id *store_id, bpi_opener **opener_out, bp_error *error)
{
    *opener_out = NULL;
    bpi_opener *opener = bpi_allocate_zero(home->allocator, sizeof *opener);
    if (opener == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open segments");
    }
    (void)pthread_mutex_init(&opener->lock, NULL);
    (void)pthread_mutex_init(&opener->watch, NULL);
    opener->most = UINT32_MAX;
    int code = home->io->dir_open_at(home->io->context, home->root, "log", false, &opener->home.log);
    if (code != 0) {
        (void)pthread_mutex_destroy(&opener->lock);
        (void)pthread_mutex_destroy(&opener->watch);
        bpi_release(home->allocator, opener, sizeof *opener);
        bp_status status = code == ENOENT ? bpi_error_set(error, BP_ERR_CORRUPT, "the log of the store is missing")
                                          : bpi_error_system(error, code, "cannot open the log of the store");
        bpi_error_file(error, "%s/log", home->path);
        return status;
    }
    opener->home.io = home->io;
    opener->home.allocator = home->allocator;
    opener->store_id = *store_id;
    opener->seed = bpi_record_seed(store_id);
    atomic_init(&opener->references, 1);
    *opener_out = opener;
    return BP_OK;
}

bpi_opener *bpi_opener_hold(bpi_opener *opener)
{
    atomic_fetch_add_explicit(&opener->references, 1, memory_order_relaxed);
    return opener;
}

void bpi_opener_drop(bpi_opener *opener)
{
    if (opener == NULL || atomic_fetch_sub_explicit(&opener->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    opener->home.io->dir_close(opener->home.io->context, opener->home.log);
    (void)pthread_mutex_destroy(&opener->lock);
    (void)pthread_mutex_destroy(&opener->watch);
    bpi_release(opener->home.allocator, opener, sizeof *opener);
}

bpi_segment *bpi_segment_hold(bpi_segment *segment)
{
    atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
    return segment;
}

void bpi_segment_drop(bpi_segment *segment)
{
    if (segment == NULL || atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    const bp_io *io = segment->io;
    bpi_opener *opener = segment->opener;
    if (opener != NULL) {
        (void)pthread_mutex_lock(&opener->lock);
        bpi_ring_remove(opener, segment);
        (void)pthread_mutex_unlock(&opener->lock);
    }
    if (segment->address != NULL) {
        io->map_close(io->context, segment->file, segment->writable, segment->map_size);
    }
    if (segment->file != NULL) {
        io->file_close(io->context, segment->file);
    }
    bpi_release(segment->allocator, segment, sizeof *segment);
    bpi_opener_drop(opener);
}

/* Beside the number of users: it is to be given back, it is being given back, it was. */
enum { REST_WANTED = 1 << 30, RESTING = 1 << 29, RESTED = 1 << 28 };

bpi_segment *bpi_segment_lazy(bpi_opener *opener, const bpi_segment_entry *entry)
{
    const bp_allocator *allocator = opener->home.allocator;
    bpi_segment *segment = bpi_allocate_zero(allocator, sizeof *segment);
    if (segment == NULL) {
        return NULL;
    }
    segment->io = opener->home.io;
    segment->allocator = allocator;
    segment->ordinal = entry->ordinal;
    segment->generation = entry->generation;
    segment->salt = entry->salt;
    segment->seed = opener->seed;
    atomic_init(&segment->length, entry->length);
    segment->opener = bpi_opener_hold(opener);
    atomic_init(&segment->references, 1);
    atomic_init(&segment->bytes, NULL);
    atomic_init(&segment->kept, false);
    atomic_init(&segment->users, REST_WANTED | RESTING | RESTED); /* it has a descriptor while it is being mapped */
    return segment;
}

/* If it is wanted and nobody uses it: of all who come to this one does it. */
static void rest_now(bpi_segment *segment)
{
    uint32_t wanted = REST_WANTED;
    if (atomic_compare_exchange_strong(&segment->users, &wanted, REST_WANTED | RESTING)) {
        if (segment->io->file_rest != NULL) {
            segment->io->file_rest(segment->io->context, segment->file);
        }
        (void)atomic_fetch_or(&segment->users, RESTED);
    }
}

void bpi_segment_rest(bpi_segment *segment)
{
    (void)atomic_fetch_or(&segment->users, REST_WANTED);
    rest_now(segment);
}

bool bpi_segment_is_rested(const bpi_segment *segment)
{
    return (atomic_load(&segment->users) & RESTED) != 0;
}

void bpi_segment_settle(bpi_segment *segment, bpi_opener *opener, uint64_t length)
{
    bpi_segment_rest(segment);
    (void)pthread_mutex_lock(&opener->lock);
    atomic_store(&segment->length, length);
    segment->opener = bpi_opener_hold(opener);
    bpi_ring_add(opener, segment);
    (void)pthread_mutex_unlock(&opener->lock);
}

bool bpi_segment_use(bpi_segment *segment)
{
    uint32_t users = atomic_load(&segment->users);
    while ((users & RESTING) == 0) {
        if (atomic_compare_exchange_weak(&segment->users, &users, users + 1)) {
            return true;
        }
    }
    return false;
}

void bpi_segment_unuse(bpi_segment *segment)
{
    (void)atomic_fetch_sub(&segment->users, 1);
    rest_now(segment);
}

static bp_status cannot_map(int code, bp_error *error)
{
    bp_status status = bpi_error_system(error, code, "cannot map a segment");
    if (status == BP_ERR_NO_MEMORY) {
        bpi_error_hint(error,
                       "close iterators and release events that are not needed: they keep what they read mapped");
    }
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

static bp_status too_short(const bpi_segment *segment, uint64_t size, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(segment->ordinal, segment->generation, name);
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: sealed segment is shorter than listed");
    bpi_error_at(error, size, "log/%s", name);
    return BP_ERR_CORRUPT;
}

/* With the opener's lock. */
static bp_status map_listed(bpi_segment *segment, bp_error *error)
{
    bpi_opener *opener = segment->opener;
    const bp_io *io = segment->io;
    bpi_catalog catalog = {.manifest = {.store_id = opener->store_id}};
    bpi_segment_entry entry = {.ordinal = segment->ordinal,
                               .generation = segment->generation,
                               .salt = segment->salt,
                               .state = BPI_SEGMENT_SEALED};
    uint64_t size = 0;
    bp_file *file = NULL;
    bp_status status = bpi_open_listed(&opener->home, &catalog, &entry, BP_OPEN_READ, &file, &size, error);
    if (status != BP_OK) {
        return status;
    }
    uint64_t length = atomic_load_explicit(&segment->length, memory_order_relaxed);
    if (size < length) {
        io->file_close(io->context, file);
        return too_short(segment, size, error);
    }
    int code = io->map_open(io->context, file, (size_t)length, false, &segment->writable);
    if (code != 0) {
        segment->writable = NULL;
        io->file_close(io->context, file);
        return cannot_map(code, error);
    }
    if (io->file_rest != NULL) {
        io->file_rest(io->context, file);
    }
    segment->file = file;
    segment->address = segment->writable;
    segment->map_size = (size_t)length;
    atomic_store_explicit(&segment->size, length, memory_order_relaxed);
    atomic_store_explicit(&segment->mapped, true, memory_order_relaxed);
    return BP_OK;
}

bp_status bpi_segment_map(bpi_segment *segment, const uint8_t **bytes_out, bp_error *error)
{
    bpi_opener *opener = segment->opener;
    (void)pthread_mutex_lock(&opener->lock);
    bool found = segment->address != NULL;
    bp_status status = found ? BP_OK : map_listed(segment, error);
    if (status == BP_OK) {
        (found ? bpi_ring_use : bpi_ring_add)(opener, segment);
    }
    *bytes_out = segment->address;
    (void)pthread_mutex_unlock(&opener->lock);
    bpi_opener_relieve(opener);
    return status;
}

bp_status bpi_segment_keep(bpi_segment *segment, bp_error *error)
{
    const uint8_t *bytes = NULL;
    atomic_store(&segment->kept, true);
    /* Where it is not found mapped behind that, it is let go of already. */
    return atomic_load(&segment->bytes) != NULL ? BP_OK : bpi_segment_map(segment, &bytes, error);
}

bp_status bpi_segment_wrap(const bpi_home *home, bp_file *file, const bpi_segment_entry *entry, uint32_t seed,
                           size_t map_size, bool writable, bpi_segment **segment_out, bp_error *error)
{
    const bp_io *io = home->io;
    bpi_segment *segment = bpi_allocate_zero(home->allocator, sizeof *segment);
    if (segment == NULL) {
        io->file_close(io->context, file);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    segment->io = io;
    segment->allocator = home->allocator;
    segment->file = file;
    segment->ordinal = entry->ordinal;
    segment->generation = entry->generation;
    segment->salt = entry->salt;
    segment->seed = seed;
    segment->writable_map = writable;
    atomic_init(&segment->references, 1);
    uint64_t size = 0;
    int code = io->file_size(io->context, file, &size);
    if (code == 0) {
        segment->map_size = size > map_size ? (size_t)size : map_size;
        code = io->map_open(io->context, file, segment->map_size, writable, &segment->writable);
    }
    if (code != 0) {
        bpi_segment_drop(segment);
        return cannot_map(code, error);
    }
    segment->address = segment->writable;
    atomic_init(&segment->bytes, segment->address);
    atomic_init(&segment->mapped, true);
    atomic_init(&segment->size, size);
    *segment_out = segment;
    return BP_OK;
}

bp_status bpi_segment_remap(bpi_segment *segment, size_t map_size, bp_error *error)
{
    void *address = NULL;
    int code = segment->io->map_open(segment->io->context, segment->file, map_size, segment->writable_map, &address);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot map a segment of %zu bytes", map_size);
    }
    segment->io->map_close(segment->io->context, segment->file, segment->writable, segment->map_size);
    segment->writable = address;
    segment->address = address;
    atomic_store(&segment->bytes, segment->address);
    segment->map_size = map_size;
    return BP_OK;
}

/* `large`: it is going to be mapped and filled, and its first bytes should lie in a large page too (bpi_log_zero). */
static int write_header(const bpi_home *home, bp_file *file, const bpi_segment_header *header, bool large)
{
    static const uint8_t zeros[BPI_ZERO_CHUNK];
    uint8_t bytes[BPI_SEGMENT_FIRST_SIZE] = {0};
    bpi_segment_header_put(header, bytes);
    const bp_io *io = home->io;
    int code = large ? io->file_write(io->context, file, 0, zeros, sizeof zeros) : 0;
    if (code == 0) {
        code = io->file_write(io->context, file, 0, bytes, sizeof bytes);
    }
    if (code == 0 && !bpi_planted(BPI_PLANT_SEGMENT_UNSYNCED)) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    if (code == 0 && !bpi_planted(BPI_PLANT_SEGMENT_NAME_UNSYNCED)) {
        code = io->dir_sync(io->context, home->log);
    }
    return code;
}

bp_status bpi_segment_create(const bpi_home *home, const bpi_manifest *manifest, uint32_t ordinal, size_t map_size,
                             bool writable_map, bpi_segment_entry *entry_out, bpi_segment **segment_out,
                             bp_error *error)
{
    const bp_io *io = home->io;
    bpi_segment_entry entry = {.ordinal = ordinal, .state = BPI_SEGMENT_OPEN};
    char name[BP_SEGMENT_NAME_SIZE];
    int code = 0;
    while (entry.salt == 0 && code == 0) {
        code = home->random->fill(home->random->context, &entry.salt, sizeof entry.salt);
    }
    bp_file *file = NULL;
    /* A name that a failed attempt left behind is not used again. */
    for (bool taken = code == 0; taken; taken = code == EEXIST) {
        bp_segment_name(ordinal, ++entry.generation, name);
        code = io->file_open(io->context, home->log, name, BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, &file);
    }
    bpi_segment_header header = {.store_id = manifest->store_id,
                                 .ordinal = ordinal,
                                 .generation = entry.generation,
                                 .salt = entry.salt,
                                 .epoch = manifest->epoch};
    if (code == 0) {
        code = write_header(home, file, &header, writable_map && map_size >= LARGE_LEAST);
    }
    if (code != 0) {
        if (file != NULL) {
            /* Nothing names it yet: without frames the next opening removes it, if this does not. */
            io->file_close(io->context, file);
            (void)io->dir_remove(io->context, home->log, name);
        }
        bp_status status = bpi_error_system(error, code, "cannot make a segment");
        bpi_error_file(error, "log/%s", name);
        return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
    }
    *entry_out = entry;
    return bpi_segment_wrap(home, file, &entry, bpi_record_seed(&manifest->store_id), map_size, writable_map,
                            segment_out, error);
}
