/*
 * import_line.h: what one line of an import says.
 */
#ifndef BATPAK_CLI_IMPORT_LINE_H
#define BATPAK_CLI_IMPORT_LINE_H

#include "arena.h"
#include "scan.h"

struct import_line {
    uint64_t number; /* of the line, from 1 */
    bp_event event;  /* all its fields; views into the arena */
    bp_expectation expect;
    bool has_time;
    const char *subject;   /* NULL: it is not encrypted for anybody */
    const char *kind_name; /* NULL: event.kind counts */
    struct slice batch;    /* its text; data NULL: none */
    bool batch_known;      /* false when the line broke before it could be told */
    bool has_previous;
    bp_hash previous; /* prev_hash; zeros for null */
};

/* What is wrong with a line: a text and, unless it is 0, a column. */
struct import_fault {
    struct text what;
    size_t column;
};

/*
 * Reads a line, which is changed. `exact`: all that --exact needs must be there. False: `fault` says what is wrong, and
 * `batch` of the line is filled in all the same if it can be.
 */
bool import_line_read(struct import_line *line, char *text, size_t size, bool exact, struct arena *arena,
                      struct import_fault *fault);

#endif
