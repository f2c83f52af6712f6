/*
 * outcome_write.h: one set of calls that writes maps, arrays and scalars as JSON or as MessagePack.
 */
#ifndef BPI_POLICY_OUTCOME_WRITE_H
#define BPI_POLICY_OUTCOME_WRITE_H

#include <batpak/outcome.h>

typedef struct bpi_writer {
    bp_output *output;
    bool msgpack;
    bool comma;    /* JSON: what comes next is not the first */
    bool bad_text; /* a text was not UTF-8 */
} bpi_writer;

void bpi_write_map(bpi_writer *writer, size_t count);
void bpi_write_map_end(bpi_writer *writer);
void bpi_write_array(bpi_writer *writer, size_t count);
void bpi_write_array_end(bpi_writer *writer);
void bpi_write_key(bpi_writer *writer, const char *key);
void bpi_write_text(bpi_writer *writer, bp_text text);
void bpi_write_uint(bpi_writer *writer, uint64_t number); /* JSON: a string above 2^53 */
void bpi_write_bool(bpi_writer *writer, bool value);
void bpi_write_null(bpi_writer *writer);
void bpi_write_id(bpi_writer *writer, const bp_id *id);                  /* JSON: a UUID; MessagePack: 16 bytes */
void bpi_write_bytes(bpi_writer *writer, const void *data, size_t size); /* JSON: base64 */
/* The caller writes one value itself. */
void bpi_write_own(bpi_writer *writer);

#endif
