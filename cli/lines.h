/*
 * lines.h: the lines of a file or pipe, read in big pieces and handed out where they lie.
 */
#ifndef BATPAK_CLI_LINES_H
#define BATPAK_CLI_LINES_H

#include "text.h"

enum lines_result {
    LINES_MORE, /* there may be one now */
    LINES_END,
    LINES_WAITING, /* nothing has come within the time given */
    LINES_TOO_LONG,
    LINES_ERROR /* errno says which */
};

struct lines {
    int file;
    bool regular; /* never makes us wait */
    bool at_end;
    struct text buffer;
    size_t start;
    size_t looked;  /* up to here there is no end of a line behind `start` */
    uint64_t bytes; /* handed out so far */
    uint64_t total; /* of a regular file, else 0 */
};

void lines_begin(struct lines *lines, int file);
/* A line without its end, valid until lines_fill; false when no whole one has been read. */
bool lines_take(struct lines *lines, char **line_out, size_t *size_out);
/* Reads on. Waits at most `wait_ms` for it; below 0: as long as it takes. */
enum lines_result lines_fill(struct lines *lines, int wait_ms);
void lines_end(struct lines *lines);

#endif
