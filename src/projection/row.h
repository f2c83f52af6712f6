/*
 * row.h: what a cache keeps of a state: whose it is, up to where, and the bytes.
 *
 * A row is believed if and only if
 *   it is as long as it says and its CRC holds;
 *   key, type, version and kinds are those of who asks (a key binds store, type and region);
 *   the event below `next` is published in this store and has the row's hash.
 * Each of them keeps a mistake out: a cache that mixes up its values, code that changed while states stayed, a history
 * that a power cut or an older copy took back. A row is never part of the log's format: another layout is another magic.
 *
 * Bytes, little-endian: magic 4 · CRC-32C of all behind it 4 · version 4 · epoch 4 · type 8 · kinds 8 · next 8 · event hash
 * 32 · complete at 8 · state size 8 · key digest 32 · state.
 */
#ifndef BPI_PROJECTION_ROW_H
#define BPI_PROJECTION_ROW_H

#include <batpak/projection.h>

#include "base/output.h"

enum { BPI_TYPE_MAX = 255, BPI_KEY_MAX = BPI_TYPE_MAX + 1 + 16 + 32, BPI_ROW_FIXED = 120 };

typedef struct bpi_row_key {
    size_t size;
    uint8_t bytes[BPI_KEY_MAX]; /* type, NUL, store id, digest of the region's text */
} bpi_row_key;

/* What the row is checked against. */
typedef struct bpi_row_owner {
    const bp_projection *projection;
    bpi_row_key key;
} bpi_row_owner;

typedef struct bpi_state_row {
    bp_position position;
    int64_t complete_us; /* by the store's clock: it had all events published then */
    const uint8_t *state;
    size_t state_size;
} bpi_state_row;

/* BP_ERR_NO_MEMORY. */
bp_status bpi_row_key_make(const bp_projection *projection, const bp_id *store_id, const bp_region *region,
                           const bp_allocator *allocator, bpi_row_key *key_out, bp_error *error);

/* Room for the header; the state is written behind it. False: no memory. */
bool bpi_row_begin(bp_output *output);
/* Fills in the header of a row whose state is there. */
void bpi_row_finish(bp_output *output, const bpi_row_owner *owner, const bp_position *position, int64_t complete_us);

/* NULL: it is whole and the owner's, and its position is to be checked; else why not. */
const char *bpi_state_row_read(const bp_output *value, const bpi_row_owner *owner, bpi_state_row *row_out);

#endif
