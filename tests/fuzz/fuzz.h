/*
 * fuzz.h: what a fuzz target is. Each fuzz_<name>.c defines the functions below and is linked twice: with libFuzzer (preset
 * fuzz), and with replay.c, which needs no libFuzzer and runs in CI whatever lies in corpus/<name>.
 *
 * A target promises (P10): whatever the bytes, there is an answer of a kind that the headers name, in bounded memory. What
 * breaks that ends the process with words: the sanitizers' or CHECK's.
 */
#ifndef BPT_FUZZ_H
#define BPT_FUZZ_H

#include "support/check.h"

/* Runs one input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Changes an input in place, up to `max` bytes; the new size. `seed` decides all. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Plain changes of bytes: libFuzzer's own, or replay.c's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Gives the inputs that the corpus began from; `tools/fuzz.sh seeds` writes them down. */
typedef void (*fuzz_emit_fn)(void *argument, const char *name, const void *data, size_t size);
void fuzz_seeds(fuzz_emit_fn emit, void *argument);

/* A copy of just that size on the heap, so that the address sanitizer sees a look beyond. Freed by the caller. */
uint8_t *fuzz_copy(const void *data, size_t size);

/* A CRC-32C over `size` bytes with the four at `at` taken as zero, put there; nothing if they do not fit. */
void fuzz_put_crc(uint8_t *bytes, size_t size, size_t at);

/* What is kept between an input and the next one must not grow: an allocator that counts and refuses beyond a bound. */
const bp_allocator *fuzz_allocator(size_t bound);
/* Nothing of it may be left. */
void fuzz_allocator_end(void);

#endif
