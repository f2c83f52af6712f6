/*
 * bell.h: sleeping until something is published or durable, beside a writer in this or another process.
 *
 * A follower takes the tide, looks for events, and, when there are none, waits for another tide. Nothing can be lost in
 * between: the bit that asks to be woken is set before the tide is compared again, and the writer looks for the bit after
 * it stored what makes the tide. Sleeps are bounded all the same: a writer can die, a page can be replaced.
 */
#ifndef BPI_STORE_BELL_H
#define BPI_STORE_BELL_H

#include "store/store.h"

/* Two numbers that differ from those taken before if something was published, or became durable, meanwhile. They are never ahead
 * of what a look that begins after them finds. */
typedef struct bpi_tide {
    uint64_t published;
    uint64_t durable;
} bpi_tide;

bpi_tide bpi_bell_tide(const bp_store *store);
/* In one of `wants` (BPI_WAKE_...)? */
bool bpi_tide_differs(bpi_tide a, bpi_tide b, uint32_t wants);

/* To be taken before looking whether to sleep at all (a stop, say): a kick after it ends the wait. */
uint32_t bpi_bell_word(bp_store *store);

/*
 * Sleeps until one of `wants` (BPI_WAKE_...) differs from `seen`, a kick since `word`, or at most about `timeout_ns`; may
 * return early. `ring`: ask writers to wake us, which costs them a system call; else the time just passes. True: it slept
 * to the end.
 */
bool bpi_bell_wait(bp_store *store, const bpi_tide *seen, uint32_t word, uint32_t wants, bool ring,
                   uint64_t timeout_ns);

/* Wakes all who sleep in bpi_bell_wait, of any process. Without a page that may be written they look by themselves soon. */
void bpi_bell_kick(bp_store *store);

/* Events below this sequence are durable, as far as this handle has taken them in. */
uint64_t bpi_store_durable(const bp_store *store);

#endif
