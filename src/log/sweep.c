/*
 * sweep.c: what is left of events in files of the log beside the segments in force: replaced segments whose file could not be
 * removed at once, and bytes behind a segment's end, which are copies of what a recovery in the process moved (relay.c).
 *
 * Nothing reads either. Only erasing has to know them.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "log/rewrite.h"
#include "log/walk.h"

enum { STEP = 64 << 10 };

/* ---- behind the end ---- */

static int look_behind(const bp_io *io, bp_file *file, uint64_t from, uint64_t size, uint8_t *buffer, bool *has_out)
{
    int code = 0;
    *has_out = false;
    for (uint64_t at = from; at < size && code == 0 && !*has_out;) {
        size_t wanted = size - at < STEP ? (size_t)(size - at) : STEP;
        size_t got = 0;
        code = io->file_read(io->context, file, at, buffer, wanted, &got);
        code = code == 0 && got < wanted ? EIO : code;
        *has_out = code == 0 && !bpi_all_zero(buffer, got);
        at += wanted;
    }
    return code;
}

bp_status bpi_log_has_tail(bpi_log *log, const bpi_segment_entry *entry, bool *has_out, bp_error *error)
{
    const bpi_home *home = &log->home;
    bpi_catalog catalog = {.manifest = {.store_id = log->catalog.manifest.store_id}};
    bp_file *file = NULL;
    uint64_t size = 0;
    *has_out = false;
    bp_status status = bpi_open_listed(home, &catalog, entry, BP_OPEN_READ, &file, &size, error);
    if (status != BP_OK) {
        return status;
    }
    uint8_t *buffer = bpi_allocate(home->allocator, STEP);
    if (buffer == NULL) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read a segment");
    } else {
        int code = look_behind(home->io, file, entry->length, size, buffer, has_out);
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot read the log");
    }
    bpi_release(home->allocator, buffer, STEP);
    home->io->file_close(home->io->context, file);
    return status;
}

/* ---- replaced segments ---- */

/* With the catalog lock. */
static int remove_retired(const bpi_log *log, size_t *count)
{
    const bpi_home *home = &log->home;
    int code = 0;
    *count = 0;
    for (size_t i = 0; i < log->catalog.count && code == 0; i++) {
        const bpi_segment_entry *entry = &log->catalog.entries[i];
        char name[BP_SEGMENT_NAME_SIZE];
        if (entry->state == BPI_SEGMENT_RETIRED) {
            bp_segment_name(entry->ordinal, entry->generation, name);
            code = home->io->dir_remove(home->io->context, home->log, name);
            code = code == ENOENT ? 0 : code;
            ++*count;
        }
    }
    return code == 0 && *count != 0 ? home->io->dir_sync(home->io->context, home->log) : code;
}

static void forget_retired(bpi_catalog *catalog)
{
    size_t kept = 0;
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            catalog->entries[kept++] = catalog->entries[i];
        }
    }
    catalog->count = kept;
}

bp_status bpi_log_sweep(bpi_log *log, bp_error *error)
{
    size_t count = 0;
    int code = 0;
    (void)pthread_mutex_lock(&log->catalog_lock);
    bool unknown = log->catalog.slot_unknown;
    if (!unknown) {
        code = remove_retired(log, &count);
    }
    if (!unknown && code == 0 && count != 0) {
        forget_retired(&log->catalog); /* the medium's list goes on naming them, and an opening finds them gone */
    }
    (void)pthread_mutex_unlock(&log->catalog_lock);
    if (unknown) {
        bpi_error_set(error, BP_ERR_FAILED, "which segments are in force is not known since a write failed");
        bpi_error_hint(error, "open the store anew, and ask again");
        return BP_ERR_FAILED;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot remove a segment that another took the place of");
}
