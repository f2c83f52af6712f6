/*
 * fault_world.c: making, killing, restarting, copying and looking at a world of the fault implementation.
 *
 * Holds: a copy has the same content and the same histories, so the same choices in the same order; it has no
 * handles, no locks and no plan. Choices come directory by directory, in the order of the names, a directory's own changes
 * before its files.
 */
#include "io/fault_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { PATH_SIZE = 1024, DEPTH_MAX = 16 };

/* ---- life ---- */

bpi_fault *bpi_fault_new(void)
{
    bpi_fault *fault = bpi_must(calloc(1, sizeof(*fault)));
    BPI_ASSERT(pthread_mutex_init(&fault->mutex, NULL) == 0);
    BPI_ASSERT(bpi_world_init(&fault->world) == 0);
    fault->io = bpi_fault_table;
    fault->io.context = fault;
    fault->boot = 1;
    return fault;
}

void bpi_fault_free(bpi_fault *fault)
{
    if (fault == NULL) {
        return;
    }
    bpi_world_fini(&fault->world);
    (void)pthread_mutex_destroy(&fault->mutex);
    free(fault);
}

const bp_io *bpi_fault_io(bpi_fault *fault)
{
    return &fault->io;
}

/* Looking changes nothing that a caller sees, but it needs the mutex. */
static bpi_fault *enter(const bpi_fault *fault)
{
    bpi_fault *self = fault->io.context;
    (void)pthread_mutex_lock(&self->mutex);
    return self;
}

static void leave(bpi_fault *fault)
{
    (void)pthread_mutex_unlock(&fault->mutex);
}

void bpi_fault_set_plan(bpi_fault *fault, const bpi_fault_plan *plan)
{
    bpi_fault *self = enter(fault);
    self->plan = *plan;
    self->steps = 0;
    self->reads = 0;
    leave(self);
}

void bpi_fault_watch(bpi_fault *fault, bpi_fault_watch_fn watch, void *argument)
{
    bpi_fault *self = enter(fault);
    self->watch = watch;
    self->watch_argument = argument;
    leave(self);
}

uint64_t bpi_fault_steps(const bpi_fault *fault)
{
    bpi_fault *self = enter(fault);
    uint64_t steps = self->steps;
    leave(self);
    return steps;
}

uint64_t bpi_fault_reads(const bpi_fault *fault)
{
    bpi_fault *self = enter(fault);
    uint64_t reads = self->reads;
    leave(self);
    return reads;
}

bool bpi_fault_crashed(const bpi_fault *fault)
{
    bpi_fault *self = enter(fault);
    bool crashed = self->crashed;
    leave(self);
    return crashed;
}

/* ---- death ---- */

void bpi_fault_die(bpi_fault *fault)
{
    for (bpi_world_file *file = fault->world.files; file != NULL; file = file->next) {
        bpi_history_unwatch(file->node);
        BPI_ASSERT(bpi_content_detach(file->node) == 0);
        file->node->locker = NULL;
    }
    fault->world.incarnation++;
}

static bpi_fault *restart(bpi_fault *fault)
{
    bpi_fault *self = enter(fault);
    if (!self->crashed) {
        bpi_fault_die(self);
    }
    self->crashed = false;
    self->taken = (bpi_fault_step){.what = NULL};
    self->watch = NULL;
    self->plan = (bpi_fault_plan){.kind = BPI_FAULT_NONE};
    return self;
}

void bpi_fault_process_kill(bpi_fault *fault)
{
    leave(restart(fault));
}

/* Directory by directory; those found in one wait in a queue. */
static uint64_t cut_all(bpi_node *root, bpi_fault_choice_fn choice, void *argument)
{
    uint64_t choices = 0;
    bpi_node *last = root;
    root->next = NULL;
    for (bpi_node *dir = root; dir != NULL; dir = dir->next) {
        choices += bpi_names_cut(dir, choice, argument);
        for (size_t index = 0; index < dir->entries.count; index++) {
            bpi_node *node = dir->entries.items[index].node;
            if (node->is_directory) {
                node->next = NULL;
                last->next = node;
                last = node;
            } else {
                choices += bpi_history_cut(node, choice, argument);
            }
        }
    }
    return choices;
}

uint64_t bpi_fault_power_cut(bpi_fault *fault, bpi_fault_choice_fn choice, void *argument)
{
    bpi_fault *self = restart(fault);
    self->boot++;
    uint64_t choices = cut_all(self->world.root, choice, argument);
    leave(self);
    return choices;
}

/* ---- copying ---- */

/* The nodes met so far, in a list by `next`. */
typedef struct copying {
    bpi_node *first;
    bpi_node *last;
} copying;

/* The node's copy, made empty when it is first asked for and filled in later; whoever keeps it holds it. */
static bpi_node *twin_of(void *argument, bpi_node *node)
{
    copying *met = argument;
    if (node->twin != NULL) {
        return node->twin;
    }
    node->twin = bpi_must(bpi_node_new(node->is_directory));
    node->twin->refs = 0;
    node->next = NULL;
    if (met->last == NULL) {
        met->first = node;
    } else {
        met->last->next = node;
    }
    met->last = node;
    return node->twin;
}

static void fill_twin(bpi_node *node, copying *met)
{
    bpi_node *twin = node->twin;
    if (node->is_directory) {
        bpi_entries_copy(&twin->entries, &node->entries, twin_of, met);
        bpi_names_copy(&twin->names, &node->names, twin_of, met);
        return;
    }
    bpi_history_look(node);
    bpi_history_copy(&twin->history, &node->history);
    if (node->used != 0) {
        BPI_ASSERT(bpi_content_write(twin, 0, node->region->bytes, node->used) == 0);
    }
    twin->size = node->size;
}

bpi_fault *bpi_fault_clone(const bpi_fault *fault)
{
    bpi_fault *copy = bpi_fault_new();
    bpi_fault *self = enter(fault);
    copying met = {0};
    bpi_node_drop(copy->world.root);
    copy->world.root = twin_of(&met, self->world.root);
    bpi_node_hold(copy->world.root);
    for (bpi_node *node = met.first; node != NULL; node = node->next) {
        fill_twin(node, &met);
    }
    for (bpi_node *node = met.first; node != NULL; node = node->next) {
        node->twin = NULL;
    }
    copy->boot = self->boot;
    leave(self);
    return copy;
}

/* ---- looking and changing ---- */

/* A directory that is being visited: how far we are, and how much of the path is its own. */
typedef struct visited {
    const bpi_node *dir;
    size_t index;
    size_t length;
} visited;

static int add_part(char *path, size_t *length, const char *name)
{
    int more = snprintf(path + *length, PATH_SIZE - *length, "%s%s", *length == 0 ? "" : "/", name);
    if (more < 0 || (size_t)more >= PATH_SIZE - *length) {
        return ENAMETOOLONG;
    }
    *length += (size_t)more;
    return 0;
}

static int visit_all(const bpi_node *root, bpi_fault_file_fn visit, void *argument)
{
    char path[PATH_SIZE] = "";
    visited stack[DEPTH_MAX] = {{.dir = root}};
    size_t depth = 1;
    int result = 0;
    while (depth != 0 && result == 0) {
        visited *top = &stack[depth - 1];
        if (top->index == top->dir->entries.count) {
            depth--;
            continue;
        }
        const bpi_entry *entry = &top->dir->entries.items[top->index++];
        const uint8_t *data;
        size_t length = top->length;
        result = add_part(path, &length, entry->name);
        if (result != 0) {
            break;
        }
        if (!entry->node->is_directory) {
            result = bpi_content_view(entry->node, &data);
            result = result != 0 ? result : visit(argument, path, data, entry->node->size);
        } else if (depth == DEPTH_MAX) {
            result = ENAMETOOLONG;
        } else {
            stack[depth++] = (visited){.dir = entry->node, .index = 0, .length = length};
        }
    }
    return result;
}

int bpi_fault_each_file(bpi_fault *fault, bpi_fault_file_fn visit, void *argument)
{
    bpi_fault *self = enter(fault);
    int result = visit_all(self->world.root, visit, argument);
    leave(self);
    return result;
}

uint64_t bpi_fault_unsynced(bpi_fault *fault, const char *path)
{
    bpi_node *node;
    uint64_t count = 0;
    bpi_fault *self = enter(fault);
    if (bpi_world_find(&self->world, path, &node) == 0) {
        bpi_history_look(node);
        count = node->is_directory ? node->names.count : node->history.count;
    }
    leave(self);
    return count;
}

static bool differs_below(bpi_node *node, const bpi_sector *sector, uint64_t end)
{
    uint8_t now[BPI_SECTOR_SIZE] = {0};
    uint64_t start = sector->index * BPI_SECTOR_SIZE;
    if (start >= end) {
        return false;
    }
    size_t size = end - start < BPI_SECTOR_SIZE ? (size_t)(end - start) : BPI_SECTOR_SIZE;
    (void)bpi_content_read(node, start, now, sizeof now);
    bool same = true;
    for (unsigned i = 0; i < sector->count && same; i++) {
        same = memcmp(sector->images + (size_t)i * BPI_SECTOR_SIZE, now, size) == 0;
    }
    return !same;
}

uint64_t bpi_fault_unsynced_below(bpi_fault *fault, const char *path, uint64_t end)
{
    bpi_node *node;
    uint64_t count = 0;
    bpi_fault *self = enter(fault);
    if (bpi_world_find(&self->world, path, &node) == 0 && !node->is_directory) {
        bpi_history_look(node);
        for (size_t i = 0; i < node->history.count; i++) {
            count += differs_below(node, &node->history.sectors[i], end);
        }
    }
    leave(self);
    return count;
}

int bpi_fault_read_file(bpi_fault *fault, const char *path, uint8_t **data_out, uint64_t *size_out)
{
    bpi_node *node;
    bpi_fault *self = enter(fault);
    int result = bpi_world_find(&self->world, path, &node);
    if (result == 0 && node->is_directory) {
        result = EISDIR;
    }
    if (result == 0) {
        size_t size = (size_t)node->size;
        *data_out = bpi_must(malloc(size == 0 ? 1 : size));
        *size_out = bpi_content_read(node, 0, *data_out, size);
    }
    leave(self);
    return result;
}

/* The directory that a path's last part lies in, and that part. */
static int find_parent(const bpi_world *world, const char *path, bpi_node **dir_out, const char **name_out)
{
    char parent[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    *name_out = slash == NULL ? path : slash + 1;
    if (length >= sizeof(parent) || !bpi_world_name_is_plain(*name_out)) {
        return EINVAL;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    int result = bpi_world_find(world, parent, dir_out);
    return result != 0 ? result : (*dir_out)->is_directory ? 0 : ENOTDIR;
}

int bpi_fault_write_file(bpi_fault *fault, const char *path, const uint8_t *data, uint64_t size)
{
    bpi_node *dir;
    const char *name;
    bpi_node *node = NULL;
    bpi_fault *self = enter(fault);
    int result = find_parent(&self->world, path, &dir, &name);
    if (result == 0) {
        node = bpi_entries_find(&dir->entries, name);
        result = node == NULL ? bpi_world_make(dir, name, false, &node) : node->is_directory ? EISDIR : 0;
    }
    if (result == 0) {
        bpi_names_forget(dir, name);
        result = dir->names.has_synced ? bpi_entries_set(&dir->names.synced, name, node) : 0;
    }
    if (result == 0) {
        bpi_content_cut(node, 0);
        result = size == 0 ? 0 : bpi_content_write(node, 0, data, (size_t)size);
        bpi_history_settle(node);
    }
    leave(self);
    return result;
}

int bpi_fault_remove_file(bpi_fault *fault, const char *path)
{
    bpi_node *dir;
    const char *name;
    bpi_fault *self = enter(fault);
    int result = find_parent(&self->world, path, &dir, &name);
    result = result != 0 ? result : bpi_world_remove_check(dir, name);
    if (result == 0) {
        bpi_names_forget(dir, name);
        bpi_world_remove(dir, name);
        bpi_entries_erase(&dir->names.synced, name);
    }
    leave(self);
    return result;
}
