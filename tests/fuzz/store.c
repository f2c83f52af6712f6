/* store.c: asking a store of hostile files everything. */
#include "fuzz/store.h"

#include "base/checksum.h"

enum { EVENTS_MOST = 300, HELD_MOST = 256 << 20, VERIFIED = 8 };

static const bp_status answers[] = {BP_OK,
                                    BP_ERR_CORRUPT,
                                    BP_ERR_VERSION,
                                    BP_ERR_NOT_FOUND,
                                    BP_ERR_READ_ONLY,
                                    BP_ERR_UNSUPPORTED,
                                    BP_ERR_NOT_EMPTY,
                                    BP_ERR_DIVERGED};

bool fuzz_is_answer(bp_status status)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (answers[i] == status) {
            return true;
        }
    }
    return false;
}

static void answered(bp_status status, const bp_error *error, const char *what)
{
    CHECK(fuzz_is_answer(status), "%s is answered %s: %s", what, bp_status_name(status), error->message);
    CHECK(status == BP_OK || error->message[0] != '\0', "%s: %s without words", what, bp_status_name(status));
}

static bool indexed; /* there are index files */
static bool erasing; /* there is the note of an erasure, at which verify does not look */
static uint64_t sum; /* so that every byte of an event is looked at */

static void look_at(const bp_event *event)
{
    const uint8_t *payload = event->payload;
    for (size_t i = 0; i < event->payload_size; i++) {
        sum += payload[i];
    }
    for (size_t i = 0; i < event->cause_count; i++) {
        sum += event->causes[i].bytes[0];
    }
    sum += bp_event_content_hash(event).bytes[0] + (uint64_t)event->entity.data[event->entity.size - 1];
}

static void ask_walks(bp_store *store, const bp_id *id)
{
    for (int kind = BP_WALK_CHAIN; kind <= BP_WALK_CORRELATION; kind++) {
        bp_error error = {0};
        bp_walk_options options;
        bp_walk *walk = NULL;
        const bp_event *event = NULL;
        uint32_t depth = 0;
        bp_walk_options_init(&options);
        options.kind = (bp_walk_kind)kind;
        options.verify = true;
        bp_status status = bp_walk_begin(store, id, &options, &walk, &error);
        answered(status, &error, "a walk");
        for (int left = 40; left > 0 && status == BP_OK; left--) {
            status = bp_walk_next(walk, &event, &depth, &error);
        }
        bp_walk_end(walk);
    }
}

/* All events of a region, forward or backward; how many came. */
static uint64_t ask_region(bp_store *store, const bp_region *region, bool backward)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    bp_query_options options;
    const bp_event *event = NULL;
    uint64_t count = 0;
    uint64_t last = 0;
    bp_query_options_init(&options);
    options.backward = backward;
    bp_status status = bp_query(store, region, &options, &iterator, &error);
    answered(status, &error, "a query");
    while (status == BP_OK && count < EVENTS_MOST) {
        status = bp_next(iterator, &event, &error);
        if (status == BP_END) {
            break;
        }
        answered(status, &error, "the next event");
        if (status == BP_OK) {
            CHECK(indexed || bp_region_matches(region, event), "an event that lies outside of the region");
            CHECK(indexed || count == 0 || (backward ? event->sequence < last : event->sequence > last),
                  "%llu comes after %llu", (unsigned long long)event->sequence, (unsigned long long)last);
            last = event->sequence;
            look_at(event);
            count++;
        }
    }
    bp_iterator_close(iterator);
    return count;
}

/* Regions that one event lies in, each driven by another posting. */
static void ask_around(bp_store *store, uint64_t sequence)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_status status = bp_get_sequence(store, sequence, &event, &error);
    answered(status, &error, "an event by its sequence");
    if (status != BP_OK) {
        return;
    }
    bp_region regions[6];
    for (size_t i = 0; i < 6; i++) {
        regions[i] = bp_region_all();
        bp_region_set_system(&regions[i], true);
    }
    bp_id id = event->id;
    bp_region_set_entity(&regions[0], event->entity);
    bp_region_set_scope(&regions[1], event->scope);
    bp_region_set_kind(&regions[2], event->kind);
    bp_region_set_correlation(&regions[3], &event->correlation);
    bp_region_set_cause(&regions[4], &id);
    bp_region_set_prefix(&regions[5], event->entity);
    bp_region_set_kind(&regions[5], event->kind);
    for (size_t i = 0; i < 6; i++) {
        (void)ask_region(store, &regions[i], i % 2 == 1);
    }
    bp_event_release(event);
    event = NULL;
    status = bp_get(store, &id, &event, &error);
    answered(status, &error, "an event by its id");
    CHECK(indexed || status != BP_OK || bp_id_equal(&event->id, &id), "another event's id");
    bp_event_release(event);
    ask_walks(store, &id);
}

static int see_consumer(void *argument, const bp_consumer_info *info)
{
    (void)argument;
    for (size_t i = 0; i < info->name.size; i++) {
        sum += (uint8_t)info->name.data[i];
    }
    for (size_t i = 0; i < info->parked_count; i++) {
        sum += info->parked[i].sequence + info->parked[i].reason.size;
    }
    return 0;
}

/* How many events there are, system events too. */
static uint64_t ask_all(bp_store *store)
{
    bp_error error = {0};
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    uint64_t published = bp_store_frontiers(store).published;
    uint64_t count = ask_region(store, &region, false);
    (void)ask_region(store, &region, true);
    for (uint64_t i = 0; i < 4 && i < published; i++) {
        ask_around(store, i * published / 4);
    }
    answered(bp_consumers(store, see_consumer, NULL, &error), &error, "the list of consumers");
    return count;
}

static int see_field(void *argument, const bp_field *field)
{
    (void)argument;
    sum += strlen(field->value) + field->offset;
    return 0;
}

static void dump_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    bpt_world *world = argument;
    bp_error error = {0};
    bp_status status = bp_dump_file(world->path, name, world->io, see_field, NULL, &error);
    (void)data;
    (void)size;
    indexed = indexed || strncmp(name, "index/", 6) == 0;
    erasing = erasing || strncmp(name, "ERASING-", 8) == 0;
    CHECK(fuzz_is_answer(status) || status == BP_ERR_FORMAT, "dump of %s is answered %s: %s", name,
          bp_status_name(status), error.message);
}

static bp_status verify(bpt_world *world, bp_verify_report *report)
{
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    bp_status status = bp_verify(world->path, &options, report, &error);
    answered(status, &error, "verify");
    return status;
}

static void consume(bp_store *store)
{
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    const bp_event *event = NULL;
    bp_consumer_options_init(&options);
    options.published = true;
    bp_status status = bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error);
    CHECK(fuzz_is_answer(status) || status == BP_ERR_CONFLICT, "a consumer is answered %s: %s", bp_status_name(status),
          error.message);
    for (int left = 5; left > 0 && status == BP_OK; left--) {
        status = bp_consumer_next(consumer, 0, 0, &event, &error);
        if (status == BP_OK) {
            look_at(event);
            status = bp_consumer_ack(consumer, event->sequence, &error);
        }
    }
    (void)bp_consumer_close(consumer, NULL);
}

/* As a writer; true when it went well all the way. */
static bool write_to(bpt_world *world, bool proven, const bp_verify_report *report)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_status status = bp_open(world->path, &world->options, &store, &error);
    answered(status, &error, "a writer");
    CHECK(!proven || status == BP_OK, "verify proves what a writer calls %s: %s", bp_status_name(status),
          error.message);
    if (status != BP_OK) {
        return false;
    }
    uint64_t count = ask_all(store);
    CHECK(!proven || indexed || report->events > EVENTS_MOST || count == report->events,
          "%llu events are proven, %llu are read", (unsigned long long)report->events, (unsigned long long)count);
    consume(store);
    status = bp_append(store, bp_at("afterwards", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error);
    answered(status, &error, "an append");
    bp_status closed = bp_close(store, &error);
    answered(closed, &error, "closing");
    return status == BP_OK && closed == BP_OK;
}

void fuzz_store_ask(bpt_world *world, uint32_t number)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_verify_report report = {0};
    world->options.allocator = fuzz_allocator(HELD_MOST);
    indexed = false;
    erasing = false;
    bpt_file_each(world, dump_file, world);
    bool proven = number % VERIFIED == 0 && verify(world, &report) == BP_OK;
    bp_status status = bp_open_reader(world->path, &world->options, &store, &error);
    answered(status, &error, "a reader");
    if (status == BP_OK) {
        (void)ask_all(store);
        (void)bp_close(store, NULL);
    }
    /* The page `live` of a writer that was killed may make a writer refuse: what it says was published must be there. */
    size_t size = 0;
    uint8_t *live = bpt_file_read(world, "live", &size);
    free(live);
    bool written = write_to(world, proven && live == NULL && !erasing, &report);
    if (written && proven && report.index_files_wrong == 0) {
        CHECK(verify(world, &report) == BP_OK, "verify finds faults in what a writer has opened and closed");
    }
    fuzz_allocator_end();
}

void fuzz_store_run(const uint8_t *data, size_t size)
{
    fuzz_archive *archive = calloc(1, sizeof *archive);
    bpt_world world;
    CHECK(archive != NULL, "no memory");
    fuzz_unpack(archive, data, size);
    bpt_world_memory(&world);
    /* Not the bytes from which the corpora's stores drew their ids. */
    bpt_entropy_init(&world.entropy, 0xbb67ae8584caa73bu);
    fuzz_archive_write(archive, &world);
    fuzz_archive_free(archive);
    free(archive);
    fuzz_store_ask(&world, bpi_crc32c(0, data, size));
    bpt_world_end(&world);
}
