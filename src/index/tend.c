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

/* TAIL_LEAST rows are read in some milliseconds; a tail is written anew when a fourth of it is. */
enum { TAIL_LEAST = 4096, TAIL_SHARE = 4 };
/* With so many files eight become one even when somebody waits for it. */
enum { CROWD = 64 };
enum { MERGED = 8, SEGMENTS_MOST = 512, TEMPORARY_SIZE = BPI_INDEX_NAME_SIZE + 8, ROWS_MOST_GROUPED = 1 << 24 };

static void temporary_name(const char *name, char out[TEMPORARY_SIZE])
{
    (void)snprintf(out, TEMPORARY_SIZE, "%s.new", name);
}

static int make_folder(bpi_folder *folder)
{
    const bp_io *io = folder->home->io;
    (void)pthread_mutex_lock(&folder->lock);
    int code = folder->dir != NULL ? 0 : io->dir_open_at(io->context, folder->home->root, "index", true, &folder->dir);
    (void)pthread_mutex_unlock(&folder->lock);
    return code;
}

static uint32_t next_generation(bpi_folder *folder)
{
    (void)pthread_mutex_lock(&folder->lock);
    uint32_t generation = ++folder->generation;
    (void)pthread_mutex_unlock(&folder->lock);
    return generation;
}

/* What a file is made of. */
typedef struct making {
    bpi_folder *folder;
    bpi_index *index;
    bpi_input inputs[MERGED];
    size_t count;
    uint64_t
        next; /* of the index before the blocks were taken: rows of one that begins meanwhile are not the last one's */
    const bpi_part *parts;
    uint32_t part_count;
    uint64_t first;
    const _Atomic bool *given_up; /* NULL: the file is made in any case */
    const bpi_index_tail *tail;   /* of an open segment; NULL: segments are sealed */
    bpi_binding_fn binding;       /* then */
    void *argument;
} making;

/* Writes and renames; the file stays open for its mapping. */
static int write_file(making *m, bpi_index_header *header, const char *name, bp_file **file_out)
{
    const bpi_folder *folder = m->folder;
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
    bpi_sink_init(&sink, &m->index->allocator, io, file);
    sink.unsynced = m->tail != NULL;
    sink.given_up = m->given_up;
    code = bpi_emit(&sink, m->inputs, m->count, header);
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

static bool bind(const making *m, bpi_index_header *header)
{
    if (m->tail == NULL) {
        return m->binding(m->argument, m->parts, m->part_count, &header->binding);
    }
    bpi_segment_entry stands;
    header->tail = *m->tail;
    bpi_index_tail_entry(header, m->parts[0].segment->generation, &stands);
    bpi_index_binding(&stands, 1, &header->binding);
    return true;
}

static void note_failure(bpi_folder *folder, int code)
{
    if (code != ECANCELED) {
        atomic_store_explicit(&folder->failed_code, code, memory_order_relaxed);
        atomic_fetch_add_explicit(&folder->failed, 1, memory_order_relaxed);
    }
}

/* Writes the file. False: it could not be made. */
static bool make_file(making *m, bpi_index_header *header, char name[BPI_INDEX_NAME_SIZE], bp_file **file_out)
{
    bpi_folder *folder = m->folder;
    uint32_t rows = 0;
    for (size_t i = 0; i < m->count; i++) {
        rows += m->inputs[i].count;
    }
    bpi_header_of(m->index, m->parts, m->part_count, m->first, rows, header);
    header->store_id = folder->store_id;
    header->generation = next_generation(folder);
    if (!bpi_emit_plan(m->inputs, m->count, header) || !bind(m, header)) {
        return false;
    }
    bpi_index_name(header->first_ordinal, header->last_ordinal, header->generation, name);
    int code = make_folder(folder);
    code = code == 0 ? write_file(m, header, name, file_out) : code;
    if (code != 0) {
        note_failure(folder, code);
        return false;
    }
    atomic_fetch_add_explicit(&folder->written, 1, memory_order_relaxed);
    return true;
}

/* A block of a new file. NULL: it could not be made. */
static bpi_block *make_block(making *m)
{
    const bp_allocator *allocator = &m->index->allocator;
    const bp_io *io = m->folder->home->io;
    char name[BPI_INDEX_NAME_SIZE];
    const char *fault = NULL;
    int code = 0;
    bp_file *file = NULL;
    bpi_index_header header;
    if (!make_file(m, &header, name, &file)) {
        return NULL;
    }
    bpi_image *image = bpi_image_of_file(allocator, io, file, &fault, &code);
    bpi_block *block = image == NULL ? NULL : bpi_block_of_image(allocator, m->parts, m->part_count, image);
    if (block == NULL) {
        (void)io->dir_remove(io->context, m->folder->dir, name);
        return NULL;
    }
    memcpy(block->file, name, sizeof name);
    return block;
}

static void remove_file(const bpi_folder *folder, const char *name)
{
    if (name[0] != '\0' && folder->dir != NULL) {
        (void)folder->home->io->dir_remove(folder->home->io->context, folder->dir, name);
    }
}

void bpi_folder_remove(bpi_folder *folder, const char *name)
{
    remove_file(folder, name);
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

/* ---- one segment ---- */

/* The blocks of one segment, which are several where it was closed and opened again: [*first_out, *end_out). */
static bool find_segment(const bpi_blocks *blocks, uint32_t ordinal, size_t *first_out, size_t *end_out)
{
    size_t end = blocks->count;
    while (end > 0 && blocks->block[end - 1]->parts[0].segment->ordinal != ordinal) {
        end--;
    }
    size_t first = end;
    while (first > 0 && blocks->block[first - 1]->parts[0].segment->ordinal == ordinal) {
        first--;
    }
    *first_out = first;
    *end_out = end;
    return end > first && end - first <= MERGED;
}

/* Takes in the blocks [first, end) of one segment. False: one cannot be read. */
static bool gather(making *m, const bpi_blocks *blocks, size_t first, size_t end)
{
    m->count = 0;
    m->parts = blocks->block[first]->parts;
    m->part_count = blocks->block[first]->part_count;
    m->first = blocks->block[first]->first;
    for (size_t i = first; i < end; i++) {
        const bpi_block *block = NULL;
        if (bpi_blocks_good(blocks, i, &block, NULL) != BP_OK) {
            return false;
        }
        if (block->image != NULL) {
            bpi_input_of_image(&m->inputs[m->count++], block->image);
            continue;
        }
        uint32_t rows = bpi_blocks_rows(blocks, i, m->next);
        if (bpi_input_of_block(&m->inputs[m->count], &m->index->allocator, block, rows, NULL) != BP_OK) {
            return false;
        }
        m->count++;
    }
    return true;
}

static void release(making *m)
{
    for (size_t i = 0; i < m->count; i++) {
        bpi_input_fini(&m->inputs[i]);
    }
}

/* One file for all blocks of a segment. What is written was read when it was gathered. */
static bool write_segment(making *m, bpi_blocks *own, uint32_t ordinal)
{
    size_t first = 0;
    size_t end = 0;
    bool gathered = find_segment(own, ordinal, &first, &end) && gather(m, own, first, end);
    bpi_blocks_read_no_more(own);
    bool done = gathered && take_place(m->folder, m->index, own, first, end - first, make_block(m));
    release(m);
    return done;
}

void bpi_folder_seal(bpi_folder *folder, bpi_index *index, uint32_t ordinal, bpi_binding_fn binding, void *argument)
{
    making m = {
        .folder = folder, .index = index, .next = bpi_index_next(index), .binding = binding, .argument = argument};
    bpi_blocks *own = bpi_index_own_blocks(index);
    size_t first = 0;
    size_t end = 0;
    bool due = own == NULL || (find_segment(own, ordinal, &first, &end) && own->block[end - 1]->image == NULL);
    if (due && (own == NULL || !write_segment(&m, own, ordinal))) {
        (void)bpi_index_seal_block(index, ordinal);
    }
    bpi_blocks_drop(own);
}

void bpi_folder_close_tail(bpi_folder *folder, bpi_index *index, uint32_t ordinal, const bpi_index_tail *tail)
{
    bpi_index_tail ours = *tail;
    making m = {.folder = folder, .index = index, .next = bpi_index_next(index), .tail = &ours};
    bpi_blocks *blocks = bpi_index_blocks(index);
    bpi_index_header header;
    char name[BPI_INDEX_NAME_SIZE];
    bp_file *file = NULL;
    size_t first = 0;
    size_t end = 0;
    if (find_segment(blocks, ordinal, &first, &end) && blocks->block[end - 1]->image == NULL) {
        uint64_t rows = bpi_index_next(index) - blocks->block[first]->first;
        const bpi_block *last = blocks->block[end - 1];
        uint64_t fresh = bpi_index_next(index) - last->first;
        ours.last_hlc = fresh == 0 ? 0 : bpi_row_u64(last->rows, (uint32_t)fresh - 1, BPI_ROW_HLC);
        if (fresh >= TAIL_LEAST && fresh >= rows / TAIL_SHARE && gather(&m, blocks, first, end) &&
            make_file(&m, &header, name, &file)) {
            folder->home->io->file_close(folder->home->io->context, file);
            for (size_t i = first; i < end; i++) {
                remove_file(folder, blocks->block[i]->file);
            }
        }
        release(&m);
    }
    bpi_blocks_drop(blocks);
}

/* ---- eight ---- */

void bpi_folder_hurry(bpi_folder *folder, bool hurry)
{
    atomic_store_explicit(&folder->hurry, hurry, memory_order_relaxed);
}

/* How often eight made one of it. */
static unsigned level_of(const bpi_block *block)
{
    unsigned level = 0;
    for (uint32_t count = block->part_count; count >= MERGED; count /= MERGED) {
        level++;
    }
    return level;
}

/* Is it the block of one whole segment or more, with a file that is right? */
static bool is_whole(const bpi_block *block)
{
    return block->image != NULL && block->file[0] != '\0' && block->image->header.tail.salt == 0 &&
           !bpi_block_broken(block);
}

static bool mergeable(const bpi_index *index, const bpi_blocks *blocks, size_t i)
{
    uint64_t rows = 0;
    uint32_t segments = 0;
    for (size_t n = i; n < i + MERGED; n++) {
        const bpi_block *block = blocks->block[n];
        if (!is_whole(block) || level_of(block) != level_of(blocks->block[i])) {
            return false;
        }
        rows += block->image->header.rows;
        segments += block->part_count;
    }
    return segments <= SEGMENTS_MOST && (index->layout != BP_LAYOUT_SOAOS || rows <= ROWS_MOST_GROUPED);
}

static bool merge(making *m, const bpi_blocks *blocks, size_t i)
{
    const bp_allocator *allocator = &m->index->allocator;
    uint32_t capacity = 0;
    for (size_t n = i; n < i + MERGED; n++) {
        capacity += blocks->block[n]->part_count;
    }
    bpi_part *parts = bpi_allocate(allocator, capacity * sizeof *parts);
    if (parts == NULL) {
        return false;
    }
    m->parts = parts;
    m->given_up = blocks->count < CROWD ? &m->folder->hurry : NULL;
    m->first = blocks->block[i]->first;
    for (size_t n = i; n < i + MERGED; n++) {
        const bpi_block *block = blocks->block[n];
        bpi_input_of_image(&m->inputs[m->count++], block->image);
        for (uint32_t part = 0; part < block->part_count; part++) {
            uint32_t row = (uint32_t)(block->first - m->first) + block->parts[part].first_row;
            parts[m->part_count++] = (bpi_part){block->parts[part].segment, row};
        }
    }
    bool done = take_place(m->folder, m->index, blocks, i, MERGED, make_block(m));
    bpi_release(allocator, parts, capacity * sizeof *parts);
    if (done) {
        atomic_fetch_add_explicit(&m->folder->merged, 1, memory_order_relaxed);
    }
    return done;
}

/* Are its segments sealed? To an open one rows are being appended. */
static bool is_listed(const making *m, const bpi_block *block)
{
    bp_hash unused;
    return m->binding(m->argument, block->parts, block->part_count, &unused);
}

static bool has_to_wait(const bpi_folder *folder, const bpi_blocks *blocks)
{
    return blocks->count < CROWD && atomic_load_explicit(&folder->hurry, memory_order_relaxed);
}

/* One step of what is left to do; false when there is none, or it failed. */
static bool tend_one(bpi_folder *folder, bpi_index *index, bpi_binding_fn binding, void *argument)
{
    making m = {
        .folder = folder, .index = index, .next = bpi_index_next(index), .binding = binding, .argument = argument};
    bpi_blocks *blocks = bpi_index_own_blocks(index);
    bool done = false;
    bool tried = false;
    bool put_off = false;
    if (blocks == NULL) {
        return false;
    }
    for (size_t i = 0; i < blocks->count && !tried; i++) {
        const bpi_block *block = blocks->block[i];
        if (block->image != NULL && (block->file[0] == '\0' || bpi_block_broken(block)) && is_listed(&m, block)) {
            tried = true;
            done = write_segment(&m, blocks, block->parts[0].segment->ordinal);
        }
    }
    for (size_t i = 0; i + MERGED <= blocks->count && !tried; i++) {
        if (mergeable(index, blocks, i)) {
            tried = true;
            bpi_blocks_read_no_more(blocks); /* files alone are */
            done = !has_to_wait(folder, blocks) && merge(&m, blocks, i);
            put_off = !done && has_to_wait(folder, blocks);
        }
    }
    atomic_store_explicit(&folder->put_off, put_off, memory_order_relaxed);
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
