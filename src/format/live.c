/*
 * live.c: the unchanging part of the live page, and when it is believed.
 */
#include "format/live.h"

#include "base/bytes.h"
#include "base/checksum.h"

#include <batpak/tools.h>

void bpi_live_put(bpi_live *live, const bp_id *store_id, const bp_io_place *place, uint32_t epoch, uint32_t pid)
{
    uint8_t *bytes = (uint8_t *)live;
    memset(bytes, 0, sizeof *live);
    memcpy(bytes, BP_MAGIC_LIVE, 8);
    bpi_put32(bytes + BPI_LIVE_VERSION, 1);
    memcpy(bytes + BPI_LIVE_STORE_ID, store_id->bytes, sizeof store_id->bytes);
    memcpy(bytes + BPI_LIVE_BOOT, place->boot, sizeof place->boot);
    bpi_put64(bytes + BPI_LIVE_MOUNT, place->mount);
    bpi_put32(bytes + BPI_LIVE_EPOCH, epoch);
    bpi_put32(bytes + BPI_LIVE_PID, pid);
    bpi_put32(bytes + BPI_LIVE_CRC, bpi_crc32c(0, bytes + BPI_LIVE_STORE_ID, BPI_LIVE_PUBLISHED - BPI_LIVE_STORE_ID));
}

bool bpi_live_get(const uint8_t *bytes, size_t size, const bp_id *store_id, const bp_io_place *place,
                  bpi_live_word *word_out)
{
    if (size != BPI_LIVE_SIZE || memcmp(bytes, BP_MAGIC_LIVE, 8) != 0 || bpi_get32(bytes + BPI_LIVE_VERSION) != 1 ||
        bpi_get32(bytes + BPI_LIVE_CRC) !=
            bpi_crc32c(0, bytes + BPI_LIVE_STORE_ID, BPI_LIVE_PUBLISHED - BPI_LIVE_STORE_ID) ||
        memcmp(bytes + BPI_LIVE_STORE_ID, store_id->bytes, sizeof store_id->bytes) != 0 ||
        bpi_all_zero(place->boot, sizeof place->boot) ||
        memcmp(bytes + BPI_LIVE_BOOT, place->boot, sizeof place->boot) != 0) {
        return false;
    }
    bool same_mount = place->mount != 0 && bpi_get64(bytes + BPI_LIVE_MOUNT) == place->mount;
    const bpi_live *live = (const bpi_live *)(const void *)bytes;
    word_out->told = atomic_load_explicit(&live->published, memory_order_acquire);
    word_out->published = same_mount ? word_out->told : 0;
    word_out->sequence = same_mount ? atomic_load_explicit(&live->sequence, memory_order_relaxed) : 0;
    word_out->durable = atomic_load_explicit(&live->durable, memory_order_relaxed);
    word_out->generation = atomic_load_explicit(&live->generation, memory_order_relaxed);
    word_out->epoch = live->epoch;
    word_out->pid = live->pid;
    word_out->state = atomic_load_explicit(&live->state, memory_order_relaxed);
    return true;
}
