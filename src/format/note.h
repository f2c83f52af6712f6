/*
 * note.h: what a snapshot says of itself (docs/format.md, section 15): the file SNAPSHOT in it, INCOMPLETE while it is being
 * made, and a copy of it among the store's snapshots/.
 */
#ifndef BPI_FORMAT_NOTE_H
#define BPI_FORMAT_NOTE_H

#include <batpak/status.h>

enum {
    BPI_NOTE_VERSION = 1,
    BPI_NOTE_HEADER = 160,
    BPI_NOTE_PATH_MAX = 4095,
    BPI_NOTE_SIZE_MAX = BPI_NOTE_HEADER + BPI_NOTE_PATH_MAX,
    BPI_NOTE_CONSUMERS = 1,
    BPI_NOTE_KEYS = 2,
    BPI_NOTE_SHARED = 4,  /* files of it are files of the store, under a second name or on the same blocks */
    BPI_NOTE_RESTORE = 8, /* in INCOMPLETE: it is no snapshot that was being made, but a store */
    BPI_NOTE_FLAGS = 15,
    BPI_NOTE_ID_NAME = 33
};

#define BPI_NOTE_NAME "SNAPSHOT"
#define BPI_NOTE_MARKER "INCOMPLETE"
#define BPI_NOTE_FOLDER "snapshots"

typedef struct bpi_note {
    bp_id store_id;
    bp_id id;
    int64_t time_us;
    uint64_t frontier;
    uint64_t events;
    uint32_t epoch;
    uint32_t flags;
    bp_hash root; /* over all event hashes; zero in INCOMPLETE until it is proven */
    uint32_t path_size;
    char path[BPI_NOTE_PATH_MAX + 1]; /* of the snapshot when it was made; NUL-terminated */
} bpi_note;

/* Returns how many of BPI_NOTE_SIZE_MAX bytes it takes. */
size_t bpi_note_put(const bpi_note *note, uint8_t bytes[BPI_NOTE_SIZE_MAX]);
/* NULL when it is right, else what is wrong; "newer" for a greater version. */
const char *bpi_note_get(const uint8_t *bytes, size_t size, bpi_note *note_out);

/* The file's name in snapshots/: the id in hex digits. */
void bpi_note_name(const bp_id *id, char name_out[BPI_NOTE_ID_NAME]);

#endif
