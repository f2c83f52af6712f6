/*
 * exhaust.c: the failing tables, and one run of a row after the other.
 *
 * The functions that have no store take memory from bp_allocator_system; programs that run rows are linked with
 * --wrap=bp_allocator_system, so that those allocations are counted and fail with the others.
 */
#include "support/exhaust.h"

#include <errno.h>

#include "exhaust/functions.h"

/* ---- what fails ---- */

static struct {
    bool armed;
    bpt_failing_part part;
    bool for_good;
    uint64_t at;
    _Atomic uint64_t calls; /* of that part since it was armed */
    _Atomic uint64_t hits;
    _Atomic uint64_t pieces; /* of memory that are out */
    _Atomic uint64_t handles;
    const bp_io *inner;
    bpi_fault *fault;
} plan;

static bool hit(bpt_failing_part part)
{
    if (!plan.armed || part != plan.part) {
        return false;
    }
    uint64_t number = atomic_fetch_add(&plan.calls, 1) + 1;
    bool fails = number == plan.at || (plan.for_good && number > plan.at);
    atomic_fetch_add(&plan.hits, fails ? 1 : 0);
    return fails;
}

/* ---- memory: each piece knows its size, so that a release with another one is found ---- */

enum { HEADER = 16 };

static void *piece(void *memory, size_t size)
{
    memcpy(memory, &size, sizeof size);
    return (uint8_t *)memory + HEADER;
}

static void *piece_of(void *memory, size_t size)
{
    size_t known = 0;
    void *start = (uint8_t *)memory - HEADER;
    memcpy(&known, start, sizeof known);
    CHECK(known == size, "%zu bytes are given back as %zu", known, size);
    return start;
}

static void *exhaust_allocate(void *context, size_t size)
{
    (void)context;
    void *memory = hit(BPT_PART_MEMORY) ? NULL : malloc(size + HEADER);
    if (memory == NULL) {
        return NULL;
    }
    atomic_fetch_add(&plan.pieces, 1);
    return piece(memory, size);
}

static void *exhaust_resize(void *context, void *memory, size_t old_size, size_t size)
{
    if (memory == NULL) {
        return exhaust_allocate(context, size);
    }
    void *start = piece_of(memory, old_size);
    void *grown = hit(BPT_PART_MEMORY) ? NULL : realloc(start, size + HEADER);
    return grown == NULL ? NULL : piece(grown, size);
}

static void exhaust_release(void *context, void *memory, size_t size)
{
    (void)context;
    if (memory != NULL) {
        free(piece_of(memory, size));
        atomic_fetch_sub(&plan.pieces, 1);
    }
}

static const bp_allocator failing_memory = {.size = sizeof(bp_allocator),
                                            .context = NULL,
                                            .allocate = exhaust_allocate,
                                            .resize = exhaust_resize,
                                            .release = exhaust_release};

const bp_allocator *bpt_exhaust_allocator(void)
{
    return &failing_memory;
}

/* What the library's own calls of bp_allocator_system get. */
const bp_allocator *__wrap_bp_allocator_system(void);
const bp_allocator *__wrap_bp_allocator_system(void)
{
    return &failing_memory;
}

/* ---- random bytes ---- */

static int exhaust_fill(void *context, void *buffer, size_t size)
{
    const bpt_entropy *entropy = context;
    return hit(BPT_PART_RANDOM) ? EIO : entropy->table.fill(entropy->table.context, buffer, size);
}

/* ---- input and output ---- */

/* A call that only looks, and one that changes something. */
static int looks(void)
{
    return hit(BPT_PART_CALLS) ? EIO : 0;
}

static int changes(void)
{
    return hit(BPT_PART_SPACE) ? ENOSPC : looks();
}

/* A sync that fails as disks do: what it covered is called clean and never reaches them. */
static int syncs(void)
{
    if (hit(BPT_PART_SYNCS)) {
        bpi_fault_set_plan(plan.fault, &(bpi_fault_plan){.kind = BPI_FAULT_SYNC_DROPS, .step = 1, .os_error = EIO});
    }
    return looks();
}

static int synced(int result)
{
    if (plan.armed && plan.part == BPT_PART_SYNCS) {
        bpi_fault_set_plan(plan.fault, &(bpi_fault_plan){0});
    }
    return result;
}

static int opened(int result)
{
    atomic_fetch_add(&plan.handles, result == 0 ? 1 : 0);
    return result;
}

static int io_dir_open(void *context, const char *path, bool create, bp_dir **dir_out)
{
    int result = create ? changes() : looks();
    *dir_out = NULL;
    return result != 0 ? result : opened(plan.inner->dir_open(context, path, create, dir_out));
}

static int io_dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    int result = create ? changes() : looks();
    *dir_out = NULL;
    return result != 0 ? result : opened(plan.inner->dir_open_at(context, parent, name, create, dir_out));
}

static void io_dir_close(void *context, bp_dir *dir)
{
    atomic_fetch_sub(&plan.handles, 1);
    plan.inner->dir_close(context, dir);
}

static int io_dir_sync(void *context, bp_dir *dir)
{
    int result = syncs();
    return result != 0 ? result : synced(plan.inner->dir_sync(context, dir));
}

static int io_dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    int result = looks();
    return result != 0 ? result : plan.inner->dir_list(context, dir, entry, argument);
}

static int io_dir_rename(void *context, bp_dir *dir, const char *from, const char *to)
{
    int result = changes();
    return result != 0 ? result : plan.inner->dir_rename(context, dir, from, to);
}

static int io_dir_remove(void *context, bp_dir *dir, const char *name)
{
    int result = looks(); /* removing needs no space */
    return result != 0 ? result : plan.inner->dir_remove(context, dir, name);
}

static int io_dir_place(void *context, bp_dir *dir, bp_io_place *place_out)
{
    int result = looks();
    return result != 0 ? result : plan.inner->dir_place(context, dir, place_out);
}

static int io_file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    int result = (flags & BP_OPEN_CREATE) != 0 ? changes() : looks();
    *file_out = NULL;
    return result != 0 ? result : opened(plan.inner->file_open(context, dir, name, flags, file_out));
}

static void io_file_close(void *context, bp_file *file)
{
    atomic_fetch_sub(&plan.handles, 1);
    plan.inner->file_close(context, file);
}

static int io_file_size(void *context, bp_file *file, uint64_t *size_out)
{
    int result = looks();
    return result != 0 ? result : plan.inner->file_size(context, file, size_out);
}

static int io_file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    int result = looks();
    *got_out = 0;
    return result != 0 ? result : plan.inner->file_read(context, file, offset, buffer, size, got_out);
}

static int io_file_write(void *context, bp_file *file, uint64_t offset, const void *data, size_t size)
{
    int result = changes();
    if (result != 0 && size > 1) { /* some of it was written: nobody says how much */
        (void)plan.inner->file_write(context, file, offset, data, size / 2);
    }
    return result != 0 ? result : plan.inner->file_write(context, file, offset, data, size);
}

static int io_file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    int result = syncs();
    return result != 0 ? result : synced(plan.inner->file_sync(context, file, mode));
}

static int io_file_allocate(void *context, bp_file *file, uint64_t size)
{
    int result = changes();
    return result != 0 ? result : plan.inner->file_allocate(context, file, size);
}

static int io_map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    int result = looks();
    *address_out = NULL;
    return result != 0 ? result : opened(plan.inner->map_open(context, file, size, writable, address_out));
}

static void io_map_close(void *context, bp_file *file, void *address, size_t size)
{
    atomic_fetch_sub(&plan.handles, 1);
    plan.inner->map_close(context, file, address, size);
}

static int io_file_lock(void *context, bp_file *file, uint64_t *holder_out)
{
    int result = looks();
    return result != 0 ? result : plan.inner->file_lock(context, file, holder_out);
}

/* The world's table with these in front; what cannot fail stays. */
static bp_io failing_io;

static void put_in_front(bpt_exhaust *x)
{
    plan.fault = x->world.fault;
    plan.inner = bpi_fault_io(x->world.fault);
    failing_io = *plan.inner;
    failing_io.dir_open = io_dir_open;
    failing_io.dir_open_at = io_dir_open_at;
    failing_io.dir_close = io_dir_close;
    failing_io.dir_sync = io_dir_sync;
    failing_io.dir_list = io_dir_list;
    failing_io.dir_rename = io_dir_rename;
    failing_io.dir_remove = io_dir_remove;
    failing_io.dir_place = io_dir_place;
    failing_io.file_open = io_file_open;
    failing_io.file_close = io_file_close;
    failing_io.file_size = io_file_size;
    failing_io.file_read = io_file_read;
    failing_io.file_write = io_file_write;
    failing_io.file_sync = io_file_sync;
    failing_io.file_allocate = io_file_allocate;
    failing_io.map_open = io_map_open;
    failing_io.map_close = io_map_close;
    failing_io.file_lock = io_file_lock;
    x->world.io = &failing_io;
    x->world.options.io = &failing_io;
    x->world.options.allocator = &failing_memory;
}

/* ---- the store that every run begins with ---- */

static bpi_fault *base_world;
static uint64_t base_count;
static bp_hash base_hash[BPT_EXHAUST_EVENTS];

static void fill_base(bp_store *store)
{
    static const char *const entities[] = {"order:1", "order:2", "stock"};
    bp_error error = {0};
    bp_id cause = {{0}};
    for (unsigned index = 0; index < 12; index++) {
        bp_append_options options;
        bp_receipt receipt;
        char text[64];
        (void)snprintf(text, sizeof text, "{\"number\":%u}", index);
        bp_append_options_init(&options);
        options.id = bp_id_from("base", &index, sizeof index);
        options.kind_name = index % 4 == 0 ? "order.placed" : NULL;
        options.causes = &cause;
        options.cause_count = index % 3 == 1 ? 1 : 0;
        options.correlation = index % 3 == 1 ? cause : (bp_id){{0}};
        CHECK_OK(bp_append(store, bp_at(entities[index % 3], index % 2 == 0 ? "eu" : "us"), 0xf001, bp_json(text),
                           &options, &receipt, &error),
                 &error);
        cause = receipt.id;
        if (index % 4 == 3) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    bpt_put(store, "stock", "last");
}

static void note_hashes(bp_store *store)
{
    bp_error error = {0};
    base_count = bp_store_frontiers(store).published;
    assert_true(base_count <= BPT_EXHAUST_EVENTS);
    for (uint64_t sequence = 0; sequence < base_count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        base_hash[sequence] = event->event_hash;
        bp_event_release(event);
    }
}

static void make_base(void)
{
    bpt_world world;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    fill_base(store);
    note_hashes(store);
    bpt_close(store);
    base_world = world.fault;
}

/* ---- one run ---- */

static void begin_world(bpt_exhaust *x, const bpt_exhaust_row *row, uint32_t attempts)
{
    memset(x, 0, sizeof *x);
    if ((row->flags & BPT_EXHAUST_EMPTY) != 0) {
        bpt_world_fault(&x->world);
    } else {
        bpt_world_adopt(&x->world, bpi_fault_clone(base_world));
    }
    put_in_front(x);
    x->world.entropy.state = 77; /* another process has other random bytes */
    x->world.options.durability = (row->flags & BPT_EXHAUST_DURABLE) != 0 ? BP_DURABLE : BP_BUFFERED;
    x->world.options.recovery_attempts = attempts;
}

static bp_random failing_random;

static void begin_store(bpt_exhaust *x, const bpt_exhaust_row *row, bool reader)
{
    failing_random = (bp_random){sizeof(bp_random), &x->world.entropy, exhaust_fill};
    x->world.options.random = &failing_random;
    x->reader = reader;
    if ((row->flags & (BPT_EXHAUST_CLOSED | BPT_EXHAUST_EMPTY)) == 0) {
        x->store = reader ? bpt_reader(&x->world) : bpt_open(&x->world);
    }
    x->old = (row->flags & BPT_EXHAUST_EMPTY) != 0 ? 0 : base_count;
    x->base = x->old;
    if (row->prepare != NULL) {
        row->prepare(x);
    }
}

void bpt_exhaust_rebase(bpt_exhaust *x)
{
    x->base = bp_store_frontiers(x->store).published;
}

bp_status bpt_exhaust_acked(bpt_exhaust *x, bp_status status, uint64_t events)
{
    x->acked += status == BP_OK ? events : 0;
    return status;
}

bp_status bpt_exhaust_made(bpt_exhaust *x, bool made)
{
    x->tells_no_error = true;
    return made ? BP_OK : BP_ERR_NO_MEMORY;
}

static const uint64_t right_of[BPT_PART_COUNT] = {
    [BPT_PART_MEMORY] = BPT_ALSO(BP_ERR_NO_MEMORY),
    [BPT_PART_CALLS] = BPT_ALSO(BP_ERR_IO) | BPT_ALSO(BP_ERR_FAILED),
    [BPT_PART_SPACE] = BPT_ALSO(BP_ERR_NO_SPACE) | BPT_ALSO(BP_ERR_FAILED),
    [BPT_PART_SYNCS] = BPT_ALSO(BP_ERR_IO) | BPT_ALSO(BP_ERR_FAILED),
    [BPT_PART_RANDOM] = BPT_ALSO(BP_ERR_IO),
};

static void check_answer(const bpt_exhaust *x, const bpt_exhaust_row *row, bp_status status)
{
    CHECK(status == BP_OK || atomic_load(&plan.hits) > 0, "nothing failed and the answer is %s: %s",
          bp_status_name(status), x->error.message);
    if (status == BP_OK) {
        return;
    }
    uint64_t right = right_of[plan.part] | row->also;
    CHECK((right >> (unsigned)status & 1) != 0, "the answer is %s: %s; %s", bp_status_name(status), x->error.message,
          x->error.file);
    if (!x->tells_no_error) {
        CHECK(x->error.status == status, "the answer is %s, the error's status %s: %s", bp_status_name(status),
              bp_status_name(x->error.status), x->error.message);
        CHECK(x->error.message[0] != '\0', "%s without words", bp_status_name(status));
    }
}

/* What was there is there. */
static void check_base(const bpt_exhaust *x)
{
    bp_error error = {0};
    for (uint64_t sequence = 0; sequence < x->old; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(x->store, sequence, &event, &error), &error);
        CHECK(bp_hash_equal(&event->event_hash, &base_hash[sequence]), "event %llu is another one",
              (unsigned long long)sequence);
        bp_event_release(event);
    }
}

/* The handle after the failure: readers go on, and appending works or says that the store failed. */
static void check_handle(bpt_exhaust *x, const bpt_exhaust_row *row)
{
    bp_error error = {0};
    bp_receipt receipt;
    check_base(x);
    if (x->reader) {
        return;
    }
    if ((row->flags & BPT_EXHAUST_AGAIN) != 0 && row->act(x) == BP_OK) {
        x->settled = true;
        x->acked = bp_store_frontiers(x->store).published - x->base;
    }
    bool failed = bp_store_frontiers(x->store).failed;
    CHECK(!failed || plan.part != BPT_PART_MEMORY, "a lack of memory has failed the store");
    bp_status status = bp_append(x->store, bp_at("handle", "scope"), 0xf001, bp_raw("y", 1), NULL, &receipt, &error);
    bool may_recover = failed && x->world.options.recovery_attempts > 0;
    CHECK(status == (failed ? BP_ERR_FAILED : BP_OK) || (may_recover && status == BP_OK),
          "a store that %s answers an append with %s: %s", failed ? "failed" : "works", bp_status_name(status),
          error.message);
    if (status == BP_OK) {
        CHECK(receipt.sequence >= x->base + x->acked, "an acknowledged event was overtaken");
        x->acked = receipt.sequence + 1 - x->base;
    }
}

/* What a reopening finds. `open_end`: the call left open whether its events are there. */
static void check_reopened(bpt_exhaust *x, const bpt_exhaust_row *row, bool open_end)
{
    x->store = bpt_open(&x->world);
    uint64_t count = bp_store_frontiers(x->store).published;
    uint64_t least = x->base + x->acked;
    uint64_t most = least + (open_end ? row->tries : 0);
    CHECK(count >= least && count <= most, "%llu events are there after reopening, not %llu to %llu; %s",
          (unsigned long long)count, (unsigned long long)least, (unsigned long long)most, x->error.message);
    check_base(x);
    if ((row->flags & BPT_EXHAUST_AGAIN) != 0) {
        uint64_t more = x->settled ? 0 : row->tries;
        CHECK_OK(row->act(x), &x->error);
        CHECK_OK(row->act(x), &x->error);
        CHECK(bp_store_frontiers(x->store).published <= count + more, "tried again, it is there twice");
        count = bp_store_frontiers(x->store).published;
    }
    bpt_put(x->store, "afterwards", "goes on");
    bpt_close(x->store);
    CHECK(bpt_verify(&x->world) == count + 1, "verify counts other events");
}

static void aftermath(bpt_exhaust *x, const bpt_exhaust_row *row, bp_status status)
{
    bool alive = x->store != NULL && (row->flags & BPT_EXHAUST_CLOSES) == 0;
    bool open_end = status == BP_ERR_IO || status == BP_ERR_NO_SPACE || status == BP_ERR_FAILED;
    if (alive) {
        open_end = open_end || bp_store_frontiers(x->store).failed; /* a record that it would have made */
        check_handle(x, row);
    }
    if (row->finish != NULL) {
        row->finish(x);
    }
    if (alive) {
        bool failed = !x->reader && bp_store_frontiers(x->store).failed;
        bp_status closed = bp_close(x->store, &x->error);
        CHECK(closed == (failed ? BP_ERR_FAILED : BP_OK), "closing a store that %s is %s: %s",
              failed ? "failed" : "works", bp_status_name(closed), x->error.message);
    }
    if ((row->flags & BPT_EXHAUST_NO_IO) == 0) {
        check_reopened(x, row, open_end || (row->flags & BPT_EXHAUST_TELLS) != 0);
    }
}

/* True when nothing failed in it. */
static bool run(const bpt_exhaust_row *row, bool reader, uint32_t attempts)
{
    static const char *const parts[] = {"memory", "calls", "space", "syncs", "random bytes"};
    bpt_exhaust x;
    bpt_note("%s%s, %s %llu%s, %u recoveries", row->function, reader ? " of a reader" : "", parts[plan.part],
             (unsigned long long)plan.at, plan.for_good ? " and on" : "", attempts);
    atomic_store(&plan.pieces, 0);
    atomic_store(&plan.handles, 0);
    begin_world(&x, row, attempts);
    begin_store(&x, row, reader);
    atomic_store(&plan.calls, 0);
    atomic_store(&plan.hits, 0);
    plan.armed = true;
    bp_status status = row->act(&x);
    plan.armed = false;
    bpi_fault_set_plan(x.world.fault, &(bpi_fault_plan){0});
    bool untouched = atomic_load(&plan.hits) == 0;
    check_answer(&x, row, status);
    aftermath(&x, row, status);
    CHECK(atomic_load(&plan.pieces) == 0, "%llu pieces of memory are left", (unsigned long long)plan.pieces);
    CHECK(atomic_load(&plan.handles) == 0, "%llu files, directories or mappings are left",
          (unsigned long long)plan.handles);
    bpt_world_end(&x.world);
    return untouched;
}

/* n = 1 until nothing fails any more; how many runs that took. */
static uint64_t until_untouched(const bpt_exhaust_row *row, bool reader, uint32_t attempts)
{
    for (plan.at = 1;; plan.at++) {
        CHECK(plan.at < 20000, "%s never succeeds", row->function);
        if (run(row, reader, attempts)) {
            return plan.at;
        }
    }
}

static uint64_t all_parts(const bpt_exhaust_row *row, bool reader)
{
    uint64_t runs = 0;
    for (int part = 0; part < BPT_PART_COUNT; part++) {
        bool io = part != BPT_PART_MEMORY && part != BPT_PART_RANDOM;
        plan.part = (bpt_failing_part)part;
        for (int for_good = 0; for_good < 2 && !(io && (row->flags & BPT_EXHAUST_NO_IO) != 0); for_good++) {
            plan.for_good = for_good != 0;
            runs += until_untouched(row, reader, 0);
            runs += io && row->tries > 0 ? until_untouched(row, reader, 1) : 0;
        }
    }
    return runs;
}

/* ---- the table ---- */

static bool has_row(const bpt_exhaust_row *rows, size_t count, const char *function)
{
    for (size_t index = 0; index < count; index++) {
        if (strcmp(rows[index].function, function) == 0) {
            return true;
        }
    }
    return false;
}

static void check_group(const char *group, const bpt_exhaust_row *rows, size_t count)
{
    for (size_t index = 0; index < BPT_FUNCTION_COUNT; index++) {
        const bpt_function *function = &bpt_functions[index];
        bool wanted = function->group != NULL && strcmp(function->group, group) == 0;
        bool there = has_row(rows, count, function->name);
        CHECK(!wanted || there, "%s: tests/exhaust/functions.h and the rows of %s do not agree", function->name, group);
    }
}

void bpt_exhaust_rows(const char *group, const bpt_exhaust_row *rows, size_t count)
{
    const char *only = getenv("BATPAK_ROW");
    double start = bpt_seconds();
    uint64_t runs = 0;
    check_group(group, rows, count);
    make_base();
    for (size_t index = 0; index < count; index++) {
        double began = bpt_seconds();
        if (only != NULL && strcmp(only, rows[index].function) != 0) {
            continue;
        }
        uint64_t of_row = all_parts(&rows[index], false);
        of_row += (rows[index].flags & BPT_EXHAUST_READER) != 0 ? all_parts(&rows[index], true) : 0;
        runs += of_row;
        if (getenv("BATPAK_VERBOSE") != NULL) {
            print_message("%-32s %6llu runs, %.2f s\n", rows[index].function, (unsigned long long)of_row,
                          bpt_seconds() - began);
        }
    }
    bpi_fault_free(base_world);
    print_message("%s: %zu rows, %llu runs in %.1f s\n", group, count, (unsigned long long)runs, bpt_seconds() - start);
}
