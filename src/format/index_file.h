/*
 * index_file.h: the header of an index file, and its name (docs/format.md, section 13).
 *
 * An index file is derived: nothing here is believed because it is there. The header's CRC, its binding to the segments
 * that the list names, and a CRC for each page are judged before anything of it is used.
 */
#ifndef BPI_FORMAT_INDEX_FILE_H
#define BPI_FORMAT_INDEX_FILE_H

#include "format/manifest.h"

#define BPI_INDEX_MAGIC "BATPAKIX"

enum {
    BPI_INDEX_VERSION = 1,
    BPI_PAGE_SHIFT = 12,
    BPI_PAGE_SIZE = 1 << BPI_PAGE_SHIFT,
    BPI_INDEX_NAME_SIZE = 64,
    BPI_INDEX_SECTION_ALIGN = 64
};

/* The sections, in the order in which they lie. */
typedef enum bpi_section {
    BPI_SECTION_ROWS,
    BPI_SECTION_PLACES,
    BPI_SECTION_ZONES,
    BPI_SECTION_FIRSTS,
    BPI_SECTION_IDS,
    BPI_SECTION_ID_STARTS,
    BPI_SECTION_ID_FILTER,
    BPI_SECTION_ENTITY_ROWS,
    BPI_SECTION_ENTITY_KEYS,
    BPI_SECTION_SCOPE_ROWS,
    BPI_SECTION_SCOPE_KEYS,
    BPI_SECTION_KIND_ROWS,
    BPI_SECTION_KIND_KEYS,
    BPI_SECTION_CORRELATIONS,
    BPI_SECTION_CAUSES,
    BPI_SECTION_ENTITY_NAMES, /* and the next four: of a table of names */
    BPI_SECTION_SCOPE_NAMES = BPI_SECTION_ENTITY_NAMES + 5,
    BPI_SECTIONS = BPI_SECTION_SCOPE_NAMES + 5
} bpi_section;

/* The five sections of a table of names, from the first on. */
enum { BPI_NAMES_STARTS, BPI_NAMES_TEXT, BPI_NAMES_HASHES, BPI_NAMES_BUCKETS, BPI_NAMES_ORDER };

/* The time range of the ids that are UUIDv7, and whether there are others. */
typedef struct bpi_id_range {
    uint64_t least_ms; /* greater than greatest_ms: none */
    uint64_t greatest_ms;
    bool others;
} bpi_id_range;

/* Up to where an index file of an open segment goes, and what the log goes on from there. */
typedef struct bpi_index_tail {
    uint64_t salt;   /* of the segment; 0: it is no tail, but covers sealed segments */
    uint64_t length; /* behind the CLOSE frame after which it was written */
    uint32_t link;   /* that frame's header CRC */
    uint32_t epoch;  /* and epoch */
    uint64_t last_hlc;
} bpi_index_tail;

typedef struct bpi_index_header {
    bp_id store_id;
    uint64_t key; /* seeds all hashes in the file */
    uint32_t first_ordinal;
    uint32_t last_ordinal;
    uint32_t generation;
    uint32_t segment_count;
    uint64_t first_sequence;
    uint32_t rows;
    uint8_t layout;        /* bp_layout - 1 */
    uint8_t shift;         /* log2 of the rows of a tile */
    uint32_t first_entity; /* number of the first entity that is new here */
    uint32_t entities;     /* how many are */
    uint32_t first_scope;
    uint32_t scopes;
    uint32_t system; /* rows of the system's entity */
    bpi_id_range ids;
    uint64_t sums_offset; /* where the CRCs of the pages lie; the sections end at or before it */
    uint32_t sums_crc;
    bp_hash binding; /* bpi_index_binding over the segments; of a tail over what stands in its place */
    bpi_index_tail tail;
    struct {
        uint64_t offset;
        uint64_t size;
    } sections[BPI_SECTIONS];
} bpi_index_header;

/* The first page of the file. */
void bpi_index_header_put(const bpi_index_header *header, uint8_t page[BPI_PAGE_SIZE]);
/* NULL, or what is wrong with it. Sizes and offsets of sections are checked against the file's size and one another, as far
 * as the header alone can tell. *version_out is set once magic and CRC are right. */
const char *bpi_index_header_get(const uint8_t page[BPI_PAGE_SIZE], uint64_t file_size, bpi_index_header *header_out,
                                 uint32_t *version_out);

/* What ties an index file to the sealed segments that it covers. */
void bpi_index_binding(const bpi_segment_entry *entries, size_t count, bp_hash *binding_out);

/* What stands in the place of a list entry for a tail. */
void bpi_index_tail_entry(const bpi_index_header *header, uint32_t segment_generation, bpi_segment_entry *entry_out);

/* "0000000000-0000000007-3.idx" */
void bpi_index_name(uint32_t first, uint32_t last, uint32_t generation, char name_out[BPI_INDEX_NAME_SIZE]);
bool bpi_index_name_parse(const char *name, uint32_t *first_out, uint32_t *last_out, uint32_t *generation_out);

#endif
