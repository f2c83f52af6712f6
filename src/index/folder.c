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

int bpi_folder_open(bpi_folder *folder, const bpi_home *home, const bp_id *store_id)
{
    const bp_io *io = home->io;
    memset(folder, 0, sizeof *folder);
    folder->home = home;
    (void)pthread_mutex_init(&folder->lock, NULL);
    folder->store_id = *store_id;
    int code = io->dir_open_at(io->context, home->root, "index", false, &folder->dir);
    if (code != 0) {
        folder->dir = NULL;
        return code == ENOENT ? 0 : code;
    }
    code = io->dir_list(io->context, folder->dir, note_file, folder);
    if (code != 0) {
        folder->found_count = 0;
    }
    if (folder->found_count > 0) {
        qsort(folder->found, folder->found_count, sizeof *folder->found, found_order);
    }
    return code;
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
    int code = io->file_open(io->context, folder->dir, name, BP_OPEN_READ, &file);
    if (code != 0) {
        *fault_out = "index file cannot be opened";
        return NULL;
    }
    return bpi_image_of_file(&index->allocator, io, file, fault_out, &code);
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

/* ---- files that came since ---- */

/* Blocks [from, to) of an array, which have the rows of whole segments. */
typedef struct run {
    const bpi_blocks *seen;
    size_t from;
    size_t to;
} run;

static uint32_t first_ordinal(const bpi_block *block)
{
    return block->parts[0].segment->ordinal;
}

static uint32_t last_ordinal(const bpi_block *block)
{
    return block->parts[block->part_count - 1].segment->ordinal;
}

/* The blocks that a file could take the place of: sealed, from its first to its last segment, and one of them in memory or more than one. */
static bool find_run(const bpi_blocks *seen, const bpi_found_file *found, run *out)
{
    bool in_memory = false;
    size_t i = 0;
    while (i < seen->count && first_ordinal(seen->block[i]) < found->first) {
        i++;
    }
    *out = (run){seen, i, i};
    for (; i < seen->count && first_ordinal(seen->block[i]) <= found->last; i++) {
        const bpi_block *block = seen->block[i];
        if (block->image == NULL || last_ordinal(block) > found->last) {
            return false;
        }
        in_memory = in_memory || block->file[0] == '\0';
    }
    out->to = i;
    return i < seen->count && i > out->from && first_ordinal(seen->block[out->from]) == found->first &&
           last_ordinal(seen->block[i - 1]) == found->last && (in_memory || i > out->from + 1);
}

/* Has a file the very rows and names of these blocks? */
static bool fits_between(const run *r, const bpi_index_header *header)
{
    const bpi_block *first = r->seen->block[r->from];
    const bpi_block *behind = r->seen->block[r->to];
    return header->tail.salt == 0 && header->key == first->key && header->first_sequence == first->first &&
           header->first_sequence + header->rows == behind->first && header->first_entity == first->first_entity &&
           header->first_scope == first->first_scope &&
           header->first_entity + header->entities == behind->first_entity &&
           header->first_scope + header->scopes == behind->first_scope;
}

static bool bound(const bpi_folder *folder, const bpi_catalog *catalog, const bpi_found_file *found,
                  const bpi_index_header *header)
{
    bp_hash binding;
    return bp_id_equal(&header->store_id, &folder->store_id) &&
           bpi_catalog_binding(catalog, found->first, found->last, &binding) &&
           bp_hash_equal(&binding, &header->binding);
}

static bool is_sealed(const bpi_catalog *catalog, const bpi_segment *segment)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->ordinal == segment->ordinal && entry->generation == segment->generation) {
            return entry->state == BPI_SEGMENT_SEALED;
        }
    }
    return false;
}

/* Their block, with the segments that they have: those that are mapped stay so. NULL: no memory, or not those that are listed. */
static bpi_block *block_of_run(bpi_index *index, const bpi_catalog *catalog, const run *r, bpi_image *image)
{
    uint32_t room = image->header.segment_count;
    uint32_t count = 0;
    size_t most = 0;
    for (size_t i = r->from; i < r->to; i++) {
        most += r->seen->block[i]->part_count;
    }
    bool same = room <= most; /* the file's word alone asks for no memory */
    bpi_part *parts = same ? bpi_allocate(&index->allocator, room * sizeof *parts) : NULL;
    if (parts == NULL) {
        bpi_image_free(image);
        return NULL;
    }
    for (size_t i = r->from; i < r->to; i++) {
        const bpi_block *block = r->seen->block[i];
        for (uint32_t part = 0; part < block->part_count && same; part++) {
            bpi_segment *segment = block->parts[part].segment;
            uint64_t row = block->first + block->parts[part].first_row - image->header.first_sequence;
            if (count > 0 && parts[count - 1].segment->ordinal == segment->ordinal) {
                continue; /* one segment in several blocks */
            }
            same = count < room && is_sealed(catalog, segment);
            if (same) {
                parts[count++] = (bpi_part){segment, (uint32_t)row};
            }
        }
    }
    bpi_block *block = NULL;
    if (same && count == room) {
        block = bpi_block_of_image(&index->allocator, parts, count, image);
    } else {
        bpi_image_free(image);
    }
    bpi_release(&index->allocator, parts, room * sizeof *parts);
    return block;
}

/* Puts a file in the place of a run. */
static bool adopt_file(bpi_folder *folder, bpi_index *index, const bpi_catalog *catalog, const bpi_found_file *found,
                       const run *r)
{
    const char *fault = NULL;
    char name[BPI_INDEX_NAME_SIZE];
    bpi_index_name(found->first, found->last, found->generation, name);
    bpi_image *image = open_image(folder, index, name, &fault);
    if (image == NULL || !fits_between(r, &image->header) || !bound(folder, catalog, found, &image->header)) {
        bpi_image_free(image); /* gone meanwhile, or of before a rewriting */
        return false;
    }
    bpi_block *block = block_of_run(index, catalog, r, image);
    if (block == NULL) {
        return false;
    }
    memcpy(block->file, name, sizeof name);
    bool done = bpi_index_replace(index, r->seen, r->from, r->to - r->from, block);
    bpi_block_drop(block);
    return done;
}

/* Is there anything in memory that a file could have? */
static bool wants_files(bpi_index *index)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    bool wanted = false;
    for (size_t i = 0; i < blocks->count && !wanted; i++) {
        wanted = blocks->block[i]->image != NULL && blocks->block[i]->file[0] == '\0';
    }
    bpi_blocks_drop(blocks);
    return wanted;
}

void bpi_folder_adopt(bpi_folder *folder, bpi_index *index, const bpi_catalog *catalog)
{
    if (!wants_files(index)) {
        return;
    }
    const bpi_home *home = folder->home;
    bp_id store_id = folder->store_id;
    bpi_folder_close(folder);
    (void)bpi_folder_open(folder, home, &store_id);
    for (size_t i = 0; i < folder->found_count; i++) {
        bpi_blocks *seen = bpi_index_blocks(index);
        run r;
        if (find_run(seen, &folder->found[i], &r)) {
            (void)adopt_file(folder, index, catalog, &folder->found[i], &r);
        }
        bpi_blocks_drop(seen);
    }
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
