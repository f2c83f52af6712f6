/*
 * test_recovery.c: recovery case by case (docs/format.md, sections 3, 4 and 9): what is cut and kept as evidence, what is
 * damage, which files belong to a store.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/forge.h"

static bp_status open_status(bpt_world *world, bp_error *error)
{
    bp_store *store = NULL;
    bp_status status = bp_open(world->path, &world->options, &store, error);
    (void)bp_close(store, NULL);
    return status;
}

static bp_append_options buffered(void)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    return options;
}

static bp_stats stats_of(bp_store *store)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    return stats;
}

typedef struct torn {
    unsigned files;
    size_t size;
    bool holds; /* the mark that was written */
} torn;

static void see_torn(void *argument, const char *name, const uint8_t *data, size_t size)
{
    torn *all = argument;
    if (strstr(name, ".torn") != NULL) {
        all->files++;
        all->size += size;
        all->holds = all->holds || memmem(data, size, "EVIDENCE", 8) != NULL;
    }
}

/* One durable event, then a big buffered one of which only part survives a power cut. */
static bp_store *torn_store(bpt_world *world)
{
    char text[4000];
    bp_append_options options = buffered();
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    bpt_put(store, "e", "durable");
    memset(text, 'z', sizeof text);
    memcpy(text + 20, "EVIDENCE", 8);
    text[sizeof text - 1] = '\0';
    bpt_put_with(store, "e", text, &options);
    return store;
}

static void a_torn_tail_is_cut_and_kept_as_evidence(void **state)
{
    bpt_world world;
    torn found = {0};
    (void)state;
    bp_store *store = torn_store(&world);
    bpt_tear(&world, 1);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    bp_stats stats = stats_of(store);
    assert_int_equal(stats.events, 1);
    assert_true(stats.cut_now);
    assert_int_equal(stats.cuts, 1);
    assert_int_equal(stats.frontiers.epoch, 2);
    bpt_file_each(&world, see_torn, &found);
    assert_int_equal(found.files, 1);
    assert_true(found.holds);
    assert_int_equal(found.size, stats.cut_bytes);
    bpt_put(store, "e", "regrown");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

static void whole_frames_behind_a_hole_are_cut_too(void **state)
{
    bpt_world world;
    bp_append_options options = buffered();
    char text[2000];
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "durable");
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int index = 0; index < 5; index++) {
        bpt_put_with(store, "e", text, &options);
    }
    bpt_tear(&world, 1); /* a hole in the first of five */
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    assert_int_equal(bp_store_frontiers(store).published, 1);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* After the cut the log grows up to where old frames lie: none of them may come back. */
static void stale_frames_never_come_back(void **state)
{
    (void)state;
    for (uint64_t lost = 0; lost < 12; lost++) {
        bpt_world world;
        bp_append_options options = buffered();
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        for (int index = 0; index < 6; index++) {
            bpt_put_with(store, "e", "the same size as what comes after", &options);
        }
        (void)bpt_power_cut(&world, BPT_LOSE_ONE, lost);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        uint64_t left = bp_store_frontiers(store).published;
        bpt_put_with(store, "f", "the same size as what came before", &options);
        bpi_fault_process_kill(world.fault);
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        assert_int_equal(bp_store_frontiers(store).published, left + 1);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

/* Puts what lies behind `from` in a file of one world into the same file of another. */
static void graft(bpt_world *to, bpt_world *source, const char *name, size_t from)
{
    size_t size = 0;
    size_t scion = 0;
    uint8_t *bytes = bpt_file_read(to, name, &size);
    uint8_t *other = bpt_file_read(source, name, &scion);
    assert_non_null(bytes);
    assert_non_null(other);
    size_t least = size < scion ? size : scion;
    assert_true(from < least);
    memcpy(bytes + from, other + from, least - from);
    bpt_file_write(to, name, bytes, size);
    free(bytes);
    free(other);
}

/* A copy of a world whose process was killed; it draws other random bytes. */
static bp_store *sibling(bpt_world *of, bpt_world *world_out, uint64_t entropy)
{
    bpt_world_adopt(world_out, bpi_fault_clone(of->fault));
    atomic_store(&world_out->entropy.state, entropy);
    return bpt_open(world_out);
}

static void must_be_cut(bpt_world *world, bp_store *store, uint64_t events)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    (void)bp_close(store, NULL);
    store = bpt_open(world);
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_true(stats.cut_now);
    assert_int_equal(stats.events, events);
    bpt_close(store);
    (void)bpt_verify(world);
    bpt_world_end(world);
}

/* Two histories of one segment that part at their second event: the third of one does not follow the second of the other. */
static void a_frame_that_does_not_follow_is_not_accepted(void **state)
{
    bpt_world root;
    bpt_world one;
    bpt_world other;
    bp_append_options options = buffered();
    (void)state;
    bpt_world_fault(&root);
    bpt_close(bpt_open(&root));
    bp_store *store = sibling(&root, &one, 77);
    bp_store *twin = sibling(&root, &other, 77);
    uint64_t end = 0;
    bpt_put_with(store, "e", "one history", &options);
    bpt_put_with(store, "e", "goes on", &options);
    bpt_put_with(twin, "f", "two history", &options);
    end = bp_store_frontiers(twin).published_lsn & UINT32_MAX;
    bpi_fault_process_kill(one.fault);
    bpi_fault_process_kill(other.fault);
    graft(&other, &one, "log/0000000000-1.seg", end);
    must_be_cut(&other, twin, 1);
    (void)bp_close(store, NULL);
    bpt_world_end(&one);
    bpt_world_end(&root);
}

/* The same segment made twice, with two salts: a frame of one is nothing in the other, though all else in it fits. */
static void a_frame_of_another_salt_is_not_accepted(void **state)
{
    bpt_world root;
    bpt_world one;
    bpt_world other;
    bp_error error = {0};
    (void)state;
    bpt_world_fault(&root);
    bpt_close(bpt_open(&root));
    bp_store *store = sibling(&root, &one, 77);
    bp_store *twin = sibling(&root, &other, 77);
    bp_append_options options = buffered();
    bpt_put(store, "e", "both have this");
    bpt_put(twin, "e", "both have this");
    atomic_store(&other.entropy.state, 999);
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_seal(twin, &error), &error);
    bpt_put_with(store, "e", "one has this", &options);
    bpi_fault_process_kill(one.fault);
    bpi_fault_process_kill(other.fault);
    graft(&other, &one, "log/0000000001-1.seg", 64);
    must_be_cut(&other, twin, 1);
    (void)bp_close(store, NULL);
    bpt_world_end(&one);
    bpt_world_end(&root);
}

static void no_segment_takes_frames_before_the_one_two_back_is_synced(void **state)
{
    bpt_world world;
    bp_append_options options = buffered();
    static char text[20000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    for (uint64_t active = 0; active < 5; active = bp_store_frontiers(store).published_lsn >> 32) {
        char path[64];
        (void)snprintf(path, sizeof path, "store/log/%010u-1.seg", (unsigned)(active - 2));
        assert_int_equal(active < 2 ? 0 : bpi_fault_unsynced(world.fault, path), 0);
        bpt_put_with(store, "e", text, &options);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static void sequences_after_a_cut_go_on_densely_with_a_later_hlc(void **state)
{
    bpt_world world;
    bp_append_options options = buffered();
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt kept = bpt_put(store, "e", "durable");
    bpt_put_with(store, "e", "lost", &options);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    (void)atomic_fetch_sub(&world.clock.now_us, 86400000000); /* the machine comes back a day early */
    store = bpt_open(&world);
    bp_receipt again = bpt_put(store, "e", "again");
    assert_int_equal(again.sequence, 1);
    assert_int_equal(again.clock, 1);
    assert_true(again.hlc > kept.hlc);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* The manifest has heard of an HLC that a power cut took back; the segment's last event has an older one. */
static void a_seal_right_after_a_cut_lists_what_is_there(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char text[5000];
    bp_append_options options = buffered();
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "durable");
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    while (stats_of(store).segments == 1) {
        bpt_put_with(store, "e", text, &options);
    }
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    store = bpt_open(&world);
    bpt_put(store, "e", "goes on");
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* ---- what is vouched for ---- */

static void flip_in_frame(bpt_world *world, unsigned ordinal, size_t frame)
{
    bpt_forge *forge = bpt_forge_begin(world, ordinal);
    assert_true(frame < forge->frame_count);
    forge->data[forge->frames[frame].offset + 64 + 90] ^= 1;
    bpt_forge_end(forge);
}

static void damage_in_a_cleanly_closed_store_is_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_put(store, "e", "last");
    bpt_close(store);
    flip_in_frame(&world, 0, 1);
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    assert_true(error.has_offset);
    bp_store *reader = NULL;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(world.path, &world.options, &reader, &error), &error);
    bpt_world_end(&world);
}

static void damage_in_what_a_killed_writer_published_is_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options = buffered();
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put_with(store, "e", "one", &options);
    bpt_put_with(store, "e", "two", &options);
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    flip_in_frame(&world, 0, 1); /* `live` of the same boot says it was published */
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    bpt_world_end(&world);
}

static void damage_in_what_a_frontier_covers_is_damage_after_a_power_cut(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_put(store, "e", "two");
    bpt_put(store, "e", "three"); /* its frontier vouches for "two" */
    (void)bpt_power_cut(&world, BPT_KEEP_ALL, 0);
    (void)bp_close(store, NULL);
    flip_in_frame(&world, 0, 1);
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    bpt_world_end(&world);
}

/* A child with the keeper's thread: appends, waits as long as told, is killed. `live` goes, as after a reboot. */
static void killed_on_disk(bpt_world *world, bool idle)
{
    int ends[2];
    char byte;
    int status;
    bpt_world_disk(world);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bp_store *store = bpt_open(world);
        (void)bpt_put(store, "e", "one");
        (void)bpt_put(store, "e", "two");
        (void)usleep(idle ? 300000 : 0);
        (void)!write(ends[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(ends[0]);
    (void)close(ends[1]);
    bpt_file_remove(world, "live");
}

static void an_idle_keeper_marks_what_was_synced(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    killed_on_disk(&world, true);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    assert_true(forge->frame_count >= 3);
    assert_int_equal(forge->frames[forge->frame_count - 1].type, BP_FRAME_MARK);
    assert_int_equal(forge->frames[forge->frame_count - 2].type, BP_FRAME_DATA); /* never two in a row */
    bpt_forge_end(forge);
    flip_in_frame(&world, 0, 1); /* the last group: without the mark it could be a tear */
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    bpt_world_end(&world);
}

/* ---- files ---- */

static void make_rotated(bpt_world *world)
{
    bpt_world_memory(world);
    bp_store *store = bpt_open(world);
    for (int index = 0; index < 40; index++) {
        (void)bpt_put_sized(store, "e", 5000);
    }
    bpt_close(store);
}

static void a_missing_segment_is_damage_whichever_it_is(void **state)
{
    (void)state;
    for (unsigned ordinal = 0; ordinal < 4; ordinal++) {
        bpt_world world;
        bp_error error = {0};
        char name[64];
        make_rotated(&world);
        (void)snprintf(name, sizeof name, "log/%010u-1.seg", ordinal);
        bpt_file_remove(&world, name);
        CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
        CHECK_SAYS(&error, name);
        bpt_world_end(&world);
    }
}

static bp_status verify_status(bpt_world *world, bp_error *error)
{
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    return bp_verify(world->path, &options, NULL, error);
}

static void drop_index_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "index/", 6) == 0) {
        bpt_file_remove(argument, name);
    }
}

/* Reads everything; the status at which that ended. What is read is what was written. */
static bp_status read_everything(bp_store *store, uint64_t *count_out)
{
    bp_iterator *iterator = NULL;
    bp_region region = bp_region_all();
    const bp_event *event = NULL;
    *count_out = 0;
    bp_status status = bp_query(store, &region, NULL, &iterator, NULL);
    while (status == BP_OK && (status = bp_next(iterator, &event, NULL)) == BP_OK) {
        assert_int_equal(event->sequence, *count_out);
        assert_int_equal(event->payload_size, 5000);
        (*count_out)++;
    }
    bp_iterator_close(iterator);
    return status;
}

/* A sealed segment that an index file answers for is not read at opening: the damage shows when it is touched, and in
 * verify. Without that file it shows at opening. */
static void any_flip_in_a_sealed_segment_is_damage(void **state)
{
    bpt_random random = {bpt_seed(21)};
    (void)state;
    for (int index = 0; index < 40; index++) {
        bpt_world world;
        bp_error error = {0};
        uint64_t count = 0;
        make_rotated(&world);
        bpt_forge *forge = bpt_forge_begin(&world, (unsigned)index % 2);
        size_t at = (size_t)bpt_random_below(&random, forge->end);
        forge->data[at] ^= (uint8_t)(1u << bpt_random_below(&random, 8));
        bpt_forge_end(forge);
        bpt_note("flip at %zu", at);
        bp_store *store = NULL;
        bp_status status = bp_open(world.path, &world.options, &store, &error);
        if (status == BP_OK) {
            assert_true(at >= 64);
            status = read_everything(store, &count);
            assert_true(status == BP_ERR_CORRUPT || (status == BP_END && count == 40));
            bpt_close(store);
            CHECK_STATUS(BP_ERR_CORRUPT, verify_status(&world, &error), &error);
        } else {
            assert_true(at < 64);
        }
        bpt_file_each(&world, drop_index_file, &world);
        status = open_status(&world, &error);
        CHECK(status == BP_ERR_CORRUPT || (at >= 8 && at < 12 && status == BP_ERR_VERSION), "it is %s",
              bp_status_name(status));
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
}

static void an_unlisted_segment_without_frames_is_removed(void **state)
{
    static const size_t sizes[] = {0, 4, 20, 64, 4096, 65536};
    (void)state;
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        bpt_world world;
        size_t size = 0;
        uint8_t *bytes = calloc(1, 65536);
        assert_non_null(bytes);
        make_rotated(&world);
        memcpy(bytes, "BATPAKSG", 8);
        bpt_file_write(&world, "log/0000000099-1.seg", bytes, sizes[index]);
        bpt_close(bpt_open(&world));
        free(bytes);
        assert_null(bpt_file_read(&world, "log/0000000099-1.seg", &size));
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

static void an_unlisted_segment_with_a_frame_is_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    size_t size = 0;
    (void)state;
    make_rotated(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 1);
    bpt_set32(forge->data + 32, 99);
    bpt_put_crc(forge->data, 64, 12);
    bpt_set32(forge->data + forge->frames[0].offset + 28, 99); /* its LSN */
    bpt_forge_fix(forge);
    (void)snprintf(forge->name, sizeof forge->name, "log/0000000099-1.seg");
    bpt_forge_end(forge);
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    uint8_t *data = bpt_file_read(&world, "log/0000000099-1.seg", &size);
    assert_non_null(data); /* evidence is not buried */
    free(data);
    bpt_world_end(&world);
}

static void names_that_are_no_segments_are_left_alone(void **state)
{
    static const char *const names[] = {"log/notes.txt", "log/1-1.seg", "log/0000000001-1.seg.bak", "SEGMENTS-x"};
    bpt_world world;
    (void)state;
    make_rotated(&world);
    for (size_t index = 0; index < 4; index++) {
        bpt_file_write(&world, names[index], "hello", 5);
    }
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    bpt_close(store);
    for (size_t index = 0; index < 4; index++) {
        size_t size = 0;
        uint8_t *data = bpt_file_read(&world, names[index], &size);
        CHECK(data != NULL && size == 5, "%s is gone", names[index]);
        free(data);
    }
    bpt_world_end(&world);
}

static void without_a_manifest_frames_are_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    make_rotated(&world);
    bpt_file_remove(&world, "MANIFEST");
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    CHECK_SAYS(&error, "MANIFEST");
    bpt_world_end(&world);
}

static void an_interrupted_making_is_made_anew(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bpt_close(bpt_open(&world)); /* without events: no frame but perhaps CLOSE */
    bpt_file_remove(&world, "MANIFEST");
    size_t size = 0;
    uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
    if (data != NULL) {
        memset(data + 64, 0, size - 64);
        bpt_file_write(&world, "log/0000000000-1.seg", data, size);
        free(data);
    }
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 1);
    bpt_world_end(&world);
}

static void a_missing_or_wrong_list_is_damage(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char name[64];
    size_t size = 0;
    (void)state;
    make_rotated(&world);
    uint8_t *manifest = bpt_file_read(&world, "MANIFEST", &size);
    const uint8_t *slot = manifest + (size_t)bpt_newest_slot(manifest) * 4096;
    (void)snprintf(name, sizeof name, "SEGMENTS-%llu", (unsigned long long)bpt_get64(slot + 88));
    free(manifest);
    uint8_t *list = bpt_file_read(&world, name, &size);
    list[size - 1] ^= 1;
    bpt_file_write(&world, name, list, size);
    CHECK_STATUS(BP_ERR_CORRUPT, open_status(&world, &error), &error);
    CHECK_SAYS(&error, "SEGMENTS-");
    list[size - 1] ^= 1;
    bpt_file_write(&world, name, list, size);
    bpt_close(bpt_open(&world));
    free(list);
    bpt_world_end(&world);
}

static void keeps_only(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *(unsigned *)argument += strncmp(name, "SEGMENTS-", 9) == 0;
}

static void only_the_lists_of_both_slots_are_kept(void **state)
{
    bpt_world world;
    unsigned lists = 0;
    (void)state;
    make_rotated(&world);
    bpt_file_each(&world, keeps_only, &lists);
    assert_true(lists >= 1 && lists <= 2);
    bpt_world_end(&world);
}

static void derived_files_may_go(void **state)
{
    bpt_world world;
    (void)state;
    make_rotated(&world);
    size_t size = 0;
    uint8_t *live = bpt_file_read(&world, "live", &size);
    if (live != NULL) {
        free(live);
        bpt_file_remove(&world, "live");
    }
    bpt_file_each(&world, drop_index_file, &world);
    bp_store *store = bpt_open(&world);
    uint64_t count = 0;
    assert_int_equal(bp_store_frontiers(store).published, 40);
    assert_int_equal(read_everything(store, &count), BP_END);
    assert_int_equal(count, 40);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_tail_is_cut_and_kept_as_evidence),
        cmocka_unit_test(whole_frames_behind_a_hole_are_cut_too),
        cmocka_unit_test(stale_frames_never_come_back),
        cmocka_unit_test(a_frame_that_does_not_follow_is_not_accepted),
        cmocka_unit_test(a_frame_of_another_salt_is_not_accepted),
        cmocka_unit_test(no_segment_takes_frames_before_the_one_two_back_is_synced),
        cmocka_unit_test(sequences_after_a_cut_go_on_densely_with_a_later_hlc),
        cmocka_unit_test(a_seal_right_after_a_cut_lists_what_is_there),
        cmocka_unit_test(damage_in_a_cleanly_closed_store_is_damage),
        cmocka_unit_test(damage_in_what_a_killed_writer_published_is_damage),
        cmocka_unit_test(damage_in_what_a_frontier_covers_is_damage_after_a_power_cut),
        cmocka_unit_test(an_idle_keeper_marks_what_was_synced),
        cmocka_unit_test(a_missing_segment_is_damage_whichever_it_is),
        cmocka_unit_test(any_flip_in_a_sealed_segment_is_damage),
        cmocka_unit_test(an_unlisted_segment_without_frames_is_removed),
        cmocka_unit_test(an_unlisted_segment_with_a_frame_is_damage),
        cmocka_unit_test(names_that_are_no_segments_are_left_alone),
        cmocka_unit_test(without_a_manifest_frames_are_damage),
        cmocka_unit_test(an_interrupted_making_is_made_anew),
        cmocka_unit_test(a_missing_or_wrong_list_is_damage),
        cmocka_unit_test(only_the_lists_of_both_slots_are_kept),
        cmocka_unit_test(derived_files_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
