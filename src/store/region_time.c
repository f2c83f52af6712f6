/*
 * region_time.c: instants as text.
 *
 * Days are counted in the proleptic Gregorian calendar, from March on, so that the leap day is the last of a year.
 */
#include "store/region_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US (INT64_C(86400) * SECOND_US)

enum { FRACTION_DIGITS = 6, DATE_SIZE = 10, SECONDS_SIZE = 19, DAYS_TO_1970 = 719468, DAYS_400_YEARS = 146097 };

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    return era * DAYS_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, int64_t *year_out, unsigned *month_out, unsigned *day_out)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
    int64_t of_era = days - era * DAYS_400_YEARS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    *day_out = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    *month_out = (unsigned)(month < 10 ? month + 3 : month - 9);
    *year_out = year + era * 400 + (*month_out <= 2);
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* `count` digits; false when another character stands among them. */
static bool digits(const char *text, size_t count, unsigned *number_out)
{
    *number_out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number_out = *number_out * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

static bool parse_date(const char *text, int64_t *first_out)
{
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) || text[7] != '-' ||
        !digits(text + 8, 2, &day) || year == 0 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) {
        return false;
    }
    *first_out = days_of((int64_t)year, month, day) * DAY_US;
    return true;
}

static bool time_parse(const char *text, size_t size, int64_t *first_out, int64_t *last_out)
{
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    unsigned fraction = 0;
    if (size < DATE_SIZE || !parse_date(text, first_out)) {
        return false;
    }
    if (size == DATE_SIZE) {
        *last_out = *first_out + DAY_US - 1;
        return true;
    }
    if (size <= SECONDS_SIZE || text[10] != 'T' || text[size - 1] != 'Z' || !digits(text + 11, 2, &hour) ||
        text[13] != ':' || !digits(text + 14, 2, &minute) || text[16] != ':' || !digits(text + 17, 2, &second) ||
        hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *first_out += ((int64_t)hour * 3600 + (int64_t)minute * 60 + (int64_t)second) * SECOND_US;
    *last_out = *first_out + SECOND_US - 1;
    if (size == SECONDS_SIZE + 1) {
        return true;
    }
    size_t count = size - SECONDS_SIZE - 2;
    if (text[SECONDS_SIZE] != '.' || count < 1 || count > FRACTION_DIGITS ||
        !digits(text + SECONDS_SIZE + 1, count, &fraction)) {
        return false;
    }
    for (; count < FRACTION_DIGITS; count++) {
        fraction *= 10;
    }
    *first_out += fraction;
    *last_out = *first_out;
    return true;
}

bool bpi_number_parse(const char *text, size_t size, uint64_t *number_out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *number_out = number;
    return size > 0;
}

bool bpi_instant_parse(const char *text, size_t size, int64_t *first_out, int64_t *last_out)
{
    if (time_parse(text, size, first_out, last_out)) {
        return true;
    }
    bool negative = size > 0 && text[0] == '-';
    uint64_t number = 0;
    if (!bpi_number_parse(text + negative, size - negative, &number) || number > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *first_out = negative ? (int64_t)(0 - number) : (int64_t)number;
    *last_out = *first_out;
    return true;
}

bool bpi_moment_parse(const char *text, size_t size, bp_hlc *first_out, bp_hlc *last_out)
{
    int64_t first = 0;
    int64_t last = 0;
    uint64_t ms = 0;
    uint64_t counter = 0;
    if (time_parse(text, size, &first, &last)) {
        *first_out = BP_HLC_MIN_OF_MS(first < 0 ? 0 : first / 1000);
        *last_out = BP_HLC_MAX_OF_MS(last < 0 ? 0 : last / 1000);
        return last >= 0;
    }
    const char *point = size == 0 ? NULL : memchr(text, '.', size);
    size_t whole = point == NULL ? size : (size_t)(point - text);
    if (!bpi_number_parse(text, whole, &ms) || ms > UINT64_MAX >> 16 ||
        (point != NULL && (!bpi_number_parse(point + 1, size - whole - 1, &counter) || counter > 0xffffu))) {
        return false;
    }
    *first_out = BP_HLC_MIN_OF_MS(ms) | counter;
    *last_out = point == NULL ? BP_HLC_MAX_OF_MS(ms) : *first_out;
    return true;
}

void bpi_time_print(int64_t time_us, bool upper, char text_out[BPI_TIME_TEXT_SIZE])
{
    int64_t days = time_us / DAY_US - (time_us % DAY_US < 0);
    if (days < days_of(1, 1, 1) || days > days_of(9999, 12, 31)) {
        (void)snprintf(text_out, BPI_TIME_TEXT_SIZE, "%" PRId64, time_us);
        return;
    }
    int64_t of_day = time_us - days * DAY_US;
    int64_t year = 0;
    unsigned month = 0;
    unsigned day = 0;
    date_of(days, &year, &month, &day);
    int used = snprintf(text_out, BPI_TIME_TEXT_SIZE, "%04u-%02u-%02u", (unsigned)year % 10000, month, day);
    if (of_day == (upper ? DAY_US - 1 : 0)) {
        return;
    }
    unsigned second = (unsigned)(of_day / SECOND_US);
    unsigned fraction = (unsigned)(of_day % SECOND_US);
    char *at = text_out + used;
    size_t room = BPI_TIME_TEXT_SIZE - (size_t)used;
    if (fraction == (upper ? (unsigned)SECOND_US - 1 : 0)) {
        (void)snprintf(at, room, "T%02u:%02u:%02uZ", second / 3600, second / 60 % 60, second % 60);
        return;
    }
    int width = FRACTION_DIGITS;
    for (; width > 1 && fraction % 10 == 0; width--) {
        fraction /= 10;
    }
    (void)snprintf(at, room, "T%02u:%02u:%02u.%0*uZ", second / 3600, second / 60 % 60, second % 60, width, fraction);
}

void bpi_moment_print(bp_hlc hlc, bool upper, char text_out[BPI_TIME_TEXT_SIZE])
{
    uint64_t ms = BP_HLC_MS(hlc);
    uint32_t counter = BP_HLC_COUNTER(hlc);
    if (counter != (upper ? 0xffffu : 0)) {
        (void)snprintf(text_out, BPI_TIME_TEXT_SIZE, "%" PRIu64 ".%" PRIu32, ms, counter);
        return;
    }
    /* The last millisecond of a second ends with it. */
    bpi_time_print((int64_t)ms * 1000 + (upper && ms % 1000 == 999 ? 999 : 0), upper, text_out);
    if (strchr(text_out, '-') == NULL) {
        (void)snprintf(text_out, BPI_TIME_TEXT_SIZE, "%" PRIu64, ms);
    }
}
