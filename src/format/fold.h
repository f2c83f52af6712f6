/*
 * fold.h: what retention leaves of an event (docs/format.md, section 7): enough to prove what stands around it.
 *
 * Sequence and id lie where a record has them. Which of the two it is, the frame says, and the order in which the CRC takes the bytes.
 */
#ifndef BPI_FORMAT_FOLD_H
#define BPI_FORMAT_FOLD_H

#include "format/record.h"

enum {
    BPI_FOLD_CRC = 0,
    BPI_FOLD_LENGTH = 4,
    BPI_FOLD_SEQUENCE = 8,
    BPI_FOLD_ID = 16,
    BPI_FOLD_HLC = 32,
    BPI_FOLD_CLOCK = 40,
    BPI_FOLD_ENTITY_SIZE = 48,
    BPI_FOLD_SCOPE_SIZE = 50,
    BPI_FOLD_FLAGS = 52,
    BPI_FOLD_ZERO = 53,
    BPI_FOLD_EVENT_HASH = 56,
    BPI_FOLD_FIXED = 88,
    BPI_FOLD_FIRST = 1, /* flag: the first of its commit */
    BPI_FOLD_MIN = 96,
    BPI_FOLD_MAX = BPI_FOLD_FIXED + 2 * BP_NAME_MAX
};

_Static_assert((int)BPI_FOLD_SEQUENCE == (int)BPI_RECORD_SEQUENCE && (int)BPI_FOLD_ID == (int)BPI_RECORD_ID,
               "ids are confirmed without asking which of the two it is");

/* Length of the entry of an event, padded. */
size_t bpi_fold_size(const bp_event *event);
/* Writes it; returns its CRC. event->batch tells whether it is the first of its commit. */
uint32_t bpi_fold_put(uint8_t *bytes, const bp_event *event, uint32_t seed);

/*
 * NULL when the entry can be read: length within `available`, names within length and valid, CRC right, nothing else set. Else what
 * is wrong. The event is `dropped`, its payload absent; position and batch are not set.
 */
const char *bpi_fold_view(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out, bool *first_out,
                          size_t *length_out);
/* The same once more, of an entry that passed. Returns its length. */
size_t bpi_fold_again(const uint8_t *bytes, bp_event *event_out, bool *first_out);

/* Where the bytes begin that an event is a view of. */
static inline const uint8_t *bpi_event_bytes(const bp_event *event)
{
    const uint8_t *names = (const uint8_t *)event->entity.data;
    return event->dropped ? names - BPI_FOLD_FIXED
                          : names - BPI_RECORD_FIXED - (size_t)event->cause_count * sizeof(bp_id);
}

#endif
