/*
 * consumer_list.c: the consumers of a store as their files have them.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "follow/consumer.h"

enum { FILE_NAME_SIZE = 36 /* of "<32 hex digits>.pos" */ };

bp_status bpi_consumer_name_check(const char *name, bp_text *name_out, bp_error *error)
{
    if (name == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the consumer's name is NULL");
    }
    *name_out = bp_text_of(name);
    return bpi_name_check(*name_out, "consumer", BPI_CONSUMER_NAME_MAX, error);
}

bp_status bpi_region_text_of(const bp_allocator *allocator, const bp_region *region, char **text_out, size_t *size_out,
                             bp_error *error)
{
    size_t size = bp_region_format(region, NULL, 0);
    if (size > BPI_CONSUMER_REGION_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "the text of the region is over %d bytes",
                             (int)BPI_CONSUMER_REGION_MAX);
    }
    *text_out = bpi_allocate(allocator, size + 1);
    if (*text_out == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a region");
    }
    (void)bp_region_format(region, *text_out, size + 1);
    *size_out = size;
    return BP_OK;
}

/* ---- showing ---- */

typedef struct listing {
    bp_store *store;
    const bpi_keep *keep;
    bp_consumer_fn visit;
    void *argument;
    bool ended;
    bp_status status;
    bp_error *error;
} listing;

/* Behind the written position, as a cursor of the same question has it. */
static void find_lag(bp_store *store, const char *region_text, bp_consumer_info *info)
{
    bp_region region;
    bp_region_text *owner = NULL;
    bp_cursor *cursor = NULL;
    bp_cursor_options options;
    bp_cursor_options_init(&options);
    options.from = &info->position;
    options.durable = !info->published;
    info->status = bp_region_parse(store, region_text, &region, &owner, NULL);
    if (info->status == BP_OK) {
        info->status = bp_cursor_open(store, &region, &options, &cursor, NULL);
    }
    if (info->status == BP_OK) {
        info->status = bp_cursor_lag(cursor, &info->lag, NULL);
    }
    bp_cursor_close(cursor);
    bp_region_text_free(owner);
}

static void show_file(listing *l, const bpi_consumer_file *file)
{
    const bp_allocator *allocator = l->store->allocator;
    bp_consumer_info info = {.name = file->name,
                             .region = file->region,
                             .partition = file->partition,
                             .partitions = file->partitions,
                             .published = (file->flags & BPI_CONSUMER_PUBLISHED) != 0,
                             .position = file->position,
                             .updated_us = file->updated_us,
                             .parked_count = file->parked_count};
    bp_id store_id = bpi_store_id(l->store);
    bpi_parked *read = bpi_allocate_array(allocator, file->parked_count + 1u, sizeof *read);
    bp_parked *parked = bpi_allocate_array(allocator, file->parked_count + 1u, sizeof *parked);
    char *region = bpi_allocate(allocator, file->region.size + 1);
    if (read == NULL || parked == NULL || region == NULL) {
        l->status = bpi_error_set(l->error, BP_ERR_NO_MEMORY, "no memory to list the consumers");
    } else {
        const uint8_t *at = file->parked;
        for (uint32_t i = 0; i < file->parked_count; i++) {
            bpi_consumer_next_parked(&at, &read[i]);
            parked[i] = (bp_parked){.sequence = read[i].sequence,
                                    .id = read[i].id,
                                    .time_us = read[i].time_us,
                                    .attempts = read[i].attempts,
                                    .retry = read[i].retry,
                                    .reason = {read[i].reason, read[i].reason_size}};
        }
        info.parked = parked;
        memcpy(region, file->region.data, file->region.size);
        region[file->region.size] = '\0';
        info.status = BP_ERR_DIVERGED;
        if (bp_id_equal(&file->store_id, &store_id)) {
            find_lag(l->store, region, &info);
        }
        l->ended = l->visit(l->argument, &info) != 0;
    }
    bpi_release(allocator, read, (file->parked_count + 1u) * sizeof *read);
    bpi_release(allocator, parked, (file->parked_count + 1u) * sizeof *parked);
    bpi_release(allocator, region, file->region.size + 1);
}

static bool is_position(const char *name, bool is_directory)
{
    return !is_directory && strlen(name) == FILE_NAME_SIZE && strcmp(name + 32, ".pos") == 0;
}

static int show_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    listing *l = argument;
    uint8_t *bytes = NULL;
    size_t got = 0;
    bpi_consumer_file file;
    (void)size;
    if (!is_position(name, is_directory)) {
        return 0;
    }
    bp_status status = bpi_keep_read(l->keep, name, &bytes, &got, &file, l->error);
    if (status == BP_OK) {
        show_file(l, &file);
        bpi_release(l->store->allocator, bytes, got);
    } else if (status == BP_ERR_CORRUPT || status == BP_ERR_VERSION) {
        bp_consumer_info info = {.name = {name, 32}, .status = status, .partitions = 1};
        l->ended = l->visit(l->argument, &info) != 0;
    } else if (status != BP_ERR_NOT_FOUND) { /* that one was replaced or removed just now */
        l->status = status;
    }
    return l->ended || l->status != BP_OK ? ECANCELED : 0;
}

bp_status bp_consumers(bp_store *store, bp_consumer_fn visit, void *argument, bp_error *error)
{
    bpi_keep keep;
    bp_error own;
    if (visit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_consumers needs a function to call");
    }
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_keep_open_dir(store, false, &keep, error);
    if (status != BP_OK) {
        return status == BP_ERR_NOT_FOUND ? BP_OK : status;
    }
    bpi_store_flow(store, "consumers", 0);
    listing l = {
        .store = store, .keep = &keep, .visit = visit, .argument = argument, .error = error != NULL ? error : &own};
    int code = keep.io->dir_list(keep.io->context, keep.dir, show_entry, &l);
    bpi_keep_close(&keep);
    if (code != 0 && code != ECANCELED) {
        return bpi_error_system(error, code, "cannot list the consumers");
    }
    return l.status;
}

/* ---- partitions ---- */

bp_status bpi_consumer_other_parts(const bp_consumer *consumer, uint32_t partitions, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CONFLICT, "consumer \"%s\" has %" PRIu32 " partitions, not %" PRIu32, consumer->name,
                  partitions, consumer->options.partitions);
    bpi_error_hint(error, "take another name, or set the option rebind to keep the position");
    return BP_ERR_CONFLICT;
}

typedef struct comparing {
    const bp_consumer *consumer;
    uint32_t partitions; /* another number, of a file of that name; 0: none */
} comparing;

static int compare_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    comparing *c = argument;
    const bp_consumer *consumer = c->consumer;
    uint8_t *bytes = NULL;
    size_t got = 0;
    bpi_consumer_file file;
    (void)size;
    /* What cannot be read is for those to tell who want it. */
    if (!is_position(name, is_directory) || bpi_keep_read(&consumer->keep, name, &bytes, &got, &file, NULL) != BP_OK) {
        return 0;
    }
    bp_text own = {consumer->name, consumer->name_size};
    if (bp_text_equal(file.name, own) && bp_id_equal(&file.store_id, &consumer->store_id) &&
        file.partitions != consumer->options.partitions) {
        c->partitions = file.partitions;
    }
    bpi_release(consumer->hub->allocator, bytes, got);
    return c->partitions != 0 ? ECANCELED : 0;
}

bp_status bpi_consumer_check_parts(const bp_consumer *consumer, bp_error *error)
{
    const bpi_keep *keep = &consumer->keep;
    comparing c = {.consumer = consumer};
    int code = keep->io->dir_list(keep->io->context, keep->dir, compare_entry, &c);
    if (code != 0 && code != ECANCELED) {
        return bpi_error_system(error, code, "cannot list the consumers");
    }
    return c.partitions == 0 ? BP_OK : bpi_consumer_other_parts(consumer, c.partitions, error);
}

/* ---- changing what nobody has open ---- */

static bp_status nobody(const char *name, uint32_t partition, bp_error *error)
{
    bpi_error_set(error, BP_ERR_NOT_FOUND, "no consumer \"%s\"%s", name, partition != 0 ? " with that partition" : "");
    bpi_error_hint(error, "batpak consumers DIR shows all, with their partitions");
    return BP_ERR_NOT_FOUND;
}

/* With its lock. */
static bp_status reach(bp_store *store, const char *name, uint32_t partition, bp_text *text_out, bpi_keep *keep,
                       bp_error *error)
{
    bp_status status = bpi_store_check(store, error);
    status = status == BP_OK ? bpi_consumer_name_check(name, text_out, error) : status;
    if (status != BP_OK) {
        return status;
    }
    status = bpi_keep_open(store, *text_out, partition, false, keep, error);
    return status == BP_ERR_NOT_FOUND ? nobody(name, partition, error) : status;
}

static bp_status mark(const bpi_keep *keep, const bpi_consumer_file *file, uint64_t sequence, bp_error *error)
{
    size_t size = (file->parked_count + 1u) * sizeof(bpi_parked);
    bpi_parked *parked = bpi_allocate(keep->allocator, size);
    if (parked == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the parked events");
    }
    const uint8_t *at = file->parked;
    bool found = sequence == BP_NONE;
    for (uint32_t i = 0; i < file->parked_count; i++) {
        bpi_consumer_next_parked(&at, &parked[i]);
        bool meant = sequence == BP_NONE || parked[i].sequence == sequence;
        parked[i].retry = parked[i].retry || meant;
        found = found || meant;
    }
    bp_status status =
        found ? bpi_keep_write(keep, file, parked, error)
              : bpi_error_set(error, BP_ERR_NOT_FOUND, "event %llu is not parked", (unsigned long long)sequence);
    bpi_release(keep->allocator, parked, size);
    return status;
}

bp_status bp_consumer_retry_later(bp_store *store, const char *name, uint32_t partition, uint64_t sequence,
                                  bp_error *error)
{
    bpi_keep keep;
    bp_text text = {0};
    bpi_consumer_file file;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bp_status status = reach(store, name, partition, &text, &keep, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_keep_read(&keep, keep.name, &bytes, &size, &file, error);
    if (status == BP_OK) {
        status = mark(&keep, &file, sequence, error);
        bpi_release(keep.allocator, bytes, size);
    } else if (status == BP_ERR_NOT_FOUND) {
        status = nobody(name, partition, error);
    }
    bpi_keep_close(&keep);
    return status;
}

bp_status bp_consumer_forget(bp_store *store, const char *name, uint32_t partition, bp_error *error)
{
    bpi_keep keep;
    bp_text text = {0};
    bp_status status = reach(store, name, partition, &text, &keep, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_keep_remove(&keep, error);
    status = status == BP_ERR_NOT_FOUND ? nobody(name, partition, error) : status;
    bpi_keep_close(&keep);
    return status;
}
