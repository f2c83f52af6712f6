/*
 * json_write.c: strings with their escapes.
 */
#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

bool bpi_json_put_raw(bpi_buffer *buffer, const char *text)
{
    return bpi_buffer_append(buffer, text, strlen(text));
}

/* Bytes of the UTF-8 sequence that begins here; 0: it is none. */
static size_t sequence_size(const uint8_t *bytes, size_t left)
{
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (size == 1) {
        return 1;
    }
    /* A name may have every character but the controls, whose two-byte ones are let through here. */
    bool control = size == 2 && left >= 2 && bytes[0] == 0xc2 && (bytes[1] & 0xc0) == 0x80;
    return size <= left && (control || bpi_name_valid(bytes, size, 4)) ? size : 0;
}

bool bpi_json_put_string(bpi_buffer *buffer, bp_text text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    bool good = bpi_buffer_append(buffer, "\"", 1);
    for (size_t i = 0; good && i < text.size;) {
        char escape[8];
        size_t size = sequence_size(bytes + i, text.size - i);
        if (size == 0) {
            good = bpi_json_put_raw(buffer, "\xef\xbf\xbd");
            i++;
        } else if (bytes[i] == '"' || bytes[i] == '\\') {
            escape[0] = '\\';
            escape[1] = (char)bytes[i++];
            good = bpi_buffer_append(buffer, escape, 2);
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)bytes[i++]);
            good = bpi_json_put_raw(buffer, escape);
        } else {
            good = bpi_buffer_append(buffer, bytes + i, size);
            i += size;
        }
    }
    return good && bpi_buffer_append(buffer, "\"", 1);
}

static bool put_key(bpi_buffer *buffer, const char *key)
{
    bool first = buffer->size == 0 || buffer->data[buffer->size - 1] == '{';
    return (first || bpi_buffer_append(buffer, ",", 1)) && bpi_json_put_string(buffer, bp_text_of(key)) &&
           bpi_buffer_append(buffer, ":", 1);
}

bool bpi_json_put_field(bpi_buffer *buffer, const char *key, bp_text value)
{
    return put_key(buffer, key) && bpi_json_put_string(buffer, value);
}

bool bpi_json_put_number(bpi_buffer *buffer, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put_key(buffer, key) && bpi_json_put_raw(buffer, text);
}
