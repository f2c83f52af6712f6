/*
 * text.c: which bytes are a name.
 *
 * Holds: one walk decides, for callers with words and for bytes found in a file alike; what is wrong is told by its
 * place, never by repeating the bytes.
 */
#include "base/text.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

typedef enum name_fault { NAME_FINE, NAME_EMPTY, NAME_LONG, NAME_CONTROL, NAME_NOT_UTF8 } name_fault;

static bool continues(const uint8_t *bytes, size_t size, size_t count)
{
    if (size < count) {
        return false;
    }
    for (size_t index = 1; index < count; index++) {
        if ((bytes[index] & 0xc0u) != 0x80u) {
            return false;
        }
    }
    return true;
}

/* The length of the character that begins here, or 0: bad, then *fault_out says how. size > 0. */
static size_t character(const uint8_t *bytes, size_t size, name_fault *fault_out)
{
    uint32_t lead = bytes[0];
    *fault_out = NAME_NOT_UTF8;
    if (lead < 0x80u) {
        *fault_out = NAME_CONTROL;
        return lead >= 0x20u && lead != 0x7fu ? 1 : 0;
    }
    if (lead >= 0xc2u && lead <= 0xdfu) {
        if (!continues(bytes, size, 2)) {
            return 0;
        }
        /* U+0080..U+009F: the second set of control characters */
        *fault_out = NAME_CONTROL;
        return lead == 0xc2u && bytes[1] < 0xa0u ? 0 : 2;
    }
    if (lead >= 0xe0u && lead <= 0xefu) {
        if (!continues(bytes, size, 3)) {
            return 0;
        }
        bool overlong = lead == 0xe0u && bytes[1] < 0xa0u;
        bool surrogate = lead == 0xedu && bytes[1] >= 0xa0u;
        return overlong || surrogate ? 0 : 3;
    }
    if (lead >= 0xf0u && lead <= 0xf4u) {
        if (!continues(bytes, size, 4)) {
            return 0;
        }
        bool overlong = lead == 0xf0u && bytes[1] < 0x90u;
        bool beyond = lead == 0xf4u && bytes[1] >= 0x90u;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

/* Eight bytes at once: true when all are printable ASCII. A borrow or carry between bytes starts only at a byte that
 * is itself not printable, so it cannot hide one. */
static bool printable8(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t below = word - UINT64_C(0x2020202020202020);
    uint64_t above = word + UINT64_C(0x0101010101010101);
    return ((word | below | above) & UINT64_C(0x8080808080808080)) == 0;
}

/* All of them, of any number: words that overlap at the end. */
static bool printable(const uint8_t *bytes, size_t size)
{
    if (size < 8) {
        uint8_t padded[8] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
        memcpy(padded, bytes, size);
        return printable8(padded);
    }
    for (size_t at = 0; at < size - 8; at += 8) {
        if (!printable8(bytes + at)) {
            return false;
        }
    }
    return printable8(bytes + size - 8);
}

static name_fault check(const uint8_t *bytes, size_t size, size_t max, size_t *at_out)
{
    *at_out = 0;
    if (size == 0) {
        return NAME_EMPTY;
    }
    if (size > max) {
        return NAME_LONG;
    }
    size_t at = printable(bytes, size) ? size : 0;
    while (at < size) {
        if (size - at >= 8 && printable8(bytes + at)) {
            at += 8;
            continue;
        }
        name_fault fault;
        size_t length = character(bytes + at, size - at, &fault);
        if (length == 0) {
            *at_out = at;
            return fault;
        }
        at += length;
    }
    return NAME_FINE;
}

bool bpi_name_valid(const uint8_t *bytes, size_t size, size_t max)
{
    size_t at;
    return check(bytes, size, max, &at) == NAME_FINE;
}

bp_status bpi_name_check(bp_text name, const char *what, size_t max, bp_error *error)
{
    const uint8_t *bytes = (const uint8_t *)name.data;
    size_t at = 0;
    if (bytes == NULL && name.size != 0) {
        return bpi_error_set(error, BP_ERR_NAME, "%s is a null pointer with size %zu", what, name.size);
    }
    switch (check(bytes, name.size, max, &at)) {
    case NAME_FINE:
        return BP_OK;
    case NAME_EMPTY:
        return bpi_error_set(error, BP_ERR_NAME, "%s is empty", what);
    case NAME_LONG:
        return bpi_error_set(error, BP_ERR_NAME, "%s has %zu bytes, at most %zu are allowed", what, name.size, max);
    case NAME_CONTROL:
        return bpi_error_set(error, BP_ERR_NAME, "%s has a control character at byte %zu", what, at);
    case NAME_NOT_UTF8:
    default:
        return bpi_error_set(error, BP_ERR_NAME, "%s is not UTF-8 at byte %zu (0x%02x)", what, at, (unsigned)bytes[at]);
    }
}

bool bpi_utf8_valid(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        name_fault fault = NAME_FINE;
        size_t length = character(bytes + at, size - at, &fault);
        if (length == 0) {
            if (fault != NAME_CONTROL) {
                return false;
            }
            length = bytes[at] < 0x80u ? 1 : 2;
        }
        at += length;
    }
    return true;
}
