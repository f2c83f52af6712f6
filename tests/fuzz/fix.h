/*
 * fix.h: making checksums right again after a change, so that they do not keep a fuzzer out. Any bytes are safe: what is
 * not where it should be is left as it is.
 */
#ifndef BPT_FUZZ_FIX_H
#define BPT_FUZZ_FIX_H

#include "fuzz/archive.h"

/* A record's CRC, its length being what it says if that lies within `size`. Returns the length, 0 when there is none. */
size_t fuzz_fix_record(uint8_t *record, size_t size, const uint8_t store_id[16]);
/* Of a file by its name: what is summed in it. */
void fuzz_fix_file(fuzz_file *file);
/* Of all: event hashes and chains, records, frames, roots in lists, lists in manifests, bindings of index files. */
void fuzz_fix_all(fuzz_archive *archive);

#endif
