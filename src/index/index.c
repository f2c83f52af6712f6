/*
 * index.c: the writer's half: names, blocks, rows, publishing.
 *
 * Holds: a row is complete, and its id in the table, before the published sequence covers it. What could fail is done
 * by begin_block and reserve; append cannot fail.
 */
#include "index/core.h"

#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/memory.h"

enum { FIRST_IDS = 1024 };

/* ---- memory, counted ---- */

static void *counted_allocate(void *context, size_t size)
{
    bpi_index *index = context;
    void *memory = bpi_allocate(index->base, size);
    if (memory != NULL) {
        atomic_fetch_add_explicit(&index->bytes, size, memory_order_relaxed);
    }
    return memory;
}

static void *counted_resize(void *context, void *memory, size_t old_size, size_t size)
{
    bpi_index *index = context;
    void *resized = bpi_resize(index->base, memory, old_size, size);
    if (resized != NULL) {
        atomic_fetch_add_explicit(&index->bytes, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&index->bytes, memory == NULL ? 0 : old_size, memory_order_relaxed);
    }
    return resized;
}

static void counted_release(void *context, void *memory, size_t size)
{
    bpi_index *index = context;
    if (memory != NULL) {
        atomic_fetch_sub_explicit(&index->bytes, size, memory_order_relaxed);
        bpi_release(index->base, memory, size);
    }
}

/* ---- life ---- */

void bpi_index_release(bpi_index *index)
{
    if (atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    bpi_index_release_retired(index);
    bpi_book_drop(bpi_index_hot(index));
    (void)pthread_mutex_destroy(&index->lock);
    (void)pthread_mutex_destroy(&index->ages);
    (void)pthread_mutex_destroy(&index->repairing);
    bpi_buried_fini(&index->buried, &index->allocator);
    bpi_release(index->base, index, sizeof *index);
}

/* None of these can fail on Linux with arguments like these. */
static void init_recursive(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

bpi_index *bpi_index_new(const bp_allocator *allocator, bp_layout layout, uint64_t key)
{
    bpi_index *index = bpi_allocate_zero(allocator, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    index->base = allocator;
    index->allocator = (bp_allocator){
        .size = sizeof(bp_allocator),
        .context = index,
        .allocate = counted_allocate,
        .resize = counted_resize,
        .release = counted_release,
    };
    index->layout = layout;
    index->key = key;
    atomic_init(&index->references, 1);
    atomic_init(&index->bytes, sizeof *index);
    bpi_book *book = bpi_book_new(&index->allocator, key);
    bpi_books *books = book == NULL ? NULL : bpi_books_new(&index->allocator, book, NULL, 0);
    atomic_init(&index->hot, book);
    if (books == NULL) {
        goto no_books;
    }
    (void)pthread_mutex_init(&index->lock, NULL);
    (void)pthread_mutex_init(&index->ages, NULL);
    atomic_init(&index->epoch, 1);
    init_recursive(&index->repairing);
    bpi_blocks *blocks = bpi_blocks_new(index, NULL, 0, 0);
    if (blocks == NULL) {
        bpi_books_drop(books);
        bpi_index_release(index);
        return NULL;
    }
    blocks->books = books;
    atomic_store_explicit(&index->current, blocks, memory_order_release);
    index->mine = bpi_blocks_hold(blocks);
    return index;

no_books:
    bpi_book_drop(book);
    bpi_release(allocator, index, sizeof *index);
    return NULL;
}

void bpi_index_set_layout(bpi_index *index, bp_layout layout)
{
    index->layout = layout;
}

void bpi_index_set_key(bpi_index *index, uint64_t key)
{
    bpi_book *book = bpi_index_hot(index);
    index->key = key;
    book->entities.key = key;
    book->scopes.key = key;
}

void bpi_index_free(bpi_index *index)
{
    if (index == NULL) {
        return;
    }
    bpi_block_drop(index->active);
    bpi_index_drop_left(index);
    bpi_blocks_drop(index->kept);
    bpi_blocks_drop(index->mine);
    bpi_blocks_drop(atomic_load_explicit(&index->current, memory_order_acquire));
    bpi_index_release(index);
}

/* ---- names ---- */

bpi_entity *bpi_index_find_entity(bpi_index *index, bp_text name)
{
    return bpi_books_find(bpi_index_mine(index)->books, 0, name, bpi_name_fingerprint(name, index->key), true);
}

const bpi_names *bpi_index_expect_begin(bpi_index *index)
{
    /* In the order of all threads: who does not see this looker has replaced the book before it is looked at here. */
    atomic_fetch_add(&index->lookers, 1);
    return &atomic_load(&index->hot)->entities;
}

void bpi_index_expect_end(bpi_index *index)
{
    atomic_fetch_sub(&index->lookers, 1);
}

void bpi_index_expect_id(bpi_index *index, const bp_id *id)
{
    if (index->active != NULL) {
        bpi_table_prefetch(&index->active->ids, bpi_fingerprint(id, index->key));
    }
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
}

/* Into the newest book. NULL: no memory. */
static bpi_entity *add_known(bpi_index *index, bp_text name, uint32_t number, const bpi_head *head, bool is_entity)
{
    bpi_entity *added = bpi_names_add(bpi_book_names(bpi_index_hot(index), is_entity), name, number);
    if (added != NULL) {
        added->head = *head;
        atomic_store_explicit(&added->last, is_entity ? head->last : BP_NONE, memory_order_release);
    }
    return added;
}

/* The record of a head is of another entity, or another clock: blames the file that told of the head, then the one that told of
 * the name's number. */
static bool retire_liar(const bpi_blocks *blocks, uint64_t last, uint32_t number)
{
    return bpi_block_disbelieve(blocks->block[bpi_blocks_find(blocks, last)]) ||
           bpi_blocks_disbelieve_namer(blocks, blocks->count, number);
}

/* The head that sealed blocks tell of, held against its record when `confirm` is set. What they tell wrongly is asked again of what
 * takes their place, which is made from the log. */
static bp_status known_head(bpi_index *index, bp_text name, uint32_t *number, bool confirm, bpi_head *head_out,
                            bp_error *error)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    for (;;) {
        bp_event event = {.sequence = BP_NONE};
        bp_status status = bpi_blocks_find_entity(blocks, blocks->count, name, number, head_out, error);
        if (status == BP_OK && confirm) {
            status = bpi_index_event(index, head_out->last, &event, error);
        }
        if (status != BP_OK || !confirm) {
            return status;
        }
        head_out->hash = event.event_hash;
        if (bp_text_equal(event.entity, name) && event.clock + 1 == head_out->events) {
            return BP_OK;
        }
        if (!retire_liar(blocks, head_out->last, *number)) {
            return bpi_error_set(error, BP_ERR_CORRUPT, "the index names an event of another entity as its newest");
        }
    }
}

bp_status bpi_index_sealed_head(bpi_index *index, bp_text name, bpi_head *head_out, bp_error *error)
{
    uint32_t number = 0;
    return known_head(index, name, &number, true, head_out, error);
}

/* As sealed blocks know it, or new: from now on it is in memory. */
static bp_status adopt_entity(bpi_index *index, bp_text name, bool confirm, bpi_entity **entity_out, bp_error *error)
{
    bpi_head head = {.last = BP_NONE};
    uint32_t number = 0;
    bp_status status = known_head(index, name, &number, confirm, &head, error);
    if (status == BP_ERR_NOT_FOUND) {
        *entity_out = bpi_names_add(&bpi_index_hot(index)->entities, name, BPI_NO_NUMBER);
    } else if (status == BP_OK) {
        *entity_out = add_known(index, name, number, &head, true);
    } else {
        return status;
    }
    return *entity_out != NULL ? BP_OK : no_memory(error);
}

bp_status bpi_index_take_entity(bpi_index *index, bp_text name, uint32_t expected, bool confirm,
                                bpi_entity **entity_out, bool *added_out, bp_error *error)
{
    *added_out = false;
    *entity_out = bpi_names_find_hashed(&bpi_index_hot(index)->entities, name, expected);
    if (BPI_LIKELY(*entity_out != NULL)) {
        return BP_OK;
    }
    const bpi_blocks *blocks = bpi_index_mine(index);
    *added_out = true;
    const bpi_entity *older = bpi_books_find(blocks->books, 1, name, expected, true);
    if (older != NULL) {
        *entity_out = add_known(index, name, older->number, &older->head, true);
        return *entity_out != NULL ? BP_OK : no_memory(error);
    }
    return adopt_entity(index, name, confirm, entity_out, error);
}

bp_status bpi_index_doubt_entity(bpi_index *index, bp_text name, uint32_t expected, uint64_t clock, bpi_entity **entity,
                                 bp_error *error)
{
    bp_status status = BP_OK;
    for (unsigned doubt = 0; doubt < 2 && *entity != NULL && (*entity)->head.events != clock; doubt++) {
        const bpi_blocks *blocks = bpi_index_mine(index);
        bool added = false;
        if (doubt == 1) {
            (void)bpi_blocks_disbelieve_all(blocks, blocks->count);
        }
        bpi_index_undo_entity(index, *entity);
        status = bpi_index_take_entity(index, name, expected, true, entity, &added, error);
    }
    return status;
}

void bpi_index_undo_entity(bpi_index *index, bpi_entity *entity)
{
    bpi_names_remove_last(&bpi_index_hot(index)->entities, entity);
}

/* A scope that is not in the newest book comes into it. */
static bp_status take_in_scope(bpi_index *index, bp_text name, bpi_entity **scope_out, bp_error *error)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    bpi_head head = {.events = 0, .last = BP_NONE};
    uint32_t number = BPI_NO_NUMBER;
    const bpi_entity *older = bpi_books_find(blocks->books, 1, name, bpi_name_fingerprint(name, index->key), false);
    if (older != NULL) {
        head = older->head;
        number = older->number;
    } else {
        bp_status status = bpi_blocks_find_name(blocks, blocks->count, name, false, &number, error);
        if (status != BP_OK && status != BP_ERR_NOT_FOUND) {
            return status;
        }
    }
    *scope_out = add_known(index, name, number, &head, false);
    return *scope_out != NULL ? BP_OK : no_memory(error);
}

bp_status bpi_index_take_scope(bpi_index *index, bp_text name, bpi_entity **scope_out, bp_error *error)
{
    bpi_entity *scope = index->last_scope;
    if (scope == NULL || !bp_text_equal(scope->name, name)) { /* most often the same again */
        scope = bpi_names_find(&bpi_index_hot(index)->scopes, name);
    }
    bp_status status = scope == NULL ? take_in_scope(index, name, &scope, error) : BP_OK;
    if (status == BP_OK) {
        index->last_scope = scope;
        *scope_out = scope;
    }
    return status;
}

/* ---- blocks ---- */

/* About as many ids as the block before has; growing later costs a pause. */
static size_t expected_ids(const bpi_index *index, const bpi_blocks *blocks)
{
    size_t rows = blocks->count == 0 ? 0 : bpi_blocks_rows(blocks, blocks->count - 1, bpi_index_next(index));
    return rows < FIRST_IDS ? FIRST_IDS : rows + rows / 16;
}

bool bpi_index_begin_block(bpi_index *index, bpi_segment *segment, uint64_t first_sequence, size_t max_rows)
{
    const bpi_blocks *old = bpi_index_mine(index);
    if (old->count == 0) {
        atomic_store_explicit(&index->next, first_sequence, memory_order_release);
    }
    BPI_ASSERT(first_sequence == bpi_index_next(index));
    size_t ids = expected_ids(index, old);
    bpi_rows *rows = bpi_rows_new(&index->allocator, index->layout, max_rows);
    bpi_block *block =
        rows == NULL ? NULL : bpi_block_new(&index->allocator, segment, first_sequence, index->key, rows);
    if (block != NULL) {
        block->first_entity = atomic_load_explicit(&index->entity_mark, memory_order_relaxed);
        block->first_scope = atomic_load_explicit(&index->scope_mark, memory_order_relaxed);
    }
    if (block == NULL || !bpi_table_reserve(&block->ids, ids < max_rows ? ids : max_rows)) {
        bpi_block_drop(block);
        return false;
    }
    pthread_mutex_lock(&index->lock);
    /* Not what was seen above: some may have been sealed or merged meanwhile. */
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *blocks = bpi_blocks_new(index, now, now->count, 1);
    bpi_blocks *replaced = NULL;
    if (blocks != NULL) {
        blocks->block[blocks->count++] = block; /* with the reference that `new` gave */
        replaced = bpi_index_swap(index, blocks);
    }
    pthread_mutex_unlock(&index->lock);
    if (blocks == NULL) {
        bpi_block_drop(block);
        return false;
    }
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = bpi_block_hold(block);
    bpi_index_follow(index);
    if (!index->one_book && bpi_index_turn(index, max_rows)) { /* else names go on in the book that there is */
        (void)bpi_index_shed(index, false);
    }
    return true;
}

bool bpi_index_fits(bpi_index *index, const bpi_index_header *header)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    bpi_book *book = bpi_index_hot(index);
    if (blocks->count == 0 && book->entities.count == 0 && book->scopes.count == 0 && header->first_sequence == 0) {
        bpi_index_set_key(index, header->key);
    }
    return header->key == index->key && header->first_sequence == bpi_index_next(index) &&
           header->first_entity == atomic_load_explicit(&index->entity_mark, memory_order_relaxed) &&
           header->first_scope == atomic_load_explicit(&index->scope_mark, memory_order_relaxed);
}

/* Every open block becomes an image. False: no memory. */
static bool seal_open_blocks(bpi_index *index)
{
    uint32_t ordinal = 0;
    uint32_t again = 0;
    while (bpi_index_find_open(index, 0, &ordinal)) {
        if (!bpi_index_seal_block(index, ordinal) && bpi_index_find_open(index, 0, &again) && again == ordinal) {
            return false;
        }
    }
    return true;
}

bool bpi_index_attach(bpi_index *index, bpi_block *block)
{
    /* The names in memory are forgotten below: what an open block has of them must be in images first. */
    bool sealed = seal_open_blocks(index);
    const bpi_index_header *header = &block->image->header;
    pthread_mutex_lock(&index->lock);
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *blocks = sealed ? bpi_blocks_new(index, now, now->count, 1) : NULL;
    if (blocks == NULL) {
        pthread_mutex_unlock(&index->lock);
        bpi_block_drop(block);
        return false;
    }
    blocks->block[blocks->count++] = block;
    bpi_blocks *replaced = bpi_index_swap(index, blocks);
    atomic_store_explicit(&index->entity_mark, header->first_entity + header->entities, memory_order_release);
    atomic_store_explicit(&index->scope_mark, header->first_scope + header->scopes, memory_order_release);
    atomic_store_explicit(&index->next, header->first_sequence + header->rows, memory_order_release);
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = NULL;
    bpi_index_follow(index);
    /* What is in memory of names may be older than what the block knows. */
    index->last_scope = NULL;
    BPI_ASSERT(index->mine->books->count == 1);
    bpi_names_clear(&bpi_index_hot(index)->entities);
    bpi_names_clear(&bpi_index_hot(index)->scopes);
    return true;
}

bool bpi_index_reserve(bpi_index *index, size_t rows)
{
    bpi_block *block = index->active;
    if (block == NULL) {
        return false;
    }
    bpi_index_follow(index); /* lets go of what was sealed since */
    size_t count = (size_t)(bpi_index_next(index) - block->first) + rows;
    return bpi_rows_reserve(block->rows, count) && bpi_table_reserve(&block->ids, count);
}

/* ---- rows ---- */

/* What the row's field keeps of its causes. */
static uint32_t cause_field(uint64_t key, const bpi_row *row)
{
    uint32_t cause = 0;
    uint32_t marks = 0;
    for (size_t i = 0; i < row->cause_count; i++) {
        cause = bpi_cause_key(bpi_fingerprint(&row->causes[i], key));
        marks |= bpi_cause_marks(cause);
    }
    return row->cause_count == 1 ? cause : marks;
}

void bpi_fields_of(bpi_fields *fields, uint64_t sequence, uint64_t key, const bpi_numbers *numbers, const bpi_row *row)
{
    bool correlated = !bp_id_equal(&row->correlation, &row->id);
    *fields = (bpi_fields){
        .hlc = row->hlc,
        .time_us = row->time_us,
        .distance = row->previous == BP_NONE ? 0 : sequence - row->previous,
        .clock = row->clock < BPI_CLOCK_BIG ? (uint32_t)row->clock : BPI_CLOCK_BIG,
        .offset = row->offset,
        .entity = numbers->entity,
        .scope = numbers->scope,
        .correlation = bpi_fingerprint(correlated ? &row->correlation : &row->id, key),
        .cause = row->cause_count == 0 ? 0 : cause_field(key, row),
        .kind = row->dropped ? BPI_KIND_FOLDED : row->kind,
        .bits = (uint8_t)((row->dropped ? BPI_ROW_FOLDED : 0) | (row->first_of_commit ? BPI_ROW_FIRST : 0) |
                          (row->lane != 0 ? BPI_ROW_LANE : 0) | (row->cause_count > 1 ? BPI_ROW_MANY_CAUSES : 0) |
                          (correlated ? BPI_ROW_CORRELATED : 0) | (numbers->system ? BPI_ROW_SYSTEM : 0)),
    };
}

void bpi_block_append(bpi_block *block, uint32_t number, const bpi_numbers *numbers, const bpi_row *row)
{
    bpi_fields fields;
    bpi_fields_of(&fields, block->first + number, block->key, numbers, row);
    for (size_t i = 0; i < row->cause_count; i++) {
        bpi_causes_add(&block->causes, bpi_cause_key(bpi_fingerprint(&row->causes[i], block->key)), number);
    }
    bool correlated = (fields.bits & BPI_ROW_CORRELATED) != 0;
    bpi_rows_put(block->rows, number, &fields);
    bpi_rows_widen(block->rows, number, row->time_us);
    bpi_table_put(&block->ids, correlated ? bpi_fingerprint(&row->id, block->key) : fields.correlation, number);
    bpi_id_range_add(&block->id_range, &row->id);
    if (BPI_UNLIKELY(row->dropped)) {
        atomic_fetch_add_explicit(&block->folded, 1, memory_order_relaxed);
    }
    if (BPI_UNLIKELY(numbers->system)) {
        atomic_fetch_add_explicit(&block->system, 1, memory_order_relaxed);
    }
}

/* The number of a name, which it gets with its first event. There is one writer. (A name whose events were taken back has
 * a number that is not given any more; appended again in the same order it keeps it.) */
static uint32_t number_of(bpi_entity *name, _Atomic uint32_t *mark)
{
    uint32_t number = atomic_load_explicit(&name->number, memory_order_relaxed);
    uint32_t next = atomic_load_explicit(mark, memory_order_relaxed);
    if (BPI_UNLIKELY(number >= next)) {
        number = next;
        atomic_store_explicit(&name->number, number, memory_order_relaxed);
        atomic_store_explicit(mark, next + 1, memory_order_release);
    }
    return number;
}

void bpi_index_append(bpi_index *index, bpi_entity *entity, bpi_entity *scope, const bpi_row *row)
{
    bpi_block *block = index->active;
    uint64_t sequence = bpi_index_next(index);
    bpi_numbers numbers = {number_of(entity, &index->entity_mark), number_of(scope, &index->scope_mark),
                           entity->system};
    bpi_block_append(block, (uint32_t)(sequence - block->first), &numbers, row);
    bpi_names_settle(&bpi_index_hot(index)->entities, entity);
    bpi_names_settle(&bpi_index_hot(index)->scopes, scope);
    scope->head.last = sequence;
    atomic_store_explicit(&entity->last, sequence, memory_order_release);
    atomic_store_explicit(&index->next, sequence + 1, memory_order_release);
}

/* In the place of what views have shown since a truncate. */
static void publish_instead(bpi_index *index, uint64_t next_sequence)
{
    pthread_mutex_lock(&index->lock);
    bpi_blocks *kept = index->kept;
    index->kept = NULL;
    atomic_store_explicit(&index->published, next_sequence, memory_order_release);
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(kept);
}

void bpi_index_publish(bpi_index *index, uint64_t next_sequence)
{
    BPI_DEBUG_ASSERT(next_sequence <= bpi_index_next(index));
    if (BPI_UNLIKELY(index->kept != NULL)) {
        publish_instead(index, next_sequence);
    }
    atomic_store_explicit(&index->published, next_sequence, memory_order_release);
    if (BPI_UNLIKELY(index->left != NULL)) {
        bpi_index_drop_left(index);
    }
}

uint64_t bpi_index_published(const bpi_index *index)
{
    return atomic_load_explicit(&index->published, memory_order_acquire);
}

uint64_t bpi_index_next(const bpi_index *index)
{
    return atomic_load_explicit(&index->next, memory_order_acquire);
}

bp_status bpi_index_find_id(bpi_index *index, const bp_id *id, uint64_t *sequence_out, bp_error *error)
{
    return bpi_blocks_find_id(bpi_index_mine(index), id, bpi_index_next(index), sequence_out, error);
}

bp_status bpi_index_event(bpi_index *index, uint64_t sequence, bp_event *event_out, bp_error *error)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    if (sequence >= bpi_index_next(index) || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "event %llu is not in the index", (unsigned long long)sequence);
    }
    return bpi_blocks_event(blocks, sequence, event_out, error);
}

bool bpi_index_locate(bpi_index *index, uint64_t sequence, bpi_segment **segment_out, uint32_t *offset_out)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    if (sequence >= bpi_index_next(index) || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return false;
    }
    const bpi_block *block = blocks->block[bpi_blocks_find(blocks, sequence)];
    uint32_t row = (uint32_t)(sequence - block->first);
    *segment_out = bpi_block_part(block, row)->segment;
    *offset_out = bpi_row_u32(block->rows, row, BPI_ROW_OFFSET);
    return !bpi_block_broken(block);
}

bp_status bpi_index_kind(bpi_index *index, uint64_t sequence, bp_kind_code *kind_out, bp_error *error)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    const bpi_block *newest = blocks->count == 0 ? NULL : blocks->block[blocks->count - 1];
    bp_event event = {.kind = BP_KIND_DATA};
    bp_status status = BP_OK;
    /* The block that was appended to last may have been replaced. */
    if (BPI_LIKELY(newest != NULL && newest == index->active && newest->image == NULL && sequence >= newest->first &&
                   sequence < bpi_index_next(index))) {
        event.kind = bpi_row_kind(newest->rows, (uint32_t)(sequence - newest->first));
        event.dropped = event.kind == BPI_KIND_FOLDED;
    } else {
        status = bpi_index_event(index, sequence, &event, error);
    }
    if (status == BP_OK && event.dropped) {
        return bpi_error_set(error, BP_ERR_DROPPED, "event %llu was dropped by retention, and its kind with it",
                             (unsigned long long)sequence);
    }
    if (status == BP_OK) {
        *kind_out = event.kind;
    }
    return status;
}

uint64_t bpi_index_scope_newest(bpi_index *index, bp_text name)
{
    const bpi_entity *scope =
        bpi_books_find(bpi_index_mine(index)->books, 0, name, bpi_name_fingerprint(name, index->key), false);
    return scope == NULL ? BP_NONE : scope->head.last;
}

uint64_t bpi_index_active_first(const bpi_index *index)
{
    return index->active == NULL ? BP_NONE : index->active->first;
}

/* ---- counts ---- */

static void count_block(const bpi_block *block, uint32_t rows, unsigned shift, bpi_index_counts *counts)
{
    counts->tile_count += (rows + (UINT64_C(1) << shift) - 1) >> shift;
    if (block->file[0] != '\0') {
        counts->files++;
        counts->file_bytes += block->image->size;
        counts->mapped += block->image->size;
    }
    for (uint32_t i = 0; i < block->part_count; i++) {
        const bpi_segment *segment = block->parts[i].segment;
        if (atomic_load_explicit(&segment->mapped, memory_order_relaxed)) {
            counts->mapped += atomic_load_explicit(&segment->size, memory_order_relaxed);
        }
    }
}

void bpi_index_count(bpi_index *index, bpi_index_counts *counts_out)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    uint64_t end = bpi_index_next(index);
    memset(counts_out, 0, sizeof *counts_out);
    for (size_t i = 0; i < blocks->count; i++) {
        count_block(blocks->block[i], bpi_blocks_rows(blocks, i, end), bpi_layout_shift(index->layout), counts_out);
    }
    bpi_blocks_drop(blocks);
    pthread_mutex_lock(&index->lock);
    bool kept = index->kept != NULL;
    pthread_mutex_unlock(&index->lock);
    counts_out->entities =
        atomic_load_explicit(kept ? &index->kept_entities : &index->entity_mark, memory_order_relaxed);
    counts_out->scopes = atomic_load_explicit(kept ? &index->kept_scopes : &index->scope_mark, memory_order_relaxed);
    counts_out->bytes = atomic_load_explicit(&index->bytes, memory_order_relaxed);
}
