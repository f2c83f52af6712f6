/*
 * verify.c: every checksum, chain, root, density and order of a store, from its bytes alone.
 *
 * The walk does not stop at a fault: it reports it, goes on behind the frame when its header can be believed, else at
 * the next header that can. What follows from a fault (a chain whose middle is missing) is reported too, once for each
 * place where it shows. Only damage is a fault: bytes that nothing vouches for are counted as unsettled.
 *
 * A writer may rewrite segments meanwhile. A file that is missing is a fault only if the list still names it when it is read
 * again; else the walk goes on in the new list, in the segment that has the next event. The events of that one which were proven in
 * their old place are held against its root alone.
 */
#include <batpak/verify.h>

#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "log/recover.h"
#include "store/intent.h"
#include "store/proof.h"
#include "store/verify.h"
#include "store/verify_index.h"

void bp_verify_options_default(bp_verify_options *options, size_t size)
{
    bp_verify_options defaults = {.size = sizeof defaults};
    if (options == NULL || size < sizeof(size_t)) {
        return;
    }
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    options->size = size;
}

enum { LISTS_MAX = 10000 }; /* that are gone into while somebody writes one after the other */

typedef struct verifying {
    bpi_home home;
    bpi_catalog catalog;
    const bp_verify_options *options;
    bp_verify_report *report;
    bpi_proof *proof;
    bpi_index_proof *index;
    bpi_chain chain;
    bpi_scanner scanner; /* of the segment at hand */
    uint64_t segment_events;
    uint64_t stop; /* LSN: what was published when this began; UINT64_MAX without a live page */
    uint64_t vouched;
    bool ended; /* p was found: what follows is unsettled */
    bool stopped;
    uint64_t known; /* events below this were proven before the list moved */
    unsigned moves;
    uint64_t total;
    uint64_t done;
} verifying;

static void report(verifying *v, const bp_fault *found)
{
    v->report->faults++;
    if (v->options->fault != NULL && !v->stopped) {
        v->stopped = v->options->fault(v->options->fault_context, found) != 0;
    }
}

static void fault(verifying *v, const char *file, uint64_t offset, const char *what)
{
    bp_fault found = {.file = file, .offset = offset, .what = what};
    report(v, &found);
}

static void fault_at_sequence(verifying *v, uint64_t offset, uint64_t sequence, const char *what)
{
    bp_fault found = {
        .file = v->scanner.name, .offset = offset, .has_sequence = true, .sequence = sequence, .what = what};
    report(v, &found);
}

/* The faults of the history and those of the frames are told in the order in which they lie in the log. */
static void disproved(void *argument, const bpi_disproof *found)
{
    verifying *v = argument;
    char entity[BP_NAME_MAX + 1];
    memcpy(entity, found->entity.data, found->entity.size);
    entity[found->entity.size] = '\0';
    bp_fault fault = {.file = v->scanner.name,
                      .offset = bpi_lsn_offset(found->position),
                      .has_sequence = true,
                      .sequence = found->sequence,
                      .entity = entity,
                      .what = found->what};
    report(v, &fault);
}

/* Judges what waits. */
static bp_status flush(verifying *v, bp_error *error)
{
    const bpi_met *met = NULL;
    bp_status status = bpi_proof_flush(v->proof, &met, error);
    return status == BP_OK ? bpi_index_proof_flush(v->index, met, error) : status;
}

/* One record that is right by itself: does it fit the history? */
static bp_status prove_record(void *argument, const bp_event *event, bp_error *error)
{
    verifying *v = argument;
    v->segment_events++;
    if (event->sequence < v->known) {
        bpi_proof_pass(v->proof, event);
        return BP_OK;
    }
    v->report->events++;
    v->report->stubs += event->payload_absent && !event->dropped;
    v->report->dropped += event->dropped;
    if (!bpi_proof_room(v->proof) || !bpi_index_proof_room(v->index)) {
        bp_status status = flush(v, error);
        if (status != BP_OK) {
            return status;
        }
    }
    bpi_index_proof_add(v->index, event, bpi_proof_add(v->proof, event));
    return BP_OK;
}

/* Behind a fault: on with the next frame that can be believed. BP_END: there is none in this segment. */
static bp_status go_on(verifying *v, const bp_frame *frame, bp_error *error)
{
    if (v->scanner.header_good) {
        return bpi_scanner_force(&v->scanner, frame, prove_record, v, error);
    }
    bool found = false;
    uint64_t expected = v->chain.next_sequence;
    bp_status status = bpi_scanner_search(&v->scanner, &found, error);
    if (status == BP_OK && found && v->chain.next_sequence != expected) {
        fault_at_sequence(v, v->scanner.offset, expected, "events are missing before this frame");
    }
    return status == BP_OK && !found ? BP_END : status;
}

/* All frames of a segment up to `stop` LSN. BP_END: nothing more is accepted (scanner.fault). */
static bp_status prove_frames(verifying *v, uint64_t stop, uint64_t must_reach, bp_error *error)
{
    for (;;) {
        uint64_t lsn = bpi_lsn(v->scanner.ordinal, v->scanner.offset);
        if (lsn >= stop || v->stopped) {
            return BP_OK;
        }
        bp_frame frame;
        bp_error local = {0};
        bp_status status = bpi_scanner_next(&v->scanner, &frame, prove_record, v, &local);
        if (status == BP_OK) {
            v->report->frames++;
            if (frame.type == BP_FRAME_PAD) {
                return BP_OK;
            }
            continue;
        }
        bool contradiction = status == BP_ERR_CORRUPT;
        if (status != BP_END && !contradiction) {
            if (error != NULL) {
                *error = local;
            }
            return status;
        }
        if (!contradiction && (v->scanner.offset >= must_reach || v->scanner.fault == NULL)) {
            return BP_END;
        }
        status = flush(v, error);
        if (status != BP_OK) {
            return status;
        }
        if (contradiction) {
            fault_at_sequence(v, local.offset, local.sequence, local.message);
        } else {
            fault_at_sequence(v, v->scanner.fault_offset, v->chain.next_sequence, v->scanner.fault);
        }
        status = go_on(v, &frame, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

static void check_listed(verifying *v, const bpi_segment_entry *entry, uint64_t first)
{
    bp_hash root;
    bpi_proof_segment_root(v->proof, &root);
    const char *name = v->scanner.name;
    if (first != entry->first_sequence || v->segment_events != entry->count) {
        fault(v, name, 0, "sealed segment does not hold the events that the list says");
    }
    if (v->scanner.frames != entry->frames || v->chain.link != bpi_entry_last(entry) ||
        v->scanner.offset != entry->length) {
        fault(v, name, v->scanner.offset, "sealed segment does not end as the list says");
    }
    if (v->chain.last_hlc != entry->last_hlc) {
        fault(v, name, 0, "last HLC of the sealed segment is not the listed one");
    }
    if (!bp_hash_equal(&root, &entry->root)) {
        fault(v, name, 0, "Merkle root of the sealed segment is not the listed one");
    }
}

/* After damage the next segment begins as the list says, so that one fault does not condemn what follows. */
static void settle_chain(verifying *v, const bpi_segment_entry *entry)
{
    v->chain.link = entry->link;
    v->chain.next_sequence = entry->first_sequence + entry->count;
    v->chain.last_hlc = entry->last_hlc;
}

/* What lies in an open segment behind the end of the log: an opening would cut it, unless its writer lives. */
static bp_status count_unsettled(verifying *v, const bpi_segment_entry *entry, bp_file *file, uint64_t from,
                                 uint64_t size, bp_error *error)
{
    uint64_t unused[2];
    uint64_t end = from;
    bp_status status = BP_OK;
    v->ended = true;
    if (v->stop == UINT64_MAX) {
        status = bpi_scan_headers(&v->home, file, v->scanner.name, entry->ordinal, entry->salt, from, size, &unused[0],
                                  &unused[1], &end, error);
    }
    v->report->unsettled_bytes += status == BP_OK ? end - from : 0;
    return status;
}

/* *file_out NULL: it is not there, which is a fault; or else *moved_out: because the list has moved on. */
static bp_status open_listed(verifying *v, const bpi_segment_entry *entry, bp_file **file_out, uint64_t *size_out,
                             bool *moved_out, bp_error *error)
{
    bp_error local = {0};
    *file_out = NULL;
    bp_status status = bpi_open_listed(&v->home, &v->catalog, entry, BP_OPEN_READ, file_out, size_out, &local);
    *moved_out = status == BP_ERR_CORRUPT && v->moves < LISTS_MAX && bpi_catalog_moved(&v->home, &v->catalog);
    if (status == BP_ERR_CORRUPT) {
        if (!*moved_out) {
            fault(v, local.file, local.offset, local.message);
        }
        return BP_OK;
    }
    if (status != BP_OK && error != NULL) {
        *error = local;
    }
    return status;
}

/* A segment behind the one in which the log has ended. If the list has moved on, a writer has come since. */
static bp_status pass_later(verifying *v, const bpi_segment_entry *entry, bp_error *error)
{
    bp_file *file = NULL;
    uint64_t size = 0;
    bool moved = false;
    bp_status status = open_listed(v, entry, &file, &size, &moved, error);
    if (file != NULL) {
        status = count_unsettled(v, entry, file, BPI_SEGMENT_HEADER, size, error);
        v->home.io->file_close(v->home.io->context, file);
    }
    return status;
}

static bp_status prove_segment(verifying *v, const bpi_segment_entry *entry, bool *moved_out, bp_error *error)
{
    bp_file *file = NULL;
    uint64_t size = 0;
    bp_status status = open_listed(v, entry, &file, &size, moved_out, error);
    if (file == NULL) {
        if (status == BP_OK && !*moved_out) {
            settle_chain(v, entry);
        }
        return status;
    }
    bool sealed = entry->state == BPI_SEGMENT_SEALED;
    uint64_t limit = sealed && entry->length < size ? entry->length : size;
    bpi_scanner_init(&v->scanner, &v->home, file, entry, limit, &v->chain);
    bpi_proof_segment_begin(v->proof);
    v->segment_events = 0;
    uint64_t first = v->chain.next_sequence;
    uint64_t reach = sealed ? entry->length : 0;
    if (!sealed && bpi_lsn_ordinal(v->vouched) >= entry->ordinal) {
        reach = bpi_lsn_ordinal(v->vouched) > entry->ordinal ? UINT64_MAX : bpi_lsn_offset(v->vouched);
    }
    status = prove_frames(v, sealed ? UINT64_MAX : v->stop, reach, error);
    bool ended = status == BP_END;
    if (status == BP_OK || ended) {
        bp_status flushed = flush(v, error);
        status = flushed == BP_OK ? status : flushed;
        ended = status == BP_END;
    }
    if ((status == BP_OK || ended) && sealed && !v->stopped) {
        check_listed(v, entry, first);
        settle_chain(v, entry);
        status = BP_OK;
    } else if (ended) {
        /* The file ends where a frame does: no frame is at fault, and yet some are gone. */
        if (v->scanner.fault == NULL && v->scanner.offset < reach && !v->stopped) {
            fault_at_sequence(v, v->scanner.offset, v->chain.next_sequence,
                              "the log ends here, but more was known to be kept");
        }
        status = count_unsettled(v, entry, file, v->scanner.offset, size, error);
    }
    v->report->segments++;
    v->report->bytes += v->scanner.offset;
    v->done += limit;
    bpi_scanner_fini(&v->scanner);
    v->home.io->file_close(v->home.io->context, file);
    return status;
}

/* The manifest and what was published, from about the same moment. */
static bp_status take_picture(verifying *v, bp_error *error)
{
    bpi_live_word word;
    for (int tries = 0;; tries++) {
        bp_status status = bpi_catalog_load(&v->home, &v->catalog, error);
        if (status != BP_OK && (status != BP_ERR_CORRUPT || tries >= 20)) {
            return status;
        }
        bool believed = false;
        if (status == BP_OK) {
            status = bpi_read_live(&v->home, &v->catalog.manifest.store_id, &word, &believed, error);
            if (status != BP_OK) {
                bpi_catalog_free(&v->home, &v->catalog);
                return status;
            }
        }
        if (status == BP_OK && (!believed || word.generation == v->catalog.manifest.generation || tries >= 20)) {
            bool bounds = believed && word.published != 0 && word.published >= v->catalog.manifest.durable;
            v->vouched = v->catalog.manifest.durable;
            if (believed) {
                v->vouched = word.published > v->vouched ? word.published : v->vouched;
                v->vouched = word.durable > v->vouched ? word.durable : v->vouched;
            }
            v->stop = bounds ? v->vouched : UINT64_MAX; /* a page that calls more durable than shown vouches for that */
            return BP_OK;
        }
        if (status == BP_OK) {
            bpi_catalog_free(&v->home, &v->catalog);
        }
        v->home.clock->sleep_ns(v->home.clock->context, 1000000);
    }
}

/* Goes on in the list that there is now: behind what was proven. */
static bp_status follow_list(verifying *v, size_t *index_out, bp_error *error)
{
    uint64_t next = v->chain.next_sequence;
    bpi_catalog old = v->catalog;
    bp_status status = take_picture(v, error);
    if (status != BP_OK) {
        v->catalog = old;
        return status;
    }
    bpi_catalog_free(&v->home, &old);
    v->moves++;
    v->known = next > v->known ? next : v->known;
    v->chain = (bpi_chain){.seed = v->chain.seed, .epoch_max = v->catalog.manifest.epoch};
    size_t i = 0;
    for (; i < v->catalog.count; i++) {
        const bpi_segment_entry *entry = &v->catalog.entries[i];
        if (entry->state == BPI_SEGMENT_OPEN ||
            (entry->state == BPI_SEGMENT_SEALED && entry->first_sequence + entry->count > next)) {
            break;
        }
        if (entry->state == BPI_SEGMENT_SEALED) {
            settle_chain(v, entry);
        }
    }
    *index_out = i;
    return BP_OK;
}

/* Frontiers that the log itself carries, in frames and in headers behind the end, vouch too. */
static bp_status find_vouched(verifying *v, bp_error *error)
{
    for (size_t i = 0; i < v->catalog.count; i++) {
        const bpi_segment_entry *entry = &v->catalog.entries[i];
        bp_file *file = NULL;
        uint64_t size = 0;
        bp_error local = {0};
        if (entry->state != BPI_SEGMENT_OPEN) {
            continue;
        }
        bp_status status = bpi_open_listed(&v->home, &v->catalog, entry, BP_OPEN_READ, &file, &size, &local);
        if (status == BP_ERR_CORRUPT) {
            continue; /* told when the walk comes there */
        }
        if (status != BP_OK) {
            *error = local;
            return status;
        }
        uint64_t frontier = 0;
        uint64_t unused[2];
        status = bpi_scan_headers(&v->home, file, "log", entry->ordinal, entry->salt, BPI_SEGMENT_HEADER, size,
                                  &frontier, &unused[0], &unused[1], error);
        v->home.io->file_close(v->home.io->context, file);
        if (status != BP_OK) {
            return status;
        }
        v->vouched = frontier > v->vouched ? frontier : v->vouched;
    }
    return BP_OK;
}

/* A bpi_intent_fn. What is not on record was not begun; a note that is not whole is damage to an opening if it is. */
static bp_status see_erasure(void *argument, const bpi_intent *intent, bp_error *error)
{
    verifying *v = argument;
    char name[BPI_INTENT_NAME];
    (void)error;
    if (!bpi_proof_has(v->proof, &intent->record)) {
        return BP_OK;
    }
    v->report->unfinished_erasures++;
    if (intent->kind == BPI_INTENT_TORN) {
        bpi_intent_name(&intent->record, name);
        fault(v, name, 0, "the note of an erasure that is not finished is damaged");
    }
    return BP_OK;
}

static bp_status prove_all(verifying *v, bp_error *error)
{
    bp_error local = {0};
    bp_status status = bpi_check_unlisted_live(&v->home, &v->catalog, &local); /* the list may be a newer one now */
    if (status == BP_ERR_CORRUPT) {
        fault(v, local.file, 0, local.message);
    } else if (status != BP_OK) {
        *error = local;
        return status;
    }
    v->chain.seed = bpi_record_seed(&v->catalog.manifest.store_id);
    v->chain.epoch_max = v->catalog.manifest.epoch;
    status = v->stop == UINT64_MAX ? find_vouched(v, error) : BP_OK;
    for (size_t i = 0; i < v->catalog.count && status == BP_OK && !v->stopped;) {
        const bpi_segment_entry *entry = &v->catalog.entries[i];
        bool moved = false;
        if (entry->state == BPI_SEGMENT_RETIRED || bpi_lsn(entry->ordinal, BPI_SEGMENT_HEADER) >= v->stop) {
            i++;
            continue;
        }
        if (v->options->progress != NULL) {
            v->options->progress(v->options->progress_context, "verifying", v->done, v->total);
        }
        status = v->ended ? pass_later(v, entry, error) : prove_segment(v, entry, &moved, error);
        if (moved) {
            status = follow_list(v, &i, error);
        } else {
            i++;
        }
    }
    if (status == BP_OK && v->options->progress != NULL) {
        v->options->progress(v->options->progress_context, "verifying", v->total, v->total);
    }
    v->report->entities = bpi_proof_entities(v->proof);
    bpi_proof_root(v->proof, &v->report->root);
    if (status == BP_OK && !v->stopped) {
        status = bpi_intents(&v->home, see_erasure, v, error);
    }
    if (status == BP_OK && !v->stopped) {
        status = bpi_index_proof_end(v->index, v->report->faults == 0, error);
    }
    return status;
}

static bp_status open_for_proof(verifying *v, bp_error *error)
{
    bp_status status = take_picture(v, error);
    if (status == BP_ERR_NOT_FOUND) {
        status = bpi_check_made(&v->home, error);
        status = status == BP_OK ? take_picture(v, error) : status;
    }
    if (status == BP_OK) {
        status = bpi_home_find_log(&v->home, error);
    }
    if (status == BP_ERR_CORRUPT && error != NULL) {
        fault(v, error->file, error->offset, error->message);
    }
    uint64_t events = 0;
    for (size_t i = 0; status == BP_OK && i < v->catalog.count; i++) {
        const bpi_segment_entry *entry = &v->catalog.entries[i];
        events += entry->state == BPI_SEGMENT_SEALED ? entry->count : 0;
        v->total += entry->state == BPI_SEGMENT_SEALED ? entry->length : v->catalog.manifest.segment_size;
    }
    if (status == BP_OK) {
        status = bpi_proof_new(v->home.allocator, v->home.random, events, disproved, v, &v->proof, error);
    }
    if (status == BP_OK) {
        status = bpi_index_proof_begin(&v->home, &v->catalog, v->options, v->report, &v->index, error);
    }
    return status;
}

bp_status bpi_verify_home(const bpi_home *home, const bp_verify_options *options, bp_verify_report *report,
                          bp_error *error)
{
    bp_error local = {0};
    error = error != NULL ? error : &local;
    verifying v = {.options = options, .report = report, .home = *home};
    memset(report, 0, sizeof *report);
    bp_status status = open_for_proof(&v, error);
    if (status == BP_OK) {
        status = prove_all(&v, error);
    }
    bpi_proof_free(v.proof);
    bpi_index_proof_free(v.index);
    bpi_catalog_free(&v.home, &v.catalog);
    if (status == BP_OK && report->faults != 0) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the store is damaged: %llu faults", (unsigned long long)report->faults);
        bpi_error_file(error, "%s", home->path);
        bpi_error_hint(error, "restore the damaged files from a copy");
        return BP_ERR_CORRUPT;
    }
    return status;
}

bp_status bp_verify(const char *path, const bp_verify_options *options, bp_verify_report *report_out, bp_error *error)
{
    bp_verify_options taken;
    bp_verify_options_init(&taken);
    bp_verify_report unused;
    bp_verify_report *report = report_out != NULL ? report_out : &unused;
    bp_error local = {0};
    error = error != NULL ? error : &local;
    if (path == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_verify needs a path");
    }
    bp_status status = bpi_options_take(options, BPI_SIZE_WITH(bp_verify_options, progress_context), &taken,
                                        sizeof taken, "bp_verify_options", error);
    if (status != BP_OK) {
        return status;
    }
    memset(report, 0, sizeof *report);
    bpi_home home = {.io = taken.io != NULL ? taken.io : bp_io_posix(),
                     .allocator = taken.allocator != NULL ? taken.allocator : bp_allocator_system(),
                     .clock = bp_clock_system(),
                     .random = bp_random_system()};
    status = bpi_home_open(&home, path, false, error);
    if (status == BP_OK) {
        status = bpi_verify_home(&home, &taken, report, error);
        bpi_home_close(&home);
    } else if (status == BP_ERR_CORRUPT) {
        verifying v = {.options = &taken, .report = report};
        fault(&v, error->file, 0, error->message);
    }
    return status;
}
