/*
 * assert.c: the end of a program whose memory is not what it must be.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void bpi_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "batpak: %s:%d: does not hold: %s\n", file, line, condition);
    abort();
}
