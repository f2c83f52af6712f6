/* fuzz_directory.c: a whole store directory of any content: files changed, missing, renamed, doubled, cut, grown. */
#include "fuzz/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_store_run(data, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_store_mutate(data, size, max, seed, "", true);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    fuzz_store_seeds(emit, argument);
}
