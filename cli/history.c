/*
 * history.c: see history.h.
 *
 * Stepping reads single keys from a terminal, and characters from anything else, so that it can be tried by a script. The
 * payloads stand side by side, the earlier on the left, and lines that differ are marked.
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "payload.h"
#include "show.h"
#include "times.h"

enum { INDENT = 2, GAP = 3, NARROW = 40 };

/* ---- points in time ---- */

/* The greatest sequence or commit time of a point, as a region has it. */
static int read_point(const char *point, bp_region *at_out)
{
    struct text text = {0};
    bp_region_text *owner = NULL;
    bp_error error = {0};
    uint64_t sequence;
    bool number = number_parse(point, strlen(point), &sequence);
    int code = 0;

    text_add_format(&text, "%s=\"..%s\"", number ? "sequence" : "committed", point);
    if (strpbrk(point, "\"\\") != NULL || bp_region_parse(NULL, text_string(&text), at_out, &owner, &error) != BP_OK) {
        code = fail_usage("'%s' is no point in time: a sequence, 2026-01-31, 2026-01-31T12:00:00Z", point);
    }
    bp_region_text_free(owner);
    text_free(&text);
    return code;
}

static bool is_time(const bp_region *at)
{
    return (at->fields & BP_REGION_COMMITTED) != 0;
}

int history_between(bp_region *region, const char *from, const char *to)
{
    bp_region first = bp_region_all();
    bp_region last = bp_region_all();
    int code = from != NULL ? read_point(from, &first) : 0;

    code = code != 0 ? code : read_point(to, &last);
    if (code != 0) {
        return code;
    }
    uint64_t after = from != NULL && !is_time(&first) ? first.sequence_max + 1 : 0;
    bp_hlc later = from != NULL && is_time(&first) ? first.committed_max + 1 : 0;
    bp_region_set_sequence(region, after, is_time(&last) ? UINT64_MAX : last.sequence_max);
    bp_region_set_committed(region, later, is_time(&last) ? last.committed_max : UINT64_MAX);
    return 0;
}

int history_as_of(bp_region *region, const char *point)
{
    return history_between(region, NULL, point);
}

/* ---- payloads as lines ---- */

struct lines {
    struct text text; /* lines, one behind the other, without their ends */
    size_t *ends;
    size_t count;
    size_t capacity;
};

static void end_line(struct lines *lines)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity == 0 ? 32 : lines->capacity * 2;
        lines->ends = memory_resize(lines->ends, lines->capacity * sizeof lines->ends[0]);
    }
    lines->ends[lines->count++] = lines->text.size;
}

static void free_lines(struct lines *lines)
{
    text_free(&lines->text);
    free(lines->ends);
    *lines = (struct lines){0};
}

static const char *line_at(const struct lines *lines, size_t i, size_t *size_out)
{
    size_t start;

    *size_out = 0;
    if (i >= lines->count || lines->ends == NULL) {
        return "";
    }
    start = i == 0 ? 0 : lines->ends[i - 1];
    *size_out = lines->ends[i] - start;
    return *size_out == 0 ? "" : lines->text.data + start;
}

static void next_level(struct lines *lines, size_t depth)
{
    end_line(lines);
    text_add_repeated(&lines->text, ' ', depth * INDENT);
}

/* JSON with a line for each member; it was checked by whoever wrote it, and is only looked at here. */
static void break_json(struct lines *lines, const char *data, size_t size)
{
    bool quoted = false;
    size_t depth = 0;

    for (size_t i = 0; i < size; i++) {
        char c = data[i];
        bool empty = i + 1 < size && (data[i + 1] == '}' || data[i + 1] == ']');

        if (!quoted && (c == '}' || c == ']') && i > 0 && data[i - 1] != '{' && data[i - 1] != '[') {
            depth -= depth > 0;
            next_level(lines, depth);
        }
        text_add_char(&lines->text, c);
        if (c == '"') {
            quoted = !quoted;
        } else if (quoted && c == '\\' && i + 1 < size) {
            text_add_char(&lines->text, data[++i]);
        } else if (!quoted && (c == '{' || c == '[') && !empty) {
            next_level(lines, ++depth);
        } else if (!quoted && c == ',') {
            next_level(lines, depth);
        } else if (!quoted && c == ':') {
            text_add_char(&lines->text, ' ');
        }
    }
    end_line(lines);
}

static void lines_of(struct lines *lines, const bp_event *event)
{
    struct text json = {0};

    if (event->payload_absent || event->payload_size == 0) {
        text_add_string(&lines->text, event->payload_absent ? absence_name(event) : "(empty)");
        end_line(lines);
    } else if (event->payload_type == BP_PAYLOAD_JSON) {
        break_json(lines, event->payload, event->payload_size);
    } else if (event->payload_type == BP_PAYLOAD_MSGPACK &&
               payload_from_msgpack(event->payload, event->payload_size, &json)) {
        break_json(lines, json.data, json.size);
    } else {
        text_add_shown(&lines->text, event->payload, event->payload_size, 0);
        end_line(lines);
    }
    text_free(&json);
}

static void put_side_by_side(const struct lines *left, const struct lines *right)
{
    size_t columns = output_columns();
    size_t width = columns >= NARROW ? (columns - GAP) / 2 : NARROW;
    size_t count = left->count > right->count ? left->count : right->count;

    for (size_t i = 0; i < count; i++) {
        struct text cell = {0};
        size_t left_size;
        size_t right_size;
        const char *left_line = line_at(left, i, &left_size);
        const char *right_line = line_at(right, i, &right_size);
        bool same = left_size == right_size && memcmp(left_line, right_line, left_size) == 0;

        text_add_shown(&cell, left_line, left_size, width);
        text_add(out(), cell.data, cell.size);
        text_add_repeated(out(), ' ', cell.size < width ? width - cell.size : 0);
        text_add_string(out(), same ? "   " : " | ");
        text_add_shown(out(), right_line, right_size, width);
        text_add_char(out(), '\n');
        text_free(&cell);
    }
}

/* ---- stepping ---- */

struct steps {
    bp_store *store;
    uint64_t *sequences;
    size_t count;
    size_t capacity;
    size_t at;
};

static int collect(struct steps *steps, const bp_region *region)
{
    bp_iterator *iterator = NULL;
    bp_error error = {0};
    uint64_t sequence;
    bp_status status;

    if (bp_query(steps->store, region, NULL, &iterator, &error) != BP_OK) {
        return fail(&error);
    }
    while ((status = bp_next_sequence(iterator, &sequence, &error)) == BP_OK) {
        if (steps->count == steps->capacity) {
            steps->capacity = steps->capacity == 0 ? 256 : steps->capacity * 2;
            steps->sequences = memory_resize(steps->sequences, steps->capacity * sizeof steps->sequences[0]);
        }
        steps->sequences[steps->count++] = sequence;
    }
    bp_iterator_close(iterator);
    return status == BP_END ? 0 : fail(&error);
}

static int read_lines(const struct steps *steps, size_t i, struct lines *lines, bool head)
{
    const bp_event *event = NULL;
    bp_error error = {0};

    if (bp_get_sequence(steps->store, steps->sequences[i], &event, &error) != BP_OK) {
        return fail(&error);
    }
    if (head) {
        text_add_format(out(), "%zu of %zu   sequence %llu   clock %llu   ", i + 1, steps->count,
                        (unsigned long long)event->sequence, (unsigned long long)event->clock);
        text_add_kind(out(), steps->store, event->kind);
        text_add_string(out(), "   ");
        text_add_time(out(), (int64_t)BP_HLC_MS(event->hlc) * 1000);
        out()->size -= 3;
        text_add_char(out(), '\n');
    }
    lines_of(lines, event);
    bp_event_release(event);
    return 0;
}

static int show_step(const struct steps *steps)
{
    struct lines before = {0};
    struct lines now = {0};
    int code = read_lines(steps, steps->at, &now, true);

    if (code == 0 && steps->at > 0) {
        code = read_lines(steps, steps->at - 1, &before, false);
    }
    if (code == 0) {
        put_side_by_side(&before, &now);
        text_add_char(out(), '\n');
    }
    free_lines(&before);
    free_lines(&now);
    out_flush();
    return code;
}

/* One key; 0 at the end. Arrows come as three characters. */
static char read_key(void)
{
    char key = 0;
    char more[2] = {0};
    ssize_t got;

    do {
        got = read(STDIN_FILENO, &key, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        return 0;
    }
    if (key == '\033' && read(STDIN_FILENO, more, 2) == 2 && more[0] == '[') {
        if (more[1] == 'C' || more[1] == 'B') {
            return 'n';
        }
        return more[1] == 'D' || more[1] == 'A' ? 'p' : '?';
    }
    return key;
}

/* False: the place did not move. */
static bool move(struct steps *steps, char key)
{
    size_t before = steps->at;

    switch (key) {
    case 'n':
    case ' ':
        steps->at += steps->at + 1 < steps->count;
        break;
    case 'p':
    case 'b':
        steps->at -= steps->at > 0;
        break;
    case 'g':
        steps->at = 0;
        break;
    case 'G':
        steps->at = steps->count - 1;
        break;
    default:
        break;
    }
    return steps->at != before;
}

static int walk_by_keys(struct steps *steps)
{
    int code = show_step(steps);

    for (char key = read_key(); code == 0 && key != 0 && key != 'q' && !out_closed(); key = read_key()) {
        if (move(steps, key)) {
            code = show_step(steps);
        }
    }
    return code;
}

int history_step(bp_store *store, const bp_region *region)
{
    struct steps steps = {.store = store};
    struct termios before;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    int code = collect(&steps, region);

    if (code == 0 && steps.count > 0) {
        if (terminal) {
            struct termios raw = before;

            raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
            (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
            say("n or right: next, p or left: back, g: first, G: last, q: quit");
        }
        code = walk_by_keys(&steps);
        if (terminal) {
            (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
        }
    }
    free(steps.sequences);
    return code;
}
