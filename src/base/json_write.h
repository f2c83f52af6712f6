/*
 * json_write.h: JSON for what the library puts on record.
 */
#ifndef BPI_BASE_JSON_WRITE_H
#define BPI_BASE_JSON_WRITE_H

#include "base/memory.h"
#include <batpak/types.h>

/* Each adds to the buffer; false: no memory. Bytes that are not UTF-8 become U+FFFD. */
bool bpi_json_put_raw(bpi_buffer *buffer, const char *text);
bool bpi_json_put_string(bpi_buffer *buffer, bp_text text);
/* `,"key":` and the value; the comma is left out behind an opening brace. */
bool bpi_json_put_field(bpi_buffer *buffer, const char *key, bp_text value);
bool bpi_json_put_number(bpi_buffer *buffer, const char *key, uint64_t value);

#endif
