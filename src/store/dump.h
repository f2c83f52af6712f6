/*
 * dump.h: naming every field of a store's files.
 *
 * A structure is a table of rows in order of offset: what a field is called, how long it is, how its value is written,
 * and who judges it. Offsets follow from the sizes before; they are not written down a second time.
 *
 * Holds: the fields of a file follow each other without gap and overlap, whatever the bytes are; only what lies in
 * the window is looked at; the window holds a record at most, and never more than the file has left.
 */
#ifndef BPI_STORE_DUMP_H
#define BPI_STORE_DUMP_H

#include <batpak/tools.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "log/home.h"

enum {
    BPI_DUMP_WINDOW = 1 << 16,
    BPI_DUMP_GROUP_SIZE = 64,
    BPI_DUMP_VALUE_SIZE = 6144, /* a name of 1024 bytes with each of them escaped, and some words */
    BPI_DUMP_PREVIEW = 256,     /* bytes of a payload that are shown */
    BPI_DUMP_HEX_PREVIEW = 32
};

typedef struct bpi_dump {
    const bpi_home *home;
    bp_file *file;
    const char *name;
    uint64_t size; /* of the file when it was opened; less once a read came out short */
    bp_field_fn visit;
    void *argument;
    bp_error *error; /* the caller's; may be NULL */
    bpi_buffer window;
    uint64_t window_start;
    char group[BPI_DUMP_GROUP_SIZE];
    char value[BPI_DUMP_VALUE_SIZE];
    size_t value_size;
} bpi_dump;

/* ---- one field: its group, its value, then out with it ---- */

void bpi_dump_group(bpi_dump *dump, const char *format, ...) BPI_PRINTF(2, 3);
/* Adds to the value of the field that comes next. */
void bpi_dump_say(bpi_dump *dump, const char *format, ...) BPI_PRINTF(2, 3);
/* Text as it is, or escaped when it is not printable UTF-8; at most `most` bytes of it. */
void bpi_dump_say_text(bpi_dump *dump, const uint8_t *bytes, size_t size, size_t most);
/* Is the beginning of it, `most` bytes, text that can be shown as it is? */
bool bpi_dump_is_text(const uint8_t *bytes, size_t size, size_t most);
void bpi_dump_say_hex(bpi_dump *dump, const uint8_t *bytes, size_t size, size_t most);
/* When `bad`: adds " (what)". Returns bad. */
bool bpi_dump_bad(bpi_dump *dump, bool bad, const char *what);
/* BP_END: the visitor has enough. */
bp_status bpi_dump_field(bpi_dump *dump, const char *name, uint64_t offset, uint64_t size, bool bad);

/* ---- bytes of the file ---- */

/* [offset, offset + size), or what the file has of it; `available` may be more than was asked for. Good until the next
 * reading. */
bp_status bpi_dump_read(bpi_dump *dump, uint64_t offset, size_t size, const uint8_t **bytes_out, size_t *available_out);
/* Adds [from, to) to a CRC, window by window. */
bp_status bpi_dump_sum(bpi_dump *dump, uint64_t from, uint64_t to, uint32_t *crc);
/* The CRC of [from, to) with the four bytes at `hole` taken as zero. */
bp_status bpi_dump_sum_without(bpi_dump *dump, uint64_t from, uint64_t to, uint64_t hole, uint32_t *crc_out);

/* ---- structures ---- */

typedef enum bpi_dump_form {
    BPI_FORM_MAGIC,   /* row->magic, else bad */
    BPI_FORM_VERSION, /* ours, else bad */
    BPI_FORM_NUMBER,
    BPI_FORM_HEX,   /* a number as 0x... */
    BPI_FORM_BYTES, /* hashes, salts */
    BPI_FORM_ID,
    BPI_FORM_LSN,
    BPI_FORM_HLC,
    BPI_FORM_TIME,
    BPI_FORM_KIND,
    BPI_FORM_NAMED, /* one of row->names, else the number */
    BPI_FORM_BITS,  /* those of row->names; others are bad */
    BPI_FORM_ZERO   /* must be zero */
} bpi_dump_form;

/* A list of them ends with name NULL. */
typedef struct bpi_dump_name {
    uint32_t value;
    const char *name;
} bpi_dump_name;

typedef struct bpi_dump_row bpi_dump_row;

/* Adds what there is to say about the field to its value; true: it breaks the format. */
typedef bool (*bpi_dump_judge)(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field);

struct bpi_dump_row {
    const char *name;
    uint16_t size;
    bpi_dump_form form;
    bpi_dump_judge judge; /* NULL: nothing to judge beyond the form */
    const bpi_dump_name *names;
    const char *magic;
};

/* Names the fields of a structure at `offset`, of which `available` bytes are there. */
bp_status bpi_dump_rows(bpi_dump *dump, const bpi_dump_row *rows, size_t count, uint64_t offset, const uint8_t *bytes,
                        size_t available, void *context);
/* Where the row of that name lies in its structure. */
size_t bpi_dump_row_offset(const bpi_dump_row *rows, const char *name);
/* The little-endian number of a row of at most 8 bytes. */
uint64_t bpi_dump_number(const bpi_dump_row *row, const uint8_t *field);
/* For contexts whose first member is the right CRC, a uint32_t. */
bool bpi_dump_judge_crc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field);

/* ---- files ---- */

bp_status bpi_dump_manifest(bpi_dump *dump);
bp_status bpi_dump_list(bpi_dump *dump, uint64_t generation);
bp_status bpi_dump_live(bpi_dump *dump);
/* An erasure that is not finished; the record is the name's. */
bp_status bpi_dump_intent(bpi_dump *dump, const bp_id *record);
bp_status bpi_dump_segment(bpi_dump *dump, uint32_t ordinal, uint32_t generation);
/* Bytes that were cut at an offset of a segment. */
bp_status bpi_dump_torn(bpi_dump *dump, uint32_t ordinal, uint64_t offset);

/* ---- the inside of segments ---- */

/* What goes on from frame to frame. */
typedef struct bpi_dump_log {
    uint64_t salt; /* 0: any */
    uint32_t ordinal;
    uint64_t base;  /* where in the segment the file begins: 0 but for torn bytes, */
    bool torn;      /*   of which nothing is expected */
    bool rewritten; /* the file is a later generation: it may hold FOLD frames and commits in several frames */
    uint32_t seed;
    bool seed_known;
    uint64_t frames;
    uint64_t records;
    bool linked; /* the frame before ends where this one begins: */
    bool padded; /*   it was a PAD */
    uint32_t link;
    uint32_t epoch;
    uint64_t next_sequence;
    bp_hlc last_hlc; /* of the last record with a right CRC */
} bpi_dump_log;

/* A frame with a valid header at `offset`; where the next one should be. */
bp_status bpi_dump_frame(bpi_dump *dump, bpi_dump_log *log, uint64_t offset, uint64_t *next_out);

/* A length that a record can have? */
bool bpi_dump_record_length_fits(uint64_t length);
/* A record of which `left` bytes can be there. size_out: how many of them were named; ends_out: that is where it ends, and
 * another one may follow. */
bp_status bpi_dump_record(bpi_dump *dump, bpi_dump_log *log, uint64_t sequence, uint64_t offset, uint64_t left,
                          uint64_t *size_out, bool *ends_out);

#endif
