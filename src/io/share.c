/*
 * share.c: files of a world in memory that have several names, and where directories lie.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/world.h"

enum { CLONE_STEP = 64 << 10 };

int bpi_world_link_check(const bpi_node *dir, const char *name, const bpi_node *node)
{
    if (!bpi_world_name_is_plain(name)) {
        return EINVAL;
    }
    if (bpi_entries_find(&dir->entries, name) != NULL) {
        return EEXIST;
    }
    for (size_t index = 0; index < dir->entries.count; index++) {
        if (dir->entries.items[index].node == node) {
            return EPERM;
        }
    }
    return 0;
}

/* Visits the names below a directory: how often `wanted` is one of them. */
static uint64_t count_below(bpi_node *top, const bpi_node *wanted)
{
    uint64_t count = 0;
    bpi_node *last = top;
    top->next = NULL;
    for (bpi_node *dir = top; dir != NULL; dir = dir->next) {
        for (size_t index = 0; index < dir->entries.count; index++) {
            bpi_node *node = dir->entries.items[index].node;
            count += node == wanted;
            if (node->is_directory) {
                node->next = NULL;
                last->next = node;
                last = node;
            }
        }
    }
    return count;
}

uint64_t bpi_world_count_names(const bpi_world *world, const bpi_node *node)
{
    return count_below(world->root, node);
}

bool bpi_world_is_within(const bpi_node *inner, bpi_node *outer)
{
    return inner == outer || count_below(outer, inner) != 0;
}

int bpi_world_clone(const bpi_node *from, bpi_node *to)
{
    uint8_t *bytes = malloc(CLONE_STEP);
    int result = bytes == NULL ? ENOMEM : to->size != 0 ? EINVAL : 0;
    for (uint64_t at = 0; result == 0 && at < from->size; at += CLONE_STEP) {
        size_t got = bpi_content_read(from, at, bytes, CLONE_STEP);
        bpi_history_write(to, at, bytes, got);
        result = bpi_content_write(to, at, bytes, got);
        bpi_history_wrote(to);
    }
    free(bytes);
    return result;
}
