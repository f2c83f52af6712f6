/*
 * main.c: finds the verb, reads its options, runs it, and sees that everything was written.
 */
#include <signal.h>
#include <string.h>

#include "output.h"
#include "verbs.h"

static const struct verb *const verbs[] = {
    &verb_init,      &verb_append,   &verb_import,    &verb_export, &verb_get,
    &verb_query,     &verb_stream,   &verb_tail,      &verb_walk,   &verb_kinds,
    &verb_verify,    &verb_stats,    &verb_dump,      &verb_seal,   &verb_inspect_recovery,
    &verb_repair,    &verb_reindex,  &verb_consumers, &verb_bench,  &verb_policy,
    &verb_why,       &verb_snapshot, &verb_restore,   &verb_erase,  &verb_compact,
    &verb_tombstone,
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[VERB_COUNT + 2];
    const char *near;

    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i]->name;
    }
    names[VERB_COUNT] = "help";
    names[VERB_COUNT + 1] = NULL;
    near = nearest_name(name, names);
    if (near != NULL) {
        return fail_usage("no verb '%s'; did you mean '%s'?", name, near);
    }
    return fail_usage("no verb '%s'", name);
}

/* What people meet first: enough to begin with, ready to copy. */
static int welcome(void)
{
    static const char *const commands[] = {
        "batpak init ./s",
        "batpak append ./s --entity order:1 --scope eu --kind order.placed --payload '{\"total\":42}'",
        "batpak query ./s 'entity=order:*'",
        "batpak tail -f ./s",
        "batpak verify ./s",
    };

    text_add_string(out(), "batpak: an event store in one directory. To begin:\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        text_add_format(out(), "  %s\n", commands[i]);
    }
    text_add_string(out(), "\nAll verbs: batpak --help\n");
    return EXIT_DONE;
}

static int help_all(void)
{
    text_add_string(out(), "Usage: batpak VERB DIR [ARGUMENT...] [OPTION...]\n\nVerbs:\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        text_add_format(out(), "  %-18s%s\n", verbs[i]->name, verbs[i]->summary);
    }
    text_add_string(out(), "\nHelp: batpak help VERB, batpak VERB --help, man batpak\n"
                           "Exit codes: 0 done, 1 the answer is no, 2 usage, 3 damage, 4 the system refused\n");
    return EXIT_DONE;
}

static int help(int count, char **arguments)
{
    const struct verb *verb;

    if (count == 0) {
        return help_all();
    }
    verb = find_verb(arguments[0]);
    if (verb == NULL) {
        return strcmp(arguments[0], "help") == 0 ? help_all() : unknown_verb(arguments[0]);
    }
    options_help(verb);
    return EXIT_DONE;
}

static int run_verb(const struct verb *verb, size_t count, char **arguments)
{
    bool wants_help = false;
    size_t left = 0;
    int code;

    output_begin(verb->name);
    code = options_parse(verb, count, arguments, &left, &wants_help);
    if (code != 0) {
        return code;
    }
    if (wants_help) {
        options_help(verb);
        return EXIT_DONE;
    }
    return verb->run(left, arguments);
}

static int run(int count, char **arguments)
{
    const struct verb *verb;

    if (count == 0) {
        return welcome();
    }
    if (strcmp(arguments[0], "--version") == 0 || strcmp(arguments[0], "-V") == 0) {
        text_add_format(out(), "batpak %s\n", bp_version());
        return EXIT_DONE;
    }
    if (strcmp(arguments[0], "--help") == 0 || strcmp(arguments[0], "-h") == 0 || strcmp(arguments[0], "help") == 0) {
        return help(count - 1, arguments + 1);
    }
    if (arguments[0][0] == '-') {
        return fail_usage("the verb comes first, then options: no verb '%s'", arguments[0]);
    }
    verb = find_verb(arguments[0]);
    if (verb == NULL) {
        return unknown_verb(arguments[0]);
    }
    return run_verb(verb, (size_t)count - 1, arguments + 1);
}

int main(int count, char **arguments)
{
    /* A reader that went away shows up as EPIPE, so that verbs can close their store before they end. */
    (void)signal(SIGPIPE, SIG_IGN);
    output_begin(NULL);
    return out_finish(run(count > 0 ? count - 1 : 0, count > 0 ? arguments + 1 : arguments));
}
