/*
 * replay.c: a target without libFuzzer: `fuzz_<name> FOLDER...` runs every file in the folders (or files), and then changed
 * copies of them by the target's own mutator, with a seed that is printed (BATPAK_SEED, BATPAK_RUNS). `--seeds FOLDER`
 * writes what the corpus began from.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20, INPUTS = 4096, RUNS = 150, CAMPAIGN_RUNS = 100000 };

static struct {
    char *path;
    uint8_t *data;
    size_t size;
} inputs[INPUTS];
static size_t input_count;
static bpt_random plain = {1};

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    for (uint64_t left = 1 + bpt_random_below(&plain, 4); left > 0; left--) {
        size_t at = size == 0 ? 0 : (size_t)bpt_random_below(&plain, size);
        switch (bpt_random_below(&plain, 5)) {
        case 0: /* one byte more */
            if (size < max) {
                memmove(data + at + 1, data + at, size - at);
                data[at] = (uint8_t)bpt_random_next(&plain);
                size++;
            }
            break;
        case 1: /* one byte less */
            if (size > 1) {
                memmove(data + at, data + at + 1, size - at - 1);
                size--;
            }
            break;
        case 2: /* a bit */
            if (size > 0) {
                data[at] ^= (uint8_t)(1u << bpt_random_below(&plain, 8));
            }
            break;
        default:
            if (size > 0) {
                data[at] = bpt_random_chance(&plain, 50) ? (uint8_t)bpt_random_next(&plain)
                                                         : data[bpt_random_below(&plain, size)];
            }
            break;
        }
    }
    return size;
}

static void read_input(const char *path)
{
    FILE *stream = fopen(path, "rbe");
    CHECK(stream != NULL && input_count < INPUTS, "cannot read %s", path);
    uint8_t *data = malloc(INPUT_MAX);
    CHECK(data != NULL, "no memory");
    inputs[input_count].size = fread(data, 1, INPUT_MAX, stream);
    inputs[input_count].data = fuzz_copy(data, inputs[input_count].size);
    inputs[input_count].path = strdup(path);
    input_count++;
    free(data);
    (void)fclose(stream);
}

static void read_all(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        read_input(path);
    }
    for (int i = 0; i < count; i++) {
        char name[1024];
        (void)snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            read_input(name);
        }
        free(entries[i]);
    }
    free(entries);
}

static void write_seed(void *argument, const char *name, const void *data, size_t size)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)argument, name);
    FILE *stream = fopen(path, "wbe");
    CHECK(stream != NULL && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "cannot write %s", path);
}

/* A changed copy of some input; half of them are changed again. `kept`: it is written to ./changed. */
static void run_changed(uint64_t seed, bool kept)
{
    static uint8_t bytes[INPUT_MAX];
    bpt_random random = {seed};
    size_t which = (size_t)bpt_random_below(&random, input_count);
    size_t size = inputs[which].size;
    memcpy(bytes, inputs[which].data, size);
    plain.state = bpt_random_next(&random);
    do {
        size = LLVMFuzzerCustomMutator(bytes, size, INPUT_MAX, (unsigned)bpt_random_next(&random));
    } while (bpt_random_chance(&random, 50));
    bpt_note("seed %llu: %s, changed (BATPAK_SEED=%llu BATPAK_RUNS=1)", (unsigned long long)seed, inputs[which].path,
             (unsigned long long)seed);
    if (kept) {
        char folder[] = ".";
        write_seed(folder, "changed", bytes, size);
    }
    (void)LLVMFuzzerTestOneInput(bytes, size);
}

int main(int count, char **arguments)
{
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
    if (count == 3 && strcmp(arguments[1], "--seeds") == 0) {
        fuzz_seeds(write_seed, arguments[2]);
        return 0;
    }
    for (int i = 1; i < count; i++) {
        read_all(arguments[i]);
    }
    CHECK(input_count > 0, "no inputs; usage: %s FOLDER...", arguments[0]);
    double start = bpt_seconds();
    for (size_t i = 0; i < input_count; i++) {
        bpt_note("%s", inputs[i].path);
        (void)LLVMFuzzerTestOneInput(inputs[i].data, inputs[i].size);
    }
    bpt_note("%s", "");
    (void)printf("%zu inputs in %.2f s\n", input_count, bpt_seconds() - start);
    uint64_t seed = bpt_seed(1);
    uint64_t runs = bpt_amount("BATPAK_RUNS", RUNS, CAMPAIGN_RUNS);
    start = bpt_seconds();
    for (uint64_t run = 0; run < runs; run++) {
        run_changed(seed + run, runs == 1);
    }
    (void)printf("%llu changed ones in %.2f s\n", (unsigned long long)runs, bpt_seconds() - start);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].data);
        free(inputs[i].path);
    }
    return 0;
}
