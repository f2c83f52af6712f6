/*
 * dump.c: bp_dump_file: which file is meant, and the opening of it.
 *
 * Holds: a name leads to a file of the store's directory or of its log/, nowhere else.
 */
#include <batpak/tools.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/dump.h"
#include "store/intent.h"

typedef enum kind { KIND_MANIFEST, KIND_LIST, KIND_LIVE, KIND_LOCK, KIND_INTENT, KIND_SEGMENT, KIND_TORN } kind;

typedef struct target {
    kind kind;
    const char *name; /* within its directory */
    bool in_log;
    uint32_t ordinal;
    uint64_t generation;
    uint64_t offset;
    bp_id record;
} target;

/* Reads decimal digits, then `end`; NULL when something else stands there. */
static const char *take_number(const char *text, uint64_t most, char end, uint64_t *number_out)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > (most - digit) / 10) {
            return NULL;
        }
        number = number * 10 + digit;
    }
    *number_out = number;
    return at != text && *at == end ? at + (end != '\0') : NULL;
}

/* "0000000003-1-4096-1.torn" */
static bool parse_torn(const char *name, target *t)
{
    uint64_t ordinal = 0;
    uint64_t number = 0;
    const char *at = take_number(name, UINT32_MAX, '-', &ordinal);
    if (at != NULL) {
        at = take_number(at, UINT32_MAX, '-', &t->generation);
    }
    if (at != NULL) {
        at = take_number(at, UINT32_MAX, '-', &t->offset);
    }
    if (at != NULL) {
        at = take_number(at, UINT32_MAX, '.', &number);
    }
    t->ordinal = (uint32_t)ordinal;
    return at != NULL && strcmp(at, "torn") == 0;
}

static bool parse_in_log(const char *name, target *t)
{
    uint32_t generation = 0;
    t->name = name;
    t->in_log = true;
    if (bp_segment_name_parse(name, &t->ordinal, &generation)) {
        t->kind = KIND_SEGMENT;
        t->generation = generation;
        return true;
    }
    t->kind = KIND_TORN;
    return parse_torn(name, t);
}

static bool parse_in_root(const char *name, target *t)
{
    static const char list[] = "SEGMENTS-";
    t->name = name;
    if (strcmp(name, "MANIFEST") == 0 || strcmp(name, "MANIFEST.new") == 0) {
        t->kind = KIND_MANIFEST;
    } else if (strcmp(name, "live") == 0) {
        t->kind = KIND_LIVE;
    } else if (strcmp(name, "LOCK") == 0) {
        t->kind = KIND_LOCK;
    } else if (bpi_intent_name_parse(name, &t->record)) {
        t->kind = KIND_INTENT;
    } else if (strncmp(name, list, sizeof list - 1) == 0) {
        t->kind = KIND_LIST;
        return take_number(name + sizeof list - 1, UINT64_MAX, '\0', &t->generation) != NULL;
    } else {
        return false;
    }
    return true;
}

/* Is what stands before the slash one of the directories of a store? */
static bool known_directory(const char *name, size_t size)
{
    static const char *const directories[] = {"log", "index", "cache", "consumers", "keys"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        if (strlen(directories[i]) == size && memcmp(directories[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

static bp_status parse_name(const char *name, target *t, bp_error *error)
{
    const char *slash = strchr(name, '/');
    memset(t, 0, sizeof *t);
    if (name[0] == '\0' || strstr(name, "..") != NULL ||
        (slash != NULL && (!known_directory(name, (size_t)(slash - name)) || strchr(slash + 1, '/') != NULL))) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "a file is named within its store: MANIFEST, log/0000000000-1.seg");
    }
    bool in_log = slash != NULL && strncmp(name, "log/", 4) == 0;
    if (slash == NULL ? !parse_in_root(name, t) : !in_log || !parse_in_log(slash + 1, t)) {
        bpi_error_set(error, BP_ERR_FORMAT, "%s is no file of a store whose fields are known", name);
        bpi_error_hint(error, "MANIFEST, SEGMENTS-<n>, live, LOCK, ERASING-<id>, log/<ordinal>-<generation>.seg");
        return BP_ERR_FORMAT;
    }
    return BP_OK;
}

/* The pid of the last writer; nothing depends on it. */
static bp_status dump_lock(bpi_dump *dump)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, 0, BPI_DUMP_PREVIEW, &bytes, &available);
    if (status != BP_OK) {
        return status;
    }
    bpi_dump_group(dump, "lock");
    size_t size = available;
    while (size > 0 && bytes[size - 1] == '\n') {
        size--;
    }
    if (size == 0) {
        bpi_dump_say(dump, "nobody");
    }
    bpi_dump_say_text(dump, bytes, size, BPI_DUMP_PREVIEW);
    return bpi_dump_field(dump, "holder", 0, dump->size, false);
}

static bp_status dump_target(bpi_dump *dump, const target *t)
{
    switch (t->kind) {
    case KIND_MANIFEST:
        return bpi_dump_manifest(dump);
    case KIND_LIST:
        return bpi_dump_list(dump, t->generation);
    case KIND_LIVE:
        return bpi_dump_live(dump);
    case KIND_INTENT:
        return bpi_dump_intent(dump, &t->record);
    case KIND_SEGMENT:
        return bpi_dump_segment(dump, t->ordinal, (uint32_t)t->generation);
    case KIND_TORN:
        return bpi_dump_torn(dump, t->ordinal, t->offset);
    case KIND_LOCK:
    default:
        return dump_lock(dump);
    }
}

static bp_status dump_open_file(bpi_dump *dump, const target *t)
{
    const bp_io *io = dump->home->io;
    int code = io->file_size(io->context, dump->file, &dump->size);
    if (code != 0) {
        bp_status status = bpi_error_system(dump->error, code, "cannot read %s", dump->name);
        bpi_error_file(dump->error, "%s", dump->name);
        return status;
    }
    bpi_buffer_init(&dump->window, dump->home->allocator);
    bp_status status = dump_target(dump, t);
    bpi_buffer_fini(&dump->window);
    return status == BP_END ? BP_OK : status;
}

static bp_status open_and_dump(bpi_dump *dump, const target *t)
{
    const bp_io *io = dump->home->io;
    bp_dir *dir = t->in_log ? dump->home->log : dump->home->root;
    int code = dir == NULL ? ENOENT : io->file_open(io->context, dir, t->name, BP_OPEN_READ, &dump->file);
    if (code != 0) {
        bp_status status = bpi_error_system(dump->error, code, "cannot open %s", dump->name);
        bpi_error_file(dump->error, "%s", dump->name);
        return code == ENOENT ? BP_ERR_NOT_FOUND : status;
    }
    bp_status status = dump_open_file(dump, t);
    io->file_close(io->context, dump->file);
    return status;
}

bp_status bp_dump_file(const char *path, const char *name, const bp_io *io, bp_field_fn visit, void *argument,
                       bp_error *error)
{
    if (path == NULL || name == NULL || visit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a dump needs a path, a name and somebody to tell");
    }
    target t;
    bp_status status = parse_name(name, &t, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_home home = {.io = io != NULL ? io : bp_io_posix(), .allocator = bp_allocator_system()};
    status = bpi_home_open(&home, path, false, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_dump dump = {.home = &home, .name = name, .visit = visit, .argument = argument, .error = error};
    status = open_and_dump(&dump, &t);
    bpi_home_close(&home);
    return status;
}
