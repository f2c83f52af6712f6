/*
 * scan.c: the acceptance of frames.
 *
 * Holds: a header's fields are used only after its CRC; a length only after the header is valid; a body's bytes only
 * after they lie within the file; the chain moves on only when everything about the frame was right.
 */
#include "log/scan.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/plant.h"
#include "io/pace.h"

/* What is read at once stays in the processor's own cache until it was looked at. */
enum { WINDOW_SIZE = 256 << 10, SEARCH_SIZE = 1 << 20 };

void bpi_scanner_init(bpi_scanner *scanner, const bpi_home *home, bp_file *file, const bpi_segment_entry *entry,
                      uint64_t limit, bpi_chain *chain)
{
    memset(scanner, 0, sizeof *scanner);
    scanner->home = home;
    scanner->file = file;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    (void)snprintf(scanner->name, sizeof scanner->name, "log/%s", name);
    scanner->ordinal = entry->ordinal;
    scanner->salt = entry->salt;
    scanner->limit = limit;
    scanner->offset = BPI_SEGMENT_HEADER;
    scanner->chain = chain;
    scanner->rewritten = entry->rewritten;
    scanner->full = true;
    bpi_buffer_init(&scanner->window, home->allocator);
}

void bpi_scanner_fini(bpi_scanner *scanner)
{
    bpi_buffer_fini(&scanner->window);
}

static bp_status read_at(const bpi_home *home, bp_file *file, const char *name, uint64_t offset, uint8_t *data,
                         size_t size, size_t *got_out, bp_error *error)
{
    int code = home->io->file_read(home->io->context, file, offset, data, size, got_out);
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot read the log");
        bpi_error_at(error, offset, "%s", name);
        return status;
    }
    return BP_OK;
}

/* Goes on with a window that begins at offset: what it has of that already is not read again. */
static bp_status move_window(bpi_scanner *scanner, uint64_t offset, size_t wanted, bp_error *error)
{
    bpi_buffer *window = &scanner->window;
    uint64_t end = scanner->window_start + window->size;
    size_t kept = offset >= scanner->window_start && offset < end ? (size_t)(end - offset) : 0;
    if (kept > 0) {
        memmove(window->data, window->data + (offset - scanner->window_start), kept);
    }
    scanner->window_start = offset;
    window->size = kept;
    if (wanted <= kept) {
        return BP_OK;
    }
    size_t got = 0;
    bp_status status = BP_OK;
    if (!bpi_buffer_reserve(window, wanted - kept)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read a frame of %zu bytes", wanted);
    } else {
        status = read_at(scanner->home, scanner->file, scanner->name, offset + kept, window->data + kept, wanted - kept,
                         &got, error);
    }
    window->size = status == BP_OK ? kept + got : 0;
    return status;
}

/* Makes [offset, offset + size) lie in the window, or as much of it as the file has. */
static bp_status fill_window(bpi_scanner *scanner, uint64_t offset, size_t size, const uint8_t **bytes_out,
                             size_t *available_out, bp_error *error)
{
    uint64_t end = scanner->window_start + scanner->window.size;
    if (offset < scanner->window_start || offset + size > end) {
        size_t wanted = size > WINDOW_SIZE ? size : WINDOW_SIZE;
        if (wanted > scanner->limit - offset) {
            wanted = (size_t)(scanner->limit - offset);
        }
        bp_status status = move_window(scanner, offset, wanted, error);
        if (status != BP_OK) {
            return status;
        }
        end = scanner->window_start + scanner->window.size;
    }
    *bytes_out = scanner->window.data + (offset - scanner->window_start);
    *available_out = (size_t)(end - offset);
    return BP_OK;
}

static bp_status no_frame(bpi_scanner *scanner, const char *fault)
{
    scanner->fault = fault;
    scanner->fault_offset = scanner->offset;
    return BP_END;
}

static bp_status bad_record(bpi_scanner *scanner, size_t at, const char *fault)
{
    (void)no_frame(scanner, fault);
    scanner->fault_offset += at;
    return BP_END;
}

static bp_status contradiction(bpi_scanner *scanner, uint64_t offset, uint64_t sequence, const char *what,
                               bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the log contradicts itself: %s", what);
    bpi_error_at(error, offset, "%s", scanner->name);
    if (error != NULL) {
        error->has_sequence = true;
        error->sequence = sequence;
    }
    return BP_ERR_CORRUPT;
}

/* What is wrong with a header in this place; NULL when nothing. */
static const char *header_fault(const bpi_scanner *scanner, const bp_frame *frame)
{
    const bpi_chain *chain = scanner->chain;
    if (frame->previous_crc != chain->link && !bpi_planted(BPI_PLANT_LINK_IGNORED)) {
        return "frame does not follow the one before";
    }
    if (frame->epoch == 0 || frame->epoch < chain->epoch || frame->epoch > chain->epoch_max) {
        return "frame epoch out of order";
    }
    if (frame->first_sequence != chain->next_sequence) {
        return "frame sequence out of order";
    }
    if (frame->frontier > frame->lsn) {
        return "frame frontier beyond its position";
    }
    if ((frame->flags & BPI_FRAME_CONTINUES) != 0 && frame->type == BP_FRAME_DATA && !scanner->rewritten) {
        return "frame flags unknown";
    }
    if (frame->length > scanner->limit - scanner->offset) {
        return "frame longer than the file";
    }
    return NULL;
}

typedef struct body {
    bpi_scanner *scanner;
    const bp_frame *frame;
    const uint8_t *bytes; /* the frame's */
} body;

/* One record or fold entry. */
static const char *read_item(const body *b, size_t at, bp_event *event, size_t *length_out)
{
    const bpi_scanner *scanner = b->scanner;
    const uint8_t *bytes = b->bytes + at;
    size_t available = b->frame->length - at;
    bool first = false;
    if (b->frame->type == BP_FRAME_FOLD) {
        return bpi_fold_view(bytes, available, scanner->chain->seed, event, &first, length_out);
    }
    return scanner->full ? bpi_record_check(bytes, available, scanner->chain->seed, event, length_out)
                         : bpi_record_view(bytes, available, scanner->chain->seed, event, length_out);
}

/* Checks the records and their sum without telling anybody. BP_END: not accepted. */
static bp_status check_records(const body *b, bp_error *error)
{
    bpi_scanner *scanner = b->scanner;
    size_t at = BPI_FRAME_HEADER;
    uint32_t crc = 0;
    uint64_t sequence = b->frame->first_sequence;
    bp_hlc last = scanner->chain->last_hlc;
    const char *contradicts = NULL;
    uint64_t contradicts_at = 0;
    for (uint32_t i = 0; i < b->frame->record_count; i++, sequence++) {
        bp_event event;
        size_t length = 0;
        const char *fault = read_item(b, at, &event, &length);
        if (fault != NULL) {
            return bad_record(scanner, at, fault);
        }
        if (event.sequence != sequence) {
            return bad_record(scanner, at, "record sequence out of order");
        }
        if (contradicts == NULL) {
            contradicts = event.dropped ? NULL : bpi_record_contradiction(&event);
            if (contradicts == NULL && event.hlc <= last) {
                contradicts = "HLC does not increase";
            }
            contradicts_at = scanner->offset + at;
        }
        if (scanner->expect != NULL) {
            scanner->expect(scanner->expect_argument, &event);
        }
        bpi_pace_point();
        last = event.hlc;
        crc = bpi_crc32c(crc, b->bytes + at + BPI_RECORD_CRC, 4);
        at += length;
    }
    if (at != b->frame->length) {
        return no_frame(scanner, "records do not fill their frame");
    }
    if (crc != b->frame->body_crc) {
        return no_frame(scanner, "frame body checksum does not match");
    }
    if (contradicts != NULL) {
        return contradiction(scanner, contradicts_at, sequence, contradicts, error);
    }
    return BP_OK;
}

/* Where it lies, and in which commit. */
static void place_item(bpi_scanner *scanner, const bp_frame *frame, size_t at, bool first, bp_event *event)
{
    if (first) {
        scanner->chain->batch = event->sequence;
    }
    event->position = bpi_lsn(scanner->ordinal, scanner->offset + at);
    event->batch = scanner->chain->batch;
    event->batch_count = frame->record_count;
}

/* The records have passed check_records. */
static bp_status visit_records(const body *b, bpi_record_fn visit, void *argument, bp_error *error)
{
    bpi_scanner *scanner = b->scanner;
    bp_hlc before = scanner->chain->last_hlc;
    size_t at = BPI_FRAME_HEADER;
    for (uint32_t i = 0; i < b->frame->record_count; i++) {
        bp_event event;
        bool first = i == 0 && (b->frame->flags & BPI_FRAME_CONTINUES) == 0;
        size_t length = b->frame->type == BP_FRAME_FOLD ? bpi_fold_again(b->bytes + at, &event, &first)
                                                        : bpi_record_again(b->bytes + at, &event);
        place_item(scanner, b->frame, at, first, &event);
        if (visit != NULL) {
            bp_status status = visit(argument, &event, error);
            if (status != BP_OK) {
                scanner->chain->last_hlc = before; /* the frame may be told once more */
                return status;
            }
        }
        scanner->chain->last_hlc = event.hlc;
        at += length;
    }
    return BP_OK;
}

/* A type this version does not know: passed over when it may be and its body sum is right. */
static bp_status check_unknown(const body *b, bp_error *error)
{
    const bp_frame *frame = b->frame;
    if (bpi_crc32c(0, b->bytes + BPI_FRAME_HEADER, frame->length - BPI_FRAME_HEADER) != frame->body_crc &&
        (frame->flags & BPI_FRAME_MUST_UNDERSTAND) == 0) {
        return no_frame(b->scanner, "frame body checksum does not match");
    }
    if (frame->flags & BPI_FRAME_MUST_UNDERSTAND) {
        bpi_error_set(error, BP_ERR_VERSION, "the log holds a frame of type %u (%s), which needs a newer batpak",
                      (unsigned)frame->type, bpi_frame_type_name(frame->type));
        bpi_error_at(error, b->scanner->offset, "%s", b->scanner->name);
        return BP_ERR_VERSION;
    }
    return BP_OK;
}

static void step_over(bpi_scanner *scanner, const bp_frame *frame)
{
    bpi_chain *chain = scanner->chain;
    chain->link = frame->header_crc;
    chain->epoch = frame->epoch;
    chain->last_type = frame->type;
    if (frame->frontier > chain->frontier) {
        chain->frontier = frame->frontier;
    }
    if (frame->type == BP_FRAME_DATA || frame->type == BP_FRAME_FOLD) {
        chain->next_sequence += frame->record_count;
    }
    scanner->offset += frame->length;
    scanner->frames++;
}

bp_status bpi_scanner_next(bpi_scanner *scanner, bp_frame *frame_out, bpi_record_fn visit, void *argument,
                           bp_error *error)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    scanner->fault = NULL;
    scanner->header_good = false;
    if (scanner->offset >= scanner->limit) {
        return BP_END;
    }
    bp_status status = fill_window(scanner, scanner->offset, BPI_FRAME_HEADER, &bytes, &available, error);
    if (status != BP_OK) {
        return status;
    }
    if (available < BPI_FRAME_HEADER) {
        return no_frame(scanner, "no whole frame header");
    }
    if (!bpi_frame_header_valid(bytes, scanner->salt, bpi_lsn(scanner->ordinal, scanner->offset), frame_out)) {
        return no_frame(scanner, bpi_all_zero(bytes, BPI_FRAME_HEADER) ? "no frame" : "frame header is not valid");
    }
    bool unknown = false;
    const char *fault = bpi_frame_shape_fault(bytes, frame_out, &unknown);
    unknown = unknown || (frame_out->type == BP_FRAME_FOLD && !scanner->rewritten);
    if (fault == NULL) {
        fault = header_fault(scanner, frame_out);
    }
    if (fault != NULL) {
        return no_frame(scanner, fault);
    }
    status = fill_window(scanner, scanner->offset, frame_out->length, &bytes, &available, error);
    if (status != BP_OK) {
        return status;
    }
    if (available < frame_out->length) {
        return no_frame(scanner, "frame longer than the file");
    }
    body b = {scanner, frame_out, bytes};
    scanner->header_good = true;
    if (unknown) {
        status = check_unknown(&b, error);
    } else if (frame_out->type == BP_FRAME_DATA || frame_out->type == BP_FRAME_FOLD) {
        status = check_records(&b, error);
        if (status == BP_OK) {
            status = visit_records(&b, visit, argument, error);
        }
    }
    if (status == BP_OK) {
        step_over(scanner, frame_out);
    }
    return status;
}

bp_status bpi_scanner_force(bpi_scanner *scanner, const bp_frame *frame, bpi_record_fn visit, void *argument,
                            bp_error *error)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = fill_window(scanner, scanner->offset, frame->length, &bytes, &available, error);
    size_t at = BPI_FRAME_HEADER;
    bool fold = frame->type == BP_FRAME_FOLD;
    for (uint32_t i = 0; status == BP_OK && (fold || frame->type == BP_FRAME_DATA) && i < frame->record_count; i++) {
        bp_event event;
        size_t length = 0;
        bool first = i == 0 && (frame->flags & BPI_FRAME_CONTINUES) == 0;
        const char *fault =
            at >= available ? "end"
            : fold          ? bpi_fold_view(bytes + at, available - at, scanner->chain->seed, &event, &first, &length)
                            : bpi_record_view(bytes + at, available - at, scanner->chain->seed, &event, &length);
        if (fault != NULL) {
            /* The length of a damaged record cannot be believed, so neither can what follows in this frame. */
            break;
        }
        place_item(scanner, frame, at, first, &event);
        status = visit == NULL ? BP_OK : visit(argument, &event, error);
        scanner->chain->last_hlc = event.hlc;
        at += length;
    }
    if (status == BP_OK) {
        step_over(scanner, frame);
    }
    return status;
}

bp_status bpi_scanner_search(bpi_scanner *scanner, bool *found_out, bp_error *error)
{
    *found_out = false;
    uint64_t offset = bpi_round_up(scanner->offset + 1, BPI_FRAME_ALIGN);
    for (; offset < scanner->limit; offset += BPI_FRAME_ALIGN) {
        const uint8_t *bytes = NULL;
        size_t available = 0;
        bp_status status = fill_window(scanner, offset, BPI_FRAME_HEADER, &bytes, &available, error);
        if (status != BP_OK || available < BPI_FRAME_HEADER) {
            return status;
        }
        bp_frame frame;
        if (!bpi_frame_header_valid(bytes, scanner->salt, bpi_lsn(scanner->ordinal, offset), &frame)) {
            continue;
        }
        scanner->offset = offset;
        scanner->chain->link = frame.previous_crc;
        scanner->chain->next_sequence = frame.first_sequence;
        scanner->chain->epoch = 0;
        *found_out = true;
        return BP_OK;
    }
    return BP_OK;
}

typedef struct header_search {
    uint32_t ordinal;
    uint64_t salt;
    uint64_t frontier;
    uint64_t found;
    uint64_t nonzero_end;
} header_search;

/* Looks at one window; bytes behind `starts` only serve headers that begin before. */
static void search_window(header_search *search, const uint8_t *data, size_t size, size_t starts, uint64_t offset)
{
    size_t end = size;
    while (end > 0 && data[end - 1] == 0) {
        end--;
    }
    if (end == 0) {
        return;
    }
    search->nonzero_end = offset + end;
    for (size_t at = 0; at < starts && at < end && size - at >= BPI_FRAME_HEADER; at += BPI_FRAME_ALIGN) {
        bp_frame frame;
        if (bpi_frame_header_valid(data + at, search->salt, bpi_lsn(search->ordinal, offset + at), &frame)) {
            search->found++;
            if (frame.frontier > search->frontier) {
                search->frontier = frame.frontier;
            }
        }
    }
}

bp_status bpi_scan_headers(const bpi_home *home, bp_file *file, const char *name, uint32_t ordinal, uint64_t salt,
                           uint64_t from, uint64_t limit, uint64_t *frontier_out, uint64_t *found_out,
                           uint64_t *nonzero_end_out, bp_error *error)
{
    header_search search = {.ordinal = ordinal, .salt = salt, .nonzero_end = from};
    size_t capacity = SEARCH_SIZE + BPI_FRAME_HEADER;
    uint8_t *data = bpi_allocate(home->allocator, capacity);
    if (data == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to search a segment");
    }
    bp_status status = BP_OK;
    uint64_t offset = bpi_round_up(from, BPI_FRAME_ALIGN);
    while (offset < limit && status == BP_OK) {
        size_t wanted = limit - offset < capacity ? (size_t)(limit - offset) : capacity;
        size_t got = 0;
        status = read_at(home, file, name, offset, data, wanted, &got, error);
        if (status != BP_OK || got == 0) {
            break;
        }
        search_window(&search, data, got, SEARCH_SIZE, offset);
        offset += SEARCH_SIZE;
    }
    bpi_release(home->allocator, data, capacity);
    *frontier_out = search.frontier;
    *found_out = search.found;
    *nonzero_end_out = search.nonzero_end;
    return status;
}
