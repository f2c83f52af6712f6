/*
 * outcome_json.c: JSON (RFC 8259) judged and measured in place.
 *
 * Holds: what passes is UTF-8, has no lone surrogate in its escapes and no control character in its strings.
 */
#include "policy/outcome_read.h"

#include "base/text.h"

static size_t spaces(const bpi_reader *reader, size_t at)
{
    while (at < reader->size) {
        uint8_t byte = reader->data[at];
        if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
            break;
        }
        at++;
    }
    return at;
}

static int hex_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hex digits, or -1. */
static int unit_at(const bpi_reader *reader, size_t at)
{
    int unit = 0;
    if (reader->size - at < 4) {
        return -1;
    }
    for (size_t index = 0; index < 4; index++) {
        int digit = hex_of(reader->data[at + index]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The character that the escape at *at (a backslash) stands for, and *at behind it; -1: it is none. */
static int32_t escape_at(const bpi_reader *reader, size_t *at)
{
    static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t left = reader->size - *at;
    if (left < 2) {
        return -1;
    }
    uint8_t name = reader->data[*at + 1];
    if (name != 'u') {
        for (size_t index = 0; index < sizeof(names) - 1; index += 2) {
            if ((uint8_t)names[index] == name) {
                *at += 2;
                return names[index + 1];
            }
        }
        return -1;
    }
    int unit = unit_at(reader, *at + 2);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return -1;
    }
    *at += 6;
    if (unit < 0xd800 || unit > 0xdbff) {
        return unit;
    }
    left = reader->size - *at;
    int low = left >= 6 && reader->data[*at] == '\\' && reader->data[*at + 1] == 'u' ? unit_at(reader, *at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    *at += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static bool string_skip(const bpi_reader *reader, size_t *at, const char **wrong_out)
{
    size_t start = *at + 1;
    *wrong_out = "no whole string";
    if (*at >= reader->size || reader->data[*at] != '"') {
        return false;
    }
    ++*at;
    while (*at < reader->size && reader->data[*at] != '"') {
        if (reader->data[*at] < 0x20) {
            *wrong_out = "a control character in a string";
            return false;
        }
        if (reader->data[*at] != '\\') {
            ++*at;
        } else if (escape_at(reader, at) < 0) {
            *wrong_out = "a bad escape";
            return false;
        }
    }
    if (*at >= reader->size) {
        return false;
    }
    if (!bpi_utf8_valid(reader->data + start, *at - start)) {
        *wrong_out = "a string that is not UTF-8";
        return false;
    }
    ++*at;
    return true;
}

static size_t digits(const bpi_reader *reader, size_t at)
{
    while (at < reader->size && reader->data[at] >= '0' && reader->data[at] <= '9') {
        at++;
    }
    return at;
}

static bool is_at(const bpi_reader *reader, size_t at, char one, char other)
{
    return at < reader->size && (reader->data[at] == (uint8_t)one || reader->data[at] == (uint8_t)other);
}

static bool number_skip(const bpi_reader *reader, size_t *at)
{
    size_t start = is_at(reader, *at, '-', '-') ? *at + 1 : *at;
    size_t end = digits(reader, start);
    if (end == start || (end - start > 1 && reader->data[start] == '0')) {
        return false;
    }
    if (is_at(reader, end, '.', '.')) {
        start = end + 1;
        end = digits(reader, start);
        if (end == start) {
            return false;
        }
    }
    if (is_at(reader, end, 'e', 'E')) {
        start = is_at(reader, end + 1, '+', '-') ? end + 2 : end + 1;
        end = digits(reader, start);
        if (end == start) {
            return false;
        }
    }
    *at = end;
    return true;
}

static bool word_skip(const bpi_reader *reader, size_t *at, const char *word)
{
    size_t index = 0;
    while (word[index] != '\0') {
        if (*at + index >= reader->size || reader->data[*at + index] != (uint8_t)word[index]) {
            return false;
        }
        index++;
    }
    *at += index;
    return true;
}

static bool scalar_skip(const bpi_reader *reader, size_t *at, const char **wrong_out)
{
    uint8_t first = *at < reader->size ? reader->data[*at] : 0;
    if (first == '"') {
        return string_skip(reader, at, wrong_out);
    }
    *wrong_out = "no JSON value";
    switch (first) {
    case 't':
        return word_skip(reader, at, "true");
    case 'f':
        return word_skip(reader, at, "false");
    case 'n':
        return word_skip(reader, at, "null");
    default:
        return number_skip(reader, at);
    }
}

/* A key, a colon, and the spaces around them. */
static bool key_skip(const bpi_reader *reader, size_t *at, const char **wrong_out)
{
    *at = spaces(reader, *at);
    if (!string_skip(reader, at, wrong_out)) {
        return false;
    }
    *at = spaces(reader, *at);
    if (!is_at(reader, *at, ':', ':')) {
        *wrong_out = "no colon behind a key";
        return false;
    }
    *at = spaces(reader, *at + 1);
    return true;
}

/* Behind a value: out of all containers that end here, then over a comma. *level is 0 when all is done. */
static bool close_skip(const bpi_reader *reader, const uint8_t *ends, size_t *level, size_t *at, const char **wrong_out)
{
    for (;;) {
        *at = spaces(reader, *at);
        if (*level == 0) {
            return true;
        }
        uint8_t end = ends[*level - 1];
        if (is_at(reader, *at, (char)end, (char)end)) {
            ++*at;
            --*level;
            continue;
        }
        if (!is_at(reader, *at, ',', ',')) {
            *wrong_out = "neither a comma nor an end";
            return false;
        }
        *at = spaces(reader, *at + 1);
        return end == ']' || key_skip(reader, at, wrong_out);
    }
}

bool bpi_json_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out)
{
    uint8_t ends[BPI_READ_DEPTH];
    size_t level = 0;
    *at = spaces(reader, *at);
    do {
        if (!is_at(reader, *at, '[', '{')) {
            if (!scalar_skip(reader, at, wrong_out) || !close_skip(reader, ends, &level, at, wrong_out)) {
                return false;
            }
            continue;
        }
        if (level == depth) {
            *wrong_out = "nested too deep";
            return false;
        }
        uint8_t end = reader->data[*at] == '[' ? ']' : '}';
        ends[level++] = end;
        *at = spaces(reader, *at + 1);
        if (is_at(reader, *at, (char)end, (char)end)) {
            if (!close_skip(reader, ends, &level, at, wrong_out)) {
                return false;
            }
        } else if (end == '}' && !key_skip(reader, at, wrong_out)) {
            return false;
        }
    } while (level != 0);
    return true;
}

static size_t put_utf8(uint32_t character, char out[4])
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t index = size - 1; index > 0; index--) {
        out[index] = (char)(0x80u | (character & 0x3fu));
        character >>= 6;
    }
    out[0] = (char)(leads[size] | character);
    return size;
}

bool bpi_json_text(const bpi_reader *reader, size_t at, char *out, size_t room, size_t *size_out)
{
    size_t size = 0;
    at++;
    while (reader->data[at] != '"') {
        char bytes[4] = {(char)reader->data[at]};
        size_t count = 1;
        if (reader->data[at] == '\\') {
            count = put_utf8((uint32_t)escape_at(reader, &at), bytes);
        } else {
            at++;
        }
        if (count > room - size) {
            return false;
        }
        for (size_t index = 0; index < count; index++) {
            out[size++] = bytes[index];
        }
    }
    *size_out = size;
    return true;
}
