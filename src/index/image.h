/*
 * image.h: what a sealed block is made of: the bytes of an index file, on the heap or mapped.
 *
 * Both are the same bytes (docs/format.md, section 13), so that what is built once is stored as it is, and read from
 * where it lies. An image never changes. Of a mapped one nothing is believed before its page was verified.
 */
#ifndef BPI_INDEX_IMAGE_H
#define BPI_INDEX_IMAGE_H

#include <batpak/types.h>

#include "index/postings.h"
#include "index/rows.h"

/* Names that are new in the block, by number. */
typedef struct bpi_name_table {
    uint64_t key;   /* of their fingerprints */
    uint32_t first; /* number of the first */
    uint32_t count;
    const uint32_t *starts; /* of each name in the text, and one behind */
    const char *text;
    uint32_t text_size;
    bpi_hashed hashes;     /* fingerprint, and number - first */
    const uint32_t *order; /* numbers - first, in the order of the names' bytes */
    bpi_pages *pages;
} bpi_name_table;

typedef struct bpi_image {
    const bp_allocator *allocator;
    uint8_t *heap; /* owned; NULL: mapped */
    const bp_io *io;
    bp_file *file; /* of the mapping */
    void *address;
    size_t size;
    bpi_index_header header;
    bpi_pages *pages; /* NULL: on the heap */
    bpi_rows *rows;
    bpi_list entities;
    bpi_list scopes;
    bpi_list kinds;
    bpi_pairs correlations;
    bpi_pairs causes;
    bpi_hashed ids;
    const uint64_t *filter; /* lines of 8 words */
    uint32_t filter_lines;
    bpi_name_table entity_names;
    bpi_name_table scope_names;
} bpi_image;

/* Takes over the bytes, which a sink made. NULL: no memory, and the bytes are released. */
bpi_image *bpi_image_of_heap(const bp_allocator *allocator, uint8_t *bytes, size_t size, const char **fault_out);
/* Maps a file, which it takes over, closing it on failure; its header is judged by itself: whether it belongs to the store
 * and its log is the caller's to say. *fault_out says why NULL is returned, and *code_out is an errno when it could not be looked at;
 * else 0: the file is wrong. */
bpi_image *bpi_image_of_file(const bp_allocator *allocator, const bp_io *io, bp_file *file, const char **fault_out,
                             int *code_out);
void bpi_image_free(bpi_image *image); /* NULL is allowed */

/* ---- ids ---- */

enum { BPI_FILTER_WORDS = 8, BPI_FILTER_IDS = 40 }; /* a line is 64 bytes for about 40 ids */

static inline uint32_t bpi_filter_lines(uint32_t count)
{
    return count / BPI_FILTER_IDS + 1;
}

/* The line of a fingerprint, and its three bits within. */
static inline uint32_t bpi_filter_line(uint32_t lines, uint32_t fingerprint)
{
    return bpi_bucket_of(lines, fingerprint);
}

static inline void bpi_filter_bits(uint32_t fingerprint, uint16_t bits_out[3])
{
    uint64_t mixed = (uint64_t)fingerprint * UINT64_C(0x9e3779b97f4a7c15);
    bits_out[0] = (uint16_t)(mixed >> 55);
    bits_out[1] = (uint16_t)(mixed >> 46 & 511);
    bits_out[2] = (uint16_t)(mixed >> 37 & 511);
}

/* What is looked for in all blocks, worked out once. */
typedef struct bpi_wanted {
    const bp_id *id;
    uint64_t ms; /* of a UUIDv7 */
    uint32_t fingerprint;
    bool v7;
    uint16_t bits[3]; /* bpi_filter_bits */
} bpi_wanted;

void bpi_wanted_init(bpi_wanted *wanted, const bp_id *id, uint32_t fingerprint);

/* Asks the memory for what bpi_image_may_have looks at. */
void bpi_image_prefetch(const bpi_image *image, uint32_t fingerprint);
/* False: there is no such id for sure (or the page is not right, and the image broken). */
bool bpi_image_may_have(const bpi_image *image, const bpi_wanted *wanted);

/* Notes an id; can an id lie within? */
void bpi_id_range_init(bpi_id_range *range);
void bpi_id_range_add(bpi_id_range *range, const bp_id *id);
static inline bool bpi_id_range_has(const bpi_id_range *range, const bpi_wanted *wanted)
{
    return wanted->v7 ? wanted->ms >= range->least_ms && wanted->ms <= range->greatest_ms : range->others;
}

/* ---- names ---- */

uint32_t bpi_name_fingerprint(bp_text name, uint64_t key);
/* i < count. An empty text: it cannot be read, and the image is broken. */
bp_text bpi_name_table_at(const bpi_name_table *table, uint32_t i);
/* The number of a name; false: not new here. */
bool bpi_name_table_find(const bpi_name_table *table, bp_text name, uint32_t fingerprint, uint32_t *number_out);
/* Marks all names that a prefix covers (itself, and those that begin with it and a colon) in a set of numbers below `end`;
 * how many were not marked before; the number of one of them. */
size_t bpi_name_table_prefix(const bpi_name_table *table, bp_text prefix, uint64_t *set, uint32_t end,
                             uint32_t *one_out);

#endif
