/*
 * output.h: where a function that a caller wrote puts bytes: an encoded state, a converted payload, a cache's value.
 *
 * An output that is handed over belongs to the library and lives during the call. It grows as it is written to and is
 * used again afterwards, so that a function that is called a million times allocates a few times. One thread at a time.
 */
#ifndef BATPAK_OUTPUT_H
#define BATPAK_OUTPUT_H

#include <batpak/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_OUTPUT_MAX (1u << 30) /* bytes of one output */

typedef struct bp_output bp_output;

/*
 * An output of one's own, for functions that append to one (bp_outcome_encode). `allocator` NULL: this machine's. NULL: no
 * memory. It is freed by bp_output_free, which takes NULL; those that the library hands over are not.
 */
struct bp_allocator;
BP_API bp_output *bp_output_new(const struct bp_allocator *allocator);
BP_API void bp_output_free(bp_output *output);

/* Puts bytes behind what is there. False: no memory, or more than BP_OUTPUT_MAX; the output stays as it was, and whoever
 * handed it over treats the whole as BP_ERR_NO_MEMORY, whatever the function answers. */
BP_API bool bp_output_append(bp_output *output, const void *data, size_t size);

/* Makes room for `size` bytes behind what is there and counts them in: the caller fills them. Good until the next call
 * with this output. NULL: as false above. */
BP_API void *bp_output_extend(bp_output *output, size_t size);

/* What has been written so far; good until the next call that writes. */
BP_API const void *bp_output_data(const bp_output *output);
BP_API size_t bp_output_size(const bp_output *output);

/* Forgets what was written; the room stays. */
BP_API void bp_output_clear(bp_output *output);

#ifdef __cplusplus
}
#endif

#endif
