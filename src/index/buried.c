/*
 * buried.c: the set of tombstoned events: open addressing, grown by a copy that is published whole.
 */
#include "index/buried.h"

#include "base/memory.h"
#include "index/core.h"

enum { FIRST_SLOTS = 64 };

static size_t table_size(size_t slots)
{
    return sizeof(bpi_buried_table) + slots * sizeof(bpi_buried_slot);
}

/* Where the key is, or where it belongs. A table always has free slots. */
static size_t place(const bpi_buried_table *table, uint64_t key)
{
    size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (table->slots - 1);
    for (;;) {
        uint64_t there = atomic_load_explicit(&table->slot[at].key, memory_order_acquire);
        if (there == key || there == 0) {
            return at;
        }
        at = (at + 1) & (table->slots - 1);
    }
}

static void put(bpi_buried_table *table, uint64_t key, uint64_t by)
{
    bpi_buried_slot *slot = &table->slot[place(table, key)];
    atomic_store_explicit(&slot->by, by, memory_order_relaxed);
    atomic_store_explicit(&slot->key, key, memory_order_release);
}

void bpi_buried_fini(bpi_buried *buried, const bp_allocator *allocator)
{
    bpi_buried_table *table = atomic_load_explicit(&buried->current, memory_order_acquire);
    while (table != NULL) {
        bpi_buried_table *older = table->older;
        bpi_release(allocator, table, table_size(table->slots));
        table = older;
    }
}

bool bpi_buried_reserve(bpi_buried *buried, const bp_allocator *allocator, size_t more)
{
    bpi_buried_table *old = atomic_load_explicit(&buried->current, memory_order_relaxed);
    uint64_t wanted = atomic_load_explicit(&buried->count, memory_order_relaxed) + more;
    size_t slots = old == NULL ? FIRST_SLOTS : old->slots;
    while (slots / 10 * 7 < wanted) {
        slots *= 2;
    }
    if (old != NULL && slots == old->slots) {
        return true;
    }
    bpi_buried_table *table = bpi_allocate_zero(allocator, table_size(slots));
    if (table == NULL) {
        return false;
    }
    table->slots = slots;
    table->older = old;
    for (size_t i = 0; old != NULL && i < old->slots; i++) {
        uint64_t key = atomic_load_explicit(&old->slot[i].key, memory_order_relaxed);
        if (key != 0) {
            put(table, key, atomic_load_explicit(&old->slot[i].by, memory_order_relaxed));
        }
    }
    atomic_store_explicit(&buried->current, table, memory_order_release);
    return true;
}

void bpi_buried_add(bpi_buried *buried, uint64_t sequence, uint64_t by)
{
    bpi_buried_table *table = atomic_load_explicit(&buried->current, memory_order_relaxed);
    const bpi_buried_slot *slot = &table->slot[place(table, sequence + 1)];
    bool known = atomic_load_explicit(&slot->key, memory_order_relaxed) != 0;
    if (known && atomic_load_explicit(&slot->by, memory_order_relaxed) <= by) {
        return;
    }
    put(table, sequence + 1, by);
    if (!known) {
        atomic_fetch_add_explicit(&buried->count, 1, memory_order_relaxed);
    }
    if (by > atomic_load_explicit(&buried->newest, memory_order_relaxed)) {
        atomic_store_explicit(&buried->newest, by, memory_order_relaxed);
    }
}

bool bpi_buried_has(const bpi_buried *buried, uint64_t sequence, uint64_t end)
{
    const bpi_buried_table *table = atomic_load_explicit(&buried->current, memory_order_acquire);
    if (table == NULL) {
        return false;
    }
    const bpi_buried_slot *slot = &table->slot[place(table, sequence + 1)];
    return atomic_load_explicit(&slot->key, memory_order_acquire) != 0 &&
           atomic_load_explicit(&slot->by, memory_order_relaxed) < end;
}

/* ---- the index's ---- */

bool bpi_index_bury_reserve(bpi_index *index, size_t more)
{
    return bpi_buried_reserve(&index->buried, &index->allocator, more);
}

void bpi_index_bury(bpi_index *index, uint64_t sequence, uint64_t by)
{
    bpi_buried_add(&index->buried, sequence, by);
}

bool bpi_index_buried_below(const bpi_index *index, uint64_t sequence, uint64_t end)
{
    return bpi_buried_has(&index->buried, sequence, end);
}

uint64_t bpi_index_buried(const bpi_index *index)
{
    return atomic_load_explicit(&index->buried.count, memory_order_relaxed);
}

bool bpi_view_buried(const bpi_view *view, uint64_t sequence)
{
    return bpi_buried_has(&view->blocks->index->buried, sequence, view->end);
}

bool bpi_view_buried_since(const bpi_view *view, uint64_t next, bool (*visit)(void *argument, uint64_t sequence),
                           void *argument)
{
    const bpi_buried *buried = &view->blocks->index->buried;
    const bpi_buried_table *table = atomic_load_explicit(&buried->current, memory_order_acquire);
    if (table == NULL || atomic_load_explicit(&buried->newest, memory_order_relaxed) < next) {
        return true;
    }
    for (size_t i = 0; i < table->slots; i++) {
        uint64_t key = atomic_load_explicit(&table->slot[i].key, memory_order_acquire);
        uint64_t by = atomic_load_explicit(&table->slot[i].by, memory_order_relaxed);
        if (key != 0 && key - 1 < next && by >= next && by < view->end && !visit(argument, key - 1)) {
            return false;
        }
    }
    return true;
}
