/*
 * place.h: where a cache on disk lies, and its files, through the seam of this machine.
 */
#ifndef BPI_PROJECTION_PLACE_H
#define BPI_PROJECTION_PLACE_H

#include <batpak/store.h>

#include "base/memory.h"

typedef struct bpi_place {
    const bp_io *io;
    bp_dir *dir;
    char *path; /* of the directory; from the system's allocator */
} bpi_place;

/* Makes the directory if it is missing: `directory`, or cache/<name> of the store. */
bp_status bpi_place_open(bpi_place *place, bp_store *store, const char *directory, const char *name, bp_error *error);
void bpi_place_close(bpi_place *place); /* half-open ones too */

/* "<path>/<file>", from the system's allocator; *size_out is what to release. NULL: no memory. */
char *bpi_place_join(const bpi_place *place, const char *file, size_t *size_out);
/* Removes a file; that there is none is fine. */
bp_status bpi_place_remove(const bpi_place *place, const char *file, bp_error *error);

/* Says "cache", `name`, level info, with a reason, through the store's hook. store NULL: nothing. */
void bpi_place_say(const bp_store *store, const bpi_place *place, const char *name, const char *reason);

#endif
