/* archive.c: many files in one input. */
#include "fuzz/archive.h"

#include <errno.h>

#include "base/bytes.h"

enum { FILE_HEADER = 6, RUN_HEADER = 6, RUN_MAX = 65535, GAP = 16 };

fuzz_file *fuzz_archive_add(fuzz_archive *archive, const char *name)
{
    if (archive->count == FUZZ_FILES) {
        return NULL;
    }
    fuzz_file *file = &archive->files[archive->count++];
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->size = 0;
    file->data = calloc(1, FUZZ_FILE_MAX);
    CHECK(file->data != NULL, "no memory for a file");
    return file;
}

void fuzz_archive_remove(fuzz_archive *archive, size_t index)
{
    free(archive->files[index].data);
    archive->count--;
    memmove(&archive->files[index], &archive->files[index + 1], (archive->count - index) * sizeof *archive->files);
}

fuzz_file *fuzz_archive_find(fuzz_archive *archive, const char *name)
{
    for (size_t i = 0; i < archive->count; i++) {
        if (strcmp(archive->files[i].name, name) == 0) {
            return &archive->files[i];
        }
    }
    return NULL;
}

bool fuzz_name_begins(const fuzz_file *file, const char *begin)
{
    return strncmp(file->name, begin, strlen(begin)) == 0;
}

void fuzz_archive_free(fuzz_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++) {
        free(archive->files[i].data);
    }
    archive->count = 0;
}

/* Fills one file from its runs; where the next file begins. */
static size_t unpack_runs(fuzz_file *file, const uint8_t *data, size_t size, size_t at, unsigned runs)
{
    for (; runs > 0 && size - at >= RUN_HEADER; runs--) {
        size_t offset = bpi_get32(data + at);
        size_t length = bpi_get16(data + at + 4);
        at += RUN_HEADER;
        length = length < size - at ? length : size - at;
        if (offset < file->size) {
            memcpy(file->data + offset, data + at, length < file->size - offset ? length : file->size - offset);
        }
        at += length;
    }
    return at;
}

void fuzz_unpack(fuzz_archive *archive, const uint8_t *data, size_t size)
{
    size_t at = 0;
    archive->count = 0;
    while (at < size && size - at > (size_t)data[at] + 1 + FILE_HEADER) {
        char name[256];
        size_t name_size = data[at];
        memcpy(name, data + at + 1, name_size);
        name[name_size] = '\0';
        at += 1 + name_size;
        fuzz_file *file = fuzz_archive_add(archive, name);
        if (file == NULL) {
            return;
        }
        file->size = bpi_get32(data + at);
        file->size = file->size < FUZZ_FILE_MAX ? file->size : FUZZ_FILE_MAX;
        at = unpack_runs(file, data, size, at + FILE_HEADER, bpi_get16(data + at + 4));
    }
}

/* The next run of bytes that are not zero, gaps of a few zeros included; false when there is none. */
static bool next_run(const fuzz_file *file, size_t *at, size_t *length_out)
{
    size_t start = *at;
    while (start < file->size && file->data[start] == 0) {
        start++;
    }
    size_t end = start;
    for (size_t i = start; i < file->size && i - start < RUN_MAX && i < end + GAP; i++) {
        end = file->data[i] != 0 ? i + 1 : end;
    }
    *at = start;
    *length_out = end - start;
    return end > start;
}

static size_t pack_file(const fuzz_file *file, uint8_t *data, size_t max)
{
    size_t name_size = strlen(file->name);
    size_t used = 1 + name_size + FILE_HEADER;
    unsigned runs = 0;
    if (used > max) {
        return 0;
    }
    data[0] = (uint8_t)name_size;
    memcpy(data + 1, file->name, name_size);
    bpi_put32(data + 1 + name_size, (uint32_t)file->size);
    size_t at = 0;
    size_t length = 0;
    for (; next_run(file, &at, &length); at += length, runs++) {
        if (max - used < RUN_HEADER + length || runs == UINT16_MAX) {
            return 0;
        }
        bpi_put32(data + used, (uint32_t)at);
        bpi_put16(data + used + 4, (uint16_t)length);
        memcpy(data + used + RUN_HEADER, file->data + at, length);
        used += RUN_HEADER + length;
    }
    bpi_put16(data + 1 + name_size + 4, (uint16_t)runs);
    return used;
}

size_t fuzz_pack(const fuzz_archive *archive, uint8_t *data, size_t max)
{
    size_t used = 0;
    for (size_t i = 0; i < archive->count; i++) {
        size_t size = pack_file(&archive->files[i], data + used, max - used);
        if (size == 0) {
            return 0;
        }
        used += size;
    }
    return used;
}

static void read_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    fuzz_file *file = fuzz_archive_add(argument, name);
    CHECK(file != NULL && size <= FUZZ_FILE_MAX, "no room for %s of %zu bytes", name, size);
    file->size = size;
    memcpy(file->data, data, size);
}

void fuzz_archive_read(fuzz_archive *archive, bpt_world *world)
{
    bpt_file_each(world, read_file, archive);
}

/* One of a store's folders or none, and a plain name. */
static bool name_is_possible(const char *name)
{
    static const char *const folders[] = {"", "log/", "index/", "consumers/", "cache/", "keys/"};
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;) {
        size_t size = strlen(folders[i]);
        if (strncmp(name, folders[i], size) == 0) {
            const char *last = name + size;
            return last[0] != '\0' && strchr(last, '/') == NULL && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
        }
    }
    return false;
}

static void make_folder(bpt_world *world, const char *path)
{
    bp_dir *dir = NULL;
    CHECK(world->io->dir_open(world->io->context, path, true, &dir) == 0, "cannot make %s", path);
    world->io->dir_close(world->io->context, dir);
}

void fuzz_archive_write(const fuzz_archive *archive, bpt_world *world)
{
    make_folder(world, "store");
    for (size_t i = 0; i < archive->count; i++) {
        const fuzz_file *file = &archive->files[i];
        if (!name_is_possible(file->name)) {
            continue;
        }
        const char *slash = strchr(file->name, '/');
        if (slash != NULL) {
            char path[FUZZ_NAME + 8];
            (void)snprintf(path, sizeof path, "store/%.*s", (int)(slash - file->name), file->name);
            make_folder(world, path);
        }
        bpt_file_write(world, file->name, file->data, file->size);
    }
}
