/*
 * memory.c: a world in memory as a bp_io table. What is written is there, nothing is ever lost, syncs do nothing.
 *
 * Holds: one mutex guards the world; no function calls back while it is held. Directories on the way to a path that
 * is opened with `create` come into being with it, since there is nobody else to make them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "io/posix.h"
#include "io/world.h"

typedef struct memory {
    bp_io io; /* first: the table that the caller has is this */
    pthread_mutex_t mutex;
    bpi_world world;
    bp_io_place place;
} memory;

static memory *enter(void *context)
{
    memory *self = context;
    (void)pthread_mutex_lock(&self->mutex);
    return self;
}

static int leave(memory *self, int result)
{
    (void)pthread_mutex_unlock(&self->mutex);
    return result;
}

/* ---- directories ---- */

static int step_into(bpi_node *parent, const char *name, bool create, bpi_node **node_out)
{
    bpi_node *node = bpi_entries_find(&parent->entries, name);
    *node_out = node;
    if (node != NULL) {
        return node->is_directory ? 0 : ENOTDIR;
    }
    return create ? bpi_world_make(parent, name, true, node_out) : ENOENT;
}

static int memory_dir_open(void *context, const char *path, bool create, bp_dir **dir_out)
{
    char name[256];
    *dir_out = NULL;
    memory *self = enter(context);
    bpi_node *node = self->world.root;
    int result = 0;
    while (result == 0 && bpi_path_next(&path, name, sizeof(name))) {
        result = name[0] == '\0' ? EINVAL : step_into(node, name, create, &node);
    }
    if (result == 0) {
        result = bpi_world_open_dir(&self->world, node, dir_out);
    }
    return leave(self, result);
}

static int memory_dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    *dir_out = NULL;
    if (!bpi_world_name_is_plain(name)) {
        return EINVAL;
    }
    memory *self = enter(context);
    bpi_node *node;
    int result = step_into(bpi_world_dir_of(parent)->node, name, create, &node);
    if (result == 0) {
        result = bpi_world_open_dir(&self->world, node, dir_out);
    }
    return leave(self, result);
}

static void memory_dir_close(void *context, bp_dir *dir)
{
    memory *self = enter(context);
    bpi_world_close_dir(&self->world, dir);
    (void)leave(self, 0);
}

static int memory_dir_sync(void *context, bp_dir *dir)
{
    (void)context;
    (void)dir;
    return 0;
}

static int memory_dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    bpi_listed *list = NULL;
    size_t count = 0;
    memory *self = enter(context);
    int result = leave(self, bpi_world_list(bpi_world_dir_of(dir)->node, &list, &count));
    return result != 0 ? result : bpi_world_show(list, count, entry, argument);
}

static int memory_dir_rename(void *context, bp_dir *dir, const char *from, const char *to)
{
    if (!bpi_world_name_is_plain(from) || !bpi_world_name_is_plain(to)) {
        return EINVAL;
    }
    memory *self = enter(context);
    bpi_node *node = bpi_world_dir_of(dir)->node;
    int result = bpi_world_rename_check(node, from, to);
    if (result == 0) {
        result = bpi_world_rename(node, from, to);
    }
    return leave(self, result);
}

static int memory_dir_remove(void *context, bp_dir *dir, const char *name)
{
    if (!bpi_world_name_is_plain(name)) {
        return EINVAL;
    }
    memory *self = enter(context);
    bpi_node *node = bpi_world_dir_of(dir)->node;
    int result = bpi_world_remove_check(node, name);
    if (result == 0) {
        bpi_world_remove(node, name);
    }
    return leave(self, result);
}

static int memory_dir_place(void *context, bp_dir *dir, bp_io_place *place_out)
{
    memory *self = context;
    (void)dir;
    *place_out = self->place;
    return 0;
}

/* ---- files ---- */

static int memory_file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    bool create = (flags & BP_OPEN_CREATE) != 0;
    bool exclusive = (flags & BP_OPEN_EXCLUSIVE) != 0;
    *file_out = NULL;
    if (!bpi_world_name_is_plain(name) || (exclusive && !create)) {
        return EINVAL;
    }
    memory *self = enter(context);
    bpi_node *parent = bpi_world_dir_of(dir)->node;
    bpi_node *node = bpi_entries_find(&parent->entries, name);
    int result = 0;
    if (node == NULL) {
        result = create ? bpi_world_make(parent, name, false, &node) : ENOENT;
    } else if (exclusive) {
        result = EEXIST;
    } else if (node->is_directory) {
        result = EISDIR;
    }
    if (result == 0) {
        result = bpi_world_open_file(&self->world, node, flags, file_out);
    }
    return leave(self, result);
}

static void memory_file_close(void *context, bp_file *file)
{
    memory *self = enter(context);
    bpi_world_close_file(&self->world, file);
    (void)leave(self, 0);
}

static int memory_file_size(void *context, bp_file *file, uint64_t *size_out)
{
    memory *self = enter(context);
    *size_out = bpi_world_file_of(file)->node->size;
    return leave(self, 0);
}

static int memory_file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    memory *self = enter(context);
    *got_out = bpi_content_read(bpi_world_file_of(file)->node, offset, buffer, size);
    return leave(self, 0);
}

static int memory_file_write(void *context, bp_file *handle, uint64_t offset, const void *data, size_t size)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    if (!file->writable) {
        return EBADF;
    }
    memory *self = enter(context);
    return leave(self, size == 0 ? 0 : bpi_content_write(file->node, offset, data, size));
}

static int memory_file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    (void)context;
    (void)file;
    (void)mode;
    return 0;
}

static void memory_file_begin_sync(void *context, bp_file *file, uint64_t offset, uint64_t size)
{
    (void)context;
    (void)file;
    (void)offset;
    (void)size;
}

static int memory_file_allocate(void *context, bp_file *handle, uint64_t size)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    if (!file->writable) {
        return EBADF;
    }
    memory *self = enter(context);
    return leave(self, bpi_content_grow(file->node, size));
}

static int memory_file_lock(void *context, bp_file *file, uint64_t *holder_out)
{
    memory *self = enter(context);
    return leave(self, bpi_world_lock(file, holder_out));
}

/* ---- what tables need not have ---- */

static int memory_file_link(void *context, bp_file *file, bp_dir *dir, const char *name)
{
    memory *self = enter(context);
    bpi_node *node = bpi_world_file_of(file)->node;
    bpi_node *parent = bpi_world_dir_of(dir)->node;
    int result = bpi_world_link_check(parent, name, node);
    if (result == 0) {
        result = bpi_entries_set(&parent->entries, name, node);
    }
    return leave(self, result);
}

static int memory_file_links(void *context, bp_file *file, uint64_t *count_out)
{
    memory *self = enter(context);
    *count_out = bpi_world_count_names(&self->world, bpi_world_file_of(file)->node);
    return leave(self, 0);
}

static int memory_dir_is_within(void *context, bp_dir *inner, bp_dir *outer, bool *within_out)
{
    memory *self = enter(context);
    *within_out = bpi_world_is_within(bpi_world_dir_of(inner)->node, bpi_world_dir_of(outer)->node);
    return leave(self, 0);
}

/* ---- mappings ---- */

static int memory_map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    memory *self = enter(context);
    return leave(self, bpi_content_map(file, size, writable, address_out));
}

static void memory_map_close(void *context, bp_file *file, void *address, size_t size)
{
    memory *self = enter(context);
    bpi_content_unmap(file, address, size);
    (void)leave(self, 0);
}

static void memory_map_store(void *context, bp_file *handle, void *address, uint64_t offset, const void *data,
                             size_t size)
{
    bpi_node *node = bpi_world_file_of(handle)->node;
    memory *self = enter(context);
    BPI_DEBUG_ASSERT(offset <= node->size && size <= node->size - offset);
    bpi_copy((uint8_t *)address + offset, data, size);
    if (size != 0 && offset + size > node->used) {
        node->used = (size_t)offset + size;
    }
    (void)leave(self, 0);
    atomic_thread_fence(memory_order_release);
}

static const bp_io memory_table = {
    .size = sizeof(bp_io),
    .context = NULL,
    .dir_open = memory_dir_open,
    .dir_open_at = memory_dir_open_at,
    .dir_close = memory_dir_close,
    .dir_sync = memory_dir_sync,
    .dir_list = memory_dir_list,
    .dir_rename = memory_dir_rename,
    .dir_remove = memory_dir_remove,
    .dir_place = memory_dir_place,
    .file_open = memory_file_open,
    .file_close = memory_file_close,
    .file_size = memory_file_size,
    .file_read = memory_file_read,
    .file_write = memory_file_write,
    .file_sync = memory_file_sync,
    .file_begin_sync = memory_file_begin_sync,
    .file_allocate = memory_file_allocate,
    .map_open = memory_map_open,
    .map_close = memory_map_close,
    .map_store = memory_map_store,
    .map_wait = bpi_posix_map_wait, /* all mappings of a file in this world have one address */
    .map_wake = bpi_posix_map_wake,
    .file_lock = memory_file_lock,
    .file_link = memory_file_link,
    .file_links = memory_file_links,
    .dir_is_within = memory_dir_is_within,
};

bp_io *bp_io_memory_new(void)
{
    memory *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    if (bpi_world_init(&self->world) != 0) {
        free(self);
        return NULL;
    }
    (void)pthread_mutex_init(&self->mutex, NULL);
    self->io = memory_table;
    self->io.context = self;
    /* every world is a boot and a mount of its own */
    if (bp_random_system()->fill(NULL, &self->place, sizeof(self->place)) != 0) {
        memset(&self->place, 0, sizeof(self->place));
    }
    return &self->io;
}

void bp_io_memory_free(bp_io *io)
{
    if (io == NULL) {
        return;
    }
    memory *self = io->context;
    bpi_world_fini(&self->world);
    (void)pthread_mutex_destroy(&self->mutex);
    free(self);
}
