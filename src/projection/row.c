/*
 * row.c: keys and rows of caches.
 */
#include "projection/row.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"

enum {
    AT_CRC = 4,
    AT_VERSION = 8,
    AT_EPOCH = 12,
    AT_TYPE = 16,
    AT_KINDS = 24,
    AT_NEXT = 32,
    AT_HASH = 40,
    AT_COMPLETE = 72,
    AT_SIZE = 80,
    AT_KEY = 88,
    DIGEST = 32,
    TEXT_USUAL = 512
};

#define MAGIC UINT32_C(0x31527062) /* "bpR1" */
#define SEED UINT64_C(0x70726f6a65637431)

bp_status bpi_row_key_make(const bp_projection *projection, const bp_id *store_id, const bp_region *region,
                           const bp_allocator *allocator, bpi_row_key *key_out, bp_error *error)
{
    char usual[TEXT_USUAL];
    char *text = usual;
    bp_hash digest;
    size_t size = bp_region_format(region, usual, sizeof usual);
    if (size >= sizeof usual) {
        text = bpi_allocate(allocator, size + 1);
        if (text == NULL) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache's key");
        }
        (void)bp_region_format(region, text, size + 1);
    }
    bpi_hash_plain(text, size, &digest);
    if (text != usual) {
        bpi_release(allocator, text, size + 1);
    }
    size_t type_size = strlen(projection->type);
    uint8_t *at = key_out->bytes;
    memcpy(at, projection->type, type_size + 1);
    memcpy(at + type_size + 1, store_id->bytes, sizeof store_id->bytes);
    memcpy(at + type_size + 1 + sizeof store_id->bytes, digest.bytes, DIGEST);
    key_out->size = type_size + 1 + sizeof store_id->bytes + DIGEST;
    return BP_OK;
}

/* The type and, of a flat one, the size of its states: another size is another type. */
static uint64_t type_number(const bp_projection *projection)
{
    uint64_t number = bpi_name_mix(projection->type, strlen(projection->type), SEED);
    return projection->flat ? number ^ (projection->state_size + 1) : number;
}

/* The same for the same kinds in any order. */
static uint64_t kinds_number(const bp_projection *projection)
{
    uint64_t number = projection->kind_count;
    for (size_t i = 0; i < projection->kind_count; i++) {
        uint8_t kind[2];
        bpi_put16(kind, projection->kinds[i]);
        number += bpi_name_mix(kind, sizeof kind, SEED);
    }
    return number;
}

bool bpi_row_begin(bp_output *output)
{
    bp_output_clear(output);
    uint8_t *header = bp_output_extend(output, BPI_ROW_FIXED);
    if (header != NULL) {
        memset(header, 0, BPI_ROW_FIXED);
    }
    return header != NULL;
}

void bpi_row_finish(bp_output *output, const bpi_row_owner *owner, const bp_position *position, int64_t complete_us)
{
    uint8_t *row = output->buffer.data;
    size_t size = output->buffer.size;
    bpi_put32(row, MAGIC);
    bpi_put32(row + AT_VERSION, owner->projection->version);
    bpi_put32(row + AT_EPOCH, position->epoch);
    bpi_put64(row + AT_TYPE, type_number(owner->projection));
    bpi_put64(row + AT_KINDS, kinds_number(owner->projection));
    bpi_put64(row + AT_NEXT, position->next);
    memcpy(row + AT_HASH, position->event_hash.bytes, sizeof position->event_hash.bytes);
    bpi_put64(row + AT_COMPLETE, (uint64_t)complete_us);
    bpi_put64(row + AT_SIZE, size - BPI_ROW_FIXED);
    memcpy(row + AT_KEY, owner->key.bytes + owner->key.size - DIGEST, DIGEST);
    bpi_put32(row + AT_CRC, bpi_crc32c(0, row + AT_VERSION, size - AT_VERSION));
}

const char *bpi_state_row_read(const bp_output *value, const bpi_row_owner *owner, bpi_state_row *row_out)
{
    const uint8_t *row = value->buffer.data;
    size_t size = value->buffer.size;
    if (size < BPI_ROW_FIXED || bpi_get32(row) != MAGIC || bpi_get64(row + AT_SIZE) != size - BPI_ROW_FIXED ||
        bpi_get32(row + AT_CRC) != bpi_crc32c(0, row + AT_VERSION, size - AT_VERSION)) {
        return "damaged";
    }
    if (memcmp(row + AT_KEY, owner->key.bytes + owner->key.size - DIGEST, DIGEST) != 0) {
        return "another region's";
    }
    if (bpi_get64(row + AT_TYPE) != type_number(owner->projection)) {
        return "another type's";
    }
    if (bpi_get32(row + AT_VERSION) != owner->projection->version) {
        return "another version's";
    }
    if (bpi_get64(row + AT_KINDS) != kinds_number(owner->projection)) {
        return "of other kinds";
    }
    if (owner->projection->flat && size - BPI_ROW_FIXED != owner->projection->state_size) {
        return "of another size";
    }
    row_out->position.next = bpi_get64(row + AT_NEXT);
    row_out->position.epoch = bpi_get32(row + AT_EPOCH);
    memcpy(row_out->position.event_hash.bytes, row + AT_HASH, sizeof row_out->position.event_hash.bytes);
    row_out->complete_us = (int64_t)bpi_get64(row + AT_COMPLETE);
    row_out->state = row + BPI_ROW_FIXED;
    row_out->state_size = size - BPI_ROW_FIXED;
    return row_out->position.next == 0 ? "of no event" : NULL;
}
