/*
 * erase_files.c: removing files. Names are gathered first: a directory is not changed while it is listed.
 */
#include "store/erase_files.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "io/optional.h"
#include "log/rewrite.h"

enum { NAME_MAX_SIZE = 256 };

typedef struct names {
    bpi_buffer text; /* names, each with its NUL, a byte in front: 1 a directory */
    const char *end; /* only those that end so; NULL: all */
    bool failed;
} names;

static int gather(void *argument, const char *name, bool is_directory, uint64_t size)
{
    names *found = argument;
    size_t length = strlen(name);
    size_t tail = found->end == NULL ? 0 : strlen(found->end);
    char kind = is_directory ? 1 : 0;
    (void)size;
    if (length < NAME_MAX_SIZE && length > tail &&
        (found->end == NULL || (!is_directory && strcmp(name + length - tail, found->end) == 0))) {
        found->failed = !bpi_buffer_append(&found->text, &kind, 1) ||
                        !bpi_buffer_append(&found->text, name, length + 1) || found->failed;
    }
    return 0;
}

static int gather_all(const bpi_home *home, bp_dir *dir, const char *end, names *found)
{
    *found = (names){.end = end};
    bpi_buffer_init(&found->text, home->allocator);
    int code = home->io->dir_list(home->io->context, dir, gather, found);
    return code == 0 && found->failed ? ENOMEM : code;
}

/* The name behind the one at `at`, of directories or of files. NULL: none. */
static const char *next_name(const names *found, size_t *at, bool directories)
{
    while (*at < found->text.size) {
        const char *name = (const char *)found->text.data + *at + 1;
        bool is_directory = found->text.data[*at] != 0;
        *at += strlen(name) + 2;
        if (is_directory == directories) {
            return name;
        }
    }
    return NULL;
}

/* Removes the files of a directory whose names end so. 0 or an errno. */
static int remove_files(const bpi_home *home, bp_dir *dir, const char *end, uint64_t *count)
{
    const bp_io *io = home->io;
    names found;
    size_t at = 0;
    bool changed = false;
    int code = gather_all(home, dir, end, &found);
    for (const char *name = NULL; code == 0 && (name = next_name(&found, &at, false)) != NULL;) {
        if (end == NULL && strcmp(name, "LOCK") == 0) {
            continue; /* of a cache that is open: another handle would find another, and take it */
        }
        code = io->dir_remove(io->context, dir, name);
        *count += code == 0;
        changed = true;
        code = code == ENOENT ? 0 : code;
    }
    if (code == 0 && changed) {
        code = io->dir_sync(io->context, dir);
    }
    bpi_buffer_fini(&found.text);
    return code;
}

/* What SQLite keeps beside a file before the file: who makes that anew meanwhile must find none of it. */
static int remove_cache(const bpi_home *home, bp_dir *dir, uint64_t *count)
{
    static const char *const ends[] = {"-wal", "-shm", NULL};
    int code = 0;
    for (size_t i = 0; code == 0 && i < 3; i++) {
        code = remove_files(home, dir, ends[i], count);
    }
    return code;
}

/* The same of the directories in it, each with all its files. */
static int remove_below(const bpi_home *home, bp_dir *dir, uint64_t *count)
{
    const bp_io *io = home->io;
    names found;
    size_t at = 0;
    int code = gather_all(home, dir, NULL, &found);
    for (const char *name = NULL; code == 0 && (name = next_name(&found, &at, true)) != NULL;) {
        bp_dir *below = NULL;
        code = io->dir_open_at(io->context, dir, name, false, &below);
        if (code == 0) {
            code = remove_cache(home, below, count);
            io->dir_close(io->context, below);
        }
    }
    bpi_buffer_fini(&found.text);
    return code;
}

bp_status bpi_erase_count_links(bpi_log *log, const uint32_t *ordinals, size_t count, uint64_t *linked_out,
                                bp_error *error)
{
    bpi_segment_entry *entries = NULL;
    size_t entry_count = 0;
    bp_status status = bpi_log_sealed(log, &entries, &entry_count, error);
    for (size_t i = 0; status == BP_OK && i < entry_count; i++) {
        bool meant = false;
        for (size_t n = 0; n < count && !meant; n++) {
            meant = ordinals[n] == entries[i].ordinal;
        }
        *linked_out += meant && bpi_log_count_links(log, &entries[i]) > 1;
    }
    if (status == BP_OK) {
        bpi_release(log->home.allocator, entries, (entry_count + 1) * sizeof *entries);
    }
    return status;
}

bp_status bpi_erase_files(bpi_log *log, uint64_t *torn, uint64_t *caches, bp_error *error)
{
    const bpi_home *home = &log->home;
    bp_dir *cache = NULL;
    int code = bpi_planted(BPI_PLANT_TORN_LEFT) ? 0 : remove_files(home, home->log, ".torn", torn);
    if (code != 0) {
        return bpi_error_system(error, code, "the events are erased, but a .torn file may still hold their bytes");
    }
    code = home->io->dir_open_at(home->io->context, home->root, "cache", false, &cache);
    if (code == 0) {
        code = remove_files(home, cache, NULL, caches);
        code = code != 0 ? code : remove_below(home, cache, caches);
        home->io->dir_close(home->io->context, cache);
    }
    return code == 0 || code == ENOENT
               ? BP_OK
               : bpi_error_system(error, code, "the events are erased, but cache/ may hold states made from them");
}
