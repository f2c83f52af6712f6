/*
 * region.h: the one predicate. Built by functions or read from text; used by queries, counts, exports and everything
 * that follows or guards.
 *
 * Text form: fields separated by spaces, all of which must hold; an empty text is every event.
 *   entity=NAME  entity=PREFIX:*   scope=NAME   kind=NAME|0xF001|15:1   category=0xF
 *   clock=A..B  sequence=A..B  lane=N  time=A..B  committed=A..B  correlation=ID  cause=ID  system=yes
 *   tombstoned=yes|no
 * Ranges are inclusive; either end may be missing; a single value is a range of one. Times are 2026-01-31,
 * 2026-01-31T12:00:00Z (with or without fractions), or microseconds since 1970 (committed: milliseconds); a date or a
 * second as upper end means its last instant; committed takes ms.counter too, one HLC exactly. 1900 to 2199 alone are
 * refused: a year is written 2026-01-01..2026-12-31. A value with spaces or quotes stands in double quotes, with \" and
 * \\, and so does an entity that ends in a star: "a*" is that name, "a:\*" the name that ends in :*, a:* the prefix.
 */
#ifndef BATPAK_REGION_H
#define BATPAK_REGION_H

#include <batpak/event.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BP_REGION_ENTITY = 1 << 0,
    BP_REGION_PREFIX = 1 << 1, /* with ENTITY: the name itself and names that begin with it and a colon */
    BP_REGION_SCOPE = 1 << 2,
    BP_REGION_KIND = 1 << 3,
    BP_REGION_CATEGORY = 1 << 4,
    BP_REGION_CLOCK = 1 << 5,
    BP_REGION_SEQUENCE = 1 << 6,
    BP_REGION_TIME = 1 << 7,
    BP_REGION_COMMITTED = 1 << 8,
    BP_REGION_CORRELATION = 1 << 9,
    BP_REGION_CAUSE = 1 << 10,
    BP_REGION_LANE = 1 << 11,
    BP_REGION_SYSTEM = 1 << 12,    /* system events are included; else they are left out */
    BP_REGION_TOMBSTONED = 1 << 13 /* only events that are tombstoned, or only those that are not */
};

/* Texts are not owned: they must live as long as the region is used. Set it through the functions below. */
typedef struct bp_region {
    size_t size;
    uint32_t fields; /* BP_REGION_... */
    bp_text entity;
    bp_text scope;
    bp_kind_code kind;
    uint8_t category;
    uint32_t lane;
    uint64_t clock_min, clock_max;
    uint64_t sequence_min, sequence_max;
    int64_t time_min_us, time_max_us;
    bp_hlc committed_min, committed_max;
    bp_id correlation;
    bp_id cause;
    bool tombstoned;
} bp_region;

/* Every event but the system's. */
BP_API void bp_region_default(bp_region *region, size_t size);
static inline bp_region bp_region_all(void)
{
    bp_region region;
    bp_region_default(&region, sizeof region);
    return region;
}

/* Conveniences: one entity, one scope, one kind. */
BP_API bp_region bp_region_stream(const char *entity);
BP_API bp_region bp_region_by_scope(const char *scope);
BP_API bp_region bp_region_by_kind(bp_kind_code kind);
BP_API bp_region bp_region_by_correlation(const bp_id *correlation);
BP_API bp_region bp_region_effects_of(const bp_id *cause);

/* Each narrows the region; setting a field again replaces it. */
BP_API void bp_region_set_entity(bp_region *region, bp_text entity);
BP_API void bp_region_set_prefix(bp_region *region,
                                 bp_text prefix); /* an empty one is BP_ERR_ARGUMENT where the region is used */
BP_API void bp_region_set_scope(bp_region *region, bp_text scope);
BP_API void bp_region_set_kind(bp_region *region, bp_kind_code kind);
BP_API void bp_region_set_category(bp_region *region, unsigned category);
BP_API void bp_region_set_lane(bp_region *region, uint32_t lane);
BP_API void bp_region_set_clock(bp_region *region, uint64_t least, uint64_t greatest);
BP_API void bp_region_set_sequence(bp_region *region, uint64_t least, uint64_t greatest);
BP_API void bp_region_set_time_us(bp_region *region, int64_t least, int64_t greatest);
BP_API void bp_region_set_committed(bp_region *region, bp_hlc least, bp_hlc greatest);
BP_API void bp_region_set_correlation(bp_region *region, const bp_id *correlation);
BP_API void bp_region_set_cause(bp_region *region, const bp_id *cause);
BP_API void bp_region_set_system(bp_region *region, bool included);
/* tombstone.h. Asking reads the records: every event that the rest of the region lets through is looked at. */
BP_API void bp_region_set_tombstoned(bp_region *region, bool tombstoned);

/* Does the event lie in the region? Needs no store. Any thread. */
BP_API bool bp_region_matches(const bp_region *region, const bp_event *event);

/* Owns the texts of a parsed region. */
typedef struct bp_region_text bp_region_text;
struct bp_store;

/*
 * Reads the text form. Kind names are looked up in `store` (NULL: only numbers). *owner_out holds what the region
 * points to and is given to bp_region_text_free. BP_ERR_FORMAT: the message names the field and the column.
 */
BP_API BP_MUST_USE bp_status bp_region_parse(struct bp_store *store, const char *text, bp_region *region_out,
                                             bp_region_text **owner_out, bp_error *error);
BP_API void bp_region_text_free(bp_region_text *owner);

/* Writes the text form (kinds as numbers), NUL-terminated, cut to size; returns the whole length. Canonical: equal
 * regions give equal texts, and parsing gives the region back. */
BP_API size_t bp_region_format(const bp_region *region, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
