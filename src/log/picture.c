/*
 * picture.c: a catalog cut down to a frontier, and what the open segments hold of it. See transfer.h.
 */
#include <string.h>

#include "base/error.h"
#include "log/recover.h"
#include "log/transfer.h"

/* Sealed segments are proven when the copy is: here they are looked for. */
static bp_status pass_sealed(void *argument, size_t index, size_t *count_out, bp_error *error)
{
    const bpi_catalog *catalog = argument;
    (void)error;
    *count_out = catalog->entries[index].state == BPI_SEGMENT_SEALED;
    return BP_OK;
}

/* The segment of the frontier becomes the last, and open: what is behind the frontier is not part of the picture. */
static bp_status cut_catalog(bpi_picture *picture, bp_error *error)
{
    bpi_catalog *catalog = &picture->catalog;
    uint32_t wanted = bpi_lsn_ordinal(picture->frontier);
    size_t kept = 0;
    for (size_t i = 0; i < catalog->count; i++) {
        bpi_segment_entry entry = catalog->entries[i];
        if (entry.state == BPI_SEGMENT_RETIRED) {
            continue;
        }
        /* A sealed one is durable whole; where it was rewritten the frontier's offset in it means nothing. */
        bool whole = entry.state == BPI_SEGMENT_SEALED && entry.rewritten && entry.ordinal == wanted;
        bool last = entry.ordinal >= wanted && picture->frontier != UINT64_MAX && !whole;
        if (last) {
            catalog->entries[kept++] = (bpi_segment_entry){.ordinal = entry.ordinal,
                                                           .generation = entry.generation,
                                                           .state = BPI_SEGMENT_OPEN,
                                                           .salt = entry.salt};
            if (entry.ordinal > wanted) {
                picture->frontier = bpi_lsn(entry.ordinal, BPI_SEGMENT_HEADER); /* what held it is gone */
            }
            break;
        }
        catalog->entries[kept++] = entry;
    }
    catalog->count = kept;
    if (kept == 0 || catalog->entries[kept - 1].state != BPI_SEGMENT_OPEN) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "the segment list does not lead to where the log is durable");
    }
    return BP_OK;
}

static bp_status misplaced(const bpi_picture *picture, const bpi_log_walk *walk, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: %s, but it was known to be kept up to offset %llu",
                  walk->scanner.fault != NULL ? walk->scanner.fault : "no frame ends where it should",
                  (unsigned long long)bpi_lsn_offset(picture->frontier));
    bpi_error_at(error, bpi_lsn_offset(bpi_log_walk_position(walk)), "%s", walk->open ? walk->scanner.name : "log");
    bpi_error_hint(error, "batpak verify shows every fault");
    return BP_ERR_CORRUPT;
}

static void measure(bpi_picture *picture, const bpi_log_walk *walk)
{
    const bpi_catalog *catalog = &picture->catalog;
    for (size_t i = 0; i < catalog->count; i++) {
        const bpi_segment_entry *entry = &catalog->entries[i];
        picture->lengths[i] = entry->state == BPI_SEGMENT_SEALED ? entry->length : walk->tails[i].end;
    }
    picture->lengths[catalog->count - 1] = bpi_lsn_offset(picture->frontier);
    for (size_t i = 0; i < catalog->count; i++) {
        picture->bytes += picture->lengths[i];
    }
    picture->events = walk->chain.next_sequence;
    bp_hlc *ceiling = &picture->catalog.manifest.hlc_ceiling;
    *ceiling = walk->chain.last_hlc > *ceiling ? walk->chain.last_hlc : *ceiling;
}

/* Where the log ends becomes the frontier; segments behind it hold nothing. */
static bp_status take_end(bpi_picture *picture, bpi_log_walk *walk, bp_error *error)
{
    bpi_live_word word;
    bpi_verdict verdict;
    bool believed = false;
    bp_status status = bpi_read_live(picture->home, &picture->catalog.manifest.store_id, &word, &believed, error);
    if (status == BP_OK) {
        status = bpi_judge(walk, believed ? &word : NULL, &verdict, error);
    }
    if (status == BP_OK) {
        picture->frontier = verdict.p;
        picture->catalog.count = verdict.index + 1;
    }
    return status;
}

static bp_status read_open(bpi_picture *picture, bp_error *error)
{
    bpi_log_walk walk;
    bpi_walk_calls calls = {.covered = pass_sealed, .argument = &picture->catalog};
    bp_status status = bpi_log_walk_begin(&walk, picture->home, &picture->catalog, &calls, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_log_walk_run(&walk, picture->frontier, error);
    if (status == BP_END && picture->frontier == UINT64_MAX) {
        status = take_end(picture, &walk, error);
    } else if ((status == BP_OK || status == BP_END) && bpi_log_walk_position(&walk) != picture->frontier) {
        status = misplaced(picture, &walk, error);
    } else if (status == BP_END) {
        status = BP_OK;
    }
    if (status == BP_OK) {
        measure(picture, &walk);
    }
    bpi_log_walk_end(&walk);
    return status;
}

bp_status bpi_picture_take(bpi_picture *picture, const bpi_home *home, bpi_catalog *catalog, uint64_t frontier,
                           bp_error *error)
{
    *picture = (bpi_picture){
        .home = home, .catalog = *catalog, .frontier = frontier, .list_generation = catalog->manifest.list_generation};
    *catalog = (bpi_catalog){0};
    bp_status status = cut_catalog(picture, error);
    if (status == BP_OK) {
        picture->count = picture->catalog.count;
        picture->lengths = bpi_allocate_array(home->allocator, picture->count, sizeof *picture->lengths);
        status = picture->lengths != NULL ? read_open(picture, error)
                                          : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to look at the log");
    }
    if (status != BP_OK) {
        bpi_picture_free(picture);
    }
    return status;
}

void bpi_picture_free(bpi_picture *picture)
{
    if (picture->home == NULL) {
        return;
    }
    bpi_release(picture->home->allocator, picture->lengths, picture->count * sizeof *picture->lengths);
    bpi_catalog_free(picture->home, &picture->catalog);
    picture->lengths = NULL;
    picture->home = NULL;
}
