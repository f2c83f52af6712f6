/*
 * times.h: points in time as people write and read them.
 */
#ifndef BATPAK_CLI_TIMES_H
#define BATPAK_CLI_TIMES_H

#include "text.h"

/*
 * 2026-01-31, 2026-01-31T12:00:00Z (a space for the T; fractions; +02:00 for the Z; UTC when neither stands there), or
 * microseconds since 1970. False for anything else.
 */
bool time_parse(const char *text, size_t size, int64_t *time_us_out);

/* 90s, 15m, 12h, 30d, 8w: a span of time, more than none. False for anything else. */
bool duration_parse(const char *text, size_t size, int64_t *span_us_out);

/* "2026-01-31 12:00:00.123456" in UTC; for JSON readers times are plain microseconds. */
void text_add_time(struct text *text, int64_t time_us);

/* "1:02:03", "4 s": how long something takes. */
void text_add_duration(struct text *text, double seconds);

#endif
