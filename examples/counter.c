/*
 * counter.c: a counter that is nothing but its events: its value is a projection.
 *
 *   counter DIR NAME add N      adds N (which may be negative), refusing to go below zero
 *   counter DIR NAME show       its value, and how it came about
 *
 * The value is stored nowhere: it is folded from the entity's events each time. Between folding and appending another
 * thread may have appended, so each append expects the clock that was folded up to, and starts over on a conflict.
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct counter {
    int64_t value;
    uint64_t clock; /* of the newest event that is in it */
};

static bp_status apply(void *context, void *state, const bp_event *event, bp_error *error)
{
    struct counter *counter = state;
    char text[32] = {0}; /* payloads end where they end: no NUL behind them */
    char *end = NULL;
    (void)context;
    memcpy(text, event->payload, event->payload_size < sizeof text ? event->payload_size : sizeof text - 1);
    int64_t change = strtoll(text, &end, 10);
    if (end == text || *end != '\0') {
        return bp_error_set(error, BP_ERR_FORMAT, "%s is no number", text);
    }
    counter->value += change;
    counter->clock = event->clock;
    return BP_OK;
}

static const bp_projection counting = {.size = sizeof(bp_projection),
                                       .type = "counter",
                                       .version = 1,
                                       .flat = true,
                                       .state_size = sizeof(struct counter),
                                       .apply = apply};

/* A counter that nobody has counted with is 0. */
static bp_status fold(bp_store *store, const char *name, struct counter *counter_out, bp_expectation *seen_out,
                      bp_error *error)
{
    bp_status status = bp_project(store, &counting, name, NULL, counter_out, NULL, error);
    if (status == BP_ERR_NOT_FOUND) {
        *counter_out = (struct counter){0};
        *seen_out = (bp_expectation){.kind = BP_EXPECT_NONE};
        return BP_OK;
    }
    if (status == BP_OK) {
        *seen_out = (bp_expectation){.kind = BP_EXPECT_AT, .clock = counter_out->clock};
    }
    return status;
}

/* The counter as of each of its events. */
static bp_status show(bp_store *store, const char *name, bp_error *error)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    struct counter counter = {0};
    bp_status status = bp_stream(store, name, NULL, &iterator, error);
    if (status != BP_OK) {
        return status;
    }
    while ((status = bp_next(iterator, &event, error)) == BP_OK) {
        int64_t before = counter.value;
        status = apply(NULL, &counter, event, error);
        if (status != BP_OK) {
            break;
        }
        printf("%6" PRIu64 "  %+" PRId64 "  = %" PRId64 "\n", event->clock, counter.value - before, counter.value);
    }
    bp_iterator_close(iterator);
    return status == BP_END ? BP_OK : status;
}

static bp_status add(bp_store *store, const char *name, int64_t change, bp_error *error)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, change);
    for (;;) {
        struct counter counter;
        bp_expectation seen;
        bp_append_options options;
        bp_status status = fold(store, name, &counter, &seen, error);
        if (status != BP_OK) {
            return status;
        }
        if (counter.value + change < 0) {
            fprintf(stderr, "%s is %" PRId64 ": %+" PRId64 " would take it below zero\n", name, counter.value, change);
            exit(1);
        }
        bp_append_options_init(&options);
        options.expect = seen;
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
    bp_expectation seen;
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK ||
        (adds && add(store, argv[2], strtoll(argv[4], NULL, 10), &error) != BP_OK) ||
        (!adds && show(store, argv[2], &error) != BP_OK) || fold(store, argv[2], &counter, &seen, &error) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    printf("%s is %" PRId64 "\n", argv[2], counter.value);
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
