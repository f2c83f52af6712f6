/*
 * decision.h: what a layer above wants kept with an event: the gates it passed, or the reason why they were bypassed.
 *
 * It is about one payload and goes with one append: the append takes it (bpi_decisions_take), and the copy that is
 * committed is compared with the payload.
 */
#ifndef BPI_STORE_DECISION_H
#define BPI_STORE_DECISION_H

#include <batpak/append.h>
#include <stdatomic.h>

struct bp_decision {
    const uint8_t *gates; /* size (1), name; size, name; ... as BP_TAG_GATES has them */
    size_t gates_size;
    const char *bypass; /* BP_TAG_BYPASS, or NULL */
    size_t bypass_size;
    bp_payload payload; /* what the gates, or who bypassed them, had before their eyes */
    atomic_int *state;  /* a bpi_decision_state; NULL: no append takes it */
};

typedef enum bpi_decision_state {
    BPI_DECISION_CLOSED = 0, /* its commit is not under way */
    BPI_DECISION_OPEN = 1,
    BPI_DECISION_TAKEN = 2 /* by an append, which puts it back if it was refused */
} bpi_decision_state;

enum { BPI_DECISION_MAX = 4096 }; /* bytes of all names on record with one event */

#endif
