/*
 * names.h: names and their numbers: the entities, with their heads, and the scopes, as far as this process has met them;
 * others lie in the images of sealed blocks.
 *
 * A name once there keeps its address. Its *place* counts the names here; its number is of the store. The writer looks up without a lock. Readers do too, and only when
 * they find nothing ask again under a lock, which the writer takes to take a name out. Names that may still be taken
 * out are invisible to readers: only places below `stable` are. A name becomes stable with its first event, and all
 * before it do too, since names are taken out newest first.
 */
#ifndef BPI_INDEX_NAMES_H
#define BPI_INDEX_NAMES_H

#include <pthread.h>

#include "index/index.h"
#include "index/table.h"

/* 40 bytes behind the entity, so that short names lie beside it: 128 in all. */
enum { BPI_NAME_INLINE = 40, BPI_NAMES_SHIFT = 8, BPI_NAMES_CHUNK = 1 << BPI_NAMES_SHIFT };

typedef struct bpi_name {
    bpi_entity entity;
    char text[BPI_NAME_INLINE];
} bpi_name;

_Static_assert(sizeof(bpi_name) == 128, "two cache lines");

typedef struct bpi_name_chunks {
    struct bpi_name_chunks *older; /* kept for readers */
    size_t capacity;
    bpi_name *chunk[];
} bpi_name_chunks;

typedef struct bpi_names {
    const bp_allocator *allocator;
    uint64_t key;
    bpi_table table;
    _Atomic(bpi_name_chunks *) chunks;
    uint32_t count; /* the writer's */
    uint32_t chunk_count;
    _Atomic uint32_t stable; /* readers look at places below */
    pthread_mutex_t lock;    /* removals, and readers that found nothing */
} bpi_names;

void bpi_names_init(bpi_names *names, const bp_allocator *allocator, uint64_t key);
void bpi_names_fini(bpi_names *names);
/* Heap that it takes, but for long names. */
size_t bpi_names_bytes(const bpi_names *names);
/* Forgets all names; nobody reads any. */
void bpi_names_clear(bpi_names *names);

/* ---- the writer ---- */
bpi_entity *bpi_names_find(bpi_names *names, bp_text name); /* NULL: not there */
bpi_entity *bpi_names_find_hashed(bpi_names *names, bp_text name, uint32_t fingerprint);
bpi_entity *bpi_names_add(bpi_names *names, bp_text name, uint32_t number); /* it is not there; NULL: no memory */
void bpi_names_remove_last(bpi_names *names, bpi_entity *entity);
/* That name and all before it stay for ever. */
static inline void bpi_names_settle(bpi_names *names, const bpi_entity *entity)
{
    if (entity->place >= atomic_load_explicit(&names->stable, memory_order_relaxed)) {
        atomic_store_explicit(&names->stable, entity->place + 1, memory_order_release);
    }
}

/* ---- any thread ---- */
enum { BPI_NAMES_BEHIND = 8 }; /* names between the next two, at best */
/* What the table knows a name by; asks the memory for where it will be looked for. */
uint32_t bpi_names_expect_slot(const bpi_names *names, bp_text name);
/* Looks at what that has asked for, and asks for the name. */
void bpi_names_expect_item(const bpi_names *names, uint32_t fingerprint);
uint32_t bpi_names_stable(const bpi_names *names);
bpi_entity *bpi_names_at(const bpi_names *names, uint32_t place); /* place < stable (or the writer's count) */
/* NULL: no stable name. */
bpi_entity *bpi_names_read(bpi_names *names, bp_text name);

#endif
