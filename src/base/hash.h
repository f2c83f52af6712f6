/*
 * hash.h: BLAKE3 in derive-key mode under the contexts of the format, one at a time, split where the commit
 * adds its block, and many at once.
 *
 * Every input here is a multiple of 64 bytes (BPI_HASH_BLOCK); the callers pad. The digests are plain BLAKE3
 * derive-key digests of that padded input: b3(context, input), 32 bytes.
 *
 * The split: an event's input is a prefix that the caller knows, then one block of 64 bytes that the commit assigns.
 * For prefixes up to 960 bytes the state between is a chaining value of 32 bytes, so that only one compression is
 * left to do under the commit lock.
 */
#ifndef BPI_BASE_HASH_H
#define BPI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <batpak/types.h>

enum { BPI_HASH_BLOCK = 64, BPI_HASH_PREFIX_MAX = 960, BPI_HASH_MANY_MAX = 64, BPI_HASH_STREAM_WORDS = 240 };

typedef enum bpi_hash_context {
    BPI_HASH_CONTENT,
    BPI_HASH_EVENT,
    BPI_HASH_NODE,
    BPI_HASH_RANDOM /* the generator's; in no file */
} bpi_hash_context;

typedef struct bpi_hash_prefix {
    uint32_t words[8]; /* chaining value after the whole prefix */
} bpi_hash_prefix;

/* The context strings: "batpak 2026 v1 content", and so with event, node, random. The derived keys
 * are computed once, thread-safe. */
void bpi_hash(bpi_hash_context context, const void *input, size_t size, bp_hash *hash_out);

/* Any number of inputs (content of one may be any size > 0 that is a multiple of 64); runs of inputs of the same size
 * up to 1024 go side by side. */
void bpi_hash_many(bpi_hash_context context, const uint8_t *const *inputs, const size_t *sizes, size_t count,
                   bp_hash *hashes_out);

/* 64 <= size <= BPI_HASH_PREFIX_MAX. */
void bpi_hash_prefix_begin(bpi_hash_context context, const void *prefix, size_t size, bpi_hash_prefix *state_out);
void bpi_hash_prefix_many(bpi_hash_context context, const uint8_t *const *prefixes, const size_t *sizes, size_t count,
                          bpi_hash_prefix *states_out);
void bpi_hash_prefix_end(bpi_hash_context context, const bpi_hash_prefix *state, const uint8_t last[64],
                         bp_hash *hash_out);

/* For longer prefixes: prefix (any multiple of 64) then last, in one go. */
void bpi_hash_two(bpi_hash_context context, const void *prefix, size_t size, const uint8_t last[64], bp_hash *hash_out);

/* BLAKE3 with a caller's derive-key context of any length: hash of `data`, any size, under `context`. */
void bpi_hash_derive(const char *context, size_t context_size, const void *data, size_t size, bp_hash *hash_out);
/* The same with the context in two parts, so that bp_id_from joins nothing. */
void bpi_hash_derive_two(const char *prefix, size_t prefix_size, const char *context, size_t context_size,
                         const void *data, size_t size, bp_hash *hash_out);

/* A digest of pieces, for what does not lie in one place. May be copied; needs no end. The same digest as bpi_hash. */
typedef struct bpi_hash_stream {
    uint64_t state[BPI_HASH_STREAM_WORDS];
} bpi_hash_stream;

void bpi_hash_stream_begin(bpi_hash_stream *stream, bpi_hash_context context);
void bpi_hash_stream_add(bpi_hash_stream *stream, const void *data, size_t size);
void bpi_hash_stream_end(const bpi_hash_stream *stream, bp_hash *hash_out);

/* Plain BLAKE3, no key and no context. */
void bpi_hash_plain(const void *data, size_t size, bp_hash *hash_out);

#endif
