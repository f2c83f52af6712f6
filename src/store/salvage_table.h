/*
 * salvage_table.h: what a repair remembers of the events it has taken over: the ids and where they are, and of each entity its two heads, the old
 * store's and the new one's.
 */
#ifndef BPI_STORE_SALVAGE_TABLE_H
#define BPI_STORE_SALVAGE_TABLE_H

#include <stdbool.h>

#include <batpak/io.h>

typedef struct bpi_salvage_id {
    bp_id id; /* nil: free */
    uint64_t sequence;
} bpi_salvage_id;

typedef struct bpi_salvage_head {
    uint64_t mixed;
    char *name; /* NULL: free */
    size_t name_size;
    uint64_t old_next; /* clock that the old store's next event has */
    bp_hash old_hash;  /* of the one before; known even if that one was rejected */
    uint64_t new_next;
    bp_hash new_hash;
    uint64_t lost;
    bool changed; /* clocks and hashes are no longer the old ones */
} bpi_salvage_head;

typedef struct bpi_salvage_table {
    const bp_allocator *allocator;
    uint64_t key;
    bpi_salvage_id *ids;
    size_t id_slots;
    size_t id_count;
    bpi_salvage_head *heads;
    size_t head_slots;
    size_t head_count;
} bpi_salvage_table;

bool bpi_salvage_table_init(bpi_salvage_table *table, const bp_allocator *allocator, uint64_t key);
void bpi_salvage_table_fini(bpi_salvage_table *table);

bool bpi_salvage_table_has(const bpi_salvage_table *table, const bp_id *id);
/* It is there, and at that sequence. */
bool bpi_salvage_table_has_at(const bpi_salvage_table *table, const bp_id *id, uint64_t sequence);
/* False: no memory. */
bool bpi_salvage_table_add(bpi_salvage_table *table, const bp_id *id, uint64_t sequence);

/* The entity's heads, all zero at first. Good until the next call. NULL: no memory. */
bpi_salvage_head *bpi_salvage_table_head(bpi_salvage_table *table, bp_text name);

#endif
