/*
 * process.c: which process this is.
 */
#include "io/process.h"

#include <unistd.h>

uint32_t bpi_process_id(void)
{
    return (uint32_t)getpid();
}
