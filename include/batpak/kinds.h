/*
 * kinds.h: names for kinds, kept in the log as system events. A kind has at most one name, a name one kind, for ever.
 */
#ifndef BATPAK_KINDS_H
#define BATPAK_KINDS_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Is this a good name for a kind? First an ASCII letter or a non-ASCII character, then also digits and . _ - / */
BP_API bool bp_kind_name_valid(const char *name, size_t size);

/* Reads `0xF001` or `15:1`; false for anything else. */
BP_API bool bp_kind_parse_number(const char *text, size_t size, bp_kind_code *kind_out);

/* "0xF001" and a NUL. */
#define BP_KIND_TEXT_SIZE 8
BP_API void bp_kind_print(bp_kind_code kind, char text_out[BP_KIND_TEXT_SIZE]);

/*
 * Gives a kind a name, durably as the store's default says. Asked again with the same pair: nothing is written, and BP_OK once
 * that is as durable.
 *   BP_ERR_NAME, BP_ERR_KIND (not open to callers), BP_ERR_EXISTS (the kind or the name is taken), append errors
 */
BP_API BP_MUST_USE bp_status bp_kind_define(bp_store *store, bp_kind_code kind, const char *name, bp_error *error);

/* The kind of a name or number as people write it: a name of the table, `0xF001`, `15:1`. BP_ERR_KIND: unknown. The
 * constants have names too: DATA, ERROR, RETRY, ACK, BACKPRESSURE, CANCEL, CONFLICT, ... */
BP_API BP_MUST_USE bp_status bp_kind_find(bp_store *store, const char *text, bp_kind_code *kind_out, bp_error *error);

/* The kind that the next new name is given: the first of category 1 with neither a name nor an event. Another thread or an
 * append may take it meanwhile: bp_kind_define says so (BP_ERR_EXISTS). BP_ERR_KIND: all are taken. Also on a reader. */
BP_API BP_MUST_USE bp_status bp_kind_next_free(bp_store *store, bp_kind_code *kind_out, bp_error *error);

/* The name of a kind: the table's, or that of a constant, else NULL. Lives as long as the store. Any thread. */
BP_API const char *bp_kind_name(bp_store *store, bp_kind_code kind);

/* Every named kind of the table in order of kind, with the number of its events. Non-zero from `visit` stops. */
typedef int (*bp_kind_fn)(void *argument, bp_kind_code kind, const char *name, uint64_t events);
/* Also visits kinds that have events but no name (name NULL). */
BP_API BP_MUST_USE bp_status bp_kinds(bp_store *store, bp_kind_fn visit, void *argument, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
