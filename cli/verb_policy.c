/*
 * verb_policy.c: policies: checked, tried, kept in a store.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "import_commit.h"
#include "policy.h"
#include "session.h"
#include "verbs.h"

static const struct option options[] = {{.name = NULL}};

/* Parses it where nothing can be spoilt. */
static int parse_aside(const struct text *text, bp_io **io_out, bp_store **store_out, bp_policy **policy_out)
{
    bp_error error = {0};
    int code = policy_try_store(io_out, store_out);

    if (code == 0 && bp_policy_parse(*store_out, text->data, text->size, policy_out, &error) != BP_OK) {
        (void)fail(&error);
        code = EXIT_NO;
        code = close_store(*store_out, code);
        bp_io_memory_free(*io_out);
    }
    return code;
}

static int check(const char *file)
{
    struct text text = {0};
    bp_io *io = NULL;
    bp_store *store = NULL;
    bp_policy *policy = NULL;
    int code = policy_read(file, &text);

    if (code == 0) {
        code = parse_aside(&text, &io, &store, &policy);
    }
    if (code == 0) {
        size_t gates = bp_policy_gate_count(policy);

        text_add_format(out(), "%zu gate%s, no mistakes\n", gates, gates == 1 ? "" : "s");
        bp_policy_free(policy);
        code = close_store(store, 0);
        bp_io_memory_free(io);
    }
    text_free(&text);
    return code;
}

/* Appends the events to a store in memory, and says which lines are refused. */
static int test(const char *policy_file, const char *events)
{
    struct text text = {0};
    bp_io *io = NULL;
    bp_store *store = NULL;
    bp_policy *policy = NULL;
    bp_error error = {0};
    int file = strcmp(events, "-") == 0 ? STDIN_FILENO : open(events, O_RDONLY | O_CLOEXEC);
    int code;

    if (file < 0) {
        return fail_system(errno, "cannot open %s", events);
    }
    code = policy_read(policy_file, &text);
    if (code == 0) {
        code = parse_aside(&text, &io, &store, &policy);
    }
    if (code == 0) {
        code = bp_policy_bind(policy, &error) != BP_OK ? fail(&error) : import_try(store, policy, file);
        bp_policy_free(policy);
        code = close_store(store, code);
        bp_io_memory_free(io);
    }
    text_free(&text);
    if (file != STDIN_FILENO) {
        (void)close(file);
    }
    return code;
}

static int set(const char *path, const char *file)
{
    struct text text = {0};
    bp_store *store = NULL;
    bp_error error = {0};
    int code = file != NULL ? policy_read(file, &text) : 0;

    if (code == 0) {
        code = open_writer(path, BP_DURABLE, 0, &store);
    }
    if (code == 0) {
        if (bp_policy_store(store, text.data, text.size, &error) != BP_OK) {
            code = fail(&error);
        }
        code = close_store(store, code);
    }
    text_free(&text);
    return code;
}

static int show(const char *path)
{
    const bp_event *event = NULL;
    bp_store *store = NULL;
    bp_error error = {0};
    int code = open_reader(path, &store);

    if (code != 0) {
        return code;
    }
    if (bp_policy_stored(store, &event, &error) != BP_OK) {
        code = fail(&error);
    } else {
        text_add(out(), event->payload, event->payload_size);
        bp_event_release(event);
    }
    return close_store(store, code);
}

static int run(size_t count, char **arguments)
{
    const char *what = arguments[0];

    if (strcmp(what, "check") == 0 && count == 2) {
        return check(arguments[1]);
    }
    if (strcmp(what, "test") == 0 && count == 3) {
        return test(arguments[1], arguments[2]);
    }
    if (strcmp(what, "set") == 0 && count == 3) {
        return set(arguments[1], arguments[2]);
    }
    if (strcmp(what, "show") == 0 && count == 2) {
        return show(arguments[1]);
    }
    if (strcmp(what, "clear") == 0 && count == 2) {
        return set(arguments[1], NULL);
    }
    return fail_usage("wants check FILE, test FILE EVENTS, set DIR FILE, show DIR or clear DIR");
}

const struct verb verb_policy = {
    .name = "policy",
    .summary = "check, try, keep and show policies",
    .arguments = "check FILE | test FILE EVENTS | set DIR FILE | show DIR | clear DIR",
    .about = "A policy is a file of gates, which judge every event that is appended. check looks for mistakes; test\n"
             "appends the events of a file of JSON Lines to an empty store in memory and says which ones are refused;\n"
             "set keeps the policy in a store, so that append and import go by it from then on; show prints it, and\n"
             "clear takes it back. The grammar: docs/guide/policy.md.",
    .examples = "batpak policy check orders.policy\nbatpak policy test orders.policy events.jsonl\n"
                "batpak policy set ./s orders.policy\nbatpak append ./s --policy orders.policy -e order:1 -s eu",
    .exits = "0  done; with test: all events pass\n1  the policy has mistakes, or an event is refused; no policy\n"
             "2  the command line is wrong\n3  the store is damaged\n4  the system refused",
    .groups = {options},
    .least = 2,
    .most = 3,
    .run = run,
};
