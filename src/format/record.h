/*
 * record.h: one event on disk (docs/format.md, section 6).
 *
 * Reading has two depths. `bpi_record_view` checks what memory safety and the answer need: lengths and the CRC. It is
 * what readers use, on records that were checked when the log was opened. `bpi_record_check` judges everything the page
 * says of a single record; recovery and verify use it.
 *
 * Writing has two steps. `bpi_record_build` lays out what the caller knows and sums it; `bpi_record_assign` adds what
 * only the commit knows and completes the CRC, in constant time whatever the payload's size.
 */
#ifndef BPI_FORMAT_RECORD_H
#define BPI_FORMAT_RECORD_H

#include <batpak/event.h>

enum {
    BPI_RECORD_CRC = 0,
    BPI_RECORD_LENGTH = 4,
    BPI_RECORD_SEQUENCE = 8,
    BPI_RECORD_ID = 16,
    BPI_RECORD_HLC = 32,
    BPI_RECORD_TIME = 40,
    BPI_RECORD_CLOCK = 48,
    BPI_RECORD_KIND = 56,
    BPI_RECORD_FLAGS = 58,
    BPI_RECORD_PAYLOAD_TYPE = 60,
    BPI_RECORD_STATE = 61,
    BPI_RECORD_PAYLOAD_VERSION = 62,
    BPI_RECORD_PAYLOAD_SIZE = 64,
    BPI_RECORD_ENTITY_SIZE = 68,
    BPI_RECORD_SCOPE_SIZE = 70,
    BPI_RECORD_CAUSES = 72,
    BPI_RECORD_ZERO1 = 73,
    BPI_RECORD_PUBLIC_SIZE = 74,
    BPI_RECORD_PRIVATE_SIZE = 76,
    BPI_RECORD_ZERO2 = 78,
    BPI_RECORD_EVENT_HASH = 80,
    BPI_RECORD_SALT = 112,
    BPI_RECORD_FIXED = 128,
    BPI_RECORD_ALIGN = 8,
    BPI_RECORD_STATE_STUB = 1,
    BPI_RECORD_STATE_TOMBSTONED = 2,
    BPI_RECORD_FLAGS_KNOWN = BP_FLAG_REQUIRES_ACK | BP_FLAG_TRANSACTIONAL | BP_FLAG_REPLAY,
    /* fixed fields, one byte for each name, padded */
    BPI_RECORD_MIN = 136,
    /* all extensions this library writes for a caller: lane, correlation, external */
    BPI_EXTENSION_HEADER = 4,
    BPI_EXTENSIONS_MAX = 65535
};

_Static_assert(BPI_RECORD_SALT + 16 == BPI_RECORD_FIXED, "the salt is the last fixed field");
_Static_assert(BPI_RECORD_EVENT_HASH + 32 == BPI_RECORD_SALT, "hash before salt");
_Static_assert(BPI_RECORD_FIXED % BPI_RECORD_ALIGN == 0, "fixed fields keep the alignment");
_Static_assert(sizeof(bp_id) == 16 && sizeof(bp_hash) == 32, "causes and hashes are read in place");

/* What a record is made from. Texts and bytes are not owned. */
typedef struct bpi_record_input {
    bp_id id;
    bp_kind_code kind;
    uint16_t flags;
    uint8_t payload_type;
    uint8_t state;
    uint16_t payload_version;
    uint8_t cause_count;
    bp_text entity;
    bp_text scope;
    const bp_id *causes;
    const uint8_t *public_extensions;
    size_t public_size;
    const uint8_t *private_extensions;
    size_t private_size;
    const void *payload;
    size_t payload_size;
    uint8_t salt[16];
    bp_hash content_hash; /* of a stub */
} bpi_record_input;

/* What the commit assigns. */
typedef struct bpi_record_assigned {
    uint64_t sequence;
    uint64_t clock;
    bp_hlc hlc;
    int64_t time_us;
    bp_hash event_hash;
} bpi_record_assigned;

/* Length of the record, padded. The input's sizes are within their limits. */
size_t bpi_record_size(const bpi_record_input *input);

/* The value a record's CRC starts from. */
uint32_t bpi_record_seed(const bp_id *store_id);

/* Writes all but what is assigned, `bpi_record_size` bytes; returns the CRC over the bytes behind the fixed fields. */
uint32_t bpi_record_build(uint8_t *bytes, const bpi_record_input *input, uint32_t seed);

/* Adds what is assigned and the CRC, which is returned. */
uint32_t bpi_record_assign(uint8_t *bytes, const bpi_record_assigned *assigned, uint32_t tail_crc);

/* NULL when the record can be read: length within `available`, parts within length, CRC right. Else what is wrong.
 * event_out->position, batch and batch_count are not set. */
const char *bpi_record_view(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out,
                            size_t *length_out);

/* The same once more, of a record that passed and has not changed since: nothing is checked. Returns its length. */
size_t bpi_record_again(const uint8_t *bytes, bp_event *event_out);

/* As bpi_record_view, and everything else the format says of one record. */
const char *bpi_record_check(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out,
                             size_t *length_out);

/* A record that is right by itself but says what no writer says: damage wherever it stands. NULL: it does not. */
const char *bpi_record_contradiction(const bp_event *event);

/* Finds a tag's value among extensions that were checked or written by us; any bytes are safe. */
bool bpi_extension_find(const uint8_t *extensions, size_t size, uint16_t tag, const uint8_t **value_out,
                        size_t *size_out);

/* Appends one extension at `bytes`; returns its size. */
size_t bpi_extension_put(uint8_t *bytes, uint16_t tag, const void *value, size_t size);

#endif
