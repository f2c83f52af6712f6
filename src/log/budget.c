/*
 * budget.c: a store of very many segments keeps a bounded number of them mapped.
 *
 * Systems allow a process some 65,000 mappings, and a store may have more segments than that. So mappings that nobody asks for are given
 * back, in two steps, since readers take no lock: first a segment is *let go of*: whoever asks for its bytes from now on must come to
 * bpi_segment_map. Who was told before reads on, under an array of blocks whose epoch is that one or an earlier one. When there is no
 * such array any more nobody can be reading there, and the mapping is *given back*.
 *
 * Who is let go of is chosen by a clock's hand: it goes round the ring of what is mapped and takes away where the bytes are; who
 * has not asked for them again when it comes by the next time goes.
 *
 * Holds: a segment whose file may be gone (bpi_segment_keep) stays mapped. There is at most one mapping of a segment, since who asks for
 * one that was let go of, and not yet given back, gets that one.
 */
#include "log/opener.h"

enum { AT_ONCE = 64 };

/*
 * A half is in use behind a round of the hand, and a fourth was let go of and is given back at the next. That comes when another fourth
 * was asked for: so there are not more than there should be, but for those that somebody keeps.
 */
static void judge(bpi_opener *opener)
{
    uint32_t mapped = atomic_load_explicit(&opener->mapped, memory_order_relaxed);
    bool crowding = mapped > opener->most / 4 * 3 && opener->asked >= opener->most / 4;
    atomic_store_explicit(&opener->crowding, crowding, memory_order_relaxed);
}

/* ---- the ring ---- */

static void count_as_used(bpi_opener *opener, bpi_segment *segment)
{
    opener->let_go -= segment->let_go != 0;
    segment->let_go = 0;
}

void bpi_ring_use(bpi_opener *opener, bpi_segment *segment)
{
    count_as_used(opener, segment);
    atomic_store(&segment->bytes, segment->address);
    opener->asked++;
    judge(opener);
}

void bpi_ring_add(bpi_opener *opener, bpi_segment *segment)
{
    bpi_segment *hand = opener->hand;
    if (hand == NULL) {
        segment->before = segment;
        segment->behind = segment;
        opener->hand = segment;
    } else { /* the last that the hand comes to */
        segment->behind = hand;
        segment->before = hand->before;
        hand->before->behind = segment;
        hand->before = segment;
    }
    segment->in_ring = true;
    (void)atomic_fetch_add_explicit(&opener->mapped, 1, memory_order_relaxed);
    bpi_ring_use(opener, segment);
}

void bpi_ring_remove(bpi_opener *opener, bpi_segment *segment)
{
    if (!segment->in_ring) {
        return;
    }
    if (opener->hand == segment) {
        opener->hand = segment->behind != segment ? segment->behind : NULL;
    }
    segment->before->behind = segment->behind;
    segment->behind->before = segment->before;
    segment->in_ring = false;
    count_as_used(opener, segment);
    (void)atomic_fetch_sub_explicit(&opener->mapped, 1, memory_order_relaxed);
}

/* ---- letting go, giving back ---- */

void bpi_opener_let_go(bpi_opener *opener, uint64_t epoch)
{
    (void)pthread_mutex_lock(&opener->lock);
    uint32_t mapped = atomic_load_explicit(&opener->mapped, memory_order_relaxed);
    uint32_t used = mapped - opener->let_go;
    for (uint64_t steps = 2 * (uint64_t)mapped; steps > 0 && used > opener->most / 2; steps--) {
        bpi_segment *segment = opener->hand;
        opener->hand = segment->behind;
        if (segment->let_go != 0) {
            continue;
        }
        if (atomic_load_explicit(&segment->bytes, memory_order_relaxed) != NULL) {
            atomic_store(&segment->bytes, NULL); /* before `kept` is asked for: see bpi_segment_keep */
            continue;
        }
        segment->let_go = epoch;
        opener->let_go++;
        used--;
    }
    (void)pthread_mutex_unlock(&opener->lock);
}

typedef struct mapping {
    const bp_io *io;
    bp_file *file;
    void *address;
    size_t size;
} mapping;

/* Takes the mapping of a segment that nobody reads, if it can go. */
static bool take_mapping(bpi_opener *opener, bpi_segment *segment, mapping *out)
{
    if (atomic_load(&segment->kept)) {
        bpi_ring_use(opener, segment);
        bpi_ring_remove(opener, segment);
        return false;
    }
    if (!bpi_segment_is_rested(segment)) {
        bpi_ring_use(opener, segment);
        return false;
    }
    *out = (mapping){segment->io, segment->file, segment->writable, segment->map_size};
    segment->file = NULL;
    segment->address = NULL;
    segment->writable = NULL;
    atomic_store_explicit(&segment->mapped, false, memory_order_relaxed);
    bpi_ring_remove(opener, segment);
    return true;
}

/* Some of them, with the lock. *done_out: there are no more. */
static size_t take_some(bpi_opener *opener, uint64_t oldest, mapping mappings[AT_ONCE], bool *done_out)
{
    size_t count = 0;
    uint32_t steps = atomic_load_explicit(&opener->mapped, memory_order_relaxed);
    bpi_segment *segment = opener->hand;
    for (; steps > 0 && count < AT_ONCE; steps--) {
        bpi_segment *behind = segment->behind;
        if (segment->let_go != 0 && segment->let_go < oldest) {
            count += take_mapping(opener, segment, &mappings[count]);
        }
        segment = behind;
    }
    *done_out = steps == 0;
    return count;
}

void bpi_opener_give_back(bpi_opener *opener, uint64_t oldest)
{
    mapping mappings[AT_ONCE];
    bool done = false;
    while (!done) {
        (void)pthread_mutex_lock(&opener->lock);
        size_t count = take_some(opener, oldest, mappings, &done);
        (void)pthread_mutex_unlock(&opener->lock);
        for (size_t i = 0; i < count; i++) {
            const mapping *m = &mappings[i];
            m->io->map_close(m->io->context, m->file, m->address, m->size);
            m->io->file_close(m->io->context, m->file);
        }
    }
}

/* ---- when ---- */

uint32_t bpi_opener_mapped(const bpi_opener *opener)
{
    return atomic_load_explicit(&opener->mapped, memory_order_relaxed);
}

void bpi_opener_watch(bpi_opener *opener, uint32_t most, bpi_crowded_fn crowded, void *argument)
{
    (void)pthread_mutex_lock(&opener->watch);
    opener->crowded = crowded;
    opener->argument = argument;
    (void)pthread_mutex_lock(&opener->lock);
    opener->most = crowded == NULL ? UINT32_MAX : most;
    judge(opener);
    (void)pthread_mutex_unlock(&opener->lock);
    (void)pthread_mutex_unlock(&opener->watch);
}

void bpi_opener_relieve(bpi_opener *opener)
{
    if (!atomic_load_explicit(&opener->crowding, memory_order_relaxed) || pthread_mutex_trylock(&opener->watch) != 0) {
        return;
    }
    if (opener->crowded != NULL) {
        opener->crowded(opener->argument);
        (void)pthread_mutex_lock(&opener->lock);
        opener->asked = 0;
        judge(opener);
        (void)pthread_mutex_unlock(&opener->lock);
    }
    (void)pthread_mutex_unlock(&opener->watch);
}
