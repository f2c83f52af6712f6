/*
 * event.h: an event as it is read back, and questions about one event that need no store.
 */
#ifndef BATPAK_EVENT_H
#define BATPAK_EVENT_H

#include <batpak/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BP_FLAG_REQUIRES_ACK = 1, BP_FLAG_TRANSACTIONAL = 2, BP_FLAG_REPLAY = 8 };

/* Tags of extensions, as stored. A tag with the top bit set is private: it goes when the payload is erased. */
enum {
    BP_TAG_LANE = 0x0001,
    BP_TAG_CORRELATION = 0x0002,
    BP_TAG_GATES = 0x0003,
    BP_TAG_HOPS = 0x0004,
    BP_TAG_EXTERNAL = 0x0005,
    BP_TAG_SALVAGED = 0x0010, /* clock and hash before a repair: repair.h */
    BP_TAG_BYPASS = 0x8001,
    BP_TAG_SUBJECT = 0x8002
};

/* How an event whose payload is encrypted for a subject (keys.h) was handed out. */
typedef enum bp_encryption {
    BP_ENCRYPTION_NONE = 0, /* it is not encrypted */
    BP_ENCRYPTION_STORED =
        1, /* the payload is the encrypted one, as stored (bp_query_options.stored, the files' bytes) */
    BP_ENCRYPTION_OPENED = 2,   /* the payload was decrypted */
    BP_ENCRYPTION_SHREDDED = 3, /* payload absent: its key was destroyed */
    BP_ENCRYPTION_LOCKED = 4    /* payload absent: its key is not here, or is not ours to read */
} bp_encryption;

/*
 * A view: texts, causes, extensions and payload point into the store and live as long as what handed the event out (an
 * iterator until its next step or close, bp_get's event until bp_event_release).
 */
typedef struct bp_event {
    uint64_t sequence;
    bp_id id;
    bp_hlc hlc;      /* when it was committed */
    int64_t time_us; /* when it happened */
    uint64_t clock;  /* number within its entity, from 0 */
    bp_kind_code kind;
    uint16_t flags;
    uint8_t payload_type;
    bool payload_absent; /* erased, shredded, locked: payload_size is 0 and content_hash stands for it */
    bool tombstoned;     /* the log says that it is no longer to count: tombstone.h */
    bool external;       /* its causes may lie outside of this store */
    uint16_t payload_version;
    uint16_t cause_count;
    uint32_t lane;
    uint32_t depth;
    bp_text entity;
    bp_text scope;
    bp_id correlation; /* its own id unless one was given */
    const bp_id *causes;
    const void *payload;
    size_t payload_size;
    const uint8_t *extensions; /* public then private: tag (2), size (2), value, little-endian */
    size_t public_extensions_size;
    size_t private_extensions_size;
    bp_hash event_hash;
    uint8_t salt[16];
    bp_hash content_hash; /* when payload_absent, or decrypted; else zeros: bp_event_content_hash computes it */
    uint64_t position;    /* LSN: segment ordinal << 32 | byte offset of the record */
    uint64_t batch;       /* sequence of the first event of its commit */
    uint32_t batch_count; /* events in its commit; 1 for a single append */
    bool dropped;         /* retention took the event away; what is left: sequence, id, HLC, clock, names, event hash */
    bool converted;       /* payload, its type and version are not the stored ones: upcast.h */
    uint8_t encryption;   /* a bp_encryption */
} bp_event;

/* Its own time against `now`, microseconds, never negative. */
BP_API uint64_t bp_event_age_us(const bp_event *event, int64_t now_us);
BP_API bool bp_event_is_genesis(const bp_event *event);    /* the first of its entity */
BP_API bool bp_event_is_correlated(const bp_event *event); /* its correlation is not its own id */
BP_API bool bp_event_is_caused_by(const bp_event *event, const bp_id *cause);
BP_API bool bp_event_is_root_cause(const bp_event *event); /* it names no cause */
/* Finds an extension's value; false when it is not there. */
BP_API bool bp_event_extension(const bp_event *event, uint16_t tag, const uint8_t **value_out, size_t *size_out);

/* The hash over length, salt, private extensions and payload as stored; of a stub the stored one. */
BP_API bp_hash bp_event_content_hash(const bp_event *event);
/* The event hash computed anew, given the event hash of the entity's previous event (NULL at clock 0). */
BP_API bp_hash bp_event_compute_hash(const bp_event *event, const bp_hash *previous);
/* Does `event` follow `previous` (NULL: nothing) in its entity's chain, and is its hash right? */
BP_API bool bp_chain_verify(const bp_event *event, const bp_event *previous);

/* BLAKE3 of bytes, plain; for callers that want the same hash function. */
BP_API bp_hash bp_hash_bytes(const void *data, size_t size);

/* ---- position in the graph ---- */

/* Where an event stands: its place in time, and in the branches of its entity. */
typedef struct bp_place {
    bp_hlc hlc;
    uint64_t clock;
    uint32_t lane;
    uint32_t depth;
} bp_place;

typedef enum bp_order { BP_LESS = -1, BP_EQUAL = 0, BP_GREATER = 1, BP_INCOMPARABLE = 2 } bp_order;

BP_API bp_place bp_place_root(bp_hlc hlc);
BP_API bp_place bp_place_child(bp_place parent, bp_hlc hlc);               /* same lane, clock + 1 */
BP_API bp_place bp_place_fork(bp_place parent, uint32_t lane, bp_hlc hlc); /* new lane, depth + 1, clock 0 */
BP_API bp_place bp_place_of(const bp_event *event);
BP_API bool bp_place_is_root(bp_place place);
BP_API bool bp_place_is_ancestor_of(bp_place a, bp_place b); /* same lane and depth, lower clock */
BP_API bp_order bp_place_compare(bp_place a, bp_place b);    /* by clock within a lane and depth */
#define BP_PLACE_TEXT_SIZE 80
BP_API void bp_place_print(bp_place place, char text_out[BP_PLACE_TEXT_SIZE]); /* depth:lane:clock@ms.counter */

#ifdef __cplusplus
}
#endif

#endif
