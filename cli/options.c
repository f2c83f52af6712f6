/*
 * options.c: reading a command line by its tables. See options.h.
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { NAMES_MAX = 96, NEAR_MAX = 32, HELP_COLUMN = 28 };

bool number_parse(const char *text, size_t size, uint64_t *value_out)
{
    uint64_t value = 0;

    if (size == 0) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        uint64_t digit;

        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *value_out = value;
    return true;
}

/* Edit distance, where two neighbours that changed places count as one edit. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NEAR_MAX + 1] = {{0}};
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);

    if (a_size > NEAR_MAX || b_size > NEAR_MAX) {
        return NEAR_MAX;
    }
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

const char *nearest_name(const char *typed, const char *const *names)
{
    const char *best = NULL;
    size_t least = strlen(typed) / 3 + 2;

    for (; *names != NULL; names++) {
        size_t edits = distance(typed, *names);

        if (strlen(typed) >= 3 && strncmp(*names, typed, strlen(typed)) == 0) {
            edits = 1;
        }
        if (edits < least) {
            least = edits;
            best = *names;
        }
    }
    return best;
}

static const struct option *find_option(const struct verb *verb, const char *name, size_t size, char letter)
{
    for (size_t i = 0; i < OPTION_GROUPS_MAX && verb->groups[i] != NULL; i++) {
        for (const struct option *option = verb->groups[i]; option->name != NULL; option++) {
            if (name != NULL ? strlen(option->name) == size && memcmp(option->name, name, size) == 0
                             : option->letter == letter) {
                return option;
            }
        }
    }
    return NULL;
}

static int unknown_option(const struct verb *verb, const char *name, size_t size)
{
    const char *names[NAMES_MAX + 1] = {"help"};
    char typed[NEAR_MAX + 1] = {0};
    const char *near;
    size_t count = 1;

    for (size_t i = 0; i < OPTION_GROUPS_MAX && verb->groups[i] != NULL; i++) {
        for (const struct option *option = verb->groups[i]; option->name != NULL && count < NAMES_MAX; option++) {
            names[count++] = option->name;
        }
    }
    memcpy(typed, name, size < NEAR_MAX ? size : NEAR_MAX);
    near = nearest_name(typed, names);
    if (near != NULL) {
        return fail_usage("no option --%.*s; did you mean --%s?", (int)size, name, near);
    }
    return fail_usage("no option --%.*s", (int)size, name);
}

static bool size_parse(const char *text, uint64_t *value_out)
{
    static const char units[] = "KMG";
    size_t size = strlen(text);
    const char *unit = size > 0 ? strchr(units, text[size - 1]) : NULL;
    unsigned shift = 0;
    uint64_t value;

    if (unit != NULL && *unit != '\0') {
        shift = (unsigned)(unit - units + 1) * 10;
        size--;
    }
    if (!number_parse(text, size, &value) || value > UINT64_MAX >> shift) {
        return false;
    }
    *value_out = value << shift;
    return true;
}

static int store_choice(const struct option *option, const char *value)
{
    struct text words = {0};
    int code;

    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *(int *)option->value = i;
            return 0;
        }
    }
    for (int i = 0; option->choices[i] != NULL; i++) {
        text_add_string(&words, i > 0 ? ", " : "");
        text_add_string(&words, option->choices[i]);
    }
    code = fail_usage("--%s is one of %s, not '%s'", option->name, text_string(&words), value);
    text_free(&words);
    return code;
}

static int store_value(const struct option *option, const char *value, size_t most)
{
    struct option_list *list;
    uint64_t number = 0;

    switch (option->type) {
    case OPTION_TEXT:
        *(const char **)option->value = value;
        return 0;
    case OPTION_LIST:
        list = option->value;
        if (list->items == NULL) {
            list->items = memory_resize(NULL, most * sizeof *list->items);
        }
        list->items[list->count++] = value;
        return 0;
    case OPTION_CHOICE:
        return store_choice(option, value);
    case OPTION_SIZE:
        if (!size_parse(value, option->value)) {
            return fail_usage("--%s wants a number of bytes such as 65536, 64K or 16M, not '%s'", option->name, value);
        }
        return 0;
    default:
        if (!number_parse(value, strlen(value), &number) || (option->type == OPTION_U32 && number > UINT32_MAX)) {
            return fail_usage("--%s wants a number, not '%s'", option->name, value);
        }
        if (option->type == OPTION_U32) {
            *(uint32_t *)option->value = (uint32_t)number;
        } else {
            *(uint64_t *)option->value = number;
        }
        return 0;
    }
}

/* What is left to read, and the arguments found so far. */
struct reader {
    const struct verb *verb;
    size_t count;
    char **argv;
    size_t at;
    bool help;
};

static int parse_long(struct reader *reader, const char *name)
{
    const char *equals = strchr(name, '=');
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *option = find_option(reader->verb, name, size, 0);

    if (strcmp(name, "help") == 0) {
        reader->help = true;
        return 0;
    }
    if (option == NULL) {
        return unknown_option(reader->verb, name, size);
    }
    if (option->type == OPTION_FLAG) {
        *(bool *)option->value = true;
        return equals == NULL ? 0 : fail_usage("--%s takes no value", option->name);
    }
    if (equals != NULL) {
        return store_value(option, equals + 1, reader->count);
    }
    if (reader->at == reader->count) {
        return fail_usage("--%s wants %s", option->name, option->argument);
    }
    return store_value(option, reader->argv[reader->at++], reader->count);
}

static int parse_short(struct reader *reader, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct option *option = find_option(reader->verb, NULL, 0, *letters);

        if (*letters == 'h') {
            reader->help = true;
            return 0;
        }
        if (option == NULL) {
            return fail_usage("no option -%c", *letters);
        }
        if (option->type == OPTION_FLAG) {
            *(bool *)option->value = true;
            continue;
        }
        if (letters[1] != '\0') {
            return store_value(option, letters + 1, reader->count);
        }
        if (reader->at == reader->count) {
            return fail_usage("-%c wants %s", *letters, option->argument);
        }
        return store_value(option, reader->argv[reader->at++], reader->count);
    }
    return 0;
}

int options_parse(const struct verb *verb, size_t count, char **argv, size_t *left_out, bool *help_out)
{
    struct reader reader = {.verb = verb, .count = count, .argv = argv};
    size_t left = 0;
    bool ended = false;
    int code = 0;

    while (reader.at < count && code == 0 && !reader.help) {
        char *word = argv[reader.at++];

        if (ended || word[0] != '-' || word[1] == '\0') {
            argv[left++] = word;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else if (word[1] == '-') {
            code = parse_long(&reader, word + 2);
        } else {
            code = parse_short(&reader, word + 1);
        }
    }
    *left_out = left;
    *help_out = reader.help;
    if (code != 0 || reader.help) {
        return code;
    }
    if (left < verb->least) {
        return fail_usage("wants %s", verb->arguments);
    }
    if (left > verb->most) {
        return fail_usage("does not know what to do with '%s'; it wants %s", argv[verb->most], verb->arguments);
    }
    return 0;
}

static void help_option(struct text *text, const struct option *option)
{
    size_t start = text->size;
    const char *line = option->help;

    if (option->letter != 0) {
        text_add_format(text, "  -%c, ", option->letter);
    } else {
        text_add_string(text, "      ");
    }
    text_add_format(text, "--%s", option->name);
    if (option->argument != NULL) {
        text_add_format(text, " %s", option->argument);
    }
    if (text->size - start + 2 > HELP_COLUMN) {
        text_add_char(text, '\n');
        start = text->size;
    }
    for (;;) {
        size_t size = strcspn(line, "\n");

        text_add_repeated(text, ' ', HELP_COLUMN - (text->size - start));
        text_add(text, line, size);
        text_add_char(text, '\n');
        if (line[size] == '\0') {
            break;
        }
        line += size + 1;
        start = text->size;
    }
}

static void help_section(struct text *text, const char *title, const char *lines)
{
    text_add_style(text, STYLE_HEAD);
    text_add_format(text, "\n%s:", title);
    text_add_style(text, STYLE_PLAIN);
    text_add_char(text, '\n');
    while (lines != NULL && *lines != '\0') {
        size_t size = strcspn(lines, "\n");

        text_add_string(text, size > 0 ? "  " : "");
        text_add(text, lines, size);
        text_add_char(text, '\n');
        lines += size + (lines[size] == '\n');
    }
}

void options_help(const struct verb *verb)
{
    static const struct option help[] = {
        {.name = "help", .letter = 'h', .help = "this text"},
        {.name = NULL},
    };
    struct text *text = out();

    text_add_format(text, "Usage: batpak %s %s [OPTION...]\n\n%s\n", verb->name, verb->arguments, verb->summary);
    if (verb->about != NULL) {
        text_add_format(text, "\n%s\n", verb->about);
    }
    help_section(text, "Options", NULL);
    for (size_t i = 0; i < OPTION_GROUPS_MAX && verb->groups[i] != NULL; i++) {
        if (i > 0) {
            help_section(text, "The region: events for which all of these hold", NULL);
        }
        for (const struct option *option = verb->groups[i]; option->name != NULL; option++) {
            help_option(text, option);
        }
        if (i == 0) {
            help_option(text, help);
        }
    }
    help_section(text, "Examples", verb->examples);
    help_section(text, "Exit codes", verb->exits);
    out_commit();
}
