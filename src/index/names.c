/*
 * names.c: names and their numbers.
 *
 * Holds: an item is complete before the table leads to it and before `stable` covers it. What readers may be looking
 * at is never freed before the whole.
 */
#include "index/names.h"

#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "base/memory.h"
#include "index/image.h"

/* The first chunks come one by one, so that a small store stays small; then so many together as a large page holds. */
enum { CHUNKS_MIN = 16, ALONE = 32, TOGETHER = (2 << 20) / (BPI_NAMES_CHUNK * sizeof(bpi_name)) };

static size_t size_of(size_t capacity)
{
    return sizeof(bpi_name_chunks) + capacity * sizeof(bpi_name *);
}

static uint32_t fingerprint_of(const bpi_names *names, bp_text name)
{
    return bpi_name_fingerprint(name, names->key);
}

void bpi_names_init(bpi_names *names, const bp_allocator *allocator, uint64_t key)
{
    names->allocator = allocator;
    names->key = key;
    bpi_table_init(&names->table, allocator);
    atomic_init(&names->chunks, NULL);
    names->count = 0;
    names->chunk_count = 0;
    atomic_init(&names->stable, 0);
    (void)pthread_mutex_init(&names->lock, NULL); /* without attributes it cannot fail here */
}

static void free_text(bpi_names *names, bpi_name *name)
{
    if (name->entity.name.data != name->text) {
        union {
            const char *text;
            void *memory;
        } owned = {.text = name->entity.name.data};
        bpi_release(names->allocator, owned.memory, name->entity.name.size);
    }
}

static bpi_name *item(const bpi_names *names, uint32_t number)
{
    const bpi_name_chunks *chunks = atomic_load_explicit(&names->chunks, memory_order_acquire);
    return &chunks->chunk[number >> BPI_NAMES_SHIFT][number & (BPI_NAMES_CHUNK - 1)];
}

/* Chunks of the piece that begins with this one. */
static uint32_t chunks_of_piece(uint32_t first)
{
    return first < ALONE ? 1 : TOGETHER;
}

static size_t bytes_of_piece(uint32_t first)
{
    return (size_t)chunks_of_piece(first) * BPI_NAMES_CHUNK * sizeof(bpi_name);
}

void bpi_names_clear(bpi_names *names)
{
    for (uint32_t number = 0; number < names->count; number++) {
        free_text(names, item(names, number));
    }
    bpi_name_chunks *chunks = atomic_load_explicit(&names->chunks, memory_order_relaxed);
    for (uint32_t i = 0; i < names->chunk_count; i += chunks_of_piece(i)) {
        bpi_release(names->allocator, chunks->chunk[i], bytes_of_piece(i));
    }
    while (chunks != NULL) {
        bpi_name_chunks *older = chunks->older;
        bpi_release(names->allocator, chunks, size_of(chunks->capacity));
        chunks = older;
    }
    bpi_table_fini(&names->table);
    bpi_table_init(&names->table, names->allocator);
    atomic_store_explicit(&names->chunks, NULL, memory_order_relaxed);
    atomic_store_explicit(&names->stable, 0, memory_order_relaxed);
    names->count = 0;
    names->chunk_count = 0;
}

size_t bpi_names_bytes(const bpi_names *names)
{
    const bpi_slots *slots = atomic_load_explicit(&names->table.slots, memory_order_relaxed);
    return (size_t)names->chunk_count * BPI_NAMES_CHUNK * sizeof(bpi_name) +
           (slots == NULL ? 0 : (size_t)slots->capacity * 2 * sizeof(uint64_t));
}

void bpi_names_fini(bpi_names *names)
{
    bpi_names_clear(names);
    (void)pthread_mutex_destroy(&names->lock);
}

uint32_t bpi_names_stable(const bpi_names *names)
{
    return atomic_load_explicit(&names->stable, memory_order_acquire);
}

bpi_entity *bpi_names_at(const bpi_names *names, uint32_t place)
{
    return &item(names, place)->entity;
}

static void prefetch(const bpi_name *name)
{
    BPI_PREFETCH(name);
    BPI_PREFETCH(name->text);
}

uint32_t bpi_names_expect_slot(const bpi_names *names, bp_text name)
{
    uint32_t fingerprint = fingerprint_of(names, name);
    bpi_table_prefetch(&names->table, fingerprint);
    return fingerprint;
}

void bpi_names_expect_item(const bpi_names *names, uint32_t fingerprint)
{
    bpi_probe probe = bpi_table_probe(&names->table, fingerprint);
    uint32_t number = bpi_probe_next(&probe);
    if (number != BPI_TABLE_END) {
        prefetch(item(names, number));
    }
}

/* Looks among the numbers below `end`. */
static bpi_entity *look(const bpi_names *names, bp_text name, uint32_t fingerprint, uint32_t end)
{
    bpi_probe probe = bpi_table_probe(&names->table, fingerprint);
    uint32_t number;
    while ((number = bpi_probe_next(&probe)) != BPI_TABLE_END) {
        if (number < end) {
            bpi_name *found = item(names, number);
            prefetch(found);
            if (bp_text_equal(found->entity.name, name)) {
                return &found->entity;
            }
        }
    }
    return NULL;
}

bpi_entity *bpi_names_find(bpi_names *names, bp_text name)
{
    return look(names, name, fingerprint_of(names, name), names->count);
}

bpi_entity *bpi_names_find_hashed(bpi_names *names, bp_text name, uint32_t fingerprint)
{
    return look(names, name, fingerprint, names->count);
}

bpi_entity *bpi_names_read(bpi_names *names, bp_text name)
{
    uint32_t fingerprint = fingerprint_of(names, name);
    bpi_entity *found = look(names, name, fingerprint, bpi_names_stable(names));
    if (found == NULL) {
        pthread_mutex_lock(&names->lock);
        found = look(names, name, fingerprint, bpi_names_stable(names));
        pthread_mutex_unlock(&names->lock);
    }
    return found;
}

/* Room for one more item. */
static bool reserve(bpi_names *names)
{
    if (names->count < names->chunk_count << BPI_NAMES_SHIFT) {
        return true;
    }
    bpi_name_chunks *chunks = atomic_load_explicit(&names->chunks, memory_order_relaxed);
    uint32_t piece = chunks_of_piece(names->chunk_count);
    if (chunks == NULL || names->chunk_count + piece > chunks->capacity) {
        size_t capacity = chunks == NULL ? CHUNKS_MIN : chunks->capacity * 2 + piece;
        bpi_name_chunks *more = bpi_allocate_zero(names->allocator, size_of(capacity));
        if (more == NULL) {
            return false;
        }
        if (chunks != NULL) {
            memcpy(more->chunk, chunks->chunk, names->chunk_count * sizeof(void *));
        }
        more->older = chunks;
        more->capacity = capacity;
        atomic_store_explicit(&names->chunks, more, memory_order_release);
        chunks = more;
    }
    bpi_name *chunk = bpi_allocate(names->allocator, bytes_of_piece(names->chunk_count));
    if (chunk == NULL) {
        return false;
    }
    for (; piece > 0; piece--, chunk += BPI_NAMES_CHUNK) {
        chunks->chunk[names->chunk_count++] = chunk;
    }
    return true;
}

bpi_entity *bpi_names_add(bpi_names *names, bp_text name, uint32_t number)
{
    if (names->count >= BPI_TABLE_NUMBERS - TOGETHER * BPI_NAMES_CHUNK || !reserve(names) ||
        !bpi_table_reserve(&names->table, names->table.used + 1)) {
        return NULL;
    }
    bpi_name *added = item(names, names->count);
    char *text = added->text;
    if (name.size > BPI_NAME_INLINE) {
        text = bpi_allocate(names->allocator, name.size);
        if (text == NULL) {
            return NULL;
        }
    }
    memcpy(text, name.data, name.size);
    added->entity.name = (bp_text){text, name.size};
    atomic_init(&added->entity.number, number);
    added->entity.place = names->count;
    added->entity.system = bp_text_equal(name, bp_text_of(BP_SYSTEM_ENTITY));
    added->entity.head = (bpi_head){.events = 0, .last = BP_NONE};
    atomic_init(&added->entity.last, BP_NONE);
    bpi_table_put(&names->table, fingerprint_of(names, name), names->count);
    names->count++;
    return &added->entity;
}

void bpi_names_remove_last(bpi_names *names, bpi_entity *entity)
{
    BPI_ASSERT(entity->place + 1 == names->count);
    BPI_ASSERT(entity->place >= atomic_load_explicit(&names->stable, memory_order_relaxed));
    pthread_mutex_lock(&names->lock);
    bpi_table_remove(&names->table, fingerprint_of(names, entity->name), entity->place);
    pthread_mutex_unlock(&names->lock);
    names->count--;
    free_text(names, item(names, names->count));
}
