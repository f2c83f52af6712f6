/*
 * typed_id.c: what the functions of every typed id come down to.
 *
 * Holds: what is printed with a name is read back with that name and with no other.
 */
#include <batpak/typed_id.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/ids.h"

bp_status bp_id_new(const bp_clock *clock, const bp_random *random, bp_id *id_out, bp_error *error)
{
    const bp_clock *now = clock != NULL ? clock : bp_clock_system();
    const bp_random *source = random != NULL ? random : bp_random_system();
    uint8_t bytes[10];
    if (id_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "id_out is NULL");
    }
    int failed = source->fill(source->context, bytes, sizeof(bytes));
    if (failed != 0) {
        return bpi_error_system(error, failed, "no random bytes for a new id");
    }
    int64_t us = now->now_us(now->context);
    *id_out = bpi_id_v7(us > 0 ? (uint64_t)us / 1000 : 0, bytes);
    return BP_OK;
}

bp_id bp_id_from_parts(uint64_t high, uint64_t low)
{
    bp_id id;
    for (unsigned index = 0; index < 8; index++) {
        id.bytes[index] = (uint8_t)(high >> (56 - 8 * index));
        id.bytes[8 + index] = (uint8_t)(low >> (56 - 8 * index));
    }
    return id;
}

static uint64_t number_of(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (unsigned index = 0; index < 8; index++) {
        number = number << 8 | bytes[index];
    }
    return number;
}

uint64_t bp_id_high(const bp_id *id)
{
    return number_of(id->bytes);
}

uint64_t bp_id_low(const bp_id *id)
{
    return number_of(id->bytes + 8);
}

size_t bp_id_print_named(const char *name, const bp_id *id, char *buffer, size_t size)
{
    char hex[2 * sizeof(id->bytes) + 1];
    for (size_t index = 0; index < sizeof(id->bytes); index++) {
        (void)snprintf(hex + 2 * index, 3, "%02x", id->bytes[index]);
    }
    int length = snprintf(buffer, size, "%s:%s", name != NULL ? name : "", hex);
    return length < 0 ? 0 : (size_t)length;
}

bool bp_id_parse_named(const char *name, const char *text, size_t size, bp_id *id_out)
{
    const char *colon = text == NULL || size == 0 ? NULL : memchr(text, ':', size);
    bp_text wanted = bp_text_of(name);
    if (text == NULL || id_out == NULL) {
        return false;
    }
    if (colon == NULL) {
        return bp_id_parse(text, size, id_out);
    }
    size_t prefix = (size_t)(colon - text);
    if (prefix != wanted.size || memcmp(text, wanted.data, prefix) != 0) {
        return false;
    }
    size_t rest = size - prefix - 1;
    return memchr(colon + 1, ':', rest) == NULL && bp_id_parse(colon + 1, rest, id_out);
}
