/*
 * fault_memory.h: an allocator that runs dry: the nth allocation gives nothing, once or from then on (tests only).
 *
 * What is outstanding is counted, so that a test sees what was never given back. Thread-safe.
 */
#ifndef BPI_IO_FAULT_MEMORY_H
#define BPI_IO_FAULT_MEMORY_H

#include <stdatomic.h>

#include <batpak/io.h>

typedef struct bpi_fault_memory {
    bp_allocator table;
    _Atomic uint64_t calls; /* allocations and growths asked for */
    _Atomic uint64_t bytes; /* outstanding */
    uint64_t fails_at;      /* the number of the call that gives nothing, from 1; 0 = never */
    bool persistent;        /* and all behind it */
} bpi_fault_memory;

void bpi_fault_memory_init(bpi_fault_memory *memory);

#endif
