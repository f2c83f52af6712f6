/*
 * region_time.h: instants as text: 2026-01-31, 2026-01-31T12:00:00Z, with a fraction, all UTC; years 1 to 9999.
 *
 * A text without a fraction is a span: a day or a second. As the lower end of a range it is its first microsecond, as
 * the upper end its last. Writing chooses the shortest text that reads back as the same instant at that end.
 */
#ifndef BPI_STORE_REGION_TIME_H
#define BPI_STORE_REGION_TIME_H

#include <batpak/types.h>

enum { BPI_TIME_TEXT_SIZE = 32 };

/* Decimal digits. False: none, other characters, or too great. */
bool bpi_number_parse(const char *text, size_t size, uint64_t *number_out);
/* First and last microsecond of what the text says: a date, a time, or microseconds since 1970 as a number. */
bool bpi_instant_parse(const char *text, size_t size, int64_t *first_out, int64_t *last_out);
/* First and last HLC: a date, a time, milliseconds since 1970, or `milliseconds.counter`. */
bool bpi_moment_parse(const char *text, size_t size, bp_hlc *first_out, bp_hlc *last_out);
/* One end of a range. What lies out of the years that can be written becomes a number. */
void bpi_time_print(int64_t time_us, bool upper, char text_out[BPI_TIME_TEXT_SIZE]);
void bpi_moment_print(bp_hlc hlc, bool upper, char text_out[BPI_TIME_TEXT_SIZE]);

#endif
