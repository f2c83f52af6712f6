/*
 * history.h: what of a world in memory a power cut may still take back. Used by the fault implementation only; in a
 * plain world in memory the histories stay empty.
 *
 * Holds, for a file: what is durable is its content, except that each sector in `sectors` has images[0] instead and
 * that the size is `synced_size`. The images are the sector's contents one after the other since then; the latest is
 * not among them, it is the file's content itself.
 * For a directory: what is durable is `synced` when there is one, else its entries; `changes` lead from there to the
 * entries, in order, unless a sync that failed has dropped some.
 */
#ifndef BPI_IO_HISTORY_H
#define BPI_IO_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/fault.h"

typedef struct bpi_node bpi_node;

/* Names of a directory, sorted; each holds its node. */
typedef struct bpi_entry {
    char *name;
    bpi_node *node;
} bpi_entry;

typedef struct bpi_entries {
    bpi_entry *items;
    size_t count;
    size_t capacity;
} bpi_entries;

bpi_node *bpi_entries_find(const bpi_entries *entries, const char *name);
int bpi_entries_set(bpi_entries *entries, const char *name, bpi_node *node); /* replaces; holds the node */
void bpi_entries_erase(bpi_entries *entries, const char *name);              /* nothing when there is none */
void bpi_entries_fini(bpi_entries *entries);
void bpi_entries_release(bpi_entries *entries, bpi_node **dying); /* the same for whoever buries later */

enum {
    BPI_SECTOR_SIZE = 512,
    BPI_SECTOR_IMAGES = 5 /* the synced one, the first since, and the last three before the latest */
};

typedef struct bpi_sector {
    uint64_t index;
    unsigned count; /* of images, at least 1 */
    bool dropped;   /* a failed sync forgot it: it is no longer dirty, and not durable either */
    uint8_t *images;
} bpi_sector;

typedef struct bpi_file_history {
    bpi_sector *sectors; /* sorted by index */
    size_t count;
    size_t capacity;
    uint64_t synced_size;
    bool size_dropped;
    uint8_t *shadow; /* of a file with a small writable mapping: its content when we last looked */
    size_t shadow_size;
} bpi_file_history;

typedef enum bpi_change_kind { BPI_CHANGE_SET, BPI_CHANGE_REMOVE, BPI_CHANGE_RENAME } bpi_change_kind;

typedef struct bpi_change {
    bpi_change_kind kind;
    char *name;
    char *to; /* of a rename */
    bpi_node *node;
} bpi_change;

typedef struct bpi_dir_history {
    bool has_synced;
    bool diverged; /* changes were dropped: `synced` stays, even when nothing is left to sync */
    bpi_entries synced;
    bpi_change *changes;
    size_t count;
    size_t capacity;
} bpi_dir_history;

/* Before a write of `data` at `offset`, while the node has the old content: keeps what the sectors were. */
void bpi_history_write(bpi_node *node, uint64_t offset, const uint8_t *data, size_t size);
void bpi_history_wrote(bpi_node *node); /* after it */
/* A small writable mapping was made: from now on its content is compared with a shadow of what it was. */
void bpi_history_watch(bpi_node *node, size_t size);
void bpi_history_look(bpi_node *node); /* finds what was stored past map_store */
void bpi_history_unwatch(bpi_node *node);
void bpi_history_sync(bpi_node *node);
void bpi_history_drop(bpi_node *node);   /* the sync that forgets */
void bpi_history_settle(bpi_node *node); /* all of the content is durable from here */
/* Makes the content what a power cut leaves of it; returns the number of choices. The node is not mapped. */
uint64_t bpi_history_cut(bpi_node *node, bpi_fault_choice_fn choice, void *argument);

/* Before a directory's entries change. `to` is NULL but for renames. */
void bpi_names_change(bpi_node *dir, bpi_change_kind kind, const char *name, const char *to, bpi_node *node);
void bpi_names_sync(bpi_node *dir);
void bpi_names_drop(bpi_node *dir);
void bpi_names_forget(bpi_node *dir, const char *name); /* the changes that concern it */
uint64_t bpi_names_cut(bpi_node *dir, bpi_fault_choice_fn choice, void *argument);

void bpi_history_fini(bpi_file_history *history);
void bpi_names_release(bpi_dir_history *names, bpi_node **dying);

/* Copies for bpi_fault_clone; `twin` gives the copy's node for a node of the original. */
typedef bpi_node *(*bpi_twin_fn)(void *argument, bpi_node *node);
void bpi_history_copy(bpi_file_history *to, const bpi_file_history *from);
void bpi_names_copy(bpi_dir_history *to, const bpi_dir_history *from, bpi_twin_fn twin, void *argument);
void bpi_entries_copy(bpi_entries *to, const bpi_entries *from, bpi_twin_fn twin, void *argument);

/* Tests only: without memory there is nothing to test. */
void *bpi_must(void *memory);

#endif
