/*
 * status.c: the names and the few words of every status, and how an error is told in one line.
 *
 * Holds: every status of status.h has a name and a text here; a number that is none still gives both.
 */
#include <batpak/status.h>

#include <inttypes.h>
#include <stdarg.h>

#include "base/compiler.h"

typedef struct status_words {
    const char *name;
    const char *text;
} status_words;

/* Indexed by the status: the numbers are dense and never reused. */
static const status_words words[] = {
    [BP_OK] = {"BP_OK", "done"},
    [BP_END] = {"BP_END", "no more"},
    [BP_ERR_ARGUMENT] = {"BP_ERR_ARGUMENT", "wrong argument"},
    [BP_ERR_NAME] = {"BP_ERR_NAME", "bad name"},
    [BP_ERR_KIND] = {"BP_ERR_KIND", "reserved or unknown kind"},
    [BP_ERR_TOO_LARGE] = {"BP_ERR_TOO_LARGE", "limit exceeded"},
    [BP_ERR_NOT_FOUND] = {"BP_ERR_NOT_FOUND", "not found"},
    [BP_ERR_EXISTS] = {"BP_ERR_EXISTS", "exists already"},
    [BP_ERR_CONFLICT] = {"BP_ERR_CONFLICT", "expectation not met"},
    [BP_ERR_IDEMPOTENCY] = {"BP_ERR_IDEMPOTENCY", "id taken by another request"},
    [BP_ERR_CAUSE] = {"BP_ERR_CAUSE", "unknown cause"},
    [BP_ERR_CORRUPT] = {"BP_ERR_CORRUPT", "damaged"},
    [BP_ERR_VERSION] = {"BP_ERR_VERSION", "written by a newer format"},
    [BP_ERR_IO] = {"BP_ERR_IO", "input or output failed"},
    [BP_ERR_NO_SPACE] = {"BP_ERR_NO_SPACE", "no space left"},
    [BP_ERR_NO_MEMORY] = {"BP_ERR_NO_MEMORY", "out of memory"},
    [BP_ERR_LOCKED] = {"BP_ERR_LOCKED", "another process writes this store"},
    [BP_ERR_FAILED] = {"BP_ERR_FAILED", "an earlier write failed"},
    [BP_ERR_CLOSED] = {"BP_ERR_CLOSED", "closed"},
    [BP_ERR_READ_ONLY] = {"BP_ERR_READ_ONLY", "opened for reading only"},
    [BP_ERR_FORKED] = {"BP_ERR_FORKED", "handle from before a fork"},
    [BP_ERR_TIMEOUT] = {"BP_ERR_TIMEOUT", "timed out"},
    [BP_ERR_DIVERGED] = {"BP_ERR_DIVERGED", "position of another history"},
    [BP_ERR_REENTRANT] = {"BP_ERR_REENTRANT", "a hook called back into the store"},
    [BP_ERR_DENIED] = {"BP_ERR_DENIED", "denied by a gate"},
    [BP_ERR_UNSUPPORTED] = {"BP_ERR_UNSUPPORTED", "not supported"},
    [BP_ERR_FORMAT] = {"BP_ERR_FORMAT", "cannot be parsed"},
    [BP_ERR_HASH] = {"BP_ERR_HASH", "hash does not match"},
    [BP_ERR_NOT_EMPTY] = {"BP_ERR_NOT_EMPTY", "not empty"},
    [BP_ERR_DROPPED] = {"BP_ERR_DROPPED", "dropped by retention"},
};

static const status_words unknown_words = {"BP_ERR_?", "unknown status"};

static const status_words *words_of(bp_status status)
{
    size_t index = (size_t)status;
    return index < sizeof(words) / sizeof(words[0]) && words[index].name != NULL ? &words[index] : &unknown_words;
}

const char *bp_status_name(bp_status status)
{
    return words_of(status)->name;
}

const char *bp_status_text(bp_status status)
{
    return words_of(status)->text;
}

typedef struct line {
    char *buffer;
    size_t size;
    size_t length; /* what the whole would take */
} line;

static void line_put(line *out, const char *format, ...) BPI_PRINTF(2, 3);

static void line_put(line *out, const char *format, ...)
{
    size_t used = out->length < out->size ? out->length : out->size;
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(out->buffer == NULL ? NULL : out->buffer + used, out->size - used, format, arguments);
    va_end(arguments);
    out->length += more > 0 ? (size_t)more : 0;
}

size_t bp_error_format(const bp_error *error, char *buffer, size_t size)
{
    line out = {.buffer = buffer, .size = buffer == NULL ? 0 : size, .length = 0};
    if (out.size > 0) {
        buffer[0] = '\0';
    }
    bp_status status = error == NULL ? BP_OK : error->status;
    bool told = error != NULL && error->message[0] != '\0';
    line_put(&out, "%s", told ? error->message : bp_status_text(status));
    if (error == NULL) {
        return out.length;
    }
    if (error->file[0] != '\0') {
        line_put(&out, "; %s", error->file);
        if (error->has_offset) {
            line_put(&out, " at offset %" PRIu64, error->offset);
        }
    } else if (error->has_offset) {
        line_put(&out, "; at offset %" PRIu64, error->offset);
    }
    if (error->hint[0] != '\0') {
        line_put(&out, "; try: %s", error->hint);
    }
    return out.length;
}

int bp_print_error(FILE *stream, const bp_error *error)
{
    char text[BP_ERROR_MESSAGE_SIZE + BP_ERROR_PATH_SIZE + BP_ERROR_HINT_SIZE + 64];
    (void)bp_error_format(error, text, sizeof(text));
    if (stream != NULL) {
        (void)fprintf(stream, "%s\n", text);
    }
    return 1;
}
