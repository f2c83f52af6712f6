/*
 * tools.h: the bytes of a store's files, with their fields named, for tools that look inside. docs/format.md is the
 * page behind it.
 */
#ifndef BATPAK_TOOLS_H
#define BATPAK_TOOLS_H

#include <batpak/event.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_FORMAT_VERSION 1
#define BP_MAGIC_MANIFEST "BATPAKMF"
#define BP_MAGIC_SEGMENTS "BATPAKSL"
#define BP_MAGIC_SEGMENT "BATPAKSG"
#define BP_MAGIC_LIVE "BATPAKLV"
#define BP_MAGIC_CONSUMER "BATPAKCN"
#define BP_MAGIC_SNAPSHOT "BATPAKSN"
#define BP_SEGMENT_EXTENSION ".seg"

/* "0000000003-1.seg" for ordinal 3, generation 1. */
#define BP_SEGMENT_NAME_SIZE 48
BP_API void bp_segment_name(uint32_t ordinal, uint32_t generation, char name_out[BP_SEGMENT_NAME_SIZE]);
BP_API bool bp_segment_name_parse(const char *name, uint32_t *ordinal_out, uint32_t *generation_out);

typedef enum bp_frame_type {
    BP_FRAME_DATA = 1,
    BP_FRAME_PAD = 2,
    BP_FRAME_MARK = 3,
    BP_FRAME_CLOSE = 4,
    BP_FRAME_FOLD = 5,
    BP_FRAME_APPLIED = 6,
    BP_FRAME_SIGNED_ROOT = 7
} bp_frame_type;

#define BP_FRAME_HEADER_SIZE 64

typedef struct bp_frame {
    uint64_t salt;
    uint32_t length;
    uint32_t record_count;
    uint8_t type;
    uint8_t flags;
    uint32_t epoch;
    uint64_t lsn;
    uint64_t first_sequence;
    uint64_t frontier;
    uint32_t origin;
    uint32_t previous_crc;
    uint32_t body_crc;
    uint32_t header_crc;
} bp_frame;

/* Reads 64 bytes. BP_ERR_CORRUPT: its CRC is wrong (the fields are filled in all the same). */
BP_API BP_MUST_USE bp_status bp_frame_decode(const void *bytes, size_t size, bp_frame *frame_out, bp_error *error);
/* Writes 64 bytes; computes header_crc. */
BP_API void bp_frame_encode(const bp_frame *frame, uint8_t bytes_out[BP_FRAME_HEADER_SIZE]);

/* Reads a record at the start of `bytes`; `store_id` is needed for its CRC. length_out: how long it is. The event is
 * a view into bytes. Any bytes are safe. */
BP_API BP_MUST_USE bp_status bp_record_decode(const void *bytes, size_t size, const bp_id *store_id,
                                              bp_event *event_out, size_t *length_out, bp_error *error);

/* One field of a file, in order of offset: `group` says of what ("slot 0", "frame 3 DATA", "record 17"). */
typedef struct bp_field {
    const char *group;
    const char *name;
    uint64_t offset;
    uint64_t size;
    const char *value; /* as text; lives during the call */
    bool bad;          /* it breaks the format */
} bp_field;

/* Non-zero stops. */
typedef int (*bp_field_fn)(void *argument, const bp_field *field);

/*
 * Names every field of one file of a store, `name` relative to its directory ("MANIFEST", "log/0000000000-1.seg",
 * "SEGMENTS-3", "live", "ERASING-..."). Hostile bytes are only bytes: what breaks the format is marked and stepped over where that is
 * possible. BP_ERR_FORMAT: not a file of a store.
 */
BP_API BP_MUST_USE bp_status bp_dump_file(const char *path, const char *name, const bp_io *io, bp_field_fn visit,
                                          void *argument, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
