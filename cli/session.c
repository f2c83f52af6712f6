/*
 * session.c: opening a store, ids and regions of the command line. See session.h.
 */
#include "session.h"

#include <string.h>

#include "progress.h"

const char exits_of_reading[] = "0  done, also when there is nothing to show\n"
                                "1  no such store, event or name\n"
                                "2  the command line is wrong\n"
                                "3  the store is damaged\n"
                                "4  the system refused";

static struct {
    const char *region;
    const char *entity;
    const char *prefix;
    const char *scope;
    const char *kind;
    const char *category;
    const char *since;
    const char *until;
    const char *committed;
    const char *correlation;
    const char *cause;
    bool system;
} given;

const struct option region_options[] = {
    {"region", 0, OPTION_TEXT, &given.region, "TEXT", "as text, like the words behind DIR", NULL},
    {"entity", 'e', OPTION_TEXT, &given.entity, "NAME", "entity; PREFIX:* is PREFIX and what begins PREFIX:", NULL},
    {"prefix", 0, OPTION_TEXT, &given.prefix, "PREFIX", "the same as --entity PREFIX:*", NULL},
    {"scope", 's', OPTION_TEXT, &given.scope, "NAME", "scope", NULL},
    {"kind", 'k', OPTION_TEXT, &given.kind, "KIND", "kind: a name, 0xF001 or 15:1", NULL},
    {"category", 0, OPTION_TEXT, &given.category, "NUMBER", "category of kinds, 0x0 to 0xF", NULL},
    {"since", 0, OPTION_TEXT, &given.since, "TIME", "happened at or after TIME", NULL},
    {"until", 0, OPTION_TEXT, &given.until, "TIME", "happened at or before TIME; a date means its end", NULL},
    {"committed", 0, OPTION_TEXT, &given.committed, "FROM..TO", "committed in that time; either end may be missing",
     NULL},
    {"correlation", 0, OPTION_TEXT, &given.correlation, "ID", "correlation", NULL},
    {"cause", 0, OPTION_TEXT, &given.cause, "ID", "that have this event as a cause", NULL},
    {"system", 0, OPTION_FLAG, &given.system, NULL, "system events too", NULL},
    {.name = NULL},
};

int open_reader(const char *path, bp_store **store_out)
{
    bp_options options;
    bp_error error = {0};
    struct progress progress;
    bp_status status;

    bp_options_init(&options);
    progress_begin(&progress, "opening", NULL);
    options.progress = progress_callback;
    options.progress_context = &progress;
    status = bp_open_reader(path, &options, store_out, &error);
    progress_end(&progress);
    return status == BP_OK ? 0 : fail(&error);
}

int open_writer(const char *path, bp_durability durability, uint32_t payload_max, bp_store **store_out)
{
    bp_options options;
    bp_error error = {0};
    struct progress progress;
    bp_status status;

    bp_options_init(&options);
    options.create = false;
    options.durability = durability;
    if (payload_max > 0) {
        options.payload_max = payload_max;
    }
    progress_begin(&progress, "opening", NULL);
    options.progress = progress_callback;
    options.progress_context = &progress;
    status = bp_open(path, &options, store_out, &error);
    progress_end(&progress);
    return status == BP_OK ? 0 : fail(&error);
}

int close_store(bp_store *store, int code)
{
    bp_error error = {0};

    if (bp_close(store, &error) != BP_OK) {
        int closing = fail(&error);

        return code != 0 ? code : closing;
    }
    return code;
}

bool id_parse(const char *text, size_t size, bp_id *id_out)
{
    static const char urn[] = "urn:";
    static const char uuid[] = "uuid";
    char space[64];
    const char *colon;
    size_t space_size;

    if (size < sizeof urn - 1 || memcmp(text, urn, sizeof urn - 1) != 0) {
        return bp_id_parse(text, size, id_out) && !bp_id_is_nil(id_out);
    }
    text += sizeof urn - 1;
    size -= sizeof urn - 1;
    colon = memchr(text, ':', size);
    space_size = colon != NULL ? (size_t)(colon - text) : 0;
    if (space_size == 0 || space_size >= sizeof space) {
        return false;
    }
    memcpy(space, text, space_size);
    space[space_size] = '\0';
    if (strcmp(space, uuid) == 0) {
        return bp_id_parse(colon + 1, size - space_size - 1, id_out) && !bp_id_is_nil(id_out);
    }
    *id_out = bp_id_from(space, colon + 1, size - space_size - 1);
    return true;
}

int id_find(bp_store *store, const char *text, bp_id *id_out)
{
    const char *digits = text[0] == '#' ? text + 1 : text;
    const bp_event *event = NULL;
    bp_error error = {0};
    uint64_t sequence;

    if (number_parse(digits, strlen(digits), &sequence)) {
        if (bp_get_sequence(store, sequence, &event, &error) != BP_OK) {
            return fail(&error);
        }
        *id_out = event->id;
        bp_event_release(event);
        return 0;
    }
    if (!id_parse(text, strlen(text), id_out)) {
        return fail_usage("'%s' is no id: a UUID, urn:NAMESPACE:TEXT or a sequence", text);
    }
    return 0;
}

static void add_field(struct text *text, const char *name, const char *value)
{
    bool quoted = strpbrk(value, " \t\"\\") != NULL || value[0] == '\0';

    text_add_format(text, " %s=", name);
    if (!quoted) {
        text_add_string(text, value);
        return;
    }
    text_add_char(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\') {
            text_add_char(text, '\\');
        }
        text_add_char(text, *value);
    }
    text_add_char(text, '"');
}

/* Ids may be sequences here, so they are looked up before they become text. */
static int add_id(bp_store *store, struct text *text, const char *name, const char *value)
{
    char printed[BP_ID_TEXT_SIZE];
    bp_id id;
    int code;

    if (value == NULL) {
        return 0;
    }
    code = id_find(store, value, &id);
    if (code == 0) {
        bp_id_print(&id, printed);
        add_field(text, name, printed);
    }
    return code;
}

static void add_given(struct text *text)
{
    struct text range = {0};

    if (given.region != NULL) {
        text_add_format(text, " %s", given.region);
    }
    if (given.kind != NULL) {
        add_field(text, "kind", given.kind);
    }
    if (given.category != NULL) {
        add_field(text, "category", given.category);
    }
    if (given.committed != NULL) {
        add_field(text, "committed", given.committed);
    }
    if (given.since != NULL || given.until != NULL) {
        text_add_string(&range, given.since != NULL ? given.since : "");
        text_add_string(&range, "..");
        text_add_string(&range, given.until != NULL ? given.until : "");
        add_field(text, "time", text_string(&range));
    }
    text_free(&range);
}

/* Names are set as they are: they need no quoting that way. */
static void set_names(bp_region *region)
{
    size_t size = given.entity != NULL ? strlen(given.entity) : 0;

    if (size > 2 && strcmp(given.entity + size - 2, ":*") == 0) {
        bp_region_set_prefix(region, (bp_text){given.entity, size - 2});
    } else if (given.entity != NULL) {
        bp_region_set_entity(region, bp_text_of(given.entity));
    }
    if (given.prefix != NULL) {
        bp_region_set_prefix(region, bp_text_of(given.prefix));
    }
    if (given.scope != NULL) {
        bp_region_set_scope(region, bp_text_of(given.scope));
    }
    if (given.system) {
        bp_region_set_system(region, true);
    }
}

int region_read(bp_store *store, size_t count, char **words, bp_region *region_out, bp_region_text **owner_out)
{
    struct text text = {0};
    bp_error error = {0};
    int code;

    for (size_t i = 0; i < count; i++) {
        if (words[i][strspn(words[i], " \t\r\n")] == '\0') {
            text_free(&text);
            return fail_usage("'%s' is no region; leave it out to ask for everything", words[i]);
        }
        text_add_string(&text, i > 0 ? " " : "");
        text_add_string(&text, words[i]);
    }
    add_given(&text);
    code = add_id(store, &text, "correlation", given.correlation);
    if (code == 0) {
        code = add_id(store, &text, "cause", given.cause);
    }
    if (code == 0 && bp_region_parse(store, text_string(&text), region_out, owner_out, &error) != BP_OK) {
        code = fail(&error);
    }
    if (code == 0) {
        set_names(region_out);
    }
    text_free(&text);
    return code;
}
