/*
 * sources.h: which files of a damaged store hold its log, with or without a manifest and a list.
 *
 * A segment file is taken for what its own header says, not for its name; where the header cannot be read, for what its name
 * and the list say. Files of another store are left aside. Nothing is written.
 */
#ifndef BPI_LOG_SOURCES_H
#define BPI_LOG_SOURCES_H

#include "log/home.h"

/* One segment file. */
typedef struct bpi_source {
    bpi_segment_entry entry; /* as listed, or what the header says, state open; salt 0: not known, any is taken */
    uint32_t name_ordinal;   /* the file's name */
    uint32_t name_generation;
    uint64_t file_size;
    bool header_good;
    bool listed;
} bpi_source;

/* Something that is wrong with a file as a whole. `offset` counts when it is not UINT64_MAX. */
typedef void (*bpi_source_note_fn)(void *argument, const char *file, uint64_t offset, const char *what);

typedef struct bpi_sources {
    const bpi_home *home;
    bp_id store_id;
    bool manifest_good; /* a valid slot, and the list that it names */
    bool list_good;     /* that one, or a list that is right by itself */
    bpi_catalog catalog;
    bpi_source *items; /* by ordinal, one for each */
    size_t count;
    size_t capacity;
    uint32_t missing;    /* listed and not there */
    uint32_t foreign;    /* files of another store */
    uint32_t superseded; /* other generations of the same segments, retired ones, ... */
} bpi_sources;

/*
 * Finds them. BP_ERR_NOT_FOUND: neither manifest nor segment is there. BP_ERR_VERSION: a newer format, which is no damage.
 * BP_ERR_CORRUPT: not even the store's id can be told. BP_ERR_IO, BP_ERR_NO_MEMORY. bpi_sources_free after each.
 */
bp_status bpi_sources_find(const bpi_home *home, bpi_source_note_fn tell, void *argument, bpi_sources *sources_out,
                           bp_error *error);
void bpi_sources_free(bpi_sources *sources);

#endif
