/*
 * verb_kinds.c: names for kinds.
 */
#include <string.h>

#include "session.h"
#include "table.h"
#include "verbs.h"

static bool json;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &json, NULL, "one line of JSON for each kind", NULL},
    {.name = NULL},
};

static const struct column columns[] = {{"KIND", false}, {"NAME", false}, {"EVENTS", true}};

static int print_kind(void *argument, bp_kind_code kind, const char *name, uint64_t events)
{
    struct table *table = argument;
    char number[BP_KIND_TEXT_SIZE];

    bp_kind_print(kind, number);
    if (json) {
        text_add_char(out(), '{');
        put_string(out(), "kind", number);
        if (name != NULL) {
            put_string(out(), "kind_name", name);
        }
        put_u64(out(), "events", events);
        text_add_string(out(), "}\n");
        return 0;
    }
    table_add(table, number);
    table_add(table, name != NULL ? name : "-");
    table_add_count(table, events);
    return 0;
}

static int list(const char *path)
{
    static struct table table;
    bp_store *store = NULL;
    bp_error error = {0};
    int code = open_reader(path, &store);

    if (code != 0) {
        return code;
    }
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    if (bp_kinds(store, print_kind, &table, &error) != BP_OK) {
        code = fail(&error);
    }
    table_end(&table);
    return close_store(store, code);
}

/* The kind that a name is to get: the one it has, the one that was asked for, or the next free one. */
static int choose_kind(bp_store *store, const char *name, const char *number, bp_kind_code *kind_out)
{
    bp_error error = {0};

    if (number != NULL) {
        if (!bp_kind_parse_number(number, strlen(number), kind_out)) {
            return fail_usage("'%s' is no number of a kind, such as 0xF001 or 15:1", number);
        }
        return 0;
    }
    if (bp_kind_find(store, name, kind_out, NULL) == BP_OK) {
        return 0;
    }
    return bp_kind_next_free(store, kind_out, &error) == BP_OK ? 0 : fail(&error);
}

static int define(const char *path, const char *name, const char *number)
{
    bp_store *store = NULL;
    bp_error error = {0};
    bp_kind_code kind;
    int code = open_writer(path, BP_DURABILITY_DEFAULT, 0, &store);

    if (code != 0) {
        return code;
    }
    code = choose_kind(store, name, number, &kind);
    if (code == 0 && bp_kind_define(store, kind, name, &error) != BP_OK) {
        code = fail(&error);
    }
    if (code == 0) {
        if (json) {
            text_add_char(out(), '{');
            put_kind(out(), "kind", kind);
            put_string(out(), "kind_name", name);
            text_add_string(out(), "}\n");
        } else {
            char printed[BP_KIND_TEXT_SIZE];

            bp_kind_print(kind, printed);
            text_add_format(out(), "%s %s\n", printed, name);
        }
    }
    return close_store(store, code);
}

static int run(size_t count, char **arguments)
{
    if (count == 1) {
        return list(arguments[0]);
    }
    return define(arguments[0], arguments[1], count > 2 ? arguments[2] : NULL);
}

const struct verb verb_kinds = {
    .name = "kinds",
    .summary = "list the kinds, or give one a name",
    .arguments = "DIR [NAME [KIND]]",
    .about = "Without NAME it lists the kinds that have events or a name. With NAME it gives a kind that name, for\n"
             "ever: KIND (0xF001 or 15:1), or the next free type of category 1. Asking again changes nothing.",
    .examples = "batpak kinds ./s\nbatpak kinds ./s order.placed\nbatpak kinds ./s order.shipped 15:2",
    .exits = "0  listed, or named\n1  the name or the kind is taken; no such store\n2  the command line is wrong\n"
             "3  the store is damaged\n4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 3,
    .run = run,
};
