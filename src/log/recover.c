/*
 * recover.c: judging where the log ends, and cutting what nothing vouches for.
 *
 * Holds: nothing is written before p is known to be at or beyond V; bytes are zeroed only after a synced copy of them
 * exists; every step can crash and be done again, because what is left unzeroed is found loose again.
 */
#include "log/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"

enum { COPY_SIZE = 1 << 20, TORN_NAME_SIZE = 96, CLEAN_LOOK = 64 << 10 };

bp_status bpi_read_live(const bpi_home *home, const bp_id *store_id, bpi_live_word *word_out, bool *believed_out,
                        bp_error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    size_t most = BPI_LIVE_SIZE + 1;
    bp_status status = bpi_read_file(home, home->root, "live", most, &data, &size, error);
    *believed_out = false;
    if (status == BP_OK) {
        *believed_out = bpi_live_get(data, size, store_id, &home->place, word_out);
        bpi_release(home->allocator, data, most + 1);
    }
    return status == BP_ERR_NOT_FOUND ? BP_OK : status;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Looks behind p: in p's segment from p, in later listed ones from their header. */
static bp_status look_behind(bpi_log_walk *walk, bpi_verdict *verdict, bp_error *error)
{
    const bpi_catalog *catalog = walk->catalog;
    for (size_t i = verdict->index; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        bp_file *file = NULL;
        uint64_t size = 0;
        bp_status status = bpi_open_listed(walk->home, catalog, entry, BP_OPEN_READ, &file, &size, error);
        if (status != BP_OK) {
            return status;
        }
        uint64_t from = i == verdict->index ? bpi_lsn_offset(verdict->p) : BPI_SEGMENT_HEADER;
        if (catalog->manifest.clean && verdict->p == catalog->manifest.durable && size > from + CLEAN_LOOK) {
            size = from + CLEAN_LOOK; /* nothing was written since; zeros that lie ahead are not read through */
        }
        uint64_t frontier = 0;
        uint64_t found = 0;
        uint64_t end = 0;
        status = bpi_scan_headers(walk->home, file, walk->scanner.name, entry->ordinal, entry->salt, from, size,
                                  &frontier, &found, &end, error);
        walk->home->io->file_close(walk->home->io->context, file);
        if (status != BP_OK) {
            return status;
        }
        verdict->vouched = greater(verdict->vouched, bpi_planted(BPI_PLANT_FRONTIERS_IGNORED) ? 0 : frontier);
        verdict->loose += end - from;
    }
    return BP_OK;
}

bp_status bpi_judge(bpi_log_walk *walk, const bpi_live_word *live, bpi_verdict *verdict_out, bp_error *error)
{
    memset(verdict_out, 0, sizeof *verdict_out);
    verdict_out->index = walk->index;
    verdict_out->p = bpi_log_walk_position(walk);
    verdict_out->fault = walk->scanner.fault;
    verdict_out->vouched = greater(walk->catalog->manifest.durable, walk->chain.frontier);
    if (live != NULL && !bpi_planted(BPI_PLANT_LIVE_IGNORED)) {
        verdict_out->vouched = greater(verdict_out->vouched, greater(live->published, live->durable));
    }
    if (walk->index >= walk->catalog->count || !walk->open) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "the segment list names no segment that can be written");
    }
    bp_status status = look_behind(walk, verdict_out, error);
    if (status != BP_OK) {
        return status;
    }
    if (verdict_out->p < verdict_out->vouched) {
        bpi_error_set(error, BP_ERR_CORRUPT,
                      "the log is damaged: %s, but everything up to segment %u offset %llu was known to be kept",
                      verdict_out->fault != NULL ? verdict_out->fault : "it ends here",
                      (unsigned)bpi_lsn_ordinal(verdict_out->vouched),
                      (unsigned long long)bpi_lsn_offset(verdict_out->vouched));
        bpi_error_at(error, bpi_lsn_offset(verdict_out->p), "%s", walk->scanner.name);
        bpi_error_hint(error, "batpak verify shows every fault; restore the file from a copy");
        return BP_ERR_CORRUPT;
    }
    return BP_OK;
}

/* Makes a new .torn file; names that are taken are passed over, evidence is never replaced. */
static int create_torn(const bpi_home *home, const bpi_segment_entry *entry, uint64_t offset, char name[TORN_NAME_SIZE],
                       bp_file **file_out)
{
    for (unsigned n = 1; n < 10000; n++) {
        (void)snprintf(name, TORN_NAME_SIZE, "%010u-%u-%llu-%u.torn", (unsigned)entry->ordinal,
                       (unsigned)entry->generation, (unsigned long long)offset, n);
        int code = home->io->file_open(home->io->context, home->log, name,
                                       BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, file_out);
        if (code != EEXIST) {
            return code;
        }
    }
    return EEXIST;
}

/* Reads it twice: a medium that lied once must not have that written, least of all over what was right. */
static int read_twice(const bpi_home *home, bp_file *file, uint64_t at, uint8_t *data, uint8_t *again, size_t size)
{
    size_t got = 0;
    int code = home->io->file_read(home->io->context, file, at, data, size, &got);
    if (code == 0 && got == size) {
        code = home->io->file_read(home->io->context, file, at, again, size, &got);
    }
    return code != 0 ? code : got < size || memcmp(data, again, size) != 0 ? EIO : 0;
}

/* Copies [from, end) of a segment to `to` of another file, or of the same. */
static int copy_range(const bpi_home *home, bp_file *source, bp_file *target, uint64_t from, uint64_t end, uint64_t to)
{
    size_t most = end - from < COPY_SIZE ? (size_t)(end - from) : COPY_SIZE;
    uint8_t *data = bpi_allocate(home->allocator, 2 * most);
    if (data == NULL) {
        return ENOMEM;
    }
    int code = 0;
    for (uint64_t at = from; at < end && code == 0;) {
        size_t wanted = end - at < COPY_SIZE ? (size_t)(end - at) : COPY_SIZE;
        code = read_twice(home, source, at, data, data + most, wanted);
        if (code == 0) {
            code = home->io->file_write(home->io->context, target, to + (at - from), data, wanted);
        }
        at += wanted;
    }
    bpi_release(home->allocator, data, 2 * most);
    return code;
}

int bpi_write_again(const bpi_home *home, bp_file *file, uint64_t from, uint64_t end)
{
    return from < end ? copy_range(home, file, file, from, end, from) : 0;
}

/* From the end to the start: a crash in the midst leaves a shorter run of loose bytes, never a hole before them. */
static int zero_range(const bpi_home *home, bp_file *file, uint64_t from, uint64_t end)
{
    size_t most = end - from < COPY_SIZE ? (size_t)(end - from) : COPY_SIZE;
    uint8_t *zeros = bpi_allocate_zero(home->allocator, most);
    if (zeros == NULL) {
        return ENOMEM;
    }
    int code = 0;
    for (uint64_t stop = end; stop > from && code == 0;) {
        uint64_t size = stop - from < most ? stop - from : most;
        code = home->io->file_write(home->io->context, file, stop - size, zeros, (size_t)size);
        stop -= size;
    }
    bpi_release(home->allocator, zeros, most);
    if (code == 0) {
        code = home->io->file_sync(home->io->context, file, BP_SYNC_ALL);
    }
    return code;
}

static int cut_segment(const bpi_home *home, const bpi_segment_entry *entry, bp_file *file, uint64_t from, uint64_t end)
{
    const bp_io *io = home->io;
    char name[TORN_NAME_SIZE];
    bp_file *torn = NULL;
    if (bpi_planted(BPI_PLANT_TORN_NOT_KEPT)) {
        return zero_range(home, file, from, end);
    }
    int code = create_torn(home, entry, from, name, &torn);
    if (code != 0) {
        return code;
    }
    code = copy_range(home, file, torn, from, end, 0);
    if (code == 0 && !bpi_planted(BPI_PLANT_TORN_UNSYNCED)) {
        code = io->file_sync(io->context, torn, BP_SYNC_ALL);
    }
    io->file_close(io->context, torn);
    if (code == 0) {
        code = io->dir_sync(io->context, home->log);
    }
    if (code != 0) { /* nothing is zeroed yet: the next opening makes a whole copy, and half a one is no evidence */
        (void)io->dir_remove(io->context, home->log, name);
    }
    return code == 0 && !bpi_planted(BPI_PLANT_CUT_NOT_ZEROED) ? zero_range(home, file, from, end) : code;
}

bp_status bpi_cut(const bpi_home *home, const bpi_catalog *catalog, const bpi_verdict *verdict, uint64_t *bytes_out,
                  bp_error *error)
{
    *bytes_out = 0;
    /* Later segments first: as long as p's own loose bytes are there, a crash between finds it all to be done again. */
    for (size_t i = catalog->count; i-- > verdict->index;) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        if (entry->state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        bp_file *file = NULL;
        uint64_t size = 0;
        bp_status status = bpi_open_listed(home, catalog, entry, BP_OPEN_WRITE, &file, &size, error);
        if (status != BP_OK) {
            return status;
        }
        uint64_t from = i == verdict->index ? bpi_lsn_offset(verdict->p) : BPI_SEGMENT_HEADER;
        uint64_t unused[2];
        uint64_t end = 0;
        status = bpi_scan_headers(home, file, "segment", entry->ordinal, entry->salt, from, size, &unused[0],
                                  &unused[1], &end, error);
        int code = 0;
        if (status == BP_OK && end > from) {
            code = cut_segment(home, entry, file, from, end);
            *bytes_out += end - from;
        }
        home->io->file_close(home->io->context, file);
        if (code != 0) {
            status = bpi_error_system(error, code, "cannot set aside what a crash left behind the log's end");
            bpi_error_hint(error, "nothing is lost; make room or repair the medium and open again");
        }
        if (status != BP_OK) {
            return status;
        }
    }
    return BP_OK;
}

/* What the listing found; judged after it, because an implementation may not like files opened meanwhile. */
typedef struct unlisted_file {
    uint32_t ordinal;
    uint32_t generation;
    uint64_t size;
} unlisted_file;

typedef struct unlisted {
    bpi_buffer listed; /* uint64_t, names that ascend: there may be many thousands of segments */
    bpi_buffer found;  /* unlisted_file */
} unlisted;

static uint64_t name_number(uint32_t ordinal, uint32_t generation)
{
    return (uint64_t)ordinal << 32 | generation;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* False: no memory. */
static bool take_listed(unlisted *state, const bpi_catalog *catalog)
{
    for (size_t i = 0; catalog != NULL && i < catalog->count; i++) {
        uint64_t number = name_number(catalog->entries[i].ordinal, catalog->entries[i].generation);
        if (!bpi_buffer_append(&state->listed, &number, sizeof number)) {
            return false;
        }
    }
    if (state->listed.size != 0) {
        qsort(state->listed.data, state->listed.size / sizeof(uint64_t), sizeof(uint64_t), by_number);
    }
    return true;
}

static bool listed(const unlisted *state, uint32_t ordinal, uint32_t generation)
{
    uint64_t number = name_number(ordinal, generation);
    return state->listed.size != 0 &&
           bsearch(&number, state->listed.data, state->listed.size / sizeof number, sizeof number, by_number) != NULL;
}

static uint64_t salt_of(const bpi_home *home, bp_file *file)
{
    uint8_t bytes[BPI_SEGMENT_HEADER];
    size_t got = 0;
    bpi_segment_header header;
    uint32_t version = 0;
    if (home->io->file_read(home->io->context, file, 0, bytes, sizeof bytes, &got) != 0 || got < sizeof bytes ||
        bpi_segment_header_get(bytes, &header, &version) != NULL) {
        return 0;
    }
    return header.salt;
}

static bp_status judge_unlisted(const bpi_home *home, const unlisted_file *found, bool remove, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(found->ordinal, found->generation, name);
    bp_file *file = NULL;
    int code = home->io->file_open(home->io->context, home->log, name, BP_OPEN_READ, &file);
    if (code == ENOENT) {
        return BP_OK; /* a writer removed it meanwhile */
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot open a segment that no list names");
        bpi_error_file(error, "log/%s", name);
        return status;
    }
    uint64_t frontier = 0;
    uint64_t headers = 0;
    uint64_t end = 0;
    bp_status status = bpi_scan_headers(home, file, name, found->ordinal, salt_of(home, file), 0, found->size,
                                        &frontier, &headers, &end, error);
    home->io->file_close(home->io->context, file);
    if (status == BP_OK && headers > 0) {
        bpi_error_set(error, BP_ERR_CORRUPT, "a segment that no list names holds events");
        bpi_error_file(error, "log/%s", name);
        bpi_error_hint(error, "MANIFEST or a SEGMENTS file is older than the log; restore it from a copy");
        return BP_ERR_CORRUPT;
    }
    if (status == BP_OK && remove) {
        (void)home->io->dir_remove(home->io->context, home->log, name);
        bpi_say_number(home, BP_LOG_INFO, "recovery", "removed-unlisted", "ordinal", found->ordinal);
    }
    return status;
}

static int unlisted_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    unlisted *state = argument;
    unlisted_file found = {.size = size};
    if (is_directory || !bp_segment_name_parse(name, &found.ordinal, &found.generation) ||
        listed(state, found.ordinal, found.generation)) {
        return 0;
    }
    return bpi_buffer_append(&state->found, &found, sizeof found) ? 0 : ENOMEM;
}

static bp_status find_unlisted(const bpi_home *home, const bpi_catalog *catalog, unlisted *state, bp_error *error)
{
    bpi_buffer_init(&state->listed, home->allocator);
    bpi_buffer_init(&state->found, home->allocator);
    if (home->log == NULL) {
        return BP_OK;
    }
    int code = take_listed(state, catalog) ? 0 : ENOMEM;
    if (code == 0) {
        code = home->io->dir_list(home->io->context, home->log, unlisted_entry, state);
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot list the segments");
}

static void free_unlisted(unlisted *state)
{
    bpi_buffer_fini(&state->found);
    bpi_buffer_fini(&state->listed);
}

bp_status bpi_check_unlisted(const bpi_home *home, const bpi_catalog *catalog, bool remove, bp_error *error)
{
    unlisted state;
    bp_status status = find_unlisted(home, catalog, &state, error);
    for (size_t at = 0; status == BP_OK && at < state.found.size; at += sizeof(unlisted_file)) {
        unlisted_file found;
        memcpy(&found, state.found.data + at, sizeof found);
        status = judge_unlisted(home, &found, remove, error);
    }
    free_unlisted(&state);
    return status;
}

static bool names(const bpi_catalog *catalog, const unlisted_file *found)
{
    size_t i = catalog->count;
    while (i > 0 && (catalog->entries[i - 1].ordinal != found->ordinal ||
                     catalog->entries[i - 1].generation != found->generation)) {
        i--;
    }
    return i > 0;
}

/*
 * A segment takes its first frame behind the list that names it, and leaves the lists when it is gone, or has no frames any more. So
 * one that held events is named by the list that is read now, or holds none when it is looked at behind that.
 */
static bp_status ask_newer_list(const bpi_home *home, const unlisted_file *found, bpi_catalog *catalog, bp_error *error)
{
    bpi_catalog fresh;
    bp_status status = bpi_catalog_load_live(home, &fresh, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_catalog_free(home, catalog);
    *catalog = fresh;
    return names(catalog, found) ? BP_OK : judge_unlisted(home, found, false, error);
}

bp_status bpi_check_unlisted_live(const bpi_home *home, bpi_catalog *catalog, bp_error *error)
{
    unlisted state;
    bp_error local = {0};
    bp_status status = find_unlisted(home, catalog, &state, &local);
    for (size_t at = 0; status == BP_OK && at < state.found.size; at += sizeof(unlisted_file)) {
        unlisted_file found;
        memcpy(&found, state.found.data + at, sizeof found);
        status = judge_unlisted(home, &found, false, &local);
        if (status == BP_ERR_CORRUPT) {
            status = ask_newer_list(home, &found, catalog, &local);
        }
    }
    free_unlisted(&state);
    if (status != BP_OK && error != NULL) {
        *error = local;
    }
    return status;
}

bp_status bpi_check_made(bpi_home *home, bp_error *error)
{
    bp_status status = bpi_home_find_log(home, error);
    if (status == BP_OK) {
        status = bpi_check_unlisted(home, NULL, false, error);
    }
    if (status == BP_ERR_CORRUPT) {
        const bpi_catalog none = {0};
        return bpi_catalog_moved(home, &none) ? BP_OK : bpi_error_wrap(error, status, "there is no MANIFEST");
    }
    if (status == BP_OK) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no store at %s", home->path);
        bpi_error_hint(error, "batpak init %s", home->path);
        return BP_ERR_NOT_FOUND;
    }
    return status;
}
