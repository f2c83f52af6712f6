/*
 * lock.h: what a fork does to an open store. A child gets copies of the handles and of the lock's descriptor; it must
 * neither write nor keep the lock alive after its parent has died. The child closes every lock descriptor at once
 * (pthread_atfork), and the generation tells every handle from before the fork that it is not in its own process.
 */
#ifndef BPI_IO_LOCK_H
#define BPI_IO_LOCK_H

#include <stdint.h>

/* Counts the forks that led to this process. Cheap: one load. A store remembers it at open and compares on each call. */
uint64_t bpi_fork_generation(void);

#endif
