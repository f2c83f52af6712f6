/*
 * text.c: bytes that grow. See text.h.
 */
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum { LEAST_CAPACITY = 256 };

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Beyond these a double skips integers, and so do many JSON readers. */
static const uint64_t exact_max = UINT64_C(1) << 53;

void *memory_resize(void *memory, size_t size)
{
    void *result = realloc(memory, size > 0 ? size : 1);

    if (result == NULL) {
        (void)fputs("batpak: out of memory\n", stderr);
        exit(4);
    }
    return result;
}

char *text_reserve(struct text *text, size_t more)
{
    if (text->capacity - text->size < more) {
        size_t capacity = text->capacity * 2;

        if (capacity < text->size + more) {
            capacity = text->size + more;
        }
        if (capacity < LEAST_CAPACITY) {
            capacity = LEAST_CAPACITY;
        }
        text->data = memory_resize(text->data, capacity);
        text->capacity = capacity;
    }
    return text->data + text->size;
}

void text_add(struct text *text, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(text_reserve(text, size), data, size);
        text->size += size;
    }
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_char(struct text *text, char character)
{
    *text_reserve(text, 1) = character;
    text->size++;
}

void text_add_repeated(struct text *text, char character, size_t count)
{
    if (count > 0) {
        memset(text_reserve(text, count), character, count);
        text->size += count;
    }
}

void text_add_u64(struct text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value > 0);
    text_add(text, digits + at, sizeof digits - at);
}

void text_add_i64(struct text *text, int64_t value)
{
    if (value < 0) {
        text_add_char(text, '-');
        text_add_u64(text, 0 - (uint64_t)value);
    } else {
        text_add_u64(text, (uint64_t)value);
    }
}

void text_add_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size <= 0) {
        return;
    }
    (void)text_reserve(text, (size_t)size + 1);
    va_start(arguments, format);
    (void)vsnprintf(text->data + text->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)size;
}

void text_add_hex(struct text *text, const uint8_t *bytes, size_t size)
{
    char *out = text_reserve(text, size * 2);

    for (size_t i = 0; i < size; i++) {
        out[i * 2] = hex_digits[bytes[i] >> 4];
        out[i * 2 + 1] = hex_digits[bytes[i] & 0xf];
    }
    text->size += size * 2;
}

void text_add_id(struct text *text, const bp_id *id)
{
    static const uint8_t group_sizes[] = {4, 2, 2, 2, 6};
    const uint8_t *bytes = id->bytes;

    for (size_t i = 0; i < sizeof group_sizes; i++) {
        if (i > 0) {
            text_add_char(text, '-');
        }
        text_add_hex(text, bytes, group_sizes[i]);
        bytes += group_sizes[i];
    }
}

void text_add_base64(struct text *text, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    char *out = text_reserve(text, (size + 2) / 3 * 4);
    char *start = out;
    size_t i = 0;

    for (; i + 3 <= size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        *out++ = base64_digits[three >> 18];
        *out++ = base64_digits[three >> 12 & 63];
        *out++ = base64_digits[three >> 6 & 63];
        *out++ = base64_digits[three & 63];
    }
    if (i < size) {
        bool two = i + 2 == size;
        uint32_t rest = (uint32_t)bytes[i] << 16 | (two ? (uint32_t)bytes[i + 1] << 8 : 0);

        *out++ = base64_digits[rest >> 18];
        *out++ = base64_digits[rest >> 12 & 63];
        *out++ = (char)(two ? base64_digits[rest >> 6 & 63] : '=');
        *out++ = '=';
    }
    text->size += (size_t)(out - start);
}

const char *text_string(struct text *text)
{
    *text_reserve(text, 1) = '\0';
    return text->data;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool base64_decode(const char *data, size_t size, uint8_t *out, size_t *size_out)
{
    uint8_t *start = out;
    size_t padding = 0;

    if (size % 4 != 0) {
        return false;
    }
    while (padding < 2 && padding < size && data[size - padding - 1] == '=') {
        padding++;
    }
    for (size_t i = 0; i < size; i += 4) {
        size_t digits = i + 4 == size ? 4 - padding : 4;
        uint32_t bits = 0;

        for (size_t j = 0; j < 4; j++) {
            int value = j < digits ? base64_value(data[i + j]) : 0;

            if (value < 0) {
                return false;
            }
            bits = bits << 6 | (uint32_t)value;
        }
        /* Bits that the padding drops are zero: one text for one sequence of bytes. */
        if ((digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && (bits & 0xff) != 0)) {
            return false;
        }
        *out++ = (uint8_t)(bits >> 16);
        if (digits > 2) {
            *out++ = (uint8_t)(bits >> 8);
        }
        if (digits > 3) {
            *out++ = (uint8_t)bits;
        }
    }
    *size_out = (size_t)(out - start);
    return true;
}

static void add_json_special(struct text *text, uint8_t byte)
{
    static const char letters[] = "btnvfr";

    if (byte == '"' || byte == '\\') {
        text_add_char(text, '\\');
        text_add_char(text, (char)byte);
    } else if (byte >= '\b' && byte <= '\r' && byte != '\v') {
        text_add_char(text, '\\');
        text_add_char(text, letters[byte - '\b']);
    } else {
        text_add_format(text, "\\u%04x", (unsigned)byte);
    }
}

void text_add_json(struct text *text, const char *data, size_t size)
{
    size_t i = 0;

    (void)text_reserve(text, size + 2);
    text_add_char(text, '"');
    while (i < size) {
        size_t start = i;

        while (i < size && (uint8_t)data[i] >= 0x20 && (uint8_t)data[i] < 0x80 && data[i] != '"' && data[i] != '\\') {
            i++;
        }
        text_add(text, data + start, i - start);
        if (i == size) {
            break;
        }
        if ((uint8_t)data[i] < 0x80) {
            add_json_special(text, (uint8_t)data[i++]);
        } else {
            size_t length = utf8_length(data + i, size - i);

            if (length > 0) {
                text_add(text, data + i, length);
            } else {
                text_add_string(text, "\xef\xbf\xbd");
            }
            i += length > 0 ? length : 1;
        }
    }
    text_add_char(text, '"');
}

void put_key(struct text *text, const char *key)
{
    char last = (char)(text->size > 0 ? text->data[text->size - 1] : '{');

    if (last != '{' && last != '[' && last != '\n') {
        text_add_char(text, ',');
    }
    if (key != NULL) {
        text_add_char(text, '"');
        text_add_string(text, key);
        text_add(text, "\":", 2);
    }
}

void put_open(struct text *text, const char *key, char bracket)
{
    put_key(text, key);
    text_add_char(text, bracket);
}

void put_close(struct text *text, char bracket)
{
    text_add_char(text, bracket);
}

void put_text(struct text *text, const char *key, const char *data, size_t size)
{
    put_key(text, key);
    text_add_json(text, data, size);
}

void put_string(struct text *text, const char *key, const char *string)
{
    put_text(text, key, string, strlen(string));
}

void put_u64(struct text *text, const char *key, uint64_t value)
{
    bool quoted = value > exact_max;

    put_key(text, key);
    if (quoted) {
        text_add_char(text, '"');
    }
    text_add_u64(text, value);
    if (quoted) {
        text_add_char(text, '"');
    }
}

void put_i64(struct text *text, const char *key, int64_t value)
{
    if (value >= 0) {
        put_u64(text, key, (uint64_t)value);
        return;
    }
    put_key(text, key);
    if (value < -(int64_t)exact_max) {
        text_add_char(text, '"');
        text_add_i64(text, value);
        text_add_char(text, '"');
    } else {
        text_add_i64(text, value);
    }
}

void put_bool(struct text *text, const char *key, bool value)
{
    put_key(text, key);
    text_add_string(text, value ? "true" : "false");
}

void put_number(struct text *text, const char *key, double value, int decimals)
{
    put_key(text, key);
    text_add_format(text, "%.*f", decimals, value);
}

void put_id(struct text *text, const char *key, const bp_id *id)
{
    put_key(text, key);
    text_add_char(text, '"');
    text_add_id(text, id);
    text_add_char(text, '"');
}

void put_hash(struct text *text, const char *key, const bp_hash *hash)
{
    put_key(text, key);
    text_add_char(text, '"');
    text_add_hex(text, hash->bytes, sizeof hash->bytes);
    text_add_char(text, '"');
}

void put_kind(struct text *text, const char *key, bp_kind_code kind)
{
    char number[BP_KIND_TEXT_SIZE];

    bp_kind_print(kind, number);
    put_string(text, key, number);
}

void put_hlc(struct text *text, const char *key, bp_hlc hlc)
{
    put_key(text, key);
    text_add_char(text, '"');
    text_add_u64(text, BP_HLC_MS(hlc));
    text_add_char(text, '.');
    text_add_u64(text, BP_HLC_COUNTER(hlc));
    text_add_char(text, '"');
}
