/*
 * check.h: what all store tests share: cmocka, statuses that print their error when they are not the expected one, a
 * note that says where a random run stood, seeds.
 */
#ifndef BPT_CHECK_H
#define BPT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <batpak/batpak.h>

/* Fails the test, with the error's text, unless `got` is `want`. */
void bpt_check_status(bp_status got, bp_status want, const bp_error *error, const char *call, const char *file,
                      int line);
#define CHECK_STATUS(want, call, error) bpt_check_status((call), (want), (error), #call, __FILE__, __LINE__)
#define CHECK_OK(call, error) CHECK_STATUS(BP_OK, call, error)

/* Fails the test with a formatted message and the note. */
void bpt_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
#define CHECK(condition, ...) ((condition) ? (void)0 : bpt_fail(__FILE__, __LINE__, __VA_ARGS__))

/* Where the run stands ("seed 7 step 19: batch of 3"); printed by every failure. */
void bpt_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *bpt_note_text(void);

/* The error's text contains `part`, and the text has all three parts: what; where; try. */
void bpt_check_says(const bp_error *error, const char *part, const char *file, int line);
#define CHECK_SAYS(error, part) bpt_check_says((error), (part), __FILE__, __LINE__)

/* ---- random numbers: splitmix64 ---- */

typedef struct bpt_random {
    uint64_t state;
} bpt_random;

uint64_t bpt_random_next(bpt_random *random);
uint64_t bpt_random_below(bpt_random *random, uint64_t bound); /* bound > 0 */
bool bpt_random_chance(bpt_random *random, unsigned percent);
/*
 * From here on all random numbers come from these bytes, few where few will do, so that a fuzzer steers what a random test
 * does; when they are used up, from the states again. NULL ends it. bpt_random_fed: how many bytes are left.
 */
void bpt_random_feed(const uint8_t *bytes, size_t size);
size_t bpt_random_fed(void);
/* Never from them: what must differ each time. */
uint64_t bpt_random_unfed(bpt_random *random);

/* BATPAK_SEED, else `fallback`; printed. A fixed fallback keeps CI repeatable; the campaign takes a new one each time. */
uint64_t bpt_seed(uint64_t fallback);
/* The number in that environment variable, else `campaign` under BATPAK_CAMPAIGN, else `normal`; a quarter (at least 1)
 * of `normal` in instrumented builds. */
uint64_t bpt_amount(const char *variable, uint64_t normal, uint64_t campaign);
bool bpt_campaign(void);
bool bpt_instrumented(void);

/* Seconds since some moment. */
double bpt_seconds(void);

#endif
