/*
 * signal.h: a descriptor that is readable while it is set: what event loops can wait for.
 */
#ifndef BPI_IO_SIGNAL_H
#define BPI_IO_SIGNAL_H

/* 0 or an errno. It begins cleared, is close-on-exec, and never blocks. */
int bpi_signal_open(int *descriptor_out);
void bpi_signal_set(int descriptor);
void bpi_signal_clear(int descriptor);
void bpi_signal_close(int descriptor);

#endif
