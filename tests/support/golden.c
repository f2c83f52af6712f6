/* golden.c: making the golden stores, and printing a store as the second reader does. */
#include "support/golden.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* ---- the stores ---- */

static bp_receipt put(bp_store *store, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                      const bp_append_options *options)
{
    bp_error error = {0};
    bp_receipt receipt;
    CHECK_OK(bp_append(store, at, kind, payload, options, &receipt, &error), &error);
    return receipt;
}

/* Every payload type, names in many scripts, every option. */
static void fill_wide(bp_store *store)
{
    static const uint8_t all[] = {0, 1, 0x7f, 0x80, 0xff, 0, 0};
    bp_append_options options;
    bp_append_options_init(&options);
    bp_receipt first = put(store, bp_at("order:1", "shop"), BP_KIND_DATA, bp_raw(NULL, 0), NULL);
    (void)put(store, bp_at("spieler:älice", "räum"), 0xf001, bp_json("{\"größe\": 1.5, \"leer\": []}"), NULL);
    (void)put(store, bp_at("玩家:一", "部屋"), 0x2001, bp_msgpack("\x81\xa1x\x0a", 4), NULL);
    (void)put(store, bp_at("игрок:🎲", "зал"), 0xefff, (bp_payload){all, sizeof all, 128, 65535}, NULL);
    (void)put(store, bp_at("x", "y"), BP_KIND_ERROR, (bp_payload){all, 1, 255, 1}, NULL);
    bp_id elsewhere = bp_id_from("golden", "elsewhere", 9);
    bp_id causes[2] = {first.id, elsewhere};
    options.id = bp_id_from("golden", "given", 5);
    options.correlation = bp_id_from("golden", "workflow", 8);
    options.causes = causes;
    options.cause_count = 2;
    options.external = true;
    options.has_time = true;
    options.time_us = -86400000000;
    options.flags = BP_FLAG_REQUIRES_ACK | BP_FLAG_TRANSACTIONAL | BP_FLAG_REPLAY;
    options.lane = 7;
    options.depth = 2;
    (void)put(store, bp_at("order:1", "other"), 0x1fff, bp_payload_versioned(bp_json("null"), 3), &options);
    bp_append_options_init(&options);
    options.kind_name = "bestellung.bezahlt/größe";
    (void)put(store, bp_at("order:1", "shop"), 0, bp_json("{}"), &options);
}

static void fill_batch_of(bp_store *store, const char *id)
{
    static const uint32_t items_before[] = {0, 1};
    bp_error error = {0};
    bp_append_options options[4];
    bp_batch_item items[4];
    for (size_t index = 0; index < 4; index++) {
        bp_append_options_init(&options[index]);
        options[index].cause_items = index > 0 ? items_before : NULL;
        options[index].cause_item_count = index > 2 ? 2 : index > 0 ? 1 : 0;
        items[index] = (bp_batch_item){bp_at(index % 2 == 0 ? "batch:even" : "batch:odd", "räum"), bp_kind(2, 3),
                                       bp_json("{\"in\":\"a batch\"}"), &options[index]};
    }
    options[0].id = bp_id_from("golden", id, strlen(id));
    CHECK_OK(bp_append_batch(store, items, 4, NULL, NULL, &error), &error);
}

static void fill_batch(bp_store *store)
{
    fill_batch_of(store, "batch");
}

static void make_plain(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    fill_wide(store);
    CHECK_OK(bp_seal(store, &error), &error);
    fill_batch(store);
    CHECK_OK(bp_kind_define(store, bp_kind(2, 3), "im.stapel", &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    (void)bpt_put(store, "order:1", "in the third segment");
    bpt_close(store);
    store = bpt_open(world);
    (void)bpt_put(store, "order:1", "behind a CLOSE");
    bpt_close(store);
}

static void make_buffered(bpt_world *world)
{
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    fill_batch(store);
    for (int index = 0; index < 5; index++) {
        (void)bpt_put_sized(store, "filler", 6000); /* over a rotation */
        (void)bpt_put_sized(store, "filler", 8000);
    }
    fill_wide(store);
    bpi_fault_process_kill(world->fault); /* nothing says how far it went but the frontiers */
    (void)bp_close(store, NULL);
}

/* A synced beginning, then frames of which one sector is lost: whole ones lie behind it. */
static bp_store *tear(bpt_world *world)
{
    bp_append_options options;
    char text[1500];
    bp_store *store = bpt_open(world);
    fill_wide(store);
    (void)bpt_put(store, "order:1", "synced");
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    memset(text, 't', sizeof text);
    text[sizeof text - 1] = '\0';
    uint64_t safe = bp_store_frontiers(store).published;
    for (int index = 0; index < 3; index++) {
        (void)bpt_put_with(store, "torn", text, &options);
    }
    bpt_tear(world, safe + 1);
    return store;
}

static void make_torn(bpt_world *world)
{
    (void)bp_close(tear(world), NULL);
}

static void make_regrown(bpt_world *world)
{
    (void)bp_close(tear(world), NULL);
    bp_store *store = bpt_open(world);
    for (int index = 0; index < 4; index++) {
        (void)bpt_put(store, "torn", "regrown");
    }
    bpt_close(store);
}

static bool drop_some(void *context, const bp_event *event)
{
    return event->sequence % *(const uint64_t *)context == 1;
}

static void compact_again(bp_store *store, uint64_t modulus, bool stub)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = drop_some;
    options.drop_context = &modulus;
    options.stub_tombstoned = stub;
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
}

/* Everything that rewriting makes: merged segments, fold entries, commits of which some is gone, stubs, tombstones with and without a
 * payload; rewritten ones before others and before the open one. */
static void make_rewritten(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    bp_region even = bp_region_stream("batch:even");
    bp_region odd = bp_region_stream("batch:odd");
    bp_region order = bp_region_stream("order:1");
    fill_wide(store);
    CHECK_OK(bp_seal(store, &error), &error);
    fill_batch(store);
    bp_tombstone_options what;
    bp_tombstone_options_init(&what);
    what.region = &even;
    what.reason = "entered twice";
    what.by = "büro 7";
    CHECK_OK(bp_tombstone(store, &what, NULL, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    compact_again(store, 5, true);
    for (int index = 0; index < 6; index++) {
        (void)bpt_put(store, index % 2 == 0 ? "order:1" : "order:2", "in the third segment");
    }
    bp_erase_options gone;
    bp_erase_options_init(&gone);
    gone.region = &order;
    gone.reason = "request 12";
    gone.by = "privacy office";
    CHECK_OK(bp_erase(store, &gone, NULL, &error), &error); /* seals it, and rewrites both */
    fill_batch_of(store, "batch once more");
    CHECK_OK(bp_seal(store, &error), &error);
    compact_again(store, 7, false);
    fill_batch_of(store, "and again");
    what.region = &odd;
    CHECK_OK(bp_tombstone(store, &what, NULL, &error), &error);
    bpt_close(store);
}

const bpt_golden bpt_goldens[] = {
    {"plain", "three segments, every payload type and option, closed", make_plain},
    {"buffered", "a rotation, killed while open", make_buffered},
    {"torn", "a torn tail with whole frames behind it", make_torn},
    {"rewritten", "compacted and erased: fold entries, stubs, tombstones, merged segments", make_rewritten},
    {"regrown", "a tail that was cut and has grown again, with its evidence", make_regrown},
};
const size_t bpt_golden_count = sizeof bpt_goldens / sizeof *bpt_goldens;

static void strip(void *argument, const char *name, const uint8_t *data, size_t size)
{
    bpt_world *world = argument;
    if (strcmp(name, "live") == 0 || strcmp(name, "LOCK") == 0) {
        bpt_file_remove(world, name);
        return;
    }
    size_t end = size;
    while (end > 0 && data[end - 1] == 0) {
        end--;
    }
    if (strstr(name, ".seg") == NULL || size < end + 256) {
        return;
    }
    uint8_t *copy = calloc(1, end + 256);
    assert_non_null(copy);
    memcpy(copy, data, end);
    bpt_file_write(world, name, copy, end + 256);
    free(copy);
}

void bpt_golden_make(const bpt_golden *golden, bpt_world *world)
{
    bpt_note("making %s: %s", golden->name, golden->about);
    bpt_world_fault(world);
    golden->make(world);
    bpt_file_each(world, strip, world);
    bpt_note("%s", "");
}

/* ---- to disk and back ---- */

static void dump_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)argument, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    *slash = '/';
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_int_equal(fwrite(data, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

void bpt_store_dump(bpt_world *world, const char *folder)
{
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", folder);
    assert_true(mkdir(copy, 0700) == 0 || errno == EEXIST);
    bpt_file_each(world, dump_file, copy);
}

static void copy_folder(const char *from, const char *to, const char *part)
{
    char path[1400];
    char target[1400];
    (void)snprintf(path, sizeof path, "%s%s", from, part);
    (void)snprintf(target, sizeof target, "%s%s", to, part);
    assert_true(mkdir(target, 0700) == 0 || errno == EEXIST);
    DIR *dir = opendir(path);
    CHECK(dir != NULL, "there is no %s", path);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) { /* NOLINT(concurrency-mt-unsafe) */
        char file[2000];
        uint8_t buffer[4096];
        size_t got;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "log") == 0) {
            continue;
        }
        (void)snprintf(file, sizeof file, "%s/%.255s", path, entry->d_name);
        FILE *in = fopen(file, "re");
        (void)snprintf(file, sizeof file, "%s/%.255s", target, entry->d_name);
        FILE *out = fopen(file, "we");
        assert_true(in != NULL && out != NULL);
        while ((got = fread(buffer, 1, sizeof buffer, in)) > 0) {
            assert_int_equal(fwrite(buffer, 1, got, out), got);
        }
        (void)fclose(in);
        assert_int_equal(fclose(out), 0);
    }
    (void)closedir(dir);
}

void bpt_store_load(bpt_world *disk_world, const char *folder)
{
    assert_true(disk_world->root[0] != '\0');
    copy_folder(folder, disk_world->path, "");
    copy_folder(folder, disk_world->path, "/log");
}

/* ---- lines ---- */

static void print_hex(FILE *out, const void *data, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        (void)fprintf(out, "%02x", ((const uint8_t *)data)[index]);
    }
}

static void print_id(FILE *out, const bp_id *id)
{
    char text[BP_ID_TEXT_SIZE];
    bp_id_print(id, text);
    (void)fprintf(out, "\"%s\"", text);
}

static void print_base64(FILE *out, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t word =
            (uint32_t)data[at] << 16 | (left > 1 ? (uint32_t)data[at + 1] << 8 : 0) | (left > 2 ? data[at + 2] : 0);
        (void)fprintf(out, "%c%c%c%c", digits[word >> 18], digits[word >> 12 & 63],
                      left > 1 ? digits[word >> 6 & 63] : '=', left > 2 ? digits[word & 63] : '=');
    }
}

static void print_extensions(FILE *out, const bp_event *event)
{
    size_t size = event->public_extensions_size + event->private_extensions_size;
    for (size_t at = 0; at + 4 <= size;) {
        const uint8_t *bytes = event->extensions + at;
        size_t length = (size_t)(bytes[2] | bytes[3] << 8);
        (void)fprintf(out, "%s{\"tag\": %d, \"value\": \"", at == 0 ? "" : ", ", bytes[0] | bytes[1] << 8);
        print_hex(out, bytes + 4, length);
        (void)fprintf(out, "\"}");
        at += 4 + length;
    }
}

/* Which event of the entity came before: its hash, zeros at genesis. False: retention dropped it. */
static bool previous_hash(bp_store *store, const bp_event *event, bp_hash *hash_out)
{
    bp_hash hash = {{0}};
    const bp_event *previous = NULL;
    bp_error error = {0};
    bp_region region = bp_region_all();
    if (event->clock > 0) {
        bp_region_set_entity(&region, event->entity);
        bp_region_set_clock(&region, event->clock - 1, event->clock - 1);
        bp_region_set_system(&region, true);
        bp_status status = bp_newest(store, &region, &previous, &error);
        if (status == BP_ERR_NOT_FOUND) {
            return false;
        }
        CHECK_OK(status, &error);
        hash = previous->event_hash;
        bp_event_release(previous);
    }
    *hash_out = hash;
    return true;
}

static void print_event(FILE *out, bp_store *store, const bp_event *event)
{
    bp_hash previous;
    bool known = previous_hash(store, event, &previous);
    bp_hash content = bp_event_content_hash(event);
    (void)fprintf(out, "{\"sequence\": %llu, \"id\": ", (unsigned long long)event->sequence);
    print_id(out, &event->id);
    (void)fprintf(out, ", \"entity\": \"%.*s\", \"scope\": \"%.*s\", \"kind\": %u, \"clock\": %llu",
                  (int)event->entity.size, event->entity.data, (int)event->scope.size, event->scope.data, event->kind,
                  (unsigned long long)event->clock);
    (void)fprintf(out, ", \"hlc\": \"%llu.%u\", \"time\": %lld, \"correlation\": ",
                  (unsigned long long)BP_HLC_MS(event->hlc), BP_HLC_COUNTER(event->hlc), (long long)event->time_us);
    print_id(out, &event->correlation);
    (void)fprintf(out, ", \"causes\": [");
    for (size_t index = 0; index < event->cause_count; index++) {
        (void)fprintf(out, "%s", index == 0 ? "" : ", ");
        print_id(out, &event->causes[index]);
    }
    (void)fprintf(out, "], \"lane\": %u, \"depth\": %u, \"flags\": %u, \"payload_base64\": %s", event->lane,
                  event->depth, event->flags, event->payload_absent ? "null" : "\"");
    print_base64(out, event->payload, event->payload_size);
    (void)fprintf(out, "%s, \"payload_type\": %u, \"payload_version\": %u, \"extensions\": [",
                  event->payload_absent ? "" : "\"", event->payload_type, event->payload_version);
    print_extensions(out, event);
    (void)fprintf(out, "], \"salt\": \"");
    print_hex(out, event->salt, 16);
    (void)fprintf(out, "\", \"state\": %u, \"prev_hash\": %s",
                  (event->payload_absent ? 1u : 0u) | (event->tombstoned ? 2u : 0u), known ? "\"" : "null");
    print_hex(out, previous.bytes, known ? 32 : 0);
    (void)fprintf(out, "%s, \"event_hash\": \"", known ? "\"" : "");
    print_hex(out, event->event_hash.bytes, 32);
    (void)fprintf(out, "\", \"content_hash\": \"");
    print_hex(out, content.bytes, 32);
    (void)fprintf(out, "\"}\n");
}

char *bpt_store_lines(bp_store *store)
{
    char *text = NULL;
    size_t size = 0;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_all();
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        print_event(out, store, event);
    }
    bp_iterator_close(iterator);
    assert_int_equal(fclose(out), 0);
    return text;
}
