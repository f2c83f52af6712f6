/*
 * outcome_read.c: the calls that both forms share.
 *
 * Holds: each looks at a place that bpi_read_skip has judged, so that only what an item means is still in question.
 */
#include "policy/outcome_read.h"

#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

bool bpi_read_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out)
{
    return reader->msgpack ? bpi_msgpack_skip(reader, at, depth, wrong_out)
                           : bpi_json_skip(reader, at, depth, wrong_out);
}

size_t bpi_read_begin(const bpi_reader *reader, size_t at)
{
    while (!reader->msgpack && at < reader->size && memchr(" \t\r\n", reader->data[at], 4) != NULL) {
        at++;
    }
    return at;
}

bpi_item bpi_read_item(const bpi_reader *reader, size_t at)
{
    bpi_head head;
    if (reader->msgpack) {
        return bpi_msgpack_head(reader, at, &head) ? head.item : BPI_ITEM_NULL;
    }
    switch (reader->data[at]) {
    case '{':
        return BPI_ITEM_MAP;
    case '[':
        return BPI_ITEM_ARRAY;
    case '"':
        return BPI_ITEM_TEXT;
    case 't':
    case 'f':
        return BPI_ITEM_BOOL;
    case 'n':
        return BPI_ITEM_NULL;
    default:
        return BPI_ITEM_NUMBER;
    }
}

bool bpi_read_bool(const bpi_reader *reader, size_t at, bool *value_out)
{
    if (bpi_read_item(reader, at) != BPI_ITEM_BOOL) {
        return false;
    }
    *value_out = reader->data[at] == (reader->msgpack ? 0xc3 : 't');
    return true;
}

/* All of `text` as decimal digits. */
static bool decimal(const char *text, size_t size, uint64_t *number_out)
{
    uint64_t number = 0;
    for (size_t index = 0; index < size; index++) {
        unsigned digit = (unsigned)(unsigned char)text[index] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *number_out = number;
    return size != 0;
}

static bool json_uint(const bpi_reader *reader, size_t at, uint64_t *number_out)
{
    char text[24];
    size_t size = 0;
    if (bpi_read_item(reader, at) == BPI_ITEM_TEXT) {
        return bpi_json_text(reader, at, text, sizeof(text), &size) && decimal(text, size, number_out);
    }
    while (at + size < reader->size && memchr("0123456789.eE+-", reader->data[at + size], 15) != NULL) {
        size++;
    }
    return bpi_read_item(reader, at) == BPI_ITEM_NUMBER && decimal((const char *)reader->data + at, size, number_out);
}

static bool msgpack_uint(const bpi_reader *reader, size_t at, uint64_t *number_out)
{
    bpi_head head;
    if (!bpi_msgpack_head(reader, at, &head)) {
        return false;
    }
    *number_out = head.number;
    if (head.code >= 0xd0 && head.code <= 0xd3) { /* signed, of 1, 2, 4 or 8 bytes, but not below 0 */
        return head.number >> (8 * (1u << (head.code - 0xd0)) - 1) == 0;
    }
    return head.code < 0x80 || (head.code >= 0xcc && head.code <= 0xcf);
}

bool bpi_read_uint(const bpi_reader *reader, size_t at, uint64_t max, uint64_t *number_out)
{
    bool is_one = reader->msgpack ? msgpack_uint(reader, at, number_out) : json_uint(reader, at, number_out);
    return is_one && *number_out <= max;
}

/* The bytes of a MessagePack text or of bytes; ext, which has a type, is neither. */
static bool msgpack_body(const bpi_reader *reader, size_t at, bpi_item item, const uint8_t **body_out, size_t *size_out)
{
    bpi_head head;
    if (!bpi_msgpack_head(reader, at, &head) || head.item != item) {
        return false;
    }
    *body_out = reader->data + at + head.size;
    *size_out = head.body;
    return item == BPI_ITEM_TEXT || (head.code >= 0xc4 && head.code <= 0xc6);
}

bool bpi_read_text(const bpi_reader *reader, size_t at, char *out, size_t room, size_t *size_out)
{
    const uint8_t *body = NULL;
    if (!reader->msgpack) {
        return bpi_read_item(reader, at) == BPI_ITEM_TEXT && bpi_json_text(reader, at, out, room, size_out);
    }
    if (!msgpack_body(reader, at, BPI_ITEM_TEXT, &body, size_out) || *size_out > room ||
        !bpi_utf8_valid(body, *size_out)) {
        return false;
    }
    bpi_copy(out, body, *size_out);
    return true;
}

bool bpi_read_id(const bpi_reader *reader, size_t at, bp_id *id_out)
{
    const uint8_t *body = NULL;
    char text[BP_ID_TEXT_SIZE];
    size_t size = 0;
    if (!reader->msgpack) {
        return bpi_read_text(reader, at, text, sizeof(text), &size) && bp_id_parse(text, size, id_out);
    }
    if (!msgpack_body(reader, at, BPI_ITEM_BYTES, &body, &size) || size != sizeof(id_out->bytes)) {
        return false;
    }
    memcpy(id_out->bytes, body, sizeof(id_out->bytes));
    return true;
}

static int digit_of(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26;
    }
    if (byte >= '0' && byte <= '9') {
        return byte - '0' + 52;
    }
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

/* In place: `bytes` holds base64 and then what it stands for. Only the one right way of writing it is read. */
static bool base64(uint8_t *bytes, size_t size, size_t *size_out)
{
    size_t out = 0;
    if (size % 4 != 0) {
        return false;
    }
    for (size_t at = 0; at < size; at += 4) {
        size_t pads =
            at + 4 == size ? (size_t)(bytes[at + 3] == '=') + (bytes[at + 3] == '=' && bytes[at + 2] == '=') : 0;
        uint32_t word = 0;
        for (size_t index = 0; index < 4; index++) {
            int digit = index >= 4 - pads ? 0 : digit_of(bytes[at + index]);
            if (digit < 0) {
                return false;
            }
            word = word << 6 | (uint32_t)digit;
        }
        if ((pads == 1 && (word & 0xffu) != 0) || (pads == 2 && (word & 0xffffu) != 0)) {
            return false;
        }
        for (size_t index = 0; index < 3 - pads; index++) {
            bytes[out++] = (uint8_t)(word >> (16 - 8 * index));
        }
    }
    *size_out = out;
    return true;
}

bool bpi_read_bytes(const bpi_reader *reader, size_t at, uint8_t *out, size_t room, size_t *size_out)
{
    const uint8_t *body = NULL;
    if (!reader->msgpack) {
        return bpi_read_text(reader, at, (char *)out, room, size_out) && base64(out, *size_out, size_out);
    }
    if (!msgpack_body(reader, at, BPI_ITEM_BYTES, &body, size_out) || *size_out > room) {
        return false;
    }
    bpi_copy(out, body, *size_out);
    return true;
}

/* ---- steps ---- */

bpi_steps bpi_steps_begin(const bpi_reader *reader, size_t at)
{
    bpi_head head;
    bpi_steps steps = {.at = at + 1, .left = 0, .first = true};
    if (reader->msgpack && bpi_msgpack_head(reader, at, &head)) {
        steps.at = at + head.size;
        steps.left = head.count;
    }
    return steps;
}

bool bpi_steps_next(const bpi_reader *reader, bpi_steps *steps, size_t *at_out)
{
    if (reader->msgpack) {
        *at_out = steps->at;
        return steps->left != 0;
    }
    steps->at = bpi_read_begin(reader, steps->at);
    uint8_t byte = reader->data[steps->at];
    if (byte == ']' || byte == '}') {
        steps->at = bpi_read_begin(reader, steps->at + 1);
        return false;
    }
    if (!steps->first) { /* a comma, or the colon behind a key */
        steps->at = bpi_read_begin(reader, steps->at + 1);
    }
    *at_out = steps->at;
    return true;
}

void bpi_steps_past(const bpi_reader *reader, bpi_steps *steps, size_t end)
{
    steps->at = bpi_read_begin(reader, end);
    steps->first = false;
    if (reader->msgpack) {
        steps->left--;
    }
}
