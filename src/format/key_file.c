/*
 * key_file.c: bytes of a key's file. Everything that is read is checked before it is believed.
 */
#include "format/key_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/text.h"
#include "format/record.h"

enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_STORE = 16,
    AT_KEY_ID = 32,
    AT_MADE = 48,
    AT_WRAPPED = 56,
    AT_SUBJECT_SIZE = 58,
    AT_NONCE = 64,
    AT_KEY = 88
};

_Static_assert((int)AT_KEY + (int)BPI_CIPHER_KEY + (int)BPI_CIPHER_TAG == (int)BPI_KEY_FILE_HEADER,
               "the subject follows the key");
_Static_assert((int)BPI_KEY_FILE_BOUND == (int)AT_STORE &&
                   (int)BPI_KEY_FILE_BOUND + (int)BPI_KEY_FILE_BOUND_SIZE == (int)AT_NONCE,
               "a wrapped key is bound to all that stands before its nonce");

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
    static const uint8_t zero[4];
    uint32_t crc = bpi_crc32c(0, bytes, AT_CRC);
    crc = bpi_crc32c(crc, zero, sizeof zero);
    return bpi_crc32c(crc, bytes + AT_CRC + 4, size - AT_CRC - 4);
}

static void put_head(const bpi_key_file *file, uint8_t *bytes)
{
    memset(bytes, 0, BPI_KEY_FILE_HEADER);
    memcpy(bytes, BPI_KEY_MAGIC, 8);
    bpi_put32(bytes + AT_VERSION, BPI_KEY_FILE_VERSION);
    memcpy(bytes + AT_STORE, file->store_id.bytes, sizeof file->store_id.bytes);
    memcpy(bytes + AT_KEY_ID, file->key_id.bytes, sizeof file->key_id.bytes);
    bpi_put64(bytes + AT_MADE, (uint64_t)file->made_us);
    bytes[AT_WRAPPED] = file->wrapped;
    bpi_put16(bytes + AT_SUBJECT_SIZE, (uint16_t)file->subject.size);
}

void bpi_key_file_bound(const bpi_key_file *file, uint8_t bound_out[BPI_KEY_FILE_BOUND_SIZE])
{
    uint8_t bytes[BPI_KEY_FILE_HEADER];
    put_head(file, bytes);
    memcpy(bound_out, bytes + BPI_KEY_FILE_BOUND, BPI_KEY_FILE_BOUND_SIZE);
}

size_t bpi_key_file_put(const bpi_key_file *file, uint8_t bytes_out[BPI_KEY_FILE_MOST])
{
    size_t size = BPI_KEY_FILE_HEADER + file->subject.size;
    put_head(file, bytes_out);
    memcpy(bytes_out + AT_NONCE, file->nonce, sizeof file->nonce);
    memcpy(bytes_out + AT_KEY, file->key, sizeof file->key);
    memcpy(bytes_out + BPI_KEY_FILE_HEADER, file->subject.data, file->subject.size);
    bpi_put32(bytes_out + AT_CRC, crc_of(bytes_out, size));
    return size;
}

const char *bpi_key_file_get(const uint8_t *bytes, size_t size, bpi_key_file *file_out)
{
    if (size < BPI_KEY_FILE_HEADER || memcmp(bytes, BPI_KEY_MAGIC, 8) != 0) {
        return "it is no key";
    }
    if (bpi_get32(bytes + AT_CRC) != crc_of(bytes, size)) {
        return "its checksum does not match";
    }
    if (bpi_get32(bytes + AT_VERSION) != BPI_KEY_FILE_VERSION) {
        return "it is of a newer version";
    }
    size_t subject_size = bpi_get16(bytes + AT_SUBJECT_SIZE);
    if (size - BPI_KEY_FILE_HEADER != subject_size || bytes[AT_WRAPPED] > 1 || bytes[AT_WRAPPED + 1] != 0 ||
        bpi_get32(bytes + AT_SUBJECT_SIZE + 2) != 0 ||
        !bpi_name_valid(bytes + BPI_KEY_FILE_HEADER, subject_size, BP_NAME_MAX)) {
        return "its fields do not fit together";
    }
    memcpy(file_out->store_id.bytes, bytes + AT_STORE, sizeof file_out->store_id.bytes);
    memcpy(file_out->key_id.bytes, bytes + AT_KEY_ID, sizeof file_out->key_id.bytes);
    file_out->made_us = (int64_t)bpi_get64(bytes + AT_MADE);
    file_out->wrapped = bytes[AT_WRAPPED] != 0;
    memcpy(file_out->nonce, bytes + AT_NONCE, sizeof file_out->nonce);
    memcpy(file_out->key, bytes + AT_KEY, sizeof file_out->key);
    file_out->subject = (bp_text){(const char *)bytes + BPI_KEY_FILE_HEADER, subject_size};
    return NULL;
}

bool bpi_event_subject(const bp_event *event, bp_text *subject_out)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    if (event->private_extensions_size == 0 ||
        !bpi_extension_find(event->extensions + event->public_extensions_size, event->private_extensions_size,
                            BP_TAG_SUBJECT, &value, &size)) {
        return false;
    }
    *subject_out = (bp_text){(const char *)value, size};
    return true;
}
