/*
 * arena.h: memory that is given back all at once. Addresses stay; what was taken from the system is kept for the next
 * round.
 */
#ifndef BATPAK_CLI_ARENA_H
#define BATPAK_CLI_ARENA_H

#include "text.h"

struct arena {
    struct text *chunks;
    size_t count;
    size_t current;
};

void *arena_take(struct arena *arena, size_t size);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);
size_t arena_size(const struct arena *arena);

#endif
