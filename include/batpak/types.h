/*
 * types.h: the values everything else speaks in: text, ids, hashes, clocks, limits.
 */
#ifndef BATPAK_TYPES_H
#define BATPAK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define BP_API __attribute__((visibility("default")))
#define BP_MUST_USE __attribute__((warn_unused_result))
#define BP_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define BP_API
#define BP_MUST_USE
#define BP_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0
#define BP_VERSION "0.1.0"

/* The version of the linked library, "0.1.0"; compare with BP_VERSION. */
BP_API const char *bp_version(void);

/* Limits. Exceeding one is BP_ERR_TOO_LARGE (names: BP_ERR_NAME) and the message names it. */
#define BP_NAME_MAX 1024u                  /* bytes of an entity or scope name */
#define BP_PAYLOAD_DEFAULT_MAX (16u << 20) /* bytes of a payload unless the option `payload_max` says more */
#define BP_PAYLOAD_MAX (64u << 20)         /* the most that option may say */
#define BP_BATCH_MAX 4096u                 /* events of one batch */
#define BP_FRAME_MAX (256u << 20)  /* bytes of one commit, and of it once erased: 32 more for each payload of less */
#define BP_HOPS_MAX 64u            /* reactions that may lead to one event */
#define BP_CAUSES_MAX 64u          /* causes of one event */
#define BP_KIND_NAME_MAX 255u      /* bytes of a kind's name */
#define BP_SEGMENT_MIN (64u << 10) /* least segment_size */
#define BP_SEGMENT_MAX (1u << 30)  /* greatest segment_size */

#define BP_NONE UINT64_MAX /* "no clock", "no sequence" */

/* Bytes with a size, not owned, not necessarily NUL-terminated. Names are UTF-8. */
typedef struct bp_text {
    const char *data;
    size_t size;
} bp_text;

/* 128 bits, big-endian as a UUID prints. All zero is nil: no id. */
typedef struct bp_id {
    uint8_t bytes[16];
} bp_id;

/* A BLAKE3 digest. */
typedef struct bp_hash {
    uint8_t bytes[32];
} bp_hash;

/* When an event was committed: wall milliseconds << 16 | counter. Strictly increasing over a store. */
typedef uint64_t bp_hlc;

#define BP_HLC_MS(hlc) ((uint64_t)(hlc) >> 16)
#define BP_HLC_COUNTER(hlc) ((uint32_t)((hlc)&0xffffu))
#define BP_HLC_MIN_OF_MS(ms) ((bp_hlc)(ms) << 16)
#define BP_HLC_MAX_OF_MS(ms) (((bp_hlc)(ms) << 16) | 0xffffu)

/* Who and where: the coordinate of an event. */
typedef struct bp_coordinate {
    bp_text entity;
    bp_text scope;
} bp_coordinate;

/* How a payload's bytes are to be read. The library carries them as they are. */
typedef enum bp_payload_type { BP_PAYLOAD_RAW = 0, BP_PAYLOAD_JSON = 1, BP_PAYLOAD_MSGPACK = 2 } bp_payload_type;

/* Payload bytes, not owned. `version` is the caller's schema version, hashed with the event. */
typedef struct bp_payload {
    const void *data;
    size_t size;
    uint8_t type; /* a bp_payload_type, or 128..255 for the caller's own */
    uint16_t version;
} bp_payload;

/* A text from a NUL-terminated string (NULL gives an empty text). */
BP_API bp_text bp_text_of(const char *string);
BP_API bool bp_text_equal(bp_text a, bp_text b);

/* Coordinates and payloads from NUL-terminated strings and from bytes. Nothing is copied or checked here. */
BP_API bp_coordinate bp_at(const char *entity, const char *scope);
BP_API bp_coordinate bp_at_bytes(const void *entity, size_t entity_size, const void *scope, size_t scope_size);
BP_API bp_payload bp_raw(const void *data, size_t size);
BP_API bp_payload bp_json(const char *text);
BP_API bp_payload bp_json_bytes(const void *data, size_t size);
BP_API bp_payload bp_msgpack(const void *data, size_t size);
BP_API bp_payload bp_payload_versioned(bp_payload payload, uint16_t version);

/* ---- ids ---- */

BP_API bool bp_id_is_nil(const bp_id *id);
BP_API bool bp_id_equal(const bp_id *a, const bp_id *b);
BP_API int bp_id_compare(const bp_id *a, const bp_id *b);

/* The id that a namespace and some bytes give: BLAKE3, stamped as UUID version 8. Same input, same id, for ever. */
BP_API bp_id bp_id_from(const char *name_space, const void *data, size_t size);

/* "0192f0c1-....": 36 characters and a NUL. */
#define BP_ID_TEXT_SIZE 37
BP_API void bp_id_print(const bp_id *id, char text_out[BP_ID_TEXT_SIZE]);

/* Reads a UUID, with or without hyphens, upper or lower case, with or without a `name:` prefix. False if it is none. */
BP_API bool bp_id_parse(const char *text, size_t size, bp_id *id_out);

#define BP_HASH_TEXT_SIZE 65
BP_API void bp_hash_print(const bp_hash *hash, char text_out[BP_HASH_TEXT_SIZE]);
BP_API bool bp_hash_parse(const char *text, size_t size, bp_hash *hash_out);
BP_API bool bp_hash_equal(const bp_hash *a, const bp_hash *b);

/* ---- kinds ---- */

/* A kind is 4 bits of category and 12 bits of type. */
typedef uint16_t bp_kind_code;

#define BP_KIND(category, type) ((bp_kind_code)((((unsigned)(category)&0xfu) << 12) | ((unsigned)(type)&0xfffu)))

enum {
    BP_KIND_DATA = 0x0000, /* plain data: the one system kind that callers may append */
    BP_KIND_INIT = 0x0001,
    BP_KIND_SHUTDOWN = 0x0002,
    BP_KIND_HEARTBEAT = 0x0003,
    BP_KIND_CONFIG_CHANGE = 0x0004,
    BP_KIND_CHECKPOINT = 0x0005,
    BP_KIND_NAME = 0x0010,    /* a kind was given a name */
    BP_KIND_DENIAL = 0x0011,  /* a gate's refusal, on record */
    BP_KIND_ERASURE = 0x0012, /* a payload was erased: who, why, when */
    BP_KIND_POLICY = 0x0013,  /* the store's policy was changed */
    BP_KIND_TOMBSTONE = 0x0ffe,
    BP_KIND_ERROR = 0xd001,
    BP_KIND_RETRY = 0xd002,
    BP_KIND_ACK = 0xd004,
    BP_KIND_BACKPRESSURE = 0xd005,
    BP_KIND_CANCEL = 0xd006,
    BP_KIND_CONFLICT = 0xd007
};

/* category 0..15 and type 0..4095; bits beyond are cut. */
BP_API bp_kind_code bp_kind(unsigned category, unsigned type);
BP_API unsigned bp_kind_category(bp_kind_code kind);
BP_API unsigned bp_kind_type(bp_kind_code kind);
BP_API bool bp_kind_is_system(bp_kind_code kind);
BP_API bool bp_kind_is_effect(bp_kind_code kind);
/* May a caller append it? DATA, the named effects, and all of categories 1..C, E and F. */
BP_API bool bp_kind_is_open(bp_kind_code kind);

/* The entity and scope of what the library writes for itself; the entity is closed to callers. */
#define BP_SYSTEM_ENTITY "batpak:system"
#define BP_SYSTEM_SCOPE "batpak:system"

#ifdef __cplusplus
}
#endif

#endif
