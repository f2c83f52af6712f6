/*
 * follower.c: a reader: the log read with the same walk as recovery, into an index of its own, as far as it is published.
 *
 * With a believed `live` the reader goes to what that page says is published. Without one (after a reboot, on read-only
 * media, on a copy) it judges the end of the log as recovery does, in memory, and shows what is vouched for. A page that is or may
 * be another mount's (of a container, or a kernel that does not tell mounts apart) vouches for nothing beyond what is durable, but of
 * what it tells is shown what is there: its writer lives, or the next one keeps just that. It writes nothing in any case.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "log/recover.h"
#include "store/indexing.h"
#include "store/page.h"
#include "store/rejoin.h"
#include "store/swapped.h"

enum {
    LISTS_MAX = 100, /* that are taken in within one call while somebody writes one after the other */
    GROWTH = 4096    /* what the length of a segment is a multiple of */
};

/* The file may have grown since it was mapped: reads go as far as it is long now. */
static void refresh_size(bpi_segment *segment)
{
    uint64_t size = 0;
    if (segment != NULL && segment->opener == NULL &&
        segment->io->file_size(segment->io->context, segment->file, &size) == 0) {
        size = size < segment->map_size ? size : segment->map_size;
        atomic_store_explicit(&segment->size, size, memory_order_release);
    }
}

/* What is read now is mapped now: its block is made an image from it, and a writer who rewrites it removes the file. */
static bp_status open_segment(bpi_follower *follower, const bpi_segment_entry *entry, bpi_segment **segment_out,
                              bp_error *error)
{
    bp_file *file = NULL;
    if (entry->state == BPI_SEGMENT_SEALED) {
        bpi_segment *segment = bpi_segment_lazy(follower->opener, entry);
        bp_status mapped = segment != NULL ? bpi_segment_keep(segment, error)
                                           : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
        if (mapped != BP_OK) {
            bpi_segment_drop(segment);
            return mapped;
        }
        *segment_out = segment;
        return BP_OK;
    }
    uint64_t size = 0;
    bp_status status = bpi_open_listed(&follower->home, &follower->catalog, entry, BP_OPEN_READ, &file, &size, error);
    if (status != BP_OK) {
        return status;
    }
    /* One that was made for a large batch has it already, and goes on to the end of the page (bpi_log_rotate). */
    uint64_t most = bpi_round_up(size + BPI_FRAME_HEADER, GROWTH);
    uint32_t usual = follower->catalog.manifest.segment_size;
    return bpi_segment_wrap(&follower->home, file, entry, bpi_record_seed(&follower->catalog.manifest.store_id),
                            (size_t)(most > usual ? most : usual), false, segment_out, error);
}

bp_status bpi_follower_begin_segment(void *argument, const bpi_segment_entry *entry, uint64_t first_sequence,
                                     bp_error *error)
{
    bp_store *store = argument;
    bpi_follower *follower = &store->follower;
    bpi_segment *segment = NULL;
    bp_status status = open_segment(follower, entry, &segment, error);
    if (status == BP_OK) {
        bpi_segment *ended = store->block_segment;
        if (ended != NULL) { /* the one that is left behind: it grew to its end meanwhile */
            refresh_size(ended);
            bpi_segment_rest(ended);
            (void)bpi_index_seal_block(store->index, ended->ordinal); /* before there is another of that ordinal */
        }
        uint64_t capacity = entry->state == BPI_SEGMENT_SEALED ? entry->length : segment->map_size;
        status = bpi_store_load_segment(store, segment, first_sequence, capacity, error);
        bpi_segment_drop(segment);
    }
    return status;
}

/* When memory runs out within a frame, the frame is told again from its beginning. */
bp_status bpi_follower_take(void *argument, const bp_event *event, bp_error *error)
{
    bp_store *store = argument;
    bpi_follower *follower = &store->follower;
    bp_status status = BP_OK;
    if (event->sequence >= follower->known) {
        status = bpi_store_teach(store, event, error);
        follower->known = status == BP_OK ? event->sequence + 1 : follower->known;
    }
    return status == BP_OK && event->sequence >= bpi_index_next(store->index)
               ? bpi_store_index_record(store, event, error)
               : status;
}

static bp_status begin_walk(bp_store *store, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_walk_calls calls = {
        store, bpi_indexing_tail, bpi_indexing_covered, bpi_follower_begin_segment, bpi_follower_take, NULL};
    bp_status status = bpi_log_walk_begin(&follower->walk, &follower->home, &follower->catalog, &calls, error);
    follower->walking = status == BP_OK;
    return status;
}

/* Sealed segments say nothing about where the log ends. Those that no index file answers for are read later. */
static bp_status pass_sealed(void *argument, size_t index, size_t *count_out, bp_error *error)
{
    const bpi_follower *follower = argument;
    (void)error;
    *count_out = follower->catalog.entries[index].state == BPI_SEGMENT_SEALED;
    return BP_OK;
}

/* What somebody without a live page of his own judged by, and what came of it. */
typedef struct opinion {
    uint64_t generation; /* of the manifest */
    uint32_t epoch;
    bool believed;
    bpi_live_word word;
    bpi_verdict verdict;
} opinion;

/* Then nothing had moved: a frame below what is vouched for was there when the second walk began. */
static bool same_opinion(const opinion *a, const opinion *b)
{
    bool same_word = a->believed == b->believed && a->word.published == b->word.published &&
                     a->word.durable == b->word.durable && a->word.generation == b->word.generation;
    return same_word && a->generation == b->generation && a->epoch == b->epoch && a->verdict.p == b->verdict.p &&
           a->verdict.vouched == b->verdict.vouched;
}

/* Where does the log end for somebody who has no live page? A walk of its own, without an index. */
static bp_status judge_end(bpi_follower *follower, opinion *opinion_out, bp_error *error)
{
    const bpi_manifest *manifest = &follower->catalog.manifest;
    bpi_log_walk walk;
    bpi_walk_calls calls = {.covered = pass_sealed, .argument = follower};
    *opinion_out = (opinion){.generation = manifest->generation, .epoch = manifest->epoch};
    bp_status status = bpi_read_live(&follower->home, &manifest->store_id, &opinion_out->word, &opinion_out->believed,
                                     error); /* before the walk, which so meets what it says */
    if (status != BP_OK) {
        return status;
    }
    status = bpi_log_walk_begin(&walk, &follower->home, &follower->catalog, &calls, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_log_walk_run(&walk, UINT64_MAX, error);
    if (status == BP_END) {
        status = bpi_judge(&walk, opinion_out->believed ? &opinion_out->word : NULL, &opinion_out->verdict, error);
    }
    bpi_log_walk_end(&walk);
    const bpi_verdict *verdict = &opinion_out->verdict;
    if (status == BP_OK && verdict->p > verdict->vouched) {
        bpi_say_number(&follower->home, BP_LOG_WARN, "recovery", "unsettled", "bytes",
                       (int64_t)(verdict->p - verdict->vouched));
    }
    return status;
}

/* Maps `live` if it is there and believed, and again if another took its place. */
static void map_live(bpi_follower *follower)
{
    if (atomic_load(&follower->live) == NULL || bpi_page_due(follower)) {
        bpi_page_compare(follower);
    }
}

static bool read_word(const bpi_follower *follower, bpi_live_word *word)
{
    const uint8_t *live = atomic_load_explicit(&follower->live, memory_order_acquire);
    return live != NULL &&
           bpi_live_get(live, BPI_LIVE_SIZE, &follower->catalog.manifest.store_id, &follower->home.place, word);
}

/* Loads the list anew. When the reader cannot go on in it, it stays at the old one. *moved_out: that was not the last list either. */
static bp_status reload_once(bp_store *store, bool *moved_out, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_catalog fresh;
    bp_status status = bpi_catalog_load_live(&follower->home, &fresh, error);
    *moved_out = false;
    if (status != BP_OK) {
        return status;
    }
    bpi_image_free(store->tail); /* of a segment that was to be loaded and could not be opened */
    store->tail = NULL;
    bpi_catalog old = follower->catalog;
    bool cut = bpi_follower_is_cut(follower, &fresh);
    follower->catalog = fresh;
    follower->walk.catalog = &old; /* where it stands, it stands in that one */
    status = cut ? bpi_follower_rejoin(store, error)
                 : bpi_log_walk_rebase(&follower->walk, &follower->catalog, bpi_index_next(store->index), error);
    if (status == BP_OK) {
        follower->behind = true;
        atomic_store(&follower->epoch, fresh.manifest.epoch);
    } else {
        follower->catalog = old;
        follower->walk.catalog = &follower->catalog;
        old = fresh;
        *moved_out = bpi_catalog_moved(&follower->home, &fresh);
    }
    bpi_catalog_free(&follower->home, &old);
    return status;
}

/* The same beside a writer who goes on: what a list names may be gone when it is looked for, and the next one names others. */
static bp_status reload(bp_store *store, bp_error *error)
{
    bool moved = true;
    bp_status status = BP_ERR_CORRUPT;
    for (int i = 0; i < LISTS_MAX && status == BP_ERR_CORRUPT && moved; i++) {
        status = reload_once(store, &moved, error);
    }
    return status;
}

static bp_status missing_published(const bpi_follower *follower, bp_error *error)
{
    const bpi_scanner *scanner = &follower->walk.scanner;
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: %s, but more was published",
                  scanner->fault != NULL ? scanner->fault : "it ends here");
    bpi_error_at(error, scanner->offset, "%s", scanner->name);
    bpi_error_hint(error, "batpak verify shows every fault");
    return BP_ERR_CORRUPT;
}

/* Goes on to `stop` in the list at hand. BP_END: it does not lead there. */
static bp_status advance(bp_store *store, uint64_t stop, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bp_status status = bpi_log_walk_run(&follower->walk, stop, error);
    if (status != BP_OK && (status != BP_END || bpi_log_walk_position(&follower->walk) < stop)) {
        return status;
    }
    if (bpi_planted(BPI_PLANT_READER_AHEAD)) {
        (void)bpi_log_walk_run(&follower->walk, UINT64_MAX, NULL);
    }
    refresh_size(store->block_segment);
    /* After a rejoin, in a list that leads elsewhere: what was shown stays shown until another leads there. */
    return follower->walk.chain.next_sequence < bpi_index_published(store->index) ? BP_END : BP_OK;
}

/* Blocks for what was rewritten, and what is sealed mapped: what is mapped stays, whatever becomes of the files. What cannot be mapped
 * is tried again when it is read, and told then. */
static bp_status follow_swaps(bp_store *store, bool last, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bp_status status = bpi_follower_exchange(store, error);
    if (status == BP_OK) {
        status = bpi_index_keep(store->index, 0, bpi_index_next(store->index), error);
        bool again = status == BP_ERR_CORRUPT && !last && bpi_catalog_moved(&follower->home, &follower->catalog);
        status = again ? status : BP_OK;
    }
    follower->behind = status != BP_OK;
    return status;
}

/* Is the page still that writer's? Then all that was read meanwhile, up to what it told, was written before it told so. */
static bool still_told(const bpi_follower *follower, const bpi_live_word *told)
{
    bpi_live_word now;
    return read_word(follower, &now) && now.epoch == told->epoch && now.told >= told->told;
}

/*
 * Goes on to `stop` and takes in what was rewritten. A file that is missing, or an end that comes too early, may be the
 * doing of a writer who has gone on since the list was read: then it is read anew, and what was done stays done. Only when the
 * list is still the same it is damage; with `told`, a word that does not vouch, it is as far as it goes.
 */
static bp_status catch_up(bp_store *store, uint64_t stop, const bpi_live_word *told, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bool ended = false;
    for (int i = 0;; i++) {
        bool behind = follower->behind || store->loading;
        stop = stop < follower->least ? follower->least : stop;
        bp_status status = advance(store, stop, error);
        if (status == BP_OK && behind) {
            status = follow_swaps(store, i == LISTS_MAX, error);
        }
        if (status == BP_OK && told != NULL && !still_told(follower, told)) {
            return BP_OK; /* the next look asks whoever writes now */
        }
        if (status == BP_OK) {
            bpi_index_publish(store->index, follower->walk.chain.next_sequence);
            follower->rejoining = false;
            follower->least = 0;
            atomic_store(&follower->published_lsn, bpi_log_walk_position(&follower->walk));
            return BP_OK;
        }
        if (status != BP_END && status != BP_ERR_CORRUPT) {
            return status;
        }
        bool moved = i < LISTS_MAX && bpi_catalog_moved(&follower->home, &follower->catalog);
        if (!moved && told != NULL && status == BP_END) {
            if (ended) {
                return BP_OK; /* less than was shown before: that stays */
            }
            ended = true;
            stop = bpi_log_walk_position(&follower->walk);
            continue;
        }
        if (!moved) {
            return status == BP_END ? missing_published(follower, error) : status;
        }
        status = reload(store, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

/* Is that segment sealed, and so durable as a whole? One that was rewritten has other offsets than those that the page was told of. */
static bool is_sealed(const bpi_catalog *catalog, uint32_t ordinal)
{
    size_t i = catalog->count;
    while (i > 0 &&
           (catalog->entries[i - 1].ordinal != ordinal || catalog->entries[i - 1].state == BPI_SEGMENT_RETIRED)) {
        i--;
    }
    return i > 0 && catalog->entries[i - 1].state == BPI_SEGMENT_SEALED;
}

/* How far the log is durable, as an LSN and, of what was taken in, as a sequence. What was durable stays so; where it cannot be told
 * how far that goes now, the LSN stays, too, and the next look asks again. */
static void note_durable(bp_store *store, uint64_t lsn)
{
    bpi_follower *follower = &store->follower;
    bpi_view view;
    uint64_t below = 0;
    uint32_t ordinal = bpi_lsn_ordinal(lsn);
    uint32_t offset = is_sealed(&follower->catalog, ordinal) ? UINT32_MAX : (uint32_t)bpi_lsn_offset(lsn);
    bpi_view_take(store->index, &view);
    bp_status status = bpi_view_below(&view, ordinal, offset, &below);
    bpi_view_leave(&view);
    if (below > atomic_load(&follower->durable_sequence)) {
        atomic_store(&follower->durable_sequence, below);
    }
    if (status == BP_OK) {
        atomic_store(&follower->durable_lsn, lsn);
    }
}

/* Nobody writes here, or a writer is just starting, or the page is not believed: what was seen stays, and nothing is added. But
 * segments may be rewritten even so. */
static bp_status refresh_unled(bp_store *store, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bp_status status = bpi_catalog_moved(&follower->home, &follower->catalog) ? reload(store, error) : BP_OK;
    return status == BP_OK && follower->behind ? catch_up(store, atomic_load(&follower->published_lsn), NULL, error)
                                               : status;
}

/* All of the page's word was taken in, as far as it goes. */
static void note_word(bp_store *store, const bpi_live_word *word)
{
    bpi_follower *follower = &store->follower;
    if (word->generation != atomic_load(&follower->generation)) { /* a segment was sealed, for one */
        bpi_indexing_follow(store);
    }
    note_durable(store, word->durable);
    atomic_store(&follower->generation, word->generation);
}

/* By a page that may be another mount's: up to what is durable the log must lead, and then as far as it does. */
static bp_status refresh_elsewhere(bp_store *store, const bpi_live_word *word, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bp_status status = word->generation > follower->catalog.manifest.generation ? reload(store, error) : BP_OK;
    if (status != BP_OK) {
        return status;
    }
    if (word->epoch != follower->catalog.manifest.epoch) {
        return refresh_unled(store, error);
    }
    uint64_t seen = atomic_load(&follower->published_lsn);
    if (word->durable > seen) {
        status = catch_up(store, word->durable, NULL, error);
    }
    if (status == BP_OK && (word->told > atomic_load(&follower->published_lsn) || follower->behind)) {
        status = catch_up(store, word->told > seen ? word->told : seen, word, error);
    }
    if (status == BP_OK) {
        note_word(store, word);
    }
    return status;
}

static bp_status refresh_locked(bp_store *store, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_live_word word;
    map_live(follower);
    if (!read_word(follower, &word) || word.told == 0) {
        return refresh_unled(store, error);
    }
    if (word.published == 0) {
        return refresh_elsewhere(store, &word, error);
    }
    uint64_t seen = atomic_load(&follower->published_lsn);
    bp_status status = word.generation > follower->catalog.manifest.generation ? reload(store, error) : BP_OK;
    if (status == BP_OK && (word.published > seen || follower->behind)) {
        status = catch_up(store, word.published > seen ? word.published : seen, NULL, error);
    }
    if (status == BP_OK) {
        note_word(store, &word);
    }
    return status;
}

bp_status bpi_follower_refresh(bp_store *store, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    const uint8_t *mapped = atomic_load_explicit(&follower->live, memory_order_acquire);
    if (mapped != NULL) {
        /* The common case, without the lock: nothing new. */
        const bpi_live *live = (const bpi_live *)(const void *)mapped;
        if (atomic_load_explicit(&live->generation, memory_order_acquire) == atomic_load(&follower->generation) &&
            atomic_load_explicit(&live->durable, memory_order_acquire) == atomic_load(&follower->durable_lsn) &&
            atomic_load_explicit(&live->published, memory_order_acquire) == atomic_load(&follower->published_lsn) &&
            !bpi_page_due(follower)) {
            return BP_OK;
        }
    }
    (void)pthread_mutex_lock(&follower->lock);
    bp_status status = refresh_locked(store, error);
    (void)pthread_mutex_unlock(&follower->lock);
    return status;
}

/* Beyond what is vouched for is shown what the page tells of and is there. */
static uint64_t show_told(const bpi_follower *follower, const opinion *now)
{
    uint64_t there = now->word.told < now->verdict.p ? now->word.told : now->verdict.p;
    bool shown = now->believed && now->word.epoch == now->epoch && there > now->verdict.vouched;
    return shown && still_told(follower, &now->word) ? there : now->verdict.vouched;
}

/*
 * How far the log is to be read, and is durable, for who opens. Without a page a writer may start, and write, while it is judged: what
 * looks like damage is believed when it was found twice in the same place, by the same list, epoch and page.
 */
static bp_status find_end(bp_store *store, uint64_t *stop_out, uint64_t *durable_out, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_live_word word;
    opinion before = {0};
    for (int i = 0;; i++) {
        map_live(follower);
        /* A page that knows less than the manifest was put there from elsewhere: it bounds nothing. */
        if (read_word(follower, &word) && word.published >= follower->catalog.manifest.durable) {
            *stop_out = word.published;
            *durable_out = word.durable;
            return word.generation != follower->catalog.manifest.generation ? reload(store, error) : BP_OK;
        }
        opinion now;
        bp_status status = judge_end(follower, &now, error);
        *durable_out = now.verdict.vouched;
        *stop_out = show_told(follower, &now);
        if (status != BP_ERR_CORRUPT || i == LISTS_MAX || (i != 0 && same_opinion(&now, &before))) {
            return status;
        }
        before = now;
        status = reload(store, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

static bp_status first_look(bp_store *store, bp_error *error)
{
    uint64_t stop = 0;
    uint64_t durable = 0;
    bp_status status = find_end(store, &stop, &durable, error);
    if (status == BP_OK) {
        status = catch_up(store, stop, NULL, error);
    }
    if (status == BP_OK) {
        note_durable(store, durable);
    }
    return status;
}

void bpi_follower_set_home(bp_store *store)
{
    const bp_options *o = &store->options;
    store->follower.home = (bpi_home){.io = o->io,
                                      .clock = o->clock,
                                      .random = o->random,
                                      .allocator = store->allocator,
                                      .hook = o->log,
                                      .sync_mode = o->sync_mode};
}

bp_status bpi_follower_open(bp_store *store, const char *path, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_follower_set_home(store);
    (void)pthread_mutex_init(&follower->lock, NULL);
    bp_status status = bpi_home_open(&follower->home, path, false, error);
    if (status == BP_OK) {
        status = bpi_catalog_load_live(&follower->home, &follower->catalog, error);
        if (status == BP_ERR_NOT_FOUND) {
            status = bpi_check_made(&follower->home, error);
            status = status == BP_OK ? bpi_catalog_load_live(&follower->home, &follower->catalog, error) : status;
        }
    }
    if (status == BP_OK) {
        status = bpi_home_find_log(&follower->home, error);
    }
    if (status == BP_OK) {
        status = bpi_check_unlisted_live(&follower->home, &follower->catalog, error);
        status = begin_walk(store, status == BP_OK ? error : NULL) == BP_OK ? status : BP_ERR_NO_MEMORY;
    }
    if (status == BP_OK) {
        status = bpi_opener_new(&follower->home, &follower->catalog.manifest.store_id, &follower->opener, error);
    }
    if (status == BP_OK) {
        bpi_indexing_begin(store);
        status = first_look(store, error);
        store->loading = false;
        bpi_index_one_book(store->index, false);
    }
    if (status == BP_OK) {
        atomic_store(&follower->epoch, follower->catalog.manifest.epoch);
        store->id = follower->catalog.manifest.store_id;
        store->options.segment_size = follower->catalog.manifest.segment_size;
        store->options.layout = (bp_layout)(follower->catalog.manifest.layout + 1);
        return BP_OK;
    }
    bpi_follower_close(store);
    return status;
}

void bpi_follower_close(bp_store *store)
{
    bpi_follower *follower = &store->follower;
    if (follower->walking) {
        bpi_log_walk_end(&follower->walk);
        follower->walking = false;
    }
    bpi_page_close_all(follower);
    bpi_opener_drop(follower->opener);
    follower->opener = NULL;
    bpi_catalog_free(&follower->home, &follower->catalog);
    bpi_home_close(&follower->home);
    (void)pthread_mutex_destroy(&follower->lock);
}
