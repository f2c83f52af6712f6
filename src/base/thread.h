/*
 * thread.h: starting the library's own threads.
 */
#ifndef BPI_BASE_THREAD_H
#define BPI_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts a thread with a stack of that many bytes; with the system's own size where that is refused: some systems take a program's
 * thread-local variables from the stack, and they may be larger. Returns 0 or an errno value. */
int bpi_thread_start(pthread_t *thread_out, size_t stack_size, void *(*run)(void *), void *argument);

#endif
