/*
 * names.c: the names of segment files, read as numbers.
 */
#include <batpak/tools.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ORDINAL_DIGITS = 10 };

void bp_segment_name(uint32_t ordinal, uint32_t generation, char name_out[BP_SEGMENT_NAME_SIZE])
{
    if (name_out == NULL) {
        return;
    }
    (void)snprintf(name_out, BP_SEGMENT_NAME_SIZE, "%0*" PRIu32 "-%" PRIu32 BP_SEGMENT_EXTENSION, ORDINAL_DIGITS,
                   ordinal, generation);
}

/* Reads decimal digits that fit 32 bits; NULL when there are none. */
static const char *read_number(const char *text, uint32_t *number_out)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > UINT32_MAX) {
            return NULL;
        }
    }
    *number_out = (uint32_t)number;
    return at == text ? NULL : at;
}

bool bp_segment_name_parse(const char *name, uint32_t *ordinal_out, uint32_t *generation_out)
{
    if (name == NULL) {
        return false;
    }
    uint32_t unused[2];
    ordinal_out = ordinal_out != NULL ? ordinal_out : &unused[0];
    generation_out = generation_out != NULL ? generation_out : &unused[1];
    const char *at = read_number(name, ordinal_out);
    if (at == NULL || at - name < ORDINAL_DIGITS || *at != '-') {
        return false;
    }
    at = read_number(at + 1, generation_out);
    return at != NULL && strcmp(at, BP_SEGMENT_EXTENSION) == 0;
}
