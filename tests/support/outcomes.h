/*
 * outcomes.h: for tests of outcomes: numbers as values, memory that is counted and can fail, outcomes at random, and their
 * texts, by which they are compared.
 */
#ifndef BPT_OUTCOMES_H
#define BPT_OUTCOMES_H

#include "support/check.h"

/* Memory for outcomes: from here on all of it is counted; the call number fail_at (from 1) fails, once. 0: none does. */
void bpt_memory_begin(uint64_t fail_at);
/* Nothing may be left. The number of calls that were made. */
uint64_t bpt_memory_end(void);
/* The most bytes that were taken at a time since bpt_memory_mark. */
void bpt_memory_mark(void);
uint64_t bpt_memory_peak(void);
const bp_allocator *bpt_memory_allocator(void);

/* A number as a value, written as the number itself. */
extern const bp_value_type bpt_number_type;
bp_value bpt_number(int64_t number); /* no memory: bp_value_no_memory() */
int64_t bpt_number_of(const bp_value *value);
/* The same, but it cannot be copied. */
extern const bp_value_type bpt_single_type;

/* ok(number) */
bp_outcome *bpt_ok(int64_t number);
bp_outcome *bpt_error(bp_failure_kind kind, const char *message);
bp_outcome *bpt_until(uint64_t ms);

/* The JSON form, NUL-terminated, malloc'd. Looks only. */
char *bpt_text_of(const bp_outcome *outcome);
/* Fails the test unless the outcome's text is `text`; frees the outcome. */
void bpt_is(bp_outcome *outcome, const char *text, const char *file, int line);
#define IS(outcome, text) bpt_is((outcome), (text), __FILE__, __LINE__)
/* Fails unless both have the same text; frees both. */
void bpt_same(bp_outcome *a, bp_outcome *b, const char *file, int line);
#define SAME(a, b) bpt_same((a), (b), __FILE__, __LINE__)

/* An outcome at random: equal seeds give equal outcomes. Batches nest. */
bp_outcome *bpt_random_outcome(uint64_t seed);

#endif
