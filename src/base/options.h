/*
 * options.h: structs of a caller that begin with their size.
 *
 * A program that was built for another version of the library has structs of another size. A shorter one is as good as ours
 * with the rest at its defaults, from the size that the struct had in its first version. A longer one is as good as ours
 * if what we do not know of it is zero; else it asks for something that nobody here would do, and is refused.
 */
#ifndef BPI_BASE_OPTIONS_H
#define BPI_BASE_OPTIONS_H

#include <stddef.h>

#include <batpak/status.h>

/* What a struct with its last field at `member` is at least long, for versions that were shorter. */
#define BPI_SIZE_WITH(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

/* Can `given`, which begins with its size, be read as a struct of `known` bytes whose first version had `least`? For tables that are
 * used where they lie: what lies beyond their size must not be read. */
bool bpi_size_fits(const void *given, size_t least, size_t known);

/* Copies a caller's options into ours, which hold the defaults: as many bytes as both know. NULL: ours stay. BP_ERR_ARGUMENT: the
 * size is none, or more is asked than is known; `what` names them. */
bp_status bpi_options_take(const void *given, size_t least, void *ours, size_t known, const char *what,
                           bp_error *error);

/* The other way: fills in a caller's struct, whose size was judged by bpi_size_given: as much of ours as it has room for. */
void bpi_options_give(const void *ours, size_t known, void *taken_out);
/* Is it at least as long as the first version's? A struct that is only written may be longer than ours. */
bool bpi_size_given(const void *taken, size_t least);

#endif
