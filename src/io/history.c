/*
 * history.c: the sectors of a file that a power cut may take back.
 *
 * Holds: a write that changes nothing leaves no trace, so that files filled with zeros ahead cost nothing and offer
 * no choices. What is beyond the content's `used` is zero and never visited.
 */
#include "io/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "io/world.h"

void *bpi_must(void *memory)
{
    BPI_ASSERT(memory != NULL);
    return memory;
}

/* The place of a sector, or where it would be put. Most writes go to the end. */
static size_t place_of(const bpi_file_history *history, uint64_t index)
{
    size_t low = 0;
    size_t high = history->count;
    if (high != 0 && history->sectors[high - 1].index < index) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->sectors[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bpi_sector *insert(bpi_file_history *history, size_t place, uint64_t index)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 8 : history->capacity * 2;
        history->sectors = bpi_must(realloc(history->sectors, history->capacity * sizeof(bpi_sector)));
    }
    bpi_sector *sector = history->sectors + place;
    memmove(sector + 1, sector, (history->count - place) * sizeof(*sector));
    *sector = (bpi_sector){.index = index};
    history->count++;
    return sector;
}

/* Keeps what a sector was before it changes. */
static void keep(bpi_file_history *history, uint64_t index, const uint8_t before[BPI_SECTOR_SIZE])
{
    size_t place = place_of(history, index);
    bpi_sector *sector = history->sectors + place;
    if (place == history->count || sector->index != index) {
        sector = insert(history, place, index);
    } else if (sector->dropped) {
        /* what was dropped can never be found on the disk, so it is no image; the synced one stays the first */
        sector->dropped = false;
        return;
    }
    if (sector->count == BPI_SECTOR_IMAGES) {
        uint8_t *third = sector->images + (size_t)2 * BPI_SECTOR_SIZE;
        memmove(third, third + BPI_SECTOR_SIZE, (size_t)(BPI_SECTOR_IMAGES - 3) * BPI_SECTOR_SIZE);
        sector->count--;
    } else {
        size_t size = (size_t)(sector->count + 1) * BPI_SECTOR_SIZE;
        sector->images = bpi_must(realloc(sector->images, size));
    }
    memcpy(sector->images + (size_t)sector->count * BPI_SECTOR_SIZE, before, BPI_SECTOR_SIZE);
    sector->count++;
}

/* A write of what is there already makes a sector that was dropped dirty again, and nothing else. */
static void touch(bpi_file_history *history, uint64_t index)
{
    size_t place = place_of(history, index);
    if (place < history->count && history->sectors[place].index == index) {
        history->sectors[place].dropped = false;
    }
}

static void sector_now(const bpi_node *node, uint64_t index, uint8_t image_out[BPI_SECTOR_SIZE])
{
    uint64_t at = index * BPI_SECTOR_SIZE;
    size_t there = node->region == NULL || at >= node->region->capacity ? 0 : node->region->capacity - (size_t)at;
    size_t part = there < BPI_SECTOR_SIZE ? there : BPI_SECTOR_SIZE;
    if (part != 0) {
        memcpy(image_out, node->region->bytes + at, part);
    }
    memset(image_out + part, 0, BPI_SECTOR_SIZE - part);
}

static void refresh_shadow(bpi_node *node)
{
    bpi_file_history *history = &node->history;
    if (history->shadow != NULL) {
        memcpy(history->shadow, node->region->bytes, history->shadow_size);
    }
}

void bpi_history_write(bpi_node *node, uint64_t offset, const uint8_t *data, size_t size)
{
    uint64_t end = offset + size;
    if (end > node->history.synced_size) {
        node->history.size_dropped = false;
    }
    bpi_history_look(node);
    /* beyond what is used only what is not zero makes a difference */
    while (size != 0 && end > node->used && data[size - 1] == 0) {
        size_t step = size >= BPI_SECTOR_SIZE && end - BPI_SECTOR_SIZE >= node->used &&
                              bpi_all_zero(data + size - BPI_SECTOR_SIZE, BPI_SECTOR_SIZE)
                          ? BPI_SECTOR_SIZE
                          : 1;
        size -= step;
        end -= step;
    }
    while (size != 0) {
        uint8_t before[BPI_SECTOR_SIZE];
        uint64_t index = offset / BPI_SECTOR_SIZE;
        size_t within = (size_t)(offset % BPI_SECTOR_SIZE);
        size_t part = BPI_SECTOR_SIZE - within < size ? BPI_SECTOR_SIZE - within : size;
        sector_now(node, index, before);
        if (memcmp(before + within, data, part) != 0) {
            keep(&node->history, index, before);
        } else {
            touch(&node->history, index);
        }
        data += part;
        offset += part;
        size -= part;
    }
}

void bpi_history_look(bpi_node *node)
{
    bpi_file_history *history = &node->history;
    if (history->shadow == NULL) {
        return;
    }
    for (size_t at = 0; at < history->shadow_size; at += BPI_SECTOR_SIZE) {
        if (memcmp(history->shadow + at, node->region->bytes + at, BPI_SECTOR_SIZE) != 0) {
            keep(history, at / BPI_SECTOR_SIZE, history->shadow + at);
        }
    }
    refresh_shadow(node);
}

void bpi_history_wrote(bpi_node *node)
{
    refresh_shadow(node);
}

void bpi_history_watch(bpi_node *node, size_t size)
{
    bpi_file_history *history = &node->history;
    size_t wanted = (size_t)bpi_round_up(size, BPI_SECTOR_SIZE);
    if (size > BPI_WORLD_DIRECT_MAX || wanted <= history->shadow_size) {
        return;
    }
    bpi_history_look(node);
    history->shadow = bpi_must(realloc(history->shadow, wanted));
    history->shadow_size = wanted;
    refresh_shadow(node);
}

void bpi_history_unwatch(bpi_node *node)
{
    bpi_history_look(node);
    free(node->history.shadow);
    node->history.shadow = NULL;
    node->history.shadow_size = 0;
}

void bpi_history_sync(bpi_node *node)
{
    bpi_file_history *history = &node->history;
    size_t left = 0;
    bpi_history_look(node);
    for (size_t index = 0; index < history->count; index++) {
        if (history->sectors[index].dropped) {
            history->sectors[left++] = history->sectors[index];
        } else {
            free(history->sectors[index].images);
        }
    }
    history->count = left;
    if (!history->size_dropped) {
        history->synced_size = node->size;
    }
}

void bpi_history_drop(bpi_node *node)
{
    bpi_file_history *history = &node->history;
    bpi_history_look(node);
    for (size_t index = 0; index < history->count; index++) {
        history->sectors[index].dropped = true;
        history->sectors[index].count = 1;
    }
    history->size_dropped = node->size > history->synced_size;
}

static void forget_sectors(bpi_file_history *history)
{
    for (size_t index = 0; index < history->count; index++) {
        free(history->sectors[index].images);
    }
    history->count = 0;
}

void bpi_history_settle(bpi_node *node)
{
    forget_sectors(&node->history);
    node->history.synced_size = node->size;
    node->history.size_dropped = false;
    refresh_shadow(node);
}

static unsigned choose(bpi_fault_choice_fn choice, void *argument, unsigned options, uint64_t *count)
{
    ++*count;
    unsigned chosen = choice(argument, options);
    return chosen < options ? chosen : options - 1;
}

uint64_t bpi_history_cut(bpi_node *node, bpi_fault_choice_fn choice, void *argument)
{
    bpi_file_history *history = &node->history;
    uint64_t choices = 0;
    uint64_t size = node->size;
    bpi_history_unwatch(node);
    if (size > history->synced_size && (history->size_dropped || choose(choice, argument, 2, &choices) == 0)) {
        size = history->synced_size;
    }
    for (size_t index = 0; index < history->count; index++) {
        const bpi_sector *sector = &history->sectors[index];
        uint64_t at = sector->index * BPI_SECTOR_SIZE;
        if (at >= size) {
            continue; /* lost with the growth */
        }
        unsigned pick = sector->dropped ? 0 : choose(choice, argument, sector->count + 1, &choices);
        if (pick < sector->count) {
            size_t part = size - at < BPI_SECTOR_SIZE ? (size_t)(size - at) : BPI_SECTOR_SIZE;
            const uint8_t *image = sector->images + (size_t)pick * BPI_SECTOR_SIZE;
            BPI_ASSERT(bpi_content_write(node, at, image, part) == 0);
        }
    }
    bpi_content_cut(node, size);
    bpi_history_settle(node);
    return choices;
}

void bpi_history_fini(bpi_file_history *history)
{
    forget_sectors(history);
    free(history->sectors);
    free(history->shadow);
    *history = (bpi_file_history){0};
}

void bpi_history_copy(bpi_file_history *to, const bpi_file_history *from)
{
    *to = (bpi_file_history){.synced_size = from->synced_size, .size_dropped = from->size_dropped};
    if (from->count == 0) {
        return;
    }
    to->sectors = bpi_must(malloc(from->count * sizeof(bpi_sector)));
    to->capacity = from->count;
    to->count = from->count;
    for (size_t index = 0; index < from->count; index++) {
        size_t size = (size_t)from->sectors[index].count * BPI_SECTOR_SIZE;
        to->sectors[index] = from->sectors[index];
        to->sectors[index].images = bpi_must(malloc(size));
        memcpy(to->sectors[index].images, from->sectors[index].images, size);
    }
}
