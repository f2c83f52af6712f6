/*
 * text.h: names. A name is valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF), 1..1024 bytes, without
 * control characters (U+0000..U+001F, U+007F..U+009F).
 */
#ifndef BPI_BASE_TEXT_H
#define BPI_BASE_TEXT_H

#include <batpak/status.h>

/* BP_OK, or BP_ERR_NAME with a message that says what is wrong with which name ("entity", "scope"). */
bp_status bpi_name_check(bp_text name, const char *what, size_t max, bp_error *error);

/* The same without words, for bytes found in a file. */
bool bpi_name_valid(const uint8_t *bytes, size_t size, size_t max);

/* Any text: valid UTF-8 of any length, control characters included. */
bool bpi_utf8_valid(const uint8_t *bytes, size_t size);

#endif
