/*
 * heads.h: the last event hash of each entity, for telling an event what it follows. The hash of the previous event
 * is not stored with an event, so it has to come from the entity's chain.
 */
#ifndef BATPAK_CLI_HEADS_H
#define BATPAK_CLI_HEADS_H

#include "text.h"

struct head {
    uint64_t clock;
    bp_hash hash;
    uint32_t entity_size;
    char *entity; /* NULL: a free place */
};

struct heads {
    struct head *places;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t most; /* no entities beyond so many are kept; 0: no bound */
};

/* The last one noted for an entity, or NULL. */
const struct head *heads_find(const struct heads *heads, bp_text entity);
void heads_note(struct heads *heads, const bp_event *event);
void heads_free(struct heads *heads);

/*
 * The hash of the event before this one in its entity's chain: from the heads (NULL: there are none), else from the store. BP_END at the first
 * of an entity. BP_ERR_DROPPED: retention took that event away.
 */
bp_status heads_previous(const struct heads *heads, bp_store *store, const bp_event *event, bp_hash *hash_out,
                         bp_error *error);

#endif
