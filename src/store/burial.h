/*
 * burial.h: what TOMBSTONE events say: their payload, written and read.
 */
#ifndef BPI_STORE_BURIAL_H
#define BPI_STORE_BURIAL_H

#include <batpak/event.h>

#include "base/memory.h"
#include "index/index.h"

enum { BPI_BURIAL_MAX = 64 }; /* events that one TOMBSTONE names: as many as it can have causes */

typedef struct bpi_burial {
    uint64_t sequences[BPI_BURIAL_MAX]; /* ascending */
    size_t count;
} bpi_burial;

/* Appends the payload. False: no memory. */
bool bpi_burial_put(bpi_buffer *buffer, const bpi_burial *burial, bp_text reason, bp_text by);
/* Reads the payload of the TOMBSTONE event at `sequence`, which names earlier events. False: it is not one. */
bool bpi_burial_read(const void *payload, size_t size, uint64_t sequence, bpi_burial *burial_out);
/* Tells the index what a TOMBSTONE event says, which was not told before it was read from the log. BP_ERR_CORRUPT: nothing that can be
 * understood. BP_ERR_NO_MEMORY. */
bp_status bpi_burial_learn(bpi_index *index, const bp_event *event, bp_error *error);

#endif
