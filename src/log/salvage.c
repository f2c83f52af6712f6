/*
 * salvage.c: going through the segments of a damaged log. See salvage.h for what is taken.
 */
#include "log/salvage.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"
#include "log/salvage_frame.h"

typedef struct salvaging {
    const bpi_sources *sources;
    const bpi_salvage_calls *calls;
    bpi_salvage_result *out;
    bpi_chain chain;
    bool expected;    /* chain.next_sequence is what the next frame must begin with */
    uint64_t vouched; /* V */
    uint64_t stop;    /* events from this sequence on are told by a later segment */
    bpi_buffer taken; /* bp_event: the records of the frame at hand */
    bpi_scanner scanner;
    bp_file *file;
    uint64_t done;
    uint64_t total;
} salvaging;

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bp_status open_source(const salvaging *s, const bpi_source *source, bp_file **file_out, bp_error *error)
{
    const bpi_home *home = s->sources->home;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(source->name_ordinal, source->name_generation, name);
    int code = home->io->file_open(home->io->context, home->log, name, BP_OPEN_READ, file_out);
    if (code == 0) {
        return BP_OK;
    }
    bp_status status = bpi_error_system(error, code, "cannot open a segment");
    bpi_error_file(error, "log/%s", name);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

static bool is_sealed(const bpi_source *source)
{
    return source->listed && source->entry.state == BPI_SEGMENT_SEALED;
}

/* ---- before the records: what vouches, and where segments begin ---- */

/* Something else has taken its place; its file is about to go. */
static bool is_retired(const bpi_source *source)
{
    return source->listed && source->entry.state == BPI_SEGMENT_RETIRED;
}

/* Has the log room for so many? Each event takes more than this, a dropped one too. Nothing else protects what `live` says. */
static bool has_room(const salvaging *s, uint64_t events)
{
    const bpi_sources *sources = s->sources;
    uint64_t missing =
        (uint64_t)sources->missing * (sources->manifest_good ? sources->catalog.manifest.segment_size : BP_SEGMENT_MAX);
    return events <= (s->total + missing) / BPI_FRAME_HEADER;
}

/* The frontiers that frames bear; of segments that may hold the end of the log. */
static bp_status find_vouched(salvaging *s, const bpi_live_word *live, bp_error *error)
{
    const bpi_sources *sources = s->sources;
    s->vouched = sources->manifest_good ? sources->catalog.manifest.durable : 0;
    if (live != NULL) {
        s->vouched = greater(s->vouched, greater(live->published, live->durable));
        s->out->known_next = live->published != 0 && has_room(s, live->sequence) ? live->sequence : 0;
    }
    for (size_t i = 0; i < sources->count; i++) {
        const bpi_source *source = &sources->items[i];
        uint64_t frontier = 0;
        uint64_t unused[2];
        bp_file *file = NULL;
        if (is_sealed(source)) {
            s->out->known_next = greater(s->out->known_next, source->entry.first_sequence + source->entry.count);
            continue;
        }
        bp_status status = open_source(s, source, &file, error);
        if (status == BP_OK) {
            status = bpi_scan_headers(sources->home, file, "log", source->entry.ordinal, source->entry.salt,
                                      BPI_SEGMENT_HEADER, source->file_size, &frontier, &unused[0], &unused[1], error);
            sources->home->io->file_close(sources->home->io->context, file);
        }
        if (status != BP_OK) {
            return status;
        }
        s->vouched = greater(s->vouched, frontier);
    }
    return BP_OK;
}

/*
 * The sequence with which the next segment that has frames begins; UINT64_MAX: not known. After a recovery in the process the
 * segment before may hold records that were written anew there. Until the list says so the segment before has them: a process
 * that died in the recovery leaves some in both, and nothing vouches for the later ones. Without a list that speaks of the segment before
 * the later ones are believed: they are whole unless it died just then, and the older ones stay for years.
 */
static uint64_t find_stop(const salvaging *s, size_t index)
{
    const bpi_home *home = s->sources->home;
    bool told = s->sources->manifest_good && s->sources->items[index].listed;
    uint64_t stop = UINT64_MAX;
    for (size_t i = index + 1; i < s->sources->count && stop == UINT64_MAX; i++) {
        const bpi_source *source = &s->sources->items[i];
        uint8_t bytes[BPI_FRAME_HEADER];
        bp_frame frame;
        bp_file *file = NULL;
        size_t got = 0;
        if (is_sealed(source)) {
            return source->entry.first_sequence;
        }
        if ((is_retired(source) && !bpi_planted(BPI_PLANT_REPLACED_BELIEVED)) ||
            open_source(s, source, &file, NULL) != BP_OK) {
            continue;
        }
        uint64_t lsn = bpi_lsn(source->entry.ordinal, BPI_SEGMENT_HEADER);
        if ((lsn < s->vouched || !told) &&
            home->io->file_read(home->io->context, file, BPI_SEGMENT_HEADER, bytes, sizeof bytes, &got) == 0 &&
            got == sizeof bytes && bpi_frame_header_valid(bytes, source->entry.salt, lsn, &frame)) {
            stop = frame.first_sequence;
        }
        home->io->file_close(home->io->context, file);
    }
    return stop;
}

/* ---- records ---- */

static bp_status take_record(void *argument, const bp_event *event, bp_error *error)
{
    salvaging *s = argument;
    if (event->sequence >= s->stop) {
        return BP_OK;
    }
    return bpi_buffer_append(&s->taken, event, sizeof *event)
               ? BP_OK
               : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the records of a frame");
}

/* Hands on what was taken of a frame. */
static bp_status hand_on(salvaging *s, bool whole, bp_error *error)
{
    size_t count = s->taken.size / sizeof(bp_event);
    s->out->partial += !whole && count > 0;
    if (count == 0) {
        return BP_OK;
    }
    const bp_event *events = (const bp_event *)(const void *)s->taken.data;
    s->out->known_next = greater(s->out->known_next, events[count - 1].sequence + 1);
    return s->calls->commit(s->calls->argument, events, count, whole, error);
}

static void tell_hole(const salvaging *s, uint64_t from, uint64_t to, const char *what)
{
    if (s->calls->hole != NULL && to > from) {
        s->calls->hole(s->calls->argument, s->scanner.name, from, to, what);
    }
}

/* ---- frames ---- */

/* The header where the scanner stands, if it is one. */
static bool peek(const salvaging *s, bp_frame *frame_out)
{
    const bpi_home *home = s->sources->home;
    const bpi_scanner *at = &s->scanner;
    uint8_t bytes[BPI_FRAME_HEADER];
    size_t got = 0;
    bool unknown = false;
    return home->io->file_read(home->io->context, s->file, at->offset, bytes, sizeof bytes, &got) == 0 &&
           got == sizeof bytes && at->offset + BPI_FRAME_HEADER <= at->limit &&
           bpi_frame_header_valid(bytes, at->salt, bpi_lsn(at->ordinal, at->offset), frame_out) &&
           bpi_frame_shape_fault(bytes, frame_out, &unknown) == NULL;
}

/* Takes the header at hand for the next one, whatever was expected. */
static void adopt(salvaging *s, const bp_frame *frame)
{
    s->chain.link = frame->previous_crc;
    s->chain.next_sequence = frame->first_sequence;
    s->chain.epoch = 0;
    s->chain.last_hlc = 0;
    s->expected = true;
}

static bool fits(const salvaging *s, const bp_frame *frame)
{
    return s->expected && frame->previous_crc == s->chain.link && frame->first_sequence == s->chain.next_sequence &&
           frame->epoch >= s->chain.epoch;
}

/* A frame whose header is right and whose body is not. The scanner stands behind it afterwards. */
static bp_status take_damaged(salvaging *s, const bp_frame *frame, const char *what, bp_error *error)
{
    uint64_t from = s->scanner.offset;
    uint64_t left = s->scanner.limit - from;
    uint64_t length = frame->length < left ? frame->length : left;
    bpi_frame_place place = {s->sources->home, s->file, s->scanner.ordinal, from, s->chain.seed};
    s->taken.size = 0;
    bpi_buffer bytes;
    bpi_buffer_init(&bytes, s->sources->home->allocator);
    bp_status status = bpi_salvage_body(&place, frame, (size_t)length, &bytes, take_record, s, error);
    if (status == BP_OK) {
        bool mended = s->taken.size / sizeof(bp_event) == frame->record_count;
        status = hand_on(s, mended, error);
    }
    bpi_buffer_fini(&bytes);
    if (bpi_lsn(s->scanner.ordinal, from) < s->vouched) {
        s->out->known_next = greater(s->out->known_next, frame->first_sequence + frame->record_count);
    }
    tell_hole(s, from, from + length, what);
    s->chain.link = frame->header_crc;
    s->chain.next_sequence = frame->first_sequence + frame->record_count;
    s->chain.epoch = frame->epoch;
    s->chain.last_hlc = 0;
    s->scanner.offset = from + length;
    return status;
}

/* No header where one must be: records that lie behind it all the same, then the next header. BP_END: there is none. */
static bp_status take_headless(salvaging *s, const char *what, bp_error *error)
{
    uint64_t from = s->scanner.offset;
    bpi_frame_place place = {s->sources->home, s->file, s->scanner.ordinal, from, s->chain.seed};
    bp_status status = BP_OK;
    if (s->expected) {
        bpi_buffer bytes;
        uint64_t end = from;
        s->taken.size = 0;
        bpi_buffer_init(&bytes, s->sources->home->allocator);
        status = bpi_salvage_headless(&place, s->scanner.limit, s->chain.next_sequence, s->scanner.rewritten, &bytes,
                                      &end, take_record, s, error);
        if (status == BP_OK && s->taken.size > 0) {
            status = hand_on(s, false, error);
        }
        bpi_buffer_fini(&bytes);
    }
    bool found = false;
    if (status == BP_OK) {
        status = bpi_scanner_search(&s->scanner, &found, error);
    }
    if (status != BP_OK) {
        return status;
    }
    s->chain.last_hlc = 0;
    s->expected = found;
    tell_hole(s, from, found ? s->scanner.offset : s->scanner.limit, what);
    return found ? BP_OK : BP_END;
}

/* Where the scanner accepts nothing; `contradiction`: of a frame that is whole, which is damage wherever it stands. BP_OK: go on. BP_END: the segment has no more, or *log_ended_out. */
static bp_status go_on(salvaging *s, const bpi_source *source, const char *fault, bool contradiction,
                       bool *log_ended_out, bp_error *error)
{
    bp_frame frame;
    bool there = peek(s, &frame);
    if (there && !fits(s, &frame)) {
        adopt(s, &frame);
        return BP_OK;
    }
    uint64_t lsn = bpi_lsn(s->scanner.ordinal, s->scanner.offset);
    if (!is_sealed(source) && s->chain.next_sequence >= s->stop) {
        return BP_END; /* the next segment has all that follows */
    }
    if (!is_sealed(source) && lsn >= s->vouched && !contradiction) {
        *log_ended_out = true;
        return BP_END;
    }
    return there ? take_damaged(s, &frame, fault, error) : take_headless(s, fault, error);
}

static bp_status take_frames(salvaging *s, const bpi_source *source, bool *log_ended_out, bp_error *error)
{
    for (;;) {
        bp_frame frame;
        bp_error local = {0};
        s->taken.size = 0;
        bp_status status = bpi_scanner_next(&s->scanner, &frame, take_record, s, &local);
        if (status == BP_OK) {
            s->out->frames++;
            s->expected = true;
            status = hand_on(s, true, error);
            if (status != BP_OK || frame.type == BP_FRAME_PAD) {
                return status;
            }
            continue;
        }
        if (status != BP_END && status != BP_ERR_CORRUPT) {
            bpi_error_set(error, status, "%s", local.message);
            bpi_error_at(error, s->scanner.offset, "%s", s->scanner.name);
            return status;
        }
        if (status == BP_END && s->scanner.fault == NULL) {
            *log_ended_out = !is_sealed(source) && s->chain.next_sequence < s->stop &&
                             bpi_lsn(s->scanner.ordinal, s->scanner.offset) >= s->vouched;
            return BP_END;
        }
        const char *fault = status == BP_END ? s->scanner.fault : local.message;
        status = go_on(s, source, fault, status == BP_ERR_CORRUPT, log_ended_out, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

/* What lies in a segment behind the end of the log, up to the last byte that is not zero. */
static bp_status count_unsettled(salvaging *s, const bpi_source *source, bp_file *file, uint64_t from, bp_error *error)
{
    uint64_t unused[2];
    uint64_t end = 0;
    bp_status status =
        bpi_scan_headers(s->sources->home, file, s->scanner.name, source->entry.ordinal, source->entry.salt, from,
                         source->file_size, &unused[0], &unused[1], &end, error);
    s->out->unsettled += status == BP_OK ? end - from : 0;
    return status;
}

/* Of the segments behind the one in which the log has ended. */
static bp_status count_later(salvaging *s, size_t index, bp_error *error)
{
    bp_status status = BP_OK;
    for (; index < s->sources->count && status == BP_OK; index++) {
        const bpi_source *source = &s->sources->items[index];
        bp_file *file = NULL;
        if (is_retired(source)) {
            continue;
        }
        status = open_source(s, source, &file, error);
        if (status == BP_OK) {
            status = count_unsettled(s, source, file, BPI_SEGMENT_HEADER, error);
            s->sources->home->io->file_close(s->sources->home->io->context, file);
        }
    }
    return status;
}

static bp_status take_segment(salvaging *s, size_t index, bool *log_ended_out, bp_error *error)
{
    const bpi_source *source = &s->sources->items[index];
    const bpi_source *before = index > 0 ? source - 1 : NULL;
    bp_status status = open_source(s, source, &s->file, error);
    if (status != BP_OK) {
        return status;
    }
    uint64_t limit =
        is_sealed(source) && source->entry.length < source->file_size ? source->entry.length : source->file_size;
    bpi_scanner_init(&s->scanner, s->sources->home, s->file, &source->entry, limit, &s->chain);
    s->scanner.rewritten = s->scanner.rewritten || !source->listed; /* nothing says that it is not */
    s->stop = find_stop(s, index);
    s->chain.last_hlc = 0; /* the order of HLCs is judged with the history */
    if (is_sealed(source)) {
        s->chain.next_sequence = source->entry.first_sequence;
        s->expected = true;
    } else if (before == NULL ? source->entry.ordinal != 0 : source->entry.ordinal != before->entry.ordinal + 1) {
        s->expected = false;
    }
    if (limit < (is_sealed(source) ? source->entry.length : BPI_SEGMENT_HEADER)) {
        tell_hole(s, limit, is_sealed(source) ? source->entry.length : BPI_SEGMENT_HEADER, "the file ends early");
    }
    status = take_frames(s, source, log_ended_out, error);
    if (status == BP_END) {
        s->expected = s->expected && is_sealed(source) && s->scanner.offset == limit;
        status = *log_ended_out ? count_unsettled(s, source, s->file, s->scanner.offset, error) : BP_OK;
    }
    if (is_sealed(source) && source->entry.rewritten) {
        s->chain.link = source->entry.link; /* what its successor has followed ever since */
    }
    bpi_scanner_fini(&s->scanner);
    s->sources->home->io->file_close(s->sources->home->io->context, s->file);
    s->done += source->file_size;
    return status;
}

bp_status bpi_salvage_run(const bpi_sources *sources, const bpi_live_word *live, const bpi_salvage_calls *calls,
                          bpi_salvage_result *result_out, bp_error *error)
{
    memset(result_out, 0, sizeof *result_out);
    salvaging s = {.sources = sources, .calls = calls, .out = result_out, .expected = true};
    s.chain.seed = bpi_record_seed(&sources->store_id);
    s.chain.epoch_max = sources->manifest_good ? sources->catalog.manifest.epoch : UINT32_MAX;
    bpi_buffer_init(&s.taken, sources->home->allocator);
    for (size_t i = 0; i < sources->count; i++) {
        s.total += sources->items[i].file_size;
    }
    bp_status status = find_vouched(&s, live, error);
    bool ended = false;
    for (size_t i = 0; i < sources->count && status == BP_OK && !ended; i++) {
        if (is_retired(&sources->items[i])) {
            continue;
        }
        if (calls->progress != NULL) {
            calls->progress(calls->progress_context, "reading", s.done, s.total);
        }
        status = take_segment(&s, i, &ended, error);
        if (status == BP_OK && ended) {
            status = count_later(&s, i + 1, error);
        }
    }
    bpi_buffer_fini(&s.taken);
    return status;
}
