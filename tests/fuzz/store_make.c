/* store_make.c: the stores that corpora begin from, and changes of their files. */
#include "fuzz/fix.h"
#include "fuzz/store.h"

#include "base/bytes.h"

enum { INPUT_MAX = 1 << 20, WINDOW = 96 };

/* ---- stores ---- */

static void put_some(bp_store *store, unsigned rounds)
{
    bp_append_options options;
    bp_error error = {0};
    bp_id causes[2] = {bpt_put(store, "one", "first").id, bpt_put(store, "two", "second").id};
    bp_append_options_init(&options);
    options.causes = causes;
    options.cause_count = 2;
    options.correlation = causes[0];
    options.lane = 3;
    options.kind_name = "a.name";
    for (unsigned round = 0; round < rounds; round++) {
        (void)bpt_put_with(store, "three", "with causes", &options);
        (void)bpt_put(store, "one", "without");
    }
    bp_batch_item items[2] = {{.at = bp_at("one", "s"), .kind = 0xf001, .payload = bp_raw("a", 1)},
                              {.at = bp_at("four", "s"), .kind = 0xf002, .payload = bp_json("{\"b\":1}")}};
    CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
}

static void make_closed(bpt_world *world)
{
    bp_store *store = bpt_open(world);
    put_some(store, 2);
    bpt_close(store);
}

static void make_sealed(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    put_some(store, 2);
    CHECK_OK(bp_seal(store, &error), &error);
    put_some(store, 1);
    bpt_close(store);
}

static void make_merged(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = bpt_open(world);
    for (int segment = 0; segment < 4; segment++) {
        put_some(store, 1);
        CHECK_OK(bp_seal(store, &error), &error);
    }
    bpt_close(store);
}

static void make_killed(bpt_world *world)
{
    bp_error error = {0};
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    put_some(store, 1);
    CHECK_OK(bp_sync(store, &error), &error);
    put_some(store, 1);
    bpi_fault_process_kill(world->fault);
    (void)bp_close(store, NULL);
}

static void make_torn(bpt_world *world)
{
    bp_store *store = bpt_open(world);
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    (void)bpt_put(store, "one", "kept");
    for (int i = 0; i < 6; i++) {
        (void)bpt_put_with(store, "one", "may be lost in a power cut, or kept, as it comes", &options);
    }
    bpi_fault_process_kill(world->fault);
    (void)bp_close(store, NULL);
    (void)bpt_power_cut(world, BPT_KEEP_RANDOM, 3);
}

static void make_consumed(bpt_world *world)
{
    bp_error error = {0};
    bp_consumer_options options;
    bp_consumer *consumer = NULL;
    const bp_event *event = NULL;
    bp_store *store = bpt_open(world);
    put_some(store, 2);
    bp_consumer_options_init(&options);
    options.published = true;
    options.on_failure = BP_ON_FAILURE_PARK;
    CHECK_OK(bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(bp_consumer_next(consumer, 0, 0, &event, &error), &error);
        uint64_t sequence = event->sequence;
        CHECK_OK(i % 2 == 0 ? bp_consumer_ack(consumer, sequence, &error)
                            : bp_consumer_fail(consumer, sequence, "it hurts", &error),
                 &error);
    }
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
    bpt_close(store);
}

/* Dropped, tombstoned and erased events: FOLD frames, stubs, commits in several frames. */
static void make_rewritten(bpt_world *world)
{
    bp_error error = {0};
    bp_region two = bp_region_stream("two");
    bp_region three = bp_region_stream("three");
    bp_store *store = bpt_open(world);
    put_some(store, 2);
    CHECK_OK(bp_seal(store, &error), &error);
    put_some(store, 1);
    bp_tombstone_options bury;
    bp_tombstone_options_init(&bury);
    bury.region = &three;
    bury.reason = "entered twice";
    bury.by = "a clerk";
    CHECK_OK(bp_tombstone(store, &bury, NULL, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bp_compact_options drop;
    bp_compact_options_init(&drop);
    drop.drop = &two;
    drop.drop_count = 1;
    drop.merge = false;
    CHECK_OK(bp_compact(store, &drop, NULL, &error), &error);
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    bp_id first = bpt_put(store, "five", "to be forgotten").id;
    erase.ids = &first;
    erase.id_count = 1;
    erase.reason = "asked for";
    erase.by = "a clerk";
    CHECK_OK(bp_erase(store, &erase, NULL, &error), &error);
    put_some(store, 1);
    bpt_close(store);
}

static bool stop_at_once(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)what;
    (void)done;
    (void)total;
    return false;
}

/* An erasure on record that the next opening has to finish. */
static void make_erasing(bpt_world *world)
{
    bp_error error = {0};
    bp_region one = bp_region_stream("one");
    bp_store *store = bpt_open(world);
    put_some(store, 2);
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    erase.region = &one;
    erase.reason = "asked for";
    erase.by = "a clerk";
    erase.progress = stop_at_once;
    CHECK_STATUS(BP_END, bp_erase(store, &erase, NULL, &error), &error);
    bpt_close(store);
}

bool fuzz_store_make(unsigned number, bpt_world *world, const char **name_out)
{
    static const struct {
        const char *name;
        void (*make)(bpt_world *world);
    } made[] = {{"closed", make_closed},       {"sealed", make_sealed},  {"merged", make_merged},
                {"killed", make_killed},       {"torn", make_torn},      {"consumed", make_consumed},
                {"rewritten", make_rewritten}, {"erasing", make_erasing}};
    if (number >= sizeof made / sizeof *made) {
        return false;
    }
    bpt_world_fault(world);
    made[number].make(world);
    *name_out = made[number].name;
    return true;
}

void fuzz_store_seeds(fuzz_emit_fn emit, void *argument)
{
    bpt_world world;
    const char *name = NULL;
    uint8_t *bytes = malloc(INPUT_MAX);
    fuzz_archive *archive = calloc(1, sizeof *archive);
    CHECK(bytes != NULL && archive != NULL, "no memory");
    for (unsigned number = 0; fuzz_store_make(number, &world, &name); number++) {
        fuzz_archive_read(archive, &world);
        size_t size = fuzz_pack(archive, bytes, INPUT_MAX);
        CHECK(size > 0, "%s does not fit", name);
        emit(argument, name, bytes, size);
        fuzz_archive_free(archive);
        bpt_world_end(&world);
    }
    free(archive);
    free(bytes);
}

/* ---- changes ---- */

/* A number at an aligned place becomes one that is often wrong. */
static void change_number(fuzz_file *file, size_t at, bpt_random *random)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   7,
                                   8,
                                   63,
                                   64,
                                   65,
                                   127,
                                   128,
                                   4095,
                                   4096,
                                   65535,
                                   65536,
                                   0x7fffffff,
                                   0x80000000,
                                   0xfffffff8,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   UINT64_MAX};
    uint64_t value = odd[bpt_random_below(random, sizeof odd / sizeof *odd)];
    size_t width = (size_t)1 << bpt_random_below(random, 4);
    at = at / width * width;
    if (at + width > file->size) {
        return;
    }
    uint64_t old = 0;
    memcpy(&old, file->data + at, width);
    if (bpt_random_chance(random, 50)) {
        value = bpt_random_chance(random, 50) ? old + 1 + bpt_random_below(random, 16)
                                              : old - 1 - bpt_random_below(random, 16);
    }
    memcpy(file->data + at, &value, width);
}

/* Where something stands: behind a byte that is not zero. */
static size_t find_place(const fuzz_file *file, bpt_random *random)
{
    size_t at = (size_t)bpt_random_below(random, file->size);
    for (size_t i = 0; i < file->size; i++, at = at == 0 ? file->size - 1 : at - 1) {
        if (file->data[at] != 0) {
            break;
        }
    }
    size_t around = at + (size_t)bpt_random_below(random, 9);
    return around < file->size ? around : at;
}

static void change_bytes(fuzz_file *file, bpt_random *random)
{
    if (file->size == 0) {
        return;
    }
    size_t at = find_place(file, random);
    if (bpt_random_chance(random, 60)) {
        change_number(file, at, random);
        return;
    }
    uint8_t window[WINDOW] = {0};
    size_t size = 1 + (size_t)bpt_random_below(random, 16);
    size = size < file->size - at ? size : file->size - at;
    memcpy(window, file->data + at, size);
    size_t changed = LLVMFuzzerMutate(window, size, WINDOW);
    changed = changed < file->size - at ? changed : file->size - at;
    memcpy(file->data + at, window, changed);
}

static void change_shape(fuzz_archive *archive, size_t index, bpt_random *random)
{
    static const char *const names[] = {"MANIFEST",
                                        "SEGMENTS-1",
                                        "SEGMENTS-2",
                                        "SEGMENTS-3",
                                        "live",
                                        "LOCK",
                                        "log/0000000000-1.seg",
                                        "log/0000000001-1.seg",
                                        "log/0000000002-1.seg",
                                        "log/0000000001-2.seg",
                                        "index/0000000000-0000000000-1.idx",
                                        "index/0000000000-0000000001-2.idx",
                                        "consumers/x",
                                        "ERASING-019b76daa8007708890a0b0c0d0e0f10",
                                        "log/0000000000-1.torn",
                                        "stranger"};
    fuzz_file *file = &archive->files[index];
    size_t size = (size_t)bpt_random_below(random, FUZZ_FILE_MAX + 1);
    switch (bpt_random_below(random, 5)) {
    case 0:
        fuzz_archive_remove(archive, index);
        break;
    case 1:
        (void)snprintf(file->name, sizeof file->name, "%s",
                       names[bpt_random_below(random, sizeof names / sizeof *names)]);
        break;
    case 2:
        size = bpt_random_chance(random, 70) ? (size_t)bpt_random_below(random, file->size + 1) : size;
        memset(file->data + (size < file->size ? size : file->size), 0, FUZZ_FILE_MAX - size);
        file->size = size;
        break;
    case 3: {
        const fuzz_file *from = &archive->files[bpt_random_below(random, archive->count)];
        memcpy(file->data, from->data, FUZZ_FILE_MAX);
        file->size = from->size;
        break;
    }
    default: {
        fuzz_file *twin = fuzz_archive_add(archive, names[bpt_random_below(random, sizeof names / sizeof *names)]);
        if (twin != NULL) {
            memcpy(twin->data, archive->files[index].data, FUZZ_FILE_MAX);
            twin->size = archive->files[index].size;
        }
        break;
    }
    }
}

static void change_one(fuzz_archive *archive, bpt_random *random, const char *focus, bool shape)
{
    size_t index = (size_t)bpt_random_below(random, archive->count);
    for (size_t i = 0; i < archive->count && !fuzz_name_begins(&archive->files[index], focus); i++) {
        index = (index + 1) % archive->count;
    }
    if (shape && bpt_random_chance(random, 20)) {
        change_shape(archive, index, random);
        return;
    }
    change_bytes(&archive->files[index], random);
    if (bpt_random_chance(random, 85)) {
        fuzz_fix_file(&archive->files[index]);
    }
}

size_t fuzz_store_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, const char *focus, bool shape)
{
    bpt_random random = {seed};
    fuzz_archive *archive = calloc(1, sizeof *archive);
    CHECK(archive != NULL, "no memory");
    fuzz_unpack(archive, data, size);
    size_t packed = 0;
    if (archive->count > 0) {
        for (uint64_t left = 1 + bpt_random_below(&random, 3); left > 0 && archive->count > 0; left--) {
            change_one(archive, &random, focus, shape);
        }
        if (bpt_random_chance(&random, 40)) {
            fuzz_fix_all(archive);
        }
        packed = fuzz_pack(archive, data, max);
    }
    fuzz_archive_free(archive);
    free(archive);
    return packed > 0 ? packed : LLVMFuzzerMutate(data, size, max);
}
