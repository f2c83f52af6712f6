/*
 * text.h: bytes that grow, and the ways the command writes things into them: numbers, hex, base64, JSON.
 *
 * Memory that cannot be had ends the program with exit code 4: nothing here returns an error.
 */
#ifndef BATPAK_CLI_TEXT_H
#define BATPAK_CLI_TEXT_H

#include <batpak/batpak.h>

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

/* realloc that does not come back without memory. */
void *memory_resize(void *memory, size_t size);

/* Makes room for `more` bytes and returns where they go; the caller adds to `size` what it wrote. */
char *text_reserve(struct text *text, size_t more);
void text_add(struct text *text, const void *data, size_t size);
void text_add_string(struct text *text, const char *string);
void text_add_char(struct text *text, char character);
void text_add_repeated(struct text *text, char character, size_t count);
void text_add_u64(struct text *text, uint64_t value);
void text_add_i64(struct text *text, int64_t value);
void text_add_format(struct text *text, const char *format, ...);
void text_add_hex(struct text *text, const uint8_t *bytes, size_t size);
void text_add_id(struct text *text, const bp_id *id);
void text_add_base64(struct text *text, const void *data, size_t size);
/* With a NUL behind it, which does not count. */
const char *text_string(struct text *text);
void text_free(struct text *text);

/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void text_add_json(struct text *text, const char *data, size_t size);

/* Base64 into bytes, in place if need be; false if it is none. `out` has room for size / 4 * 3. */
bool base64_decode(const char *data, size_t size, uint8_t *out, size_t *size_out);

/*
 * JSON objects, member by member: put_open, put_..., put_close. A comma is written where one is needed. A NULL key
 * is for items of an array. Integers that a double does not hold exactly are written as strings.
 */
void put_open(struct text *text, const char *key, char bracket);
void put_close(struct text *text, char bracket);
void put_key(struct text *text, const char *key);
void put_text(struct text *text, const char *key, const char *data, size_t size);
void put_string(struct text *text, const char *key, const char *string);
void put_u64(struct text *text, const char *key, uint64_t value);
void put_i64(struct text *text, const char *key, int64_t value);
void put_bool(struct text *text, const char *key, bool value);
void put_number(struct text *text, const char *key, double value, int decimals);
void put_id(struct text *text, const char *key, const bp_id *id);
void put_hash(struct text *text, const char *key, const bp_hash *hash);
void put_kind(struct text *text, const char *key, bp_kind_code kind);
void put_hlc(struct text *text, const char *key, bp_hlc hlc);

#endif
