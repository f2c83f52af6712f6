/*
 * ids.c: making, comparing, printing and reading ids and hashes, and mixing them for hash tables.
 *
 * Holds: what is printed here is read back here; what bp_id_from and bpi_id_of_item give never changes, since ids are
 * idempotency keys. The mixes are local to a process and may change.
 */
#include "base/ids.h"

#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/hash.h"

static const char hex_digits[] = "0123456789abcdef";

bool bp_id_is_nil(const bp_id *id)
{
    return id == NULL || bpi_all_zero(id->bytes, sizeof(id->bytes));
}

bool bp_id_equal(const bp_id *a, const bp_id *b)
{
    return a == b || (a != NULL && b != NULL && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0);
}

int bp_id_compare(const bp_id *a, const bp_id *b)
{
    if (a == NULL || b == NULL) {
        return (a != NULL) - (b != NULL);
    }
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool bp_hash_equal(const bp_hash *a, const bp_hash *b)
{
    return a == b || (a != NULL && b != NULL && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0);
}

static void stamp(bp_id *id, unsigned version)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0fu) | version << 4);
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3fu) | 0x80u);
}

bp_id bp_id_from(const char *name_space, const void *data, size_t size)
{
    static const char prefix[] = "batpak id ";
    bp_text name = bp_text_of(name_space);
    bp_hash hash;
    bp_id id;
    bpi_hash_derive_two(prefix, sizeof(prefix) - 1, name.data, name.size, data == NULL ? "" : data,
                        data == NULL ? 0 : size, &hash);
    memcpy(id.bytes, hash.bytes, sizeof(id.bytes));
    stamp(&id, 8);
    return id;
}

bp_id bpi_id_of_item(const bp_id *first, uint32_t index)
{
    uint8_t input[sizeof(first->bytes) + 4];
    memcpy(input, first->bytes, sizeof(first->bytes));
    bpi_put32(input + sizeof(first->bytes), index);
    return bp_id_from("batpak batch", input, sizeof(input));
}

bp_id bpi_id_v7(uint64_t unix_ms, const uint8_t random[10])
{
    bp_id id;
    for (unsigned index = 0; index < 6; index++) {
        id.bytes[index] = (uint8_t)(unix_ms >> (40 - 8 * index));
    }
    memcpy(id.bytes + 6, random, 10);
    stamp(&id, 7);
    return id;
}

/* ---- text ---- */

static void print_hex(const uint8_t *bytes, size_t size, char *text_out)
{
    for (size_t index = 0; index < size; index++) {
        text_out[2 * index] = hex_digits[bytes[index] >> 4];
        text_out[2 * index + 1] = hex_digits[bytes[index] & 0xfu];
    }
}

static int digit_of(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 10;
    }
    return -1;
}

static bool parse_hex(const char *text, size_t count, uint8_t *bytes_out)
{
    for (size_t index = 0; index < count; index++) {
        int high = digit_of(text[2 * index]);
        int low = digit_of(text[2 * index + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes_out[index] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The five groups of a UUID, in bytes. */
static const uint8_t group_sizes[] = {4, 2, 2, 2, 6};

void bp_id_print(const bp_id *id, char text_out[BP_ID_TEXT_SIZE])
{
    static const bp_id nil;
    const uint8_t *bytes = id == NULL ? nil.bytes : id->bytes;
    char *out = text_out;
    if (text_out == NULL) {
        return;
    }
    for (size_t group = 0; group < sizeof(group_sizes); group++) {
        print_hex(bytes, group_sizes[group], out);
        bytes += group_sizes[group];
        out += 2 * (size_t)group_sizes[group];
        *out++ = '-';
    }
    out[-1] = '\0';
}

bool bp_id_parse(const char *text, size_t size, bp_id *id_out)
{
    if (text == NULL || id_out == NULL) {
        return false;
    }
    size_t start = size;
    while (start > 0 && text[start - 1] != ':') {
        start--;
    }
    if (start == 1) { /* a colon without a name */
        return false;
    }
    const char *in = text + start;
    size_t length = size - start;
    bool hyphens = length == BP_ID_TEXT_SIZE - 1;
    if (!hyphens && length != 2 * sizeof(id_out->bytes)) {
        return false;
    }
    bp_id id;
    uint8_t *bytes = id.bytes;
    for (size_t group = 0; group < sizeof(group_sizes); group++) {
        if (hyphens && group != 0 && *in++ != '-') {
            return false;
        }
        if (!parse_hex(in, group_sizes[group], bytes)) {
            return false;
        }
        bytes += group_sizes[group];
        in += 2 * (size_t)group_sizes[group];
    }
    *id_out = id;
    return true;
}

void bp_hash_print(const bp_hash *hash, char text_out[BP_HASH_TEXT_SIZE])
{
    static const bp_hash zeros;
    if (text_out == NULL) {
        return;
    }
    print_hex(hash == NULL ? zeros.bytes : hash->bytes, sizeof(zeros.bytes), text_out);
    text_out[BP_HASH_TEXT_SIZE - 1] = '\0';
}

bool bp_hash_parse(const char *text, size_t size, bp_hash *hash_out)
{
    bp_hash hash;
    if (text == NULL || hash_out == NULL || size != BP_HASH_TEXT_SIZE - 1 ||
        !parse_hex(text, sizeof(hash.bytes), hash.bytes)) {
        return false;
    }
    *hash_out = hash;
    return true;
}
