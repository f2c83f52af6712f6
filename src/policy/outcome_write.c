/*
 * outcome_write.c: maps, arrays and scalars as JSON or as MessagePack.
 *
 * Holds: a failed growth is remembered by the output; nothing here is checked twice. MessagePack numbers and sizes take their
 * shortest form.
 */
#include "policy/outcome_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void put(bpi_writer *writer, const void *data, size_t size)
{
    (void)bp_output_append(writer->output, data, size);
}

static void put_string(bpi_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

void bpi_write_own(bpi_writer *writer)
{
    if (writer->comma && !writer->msgpack) {
        put_string(writer, ",");
    }
    writer->comma = true;
}

/* A MessagePack header: the code and a big-endian number of `width` bytes. */
static void put_code(bpi_writer *writer, unsigned code, unsigned width, uint64_t number)
{
    uint8_t bytes[9] = {(uint8_t)code};
    for (unsigned index = 0; index < width; index++) {
        bytes[1 + index] = (uint8_t)(number >> (8 * (width - 1 - index)));
    }
    put(writer, bytes, 1 + width);
}

static void put_count(bpi_writer *writer, unsigned fix, unsigned code16, size_t count)
{
    if (count < 16) {
        put_code(writer, fix | (unsigned)count, 0, 0);
    } else if (count <= UINT16_MAX) {
        put_code(writer, code16, 2, count);
    } else {
        put_code(writer, code16 + 1, 4, count);
    }
}

void bpi_write_map(bpi_writer *writer, size_t count)
{
    bpi_write_own(writer);
    if (writer->msgpack) {
        put_count(writer, 0x80, 0xde, count);
    } else {
        put_string(writer, "{");
    }
    writer->comma = false;
}

void bpi_write_map_end(bpi_writer *writer)
{
    if (!writer->msgpack) {
        put_string(writer, "}");
    }
    writer->comma = true;
}

void bpi_write_array(bpi_writer *writer, size_t count)
{
    bpi_write_own(writer);
    if (writer->msgpack) {
        put_count(writer, 0x90, 0xdc, count);
    } else {
        put_string(writer, "[");
    }
    writer->comma = false;
}

void bpi_write_array_end(bpi_writer *writer)
{
    if (!writer->msgpack) {
        put_string(writer, "]");
    }
    writer->comma = true;
}

static void json_text(bpi_writer *writer, bp_text text)
{
    size_t plain = 0;
    put_string(writer, "\"");
    for (size_t at = 0; at < text.size; at++) {
        unsigned char byte = (unsigned char)text.data[at];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        char escaped[8];
        put(writer, text.data + plain, at - plain);
        plain = at + 1;
        (void)snprintf(escaped, sizeof(escaped), byte < 0x20 ? "\\u%04x" : "\\%c", byte);
        put_string(writer, escaped);
    }
    put(writer, text.data + plain, text.size - plain);
    put_string(writer, "\"");
}

void bpi_write_text(bpi_writer *writer, bp_text text)
{
    bpi_write_own(writer);
    writer->bad_text = writer->bad_text || !bpi_utf8_valid((const uint8_t *)text.data, text.size);
    if (!writer->msgpack) {
        json_text(writer, text);
        return;
    }
    if (text.size < 32) {
        put_code(writer, 0xa0 | (unsigned)text.size, 0, 0);
    } else if (text.size <= UINT8_MAX) {
        put_code(writer, 0xd9, 1, text.size);
    } else if (text.size <= UINT16_MAX) {
        put_code(writer, 0xda, 2, text.size);
    } else {
        put_code(writer, 0xdb, 4, text.size);
    }
    put(writer, text.data, text.size);
}

void bpi_write_key(bpi_writer *writer, const char *key)
{
    bpi_write_text(writer, bp_text_of(key));
    if (!writer->msgpack) {
        put_string(writer, ":");
        writer->comma = false;
    }
}

void bpi_write_uint(bpi_writer *writer, uint64_t number)
{
    bpi_write_own(writer);
    if (!writer->msgpack) {
        char text[32];
        bool exact = number <= UINT64_C(1) << 53;
        (void)snprintf(text, sizeof(text), exact ? "%" PRIu64 : "\"%" PRIu64 "\"", number);
        put_string(writer, text);
    } else if (number < 128) {
        put_code(writer, (unsigned)number, 0, 0);
    } else if (number <= UINT8_MAX) {
        put_code(writer, 0xcc, 1, number);
    } else if (number <= UINT16_MAX) {
        put_code(writer, 0xcd, 2, number);
    } else if (number <= UINT32_MAX) {
        put_code(writer, 0xce, 4, number);
    } else {
        put_code(writer, 0xcf, 8, number);
    }
}

void bpi_write_bool(bpi_writer *writer, bool value)
{
    bpi_write_own(writer);
    if (writer->msgpack) {
        put_code(writer, value ? 0xc3 : 0xc2, 0, 0);
    } else {
        put_string(writer, value ? "true" : "false");
    }
}

void bpi_write_null(bpi_writer *writer)
{
    bpi_write_own(writer);
    if (writer->msgpack) {
        put_code(writer, 0xc0, 0, 0);
    } else {
        put_string(writer, "null");
    }
}

void bpi_write_id(bpi_writer *writer, const bp_id *id)
{
    char text[BP_ID_TEXT_SIZE];
    if (writer->msgpack) {
        bpi_write_bytes(writer, id->bytes, sizeof(id->bytes));
        return;
    }
    bp_id_print(id, text);
    bpi_write_text(writer, bp_text_of(text));
}

static void json_base64(bpi_writer *writer, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put_string(writer, "\"");
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        unsigned word = (unsigned)bytes[at] << 16 | (left > 1 ? (unsigned)bytes[at + 1] << 8 : 0) |
                        (left > 2 ? (unsigned)bytes[at + 2] : 0);
        char group[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63], digits[word & 63]};
        if (left < 3) {
            group[3] = '=';
        }
        if (left < 2) {
            group[2] = '=';
        }
        put(writer, group, sizeof(group));
    }
    put_string(writer, "\"");
}

void bpi_write_bytes(bpi_writer *writer, const void *data, size_t size)
{
    bpi_write_own(writer);
    if (!writer->msgpack) {
        json_base64(writer, data, size);
        return;
    }
    if (size <= UINT8_MAX) {
        put_code(writer, 0xc4, 1, size);
    } else if (size <= UINT16_MAX) {
        put_code(writer, 0xc5, 2, size);
    } else {
        put_code(writer, 0xc6, 4, size);
    }
    put(writer, data, size);
}
