/*
 * restate.c: the writing of frames for a rewritten segment.
 *
 * Holds: a kept record is copied byte for byte; a frame's header is made when the frame is whole, and goes to the file with it.
 */
#include "log/restate.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "format/fold.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "io/pace.h"
#include "log/rewrite.h"

enum { PIECE = 256 << 10, WRITE_AT = PIECE, SYNC_AT = 4 << 20, FOLD_FRAME_MOST = 1 << 20 };

unsigned bpi_fate_of(const bp_event *event, unsigned fate)
{
    if (event->dropped || (fate & BPI_FATE_DROP) != 0) {
        return event->dropped ? BPI_FATE_KEEP : BPI_FATE_DROP;
    }
    if (event->payload_absent) {
        fate &= ~(unsigned)BPI_FATE_STUB;
    }
    return event->tombstoned ? fate & ~(unsigned)BPI_FATE_BURY : fate;
}

void bpi_restate_begin(bpi_restate *restate, const bp_allocator *allocator, const bpi_restate_target *target)
{
    memset(restate, 0, sizeof *restate);
    restate->target = target;
    restate->end = BPI_SEGMENT_HEADER;
    restate->written = BPI_SEGMENT_HEADER;
    restate->synced = BPI_SEGMENT_HEADER;
    restate->link = target != NULL ? target->link : 0;
    bpi_buffer_init(&restate->bytes, allocator);
}

void bpi_restate_fini(bpi_restate *restate)
{
    bpi_buffer_fini(&restate->bytes);
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to rewrite a segment");
}

/* The medium gets it at once, in small pieces: what is queued there goes before the syncs of the appends. */
static int write_pieces(bpi_restate *restate)
{
    const bpi_restate_target *target = restate->target;
    const bp_io *io = target->io;
    int code = 0;
    for (size_t at = 0; at < restate->bytes.size && code == 0;) {
        size_t piece = restate->bytes.size - at < PIECE ? restate->bytes.size - at : PIECE;
        code = io->file_write(io->context, target->file, restate->written + at, restate->bytes.data + at, piece);
        if (code == 0) {
            io->file_begin_sync(io->context, target->file, restate->written + at, piece);
        }
        at += piece;
        bpi_pace_piece();
    }
    return code;
}

/* Gives whole frames to the file. */
static bp_status flush(bpi_restate *restate, bp_error *error)
{
    const bpi_restate_target *target = restate->target;
    if (target == NULL || restate->bytes.size == 0) {
        return BP_OK;
    }
    int code = write_pieces(restate);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot write a rewritten segment");
        bpi_error_hint(error, "the segments it is made from stand as they did");
        return status;
    }
    restate->written += restate->bytes.size;
    if (restate->written - restate->synced >= SYNC_AT) {
        code = target->io->file_sync(target->io->context, target->file, BP_SYNC_DATA);
        restate->synced = restate->written;
        bpi_pace_piece();
    }
    if (code != 0) {
        return bpi_error_system(error, code, "cannot sync a rewritten segment");
    }
    restate->bytes.size = 0;
    restate->frame_at = 0;
    return BP_OK;
}

static bp_status close_frame(bpi_restate *restate, bp_error *error)
{
    if (!restate->open) {
        return BP_OK;
    }
    const bpi_restate_target *target = restate->target;
    if (target != NULL) {
        bp_frame header = {.salt = target->salt,
                           .length = (uint32_t)restate->frame_size,
                           .record_count = restate->records,
                           .type = restate->type,
                           .flags = restate->flags,
                           .epoch = target->epoch,
                           .lsn = bpi_lsn(target->ordinal, restate->end),
                           .first_sequence = restate->first_sequence,
                           .previous_crc = restate->link,
                           .body_crc = restate->body_crc};
        restate->link = bpi_frame_put(&header, restate->bytes.data + restate->frame_at);
    }
    restate->open = false;
    restate->end += restate->frame_size;
    restate->frames++;
    return restate->bytes.size >= WRITE_AT ? flush(restate, error) : BP_OK;
}

static bp_status open_frame(bpi_restate *restate, uint8_t type, bool continues, uint64_t sequence, bp_error *error)
{
    static const uint8_t header[BPI_FRAME_HEADER];
    bp_status status = close_frame(restate, error);
    if (status != BP_OK) {
        return status;
    }
    restate->frame_at = restate->bytes.size;
    if (restate->target != NULL && !bpi_buffer_append(&restate->bytes, header, sizeof header)) {
        return no_memory(error);
    }
    restate->open = true;
    restate->type = type;
    restate->flags = (uint8_t)(BPI_FRAME_MUST_UNDERSTAND | (continues ? BPI_FRAME_CONTINUES : 0));
    restate->records = 0;
    restate->body_crc = 0;
    restate->first_sequence = sequence;
    restate->frame_size = BPI_FRAME_HEADER;
    return BP_OK;
}

/* One item of `size` bytes, which the caller has put behind the buffer's content when there is a target. */
static void took(bpi_restate *restate, const bp_event *event, size_t size)
{
    if (restate->target != NULL) {
        restate->body_crc = bpi_crc32c(restate->body_crc, restate->bytes.data + restate->bytes.size, 4);
        restate->bytes.size += size;
    }
    restate->records++;
    restate->frame_size += size;
    restate->next_sequence = event->sequence + 1;
}

static bp_status add_fold(bpi_restate *restate, const bp_event *event, bp_error *error)
{
    size_t size = bpi_fold_size(event);
    bool fits = restate->open && restate->type == BP_FRAME_FOLD && restate->records < BP_BATCH_MAX &&
                restate->frame_size + size <= FOLD_FRAME_MOST;
    bp_status status = fits ? BP_OK : open_frame(restate, BP_FRAME_FOLD, false, event->sequence, error);
    if (status == BP_OK && restate->target != NULL) {
        if (!bpi_buffer_reserve(&restate->bytes, size)) {
            return no_memory(error);
        }
        (void)bpi_fold_put(restate->bytes.data + restate->bytes.size, event, restate->target->seed);
    }
    if (status == BP_OK) {
        took(restate, event, size);
    }
    return status;
}

/* The record without what goes with the payload. */
static void put_changed(uint8_t *bytes, const bpi_record_input *input, const bp_event *event, uint32_t seed)
{
    bpi_record_assigned assigned = {event->sequence, event->clock, event->hlc, event->time_us, event->event_hash};
    uint32_t crc = bpi_record_build(bytes, input, seed);
    (void)bpi_record_assign(bytes, &assigned, crc);
}

static void changed_input(const bp_event *event, unsigned fate, bpi_record_input *input)
{
    bpi_record_input_of(event, input);
    if ((fate & BPI_FATE_STUB) != 0) {
        input->content_hash = bp_event_content_hash(event);
        input->private_extensions = NULL;
        input->private_size = 0;
        input->payload = NULL;
        input->payload_size = 0;
        memset(input->salt, 0, sizeof input->salt);
    }
    bool stub = event->payload_absent || (fate & BPI_FATE_STUB) != 0;
    bool buried = event->tombstoned || (fate & BPI_FATE_BURY) != 0;
    input->state = (uint8_t)((stub ? BPI_RECORD_STATE_STUB : 0) | (buried ? BPI_RECORD_STATE_TOMBSTONED : 0));
}

static bp_status add_record(bpi_restate *restate, const bp_event *event, unsigned fate, bp_error *error)
{
    const uint8_t *bytes = bpi_event_bytes(event);
    bpi_record_input input;
    size_t size = bpi_get32(bytes + BPI_RECORD_LENGTH);
    if (fate != BPI_FATE_KEEP) {
        changed_input(event, fate, &input);
        size = bpi_record_size(&input);
    }
    bool begins = event->batch == event->sequence;
    bp_status status = BP_OK;
    if (begins || !restate->open || restate->type != BP_FRAME_DATA) {
        status = open_frame(restate, BP_FRAME_DATA, !begins, event->sequence, error);
    }
    if (status == BP_OK && restate->frame_size + size >
                               BP_FRAME_MAX) { /* who appends leaves room for stubs, unless he is older than that */
        status = bpi_error_set(error, BP_ERR_TOO_LARGE, "without event %llu its commit would be larger than a frame",
                               (unsigned long long)event->sequence);
    }
    if (status == BP_OK && restate->target != NULL) {
        if (!bpi_buffer_reserve(&restate->bytes, size)) {
            return no_memory(error);
        }
        uint8_t *at = restate->bytes.data + restate->bytes.size;
        if (fate == BPI_FATE_KEEP) {
            memcpy(at, bytes, size);
        } else {
            put_changed(at, &input, event, restate->target->seed);
        }
    }
    if (status == BP_OK) {
        took(restate, event, size);
    }
    return status;
}

bp_status bpi_restate_add(bpi_restate *restate, const bp_event *event, unsigned fate, bp_error *error)
{
    return event->dropped || (fate & BPI_FATE_DROP) != 0 ? add_fold(restate, event, error)
                                                         : add_record(restate, event, fate, error);
}

bp_status bpi_restate_end(bpi_restate *restate, bp_error *error)
{
    bp_status status = close_frame(restate, error);
    return status == BP_OK ? flush(restate, error) : status;
}

bp_status bpi_restate_pad(bpi_restate *restate, bp_error *error)
{
    bp_status status = open_frame(restate, BP_FRAME_PAD, false, restate->next_sequence, error);
    return status == BP_OK ? bpi_restate_end(restate, error) : status;
}
