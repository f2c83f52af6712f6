/*
 * hash.c: BLAKE3 in derive-key mode, straight on the compression functions of the official implementation.
 *
 * Up to 1024 bytes an input is one chunk: a chain of compressions that begins with the context's key words. That case
 * is done here, without the 1.9 KB of a blake3_hasher; longer inputs are trees and go through the hasher.
 *
 * Holds: every digest equals blake3_hasher_init_derive_key + update + finalize on the same bytes (the tests compare
 * all sizes). The keys are there before any compression runs, in every thread; the library finds out about the
 * processor while they are made, so its own unguarded cache of that is written only once.
 */
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/compiler.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#include "blake3.h"
#include "blake3_impl.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

enum { CONTEXT_COUNT = 4, CHUNK_SIZE = BLAKE3_CHUNK_LEN, CHUNK_BLOCKS = BLAKE3_CHUNK_LEN / BPI_HASH_BLOCK };

static const char *const context_text[CONTEXT_COUNT] = {
    [BPI_HASH_CONTENT] = "batpak 2026 v1 content",
    [BPI_HASH_EVENT] = "batpak 2026 v1 event",
    [BPI_HASH_NODE] = "batpak 2026 v1 node",
    [BPI_HASH_RANDOM] = "batpak 2026 v1 random",
};

static uint32_t context_key[CONTEXT_COUNT][8];
static atomic_bool context_ready;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;

static void words_to_bytes(const uint32_t words[8], uint8_t bytes_out[32])
{
    for (size_t index = 0; index < 8; index++) {
        bpi_put32(bytes_out + 4 * index, words[index]);
    }
}

static void bytes_to_words(const uint8_t bytes[32], uint32_t words_out[8])
{
    for (size_t index = 0; index < 8; index++) {
        words_out[index] = bpi_get32(bytes + 4 * index);
    }
}

/* A hasher that begins with these key words; `mode` is the flag of every compression. */
static void hasher_begin(blake3_hasher *hasher, const uint32_t key[8], uint8_t mode)
{
    uint8_t bytes[BLAKE3_KEY_LEN];
    words_to_bytes(key, bytes);
    blake3_hasher_init_keyed(hasher, bytes);
    hasher->chunk.flags = mode;
}

/* One chunk of 0..1024 bytes, of any size, as the root. */
static void hash_chunk(const uint32_t key[8], uint8_t mode, const uint8_t *input, size_t size, uint32_t words_out[8])
{
    uint8_t start = CHUNK_START;
    uint8_t last[BPI_HASH_BLOCK] = {0};
    memcpy(words_out, key, 32);
    while (size > BPI_HASH_BLOCK) {
        blake3_compress_in_place(words_out, input, BPI_HASH_BLOCK, 0, (uint8_t)(mode | start));
        start = 0;
        input += BPI_HASH_BLOCK;
        size -= BPI_HASH_BLOCK;
    }
    bpi_copy(last, input, size);
    blake3_compress_in_place(words_out, last, (uint8_t)size, 0, (uint8_t)(mode | start | CHUNK_END | ROOT));
}

/* The key words of a context in two parts. */
static void derive_key(const char *prefix, size_t prefix_size, const char *context, size_t context_size,
                       uint32_t key_out[8])
{
    if (prefix_size <= CHUNK_SIZE && context_size <= CHUNK_SIZE - prefix_size) {
        uint8_t joined[CHUNK_SIZE];
        bpi_copy(joined, prefix, prefix_size);
        bpi_copy(joined + prefix_size, context, context_size);
        hash_chunk(IV, DERIVE_KEY_CONTEXT, joined, prefix_size + context_size, key_out);
        return;
    }
    blake3_hasher hasher;
    uint8_t bytes[32];
    hasher_begin(&hasher, IV, DERIVE_KEY_CONTEXT);
    blake3_hasher_update(&hasher, prefix, prefix_size);
    blake3_hasher_update(&hasher, context, context_size);
    blake3_hasher_finalize(&hasher, bytes, sizeof(bytes));
    bytes_to_words(bytes, key_out);
}

static void derive_contexts(void)
{
    for (size_t index = 0; index < CONTEXT_COUNT; index++) {
        derive_key("", 0, context_text[index], strlen(context_text[index]), context_key[index]);
    }
    atomic_store_explicit(&context_ready, true, memory_order_release);
}

static const uint32_t *key_of(bpi_hash_context context)
{
    if (BPI_UNLIKELY(!atomic_load_explicit(&context_ready, memory_order_acquire))) {
        BPI_ASSERT(pthread_once(&context_once, derive_contexts) == 0);
    }
    return context_key[context];
}

/* `blocks` compressions from the key on; the last one with `end` in its flags. blocks > 0. */
static void compress_blocks(const uint32_t key[8], const uint8_t *input, size_t blocks, uint8_t end, uint32_t words[8])
{
    uint8_t flags = DERIVE_KEY_MATERIAL | CHUNK_START;
    memcpy(words, key, 32);
    for (; blocks > 1; blocks--) {
        blake3_compress_in_place(words, input, BPI_HASH_BLOCK, 0, flags);
        flags = DERIVE_KEY_MATERIAL;
        input += BPI_HASH_BLOCK;
    }
    blake3_compress_in_place(words, input, BPI_HASH_BLOCK, 0, (uint8_t)(flags | end));
}

/* A tree: `input`, then one more block when `last` is there. */
static void hash_long(const uint32_t key[8], const uint8_t *input, size_t size, const uint8_t *last, bp_hash *hash_out)
{
    blake3_hasher hasher;
    hasher_begin(&hasher, key, DERIVE_KEY_MATERIAL);
    blake3_hasher_update(&hasher, input, size);
    if (last != NULL) {
        blake3_hasher_update(&hasher, last, BPI_HASH_BLOCK);
    }
    blake3_hasher_finalize(&hasher, hash_out->bytes, sizeof(hash_out->bytes));
}

void bpi_hash(bpi_hash_context context, const void *input, size_t size, bp_hash *hash_out)
{
    BPI_DEBUG_ASSERT(size > 0 && size % BPI_HASH_BLOCK == 0);
    const uint32_t *key = key_of(context);
    if (size > CHUNK_SIZE) {
        hash_long(key, input, size, NULL, hash_out);
        return;
    }
    uint32_t words[8];
    compress_blocks(key, input, size / BPI_HASH_BLOCK, CHUNK_END | ROOT, words);
    words_to_bytes(words, hash_out->bytes);
}

/* Sorts what fits one chunk by its number of blocks, keeping the order within; returns how many that are. What is
 * longer is left out. first_out[b]..first_out[b + 1] are the places in order_out of those with b blocks. */
static size_t sort_by_blocks(const size_t *sizes, size_t count, uint8_t order_out[BPI_HASH_MANY_MAX],
                             uint8_t first_out[CHUNK_BLOCKS + 2])
{
    uint8_t next[CHUNK_BLOCKS + 2] = {0};
    for (size_t index = 0; index < count; index++) {
        if (sizes[index] <= CHUNK_SIZE) {
            next[sizes[index] / BPI_HASH_BLOCK + 1]++;
        }
    }
    for (size_t blocks = 1; blocks < CHUNK_BLOCKS + 2; blocks++) {
        next[blocks] = (uint8_t)(next[blocks] + next[blocks - 1]);
    }
    memcpy(first_out, next, sizeof(next));
    for (size_t index = 0; index < count; index++) {
        if (sizes[index] <= CHUNK_SIZE) {
            order_out[next[sizes[index] / BPI_HASH_BLOCK]++] = (uint8_t)index;
        }
    }
    return first_out[CHUNK_BLOCKS + 1];
}

typedef uint8_t digest[BLAKE3_OUT_LEN];

/* Up to BPI_HASH_MANY_MAX inputs; those longer than a chunk are left alone. Bytes of outputs[i] belong to inputs[i]. */
static void chunks_many(const uint32_t key[8], uint8_t end, const uint8_t *const *inputs, const size_t *sizes,
                        size_t count, digest *outputs)
{
    uint8_t order[BPI_HASH_MANY_MAX];
    uint8_t first[CHUNK_BLOCKS + 2];
    const uint8_t *sorted[BPI_HASH_MANY_MAX];
    digest results[BPI_HASH_MANY_MAX];
    size_t total = sort_by_blocks(sizes, count, order, first);
    for (size_t index = 0; index < total; index++) {
        sorted[index] = inputs[order[index]];
    }
    for (size_t blocks = 1; blocks <= CHUNK_BLOCKS; blocks++) {
        size_t from = first[blocks];
        size_t run = (size_t)first[blocks + 1] - from;
        if (run != 0) {
            blake3_hash_many(sorted + from, run, blocks, key, 0, false, DERIVE_KEY_MATERIAL, CHUNK_START, end,
                             results[from]);
        }
    }
    for (size_t index = 0; index < total; index++) {
        memcpy(outputs[order[index]], results[index], sizeof(digest));
    }
}

_Static_assert(sizeof(bp_hash) == sizeof(digest), "hashes in a row are digests in a row");

/* As most often in batches: all of one size, and each hash goes straight to its place. */
static bool all_alike(const size_t *sizes, size_t count)
{
    size_t different = 0;
    for (size_t index = 1; index < count; index++) {
        different |= sizes[index] ^ sizes[0];
    }
    return different == 0 && count > 0 && sizes[0] <= CHUNK_SIZE;
}

void bpi_hash_many(bpi_hash_context context, const uint8_t *const *inputs, const size_t *sizes, size_t count,
                   bp_hash *hashes_out)
{
    const uint32_t *key = key_of(context);
    if (all_alike(sizes, count)) {
        BPI_DEBUG_ASSERT(sizes[0] > 0 && sizes[0] % BPI_HASH_BLOCK == 0);
        blake3_hash_many(inputs, count, sizes[0] / BPI_HASH_BLOCK, key, 0, false, DERIVE_KEY_MATERIAL, CHUNK_START,
                         CHUNK_END | ROOT, hashes_out->bytes);
        return;
    }
    for (size_t done = 0; done < count;) {
        digest outputs[BPI_HASH_MANY_MAX];
        size_t part = count - done < BPI_HASH_MANY_MAX ? count - done : BPI_HASH_MANY_MAX;
        chunks_many(key, CHUNK_END | ROOT, inputs + done, sizes + done, part, outputs);
        for (size_t index = 0; index < part; index++) {
            size_t size = sizes[done + index];
            BPI_DEBUG_ASSERT(size > 0 && size % BPI_HASH_BLOCK == 0);
            if (size > CHUNK_SIZE) {
                hash_long(key, inputs[done + index], size, NULL, &hashes_out[done + index]);
            } else {
                memcpy(hashes_out[done + index].bytes, outputs[index], sizeof(digest));
            }
        }
        done += part;
    }
}

void bpi_hash_prefix_begin(bpi_hash_context context, const void *prefix, size_t size, bpi_hash_prefix *state_out)
{
    BPI_DEBUG_ASSERT(size > 0 && size <= BPI_HASH_PREFIX_MAX && size % BPI_HASH_BLOCK == 0);
    compress_blocks(key_of(context), prefix, size / BPI_HASH_BLOCK, 0, state_out->words);
}

void bpi_hash_prefix_many(bpi_hash_context context, const uint8_t *const *prefixes, const size_t *sizes, size_t count,
                          bpi_hash_prefix *states_out)
{
    const uint32_t *key = key_of(context);
    for (size_t done = 0; done < count;) {
        digest outputs[BPI_HASH_MANY_MAX];
        size_t part = count - done < BPI_HASH_MANY_MAX ? count - done : BPI_HASH_MANY_MAX;
        chunks_many(key, 0, prefixes + done, sizes + done, part, outputs);
        for (size_t index = 0; index < part; index++) {
            BPI_DEBUG_ASSERT(sizes[done + index] > 0 && sizes[done + index] <= BPI_HASH_PREFIX_MAX);
            bytes_to_words(outputs[index], states_out[done + index].words);
        }
        done += part;
    }
}

void bpi_hash_prefix_end(bpi_hash_context context, const bpi_hash_prefix *state, const uint8_t last[64],
                         bp_hash *hash_out)
{
    (void)context; /* it is in the state; asked for so that both ends of a hash name it */
    bpi_hash_prefix end = *state;
    blake3_compress_in_place(end.words, last, BPI_HASH_BLOCK, 0, DERIVE_KEY_MATERIAL | CHUNK_END | ROOT);
    words_to_bytes(end.words, hash_out->bytes);
}

void bpi_hash_two(bpi_hash_context context, const void *prefix, size_t size, const uint8_t last[64], bp_hash *hash_out)
{
    if (size == 0) {
        bpi_hash(context, last, BPI_HASH_BLOCK, hash_out);
    } else if (size <= BPI_HASH_PREFIX_MAX) {
        bpi_hash_prefix state;
        bpi_hash_prefix_begin(context, prefix, size, &state);
        bpi_hash_prefix_end(context, &state, last, hash_out);
    } else {
        hash_long(key_of(context), prefix, size, last, hash_out);
    }
}

void bpi_hash_derive_two(const char *prefix, size_t prefix_size, const char *context, size_t context_size,
                         const void *data, size_t size, bp_hash *hash_out)
{
    uint32_t key[8];
    uint32_t words[8];
    (void)key_of(BPI_HASH_CONTENT); /* only for the processor's features, see above */
    derive_key(prefix, prefix_size, context, context_size, key);
    if (size > CHUNK_SIZE) {
        hash_long(key, data, size, NULL, hash_out);
        return;
    }
    hash_chunk(key, DERIVE_KEY_MATERIAL, data, size, words);
    words_to_bytes(words, hash_out->bytes);
}

void bpi_hash_derive(const char *context, size_t context_size, const void *data, size_t size, bp_hash *hash_out)
{
    bpi_hash_derive_two("", 0, context, context_size, data, size, hash_out);
}

_Static_assert(sizeof(blake3_hasher) <= sizeof(bpi_hash_stream), "the library's hasher fits");
_Static_assert(_Alignof(blake3_hasher) <= _Alignof(bpi_hash_stream), "and is aligned");

void bpi_hash_stream_begin(bpi_hash_stream *stream, bpi_hash_context context)
{
    hasher_begin((blake3_hasher *)(void *)stream->state, key_of(context), DERIVE_KEY_MATERIAL);
}

void bpi_hash_stream_add(bpi_hash_stream *stream, const void *data, size_t size)
{
    blake3_hasher_update((blake3_hasher *)(void *)stream->state, data, size);
}

void bpi_hash_stream_end(const bpi_hash_stream *stream, bp_hash *hash_out)
{
    blake3_hasher_finalize((const blake3_hasher *)(const void *)stream->state, hash_out->bytes, sizeof hash_out->bytes);
}

void bpi_hash_plain(const void *data, size_t size, bp_hash *hash_out)
{
    blake3_hasher hasher;
    (void)key_of(BPI_HASH_CONTENT); /* see the top: the library has found out about the processor */
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data, size);
    blake3_hasher_finalize(&hasher, hash_out->bytes, sizeof hash_out->bytes);
}
