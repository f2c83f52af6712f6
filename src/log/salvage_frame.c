/*
 * salvage_frame.c: what can be taken from one damaged frame.
 *
 * Holds: a length that no checksum confirms leads nowhere unless the body's checksum, which the header's confirms, comes out
 * right over all records that were found by it.
 */
#include "log/salvage_frame.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "format/fold.h"

_Static_assert((int)BPI_FOLD_CRC == (int)BPI_RECORD_CRC && (int)BPI_FOLD_LENGTH == (int)BPI_RECORD_LENGTH,
               "sum and length are found without asking which of the two it is");

typedef struct slot {
    size_t at;
    size_t length; /* by which the next record is found */
    uint32_t crc;  /* as stored */
    bool good;
} slot;

typedef struct body {
    bool fold; /* entries, and no records */
    const bpi_frame_place *place;
    const bp_frame *frame;
    uint8_t *bytes; /* the frame's, as far as they are there */
    size_t size;
    slot *slots;
    size_t found; /* slots that are filled in */
} body;

static bp_status read_bytes(const bpi_frame_place *place, uint64_t offset, size_t size, bpi_buffer *bytes,
                            bp_error *error)
{
    const bpi_home *home = place->home;
    size_t got = 0;
    if (!bpi_buffer_reserve(bytes, size)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for %zu bytes of a frame", size);
    }
    int code = home->io->file_read(home->io->context, place->file, offset, bytes->data + bytes->size, size, &got);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot read the log");
    }
    bytes->size += got;
    return BP_OK;
}

/* A record or a fold entry; NULL when it can be read. */
static const char *check_item(const uint8_t *bytes, size_t available, bool fold, uint32_t seed, bp_event *event_out,
                              size_t *length_out)
{
    bool first = false;
    return fold ? bpi_fold_view(bytes, available, seed, event_out, &first, length_out)
                : bpi_record_check(bytes, available, seed, event_out, length_out);
}

static bool is_right(const body *b, size_t at, uint64_t sequence, bp_event *event_out, size_t *length_out)
{
    return at < b->size &&
           check_item(b->bytes + at, b->size - at, b->fold, b->place->seed, event_out, length_out) == NULL &&
           event_out->sequence == sequence;
}

static size_t least_size(bool fold)
{
    return fold ? (size_t)BPI_FOLD_MIN : (size_t)BPI_RECORD_MIN;
}

/* The length that the sizes of its parts give. */
static size_t length_of_parts(const uint8_t *record, bool fold)
{
    if (fold) {
        return (size_t)bpi_round_up(BPI_FOLD_FIXED + (size_t)bpi_get16(record + BPI_FOLD_ENTITY_SIZE) +
                                        bpi_get16(record + BPI_FOLD_SCOPE_SIZE),
                                    BPI_RECORD_ALIGN);
    }
    size_t used = BPI_RECORD_FIXED + (size_t)record[BPI_RECORD_CAUSES] * sizeof(bp_id) +
                  bpi_get16(record + BPI_RECORD_ENTITY_SIZE) + bpi_get16(record + BPI_RECORD_SCOPE_SIZE) +
                  bpi_get16(record + BPI_RECORD_PUBLIC_SIZE) + bpi_get16(record + BPI_RECORD_PRIVATE_SIZE) +
                  (size_t)bpi_get32(record + BPI_RECORD_PAYLOAD_SIZE);
    if (record[BPI_RECORD_STATE] & BPI_RECORD_STATE_STUB) {
        used += sizeof(bp_hash);
    }
    return (size_t)bpi_round_up(used, BPI_RECORD_ALIGN);
}

/* Does a record of that length lead to the next one, or to the frame's end? */
static bool leads_on(const body *b, size_t index, size_t at, size_t length)
{
    bp_event event;
    size_t unused = 0;
    if (length < least_size(b->fold) || length % BPI_RECORD_ALIGN != 0 || length > b->size - at) {
        return false;
    }
    if (index + 1 == b->frame->record_count) {
        return at + length == b->frame->length;
    }
    return is_right(b, at + length, b->frame->first_sequence + index + 1, &event, &unused);
}

/* Fills in the slot of a record that is not right; false when there is no telling where the next one is. */
static bool pass_damaged(const body *b, size_t index, slot *one)
{
    uint8_t *record = b->bytes + one->at;
    if (b->size - one->at < least_size(b->fold)) {
        return false;
    }
    size_t stored = bpi_get32(record + BPI_RECORD_LENGTH);
    size_t parts = length_of_parts(record, b->fold);
    bool by_parts = !leads_on(b, index, one->at, stored) && leads_on(b, index, one->at, parts);
    one->length = by_parts ? parts : stored;
    if (by_parts) {
        /* Its length field alone may be what is damaged. */
        bp_event event;
        size_t length = 0;
        bpi_put32(record + BPI_RECORD_LENGTH, (uint32_t)parts);
        one->good = is_right(b, one->at, b->frame->first_sequence + index, &event, &length);
    }
    return one->length >= least_size(b->fold) && one->length % BPI_RECORD_ALIGN == 0 &&
           one->length <= b->size - one->at;
}

/* Follows the lengths; true when they end exactly where the frame does. */
static bool follow(body *b)
{
    size_t at = BPI_FRAME_HEADER;
    for (b->found = 0; b->found < b->frame->record_count; b->found++) {
        slot *one = &b->slots[b->found];
        bp_event event;
        *one = (slot){.at = at};
        if (b->size < at + least_size(b->fold)) {
            return false;
        }
        one->crc = bpi_get32(b->bytes + at + BPI_RECORD_CRC);
        one->good = is_right(b, at, b->frame->first_sequence + b->found, &event, &one->length);
        if (!one->good && !pass_damaged(b, b->found, one)) {
            return false;
        }
        at += one->length;
    }
    return at == b->frame->length;
}

static uint32_t body_crc(const body *b, size_t changed, uint32_t changed_crc)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < b->found; i++) {
        uint8_t stored[4];
        bpi_put32(stored, i == changed ? changed_crc : b->slots[i].crc);
        crc = bpi_crc32c(crc, stored, sizeof stored);
    }
    return crc;
}

/* What the checksum of a record, or of a fold entry, should be. */
static uint32_t own_sum(const body *b, const uint8_t *bytes, size_t length)
{
    if (b->fold) {
        return bpi_crc32c(b->place->seed, bytes + BPI_FOLD_LENGTH, length - BPI_FOLD_LENGTH);
    }
    uint32_t crc = bpi_crc32c(b->place->seed, bytes + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
    return bpi_crc32c(crc, bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH);
}

/* Is the body's checksum that of these records? If it is once one damaged record's own checksum is computed anew, then that
 * field was all that is damaged in it. */
static bool confirmed(body *b)
{
    if (body_crc(b, SIZE_MAX, 0) == b->frame->body_crc) {
        return true;
    }
    for (size_t i = 0; i < b->found; i++) {
        slot *one = &b->slots[i];
        uint8_t *record = b->bytes + one->at;
        if (one->good) {
            continue;
        }
        uint32_t crc = own_sum(b, record, one->length);
        if (body_crc(b, i, crc) == b->frame->body_crc) {
            bp_event event;
            size_t length = 0;
            bpi_put32(record + BPI_RECORD_CRC, crc);
            one->good = is_right(b, one->at, b->frame->first_sequence + i, &event, &length);
            return true;
        }
    }
    return false;
}

static bp_status tell(const body *b, size_t count, bpi_record_fn take, void *argument, bp_error *error)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        bp_event event;
        size_t length = 0;
        if (!b->slots[i].good || !is_right(b, b->slots[i].at, b->frame->first_sequence + i, &event, &length)) {
            continue;
        }
        event.position = bpi_lsn(b->place->ordinal, b->place->offset + b->slots[i].at);
        event.batch = b->frame->first_sequence;
        event.batch_count = b->frame->record_count;
        status = take(argument, &event, error);
    }
    return status;
}

bp_status bpi_salvage_body(const bpi_frame_place *place, const bp_frame *frame, size_t available, bpi_buffer *bytes,
                           bpi_record_fn take, void *argument, bp_error *error)
{
    bool fold = frame->type == BP_FRAME_FOLD;
    if ((frame->type != BP_FRAME_DATA && !fold) || frame->record_count == 0 || frame->record_count > BP_BATCH_MAX) {
        return BP_OK;
    }
    bytes->size = 0;
    bp_status status = read_bytes(place, place->offset, available, bytes, error);
    if (status != BP_OK) {
        return status;
    }
    body b = {.fold = fold, .place = place, .frame = frame, .bytes = bytes->data, .size = bytes->size};
    b.slots = bpi_allocate_array(place->home->allocator, frame->record_count, sizeof *b.slots);
    if (b.slots == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the records of a frame");
    }
    size_t proven = 0;
    if (follow(&b) && confirmed(&b)) {
        proven = b.found;
    } else {
        while (proven < b.found && b.slots[proven].good) {
            proven++;
        }
    }
    status = tell(&b, proven, take, argument, error);
    bpi_release(place->home->allocator, b.slots, frame->record_count * sizeof *b.slots);
    return status;
}

/* Reads what may be a record, or a fold entry, at `at` behind what is in the buffer. BP_END: it is none, and the buffer as before. */
static bp_status read_headless(const bpi_frame_place *place, uint64_t at, uint64_t limit, uint64_t sequence, bool fold,
                               bpi_buffer *bytes, size_t *length_out, bp_error *error)
{
    size_t before = bytes->size;
    size_t fixed = fold ? (size_t)BPI_FOLD_FIXED : (size_t)BPI_RECORD_FIXED;
    bp_event event;
    if (at >= limit || limit - at < least_size(fold)) {
        return BP_END;
    }
    bp_status status = read_bytes(place, at, fixed, bytes, error);
    if (status != BP_OK) {
        return status;
    }
    uint64_t claimed = bytes->size - before < fixed ? 0 : bpi_get32(bytes->data + before + BPI_RECORD_LENGTH);
    bool likely = claimed >= least_size(fold) && claimed <= limit - at && claimed <= BP_PAYLOAD_MAX + (1u << 18) &&
                  length_of_parts(bytes->data + before, fold) == claimed;
    if (likely) {
        status = read_bytes(place, at + fixed, (size_t)claimed - fixed, bytes, error);
    }
    if (status == BP_OK &&
        (!likely ||
         check_item(bytes->data + before, bytes->size - before, fold, place->seed, &event, length_out) != NULL ||
         event.sequence != sequence || *length_out != claimed)) {
        bytes->size = before;
        status = BP_END;
    }
    return status;
}

/* Hands on the events from `first` on, which lie one behind the other in the buffer. */
static bp_status tell_headless(const bpi_frame_place *place, const bpi_buffer *bytes, bool fold, uint64_t first,
                               uint64_t end, bpi_record_fn take, void *argument, bp_error *error)
{
    size_t offset = 0;
    bp_status status = BP_OK;
    for (uint64_t i = first; i < end && status == BP_OK; i++) {
        bp_event event;
        bool begins = false;
        const uint8_t *at = bytes->data + offset;
        offset += fold ? bpi_fold_again(at, &event, &begins) : bpi_record_again(at, &event);
        event.position = bpi_lsn(place->ordinal, place->offset + BPI_FRAME_HEADER + (uint64_t)(at - bytes->data));
        event.batch = first;
        event.batch_count = (uint32_t)(end - first);
        status = take(argument, &event, error);
    }
    return status;
}

bp_status bpi_salvage_headless(const bpi_frame_place *place, uint64_t limit, uint64_t first, bool folds,
                               bpi_buffer *bytes, uint64_t *end_out, bpi_record_fn take, void *argument,
                               bp_error *error)
{
    uint64_t at = place->offset + BPI_FRAME_HEADER;
    uint64_t sequence = first;
    bp_status status = BP_OK;
    bool fold = false;
    bytes->size = 0;
    /* First as far as they go, so that the bytes do not move under the events that are told afterwards. */
    while (status == BP_OK && sequence - first < BP_BATCH_MAX) {
        size_t length = 0;
        status = read_headless(place, at, limit, sequence, fold, bytes, &length, error);
        if (status == BP_END && sequence == first && folds && !fold) {
            fold = true;
            status = BP_OK;
            continue;
        }
        if (status == BP_OK) {
            at += length;
            sequence++;
        }
    }
    *end_out = at;
    return status == BP_OK || status == BP_END
               ? tell_headless(place, bytes, fold, first, sequence, take, argument, error)
               : status;
}
