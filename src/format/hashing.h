/*
 * hashing.h: the hash inputs of an event (docs/format.md, section 6, "Hashes"), laid out in a caller's buffer. All
 * sizes returned are multiples of 64.
 */
#ifndef BPI_FORMAT_HASHING_H
#define BPI_FORMAT_HASHING_H

#include "base/hash.h"
#include "format/record.h"

enum { BPI_CONTENT_HEADER = 32, BPI_EVENT_PREFIX_HEADER = 64, BPI_EVENT_PREFIX_HASH = 32 };

/* Padded size of the content hash's input. */
size_t bpi_content_input_size(size_t private_size, size_t payload_size);
void bpi_content_input(uint8_t *buffer, const uint8_t salt[16], const uint8_t *private_extensions, size_t private_size,
                       const void *payload, size_t payload_size);

/* Padded size of the caller's part of the event hash's input, and its bytes. */
size_t bpi_event_prefix_size(const bpi_record_input *input);
void bpi_event_prefix(uint8_t *buffer, const bpi_record_input *input, const bp_hash *content_hash);

/* The commit's block. previous NULL: zeros. */
void bpi_event_last_block(uint8_t block[64], const bp_hash *previous, uint64_t sequence, uint64_t clock, bp_hlc hlc,
                          int64_t time_us);

/* A record_input that describes an event that was read; what hashing and copying need. */
void bpi_record_input_of(const bp_event *event, bpi_record_input *input_out);

/* The content hash of inputs of any size; stack only for small ones, no heap. */
void bpi_content_hash(const uint8_t salt[16], const uint8_t *private_extensions, size_t private_size,
                      const void *payload, size_t payload_size, bp_hash *hash_out);

/* The largest prefix there can be: 64 + 64 causes + two names + extensions, padded. */
enum { BPI_EVENT_PREFIX_MAX = 64 + 64 * 16 + 1024 + 1024 + 65535 + 63 };

/* Merkle root over n event hashes, fed one by one: constant memory. */
typedef struct bpi_merkle {
    bp_hash nodes[64]; /* nodes[i]: a full subtree of 2^i leaves, where bit i of count is set */
    uint64_t count;
} bpi_merkle;

void bpi_merkle_begin(bpi_merkle *merkle);
void bpi_merkle_add(bpi_merkle *merkle, const bp_hash *leaf);
/* Many leaves at once, hashed side by side; the same root. */
void bpi_merkle_add_many(bpi_merkle *merkle, const bp_hash *leaves, size_t count);
void bpi_merkle_root(const bpi_merkle *merkle, bp_hash *root_out);

#endif
