/*
 * tend.c: writing index files: of one block, of eight that become one; removing what is not used.
 *
 * A file is written under a temporary name, synced, renamed, and mapped; then its block takes the place of what it was made of;
 * then the files of those go. A crash at any step leaves files that are right, files that nobody uses, or a temporary
 * one. A failure leaves the index as it was, in memory.
 */
#include "index/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "index/core.h"
#include "index/input.h"

enum { MERGED = 8, SEGMENTS_MOST = 512, TEMPORARY_SIZE = BPI_INDEX_NAME_SIZE + 8, ROWS_MOST_GROUPED = 1 << 24 };

static void temporary_name(const char *name, char out[TEMPORARY_SIZE])
{
    (void)snprintf(out, TEMPORARY_SIZE, "%s.new", name);
}

static int make_folder(bpi_folder *folder)
{
    const bp_io *io = folder->home->io;
    return folder->dir != NULL ? 0 : io->dir_open_at(io->context, folder->home->root, "index", true, &folder->dir);
}

/* Writes and renames; the file stays open for its mapping. */
static int write_file(bpi_folder *folder, const bp_allocator *allocator, const bpi_input *inputs, size_t count,
                      bpi_index_header *header, const char *name, bp_file **file_out)
{
    const bp_io *io = folder->home->io;
    char temporary[TEMPORARY_SIZE];
    bp_file *file = NULL;
    bpi_sink sink;
    temporary_name(name, temporary);
    int code = io->dir_remove(io->context, folder->dir, temporary);
    if (code == 0 || code == ENOENT) {
        code = io->file_open(io->context, folder->dir, temporary, BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE,
                             &file);
    }
    if (code != 0) {
        return code;
    }
    bpi_sink_init(&sink, allocator, io, file);
    code = bpi_emit(&sink, inputs, count, header);
    bpi_sink_fini(&sink);
    if (code == 0) {
        code = io->dir_rename(io->context, folder->dir, temporary, name);
    }
    if (code != 0) {
        io->file_close(io->context, file);
        (void)io->dir_remove(io->context, folder->dir, temporary);
        return code;
    }
    *file_out = file;
    return 0;
}

/* A block of a new file, made of the inputs; `of` has the parts. NULL: it could not be made. */
static bpi_block *make_block(bpi_folder *folder, bpi_index *index, const bpi_input *inputs, size_t count,
                             const bpi_block *of, bpi_binding_fn binding, void *argument)
{
    const bp_allocator *allocator = &index->allocator;
    char name[BPI_INDEX_NAME_SIZE];
    const char *fault = NULL;
    bp_file *file = NULL;
    bpi_index_header header;
    uint32_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += inputs[i].count;
    }
    bpi_header_of(index, of, rows, &header);
    header.store_id = folder->store_id;
    header.generation = ++folder->generation;
    if (!bpi_emit_plan(inputs, count, &header) ||
        !binding(argument, header.first_ordinal, header.last_ordinal, &header.binding) || make_folder(folder) != 0) {
        return NULL;
    }
    bpi_index_name(header.first_ordinal, header.last_ordinal, header.generation, name);
    if (write_file(folder, allocator, inputs, count, &header, name, &file) != 0) {
        atomic_fetch_add_explicit(&folder->failed, 1, memory_order_relaxed);
        return NULL;
    }
    bpi_image *image = bpi_image_of_file(allocator, folder->home->io, file, &fault);
    bpi_block *block = image == NULL ? NULL : bpi_block_of_image(allocator, of->parts, of->part_count, image);
    if (block == NULL) {
        (void)folder->home->io->dir_remove(folder->home->io->context, folder->dir, name);
        return NULL;
    }
    memcpy(block->file, name, sizeof name);
    atomic_fetch_add_explicit(&folder->written, 1, memory_order_relaxed);
    return block;
}

static void remove_file(const bpi_folder *folder, const char *name)
{
    if (name[0] != '\0' && folder->dir != NULL) {
        (void)folder->home->io->dir_remove(folder->home->io->context, folder->dir, name);
    }
}

/* Puts a made block in the place of those that it was made of; their files go. */
static bool take_place(bpi_folder *folder, bpi_index *index, const bpi_blocks *seen, size_t i, size_t count,
                       bpi_block *block)
{
    if (block == NULL) {
        return false;
    }
    bool done = bpi_index_replace(index, seen, i, count, block);
    for (size_t n = 0; done && n < count; n++) {
        remove_file(folder, seen->block[i + n]->file);
    }
    if (!done) {
        remove_file(folder, block->file);
    }
    bpi_block_drop(block);
    return done;
}

/* ---- one block ---- */

void bpi_folder_seal(bpi_folder *folder, bpi_index *index, uint32_t ordinal, bpi_binding_fn binding, void *argument)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    bpi_input input;
    bool done = true;
    size_t i = blocks->count;
    while (i > 0 && blocks->block[i - 1]->parts[0].segment->ordinal != ordinal) {
        i--;
    }
    if (i > 0 && blocks->block[i - 1]->image == NULL) {
        const bpi_block *block = blocks->block[--i];
        uint32_t rows = bpi_blocks_rows(blocks, i, bpi_index_next(index));
        done = bpi_input_of_block(&input, &index->allocator, block, rows);
        if (done) {
            done =
                take_place(folder, index, blocks, i, 1, make_block(folder, index, &input, 1, block, binding, argument));
            bpi_input_fini(&input);
        }
    }
    bpi_blocks_drop(blocks);
    if (!done) {
        (void)bpi_index_seal_block(index, ordinal);
    }
}

/* Writes the file of a block that is in memory, or whose file is broken. False: nothing was done. */
static bool write_one(bpi_folder *folder, bpi_index *index, const bpi_blocks *blocks, size_t i, bpi_binding_fn binding,
                      void *argument)
{
    const bpi_block *block = NULL;
    bpi_input input;
    if (bpi_blocks_good(blocks, i, &block, NULL) != BP_OK || block->image->pages != NULL) {
        return false;
    }
    bpi_input_of_image(&input, block->image);
    return take_place(folder, index, blocks, i, 1, make_block(folder, index, &input, 1, block, binding, argument));
}

/* ---- eight ---- */

/* How often eight made one of it. */
static unsigned level_of(const bpi_block *block)
{
    unsigned level = 0;
    for (uint32_t count = block->part_count; count >= MERGED; count /= MERGED) {
        level++;
    }
    return level;
}

static bool mergeable(const bpi_index *index, const bpi_blocks *blocks, size_t i)
{
    uint64_t rows = 0;
    uint32_t segments = 0;
    for (size_t n = i; n < i + MERGED; n++) {
        const bpi_block *block = blocks->block[n];
        if (block->image == NULL || block->file[0] == '\0' || bpi_block_broken(block) ||
            level_of(block) != level_of(blocks->block[i])) {
            return false;
        }
        rows += block->image->header.rows;
        segments += block->part_count;
    }
    return segments <= SEGMENTS_MOST && (index->layout != BP_LAYOUT_SOAOS || rows <= ROWS_MOST_GROUPED);
}

/* A block that has no more than the parts of those from i on. */
static bpi_block *parts_of(bpi_index *index, const bpi_blocks *blocks, size_t i)
{
    const bp_allocator *allocator = &index->allocator;
    bpi_block *whole = bpi_allocate_zero(allocator, sizeof *whole);
    uint32_t count = 0;
    for (size_t n = i; n < i + MERGED; n++) {
        count += blocks->block[n]->part_count;
    }
    bpi_part *parts = bpi_allocate(allocator, count * sizeof *parts);
    if (whole == NULL || parts == NULL) {
        bpi_release(allocator, whole, sizeof *whole);
        bpi_release(allocator, parts, count * sizeof *parts);
        return NULL;
    }
    count = 0;
    for (size_t n = i; n < i + MERGED; n++) {
        const bpi_block *block = blocks->block[n];
        for (uint32_t part = 0; part < block->part_count; part++) {
            uint32_t row = (uint32_t)(block->first - blocks->block[i]->first) + block->parts[part].first_row;
            parts[count++] = (bpi_part){block->parts[part].segment, row};
        }
    }
    whole->parts = parts;
    whole->part_count = count;
    whole->first = blocks->block[i]->first;
    return whole;
}

static bool merge(bpi_folder *folder, bpi_index *index, const bpi_blocks *blocks, size_t i, bpi_binding_fn binding,
                  void *argument)
{
    bpi_input inputs[MERGED];
    bpi_block *of = parts_of(index, blocks, i);
    if (of == NULL) {
        return false;
    }
    for (size_t n = 0; n < MERGED; n++) {
        bpi_input_of_image(&inputs[n], blocks->block[i + n]->image);
    }
    bool done =
        take_place(folder, index, blocks, i, MERGED, make_block(folder, index, inputs, MERGED, of, binding, argument));
    bpi_release(&index->allocator, of->parts, of->part_count * sizeof *of->parts);
    bpi_release(&index->allocator, of, sizeof *of);
    if (done) {
        atomic_fetch_add_explicit(&folder->merged, 1, memory_order_relaxed);
    }
    return done;
}

/* One step of what is left to do; false when there is none, or it failed. */
static bool tend_one(bpi_folder *folder, bpi_index *index, bpi_binding_fn binding, void *argument)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    bool done = false;
    bool tried = false;
    for (size_t i = 0; i < blocks->count && !tried; i++) {
        const bpi_block *block = blocks->block[i];
        if (block->image != NULL && (block->file[0] == '\0' || bpi_block_broken(block))) {
            tried = true;
            done = write_one(folder, index, blocks, i, binding, argument);
        }
    }
    for (size_t i = 0; i + MERGED <= blocks->count && !tried; i++) {
        if (mergeable(index, blocks, i)) {
            tried = true;
            done = merge(folder, index, blocks, i, binding, argument);
        }
    }
    bpi_blocks_drop(blocks);
    return done;
}

void bpi_folder_tend(bpi_folder *folder, bpi_index *index, bpi_binding_fn binding, void *argument)
{
    while (tend_one(folder, index, binding, argument)) {
    }
}

/* ---- removing ---- */

typedef struct sweeping {
    const bpi_folder *folder;
    const bpi_blocks *blocks;
    bpi_buffer names; /* of files to remove, BPI_INDEX_NAME_SIZE + 8 bytes each */
} sweeping;

static bool in_use(const bpi_blocks *blocks, const char *name)
{
    for (size_t i = 0; i < blocks->count; i++) {
        if (strcmp(blocks->block[i]->file, name) == 0) {
            return true;
        }
    }
    return false;
}

static int sweep_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    sweeping *sweep = argument;
    bpi_found_file file;
    char kept[TEMPORARY_SIZE] = {0};
    char plain[TEMPORARY_SIZE] = {0};
    size_t length = strlen(name);
    (void)size;
    if (is_directory || length >= TEMPORARY_SIZE) {
        return 0;
    }
    memcpy(kept, name, length);
    memcpy(plain, name, length);
    if (length > 4 && strcmp(plain + length - 4, ".new") == 0) {
        plain[length - 4] = '\0';
    }
    if (!bpi_index_name_parse(plain, &file.first, &file.last, &file.generation) || in_use(sweep->blocks, name)) {
        return 0;
    }
    return bpi_buffer_append(&sweep->names, kept, sizeof kept) ? 0 : ENOMEM;
}

void bpi_folder_sweep(bpi_folder *folder, bpi_index *index)
{
    const bp_io *io = folder->home->io;
    if (folder->dir == NULL) {
        return;
    }
    bpi_blocks *blocks = bpi_index_blocks(index);
    sweeping sweep = {.folder = folder, .blocks = blocks};
    bpi_buffer_init(&sweep.names, folder->home->allocator);
    (void)io->dir_list(io->context, folder->dir, sweep_name, &sweep);
    for (size_t at = 0; at < sweep.names.size; at += TEMPORARY_SIZE) {
        (void)io->dir_remove(io->context, folder->dir, (const char *)sweep.names.data + at);
    }
    bpi_buffer_fini(&sweep.names);
    bpi_blocks_drop(blocks);
}
