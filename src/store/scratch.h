/*
 * scratch.h: what an append works in before it is committed: its frame, its staged events, hash inputs, random bytes.
 *
 * Scratches are kept and reused; one belongs to one call at a time. Nothing in it is shared.
 */
#ifndef BPI_STORE_SCRATCH_H
#define BPI_STORE_SCRATCH_H

#include <batpak/append.h>

#include "base/generator.h"
#include "base/memory.h"
#include "format/hashing.h"
#include "index/index.h"

enum { BPI_HASH_STEP = 64, BPI_NO_RULES = 0 };

/* One event on its way into the log. */
typedef struct bpi_staged {
    bpi_record_input input;
    size_t offset; /* of its record in the frame buffer */
    size_t size;
    uint32_t tail_crc;
    bpi_hash_prefix prefix; /* of the event hash, when prefix_size <= BPI_HASH_PREFIX_MAX and not `alone` */
    size_t prefix_size;
    size_t prefix_at; /* in scratch->prefixes, with room for the last block behind it, when `alone` */
    bool alone;       /* no other item of the batch has its entity: its event hash waits for nothing in the batch */
    size_t causes_at; /* in the arena: causes, then extensions */
    size_t extensions_at;
    bp_id correlation; /* own id when none was given */
    bp_expectation expect;
    bool id_given;
    bool external;
    bool has_time;
    bool system;
    uint32_t given_causes; /* the first so many causes have to exist; the rest are of this batch */
    uint32_t lane;
    int64_t time_us;
    uint32_t expected;      /* what the index was told of the entity ahead */
    const bp_guard *guards; /* the caller's */
    size_t guard_count;
    bp_text subject;     /* the caller's; data NULL: not encrypted */
    const uint8_t *text; /* of an encrypted payload: what it was, in scratch->sealed */
    size_t text_size;
    /* by the commit */
    bpi_entity *entity;
    bool entity_new; /* it was not in memory before */
    bpi_entity *scope;
    bpi_record_assigned assigned;
    uint64_t previous;
} bpi_staged;

typedef struct bpi_scratch {
    const bp_allocator *allocator;
    size_t slot;         /* its place in the store's pool; none when the pool was empty */
    bpi_buffer frame;    /* 64 bytes for the header, then the records */
    bpi_buffer arena;    /* causes and extensions of all items */
    bpi_buffer hashing;  /* hash inputs of one step */
    bpi_buffer prefixes; /* inputs of event hashes */
    bpi_buffer names;    /* what a hook wants on record with an item */
    bpi_buffer sealed;   /* texts and ciphertexts of items with a subject */
    uint64_t rules;      /* the state of the rules that all items went by, or BPI_NO_RULES */
    bool guarded;        /* an item has guards */
    bool encrypted;      /* an item has a subject */
    bool refused;        /* `names` holds what `judge` left of its refusal */
    bool entered;        /* bpi_keys_enter was called, bpi_keys_leave not yet */
    bpi_staged *items;
    size_t capacity;
    bpi_generator generator;
} bpi_scratch;

struct bp_store;

/* NULL: no memory. */
bpi_scratch *bpi_scratch_take(struct bp_store *store);
void bpi_scratch_give(struct bp_store *store, bpi_scratch *scratch);
/* A scratch is taken from when an append is staged until it is answered: is one? */
bool bpi_appends_under_way(struct bp_store *store);
void bpi_scratch_free(bpi_scratch *scratch);

/* Wipes the texts of what was encrypted. */
void bpi_scratch_forget(bpi_scratch *scratch);

bool bpi_scratch_items(bpi_scratch *scratch, size_t count);
/* `size` random bytes; 0 or errno. */
int bpi_scratch_random(struct bp_store *store, bpi_scratch *scratch, void *bytes, size_t size);

#endif
