/*
 * reindex.h: throwing away what is derived and building it anew from the log.
 */
#ifndef BATPAK_REINDEX_H
#define BATPAK_REINDEX_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_reindex_report {
    uint64_t events; /* in the store */
    uint64_t files;  /* index files that were written and are in use */
    uint64_t bytes;  /* of them */
} bp_reindex_report;

/*
 * Removes all index files and makes new ones: the log is read from its first event on, with every check of an opening, so
 * that damage in a sealed segment shows here, too. No answer of the store changes. The store must not be open for
 * writing; readers beside it go on with what they have.
 *
 * options: as for bp_open, which this does and closes again (`create` means nothing); NULL: the defaults. `progress` is told of the
 * log's bytes. report_out may be NULL. Blocks for as long as reading the log takes; any thread.
 *
 * Errors as bp_open and bp_close; BP_ERR_IO, BP_ERR_NO_SPACE also when a file could not be written. After an error index files may be missing; they are made by the next opening.
 */
BP_API BP_MUST_USE bp_status bp_reindex(const char *path, const bp_options *options, bp_reindex_report *report_out,
                                        bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
