/*
 * output.h: what leaves the command: data on stdout through one buffer, words on stderr, exit codes.
 *
 * A reader of stdout that went away (EPIPE) ends a verb quietly: out_closed() turns true and the rest is dropped.
 */
#ifndef BATPAK_CLI_OUTPUT_H
#define BATPAK_CLI_OUTPUT_H

#include "text.h"

enum exit_code {
    EXIT_DONE = 0,   /* done; a query with no rows too */
    EXIT_NO = 1,     /* the answer is no: not found, conflict, denied, exists */
    EXIT_USAGE = 2,  /* the command line or a name or value on it is wrong */
    EXIT_DAMAGE = 3, /* damaged store, failed verification, newer format */
    EXIT_IO = 4      /* the system refused, or the store is locked or failed */
};

/* The exit code that a status of the library becomes. */
int exit_code_of(bp_status status);

/* The verb that words on stderr begin with: `batpak VERB: `. */
void output_begin(const char *verb);

/* stdout's buffer: add to it, then say that a piece is complete. */
struct text *out(void);
void out_commit(void); /* writes when much has gathered, or at once when a person is watching */
void out_flush(void);  /* writes now */
bool out_closed(void); /* nobody reads any more, or writing failed */
/* Flushes; returns `code`, or EXIT_IO with a word on stderr when stdout took not everything. */
int out_finish(int code);

/* A line of words on stderr. */
void say(const char *format, ...);
/* The same for an error of the library; returns the exit code. */
int fail(const bp_error *error);
/* A mistake on the command line: says it and how to get help; returns EXIT_USAGE. */
int fail_usage(const char *format, ...);
/* A call of the system that failed with this errno; returns EXIT_IO. */
int fail_system(int os_error, const char *format, ...);

enum style { STYLE_PLAIN, STYLE_HEAD, STYLE_DIM, STYLE_GOOD, STYLE_BAD };

/* Colours only on a terminal, and only if NO_COLOR and TERM allow. */
bool output_coloured(void);
void text_add_style(struct text *text, enum style style);
/* Columns of the terminal; 0 when stdout is none, for then nothing is cut. */
size_t output_columns(void);
bool output_progress_wanted(void);

/* Seconds that have passed on a clock that does not go back. */
double seconds_now(void);

/* 1234567 as "1,234,567"; bytes as "1.2 MiB"; both short and for people. */
void text_add_count(struct text *text, uint64_t value);
void text_add_bytes(struct text *text, uint64_t bytes);

#endif
