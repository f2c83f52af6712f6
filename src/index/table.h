/*
 * table.h: a hash table from 32-bit fingerprints to numbers, for ids and for names: one writer, readers without locks.
 *
 * A slot is 64 bits, fingerprint << 32 | number + 1; 0 is empty. The fingerprint alone says where a slot belongs
 * (fingerprint * capacity / 2^32, then onwards), so that a table grows without asking what its numbers stand for, and
 * any capacity will do. Several numbers may have the same fingerprint: the caller confirms.
 *
 * Growing publishes a new array; the old one stays until the table is gone, since readers may still be in it. A reader
 * that was told of a number (published sequence, stable count) with acquire order finds it.
 */
#ifndef BPI_INDEX_TABLE_H
#define BPI_INDEX_TABLE_H

#include <stdatomic.h>

#include <batpak/io.h>

#include "base/compiler.h"

#define BPI_TABLE_END UINT32_MAX           /* a probe's end */
#define BPI_TABLE_NUMBERS (UINT32_MAX - 2) /* numbers lie below */

typedef struct bpi_slots {
    struct bpi_slots *older;
    uint32_t capacity;
    _Atomic uint64_t slot[];
} bpi_slots;

typedef struct bpi_table {
    const bp_allocator *allocator;
    _Atomic(bpi_slots *) slots;
    size_t used; /* slots that are not empty; the writer's */
} bpi_table;

void bpi_table_init(bpi_table *table, const bp_allocator *allocator);
void bpi_table_fini(bpi_table *table);
/* Makes sure that the table holds `count` numbers in all, at most 0.7 full. False: no memory, nothing changed. */
bool bpi_table_reserve(bpi_table *table, size_t count);
/* As bpi_table_reserve on an empty table, but as tight as will do for a table that is only read. */
bool bpi_table_reserve_tight(bpi_table *table, size_t count);
void bpi_table_put(bpi_table *table, uint32_t fingerprint, uint32_t number); /* room was reserved */
/* Takes a number out, which is there. A reader beside it may miss any number: it asks again where no removal can be. */
void bpi_table_remove(bpi_table *table, uint32_t fingerprint, uint32_t number);
/* Copies the numbers below `end` of another table. */
void bpi_table_copy(bpi_table *table, const bpi_table *from, uint32_t end);

typedef struct bpi_probe {
    const bpi_slots *slots; /* NULL: an empty table */
    uint32_t at;
    uint32_t fingerprint;
} bpi_probe;

static inline uint32_t bpi_slots_home(const bpi_slots *slots, uint32_t fingerprint)
{
    return (uint32_t)((uint64_t)fingerprint * slots->capacity >> 32);
}

static inline bpi_probe bpi_table_probe(const bpi_table *table, uint32_t fingerprint)
{
    const bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    return (bpi_probe){
        .slots = slots,
        .at = slots == NULL ? 0 : bpi_slots_home(slots, fingerprint),
        .fingerprint = fingerprint,
    };
}

static inline void bpi_table_prefetch(const bpi_table *table, uint32_t fingerprint)
{
    const bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    if (slots != NULL) {
        BPI_PREFETCH((const void *)&slots->slot[bpi_slots_home(slots, fingerprint)]);
    }
}

/* The next number with that fingerprint; BPI_TABLE_END. */
static inline uint32_t bpi_probe_next(bpi_probe *probe)
{
    if (probe->slots == NULL) {
        return BPI_TABLE_END;
    }
    for (;;) {
        uint64_t slot = atomic_load_explicit(&probe->slots->slot[probe->at], memory_order_acquire);
        if (slot == 0) {
            return BPI_TABLE_END;
        }
        probe->at = probe->at + 1 == probe->slots->capacity ? 0 : probe->at + 1;
        if (slot >> 32 == probe->fingerprint) {
            return (uint32_t)slot - 1;
        }
    }
}

#endif
