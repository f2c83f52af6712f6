/*
 * output.c: outputs that callers make for themselves.
 */
#include <batpak/io.h>

#include "base/output.h"

bp_output *bp_output_new(const bp_allocator *allocator)
{
    const bp_allocator *from = allocator != NULL ? allocator : bp_allocator_system();
    bp_output *output = bpi_allocate(from, sizeof(*output));
    if (output != NULL) {
        bpi_output_init(output, from);
    }
    return output;
}

void bp_output_free(bp_output *output)
{
    if (output != NULL) {
        const bp_allocator *from = output->buffer.allocator;
        bpi_output_fini(output);
        bpi_release(from, output, sizeof(*output));
    }
}
