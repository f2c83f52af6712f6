/*
 * json.h: looking into a JSON payload without taking it apart: it is checked once, then members are found by scanning.
 * Any bytes are safe; nesting ends at 64.
 */
#ifndef BPI_POLICY_JSON_H
#define BPI_POLICY_JSON_H

#include <batpak/types.h>

typedef enum bpi_json_type {
    BPI_JSON_NULL,
    BPI_JSON_BOOLEAN,
    BPI_JSON_INTEGER, /* a number without fraction and exponent */
    BPI_JSON_NUMBER,
    BPI_JSON_STRING,
    BPI_JSON_ARRAY,
    BPI_JSON_OBJECT
} bpi_json_type;

/* A value as it stands in the text, which it points into. */
typedef struct bpi_json_value {
    bpi_json_type type;
    const char *data;
    size_t size;
} bpi_json_value;

/* The whole text is one JSON value. NULL, or what is wrong with it. */
const char *bpi_json_check(const void *text, size_t size, bpi_json_value *value_out);

/* The member of an object that was checked, by path: `customer.email`. How many there are: 0, 1, or 2 for several of one
 * name, when nobody can say which one counts. */
unsigned bpi_json_find(const bpi_json_value *object, const char *path, bpi_json_value *value_out);

/* A string's characters, escapes resolved. False: they do not fit, or an escape is no character. */
bool bpi_json_string(const bpi_json_value *value, char *buffer, size_t size, size_t *size_out);

#endif
