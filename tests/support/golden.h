/*
 * golden.h: the golden stores: how they are made, and what is read of them as lines of JSON, the same as
 * tools/read_format.py prints.
 */
#ifndef BPT_GOLDEN_H
#define BPT_GOLDEN_H

#include "support/world.h"

typedef struct bpt_golden {
    const char *name;
    const char *about;
    void (*make)(bpt_world *world); /* in a fault world; leaves the store as it shall be kept */
} bpt_golden;

extern const bpt_golden bpt_goldens[];
extern const size_t bpt_golden_count;

/* Makes one, without what belongs to a machine (`live`, LOCK) and without most of the zeros behind the end. */
void bpt_golden_make(const bpt_golden *golden, bpt_world *world);

/* Copies the files of a store into a folder on disk (made when it is missing), and back. */
void bpt_store_dump(bpt_world *world, const char *folder);
void bpt_store_load(bpt_world *disk_world, const char *folder);

/* Every event of the store as a line, system events too. malloc'd. */
char *bpt_store_lines(bp_store *store);

#endif
