/*
 * manifest.c: manifest slots to bytes and back.
 */
#include "format/manifest.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"

#include <batpak/tools.h>

enum { KNOWN_INCOMPAT = BPI_INCOMPAT_FOLD };

/* The CRC of a structure with its CRC field taken as zero. */
static uint32_t crc_without(const uint8_t *bytes, size_t size, size_t field)
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, bytes, field);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    return bpi_crc32c(crc, bytes + field + sizeof zero, size - field - sizeof zero);
}

void bpi_slot_put(const bpi_manifest *manifest, uint8_t bytes[BPI_SLOT_SIZE])
{
    memset(bytes, 0, BPI_SLOT_SIZE);
    memcpy(bytes + BPI_SLOT_MAGIC, BP_MAGIC_MANIFEST, 8);
    bpi_put32(bytes + BPI_SLOT_VERSION, BP_FORMAT_VERSION);
    bpi_put64(bytes + BPI_SLOT_GENERATION, manifest->generation);
    bpi_put64(bytes + BPI_SLOT_COMPAT, manifest->compat);
    bpi_put64(bytes + BPI_SLOT_RO_COMPAT, manifest->ro_compat);
    bpi_put64(bytes + BPI_SLOT_INCOMPAT, manifest->incompat);
    memcpy(bytes + BPI_SLOT_STORE_ID, manifest->store_id.bytes, sizeof manifest->store_id.bytes);
    bpi_put32(bytes + BPI_SLOT_EPOCH, manifest->epoch);
    bpi_put32(bytes + BPI_SLOT_FLAGS, manifest->clean ? BPI_MANIFEST_CLEAN : 0);
    bpi_put64(bytes + BPI_SLOT_DURABLE, manifest->durable);
    bpi_put64(bytes + BPI_SLOT_HLC, manifest->hlc_ceiling);
    bpi_put64(bytes + BPI_SLOT_LIST_GENERATION, manifest->list_generation);
    bpi_put32(bytes + BPI_SLOT_LIST_SIZE, manifest->list_size);
    bpi_put32(bytes + BPI_SLOT_LIST_CRC, manifest->list_crc);
    bpi_put32(bytes + BPI_SLOT_SEGMENT_SIZE, manifest->segment_size);
    bytes[BPI_SLOT_LAYOUT] = manifest->layout;
    bpi_put32(bytes + BPI_SLOT_CUTS, manifest->cuts);
    bpi_put64(bytes + BPI_SLOT_CUT_LSN, manifest->cut_lsn);
    bpi_put64(bytes + BPI_SLOT_CUT_BYTES, manifest->cut_bytes);
    bpi_put32(bytes + BPI_SLOT_CRC, crc_without(bytes, BPI_SLOT_SIZE, BPI_SLOT_CRC));
}

bool bpi_slot_valid(const uint8_t bytes[BPI_SLOT_SIZE], unsigned index, uint64_t *generation_out)
{
    uint64_t generation = bpi_get64(bytes + BPI_SLOT_GENERATION);
    if (memcmp(bytes, BP_MAGIC_MANIFEST, 8) != 0 || generation == 0 || generation > BPI_GENERATION_MOST ||
        generation % 2 != index || bpi_get32(bytes + BPI_SLOT_CRC) != crc_without(bytes, BPI_SLOT_SIZE, BPI_SLOT_CRC)) {
        return false;
    }
    if (generation_out != NULL) {
        *generation_out = generation;
    }
    return true;
}

static void slot_get(const uint8_t *bytes, bpi_manifest *manifest)
{
    manifest->generation = bpi_get64(bytes + BPI_SLOT_GENERATION);
    manifest->compat = bpi_get64(bytes + BPI_SLOT_COMPAT);
    manifest->ro_compat = bpi_get64(bytes + BPI_SLOT_RO_COMPAT);
    manifest->incompat = bpi_get64(bytes + BPI_SLOT_INCOMPAT);
    memcpy(manifest->store_id.bytes, bytes + BPI_SLOT_STORE_ID, sizeof manifest->store_id.bytes);
    manifest->epoch = bpi_get32(bytes + BPI_SLOT_EPOCH);
    manifest->clean = (bpi_get32(bytes + BPI_SLOT_FLAGS) & BPI_MANIFEST_CLEAN) != 0;
    manifest->durable = bpi_get64(bytes + BPI_SLOT_DURABLE);
    manifest->hlc_ceiling = bpi_get64(bytes + BPI_SLOT_HLC);
    manifest->list_generation = bpi_get64(bytes + BPI_SLOT_LIST_GENERATION);
    manifest->list_size = bpi_get32(bytes + BPI_SLOT_LIST_SIZE);
    manifest->list_crc = bpi_get32(bytes + BPI_SLOT_LIST_CRC);
    manifest->segment_size = bpi_get32(bytes + BPI_SLOT_SEGMENT_SIZE);
    manifest->layout = bytes[BPI_SLOT_LAYOUT];
    manifest->cuts = bpi_get32(bytes + BPI_SLOT_CUTS);
    manifest->cut_lsn = bpi_get64(bytes + BPI_SLOT_CUT_LSN);
    manifest->cut_bytes = bpi_get64(bytes + BPI_SLOT_CUT_BYTES);
}

static const char *slot_fault(const uint8_t *bytes, const bpi_manifest *manifest)
{
    if ((bpi_get32(bytes + BPI_SLOT_FLAGS) & ~(uint32_t)BPI_MANIFEST_CLEAN) != 0 ||
        !bpi_all_zero(bytes + BPI_SLOT_ZERO1, BPI_SLOT_CUTS - BPI_SLOT_ZERO1) ||
        !bpi_all_zero(bytes + BPI_SLOT_ZERO2, BPI_SLOT_CUT_LSN - BPI_SLOT_ZERO2) ||
        !bpi_all_zero(bytes + BPI_SLOT_REST, BPI_SLOT_SIZE - BPI_SLOT_REST)) {
        return "a field that must be zero is not";
    }
    if (manifest->epoch == 0 || manifest->epoch > BPI_COUNT_MOST || manifest->layout >= BPI_LAYOUTS) {
        return "epoch or layout out of range";
    }
    if (manifest->segment_size % 4096 != 0 || manifest->segment_size < BP_SEGMENT_MIN ||
        manifest->segment_size > BP_SEGMENT_MAX) {
        return "segment size out of range";
    }
    return NULL;
}

bp_status bpi_manifest_choose(const uint8_t *bytes, size_t size, bpi_manifest *manifest_out, bp_error *error)
{
    const uint8_t *best = NULL;
    uint64_t best_generation = 0;
    for (unsigned index = 0; index < 2; index++) {
        const uint8_t *slot = bytes + (size_t)index * BPI_SLOT_SIZE;
        uint64_t generation = 0;
        if (size >= (size_t)(index + 1) * BPI_SLOT_SIZE && bpi_slot_valid(slot, index, &generation) &&
            generation > best_generation) {
            best = slot;
            best_generation = generation;
        }
    }
    if (best == NULL) {
        bpi_error_set(error, BP_ERR_CORRUPT, "neither slot of the manifest is valid");
        bpi_error_at(error, 0, "MANIFEST");
        return BP_ERR_CORRUPT;
    }
    uint64_t offset = (uint64_t)(best - bytes);
    uint32_t version = bpi_get32(best + BPI_SLOT_VERSION);
    slot_get(best, manifest_out);
    if (version != BP_FORMAT_VERSION || (manifest_out->incompat & ~(uint64_t)KNOWN_INCOMPAT) != 0) {
        bpi_error_set(
            error, BP_ERR_VERSION,
            "the store has format version %u with features 0x%llx, this library reads version %u without them",
            (unsigned)version, (unsigned long long)manifest_out->incompat, (unsigned)BP_FORMAT_VERSION);
        bpi_error_at(error, offset + BPI_SLOT_VERSION, "MANIFEST");
        bpi_error_hint(error, "use a newer batpak");
        return BP_ERR_VERSION;
    }
    const char *fault = slot_fault(best, manifest_out);
    if (fault != NULL) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the manifest is damaged: %s", fault);
        bpi_error_at(error, offset, "MANIFEST");
        return BP_ERR_CORRUPT;
    }
    return BP_OK;
}

enum {
    HEADER_CRC = 12,
    HEADER_STORE_ID = 16,
    HEADER_ORDINAL = 32,
    HEADER_GENERATION = 36,
    HEADER_SALT = 40,
    HEADER_EPOCH = 48,
    HEADER_ZERO = 52
};

void bpi_segment_header_put(const bpi_segment_header *header, uint8_t bytes[BPI_SEGMENT_HEADER])
{
    memset(bytes, 0, BPI_SEGMENT_HEADER);
    memcpy(bytes, BP_MAGIC_SEGMENT, 8);
    bpi_put32(bytes + 8, BP_FORMAT_VERSION);
    memcpy(bytes + HEADER_STORE_ID, header->store_id.bytes, sizeof header->store_id.bytes);
    bpi_put32(bytes + HEADER_ORDINAL, header->ordinal);
    bpi_put32(bytes + HEADER_GENERATION, header->generation);
    bpi_put64(bytes + HEADER_SALT, header->salt);
    bpi_put32(bytes + HEADER_EPOCH, header->epoch);
    bpi_put32(bytes + HEADER_CRC, crc_without(bytes, BPI_SEGMENT_HEADER, HEADER_CRC));
}

const char *bpi_segment_header_get(const uint8_t bytes[BPI_SEGMENT_HEADER], bpi_segment_header *header_out,
                                   uint32_t *version_out)
{
    *version_out = 0;
    if (memcmp(bytes, BP_MAGIC_SEGMENT, 8) != 0) {
        return "segment header has no magic";
    }
    if (bpi_get32(bytes + HEADER_CRC) != crc_without(bytes, BPI_SEGMENT_HEADER, HEADER_CRC)) {
        return "segment header checksum does not match";
    }
    *version_out = bpi_get32(bytes + 8);
    memcpy(header_out->store_id.bytes, bytes + HEADER_STORE_ID, sizeof header_out->store_id.bytes);
    header_out->ordinal = bpi_get32(bytes + HEADER_ORDINAL);
    header_out->generation = bpi_get32(bytes + HEADER_GENERATION);
    header_out->salt = bpi_get64(bytes + HEADER_SALT);
    header_out->epoch = bpi_get32(bytes + HEADER_EPOCH);
    if (!bpi_all_zero(bytes + HEADER_ZERO, BPI_SEGMENT_HEADER - HEADER_ZERO) || header_out->salt == 0) {
        return "a field of the segment header is out of range";
    }
    return NULL;
}
