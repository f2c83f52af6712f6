/*
 * options.c: see options.h.
 */
#include "base/options.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* No struct of ours will ever be longer. A size beyond is a number that nobody set, and is not followed. */
enum { SIZE_LIMIT = 4096 };

static size_t size_of(const void *given)
{
    size_t size = 0;
    memcpy(&size, given, sizeof size);
    return size;
}

bool bpi_size_given(const void *taken, size_t least)
{
    size_t size = size_of(taken);
    return size >= least && size <= SIZE_LIMIT;
}

bool bpi_size_fits(const void *given, size_t least, size_t known)
{
    size_t size = size_of(given);
    return bpi_size_given(given, least) &&
           (size <= known || bpi_all_zero((const uint8_t *)given + known, size - known));
}

bp_status bpi_options_take(const void *given, size_t least, void *ours, size_t known, const char *what, bp_error *error)
{
    if (given == NULL) {
        return BP_OK;
    }
    size_t size = size_of(given);
    if (!bpi_size_given(given, least)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s: size is %zu; start from %s_init", what, size, what);
    }
    if (!bpi_size_fits(given, least, known)) {
        bpi_error_set(error, BP_ERR_ARGUMENT,
                      "%s: options are set that this version does not have (%zu bytes, not %zu)", what, size, known);
        bpi_error_hint(error, "run the program with the version of the library that it was built for");
        return BP_ERR_ARGUMENT;
    }
    memcpy(ours, given, size < known ? size : known);
    memcpy(ours, &known, sizeof known);
    return BP_OK;
}

void bpi_options_give(const void *ours, size_t known, void *taken_out)
{
    size_t size = size_of(taken_out);
    if (size > known) {
        memset((uint8_t *)taken_out + known, 0, size - known);
    }
    memcpy(taken_out, ours, size < known ? size : known);
    memcpy(taken_out, &size, sizeof size);
}
