/*
 * batpak.h: an embedded event store. This header includes the others; each covers one concept.
 *
 *   status.h   what a call answers, errors          types.h    text, ids, hashes, kinds, limits
 *   store.h    opening, options, closing, syncing   append.h   writing events
 *   event.h    what is read back                    region.h   the one predicate
 *   query.h    get, query, stream, newest, count    walk.h     along causes and chains
 *   cursor.h   going on from a position             subscription.h  a cursor that waits
 *   consumer.h a subscription that remembers        reaction.h events that follow from events
 *   kinds.h    names for kinds                      verify.h   proving a store
 *   stats.h    counts and frontiers                 tools.h    the files' bytes, for tools
 *   upcast.h   old payloads in today's form          output.h   bytes from functions of yours
 *   guard.h    appending only if nothing came between
 *   position.h branches of the graph                typed_id.h ids the compiler tells apart
 *   typestate.h states as types, machines as tables outcome.h  what came of an operation
 *   projection.h  folding events into state         cache.h    where states are kept
 *   gate.h     named predicates, denials              pipeline.h evaluate, permit, commit; bypass
 *   bind.h     gates inside the commit
 *   watch.h    a state, told when it changes        read_model.h  folding into SQLite
 *   bind.h     gates inside the commit                policy.h   ready-made gates, policy files
 *   keys.h     encrypting for a subject, forgetting one
 *   snapshot.h copies of a store, and stores out of them
 *   erase.h    payloads taken out of the log         tombstone.h events that no longer count
 *   compact.h  events dropped by rules, segments merged
 *   io.h       the seam to the world: files, clock, random, memory, log hook
 *
 * Threads: a bp_store may be used from any number of threads at once. An iterator, a walk and a bp_event belong to
 * one thread at a time. One process writes a store; any number of processes read it with bp_open_reader.
 *
 * Caveats, said early: a handle does not survive fork() (every call then answers BP_ERR_FORKED); do not open the same
 * directory twice for writing in one process (BP_ERR_LOCKED); do not keep a store on a filesystem without working
 * mmap and fdatasync (most network filesystems). A medium that fails under a mapping raises SIGBUS, as with every
 * program that maps files; bp_verify and recovery read with pread and report it as an error.
 *
 * NULL where a function of the store does not say that it may be: BP_ERR_ARGUMENT (a name that is NULL: BP_ERR_NAME); from
 * what returns no status false, 0, an empty text or a nil id, and nothing is done.
 */
#ifndef BATPAK_BATPAK_H
#define BATPAK_BATPAK_H

#include <batpak/append.h>
#include <batpak/compact.h>
#include <batpak/consumer.h>
#include <batpak/cursor.h>
#include <batpak/cache.h>
#include <batpak/bind.h>
#include <batpak/erase.h>
#include <batpak/event.h>
#include <batpak/gate.h>
#include <batpak/guard.h>
#include <batpak/inspect.h>
#include <batpak/io.h>
#include <batpak/keys.h>
#include <batpak/kinds.h>
#include <batpak/outcome.h>
#include <batpak/output.h>
#include <batpak/position.h>
#include <batpak/projection.h>
#include <batpak/pipeline.h>
#include <batpak/policy.h>
#include <batpak/query.h>
#include <batpak/read_model.h>
#include <batpak/reaction.h>
#include <batpak/region.h>
#include <batpak/reindex.h>
#include <batpak/repair.h>
#include <batpak/snapshot.h>
#include <batpak/stats.h>
#include <batpak/status.h>
#include <batpak/store.h>
#include <batpak/subscription.h>
#include <batpak/tombstone.h>
#include <batpak/tools.h>
#include <batpak/typed_id.h>
#include <batpak/types.h>
#include <batpak/upcast.h>
#include <batpak/typestate.h>
#include <batpak/verify.h>
#include <batpak/walk.h>
#include <batpak/watch.h>

#endif
