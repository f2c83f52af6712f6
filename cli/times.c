/*
 * times.c: points in time. See times.h.
 */
#include "times.h"

#include <string.h>

#include "options.h"

static const int64_t second_us = 1000000;
static const int64_t day_us = INT64_C(86400) * 1000000;

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t of_era = shifted - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year_out, int64_t *month_out, int64_t *day_out)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    *day_out = of_year - (153 * month + 2) / 5 + 1;
    *month_out = month < 10 ? month + 3 : month - 9;
    *year_out = year + era * 400 + (*month_out <= 2);
}

/* `count` digits at *at, within a range. */
static bool take_digits(const char *text, size_t size, size_t *at, size_t count, int64_t least, int64_t most,
                        int64_t *value_out)
{
    uint64_t value;

    if (size - *at < count || !number_parse(text + *at, count, &value) || (int64_t)value < least ||
        (int64_t)value > most) {
        return false;
    }
    *at += count;
    *value_out = (int64_t)value;
    return true;
}

static bool take(const char *text, size_t size, size_t *at, char character)
{
    if (*at == size || text[*at] != character) {
        return false;
    }
    ++*at;
    return true;
}

static bool take_date(const char *text, size_t size, size_t *at, int64_t *days_out)
{
    static const int8_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year;
    int64_t month;
    int64_t day;

    if (!take_digits(text, size, at, 4, 0, 9999, &year) || !take(text, size, at, '-') ||
        !take_digits(text, size, at, 2, 1, 12, &month) || !take(text, size, at, '-') ||
        !take_digits(text, size, at, 2, 1, lengths[month - 1], &day)) {
        return false;
    }
    if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) {
        return false;
    }
    *days_out = days_of(year, month, day);
    return true;
}

static bool take_clock(const char *text, size_t size, size_t *at, int64_t *us_out)
{
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    int64_t fraction = 0;
    int64_t unit = second_us;

    if (!take_digits(text, size, at, 2, 0, 23, &hour) || !take(text, size, at, ':') ||
        !take_digits(text, size, at, 2, 0, 59, &minute)) {
        return false;
    }
    if (take(text, size, at, ':')) {
        if (!take_digits(text, size, at, 2, 0, 59, &second)) {
            return false;
        }
        if (take(text, size, at, '.')) {
            size_t start = *at;

            while (*at < size && text[*at] >= '0' && text[*at] <= '9') {
                unit /= 10;
                fraction += (text[*at] - '0') * unit;
                ++*at;
            }
            if (*at == start) {
                return false;
            }
        }
    }
    *us_out = ((hour * 60 + minute) * 60 + second) * second_us + fraction;
    return true;
}

/* Z, +02:00, -0530 or nothing; what is to be taken off. */
static bool take_zone(const char *text, size_t size, size_t *at, int64_t *us_out)
{
    int64_t hour;
    int64_t minute = 0;
    int64_t sign;

    *us_out = 0;
    if (*at == size || take(text, size, at, 'Z') || take(text, size, at, 'z')) {
        return true;
    }
    sign = text[*at] == '-' ? -1 : 1;
    if (!take(text, size, at, '+') && !take(text, size, at, '-')) {
        return false;
    }
    if (!take_digits(text, size, at, 2, 0, 23, &hour)) {
        return false;
    }
    (void)take(text, size, at, ':');
    if (*at < size && !take_digits(text, size, at, 2, 0, 59, &minute)) {
        return false;
    }
    *us_out = sign * (hour * 60 + minute) * 60 * second_us;
    return true;
}

bool time_parse(const char *text, size_t size, int64_t *time_us_out)
{
    bool negative = size > 0 && text[0] == '-';
    uint64_t number;
    size_t at = 0;
    int64_t days;
    int64_t clock_us = 0;
    int64_t zone_us = 0;

    if (number_parse(text + negative, size - negative, &number)) {
        if (number > (uint64_t)INT64_MAX + negative) {
            return false;
        }
        *time_us_out = negative ? -1 - (int64_t)(number - 1) : (int64_t)number;
        return true;
    }
    if (!take_date(text, size, &at, &days)) {
        return false;
    }
    if (at < size) {
        if (!take(text, size, &at, 'T') && !take(text, size, &at, ' ')) {
            return false;
        }
        if (!take_clock(text, size, &at, &clock_us) || !take_zone(text, size, &at, &zone_us)) {
            return false;
        }
    }
    *time_us_out = days * day_us + clock_us - zone_us;
    return at == size;
}

bool duration_parse(const char *text, size_t size, int64_t *span_us_out)
{
    static const char units[] = "smhdw";
    static const int64_t seconds[] = {1, 60, 3600, 86400, 604800};
    uint64_t number;
    const char *unit = size > 1 ? memchr(units, text[size - 1], sizeof units - 1) : NULL;

    if (unit == NULL || !number_parse(text, size - 1, &number)) {
        return false;
    }
    int64_t unit_us = seconds[unit - units] * second_us;
    if (number == 0 || number > (uint64_t)(INT64_MAX / unit_us)) {
        return false;
    }
    *span_us_out = (int64_t)number * unit_us;
    return true;
}

void text_add_time(struct text *text, int64_t time_us)
{
    int64_t days = time_us / day_us - (time_us % day_us < 0);
    int64_t rest = time_us % day_us + (time_us % day_us < 0 ? day_us : 0);
    int64_t seconds = rest / second_us;
    int64_t year;
    int64_t month;
    int64_t day;

    date_of(days, &year, &month, &day);
    text_add_format(text, "%04lld-%02lld-%02lld %02lld:%02lld:%02lld.%06lld", (long long)year, (long long)month,
                    (long long)day, (long long)(seconds / 3600), (long long)(seconds / 60 % 60),
                    (long long)(seconds % 60), (long long)(rest % second_us));
}

void text_add_duration(struct text *text, double seconds)
{
    uint64_t whole = (uint64_t)(seconds + 0.5);

    if (seconds < 9.95) {
        text_add_format(text, "%.1f s", seconds);
    } else if (whole < 60) {
        text_add_format(text, "%llu s", (unsigned long long)whole);
    } else if (whole < 3600) {
        text_add_format(text, "%llu:%02llu", (unsigned long long)(whole / 60), (unsigned long long)(whole % 60));
    } else {
        text_add_format(text, "%llu:%02llu:%02llu", (unsigned long long)(whole / 3600),
                        (unsigned long long)(whole / 60 % 60), (unsigned long long)(whole % 60));
    }
}
