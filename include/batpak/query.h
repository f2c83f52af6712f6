/*
 * query.h: asking. Answers come in sequence order, forward or backward, as views into the store: nothing is copied.
 *
 * A query pins what is published when it begins and sees exactly that, however long it lasts and whatever is appended
 * meanwhile. Readers take no lock that a writer waits for. An open iterator keeps files and memory alive: close it.
 */
#ifndef BATPAK_QUERY_H
#define BATPAK_QUERY_H

#include <batpak/event.h>
#include <batpak/region.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_iterator bp_iterator;

typedef struct bp_query_options {
    size_t size;
    bool backward;  /* newest first */
    uint64_t limit; /* at most so many; 0 = all */
    bool resume;    /* go on behind `resume_after` (in the query's direction), which was the last one seen */
    uint64_t resume_after;
    const bp_kind_code *kinds; /* only these, beside what the region says; found by the index. Copied */
    size_t kind_count;         /* 0 = all kinds */
    bool stored;               /* payloads as stored, whatever converters are registered */
} bp_query_options;

BP_API void bp_query_options_default(bp_query_options *options, size_t size);
static inline void bp_query_options_init(bp_query_options *options)
{
    bp_query_options_default(options, sizeof *options);
}

/*
 * One event by its id. *event_out is a view that lives until bp_event_release. BP_ERR_NOT_FOUND: no such event is
 * published. BP_ERR_CORRUPT: its record is damaged; file and offset say where.
 */
BP_API BP_MUST_USE bp_status bp_get(bp_store *store, const bp_id *id, const bp_event **event_out, bp_error *error);

/* The same by sequence. */
BP_API BP_MUST_USE bp_status bp_get_sequence(bp_store *store, uint64_t sequence, const bp_event **event_out,
                                             bp_error *error);

/* The newest event of a region. */
BP_API BP_MUST_USE bp_status bp_newest(bp_store *store, const bp_region *region, const bp_event **event_out,
                                       bp_error *error);

/* Releases what bp_get, bp_get_sequence or bp_newest handed out. NULL is allowed. */
BP_API void bp_event_release(const bp_event *event);

/* Begins a query. region NULL: everything but system events. */
BP_API BP_MUST_USE bp_status bp_query(bp_store *store, const bp_region *region, const bp_query_options *options,
                                      bp_iterator **iterator_out, bp_error *error);

/* One entity's events in order of its clock: bp_query over bp_region_stream. */
BP_API BP_MUST_USE bp_status bp_stream(bp_store *store, const char *entity, const bp_query_options *options,
                                       bp_iterator **iterator_out, bp_error *error);

/*
 * The next event, a view until the next call. BP_END when there is no more (and again if asked again).
 * BP_ERR_CORRUPT: the record at hand is damaged; asking again goes on behind it. BP_ERR_NO_MEMORY, BP_ERR_IO: asking again tries the
 * same event once more.
 */
BP_API BP_MUST_USE bp_status bp_next(bp_iterator *iterator, const bp_event **event_out, bp_error *error);

/* The same without reading the record: only the sequence. A positive answer by correlation or cause is confirmed. */
BP_API BP_MUST_USE bp_status bp_next_sequence(bp_iterator *iterator, uint64_t *sequence_out, bp_error *error);

/*
 * The position of the state this iterator sees, wherever it stands: what a guard or a later resumption takes. Reads one
 * record. BP_ERR_CORRUPT: that record is damaged.
 */
BP_API BP_MUST_USE bp_status bp_iterator_position(const bp_iterator *iterator, bp_position *position_out,
                                                  bp_error *error);

/* NULL is allowed. */
BP_API void bp_iterator_close(bp_iterator *iterator);

/* How many events a region has. */
BP_API BP_MUST_USE bp_status bp_count(bp_store *store, const bp_region *region, uint64_t *count_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
