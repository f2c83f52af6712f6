/*
 * inspect.c: what opening would do, found out by the same parts that opening is made of, up to its first write.
 *
 * Holds: everything here only reads. The log is walked as by a reader, with the index files as they are, so that what an
 * opening would not read is not read here either, and damage in it is not foreseen where opening would not see it. A writer who goes on
 * meanwhile may have removed what the list at hand names: then all is looked at anew, and what was to be told is forgotten.
 */
#include <batpak/inspect.h>

#include <string.h>

#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "log/opening.h"
#include "store/erasure.h"
#include "store/indexing.h"

enum { LOOKS_MAX = 100 }; /* while somebody writes one list after the other */

typedef struct told_step {
    bp_recovery_step what;
    char file[BP_SEGMENT_NAME_SIZE + 4];
} told_step;

_Static_assert((int)BPI_INTENT_NAME <= (int)BP_SEGMENT_NAME_SIZE + 4, "room for the name of a note");

typedef struct inspecting {
    bp_store *store; /* a reader's */
    bp_inspection *out;
    bpi_buffer steps;                 /* told_step, to be told at the end */
    bool full;                        /* no memory for one of them */
    const bpi_segment_entry *current; /* the segment that is being read; NULL: none */
    uint64_t first;                   /* the sequence at which reading it began */
    bool tailed;                      /* of the open one an index file answers for the beginning, ... */
    uint64_t tail_length;             /* ... so far */
    bool disbelieving;                /* index files are left aside */
} inspecting;

static bpi_home *home_of(const inspecting *in)
{
    return &in->store->follower.home;
}

static bpi_catalog *catalog_of(const inspecting *in)
{
    return &in->store->follower.catalog;
}

static void step(inspecting *in, bp_recovery_step_kind kind, uint32_t ordinal, uint32_t generation,
                 bp_recovery_step what)
{
    char name[BP_SEGMENT_NAME_SIZE];
    told_step told = {.what = what, .file = "log/"};
    bp_segment_name(ordinal, generation, name);
    memcpy(told.file + 4, name, strlen(name) + 1);
    told.what.kind = kind;
    in->full = !bpi_buffer_append(&in->steps, &told, sizeof told) || in->full;
}

static void tell_all(const inspecting *in, bp_recovery_step_fn tell, void *context)
{
    bool enough = tell == NULL;
    for (size_t at = 0; at < in->steps.size && !enough; at += sizeof(told_step)) {
        told_step told;
        memcpy(&told, in->steps.data + at, sizeof told);
        told.what.file = told.file;
        enough = tell(context, &told.what) != 0;
    }
}

static void step_of_note(inspecting *in, bp_recovery_step_kind kind, const bp_id *record)
{
    told_step told = {.what = {.kind = kind}};
    bpi_intent_name(record, told.file);
    in->full = !bpi_buffer_append(&in->steps, &told, sizeof told) || in->full;
}

static void step_of(inspecting *in, bp_recovery_step_kind kind, const bpi_segment_entry *entry, bp_recovery_step what)
{
    step(in, kind, entry->ordinal, entry->generation, what);
}

/* ---- files that would go ---- */

static int see_unlisted(void *argument, const char *name, bool is_directory, uint64_t size)
{
    inspecting *in = argument;
    const bpi_catalog *catalog = catalog_of(in);
    uint32_t ordinal = 0;
    uint32_t generation = 0;
    if (is_directory || !bp_segment_name_parse(name, &ordinal, &generation)) {
        return 0;
    }
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal == ordinal && catalog->entries[i].generation == generation) {
            return 0;
        }
    }
    in->out->segment_files++;
    step(in, BP_STEP_REMOVE, ordinal, generation, (bp_recovery_step){.bytes = size});
    return 0;
}

static void see_files(inspecting *in)
{
    const bpi_home *home = home_of(in);
    if (home->log != NULL) {
        (void)home->io->dir_list(home->io->context, home->log, see_unlisted, in);
    }
}

/* As the opening does first: retired entries leave the list, their files go. */
static void drop_retired(inspecting *in)
{
    bpi_catalog *catalog = catalog_of(in);
    size_t kept = 0;
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            catalog->entries[kept++] = catalog->entries[i];
            continue;
        }
        in->out->segment_files++;
        step_of(in, BP_STEP_FINISH, &catalog->entries[i], (bp_recovery_step){.bytes = catalog->entries[i].length});
    }
    catalog->count = kept;
}

/* ---- the walk ---- */

/* What was read of the segment at hand, when the next one begins with that sequence or the log ended before it. */
static void end_segment(inspecting *in, uint64_t next_sequence)
{
    const bpi_segment_entry *entry = in->current;
    if (entry == NULL) {
        return;
    }
    bool open = entry->state == BPI_SEGMENT_OPEN;
    const bpi_tail *end = &in->store->follower.walk.tails[entry - catalog_of(in)->entries];
    bool passed = open && in->tailed; /* the walk counts what it passed over as one frame */
    bp_recovery_step what = {.offset = passed ? in->tail_length : BPI_SEGMENT_HEADER,
                             .frames = end->frames - (passed && end->frames > 0),
                             .events = next_sequence - in->first};
    what.bytes = end->end > what.offset ? end->end - what.offset : 0;
    in->out->replayed_frames += open ? what.frames : 0;
    in->out->replayed_events += open ? what.events : 0;
    if (what.frames > 0) {
        step_of(in, open ? BP_STEP_REPLAY : BP_STEP_READ, entry, what);
    }
    in->current = NULL;
}

static bp_status covered(void *argument, size_t index, size_t *count_out, bp_error *error)
{
    inspecting *in = argument;
    end_segment(in, in->store->follower.walk.chain.next_sequence);
    bp_status status = bpi_indexing_covered(in->store, index, count_out, error);
    for (size_t i = 0; status == BP_OK && i < *count_out; i++) {
        in->out->indexed += catalog_of(in)->entries[index + i].state == BPI_SEGMENT_SEALED;
    }
    return status;
}

static bp_status tail(void *argument, size_t index, bp_file *file, bpi_index_tail *tail_out, uint64_t *next_out,
                      bp_error *error)
{
    inspecting *in = argument;
    end_segment(in, in->store->follower.walk.chain.next_sequence);
    bp_status status = bpi_indexing_tail(in->store, index, file, tail_out, next_out, error);
    in->tailed = status == BP_OK && tail_out->salt != 0;
    in->tail_length = tail_out->length;
    return status;
}

static bp_status begin_segment(void *argument, const bpi_segment_entry *entry, uint64_t first_sequence, bp_error *error)
{
    inspecting *in = argument;
    in->current = entry;
    in->first = first_sequence;
    if (entry->state == BPI_SEGMENT_OPEN) {
        bp_status status = bpi_check_own(home_of(in), catalog_of(in), entry, error);
        if (status != BP_OK) {
            return status;
        }
    }
    return bpi_follower_begin_segment(in->store, entry, first_sequence, error);
}

/* ---- the end of the log ---- */

static bp_status look_behind(inspecting *in, const bpi_verdict *verdict, bp_error *error)
{
    const bpi_home *home = home_of(in);
    const bpi_catalog *catalog = catalog_of(in);
    for (size_t i = verdict->index; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        bp_file *file = NULL;
        uint64_t size = 0;
        uint64_t frontier = 0;
        bp_recovery_step what = {.offset = i == verdict->index ? bpi_lsn_offset(verdict->p) : BPI_SEGMENT_HEADER};
        bp_status status = bpi_open_listed(home, catalog, entry, BP_OPEN_READ, &file, &size, error);
        if (status != BP_OK) {
            return status;
        }
        uint64_t end = 0;
        status = bpi_scan_headers(home, file, "segment", entry->ordinal, entry->salt, what.offset, size, &frontier,
                                  &what.frames, &end, error);
        home->io->file_close(home->io->context, file);
        if (status != BP_OK) {
            return status;
        }
        if (end > what.offset) {
            what.bytes = end - what.offset;
            in->out->cut_bytes += what.bytes;
            in->out->cut_frames += what.frames;
            in->out->cut_files++;
            step_of(in, BP_STEP_CUT, entry, what);
        }
    }
    return BP_OK;
}

/* The open segments behind the log's end are opened for writing too: all that there are, from the last one, when something is cut; else
 * the prepared one. */
static bp_status check_later(inspecting *in, const bpi_verdict *verdict, bp_error *error)
{
    const bpi_catalog *catalog = catalog_of(in);
    size_t end = verdict->loose > 0 || catalog->count < verdict->index + 2 ? catalog->count : verdict->index + 2;
    bp_status status = BP_OK;
    for (size_t i = end; i-- > verdict->index && status == BP_OK;) {
        if (catalog->entries[i].state == BPI_SEGMENT_OPEN) {
            status = bpi_check_own(home_of(in), catalog, &catalog->entries[i], error);
        }
    }
    return status;
}

static void see_list(inspecting *in, size_t active)
{
    const bpi_catalog *catalog = catalog_of(in);
    const bpi_log_walk *walk = &in->store->follower.walk;
    for (size_t i = 0; i < active; i++) {
        if (catalog->entries[i].state == BPI_SEGMENT_OPEN) {
            bp_recovery_step what = {.bytes = walk->tails[i].end,
                                     .events = walk->tails[i + 1].first_sequence - walk->tails[i].first_sequence};
            step_of(in, BP_STEP_SEAL, &catalog->entries[i], what);
        }
    }
    for (size_t i = active + 2; i < catalog->count; i++) {
        step_of(in, BP_STEP_DROP, &catalog->entries[i], (bp_recovery_step){0});
    }
}

static bp_status judge(inspecting *in, const bpi_live_word *live, bp_error *error)
{
    bp_inspection *out = in->out;
    const bpi_manifest *manifest = &catalog_of(in)->manifest;
    bpi_verdict verdict = {0};
    bp_status status = bpi_judge(&in->store->follower.walk, live, &verdict, error);
    out->end = verdict.p;
    out->vouched = verdict.vouched;
    verdict.loose = bpi_planted(BPI_PLANT_INSPECTION_BLIND) ? 0 : verdict.loose;
    if (status == BP_OK) {
        status = check_later(in, &verdict, error);
    }
    if (status == BP_OK && verdict.loose > 0) {
        status = look_behind(in, &verdict, error);
    }
    if (status != BP_OK) {
        return status;
    }
    see_list(in, verdict.index);
    bool clean = manifest->clean && verdict.loose == 0 && verdict.p == manifest->durable;
    out->verdict = verdict.loose > 0 ? BP_RECOVERY_CUT : clean ? BP_RECOVERY_NOTHING : BP_RECOVERY_SETTLE;
    out->epoch = manifest->epoch + !clean;
    return BP_OK;
}

/* ---- erasures that were interrupted ---- */

typedef struct looking {
    inspecting *in;
    bpi_view *view;
} looking;

/* A bpi_intent_fn. */
static bp_status see_erasure(void *argument, const bpi_intent *intent, bp_error *error)
{
    looking *at = argument;
    bool on_record = false;
    bp_status status = bpi_erasure_judge(at->view, intent, &on_record, error);
    if (status == BP_OK) {
        at->in->out->erasures += on_record;
        step_of_note(at->in, on_record ? BP_STEP_ERASE : BP_STEP_FORGET, &intent->record);
    }
    return status;
}

static bp_status see_erasures(inspecting *in, bp_error *error)
{
    bpi_index_publish(in->store->index, in->store->follower.walk.chain.next_sequence);
    looking at = {in, bpi_view_pin(in->store->index)};
    if (at.view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = bpi_intents(home_of(in), see_erasure, &at, error);
    bpi_view_drop(at.view);
    return status == BP_OK ? BP_OK
                           : bpi_error_wrap(error, status, "an erasure that was interrupted cannot be finished");
}

static bp_status walk_and_judge(inspecting *in, bp_error *error)
{
    bpi_follower *follower = &in->store->follower;
    bpi_live_word word = {0};
    bool believed = false;
    bp_status status = bpi_read_live(&follower->home, &follower->catalog.manifest.store_id, &word, &believed, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_walk_calls calls = {in, tail, covered, begin_segment, bpi_store_load_record, NULL};
    in->out->writer = believed && word.state != BPI_LIVE_CLOSED ? word.pid : 0;
    for (size_t i = 0; i < follower->catalog.count; i++) {
        in->out->sealed += follower->catalog.entries[i].state == BPI_SEGMENT_SEALED;
    }
    status = bpi_log_walk_begin(&follower->walk, &follower->home, &follower->catalog, &calls, error);
    if (status != BP_OK) {
        return status;
    }
    follower->walking = true;
    follower->walk.record_argument = in->store;
    status = bpi_opener_new(&follower->home, &follower->catalog.manifest.store_id, &follower->opener, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_indexing_begin(in->store);
    status = bpi_log_walk_run(&follower->walk, UINT64_MAX, error);
    in->out->events = follower->walk.chain.next_sequence;
    end_segment(in, in->out->events);
    status = status == BP_END ? judge(in, believed ? &word : NULL, error) : status;
    return status == BP_OK ? see_erasures(in, error) : status;
}

static bp_status look_at_store(inspecting *in, bp_error *error)
{
    const bp_options *options = &in->store->options;
    bpi_home *home = home_of(in);
    bp_status status = bpi_log_check_place(home, options->create, options->exclusive, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_catalog_load(home, catalog_of(in), error);
    if (status == BP_ERR_NOT_FOUND) {
        status = bpi_check_unlisted(home, NULL, false, error);
        if (status != BP_OK) {
            return bpi_error_wrap(error, status, BPI_NO_MANIFEST);
        }
        see_files(in);
        in->out->verdict = BP_RECOVERY_MAKE;
        in->out->epoch = 1;
        return BP_OK;
    }
    if (status == BP_OK) {
        status = bpi_log_check_manifest(home, &catalog_of(in)->manifest, error);
    }
    if (status == BP_OK) {
        status = bpi_check_unlisted(home, catalog_of(in), false, error);
    }
    if (status == BP_OK) {
        see_files(in);
        drop_retired(in);
        status = walk_and_judge(in, error);
    }
    return status;
}

/* *moved_out: what is wrong may be so because the list was another one by then. */
static bp_status inspect(inspecting *in, const char *path, bool *moved_out, bp_error *error)
{
    bp_store *store = in->store;
    bpi_follower_set_home(store);
    (void)pthread_mutex_init(&store->follower.lock, NULL);
    bp_status status = bpi_home_open(&store->follower.home, path, false, error);
    if (status == BP_ERR_NOT_FOUND && store->options.create) {
        in->out->verdict = BP_RECOVERY_MAKE;
        in->out->epoch = 1;
        status = BP_OK;
    } else if (status == BP_OK) {
        status = look_at_store(in, error);
        *moved_out = status == BP_ERR_CORRUPT && bpi_catalog_moved(home_of(in), catalog_of(in));
    }
    bpi_follower_close(store);
    return status == BP_OK && in->full ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for what is to be told")
                                       : status;
}

/* One look. What it found is told only if no other has to follow. */
static bp_status look(inspecting *in, const char *path, const bp_options *options, bp_recovery_step_fn tell,
                      void *context, bool *moved_out, bp_error *error)
{
    bool moved = false;
    bp_status status = bpi_store_new(path, options, true, &in->store, error);
    if (status != BP_OK) {
        return status;
    }
    memset(in->out, 0, sizeof *in->out);
    bpi_buffer_init(&in->steps, in->store->allocator);
    in->store->disbelieving = in->disbelieving;
    status = inspect(in, path, &moved, error);
    if (status == BP_ERR_CORRUPT && in->store->believed) {
        in->disbelieving = true; /* as an opening does: src/store/open.c */
        moved = true;
    }
    if (!moved || moved_out == NULL) {
        tell_all(in, tell, context);
    }
    bpi_buffer_fini(&in->steps);
    bpi_store_free(in->store);
    if (moved_out != NULL) {
        *moved_out = moved;
    }
    return status;
}

/* Answers about the store, rather than about the attempt to look at it. */
static bool is_verdict(bp_status status)
{
    return status == BP_ERR_CORRUPT || status == BP_ERR_VERSION || status == BP_ERR_NOT_FOUND ||
           status == BP_ERR_NOT_EMPTY || status == BP_ERR_EXISTS || status == BP_ERR_UNSUPPORTED ||
           status == BP_ERR_TOO_LARGE;
}

bp_status bp_inspect_recovery(const char *path, const bp_options *options, bp_recovery_step_fn tell, void *context,
                              bp_inspection *inspection_out, bp_error *error)
{
    if (path == NULL || path[0] == '\0' || inspection_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_inspect_recovery needs a path and a place for what it finds");
    }
    memset(inspection_out, 0, sizeof *inspection_out);
    bp_options all;
    bp_error local = {0};
    bp_status status = bpi_store_take_options(options, &all, &local);
    bool disbelieving = false;
    bool again = status == BP_OK;
    for (int i = 0; again; i++) {
        inspecting in = {.out = inspection_out, .disbelieving = disbelieving};
        again = false;
        status = look(&in, path, &all, tell, context, i < LOOKS_MAX ? &again : NULL, &local);
        disbelieving = in.disbelieving;
    }
    if (is_verdict(status)) {
        inspection_out->verdict = BP_RECOVERY_REFUSE;
        inspection_out->refusal = local;
        return BP_OK;
    }
    if (status != BP_OK && error != NULL) {
        *error = local;
    }
    return status;
}
