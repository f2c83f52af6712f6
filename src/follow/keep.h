/*
 * keep.h: the files of consumers: consumers/<hex>.pos, replaced whole, and consumers/<hex>.lock, held while it is open.
 *
 * The hex digits are a hash of name and partition. Holds: who writes has the lock; the file is the old or the new one
 * after any crash.
 */
#ifndef BPI_FOLLOW_KEEP_H
#define BPI_FOLLOW_KEEP_H

#include "format/consumer.h"
#include "store/store.h"

typedef struct bpi_keep {
    const bp_io *io; /* NULL: not open */
    const bp_allocator *allocator;
    bp_dir *dir;
    bp_file *lock;
    char name[40]; /* the file's */
    char lock_name[40];
} bpi_keep;

/* Opens the directory; with `create` it is made. BP_ERR_NOT_FOUND: there is none. */
bp_status bpi_keep_open_dir(bp_store *store, bool create, bpi_keep *keep, bp_error *error);
/* And takes the lock of one consumer. BP_ERR_LOCKED. */
bp_status bpi_keep_open(bp_store *store, bp_text name, uint32_t partition, bool create, bpi_keep *keep,
                        bp_error *error);
void bpi_keep_close(bpi_keep *keep);

/* The file's bytes, from the allocator: *size_out of them. BP_ERR_NOT_FOUND: there is none; BP_ERR_CORRUPT, BP_ERR_VERSION. */
bp_status bpi_keep_read(const bpi_keep *keep, const char *name, uint8_t **bytes_out, size_t *size_out,
                        bpi_consumer_file *file_out, bp_error *error);
bp_status bpi_keep_write(const bpi_keep *keep, const bpi_consumer_file *file, const bpi_parked *parked,
                         bp_error *error);
bp_status bpi_keep_remove(const bpi_keep *keep, bp_error *error);

bp_id bpi_store_id(bp_store *store);

#endif
