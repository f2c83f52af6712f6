/*
 * postings.h: which rows of a sealed block have which value, in order of row.
 *
 * A *list* has all rows of the block sorted by (key, row), and a directory of the keys that occur. A *pair list* has
 * fingerprint and row, sorted: for keys of which most occur once. Every event has one entity, scope and kind, so
 * these are lists; correlations that are not the event's own id and causes are pairs. A category is a run of kinds.
 * There is no pointer within the arrays: they can lie in a file as they are.
 */
#ifndef BPI_INDEX_POSTINGS_H
#define BPI_INDEX_POSTINGS_H

#include <batpak/io.h>

typedef struct bpi_key {
    uint32_t key;
    uint32_t start; /* in the rows; the end is the next key's start */
} bpi_key;

typedef struct bpi_list {
    uint32_t *rows;
    bpi_key *keys; /* key_count, and one behind whose start is row_count */
    uint32_t row_count;
    uint32_t key_count;
} bpi_list;

typedef struct bpi_pair {
    uint32_t row;
    uint32_t key;
} bpi_pair;

typedef struct bpi_pairs {
    bpi_pair *pairs;
    uint32_t count;
} bpi_pairs;

typedef struct bpi_postings {
    const bp_allocator *allocator;
    bpi_list entities;
    bpi_list scopes;
    bpi_list kinds;
    bpi_pairs correlations;
    bpi_pairs causes;
} bpi_postings;

/* Part of a list or of pairs: rows ascend. */
typedef struct bpi_span {
    const uint32_t *rows;
    uint32_t stride; /* from one row to the next: 1 in a list, 2 in pairs */
    uint32_t count;
} bpi_span;

struct bpi_block;

/* Of rows [0, count) of a block. Causes beyond the first are read from the records. NULL: no memory, or a record that is
 * needed cannot be read. */
bpi_postings *bpi_postings_build(const bp_allocator *allocator, const struct bpi_block *block, uint32_t count);
void bpi_postings_free(bpi_postings *postings); /* NULL is allowed */

/* The rows of a key within [low, high). */
bpi_span bpi_list_span(const bpi_list *list, uint32_t key, uint32_t low, uint32_t high);
bpi_span bpi_pairs_span(const bpi_pairs *pairs, uint32_t key, uint32_t low, uint32_t high);
/* The first place in the directory whose key is not below `key`. */
uint32_t bpi_list_lower(const bpi_list *list, uint32_t key);
/* Cuts a span of a list to rows within [low, high). */
bpi_span bpi_span_clip(bpi_span span, uint32_t low, uint32_t high);

static inline uint32_t bpi_span_row(const bpi_span *span, uint32_t i)
{
    return span->rows[(size_t)i * span->stride];
}

#endif
