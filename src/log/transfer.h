/*
 * transfer.h: the log of a store as of one moment, and its way into another directory.
 *
 * A *picture* is the catalog up to a frontier: sealed segments as they are listed, and of those that were open their frames
 * up to the frontier, as open ones. It is a whole log: the list of a store whose machine stopped there.
 */
#ifndef BPI_LOG_TRANSFER_H
#define BPI_LOG_TRANSFER_H

#include "base/memory.h"
#include "log/site.h"

typedef struct bpi_picture {
    const bpi_home *home; /* where the log lies */
    bpi_catalog catalog;
    uint64_t frontier;
    uint64_t list_generation; /* of the list it was taken from */
    uint64_t *lengths;        /* bytes of each segment that belong to it */
    size_t count;             /* of lengths */
    uint64_t events;
    uint64_t bytes;
} bpi_picture;

/*
 * Makes a picture of a catalog, which it takes over (whatever comes of it; it is freed by bpi_picture_free), up to `frontier`, where
 * a frame ends. Frames that are not sealed are read, and their checksums judged. UINT64_MAX: up to where the log ends
 * (docs/format.md, section 9), which is damage if more is vouched for. BP_ERR_CORRUPT.
 */
bp_status bpi_picture_take(bpi_picture *picture, const bpi_home *home, bpi_catalog *catalog, uint64_t frontier,
                           bp_error *error);
void bpi_picture_free(bpi_picture *picture);

/* How files that will never change may come into the copy: each also in the ways behind it. */
typedef enum bpi_way { BPI_WAY_LINK, BPI_WAY_CLONE, BPI_WAY_COPY } bpi_way;

typedef struct bpi_transfer {
    const bpi_picture *picture;
    const bpi_home *target;
    const bpi_home *since; /* an earlier copy of the same store, whose files may be linked; NULL */
    const bpi_catalog *since_catalog;
    bpi_way way;
    bp_progress_fn progress;
    void *progress_context;
    /* what came of it */
    uint64_t linked;
    uint64_t reused; /* linked from `since` */
    uint64_t cloned;
    uint64_t copied;
    uint64_t shared_bytes;
    uint64_t copied_bytes;
} bpi_transfer;

/* Brings the segments over, synced, their names too. BP_ERR_CORRUPT: one is not what the list says, or is gone. */
bp_status bpi_transfer_segments(bpi_transfer *transfer, bp_error *error);

/* Writes list and manifest, synced: the target is a store from then on, not closed cleanly, in that epoch. */
bp_status bpi_transfer_catalog(const bpi_transfer *transfer, uint32_t epoch, bp_error *error);

/*
 * The small files of a folder (consumers/, keys/) in memory, so that they can be read at another time than the log is.
 * Looked through by bpi_folder_next, from 0; false at the end.
 */
enum { BPI_FOLDER_NAME = 256 };
typedef bool (*bpi_wanted_fn)(const char *name);
typedef struct bpi_folder_file {
    char name[BPI_FOLDER_NAME];
    uint64_t size;
    bool left_out; /* may be set: it is not written */
} bpi_folder_file;

/* Adds the files that `wanted` says yes to; there need not be such a folder. NULL: of the store's directory itself. The buffer is the
 * caller's. */
bp_status bpi_folder_read(const bpi_home *home, const char *folder, bpi_wanted_fn wanted, bpi_buffer *files,
                          bp_error *error);
bool bpi_folder_next(const bpi_buffer *files, size_t *at, bpi_folder_file **file_out, const uint8_t **bytes_out);
/* Gives it back, wiped. */
void bpi_folder_forget(bpi_buffer *files);
/* Writes those that are not left out, synced, and their names. */
bp_status bpi_folder_write(const bpi_home *home, const char *folder, const bpi_buffer *files, uint32_t *count_out,
                           bp_error *error);

#endif
