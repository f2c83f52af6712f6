/*
 * note.c: see note.h.
 */
#include "format/note.h"

#include "base/bytes.h"
#include "base/checksum.h"

#include <batpak/tools.h>

enum {
    NOTE_VERSION = 8,
    NOTE_CRC = 12,
    NOTE_STORE_ID = 16,
    NOTE_ID = 32,
    NOTE_TIME = 48,
    NOTE_FRONTIER = 56,
    NOTE_EVENTS = 64,
    NOTE_EPOCH = 72,
    NOTE_FLAGS = 76,
    NOTE_ROOT = 80,
    NOTE_PATH_SIZE = 112,
    NOTE_ZERO = 116
};

_Static_assert(NOTE_ROOT + 32 == NOTE_PATH_SIZE, "the root is a hash");

static uint32_t sum_of(const uint8_t *bytes, size_t size)
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, bytes, NOTE_CRC);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    return bpi_crc32c(crc, bytes + NOTE_CRC + 4, size - NOTE_CRC - 4);
}

size_t bpi_note_put(const bpi_note *note, uint8_t bytes[BPI_NOTE_SIZE_MAX])
{
    size_t size = BPI_NOTE_HEADER + note->path_size;
    memset(bytes, 0, size);
    memcpy(bytes, BP_MAGIC_SNAPSHOT, 8);
    bpi_put32(bytes + NOTE_VERSION, BPI_NOTE_VERSION);
    memcpy(bytes + NOTE_STORE_ID, note->store_id.bytes, sizeof note->store_id.bytes);
    memcpy(bytes + NOTE_ID, note->id.bytes, sizeof note->id.bytes);
    bpi_put64(bytes + NOTE_TIME, (uint64_t)note->time_us);
    bpi_put64(bytes + NOTE_FRONTIER, note->frontier);
    bpi_put64(bytes + NOTE_EVENTS, note->events);
    bpi_put32(bytes + NOTE_EPOCH, note->epoch);
    bpi_put32(bytes + NOTE_FLAGS, note->flags);
    memcpy(bytes + NOTE_ROOT, note->root.bytes, sizeof note->root.bytes);
    bpi_put32(bytes + NOTE_PATH_SIZE, note->path_size);
    memcpy(bytes + BPI_NOTE_HEADER, note->path, note->path_size);
    bpi_put32(bytes + NOTE_CRC, sum_of(bytes, size));
    return size;
}

const char *bpi_note_get(const uint8_t *bytes, size_t size, bpi_note *note_out)
{
    memset(note_out, 0, sizeof *note_out);
    if (size < BPI_NOTE_HEADER || size > BPI_NOTE_SIZE_MAX || memcmp(bytes, BP_MAGIC_SNAPSHOT, 8) != 0) {
        return "not a snapshot's note";
    }
    if (bpi_get32(bytes + NOTE_CRC) != sum_of(bytes, size)) {
        return "its checksum is wrong";
    }
    if (bpi_get32(bytes + NOTE_VERSION) > BPI_NOTE_VERSION) {
        return "newer";
    }
    note_out->path_size = bpi_get32(bytes + NOTE_PATH_SIZE);
    note_out->flags = bpi_get32(bytes + NOTE_FLAGS);
    if (note_out->path_size != size - BPI_NOTE_HEADER || (note_out->flags & ~(uint32_t)BPI_NOTE_FLAGS) != 0 ||
        !bpi_all_zero(bytes + NOTE_ZERO, BPI_NOTE_HEADER - NOTE_ZERO)) {
        return "a field is out of range";
    }
    memcpy(note_out->store_id.bytes, bytes + NOTE_STORE_ID, sizeof note_out->store_id.bytes);
    memcpy(note_out->id.bytes, bytes + NOTE_ID, sizeof note_out->id.bytes);
    note_out->time_us = (int64_t)bpi_get64(bytes + NOTE_TIME);
    note_out->frontier = bpi_get64(bytes + NOTE_FRONTIER);
    note_out->events = bpi_get64(bytes + NOTE_EVENTS);
    note_out->epoch = bpi_get32(bytes + NOTE_EPOCH);
    memcpy(note_out->root.bytes, bytes + NOTE_ROOT, sizeof note_out->root.bytes);
    memcpy(note_out->path, bytes + BPI_NOTE_HEADER, note_out->path_size);
    return NULL;
}

void bpi_note_name(const bp_id *id, char name_out[BPI_NOTE_ID_NAME])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        name_out[2 * i] = digits[id->bytes[i] >> 4];
        name_out[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    name_out[2 * sizeof id->bytes] = '\0';
}
