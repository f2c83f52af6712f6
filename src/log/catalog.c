/*
 * catalog.c: MANIFEST and its segment lists on the medium.
 *
 * Holds: a list is synced, and its name, before a slot points to it; the lists of both slots exist; a slot is only
 * overwritten when the other one is valid.
 */
#include "log/home.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "format/index_file.h"

enum { LIST_NAME_SIZE = 40, LIST_SIZE_MAX = 256 << 20, LIVE_TRIES = 20, LIVE_PAUSE_NS = 2000000 };

static void list_name(uint64_t generation, char name_out[LIST_NAME_SIZE])
{
    (void)snprintf(name_out, LIST_NAME_SIZE, "SEGMENTS-%llu", (unsigned long long)generation);
}

bool bpi_catalog_reserve(const bpi_home *home, bpi_catalog *catalog, size_t count)
{
    if (count <= catalog->capacity) {
        return true;
    }
    size_t capacity = count + count / 2 + 8;
    bpi_segment_entry *entries =
        bpi_resize(home->allocator, catalog->entries, catalog->capacity * sizeof *entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    catalog->entries = entries;
    catalog->capacity = capacity;
    return true;
}

void bpi_catalog_free(const bpi_home *home, bpi_catalog *catalog)
{
    bpi_release(home->allocator, catalog->entries, catalog->capacity * sizeof *catalog->entries);
    catalog->entries = NULL;
    catalog->capacity = 0;
    catalog->count = 0;
}

bool bpi_catalog_binding(const bpi_catalog *catalog, uint32_t first, uint32_t last, bp_hash *binding_out)
{
    size_t from = 0;
    while (from < catalog->count &&
           (catalog->entries[from].ordinal != first || catalog->entries[from].state != BPI_SEGMENT_SEALED)) {
        from++;
    }
    for (size_t i = from; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->state == BPI_SEGMENT_OPEN || (entry->state == BPI_SEGMENT_SEALED && entry->ordinal > last)) {
            return false;
        }
        if (entry->state == BPI_SEGMENT_SEALED && entry->ordinal == last) {
            bpi_index_binding(&catalog->entries[from], i + 1 - from, binding_out);
            return true;
        }
    }
    return false;
}

static bp_status load_list(const bpi_home *home, bpi_catalog *catalog, bp_error *error)
{
    const bpi_manifest *manifest = &catalog->manifest;
    char name[LIST_NAME_SIZE];
    list_name(manifest->list_generation, name);
    size_t count = bpi_list_count(manifest->list_size);
    if (count == 0 || manifest->list_size > LIST_SIZE_MAX) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the manifest names a segment list of an impossible size");
        bpi_error_file(error, "MANIFEST");
        return BP_ERR_CORRUPT;
    }
    uint8_t *data = NULL;
    size_t size = 0;
    size_t most = (size_t)manifest->list_size + 1;
    bp_status status = bpi_read_file(home, home->root, name, most, &data, &size, error);
    if (status == BP_ERR_NOT_FOUND) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the segment list that the manifest names is missing");
        bpi_error_file(error, "%s", name);
        return BP_ERR_CORRUPT;
    }
    if (status != BP_OK) {
        return status;
    }
    if (!bpi_catalog_reserve(home, catalog, count)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the segment list");
    } else {
        status = bpi_list_get(data, size, manifest, catalog->entries, count, error);
        catalog->count = count;
    }
    bpi_release(home->allocator, data, most + 1);
    return status;
}

static void release_manifest(const bpi_home *home, uint8_t *data)
{
    bpi_release(home->allocator, data, BPI_MANIFEST_SIZE + 1);
}

static bool both_valid(const uint8_t *data, size_t size)
{
    return size == BPI_MANIFEST_SIZE && bpi_slot_valid(data, 0, NULL) && bpi_slot_valid(data + BPI_SLOT_SIZE, 1, NULL);
}

/*
 * The bytes of MANIFEST. A slot that is not valid lets the older one answer, and files are removed because of what that says. So a
 * slot is not valid only if it reads the same twice: else it is being written, or the medium lied once.
 */
static bp_status read_manifest(const bpi_home *home, uint8_t **data_out, size_t *size_out, bp_error *error)
{
    uint8_t *before = NULL;
    size_t before_size = 0;
    bp_status status = bpi_read_file(home, home->root, "MANIFEST", BPI_MANIFEST_SIZE, data_out, size_out, error);
    for (int i = 0; status == BP_OK && !both_valid(*data_out, *size_out); i++) {
        bool same = before != NULL && before_size == *size_out && memcmp(before, *data_out, before_size) == 0;
        if (same || i == LIVE_TRIES) {
            break;
        }
        release_manifest(home, before);
        before = *data_out;
        before_size = *size_out;
        status = bpi_read_file(home, home->root, "MANIFEST", BPI_MANIFEST_SIZE, data_out, size_out, error);
    }
    release_manifest(home, before);
    return status;
}

bp_status bpi_catalog_load(const bpi_home *home, bpi_catalog *catalog, bp_error *error)
{
    memset(catalog, 0, sizeof *catalog);
    uint8_t *data = NULL;
    size_t size = 0;
    bp_status status = read_manifest(home, &data, &size, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_manifest_choose(data, size, &catalog->manifest, error);
    if (status == BP_OK) {
        unsigned other = (unsigned)((catalog->manifest.generation + 1) % 2);
        const uint8_t *slot = data + (size_t)other * BPI_SLOT_SIZE;
        if (size == BPI_MANIFEST_SIZE && bpi_slot_valid(slot, other, NULL)) {
            catalog->other_list = bpi_get64(slot + BPI_SLOT_LIST_GENERATION);
        }
        status = load_list(home, catalog, error);
    }
    release_manifest(home, data);
    if (status != BP_OK) {
        bpi_catalog_free(home, catalog);
    }
    return status;
}

bp_status bpi_catalog_load_live(const bpi_home *home, bpi_catalog *catalog, bp_error *error)
{
    for (int i = 0;; i++) {
        bp_status status = bpi_catalog_load(home, catalog, error);
        if (status != BP_ERR_CORRUPT || i == LIVE_TRIES) {
            return status;
        }
        home->clock->sleep_ns(home->clock->context, LIVE_PAUSE_NS);
    }
}

bool bpi_catalog_moved(const bpi_home *home, const bpi_catalog *catalog)
{
    bpi_manifest now;
    uint8_t *data = NULL;
    size_t size = 0;
    if (read_manifest(home, &data, &size, NULL) != BP_OK) {
        return false;
    }
    bool moved = bpi_manifest_choose(data, size, &now, NULL) == BP_OK &&
                 (now.list_generation != catalog->manifest.list_generation || now.epoch != catalog->manifest.epoch);
    release_manifest(home, data);
    return moved;
}

static int write_new_file(const bpi_home *home, const char *name, const uint8_t *data, size_t size)
{
    const bp_io *io = home->io;
    int code = io->dir_remove(io->context, home->root, name);
    if (code != 0 && code != ENOENT) {
        return code;
    }
    bp_file *file = NULL;
    code = io->file_open(io->context, home->root, name, BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, &file);
    if (code != 0) {
        return code;
    }
    code = io->file_write(io->context, file, 0, data, size);
    if (code == 0 && !bpi_planted(BPI_PLANT_LIST_UNSYNCED)) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    io->file_close(io->context, file);
    return code;
}

static bp_status store_list(const bpi_home *home, bpi_catalog *catalog, bp_error *error)
{
    bpi_manifest *manifest = &catalog->manifest;
    size_t size = bpi_list_size(catalog->count);
    uint8_t *bytes = bpi_allocate(home->allocator, size);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the segment list");
    }
    manifest->list_generation = manifest->generation;
    manifest->list_size = (uint32_t)size;
    manifest->list_crc =
        bpi_list_put(bytes, &manifest->store_id, manifest->list_generation, catalog->entries, catalog->count);
    char name[LIST_NAME_SIZE];
    list_name(manifest->list_generation, name);
    int code = write_new_file(home, name, bytes, size);
    bpi_release(home->allocator, bytes, size);
    if (code == 0 && !bpi_planted(BPI_PLANT_LIST_NAME_UNSYNCED)) {
        code = home->io->dir_sync(home->io->context, home->root);
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot write the segment list");
        bpi_error_file(error, "%s", name);
        return status;
    }
    return BP_OK;
}

static int store_first(const bpi_home *home, const uint8_t slot[BPI_SLOT_SIZE], unsigned index)
{
    uint8_t bytes[BPI_MANIFEST_SIZE] = {0};
    memcpy(bytes + (size_t)index * BPI_SLOT_SIZE, slot, BPI_SLOT_SIZE);
    bool in_place = bpi_planted(BPI_PLANT_MANIFEST_IN_PLACE);
    int code = write_new_file(home, in_place ? "MANIFEST" : "MANIFEST.new", bytes, sizeof bytes);
    if (code == 0 && !in_place) {
        code = home->io->dir_rename(home->io->context, home->root, "MANIFEST.new", "MANIFEST");
    }
    if (code == 0) {
        code = home->io->dir_sync(home->io->context, home->root);
        if (code != 0) { /* it may have forgotten the name, and who finds that believes it */
            (void)home->io->dir_remove(home->io->context, home->root, "MANIFEST");
        }
    }
    return code;
}

static int store_slot(const bpi_home *home, const uint8_t slot[BPI_SLOT_SIZE], unsigned index)
{
    const bp_io *io = home->io;
    bp_file *file = NULL;
    int code = io->file_open(io->context, home->root, "MANIFEST", BP_OPEN_WRITE, &file);
    if (code != 0) {
        return code;
    }
    code = io->file_write(io->context, file, (uint64_t)index * BPI_SLOT_SIZE, slot, BPI_SLOT_SIZE);
    if (code == 0 && !bpi_planted(BPI_PLANT_SLOT_UNSYNCED)) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    io->file_close(io->context, file);
    return code;
}

bp_status bpi_catalog_secure(const bpi_home *home, const bpi_catalog *catalog, bp_error *error)
{
    bool needed = !catalog->manifest.clean;
    for (size_t i = 0; i < catalog->count && !needed; i++) {
        needed = catalog->entries[i].state == BPI_SEGMENT_RETIRED;
    }
    uint8_t *data = NULL;
    size_t size = 0;
    bp_status status = needed ? read_manifest(home, &data, &size, error) : BP_OK;
    if (!needed || status != BP_OK) {
        return status;
    }
    const bp_io *io = home->io;
    bp_file *file = NULL;
    int code = io->file_open(io->context, home->root, "MANIFEST", BP_OPEN_WRITE, &file);
    if (code == 0) {
        code = io->file_write(io->context, file, 0, data, size);
        code = code == 0 ? io->file_sync(io->context, file, BP_SYNC_ALL) : code;
        io->file_close(io->context, file);
    }
    release_manifest(home, data);
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot sync MANIFEST in %s", home->path);
}

/* After a failure the slot may be the old, the new or a torn one. The next try goes to the same slot, so that the other one
 * stays good, under a generation (and a list name) that was not used yet. */
static void take_back(bpi_catalog *catalog, const bpi_manifest *before)
{
    catalog->manifest = *before;
    catalog->manifest.generation += 2;
}

static bp_status refuse_spent(const char *what, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT,
                  "%s is at the greatest number that can be read: nothing can be written behind it", what);
    bpi_error_file(error, "MANIFEST");
    bpi_error_hint(error, "no store comes that far by itself; batpak repair takes over what can be proven");
    return BP_ERR_CORRUPT;
}

bp_status bpi_manifest_has_next(const bpi_manifest *manifest, bp_error *error)
{
    return manifest->generation >= BPI_GENERATION_MOST ? refuse_spent("the manifest's generation", error)
           : manifest->epoch >= BPI_COUNT_MOST         ? refuse_spent("the epoch", error)
                                                       : BP_OK;
}

/* What is written here must be read again. */
static bp_status check_numbers(const bpi_catalog *catalog, bp_error *error)
{
    if (catalog->manifest.generation >= BPI_GENERATION_MOST || catalog->manifest.epoch > BPI_COUNT_MOST) {
        return refuse_spent("the manifest", error);
    }
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal > BPI_COUNT_MOST || catalog->entries[i].generation > BPI_COUNT_MOST) {
            return refuse_spent("a segment's number", error);
        }
    }
    return BP_OK;
}

bp_status bpi_catalog_store(const bpi_home *home, bpi_catalog *catalog, bool list_changed, bool first, bp_error *error)
{
    bpi_manifest before = catalog->manifest;
    bp_status possible = check_numbers(catalog, error);
    if (possible != BP_OK) {
        return possible;
    }
    catalog->manifest.generation++;
    if (list_changed) {
        bp_status status = store_list(home, catalog, error);
        if (status != BP_OK) {
            take_back(catalog, &before);
            return status;
        }
    }
    uint8_t slot[BPI_SLOT_SIZE];
    bpi_slot_put(&catalog->manifest, slot);
    unsigned index = (unsigned)(catalog->manifest.generation % 2);
    if (bpi_planted(BPI_PLANT_LIST_REMOVED_EARLY) && list_changed && !first) {
        char name[LIST_NAME_SIZE];
        list_name(before.list_generation, name);
        (void)home->io->dir_remove(home->io->context, home->root, name);
    }
    int code = first ? store_first(home, slot, index) : store_slot(home, slot, index);
    if (code != 0) {
        take_back(catalog, &before);
        catalog->slot_unknown = true;
        bp_status status = bpi_error_system(error, code, "cannot write the manifest");
        bpi_error_file(error, "MANIFEST");
        return status;
    }
    catalog->slot_unknown = false;
    uint64_t outlived = catalog->other_list;
    catalog->other_list = before.list_generation;
    if (outlived != 0 && outlived != catalog->other_list && outlived != catalog->manifest.list_generation) {
        char name[LIST_NAME_SIZE];
        list_name(outlived, name);
        (void)home->io->dir_remove(home->io->context, home->root, name);
    }
    return BP_OK;
}

typedef struct sweep {
    const bpi_home *home;
    const bpi_catalog *catalog;
    uint64_t remove[16];
    size_t count;
} sweep;

static int sweep_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    sweep *state = argument;
    (void)size;
    unsigned long long generation = 0;
    char again[LIST_NAME_SIZE];
    if (is_directory || sscanf(name, "SEGMENTS-%20llu", &generation) != 1) {
        return 0;
    }
    list_name(generation, again);
    if (strcmp(name, again) == 0 && generation != state->catalog->manifest.list_generation &&
        generation != state->catalog->other_list && state->count < sizeof state->remove / sizeof state->remove[0]) {
        state->remove[state->count++] = generation;
    }
    return 0;
}

void bpi_catalog_sweep(const bpi_home *home, const bpi_catalog *catalog)
{
    sweep state = {.home = home, .catalog = catalog};
    (void)home->io->dir_list(home->io->context, home->root, sweep_entry, &state);
    for (size_t i = 0; i < state.count; i++) {
        char name[LIST_NAME_SIZE];
        list_name(state.remove[i], name);
        (void)home->io->dir_remove(home->io->context, home->root, name);
    }
}
