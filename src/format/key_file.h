/*
 * key_file.h: a subject's key on disk (docs/format.md, section 16), and what lies in front of an encrypted payload.
 */
#ifndef BPI_FORMAT_KEY_FILE_H
#define BPI_FORMAT_KEY_FILE_H

#include <batpak/event.h>

#include "base/cipher.h"

#define BPI_KEY_MAGIC "BATPAKKY"

enum {
    BPI_KEY_FILE_VERSION = 1,
    BPI_KEY_FILE_HEADER = 136,
    BPI_KEY_FILE_MOST = BPI_KEY_FILE_HEADER + BP_NAME_MAX,
    BPI_KEY_FILE_BOUND = 16, /* what a wrapped key is bound to: from here ... */
    BPI_KEY_FILE_BOUND_SIZE = 48,
    /* an encrypted payload: key id, nonce, bytes, tag */
    BPI_SEALED_KEY = 0,
    BPI_SEALED_NONCE = 16,
    BPI_SEALED_BYTES = 40,
    BPI_SEALED_MORE = 56
};

_Static_assert(BPI_SEALED_BYTES == BPI_SEALED_NONCE + BPI_CIPHER_NONCE, "the nonce fits");
_Static_assert(BPI_SEALED_MORE == BPI_SEALED_BYTES + BPI_CIPHER_TAG, "the tag fits");

typedef struct bpi_key_file {
    bp_id store_id;
    bp_id key_id;
    int64_t made_us;
    bool wrapped;
    uint8_t nonce[BPI_CIPHER_NONCE];              /* wrapped; else zeros */
    uint8_t key[BPI_CIPHER_KEY + BPI_CIPHER_TAG]; /* wrapped: encrypted, with its tag; else the key and zeros */
    bp_text subject;
} bpi_key_file;

/* Fields that a wrapped key is bound to, as they lie in the file; of what was put or is about to be. */
void bpi_key_file_bound(const bpi_key_file *file, uint8_t bound_out[BPI_KEY_FILE_BOUND_SIZE]);

/* Writes the file's bytes; returns how many. The subject is a valid name. */
size_t bpi_key_file_put(const bpi_key_file *file, uint8_t bytes_out[BPI_KEY_FILE_MOST]);

/* NULL: it is good; else what is wrong. The subject points into the bytes. */
const char *bpi_key_file_get(const uint8_t *bytes, size_t size, bpi_key_file *file_out);

/* The subject of a record whose payload is encrypted; false: it is not, or the record says nothing of it any more. */
bool bpi_event_subject(const bp_event *event, bp_text *subject_out);

#endif
