/*
 * counter.c: a counter that is nothing but its events.
 *
 *   counter DIR NAME add N      adds N (which may be negative), refusing to go below zero
 *   counter DIR NAME show       its value, and how it came about
 *
 * The value is stored nowhere: it is folded from the entity's stream each time. Between folding and appending another
 * thread may have appended, so each append expects the clock that was folded up to, and starts over on a conflict.
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct counter {
    int64_t value;
    bp_expectation seen; /* what the entity's newest event was when we folded */
};

static int64_t change_of(const bp_event *event)
{
    char text[32] = {0}; /* payloads end where they end: no NUL behind them */
    size_t size = event->payload_size < sizeof text - 1 ? event->payload_size : sizeof text - 1;
    memcpy(text, event->payload, size);
    return strtoll(text, NULL, 10);
}

static bp_status fold(bp_store *store, const char *name, bool show, struct counter *counter_out, bp_error *error)
{
    struct counter counter = {.seen = {.kind = BP_EXPECT_NONE}};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_stream(store, name, NULL, &iterator, error);
    if (status != BP_OK) {
        return status;
    }
    while ((status = bp_next(iterator, &event, error)) == BP_OK) {
        counter.value += change_of(event);
        counter.seen = (bp_expectation){.kind = BP_EXPECT_AT, .clock = event->clock};
        if (show) {
            printf("%6" PRIu64 "  %+" PRId64 "  = %" PRId64 "\n", event->clock, change_of(event), counter.value);
        }
    }
    bp_iterator_close(iterator);
    *counter_out = counter;
    return status == BP_END ? BP_OK : status;
}

static bp_status add(bp_store *store, const char *name, int64_t change, bp_error *error)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, change);
    for (;;) {
        struct counter counter;
        bp_append_options options;
        bp_status status = fold(store, name, false, &counter, error);
        if (status != BP_OK) {
            return status;
        }
        if (counter.value + change < 0) {
            fprintf(stderr, "%s is %" PRId64 ": %+" PRId64 " would take it below zero\n", name, counter.value, change);
            exit(1);
        }
        bp_append_options_init(&options);
        options.expect = counter.seen;
        options.kind_name = "counter.changed";
        status = bp_append(store, bp_at(name, "counters"), BP_KIND_DATA, bp_json(text), &options, NULL, error);
        if (status != BP_ERR_CONFLICT) {
            return status;
        }
    }
}

int main(int argc, char **argv)
{
    bool adds = argc == 5 && strcmp(argv[3], "add") == 0;
    if (!adds && !(argc == 4 && strcmp(argv[3], "show") == 0)) {
        fputs("usage: counter DIR NAME add N | counter DIR NAME show\n", stderr);
        return 2;
    }
    bp_error error = {0};
    bp_store *store = NULL;
    struct counter counter;
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK ||
        (adds && add(store, argv[2], strtoll(argv[4], NULL, 10), &error) != BP_OK) ||
        fold(store, argv[2], !adds, &counter, &error) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    printf("%s is %" PRId64 "\n", argv[2], counter.value);
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
