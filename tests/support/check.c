/* check.c: failing with words, random numbers, seeds and amounts. */
#include "support/check.h"

#include <time.h>

static char note[1024];

void bpt_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
}

const char *bpt_note_text(void)
{
    return note;
}

void bpt_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("%s:%d: %s%s%s\n", file, line, text, note[0] ? " | " : "", note);
    _fail(file, line);
    abort(); /* _fail does not come back */
}

void bpt_check_status(bp_status got, bp_status want, const bp_error *error, const char *call, const char *file,
                      int line)
{
    char text[2048] = "";
    if (got == want) {
        return;
    }
    if (got != BP_OK && got != BP_END && error != NULL) {
        (void)bp_error_format(error, text, sizeof text);
    }
    bpt_fail(file, line, "%s: %s, expected %s (%.600s)", call, bp_status_name(got), bp_status_name(want), text);
}

void bpt_check_says(const bp_error *error, const char *part, const char *file, int line)
{
    char text[2048];
    (void)bp_error_format(error, text, sizeof text);
    if (error->message[0] == '\0') {
        bpt_fail(file, line, "the error does not say what happened: %s", text);
    }
    if (strstr(text, part) == NULL) {
        bpt_fail(file, line, "the error does not say \"%s\": %s", part, text);
    }
}

static const uint8_t *feed;
static size_t feed_left;

void bpt_random_feed(const uint8_t *bytes, size_t size)
{
    feed = bytes;
    feed_left = bytes == NULL ? 0 : size;
}

size_t bpt_random_fed(void)
{
    return feed_left;
}

static uint64_t take_fed(size_t bytes)
{
    uint64_t number = 0;
    for (; bytes > 0 && feed_left > 0; bytes--, feed_left--) {
        number = number << 8 | *feed++;
    }
    return number;
}

uint64_t bpt_random_next(bpt_random *random)
{
    return feed_left > 0 ? take_fed(1) : bpt_random_unfed(random);
}

uint64_t bpt_random_unfed(bpt_random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t bpt_random_below(bpt_random *random, uint64_t bound)
{
    if (feed_left > 0) {
        return take_fed(bound <= 256 ? 1 : bound <= 65536 ? 2 : 8) % bound;
    }
    return bpt_random_next(random) % bound;
}

bool bpt_random_chance(bpt_random *random, unsigned percent)
{
    return bpt_random_below(random, 100) < percent;
}

bool bpt_campaign(void)
{
    const char *text = getenv("BATPAK_CAMPAIGN");
    return text != NULL && strcmp(text, "1") == 0;
}

bool bpt_instrumented(void)
{
    return getenv("BATPAK_INSTRUMENTED") != NULL;
}

uint64_t bpt_seed(uint64_t fallback)
{
    const char *text = getenv("BATPAK_SEED");
    uint64_t seed = fallback;
    if (text != NULL && text[0] != '\0') {
        seed = strtoull(text, NULL, 0);
    } else if (bpt_campaign()) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
    }
    print_message("seed %llu (again: BATPAK_SEED=%llu)\n", (unsigned long long)seed, (unsigned long long)seed);
    return seed;
}

uint64_t bpt_amount(const char *variable, uint64_t normal, uint64_t campaign)
{
    const char *text = getenv(variable);
    if (text != NULL && text[0] != '\0') {
        return strtoull(text, NULL, 0);
    }
    if (bpt_campaign()) {
        return campaign;
    }
    return !bpt_instrumented() ? normal : normal < 4 ? 1 : normal / 4;
}

double bpt_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
