/*
 * verb_append.c: one event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload.h"
#include "policy.h"
#include "scan.h"
#include "session.h"
#include "times.h"
#include "verbs.h"

enum { READ_SIZE = 64 * 1024 };

static struct {
    const char *entity;
    const char *scope;
    const char *kind;
    bool strict_kinds;
    const char *payload;
    const char *file;
    bool raw;
    const char *payload_type;
    uint32_t payload_version;
    const char *id;
    struct option_list causes;
    bool external;
    const char *correlation;
    const char *expect;
    uint32_t lane;
    uint32_t depth;
    const char *time;
    struct option_list flags;
    const char *subject;
    bool durable;
    bool buffered;
    const char *policy;
    bool json;
} given;

static const struct option options[] = {
    {"entity", 'e', OPTION_TEXT, &given.entity, "NAME", "who it happened to", NULL},
    {"scope", 's', OPTION_TEXT, &given.scope, "NAME", "where it happened", NULL},
    {"kind", 'k', OPTION_TEXT, &given.kind, "KIND",
     "a name, 0xF001 or 15:1 (DATA); an unknown name is\ngiven the next free kind of category 1", NULL},
    {"strict-kinds", 0, OPTION_FLAG, &given.strict_kinds, NULL, "refuse an unknown name", NULL},
    {"payload", 'p', OPTION_TEXT, &given.payload, "JSON", "the payload, stored as it stands here", NULL},
    {"file", 'f', OPTION_TEXT, &given.file, "FILE", "the payload, from a file; - is stdin", NULL},
    {"raw", 0, OPTION_FLAG, &given.raw, NULL, "the payload is not JSON; --payload-type raw", NULL},
    {"payload-type", 0, OPTION_TEXT, &given.payload_type, "TYPE",
     "json, raw, msgpack (--payload JSON is encoded) or\n128 to 255", NULL},
    {"payload-version", 0, OPTION_U32, &given.payload_version, "N", "version of your schema (0)", NULL},
    {"id", 0, OPTION_TEXT, &given.id, "ID", "id, which makes a retry safe: a UUID, or\nurn:NAMESPACE:TEXT", NULL},
    {"cause", 'c', OPTION_LIST, &given.causes, "ID", "an event that led to it, also by sequence;\nmay be repeated",
     NULL},
    {"external", 0, OPTION_FLAG, &given.external, NULL, "causes may lie outside of this store", NULL},
    {"correlation", 0, OPTION_TEXT, &given.correlation, "ID", "the workflow it belongs to (its own id)", NULL},
    {"expect", 0, OPTION_TEXT, &given.expect, "CLOCK",
     "the entity's last clock must be this; none: it must\nhave no event; any", NULL},
    {"lane", 0, OPTION_U32, &given.lane, "N", "branch (0)", NULL},
    {"depth", 0, OPTION_U32, &given.depth, "N", "how deep the branch forked (0)", NULL},
    {"time", 't', OPTION_TEXT, &given.time, "TIME", "when it happened (now)", NULL},
    {"flag", 0, OPTION_LIST, &given.flags, "FLAG", "requires-ack, transactional or replay; may be\nrepeated", NULL},
    {"subject", 0, OPTION_TEXT, &given.subject, "NAME",
     "encrypt the payload for this subject, so that it can be\nforgotten with the key", NULL},
    {"durable", 0, OPTION_FLAG, &given.durable, NULL, "answer when it survives a power cut (so by default)", NULL},
    {"buffered", 0, OPTION_FLAG, &given.buffered, NULL, "answer at once; closing syncs all the same", NULL},
    {"policy", 0, OPTION_TEXT, &given.policy, "FILE", "go by this policy too, beside the one the store carries", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "the receipt as JSON", NULL},
    {.name = NULL},
};

static int read_file(const char *name, struct text *text)
{
    bool standard = strcmp(name, "-") == 0;
    int file = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    int os_error;

    if (file < 0) {
        return fail_system(errno, "cannot open %s", name);
    }
    do {
        got = read(file, text_reserve(text, READ_SIZE), READ_SIZE);
        os_error = errno;
        text->size += got > 0 ? (size_t)got : 0;
    } while ((got > 0 || (got < 0 && os_error == EINTR)) && text->size <= BP_PAYLOAD_MAX);
    if (!standard) {
        (void)close(file);
    }
    if (got < 0) {
        return fail_system(os_error, "cannot read %s", name);
    }
    return text->size > BP_PAYLOAD_MAX ? fail_usage("%s is larger than 64 MiB, the most a payload can be", name) : 0;
}

static int check_json(struct text *text)
{
    struct scan scan = {.text = text->data, .size = text->size};
    struct slice value;

    if (scan_value(&scan, &value) && scan_end(&scan)) {
        return 0;
    }
    return fail_usage("the payload is not JSON: %s at column %zu (--raw stores any bytes)", scan.wrong,
                      scan_column(text->data, scan.at));
}

/* Judges the options of the payload. */
static int read_payload_options(uint8_t *type_out)
{
    *type_out = given.payload != NULL || given.file != NULL ? BP_PAYLOAD_JSON : BP_PAYLOAD_RAW;
    if (given.payload != NULL && given.file != NULL) {
        return fail_usage("either --payload or --file");
    }
    if (given.raw && given.payload_type != NULL) {
        return fail_usage("either --raw or --payload-type");
    }
    if (given.raw) {
        *type_out = BP_PAYLOAD_RAW;
    }
    if (given.payload_type != NULL && !payload_type_parse(given.payload_type, strlen(given.payload_type), type_out)) {
        return fail_usage("--payload-type is json, raw, msgpack or 128 to 255, not '%s'", given.payload_type);
    }
    if (given.payload_version > UINT16_MAX) {
        return fail_usage("--payload-version is at most %u", (unsigned)UINT16_MAX);
    }
    return 0;
}

/* The payload's bytes are left in `text`. */
static int read_payload(struct text *text, bp_payload *payload_out)
{
    struct text packed = {0};
    uint8_t type;
    int code = read_payload_options(&type);

    if (code == 0 && given.payload != NULL) {
        text_add_string(text, given.payload);
    } else if (code == 0 && given.file != NULL) {
        code = read_file(given.file, text);
    }
    if (code == 0 && (type == BP_PAYLOAD_JSON || (type == BP_PAYLOAD_MSGPACK && given.payload != NULL))) {
        code = check_json(text);
    }
    if (code == 0 && type == BP_PAYLOAD_MSGPACK && given.payload != NULL) {
        const char *why = payload_to_msgpack(text->data, text->size, &packed);

        code = why != NULL ? fail_usage("the payload cannot become MessagePack: %s", why) : 0;
        text_free(text);
        *text = packed;
    }
    *payload_out = (bp_payload){text->data, text->size, type, (uint16_t)given.payload_version};
    return code;
}

static int read_flags(bp_append_options *append)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } flags[] = {
        {"requires-ack", BP_FLAG_REQUIRES_ACK}, {"transactional", BP_FLAG_TRANSACTIONAL}, {"replay", BP_FLAG_REPLAY}};

    for (size_t i = 0; i < given.flags.count; i++) {
        size_t j = 0;

        while (j < 3 && strcmp(flags[j].name, given.flags.items[i]) != 0) {
            j++;
        }
        if (j == 3) {
            return fail_usage("--flag is requires-ack, transactional or replay, not '%s'", given.flags.items[i]);
        }
        append->flags |= flags[j].flag;
    }
    return 0;
}

static int read_expectation(bp_append_options *append)
{
    const char *expect = given.expect;

    if (expect == NULL || strcmp(expect, "any") == 0) {
        return 0;
    }
    if (strcmp(expect, "none") == 0) {
        append->expect.kind = BP_EXPECT_NONE;
        return 0;
    }
    append->expect.kind = BP_EXPECT_AT;
    if (!number_parse(expect, strlen(expect), &append->expect.clock)) {
        return fail_usage("--expect is none, any or a clock, not '%s'", expect);
    }
    return 0;
}

/* What can be judged before the store is opened. */
static int read_options(bp_append_options *append)
{
    int code;

    if (given.entity == NULL || given.scope == NULL) {
        return fail_usage("wants --entity and --scope");
    }
    if (given.durable && given.buffered) {
        return fail_usage("either --durable or --buffered");
    }
    if (given.id != NULL && !id_parse(given.id, strlen(given.id), &append->id)) {
        return fail_usage("--id is a UUID or urn:NAMESPACE:TEXT, not '%s'", given.id);
    }
    if (given.time != NULL) {
        append->has_time = true;
        if (!time_parse(given.time, strlen(given.time), &append->time_us)) {
            return fail_usage("--time is such as 2026-01-31, 2026-01-31T12:00:00Z or microseconds, not '%s'",
                              given.time);
        }
    }
    append->external = given.external;
    append->subject = given.subject;
    append->lane = given.lane;
    append->depth = given.depth;
    append->strict_kind = given.strict_kinds;
    code = read_flags(append);
    return code != 0 ? code : read_expectation(append);
}

/* What may have to be looked up in the store. An unknown UUID is the store's to refuse, an unknown sequence ours. */
static int read_links(bp_store *store, bp_append_options *append, bp_id *causes, bp_kind_code *kind_out)
{
    int code = 0;

    append->causes = causes;
    append->cause_count = given.causes.count;
    for (size_t i = 0; i < given.causes.count && code == 0; i++) {
        code = id_find(store, given.causes.items[i], &causes[i]);
    }
    if (code == 0 && given.correlation != NULL) {
        code = id_find(store, given.correlation, &append->correlation);
    }
    *kind_out = BP_KIND_DATA;
    if (given.kind != NULL && !bp_kind_parse_number(given.kind, strlen(given.kind), kind_out)) {
        append->kind_name = given.kind;
    }
    return code;
}

static void print_json(const bp_receipt *receipt, const char *number, const char *name)
{
    struct text *text = out();

    text_add_char(text, '{');
    put_u64(text, "sequence", receipt->sequence);
    put_id(text, "id", &receipt->id);
    put_string(text, "entity", given.entity);
    put_string(text, "scope", given.scope);
    put_string(text, "kind", number);
    if (name != NULL) {
        put_string(text, "kind_name", name);
    }
    put_u64(text, "clock", receipt->clock);
    put_hlc(text, "hlc", receipt->hlc);
    put_hash(text, "event_hash", &receipt->event_hash);
    put_u64(text, "position", receipt->position);
    put_bool(text, "durable", receipt->durable);
    put_bool(text, "duplicate", receipt->duplicate);
    if (receipt->unverifiable) {
        put_bool(text, "unverifiable", true);
    }
    text_add_string(text, "}\n");
}

static void print_receipt(bp_store *store, const bp_receipt *receipt)
{
    struct text *text = out();
    const char *name = bp_kind_name(store, receipt->kind);
    char number[BP_KIND_TEXT_SIZE];

    bp_kind_print(receipt->kind, number);
    if (receipt->kind_named) {
        say("%s is new and names kind %s from now on", given.kind, number);
    }
    if (given.json) {
        print_json(receipt, number, name);
        return;
    }
    text_add_format(text, "sequence %llu  clock %llu  kind %s", (unsigned long long)receipt->sequence,
                    (unsigned long long)receipt->clock, number);
    text_add_format(text, "%s%s  id ", name != NULL ? " " : "", name != NULL ? name : "");
    text_add_id(text, &receipt->id);
    text_add_string(text, receipt->durable ? "  durable" : "  buffered");
    text_add_string(text, receipt->duplicate ? "  duplicate\n" : "\n");
}

static int append_event(const char *path, bp_append_options *append, bp_payload payload)
{
    bp_durability durability = given.durable ? BP_DURABLE : given.buffered ? BP_BUFFERED : BP_DURABILITY_DEFAULT;
    bp_batch_item item = {bp_at(given.entity, given.scope), BP_KIND_DATA, payload, append};
    bp_id *causes = NULL;
    bp_store *store = NULL;
    bp_policy *policy = NULL;
    bp_receipt receipt;
    bp_error error = {0};
    int code = open_writer(path, durability, 0, &store);

    if (code != 0) {
        return code;
    }
    causes = memory_resize(NULL, given.causes.count * sizeof *causes);
    code = read_links(store, append, causes, &item.kind);
    if (code == 0) {
        code = policy_enforce(store, given.policy, &policy);
    }
    if (code == 0 && bp_policy_append(policy, store, &item, 1, NULL, &receipt, &error) != BP_OK) {
        code = fail(&error);
    }
    if (code == 0) {
        print_receipt(store, &receipt);
    }
    free(causes);
    bp_policy_free(policy);
    return close_store(store, code);
}

static int run(size_t count, char **arguments)
{
    bp_append_options append;
    bp_payload payload;
    struct text text = {0};
    int code;

    bp_append_options_init(&append);
    if (count == 2) {
        if (strcmp(arguments[1], "-") != 0 || given.file != NULL) {
            return fail_usage("does not know what to do with '%s'", arguments[1]);
        }
        given.file = "-";
    }
    code = read_options(&append);
    if (code == 0) {
        code = read_payload(&text, &payload);
    }
    if (code == 0) {
        code = append_event(arguments[0], &append, payload);
    }
    text_free(&text);
    free(given.causes.items);
    free(given.flags.items);
    return code;
}

const struct verb verb_append = {
    .name = "append",
    .summary = "append one event and show its receipt",
    .arguments = "DIR --entity NAME --scope NAME [-]",
    .about = "The payload comes from --payload, from --file, or with - from stdin; without one it is empty.\n"
             "The same --id with the same request changes nothing and gives the first receipt again.",
    .examples = "batpak append ./s --entity order:1 --scope eu --kind order.placed --payload '{\"total\":42}'\n"
                "batpak append ./s -e order:1 -s eu -k order.shipped --cause 0 --expect 0\n"
                "date | batpak append ./s -e clock -s here --raw -\n"
                "batpak append ./s -e order:2 -s eu --id urn:order:2 -p '{}'",
    .exits = "0  appended, or a duplicate\n"
             "1  refused: expectation not met, id taken by another request, no such cause or store\n"
             "2  the command line, a name or the payload is wrong\n3  the store is damaged\n"
             "4  the system refused, or another process writes the store",
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
