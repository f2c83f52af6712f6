/*
 * index_file.c: the header of an index file to bytes and back.
 */
#include "format/index_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/hash.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_STORE_ID = 16,
    AT_KEY = 32,
    AT_FIRST_ORDINAL = 40,
    AT_LAST_ORDINAL = 44,
    AT_GENERATION = 48,
    AT_SEGMENTS = 52,
    AT_FIRST_SEQUENCE = 56,
    AT_ROWS = 64,
    AT_LAYOUT = 68,
    AT_SHIFT = 69,
    AT_FIRST_ENTITY = 72,
    AT_ENTITIES = 76,
    AT_FIRST_SCOPE = 80,
    AT_SCOPES = 84,
    AT_SYSTEM = 88,
    AT_FLAGS = 92,
    AT_LEAST_MS = 96,
    AT_GREATEST_MS = 104,
    AT_SUMS_OFFSET = 112,
    AT_SUMS_CRC = 120,
    AT_BINDING = 128,
    AT_SECTIONS = 160,
    SECTION_SIZE = 16,
    AT_TAIL_SALT = AT_SECTIONS + BPI_SECTIONS * SECTION_SIZE,
    AT_TAIL_LENGTH = AT_TAIL_SALT + 8,
    AT_TAIL_LINK = AT_TAIL_SALT + 16,
    AT_TAIL_EPOCH = AT_TAIL_SALT + 20,
    AT_TAIL_HLC = AT_TAIL_SALT + 24,
    AT_END = AT_TAIL_SALT + 32,
    FLAG_OTHER_IDS = 1,
    SHIFT_MAX = 12,
    BINDING_PART = 64
};

_Static_assert((int)AT_END <= (int)BPI_PAGE_SIZE, "the header fits its page");

void bpi_index_header_put(const bpi_index_header *header, uint8_t page[BPI_PAGE_SIZE])
{
    memset(page, 0, BPI_PAGE_SIZE);
    memcpy(page + AT_MAGIC, BPI_INDEX_MAGIC, 8);
    bpi_put32(page + AT_VERSION, BPI_INDEX_VERSION);
    memcpy(page + AT_STORE_ID, header->store_id.bytes, sizeof header->store_id.bytes);
    bpi_put64(page + AT_KEY, header->key);
    bpi_put32(page + AT_FIRST_ORDINAL, header->first_ordinal);
    bpi_put32(page + AT_LAST_ORDINAL, header->last_ordinal);
    bpi_put32(page + AT_GENERATION, header->generation);
    bpi_put32(page + AT_SEGMENTS, header->segment_count);
    bpi_put64(page + AT_FIRST_SEQUENCE, header->first_sequence);
    bpi_put32(page + AT_ROWS, header->rows);
    page[AT_LAYOUT] = header->layout;
    page[AT_SHIFT] = header->shift;
    bpi_put32(page + AT_FIRST_ENTITY, header->first_entity);
    bpi_put32(page + AT_ENTITIES, header->entities);
    bpi_put32(page + AT_FIRST_SCOPE, header->first_scope);
    bpi_put32(page + AT_SCOPES, header->scopes);
    bpi_put32(page + AT_SYSTEM, header->system);
    bpi_put32(page + AT_FLAGS, header->ids.others ? FLAG_OTHER_IDS : 0);
    bpi_put64(page + AT_LEAST_MS, header->ids.least_ms);
    bpi_put64(page + AT_GREATEST_MS, header->ids.greatest_ms);
    bpi_put64(page + AT_SUMS_OFFSET, header->sums_offset);
    bpi_put32(page + AT_SUMS_CRC, header->sums_crc);
    memcpy(page + AT_BINDING, header->binding.bytes, sizeof header->binding.bytes);
    for (size_t i = 0; i < BPI_SECTIONS; i++) {
        bpi_put64(page + AT_SECTIONS + i * SECTION_SIZE, header->sections[i].offset);
        bpi_put64(page + AT_SECTIONS + i * SECTION_SIZE + 8, header->sections[i].size);
    }
    bpi_put64(page + AT_TAIL_SALT, header->tail.salt);
    bpi_put64(page + AT_TAIL_LENGTH, header->tail.length);
    bpi_put32(page + AT_TAIL_LINK, header->tail.link);
    bpi_put32(page + AT_TAIL_EPOCH, header->tail.epoch);
    bpi_put64(page + AT_TAIL_HLC, header->tail.last_hlc);
    bpi_put32(page + AT_CRC, bpi_crc32c(0, page, BPI_PAGE_SIZE));
}

static bool crc_right(const uint8_t page[BPI_PAGE_SIZE])
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, page, AT_CRC);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    crc = bpi_crc32c(crc, page + AT_CRC + 4, BPI_PAGE_SIZE - AT_CRC - 4);
    return crc == bpi_get32(page + AT_CRC);
}

static void read_fields(const uint8_t *page, bpi_index_header *header)
{
    memset(header, 0, sizeof *header);
    memcpy(header->store_id.bytes, page + AT_STORE_ID, sizeof header->store_id.bytes);
    header->key = bpi_get64(page + AT_KEY);
    header->first_ordinal = bpi_get32(page + AT_FIRST_ORDINAL);
    header->last_ordinal = bpi_get32(page + AT_LAST_ORDINAL);
    header->generation = bpi_get32(page + AT_GENERATION);
    header->segment_count = bpi_get32(page + AT_SEGMENTS);
    header->first_sequence = bpi_get64(page + AT_FIRST_SEQUENCE);
    header->rows = bpi_get32(page + AT_ROWS);
    header->layout = page[AT_LAYOUT];
    header->shift = page[AT_SHIFT];
    header->first_entity = bpi_get32(page + AT_FIRST_ENTITY);
    header->entities = bpi_get32(page + AT_ENTITIES);
    header->first_scope = bpi_get32(page + AT_FIRST_SCOPE);
    header->scopes = bpi_get32(page + AT_SCOPES);
    header->system = bpi_get32(page + AT_SYSTEM);
    header->ids.others = (bpi_get32(page + AT_FLAGS) & FLAG_OTHER_IDS) != 0;
    header->ids.least_ms = bpi_get64(page + AT_LEAST_MS);
    header->ids.greatest_ms = bpi_get64(page + AT_GREATEST_MS);
    header->sums_offset = bpi_get64(page + AT_SUMS_OFFSET);
    header->sums_crc = bpi_get32(page + AT_SUMS_CRC);
    memcpy(header->binding.bytes, page + AT_BINDING, sizeof header->binding.bytes);
    header->tail = (bpi_index_tail){.salt = bpi_get64(page + AT_TAIL_SALT),
                                    .length = bpi_get64(page + AT_TAIL_LENGTH),
                                    .link = bpi_get32(page + AT_TAIL_LINK),
                                    .epoch = bpi_get32(page + AT_TAIL_EPOCH),
                                    .last_hlc = bpi_get64(page + AT_TAIL_HLC)};
    for (size_t i = 0; i < BPI_SECTIONS; i++) {
        header->sections[i].offset = bpi_get64(page + AT_SECTIONS + i * SECTION_SIZE);
        header->sections[i].size = bpi_get64(page + AT_SECTIONS + i * SECTION_SIZE + 8);
    }
}

static const char *sizes_fault(const bpi_index_header *header, uint64_t file_size)
{
    uint64_t end = BPI_PAGE_SIZE;
    if (header->sums_offset % BPI_PAGE_SIZE != 0 || header->sums_offset < BPI_PAGE_SIZE ||
        header->sums_offset > file_size) {
        return "index file is cut short";
    }
    if (file_size - header->sums_offset != (header->sums_offset / BPI_PAGE_SIZE - 1) * 4) {
        return "index file has another size than its header says";
    }
    for (size_t i = 0; i < BPI_SECTIONS; i++) {
        uint64_t offset = header->sections[i].offset;
        uint64_t size = header->sections[i].size;
        if (offset % BPI_INDEX_SECTION_ALIGN != 0 || offset < end || offset > header->sums_offset ||
            size > header->sums_offset - offset) {
            return "index sections do not lie one behind another";
        }
        end = offset + size;
    }
    return NULL;
}

const char *bpi_index_header_get(const uint8_t page[BPI_PAGE_SIZE], uint64_t file_size, bpi_index_header *header_out,
                                 uint32_t *version_out)
{
    *version_out = 0;
    if (memcmp(page + AT_MAGIC, BPI_INDEX_MAGIC, 8) != 0) {
        return "not an index file";
    }
    if (!crc_right(page)) {
        return "index header checksum does not match";
    }
    *version_out = bpi_get32(page + AT_VERSION);
    if (*version_out != BPI_INDEX_VERSION) {
        return "index file of another version";
    }
    read_fields(page, header_out);
    if (header_out->layout > 5 || header_out->shift > SHIFT_MAX ||
        header_out->last_ordinal < header_out->first_ordinal || header_out->segment_count == 0) {
        return "index header has a value out of range";
    }
    return sizes_fault(header_out, file_size);
}

void bpi_index_binding(const bpi_segment_entry *entries, size_t count, bp_hash *binding_out)
{
    static const char context[] = "batpak 2026 v1 index binding";
    memset(binding_out, 0, sizeof *binding_out);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[sizeof(bp_hash) + BINDING_PART];
        uint8_t *part = bytes + sizeof(bp_hash);
        if (entries[i].state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        memcpy(bytes, binding_out->bytes, sizeof(bp_hash));
        bpi_put32(part, entries[i].ordinal);
        bpi_put32(part + 4, entries[i].generation);
        bpi_put64(part + 8, entries[i].first_sequence);
        bpi_put64(part + 16, entries[i].count);
        bpi_put64(part + 24, entries[i].length);
        memcpy(part + 32, entries[i].root.bytes, sizeof(bp_hash));
        bpi_hash_derive(context, sizeof context - 1, bytes, sizeof bytes, binding_out);
    }
}

void bpi_index_tail_entry(const bpi_index_header *header, uint32_t segment_generation, bpi_segment_entry *entry_out)
{
    memset(entry_out, 0, sizeof *entry_out);
    entry_out->ordinal = header->first_ordinal;
    entry_out->generation = segment_generation;
    entry_out->state = BPI_SEGMENT_SEALED;
    entry_out->first_sequence = header->first_sequence;
    entry_out->count = header->rows;
    entry_out->length = header->tail.length;
    bpi_put64(entry_out->root.bytes, header->tail.salt);
    bpi_put32(entry_out->root.bytes + 8, header->tail.link);
    bpi_put32(entry_out->root.bytes + 12, header->tail.epoch);
    bpi_put64(entry_out->root.bytes + 16, header->tail.last_hlc);
}

void bpi_index_name(uint32_t first, uint32_t last, uint32_t generation, char name_out[BPI_INDEX_NAME_SIZE])
{
    (void)snprintf(name_out, BPI_INDEX_NAME_SIZE, "%010" PRIu32 "-%010" PRIu32 "-%" PRIu32 ".idx", first, last,
                   generation);
}

bool bpi_index_name_parse(const char *name, uint32_t *first_out, uint32_t *last_out, uint32_t *generation_out)
{
    char again[BPI_INDEX_NAME_SIZE];
    if (sscanf(name, "%10" SCNu32 "-%10" SCNu32 "-%10" SCNu32 ".idx", first_out, last_out, generation_out) != 3) {
        return false;
    }
    bpi_index_name(*first_out, *last_out, *generation_out, again);
    return strcmp(name, again) == 0;
}
