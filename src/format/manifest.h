/*
 * manifest.h: the two slots of MANIFEST and the segment lists they point to (docs/format.md, sections 3 and 4).
 *
 * A slot is valid if and only if magic and CRC are right and its generation is where it belongs. The valid slot with
 * the greatest generation is the manifest; the list it names was synced before it, so a list that is wrong is damage.
 */
#ifndef BPI_FORMAT_MANIFEST_H
#define BPI_FORMAT_MANIFEST_H

#include <batpak/status.h>

enum {
    BPI_SLOT_MAGIC = 0,
    BPI_SLOT_VERSION = 8,
    BPI_SLOT_CRC = 12,
    BPI_SLOT_GENERATION = 16,
    BPI_SLOT_COMPAT = 24,
    BPI_SLOT_RO_COMPAT = 32,
    BPI_SLOT_INCOMPAT = 40,
    BPI_SLOT_STORE_ID = 48,
    BPI_SLOT_EPOCH = 64,
    BPI_SLOT_FLAGS = 68,
    BPI_SLOT_DURABLE = 72,
    BPI_SLOT_HLC = 80,
    BPI_SLOT_LIST_GENERATION = 88,
    BPI_SLOT_LIST_SIZE = 96,
    BPI_SLOT_LIST_CRC = 100,
    BPI_SLOT_SEGMENT_SIZE = 104,
    BPI_SLOT_LAYOUT = 108,
    BPI_SLOT_ZERO1 = 109,
    BPI_SLOT_CUTS = 112,
    BPI_SLOT_ZERO2 = 116,
    BPI_SLOT_CUT_LSN = 120,
    BPI_SLOT_CUT_BYTES = 128,
    BPI_SLOT_REST = 136,
    BPI_SLOT_SIZE = 4096,
    BPI_MANIFEST_SIZE = 2 * BPI_SLOT_SIZE,
    BPI_MANIFEST_CLEAN = 1,
    BPI_INCOMPAT_FOLD = 1, /* segments were rewritten: FOLD frames, commits in several frames, carried links */
    BPI_LIST_HEADER = 64,
    BPI_LIST_ENTRY = 128,
    BPI_SEGMENT_HEADER = 64,
    BPI_LAYOUTS = 6
};

/* Epochs, ordinals and generations go no further: a store comes nowhere near, and what is forged must not wrap around. */
#define BPI_COUNT_MOST UINT32_C(0xfff00000)
#define BPI_GENERATION_MOST (UINT64_MAX >> 1)

_Static_assert(BPI_SLOT_CUT_BYTES + 8 == BPI_SLOT_REST, "the rest is zero");
_Static_assert(BPI_SLOT_STORE_ID + 16 == BPI_SLOT_EPOCH, "store id");

typedef struct bpi_manifest {
    uint64_t generation;
    uint64_t compat;
    uint64_t ro_compat;
    uint64_t incompat;
    bp_id store_id;
    uint32_t epoch;
    bool clean;
    uint64_t durable;
    bp_hlc hlc_ceiling;
    uint64_t list_generation;
    uint32_t list_size;
    uint32_t list_crc;
    uint32_t segment_size;
    uint8_t layout; /* 0..5: bp_layout - 1 */
    uint32_t cuts;
    uint64_t cut_lsn;
    uint64_t cut_bytes;
} bpi_manifest;

typedef enum bpi_segment_state {
    BPI_SEGMENT_OPEN = 0,
    BPI_SEGMENT_SEALED = 1,
    BPI_SEGMENT_RETIRED = 2
} bpi_segment_state;

/* What a list says of one segment. */
typedef struct bpi_segment_entry {
    uint32_t ordinal;
    uint32_t generation;
    uint32_t state; /* bpi_segment_state */
    uint32_t link;  /* what the successor's first frame follows */
    uint64_t salt;
    uint64_t first_sequence;
    uint64_t count;
    uint64_t length;
    uint64_t frames;
    bp_hlc last_hlc;
    bp_hash root;
    bool rewritten;    /* sealed: made from others; `link` was carried over, FOLD frames may be in it */
    uint32_t own_link; /* then: the header CRC of its own last frame */
} bpi_segment_entry;

/* The header CRC of a sealed segment's last frame. */
static inline uint32_t bpi_entry_last(const bpi_segment_entry *entry)
{
    return entry->rewritten ? entry->own_link : entry->link;
}

typedef struct bpi_segment_header {
    bp_id store_id;
    uint32_t ordinal;
    uint32_t generation;
    uint64_t salt;
    uint32_t epoch;
} bpi_segment_header;

void bpi_slot_put(const bpi_manifest *manifest, uint8_t bytes[BPI_SLOT_SIZE]);

/*
 * Chooses the manifest among the slots in `bytes` (size may be short: what is missing is not valid). BP_ERR_CORRUPT: no
 * valid slot, or its fields are wrong. BP_ERR_VERSION: a newer format or unknown incompat bits, named. error->offset
 * is set.
 */
bp_status bpi_manifest_choose(const uint8_t *bytes, size_t size, bpi_manifest *manifest_out, bp_error *error);

/* Is the slot at `index` valid, whatever its fields say? generation_out may be NULL. */
bool bpi_slot_valid(const uint8_t bytes[BPI_SLOT_SIZE], unsigned index, uint64_t *generation_out);

size_t bpi_list_size(size_t count);
/* Writes a list; returns the CRC of its bytes for the manifest. */
uint32_t bpi_list_put(uint8_t *bytes, const bp_id *store_id, uint64_t generation, const bpi_segment_entry *entries,
                      size_t count);
/* Checks the list against its manifest. entries_out: room for the count that bpi_list_count gives. */
bp_status bpi_list_get(const uint8_t *bytes, size_t size, const bpi_manifest *manifest, bpi_segment_entry *entries_out,
                       size_t count, bp_error *error);
/* How many entries a list of that size has; 0 when the size is none. */
size_t bpi_list_count(size_t size);

void bpi_segment_header_put(const bpi_segment_header *header, uint8_t bytes[BPI_SEGMENT_HEADER]);
/* NULL when the header is right by itself, else what is wrong. A newer version gives "newer". */
const char *bpi_segment_header_get(const uint8_t bytes[BPI_SEGMENT_HEADER], bpi_segment_header *header_out,
                                   uint32_t *version_out);

#endif
