/*
 * sources.c: manifest, list and segment files of a damaged store.
 */
#include "log/sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <batpak/tools.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"

enum { LIST_SIZE_MOST = 256 << 20, LISTS_MOST = 64, FILE_NAME_SIZE = BP_SEGMENT_NAME_SIZE + 8 };

typedef struct finding {
    bpi_sources *out;
    bpi_source_note_fn note;
    void *argument;
    struct {
        uint64_t generation;
        size_t size;
    } lists[LISTS_MOST]; /* the list files that are there */
    size_t list_count;
    bool no_memory;
} finding;

static void note(const finding *f, const char *file, uint64_t offset, const char *what)
{
    if (f->note != NULL) {
        f->note(f->argument, file, offset, what);
    }
}

static void file_name(const bpi_source *source, char name_out[FILE_NAME_SIZE])
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(source->name_ordinal, source->name_generation, name);
    (void)snprintf(name_out, FILE_NAME_SIZE, "log/%s", name);
}

/* ---- a list without its manifest ---- */

static int see_list(void *argument, const char *name, bool is_directory, uint64_t size)
{
    finding *f = argument;
    unsigned long long generation = 0;
    if (!is_directory && sscanf(name, "SEGMENTS-%20llu", &generation) == 1 && size <= LIST_SIZE_MOST &&
        f->list_count < LISTS_MOST) {
        f->lists[f->list_count].generation = generation;
        f->lists[f->list_count++].size = (size_t)size;
    }
    return 0;
}

/* Reads a list that must be right by its own checksum. What the manifest would say of it is taken from itself. */
static bool read_list(const finding *f, uint64_t generation, size_t most)
{
    const bpi_home *home = f->out->home;
    bpi_catalog *catalog = &f->out->catalog;
    char name[40];
    uint8_t *data = NULL;
    size_t size = 0;
    (void)snprintf(name, sizeof name, "SEGMENTS-%llu", (unsigned long long)generation);
    if (bpi_read_file(home, home->root, name, most, &data, &size, NULL) != BP_OK) {
        return false;
    }
    bool good = false;
    size_t count = size > BPI_LIST_HEADER ? bpi_list_count(size) : 0;
    if (count != 0 && bpi_catalog_reserve(home, catalog, count)) {
        bpi_manifest manifest = {.list_generation = bpi_get64(data + 16),
                                 .list_size = (uint32_t)size,
                                 .list_crc = bpi_crc32c(0, data, size)};
        memcpy(manifest.store_id.bytes, data + 24, sizeof manifest.store_id.bytes);
        good = bpi_list_get(data, size, &manifest, catalog->entries, count, NULL) == BP_OK;
        if (good) {
            catalog->manifest = manifest;
            catalog->count = count;
        }
    }
    bpi_release(home->allocator, data, most + 1);
    return good;
}

/* The newest list that is right by itself. */
static void find_list(finding *f)
{
    const bpi_home *home = f->out->home;
    (void)home->io->dir_list(home->io->context, home->root, see_list, f);
    while (f->list_count > 0) {
        size_t newest = 0;
        for (size_t i = 1; i < f->list_count; i++) {
            newest = f->lists[i].generation > f->lists[newest].generation ? i : newest;
        }
        if (read_list(f, f->lists[newest].generation, f->lists[newest].size)) {
            f->out->list_good = true;
            return;
        }
        f->lists[newest] = f->lists[--f->list_count];
    }
}

static bp_status find_catalog(finding *f, bp_error *error)
{
    bpi_sources *out = f->out;
    bp_error local = {0};
    bp_status status = bpi_catalog_load(out->home, &out->catalog, &local);
    if (status == BP_OK) {
        out->manifest_good = true;
        out->list_good = true;
        return BP_OK;
    }
    if (status != BP_ERR_CORRUPT && status != BP_ERR_NOT_FOUND) {
        if (error != NULL) {
            *error = local;
        }
        return status;
    }
    note(f, status == BP_ERR_NOT_FOUND ? "MANIFEST" : local.file, local.has_offset ? local.offset : UINT64_MAX,
         status == BP_ERR_NOT_FOUND ? "it is missing" : local.message);
    memset(&out->catalog, 0, sizeof out->catalog);
    find_list(f);
    if (!out->list_good) {
        note(f, "SEGMENTS", UINT64_MAX, "no segment list can be believed; segments are taken as they lie there");
    }
    return BP_OK;
}

/* ---- segment files ---- */

static bool add(finding *f, const bpi_source *source)
{
    bpi_sources *out = f->out;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity * 2 + 16;
        bpi_source *items =
            bpi_resize(out->home->allocator, out->items, out->capacity * sizeof *items, capacity * sizeof *items);
        if (items == NULL) {
            f->no_memory = true;
            return false;
        }
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = *source;
    return true;
}

static int see_segment(void *argument, const char *name, bool is_directory, uint64_t size)
{
    bpi_source source = {.file_size = size};
    if (is_directory || !bp_segment_name_parse(name, &source.name_ordinal, &source.name_generation)) {
        return 0;
    }
    return add(argument, &source) ? 0 : ENOMEM;
}

static bp_status read_header(const finding *f, bpi_source *source, bpi_segment_header *header_out, bp_error *error)
{
    const bp_io *io = f->out->home->io;
    uint8_t bytes[BPI_SEGMENT_HEADER];
    char name[FILE_NAME_SIZE];
    uint32_t version = 0;
    size_t got = 0;
    bp_file *file = NULL;
    memset(header_out, 0, sizeof *header_out);
    file_name(source, name);
    int code = io->file_open(io->context, f->out->home->log, name + 4, BP_OPEN_READ, &file);
    if (code == 0) {
        code = io->file_read(io->context, file, 0, bytes, sizeof bytes, &got);
        io->file_close(io->context, file);
    }
    if (code != 0) {
        bp_status status = bpi_error_system(error, code, "cannot read a segment");
        bpi_error_file(error, "%s", name);
        return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
    }
    source->header_good = got == sizeof bytes && bpi_segment_header_get(bytes, header_out, &version) == NULL;
    if (source->header_good && version > BP_FORMAT_VERSION) {
        bpi_error_set(error, BP_ERR_VERSION, "a segment has format version %u, this library reads version %u",
                      (unsigned)version, (unsigned)BP_FORMAT_VERSION);
        bpi_error_file(error, "%s", name);
        return BP_ERR_VERSION;
    }
    return BP_OK;
}

/* Without manifest and list the id is that of most segments. */
static bool choose_id(bpi_sources *out, const bpi_segment_header *headers)
{
    size_t most = 0;
    for (size_t i = 0; i < out->count; i++) {
        size_t same = 0;
        for (size_t k = 0; out->items[i].header_good && k < out->count; k++) {
            same += out->items[k].header_good && bp_id_equal(&headers[i].store_id, &headers[k].store_id);
        }
        if (same > most) {
            most = same;
            out->store_id = headers[i].store_id;
        }
    }
    return most > 0;
}

static const bpi_segment_entry *find_entry(const bpi_sources *out, uint32_t ordinal, uint32_t generation)
{
    for (size_t i = 0; i < out->catalog.count; i++) {
        const bpi_segment_entry *entry = &out->catalog.entries[i];
        if (entry->ordinal == ordinal && entry->generation == generation) {
            return entry;
        }
    }
    return NULL;
}

/* What the file is: by its header, else by its name; and what the list says of that. */
static void identify(finding *f, bpi_source *source, const bpi_segment_header *header)
{
    char name[FILE_NAME_SIZE];
    file_name(source, name);
    source->entry = (bpi_segment_entry){.ordinal = source->name_ordinal, .generation = source->name_generation};
    if (source->header_good) {
        source->entry.ordinal = header->ordinal;
        source->entry.generation = header->generation;
        source->entry.salt = header->salt;
        if (header->ordinal != source->name_ordinal || header->generation != source->name_generation) {
            note(f, name, 0, "it bears the name of another segment than its header says");
        }
    } else {
        note(f, name, 0, "segment header cannot be read");
    }
    const bpi_segment_entry *entry = find_entry(f->out, source->entry.ordinal, source->entry.generation);
    if (entry != NULL && (!source->header_good || entry->salt == header->salt)) {
        source->entry = *entry;
        source->listed = true;
    }
}

/* Leaves out what is not of this store. */
static void sort_out_foreign(finding *f, bpi_segment_header *headers)
{
    bpi_sources *out = f->out;
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        bpi_source source = out->items[i];
        char name[FILE_NAME_SIZE];
        if (source.header_good && !bp_id_equal(&headers[i].store_id, &out->store_id)) {
            file_name(&source, name);
            note(f, name, 0, "a segment of another store; it is left aside");
            out->foreign++;
            continue;
        }
        identify(f, &source, &headers[i]);
        out->items[kept++] = source;
    }
    out->count = kept;
}

static bool is_better(const bpi_source *a, const bpi_source *b)
{
    bool a_retired = a->listed && a->entry.state == BPI_SEGMENT_RETIRED;
    bool b_retired = b->listed && b->entry.state == BPI_SEGMENT_RETIRED;
    if (a_retired != b_retired) {
        return b_retired;
    }
    if (a->listed != b->listed) {
        return a->listed;
    }
    if (a->header_good != b->header_good) {
        return a->header_good;
    }
    return a->entry.generation > b->entry.generation;
}

/* By ordinal; of several files for one the best. */
static void sort(finding *f)
{
    bpi_sources *out = f->out;
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        bpi_source source = out->items[i];
        size_t at = kept;
        while (at > 0 && out->items[at - 1].entry.ordinal > source.entry.ordinal) {
            at--;
        }
        if (at > 0 && out->items[at - 1].entry.ordinal == source.entry.ordinal) {
            if (is_better(&source, &out->items[at - 1])) {
                out->items[at - 1] = source;
            }
            out->superseded++;
            continue;
        }
        memmove(&out->items[at + 1], &out->items[at], (kept - at) * sizeof source);
        out->items[at] = source;
        kept++;
    }
    out->count = kept;
}

static void see_missing(finding *f)
{
    bpi_sources *out = f->out;
    for (size_t i = 0; i < out->catalog.count; i++) {
        const bpi_segment_entry *entry = &out->catalog.entries[i];
        bool there = entry->state == BPI_SEGMENT_RETIRED;
        for (size_t k = 0; k < out->count && !there; k++) {
            there = out->items[k].entry.ordinal == entry->ordinal;
        }
        if (!there) {
            bpi_source source = {.name_ordinal = entry->ordinal, .name_generation = entry->generation};
            char name[FILE_NAME_SIZE];
            file_name(&source, name);
            note(f, name, UINT64_MAX, "a segment that the list names is missing");
            out->missing++;
        }
    }
}

static bp_status find_segments(finding *f, bp_error *error)
{
    bpi_sources *out = f->out;
    const bpi_home *home = out->home;
    int code = home->log == NULL ? 0 : home->io->dir_list(home->io->context, home->log, see_segment, f);
    if (f->no_memory) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list the segments");
    }
    if (code != 0) {
        return bpi_error_system(error, code, "cannot list the segments");
    }
    size_t found = out->count;
    if (found == 0) {
        return BP_OK;
    }
    bpi_segment_header *headers = bpi_allocate_array(home->allocator, found, sizeof *headers);
    if (headers == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to list the segments");
    }
    bp_status status = BP_OK;
    for (size_t i = 0; i < found && status == BP_OK; i++) {
        status = read_header(f, &out->items[i], &headers[i], error);
    }
    if (status == BP_OK && out->list_good) {
        out->store_id = out->catalog.manifest.store_id;
    } else if (status == BP_OK && !choose_id(out, headers)) {
        bpi_error_set(error, BP_ERR_CORRUPT, "neither MANIFEST nor a list nor a segment header can be read");
        bpi_error_hint(error, "without the store's id no checksum can be judged; restore one of them from a copy");
        status = BP_ERR_CORRUPT;
    }
    if (status == BP_OK) {
        sort_out_foreign(f, headers);
        sort(f);
    }
    bpi_release(home->allocator, headers, found * sizeof *headers);
    return status;
}

bp_status bpi_sources_find(const bpi_home *home, bpi_source_note_fn tell, void *argument, bpi_sources *sources_out,
                           bp_error *error)
{
    memset(sources_out, 0, sizeof *sources_out);
    sources_out->home = home;
    finding f = {.out = sources_out, .note = tell, .argument = argument};
    bp_status status = find_catalog(&f, error);
    if (status == BP_OK) {
        status = find_segments(&f, error);
    }
    if (status == BP_OK) {
        see_missing(&f);
    }
    if (status == BP_OK && sources_out->count == 0 && !sources_out->list_good) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no store at %s: neither a manifest nor a segment is there", home->path);
        bpi_error_hint(error, "name the directory that holds `log`");
        return BP_ERR_NOT_FOUND;
    }
    if (status == BP_OK && sources_out->list_good) {
        sources_out->store_id = sources_out->catalog.manifest.store_id;
    }
    return status;
}

void bpi_sources_free(bpi_sources *sources)
{
    if (sources->home == NULL) {
        return;
    }
    bpi_release(sources->home->allocator, sources->items, sources->capacity * sizeof *sources->items);
    bpi_catalog_free(sources->home, &sources->catalog);
    sources->items = NULL;
}
