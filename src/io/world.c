/*
 * world.c: the nodes, names and handles of a world in memory.
 *
 * Holds: a node lives as long as a name, a handle or a history holds it; the root has no name and is held by the
 * world. Names in a directory are unique and sorted. Handles are listed, so that the world frees those never closed.
 */
#include "io/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

enum { NAME_MAX_SIZE = 256 };

/* ---- names ---- */

/* The place of a name, or where it would be put. */
static size_t place_of(const bpi_entries *entries, const char *name, bool *found_out)
{
    size_t low = 0;
    size_t high = entries->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entries->items[middle].name, name);
        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found_out = false;
    return low;
}

bpi_node *bpi_entries_find(const bpi_entries *entries, const char *name)
{
    bool found;
    size_t place = place_of(entries, name, &found);
    return found ? entries->items[place].node : NULL;
}

int bpi_entries_set(bpi_entries *entries, const char *name, bpi_node *node)
{
    bool found;
    size_t place = place_of(entries, name, &found);
    if (found) {
        bpi_node *old = entries->items[place].node;
        bpi_node_hold(node);
        entries->items[place].node = node;
        bpi_node_drop(old);
        return 0;
    }
    if (entries->count == entries->capacity) {
        size_t capacity = entries->capacity == 0 ? 4 : entries->capacity * 2;
        bpi_entry *items = realloc(entries->items, capacity * sizeof(*items));
        if (items == NULL) {
            return ENOMEM;
        }
        entries->items = items;
        entries->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return ENOMEM;
    }
    bpi_entry *at = entries->items + place;
    memmove(at + 1, at, (entries->count - place) * sizeof(*at));
    bpi_node_hold(node);
    *at = (bpi_entry){.name = copy, .node = node};
    entries->count++;
    return 0;
}

void bpi_entries_erase(bpi_entries *entries, const char *name)
{
    bool found;
    size_t place = place_of(entries, name, &found);
    if (!found) {
        return;
    }
    bpi_entry gone = entries->items[place];
    entries->count--;
    memmove(entries->items + place, entries->items + place + 1, (entries->count - place) * sizeof(gone));
    free(gone.name);
    bpi_node_drop(gone.node);
}

void bpi_entries_release(bpi_entries *entries, bpi_node **dying)
{
    for (size_t index = 0; index < entries->count; index++) {
        free(entries->items[index].name);
        bpi_node_let_go(entries->items[index].node, dying);
    }
    free(entries->items);
    *entries = (bpi_entries){0};
}

void bpi_entries_fini(bpi_entries *entries)
{
    bpi_node *dying = NULL;
    bpi_entries_release(entries, &dying);
    bpi_nodes_bury(dying);
}

/* ---- nodes ---- */

bpi_node *bpi_node_new(bool is_directory)
{
    bpi_node *node = calloc(1, sizeof(*node));
    if (node != NULL) {
        node->is_directory = is_directory;
        node->refs = 1;
    }
    return node;
}

void bpi_node_hold(bpi_node *node)
{
    node->refs++;
}

void bpi_node_let_go(bpi_node *node, bpi_node **dying)
{
    if (node != NULL && --node->refs == 0) {
        node->next = *dying;
        *dying = node;
    }
}

void bpi_nodes_bury(bpi_node *dying)
{
    while (dying != NULL) {
        bpi_node *node = dying;
        dying = node->next;
        bpi_entries_release(&node->entries, &dying);
        bpi_names_release(&node->names, &dying);
        bpi_history_fini(&node->history);
        bpi_region_leave(node);
        free(node);
    }
}

void bpi_node_drop(bpi_node *node)
{
    bpi_node *dying = NULL;
    bpi_node_let_go(node, &dying);
    bpi_nodes_bury(dying);
}

int bpi_world_init(bpi_world *world)
{
    *world = (bpi_world){.root = bpi_node_new(true)};
    return world->root == NULL ? ENOMEM : 0;
}

void bpi_world_fini(bpi_world *world)
{
    bpi_world_file *next_file;
    for (bpi_world_file *file = world->files; file != NULL; file = next_file) {
        next_file = file->next;
        bpi_world_close_file(world, (bp_file *)file);
    }
    bpi_world_dir *next_dir;
    for (bpi_world_dir *dir = world->dirs; dir != NULL; dir = next_dir) {
        next_dir = dir->next;
        bpi_world_close_dir(world, (bp_dir *)dir);
    }
    bpi_node_drop(world->root);
    world->root = NULL;
}

/* ---- paths ---- */

bool bpi_world_name_is_plain(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strchr(name, '/') == NULL &&
           strlen(name) < NAME_MAX_SIZE;
}

bool bpi_path_next(const char **path, char *name_out, size_t size)
{
    for (;;) {
        const char *start = *path + strspn(*path, "/");
        size_t length = strcspn(start, "/");
        *path = start + length;
        if (length == 0) {
            return false;
        }
        if (length == 1 && start[0] == '.') {
            continue;
        }
        bool bad = length >= size || (length == 2 && start[0] == '.' && start[1] == '.');
        length = bad ? 0 : length;
        memcpy(name_out, start, length);
        name_out[length] = '\0';
        return true;
    }
}

int bpi_world_find(const bpi_world *world, const char *path, bpi_node **node_out)
{
    char name[NAME_MAX_SIZE];
    bpi_node *node = world->root;
    *node_out = NULL;
    while (bpi_path_next(&path, name, sizeof(name))) {
        if (!node->is_directory) {
            return ENOTDIR;
        }
        node = name[0] == '\0' ? NULL : bpi_entries_find(&node->entries, name);
        if (node == NULL) {
            return ENOENT;
        }
    }
    *node_out = node;
    return 0;
}

/* ---- changing and listing a directory ---- */

int bpi_world_make(bpi_node *dir, const char *name, bool is_directory, bpi_node **node_out)
{
    *node_out = NULL;
    bpi_node *node = bpi_node_new(is_directory);
    if (node == NULL) {
        return ENOMEM;
    }
    int result = bpi_entries_set(&dir->entries, name, node);
    *node_out = result == 0 ? node : NULL;
    bpi_node_drop(node); /* the name holds it */
    return result;
}

int bpi_world_remove_check(const bpi_node *dir, const char *name)
{
    const bpi_node *node = bpi_entries_find(&dir->entries, name);
    if (node == NULL) {
        return ENOENT;
    }
    return node->is_directory && node->entries.count != 0 ? ENOTEMPTY : 0;
}

void bpi_world_remove(bpi_node *dir, const char *name)
{
    bpi_entries_erase(&dir->entries, name);
}

int bpi_world_rename_check(const bpi_node *dir, const char *from, const char *to)
{
    const bpi_node *moved = bpi_entries_find(&dir->entries, from);
    const bpi_node *replaced = bpi_entries_find(&dir->entries, to);
    if (moved == NULL) {
        return ENOENT;
    }
    if (replaced == NULL || replaced == moved) {
        return 0;
    }
    if (replaced->is_directory != moved->is_directory) {
        return replaced->is_directory ? EISDIR : ENOTDIR;
    }
    return replaced->entries.count != 0 ? ENOTEMPTY : 0;
}

int bpi_world_rename(bpi_node *dir, const char *from, const char *to)
{
    bpi_node *moved = bpi_entries_find(&dir->entries, from);
    if (strcmp(from, to) == 0) {
        return 0;
    }
    BPI_ASSERT(bpi_entries_find(&dir->entries, to) != moved); /* a node has one name */
    int result = bpi_entries_set(&dir->entries, to, moved);
    if (result == 0) {
        bpi_entries_erase(&dir->entries, from);
    }
    return result;
}

int bpi_world_list(const bpi_node *dir, bpi_listed **list_out, size_t *count_out)
{
    size_t count = dir->entries.count;
    bpi_listed *list = calloc(count == 0 ? 1 : count, sizeof(*list));
    bool whole = list != NULL;
    for (size_t index = 0; whole && index < count; index++) {
        const bpi_node *node = dir->entries.items[index].node;
        list[index].name = strdup(dir->entries.items[index].name);
        list[index].is_directory = node->is_directory;
        list[index].size = node->size;
        whole = list[index].name != NULL;
    }
    if (!whole) {
        (void)bpi_world_show(list, list == NULL ? 0 : count, NULL, NULL);
        return ENOMEM;
    }
    *list_out = list;
    *count_out = count;
    return 0;
}

int bpi_world_show(bpi_listed *list, size_t count, bp_dir_entry_fn entry, void *argument)
{
    int result = 0;
    for (size_t index = 0; index < count; index++) {
        if (entry != NULL && result == 0) {
            result = entry(argument, list[index].name, list[index].is_directory, list[index].size);
        }
        free(list[index].name);
    }
    free(list);
    return result;
}

/* ---- handles ---- */

int bpi_world_open_dir(bpi_world *world, bpi_node *node, bp_dir **dir_out)
{
    *dir_out = NULL;
    bpi_world_dir *dir = calloc(1, sizeof(*dir));
    if (dir == NULL) {
        return ENOMEM;
    }
    bpi_node_hold(node);
    dir->node = node;
    dir->incarnation = world->incarnation;
    dir->next = world->dirs;
    if (world->dirs != NULL) {
        world->dirs->previous = dir;
    }
    world->dirs = dir;
    *dir_out = (bp_dir *)dir;
    return 0;
}

void bpi_world_close_dir(bpi_world *world, bp_dir *handle)
{
    bpi_world_dir *dir = bpi_world_dir_of(handle);
    if (dir == NULL) {
        return;
    }
    if (dir->previous != NULL) {
        dir->previous->next = dir->next;
    } else {
        world->dirs = dir->next;
    }
    if (dir->next != NULL) {
        dir->next->previous = dir->previous;
    }
    bpi_node_drop(dir->node);
    free(dir);
}

int bpi_world_open_file(bpi_world *world, bpi_node *node, unsigned flags, bp_file **file_out)
{
    *file_out = NULL;
    bpi_world_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return ENOMEM;
    }
    bpi_node_hold(node);
    file->node = node;
    file->writable = (flags & BP_OPEN_WRITE) != 0;
    file->incarnation = world->incarnation;
    file->next = world->files;
    if (world->files != NULL) {
        world->files->previous = file;
    }
    world->files = file;
    *file_out = (bp_file *)file;
    return 0;
}

void bpi_world_close_file(bpi_world *world, bp_file *handle)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    if (file == NULL) {
        return;
    }
    if (file->previous != NULL) {
        file->previous->next = file->next;
    } else {
        world->files = file->next;
    }
    if (file->next != NULL) {
        file->next->previous = file->previous;
    }
    while (file->maps != NULL) {
        bpi_world_map *map = file->maps;
        file->maps = map->next;
        bpi_region_drop(map->region);
        free(map);
    }
    if (file->node->locker == file) {
        file->node->locker = NULL;
    }
    bpi_node_drop(file->node);
    free(file);
}

int bpi_world_lock(bp_file *handle, uint64_t *holder_out)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    *holder_out = 0;
    if (file->node->locker != NULL && file->node->locker != file) {
        *holder_out = (uint64_t)getpid();
        return EAGAIN;
    }
    file->node->locker = file;
    return 0;
}
