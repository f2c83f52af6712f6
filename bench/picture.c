/*
 * picture.c: docs/performance.svg. For each case in which batpak stands beside others two bars: how many times as good
 * it is as the best peer (a logarithmic axis, to the left of 1 it is worse), and what share of the limit it reaches.
 * Readable on light and on dark pages.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
    WIDTH = 1000,
    LABELS = 330, /* where the first panel begins */
    PANEL = 360,  /* its width */
    SHARES = 780, /* where the second one begins */
    SHARE_WIDTH = 150,
    ROW = 20,
    BAR = 12,
    TOP = 64
};

static const double axis_least = 0.1;
static const double axis_most = 100;

static const char style[] =
    "<style>\n"
    "text{font:12px sans-serif;fill:#24292f}\n"
    ".title{font-size:16px;font-weight:bold}.group{font-weight:bold}.small{font-size:11px;fill:#57606a}\n"
    ".page{fill:#ffffff}.line{stroke:#d0d7de}.one{stroke:#57606a}.room{fill:#eaeef2}\n"
    ".good{fill:#1a7f5a}.bad{fill:#bc4c00}.share{fill:#3b6fb6}\n"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}.line{stroke:#30363d}"
    ".one{stroke:#9198a1}.room{fill:#21262d}.good{fill:#3fb68b}.bad{fill:#e0823d}.share{fill:#6ea8fe}}\n"
    "</style>\n";

static double axis_place(double ratio)
{
    double bounded = ratio < axis_least ? axis_least : ratio > axis_most ? axis_most : ratio;
    return LABELS + PANEL * (log10(bounded / axis_least) / log10(axis_most / axis_least));
}

static void print_escaped(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&' || *text == '<') {
            fputs(*text == '&' ? "&amp;" : "&lt;", file);
        } else {
            fputc(*text, file);
        }
    }
}

static void draw_row(FILE *file, const struct results *results, const struct result *own, int top)
{
    const struct result *best = results_best_peer(results, own->group, own->name);
    const struct result *limit = results_find(results, own->group, own->name, "limit");
    int base = top + ROW - 6;
    fprintf(file, "<text x=\"24\" y=\"%d\">", base);
    print_escaped(file, own->name);
    fputs("</text>\n", file);
    if (best != NULL) {
        double ratio = result_ratio(own, best);
        double one = axis_place(1);
        double end = axis_place(ratio);
        fprintf(file, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
                ratio >= 1 ? "good" : "bad", ratio >= 1 ? one : end, top + (ROW - BAR) / 2,
                ratio >= 1 ? end - one : one - end, BAR);
        fprintf(file, "<text class=\"small\" x=\"%.1f\" y=\"%d\">%.*f x %s</text>\n", (ratio >= 1 ? end : one) + 5,
                base, ratio_digits(ratio), ratio, best->engine);
    }
    if (limit != NULL) {
        double share = result_ratio(own, limit);
        double width = SHARE_WIDTH * (share > 1 ? 1 : share);
        fprintf(file, "<rect class=\"room\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", SHARES,
                top + (ROW - BAR) / 2, SHARE_WIDTH, BAR);
        fprintf(file, "<rect class=\"share\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", SHARES,
                top + (ROW - BAR) / 2, width, BAR);
        fprintf(file, "<text class=\"small\" x=\"%d\" y=\"%d\">%.0f %%</text>\n", SHARES + SHARE_WIDTH + 6, base,
                share * 100);
    }
}

/* A case of batpak's that stands beside a peer or a limit; NULL if it does not, or was drawn before. */
static const struct result *drawn_case(const struct results *results, size_t index)
{
    const struct result *own = &results->items[index];
    if (strcmp(own->engine, engines[0]->name) != 0 || (results_best_peer(results, own->group, own->name) == NULL &&
                                                       results_find(results, own->group, own->name, "limit") == NULL)) {
        return NULL;
    }
    return own;
}

static void draw_axis(FILE *file, int bottom)
{
    static const double marks[] = {0.1, 1, 10, 100};
    for (size_t index = 0; index < sizeof marks / sizeof *marks; index++) {
        double place = axis_place(marks[index]);
        fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
                marks[index] == 1 ? "one" : "line", place, TOP, place, bottom);
        fprintf(file, "<text class=\"small\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g x</text>\n", place, TOP - 4,
                marks[index]);
    }
}

/* The rows of one group under its head; where the next begins. */
static int draw_group(FILE *file, const struct results *results, const char *group, int top)
{
    bool headed = false;
    for (size_t index = 0; index < results->count; index++) {
        const struct result *own = drawn_case(results, index);
        if (own == NULL || strcmp(own->group, group) != 0) {
            continue;
        }
        if (!headed) {
            fprintf(file, "<text class=\"group\" x=\"12\" y=\"%d\">%s</text>\n", top + ROW - 5, group);
            top += ROW;
            headed = true;
        }
        draw_row(file, results, own, top);
        top += ROW;
    }
    return top;
}

/* Rows and heads of groups; of a group in several pieces the head is counted for each. */
static int count_lines(const struct results *results)
{
    const char *group = "";
    int lines = 0;
    for (size_t index = 0; index < results->count; index++) {
        const struct result *own = drawn_case(results, index);
        if (own != NULL) {
            lines += strcmp(own->group, group) != 0 ? 2 : 1;
            group = own->group;
        }
    }
    return lines;
}

bool report_picture(const char *path, const struct results *results)
{
    FILE *file = fopen(path, "w");
    int height = TOP + (count_lines(results) + 1) * ROW;
    int top = TOP;
    if (file == NULL) {
        fprintf(stderr, "batpak-bench: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n%s",
            WIDTH, height, WIDTH, height, style);
    fprintf(file, "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", WIDTH, height);
    fprintf(file,
            "<text class=\"title\" x=\"12\" y=\"26\">%s beside the best peer and beside the bare machine</text>\n",
            engines[0]->name);
    fprintf(file, "<text class=\"small\" x=\"%d\" y=\"44\">times as good as the best peer</text>\n", LABELS);
    fprintf(file, "<text class=\"small\" x=\"%d\" y=\"44\">share of the limit</text>\n", SHARES);
    draw_axis(file, height - ROW);
    for (size_t index = 0; index < results->count; index++) {
        if (result_begins_group(results, index)) {
            top = draw_group(file, results, results->items[index].group, top);
        }
    }
    fputs("</svg>\n", file);
    if (fclose(file) != 0) {
        fprintf(stderr, "batpak-bench: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}
