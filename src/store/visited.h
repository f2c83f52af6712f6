/*
 * visited.h: what a walk has seen and what it still has to show: sequences in the order they were found, each once.
 */
#ifndef BPI_STORE_VISITED_H
#define BPI_STORE_VISITED_H

#include <batpak/io.h>

typedef struct bpi_visit {
    uint64_t sequence;
    uint32_t depth;
} bpi_visit;

typedef struct bpi_visited {
    const bp_allocator *allocator;
    bpi_visit *visits; /* in the order they were added */
    size_t count;
    size_t capacity;
    uint32_t *slots;   /* hash table: place in visits + 1 */
    size_t slot_count; /* a power of two, more than count; 0 at first */
} bpi_visited;

void bpi_visited_init(bpi_visited *visited, const bp_allocator *allocator);
void bpi_visited_fini(bpi_visited *visited);
bool bpi_visited_has(const bpi_visited *visited, uint64_t sequence);
/* It is not there yet. False: no memory. */
bool bpi_visited_add(bpi_visited *visited, uint64_t sequence, uint32_t depth);

#endif
