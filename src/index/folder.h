/*
 * folder.h: index files on the medium: finding those that belong to the log, writing, merging, removing.
 *
 * One writing process uses a folder at a time (the store's writer lock); readers only look. Nothing in it is needed: what is
 * missing, stale, foreign, damaged or newer is left aside, and written anew by the writer.
 */
#ifndef BPI_INDEX_FOLDER_H
#define BPI_INDEX_FOLDER_H

#include <pthread.h>

#include "index/block.h"
#include "log/home.h"
#include "log/segment_file.h"

typedef struct bpi_found_file {
    uint32_t first;
    uint32_t last;
    uint32_t generation;
} bpi_found_file;

typedef struct bpi_folder {
    const bpi_home *home;
    bp_id store_id;
    pthread_mutex_t lock;  /* of the next two: the keeper and a compaction may write files at the same time */
    bp_dir *dir;           /* index/; NULL: it is not there (yet) */
    uint32_t generation;   /* the greatest that was ever seen */
    bpi_found_file *found; /* in order of first, then the widest and newest first */
    size_t found_count;
    size_t found_capacity;
    _Atomic uint64_t written; /* files */
    _Atomic uint64_t merged;  /* of them merges */
    _Atomic bool hurry;       /* merges have to wait, unless there are very many files */
    _Atomic bool put_off;     /* one does */
    _Atomic uint64_t failed;  /* writes that failed; the index goes on in memory */
    _Atomic int failed_code;  /* errno of the newest of them */
} bpi_folder;

/* Tells what ties a file to these segments; false: they are not all listed and sealed, each in that very generation. */
typedef bool (*bpi_binding_fn)(void *argument, const bpi_part *parts, uint32_t count, bp_hash *binding_out);

/* Lists index/ if it is there. What cannot be listed is not there; for who wants to know, the errno of that, else 0. home is kept. */
int bpi_folder_open(bpi_folder *folder, const bpi_home *home, const bp_id *store_id);
void bpi_folder_close(bpi_folder *folder);

/*
 * The widest file that covers segments from catalog entry `index` on and belongs to them, as a block that would come next in the
 * index; how many entries it covers. NULL: there is none. `skip` candidates are passed over (they were found wanting).
 */
bpi_block *bpi_folder_find(bpi_folder *folder, bpi_index *index, bpi_opener *opener, const bpi_catalog *catalog,
                           size_t entry, size_t skip, size_t *covered_out);

/* A reader of what another process writes: files that were made meanwhile take the place of blocks in memory, and of several smaller
 * ones. The caller is the index's one writer. What cannot be used stays as it is. */
void bpi_folder_adopt(bpi_folder *folder, bpi_index *index, const bpi_catalog *catalog);

/* The file of the beginning of an open segment: what it says of its end is held against the log by the caller. NULL: none. */
bpi_image *bpi_folder_find_tail(bpi_folder *folder, bpi_index *index, const bpi_segment_entry *entry);
/* Its block; takes over the image. NULL: no memory. */
bpi_block *bpi_folder_tail_block(bpi_index *index, bpi_segment *segment, bpi_image *image);

/* ---- the writer ---- */

/* Seals the block of a segment ordinal, which gets no more rows, into a file; where that fails, into memory. */
void bpi_folder_seal(bpi_folder *folder, bpi_index *index, uint32_t ordinal, bpi_binding_fn binding, void *argument);
/* A file for what an open segment holds, if much of it has none. Nobody appends. */
void bpi_folder_close_tail(bpi_folder *folder, bpi_index *index, uint32_t ordinal, const bpi_index_tail *tail);
/* What is left to do: blocks in memory or with a broken file get one, eight neighbours become one. */
void bpi_folder_tend(bpi_folder *folder, bpi_index *index, bpi_binding_fn binding, void *argument);
/* From now on eight files are not made into one, unless there are very many, and what is being made is given up; or they are again. Any
 * thread. */
void bpi_folder_hurry(bpi_folder *folder, bool hurry);
/* Removes one file that no block uses any more. */
void bpi_folder_remove(bpi_folder *folder, const char *name);
/* Removes what no block of the index uses. */
void bpi_folder_sweep(bpi_folder *folder, bpi_index *index);

#endif
