/*
 * policy_read.c: the grammar of policy files (docs/guide/policy.md), line by line.
 *
 *   policy  = { blank | "record gates" | "record denials" [N "per" "second"] | gate }
 *   gate    = "gate" NAME "{" { "on" REGION | rule } "}"        one kind of rule a gate
 *   rule    = "size" SIZE | "kinds" KIND+ | "cause" KIND* | "step" ("start" | KIND) "->" KIND | "field" PATH TYPE ["optional"]
 *           | "rate" N "per" DURATION ["by" ("region" | "entity" | "scope")] | "unique" PATH "in" PREFIX ["hashed"]
 *
 * One statement a line; `#` at the beginning of a word begins a comment. A file is read twice: once to find what is wrong with
 * it, then to make of it what it says, so that a file with a mistake changes nothing.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "policy/bind.h"
#include "policy/policy.h"
#include "policy/ready.h"
#include "store/read.h"
#include "store/store.h"

enum { WORDS_MOST = 256, WORD_SIZE = 1100, STEPS_MOST = 4096, FIELDS_MOST = 256, LINE_MOST = 8192 };

typedef enum rule_kind {
    RULE_NONE,
    RULE_SIZE,
    RULE_KINDS,
    RULE_CAUSE,
    RULE_STEP,
    RULE_FIELD,
    RULE_RATE,
    RULE_UNIQUE
} rule_kind;

typedef struct word {
    const char *at;
    size_t size;
} word;

typedef struct reader {
    bp_policy *policy;
    bool dry;
    const char *text;
    bp_error *error;
    unsigned line;
    const char *line_start;
    word words[WORDS_MOST];
    size_t count;
    /* the gate at hand */
    bool inside;
    bool has_region;
    char name[BP_GATE_NAME_MAX + 1];
    rule_kind kind;
    bp_region region;
    bp_region_text *owner;
    uint64_t number;    /* size, rate */
    uint64_t within_ms; /* rate */
    bp_rate_by by;
    bpi_reserve reserve;
    bp_kind_code kinds[WORDS_MOST];
    size_t kind_count;
    bp_kind_step steps[STEPS_MOST];
    size_t step_count;
    bp_payload_field fields[FIELDS_MOST];
    char paths[FIELDS_MOST][256];
    size_t field_count;
} reader;

static bp_status wrong(reader *r, const char *at, const char *what)
{
    size_t column = (size_t)(at - r->line_start) + 1;
    bpi_error_set(r->error, BP_ERR_FORMAT, "line %u, column %zu: %s", r->line, column, what);
    bpi_error_hint(r->error, "docs/guide/policy.md has the grammar of policy files");
    if (r->error != NULL) {
        r->error->has_offset = true;
        r->error->offset = (uint64_t)(at - r->text);
    }
    return BP_ERR_FORMAT;
}

static bool is(const word *w, const char *text)
{
    return w->size == strlen(text) && memcmp(w->at, text, w->size) == 0;
}

/* Where the statement ends, for words that are missing. */
static const char *behind(const reader *r)
{
    return r->count == 0 ? r->line_start : r->words[r->count - 1].at + r->words[r->count - 1].size;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts a line into words; quotes keep a word together. */
static bp_status cut(reader *r, const char *end)
{
    r->count = 0;
    for (const char *at = r->line_start; at < end;) {
        if (blank(*at)) {
            at++;
            continue;
        }
        if (*at == '#') {
            break;
        }
        if (r->count == WORDS_MOST) {
            return wrong(r, at, "more than 256 words on a line");
        }
        word *w = &r->words[r->count++];
        bool quoted = false;
        w->at = at;
        while (at < end && (quoted || !blank(*at))) {
            quoted = *at == '"' ? !quoted : quoted;
            at += *at == '\\' && quoted && at + 1 < end ? 2 : 1;
        }
        w->size = (size_t)(at - w->at);
        if (w->size >= WORD_SIZE) {
            return wrong(r, w->at, "a word of more than 1099 bytes");
        }
    }
    return BP_OK;
}

/* ---- words ---- */

static bp_status take_number(reader *r, const word *w, size_t size, uint64_t most, uint64_t *value_out)
{
    uint64_t value = 0;
    if (size == 0) {
        return wrong(r, w->at, "a number was expected here");
    }
    for (size_t i = 0; i < size; i++) {
        if (w->at[i] < '0' || w->at[i] > '9') {
            return wrong(r, w->at + i, "a number was expected here");
        }
        value = value > most ? value : value * 10 + (uint64_t)(w->at[i] - '0');
    }
    *value_out = value;
    return value <= most ? BP_OK : wrong(r, w->at, "the number is too great");
}

/* A name the store does not know gets the next free kind of category 1. */
static bp_status define(bp_store *store, const char *name, bp_kind_code *kind_out, bp_error *error)
{
    bp_status status = BP_ERR_EXISTS;
    for (unsigned tries = 0; status == BP_ERR_EXISTS && tries < 4096; tries++) {
        if (bp_kind_find(store, name, kind_out, NULL) == BP_OK) {
            return BP_OK;
        }
        if (!bpi_kinds_free_kind(&store->kinds, 1, kind_out)) {
            return bpi_error_set(error, BP_ERR_KIND, "all kinds of category 1 are taken; name a kind by number");
        }
        status = bp_kind_define(store, *kind_out, name, error); /* EXISTS: somebody was faster */
    }
    return status;
}

static bp_status take_kind(reader *r, const char *at, size_t size, bp_kind_code *kind_out)
{
    char name[BP_KIND_NAME_MAX + 1];
    if (bp_kind_parse_number(at, size, kind_out)) {
        return BP_OK;
    }
    if (!bp_kind_name_valid(at, size)) {
        return wrong(r, at, "this is neither a kind's name nor a number such as 0xF001 or 15:1");
    }
    memcpy(name, at, size);
    name[size] = '\0';
    *kind_out = BP_KIND(0xf, 0);
    return r->dry ? BP_OK : define(r->policy->store, name, kind_out, r->error);
}

/* 60s, 5m, 2h, 1d, 500ms */
static bp_status take_duration(reader *r, const word *w, uint64_t *ms_out)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i].unit);
        if (w->size > length && memcmp(w->at + w->size - length, units[i].unit, length) == 0 &&
            w->at[w->size - length - 1] >= '0' && w->at[w->size - length - 1] <= '9') {
            bp_status status = take_number(r, w, w->size - length, 1000000, ms_out);
            *ms_out *= units[i].ms;
            if (status == BP_OK && (*ms_out == 0 || *ms_out > BPI_RATE_MS_MOST)) {
                status = wrong(r, w->at, *ms_out == 0 ? "a duration of nothing" : "the number is too great");
            }
            return status;
        }
    }
    return wrong(r, w->at, "a duration was expected here: 500ms, 60s, 5m, 2h, 1d");
}

static bp_status take_text(reader *r, const word *w, char *to, size_t size, const char *what)
{
    if (w->size == 0 || w->size >= size) {
        return wrong(r, w->at, what);
    }
    memcpy(to, w->at, w->size);
    to[w->size] = '\0';
    return BP_OK;
}

/* Exactly or at least so many words. */
static bp_status want_words(reader *r, size_t least, size_t most, const char *form)
{
    if (r->count < least) {
        return wrong(r, behind(r), form);
    }
    return r->count > most ? wrong(r, r->words[most].at, form) : BP_OK;
}

/* ---- rules ---- */

static bp_status read_size(reader *r)
{
    const word *w = &r->words[1];
    bp_status status = want_words(r, 2, 2, "one size is expected: size 4096, size 64K, size 1M");
    if (status != BP_OK) {
        return status;
    }
    char unit = w->at[w->size - 1];
    uint64_t factor = unit == 'K' ? 1024 : unit == 'M' ? 1024 * 1024 : 1;
    status = take_number(r, w, w->size - (factor != 1), BP_PAYLOAD_MAX, &r->number);
    r->number *= factor;
    return status == BP_OK && r->number > BP_PAYLOAD_MAX ? wrong(r, w->at, "the number is too great") : status;
}

static bp_status read_kinds(reader *r)
{
    bp_status status = r->kind == RULE_KINDS ? want_words(r, 2, WORDS_MOST, "at least one kind is expected") : BP_OK;
    r->kind_count = 0;
    for (size_t i = 1; status == BP_OK && i < r->count; i++) {
        status = take_kind(r, r->words[i].at, r->words[i].size, &r->kinds[r->kind_count++]);
    }
    return status;
}

static bp_status read_step(reader *r)
{
    static const char form[] = "a step is expected: step start -> KIND, or step KIND -> KIND";
    bp_status status = want_words(r, 4, 4, form);
    if (status == BP_OK && !is(&r->words[2], "->")) {
        status = wrong(r, r->words[2].at, form);
    }
    if (status == BP_OK && r->step_count == STEPS_MOST) {
        status = wrong(r, r->line_start, "more than 4096 steps");
    }
    if (status != BP_OK) {
        return status;
    }
    bp_kind_step *step = &r->steps[r->step_count++];
    *step = (bp_kind_step){.start = is(&r->words[1], "start")};
    if (!step->start) {
        status = take_kind(r, r->words[1].at, r->words[1].size, &step->from);
    }
    return status == BP_OK ? take_kind(r, r->words[3].at, r->words[3].size, &step->to) : status;
}

static bp_status read_field(reader *r)
{
    static const char *const types[] = {"any", "string", "number", "integer", "boolean", "object", "array"};
    bp_status status = want_words(r, 3, 4, "a field is expected: field PATH TYPE [optional]");
    if (status == BP_OK && r->count == 4 && !is(&r->words[3], "optional")) {
        status = wrong(r, r->words[3].at, "only \"optional\" may stand here");
    }
    if (status == BP_OK && r->field_count == FIELDS_MOST) {
        status = wrong(r, r->line_start, "more than 256 fields");
    }
    if (status != BP_OK) {
        return status;
    }
    bp_payload_field *field = &r->fields[r->field_count];
    char *path = r->paths[r->field_count++];
    *field = (bp_payload_field){.path = path, .optional = r->count == 4};
    status = take_text(r, &r->words[1], path, sizeof r->paths[0], "a path of at most 255 bytes is expected");
    if (status == BP_OK && !bpi_field_path_valid(path)) {
        status = wrong(r, r->words[1].at, "a path is names with dots between them: customer.email");
    }
    for (size_t i = 0; status == BP_OK && i < sizeof types / sizeof types[0]; i++) {
        if (is(&r->words[2], types[i])) {
            field->type = (bp_field_type)i;
            return BP_OK;
        }
    }
    return status != BP_OK
               ? status
               : wrong(r, r->words[2].at, "a type is expected: any string number integer boolean object array");
}

static bp_status read_rate(reader *r)
{
    static const char form[] = "a rate is expected: rate N per DURATION [by region|entity|scope]";
    static const char *const by[] = {"region", "entity", "scope"};
    bp_status status = want_words(r, 4, 6, form);
    if (status == BP_OK && (!is(&r->words[2], "per") || r->count == 5 || (r->count == 6 && !is(&r->words[4], "by")))) {
        status = wrong(r, !is(&r->words[2], "per") ? r->words[2].at : r->words[4].at, form);
    }
    if (status == BP_OK) {
        status = take_number(r, &r->words[1], r->words[1].size, BP_COMMIT_QUERY_MAX, &r->number);
    }
    if (status == BP_OK && r->number == 0) {
        status = wrong(r, r->words[1].at, "a rate of nothing");
    }
    if (status == BP_OK) {
        status = take_duration(r, &r->words[3], &r->within_ms);
    }
    r->by = BP_RATE_REGION;
    for (size_t i = 0; status == BP_OK && r->count == 6; i++) {
        if (i == sizeof by / sizeof by[0]) {
            return wrong(r, r->words[5].at, form);
        }
        if (is(&r->words[5], by[i])) {
            r->by = (bp_rate_by)i;
            break;
        }
    }
    return status;
}

static bp_status read_unique(reader *r)
{
    static const char form[] = "a unique field is expected: unique PATH in PREFIX [hashed]";
    bp_status status = want_words(r, 4, 5, form);
    if (status == BP_OK && (!is(&r->words[2], "in") || (r->count == 5 && !is(&r->words[4], "hashed")))) {
        status = wrong(r, !is(&r->words[2], "in") ? r->words[2].at : r->words[4].at, form);
    }
    if (status == BP_OK) {
        status = take_text(r, &r->words[1], r->reserve.path, sizeof r->reserve.path, form);
    }
    if (status == BP_OK) {
        status = take_text(r, &r->words[3], r->reserve.prefix, sizeof r->reserve.prefix,
                           "a prefix of at most 64 bytes is expected");
    }
    if (status == BP_OK && (!bpi_field_path_valid(r->reserve.path) || !bpi_prefix_valid(r->reserve.prefix))) {
        status = wrong(r, r->words[1].at, form);
    }
    r->reserve.hashed = r->count == 5;
    return status;
}

/* The region's text, with numbers for kinds: what it means does not depend on a store any more. */
static bp_status read_region(reader *r)
{
    char text[LINE_MOST];
    size_t size = 0;
    if (r->has_region) {
        return wrong(r, r->words[0].at, "this gate has a region already");
    }
    for (size_t i = 1; i < r->count; i++) {
        const word *w = &r->words[i];
        char number[BP_KIND_TEXT_SIZE + 8] = "";
        if (w->size > 5 && memcmp(w->at, "kind=", 5) == 0 && w->at[5] != '"') {
            bp_kind_code kind = 0;
            bp_status taken = take_kind(r, w->at + 5, w->size - 5, &kind);
            if (taken != BP_OK) {
                return taken;
            }
            (void)snprintf(number, sizeof number, "kind=0x%04X", (unsigned)kind);
        }
        const char *from = number[0] != '\0' ? number : w->at;
        size_t length = number[0] != '\0' ? strlen(number) : w->size;
        if (size + length + 2 > sizeof text) {
            return wrong(r, w->at, "a region of more than 8190 bytes");
        }
        memcpy(text + size, from, length);
        size += length;
        text[size++] = ' ';
    }
    text[size] = '\0';
    bp_error inner = {0};
    bp_status status = bp_region_parse(NULL, text, &r->region, &r->owner, &inner);
    if (status == BP_ERR_NO_MEMORY) {
        return bpi_error_set(r->error, status, "%s", inner.message);
    }
    if (status != BP_OK) {
        return wrong(r, r->count > 1 ? r->words[1].at : behind(r), inner.message);
    }
    if (!bpi_region_bindable(&r->region)) {
        return wrong(r, r->count > 1 ? r->words[1].at : behind(r),
                     "a gate's region has no ranges and no system events: entity scope kind category lane correlation "
                     "cause");
    }
    r->has_region = true;
    return BP_OK;
}

/* ---- gates ---- */

static const struct {
    const char *word;
    rule_kind kind;
    bool repeats;
    bp_status (*read)(reader *r);
} rule_forms[] = {
    {"size", RULE_SIZE, false, read_size},       {"kinds", RULE_KINDS, false, read_kinds},
    {"cause", RULE_CAUSE, false, read_kinds},    {"step", RULE_STEP, true, read_step},
    {"field", RULE_FIELD, true, read_field},     {"rate", RULE_RATE, false, read_rate},
    {"unique", RULE_UNIQUE, false, read_unique},
};

static bp_status push_rule(reader *r, bp_gate_set *set)
{
    switch (r->kind) {
    case RULE_SIZE:
        return bp_gate_push_size(set, r->name, (uint32_t)r->number, r->error);
    case RULE_KINDS:
        return bp_gate_push_kinds(set, r->name, r->kinds, r->kind_count, r->error);
    case RULE_CAUSE:
        return bp_gate_push_cause(set, r->name, r->kinds, r->kind_count, r->error);
    case RULE_STEP:
        return bp_gate_push_machine(set, r->name, r->steps, r->step_count, r->error);
    case RULE_FIELD:
        return bp_gate_push_fields(set, r->name, r->fields, r->field_count, r->error);
    case RULE_RATE:
        return bp_gate_push_rate(set, r->name, &r->region, r->by, (uint32_t)r->number, r->within_ms, r->error);
    case RULE_UNIQUE:
        return bp_gate_push_unique(set, r->name, r->reserve.path, r->reserve.prefix, r->reserve.hashed, r->error);
    case RULE_NONE:
    default:
        return BP_ERR_FORMAT;
    }
}

static bp_status end_gate(reader *r)
{
    if (r->kind == RULE_NONE) {
        return wrong(r, r->words[0].at, "the gate has no rule");
    }
    r->inside = false;
    bpi_rule *rule = bpi_policy_add(r->policy);
    if (rule == NULL) {
        return bpi_error_set(r->error, BP_ERR_NO_MEMORY, "no memory for a policy");
    }
    rule->region = r->region;
    rule->owner = r->owner;
    r->owner = NULL;
    memcpy(rule->name, r->name, sizeof rule->name);
    if (r->dry) {
        return BP_OK;
    }
    bp_status status = bp_gate_set_new(&rule->set, r->error);
    if (status == BP_OK) {
        status = push_rule(r, rule->set);
    }
    if (status == BP_OK && r->kind == RULE_UNIQUE) {
        rule->reserve = bpi_allocate(bp_allocator_system(), sizeof *rule->reserve);
        if (rule->reserve == NULL) {
            return bpi_error_set(r->error, BP_ERR_NO_MEMORY, "no memory for a policy");
        }
        *rule->reserve = r->reserve;
    }
    return status;
}

static bp_status read_in_gate(reader *r)
{
    if (is(&r->words[0], "}")) {
        bp_status status = want_words(r, 1, 1, "nothing may follow the brace");
        return status == BP_OK ? end_gate(r) : status;
    }
    if (is(&r->words[0], "on")) {
        return read_region(r);
    }
    for (size_t i = 0; i < sizeof rule_forms / sizeof rule_forms[0]; i++) {
        if (!is(&r->words[0], rule_forms[i].word)) {
            continue;
        }
        if (r->kind != RULE_NONE && (r->kind != rule_forms[i].kind || !rule_forms[i].repeats)) {
            return wrong(r, r->words[0].at, "a gate has one rule; make another gate");
        }
        r->kind = rule_forms[i].kind;
        return rule_forms[i].read(r);
    }
    return wrong(r, r->words[0].at,
                 "a rule is expected: on, size, kinds, cause, step, field, rate, unique, or the closing brace");
}

static bp_status begin_gate(reader *r)
{
    static const char form[] = "a gate is expected: gate NAME {";
    bp_status status = want_words(r, 3, 3, form);
    if (status == BP_OK && !is(&r->words[2], "{")) {
        status = wrong(r, r->words[2].at, form);
    }
    if (status == BP_OK) {
        status = take_text(r, &r->words[1], r->name, sizeof r->name, "a gate's name has at most 63 bytes");
    }
    if (status == BP_OK && !bp_kind_name_valid(r->name, strlen(r->name))) {
        status = wrong(r, r->words[1].at, "a gate's name is a letter, then letters, digits, . _ - /");
    }
    for (size_t i = 0; status == BP_OK && i < r->policy->count; i++) {
        if (strcmp(r->policy->rules[i].name, r->name) == 0) {
            status = wrong(r, r->words[1].at, "a gate has this name already");
        }
    }
    r->inside = true;
    r->has_region = false;
    r->kind = RULE_NONE;
    r->region = bp_region_all();
    r->kind_count = 0;
    r->step_count = 0;
    r->field_count = 0;
    return status;
}

static bp_status read_record(reader *r)
{
    static const char form[] = "expected: record gates, or record denials [N per second]";
    bp_bind_options *options = &r->policy->options;
    bp_status status = want_words(r, 2, 5, form);
    if (status != BP_OK) {
        return status;
    }
    if (r->count == 2 && is(&r->words[1], "gates")) {
        options->record_gates = true;
        return BP_OK;
    }
    if (!is(&r->words[1], "denials")) {
        return wrong(r, r->words[1].at, form);
    }
    options->record_denials = true;
    if (r->count == 2) {
        return BP_OK;
    }
    uint64_t number = 0;
    status = take_number(r, &r->words[2], r->words[2].size, 1000000, &number);
    options->denials_per_second = (uint32_t)number;
    if (status == BP_OK && (r->count != 5 || !is(&r->words[3], "per") || !is(&r->words[4], "second"))) {
        status = wrong(r, r->words[2].at, form);
    }
    return status;
}

static bp_status read_line(reader *r)
{
    if (r->count == 0) {
        return BP_OK;
    }
    if (r->inside) {
        return read_in_gate(r);
    }
    if (is(&r->words[0], "gate")) {
        return begin_gate(r);
    }
    return is(&r->words[0], "record") ? read_record(r)
                                      : wrong(r, r->words[0].at, "\"gate\" or \"record\" is expected here");
}

bp_status bpi_policy_read(bp_policy *policy, const char *text, size_t size, bool dry, bp_error *error)
{
    reader *r = bpi_allocate_zero(bp_allocator_system(), sizeof *r);
    if (r == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read a policy");
    }
    *r = (reader){.policy = policy, .dry = dry, .text = text, .error = error};
    const char *end = text + size;
    const char *last = text;
    bp_status status = BP_OK;
    for (r->line_start = text; status == BP_OK && r->line_start < end;) {
        const char *stop = memchr(r->line_start, '\n', (size_t)(end - r->line_start));
        const char *line_end = stop != NULL ? stop : end;
        r->line++;
        const char *zero = memchr(r->line_start, '\0', (size_t)(line_end - r->line_start));
        status = zero != NULL ? wrong(r, zero, "a zero byte") : cut(r, line_end);
        if (status == BP_OK) {
            status = read_line(r);
        }
        last = r->line_start;
        r->line_start = status == BP_OK ? line_end + (stop != NULL) : r->line_start;
    }
    if (status == BP_OK && r->inside) {
        if (end[-1] == '\n') {
            r->line_start = end;
            r->line++;
        } else {
            r->line_start = last;
        }
        status = wrong(r, end, "the last gate has no closing brace");
    }
    bp_region_text_free(r->owner);
    bpi_release(bp_allocator_system(), r, sizeof *r);
    return status;
}
