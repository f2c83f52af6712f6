/*
 * process.c: which process this is, and how urgent a thread is.
 */
#include "io/process.h"

#include <sys/resource.h>
#include <unistd.h>

uint32_t bpi_process_id(void)
{
    return (uint32_t)getpid();
}

enum { BACKGROUND = 19 };

void bpi_thread_yields(void)
{
    /* On Linux each thread has its own value, and 0 is the calling one. A refusal changes nothing but the order. */
    (void)setpriority(PRIO_PROCESS, 0, BACKGROUND);
}
