/*
 * progress.c: how far a long job is. See progress.h.
 */
#include "progress.h"

#include "output.h"
#include "times.h"

static const double first_after = 1.0;
static const double every = 0.1;

void progress_begin(struct progress *progress, const char *what, const char *unit)
{
    *progress = (struct progress){.what = what, .unit = unit, .started = seconds_now()};
    progress->wanted = output_progress_wanted();
}

static void add_amount(const struct progress *progress, struct text *text, uint64_t amount)
{
    if (progress->unit != NULL) {
        text_add_count(text, amount);
    } else {
        text_add_bytes(text, amount);
    }
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
    struct text line = {0};
    double now;
    double passed;

    if (!progress->wanted) {
        return;
    }
    now = seconds_now();
    passed = now - progress->started;
    if (passed < first_after || now - progress->shown < every) {
        return;
    }
    progress->shown = now;
    progress->visible = true;
    text_add_format(&line, "\r\033[K%s ", progress->what);
    add_amount(progress, &line, done);
    if (progress->unit != NULL) {
        text_add_format(&line, " %s", progress->unit);
    }
    if (total > 0) {
        text_add_format(&line, " (%.0f %%)", 100.0 * (double)done / (double)total);
    }
    text_add_string(&line, ", ");
    add_amount(progress, &line, (uint64_t)((double)done / passed));
    text_add_string(&line, "/s");
    if (total > done && done > 0) {
        text_add_string(&line, ", ");
        text_add_duration(&line, passed * (double)(total - done) / (double)done);
        text_add_string(&line, " left");
    }
    (void)fwrite(line.data, 1, line.size, stderr);
    (void)fflush(stderr);
    text_free(&line);
}

void progress_end(struct progress *progress)
{
    if (progress->visible) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        progress->visible = false;
    }
}

void progress_callback(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct progress *progress = context;

    if (what != NULL) {
        progress->what = what;
    }
    progress_show(progress, done, total);
}
