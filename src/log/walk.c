/*
 * walk.c: the log from its first segment to p.
 *
 * Holds: sealed segments are accepted whole or are damage; among the open ones acceptance ends at the first frame that
 * is not right, and only a PAD leads into the next.
 */
#include "log/walk.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "io/optional.h"

bp_status bpi_log_walk_begin(bpi_log_walk *walk, const bpi_home *home, bpi_catalog *catalog,
                             const bpi_walk_calls *calls, bp_error *error)
{
    memset(walk, 0, sizeof *walk);
    walk->home = home;
    walk->catalog = catalog;
    walk->calls = *calls;
    walk->record_argument = calls->argument;
    walk->chain.epoch_max = catalog->manifest.epoch;
    walk->chain.seed = bpi_record_seed(&catalog->manifest.store_id);
    walk->tail_count = catalog->count;
    walk->tails = bpi_allocate_array(home->allocator, catalog->count, sizeof *walk->tails);
    if (walk->tails == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read the log");
    }
    return BP_OK;
}

static void close_segment(bpi_log_walk *walk)
{
    if (walk->open) {
        bpi_scanner_fini(&walk->scanner);
        walk->home->io->file_close(walk->home->io->context, walk->file);
        walk->file = NULL;
        walk->open = false;
    }
}

void bpi_log_walk_end(bpi_log_walk *walk)
{
    close_segment(walk);
    bpi_release(walk->home->allocator, walk->tails, walk->tail_count * sizeof *walk->tails);
    walk->tails = NULL;
}

static bp_status segment_fault(const bpi_segment_entry *entry, uint64_t offset, const char *what, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: %s", what);
    bpi_error_at(error, offset, "log/%s", name);
    bpi_error_hint(error, "batpak verify shows every fault; restore the file from a copy");
    return BP_ERR_CORRUPT;
}

static bp_status check_header(const bpi_catalog *catalog, const bpi_segment_entry *entry, const uint8_t *bytes,
                              bp_error *error)
{
    bpi_segment_header header;
    uint32_t version = 0;
    const char *fault = bpi_segment_header_get(bytes, &header, &version);
    if (fault == NULL && version != BP_FORMAT_VERSION) {
        return bpi_error_set(error, BP_ERR_VERSION, "segment %u has format version %u, this library reads version %u",
                             (unsigned)entry->ordinal, (unsigned)version, (unsigned)BP_FORMAT_VERSION);
    }
    if (fault == NULL && (header.ordinal != entry->ordinal || header.generation != entry->generation ||
                          header.salt != entry->salt || !bp_id_equal(&header.store_id, &catalog->manifest.store_id))) {
        fault = "segment header is not the one that the list names";
    }
    return fault == NULL ? BP_OK : segment_fault(entry, 0, fault, error);
}

/* A file with several names is somebody else's too: a copy's, that was made with links and not as a snapshot. */
static bp_status refuse_shared(const bpi_home *home, bp_file *file, const char *name, bp_error *error)
{
    uint64_t count = 1;
    int code = bpi_io_links(home->io, file, &count);
    if (code != 0 && code != ENOSYS) {
        bp_status status = bpi_error_system(error, code, "cannot look at a segment");
        bpi_error_file(error, "log/%s", name);
        return status;
    }
    if (count > 1) {
        bpi_error_set(error, BP_ERR_UNSUPPORTED,
                      "an open segment has %llu names: writing to it would change another copy",
                      (unsigned long long)count);
        bpi_error_file(error, "log/%s", name);
        bpi_error_hint(error, "restore this copy into a directory of its own: batpak restore");
        return BP_ERR_UNSUPPORTED;
    }
    return BP_OK;
}

bp_status bpi_open_listed(const bpi_home *home, const bpi_catalog *catalog, const bpi_segment_entry *entry,
                          unsigned flags, bp_file **file_out, uint64_t *file_size_out, bp_error *error)
{
    const bp_io *io = home->io;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(entry->ordinal, entry->generation, name);
    bp_file *file = NULL;
    int code = home->log == NULL ? ENOENT : io->file_open(io->context, home->log, name, flags, &file);
    if (code == ENOENT) {
        return segment_fault(entry, 0, "a segment that the list names is missing", error);
    }
    uint8_t bytes[BPI_SEGMENT_HEADER];
    size_t got = 0;
    uint64_t size = 0;
    if (code == 0) {
        code = io->file_read(io->context, file, 0, bytes, sizeof bytes, &got);
    }
    if (code == 0) {
        code = io->file_size(io->context, file, &size);
    }
    bp_status status = BP_OK;
    if (code != 0) {
        status = bpi_error_system(error, code, "cannot open a segment");
        status = status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
        bpi_error_file(error, "log/%s", name);
        if (code == ELOOP) {
            bpi_error_hint(error,
                           "it is a symbolic link, and within a store none is followed: put the file itself there");
        }
    } else if (got < sizeof bytes) {
        status = segment_fault(entry, 0, "segment header cut short", error);
    } else {
        status = check_header(catalog, entry, bytes, error);
    }
    if (status == BP_OK && (flags & BP_OPEN_WRITE) != 0) {
        status = refuse_shared(home, file, name, error);
    }
    if (status != BP_OK) {
        if (file != NULL) {
            io->file_close(io->context, file);
        }
        return status;
    }
    *file_out = file;
    if (file_size_out != NULL) {
        *file_size_out = size;
    }
    return BP_OK;
}

bp_status bpi_check_own(const bpi_home *home, const bpi_catalog *catalog, const bpi_segment_entry *entry,
                        bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_file *file = NULL;
    bp_segment_name(entry->ordinal, entry->generation, name);
    bp_status status = bpi_open_listed(home, catalog, entry, BP_OPEN_READ, &file, NULL, error);
    if (status == BP_OK) {
        status = refuse_shared(home, file, name, error);
        home->io->file_close(home->io->context, file);
    }
    return status;
}

bool bpi_tail_confirmed(const bpi_home *home, bp_file *file, const bpi_segment_entry *entry, const bpi_index_tail *tail,
                        uint64_t next_sequence)
{
    uint8_t bytes[BPI_FRAME_HEADER];
    bp_frame frame;
    size_t got = 0;
    if (tail->salt != entry->salt || tail->length < BPI_SEGMENT_HEADER + BPI_FRAME_HEADER ||
        tail->length > UINT32_MAX) {
        return false;
    }
    uint64_t at = tail->length - BPI_FRAME_HEADER;
    return home->io->file_read(home->io->context, file, at, bytes, sizeof bytes, &got) == 0 && got == sizeof bytes &&
           bpi_frame_header_valid(bytes, entry->salt, bpi_lsn(entry->ordinal, at), &frame) &&
           frame.type == BP_FRAME_CLOSE && frame.length == BPI_FRAME_HEADER && frame.header_crc == tail->link &&
           frame.epoch == tail->epoch && frame.first_sequence == next_sequence;
}

/* Goes on behind what is known otherwise of an open segment. */
static bp_status pass_tail(bpi_log_walk *walk, bp_error *error)
{
    bpi_index_tail tail = {0};
    uint64_t next = 0;
    bp_status status = walk->calls.tail(walk->calls.argument, walk->index, walk->file, &tail, &next, error);
    if (status != BP_OK || tail.salt == 0) {
        return status;
    }
    walk->scanner.offset = tail.length;
    walk->scanner.frames = 1; /* at least; whoever seals the segment counts them */
    walk->chain.link = tail.link;
    walk->chain.epoch = tail.epoch;
    walk->chain.next_sequence = next;
    walk->chain.last_hlc = tail.last_hlc;
    walk->chain.last_type = BP_FRAME_CLOSE;
    return BP_OK;
}

static bp_status open_segment(bpi_log_walk *walk, bp_error *error)
{
    const bpi_segment_entry *entry = &walk->catalog->entries[walk->index];
    uint64_t size = 0;
    bp_status status = bpi_open_listed(walk->home, walk->catalog, entry, BP_OPEN_READ, &walk->file, &size, error);
    if (status != BP_OK) {
        return status;
    }
    uint64_t limit = size;
    if (entry->state == BPI_SEGMENT_SEALED) {
        if (entry->length > size) {
            walk->home->io->file_close(walk->home->io->context, walk->file);
            return segment_fault(entry, size, "sealed segment is shorter than listed", error);
        }
        limit = entry->length;
    }
    bpi_scanner_init(&walk->scanner, walk->home, walk->file, entry, limit, &walk->chain);
    walk->scanner.expect = walk->calls.expect;
    walk->scanner.expect_argument = walk->record_argument;
    walk->open = true;
    if (walk->index < walk->tail_count) {
        bpi_tail *tail = &walk->tails[walk->index];
        *tail = (bpi_tail){.first_sequence = walk->chain.next_sequence, .visited = true};
    }
    bpi_chain before = walk->chain;
    if (entry->state == BPI_SEGMENT_OPEN && walk->calls.tail != NULL) {
        status = pass_tail(walk, error);
    }
    if (status == BP_OK && walk->calls.segment != NULL) {
        uint64_t next = walk->chain.next_sequence < walk->known ? walk->known : walk->chain.next_sequence;
        status = walk->calls.segment(walk->calls.argument, entry, next, error);
    }
    if (status != BP_OK) {
        close_segment(walk); /* whoever tries again begins it again */
        walk->chain = before;
    }
    return status;
}

static void note_tail(bpi_log_walk *walk, bool finished)
{
    if (walk->index < walk->tail_count) {
        bpi_tail *tail = &walk->tails[walk->index];
        tail->frames = walk->scanner.frames;
        tail->end = walk->scanner.offset;
        tail->link = walk->chain.link;
        tail->last_hlc = walk->chain.last_hlc;
        tail->finished = finished;
    }
}

/* The end of a sealed segment: everything must be as listed. */
static bp_status end_sealed(bpi_log_walk *walk, const bpi_segment_entry *entry, bp_error *error)
{
    const bpi_scanner *scanner = &walk->scanner;
    if (scanner->offset != entry->length) {
        return segment_fault(entry, scanner->offset,
                             scanner->fault != NULL ? scanner->fault : "sealed segment ends early", error);
    }
    uint64_t first = walk->tails[walk->index].first_sequence;
    if (first != entry->first_sequence || walk->chain.next_sequence - first != entry->count ||
        scanner->frames != entry->frames || walk->chain.link != bpi_entry_last(entry) ||
        walk->chain.last_hlc != entry->last_hlc) {
        return segment_fault(entry, scanner->offset, "sealed segment is not what the list says of it", error);
    }
    walk->chain.link = entry->link; /* of a rewritten one: what the successor has followed ever since */
    return BP_OK;
}

/* To the next entry that is not retired; false when there is none. */
static bool next_segment(bpi_log_walk *walk)
{
    for (size_t i = walk->index + 1; i < walk->catalog->count; i++) {
        if (walk->catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            close_segment(walk);
            walk->index = i;
            return true;
        }
    }
    return false;
}

static bool skip_retired(bpi_log_walk *walk)
{
    while (walk->index < walk->catalog->count && walk->catalog->entries[walk->index].state == BPI_SEGMENT_RETIRED) {
        walk->index++;
    }
    return walk->index < walk->catalog->count;
}

static bp_status another_one(uint64_t sequence, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_DIVERGED, "event %llu, at which this reader stood, is another one; open it anew",
                         (unsigned long long)sequence);
}

/* A bpi_record_fn for a segment of which some events were told before: the last of those must be the same one. */
static bp_status tell_new(void *argument, const bp_event *event, bp_error *error)
{
    const bpi_log_walk *walk = argument;
    if (event->sequence >= walk->known) {
        return walk->calls.record == NULL ? BP_OK : walk->calls.record(walk->record_argument, event, error);
    }
    if (event->sequence + 1 == walk->known && walk->known_hlc != 0 && event->hlc != walk->known_hlc) {
        return another_one(event->sequence, error);
    }
    return BP_OK;
}

/* One frame, or the step into the next segment. BP_END: p is reached. */
static bp_status step(bpi_log_walk *walk, bp_error *error)
{
    const bpi_segment_entry *entry = &walk->catalog->entries[walk->index];
    bp_frame frame;
    bool behind = walk->chain.next_sequence < walk->known;
    bp_status status = bpi_scanner_next(&walk->scanner, &frame, behind ? tell_new : walk->calls.record,
                                        behind ? walk : walk->record_argument, error);
    if (status == BP_OK) {
        bool finished = frame.type == BP_FRAME_PAD;
        note_tail(walk, finished);
        if (finished && entry->state == BPI_SEGMENT_SEALED && walk->scanner.offset != entry->length) {
            return segment_fault(entry, walk->scanner.offset, "frames behind the end of a segment", error);
        }
        if (finished && entry->state == BPI_SEGMENT_OPEN && !next_segment(walk)) {
            walk->scanner.fault = NULL;
            return BP_END;
        }
        return BP_OK;
    }
    if (status != BP_END) {
        return status;
    }
    note_tail(walk, false);
    if (entry->state == BPI_SEGMENT_OPEN) {
        return BP_END;
    }
    status = end_sealed(walk, entry, error);
    if (status == BP_OK && !next_segment(walk)) {
        return BP_END;
    }
    return status;
}

/* A sealed segment that is not read: its file is there, its header right, and it is as long as listed. The epoch of its last
 * frame, a PAD, is what the next segment's frames must not fall below. */
static bp_status pass_segment(bpi_log_walk *walk, size_t index, bp_error *error)
{
    const bp_io *io = walk->home->io;
    const bpi_segment_entry *entry = &walk->catalog->entries[index];
    uint8_t bytes[BPI_FRAME_HEADER];
    bp_frame frame;
    bp_file *file = NULL;
    uint64_t size = 0;
    size_t got = 0;
    bp_status status = bpi_open_listed(walk->home, walk->catalog, entry, BP_OPEN_READ, &file, &size, error);
    if (status != BP_OK) {
        return status;
    }
    int code = size < entry->length
                   ? 0
                   : io->file_read(io->context, file, entry->length - BPI_FRAME_HEADER, bytes, sizeof bytes, &got);
    io->file_close(io->context, file);
    if (size < entry->length) {
        return segment_fault(entry, size, "sealed segment is shorter than listed", error);
    }
    if (code != 0) {
        return bpi_error_system(error, code, "cannot read the log");
    }
    uint64_t lsn = bpi_lsn(entry->ordinal, entry->length - BPI_FRAME_HEADER);
    if (got == sizeof bytes && bpi_frame_header_valid(bytes, entry->salt, lsn, &frame)) {
        walk->chain.epoch = frame.epoch;
    }
    if (index < walk->tail_count) {
        walk->tails[index] = (bpi_tail){.first_sequence = entry->first_sequence,
                                        .frames = entry->frames,
                                        .end = entry->length,
                                        .link = entry->link,
                                        .last_hlc = entry->last_hlc,
                                        .visited = true,
                                        .finished = true};
    }
    walk->chain.link = entry->link;
    walk->chain.next_sequence = entry->first_sequence + entry->count;
    walk->chain.last_hlc = entry->last_hlc;
    walk->chain.last_type = BP_FRAME_PAD;
    return BP_OK;
}

/* Passes over what is known otherwise. The last entry is open, so that there is always one behind. */
static bp_status pass_covered(bpi_log_walk *walk, bp_error *error)
{
    size_t count = 1;
    while (count > 0 && walk->calls.covered != NULL && walk->chain.next_sequence >= walk->known && skip_retired(walk) &&
           walk->catalog->entries[walk->index].state == BPI_SEGMENT_SEALED) {
        bp_status status = walk->calls.covered(walk->calls.argument, walk->index, &count, error);
        for (size_t i = 0; i < count && status == BP_OK; i++) {
            if (walk->catalog->entries[walk->index + i].state != BPI_SEGMENT_RETIRED) {
                status = pass_segment(walk, walk->index + i, error);
            }
        }
        if (status != BP_OK) {
            return status;
        }
        walk->index += count;
    }
    return skip_retired(walk) ? BP_OK : BP_END;
}

/* Is all that lies below `stop` accepted? Offsets in a rewritten segment are others than those that `stop` may have been taken
 * from: it is read whole. */
static bool has_reached(const bpi_log_walk *walk, uint64_t stop)
{
    if (walk->open && walk->scanner.rewritten && walk->scanner.ordinal == bpi_lsn_ordinal(stop)) {
        return false;
    }
    return bpi_log_walk_position(walk) >= stop;
}

bp_status bpi_log_walk_run(bpi_log_walk *walk, uint64_t stop, bp_error *error)
{
    if (!walk->open && !skip_retired(walk)) {
        return BP_END;
    }
    if (walk->open) {
        /* Going on later: the file may have grown, and what was read ahead may have been zeros then. */
        const bpi_segment_entry *entry = &walk->catalog->entries[walk->index];
        walk->scanner.window.size = 0;
        if (entry->state == BPI_SEGMENT_OPEN) {
            int code = walk->home->io->file_size(walk->home->io->context, walk->file, &walk->scanner.limit);
            if (code != 0) {
                return bpi_error_system(error, code, "cannot read the size of %s", walk->scanner.name);
            }
        } else {
            walk->scanner.limit = entry->length;
        }
        if (walk->tails[walk->index].finished && entry->state == BPI_SEGMENT_OPEN && !next_segment(walk)) {
            return BP_END;
        }
    }
    for (;;) {
        if (has_reached(walk, stop)) {
            return BP_OK;
        }
        if (!walk->open) {
            bp_status status = pass_covered(walk, error);
            if (status == BP_OK) {
                status = open_segment(walk, error);
            }
            if (status != BP_OK) {
                return status;
            }
            if (has_reached(walk, stop)) {
                return BP_OK; /* what was passed over ends at `stop`: the first frame behind it may be there already */
            }
        }
        bp_status status = step(walk, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

uint64_t bpi_log_walk_position(const bpi_log_walk *walk)
{
    if (walk->open) {
        return bpi_lsn(walk->scanner.ordinal, walk->scanner.offset);
    }
    if (walk->index < walk->catalog->count) {
        return bpi_lsn(walk->catalog->entries[walk->index].ordinal, BPI_SEGMENT_HEADER);
    }
    return 0;
}

/* Where the walk stands, in another list: the same segment, as it was. False: it is not there. */
static bool find_same(const bpi_log_walk *walk, const bpi_catalog *catalog, size_t *i_out)
{
    uint32_t ordinal = bpi_lsn_ordinal(bpi_log_walk_position(walk));
    for (size_t i = 0; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->ordinal != ordinal || entry->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        *i_out = i;
        return walk->open ? entry->salt == walk->scanner.salt
                          : entry->state == BPI_SEGMENT_OPEN || entry->first_sequence == walk->chain.next_sequence;
    }
    return false;
}

/* The segment that has the event `next`, and the one before it (count: none). False: the list does not lead there. */
static bool find_event(const bpi_catalog *catalog, uint64_t next, size_t *i_out, size_t *before_out)
{
    uint64_t end = 0;
    *before_out = catalog->count;
    for (size_t i = 0; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        *i_out = i;
        if (entry->state == BPI_SEGMENT_OPEN || entry->first_sequence + entry->count > next) {
            return entry->state == BPI_SEGMENT_OPEN ? end == next : entry->first_sequence <= next;
        }
        end = entry->first_sequence + entry->count;
        *before_out = i;
    }
    return false;
}

/* The walk as it would begin in that list, behind what it has told. */
static bp_status begin_behind(const bpi_log_walk *walk, bpi_catalog *catalog, uint64_t known, bpi_tail *tails,
                              bpi_log_walk *fresh, bp_error *error)
{
    size_t before = 0;
    uint64_t told = walk->chain.next_sequence;
    bp_hlc told_hlc = walk->chain.last_hlc;
    if (walk->known > told) {
        told = walk->known;
        told_hlc = walk->known_hlc;
    }
    *fresh = (bpi_log_walk){.home = walk->home,
                            .catalog = catalog,
                            .calls = walk->calls,
                            .record_argument = walk->record_argument,
                            .known = known > told ? known : told,
                            .known_hlc = known > told ? 0 : told_hlc,
                            .tails = tails,
                            .tail_count = catalog->count};
    fresh->chain.seed = walk->chain.seed;
    fresh->chain.frontier = walk->chain.frontier;
    fresh->chain.epoch_max = catalog->manifest.epoch;
    if (!find_event(catalog, fresh->known, &fresh->index, &before)) {
        return bpi_error_set(error, BP_ERR_DIVERGED, "segment %u, at which this reader stood, is gone; open it anew",
                             (unsigned)bpi_lsn_ordinal(bpi_log_walk_position(walk)));
    }
    bp_status status = before == catalog->count ? BP_OK : pass_segment(fresh, before, error);
    /* The last event that was told ends a segment that is passed over, so that nobody else compares it. */
    bool ends = status == BP_OK && fresh->known != 0 && fresh->chain.next_sequence == fresh->known;
    return ends && fresh->known_hlc != 0 && fresh->chain.last_hlc != fresh->known_hlc
               ? another_one(fresh->known - 1, error)
               : status;
}

bp_status bpi_log_walk_rebase(bpi_log_walk *walk, bpi_catalog *catalog, uint64_t known, bp_error *error)
{
    size_t i = 0;
    bpi_log_walk fresh;
    bpi_tail *tails = bpi_allocate_array(walk->home->allocator, catalog->count, sizeof *tails);
    if (tails == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read the log");
    }
    if (known > walk->chain.next_sequence || !find_same(walk, catalog, &i)) {
        bp_status status = begin_behind(walk, catalog, known, tails, &fresh, error);
        if (status == BP_OK) {
            bpi_log_walk_end(walk);
            *walk = fresh;
        } else {
            bpi_release(walk->home->allocator, tails, catalog->count * sizeof *tails);
        }
        return status;
    }
    if (walk->index < walk->tail_count) {
        tails[i] = walk->tails[walk->index];
    }
    bpi_release(walk->home->allocator, walk->tails, walk->tail_count * sizeof *walk->tails);
    walk->tails = tails;
    walk->tail_count = catalog->count;
    walk->catalog = catalog;
    walk->index = i;
    walk->chain.epoch_max = catalog->manifest.epoch;
    return BP_OK;
}
