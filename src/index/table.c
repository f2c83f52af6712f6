/*
 * table.c: the hash table of ids and names.
 *
 * Holds: there is always an empty slot, so that every probe ends; an array is complete before it is published.
 */
#include "index/table.h"

#include "base/assert.h"
#include "base/memory.h"

enum { CAPACITY_MIN = 64 };

static size_t size_of(uint32_t capacity)
{
    return sizeof(bpi_slots) + (size_t)capacity * sizeof(uint64_t);
}

void bpi_table_init(bpi_table *table, const bp_allocator *allocator)
{
    table->allocator = allocator;
    atomic_init(&table->slots, NULL);
    table->used = 0;
}

void bpi_table_fini(bpi_table *table)
{
    bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    while (slots != NULL) {
        bpi_slots *older = slots->older;
        bpi_release(table->allocator, slots, size_of(slots->capacity));
        slots = older;
    }
    atomic_store_explicit(&table->slots, NULL, memory_order_relaxed);
}

static void put(bpi_slots *slots, uint32_t fingerprint, uint64_t slot)
{
    uint32_t at = bpi_slots_home(slots, fingerprint);
    while (atomic_load_explicit(&slots->slot[at], memory_order_relaxed) != 0) {
        at = at + 1 == slots->capacity ? 0 : at + 1;
    }
    atomic_store_explicit(&slots->slot[at], slot, memory_order_release);
}

/* A new array of that capacity with what is in the old one, not published yet. */
static bpi_slots *rebuilt(const bpi_table *table, size_t capacity, const bpi_slots *old, size_t *used_out)
{
    if (capacity >= BPI_TABLE_NUMBERS) {
        return NULL;
    }
    bpi_slots *slots = bpi_allocate_zero(table->allocator, size_of((uint32_t)capacity));
    if (slots == NULL) {
        return NULL;
    }
    slots->capacity = (uint32_t)capacity;
    *used_out = 0;
    for (uint32_t at = 0; old != NULL && at < old->capacity; at++) {
        uint64_t slot = atomic_load_explicit(&old->slot[at], memory_order_relaxed);
        if (slot != 0) {
            put(slots, (uint32_t)(slot >> 32), slot);
            (*used_out)++;
        }
    }
    return slots;
}

bool bpi_table_reserve(bpi_table *table, size_t count)
{
    bpi_slots *old = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t room = old == NULL ? 0 : (size_t)old->capacity * 7 / 10;
    if (count <= room) {
        return true;
    }
    size_t capacity = old == NULL ? CAPACITY_MIN : (size_t)old->capacity * 2;
    if (capacity * 7 / 10 < count) {
        capacity = count / 7 * 10 + 16;
    }
    size_t used = 0;
    bpi_slots *slots = rebuilt(table, capacity, old, &used);
    if (slots == NULL) {
        return false;
    }
    slots->older = old;
    table->used = used;
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return true;
}

bool bpi_table_reserve_tight(bpi_table *table, size_t count)
{
    size_t used = 0;
    bpi_slots *slots = rebuilt(table, count / 4 * 5 + 8, NULL, &used);
    if (slots == NULL) {
        return false;
    }
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return true;
}

void bpi_table_put(bpi_table *table, uint32_t fingerprint, uint32_t number)
{
    bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    BPI_ASSERT(slots != NULL && table->used + 1 < slots->capacity && number < BPI_TABLE_NUMBERS);
    put(slots, fingerprint, (uint64_t)fingerprint << 32 | (number + 1));
    table->used++;
}

static uint64_t slot_at(const bpi_slots *slots, uint32_t at)
{
    return atomic_load_explicit(&slots->slot[at], memory_order_relaxed);
}

static uint32_t after(const bpi_slots *slots, uint32_t at)
{
    return at + 1 == slots->capacity ? 0 : at + 1;
}

void bpi_table_remove(bpi_table *table, uint32_t fingerprint, uint32_t number)
{
    bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    uint64_t wanted = (uint64_t)fingerprint << 32 | (number + 1);
    uint32_t hole = bpi_slots_home(slots, fingerprint);
    while (slot_at(slots, hole) != wanted) {
        BPI_ASSERT(slot_at(slots, hole) != 0);
        hole = after(slots, hole);
    }
    /* What lies behind the hole moves into it unless that would put it before its home. */
    for (uint32_t at = after(slots, hole); slot_at(slots, at) != 0; at = after(slots, at)) {
        uint32_t home = bpi_slots_home(slots, (uint32_t)(slot_at(slots, at) >> 32));
        bool behind_hole = hole < at ? home > hole && home <= at : home > hole || home <= at;
        if (!behind_hole) {
            atomic_store_explicit(&slots->slot[hole], slot_at(slots, at), memory_order_release);
            hole = at;
        }
    }
    atomic_store_explicit(&slots->slot[hole], 0, memory_order_release);
    table->used--;
}

void bpi_table_copy(bpi_table *table, const bpi_table *from, uint32_t end)
{
    bpi_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    const bpi_slots *old = atomic_load_explicit(&from->slots, memory_order_acquire);
    for (uint32_t at = 0; old != NULL && at < old->capacity; at++) {
        uint64_t slot = atomic_load_explicit(&old->slot[at], memory_order_relaxed);
        if (slot != 0 && (uint32_t)slot - 1 < end) {
            put(slots, (uint32_t)(slot >> 32), slot);
            table->used++;
        }
    }
}
