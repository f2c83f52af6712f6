/*
 * error.c: filling in a bp_error.
 *
 * Holds: every text is NUL-terminated and, when it had to be cut, ends with a whole UTF-8 character. The formats may
 * refer to the texts of the very error that they are written into.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

void bpi_drop_partial_character(char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 4 && ((uint8_t)text[start - 1] & 0xc0u) == 0x80u) {
        start--;
    }
    if (start == 0) {
        return;
    }
    uint8_t lead = (uint8_t)text[start - 1];
    size_t need = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : lead >= 0xc0u ? 2 : 1;
    if (need > 1 && length - (start - 1) < need) {
        text[start - 1] = '\0';
    }
}

void bpi_format_cut(char *text, size_t size, const char *format, va_list arguments)
{
    int length = vsnprintf(text, size, format, arguments);
    if (length < 0) {
        text[0] = '\0';
    } else if ((size_t)length >= size) {
        bpi_drop_partial_character(text, size - 1);
    }
}

static void set_message(bp_error *error, bp_status status, int os_error, const char *message)
{
    memset(error, 0, sizeof(*error));
    error->status = status;
    error->os_error = os_error;
    memcpy(error->message, message, BP_ERROR_MESSAGE_SIZE);
}

bp_status bpi_error_set(bp_error *error, bp_status status, const char *format, ...)
{
    if (error == NULL) {
        return status;
    }
    char message[BP_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(message, sizeof(message), format, arguments);
    va_end(arguments);
    set_message(error, status, 0, message);
    return status;
}

bp_status bpi_error_words(bp_error *error, bp_status status, const char *message, size_t size)
{
    if (error == NULL) {
        return status;
    }
    size = size < BP_ERROR_MESSAGE_SIZE ? size : BP_ERROR_MESSAGE_SIZE - 1;
    memset(error, 0, offsetof(bp_error, message));
    memmove(error->message, message, size);
    error->status = status;
    error->message[size] = '\0';
    error->file[0] = '\0';
    error->hint[0] = '\0';
    error->entity[0] = '\0';
    return status;
}

bp_status bp_error_set(bp_error *error, bp_status status, const char *format, ...)
{
    if (error == NULL) {
        return status;
    }
    char message[BP_ERROR_MESSAGE_SIZE] = "";
    va_list arguments;
    va_start(arguments, format);
    if (format != NULL) {
        bpi_format_cut(message, sizeof(message), format, arguments);
    }
    va_end(arguments);
    set_message(error, status, 0, message);
    return status;
}

bp_status bpi_error_callback(bp_error *error, bp_status status, const char *who)
{
    if (status == BP_OK) {
        return BP_OK;
    }
    bool known = status > BP_END && strcmp(bp_status_name(status), "BP_ERR_?") != 0;
    if (!known || error->status != status) {
        status = known ? status : BP_ERR_FORMAT;
        bpi_error_set(error, status, "%s refused", who);
    }
    return status;
}

static bp_status status_of_system(int os_error)
{
    switch (os_error) {
    case ENOSPC:
    case EDQUOT:
        return BP_ERR_NO_SPACE;
    case ENOMEM:
        return BP_ERR_NO_MEMORY;
    case ENOENT:
        return BP_ERR_NOT_FOUND;
    default:
        return BP_ERR_IO;
    }
}

/* Adds ": <tail>" to a message and cuts what is too long. */
static void append_cut(char *message, size_t size, const char *tail)
{
    size_t length = strlen(message);
    int more = snprintf(message + length, size - length, ": %s", tail);
    if (more > 0 && (size_t)more >= size - length) {
        bpi_drop_partial_character(message, size - 1);
    }
}

bp_status bpi_error_system(bp_error *error, int os_error, const char *format, ...)
{
    bp_status status = status_of_system(os_error);
    if (error == NULL) {
        return status;
    }
    char message[BP_ERROR_MESSAGE_SIZE];
    char words[128];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(message, sizeof(message), format, arguments);
    va_end(arguments);
    append_cut(message, sizeof(message), strerror_r(os_error, words, sizeof(words)));
    set_message(error, status, os_error, message);
    return status;
}

bp_status bpi_error_wrap(bp_error *error, bp_status status, const char *format, ...)
{
    if (error == NULL) {
        return status;
    }
    char message[BP_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(message, sizeof(message), format, arguments);
    va_end(arguments);
    append_cut(message, sizeof(message), error->message[0] != '\0' ? error->message : bp_status_text(status));
    memcpy(error->message, message, sizeof(message));
    error->status = status;
    return status;
}

void bpi_error_file(bp_error *error, const char *format, ...)
{
    if (error == NULL) {
        return;
    }
    char file[BP_ERROR_PATH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(file, sizeof(file), format, arguments);
    va_end(arguments);
    memcpy(error->file, file, sizeof(file));
    error->has_offset = false;
    error->offset = 0;
}

void bpi_error_at(bp_error *error, uint64_t offset, const char *format, ...)
{
    if (error == NULL) {
        return;
    }
    char file[BP_ERROR_PATH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(file, sizeof(file), format, arguments);
    va_end(arguments);
    memcpy(error->file, file, sizeof(file));
    error->has_offset = true;
    error->offset = offset;
}

void bpi_error_hint(bp_error *error, const char *format, ...)
{
    if (error == NULL) {
        return;
    }
    char hint[BP_ERROR_HINT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(hint, sizeof(hint), format, arguments);
    va_end(arguments);
    memcpy(error->hint, hint, sizeof(hint));
}

void bpi_error_entity(bp_error *error, bp_text entity)
{
    if (error == NULL) {
        return;
    }
    size_t size = entity.size < BP_ERROR_ENTITY_SIZE - 1 ? entity.size : BP_ERROR_ENTITY_SIZE - 1;
    bpi_copy(error->entity, entity.data, size);
    error->entity[size] = '\0';
    if (size < entity.size) {
        bpi_drop_partial_character(error->entity, size);
    }
}
