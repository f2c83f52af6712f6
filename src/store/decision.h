/*
 * decision.h: what a layer above wants kept with an event: the gates it passed, or the reason why they were bypassed.
 */
#ifndef BPI_STORE_DECISION_H
#define BPI_STORE_DECISION_H

#include <stddef.h>
#include <stdint.h>

struct bp_decision {
    const uint8_t *gates; /* size (1), name; size, name; ... as BP_TAG_GATES has them */
    size_t gates_size;
    const char *bypass; /* BP_TAG_BYPASS, or NULL */
    size_t bypass_size;
};

enum { BPI_DECISION_MAX = 4096 }; /* bytes of all names on record with one event */

#endif
