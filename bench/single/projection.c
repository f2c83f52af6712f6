/*
 * projection.c: how fast states come: folded, and out of caches. A program by itself: batpak-bench-projection [DIR].
 *
 * The work: an entity of 100,000 events of 256 bytes among as many events of others, in batches of 100; `sum` adds up every
 * payload byte. Each figure is the best of several rounds, so that what else the machine does shows least.
 */
#include <batpak/batpak.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 100000, PAYLOAD = 256, BATCH = 100, ROUNDS = 9, ANSWERS = 2000 };

struct sum {
    uint64_t events;
    uint64_t bytes;
};

static bp_error error;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void must(bp_status status)
{
    if (status != BP_OK) {
        exit(bp_print_error(stderr, &error));
    }
}

/* Eight bytes at a time, in four lanes of 16 bits, which hold 128 words; else the sum would take longer than the reading. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t total = 0;
    while (size >= 8) {
        uint64_t lanes = 0;
        size_t words = size / 8 < 128 ? size / 8 : 128;
        for (size_t i = 0; i < words; i++, bytes += 8) {
            uint64_t word;
            memcpy(&word, bytes, 8);
            lanes += (word & even) + (word >> 8 & even);
        }
        size -= words * 8;
        total += (lanes & 0xffff) + (lanes >> 16 & 0xffff) + (lanes >> 32 & 0xffff) + (lanes >> 48);
    }
    while (size-- > 0) {
        total += *bytes++;
    }
    return total;
}

static bp_status apply(void *context, void *state, const bp_event *event, bp_error *told)
{
    struct sum *sum = state;
    (void)context;
    (void)told;
    sum->bytes += sum_of(event->payload, event->payload_size);
    sum->events++;
    return BP_OK;
}

static const bp_projection summing = {.size = sizeof(bp_projection),
                                      .type = "sum",
                                      .version = 1,
                                      .incremental = true,
                                      .flat = true,
                                      .state_size = sizeof(struct sum),
                                      .apply = apply};

static void fill(bp_store *store)
{
    static uint8_t payloads[BATCH][PAYLOAD];
    bp_batch_item items[BATCH];
    bp_batch_options options;
    char names[10][16];
    bp_batch_options_init(&options);
    options.durability = BP_BUFFERED;
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof names[i], "other:%d", i);
    }
    for (int written = 0; written < 2 * EVENTS; written += BATCH) {
        memset(items, 0, sizeof items);
        for (int i = 0; i < BATCH; i++) {
            memset(payloads[i], written + i, PAYLOAD);
            items[i].at = bp_at(i % 2 == 0 ? "big" : names[i % 10], "scope");
            items[i].kind = bp_kind(0xF, 1);
            items[i].payload = bp_raw(payloads[i], PAYLOAD);
        }
        must(bp_append_batch(store, items, BATCH, &options, NULL, &error));
    }
}

static void fold(bp_store *store, const char *what)
{
    double best = 1e9;
    struct sum sum;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        must(bp_project(store, &summing, "big", NULL, &sum, NULL, &error));
        double taken = now() - start;
        best = taken < best ? taken : best;
    }
    printf("%-44s %8.2f M events/s  (%llu events)\n", what, (double)sum.events / best / 1e6,
           (unsigned long long)sum.events);
}

static void ask(bp_store *store, bp_cache *cache, const char *what)
{
    struct sum sum;
    bp_projected result;
    bp_project_options options;
    double best = 1e9;
    bp_project_options_init(&options);
    options.cache = cache;
    must(bp_project(store, &summing, "big", &options, &sum, NULL, &error));
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < ANSWERS; i++) {
            must(bp_project(store, &summing, "big", &options, &sum, &result, &error));
        }
        double taken = (now() - start) / ANSWERS;
        best = taken < best ? taken : best;
    }
    printf("%-44s %8.2f us\n", what, best * 1e6);
    if (!result.cached || result.applied != 0) {
        fprintf(stderr, "the answer did not come from the cache\n");
        exit(1);
    }
    bp_cache_close(cache);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "./bench-projection.batpak";
    bp_options options;
    bp_store *store = NULL;
    bp_cache *cache = NULL;
    bp_options_init(&options);
    options.incremental_projection = true;
    options.exclusive = true;
    must(bp_open(path, &options, &store, &error));
    fill(store);
    fold(store, "fold of an entity, newest segment open");
    must(bp_seal(store, &error));
    fold(store, "fold of an entity, all segments sealed");
    must(bp_cache_memory(0, NULL, &cache, &error));
    ask(store, cache, "cached and fresh, memory");
    if (bp_cache_lmdb(store, NULL, &cache, &error) == BP_OK) {
        ask(store, cache, "cached and fresh, LMDB");
    }
    if (bp_cache_sqlite(store, NULL, &cache, &error) == BP_OK) {
        ask(store, cache, "cached and fresh, SQLite");
    }
    must(bp_close(store, &error));
    return 0;
}
