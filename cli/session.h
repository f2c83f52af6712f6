/*
 * session.h: what most verbs begin with: opening a store, and reading ids and regions off the command line.
 *
 * Functions that return int return 0, or the exit code after having said what is wrong.
 */
#ifndef BATPAK_CLI_SESSION_H
#define BATPAK_CLI_SESSION_H

#include "options.h"
#include "output.h"

/* Reading verbs always use a reader: beside a writer, after a crash, on read-only media. */
int open_reader(const char *path, bp_store **store_out);
/* Never makes a store: that is `init`. payload_max 0: the library's default. */
int open_writer(const char *path, bp_durability durability, uint32_t payload_max, bp_store **store_out);
/* Closes it; an error counts if there was none before. */
int close_store(bp_store *store, int code);

/*
 * An id: a UUID, or urn:NAMESPACE:TEXT for the id that bp_id_from derives (urn:uuid:... is the UUID). Needs no store.
 */
bool id_parse(const char *text, size_t size, bp_id *id_out);
/* The same, or a sequence: 12 or #12. */
int id_find(bp_store *store, const char *text, bp_id *id_out);

/* The options that make up a region, for a verb's second group. */
extern const struct option region_options[];

/*
 * The region of those options and of the words behind DIR. `owner_out` holds its texts: bp_region_text_free.
 */
int region_read(bp_store *store, size_t count, char **words, bp_region *region_out, bp_region_text **owner_out);

extern const char exits_of_reading[];

#endif
