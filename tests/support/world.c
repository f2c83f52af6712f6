/* world.c: worlds for stores, deterministic clock and random bytes, files of a store by name. */
#include "support/world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"

static int64_t clock_now_us(void *context)
{
    bpt_clock *clock = context;
    return atomic_fetch_add(&clock->now_us, atomic_load(&clock->step_us));
}

static uint64_t clock_steady_ns(void *context)
{
    bpt_clock *clock = context;
    return atomic_fetch_add(&clock->steady_ns, 1000);
}

static void clock_sleep_ns(void *context, uint64_t duration_ns)
{
    bpt_clock *clock = context;
    (void)atomic_fetch_add(&clock->steady_ns, duration_ns);
    (void)atomic_fetch_add(&clock->now_us, (int64_t)(duration_ns / 1000));
}

void bpt_clock_init(bpt_clock *clock)
{
    clock->table = (bp_clock){sizeof(bp_clock), clock, clock_now_us, clock_steady_ns, clock_sleep_ns};
    atomic_init(&clock->now_us, 1767225600000000); /* 2026-01-01 */
    atomic_init(&clock->step_us, 7);
    atomic_init(&clock->steady_ns, 1000000000u);
}

static int entropy_fill(void *context, void *buffer, size_t size)
{
    bpt_entropy *entropy = context;
    uint8_t *bytes = buffer;
    for (size_t done = 0; done < size;) {
        bpt_random random = {atomic_fetch_add(&entropy->state, 0x9e3779b97f4a7c15u)};
        uint64_t word = bpt_random_unfed(&random);
        size_t part = size - done < sizeof word ? size - done : sizeof word;
        memcpy(bytes + done, &word, part);
        done += part;
    }
    return 0;
}

void bpt_entropy_init(bpt_entropy *entropy, uint64_t seed)
{
    entropy->table = (bp_random){sizeof(bp_random), entropy, entropy_fill};
    atomic_init(&entropy->state, seed);
}

static void world_init(bpt_world *world)
{
    memset(world, 0, sizeof *world);
    bpt_clock_init(&world->clock);
    bpt_entropy_init(&world->entropy, 1);
    bp_options_init(&world->options);
    world->options.segment_size = BP_SEGMENT_MIN;
    world->options.clock = &world->clock.table;
    world->options.random = &world->entropy.table;
    world->options.keeper = BP_KEEPER_INLINE;
    (void)snprintf(world->path, sizeof world->path, "store");
}

void bpt_world_memory(bpt_world *world)
{
    world_init(world);
    world->memory = bp_io_memory_new();
    assert_non_null(world->memory);
    world->io = world->memory;
    world->options.io = world->io;
}

void bpt_world_adopt(bpt_world *world, bpi_fault *fault)
{
    world_init(world);
    assert_non_null(fault);
    /* A world of another's files does not draw that one's random bytes again, or ids that it draws within the same milliseconds
     * would be there already. */
    bpt_entropy_init(&world->entropy, 0x6a09e667f3bcc908u);
    world->fault = fault;
    world->io = bpi_fault_io(fault);
    world->options.io = world->io;
}

void bpt_world_fault(bpt_world *world)
{
    bpt_world_adopt(world, bpi_fault_new());
    bpt_entropy_init(&world->entropy, 1);
}

void bpt_world_disk(bpt_world *world)
{
    const char *temporary = getenv("TMPDIR");
    world_init(world);
    (void)snprintf(world->root, sizeof world->root, "%.400s/batpak-XXXXXX", temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(world->root));
    (void)snprintf(world->path, sizeof world->path, "%.480s/store", world->root);
    world->options.clock = NULL;
    world->options.random = NULL;
    world->options.keeper = BP_KEEPER_THREAD;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void bpt_world_end(bpt_world *world)
{
    if (world->memory != NULL) {
        bp_io_memory_free(world->memory);
    }
    if (world->fault != NULL) {
        bpi_fault_free(world->fault);
    }
    if (world->root[0] != '\0') {
        (void)nftw(world->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    memset(world, 0, sizeof *world);
}

bp_store *bpt_open(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = NULL;
    CHECK_OK(bp_open(world->path, &world->options, &store, &error), &error);
    assert_non_null(store);
    return store;
}

bp_store *bpt_reader(bpt_world *world)
{
    bp_error error = {0};
    bp_store *store = NULL;
    CHECK_OK(bp_open_reader(world->path, &world->options, &store, &error), &error);
    assert_non_null(store);
    return store;
}

void bpt_close(bp_store *store)
{
    bp_error error = {0};
    CHECK_OK(bp_close(store, &error), &error);
}

static int print_fault(void *context, const bp_fault *fault)
{
    (void)context;
    print_error("  fault: %s at %llu: %s\n", fault->file, (unsigned long long)fault->offset, fault->what);
    return 0;
}

uint64_t bpt_verify(bpt_world *world)
{
    bp_error error = {0};
    bp_verify_report report = {0};
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    options.fault = print_fault;
    CHECK_OK(bp_verify(world->path, &options, &report, &error), &error);
    CHECK(report.faults == 0, "verify is BP_OK with %llu faults", (unsigned long long)report.faults);
    return report.events;
}

bp_receipt bpt_put_with(bp_store *store, const char *entity, const char *text, const bp_append_options *options)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    CHECK_OK(bp_append(store, bp_at(entity, "scope"), bp_kind(0xF, 1), bp_raw(text, strlen(text)), options, &receipt,
                       &error),
             &error);
    return receipt;
}

bp_receipt bpt_put(bp_store *store, const char *entity, const char *text)
{
    return bpt_put_with(store, entity, text, NULL);
}

bp_receipt bpt_put_sized(bp_store *store, const char *entity, size_t size)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', size + 1);
    CHECK_OK(bp_append(store, bp_at(entity, "scope"), bp_kind(0xF, 2), bp_raw(bytes, size), NULL, &receipt, &error),
             &error);
    free(bytes);
    return receipt;
}

/* ---- files ---- */

static void join(const bpt_world *world, const char *name, char path[1024])
{
    (void)snprintf(path, 1024, "%.500s/%.500s", world->path, name);
}

/* Opens the folder of `name` in the memory world; *last_out is the part behind the slash. */
static bp_dir *memory_dir(bpt_world *world, const char *name, const char **last_out)
{
    char path[1024];
    bp_dir *dir = NULL;
    const char *slash = strrchr(name, '/');
    join(world, name, path);
    *strrchr(path, '/') = '\0';
    *last_out = slash != NULL ? slash + 1 : name;
    return world->io->dir_open(world->io->context, path, false, &dir) == 0 ? dir : NULL;
}

static uint8_t *memory_read(bpt_world *world, const char *name, size_t *size_out)
{
    const bp_io *io = world->io;
    const char *last;
    bp_dir *dir = memory_dir(world, name, &last);
    bp_file *file = NULL;
    uint64_t size = 0;
    uint8_t *data = NULL;
    if (dir == NULL) {
        return NULL;
    }
    if (io->file_open(io->context, dir, last, BP_OPEN_READ, &file) == 0) {
        assert_int_equal(io->file_size(io->context, file, &size), 0);
        data = malloc(size + 1);
        assert_non_null(data);
        assert_int_equal(io->file_read(io->context, file, 0, data, size, size_out), 0);
        io->file_close(io->context, file);
    }
    io->dir_close(io->context, dir);
    return data;
}

static uint8_t *disk_read(bpt_world *world, const char *name, size_t *size_out)
{
    char path[1024];
    struct stat status;
    join(world, name, path);
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return NULL;
    }
    assert_int_equal(fstat(fileno(stream), &status), 0);
    uint8_t *data = malloc((size_t)status.st_size + 1);
    assert_non_null(data);
    *size_out = fread(data, 1, (size_t)status.st_size, stream);
    (void)fclose(stream);
    return data;
}

uint8_t *bpt_file_read(bpt_world *world, const char *name, size_t *size_out)
{
    char path[1024];
    uint8_t *data = NULL;
    uint64_t size = 0;
    *size_out = 0;
    if (world->memory != NULL) {
        return memory_read(world, name, size_out);
    }
    if (world->fault == NULL) {
        return disk_read(world, name, size_out);
    }
    join(world, name, path);
    if (bpi_fault_read_file(world->fault, path, &data, &size) != 0) {
        return NULL;
    }
    *size_out = (size_t)size;
    return data;
}

static void memory_write(bpt_world *world, const char *name, const void *data, size_t size)
{
    const bp_io *io = world->io;
    const char *last;
    bp_dir *dir = memory_dir(world, name, &last);
    bp_file *file = NULL;
    assert_non_null(dir);
    (void)io->dir_remove(io->context, dir, last);
    assert_int_equal(io->file_open(io->context, dir, last, BP_OPEN_WRITE | BP_OPEN_CREATE, &file), 0);
    assert_int_equal(size == 0 ? 0 : io->file_write(io->context, file, 0, data, size), 0);
    io->file_close(io->context, file);
    io->dir_close(io->context, dir);
}

void bpt_file_write(bpt_world *world, const char *name, const void *data, size_t size)
{
    char path[1024];
    join(world, name, path);
    if (world->memory != NULL) {
        memory_write(world, name, data, size);
    } else if (world->fault != NULL) {
        assert_int_equal(bpi_fault_write_file(world->fault, path, data, size), 0);
    } else {
        FILE *stream = fopen(path, "wbe");
        assert_non_null(stream);
        assert_int_equal(fwrite(data, 1, size, stream), size);
        assert_int_equal(fclose(stream), 0);
    }
}

void bpt_file_remove(bpt_world *world, const char *name)
{
    char path[1024];
    join(world, name, path);
    if (world->memory != NULL) {
        const char *last;
        bp_dir *dir = memory_dir(world, name, &last);
        assert_non_null(dir);
        assert_int_equal(world->io->dir_remove(world->io->context, dir, last), 0);
        world->io->dir_close(world->io->context, dir);
    } else if (world->fault != NULL) {
        assert_int_equal(bpi_fault_remove_file(world->fault, path), 0);
    } else {
        assert_int_equal(unlink(path), 0);
    }
}

typedef struct listing {
    char names[256][128];
    size_t count;
    const char *folder;
} listing;

static void listing_add(listing *list, const char *name)
{
    assert_true(list->count < 256);
    (void)snprintf(list->names[list->count++], 128, "%.20s%s%.100s", list->folder, list->folder[0] ? "/" : "", name);
}

static int listing_entry(void *argument, const char *name, bool is_directory, uint64_t size)
{
    (void)size;
    if (!is_directory) {
        listing_add(argument, name);
    }
    return 0;
}

static int listing_path(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    (void)data;
    (void)size;
    if (strncmp(path, "store/", 6) == 0) {
        listing_add(argument, path + 6);
    }
    return 0;
}

/* One folder of the store through its io. */
static void list_folder(bpt_world *world, listing *list, const char *folder)
{
    const bp_io *io = world->io != NULL ? world->io : bp_io_posix();
    char path[1024];
    bp_dir *dir = NULL;
    (void)snprintf(path, sizeof path, "%.500s%s%.100s", world->path, folder[0] ? "/" : "", folder);
    list->folder = folder;
    if (io->dir_open(io->context, path, false, &dir) == 0) {
        assert_int_equal(io->dir_list(io->context, dir, listing_entry, list), 0);
        io->dir_close(io->context, dir);
    }
}

void bpt_file_each(bpt_world *world, bpt_file_fn visit, void *argument)
{
    listing *list = calloc(1, sizeof *list);
    assert_non_null(list);
    list->folder = "";
    if (world->fault != NULL) {
        assert_int_equal(bpi_fault_each_file(world->fault, listing_path, list), 0);
    } else {
        list_folder(world, list, "");
        list_folder(world, list, "log");
        list_folder(world, list, "index");
        list_folder(world, list, "keys");
        list_folder(world, list, "cache");
    }
    for (size_t index = 0; index < list->count; index++) {
        size_t size = 0;
        uint8_t *data = bpt_file_read(world, list->names[index], &size);
        assert_non_null(data);
        visit(argument, list->names[index], data, size);
        free(data);
    }
    free(list);
}

void bpt_put_crc(uint8_t *bytes, size_t size, size_t offset)
{
    memset(bytes + offset, 0, 4);
    uint32_t crc = bpi_crc32c(0, bytes, size);
    for (unsigned index = 0; index < 4; index++) {
        bytes[offset + index] = (uint8_t)(crc >> (8 * index));
    }
}

/* ---- crashes ---- */

unsigned bpt_choose(void *argument, unsigned options)
{
    bpt_choice *choice = argument;
    uint64_t number = choice->asked++;
    switch (choice->keep) {
    case BPT_KEEP_NONE:
        return 0;
    case BPT_KEEP_ALL:
        return options - 1;
    case BPT_KEEP_ONE:
        return number == choice->which ? options - 1 : 0;
    case BPT_LOSE_ONE:
        return number == choice->which ? 0 : options - 1;
    case BPT_KEEP_MASK:
        return number < 64 && (choice->which >> number & 1) != 0 ? options - 1 : 0;
    case BPT_KEEP_RANDOM:
    default:
        return (unsigned)bpt_random_below(&choice->random, options);
    }
}

uint64_t bpt_power_cut(bpt_world *world, bpt_keep keep, uint64_t which)
{
    bpt_choice choice = {.keep = keep, .which = which, .random = {which * 77 + 5}};
    (void)bpi_fault_power_cut(world->fault, bpt_choose, &choice);
    return choice.asked;
}

/* What an opening makes of a copy after that cut: does it cut behind `events`? */
static bool tears(const bpt_world *world, uint64_t which, uint64_t events, uint64_t *choices_out)
{
    bpt_world probe;
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    bpt_world_adopt(&probe, bpi_fault_clone(world->fault));
    *choices_out = bpt_power_cut(&probe, BPT_LOSE_ONE, which);
    bp_store *store = bpt_open(&probe);
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    bpt_close(store);
    bpt_world_end(&probe);
    return stats.cut_now && stats.events == events;
}

void bpt_tear(bpt_world *world, uint64_t events)
{
    uint64_t choices = 0;
    (void)tears(world, UINT64_MAX, events, &choices);
    for (uint64_t left = choices; left > 0; left--) { /* the last one: what comes before it is kept */
        if (tears(world, left - 1, events, &choices)) {
            (void)bpt_power_cut(world, BPT_LOSE_ONE, left - 1);
            return;
        }
    }
    CHECK(false, "no sector tears the log behind %llu events", (unsigned long long)events);
}
