/*
 * policy.h: policies of the command line: read from a file, or carried by the store, and bound to a handle.
 */
#ifndef BATPAK_CLI_POLICY_H
#define BATPAK_CLI_POLICY_H

#include "text.h"

/* A policy file's text; - is stdin. Returns 0, or the exit code after having said what is wrong. */
int policy_read(const char *name, struct text *text);

/*
 * Binds what the store carries and what the file says (NULL: no file). *policy_out is NULL when there is neither; it is
 * given to bp_policy_append and bp_policy_free. Returns as above.
 */
int policy_enforce(bp_store *store, const char *file, bp_policy **policy_out);

/* An empty store in memory, for trying things. */
int policy_try_store(bp_io **io_out, bp_store **store_out);

#endif
