/*
 * engine_batpak.c: batpak as it comes, through its public interface. Nothing is tuned; the store's default durability
 * is the one that is measured.
 */
#include "bench.h"

#include <batpak/batpak.h>

#include <string.h>

static bool failed(const bp_error *error)
{
    bp_print_error(stderr, error);
    return false;
}

static const char *settings(void)
{
    return "batpak " BP_VERSION ", defaults: segments of 64 MiB, hash chain per entity, CRC32C";
}

static bool open_store(const char *folder, const struct opening *opening, void **handle_out)
{
    bp_error error = {0};
    bp_options options;
    bp_store *store = NULL;
    bp_options_init(&options);
    options.create = opening->make;
    options.durability = opening->mode == MODE_DURABLE ? BP_DURABLE : BP_BUFFERED;
    options.layout = (bp_layout)opening->layout;
    if (bp_open(folder, &options, &store, &error) != BP_OK) {
        return failed(&error);
    }
    *handle_out = store;
    return true;
}

static bp_payload payload_of(const struct fact *fact)
{
    return bp_raw(fact->payload, fact->payload_size);
}

/* One error a thread: it is 1.6 KB, which nobody clears for each event. */
static _Thread_local bp_error append_error;

static bool append_one(bp_store *store, const struct fact *fact, struct id *id_out)
{
    bp_receipt receipt;
    if (bp_append(store, bp_at(fact->entity, fact->scope), BP_KIND(1, fact->kind + 1), payload_of(fact), NULL, &receipt,
                  &append_error) != BP_OK) {
        return failed(&append_error);
    }
    if (id_out != NULL) {
        memcpy(id_out->bytes, receipt.id.bytes, sizeof id_out->bytes);
    }
    return true;
}

static bool append(void *handle, const struct fact *facts, size_t count, struct id *ids_out)
{
    static _Thread_local bp_batch_item items[BATCH_MOST];
    static _Thread_local bp_receipt receipts[BATCH_MOST];
    if (count == 1) {
        return append_one(handle, facts, ids_out);
    }
    for (size_t index = 0; index < count; index++) {
        const struct fact *fact = &facts[index];
        items[index] = (bp_batch_item){
            .at = bp_at(fact->entity, fact->scope), .kind = BP_KIND(1, fact->kind + 1), .payload = payload_of(fact)};
    }
    if (bp_append_batch(handle, items, count, NULL, receipts, &append_error) != BP_OK) {
        return failed(&append_error);
    }
    for (size_t index = 0; ids_out != NULL && index < count; index++) {
        memcpy(ids_out[index].bytes, receipts[index].id.bytes, sizeof ids_out->bytes);
    }
    return true;
}

static bool close_store(void *handle)
{
    bp_error error = {0};
    return bp_close(handle, &error) == BP_OK || failed(&error);
}

static bool get(void *handle, const struct id *id, struct tally *tally)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_id key;
    memcpy(key.bytes, id->bytes, sizeof key.bytes);
    bp_status status = bp_get(handle, &key, &event, NULL);
    if (status == BP_OK) {
        tally_add(tally, event->payload, event->payload_size);
        bp_event_release(event);
        return true;
    }
    if (status == BP_ERR_NOT_FOUND) {
        return true;
    }
    return bp_get(handle, &key, &event, &error) == BP_OK || failed(&error);
}

static bool count_region(bp_store *store, const bp_region *region, struct tally *tally)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_query(store, region, NULL, &iterator, &error);
    while (status == BP_OK && (status = bp_next(iterator, &event, &error)) == BP_OK) {
        tally_add(tally, event->payload, event->payload_size);
    }
    bp_iterator_close(iterator);
    return status == BP_END || failed(&error);
}

static bool stream(void *handle, const char *entity, struct tally *tally)
{
    bp_region region = bp_region_stream(entity);
    return count_region(handle, &region, tally);
}

static bool scope(void *handle, const char *name, struct tally *tally)
{
    bp_region region = bp_region_by_scope(name);
    return count_region(handle, &region, tally);
}

static bool kind(void *handle, unsigned number, struct tally *tally)
{
    bp_region region = bp_region_by_kind(BP_KIND(1, number + 1));
    return count_region(handle, &region, tally);
}

static bool scan(void *handle, struct tally *tally)
{
    return count_region(handle, NULL, tally);
}

static bool prefix(void *handle, const char *start, struct tally *tally)
{
    bp_region region = bp_region_all();
    bp_region_set_prefix(&region, bp_text_of(start));
    return count_region(handle, &region, tally);
}

static bool when(void *handle, uint64_t sequence, uint64_t *time_out)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    if (bp_get_sequence(handle, sequence, &event, &error) != BP_OK) {
        return failed(&error);
    }
    *time_out = event->hlc;
    bp_event_release(event);
    return true;
}

static bool between(void *handle, uint64_t from, uint64_t to, struct tally *tally)
{
    bp_region region = bp_region_all();
    bp_region_set_committed(&region, from, to);
    return count_region(handle, &region, tally);
}

static bool kind_sequences(void *handle, unsigned number, struct tally *tally)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    bp_region region = bp_region_by_kind(BP_KIND(1, number + 1));
    uint64_t sequence = 0;
    bp_status status = bp_query(handle, &region, NULL, &iterator, &error);
    while (status == BP_OK && (status = bp_next_sequence(iterator, &sequence, &error)) == BP_OK) {
        tally->events++;
        tally->sum += sequence;
    }
    bp_iterator_close(iterator);
    return status == BP_END || failed(&error);
}

static bool walk(void *handle, const struct id *id, uint64_t limit, struct tally *tally)
{
    bp_error error = {0};
    bp_walk *steps = NULL;
    const bp_event *event = NULL;
    bp_walk_options options;
    bp_id key;
    memcpy(key.bytes, id->bytes, sizeof key.bytes);
    bp_walk_options_init(&options);
    options.limit = limit;
    bp_status status = bp_walk_begin(handle, &key, &options, &steps, &error);
    while (status == BP_OK && (status = bp_walk_next(steps, &event, NULL, &error)) == BP_OK) {
        tally_add(tally, event->payload, event->payload_size);
    }
    bp_walk_end(steps);
    return status == BP_END || failed(&error);
}

/* Everything that docs/format.md calls derived. */
static void strip(const char *folder)
{
    static const char *const names[] = {"index", "cache"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        char path[FOLDER_SIZE + 16];
        snprintf(path, sizeof path, "%s/%s", folder, names[index]);
        folder_remove(path);
    }
}

static bool verify(const char *folder, struct tally *tally)
{
    bp_error error = {0};
    bp_verify_report report;
    if (bp_verify(folder, NULL, &report, &error) != BP_OK) {
        return failed(&error);
    }
    tally->events += report.events;
    return true;
}

static bool heap(void *handle, uint64_t *bytes_out)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    if (bp_store_stats(handle, &stats, &error) != BP_OK) {
        return failed(&error);
    }
    *bytes_out = stats.heap_bytes;
    return true;
}

const struct engine engine_batpak = {
    .name = "batpak",
    .settings = settings,
    .open = open_store,
    .append = append,
    .close = close_store,
    .get = get,
    .stream = stream,
    .scope = scope,
    .kind = kind,
    .prefix = prefix,
    .scan = scan,
    .when = when,
    .between = between,
    .kind_sequences = kind_sequences,
    .walk = walk,
    .verify = verify,
    .heap = heap,
    .strip = strip,
};
