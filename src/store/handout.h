/*
 * handout.h: the last step of every read that hands out an event: what is encrypted for a subject is decrypted, and
 * converters change the payload.
 *
 * All readers of payloads for callers (get, query, walk, what follows, what folds) end here; verification, recovery and
 * the index do not. A table of converters never changes; a registration puts a longer one in its place. A handout holds
 * the table it began with, so that it may outlive the store.
 */
#ifndef BPI_STORE_HANDOUT_H
#define BPI_STORE_HANDOUT_H

#include <stdatomic.h>

#include <batpak/upcast.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/output.h"

typedef struct bpi_upcasts bpi_upcasts;

/* The store's: the current table, NULL while there is none; older ones hang on it until the store is freed. */
typedef struct bpi_upcast_slot {
    _Atomic(bpi_upcasts *) current;
} bpi_upcast_slot;

void bpi_upcast_slot_fini(bpi_upcast_slot *slot);

struct bpi_keys;

typedef struct bpi_handout {
    struct bpi_keys *keys; /* NULL: what is encrypted is handed out as it is */
    bpi_buffer plain;      /* what was decrypted */
    bpi_upcasts *upcasts;  /* held; NULL: nothing to convert */
    bp_output payload[2];  /* the payload handed out, and where the next step of a chain writes */
    unsigned at;
} bpi_handout;

/* `stored`: nothing is changed. The store is live; what the handout lies in is of its heap. */
void bpi_handout_begin(bpi_handout *handout, bp_store *store, bool stored);
/* Decrypts, and converts nothing. */
void bpi_handout_begin_plain(bpi_handout *handout, bp_store *store);
void bpi_handout_end(bpi_handout *handout);
bp_status bpi_handout_change(bpi_handout *handout, bp_event *event, bp_error *error);

/* The event as callers get it; its payload lives until the next call. */
static inline bp_status bpi_handout_event(bpi_handout *handout, bp_event *event, bp_error *error)
{
    event->converted = false;
    return BPI_LIKELY(handout->upcasts == NULL && event->encryption == BP_ENCRYPTION_NONE)
               ? BP_OK
               : bpi_handout_change(handout, event, error);
}

#endif
