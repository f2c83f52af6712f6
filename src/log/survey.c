/*
 * survey.c: a sealed segment read whole, before anything is made of it: a source that is not whole is never rewritten.
 */
#include "log/rewrite.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/fold.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "io/optional.h"
#include "io/pace.h"
#include "log/restate.h"

enum { LEAVES_AT_ONCE = 256 };

typedef struct surveying {
    bpi_restate restate; /* counts what would be written */
    bpi_decide_fn decide;
    void *argument;
    bpi_survey *survey;
    bpi_merkle merkle;
    bp_hash leaves[LEAVES_AT_ONCE];
    size_t leaf_count;
} surveying;

static bp_status visit(void *argument, const bp_event *event, bp_error *error)
{
    surveying *s = argument;
    unsigned fate = BPI_FATE_KEEP;
    bpi_pace_point();
    s->leaves[s->leaf_count++] = event->event_hash;
    if (s->leaf_count == LEAVES_AT_ONCE) {
        bpi_merkle_add_many(&s->merkle, s->leaves, s->leaf_count);
        s->leaf_count = 0;
    }
    if (!event->dropped && s->decide != NULL) {
        bp_status status = s->decide(s->argument, event, &fate, error);
        if (status != BP_OK) {
            return status;
        }
    }
    fate = bpi_fate_of(event, fate);
    bpi_survey *survey = s->survey;
    survey->changed = survey->changed || fate != BPI_FATE_KEEP;
    survey->folded += event->dropped;
    survey->dropped += !event->dropped && (fate & BPI_FATE_DROP) != 0;
    survey->stubbed += (fate & BPI_FATE_STUB) != 0;
    survey->buried += (fate & BPI_FATE_BURY) != 0;
    survey->kept += !event->dropped && (fate & BPI_FATE_DROP) == 0;
    return bpi_restate_add(&s->restate, event, fate, error);
}

static bp_status not_whole(const bpi_scanner *scanner, uint64_t offset, const char *what, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: %s; nothing was rewritten from it", what);
    bpi_error_at(error, offset, "%s", scanner->name);
    bpi_error_hint(error, "batpak verify shows every fault; restore the file from a copy");
    return BP_ERR_CORRUPT;
}

/* Is all of it what the list says? */
static bp_status check_whole(surveying *s, const bpi_scanner *scanner, const bpi_segment_entry *entry, bp_error *error)
{
    bp_hash root;
    bpi_merkle_add_many(&s->merkle, s->leaves, s->leaf_count);
    bpi_merkle_root(&s->merkle, &root);
    if (scanner->offset != entry->length) {
        return not_whole(scanner, scanner->offset,
                         scanner->fault != NULL ? scanner->fault : "sealed segment ends early", error);
    }
    if (s->merkle.count != entry->count || scanner->frames != entry->frames ||
        scanner->chain->link != bpi_entry_last(entry) || !bp_hash_equal(&root, &entry->root)) {
        return not_whole(scanner, entry->length, "sealed segment is not what the list says of it", error);
    }
    return BP_OK;
}

/* The link that its first frame follows stands in that frame; whether it is the listed one was judged by the opening. */
static bp_status begin_chain(const bpi_home *home, bp_file *file, const bpi_segment_entry *entry, bpi_chain *chain,
                             bp_error *error)
{
    if (entry->frames == 0) {
        chain->link = bpi_entry_last(entry);
        return BP_OK;
    }
    uint8_t bytes[BPI_FRAME_HEADER] = {0};
    size_t got = 0;
    int code = home->io->file_read(home->io->context, file, BPI_SEGMENT_HEADER, bytes, sizeof bytes, &got);
    chain->link = bpi_get32(bytes + BPI_FRAME_PREVIOUS);
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot read the log");
}

bp_status bpi_log_scan_sealed(bpi_log *log, const bpi_segment_entry *entry, bpi_record_fn record, void *argument,
                              bpi_scanner *scanner, bpi_chain *chain, bp_error *error)
{
    bp_file *file = NULL;
    bpi_catalog catalog = {.manifest = {.store_id = log->catalog.manifest.store_id}};
    bp_status status = bpi_open_listed(&log->home, &catalog, entry, BP_OPEN_READ, &file, NULL, error);
    if (status != BP_OK) {
        return status;
    }
    *chain = (bpi_chain){.epoch_max = UINT32_MAX,
                         .next_sequence = entry->first_sequence,
                         .seed = bpi_record_seed(&log->catalog.manifest.store_id)};
    status = begin_chain(&log->home, file, entry, chain, error);
    bpi_scanner_init(scanner, &log->home, file, entry, entry->length, chain);
    while (status == BP_OK) {
        bp_frame frame;
        bpi_pace_point();
        status = bpi_scanner_next(scanner, &frame, record, argument, error);
        if (status == BP_OK && frame.type > BP_FRAME_FOLD) {
            status = bpi_error_set(error, BP_ERR_UNSUPPORTED,
                                   "a segment with frames of type %u (%s) cannot be rewritten by this batpak",
                                   (unsigned)frame.type, bpi_frame_type_name(frame.type));
        }
    }
    bpi_scanner_fini(scanner);
    log->home.io->file_close(log->home.io->context, file);
    return status == BP_END && scanner->offset < entry->length
               ? not_whole(scanner, scanner->offset, scanner->fault != NULL ? scanner->fault : "it ends early", error)
           : status == BP_END ? BP_OK
                              : status;
}

uint64_t bpi_log_count_links(bpi_log *log, const bpi_segment_entry *entry)
{
    const bp_io *io = log->home.io;
    char name[BP_SEGMENT_NAME_SIZE];
    bp_file *file = NULL;
    uint64_t links = 0;
    bp_segment_name(entry->ordinal, entry->generation, name);
    if (io->file_open(io->context, log->home.log, name, BP_OPEN_READ, &file) != 0) {
        return 0;
    }
    links = bpi_io_links(io, file, &links) == 0 ? links : 0;
    io->file_close(io->context, file);
    return links;
}

bp_status bpi_log_survey(bpi_log *log, const bpi_segment_entry *entry, bpi_decide_fn decide, void *argument,
                         bpi_survey *survey_out, bp_error *error)
{
    memset(survey_out, 0, sizeof *survey_out);
    survey_out->entry = *entry;
    survey_out->links = bpi_log_count_links(log, entry);
    surveying *s = bpi_allocate_zero(log->home.allocator, sizeof *s);
    if (s == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read a segment");
    }
    bpi_scanner scanner;
    bpi_chain chain;
    s->decide = decide;
    s->argument = argument;
    s->survey = survey_out;
    bpi_merkle_begin(&s->merkle);
    bpi_restate_begin(&s->restate, log->home.allocator, NULL);
    bp_status status = bpi_log_scan_sealed(log, entry, visit, s, &scanner, &chain, error);
    if (status == BP_OK) {
        status = check_whole(s, &scanner, entry, error);
    }
    if (status == BP_OK) {
        status = bpi_restate_end(&s->restate, error);
        survey_out->length_after = s->restate.end + BPI_FRAME_HEADER;
        survey_out->epoch = chain.epoch;
    }
    bpi_restate_fini(&s->restate);
    bpi_release(log->home.allocator, s, sizeof *s);
    return status;
}
