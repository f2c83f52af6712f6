/*
 * opener.h: how sealed segments are opened, and the ring of those that are mapped (log/budget.c).
 */
#ifndef BPI_LOG_OPENER_H
#define BPI_LOG_OPENER_H

#include <pthread.h>

#include "log/segment_file.h"

struct bpi_opener {
    _Atomic uint32_t references;
    pthread_mutex_t lock; /* one segment is opened at a time; of the ring, too */
    bpi_home home;        /* io, allocator and log alone */
    bp_id store_id;
    uint32_t seed;

    bpi_segment *hand;       /* [lock] of the ring, who is looked at next; NULL: it is empty */
    uint32_t let_go;         /* [lock] how many of the ring were */
    uint32_t most;           /* [lock] that should be mapped */
    uint32_t asked;          /* [lock] how often a mapping was asked for here since crowded was called */
    _Atomic uint32_t mapped; /* those in the ring; changed with the lock */
    _Atomic bool crowding;   /* it is time to call crowded; changed with the lock */
    pthread_mutex_t watch;   /* of the next two, held while it is called */
    bpi_crowded_fn crowded;  /* NULL: nobody wants to know */
    void *argument;
};

/* With the lock: a mapped segment comes into the ring, in use; goes out of it. */
void bpi_ring_add(bpi_opener *opener, bpi_segment *segment);
void bpi_ring_remove(bpi_opener *opener, bpi_segment *segment);
/* With the lock: it was asked for, and who asks again finds it at once. */
void bpi_ring_use(bpi_opener *opener, bpi_segment *segment);

/* Is its descriptor given back for good? */
bool bpi_segment_is_rested(const bpi_segment *segment);

#endif
