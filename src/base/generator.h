/*
 * generator.h: random bytes drawn in bulk: a keyed generator on BLAKE3 over the system's randomness.
 *
 * Salts and ids need 26 bytes an event; asking the kernel for them costs an append more than its checksums. A generator
 * is one thread's at a time. Whoever learns its state later learns nothing of what it gave before: each filling of the pool
 * replaces the key, and bytes that were given are wiped. It takes a new seed every 32 KiB, so that copies of a running
 * machine soon part.
 */
#ifndef BPI_BASE_GENERATOR_H
#define BPI_BASE_GENERATOR_H

#include <stddef.h>
#include <stdint.h>

enum { BPI_SEED_SIZE = 32, BPI_GENERATOR_BLOCKS = 64, BPI_GENERATOR_POOL = (BPI_GENERATOR_BLOCKS - 1) * 32 };

typedef struct bpi_generator {
    uint8_t key[BPI_SEED_SIZE];
    uint8_t pool[BPI_GENERATOR_POOL];
    size_t left;        /* bytes of the pool not given yet, at its front */
    unsigned until_new; /* fillings left before it wants a seed */
} bpi_generator;

/* Does the next draw of `size` bytes want a seed first? A zeroed generator does. */
int bpi_generator_wants_seed(const bpi_generator *generator, size_t size);
/* Mixes fresh randomness into the key. */
void bpi_generator_seed(bpi_generator *generator, const uint8_t seed[BPI_SEED_SIZE]);
/* size <= BPI_GENERATOR_POOL; it does not want a seed. */
void bpi_generator_draw(bpi_generator *generator, void *bytes, size_t size);

#endif
