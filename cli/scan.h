/*
 * scan.h: JSON text as it was written. Checks a text against RFC 8259 and hands out where its values stand, without
 * building anything.
 *
 * A payload is kept byte for byte (1.10 stays 1.10, 2^64 stays 2^64, keys keep their order, escapes stay escapes), and
 * an import must be bound by the log, so neither a tree nor an allocation is made here. What is refused beyond the
 * grammar: bytes that are no UTF-8, escapes of half a surrogate pair, and nesting deeper than SCAN_DEPTH_MAX.
 */
#ifndef BATPAK_CLI_SCAN_H
#define BATPAK_CLI_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_DEPTH_MAX = 512 };

/* A value where it stands. Strings with their quotes. */
struct slice {
    char *data;
    size_t size;
    bool spaced; /* white space stands between its parts */
};

struct scan {
    char *text;
    size_t size;
    size_t at;
    const char *wrong; /* what is wrong at `at`; NULL: nothing */
};

/* The next value. False: `wrong` and `at` say why. */
bool scan_value(struct scan *scan, struct slice *value_out);

/* Nothing but white space is left. */
bool scan_end(struct scan *scan);

/* Steps into an object at the next value. */
bool scan_object(struct scan *scan);
/* Its next member; 1, 0 at its end, -1 when something is wrong. `first` is true for the first. */
int scan_member(struct scan *scan, bool first, struct slice *key_out, struct slice *value_out);

/* The same for an array. */
bool scan_array(struct scan *scan);
int scan_item(struct scan *scan, bool first, struct slice *value_out);

/* Takes the white space between the parts out, in place. */
void slice_compact(struct slice *slice);

/* The characters of a string, in place: the slice loses its quotes and escapes. False if it is no string. */
bool slice_unquote(struct slice *slice);

bool slice_is(const struct slice *slice, const char *text);

/* Is this a JSON text that slice_compact would leave as it is? */
bool scan_is_compact(const char *text, size_t size);

/* The column, from 1 and in characters, of an offset. */
size_t scan_column(const char *text, size_t offset);

#endif
