/*
 * outcome_read.h: JSON and MessagePack read in place, by one set of calls. Nothing is allocated, no call's stack depends on the
 * input, and no byte outside of it is looked at.
 *
 * bpi_read_skip judges a whole value; all other calls are for places inside of a value that it has judged: an `at` they were
 * given or gave.
 */
#ifndef BPI_POLICY_OUTCOME_READ_H
#define BPI_POLICY_OUTCOME_READ_H

#include <batpak/outcome.h>

enum { BPI_READ_DEPTH = 384 }; /* containers in containers: twice 64 for outcomes, for conditions, and a value */

typedef struct bpi_reader {
    const uint8_t *data;
    size_t size;
    bool msgpack;
} bpi_reader;

typedef enum bpi_item {
    BPI_ITEM_NULL,
    BPI_ITEM_BOOL,
    BPI_ITEM_NUMBER,
    BPI_ITEM_TEXT,
    BPI_ITEM_BYTES,
    BPI_ITEM_ARRAY,
    BPI_ITEM_MAP
} bpi_item;

/*
 * Judges the value at *at and moves *at behind it and the spaces after it; containers nest at most `depth` (up to
 * BPI_READ_DEPTH). False: *wrong_out says why and *at is where.
 */
bool bpi_read_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out);

/* The first byte at or behind `at` that is no space. */
size_t bpi_read_begin(const bpi_reader *reader, size_t at);
bpi_item bpi_read_item(const bpi_reader *reader, size_t at);
bool bpi_read_bool(const bpi_reader *reader, size_t at, bool *value_out);
/* A whole number; JSON: also as a string of digits. */
bool bpi_read_uint(const bpi_reader *reader, size_t at, uint64_t max, uint64_t *number_out);
/* A text, without escapes. False: it is none, or has more than `room` bytes. It never has more than it takes in the input. */
bool bpi_read_text(const bpi_reader *reader, size_t at, char *out, size_t room, size_t *size_out);
bool bpi_read_id(const bpi_reader *reader, size_t at, bp_id *id_out);
bool bpi_read_bytes(const bpi_reader *reader, size_t at, uint8_t *out, size_t room, size_t *size_out);

/* Through an array, or a map as keys and values in turn. */
typedef struct bpi_steps {
    size_t at;
    size_t left; /* MessagePack: items */
    bool first;  /* JSON */
} bpi_steps;

bpi_steps bpi_steps_begin(const bpi_reader *reader, size_t at);
/* The next item, or false at the end, when steps->at is behind the container. */
bool bpi_steps_next(const bpi_reader *reader, bpi_steps *steps, size_t *at_out);
/* That item ended there. */
void bpi_steps_past(const bpi_reader *reader, bpi_steps *steps, size_t end);

/* What the two forms do differently; see above. */
bool bpi_json_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out);
bool bpi_json_text(const bpi_reader *reader, size_t at, char *out, size_t room, size_t *size_out);
bool bpi_msgpack_skip(const bpi_reader *reader, size_t *at, size_t depth, const char **wrong_out);

/* The head of a MessagePack object. */
typedef struct bpi_head {
    bpi_item item;
    uint8_t code;
    size_t size;  /* of the head */
    size_t body;  /* bytes behind it that are its own */
    size_t count; /* objects behind it; a map counts keys and values */
    uint64_t number;
} bpi_head;

bool bpi_msgpack_head(const bpi_reader *reader, size_t at, bpi_head *head_out);

#endif
