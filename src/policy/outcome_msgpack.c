/*
 * outcome_msgpack.c: MessagePack objects judged and measured in place.
 *
 * Holds: every count is held against the bytes that are left before it is believed: each object takes at least one.
 */
#include "policy/outcome_read.h"

#include <stdint.h>

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    for (size_t index = 0; index < size; index++) {
        number = number << 8 | bytes[index];
    }
    return number;
}

/* Codes 0xc0..0xdf: what they are, bytes of the number behind them, bytes that are always there behind it. */
static const struct {
    uint8_t item;
    uint8_t number;
    uint8_t fixed;
} long_codes[32] = {
    {BPI_ITEM_NULL, 0, 0},   {BPI_ITEM_NULL, 0, 0}, /* 0xc1 is no code */
    {BPI_ITEM_BOOL, 0, 0},   {BPI_ITEM_BOOL, 0, 0},   {BPI_ITEM_BYTES, 1, 0},  {BPI_ITEM_BYTES, 2, 0},
    {BPI_ITEM_BYTES, 4, 0},  {BPI_ITEM_BYTES, 1, 1},  {BPI_ITEM_BYTES, 2, 1},  {BPI_ITEM_BYTES, 4, 1}, /* ext */
    {BPI_ITEM_NUMBER, 0, 4}, {BPI_ITEM_NUMBER, 0, 8}, {BPI_ITEM_NUMBER, 1, 0}, {BPI_ITEM_NUMBER, 2, 0},
    {BPI_ITEM_NUMBER, 4, 0}, {BPI_ITEM_NUMBER, 8, 0}, {BPI_ITEM_NUMBER, 1, 0}, {BPI_ITEM_NUMBER, 2, 0},
    {BPI_ITEM_NUMBER, 4, 0}, {BPI_ITEM_NUMBER, 8, 0}, {BPI_ITEM_BYTES, 0, 2},  {BPI_ITEM_BYTES, 0, 3},
    {BPI_ITEM_BYTES, 0, 5},  {BPI_ITEM_BYTES, 0, 9},  {BPI_ITEM_BYTES, 0, 17}, {BPI_ITEM_TEXT, 1, 0},
    {BPI_ITEM_TEXT, 2, 0},   {BPI_ITEM_TEXT, 4, 0},   {BPI_ITEM_ARRAY, 2, 0},  {BPI_ITEM_ARRAY, 4, 0},
    {BPI_ITEM_MAP, 2, 0},    {BPI_ITEM_MAP, 4, 0},
};

static void short_head(uint8_t code, bpi_head *head)
{
    if (code < 0x80 || code >= 0xe0) {
        head->item = BPI_ITEM_NUMBER;
        head->number = code;
    } else if (code < 0x90) {
        head->item = BPI_ITEM_MAP;
        head->count = 2 * (size_t)(code & 0x0f);
    } else if (code < 0xa0) {
        head->item = BPI_ITEM_ARRAY;
        head->count = code & 0x0f;
    } else {
        head->item = BPI_ITEM_TEXT;
        head->body = code & 0x1f;
    }
}

bool bpi_msgpack_head(const bpi_reader *reader, size_t at, bpi_head *head_out)
{
    if (at >= reader->size) {
        return false;
    }
    size_t left = reader->size - at - 1;
    uint8_t code = reader->data[at];
    *head_out = (bpi_head){.code = code, .size = 1};
    if (code < 0xc0 || code >= 0xe0) {
        short_head(code, head_out);
    } else {
        size_t number = long_codes[code - 0xc0].number;
        if (code == 0xc1 || number > left) {
            return false;
        }
        head_out->item = (bpi_item)long_codes[code - 0xc0].item;
        head_out->size += number;
        head_out->number = big_endian(reader->data + at + 1, number);
        head_out->body = long_codes[code - 0xc0].fixed;
        left -= number;
        if (head_out->item == BPI_ITEM_TEXT || head_out->item == BPI_ITEM_BYTES) {
            head_out->body += (size_t)head_out->number;
        } else if (head_out->item != BPI_ITEM_NUMBER && head_out->number > left) {
            return false; /* an array or a map */
        } else if (head_out->item == BPI_ITEM_ARRAY) {
            head_out->count = (size_t)head_out->number;
        } else if (head_out->item == BPI_ITEM_MAP) {
            head_out->count = 2 * (size_t)head_out->number;
        }
    }
    return head_out->body <= left && head_out->count <= left;
}

bool bpi_msgpack_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out)
{
    size_t left[BPI_READ_DEPTH];
    size_t level = 0;
    for (;;) {
        bpi_head head;
        if (!bpi_msgpack_head(reader, *at, &head)) {
            *wrong_out = "no whole MessagePack object";
            return false;
        }
        bool container = head.item == BPI_ITEM_ARRAY || head.item == BPI_ITEM_MAP;
        if (container && level == depth) {
            *wrong_out = "nested too deep";
            return false;
        }
        *at += head.size + head.body;
        if (container) {
            left[level++] = head.count;
        }
        while (level > 0 && (container ? left[level - 1] : --left[level - 1]) == 0) {
            container = false;
            level--;
        }
        if (level == 0) {
            return true;
        }
    }
}
