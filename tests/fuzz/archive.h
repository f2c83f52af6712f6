/*
 * archive.h: the files of a store in one input. An input is any number of files, one behind the other:
 *
 *   length of the name (1) ‖ name ‖ size (4) ‖ number of runs (2) ‖ runs: offset (4) ‖ length (2) ‖ bytes
 *
 * What no run covers is zero, so that segments and manifests take the room of what is in them. Any bytes are an archive:
 * what does not fit is left out.
 */
#ifndef BPT_FUZZ_ARCHIVE_H
#define BPT_FUZZ_ARCHIVE_H

#include "fuzz/fuzz.h"
#include "support/world.h"

enum { FUZZ_FILES = 24, FUZZ_NAME = 80, FUZZ_FILE_MAX = 256 << 10 };

typedef struct fuzz_file {
    char name[FUZZ_NAME];
    uint8_t *data; /* owned; FUZZ_FILE_MAX bytes of room, zero behind `size` */
    size_t size;
} fuzz_file;

typedef struct fuzz_archive {
    size_t count;
    fuzz_file files[FUZZ_FILES];
} fuzz_archive;

void fuzz_unpack(fuzz_archive *archive, const uint8_t *data, size_t size);
/* 0: there is no room. */
size_t fuzz_pack(const fuzz_archive *archive, uint8_t *data, size_t max);
void fuzz_archive_free(fuzz_archive *archive);

/* NULL when there is no room. The name may be any text; only names a store could have reach it (fuzz_archive_write). */
fuzz_file *fuzz_archive_add(fuzz_archive *archive, const char *name);
void fuzz_archive_remove(fuzz_archive *archive, size_t index);
fuzz_file *fuzz_archive_find(fuzz_archive *archive, const char *name);
bool fuzz_name_begins(const fuzz_file *file, const char *begin);

/* Between a world and an archive. */
void fuzz_archive_read(fuzz_archive *archive, bpt_world *world);
void fuzz_archive_write(const fuzz_archive *archive, bpt_world *world);

#endif
