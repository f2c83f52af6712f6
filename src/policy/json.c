/*
 * json.c: a scanner for RFC 8259, strict, without memory of its own.
 */
#include "policy/json.h"

#include <string.h>

#include "base/text.h"

enum { DEPTH_MOST = 64, KEY_MOST = 256 };

typedef struct scanner {
    const char *at;
    const char *end;
    const char *wrong;
} scanner;

static bool fail(scanner *s, const char *what)
{
    s->wrong = s->wrong != NULL ? s->wrong : what;
    return false;
}

static void skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

/* The next character; NUL at the end. */
static char peek(const scanner *s)
{
    static const char none = '\0';
    return *(s->at < s->end ? s->at : &none);
}

static bool take(scanner *s, char c)
{
    bool there = s->at < s->end && *s->at == c;
    s->at += there;
    return there;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool scan_escape(scanner *s)
{
    if (s->at == s->end) {
        return fail(s, "a string without an end");
    }
    char c = *s->at++;
    if (c != 'u') {
        return strchr("\"\\/bfnrt", c) != NULL && c != '\0' ? true : fail(s, "an escape that is none");
    }
    for (unsigned i = 0; i < 4; i++) {
        if (s->at == s->end || hex_value(*s->at++) < 0) {
            return fail(s, "an escape that is none");
        }
    }
    return true;
}

/* Behind the opening quote. */
static bool scan_string(scanner *s)
{
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0x20) {
            return fail(s, "a control character in a string");
        }
        if (c == '\\') {
            s->at++;
            if (!scan_escape(s)) {
                return false;
            }
            continue;
        }
        size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        bool control = c == 0xc2; /* U+0080..U+009F: odd, but JSON */
        if (size > (size_t)(s->end - s->at) || (size > 1 && !(control && ((unsigned char)s->at[1] & 0xc0) == 0x80) &&
                                                !bpi_name_valid((const uint8_t *)s->at, size, 4))) {
            return fail(s, "a string that is not UTF-8");
        }
        s->at += size;
    }
    return fail(s, "a string without an end");
}

static bool scan_digits(scanner *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return s->at > from;
}

static bool scan_number(scanner *s, bpi_json_type *type_out)
{
    *type_out = BPI_JSON_INTEGER;
    (void)take(s, '-');
    if (!take(s, '0') && !scan_digits(s)) {
        return fail(s, "a value that is none");
    }
    if (take(s, '.')) {
        *type_out = BPI_JSON_NUMBER;
        if (!scan_digits(s)) {
            return fail(s, "a number without digits behind its point");
        }
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        *type_out = BPI_JSON_NUMBER;
        s->at++;
        (void)(take(s, '+') || take(s, '-'));
        if (!scan_digits(s)) {
            return fail(s, "a number without digits in its exponent");
        }
    }
    return true;
}

static bool scan_word(scanner *s, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0) {
        return fail(s, "a value that is none");
    }
    s->at += size;
    return true;
}

static bool scan_scalar(scanner *s, bpi_json_type *type_out)
{
    char c = peek(s);
    if (c == '"') {
        *type_out = BPI_JSON_STRING;
        s->at++;
        return scan_string(s);
    }
    if (c == 't' || c == 'f') {
        *type_out = BPI_JSON_BOOLEAN;
        return scan_word(s, c == 't' ? "true" : "false");
    }
    if (c == 'n') {
        *type_out = BPI_JSON_NULL;
        return scan_word(s, "null");
    }
    return scan_number(s, type_out);
}

/* `"key":`, with the cursor on the key. */
static bool scan_key(scanner *s)
{
    skip_space(s);
    if (!take(s, '"')) {
        return fail(s, "a member without a name");
    }
    if (!scan_string(s)) {
        return false;
    }
    skip_space(s);
    return take(s, ':') ? true : fail(s, "a member without a value");
}

/* Any value. Open arrays and objects are kept as bits: no recursion, so that no payload can exhaust the stack. */
static bool scan_value(scanner *s, bpi_json_type *type_out)
{
    uint64_t objects = 0;
    unsigned depth = 0;
    bool first = true;
    for (;;) {
        bpi_json_type type = BPI_JSON_NULL;
        skip_space(s);
        char c = peek(s);
        bool opened = c == '{' || c == '[';
        if (opened) {
            type = c == '{' ? BPI_JSON_OBJECT : BPI_JSON_ARRAY;
            if (depth == DEPTH_MOST) {
                return fail(s, "more than 64 values inside one another");
            }
            objects = objects << 1 | (c == '{');
            depth++;
            s->at++;
            skip_space(s);
        } else if (!scan_scalar(s, &type)) {
            return false;
        }
        *type_out = first ? type : *type_out;
        first = false;
        bool fresh = opened;
        for (;;) { /* close what ends here */
            skip_space(s);
            if (depth == 0) {
                return true;
            }
            bool object = objects & 1;
            if (take(s, object ? '}' : ']')) {
                objects >>= 1;
                depth--;
                fresh = false;
                continue;
            }
            if (!fresh && !take(s, ',')) {
                return fail(s, "something other than a comma between values");
            }
            if (object && !scan_key(s)) {
                return false;
            }
            break;
        }
    }
}

const char *bpi_json_check(const void *text, size_t size, bpi_json_value *value_out)
{
    if (size == 0) {
        return "nothing";
    }
    scanner s = {text, (const char *)text + size, NULL};
    skip_space(&s);
    value_out->data = s.at;
    if (!scan_value(&s, &value_out->type)) {
        return s.wrong;
    }
    value_out->size = (size_t)(s.at - value_out->data);
    skip_space(&s);
    return s.at == s.end ? NULL : "something behind the value";
}

/* ---- members ---- */

static bool key_is(const char *key, size_t size, const char *name, size_t name_size)
{
    char text[KEY_MOST];
    size_t length = 0;
    bpi_json_value value = {BPI_JSON_STRING, key, size};
    return bpi_json_string(&value, text, sizeof text, &length) && length == name_size &&
           memcmp(text, name, name_size) == 0;
}

static unsigned find_member(const bpi_json_value *object, const char *name, size_t name_size, bpi_json_value *value_out)
{
    unsigned found = 0;
    scanner s = {object->data + 1, object->data + object->size, NULL};
    skip_space(&s);
    while (s.at < s.end && *s.at == '"') {
        bpi_json_value value;
        const char *key = s.at++;
        (void)scan_string(&s);
        size_t key_size = (size_t)(s.at - key);
        skip_space(&s);
        s.at++; /* the colon */
        skip_space(&s);
        value.data = s.at;
        if (!scan_value(&s, &value.type)) {
            return found; /* cannot be: it was checked */
        }
        value.size = (size_t)(s.at - value.data);
        while (value.size > 0 && strchr(" \t\r\n", value.data[value.size - 1]) != NULL) {
            value.size--;
        }
        if (key_is(key, key_size, name, name_size)) {
            *value_out = value;
            found = found == 0 ? 1 : 2;
        }
        if (!take(&s, ',')) {
            break;
        }
        skip_space(&s);
    }
    return found;
}

unsigned bpi_json_find(const bpi_json_value *object, const char *path, bpi_json_value *value_out)
{
    bpi_json_value at = *object;
    for (;;) {
        const char *dot = strchr(path, '.');
        size_t size = dot == NULL ? strlen(path) : (size_t)(dot - path);
        if (at.type != BPI_JSON_OBJECT) {
            return 0;
        }
        unsigned found = find_member(&at, path, size, value_out);
        if (found != 1 || dot == NULL) {
            return found;
        }
        at = *value_out;
        path = dot + 1;
    }
}

/* ---- strings ---- */

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (unsigned i = 0; i < 4; i++) {
        value = value << 4 | (unsigned)hex_value(at[i]);
    }
    return value;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* The character of an escape, behind the backslash; false: half of a pair. */
static bool read_escape(const char **at, const char *end, uint32_t *c_out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    char c = *(*at)++;
    if (c != 'u') {
        *c_out = (unsigned char)values[strchr(names, c) - names];
        return true;
    }
    *c_out = hex4(*at);
    *at += 4;
    if (*c_out < 0xd800 || *c_out > 0xdfff) {
        return true;
    }
    if (*c_out > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return false;
    }
    uint32_t low = hex4(*at + 2);
    *at += 6;
    *c_out = 0x10000 + ((*c_out - 0xd800) << 10) + (low - 0xdc00);
    return low >= 0xdc00 && low <= 0xdfff;
}

bool bpi_json_string(const bpi_json_value *value, char *buffer, size_t size, size_t *size_out)
{
    size_t length = 0;
    if (value->type != BPI_JSON_STRING || value->size < 2) {
        return false;
    }
    const char *end = value->data + value->size - 1;
    for (const char *at = value->data + 1; at < end;) {
        uint32_t c = (unsigned char)*at++;
        if (length + 4 > size) {
            return false;
        }
        if (c != '\\') {
            buffer[length++] = (char)c;
            continue;
        }
        if (!read_escape(&at, end, &c)) {
            return false;
        }
        length += put_utf8(buffer + length, c);
    }
    *size_out = length;
    return true;
}
