/*
 * fanout.c: what followers cost an append.
 *
 *   batpak-bench-fanout [DIR [SECONDS]]
 *
 * Buffered appends of 256 bytes, one by one, by one thread, beside 0, 1, 100 and 1000 subscriptions of the same store
 * handle: that sleep (open, nobody calls them), that wait for other events, and that wait for these very events, each in a
 * thread of its own. Rates are of wall time; the cost is the appending thread's own processor time, which is what an
 * append is slowed by when there are processors enough. The runs take turns, and the median of five counts.
 */
#include <batpak/batpak.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1000, RUNS = 5, PAYLOAD = 256 };

enum mode { ASLEEP, ELSEWHERE, HERE };

struct follower {
    bp_subscription *subscription;
    pthread_t thread;
    uint64_t delivered;
};

static double seconds(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void must(bp_status status, const bp_error *error)
{
    if (status != BP_OK) {
        exit(bp_print_error(stderr, error));
    }
}

static void *follow(void *argument)
{
    struct follower *follower = argument;
    bp_delivery delivery[64];
    size_t count = 0;
    while (bp_subscription_next_many(follower->subscription, BP_FOREVER, delivery, 64, &count, NULL) == BP_OK) {
        follower->delivered += count;
    }
    return NULL;
}

struct result {
    double rate;
    double cpu_ns;
    uint64_t delivered;
};

static struct result measure(bp_store *store, enum mode mode, size_t count, double how_long)
{
    static struct follower followers[MOST];
    static const char payload[PAYLOAD] = "payload";
    bp_error error = {0};
    bp_region region = bp_region_stream(mode == ELSEWHERE ? "nobody" : "entity");
    struct result result = {0};
    pthread_attr_t small;
    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, 128 << 10);
    for (size_t i = 0; i < count; i++) {
        followers[i].delivered = 0;
        must(bp_subscribe(store, &region, NULL, &followers[i].subscription, &error), &error);
        if (mode != ASLEEP && pthread_create(&followers[i].thread, &small, follow, &followers[i]) != 0) {
            exit(1);
        }
    }
    (void)usleep(200000);
    uint64_t appended = 0;
    double start = seconds(CLOCK_MONOTONIC);
    double start_cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    while (seconds(CLOCK_MONOTONIC) - start < how_long) {
        for (int i = 0; i < 1000; i++, appended++) {
            must(bp_append(store, bp_at("entity", "scope"), BP_KIND(0xF, 1), bp_raw(payload, sizeof payload), NULL,
                           NULL, &error),
                 &error);
        }
    }
    result.cpu_ns = (seconds(CLOCK_THREAD_CPUTIME_ID) - start_cpu) * 1e9 / (double)appended;
    result.rate = (double)appended / (seconds(CLOCK_MONOTONIC) - start);
    for (size_t i = 0; i < count; i++) {
        bp_subscription_stop(followers[i].subscription);
    }
    for (size_t i = 0; i < count; i++) {
        if (mode != ASLEEP) {
            (void)pthread_join(followers[i].thread, NULL);
        }
        result.delivered += followers[i].delivered;
        bp_subscription_close(followers[i].subscription);
    }
    (void)pthread_attr_destroy(&small);
    return result;
}

static int by_cost(const void *a, const void *b)
{
    double left = ((const struct result *)a)->cpu_ns;
    double right = ((const struct result *)b)->cpu_ns;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {0, 1, 100, MOST};
    static const char *const modes[] = {"asleep", "waiting for others", "waiting for these"};
    static struct result results[3][4][RUNS];
    const char *dir = argc > 1 ? argv[1] : "fanout.batpak";
    double how_long = argc > 2 ? atof(argv[2]) : 0.5;
    bp_error error = {0};
    bp_store *store = NULL;
    bp_options options;
    bp_options_init(&options);
    options.durability = BP_BUFFERED;
    must(bp_open(dir, &options, &store, &error), &error);
    (void)measure(store, ASLEEP, 0, how_long); /* warm */
    for (int run = 0; run < RUNS; run++) {
        for (int mode = 0; mode < 3; mode++) {
            for (int c = 0; c < 4; c++) {
                results[mode][c][run] = measure(store, (enum mode)mode, counts[c], how_long);
            }
        }
    }
    printf("%-20s %13s %12s %16s %12s\n", "subscriptions", "", "appends/s", "ns of processor", "deliveries");
    for (int mode = 0; mode < 3; mode++) {
        for (int c = 0; c < 4; c++) {
            qsort(results[mode][c], RUNS, sizeof results[0][0][0], by_cost);
            const struct result *median = &results[mode][c][RUNS / 2];
            printf("%-20s %13zu %12.0f %16.0f %12llu\n", modes[mode], counts[c], median->rate, median->cpu_ns,
                   (unsigned long long)median->delivered);
        }
    }
    must(bp_close(store, &error), &error);
    return 0;
}
