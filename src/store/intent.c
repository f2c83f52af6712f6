/*
 * intent.c: see intent.h.
 */
#include "store/intent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "log/site.h"

/* magic 8 · version 4 · CRC-32C of what follows 4 · record 16 · below 8 · kind 4 · size of what follows 4 · ids or text */
enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_RECORD = 16,
    AT_BELOW = 32,
    AT_KIND = 40,
    AT_SIZE = 44,
    HEADER = BPI_INTENT_HEADER,
    VERSION = BPI_INTENT_VERSION,
    BODY_MOST = BPI_INTENT_BODY_MOST
};

static const char magic[8] = BPI_INTENT_MAGIC;
static const char prefix[] = BPI_INTENT_PREFIX;

void bpi_intent_name(const bp_id *record, char name_out[BPI_INTENT_NAME])
{
    size_t at = sizeof prefix - 1;
    memcpy(name_out, prefix, at);
    for (size_t i = 0; i < sizeof record->bytes; i++, at += 2) {
        (void)snprintf(name_out + at, BPI_INTENT_NAME - at, "%02x", record->bytes[i]);
    }
}

static size_t put(const bpi_intent *intent, uint8_t *bytes)
{
    bool ids = intent->kind == BPI_INTENT_IDS;
    size_t size = ids ? intent->id_count * sizeof(bp_id) : intent->text.size;
    memcpy(bytes, magic, sizeof magic);
    bpi_put32(bytes + AT_VERSION, VERSION);
    memcpy(bytes + AT_RECORD, intent->record.bytes, sizeof intent->record.bytes);
    bpi_put64(bytes + AT_BELOW, intent->below);
    bpi_put32(bytes + AT_KIND, (uint32_t)intent->kind);
    bpi_put32(bytes + AT_SIZE, (uint32_t)size);
    memcpy(bytes + HEADER, ids ? (const void *)intent->ids : intent->text.data, size);
    bpi_put32(bytes + AT_CRC, bpi_crc32c(0, bytes + AT_RECORD, HEADER - AT_RECORD + size));
    return HEADER + size;
}

/* NULL: it is right; the intent points into the bytes. */
static const char *get(const uint8_t *bytes, size_t size, bpi_intent *intent, uint32_t *version_out)
{
    *version_out = 0;
    if (size < HEADER || memcmp(bytes, magic, sizeof magic) != 0) {
        return "it does not begin as one";
    }
    *version_out = bpi_get32(bytes + AT_VERSION);
    if (*version_out != VERSION) {
        return "another version";
    }
    size_t body = size - HEADER;
    if (bpi_get32(bytes + AT_SIZE) != body || body == 0 || body > BODY_MOST ||
        bpi_get32(bytes + AT_CRC) != bpi_crc32c(0, bytes + AT_RECORD, size - AT_RECORD)) {
        return "its checksum does not match";
    }
    *intent = (bpi_intent){.below = bpi_get64(bytes + AT_BELOW), .kind = (bpi_intent_kind)bpi_get32(bytes + AT_KIND)};
    memcpy(intent->record.bytes, bytes + AT_RECORD, sizeof intent->record.bytes);
    if (intent->kind == BPI_INTENT_IDS) {
        intent->ids = (const bp_id *)(const void *)(bytes + HEADER);
        intent->id_count = body / sizeof(bp_id);
        return body % sizeof(bp_id) == 0 ? NULL : "it ends within an id";
    }
    intent->text = (bp_text){(const char *)bytes + HEADER, body};
    return intent->kind == BPI_INTENT_REGION || intent->kind == BPI_INTENT_SUBJECT ? NULL : "its kind is unknown";
}

bp_status bpi_intent_put(const bpi_home *home, const bpi_intent *intent, bp_error *error)
{
    char name[BPI_INTENT_NAME];
    uint8_t *bytes = bpi_allocate(home->allocator, HEADER + BODY_MOST);
    if (bytes == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to note an erasure; nothing was done");
    }
    bpi_intent_name(&intent->record, name);
    int code = bpi_write_fresh(home, home->root, name, bytes, put(intent, bytes));
    bpi_release(home->allocator, bytes, HEADER + BODY_MOST);
    code = code == 0 ? home->io->dir_sync(home->io->context, home->root) : code;
    if (code == 0) {
        return BP_OK;
    }
    (void)home->io->dir_remove(home->io->context, home->root, name);
    bp_status status = bpi_error_system(error, code, "cannot note an erasure; nothing was done");
    bpi_error_file(error, "%s", name);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

bp_status bpi_intent_remove(const bpi_home *home, const bp_id *record, bp_error *error)
{
    char name[BPI_INTENT_NAME];
    bpi_intent_name(record, name);
    int code = home->io->dir_remove(home->io->context, home->root, name);
    code = code == 0 || code == ENOENT ? home->io->dir_sync(home->io->context, home->root) : code;
    if (code == 0) {
        return BP_OK;
    }
    bp_status status = bpi_error_system(error, code, "the erasure is done, but its note cannot be removed");
    bpi_error_file(error, "%s", name);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

/* ---- finding them ---- */

typedef struct names {
    bpi_buffer ids; /* bp_id: of their records */
    bool failed;
} names;

bool bpi_intent_name_parse(const char *name, bp_id *record_out)
{
    size_t start = sizeof prefix - 1;
    size_t digits = 2 * sizeof record_out->bytes;
    return strncmp(name, prefix, start) == 0 && strlen(name) == start + digits &&
           bp_id_parse(name + start, digits, record_out);
}

bool bpi_intent_named(const char *name)
{
    bp_id record;
    return bpi_intent_name_parse(name, &record);
}

bool bpi_intent_whole(const char *name, const uint8_t *bytes, size_t size)
{
    bp_id record;
    bpi_intent intent;
    uint32_t version = 0;
    return bpi_intent_name_parse(name, &record) && get(bytes, size, &intent, &version) == NULL &&
           bp_id_equal(&intent.record, &record);
}

static int take_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    names *found = argument;
    bp_id record;
    (void)size;
    if (!is_directory && bpi_intent_name_parse(name, &record)) {
        found->failed = !bpi_buffer_append(&found->ids, &record, sizeof record) || found->failed;
    }
    return 0;
}

static bp_status show(const bpi_home *home, const bp_id *record, bpi_intent_fn visit, void *argument, bp_error *error)
{
    enum { MOST = HEADER + BODY_MOST + 1 };
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint32_t version = 0;
    char name[BPI_INTENT_NAME];
    bpi_intent intent = {.kind = BPI_INTENT_TORN};
    bpi_intent_name(record, name);
    bp_status status = bpi_read_file(home, home->root, name, MOST, &bytes, &size, error);
    if (status != BP_OK) {
        return status == BP_ERR_NOT_FOUND ? BP_OK : status; /* a writer has finished it since */
    }
    const char *fault = get(bytes, size, &intent, &version);
    if (fault != NULL && version > VERSION) {
        status =
            bpi_error_set(error, BP_ERR_VERSION, "the note of an erasure has version %u, this library reads version %u",
                          (unsigned)version, (unsigned)VERSION);
    } else {
        if (fault != NULL || !bp_id_equal(&intent.record, record)) {
            intent = (bpi_intent){.record = *record, .kind = BPI_INTENT_TORN};
        }
        status = visit(argument, &intent, error);
    }
    if (status == BP_ERR_CORRUPT && intent.kind == BPI_INTENT_TORN) {
        bpi_error_set(error, BP_ERR_CORRUPT, "the note of an erasure that was not finished is damaged: %s",
                      fault != NULL ? fault : "its name is another's");
        bpi_error_hint(error,
                       "the erasure record in the log says what was meant: remove the file, and ask for it again");
        bpi_error_file(error, "%s/%s", home->path, name);
    }
    if (status == BP_ERR_FORMAT) {
        status = bpi_error_wrap(error, BP_ERR_CORRUPT, "the note of it says what no erasure notes");
        bpi_error_hint(error,
                       "the erasure record in the log says what was meant: remove the file, and ask for it again");
        bpi_error_file(error, "%s/%s", home->path, name);
    }
    bpi_release(home->allocator, bytes, MOST + 1);
    return status;
}

bp_status bpi_intents(const bpi_home *home, bpi_intent_fn visit, void *argument, bp_error *error)
{
    names found = {.failed = false};
    bpi_buffer_init(&found.ids, home->allocator);
    int code = home->io->dir_list(home->io->context, home->root, take_name, &found);
    bp_status status = code != 0      ? bpi_error_system(error, code, "cannot list %s", home->path)
                       : found.failed ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to look for erasures")
                                      : BP_OK;
    for (size_t at = 0; status == BP_OK && at < found.ids.size; at += sizeof(bp_id)) {
        bp_id record;
        memcpy(&record, found.ids.data + at, sizeof record);
        status = show(home, &record, visit, argument, error);
    }
    bpi_buffer_fini(&found.ids);
    return status;
}
