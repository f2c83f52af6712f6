/*
 * open.c: the writer's opening (docs/format.md, section 9), and the making of a store.
 *
 * Holds: the lock is held before anything is read; nothing is written before the verdict; what is claimed was synced;
 * a new manifest names a new epoch unless the store was closed cleanly.
 */
#include "log/log.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "format/note.h"
#include "log/opening.h"

enum { FIRST_GENERATION = 1 };

static bp_status no_store(const bpi_home *home, bp_error *error)
{
    bpi_error_set(error, BP_ERR_NOT_FOUND, "no store at %s", home->path);
    bpi_error_hint(error, "batpak init %s", home->path);
    return BP_ERR_NOT_FOUND;
}

static int foreign_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    /* MANIFEST too: it was not there when it was looked for, and another process has made the store since. */
    static const char *const ours[] = {"LOCK",  "log",   "live",      "MANIFEST", "MANIFEST.new",
                                       "index", "cache", "consumers", "keys",     BPI_NOTE_FOLDER};
    char *foreign = argument;
    (void)is_directory;
    (void)size;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i]) == 0) {
            return 0;
        }
    }
    if (strncmp(name, "SEGMENTS-", 9) == 0) {
        return 0;
    }
    strncpy(foreign, name, 63);
    return ECANCELED;
}

/* 0: it is there. ENOENT, or why it cannot be told. */
static int find_manifest(const bpi_home *home)
{
    bp_file *file = NULL;
    int code = home->io->file_open(home->io->context, home->root, "MANIFEST", BP_OPEN_READ, &file);
    if (code == 0) {
        home->io->file_close(home->io->context, file);
    }
    return code;
}

bp_status bpi_log_check_place(const bpi_home *home, bool create, bool exclusive, bp_error *error)
{
    int manifest = find_manifest(home);
    if (manifest != 0 && manifest != ENOENT) {
        bp_status status = bpi_error_system(error, manifest, "cannot open MANIFEST");
        bpi_error_file(error, "MANIFEST");
        return status;
    }
    if (manifest == 0) {
        if (create && exclusive) {
            bpi_error_set(error, BP_ERR_EXISTS, "there is a store at %s already", home->path);
            return BP_ERR_EXISTS;
        }
        return BP_OK;
    }
    if (!create) {
        return no_store(home, error);
    }
    char foreign[64] = {0};
    int code = home->io->dir_list(home->io->context, home->root, foreign_entry, foreign);
    if (code == ECANCELED) {
        bpi_error_set(error, BP_ERR_NOT_EMPTY, "%s holds other things (%s) and no store", home->path, foreign);
        bpi_error_hint(error, "name an empty or new directory");
        return BP_ERR_NOT_EMPTY;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot list %s", home->path);
}

static bp_status take_lock(bpi_log *log, bp_error *error)
{
    const bp_io *io = log->home.io;
    int code = io->file_open(io->context, log->home.root, "LOCK", BP_OPEN_WRITE | BP_OPEN_CREATE, &log->lock_file);
    uint64_t holder = 0;
    if (code == 0) {
        code = io->file_lock(io->context, log->lock_file, &holder);
    }
    if (code == EAGAIN || code == EACCES) {
        bpi_error_set(error, BP_ERR_LOCKED, "the store is being written by process %llu", (unsigned long long)holder);
        bpi_error_file(error, "%s/LOCK", log->home.path);
        bpi_error_hint(error, "close it there, or open it here with bp_open_reader");
        if (code == EACCES) {
            return bpi_error_system(error, code, "cannot lock the store");
        }
        return BP_ERR_LOCKED;
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot lock the store");
        bpi_error_file(error, "%s/LOCK", log->home.path);
        return status;
    }
    return BP_OK;
}

/* Until the lock was held another may have made a store here, or begun to put a copy here. */
static bp_status check_place_again(const bpi_log *log, const bpi_log_options *options, bp_error *error)
{
    bp_status status = bpi_home_refuse_incomplete(&log->home, error);
    return status == BP_OK ? bpi_log_check_place(&log->home, options->create, options->exclusive, error) : status;
}

/* The name of a new directory is durable only when the directory above is synced. */
static bp_status sync_parent(const bpi_home *home, bp_error *error)
{
    const bp_io *io = home->io;
    size_t size = strlen(home->path);
    char *parent = bpi_allocate(home->allocator, size + 2);
    if (parent == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to make the store");
    }
    memcpy(parent, home->path, size + 1);
    size_t end = size;
    while (end > 1 && parent[end - 1] == '/') {
        end--;
    }
    while (end > 0 && parent[end - 1] != '/') {
        end--;
    }
    memcpy(parent + end, end == 0 ? "." : "", end == 0 ? 2 : 1);
    bp_dir *dir = NULL;
    int code = io->dir_open(io->context, parent, false, &dir);
    if (code == ENOENT && end == 0) {
        code = io->dir_open(io->context, "", false, &dir); /* worlds whose top has no name */
    }
    if (code == 0) {
        code = io->dir_sync(io->context, dir);
        io->dir_close(io->context, dir);
    }
    bpi_release(home->allocator, parent, size + 2);
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot sync the directory above %s", home->path);
}

static bp_status make_store(bpi_log *log, const bpi_log_options *options, bp_error *error)
{
    bpi_home *home = &log->home;
    bp_status status = sync_parent(home, error);
    if (status == BP_OK) {
        status = bpi_home_make_log(home, error);
    }
    if (status == BP_OK) {
        status = bpi_check_unlisted(home, NULL, true, error);
    }
    if (status != BP_OK) {
        return bpi_error_wrap(error, status, BPI_NO_MANIFEST);
    }
    bpi_catalog *catalog = &log->catalog;
    memset(catalog, 0, sizeof *catalog);
    bpi_manifest *manifest = &catalog->manifest;
    manifest->epoch = 1;
    manifest->segment_size = options->segment_size != 0 ? options->segment_size : 64u << 20;
    manifest->layout = (uint8_t)(options->layout != 0 ? options->layout - 1 : BP_LAYOUT_SOA - 1);
    manifest->durable = bpi_lsn(0, BPI_SEGMENT_HEADER);
    manifest->clean = true;
    int code = home->random->fill(home->random->context, manifest->store_id.bytes, sizeof manifest->store_id.bytes);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw an id for the store");
    }
    if (!bpi_catalog_reserve(home, catalog, 1)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to make the store");
    }
    bpi_segment *segment = NULL;
    status =
        bpi_segment_create(home, manifest, 0, BPI_SEGMENT_FIRST_SIZE, false, &catalog->entries[0], &segment, error);
    bpi_segment_drop(segment);
    if (status == BP_OK) {
        catalog->count = 1;
        status = bpi_catalog_store(home, catalog, true, true, error);
    }
    return status;
}

/* The first manifest's name may not be on the medium yet: whoever made it may have been killed between naming it and the
 * sync of the directory. What is acknowledged from now on stands on that name. */
static bp_status settle_first(const bpi_log *log, bp_error *error)
{
    if (log->catalog.manifest.generation > FIRST_GENERATION) {
        return BP_OK;
    }
    int code = log->home.io->dir_sync(log->home.io->context, log->home.root);
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot sync the directory %s", log->home.path);
}

bp_status bpi_log_check_manifest(bpi_home *home, const bpi_manifest *manifest, bp_error *error)
{
    bp_status status = bpi_home_find_log(home, error);
    if (status != BP_OK) {
        return status;
    }
    if (manifest->ro_compat != 0) {
        return bpi_error_set(error, BP_ERR_VERSION,
                             "the store has features 0x%llx that this library must not write beside",
                             (unsigned long long)manifest->ro_compat);
    }
    if (home->log == NULL) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the log of the store is missing");
        bpi_error_file(error, "%s/log", home->path);
        return BP_ERR_CORRUPT;
    }
    return bpi_manifest_has_next(manifest, error);
}

static bp_status load_or_make(bpi_log *log, const bpi_log_options *options, bp_error *error)
{
    bp_status status = bpi_catalog_load(&log->home, &log->catalog, error);
    if (status == BP_ERR_NOT_FOUND) {
        return make_store(log, options, error);
    }
    if (status == BP_OK) {
        status = bpi_log_check_manifest(&log->home, &log->catalog.manifest, error);
    }
    return status == BP_OK ? settle_first(log, error) : status;
}

bp_status bpi_log_open(bpi_log *log, const char *path, const bpi_log_options *options, bp_error *error)
{
    log->mapped = options->durability == BP_BUFFERED || options->durability == BP_PERIODIC;
    log->threaded = options->threaded;
    log->keeper_stack_size = options->keeper_stack_size;
    log->sync_every_events = options->sync_every_events;
    log->sync_every_ms = options->sync_every_ms;
    bpi_log_init_locks(log);
    bp_status status = bpi_home_open(&log->home, path, options->create, error);
    if (status == BP_OK) {
        status = bpi_log_check_place(&log->home, options->create, options->exclusive, error);
    }
    if (status == BP_OK) {
        status = take_lock(log, error);
    }
    if (status == BP_OK) {
        status = check_place_again(log, options, error);
    }
    if (status == BP_OK) {
        status = load_or_make(log, options, error);
    }
    if (status == BP_OK) {
        status = bpi_catalog_secure(&log->home, &log->catalog, error);
    }
    if (status == BP_OK) {
        status = bpi_check_unlisted(&log->home, &log->catalog, true, error);
    }
    if (status == BP_OK) {
        status = bpi_log_settle(log, options, error);
    }
    if (status != BP_OK) {
        bpi_log_release(log);
    }
    return status;
}
