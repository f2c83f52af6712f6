/*
 * burial.c: payloads of TOMBSTONE events: {"sequences":[3,8],"reason":"...","by":"..."}.
 *
 * What is read is the beginning alone, just as it is written: a list of numbers, ascending, no blanks.
 */
#include "store/burial.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_write.h"

static const char head[] = "{\"sequences\":[";
enum { HEAD_SIZE = sizeof head - 1 };

bool bpi_burial_put(bpi_buffer *buffer, const bpi_burial *burial, bp_text reason, bp_text by)
{
    char number[32];
    bool good = bpi_json_put_raw(buffer, head);
    for (size_t i = 0; good && i < burial->count; i++) {
        (void)snprintf(number, sizeof number, "%s%llu", i == 0 ? "" : ",", (unsigned long long)burial->sequences[i]);
        good = bpi_json_put_raw(buffer, number);
    }
    return good && bpi_json_put_raw(buffer, "]") && bpi_json_put_field(buffer, "reason", reason) &&
           bpi_json_put_field(buffer, "by", by) && bpi_json_put_raw(buffer, "}");
}

/* The decimal number at *at, without zeros in front; false: there is none, or it is below `least` or not below `limit`. */
static bool read_number(const char *text, size_t size, size_t *at, uint64_t least, uint64_t limit, uint64_t *number_out)
{
    size_t start = *at;
    uint64_t number = 0;
    for (; *at < size && text[*at] >= '0' && text[*at] <= '9'; (*at)++) {
        if (*at - start == 19) {
            return false; /* more digits than a sequence has */
        }
        number = number * 10 + (uint64_t)(text[*at] - '0');
    }
    *number_out = number;
    return *at > start && (text[start] != '0' || *at == start + 1) && number >= least && number < limit;
}

bool bpi_burial_read(const void *payload, size_t size, uint64_t sequence, bpi_burial *burial_out)
{
    const char *text = payload;
    size_t at = HEAD_SIZE;
    burial_out->count = 0;
    if (size <= HEAD_SIZE || memcmp(text, head, HEAD_SIZE) != 0) {
        return false;
    }
    for (uint64_t least = 0; burial_out->count < BPI_BURIAL_MAX; at++) {
        uint64_t *number = &burial_out->sequences[burial_out->count];
        if (!read_number(text, size, &at, least, sequence, number) || at >= size) {
            return false;
        }
        burial_out->count++;
        least = *number + 1;
        if (text[at] != ',') {
            return text[at] == ']';
        }
    }
    return false;
}

bp_status bpi_burial_learn(bpi_index *index, const bp_event *event, bp_error *error)
{
    bpi_burial burial;
    if (!bpi_burial_read(event->payload, event->payload_size, event->sequence, &burial)) {
        bpi_error_set(error, BP_ERR_CORRUPT, "a TOMBSTONE event does not say which earlier events it is about");
        if (error != NULL) {
            error->sequence = event->sequence;
            error->has_sequence = true;
        }
        return BP_ERR_CORRUPT;
    }
    if (!bpi_index_bury_reserve(index, burial.count)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to note what is tombstoned");
    }
    for (size_t i = 0; i < burial.count; i++) {
        bpi_index_bury(index, burial.sequences[i], event->sequence);
    }
    return BP_OK;
}
