/*
 * postings.h: which rows of a sealed block have which value, in order of row.
 *
 * A *list* has all rows of the block sorted by (key, row), and a directory of the keys that occur. *Pairs* are
 * fingerprint and row, sorted: for keys of which most occur once. *Hashed* pairs have a directory of buckets as well, so
 * that a key is found with one look at it. Every event has one entity, scope and kind, so these are lists; correlations
 * that are not the event's own id and causes are pairs; ids and names are hashed. A category is a run of kinds.
 *
 * These are views of an image's sections. What is read of a mapped file is asked for by bpi_see, and numbers that lead
 * elsewhere are held against what is there: where they lead out of it the file is disbelieved.
 */
#ifndef BPI_INDEX_POSTINGS_H
#define BPI_INDEX_POSTINGS_H

#include "index/pages.h"

typedef struct bpi_key {
    uint32_t key;
    uint32_t start; /* in the rows; the end is the next key's start */
} bpi_key;

typedef struct bpi_list {
    const uint32_t *rows;
    const bpi_key *keys; /* key_count, and one behind whose start is row_count */
    uint32_t row_count;
    uint32_t key_count;
    bpi_pages *pages;
} bpi_list;

typedef struct bpi_pair {
    uint32_t row;
    uint32_t key;
} bpi_pair;

typedef struct bpi_pairs {
    const bpi_pair *pairs;
    uint32_t count;
    bpi_pages *pages;
} bpi_pairs;

typedef struct bpi_hashed {
    bpi_pairs pairs;
    const uint32_t *starts; /* of each bucket, and one behind that is the count */
    uint32_t buckets;
} bpi_hashed;

enum { BPI_BUCKET_PAIRS = 8 };

/* How many buckets `count` pairs have; the bucket of a key. */
static inline uint32_t bpi_bucket_count(uint32_t count)
{
    return count / BPI_BUCKET_PAIRS + 1;
}

static inline uint32_t bpi_bucket_of(uint32_t buckets, uint32_t key)
{
    return (uint32_t)((uint64_t)key * buckets >> 32);
}

/* Part of a list or of pairs: rows ascend. */
typedef struct bpi_span {
    const uint32_t *rows;
    uint32_t stride; /* from one row to the next: 1 in a list, 2 in pairs */
    uint32_t count;
    bpi_pages *pages;
} bpi_span;

/* The rows of a key within [low, high). */
bpi_span bpi_list_span(const bpi_list *list, uint32_t key, uint32_t low, uint32_t high);
bpi_span bpi_pairs_span(const bpi_pairs *pairs, uint32_t key, uint32_t low, uint32_t high);
/* The first place in the directory whose key is not below `key`. */
uint32_t bpi_list_lower(const bpi_list *list, uint32_t key);
/* The key at a place of the directory (place < key_count), and where its rows begin and end. */
uint32_t bpi_list_key(const bpi_list *list, uint32_t at, uint32_t *from_out, uint32_t *to_out);
/* The last row of a key; false when the block has none. */
bool bpi_list_last(const bpi_list *list, uint32_t key, uint32_t *row_out);
/* Cuts a span of a list to rows within [low, high). */
bpi_span bpi_span_clip(bpi_span span, uint32_t low, uint32_t high);

/* Where the pairs of a key can be: [*from_out, *to_out). */
void bpi_hashed_bucket(const bpi_hashed *hashed, uint32_t key, uint32_t *from_out, uint32_t *to_out);

static inline bpi_pair bpi_pair_at(const bpi_pairs *pairs, uint32_t at)
{
    const bpi_pair none = {0};
    return bpi_see(pairs->pages, &pairs->pairs[at], sizeof(bpi_pair)) ? pairs->pairs[at] : none;
}

static inline uint32_t bpi_span_row(const bpi_span *span, uint32_t i)
{
    const uint32_t *row = &span->rows[(size_t)i * span->stride];
    return bpi_see(span->pages, row, sizeof *row) ? *row : 0;
}

#endif
