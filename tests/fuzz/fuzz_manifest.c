/*
 * fuzz_manifest.c: the two slots of a manifest, without their zeros (136 bytes each), and the list behind them. A list
 * that its manifest accepts is written again as the very same bytes.
 */
#include "fuzz/fuzz.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/manifest.h"

enum { SLOT = BPI_SLOT_REST, SLOTS = 2 * SLOT, CRC_AT = 12, ENTRIES_MOST = 64 };

static void read_list(const uint8_t *data, size_t size, const bpi_manifest *manifest)
{
    bp_error error = {0};
    size_t count = bpi_list_count(size);
    if (count == 0 || count > ENTRIES_MOST) {
        return;
    }
    bpi_segment_entry entries[ENTRIES_MOST];
    uint8_t *bytes = fuzz_copy(data, size);
    bp_status status = bpi_list_get(bytes, size, manifest, entries, count, &error);
    CHECK(status == BP_OK || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION, "a list is answered %s",
          bp_status_name(status));
    if (status == BP_OK) {
        uint8_t *again = malloc(size);
        CHECK(again != NULL, "no memory");
        (void)bpi_list_put(again, &manifest->store_id, manifest->list_generation, entries, count);
        CHECK(memcmp(again, bytes, size) == 0, "a list that is right reads and writes differently");
        free(again);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[BPI_MANIFEST_SIZE];
    bp_error error = {0};
    bpi_manifest manifest;
    if (size < SLOTS + 1) {
        return 0;
    }
    memset(bytes, 0, sizeof bytes);
    for (unsigned slot = 0; slot < 2; slot++) {
        memcpy(bytes + (size_t)slot * BPI_SLOT_SIZE, data + (size_t)slot * SLOT, SLOT);
        if ((data[SLOTS] >> slot & 1) == 0) {
            fuzz_put_crc(bytes + (size_t)slot * BPI_SLOT_SIZE, BPI_SLOT_SIZE, CRC_AT);
        }
    }
    bp_status status = bpi_manifest_choose(bytes, sizeof bytes - data[SLOTS] / 8, &manifest, &error);
    CHECK(status == BP_OK || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION, "a manifest is answered %s",
          bp_status_name(status));
    if (status != BP_OK) {
        return 0;
    }
    uint8_t again[BPI_SLOT_SIZE];
    unsigned slot = (unsigned)(manifest.generation % 2);
    bpi_slot_put(&manifest, again);
    CHECK(memcmp(again, bytes, sizeof again) == 0 || memcmp(again, bytes + BPI_SLOT_SIZE, sizeof again) == 0,
          "slot %u is right, and reads and writes differently", slot);
    read_list(data + SLOTS + 1, size - SLOTS - 1, &manifest);
    return 0;
}

/* The list's sums, and what the slots say of it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    if (seed % 8 == 0 || size < SLOTS + 1 + BPI_LIST_HEADER) {
        return size;
    }
    uint8_t *list = data + SLOTS + 1;
    size_t list_size = size - SLOTS - 1;
    fuzz_put_crc(list, list_size, CRC_AT);
    for (unsigned slot = 0; slot < 2; slot++) {
        bpi_put32(data + (size_t)slot * SLOT + BPI_SLOT_LIST_SIZE, (uint32_t)list_size);
        bpi_put32(data + (size_t)slot * SLOT + BPI_SLOT_LIST_CRC, bpi_crc32c(0, list, list_size));
        if (seed % 8 < 4) {
            memcpy(list + 24, data + (size_t)slot * SLOT + BPI_SLOT_STORE_ID, 16);
        }
    }
    return size;
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    for (unsigned count = 1; count < 4; count++) {
        bpi_segment_entry entries[3] = {0};
        uint8_t bytes[SLOTS + 1 + 64 + 3 * 128] = {0};
        uint8_t slot[BPI_SLOT_SIZE];
        char name[16];
        uint64_t first = 0;
        for (unsigned i = 0; i < count; i++) {
            bool sealed = i + 1 < count;
            entries[i] = (bpi_segment_entry){.ordinal = i,
                                             .generation = i + 1,
                                             .state = sealed ? BPI_SEGMENT_SEALED : BPI_SEGMENT_OPEN,
                                             .salt = 77 + i,
                                             .first_sequence = sealed ? first : 0,
                                             .count = sealed ? 5 : 0,
                                             .length = sealed ? 4096 : 0,
                                             .frames = sealed ? 6 : 0,
                                             .last_hlc = sealed ? 1000 + i : 0};
            first += 5;
        }
        bpi_manifest manifest = {.generation = 2,
                                 .store_id = {{3}},
                                 .epoch = 1,
                                 .durable = (uint64_t)(count - 1) << 32 | 64,
                                 .list_generation = 2,
                                 .list_size = (uint32_t)bpi_list_size(count),
                                 .segment_size = BP_SEGMENT_MIN};
        manifest.list_crc = bpi_list_put(bytes + SLOTS + 1, &manifest.store_id, 2, entries, count);
        bpi_slot_put(&manifest, slot);
        memcpy(bytes, slot, SLOT);
        manifest.generation = 1;
        bpi_slot_put(&manifest, slot);
        memcpy(bytes + SLOT, slot, SLOT);
        (void)snprintf(name, sizeof name, "segments-%u", count);
        emit(argument, name, bytes, SLOTS + 1 + bpi_list_size(count));
    }
}
