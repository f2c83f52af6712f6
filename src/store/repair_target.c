/*
 * repair_target.c: the new store of a repair: events as they were or under new hashes, stand-ins, the summary.
 *
 * Holds: it is made under another name and renamed when it is whole, synced and verified. All of that goes through the directories that
 * were looked at: what somebody puts in the place of a name meanwhile is not gone into.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/hashing.h"
#include "io/optional.h"
#include "store/commit.h"
#include "store/intent.h"
#include "store/making.h"
#include "store/repair.h"
#include "store/rewrite.h"

enum { SALVAGED_SIZE = 8 + 32 + 1, COMMIT_BYTES_MOST = 255 << 20, SUMMARY_SIZE = 1024 + 48 * BPI_REPAIR_RANGES };

static const char suffix[] = ".repairing";

/* ---- making ---- */

static int refuse_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    (void)argument;
    (void)name;
    (void)is_directory;
    (void)size;
    return ECANCELED;
}

/* It is not there, or empty. */
static bp_status check_empty(const bpi_repair *repair, const char *path, bp_error *error)
{
    const bp_io *io = repair->options->io;
    bp_dir *dir = NULL;
    int code = io->dir_open(io->context, path, false, &dir);
    if (code == ENOENT) {
        return BP_OK;
    }
    if (code == 0) {
        code = io->dir_list(io->context, dir, refuse_entry, NULL);
        io->dir_close(io->context, dir);
    }
    if (code == ECANCELED) {
        bpi_error_set(error, BP_ERR_NOT_EMPTY, "%s is there and not empty", path);
        bpi_error_hint(error, "name a new directory, or remove what is there if it is left from a repair before");
        return BP_ERR_NOT_EMPTY;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot look at %s", path);
}

/* The same, and no symbolic link: the name under which it is made can be foretold, and somebody may have put one there. */
static bp_status look_at(const bpi_repair *repair, const char *path, bpi_site *site, bp_error *error)
{
    bp_status status = check_empty(repair, path, error);
    return status == BP_OK ? bpi_site_open(site, &repair->home, path, error) : status;
}

/* Without slashes at the end, and with the suffix. */
static bool make_name(bpi_repair *repair, const char *target_dir)
{
    size_t size = strlen(target_dir);
    while (size > 1 && target_dir[size - 1] == '/') {
        size--;
    }
    repair->temporary_size = size + sizeof suffix;
    repair->temporary = bpi_allocate(repair->options->allocator, repair->temporary_size);
    if (repair->temporary == NULL) {
        return false;
    }
    memcpy(repair->temporary, target_dir, size);
    memcpy(repair->temporary + size, suffix, sizeof suffix);
    return true;
}

static bp_status open_target(bpi_repair *repair, bp_error *error)
{
    const bp_repair_options *o = repair->options;
    const bpi_manifest *old = &repair->sources.catalog.manifest;
    bp_options options;
    bp_options_init(&options);
    options.exclusive = true;
    options.durability = BP_BUFFERED;
    options.payload_max = BP_PAYLOAD_MAX;
    options.segment_size = o->segment_size;
    if (repair->sources.manifest_good) {
        options.segment_size = o->segment_size != 0 ? o->segment_size : old->segment_size;
        options.layout = (bp_layout)(old->layout + 1);
    }
    options.io = o->io;
    options.clock = o->clock;
    options.random = o->random;
    options.allocator = o->allocator;
    return bpi_store_open(repair->temporary, repair->site.home.root, &options, false, &repair->target, error);
}

bp_status bpi_repair_begin_target(bpi_repair *repair, const char *target_dir, bp_error *error)
{
    const bp_allocator *allocator = repair->options->allocator;
    repair->pending = bpi_allocate_array(allocator, BPI_REPAIR_PENDING, sizeof *repair->pending);
    repair->made = bpi_allocate_array(allocator, BPI_REPAIR_PENDING, sizeof *repair->made);
    bpi_buffer_init(&repair->extensions, allocator);
    bpi_buffer_init(&repair->folded, allocator);
    if (repair->pending == NULL || repair->made == NULL || !make_name(repair, target_dir)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
    }
    bp_status status = look_at(repair, target_dir, &repair->site, error);
    if (status == BP_OK && repair->site.parent == NULL) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "%s has no name that a new store could be given", target_dir);
        bpi_error_hint(error, "name the directory as its parent knows it");
    }
    bpi_site_close(&repair->site);
    if (status == BP_OK) {
        status = look_at(repair, repair->temporary, &repair->site, error);
    }
    if (status == BP_OK) {
        status = bpi_site_make(&repair->site, error);
    }
    if (status == BP_OK) {
        status = open_target(repair, error);
    }
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, status, "cannot make the new store");
}

/* ---- events ---- */

bp_status bpi_repair_flush(bpi_repair *repair, bp_error *error)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < repair->pending_count; i++) {
        if (repair->made[i] != SIZE_MAX) {
            repair->pending[i].extensions = repair->extensions.data + repair->made[i];
        }
    }
    if (repair->pending_count > 0) {
        status = bpi_append_exact(repair->target, repair->pending, repair->pending_count, error);
    }
    repair->pending_count = 0;
    repair->pending_bytes = 0;
    repair->extensions.size = 0;
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, status, "cannot write the new store");
}

/* False: no memory. */
static bool note_folded(bpi_repair *repair, uint64_t sequence)
{
    bpi_repair_range *ranges = (bpi_repair_range *)(void *)repair->folded.data;
    size_t count = repair->folded.size / sizeof *ranges;
    bpi_repair_range fresh = {sequence, sequence + 1};
    if (count != 0 && ranges[count - 1].end == sequence) {
        ranges[count - 1].end++;
        return true;
    }
    return bpi_buffer_append(&repair->folded, &fresh, sizeof fresh);
}

/* The event is complete but for where its made extensions lie. */
static bp_status enqueue(bpi_repair *repair, const bp_event *event, size_t made, bp_error *error)
{
    if (repair->target == NULL) {
        return BP_OK;
    }
    if (event->dropped && !note_folded(repair, event->sequence)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
    }
    repair->pending[repair->pending_count] = *event;
    repair->made[repair->pending_count++] = made;
    repair->pending_bytes += BPI_RECORD_FIXED + 4096 + event->payload_size;
    bool full = repair->pending_count == BPI_REPAIR_PENDING || repair->pending_bytes > COMMIT_BYTES_MOST;
    return full ? bpi_repair_flush(repair, error) : BP_OK;
}

static size_t put_salvaged(uint8_t *bytes, const bp_event *event, bp_proof proof)
{
    uint8_t value[SALVAGED_SIZE];
    bpi_put64(value, event->clock);
    memcpy(value + 8, event->event_hash.bytes, sizeof event->event_hash.bytes);
    value[SALVAGED_SIZE - 1] = (uint8_t)proof;
    return bpi_extension_put(bytes, BP_TAG_SALVAGED, value, sizeof value);
}

/* The event's extensions with what the salvage adds, tags ascending. A salvage of a salvage leaves what the first one said. */
static bp_status make_extensions(bpi_repair *repair, const bp_event *event, bool external, bp_proof proof,
                                 bp_event *made, bp_error *error)
{
    const uint8_t *unused = NULL;
    size_t unused_size = 0;
    size_t size = event->public_extensions_size;
    bool salvaged = bpi_extension_find(event->extensions, size, BP_TAG_SALVAGED, &unused, &unused_size);
    size_t most = size + SALVAGED_SIZE + (size_t)2 * BPI_EXTENSION_HEADER;
    if (most > BPI_EXTENSIONS_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "its extensions leave no room for its old hash");
    }
    if (!bpi_buffer_reserve(&repair->extensions, most + event->private_extensions_size)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
    }
    uint8_t *start = repair->extensions.data + repair->extensions.size;
    uint8_t *to = start;
    bool add_external = external;
    bool add_salvaged = !salvaged;
    for (size_t at = 0; at <= size;) {
        uint16_t tag = at < size ? bpi_get16(event->extensions + at) : UINT16_MAX;
        if (add_external && tag > BP_TAG_EXTERNAL) {
            to += bpi_extension_put(to, BP_TAG_EXTERNAL, NULL, 0);
            add_external = false;
        }
        if (add_salvaged && tag > BP_TAG_SALVAGED) {
            to += put_salvaged(to, event, proof);
            add_salvaged = false;
        }
        if (at == size) {
            break;
        }
        size_t length = BPI_EXTENSION_HEADER + bpi_get16(event->extensions + at + 2);
        memcpy(to, event->extensions + at, length);
        to += length;
        at += length;
    }
    made->public_extensions_size = (size_t)(to - start);
    if (event->private_extensions_size > 0) {
        memcpy(to, event->extensions + size, event->private_extensions_size);
    }
    made->extensions = start;
    made->external = made->external || external;
    repair->extensions.size += made->public_extensions_size + made->private_extensions_size;
    return BP_OK;
}

static void move_on(bpi_repair *repair, bpi_salvage_head *head, const bp_event *event)
{
    head->new_next = event->clock + 1;
    head->new_hash = event->event_hash;
    repair->next = event->sequence + 1;
    repair->last_hlc = event->hlc;
}

bp_status bpi_repair_add(bpi_repair *repair, const bp_event *event, bpi_salvage_head *head, bool changed, bool external,
                         bp_proof proof, bp_error *error)
{
    bp_event made = *event;
    size_t at = SIZE_MAX;
    if (changed && event->dropped) {
        made.clock = head->new_next; /* its hash stays: nothing is left that another one could be computed over */
    } else if (changed) {
        if (repair->target == NULL) {
            repair->extensions.allocator = repair->options->allocator; /* a dry run hashes too */
            repair->extensions.size = 0;
        }
        at = repair->extensions.size;
        bp_status status = make_extensions(repair, event, external, proof, &made, error);
        if (status != BP_OK) {
            return status;
        }
        made.clock = head->new_next;
        made.event_hash = bp_event_compute_hash(&made, head->new_next == 0 ? NULL : &head->new_hash);
    }
    move_on(repair, head, &made);
    return enqueue(repair, &made, at, error);
}

/* An event of the library's own, the next one. */
static bp_status add_system(bpi_repair *repair, bp_hlc hlc, const char *text, size_t size, bp_error *error)
{
    if (hlc <= repair->last_hlc) {
        return bpi_error_set(error, BP_ERR_CORRUPT,
                             "an event has the greatest HLC there can be: nothing can follow it");
    }
    bpi_salvage_head *head = bpi_salvage_table_head(&repair->table, bp_text_of(BP_SYSTEM_ENTITY));
    if (head == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
    }
    uint8_t name[24];
    memcpy(name, repair->sources.store_id.bytes, 16);
    bpi_put64(name + 16, repair->next);
    bp_event event = {.sequence = repair->next,
                      .id = bp_id_from("batpak salvage", name, sizeof name),
                      .hlc = hlc,
                      .time_us = repair->now_us,
                      .clock = head->new_next,
                      .kind = BP_KIND_INIT,
                      .payload_type = BP_PAYLOAD_JSON,
                      .payload_version = 1,
                      .entity = bp_text_of(BP_SYSTEM_ENTITY),
                      .scope = bp_text_of(BP_SYSTEM_SCOPE),
                      .payload = text,
                      .payload_size = size};
    int code = repair->options->random->fill(repair->options->random->context, event.salt, sizeof event.salt);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw random bytes");
    }
    event.correlation = event.id;
    event.event_hash = bp_event_compute_hash(&event, head->new_next == 0 ? NULL : &head->new_hash);
    head->changed = true;
    move_on(repair, head, &event);
    return enqueue(repair, &event, SIZE_MAX, error);
}

bp_status bpi_repair_stand_in(bpi_repair *repair, uint64_t until, bp_hlc before, bp_error *error)
{
    static const char text[] = "{\"lost\":true}";
    bp_repair_report *report = repair->report;
    uint64_t count = until - repair->next;
    if (count > repair->options->lost_max - report->lost) {
        bpi_error_set(error, BP_ERR_TOO_LARGE, "%" PRIu64 " and more events are lost, and each needs a stand-in",
                      report->lost + count);
        bpi_error_hint(error, "raise lost_max if that is what you want");
        return BP_ERR_TOO_LARGE;
    }
    bp_repair_note note = {.kind = BP_REPAIR_LOST, .first = repair->next, .last = until - 1, .count = count};
    bpi_repair_end_run(repair);
    bpi_repair_note(repair, &note);
    if (report->lost_ranges < BPI_REPAIR_RANGES) {
        repair->ranges[report->lost_ranges][0] = note.first;
        repair->ranges[report->lost_ranges][1] = note.last;
    }
    report->lost_ranges++;
    report->lost += count;
    bp_status status = bpi_repair_flush(repair, error);
    bp_hlc hlc = before != 0 ? before - count : repair->last_hlc + 1;
    for (uint64_t i = 0; i < count && status == BP_OK; i++) {
        status = add_system(repair, hlc + i, text, sizeof text - 1, error);
    }
    return status == BP_OK ? bpi_repair_flush(repair, error) : status;
}

bp_status bpi_repair_summary(bpi_repair *repair, bp_error *error)
{
    const bp_repair_report *report = repair->report;
    char source[BP_ID_TEXT_SIZE];
    char *text = bpi_allocate(repair->options->allocator, SUMMARY_SIZE);
    if (text == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to repair the store");
    }
    bp_id_print(&report->source_id, source);
    int used = snprintf(text, SUMMARY_SIZE,
                        "{\"salvage\":{\"source\":\"%s\",\"events\":%" PRIu64 ",\"unchanged\":%" PRIu64
                        ",\"checked\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"lost_ranges\":%" PRIu64
                        ",\"rejected\":%" PRIu64 ",\"entities_affected\":%" PRIu64 ",\"causes_lost\":%" PRIu64
                        ",\"partial_commits\":%" PRIu64 ",\"ranges\":[",
                        source, report->events, report->unchanged, report->checked, report->lost, report->lost_ranges,
                        report->rejected, report->entities_affected, report->causes_lost, report->partial_commits);
    for (uint64_t i = 0; i < report->lost_ranges && i < BPI_REPAIR_RANGES; i++) {
        used += snprintf(text + used, SUMMARY_SIZE - (size_t)used, "%s[%" PRIu64 ",%" PRIu64 "]", i == 0 ? "" : ",",
                         repair->ranges[i][0], repair->ranges[i][1]);
    }
    used += snprintf(text + used, SUMMARY_SIZE - (size_t)used, "]}}");
    bp_hlc now = (bp_hlc)(repair->now_us > 0 ? repair->now_us / 1000 : 0) << 16;
    bp_status status =
        add_system(repair, now > repair->last_hlc ? now : repair->last_hlc + 1, text, (size_t)used, error);
    if (status == BP_OK) {
        status = bpi_repair_flush(repair, error);
    }
    bpi_release(repair->options->allocator, text, SUMMARY_SIZE);
    return status;
}

/* ---- the end ---- */

static bp_status verify_target(bpi_repair *repair, bp_error *error)
{
    bp_verify_report report;
    bp_status status = bpi_home_find_log(&repair->site.home, error);
    if (status == BP_OK) {
        status =
            bpi_prove(&repair->site.home, repair->options->progress, repair->options->progress_context, &report, error);
    }
    if (status == BP_OK && report.events != repair->next) {
        status = bpi_error_set(error, BP_ERR_CORRUPT, "it holds %" PRIu64 " events, not %" PRIu64, report.events,
                               repair->next);
    }
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, status, "the new store does not verify");
}

/* Does the name still lead to what was made? */
static bp_status look_again(const bpi_repair *repair, bp_error *error)
{
    const bp_io *io = repair->options->io;
    const bpi_site *site = &repair->site;
    bp_dir *there = NULL;
    bool within = true;
    bool around = true;
    int code = io->dir_open_at(io->context, site->parent, site->name, false, &there);
    if (code == 0) {
        code = bpi_io_is_within(io, there, site->home.root, &within);
        code = code == 0 ? bpi_io_is_within(io, site->home.root, there, &around) : code;
        io->dir_close(io->context, there);
    }
    if (code == ENOSYS || (code == 0 && within && around)) {
        return BP_OK;
    }
    if (code != 0 && code != ENOENT && code != ENOTDIR && code != ELOOP) {
        return bpi_error_system(error, code, "cannot look at %s", repair->temporary);
    }
    bpi_error_set(error, BP_ERR_EXISTS, "something else was put in the place of %s while it was made",
                  repair->temporary);
    bpi_error_hint(error, "find out who did that; then remove what is there and repair again");
    return BP_ERR_EXISTS;
}

static bp_status rename_target(const bpi_repair *repair, bp_error *error)
{
    const bp_io *io = repair->options->io;
    const bpi_site *site = &repair->site;
    char to[256];
    size_t size = strlen(site->name) - (sizeof suffix - 1);
    int code = size < sizeof to ? 0 : ENAMETOOLONG;
    if (code == 0) {
        memcpy(to, site->name, size);
        to[size] = '\0';
        code = io->dir_rename(io->context, site->parent, site->name, to);
        code = code == 0 ? io->dir_sync(io->context, site->parent) : code;
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot give the new store its name");
        bpi_error_file(error, "%s", repair->temporary);
        return status;
    }
    return BP_OK;
}

static bp_status drop_folded(void *argument, const bp_event *event, unsigned *fate_out, bp_error *error)
{
    const bpi_repair *repair = argument;
    const bpi_repair_range *ranges = (const bpi_repair_range *)(const void *)repair->folded.data;
    size_t low = 0;
    size_t high = repair->folded.size / sizeof *ranges;
    (void)error;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].first <= event->sequence) {
            low = middle;
        } else {
            high = middle;
        }
    }
    bool folded = event->sequence >= ranges[low].first && event->sequence < ranges[low].end;
    *fate_out = folded ? BPI_FATE_DROP : BPI_FATE_KEEP;
    return BP_OK;
}

/* What was written for dropped events becomes fold entries again: nobody sees the store before. */
static bp_status fold(bpi_repair *repair, bp_error *error)
{
    bpi_rewritten done;
    bpi_rewriting how = {.decide = drop_folded, .argument = repair, .min_segments = 2, .last = UINT32_MAX};
    if (repair->folded.size == 0) {
        return BP_OK;
    }
    bp_status status = bp_seal(repair->target, error);
    if (status == BP_OK) {
        status = bpi_store_rewrite(repair->target, &how, &done, error);
    }
    return status == BP_OK ? BP_OK : bpi_error_wrap(error, status, "cannot put what was dropped into the new store");
}

/* Notes of erasures that are not finished: the first opening does what is on record. What one says that is not whole nobody can
 * tell: of it the record in the log stays. */
static bp_status take_erasures(bpi_repair *repair, bp_error *error)
{
    bpi_buffer files;
    bpi_folder_file *file = NULL;
    const uint8_t *bytes = NULL;
    uint32_t count = 0;
    bpi_buffer_init(&files, repair->home.allocator);
    bp_status status = bpi_folder_read(&repair->home, NULL, bpi_intent_named, &files, error);
    for (size_t at = 0; status == BP_OK && bpi_folder_next(&files, &at, &file, &bytes);) {
        file->left_out = !bpi_intent_whole(file->name, bytes, (size_t)file->size);
    }
    if (status == BP_OK) {
        status = bpi_folder_write(&repair->site.home, NULL, &files, &count, error);
    }
    bpi_folder_forget(&files);
    return status;
}

bp_status bpi_repair_end_target(bpi_repair *repair, const char *target_dir, bp_error *error)
{
    bp_status status = fold(repair, error);
    if (status != BP_OK) {
        return status;
    }
    bp_store *target = repair->target;
    repair->target = NULL;
    status = bp_close(target, error);
    if (status == BP_OK) {
        status = take_erasures(repair, error);
    }
    if (status == BP_OK) {
        status = verify_target(repair, error);
    }
    if (status == BP_OK) {
        status = check_empty(repair, target_dir, error);
    }
    if (status == BP_OK) {
        status = look_again(repair, error);
    }
    return status == BP_OK ? rename_target(repair, error) : status;
}

void bpi_repair_release_target(bpi_repair *repair)
{
    const bp_allocator *allocator = repair->options->allocator;
    (void)bp_close(repair->target, NULL);
    bpi_site_close(&repair->site);
    bpi_release(allocator, repair->pending, (size_t)BPI_REPAIR_PENDING * sizeof *repair->pending);
    bpi_release(allocator, repair->made, (size_t)BPI_REPAIR_PENDING * sizeof *repair->made);
    bpi_release(allocator, repair->temporary, repair->temporary_size);
    if (repair->folded.allocator != NULL) {
        bpi_buffer_fini(&repair->folded);
    }
    if (repair->extensions.allocator != NULL) {
        bpi_buffer_fini(&repair->extensions);
    }
}
