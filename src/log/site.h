/*
 * site.h: a directory in which a store is being made out of another one: by a snapshot, or by a restore.
 *
 * Holds:
 *   - nothing is made before bpi_site_begin, and then only in a directory that was empty or not there;
 *   - INCOMPLETE is the first thing in it, synced, and goes last, when all else is synced: whoever finds it finds no store;
 *   - all is done below the directory that was opened: neither its name nor a link put in its place leads elsewhere.
 */
#ifndef BPI_LOG_SITE_H
#define BPI_LOG_SITE_H

#include "format/note.h"
#include "log/home.h"

typedef struct bpi_site {
    bpi_home home;    /* what is being made; path is the caller's text */
    bp_dir *parent;   /* NULL: the path names no part below it ("."), and is there */
    const char *name; /* in the parent; a view into `parts` */
    char *parts;      /* the path, cut in two */
    size_t parts_size;
    struct bpi_site_names *names; /* room for bpi_site_undo, which is called when there may be no memory any more */
    bool made;                    /* the directory was not there before */
    bool begun;                   /* INCOMPLETE is there */
    bool unmarked;                /* and is not any more: it is complete */
} bpi_site;

/*
 * Looks whether something can be made at `path`: its directory above is there; it is missing or an empty directory, no link, and
 * not inside of the store (or the snapshot) `source`. Nothing is changed. tables: of `source`.
 *   BP_ERR_NOT_FOUND  no directory above; BP_ERR_NOT_EMPTY; BP_ERR_EXISTS: it is a file or a link; BP_ERR_ARGUMENT: inside of `source`
 */
bp_status bpi_site_open(bpi_site *site, const bpi_home *source, const char *path, bp_error *error);

/* Makes the directory, if it was not there. BP_ERR_NOT_EMPTY, BP_ERR_EXISTS: somebody else put something there meanwhile. */
bp_status bpi_site_make(bpi_site *site, bp_error *error);

/* Makes the directory, INCOMPLETE with that note, and log/. BP_ERR_NOT_EMPTY: somebody else is making something there. */
bp_status bpi_site_begin(bpi_site *site, const bpi_note *note, bp_error *error);

/* The end: with a note INCOMPLETE becomes SNAPSHOT, else it goes. */
bp_status bpi_site_finish(bpi_site *site, const bpi_note *note, bp_error *error);

/* Removes what was made since bpi_site_begin, as far as that can be done. False: it is as it was, and may be complete, since it cannot be
 * marked as unfinished. */
bool bpi_site_undo(bpi_site *site);
void bpi_site_close(bpi_site *site); /* zeros: one that was never opened, and one that is closed */

/* Writes a new file whole: exclusive, synced; its directory is not. 0 or an errno. */
int bpi_write_fresh(const bpi_home *home, bp_dir *dir, const char *name, const void *data, size_t size);

/* Reads a note. BP_ERR_NOT_FOUND: there is none; BP_ERR_CORRUPT, BP_ERR_VERSION. */
bp_status bpi_note_read(const bpi_home *home, bp_dir *dir, const char *name, bpi_note *note_out, bp_error *error);

#endif
