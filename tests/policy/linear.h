/*
 * linear.h: is a history of conditional appends linearizable?
 *
 * The object is a counter. An operation says "append if the count is `expected`"; it succeeds and raises the count, or
 * fails and leaves it. A history is linearizable if every operation can be given one moment between its invocation and its
 * return so that, done at these moments one after the other, each would have had the answer it had.
 *
 * The search needs no going back. An operation may be next if no other one that is left had returned before it was
 * invoked. A failure that may be next and that the count explains is taken at once: it changes nothing. Else the only
 * success that the count allows is the one that expected it; if it may not be next, there is no order. At any moment as
 * many operations are open as there are threads, so that the whole takes one pass.
 */
#ifndef BPT_POLICY_LINEAR_H
#define BPT_POLICY_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct bpt_operation {
    uint64_t invoked;  /* moments of one clock that all threads share, all different */
    uint64_t returned; /* after invoked */
    uint64_t expected;
    bool succeeded;
} bpt_operation;

enum { BPT_OPEN_MOST = 64 };

static inline int bpt_by_invocation(const void *a, const void *b)
{
    uint64_t x = ((const bpt_operation *)a)->invoked;
    uint64_t y = ((const bpt_operation *)b)->invoked;
    return (x > y) - (x < y);
}

/* Sorts the history. *count_out: where the count ends. */
static inline bool bpt_linearizable(bpt_operation *history, size_t size, uint64_t *count_out)
{
    size_t open[BPT_OPEN_MOST];
    size_t opened = 0;
    size_t next = 0;
    uint64_t count = 0;
    qsort(history, size, sizeof *history, bpt_by_invocation);
    for (;;) {
        uint64_t first_return = UINT64_MAX;
        for (size_t i = 0; i < opened; i++) {
            uint64_t returned = history[open[i]].returned;
            first_return = returned < first_return ? returned : first_return;
        }
        while (next < size && history[next].invoked < first_return && opened < BPT_OPEN_MOST) {
            first_return = history[next].returned < first_return ? history[next].returned : first_return;
            open[opened++] = next++;
        }
        size_t chosen = opened;
        for (size_t i = 0; i < opened; i++) {
            const bpt_operation *o = &history[open[i]];
            if (!o->succeeded && o->expected != count) {
                chosen = i;
                break;
            }
            chosen = o->succeeded && o->expected == count ? i : chosen;
        }
        if (chosen == opened) {
            *count_out = count;
            return opened == 0 && next == size;
        }
        count += history[open[chosen]].succeeded;
        open[chosen] = open[--opened];
    }
}

#endif
