/*
 * verb_tail.c: the newest events, and what comes after them.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "session.h"
#include "show.h"
#include "verbs.h"

enum { POLL_MS = 500 }; /* a signal may come between the look at it and the poll */

static struct {
    uint64_t limit;
    bool follow;
    bool json;
} given = {.limit = 10};

static const struct option options[] = {
    {"limit", 'n', OPTION_U64, &given.limit, "N", "the newest N (10); 0: none of what is there", NULL},
    {"follow", 'f', OPTION_FLAG, &given.follow, NULL, "go on with what is appended, until interrupted", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event", NULL},
    {.name = NULL},
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Where to go on: behind `last`, if there is one. */
struct place {
    bool has_last;
    uint64_t last;
};

/* Everything of the region behind the place and below `end`. */
static int show_there(struct show *show, const bp_region *region, const struct place *place, uint64_t end)
{
    bp_query_options query;
    bp_iterator *iterator = NULL;
    const bp_event *event;
    bp_error error = {0};
    bp_status status;

    bp_query_options_init(&query);
    query.resume = place->has_last;
    query.resume_after = place->last;
    if (bp_query(show->store, region, &query, &iterator, &error) != BP_OK) {
        return fail(&error);
    }
    while ((status = bp_next(iterator, &event, &error)) == BP_OK && event->sequence < end && !out_closed()) {
        status = show_event(show, event, 0, &error);
        if (status != BP_OK) {
            break;
        }
    }
    bp_iterator_close(iterator);
    show_flush(show);
    return status == BP_OK || status == BP_END ? 0 : fail(&error);
}

/* The place before the newest N of the region. */
static int find_start(bp_store *store, const bp_region *region, struct place *place)
{
    bp_query_options query;
    bp_iterator *iterator = NULL;
    bp_error error = {0};
    bp_status status;
    uint64_t sequence = 0;
    uint64_t found = 0;

    bp_query_options_init(&query);
    query.backward = true;
    query.limit = given.limit;
    if (bp_query(store, region, &query, &iterator, &error) != BP_OK) {
        return fail(&error);
    }
    while ((status = bp_next_sequence(iterator, &sequence, &error)) == BP_OK) {
        found++;
    }
    bp_iterator_close(iterator);
    if (status != BP_END) {
        return fail(&error);
    }
    if (found > 0 && sequence > 0) {
        *place = (struct place){true, sequence - 1};
    }
    return 0;
}

/* Waits until there may be something; false when it is time to end: interrupted, or nobody reads stdout any more. */
static bool wait_for_more(int descriptor)
{
    struct pollfd watched[2] = {{.fd = STDOUT_FILENO}, {.fd = descriptor, .events = POLLIN}};

    if (poll(watched, 2, POLL_MS) > 0 && (watched[0].revents & (POLLERR | POLLNVAL)) != 0) {
        return false;
    }
    return interrupted == 0 && !out_closed();
}

/* All that is there now. */
static int show_arrived(struct show *show, bp_subscription *subscription)
{
    bp_delivery delivery;
    bp_error error = {0};
    bp_status status;

    while ((status = bp_subscription_next(subscription, 0, &delivery, &error)) == BP_OK && !out_closed()) {
        status = show_event(show, &delivery.event, 0, &error);
        if (status != BP_OK) {
            break;
        }
    }
    show_flush(show);
    return status == BP_OK || status == BP_ERR_TIMEOUT ? 0 : fail(&error);
}

static int follow(struct show *show, bp_subscription *subscription)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    bp_error error = {0};
    int descriptor = -1;
    int code = 0;

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (bp_subscription_descriptor(subscription, &descriptor, &error) != BP_OK) {
        return fail(&error);
    }
    while (code == 0 && wait_for_more(descriptor)) {
        code = show_arrived(show, subscription);
    }
    return code;
}

/* What comes after this moment belongs to the subscription; what was there before is shown by a query. */
static int subscribe(bp_store *store, const bp_region *region, bp_subscription **subscription_out, uint64_t *end_out)
{
    bp_error error = {0};
    bp_position position = {0};

    if (bp_subscribe(store, region, NULL, subscription_out, &error) != BP_OK ||
        bp_subscription_position(*subscription_out, &position, &error) != BP_OK) {
        return fail(&error);
    }
    *end_out = position.next;
    return 0;
}

static int run(size_t count, char **arguments)
{
    struct place place = {0};
    bp_store *store = NULL;
    bp_subscription *subscription = NULL;
    bp_region region;
    bp_region_text *owner = NULL;
    uint64_t end = UINT64_MAX;
    struct show show;
    int code = open_reader(arguments[0], &store);

    if (code != 0) {
        return code;
    }
    show_begin(&show, store, given.json, false);
    code = region_read(store, count - 1, arguments + 1, &region, &owner);
    if (code == 0 && given.follow) {
        code = subscribe(store, &region, &subscription, &end);
    }
    if (code == 0 && given.limit > 0) {
        code = find_start(store, &region, &place);
    }
    if (code == 0 && given.limit > 0) {
        code = show_there(&show, &region, &place, end);
    }
    if (code == 0 && given.follow) {
        code = follow(&show, subscription);
    }
    show_end(&show);
    bp_subscription_close(subscription);
    bp_region_text_free(owner);
    return close_store(store, code);
}

const struct verb verb_tail = {
    .name = "tail",
    .summary = "show the newest events, and follow what comes",
    .arguments = "DIR [FIELD=VALUE...]",
    .about = "The fields are those of batpak query. With -f it goes on with what any process appends, until it is\n"
             "interrupted (Ctrl-C, exit code 0).",
    .examples = "batpak tail ./s\nbatpak tail -f ./s 'entity=order:*'\nbatpak tail -n 0 -f ./s --json | jq .payload",
    .exits = exits_of_reading,
    .groups = {options, region_options},
    .least = 1,
    .most = SIZE_MAX,
    .run = run,
};
