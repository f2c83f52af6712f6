/*
 * hub.h: what all followers of one store handle share: the way in and out of the store, and one sleep.
 *
 * The hub is made by the first follower, registers with the store, and outlives it until the last follower is closed.
 *
 * Holds:
 *   - who is inside (bpi_hub_enter .. leave) finds the store open; bp_close waits until nobody is, and nobody enters after.
 *   - of the threads that wait, one (the leader) sleeps on the live page and the others on a condition; the writer wakes
 *     leaders only, one in a process, however many wait there.
 *   - a thread that asked for a wake-up when nothing was new is woken when something is, or looks again within SLICE_NS.
 */
#ifndef BPI_FOLLOW_HUB_H
#define BPI_FOLLOW_HUB_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/bell.h"

/* What wants to be told when the store closes, with nobody of its own inside any more: consumers write their positions then. */
typedef struct bpi_farewell {
    bp_status (*say)(void *argument, bp_error *error);
    void *argument;
    struct bpi_farewell *next;
} bpi_farewell;

typedef struct bpi_descriptors bpi_descriptors; /* descriptor.h */

typedef struct bpi_hub {
    bpi_after_publish hooks;
    bp_store *store; /* not to be touched outside of enter and leave */
    const bp_allocator *allocator;
    uint64_t fork_generation;
    _Atomic uint32_t references; /* the store's, and each follower's */
    _Atomic uint32_t inside;
    _Atomic bool closing;

    pthread_mutex_t lock;
    pthread_cond_t moved;         /* with lock: a wave, a stop, the leader's place is free */
    pthread_cond_t empty;         /* with lock: nobody is inside while closing */
    uint32_t sleepers;            /* [lock] threads in bpi_hub_wait */
    uint32_t published;           /* [lock] of them, those that wait for publication */
    uint32_t durable;             /* [lock] for durability */
    bool led;                     /* [lock] one of them sleeps on the page */
    uint64_t wave;                /* [lock] grows when all who sleep are sent to look */
    bpi_tide tide;                /* [lock] of the last wave */
    uint64_t release_ns;          /* [lock] when the releases so far are paid for; see wait.c */
    uint64_t ring_ns;             /* [lock] the same for system calls asked of the writer */
    bpi_farewell *farewells;      /* [lock] */
    bpi_descriptors *descriptors; /* [lock] NULL until one is asked for */
} bpi_hub;

/* The store's hub, held. BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED, BP_ERR_ARGUMENT (store is NULL). */
bp_status bpi_hub_of(bp_store *store, bpi_hub **hub_out, bp_error *error);
void bpi_hub_drop(bpi_hub *hub); /* NULL is allowed */

/* BP_ERR_CLOSED, BP_ERR_FORKED; else hub->store may be used until bpi_hub_leave. Calls nest. */
bp_status bpi_hub_enter(bpi_hub *hub, bp_error *error);
void bpi_hub_leave(bpi_hub *hub);

/* BP_ERR_FORKED in a forked child. */
bp_status bpi_hub_check(const bpi_hub *hub, bp_error *error);

/* Marks the thread as being inside a caller's function, from which bp_close is refused. Frames nest. */
typedef struct bpi_call_frame {
    const bpi_hub *hub;
    struct bpi_call_frame *outer;
} bpi_call_frame;
void bpi_call_begin(bpi_call_frame *frame, const bpi_hub *hub);
void bpi_call_end(const bpi_call_frame *frame);

void bpi_farewell_add(bpi_hub *hub, bpi_farewell *farewell);
void bpi_farewell_remove(bpi_hub *hub, bpi_farewell *farewell);
/* The same of a store that is closing: says it, unless bp_close did. Not inside the hub. */
bp_status bpi_farewell_say(bpi_hub *hub, bpi_farewell *farewell, bp_error *error);

/* ---- waiting: wait.c ---- */

typedef enum bpi_waited { BPI_WAITED_MOVED, BPI_WAITED_TIMEOUT, BPI_WAITED_STOPPED } bpi_waited;

typedef struct bpi_wish {
    bpi_tide seen;            /* taken before the caller looked in vain */
    uint32_t wants;           /* BPI_WAKE_PUBLISHED, BPI_WAKE_DURABLE */
    const _Atomic bool *stop; /* may be NULL */
    uint64_t timeout_ns;      /* UINT64_MAX: for ever */
} bpi_wish;

/* Waits for another tide. Inside the hub. The store's closing counts as a stop. */
bpi_waited bpi_hub_wait(bpi_hub *hub, const bpi_wish *wish);
/* Sends all who wait to look at their stop. Any thread; inside or not. */
void bpi_hub_kick(bpi_hub *hub);

#endif
