/*
 * folder.c: finding index files that belong to the log.
 *
 * Holds: a file is used only when its header is right, it is of this store, and its binding is that of the segments that the
 * list names; whether its pages are right shows when they are looked at.
 */
#include "index/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "index/core.h"

static int found_order(const void *a, const void *b)
{
    const bpi_found_file *left = a;
    const bpi_found_file *right = b;
    if (left->first != right->first) {
        return left->first < right->first ? -1 : 1;
    }
    if (left->last != right->last) {
        return left->last > right->last ? -1 : 1;
    }
    return left->generation > right->generation ? -1 : left->generation < right->generation;
}

static int note_file(void *argument, const char *name, bool is_directory, uint64_t size)
{
    bpi_folder *folder = argument;
    bpi_found_file file;
    (void)size;
    if (is_directory || !bpi_index_name_parse(name, &file.first, &file.last, &file.generation)) {
        return 0;
    }
    if (folder->found_count == folder->found_capacity) {
        size_t capacity = folder->found_capacity * 2 + 32;
        bpi_found_file *found = bpi_resize(folder->home->allocator, folder->found,
                                           folder->found_capacity * sizeof *found, capacity * sizeof *found);
        if (found == NULL) {
            return ENOMEM;
        }
        folder->found = found;
        folder->found_capacity = capacity;
    }
    folder->found[folder->found_count++] = file;
    folder->generation = file.generation > folder->generation ? file.generation : folder->generation;
    return 0;
}

void bpi_folder_open(bpi_folder *folder, const bpi_home *home, const bp_id *store_id)
{
    const bp_io *io = home->io;
    memset(folder, 0, sizeof *folder);
    folder->home = home;
    (void)pthread_mutex_init(&folder->lock, NULL);
    folder->store_id = *store_id;
    if (io->dir_open_at(io->context, home->root, "index", false, &folder->dir) != 0) {
        folder->dir = NULL;
        return;
    }
    if (io->dir_list(io->context, folder->dir, note_file, folder) != 0) {
        folder->found_count = 0;
    }
    if (folder->found_count > 0) {
        qsort(folder->found, folder->found_count, sizeof *folder->found, found_order);
    }
}

void bpi_folder_close(bpi_folder *folder)
{
    if (folder->home == NULL) {
        return;
    }
    if (folder->dir != NULL) {
        folder->home->io->dir_close(folder->home->io->context, folder->dir);
    }
    bpi_release(folder->home->allocator, folder->found, folder->found_capacity * sizeof *folder->found);
    (void)pthread_mutex_destroy(&folder->lock);
    memset(folder, 0, sizeof *folder);
}

/* The sealed entries from `entry` on up to the ordinal `last`. */
typedef struct covered {
    size_t entries; /* of the catalog, retired ones included */
    uint32_t segments;
    uint64_t events;
} covered;

static bool cover(const bpi_catalog *catalog, size_t entry, uint32_t last, covered *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = entry; i < catalog->count; i++) {
        const bpi_segment_entry *at = &catalog->entries[i];
        out->entries++;
        if (at->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        if (at->state != BPI_SEGMENT_SEALED || at->ordinal > last) {
            return false;
        }
        out->segments++;
        out->events += at->count;
        if (at->ordinal == last) {
            return true;
        }
    }
    return false;
}

/* Why a file that is right by itself does not belong here; NULL: it does. */
static const char *foreign(const bpi_folder *folder, bpi_index *index, const bpi_index_header *header,
                           const bpi_catalog *catalog, size_t entry, const covered *there)
{
    bp_hash binding;
    if (!bp_id_equal(&header->store_id, &folder->store_id)) {
        return "index file of another store";
    }
    if (header->tail.salt != 0 || header->first_ordinal != catalog->entries[entry].ordinal ||
        header->segment_count != there->segments || header->rows != there->events ||
        header->first_sequence != catalog->entries[entry].first_sequence) {
        return "index file of other segments";
    }
    bpi_index_binding(&catalog->entries[entry], there->entries, &binding);
    if (!bp_hash_equal(&binding, &header->binding)) {
        return "index file of other segments";
    }
    return bpi_index_fits(index, header) ? NULL : "index file with other numbers than those before it";
}

static bpi_block *block_of(bpi_index *index, bpi_opener *opener, const bpi_catalog *catalog, size_t entry,
                           const covered *there, bpi_image *image)
{
    const bp_allocator *allocator = &index->allocator;
    bpi_block *block = NULL;
    uint32_t count = 0;
    uint32_t row = 0;
    bpi_part *parts = bpi_allocate(allocator, there->segments * sizeof *parts);
    for (size_t i = 0; parts != NULL && i < there->entries; i++) {
        const bpi_segment_entry *at = &catalog->entries[entry + i];
        if (at->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        bpi_segment *segment = bpi_segment_lazy(opener, at);
        if (segment == NULL) {
            break;
        }
        parts[count++] = (bpi_part){segment, row};
        row += (uint32_t)at->count;
    }
    if (count == there->segments) {
        block = bpi_block_of_image(allocator, parts, count, image);
    } else {
        bpi_image_free(image);
    }
    for (uint32_t i = 0; i < count; i++) {
        bpi_segment_drop(parts[i].segment);
    }
    bpi_release(allocator, parts, there->segments * sizeof *parts);
    return block;
}

static void say(const bpi_folder *folder, const char *name, const char *why)
{
    bp_log_field fields[2] = {{"file", name, 0}, {"why", why, 0}};
    bpi_say(folder->home, BP_LOG_WARN, "keeper", "index-file-ignored", fields, 2);
}

static bpi_image *open_image(bpi_folder *folder, bpi_index *index, const char *name, const char **fault_out)
{
    const bp_io *io = folder->home->io;
    bp_file *file = NULL;
    if (io->file_open(io->context, folder->dir, name, BP_OPEN_READ, &file) != 0) {
        *fault_out = "index file cannot be opened";
        return NULL;
    }
    return bpi_image_of_file(&index->allocator, io, file, fault_out);
}

static bpi_block *try_file(bpi_folder *folder, bpi_index *index, bpi_opener *opener, const bpi_catalog *catalog,
                           size_t entry, const bpi_found_file *found, const covered *there)
{
    const char *fault = NULL;
    char name[BPI_INDEX_NAME_SIZE];
    bpi_index_name(found->first, found->last, found->generation, name);
    bpi_image *image = open_image(folder, index, name, &fault);
    if (image != NULL) {
        fault = foreign(folder, index, &image->header, catalog, entry, there);
    }
    if (fault != NULL) {
        bpi_image_free(image);
        say(folder, name, fault);
        return NULL;
    }
    bpi_block *block = block_of(index, opener, catalog, entry, there, image);
    if (block != NULL) {
        memcpy(block->file, name, sizeof name);
    }
    return block;
}

bpi_block *bpi_folder_find(bpi_folder *folder, bpi_index *index, bpi_opener *opener, const bpi_catalog *catalog,
                           size_t entry, size_t skip, size_t *covered_out)
{
    uint32_t ordinal = catalog->entries[entry].ordinal;
    for (size_t i = 0; i < folder->found_count; i++) {
        const bpi_found_file *found = &folder->found[i];
        covered there;
        if (found->first != ordinal || !cover(catalog, entry, found->last, &there)) {
            continue;
        }
        if (skip > 0) {
            skip--;
            continue;
        }
        bpi_block *block = try_file(folder, index, opener, catalog, entry, found, &there);
        if (block != NULL) {
            *covered_out = there.entries;
            return block;
        }
    }
    return NULL;
}

/* Does a tail belong to that open segment? */
static const char *foreign_tail(const bpi_folder *folder, bpi_index *index, const bpi_index_header *header,
                                const bpi_segment_entry *entry)
{
    bpi_segment_entry stands;
    bp_hash binding;
    bpi_index_tail_entry(header, entry->generation, &stands);
    bpi_index_binding(&stands, 1, &binding);
    if (!bp_id_equal(&header->store_id, &folder->store_id)) {
        return "index file of another store";
    }
    if (header->tail.salt != entry->salt || header->first_ordinal != entry->ordinal || header->segment_count != 1 ||
        !bp_hash_equal(&binding, &header->binding)) {
        return "index file of another segment";
    }
    return bpi_index_fits(index, header) ? NULL : "index file with other numbers than those before it";
}

bpi_image *bpi_folder_find_tail(bpi_folder *folder, bpi_index *index, const bpi_segment_entry *entry)
{
    for (size_t i = 0; i < folder->found_count; i++) {
        const bpi_found_file *found = &folder->found[i];
        char name[BPI_INDEX_NAME_SIZE];
        const char *fault = NULL;
        if (found->first != entry->ordinal || found->last != entry->ordinal) {
            continue;
        }
        bpi_index_name(found->first, found->last, found->generation, name);
        bpi_image *image = open_image(folder, index, name, &fault);
        if (image != NULL) {
            fault = foreign_tail(folder, index, &image->header, entry);
        }
        if (fault == NULL) {
            return image;
        }
        bpi_image_free(image);
        say(folder, name, fault);
    }
    return NULL;
}

bpi_block *bpi_folder_tail_block(bpi_index *index, bpi_segment *segment, bpi_image *image)
{
    bpi_part part = {segment, 0};
    uint32_t generation = image->header.generation;
    bpi_block *block = bpi_block_of_image(&index->allocator, &part, 1, image);
    if (block != NULL) {
        bpi_index_name(segment->ordinal, segment->ordinal, generation, block->file);
    }
    return block;
}
