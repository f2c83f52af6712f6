/*
 * generator.c: a pool filled by hashing (key, number of the block), 64 blocks side by side; the first becomes the next key.
 */
#include "base/generator.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"

enum { FILLINGS = 16 };

static void fill(bpi_generator *generator)
{
    uint8_t blocks[BPI_GENERATOR_BLOCKS][BPI_HASH_BLOCK] = {{0}};
    const uint8_t *inputs[BPI_GENERATOR_BLOCKS];
    size_t sizes[BPI_GENERATOR_BLOCKS];
    bp_hash hashes[BPI_GENERATOR_BLOCKS];
    for (uint32_t i = 0; i < BPI_GENERATOR_BLOCKS; i++) {
        memcpy(blocks[i], generator->key, BPI_SEED_SIZE);
        bpi_put32(blocks[i] + BPI_SEED_SIZE, i);
        inputs[i] = blocks[i];
        sizes[i] = BPI_HASH_BLOCK;
    }
    bpi_hash_many(BPI_HASH_RANDOM, inputs, sizes, BPI_GENERATOR_BLOCKS, hashes);
    memcpy(generator->key, hashes[0].bytes, BPI_SEED_SIZE);
    memcpy(generator->pool, hashes[1].bytes, BPI_GENERATOR_POOL);
    generator->left = BPI_GENERATOR_POOL;
}

int bpi_generator_wants_seed(const bpi_generator *generator, size_t size)
{
    return generator->left < size && generator->until_new == 0;
}

void bpi_generator_seed(bpi_generator *generator, const uint8_t seed[BPI_SEED_SIZE])
{
    uint8_t both[BPI_HASH_BLOCK];
    bp_hash mixed;
    memcpy(both, generator->key, BPI_SEED_SIZE);
    memcpy(both + BPI_SEED_SIZE, seed, BPI_SEED_SIZE);
    bpi_hash(BPI_HASH_RANDOM, both, sizeof both, &mixed);
    memcpy(generator->key, mixed.bytes, BPI_SEED_SIZE);
    generator->until_new = FILLINGS;
    generator->left = 0;
}

void bpi_generator_draw(bpi_generator *generator, void *bytes, size_t size)
{
    if (generator->left < size) {
        BPI_ASSERT(generator->until_new > 0 && size <= BPI_GENERATOR_POOL);
        generator->until_new--;
        fill(generator);
    }
    generator->left -= size;
    uint8_t *from = generator->pool + generator->left;
    memcpy(bytes, from, size);
    memset(from, 0, size);
}
