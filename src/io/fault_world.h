/*
 * fault_world.h: what the two halves of the fault implementation share: fault.c has the operations, fault_world.c the
 * life and death of the world around them.
 */
#ifndef BPI_IO_FAULT_WORLD_H
#define BPI_IO_FAULT_WORLD_H

#include <pthread.h>

#include "io/fault.h"
#include "io/world.h"

struct bpi_fault {
    bp_io io;
    pthread_mutex_t mutex; /* guards all that follows */
    bpi_world world;
    bpi_fault_plan plan;
    uint64_t steps;
    uint64_t reads;
    uint64_t boot;
    bool crashed; /* and not yet restarted */
    bpi_fault_watch_fn watch;
    void *watch_argument;
    bpi_fault_step taken; /* the step under way, until the watcher was told that it is done; `what` NULL: none */
};

extern const bp_io bpi_fault_table;

/* The process ends here: its mappings no longer reach the files, its handles are no longer valid, its locks are gone.
 * The mutex is held. */
void bpi_fault_die(bpi_fault *fault);

#endif
