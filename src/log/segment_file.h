/*
 * segment_file.h: making and mapping segment files.
 */
#ifndef BPI_LOG_SEGMENT_FILE_H
#define BPI_LOG_SEGMENT_FILE_H

#include "format/record.h"
#include "log/home.h"
#include "log/segment.h"

enum { BPI_SEGMENT_FIRST_SIZE = 8192 }; /* what a new file holds: its header and zeros */

/* Takes an open file, closing it on failure. map_size is raised to the file's size. One reference for the caller. */
bp_status bpi_segment_wrap(const bpi_home *home, bp_file *file, const bpi_segment_entry *entry, uint32_t seed,
                           size_t map_size, bool writable, bpi_segment **segment_out, bp_error *error);

/* With a descriptor of its own for log/. BP_ERR_CORRUPT: there is none. BP_ERR_NO_MEMORY, BP_ERR_IO. */
bp_status bpi_opener_new(const bpi_home *home, const bp_id *store_id, bpi_opener **opener_out, bp_error *error);
bpi_opener *bpi_opener_hold(bpi_opener *opener);
void bpi_opener_drop(bpi_opener *opener); /* NULL is allowed */
/*
 * Mappings are given back when more than `most` segments are mapped, or about to be: then the function is called, by one thread at a time,
 * who holds any locks but those of the opener, and calls bpi_opener_spare. NULL: it is not called any more, and not running when this
 * returns.
 */
typedef void (*bpi_crowded_fn)(void *argument);
void bpi_opener_watch(bpi_opener *opener, uint32_t most, bpi_crowded_fn crowded, void *argument);
/* Calls it if it is time. */
void bpi_opener_relieve(bpi_opener *opener);
/* Lets go of what nobody asked for since this was last called, as many as are too many, in that epoch: arrays that are made from now on
 * must be of a later one. */
void bpi_opener_let_go(bpi_opener *opener, uint64_t epoch);
/* Gives back what was let go of in epochs before `oldest`, which no array of blocks is of any more. */
void bpi_opener_give_back(bpi_opener *opener, uint64_t oldest);
/* How many segments are mapped that can be let go of, or were. */
uint32_t bpi_opener_mapped(const bpi_opener *opener);

/* A sealed segment that is opened when it is needed. NULL: no memory. One reference for the caller. */
bpi_segment *bpi_segment_lazy(bpi_opener *opener, const bpi_segment_entry *entry);
/* Gives the descriptor of a segment back, whose mapping stays: at once, or when the last who uses it is done. */
void bpi_segment_rest(bpi_segment *segment);
/* The same of a segment that was sealed, with that length; its mapping too can be let go of then. */
void bpi_segment_settle(bpi_segment *segment, bpi_opener *opener, uint64_t length);
/* Whoever syncs or writes a segment without the commit lock, which may be sealed meanwhile, says so: a descriptor that is
 * given back may be another file's a moment later. False: it was given back, the segment being sealed and so synced. */
bool bpi_segment_use(bpi_segment *segment);
void bpi_segment_unuse(bpi_segment *segment);

/* Maps more of it. Only while nobody else holds the segment or an address in it. */
bp_status bpi_segment_remap(bpi_segment *segment, size_t map_size, bp_error *error);

/* Makes a segment file with its header, synced, its name synced. Fills in the open entry that lists it. */
bp_status bpi_segment_create(const bpi_home *home, const bpi_manifest *manifest, uint32_t ordinal, size_t map_size,
                             bool writable_map, bpi_segment_entry *entry_out, bpi_segment **segment_out,
                             bp_error *error);

#endif
