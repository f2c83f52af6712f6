/*
 * verb_dump.c: the bytes of a store's files with their fields named.
 */
#include <string.h>

#include "session.h"
#include "table.h"
#include "verbs.h"

static struct {
    bool json;
    bool bad;
} given;

static const struct option options[] = {
    {"bad", 0, OPTION_FLAG, &given.bad, NULL, "only the fields that break the format", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each field", NULL},
    {.name = NULL},
};

static const struct column columns[] = {{"OFFSET", true}, {"SIZE", true},   {"OF", false},
                                        {"FIELD", false}, {"VALUE", false}, {"", false}};

struct dump {
    struct table table;
    uint64_t bad;
};

static int print_field(void *argument, const bp_field *field)
{
    struct dump *dump = argument;
    struct table *table = &dump->table;

    dump->bad += field->bad;
    if (given.bad && !field->bad) {
        return 0;
    }
    if (given.json) {
        text_add_char(out(), '{');
        put_string(out(), "of", field->group);
        put_string(out(), "field", field->name);
        put_u64(out(), "offset", field->offset);
        put_u64(out(), "size", field->size);
        put_string(out(), "value", field->value);
        if (field->bad) {
            put_bool(out(), "bad", true);
        }
        text_add_string(out(), "}\n");
        out_commit();
        return out_closed() ? 1 : 0;
    }
    text_add_u64(table_cell(table), field->offset);
    table_next(table);
    text_add_u64(table_cell(table), field->size);
    table_next(table);
    table_add(table, field->group);
    table_add(table, field->name);
    table_add(table, field->value);
    table_add(table, field->bad ? "<- breaks the format" : "");
    return out_closed() ? 1 : 0;
}

/* A path to a file of a store, cut into the two; the name within is one or two parts long. */
static void split_path(char *path, const char **store_out, const char **name_out)
{
    static const char *const folders[] = {"log", "index", "cache", "consumers", "keys"};
    char *slash = strrchr(path, '/');
    char *start = slash;
    uint32_t ordinal;
    uint32_t generation;

    if (slash == NULL) {
        static struct text name;
        bool segment = bp_segment_name_parse(path, &ordinal, &generation);

        /* From within log/ a segment may be named alone. */
        text_add_format(&name, "%s%s", segment ? "log/" : "", path);
        *store_out = segment ? ".." : ".";
        *name_out = text_string(&name);
        return;
    }
    while (start > path && start[-1] != '/') {
        start--;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (strlen(folders[i]) == (size_t)(slash - start) && memcmp(folders[i], start, strlen(folders[i])) == 0) {
            *name_out = start;
            if (start == path) {
                *store_out = ".";
            } else {
                start[-1] = '\0';
                *store_out = start - 1 == path ? "/" : path;
            }
            return;
        }
    }
    *slash = '\0';
    *store_out = slash == path ? "/" : path;
    *name_out = slash + 1;
}

static int run(size_t count, char **arguments)
{
    static struct dump dump;
    const char *store = arguments[0];
    const char *name = count > 1 ? arguments[1] : NULL;
    bp_error error = {0};
    bp_status status;

    if (name == NULL) {
        split_path(arguments[0], &store, &name);
    }
    table_begin(&dump.table, columns, sizeof columns / sizeof columns[0]);
    status = bp_dump_file(store, name, NULL, print_field, &dump, &error);
    table_end(&dump.table);
    if (status != BP_OK) {
        return fail(&error);
    }
    if (dump.bad > 0) {
        say("%llu fields break the format", (unsigned long long)dump.bad);
        return EXIT_DAMAGE;
    }
    return EXIT_DONE;
}

const struct verb verb_dump = {
    .name = "dump",
    .summary = "show the fields of a file of a store",
    .arguments = "DIR FILE | PATH",
    .about = "FILE is named within DIR: MANIFEST, SEGMENTS-3, live, LOCK, log/0000000000-1.seg, an ERASING-<id>; or "
             "give the\n"
             "whole PATH. What the fields mean is in docs/format.md.",
    .examples = "batpak dump ./s MANIFEST\nbatpak dump ./s/log/0000000000-1.seg\nbatpak dump ./s live --json",
    .exits = "0  shown\n1  no such file\n2  the command line is wrong, or no file of a store\n"
             "3  shown, and some of it breaks the format\n4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
