/*
 * names.c: the names of a directory that a power cut may take back or bring back.
 *
 * Holds: a change that survives is applied by its meaning, whatever became of those before it: a removed name is
 * gone, a made name leads to its node, and a renamed node has its new name and no other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "io/history.h"
#include "io/world.h"

static bpi_node *same(void *argument, bpi_node *node)
{
    (void)argument;
    return node;
}

static void change_release(bpi_change *change, bpi_node **dying)
{
    free(change->name);
    free(change->to);
    bpi_node_let_go(change->node, dying);
}

static void release_changes(bpi_dir_history *names, bpi_node **dying)
{
    for (size_t index = 0; index < names->count; index++) {
        change_release(&names->changes[index], dying);
    }
    names->count = 0;
}

static void forget_changes(bpi_dir_history *names)
{
    bpi_node *dying = NULL;
    release_changes(names, &dying);
    bpi_nodes_bury(dying);
}

static void forget_synced(bpi_dir_history *names)
{
    bpi_entries_fini(&names->synced);
    names->has_synced = false;
    names->diverged = false;
}

static void apply(bpi_entries *entries, const bpi_change *change)
{
    switch (change->kind) {
    case BPI_CHANGE_SET:
        BPI_ASSERT(bpi_entries_set(entries, change->name, change->node) == 0);
        break;
    case BPI_CHANGE_REMOVE:
        bpi_entries_erase(entries, change->name);
        break;
    case BPI_CHANGE_RENAME:
        for (size_t index = entries->count; index > 0; index--) {
            if (entries->items[index - 1].node == change->node) {
                bpi_entries_erase(entries, entries->items[index - 1].name);
            }
        }
        BPI_ASSERT(bpi_entries_set(entries, change->to, change->node) == 0);
        break;
    default:
        BPI_ASSERT(false);
    }
}

void bpi_names_change(bpi_node *dir, bpi_change_kind kind, const char *name, const char *to, bpi_node *node)
{
    bpi_dir_history *names = &dir->names;
    if (!names->has_synced) {
        bpi_entries_copy(&names->synced, &dir->entries, same, NULL);
        names->has_synced = true;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 4 : names->capacity * 2;
        names->changes = bpi_must(realloc(names->changes, names->capacity * sizeof(bpi_change)));
    }
    bpi_node_hold(node);
    names->changes[names->count++] = (bpi_change){
        .kind = kind,
        .name = bpi_must(strdup(name)),
        .to = to == NULL ? NULL : bpi_must(strdup(to)),
        .node = node,
    };
}

void bpi_names_sync(bpi_node *dir)
{
    bpi_dir_history *names = &dir->names;
    if (!names->diverged) {
        forget_synced(names);
    } else {
        for (size_t index = 0; index < names->count; index++) {
            apply(&names->synced, &names->changes[index]);
        }
    }
    forget_changes(names);
}

void bpi_names_drop(bpi_node *dir)
{
    bpi_dir_history *names = &dir->names;
    if (names->count != 0) {
        names->diverged = true;
        forget_changes(names);
    }
}

void bpi_names_forget(bpi_node *dir, const char *name)
{
    bpi_dir_history *names = &dir->names;
    bpi_node *dying = NULL;
    size_t left = 0;
    for (size_t index = 0; index < names->count; index++) {
        bpi_change *change = &names->changes[index];
        bool concerned = strcmp(change->name, name) == 0 || (change->to != NULL && strcmp(change->to, name) == 0);
        if (concerned) {
            change_release(change, &dying);
        } else {
            names->changes[left++] = *change;
        }
    }
    names->count = left;
    bpi_nodes_bury(dying);
}

uint64_t bpi_names_cut(bpi_node *dir, bpi_fault_choice_fn choice, void *argument)
{
    bpi_dir_history *names = &dir->names;
    uint64_t choices = names->count;
    if (!names->has_synced) {
        return 0;
    }
    for (size_t index = 0; index < names->count; index++) {
        if (choice(argument, 2) != 0) {
            apply(&names->synced, &names->changes[index]);
        }
    }
    bpi_entries before = dir->entries;
    dir->entries = names->synced;
    names->synced = (bpi_entries){0};
    bpi_entries_fini(&before);
    forget_synced(names);
    forget_changes(names);
    return choices;
}

void bpi_names_release(bpi_dir_history *names, bpi_node **dying)
{
    bpi_entries_release(&names->synced, dying);
    release_changes(names, dying);
    free(names->changes);
    *names = (bpi_dir_history){0};
}

void bpi_entries_copy(bpi_entries *to, const bpi_entries *from, bpi_twin_fn twin, void *argument)
{
    *to = (bpi_entries){0};
    if (from->count == 0) {
        return;
    }
    to->items = bpi_must(malloc(from->count * sizeof(bpi_entry)));
    to->capacity = from->count;
    to->count = from->count;
    for (size_t index = 0; index < from->count; index++) {
        bpi_node *node = twin(argument, from->items[index].node);
        bpi_node_hold(node);
        to->items[index] = (bpi_entry){.name = bpi_must(strdup(from->items[index].name)), .node = node};
    }
}

void bpi_names_copy(bpi_dir_history *to, const bpi_dir_history *from, bpi_twin_fn twin, void *argument)
{
    *to = (bpi_dir_history){.has_synced = from->has_synced, .diverged = from->diverged};
    bpi_entries_copy(&to->synced, &from->synced, twin, argument);
    if (from->count == 0) {
        return;
    }
    to->changes = bpi_must(malloc(from->count * sizeof(bpi_change)));
    to->capacity = from->count;
    to->count = from->count;
    for (size_t index = 0; index < from->count; index++) {
        const bpi_change *change = &from->changes[index];
        bpi_node *node = twin(argument, change->node);
        bpi_node_hold(node);
        to->changes[index] = (bpi_change){
            .kind = change->kind,
            .name = bpi_must(strdup(change->name)),
            .to = change->to == NULL ? NULL : bpi_must(strdup(change->to)),
            .node = node,
        };
    }
}
