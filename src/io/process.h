/*
 * process.h: which process this is, and how urgent a thread is.
 */
#ifndef BPI_IO_PROCESS_H
#define BPI_IO_PROCESS_H

#include <stdint.h>

uint32_t bpi_process_id(void);

/* The calling thread does what nobody waits for: where processors are scarce, others go first. For as long as it lives. */
void bpi_thread_yields(void);

#endif
