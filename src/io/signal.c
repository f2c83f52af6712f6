/*
 * signal.c: an eventfd.
 */
#include "io/signal.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bpi_signal_open(int *descriptor_out)
{
    *descriptor_out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *descriptor_out < 0 ? errno : 0;
}

void bpi_signal_set(int descriptor)
{
    const uint64_t one = 1;
    ssize_t done;
    do {
        done = write(descriptor, &one, sizeof one); /* EAGAIN: set more often than can be counted, so it is set */
    } while (done < 0 && errno == EINTR);
}

void bpi_signal_clear(int descriptor)
{
    uint64_t count;
    ssize_t done;
    do {
        done = read(descriptor, &count, sizeof count);
    } while (done < 0 && errno == EINTR);
}

void bpi_signal_close(int descriptor)
{
    (void)close(descriptor);
}
