/*
 * test_flips.c: a small store with every byte flipped, every file cut at every length, every file removed. What must come
 * of each is computed by tools/read_format.py, the second reader, from the recovery rules; here the library is asked, as
 * writer and as reader. A refusal where the rules let open is as wrong as a silent difference.
 *
 * After a clean close, after a kill, and of a store that was compacted. The zero rest of the open segment is cut down to some hundred bytes first,
 * so that files are small. BATPAK_STRIDE=n tests every n-th byte only.
 *
 * ctest: labels=campaign timeout=7200
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/forge.h"

enum { EVENTS_MAX = 64 };

typedef struct flips {
    bpt_world world; /* the undamaged store */
    uint64_t count;  /* events, those that retention dropped included */
    size_t shown;    /* events that are handed out */
    uint64_t sequences[EVENTS_MAX];
    bp_hash hashes[EVENTS_MAX];
    uint8_t states[EVENTS_MAX]; /* 1 a stub, 2 tombstoned */
    uint64_t stride;
    uint64_t tested;
    uint64_t reads;
    unsigned derived; /* files */
    bool cut;         /* an opening of the undamaged store cuts */
    unsigned wrong;   /* the first ones are printed, then the test fails */
} flips;

typedef enum making { MAKE_CLOSED, MAKE_KILLED, MAKE_REWRITTEN } making;

/* What the second reader says must come. */
typedef struct answer {
    bool opens;
    bool touched; /* ... and what is wrong shows when it is read, or at once */
    uint64_t events;
    bool cut;
    char status[32];
} answer;

/* ---- the store ---- */

static void fill(bp_store *store)
{
    bp_error error = {0};
    bp_append_options options;
    bp_receipt receipts[3];
    bp_batch_item items[3];
    for (int index = 0; index < 12; index++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"step\":%d}", index);
        (void)bpt_put(store, index % 3 == 0 ? "order:1" : "konto:ß", text);
    }
    for (int index = 0; index < 3; index++) {
        items[index] = (bp_batch_item){bp_at("batch", "räum"), 0xf002, bp_json("{\"in\":\"a batch\"}"), NULL};
    }
    CHECK_OK(bp_append_batch(store, items, 3, NULL, receipts, &error), &error);
    bp_append_options_init(&options);
    options.causes = &receipts[0].id;
    options.cause_count = 1;
    options.correlation = receipts[1].id;
    options.lane = 3;
    (void)bpt_put_with(store, "order:1", "with a cause", &options);
    CHECK_OK(bp_kind_define(store, 0x2001, "order.placed", &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    for (int index = 0; index < 6; index++) {
        options.causes = NULL;
        options.cause_count = 0;
        options.durability = index % 2 == 0 ? BP_BUFFERED : BP_DURABLE;
        (void)bpt_put_with(store, "order:2", "behind the seal", &options);
    }
}

static void trim(void *argument, const char *name, const uint8_t *data, size_t size)
{
    if (strncmp(name, "log/", 4) != 0) {
        return;
    }
    while (size > 0 && data[size - 1] == 0) {
        size--;
    }
    uint8_t *copy = calloc(1, size + 256);
    assert_non_null(copy);
    memcpy(copy, data, size);
    bpt_file_write(argument, name, copy, size + 256);
    free(copy);
}

static uint8_t state_of(const bp_event *event)
{
    return (uint8_t)((event->payload_absent ? 1 : 0) | (event->tombstoned ? 2 : 0));
}

static void read_hashes(flips *f)
{
    bpt_world probe;
    bp_error error = {0};
    bpt_world_adopt(&probe, bpi_fault_clone(f->world.fault));
    bp_store *store = bpt_open(&probe);
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    f->cut = stats.cut_now;
    f->count = bp_store_frontiers(store).published;
    assert_true(f->count <= EVENTS_MAX);
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        f->sequences[f->shown] = event->sequence;
        f->states[f->shown] = state_of(event);
        f->hashes[f->shown++] = event->event_hash;
    }
    bp_iterator_close(iterator);
    bpt_close(store);
    bpt_world_end(&probe);
}

/* Fold entries, stubs, tombstones, a commit of which some is gone; another sealed segment and the open one behind them. */
static void rewrite(bp_store *store)
{
    bp_error error = {0};
    bp_region order = bp_region_stream("order:1");
    bp_region batch = bp_region_stream("batch");
    bp_region konto = bp_region_stream("konto:ß");
    bp_tombstone_options what;
    bp_tombstone_options_init(&what);
    what.region = &order;
    what.reason = what.by = "x";
    CHECK_OK(bp_tombstone(store, &what, NULL, &error), &error);
    bp_compact_options how;
    bp_compact_options_init(&how);
    bp_region_set_clock(&batch, 1, 1);
    bp_region_set_clock(&konto, 0, 4);
    bp_region drop[2] = {batch, konto};
    how.drop = drop;
    how.drop_count = 2;
    how.stub_tombstoned = true;
    CHECK_OK(bp_compact(store, &how, NULL, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    (void)bpt_put(store, "order:1", "behind it all");
}

static void make(flips *f, making how)
{
    memset(f, 0, sizeof *f);
    bpt_note("making the store");
    bpt_world_fault(&f->world);
    bp_store *store = bpt_open(&f->world);
    fill(store);
    if (how == MAKE_REWRITTEN) {
        rewrite(store);
    }
    if (how == MAKE_KILLED) {
        bpi_fault_process_kill(f->world.fault);
        (void)bp_close(store, NULL);
    } else {
        bpt_close(store);
    }
    bpt_file_each(&f->world, trim, &f->world);
    read_hashes(f);
    f->stride = bpt_amount("BATPAK_STRIDE", 1, 1);
    if (bpt_instrumented() && getenv("BATPAK_STRIDE") == NULL) {
        f->stride = 37;
    }
}

/* ---- what must come ---- */

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

/* Starts the second reader over a copy of the store, as the library's machine. */
static FILE *expectations(flips *f, char *folder, size_t folder_size)
{
    char command[2400];
    char boot[33];
    bp_dir *dir = NULL;
    bp_io_place place;
    const bp_io *io = f->world.io;
    const char *source = getenv("BATPAK_SOURCE");
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(folder, folder_size, "%.400s/flips-XXXXXX", temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(folder));
    bpt_file_each(&f->world, dump_file, folder);
    assert_int_equal(io->dir_open(io->context, f->world.path, false, &dir), 0);
    assert_int_equal(io->dir_place(io->context, dir, &place), 0);
    io->dir_close(io->context, dir);
    for (size_t index = 0; index < 16; index++) {
        (void)snprintf(boot + 2 * index, 3, "%02x", place.boot[index]);
    }
    (void)snprintf(command, sizeof command,
                   "python3 -B '%s/tools/read_format.py' expect '%s' --flips --cuts --boot %s --mount %llu",
                   source != NULL ? source : "../..", folder, boot, (unsigned long long)place.mount);
    FILE *lines = popen(command, "re");
    assert_non_null(lines);
    return lines;
}

static void parse_answer(const char *text, answer *out)
{
    unsigned long long events = 0;
    int cut = 0;
    memset(out, 0, sizeof *out);
    out->touched = sscanf(text, "touched %llu %d", &events, &cut) == 2;
    if (out->touched || sscanf(text, "open %llu %d", &events, &cut) == 2) {
        out->opens = true;
        out->events = events;
        out->cut = cut != 0;
        return;
    }
    CHECK(sscanf(text, "refuse %31s", out->status) == 1, "the second reader says \"%s\"", text);
}

/* ---- what comes ---- */

static void complain(flips *f, const char *who, const answer *want, bp_status status, uint64_t events, bool cut,
                     const bp_error *error)
{
    char wanted[80];
    char text[600] = "";
    if (want->opens) {
        (void)snprintf(wanted, sizeof wanted, "open %llu %d", (unsigned long long)want->events, want->cut);
    } else {
        (void)snprintf(wanted, sizeof wanted, "refuse %s", want->status);
    }
    if (status != BP_OK) {
        (void)bp_error_format(error, text, sizeof text);
    }
    f->wrong++;
    if (f->wrong <= 40) {
        print_error("%s: %s: must %s, is %s %llu %d %s\n", bpt_note_text(), who, wanted, bp_status_name(status),
                    (unsigned long long)events, cut, text);
    }
}

/* The events are those of the undamaged store, up to where reading tells of the damage; false if one is not. */
static bool same_events(const flips *f, bp_store *store, uint64_t count, bool touched)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_all();
    uint64_t seen = 0;
    bool same = true;
    bp_region_set_system(&region, true);
    if (bp_query(store, &region, NULL, &iterator, NULL) != BP_OK) {
        return touched;
    }
    bp_status status;
    while ((status = bp_next(iterator, &event, NULL)) == BP_OK) {
        same = same && seen < f->shown && event->sequence == f->sequences[seen] &&
               bp_hash_equal(&event->event_hash, &f->hashes[seen]) && state_of(event) == f->states[seen];
        seen++;
    }
    bp_iterator_close(iterator);
    bool all = (seen == 0 || f->sequences[seen - 1] < count) && (seen == f->shown || f->sequences[seen] >= count);
    return same && ((status == BP_END && all) || (touched && status == BP_ERR_CORRUPT));
}

/* The second reader leaves "BP_ERR_" out. */
static bool refused_so(bp_status status, const answer *want)
{
    const char *name = bp_status_name(status);
    return strncmp(name, "BP_ERR_", 7) == 0 && strcmp(name + 7, want->status) == 0;
}

/*
 * Opens as reader. It goes by `live` when it believes it, and `live` has no checksum over what moves: with a damaged one
 * a reader may show fewer events than a recovery would keep, or not see that too many were promised, but no wrong ones.
 */
static void as_reader(flips *f, bpt_world *world, const char *name, const answer *want)
{
    bp_error error = {0};
    bp_store *reader = NULL;
    uint64_t events = 0;
    bool live = strcmp(name, "live") == 0;
    bp_status status = bp_open_reader(world->path, &world->options, &reader, &error);
    bool right = want->touched ? status == BP_ERR_CORRUPT : !want->opens && refused_so(status, want);
    if (status == BP_OK) {
        events = bp_store_frontiers(reader).published;
        bool count = live ? events <= f->count : want->opens && events == want->events;
        right = count && same_events(f, reader, events, want->touched);
    }
    if (!right) {
        complain(f, "reader", want, status, events, false, &error);
    }
    (void)bp_close(reader, NULL);
    f->reads++;
}

static bp_status verify_status(bpt_world *world)
{
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    return bp_verify(world->path, &options, NULL, NULL);
}

/* Opens as writer. After a refusal the damaged file is as it was; after an opening writing goes on. */
static void as_writer(flips *f, bpt_world *world, const answer *want, const char *name, const uint8_t *data,
                      size_t size)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_stats stats = {.size = sizeof stats};
    bp_status status = bp_open(world->path, &world->options, &store, &error);
    bool right = want->touched ? status == BP_ERR_CORRUPT : !want->opens && refused_so(status, want);
    if (status == BP_OK) {
        CHECK_OK(bp_store_stats(store, &stats, &error), &error);
        right = want->opens && stats.events == want->events && stats.cut_now == want->cut &&
                same_events(f, store, stats.events, want->touched);
    }
    if (!right) {
        complain(f, "writer", want, status, stats.events, stats.cut_now, &error);
    }
    if (status == BP_OK && right && f->tested % 64 == 0 && !want->touched) {
        bp_receipt receipt = bpt_put(store, "afterwards", "goes on");
        assert_int_equal(receipt.sequence, stats.events);
        bpt_close(store);
        (void)bpt_verify(world);
        store = NULL;
    }
    (void)bp_close(store, NULL);
    if (want->touched || status == BP_ERR_CORRUPT) {
        right = verify_status(world) == BP_ERR_CORRUPT; /* it reads everything */
        if (!right) {
            complain(f, "verify", want, BP_OK, 0, false, &error);
        }
    }
    if (status != BP_OK && data != NULL) {
        size_t now = 0;
        uint8_t *bytes = bpt_file_read(world, name, &now);
        CHECK(bytes != NULL && now == size && memcmp(bytes, data, size) == 0, "%s was changed by a refused opening",
              name);
        free(bytes);
    }
}

/* One damaged store: the file is `data`, or gone. */
static void damaged(flips *f, const char *name, const uint8_t *data, size_t size, const answer *want)
{
    bpt_world world;
    bpt_world_adopt(&world, bpi_fault_clone(f->world.fault));
    if (data != NULL) {
        bpt_file_write(&world, name, data, size);
    } else {
        bpt_file_remove(&world, name);
    }
    as_reader(f, &world, name, want);
    as_writer(f, &world, want, name, data, size);
    bpt_world_end(&world);
    f->tested++;
}

static void range(flips *f, const char *how, const char *name, uint64_t first, uint64_t end, const answer *want)
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(&f->world, name, &size);
    assert_non_null(data);
    for (uint64_t at = first; at < end; at++) {
        bool flip = strcmp(how, "flip") == 0;
        assert_true(at < size);
        if (at != first && at % f->stride != 0) {
            continue;
        }
        bpt_note("%s %s %llu", how, name, (unsigned long long)at);
        data[at] ^= flip ? 1 : 0;
        damaged(f, name, data, flip ? size : (size_t)at, want);
        data[at] ^= flip ? 1 : 0;
    }
    free(data);
}

static void line(flips *f, const char *text)
{
    char how[16];
    char name[128];
    char where[64];
    int used = 0;
    unsigned long long first = 0;
    unsigned long long end = 0;
    answer want;
    CHECK(sscanf(text, "%15s %127s %63s %n", how, name, where, &used) == 3, "a line of the second reader: %s", text);
    parse_answer(text + used, &want);
    if (strcmp(how, "remove") == 0) {
        bpt_note("remove %s", name);
        damaged(f, name, NULL, 0, &want);
        return;
    }
    int ends = sscanf(where, "%llu..%llu", &first, &end);
    assert_true(ends >= 1);
    range(f, how, name, first, ends == 2 ? end : first + 1, &want);
}

/* A derived file, each byte of it flipped, and cut at each length: everything is as it would be without it. */
static void derived(void *argument, const char *name, const uint8_t *data, size_t size)
{
    flips *f = argument;
    answer want = {.opens = true, .events = f->count, .cut = f->cut};
    if (strncmp(name, "index/", 6) != 0) {
        return;
    }
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    for (size_t at = 0; at < size; at += at % f->stride == 0 ? f->stride : 1) {
        bpt_note("flip %s %zu", name, at);
        copy[at] ^= 1;
        damaged(f, name, copy, size, &want);
        copy[at] ^= 1;
        if (at % 16 == 0) {
            bpt_note("cut %s %zu", name, at);
            damaged(f, name, copy, at, &want);
        }
    }
    damaged(f, name, NULL, 0, &want);
    f->derived++;
    free(copy);
}

static void every_byte(making how)
{
    flips f;
    char folder[512];
    char text[512];
    char command[600];
    double start = bpt_seconds();
    make(&f, how);
    FILE *lines = expectations(&f, folder, sizeof folder);
    unsigned count = 0;
    while (fgets(text, sizeof text, lines) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        line(&f, text);
        count++;
    }
    bpt_file_each(&f.world, derived, &f);
    assert_true(f.derived > 0);
    bpt_note("%s", "");
    assert_int_equal(pclose(lines), 0);
    assert_true(count > 10);
    print_message("%llu events: %u lines of expectations, %llu damaged stores, %u wrong, %.1f s\n",
                  (unsigned long long)f.count, count, (unsigned long long)f.tested, f.wrong, bpt_seconds() - start);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(f.wrong, 0);
    bpt_world_end(&f.world);
}

static void every_byte_of_a_closed_store(void **state)
{
    (void)state;
    every_byte(MAKE_CLOSED);
}

static void every_byte_of_a_killed_store(void **state)
{
    (void)state;
    every_byte(MAKE_KILLED);
}

static void every_byte_of_a_rewritten_store(void **state)
{
    (void)state;
    every_byte(MAKE_REWRITTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_a_closed_store),
        cmocka_unit_test(every_byte_of_a_killed_store),
        cmocka_unit_test(every_byte_of_a_rewritten_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
