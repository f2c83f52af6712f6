/*
 * verb_consumers.c: the named consumers of a store: where they stand, how far behind, what they parked.
 */
#include <string.h>

#include "session.h"
#include "payload.h"
#include "show.h"
#include "times.h"
#include "verbs.h"

static struct {
    bool parked;
    bool json;
    const char *retry;
    const char *forget;
    const char *sequence;
    uint64_t partition;
} given;

static const struct option options[] = {
    {"parked", 0, OPTION_FLAG, &given.parked, NULL, "the parked events, each with its reason", NULL},
    {"retry", 0, OPTION_TEXT, &given.retry, "NAME", "deliver its parked events again when it is opened next", NULL},
    {"sequence", 0, OPTION_TEXT, &given.sequence, "SEQUENCE", "with --retry: only this one", NULL},
    {"forget", 0, OPTION_TEXT, &given.forget, "NAME", "remove it: its position and what it parked", NULL},
    {"partition", 0, OPTION_U64, &given.partition, "N", "with --retry and --forget: which part (0)", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each", NULL},
    {.name = NULL},
};

struct listing {
    const char *name; /* NULL: all */
    struct table table;
    bool damaged;
    bool found;
};

static void put_info(const bp_consumer_info *info)
{
    text_add_char(out(), '{');
    put_text(out(), "consumer", info->name.data, info->name.size);
    put_string(out(), "status", info->status == BP_OK ? "ok" : bp_status_text(info->status));
    if (info->status == BP_OK || info->status == BP_ERR_DIVERGED) {
        put_text(out(), "region", info->region.data, info->region.size);
        put_u64(out(), "partition", info->partition);
        put_u64(out(), "partitions", info->partitions);
        put_bool(out(), "published", info->published);
        put_u64(out(), "next", info->position.next);
        put_u64(out(), "epoch", info->position.epoch);
        put_hash(out(), "event_hash", &info->position.event_hash);
        put_i64(out(), "updated", info->updated_us);
        put_u64(out(), "parked", info->parked_count);
    }
    if (info->status == BP_OK) {
        put_u64(out(), "behind", info->lag.events);
        put_u64(out(), "oldest_us", info->lag.age_us);
    }
    text_add(out(), "}\n", 2);
    out_commit();
}

static void add_age(struct text *cell, const bp_lag *lag)
{
    if (lag->events == 0) {
        text_add_char(cell, '-');
    } else if (lag->age_us < 10000000) {
        text_add_format(cell, "%llu ms", (unsigned long long)(lag->age_us / 1000));
    } else {
        text_add_format(cell, "%llu s", (unsigned long long)(lag->age_us / 1000000));
    }
}

static void add_info(struct table *table, const bp_consumer_info *info)
{
    struct text *cell = table_cell(table);

    text_add_shown(cell, info->name.data, info->name.size, 0);
    if (info->partitions > 1) {
        text_add_format(cell, " %lu/%lu", (unsigned long)info->partition, (unsigned long)info->partitions);
    }
    table_next(table);
    table_add_count(table, info->position.next);
    if (info->status == BP_OK) {
        table_add_count(table, info->lag.events);
        add_age(cell, &info->lag);
        table_next(table);
    } else {
        table_add(table, bp_status_text(info->status));
        table_add(table, "-");
    }
    table_add_count(table, info->parked_count);
    text_add_shown(cell, info->region.data, info->region.size, 0);
    table_next(table);
}

static void show_parked(struct listing *listing, const bp_consumer_info *info)
{
    struct text *cell = table_cell(&listing->table);

    for (size_t i = 0; i < info->parked_count; i++) {
        const bp_parked *parked = &info->parked[i];

        if (given.json) {
            text_add_char(out(), '{');
            put_text(out(), "consumer", info->name.data, info->name.size);
            put_u64(out(), "partition", info->partition);
            put_u64(out(), "sequence", parked->sequence);
            put_id(out(), "id", &parked->id);
            put_i64(out(), "time", parked->time_us);
            put_u64(out(), "attempts", parked->attempts);
            put_bool(out(), "retry", parked->retry);
            put_text(out(), "reason", parked->reason.data, parked->reason.size);
            text_add(out(), "}\n", 2);
            out_commit();
            continue;
        }
        text_add_shown(cell, info->name.data, info->name.size, 0);
        table_next(&listing->table);
        text_add_u64(cell, parked->sequence);
        table_next(&listing->table);
        text_add_time(cell, parked->time_us);
        cell->size -= 3;
        table_next(&listing->table);
        table_add_count(&listing->table, parked->attempts);
        table_add(&listing->table, parked->retry ? "yes" : "-");
        text_add_shown(cell, parked->reason.data, parked->reason.size, 0);
        table_next(&listing->table);
    }
}

static int show_one(void *argument, const bp_consumer_info *info)
{
    struct listing *listing = argument;

    if (listing->name != NULL &&
        (info->name.size != strlen(listing->name) || memcmp(info->name.data, listing->name, info->name.size) != 0)) {
        return 0;
    }
    listing->found = true;
    listing->damaged = listing->damaged || info->status == BP_ERR_CORRUPT || info->status == BP_ERR_VERSION;
    if (given.parked) {
        show_parked(listing, info);
    } else if (given.json) {
        put_info(info);
    } else {
        add_info(&listing->table, info);
    }
    return out_closed() ? 1 : 0;
}

static int list(bp_store *store, const char *name)
{
    static const struct column columns[] = {{"CONSUMER", false}, {"NEXT", true},   {"BEHIND", true},
                                            {"OLDEST", true},    {"PARKED", true}, {"REGION", false}};
    static const struct column parked[] = {{"CONSUMER", false}, {"SEQUENCE", true}, {"PARKED", false},
                                           {"ATTEMPTS", true},  {"RETRY", false},   {"REASON", false}};
    struct listing listing = {.name = name};
    bp_error error = {0};
    bp_status status;

    table_begin(&listing.table, given.parked ? parked : columns, 6);
    status = bp_consumers(store, show_one, &listing, &error);
    table_end(&listing.table);
    if (status == BP_OK && name != NULL && !listing.found && !out_closed()) {
        status = bp_error_set(&error, BP_ERR_NOT_FOUND, "no consumer \"%s\"", name);
    }
    if (status != BP_OK) {
        return fail(&error);
    }
    return listing.damaged ? EXIT_DAMAGE : EXIT_DONE;
}

static int change(bp_store *store)
{
    bp_error error = {0};
    uint64_t sequence = BP_NONE;
    uint32_t partition = (uint32_t)given.partition;
    bp_status status;

    if (given.partition > UINT32_MAX) {
        return fail_usage("--partition wants a small number");
    }
    if (given.sequence != NULL && !number_parse(given.sequence, strlen(given.sequence), &sequence)) {
        return fail_usage("--sequence wants a sequence, not '%s'", given.sequence);
    }
    status = given.retry != NULL ? bp_consumer_retry_later(store, given.retry, partition, sequence, &error)
                                 : bp_consumer_forget(store, given.forget, partition, &error);
    return status == BP_OK ? 0 : fail(&error);
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    int code;

    if (given.retry != NULL && given.forget != NULL) {
        return fail_usage("--retry and --forget do not go together");
    }
    if (given.retry == NULL && (given.sequence != NULL || (given.forget == NULL && given.partition != 0))) {
        return fail_usage(given.sequence != NULL ? "--sequence goes with --retry"
                                                 : "--partition goes with --retry and --forget");
    }
    if (count > 1 && (given.retry != NULL || given.forget != NULL)) {
        return fail_usage("--retry and --forget name their consumer themselves: '%s' is too many", arguments[1]);
    }
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    code = given.retry != NULL || given.forget != NULL ? change(store) : list(store, count > 1 ? arguments[1] : NULL);
    return close_store(store, code);
}

const struct verb verb_consumers = {
    .name = "consumers",
    .summary = "show who follows by name, how far behind, what was parked",
    .arguments = "DIR [NAME]",
    .about = "A consumer of a program has a name and a position in the store. NEXT is the first event it has not dealt "
             "with,\n"
             "as it was written last; BEHIND counts what has come since. --retry and --forget need a consumer that no\n"
             "process has open.",
    .examples = "batpak consumers ./s\nbatpak consumers ./s mailer --parked\nbatpak consumers ./s --retry mailer\n"
                "batpak consumers ./s --forget mailer",
    .exits = exits_of_reading,
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
