/*
 * ids.h: making UUIDv7 ids from a time and random bytes.
 */
#ifndef BPI_BASE_IDS_H
#define BPI_BASE_IDS_H

#include <batpak/types.h>

/* 48 bits of milliseconds, 74 of the 80 random bits, version 7, variant 10. */
bp_id bpi_id_v7(uint64_t unix_ms, const uint8_t random[10]);

/* The id of item `index` of a batch whose first given id is `first`: bp_id_from("batpak batch", first || index LE32). */
bp_id bpi_id_of_item(const bp_id *first, uint32_t index);

/* A well mixed 64-bit number from an id, for hash tables. Ids may be chosen by a stranger: `key` is the store's own. */
uint64_t bpi_id_mix(const bp_id *id, uint64_t key);

/* The same for names: seeded, resists chosen collisions reasonably (wyhash-like or SipHash-1-3 of our own words). */
uint64_t bpi_name_mix(const void *bytes, size_t size, uint64_t key);

#endif
