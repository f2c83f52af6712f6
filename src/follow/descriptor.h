/*
 * descriptor.h: subscriptions that event loops wait for, and the one thread of a store handle that waits for them.
 *
 * A descriptor is *armed* when its subscription found nothing: with the tide it took before it looked. The thread sets
 * those whose tide has passed and disarms them, so that an event costs a system call only for subscriptions that wait.
 */
#ifndef BPI_FOLLOW_DESCRIPTOR_H
#define BPI_FOLLOW_DESCRIPTOR_H

#include "follow/hub.h"

typedef struct bpi_descriptor {
    bpi_hub *hub;
    _Atomic int fd; /* -1: none was asked for */
    uint32_t wants; /* BPI_WAKE_... */
    bool armed;     /* [descriptors' lock] */
    bpi_tide seen;  /* [descriptors' lock] */
    struct bpi_descriptor *next;
} bpi_descriptor;

/* Makes it, set. Inside the hub. */
bp_status bpi_descriptor_open(bpi_descriptor *descriptor, bpi_hub *hub, uint32_t wants, bp_error *error);
/* Nothing was there at that tide: cleared, until there is another, or unless it is stopped or ends. Inside the hub. */
void bpi_descriptor_arm(bpi_descriptor *descriptor, bpi_tide seen, const _Atomic bool *stop);
/* Sets it, if there is one: any thread. */
void bpi_descriptor_wake(const bpi_descriptor *descriptor);
void bpi_descriptor_close(bpi_descriptor *descriptor);

/* bp_close begins: sets all, for good. */
void bpi_descriptors_end(bpi_hub *hub);
/* Nobody is inside any more: sets all, ends the thread. */
void bpi_descriptors_stop(bpi_hub *hub);
void bpi_descriptors_free(bpi_hub *hub, bool forked);

#endif
