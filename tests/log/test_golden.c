/*
 * test_golden.c: stores made once and kept in tests/golden are read as ever, event by event to the last bit, and can be
 * written on. And stores made now are read alike by the library and by tools/read_format.py.
 *
 * A change of the format makes this red. To make the golden stores anew (only together with a new format version):
 *
 *   BATPAK_GOLDEN=tests/golden build/release/tests/test_log_golden
 *   for each: tools/read_format.py events --all tests/golden/NAME --boot 00 >tests/golden/NAME.jsonl
 */
#include <unistd.h>

#include "support/golden.h"

static const char *source(void)
{
    const char *folder = getenv("BATPAK_SOURCE");
    return folder != NULL ? folder : "../..";
}

static char *read_stream(FILE *stream)
{
    char *text = NULL;
    size_t size = 0;
    int byte;
    FILE *out = open_memstream(&text, &size);
    assert_true(stream != NULL && out != NULL);
    while ((byte = fgetc(stream)) != EOF) {
        (void)fputc(byte, out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Fails at the first line that differs. */
static void same_lines(const char *got, const char *want)
{
    for (unsigned number = 1; *got != '\0' || *want != '\0'; number++) {
        size_t got_size = strcspn(got, "\n");
        size_t want_size = strcspn(want, "\n");
        CHECK(got_size == want_size && memcmp(got, want, got_size) == 0, "line %u is\n%.*s\nand should be\n%.*s",
              number, (int)(got_size < 450 ? got_size : 450), got, (int)(want_size < 450 ? want_size : 450), want);
        got += got_size + (got[got_size] == '\n');
        want += want_size + (want[want_size] == '\n');
    }
}

static void the_golden_stores_are_read_as_ever(void **state)
{
    (void)state;
    for (size_t index = 0; index < bpt_golden_count; index++) {
        bpt_world world;
        char path[1200];
        bpt_note("golden store %s", bpt_goldens[index].name);
        bpt_world_disk(&world);
        (void)snprintf(path, sizeof path, "%.800s/tests/golden/%s", source(), bpt_goldens[index].name);
        bpt_store_load(&world, path);
        (void)snprintf(path, sizeof path, "%.800s/tests/golden/%s.jsonl", source(), bpt_goldens[index].name);
        FILE *stream = fopen(path, "re");
        CHECK(stream != NULL, "there is no %s", path);
        char *want = read_stream(stream);
        (void)fclose(stream);
        for (int round = 0; round < 2; round++) { /* as recovered, and as reopened */
            bp_store *store = bpt_open(&world);
            char *got = bpt_store_lines(store);
            same_lines(got, want);
            free(got);
            bpt_close(store);
            (void)bpt_verify(&world);
        }
        bp_store *store = bpt_open(&world);
        uint64_t before = bp_store_frontiers(store).published;
        assert_int_equal(bpt_put(store, "order:1", "today").sequence, before);
        bpt_close(store);
        assert_int_equal(bpt_verify(&world), before + 1);
        free(want);
        bpt_world_end(&world);
    }
}

/* The lines that the second reader prints of that folder. */
static char *second_reader(const char *folder)
{
    char command[4000];
    (void)snprintf(command, sizeof command,
                   "python3 -B '%.800s/tools/read_format.py' verify '%s' --boot 00 >&2 && "
                   "python3 -B '%.800s/tools/read_format.py' events --all '%s' --boot 00",
                   source(), folder, source(), folder);
    FILE *stream = popen(command, "re");
    char *text = read_stream(stream);
    CHECK(pclose(stream) == 0, "the second reader refuses %s", folder);
    return text;
}

static void stores_made_now_are_read_alike_by_both_readers(void **state)
{
    const char *keep = getenv("BATPAK_GOLDEN");
    (void)state;
    for (size_t index = 0; index < bpt_golden_count; index++) {
        bpt_world world;
        bpt_world disk;
        char folder[700];
        bpt_golden_make(&bpt_goldens[index], &world);
        bpt_world_disk(&disk);
        (void)snprintf(folder, sizeof folder, "%.500s/%s", keep != NULL ? keep : disk.root, bpt_goldens[index].name);
        bpt_store_dump(&world, folder);
        bpt_note("store %s", bpt_goldens[index].name);
        char *want = second_reader(folder);
        bpt_store_load(&disk, folder);
        bp_store *store = bpt_open(&disk);
        char *got = bpt_store_lines(store);
        same_lines(got, want);
        bpt_close(store);
        free(got);
        free(want);
        bpt_world_end(&disk);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_made_now_are_read_alike_by_both_readers),
        cmocka_unit_test(the_golden_stores_are_read_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
