/*
 * list.c: segment lists to bytes and back.
 */
#include "format/manifest.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"

#include <batpak/tools.h>

enum {
    LIST_CRC = 12,
    LIST_GENERATION = 16,
    LIST_STORE_ID = 24,
    LIST_COUNT = 40,
    LIST_ENTRY_SIZE = 44,
    LIST_ZERO = 48,
    ENTRY_ORDINAL = 0,
    ENTRY_GENERATION = 4,
    ENTRY_STATE = 8,
    ENTRY_LINK = 12,
    ENTRY_SALT = 16,
    ENTRY_FIRST = 24,
    ENTRY_COUNT = 32,
    ENTRY_LENGTH = 40,
    ENTRY_FRAMES = 48,
    ENTRY_HLC = 56,
    ENTRY_ROOT = 64,
    ENTRY_REWRITTEN = 96,
    ENTRY_OWN_LINK = 100,
    ENTRY_ZERO = 104
};

_Static_assert(ENTRY_ROOT + 32 == ENTRY_REWRITTEN, "entry fields end before the padding");

size_t bpi_list_size(size_t count)
{
    return BPI_LIST_HEADER + count * BPI_LIST_ENTRY;
}

size_t bpi_list_count(size_t size)
{
    if (size < BPI_LIST_HEADER + BPI_LIST_ENTRY || (size - BPI_LIST_HEADER) % BPI_LIST_ENTRY != 0) {
        return 0;
    }
    return (size - BPI_LIST_HEADER) / BPI_LIST_ENTRY;
}

static void entry_put(uint8_t *bytes, const bpi_segment_entry *entry)
{
    memset(bytes, 0, BPI_LIST_ENTRY);
    bpi_put32(bytes + ENTRY_ORDINAL, entry->ordinal);
    bpi_put32(bytes + ENTRY_GENERATION, entry->generation);
    bpi_put32(bytes + ENTRY_STATE, entry->state);
    bpi_put64(bytes + ENTRY_SALT, entry->salt);
    if (entry->state == BPI_SEGMENT_OPEN) {
        return;
    }
    bpi_put32(bytes + ENTRY_LINK, entry->link);
    bpi_put64(bytes + ENTRY_FIRST, entry->first_sequence);
    bpi_put64(bytes + ENTRY_COUNT, entry->count);
    bpi_put64(bytes + ENTRY_LENGTH, entry->length);
    bpi_put64(bytes + ENTRY_FRAMES, entry->frames);
    bpi_put64(bytes + ENTRY_HLC, entry->last_hlc);
    memcpy(bytes + ENTRY_ROOT, entry->root.bytes, sizeof entry->root.bytes);
    bpi_put32(bytes + ENTRY_REWRITTEN, entry->rewritten);
    bpi_put32(bytes + ENTRY_OWN_LINK, entry->own_link);
}

static void entry_get(const uint8_t *bytes, bpi_segment_entry *entry)
{
    entry->ordinal = bpi_get32(bytes + ENTRY_ORDINAL);
    entry->generation = bpi_get32(bytes + ENTRY_GENERATION);
    entry->state = bpi_get32(bytes + ENTRY_STATE);
    entry->link = bpi_get32(bytes + ENTRY_LINK);
    entry->salt = bpi_get64(bytes + ENTRY_SALT);
    entry->first_sequence = bpi_get64(bytes + ENTRY_FIRST);
    entry->count = bpi_get64(bytes + ENTRY_COUNT);
    entry->length = bpi_get64(bytes + ENTRY_LENGTH);
    entry->frames = bpi_get64(bytes + ENTRY_FRAMES);
    entry->last_hlc = bpi_get64(bytes + ENTRY_HLC);
    memcpy(entry->root.bytes, bytes + ENTRY_ROOT, sizeof entry->root.bytes);
    entry->rewritten = bpi_get32(bytes + ENTRY_REWRITTEN) != 0;
    entry->own_link = bpi_get32(bytes + ENTRY_OWN_LINK);
}

uint32_t bpi_list_put(uint8_t *bytes, const bp_id *store_id, uint64_t generation, const bpi_segment_entry *entries,
                      size_t count)
{
    size_t size = bpi_list_size(count);
    memset(bytes, 0, BPI_LIST_HEADER);
    memcpy(bytes, BP_MAGIC_SEGMENTS, 8);
    bpi_put32(bytes + 8, BP_FORMAT_VERSION);
    bpi_put64(bytes + LIST_GENERATION, generation);
    memcpy(bytes + LIST_STORE_ID, store_id->bytes, sizeof store_id->bytes);
    bpi_put32(bytes + LIST_COUNT, (uint32_t)count);
    bpi_put32(bytes + LIST_ENTRY_SIZE, BPI_LIST_ENTRY);
    for (size_t i = 0; i < count; i++) {
        entry_put(bytes + BPI_LIST_HEADER + i * BPI_LIST_ENTRY, &entries[i]);
    }
    bpi_put32(bytes + LIST_CRC, bpi_crc32c(0, bytes, size));
    return bpi_crc32c(0, bytes, size);
}

/* What the list as a whole says is wrong with one entry, given the one before (NULL: the first). */
static const char *entry_fault(const uint8_t *bytes, const bpi_segment_entry *entry, const bpi_segment_entry *previous,
                               uint64_t incompat, uint64_t *next_sequence)
{
    if (!bpi_all_zero(bytes + ENTRY_ZERO, BPI_LIST_ENTRY - ENTRY_ZERO) || entry->salt == 0 ||
        entry->ordinal > BPI_COUNT_MOST || entry->generation > BPI_COUNT_MOST || entry->state > BPI_SEGMENT_RETIRED ||
        bpi_get32(bytes + ENTRY_REWRITTEN) > 1 || (!entry->rewritten && entry->own_link != 0)) {
        return "a field of a segment's entry is out of range";
    }
    if (entry->state == BPI_SEGMENT_RETIRED) {
        return NULL;
    }
    if (previous != NULL && entry->ordinal <= previous->ordinal) {
        return "segments are not in order";
    }
    if (entry->state == BPI_SEGMENT_OPEN) {
        return entry->link == 0 && bpi_all_zero(bytes + ENTRY_FIRST, ENTRY_ZERO - ENTRY_FIRST)
                   ? NULL
                   : "an open segment's entry has fields of a sealed one";
    }
    if (previous != NULL && previous->state != BPI_SEGMENT_SEALED) {
        return "a sealed segment comes after an open one";
    }
    if (entry->first_sequence != *next_sequence || entry->length < BPI_SEGMENT_HEADER || entry->length > UINT32_MAX) {
        return "sealed segments do not join";
    }
    if (entry->rewritten && (incompat & BPI_INCOMPAT_FOLD) == 0) {
        return "a segment was rewritten, which the manifest does not say";
    }
    *next_sequence += entry->count;
    return NULL;
}

static bp_status list_fault(bp_error *error, const bpi_manifest *manifest, uint64_t offset, const char *fault)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the segment list is damaged: %s", fault);
    bpi_error_at(error, offset, "SEGMENTS-%llu", (unsigned long long)manifest->list_generation);
    return BP_ERR_CORRUPT;
}

static const char *list_header_fault(const uint8_t *bytes, size_t size, const bpi_manifest *manifest, size_t count)
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, bytes, LIST_CRC);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    crc = bpi_crc32c(crc, bytes + LIST_CRC + 4, size - LIST_CRC - 4);
    if (memcmp(bytes, BP_MAGIC_SEGMENTS, 8) != 0 || bpi_get32(bytes + LIST_CRC) != crc) {
        return "its own checksum or magic is wrong";
    }
    if (bpi_get64(bytes + LIST_GENERATION) != manifest->list_generation ||
        memcmp(bytes + LIST_STORE_ID, manifest->store_id.bytes, 16) != 0 || bpi_get32(bytes + LIST_COUNT) != count ||
        bpi_get32(bytes + LIST_ENTRY_SIZE) != BPI_LIST_ENTRY ||
        !bpi_all_zero(bytes + LIST_ZERO, BPI_LIST_HEADER - LIST_ZERO)) {
        return "its header is not what the manifest says";
    }
    return NULL;
}

bp_status bpi_list_get(const uint8_t *bytes, size_t size, const bpi_manifest *manifest, bpi_segment_entry *entries_out,
                       size_t count, bp_error *error)
{
    if (size != manifest->list_size || count == 0 || bpi_list_size(count) != size) {
        return list_fault(error, manifest, 0, "its size is not what the manifest says");
    }
    if (bpi_crc32c(0, bytes, size) != manifest->list_crc) {
        return list_fault(error, manifest, 0, "its checksum is not what the manifest says");
    }
    if (bpi_get32(bytes + 8) != BP_FORMAT_VERSION) {
        return bpi_error_set(error, BP_ERR_VERSION,
                             "the segment list has format version %u, this library reads version %u",
                             (unsigned)bpi_get32(bytes + 8), (unsigned)BP_FORMAT_VERSION);
    }
    const char *fault = list_header_fault(bytes, size, manifest, count);
    if (fault != NULL) {
        return list_fault(error, manifest, 0, fault);
    }
    const bpi_segment_entry *previous = NULL;
    uint64_t next_sequence = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = bytes + BPI_LIST_HEADER + i * BPI_LIST_ENTRY;
        entry_get(at, &entries_out[i]);
        fault = entry_fault(at, &entries_out[i], previous, manifest->incompat, &next_sequence);
        if (fault != NULL) {
            return list_fault(error, manifest, (uint64_t)(at - bytes), fault);
        }
        if (entries_out[i].state != BPI_SEGMENT_RETIRED) {
            previous = &entries_out[i];
        }
    }
    if (previous == NULL || previous->state != BPI_SEGMENT_OPEN) {
        return list_fault(error, manifest, 0, "its last segment is not open");
    }
    return BP_OK;
}
