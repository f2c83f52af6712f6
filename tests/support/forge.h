/*
 * forge.h: changing a segment's bytes as somebody would who knows the format: with every checksum made right again, so
 * that only what the checksums do not prove is left to find.
 */
#ifndef BPT_FORGE_H
#define BPT_FORGE_H

#include "support/world.h"

enum { BPT_FORGE_FRAMES = 512, BPT_FORGE_RECORDS = 1024 };

typedef struct bpt_frame_at {
    size_t offset;
    size_t length;
    uint8_t type;
    size_t first_record;
    size_t record_count;
} bpt_frame_at;

typedef struct bpt_forge {
    bpt_world *world;
    char name[64];
    uint8_t *data;
    size_t size;
    size_t end; /* where the last frame ends */
    bp_id store_id;
    size_t frame_count;
    bpt_frame_at frames[BPT_FORGE_FRAMES];
    size_t record_count;
    size_t records[BPT_FORGE_RECORDS]; /* offsets */
} bpt_forge;

/* Reads log/<ordinal>-1.seg and finds its frames and records. */
bpt_forge *bpt_forge_begin(bpt_world *world, unsigned ordinal);
uint8_t *bpt_forge_record(bpt_forge *forge, size_t record);
size_t bpt_forge_length(const bpt_forge *forge, size_t record);
/* Computes the event hash of a record anew, `previous` being that of its entity's previous event (NULL: none). */
void bpt_forge_hash(bpt_forge *forge, size_t record, const bp_hash *previous);
bp_hash bpt_forge_hash_of(bpt_forge *forge, size_t record);
/* Makes the CRCs of all records, bodies and headers right, and each header's link to the one before. */
void bpt_forge_fix(bpt_forge *forge);
/* Writes the file back and ends. */
void bpt_forge_end(bpt_forge *forge);

uint32_t bpt_get32(const uint8_t *bytes);
void bpt_set32(uint8_t *bytes, uint32_t value);
uint64_t bpt_get64(const uint8_t *bytes);
void bpt_set64(uint8_t *bytes, uint64_t value);

/* The newest valid slot of a manifest, 0 or 1. */
unsigned bpt_newest_slot(const uint8_t *manifest);
/* Changes the newest slot through `change` and makes its CRC right; the other slot stays. */
typedef void (*bpt_change_fn)(uint8_t *bytes, size_t size);
void bpt_change_manifest(bpt_world *world, bpt_change_fn change);
/* Changes the list that the newest slot names, and makes the CRCs in list and slot right. */
void bpt_change_list(bpt_world *world, bpt_change_fn change);

#endif
