/*
 * visited.c: the sequences a walk has found.
 *
 * Holds: the table is at most half full, so that every probe ends.
 */
#include "store/visited.h"

#include "base/memory.h"

enum { VISITS_MIN = 32 };

void bpi_visited_init(bpi_visited *visited, const bp_allocator *allocator)
{
    *visited = (bpi_visited){.allocator = allocator};
}

void bpi_visited_fini(bpi_visited *visited)
{
    bpi_release(visited->allocator, visited->visits, visited->capacity * sizeof visited->visits[0]);
    bpi_release(visited->allocator, visited->slots, visited->slot_count * sizeof visited->slots[0]);
}

static size_t home(const bpi_visited *visited, uint64_t sequence)
{
    return (size_t)((sequence * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (visited->slot_count - 1);
}

bool bpi_visited_has(const bpi_visited *visited, uint64_t sequence)
{
    if (visited->slot_count == 0) {
        return false;
    }
    for (size_t at = home(visited, sequence); visited->slots[at] != 0; at = (at + 1) & (visited->slot_count - 1)) {
        if (visited->visits[visited->slots[at] - 1].sequence == sequence) {
            return true;
        }
    }
    return false;
}

static void put(bpi_visited *visited, size_t place)
{
    size_t at = home(visited, visited->visits[place].sequence);
    while (visited->slots[at] != 0) {
        at = (at + 1) & (visited->slot_count - 1);
    }
    visited->slots[at] = (uint32_t)(place + 1);
}

/* Twice the room for visits, and twice as many slots as visits. */
static bool grow(bpi_visited *visited)
{
    size_t capacity = visited->capacity == 0 ? VISITS_MIN : visited->capacity * 2;
    if (capacity > UINT32_MAX / 2) {
        return false;
    }
    uint32_t *slots = bpi_allocate_array(visited->allocator, capacity * 2, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    bpi_visit *visits =
        bpi_resize(visited->allocator, visited->visits, visited->capacity * sizeof *visits, capacity * sizeof *visits);
    if (visits == NULL) {
        bpi_release(visited->allocator, slots, capacity * 2 * sizeof *slots);
        return false;
    }
    bpi_release(visited->allocator, visited->slots, visited->slot_count * sizeof *slots);
    visited->visits = visits;
    visited->capacity = capacity;
    visited->slots = slots;
    visited->slot_count = capacity * 2;
    for (size_t place = 0; place < visited->count; place++) {
        put(visited, place);
    }
    return true;
}

bool bpi_visited_add(bpi_visited *visited, uint64_t sequence, uint32_t depth)
{
    if (visited->count == visited->capacity && !grow(visited)) {
        return false;
    }
    visited->visits[visited->count] = (bpi_visit){.sequence = sequence, .depth = depth};
    put(visited, visited->count);
    visited->count++;
    return true;
}
