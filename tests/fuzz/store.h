/*
 * store.h: a store made of an input's files (archive.h): everything that can be asked of it is asked.
 *
 * What must hold of the answers: each is of a kind that the headers name; events come in order and lie in the region
 * that was asked for (unless there are index files: forged under right sums they may lead to other events, which
 * docs/format.md, section 13, allows); what verify has proven can be opened and read, all of it (unless an
 * erasure is to be finished first); after an opening for writing that
 * succeeded and closed, verify finds nothing.
 */
#ifndef BPT_FUZZ_STORE_H
#define BPT_FUZZ_STORE_H

#include "fuzz/archive.h"

/* Is it an answer to hostile bytes? */
bool fuzz_is_answer(bp_status status);

/* Opens, verifies, reads, writes, dumps. */
void fuzz_store_run(const uint8_t *data, size_t size);
/* The same of a world that holds the store already. `number` is any sum over the input: not every input is verified, since
 * verify looks again for a while, by the machine's clock, before it says that something is damaged. */
void fuzz_store_ask(bpt_world *world, uint32_t number);

/* Changes files whose names begin with `focus` ("" is any), and makes sums right most of the time. `shape`: files may also be
 * renamed, removed, doubled, cut, grown. */
size_t fuzz_store_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, const char *focus, bool shape);

/* Stores as writers leave them: closed, killed, torn, with consumers, with merged index files, rewritten, erasing. */
void fuzz_store_seeds(fuzz_emit_fn emit, void *argument);
/* One of them, by number, in a fault world; false: there are not so many. *name_out: what it is called. */
bool fuzz_store_make(unsigned number, bpt_world *world, const char **name_out);

#endif
