/*
 * buried.h: which events were tombstoned, and by which event of the log.
 *
 * A set that only grows: sequence -> the sequence of the first TOMBSTONE that names it. One at a time adds (the index's
 * writer); any number of threads ask meanwhile, without a lock. An event counts as tombstoned in a view if and only if that
 * TOMBSTONE lies in the view, so that what is pinned does not change.
 */
#ifndef BPI_INDEX_BURIED_H
#define BPI_INDEX_BURIED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <batpak/io.h>

typedef struct bpi_buried_slot {
    _Atomic uint64_t key; /* sequence + 1; 0: free. Written behind `by` */
    _Atomic uint64_t by;
} bpi_buried_slot;

typedef struct bpi_buried_table {
    struct bpi_buried_table *older; /* replaced; stays, since somebody may be asking it */
    size_t slots;                   /* a power of two */
    bpi_buried_slot slot[];
} bpi_buried_table;

/* All zero: empty. */
typedef struct bpi_buried {
    _Atomic(bpi_buried_table *) current; /* NULL: nothing was ever tombstoned */
    _Atomic uint64_t count;
    _Atomic uint64_t newest; /* the greatest `by` */
} bpi_buried;

void bpi_buried_fini(bpi_buried *buried, const bp_allocator *allocator);
/* Room for so many more. False: no memory, nothing changed. */
bool bpi_buried_reserve(bpi_buried *buried, const bp_allocator *allocator, size_t more);
/* There is room. What is there already keeps the lesser `by`. */
void bpi_buried_add(bpi_buried *buried, uint64_t sequence, uint64_t by);
/* Was it tombstoned by an event below `end`? */
bool bpi_buried_has(const bpi_buried *buried, uint64_t sequence, uint64_t end);

#endif
