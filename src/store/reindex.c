/*
 * reindex.c: what is derived, thrown away and built anew: an opening that finds no index files.
 */
#include <batpak/reindex.h>
#include <batpak/stats.h>

#include <string.h>

#include "base/error.h"
#include "store/store.h"

/* Files that could not be written are no matter to an opening, and all that this is asked for. */
static bp_status check_written(bp_store *store, bp_error *error)
{
    uint64_t failed = atomic_load(&store->folder.failed);
    if (failed == 0) {
        return BP_OK;
    }
    bp_status status = bpi_error_system(error, atomic_load(&store->folder.failed_code),
                                        "%llu index files could not be written", (unsigned long long)failed);
    bpi_error_file(error, "%s/index", store->path);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

bp_status bp_reindex(const char *path, const bp_options *options, bp_reindex_report *report_out, bp_error *error)
{
    bp_store *store = NULL;
    bp_stats stats = {.size = sizeof stats};
    bp_status status = bpi_store_open(path, NULL, options, true, &store, error);
    if (report_out != NULL) {
        memset(report_out, 0, sizeof *report_out);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_tender_settle(store);
    status = check_written(store, error);
    if (status == BP_OK) {
        status = bp_store_stats(store, &stats, error);
    }
    if (status == BP_OK && report_out != NULL) {
        *report_out =
            (bp_reindex_report){.events = stats.events, .files = stats.index_files, .bytes = stats.index_file_bytes};
    }
    bp_status closed = bp_close(store, status == BP_OK ? error : NULL);
    return status == BP_OK ? closed : status;
}
