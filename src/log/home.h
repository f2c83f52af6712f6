/*
 * home.h: the directory of one store and the tables it is reached through.
 */
#ifndef BPI_LOG_HOME_H
#define BPI_LOG_HOME_H

#include <batpak/store.h>

#include "format/manifest.h"

typedef struct bpi_home {
    const bp_io *io;
    const bp_clock *clock;
    const bp_random *random;
    const bp_allocator *allocator;
    const bp_log_hook *hook; /* NULL: nothing is said */
    bp_sync_mode sync_mode;
    char *path; /* as given; for messages */
    bp_dir *root;
    bool lent; /* root is somebody else's, who closes it */
    bp_dir *log;
    bp_io_place place;
} bpi_home;

/* Opens the directory (making it with `create`; one that was lent is taken as it is), and log/ if it is there.
 * BP_ERR_NOT_FOUND when it is not there. */
bp_status bpi_home_open(bpi_home *home, const char *path, bool create, bp_error *error);

/* BP_ERR_CORRUPT: what a snapshot or a restore did not bring to its end is no store, however much of one is there. */
bp_status bpi_home_refuse_incomplete(const bpi_home *home, bp_error *error);
/* Opens log/ if it is there and was not yet when the directory was opened: somebody else may have made the store meanwhile. */
bp_status bpi_home_find_log(bpi_home *home, bp_error *error);
/* Makes log/. */
bp_status bpi_home_make_log(bpi_home *home, bp_error *error);
void bpi_home_close(bpi_home *home);

/* Says something through the log hook. */
void bpi_say(const bpi_home *home, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
             size_t count);
void bpi_say_number(const bpi_home *home, bp_log_level level, const char *target, const char *name, const char *key,
                    int64_t number);

/* Reads a whole file into memory from the allocator: at most `most` bytes. BP_ERR_NOT_FOUND: none. */
bp_status bpi_read_file(const bpi_home *home, bp_dir *dir, const char *name, size_t most, uint8_t **data_out,
                        size_t *size_out, bp_error *error);

/* ---- MANIFEST and SEGMENTS-<generation> ---- */

typedef struct bpi_catalog {
    bpi_manifest manifest;
    bpi_segment_entry *entries; /* from the allocator */
    size_t count;
    size_t capacity;
    uint64_t other_list; /* the list generation of the other slot, 0 when none */
    bool slot_unknown;   /* writing a slot failed: which manifest is on the medium is not known */
} bpi_catalog;

/* Reads them. BP_ERR_NOT_FOUND: there is no MANIFEST. */
bp_status bpi_catalog_load(const bpi_home *home, bpi_catalog *catalog, bp_error *error);
/*
 * What an opening is about to remove, it removes because of the slot that it read, which a killed process may have written and
 * not synced: a power cut that takes the slot back must not find the files of the slot before gone. Writes MANIFEST over itself
 * and syncs it; nothing where the store was closed cleanly and no segment is retired.
 */
bp_status bpi_catalog_secure(const bpi_home *home, const bpi_catalog *catalog, bp_error *error);
/*
 * The same beside a writer, who may be between a slot and the removal of an old list: what is wrong is looked at again for some
 * 40 ms before it counts.
 */
bp_status bpi_catalog_load_live(const bpi_home *home, bpi_catalog *catalog, bp_error *error);
/* Does MANIFEST name another list or epoch than this one by now? Then what is missing may have been there when it was read. */
bool bpi_catalog_moved(const bpi_home *home, const bpi_catalog *catalog);
void bpi_catalog_free(const bpi_home *home, bpi_catalog *catalog);
/* As bpi_log_binding. */
bool bpi_catalog_binding(const bpi_catalog *catalog, uint32_t first, uint32_t last, bp_hash *binding_out);
/* Room for one more entry. */
bool bpi_catalog_reserve(const bpi_home *home, bpi_catalog *catalog, size_t count);

/*
 * Writes the next generation: the list (when it changed), synced, its name synced, then the slot, synced. With `first` the file
 * is made under another name and renamed. On failure the manifest on the medium is the old or the new one.
 */
bp_status bpi_catalog_store(const bpi_home *home, bpi_catalog *catalog, bool list_changed, bool first, bp_error *error);

/* BP_ERR_CORRUPT: what a writer would write next has a number that is not read any more; only a forged manifest leads there. */
bp_status bpi_manifest_has_next(const bpi_manifest *manifest, bp_error *error);

/* Removes lists that neither slot names. */
void bpi_catalog_sweep(const bpi_home *home, const bpi_catalog *catalog);

#endif
