/*
 * output.c: stdout, stderr and exit codes. See output.h.
 */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FLUSH_SIZE = 64 * 1024, NARROWEST = 40 };

static struct {
    const char *verb;
    struct text text;
    bool terminal;
    bool closed;
    int os_error;
} output;

int exit_code_of(bp_status status)
{
    switch (status) {
    case BP_OK:
    case BP_END:
        return EXIT_DONE;
    case BP_ERR_NOT_FOUND:
    case BP_ERR_DROPPED:
    case BP_ERR_EXISTS:
    case BP_ERR_CONFLICT:
    case BP_ERR_IDEMPOTENCY:
    case BP_ERR_CAUSE:
    case BP_ERR_DENIED:
    case BP_ERR_DIVERGED:
    case BP_ERR_NOT_EMPTY:
    case BP_ERR_TIMEOUT:
        return EXIT_NO;
    case BP_ERR_ARGUMENT:
    case BP_ERR_NAME:
    case BP_ERR_KIND:
    case BP_ERR_TOO_LARGE:
    case BP_ERR_FORMAT:
    case BP_ERR_UNSUPPORTED:
        return EXIT_USAGE;
    case BP_ERR_CORRUPT:
    case BP_ERR_VERSION:
    case BP_ERR_HASH:
        return EXIT_DAMAGE;
    default:
        return EXIT_IO;
    }
}

void output_begin(const char *verb)
{
    output.verb = verb;
    output.terminal = isatty(STDOUT_FILENO) == 1;
}

struct text *out(void)
{
    return &output.text;
}

void out_flush(void)
{
    size_t done = 0;

    while (done < output.text.size && !output.closed) {
        ssize_t written = write(STDOUT_FILENO, output.text.data + done, output.text.size - done);

        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            output.closed = true;
            output.os_error = errno;
        }
    }
    output.text.size = 0;
}

void out_commit(void)
{
    if (output.terminal || output.text.size >= FLUSH_SIZE || output.closed) {
        out_flush();
    }
}

bool out_closed(void)
{
    return output.closed;
}

int out_finish(int code)
{
    out_flush();
    if (output.os_error != 0 && output.os_error != EPIPE) {
        return fail_system(output.os_error, "cannot write the answer");
    }
    return code;
}

static void say_arguments(const char *format, va_list arguments)
{
    out_flush();
    if (output.verb != NULL) {
        (void)fprintf(stderr, "batpak %s: ", output.verb);
    } else {
        (void)fputs("batpak: ", stderr);
    }
    (void)vfprintf(stderr, format, arguments);
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_arguments(format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

int fail(const bp_error *error)
{
    char line[BP_ERROR_MESSAGE_SIZE + BP_ERROR_HINT_SIZE + BP_ERROR_PATH_SIZE + BP_ERROR_ENTITY_SIZE];

    (void)bp_error_format(error, line, sizeof line);
    say("%s", line);
    return exit_code_of(error->status);
}

int fail_usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_arguments(format, arguments);
    va_end(arguments);
    if (output.verb != NULL) {
        (void)fprintf(stderr, "; try: batpak %s --help\n", output.verb);
    } else {
        (void)fputs("; try: batpak --help\n", stderr);
    }
    return EXIT_USAGE;
}

int fail_system(int os_error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_arguments(format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, ": %s\n", strerror(os_error));
    return EXIT_IO;
}

bool output_coloured(void)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    return output.terminal && (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

void text_add_style(struct text *text, enum style style)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[32m", "\033[31m"};

    if (output_coloured()) {
        text_add_string(text, codes[style]);
    }
}

size_t output_columns(void)
{
    struct winsize window = {0};

    if (!output.terminal) {
        return 0;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
        return 80;
    }
    return window.ws_col < NARROWEST ? NARROWEST : window.ws_col;
}

bool output_progress_wanted(void)
{
    const char *terminal = getenv("TERM");

    return isatty(STDERR_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void text_add_count(struct text *text, uint64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            text_add_char(text, ',');
        }
        text_add_char(text, digits[i]);
    }
}

void text_add_bytes(struct text *text, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        text_add_u64(text, bytes);
        text_add_string(text, " B");
        return;
    }
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    text_add_format(text, "%.1f %s", value, units[unit]);
}
