/*
 * utf8.c: characters in bytes. See utf8.h.
 */
#include "utf8.h"

#include <locale.h>
#include <wchar.h>

size_t utf8_length(const char *data, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)data;
    size_t length;
    uint8_t least = 0x80;
    uint8_t most = 0xbf;

    if (size == 0) {
        return 0;
    }
    if (bytes[0] < 0x80) {
        return 1;
    }
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4) {
        return 0;
    }
    length = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    /* The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF. */
    if (bytes[0] == 0xe0) {
        least = 0xa0;
    } else if (bytes[0] == 0xed) {
        most = 0x9f;
    } else if (bytes[0] == 0xf0) {
        least = 0x90;
    } else if (bytes[0] == 0xf4) {
        most = 0x8f;
    }
    if (size < length || bytes[1] < least || bytes[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

uint32_t utf8_character(const char *data, size_t length)
{
    static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const uint8_t *bytes = (const uint8_t *)data;
    uint32_t character = bytes[0] & first_mask[length];

    for (size_t i = 1; i < length; i++) {
        character = character << 6 | (bytes[i] & 0x3f);
    }
    return character;
}

size_t utf8_encode(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xc0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xe0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3f));
        out[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3f));
    out[2] = (char)(0x80 | (character >> 6 & 0x3f));
    out[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

int utf8_width(uint32_t character)
{
    static bool asked = false;
    static bool known = false;
    int width;

    if (character < 0x20 || (character >= 0x7f && character < 0xa0)) {
        return -1;
    }
    if (character < 0x300) {
        return 1;
    }
    /* Marks that turn the direction of writing would let a payload rewrite the line it stands in. */
    if ((character >= 0x200e && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
        (character >= 0x2066 && character <= 0x2069)) {
        return -1;
    }
    if (!asked) {
        asked = true;
        known = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    }
    width = known ? wcwidth((wchar_t)character) : 1;
    return width < 0 ? 1 : width;
}

size_t utf8_columns(const char *data, size_t size)
{
    size_t columns = 0;

    for (size_t i = 0; i < size;) {
        size_t length;
        int width;

        if (data[i] >= 0x20 && data[i] < 0x7f) {
            columns++;
            i++;
            continue;
        }
        length = utf8_length(data + i, size - i);
        width = length > 0 ? utf8_width(utf8_character(data + i, length)) : 1;

        columns += width > 0 ? (size_t)width : 0;
        i += length > 0 ? length : 1;
    }
    return columns;
}
