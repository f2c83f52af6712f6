/*
 * output.h: bp_output from the inside: a buffer that remembers that it could not grow.
 */
#ifndef BPI_BASE_OUTPUT_H
#define BPI_BASE_OUTPUT_H

#include <batpak/output.h>

#include "base/memory.h"

struct bp_output {
    bpi_buffer buffer;
    bool failed; /* a write was refused: the content is not whole */
};

void bpi_output_init(bp_output *output, const bp_allocator *allocator);
void bpi_output_fini(bp_output *output);

#endif
