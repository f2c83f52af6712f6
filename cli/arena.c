/*
 * arena.c: memory in chunks. See arena.h.
 */
#include "arena.h"

#include <stdlib.h>

enum { CHUNK_SIZE = 1 << 20, ALIGNMENT = 16 };

void *arena_take(struct arena *arena, size_t size)
{
    struct text *chunk;
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

    while (arena->current < arena->count) {
        chunk = &arena->chunks[arena->current];
        if (chunk->capacity - chunk->size >= rounded) {
            chunk->size += rounded;
            return chunk->data + chunk->size - rounded;
        }
        arena->current++;
    }
    arena->chunks = memory_resize(arena->chunks, (arena->count + 1) * sizeof *arena->chunks);
    chunk = &arena->chunks[arena->count++];
    *chunk = (struct text){0};
    (void)text_reserve(chunk, rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE);
    chunk->size = rounded;
    return chunk->data;
}

void arena_reset(struct arena *arena)
{
    for (size_t i = 0; i < arena->count; i++) {
        arena->chunks[i].size = 0;
    }
    arena->current = 0;
}

void arena_free(struct arena *arena)
{
    for (size_t i = 0; i < arena->count; i++) {
        text_free(&arena->chunks[i]);
    }
    free(arena->chunks);
    *arena = (struct arena){0};
}

size_t arena_size(const struct arena *arena)
{
    size_t size = 0;

    for (size_t i = 0; i < arena->count; i++) {
        size += arena->chunks[i].size;
    }
    return size;
}
