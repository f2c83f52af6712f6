/*
 * heads.c: the last event hash of each entity, in an open hash table. See heads.h.
 */
#include "heads.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 1024 };

/* FNV-1a, eight bytes at a step. Names are no secret and a slow table is no harm here. */
static size_t place_of(const struct heads *heads, const char *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    while (size >= 8) {
        uint64_t word;

        memcpy(&word, data, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 32;
        data += 8;
        size -= 8;
    }
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 29;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 20) & (heads->capacity - 1);
}

/* The entity's place, or the free one where it belongs. */
static struct head *find_place(const struct heads *heads, const char *data, size_t size)
{
    size_t at = place_of(heads, data, size);

    while (heads->places[at].entity != NULL &&
           (heads->places[at].entity_size != size || memcmp(heads->places[at].entity, data, size) != 0)) {
        at = (at + 1) & (heads->capacity - 1);
    }
    return &heads->places[at];
}

const struct head *heads_find(const struct heads *heads, bp_text entity)
{
    const struct head *head;

    if (heads->capacity == 0) {
        return NULL;
    }
    head = find_place(heads, entity.data, entity.size);
    return head->entity != NULL ? head : NULL;
}

static void grow(struct heads *heads)
{
    struct heads larger = {.capacity = heads->capacity > 0 ? heads->capacity * 2 : FIRST_CAPACITY};

    larger.places = memory_resize(NULL, larger.capacity * sizeof *larger.places);
    memset(larger.places, 0, larger.capacity * sizeof *larger.places);
    for (size_t i = 0; i < heads->capacity; i++) {
        if (heads->places[i].entity != NULL) {
            *find_place(&larger, heads->places[i].entity, heads->places[i].entity_size) = heads->places[i];
        }
    }
    free(heads->places);
    heads->places = larger.places;
    heads->capacity = larger.capacity;
}

void heads_note(struct heads *heads, const bp_event *event)
{
    struct head *head;

    if (heads->count * 2 >= heads->capacity) {
        grow(heads);
    }
    head = find_place(heads, event->entity.data, event->entity.size);
    if (head->entity == NULL) {
        if (heads->most > 0 && heads->count == heads->most) {
            return;
        }
        head->entity = memory_resize(NULL, event->entity.size);
        memcpy(head->entity, event->entity.data, event->entity.size);
        head->entity_size = (uint32_t)event->entity.size;
        heads->count++;
    }
    head->clock = event->clock;
    head->hash = event->event_hash;
}

void heads_free(struct heads *heads)
{
    for (size_t i = 0; i < heads->capacity; i++) {
        free(heads->places[i].entity);
    }
    free(heads->places);
    *heads = (struct heads){0};
}

bp_status heads_previous(const struct heads *heads, bp_store *store, const bp_event *event, bp_hash *hash_out,
                         bp_error *error)
{
    const struct head *head;
    const bp_event *previous = NULL;
    bp_region region = bp_region_all();
    bp_status status;

    if (event->clock == 0) {
        return BP_END;
    }
    head = heads == NULL ? NULL : heads_find(heads, event->entity);
    if (head != NULL && head->clock == event->clock - 1) {
        *hash_out = head->hash;
        return BP_OK;
    }
    bp_region_set_entity(&region, event->entity);
    bp_region_set_clock(&region, event->clock - 1, event->clock - 1);
    bp_region_set_system(&region, true);
    status = bp_newest(store, &region, &previous, error);
    if (status == BP_OK) {
        *hash_out = previous->event_hash;
        bp_event_release(previous);
    }
    return status == BP_ERR_NOT_FOUND ? BP_ERR_DROPPED : status; /* clocks are dense: it was there */
}
