/*
 * error.h: filling in a bp_error. Each layer sets it once where the fault is found, or wraps it once with what it
 * was doing. Every function takes a NULL error and returns the status, so that `return bpi_error_set(...)` reads well.
 */
#ifndef BPI_BASE_ERROR_H
#define BPI_BASE_ERROR_H

#include <stdarg.h>

#include <batpak/status.h>

#include "base/compiler.h"

/* Resets the error and writes status and message. */
bp_status bpi_error_set(bp_error *error, bp_status status, const char *format, ...) BPI_PRINTF(3, 4);

/* The same with a message of `size` bytes that is ready, where time counts. */
bp_status bpi_error_words(bp_error *error, bp_status status, const char *message, size_t size);

/* The same for a system error: "<message>: <text of os_error>"; ENOSPC and EDQUOT give BP_ERR_NO_SPACE, ENOMEM
 * BP_ERR_NO_MEMORY, ENOENT BP_ERR_NOT_FOUND, all else BP_ERR_IO. */
bp_status bpi_error_system(bp_error *error, int os_error, const char *format, ...) BPI_PRINTF(3, 4);

/* Puts "<message>: " in front of what stands there; keeps everything else. Returns `status`. */
bp_status bpi_error_wrap(bp_error *error, bp_status status, const char *format, ...) BPI_PRINTF(3, 4);

/* Makes sense of what a caller's function answered with its error: BP_END and numbers that are no status become
 * BP_ERR_FORMAT, and "<who> refused" is the message of one that set none. BP_OK stays. */
bp_status bpi_error_callback(bp_error *error, bp_status status, const char *who);

/* Where and what to try; file and hint are formatted. */
void bpi_error_file(bp_error *error, const char *format, ...) BPI_PRINTF(2, 3);
void bpi_error_at(bp_error *error, uint64_t offset, const char *format, ...) BPI_PRINTF(3, 4); /* file and offset */
void bpi_error_hint(bp_error *error, const char *format, ...) BPI_PRINTF(2, 3);
void bpi_error_entity(bp_error *error, bp_text entity);

/* vsnprintf that cuts behind a whole UTF-8 character; "" when the format fails. */
void bpi_format_cut(char *text, size_t size, const char *format, va_list arguments);
/* Shortens a text of `length` bytes to end before a character that was cut in two. */
void bpi_drop_partial_character(char *text, size_t length);

#endif
