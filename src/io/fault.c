/*
 * fault.c: the fault implementation of bp_io: a world in memory whose every step is numbered and may fail, and whose
 * histories know what a power cut could take back.
 *
 * Holds: one mutex guards everything. A handle belongs to the process that opened it, that is, to the incarnation of
 * the world; a crash begins the next one and takes the mapped bytes away from the dead, so that whatever they still
 * do or store changes nothing.
 */
#include "io/fault_world.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "io/posix.h"

static bpi_fault *enter(void *context)
{
    bpi_fault *fault = context;
    (void)pthread_mutex_lock(&fault->mutex);
    return fault;
}

/* Shows a step to the watcher, without the mutex: it may look at this world, copy it, and use it. */
static void show(bpi_fault *fault, const bpi_fault_step *step)
{
    (void)pthread_mutex_unlock(&fault->mutex);
    fault->watch(fault->watch_argument, step);
    (void)pthread_mutex_lock(&fault->mutex);
}

static int leave(bpi_fault *fault, int result)
{
    if (fault->taken.what != NULL) {
        bpi_fault_step step = fault->taken;
        fault->taken = (bpi_fault_step){.what = NULL};
        step.done = true;
        show(fault, &step);
    }
    (void)pthread_mutex_unlock(&fault->mutex);
    return result;
}

static int planned_error(const bpi_fault *fault)
{
    return fault->plan.os_error != 0 ? fault->plan.os_error : EIO;
}

/* Counts a step and says what shall become of it: 0, or the error, and what kind of fault that is. */
static int take_step(bpi_fault *fault, bpi_fault_step step, bpi_fault_kind *kind_out)
{
    const bpi_fault_plan *plan = &fault->plan;
    *kind_out = BPI_FAULT_NONE;
    if (fault->crashed) {
        return ESHUTDOWN;
    }
    step.number = ++fault->steps;
    if (fault->watch != NULL) {
        show(fault, &step);
        fault->taken = step;
    }
    bool hit = step.number == plan->step || (plan->persistent && step.number > plan->step);
    if (plan->step == 0 || plan->kind == BPI_FAULT_NONE || !hit) {
        return 0;
    }
    *kind_out = plan->kind;
    if (plan->kind == BPI_FAULT_CRASH) {
        bpi_fault_die(fault);
        fault->crashed = true;
        fault->taken = (bpi_fault_step){.what = NULL};
        return ESHUTDOWN;
    }
    return planned_error(fault);
}

typedef enum read_fault { READ_WHOLE, READ_SHORT, READ_FLIPPED } read_fault;

/* The same for a call that reads bytes: 0 and how, or the error. */
static int take_read(bpi_fault *fault, read_fault *how_out)
{
    *how_out = READ_WHOLE;
    if (fault->crashed) {
        return ESHUTDOWN;
    }
    fault->reads++;
    if (fault->reads != fault->plan.read_call) {
        return 0;
    }
    if (fault->plan.read_flips_bit) {
        *how_out = READ_FLIPPED;
        return 0;
    }
    if (fault->plan.os_error == 0) {
        *how_out = READ_SHORT;
        return 0;
    }
    return fault->plan.os_error;
}

/* For calls that read no bytes: an error or nothing. */
static int reading(bpi_fault *fault)
{
    read_fault how;
    int result = take_read(fault, &how);
    return result == 0 && how == READ_SHORT ? EIO : result;
}

static int dir_alive(const bpi_fault *fault, bp_dir *dir)
{
    return bpi_world_dir_of(dir)->incarnation == fault->world.incarnation && !fault->crashed ? 0 : ESHUTDOWN;
}

static int file_alive(const bpi_fault *fault, bp_file *file)
{
    return bpi_world_file_of(file)->incarnation == fault->world.incarnation && !fault->crashed ? 0 : ESHUTDOWN;
}

/* ---- directories ---- */

/* Makes a name that is not there: one step. */
static int make_name(bpi_fault *fault, bpi_node *parent, const char *name, bool is_directory, bpi_node **node_out)
{
    bpi_fault_kind kind;
    int result = take_step(fault, (bpi_fault_step){.what = "create", .name = name}, &kind);
    if (result != 0) {
        return result;
    }
    bpi_node *node = bpi_must(bpi_node_new(is_directory));
    bpi_names_change(parent, BPI_CHANGE_SET, name, NULL, node);
    result = bpi_entries_set(&parent->entries, name, node);
    bpi_node_drop(node);
    *node_out = node;
    return result;
}

static int step_into(bpi_fault *fault, bpi_node *parent, const char *name, bool create, bpi_node **node_out)
{
    bpi_node *node = bpi_entries_find(&parent->entries, name);
    *node_out = node;
    if (node != NULL) {
        return node->is_directory ? 0 : ENOTDIR;
    }
    return create ? make_name(fault, parent, name, true, node_out) : ENOENT;
}

static int fault_dir_open(void *context, const char *path, bool create, bp_dir **dir_out)
{
    char name[256];
    *dir_out = NULL;
    bpi_fault *fault = enter(context);
    bpi_node *node = fault->world.root;
    int result = reading(fault);
    while (result == 0 && bpi_path_next(&path, name, sizeof(name))) {
        result = name[0] == '\0' ? EINVAL : step_into(fault, node, name, create, &node);
    }
    if (result == 0) {
        result = bpi_world_open_dir(&fault->world, node, dir_out);
    }
    return leave(fault, result);
}

static int fault_dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    *dir_out = NULL;
    if (!bpi_world_name_is_plain(name)) {
        return EINVAL;
    }
    bpi_fault *fault = enter(context);
    bpi_node *node = NULL;
    int result = dir_alive(fault, parent);
    result = result != 0 ? result : reading(fault);
    if (result == 0) {
        result = step_into(fault, bpi_world_dir_of(parent)->node, name, create, &node);
    }
    if (result == 0) {
        result = bpi_world_open_dir(&fault->world, node, dir_out);
    }
    return leave(fault, result);
}

static void fault_dir_close(void *context, bp_dir *dir)
{
    bpi_fault *fault = enter(context);
    bpi_world_close_dir(&fault->world, dir);
    (void)leave(fault, 0);
}

static int fault_dir_sync(void *context, bp_dir *dir)
{
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_dir_of(dir)->node;
    int result = dir_alive(fault, dir);
    if (result != 0) {
        return leave(fault, result);
    }
    result = take_step(fault, (bpi_fault_step){.what = "sync a directory"}, &kind);
    if (result == 0 && !fault->plan.sync_lies) {
        bpi_names_sync(node);
    } else if (kind == BPI_FAULT_SYNC_DROPS) {
        bpi_names_drop(node);
    }
    return leave(fault, result);
}

static int fault_dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    bpi_listed *list = NULL;
    size_t count = 0;
    bpi_fault *fault = enter(context);
    int result = dir_alive(fault, dir);
    result = result != 0 ? result : reading(fault);
    if (result == 0) {
        result = bpi_world_list(bpi_world_dir_of(dir)->node, &list, &count);
    }
    (void)leave(fault, 0);
    return result != 0 ? result : bpi_world_show(list, count, entry, argument);
}

static int fault_dir_rename(void *context, bp_dir *dir, const char *from, const char *to)
{
    if (!bpi_world_name_is_plain(from) || !bpi_world_name_is_plain(to)) {
        return EINVAL;
    }
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_dir_of(dir)->node;
    int result = dir_alive(fault, dir);
    result = result != 0 ? result : take_step(fault, (bpi_fault_step){.what = "rename", .name = from}, &kind);
    result = result != 0 ? result : bpi_world_rename_check(node, from, to);
    if (result == 0 && strcmp(from, to) != 0) {
        bpi_names_change(node, BPI_CHANGE_RENAME, from, to, bpi_entries_find(&node->entries, from));
        result = bpi_world_rename(node, from, to);
    }
    return leave(fault, result);
}

static int fault_dir_remove(void *context, bp_dir *dir, const char *name)
{
    if (!bpi_world_name_is_plain(name)) {
        return EINVAL;
    }
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_dir_of(dir)->node;
    int result = dir_alive(fault, dir);
    result = result != 0 ? result : take_step(fault, (bpi_fault_step){.what = "remove", .name = name}, &kind);
    result = result != 0 ? result : bpi_world_remove_check(node, name);
    if (result == 0) {
        bpi_names_change(node, BPI_CHANGE_REMOVE, name, NULL, bpi_entries_find(&node->entries, name));
        bpi_world_remove(node, name);
    }
    return leave(fault, result);
}

static int fault_dir_place(void *context, bp_dir *dir, bp_io_place *place_out)
{
    bpi_fault *fault = enter(context);
    memset(place_out, 0, sizeof(*place_out));
    int result = dir_alive(fault, dir);
    result = result != 0 ? result : reading(fault);
    if (result == 0) {
        memset(place_out->boot, 0xb0, sizeof(place_out->boot));
        bpi_put64(place_out->boot, fault->boot);
        place_out->mount = fault->boot;
    }
    return leave(fault, result);
}

/* ---- files ---- */

static int find_or_make(bpi_fault *fault, bpi_node *parent, const char *name, unsigned flags, bpi_node **node_out)
{
    bpi_node *node = bpi_entries_find(&parent->entries, name);
    *node_out = node;
    if (node == NULL && (flags & BP_OPEN_CREATE) != 0) {
        return make_name(fault, parent, name, false, node_out);
    }
    int result = reading(fault);
    if (result != 0) {
        return result;
    }
    if (node == NULL) {
        return ENOENT;
    }
    if ((flags & BP_OPEN_EXCLUSIVE) != 0) {
        return EEXIST;
    }
    return node->is_directory ? EISDIR : 0;
}

static int fault_file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    *file_out = NULL;
    if (!bpi_world_name_is_plain(name) || (flags & (BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE)) == BP_OPEN_EXCLUSIVE) {
        return EINVAL;
    }
    bpi_fault *fault = enter(context);
    bpi_node *node = NULL;
    int result = dir_alive(fault, dir);
    if (result == 0) {
        result = find_or_make(fault, bpi_world_dir_of(dir)->node, name, flags, &node);
    }
    if (result == 0) {
        result = bpi_world_open_file(&fault->world, node, flags, file_out);
    }
    return leave(fault, result);
}

static void fault_file_close(void *context, bp_file *file)
{
    bpi_fault *fault = enter(context);
    bpi_world_close_file(&fault->world, file);
    (void)leave(fault, 0);
}

static int fault_file_size(void *context, bp_file *file, uint64_t *size_out)
{
    bpi_fault *fault = enter(context);
    int result = file_alive(fault, file);
    result = result != 0 ? result : reading(fault);
    if (result == 0) {
        *size_out = bpi_world_file_of(file)->node->size;
    }
    return leave(fault, result);
}

static int fault_file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    bpi_fault *fault = enter(context);
    read_fault how = READ_WHOLE;
    *got_out = 0;
    int result = file_alive(fault, file);
    result = result != 0 ? result : take_read(fault, &how);
    if (result == 0) {
        *got_out = bpi_content_read(bpi_world_file_of(file)->node, offset, buffer, size);
        if (how == READ_SHORT) {
            *got_out /= 2;
        }
        if (how == READ_FLIPPED && *got_out != 0) {
            /* some bit that depends on the call, so that a campaign meets different ones */
            uint64_t bit = fault->reads * UINT64_C(0x9e3779b97f4a7c15) % (*got_out * 8);
            ((uint8_t *)buffer)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    return leave(fault, result);
}

static int do_write(bpi_node *node, uint64_t offset, const void *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    bpi_history_write(node, offset, data, size);
    int result = bpi_content_write(node, offset, data, size);
    bpi_history_wrote(node);
    return result;
}

static int fault_file_write(void *context, bp_file *handle, uint64_t offset, const void *data, size_t size)
{
    const bpi_world_file *file = bpi_world_file_of(handle);
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    int result = file_alive(fault, handle);
    if (result == 0 && !file->writable) {
        result = EBADF;
    }
    if (result != 0) {
        return leave(fault, result);
    }
    result = take_step(fault, (bpi_fault_step){.what = "write", .offset = offset, .size = size}, &kind);
    if (result == 0) {
        result = do_write(file->node, offset, data, size);
    } else if (kind == BPI_FAULT_HALF) {
        (void)do_write(file->node, offset, data, size / 2);
    }
    return leave(fault, result);
}

static int fault_file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    (void)mode;
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_file_of(file)->node;
    int result = file_alive(fault, file);
    if (result != 0) {
        return leave(fault, result);
    }
    result = take_step(fault, (bpi_fault_step){.what = "sync"}, &kind);
    if (result == 0 && !fault->plan.sync_lies) {
        bpi_history_sync(node);
    } else if (kind == BPI_FAULT_SYNC_DROPS) {
        bpi_history_drop(node);
    }
    return leave(fault, result);
}

static void fault_file_begin_sync(void *context, bp_file *file, uint64_t offset, uint64_t size)
{
    (void)context;
    (void)file;
    (void)offset;
    (void)size;
}

static int fault_file_allocate(void *context, bp_file *handle, uint64_t size)
{
    const bpi_world_file *file = bpi_world_file_of(handle);
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    int result = file_alive(fault, handle);
    if (result == 0 && !file->writable) {
        result = EBADF;
    }
    result = result != 0 ? result : take_step(fault, (bpi_fault_step){.what = "allocate", .size = size}, &kind);
    if (result == 0) {
        if (size > file->node->size) {
            file->node->history.size_dropped = false;
        }
        result = bpi_content_grow(file->node, size);
    }
    return leave(fault, result);
}

static int fault_file_lock(void *context, bp_file *file, uint64_t *holder_out)
{
    bpi_fault *fault = enter(context);
    *holder_out = 0;
    int result = file_alive(fault, file);
    result = result != 0 ? result : reading(fault);
    result = result != 0 ? result : bpi_world_lock(file, holder_out);
    return leave(fault, result);
}

/* ---- what tables need not have ---- */

static int fault_file_link(void *context, bp_file *file, bp_dir *dir, const char *name)
{
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_file_of(file)->node;
    bpi_node *parent = bpi_world_dir_of(dir)->node;
    int result = file_alive(fault, file);
    result = result != 0 ? result : dir_alive(fault, dir);
    result = result != 0 ? result : bpi_world_link_check(parent, name, node);
    result = result != 0 ? result : take_step(fault, (bpi_fault_step){.what = "link", .name = name}, &kind);
    if (result == 0) {
        bpi_names_change(parent, BPI_CHANGE_SET, name, NULL, node);
        result = bpi_entries_set(&parent->entries, name, node);
    }
    return leave(fault, result);
}

static int fault_file_clone(void *context, bp_file *from, bp_file *to)
{
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    int result = file_alive(fault, from);
    result = result != 0 ? result : file_alive(fault, to);
    result = result != 0 ? result : take_step(fault, (bpi_fault_step){.what = "clone"}, &kind);
    result = result != 0 ? result : bpi_world_clone(bpi_world_file_of(from)->node, bpi_world_file_of(to)->node);
    return leave(fault, result);
}

static int fault_file_links(void *context, bp_file *file, uint64_t *count_out)
{
    bpi_fault *fault = enter(context);
    int result = file_alive(fault, file);
    result = result != 0 ? result : reading(fault);
    *count_out = result == 0 ? bpi_world_count_names(&fault->world, bpi_world_file_of(file)->node) : 0;
    return leave(fault, result);
}

static int fault_dir_is_within(void *context, bp_dir *inner, bp_dir *outer, bool *within_out)
{
    bpi_fault *fault = enter(context);
    int result = dir_alive(fault, inner);
    result = result != 0 ? result : reading(fault);
    *within_out = result == 0 && bpi_world_is_within(bpi_world_dir_of(inner)->node, bpi_world_dir_of(outer)->node);
    return leave(fault, result);
}

/* ---- mappings ---- */

static int fault_map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    bpi_fault *fault = enter(context);
    *address_out = NULL;
    int result = file_alive(fault, file);
    result = result != 0 ? result : reading(fault);
    result = result != 0 ? result : bpi_content_map(file, size, writable, address_out);
    if (result == 0 && writable) {
        bpi_history_watch(bpi_world_file_of(file)->node, size);
    }
    return leave(fault, result);
}

static void fault_map_close(void *context, bp_file *file, void *address, size_t size)
{
    bpi_fault *fault = enter(context);
    bpi_content_unmap(file, address, size);
    (void)leave(fault, 0);
}

static void fault_map_store(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size)
{
    bpi_fault *fault = enter(context);
    bpi_fault_kind kind;
    bpi_node *node = bpi_world_file_of(file)->node;
    /* a store cannot report an error: it happens, unless the process dies before it */
    bpi_fault_step step = {.what = "store", .offset = offset, .size = size};
    bool dead = file_alive(fault, file) != 0 || take_step(fault, step, &kind) == ESHUTDOWN;
    if (!dead && size != 0) {
        BPI_ASSERT(offset <= node->size && size <= node->size - offset);
        bpi_history_write(node, offset, data, size);
        memcpy((uint8_t *)address + offset, data, size);
        node->used = offset + size > node->used ? (size_t)(offset + size) : node->used;
        bpi_history_wrote(node);
    }
    (void)leave(fault, 0);
    atomic_thread_fence(memory_order_release);
}

const bp_io bpi_fault_table = {
    .size = sizeof(bp_io),
    .context = NULL,
    .dir_open = fault_dir_open,
    .dir_open_at = fault_dir_open_at,
    .dir_close = fault_dir_close,
    .dir_sync = fault_dir_sync,
    .dir_list = fault_dir_list,
    .dir_rename = fault_dir_rename,
    .dir_remove = fault_dir_remove,
    .dir_place = fault_dir_place,
    .file_open = fault_file_open,
    .file_close = fault_file_close,
    .file_size = fault_file_size,
    .file_read = fault_file_read,
    .file_write = fault_file_write,
    .file_sync = fault_file_sync,
    .file_begin_sync = fault_file_begin_sync,
    .file_allocate = fault_file_allocate,
    .map_open = fault_map_open,
    .map_close = fault_map_close,
    .map_store = fault_map_store,
    .map_wait = bpi_posix_map_wait, /* all mappings of a file in this world have one address */
    .map_wake = bpi_posix_map_wake,
    .file_lock = fault_file_lock,
    .file_link = fault_file_link,
    .file_clone = fault_file_clone,
    .file_links = fault_file_links,
    .dir_is_within = fault_dir_is_within,
};
