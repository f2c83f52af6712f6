/*
 * scan.c: JSON text as it was written. See scan.h.
 */
#include "scan.h"

#include <string.h>

#include "utf8.h"

static const uint64_t ones = UINT64_C(0x0101010101010101);
static const uint64_t tops = UINT64_C(0x8080808080808080);

/* The nesting so far: one bit a level, set for objects. */
struct nesting {
    size_t depth;
    uint64_t object[SCAN_DEPTH_MAX / 64];
};

static bool wrong(struct scan *scan, const char *what)
{
    scan->wrong = what;
    return false;
}

static bool skip_space(struct scan *scan)
{
    size_t start = scan->at;

    while (scan->at < scan->size && (scan->text[scan->at] == ' ' || scan->text[scan->at] == '\t' ||
                                     scan->text[scan->at] == '\n' || scan->text[scan->at] == '\r')) {
        scan->at++;
    }
    return scan->at > start;
}

static char peek(const struct scan *scan)
{
    return (char)(scan->at < scan->size ? scan->text[scan->at] : '\0');
}

/* Is there a byte below 0x20, a quote, a backslash or a byte above 0x7f among these eight? */
static bool has_special(uint64_t word)
{
    uint64_t quote = word ^ ones * 0x22;
    uint64_t backslash = word ^ ones * 0x5c;

    return (((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & tops) != 0;
}

static bool is_plain(char character)
{
    return character >= 0x20 && character != '"' && character != '\\' && (uint8_t)character < 0x80;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The four digits behind \u; -1 if they are none. */
static int32_t hex_four(const char *text, size_t size)
{
    int32_t value = 0;

    if (size < 4) {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(text[i]);

        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* At the letter behind a backslash. */
static bool scan_escape(struct scan *scan)
{
    char letter = peek(scan);
    int32_t unit;

    if (letter != 'u') {
        if (letter == '\0' || strchr("\"\\/bfnrt", letter) == NULL) {
            return wrong(scan, "no such escape");
        }
        scan->at++;
        return true;
    }
    unit = hex_four(scan->text + scan->at + 1, scan->size - scan->at - 1);
    if (unit < 0) {
        return wrong(scan, "\\u wants four hex digits");
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return wrong(scan, "half a surrogate pair");
    }
    scan->at += 5;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        size_t left = scan->size - scan->at;
        int32_t low = left >= 6 && memcmp(scan->text + scan->at, "\\u", 2) == 0
                          ? hex_four(scan->text + scan->at + 2, left - 2)
                          : -1;

        if (low < 0xdc00 || low > 0xdfff) {
            return wrong(scan, "half a surrogate pair");
        }
        scan->at += 6;
    }
    return true;
}

/* At the opening quote. */
static bool scan_string(struct scan *scan)
{
    scan->at++;
    while (scan->at < scan->size) {
        uint64_t word;
        uint8_t byte;

        while (scan->size - scan->at >= sizeof word) {
            memcpy(&word, scan->text + scan->at, sizeof word);
            if (has_special(word)) {
                break;
            }
            scan->at += sizeof word;
        }
        while (scan->at < scan->size && is_plain(scan->text[scan->at])) {
            scan->at++;
        }
        if (scan->at == scan->size) {
            break;
        }
        byte = (uint8_t)scan->text[scan->at];
        if (byte == '"') {
            scan->at++;
            return true;
        }
        if (byte == '\\') {
            scan->at++;
            if (!scan_escape(scan)) {
                return false;
            }
        } else if (byte < 0x20) {
            return wrong(scan, "a control character in a string must be escaped");
        } else {
            size_t length = utf8_length(scan->text + scan->at, scan->size - scan->at);

            if (length == 0) {
                return wrong(scan, "not UTF-8");
            }
            scan->at += length;
        }
    }
    return wrong(scan, "the string does not end");
}

static size_t scan_digits(struct scan *scan)
{
    size_t start = scan->at;

    while (scan->at < scan->size && scan->text[scan->at] >= '0' && scan->text[scan->at] <= '9') {
        scan->at++;
    }
    return scan->at - start;
}

static bool scan_number(struct scan *scan)
{
    if (peek(scan) == '-') {
        scan->at++;
    }
    if (peek(scan) == '0') {
        scan->at++;
        if (peek(scan) >= '0' && peek(scan) <= '9') {
            return wrong(scan, "a number does not begin with 0");
        }
    } else if (scan_digits(scan) == 0) {
        return wrong(scan, "expected a digit");
    }
    if (peek(scan) == '.') {
        scan->at++;
        if (scan_digits(scan) == 0) {
            return wrong(scan, "expected a digit behind the point");
        }
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-') {
            scan->at++;
        }
        if (scan_digits(scan) == 0) {
            return wrong(scan, "expected a digit in the exponent");
        }
    }
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t size = strlen(word);

    if (scan->size - scan->at < size || memcmp(scan->text + scan->at, word, size) != 0) {
        return wrong(scan, "expected a value");
    }
    scan->at += size;
    return true;
}

static bool scan_scalar(struct scan *scan)
{
    switch (peek(scan)) {
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(scan);
    default:
        return wrong(scan, scan->at == scan->size ? "the text ends too early" : "expected a value");
    }
}

static bool in_object(const struct nesting *nesting)
{
    size_t level = nesting->depth - 1;

    return (nesting->object[level / 64] >> level % 64 & 1) != 0;
}

static bool open_bracket(struct scan *scan, struct nesting *nesting)
{
    size_t level = nesting->depth;
    uint64_t bit = UINT64_C(1) << level % 64;

    if (level == SCAN_DEPTH_MAX) {
        return wrong(scan, "nested too deep");
    }
    if (peek(scan) == '{') {
        nesting->object[level / 64] |= bit;
    } else {
        nesting->object[level / 64] &= ~bit;
    }
    nesting->depth++;
    scan->at++;
    return true;
}

/* At a member's name: goes behind its colon. */
static bool scan_name(struct scan *scan, bool *spaced, struct slice *name_out)
{
    size_t start = scan->at;

    if (peek(scan) != '"') {
        return wrong(scan, scan->at == scan->size ? "the text ends too early" : "expected a name in quotes");
    }
    if (!scan_string(scan)) {
        return false;
    }
    *name_out = (struct slice){scan->text + start, scan->at - start, false};
    *spaced |= skip_space(scan);
    if (peek(scan) != ':') {
        return wrong(scan, "expected ':'");
    }
    scan->at++;
    *spaced |= skip_space(scan);
    return true;
}

/*
 * Behind a complete value: closes brackets as long as they close and goes on behind a comma, if there is one. Ends with
 * depth 0 when all is closed.
 */
static bool close_brackets(struct scan *scan, struct nesting *nesting, bool *spaced)
{
    struct slice name;

    while (nesting->depth > 0) {
        bool object = in_object(nesting);

        *spaced |= skip_space(scan);
        if (peek(scan) == (object ? '}' : ']')) {
            scan->at++;
            nesting->depth--;
            continue;
        }
        if (peek(scan) != ',') {
            return wrong(scan, scan->at == scan->size ? "the text ends too early"
                               : object               ? "expected ',' or '}'"
                                                      : "expected ',' or ']'");
        }
        scan->at++;
        *spaced |= skip_space(scan);
        return !object || scan_name(scan, spaced, &name);
    }
    return true;
}

bool scan_value(struct scan *scan, struct slice *value_out)
{
    struct nesting nesting = {0};
    struct slice name;
    bool spaced = false;
    size_t start;

    (void)skip_space(scan);
    start = scan->at;
    do {
        char first = peek(scan);

        if (first == '{' || first == '[') {
            if (!open_bracket(scan, &nesting)) {
                return false;
            }
            spaced |= skip_space(scan);
            if (peek(scan) != (first == '{' ? '}' : ']')) {
                if (first == '{' && !scan_name(scan, &spaced, &name)) {
                    return false;
                }
                continue;
            }
        } else if (!scan_scalar(scan)) {
            return false;
        }
        if (!close_brackets(scan, &nesting, &spaced)) {
            return false;
        }
    } while (nesting.depth > 0);
    *value_out = (struct slice){scan->text + start, scan->at - start, spaced};
    return true;
}

bool scan_end(struct scan *scan)
{
    (void)skip_space(scan);
    return scan->at == scan->size || wrong(scan, "something stands behind the value");
}

bool scan_object(struct scan *scan)
{
    (void)skip_space(scan);
    if (peek(scan) != '{') {
        return wrong(scan, "expected an object");
    }
    scan->at++;
    return true;
}

/* Between two parts: 1 with the next part at hand, 0 behind the closing bracket. */
static int next_part(struct scan *scan, bool first, char bracket)
{
    (void)skip_space(scan);
    if (peek(scan) == bracket) {
        scan->at++;
        return 0;
    }
    if (!first) {
        if (peek(scan) != ',') {
            (void)wrong(scan, scan->at == scan->size ? "the text ends too early"
                              : bracket == '}'       ? "expected ',' or '}'"
                                                     : "expected ',' or ']'");
            return -1;
        }
        scan->at++;
        (void)skip_space(scan);
    }
    return 1;
}

int scan_member(struct scan *scan, bool first, struct slice *key_out, struct slice *value_out)
{
    int part = next_part(scan, first, '}');
    bool spaced = false;

    if (part <= 0) {
        return part;
    }
    return scan_name(scan, &spaced, key_out) && scan_value(scan, value_out) ? 1 : -1;
}

bool scan_array(struct scan *scan)
{
    (void)skip_space(scan);
    if (peek(scan) != '[') {
        return wrong(scan, "expected an array");
    }
    scan->at++;
    return true;
}

int scan_item(struct scan *scan, bool first, struct slice *value_out)
{
    int part = next_part(scan, first, ']');

    if (part <= 0) {
        return part;
    }
    return scan_value(scan, value_out) ? 1 : -1;
}

void slice_compact(struct slice *slice)
{
    char *to = slice->data;
    bool quoted = false;

    if (!slice->spaced) {
        return;
    }
    for (size_t i = 0; i < slice->size; i++) {
        char byte = slice->data[i];

        if (quoted && byte == '\\') {
            *to++ = byte;
            byte = slice->data[++i];
        } else if (byte == '"') {
            quoted = !quoted;
        } else if (!quoted && (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')) {
            continue;
        }
        *to++ = byte;
    }
    slice->size = (size_t)(to - slice->data);
    slice->spaced = false;
}

/* At the letter behind a backslash, in a string that was checked: writes the character, returns how far to go. */
static size_t unescape(const char *text, char **to)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, text[0]);
    uint32_t character;
    size_t length = 5;

    if (letter != NULL) {
        *(*to)++ = meanings[letter - letters];
        return 1;
    }
    if (text[0] != 'u') {
        *(*to)++ = text[0];
        return 1;
    }
    character = (uint32_t)hex_four(text + 1, 4);
    if (character >= 0xd800 && character <= 0xdbff) {
        character = 0x10000 + ((character - 0xd800) << 10) + ((uint32_t)hex_four(text + 7, 4) - 0xdc00);
        length = 11;
    }
    *to += utf8_encode(character, *to);
    return length;
}

bool slice_unquote(struct slice *slice)
{
    char *to;
    size_t at;

    if (slice->size < 2 || slice->data[0] != '"') {
        return false;
    }
    slice->data++;
    slice->size -= 2;
    to = memchr(slice->data, '\\', slice->size);
    if (to == NULL) {
        return true;
    }
    at = (size_t)(to - slice->data);
    while (at < slice->size) {
        if (slice->data[at] == '\\') {
            at += 1 + unescape(slice->data + at + 1, &to);
        } else {
            *to++ = slice->data[at++];
        }
    }
    slice->size = (size_t)(to - slice->data);
    return true;
}

bool slice_is(const struct slice *slice, const char *text)
{
    return strlen(text) == slice->size && memcmp(slice->data, text, slice->size) == 0;
}

bool scan_is_compact(const char *text, size_t size)
{
    /* Scanning alone changes nothing. */
    struct scan scan = {.text = (char *)(uintptr_t)text, .size = size};
    struct slice value;

    return scan_value(&scan, &value) && value.size == size && !value.spaced;
}

size_t scan_column(const char *text, size_t offset)
{
    size_t column = 1;

    for (size_t i = 0; i < offset; i++) {
        column += ((uint8_t)text[i] & 0xc0) != 0x80;
    }
    return column;
}
