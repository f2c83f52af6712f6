/*
 * utf8.h: characters in bytes, and how wide they are on a terminal.
 */
#ifndef BATPAK_CLI_UTF8_H
#define BATPAK_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed character at the start of data, 0 if there is none. */
size_t utf8_length(const char *data, size_t size);

/* The character there; utf8_length was not 0. */
uint32_t utf8_character(const char *data, size_t length);

/* 1..4 bytes of a character; out has room for 4. */
size_t utf8_encode(uint32_t character, char *out);

/* Columns that a character takes; 0 for what combines, -1 for what is better not sent to a terminal. */
int utf8_width(uint32_t character);

/* Columns that a text takes. */
size_t utf8_columns(const char *data, size_t size);

#endif
