/*
 * consumer.c: bytes of a consumer's file. Everything that is read is checked before it is believed.
 */
#include "format/consumer.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"

#include <batpak/tools.h>

enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_STORE = 16,
    AT_NEXT = 32,
    AT_EPOCH = 40,
    AT_FLAGS = 44,
    AT_HASH = 48,
    AT_UPDATED = 80,
    AT_PARTITION = 88,
    AT_PARTITIONS = 92,
    AT_SIZE = 96,
    AT_PARKED = 100,
    AT_NAME_SIZE = 104,
    AT_ZERO = 106,
    AT_REGION_SIZE = 108
};

size_t bpi_consumer_size(const bpi_consumer_file *file, const bpi_parked *parked)
{
    size_t size = BPI_CONSUMER_HEADER + file->name.size + file->region.size;
    for (uint32_t i = 0; i < file->parked_count; i++) {
        size += BPI_CONSUMER_PARKED_HEADER + parked[i].reason_size;
    }
    return size;
}

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, bytes, AT_CRC);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    return bpi_crc32c(crc, bytes + AT_CRC + 4, size - AT_CRC - 4);
}

static uint8_t *put_parked(uint8_t *at, const bpi_parked *parked)
{
    bpi_put64(at, parked->sequence);
    memcpy(at + 8, parked->id.bytes, sizeof parked->id.bytes);
    bpi_put64(at + 24, (uint64_t)parked->time_us);
    bpi_put32(at + 32, parked->attempts);
    at[36] = parked->reason_size;
    at[37] = parked->retry;
    at[38] = 0;
    at[39] = 0;
    memcpy(at + BPI_CONSUMER_PARKED_HEADER, parked->reason, parked->reason_size);
    return at + BPI_CONSUMER_PARKED_HEADER + parked->reason_size;
}

void bpi_consumer_put(const bpi_consumer_file *file, const bpi_parked *parked, uint8_t *bytes)
{
    size_t size = bpi_consumer_size(file, parked);
    memset(bytes, 0, BPI_CONSUMER_HEADER);
    memcpy(bytes, BP_MAGIC_CONSUMER, 8);
    bpi_put32(bytes + AT_VERSION, BPI_CONSUMER_VERSION);
    memcpy(bytes + AT_STORE, file->store_id.bytes, sizeof file->store_id.bytes);
    bpi_put64(bytes + AT_NEXT, file->position.next);
    bpi_put32(bytes + AT_EPOCH, file->position.epoch);
    bpi_put32(bytes + AT_FLAGS, file->flags);
    memcpy(bytes + AT_HASH, file->position.event_hash.bytes, sizeof file->position.event_hash.bytes);
    bpi_put64(bytes + AT_UPDATED, (uint64_t)file->updated_us);
    bpi_put32(bytes + AT_PARTITION, file->partition);
    bpi_put32(bytes + AT_PARTITIONS, file->partitions);
    bpi_put32(bytes + AT_SIZE, (uint32_t)size);
    bpi_put32(bytes + AT_PARKED, file->parked_count);
    bpi_put16(bytes + AT_NAME_SIZE, (uint16_t)file->name.size);
    bpi_put32(bytes + AT_REGION_SIZE, (uint32_t)file->region.size);
    uint8_t *at = bytes + BPI_CONSUMER_HEADER;
    memcpy(at, file->name.data, file->name.size);
    memcpy(at + file->name.size, file->region.data, file->region.size);
    at += file->name.size + file->region.size;
    for (uint32_t i = 0; i < file->parked_count; i++) {
        at = put_parked(at, &parked[i]);
    }
    bpi_put32(bytes + AT_CRC, crc_of(bytes, size));
}

static const char *check_parked(const uint8_t *at, size_t left, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (left < BPI_CONSUMER_PARKED_HEADER || left - BPI_CONSUMER_PARKED_HEADER < at[36]) {
            return "the list of parked events is cut off";
        }
        if (at[37] > 1 || at[38] != 0 || at[39] != 0) {
            return "a parked event has unknown bits";
        }
        size_t size = BPI_CONSUMER_PARKED_HEADER + (size_t)at[36];
        at += size;
        left -= size;
    }
    return left == 0 ? NULL : "there is something behind the list of parked events";
}

const char *bpi_consumer_get(const uint8_t *bytes, size_t size, bpi_consumer_file *file_out, uint32_t *version_out)
{
    *version_out = 0;
    if (size < BPI_CONSUMER_HEADER || memcmp(bytes, BP_MAGIC_CONSUMER, 8) != 0) {
        return "it is not the file of a consumer";
    }
    if (bpi_get32(bytes + AT_SIZE) != size || bpi_get32(bytes + AT_CRC) != crc_of(bytes, size)) {
        return "its checksum is wrong";
    }
    *version_out = bpi_get32(bytes + AT_VERSION);
    if (*version_out != BPI_CONSUMER_VERSION) {
        return "its version is unknown";
    }
    memset(file_out, 0, sizeof *file_out);
    memcpy(file_out->store_id.bytes, bytes + AT_STORE, sizeof file_out->store_id.bytes);
    file_out->position.next = bpi_get64(bytes + AT_NEXT);
    file_out->position.epoch = bpi_get32(bytes + AT_EPOCH);
    memcpy(file_out->position.event_hash.bytes, bytes + AT_HASH, sizeof file_out->position.event_hash.bytes);
    file_out->flags = bpi_get32(bytes + AT_FLAGS);
    file_out->updated_us = (int64_t)bpi_get64(bytes + AT_UPDATED);
    file_out->partition = bpi_get32(bytes + AT_PARTITION);
    file_out->partitions = bpi_get32(bytes + AT_PARTITIONS);
    file_out->parked_count = bpi_get32(bytes + AT_PARKED);
    file_out->name = (bp_text){(const char *)bytes + BPI_CONSUMER_HEADER, bpi_get16(bytes + AT_NAME_SIZE)};
    size_t left = size - BPI_CONSUMER_HEADER;
    uint32_t region_size = bpi_get32(bytes + AT_REGION_SIZE);
    if (file_out->name.size == 0 || file_out->name.size > BPI_CONSUMER_NAME_MAX || file_out->name.size > left ||
        region_size > BPI_CONSUMER_REGION_MAX || region_size > left - file_out->name.size) {
        return "its name or region is cut off";
    }
    if (bpi_get16(bytes + AT_ZERO) != 0 || (file_out->flags & ~(uint32_t)BPI_CONSUMER_PUBLISHED) != 0 ||
        file_out->partition >= file_out->partitions) {
        return "its flags or its partition are none";
    }
    left -= file_out->name.size + region_size;
    file_out->region = (bp_text){file_out->name.data + file_out->name.size, region_size};
    file_out->parked = bytes + size - left;
    return check_parked(file_out->parked, left, file_out->parked_count);
}

void bpi_consumer_next_parked(const uint8_t **at, bpi_parked *parked_out)
{
    const uint8_t *bytes = *at;
    memset(parked_out, 0, sizeof *parked_out);
    parked_out->sequence = bpi_get64(bytes);
    memcpy(parked_out->id.bytes, bytes + 8, sizeof parked_out->id.bytes);
    parked_out->time_us = (int64_t)bpi_get64(bytes + 24);
    parked_out->attempts = bpi_get32(bytes + 32);
    parked_out->reason_size = bytes[36];
    parked_out->retry = bytes[37] != 0;
    memcpy(parked_out->reason, bytes + BPI_CONSUMER_PARKED_HEADER, parked_out->reason_size);
    *at = bytes + BPI_CONSUMER_PARKED_HEADER + parked_out->reason_size;
}
