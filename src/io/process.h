/*
 * process.h: which process this is.
 */
#ifndef BPI_IO_PROCESS_H
#define BPI_IO_PROCESS_H

#include <stdint.h>

uint32_t bpi_process_id(void);

#endif
