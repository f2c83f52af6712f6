/*
 * dump_record.h: what the fixed fields and the parts of a record share while they are named.
 */
#ifndef BPI_STORE_DUMP_RECORD_H
#define BPI_STORE_DUMP_RECORD_H

#include "format/record.h"
#include "store/dump.h"

typedef struct bpi_dump_record_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    const bpi_dump_log *log;
    const uint8_t *bytes;
    size_t size; /* of the record, as far as it is there */
    bool whole;  /* its length can be one, and it is there up to it */
    uint64_t sequence;
    uint64_t offset;
    size_t at; /* the part that comes next */
} bpi_dump_record_context;

static inline bool bpi_dump_is_stub(const bpi_dump_record_context *r)
{
    return (r->bytes[BPI_RECORD_STATE] & BPI_RECORD_STATE_STUB) != 0;
}

/* Names what lies behind the fixed fields, all of which are there. */
bp_status bpi_dump_parts(bpi_dump *dump, bpi_dump_record_context *r);

#endif
