/*
 * options.h: verbs and their options as tables. One parser reads the command line by them and one printer makes the
 * help from them, so that the two cannot differ.
 */
#ifndef BATPAK_CLI_OPTIONS_H
#define BATPAK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,  /* bool */
    OPTION_TEXT,  /* const char * */
    OPTION_LIST,  /* struct option_list; may be repeated */
    OPTION_U64,   /* uint64_t */
    OPTION_U32,   /* uint32_t */
    OPTION_SIZE,  /* uint64_t, bytes; K, M, G behind the number */
    OPTION_CHOICE /* int: index into `choices`, set to -1 beforehand for "not given" */
};

struct option_list {
    const char **items;
    size_t count;
};

struct option {
    const char *name; /* NULL ends a table */
    char letter;      /* 0: none */
    enum option_type type;
    void *value;
    const char *argument; /* as the help shows it; NULL for flags */
    const char *help;
    const char *const *choices;
};

enum { OPTION_GROUPS_MAX = 3 };

struct verb {
    const char *name;
    const char *summary;   /* one line */
    const char *arguments; /* "DIR [FILE]" */
    const char *about;     /* paragraphs */
    const char *examples;  /* lines to copy */
    const char *exits;     /* exit codes, one a line */
    const struct option *groups[OPTION_GROUPS_MAX];
    size_t least; /* how many arguments */
    size_t most;
    int (*run)(size_t count, char **arguments);
};

/*
 * Reads argv[0..count): options are stored, arguments are moved to the front and *left_out says how many there are.
 * Returns 0, or the exit code after having said what is wrong. `--help` sets *help_out and stops.
 */
int options_parse(const struct verb *verb, size_t count, char **argv, size_t *left_out, bool *help_out);

void options_help(const struct verb *verb);

/* The name of a list (NULL-terminated) nearest to what was typed, or NULL when none is near. */
const char *nearest_name(const char *typed, const char *const *names);

/* A whole decimal number; false for anything else. */
bool number_parse(const char *text, size_t size, uint64_t *value_out);

#endif
