/*
 * lines.c: the lines of a file or pipe. See lines.h.
 */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_SIZE = 1 << 18, LONGEST_LINE = 1 << 29 };

void lines_begin(struct lines *lines, int file)
{
    struct stat status;

    *lines = (struct lines){.file = file};
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        lines->regular = true;
        lines->total = (uint64_t)status.st_size;
    }
}

bool lines_take(struct lines *lines, char **line_out, size_t *size_out)
{
    char *data = lines->buffer.data;
    size_t left = lines->buffer.size - lines->looked;
    char *end = left > 0 ? memchr(data + lines->looked, '\n', left) : NULL;
    size_t stop = end != NULL ? (size_t)(end - data) : lines->buffer.size;

    if (end == NULL && (!lines->at_end || stop == lines->start)) {
        lines->looked = lines->buffer.size;
        return false;
    }
    *line_out = data + lines->start;
    *size_out = stop - lines->start;
    lines->bytes += *size_out + (end != NULL);
    lines->start = stop + (end != NULL);
    lines->looked = lines->start;
    return true;
}

enum lines_result lines_fill(struct lines *lines, int wait_ms)
{
    struct pollfd watched = {.fd = lines->file, .events = POLLIN};
    ssize_t got;

    if (lines->at_end) {
        return LINES_END;
    }
    /* What was handed out makes room. */
    if (lines->start > 0) {
        memmove(lines->buffer.data, lines->buffer.data + lines->start, lines->buffer.size - lines->start);
        lines->buffer.size -= lines->start;
        lines->looked -= lines->start;
        lines->start = 0;
    }
    if (lines->buffer.size > LONGEST_LINE) {
        return LINES_TOO_LONG;
    }
    if (!lines->regular && wait_ms >= 0 && poll(&watched, 1, wait_ms) == 0) {
        return LINES_WAITING;
    }
    got = read(lines->file, text_reserve(&lines->buffer, PIECE_SIZE), PIECE_SIZE);
    if (got < 0) {
        return errno == EINTR ? LINES_WAITING : LINES_ERROR;
    }
    lines->buffer.size += (size_t)got;
    lines->at_end = got == 0;
    return LINES_MORE;
}

void lines_end(struct lines *lines)
{
    text_free(&lines->buffer);
}
