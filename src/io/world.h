/*
 * world.h: a tree of directories and files in memory, the common ground of the memory and the fault implementation.
 *
 * Nothing here locks, counts or fails on purpose: whoever owns a world guards it with one mutex. Functions return 0
 * or an errno.
 *
 * How content is kept. A file's bytes lie in a region; behind `used` every byte is zero, up to the file's size and
 * beyond, so that a large file of zeros costs nothing. A region is plain memory while it is small and was never
 * mapped, so that opening a store with ten small files is cheap. Mapping a file moves it to a reservation of at least
 * 64 MiB of address space, whose address stays; a mapping holds the region, so that it outlives the file's move to
 * another one.
 *
 * Stores into a mapping that go past map_store (the shared page of a store does that) are seen by reads in every
 * case, and by copies of the world in mappings of up to BPI_WORLD_DIRECT_MAX bytes.
 */
#ifndef BPI_IO_WORLD_H
#define BPI_IO_WORLD_H

#include <batpak/io.h>

#include "io/history.h"

enum { BPI_WORLD_DIRECT_MAX = 64 << 10 };

typedef struct bpi_region {
    uint8_t *bytes;
    size_t capacity;
    bool reserved; /* address space from mmap, not from malloc */
    bool foul;     /* may have been stored to anywhere */
    size_t dirty;  /* else bytes from here on are zero */
    unsigned refs; /* the file, and each mapping */
} bpi_region;

struct bpi_node {
    bool is_directory;
    unsigned refs; /* names, handles, and what a history keeps */

    bpi_entries entries; /* of a directory */
    bpi_dir_history names;

    bpi_region *region; /* of a file; NULL: nothing but zeros */
    uint64_t size;
    size_t used;
    bpi_file_history history;
    const struct bpi_world_file *locker;

    struct bpi_node *next; /* while a walk over the tree goes on: its list of nodes still to visit */
    struct bpi_node *twin; /* while a world is copied: this node in the copy */
};

/* A mapping; all of one region have the same address. */
typedef struct bpi_world_map {
    bpi_region *region;
    size_t size;
    struct bpi_world_map *next;
} bpi_world_map;

typedef struct bpi_world_dir {
    bpi_node *node;
    uint64_t incarnation; /* of the world when it was opened */
    struct bpi_world_dir *previous;
    struct bpi_world_dir *next;
} bpi_world_dir;

typedef struct bpi_world_file {
    bpi_node *node;
    bool writable;
    uint64_t incarnation;
    bpi_world_map *maps;
    struct bpi_world_file *previous;
    struct bpi_world_file *next;
} bpi_world_file;

typedef struct bpi_world {
    bpi_node *root;
    uint64_t incarnation; /* counts the processes that this world has seen die */
    bpi_world_dir *dirs;  /* all open handles, so that they can be freed with the world */
    bpi_world_file *files;
} bpi_world;

int bpi_world_init(bpi_world *world);
void bpi_world_fini(bpi_world *world);

/* ---- world.c: nodes, paths, handles ---- */

bpi_node *bpi_node_new(bool is_directory); /* one reference; NULL: no memory */
void bpi_node_hold(bpi_node *node);
void bpi_node_drop(bpi_node *node); /* NULL is allowed */
/* The same in two steps, for many nodes without recursion: those that nobody holds any more go on a list first. */
void bpi_node_let_go(bpi_node *node, bpi_node **dying);
void bpi_nodes_bury(bpi_node *dying);

/* The node at a path of plain parts; "", "." and "/" are the root. */
int bpi_world_find(const bpi_world *world, const char *path, bpi_node **node_out);
/* Cuts the next part off a path, into `name_out` of `size` bytes. False at the end; a part that is too long or is ".."
 * comes out empty. */
bool bpi_path_next(const char **path, char *name_out, size_t size);
bool bpi_world_name_is_plain(const char *name);

/* Makes a name in a directory that has none such. The node is held by the name, not by the caller. */
int bpi_world_make(bpi_node *dir, const char *name, bool is_directory, bpi_node **node_out);
int bpi_world_remove_check(const bpi_node *dir, const char *name);
void bpi_world_remove(bpi_node *dir, const char *name); /* after the check */
int bpi_world_rename_check(const bpi_node *dir, const char *from, const char *to);
int bpi_world_rename(bpi_node *dir, const char *from, const char *to); /* after the check */

/* A directory's names as they are now, so that whoever is shown them may change the world. */
typedef struct bpi_listed {
    char *name;
    bool is_directory;
    uint64_t size;
} bpi_listed;

int bpi_world_list(const bpi_node *dir, bpi_listed **list_out, size_t *count_out);
/* Shows them until one is answered with non-zero, and frees them. Call it without the world's mutex. */
int bpi_world_show(bpi_listed *list, size_t count, bp_dir_entry_fn entry, void *argument);

int bpi_world_open_dir(bpi_world *world, bpi_node *node, bp_dir **dir_out);
void bpi_world_close_dir(bpi_world *world, bp_dir *handle);
int bpi_world_open_file(bpi_world *world, bpi_node *node, unsigned flags, bp_file **file_out);
void bpi_world_close_file(bpi_world *world, bp_file *handle);
int bpi_world_lock(bp_file *handle, uint64_t *holder_out);

static inline bpi_world_dir *bpi_world_dir_of(bp_dir *dir)
{
    return (bpi_world_dir *)dir;
}

static inline bpi_world_file *bpi_world_file_of(bp_file *file)
{
    return (bpi_world_file *)file;
}

/* ---- share.c: files with several names ---- */

/* Is a name to be given to that node in that directory? 0, or why not. One directory names a node once. */
int bpi_world_link_check(const bpi_node *dir, const char *name, const bpi_node *node);
/* How many names the node has. */
uint64_t bpi_world_count_names(const bpi_world *world, const bpi_node *node);
/* Is the one the other, or below it? */
bool bpi_world_is_within(const bpi_node *inner, bpi_node *outer);
/* Fills an empty file with the bytes of another. */
int bpi_world_clone(const bpi_node *from, bpi_node *to);

/* ---- content.c: bytes and mappings ---- */

void bpi_region_drop(bpi_region *region); /* NULL is allowed */
void bpi_region_leave(bpi_node *node);    /* a node without one is allowed */

size_t bpi_content_read(const bpi_node *node, uint64_t offset, void *buffer, size_t size);
int bpi_content_write(bpi_node *node, uint64_t offset, const void *data, size_t size);
int bpi_content_grow(bpi_node *node, uint64_t size);
/* Forgets everything from `size` on. */
void bpi_content_cut(bpi_node *node, uint64_t size);
/* An own copy in place of a region that mappings hold. */
int bpi_content_detach(bpi_node *node);
/* All bytes of a file in one place, valid until it is changed. */
int bpi_content_view(bpi_node *node, const uint8_t **data_out);

int bpi_content_map(bp_file *handle, size_t size, bool writable, void **address_out);
void bpi_content_unmap(bp_file *handle, const void *address, size_t size);

#endif
