/*
 * ids.h: making UUIDv7 ids from a time and random bytes.
 */
#ifndef BPI_BASE_IDS_H
#define BPI_BASE_IDS_H

#include <batpak/types.h>

#include "base/bytes.h"
#include "base/compiler.h"

/* 48 bits of milliseconds, 74 of the 80 random bits, version 7, variant 10. */
bp_id bpi_id_v7(uint64_t unix_ms, const uint8_t random[10]);

/* The id of item `index` of a batch whose first given id is `first`: bp_id_from("batpak batch", first || index LE32). */
bp_id bpi_id_of_item(const bp_id *first, uint32_t index);

/* A well mixed 64-bit number from an id, for hash tables. Ids may be chosen by a stranger: `key` is the store's own. */
uint64_t bpi_id_mix(const bp_id *id, uint64_t key);

/* The same number, for many ids under one key: what follows from the key alone is made once. */
typedef struct bpi_id_mixer {
    uint64_t first;
    uint64_t second;
} bpi_id_mixer;

bpi_id_mixer bpi_id_mixer_of(uint64_t key);

static inline uint64_t bpi_id_mixed(const bpi_id_mixer *mixer, const bp_id *id)
{
    uint64_t high;
    uint64_t low = bpi_multiply(bpi_get64(id->bytes) ^ mixer->first, bpi_get64(id->bytes + 8) ^ mixer->second, &high);
    low = bpi_multiply(low ^ mixer->second, high ^ mixer->first ^ UINT64_C(0xa0761d6478bd642f), &high);
    return low ^ high;
}

/* bp_id_equal and bp_id_is_nil for loops; never NULL. */
static inline bool bpi_id_same(const bp_id *a, const bp_id *b)
{
    return ((bpi_get64(a->bytes) ^ bpi_get64(b->bytes)) | (bpi_get64(a->bytes + 8) ^ bpi_get64(b->bytes + 8))) == 0;
}

static inline bool bpi_id_none(const bp_id *id)
{
    return (bpi_get64(id->bytes) | bpi_get64(id->bytes + 8)) == 0;
}

/* The same for names: seeded, resists chosen collisions reasonably (wyhash-like or SipHash-1-3 of our own words). */
uint64_t bpi_name_mix(const void *bytes, size_t size, uint64_t key);

#endif
