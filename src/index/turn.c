/*
 * turn.c: beginning a book of names, and letting go of those that are not needed.
 *
 * Holds: every name with an event in an open block is in a book; what is dropped lies in images (index/book.h).
 */
#include "base/memory.h"
#include "index/core.h"

enum {
    BOOKS_KEPT = 2, /* the one being written and the one before: what is used at least once in a segment */
    /* Beyond these, all books together take no more than: */
    BYTES_AN_EVENT = 8,
    BYTES_MOST = 16 << 20,
    /* A book goes on in the next block until it has so many bytes for each row that the block can have: what is appended to again
     * and again is not looked up and copied anew with each block. 15 MB with segments of 64 MB. */
    BYTES_A_ROW = 32
};

bool bpi_index_set_books(bpi_index *index, bpi_books *books)
{
    pthread_mutex_lock(&index->lock);
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *blocks = bpi_blocks_new(index, now, now->count, 0);
    bpi_blocks *replaced = NULL;
    if (blocks != NULL) {
        bpi_books_drop(blocks->books);
        blocks->books = bpi_books_hold(books);
        replaced = bpi_index_swap(index, blocks);
    }
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_index_follow(index);
    return replaced != NULL;
}

void bpi_index_release_retired(bpi_index *index)
{
    if (atomic_load(&index->lookers) != 0) {
        return; /* the next time */
    }
    while (index->retired != NULL) {
        bpi_book *book = index->retired;
        index->retired = book->retired;
        bpi_book_drop(book);
    }
}

/* `book` becomes the newest one, before the first `kept` of the old ones; takes it over when it succeeds. */
static bool replace_hot(bpi_index *index, bpi_book *book, const bpi_books *old, size_t kept)
{
    bpi_book *hot = bpi_index_hot(index);
    bpi_books *books = bpi_books_new(&index->allocator, book, old, kept);
    bool done = books != NULL && bpi_index_set_books(index, books);
    bpi_books_drop(books);
    if (done) {
        hot->retired = index->retired;
        index->retired = hot;
        index->last_scope = NULL;
        atomic_store(&index->hot, book);
        bpi_index_release_retired(index);
    }
    return done;
}

bool bpi_index_turn(bpi_index *index, size_t max_rows)
{
    const bpi_books *old = bpi_index_mine(index)->books;
    bpi_book *hot = bpi_index_hot(index);
    if (bpi_book_bytes(hot) <= max_rows * BYTES_A_ROW) {
        return true;
    }
    bpi_book *book = bpi_book_new(&index->allocator, index->key);
    if (book == NULL || !replace_hot(index, book, old, old->count)) {
        bpi_book_drop(book);
        return false;
    }
    hot->end = bpi_index_next(index);
    return true;
}

static bool has_events_from(const bpi_entity *name, uint64_t first)
{
    return name->head.last != BP_NONE && name->head.last >= first;
}

static uint32_t count_older(const bpi_names *names, uint64_t first)
{
    uint32_t older = 0;
    for (uint32_t place = 0; place < names->count; place++) {
        older += !has_events_from(bpi_names_at(names, place), first);
    }
    return older;
}

/* Copies the names with events from `first` on. */
static bool copy_names(bpi_names *to, const bpi_names *from, bool entities, uint64_t first)
{
    bool good = true;
    for (uint32_t place = 0; place < from->count && good; place++) {
        const bpi_entity *name = bpi_names_at(from, place);
        if (!has_events_from(name, first)) {
            continue;
        }
        bpi_entity *copy = bpi_names_add(to, name->name, atomic_load_explicit(&name->number, memory_order_relaxed));
        good = copy != NULL;
        if (good) {
            copy->head = name->head;
            atomic_store_explicit(&copy->last, entities ? name->head.last : BP_NONE, memory_order_relaxed);
            bpi_names_settle(to, copy);
        }
    }
    return good;
}

/* In the place of the only book one with the names that no image has. */
static bool renew(bpi_index *index, uint64_t sealed)
{
    const bpi_books *old = bpi_index_mine(index)->books;
    if (count_older(&old->book[0]->entities, sealed) + count_older(&old->book[0]->scopes, sealed) == 0) {
        return true;
    }
    bpi_book *book = bpi_book_new(&index->allocator, index->key);
    bool done = book != NULL && copy_names(&book->entities, &old->book[0]->entities, true, sealed) &&
                copy_names(&book->scopes, &old->book[0]->scopes, false, sealed) && replace_hot(index, book, old, 0);
    if (!done) {
        bpi_book_drop(book);
    }
    return done;
}

/* Events below it lie in sealed blocks. */
static uint64_t sealed_end(bpi_index *index)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    for (size_t i = 0; i < blocks->count; i++) {
        if (blocks->block[i]->image == NULL) {
            return blocks->block[i]->first;
        }
    }
    return bpi_index_next(index);
}

bool bpi_index_shed(bpi_index *index, bool all)
{
    const bpi_books *books = bpi_index_mine(index)->books;
    uint64_t sealed = sealed_end(index);
    size_t count = books->count;
    size_t bytes = 0;
    uint64_t allowed = sealed * BYTES_AN_EVENT < BYTES_MOST ? sealed * BYTES_AN_EVENT : BYTES_MOST;
    for (size_t i = 0; i < count; i++) {
        bytes += bpi_book_bytes(books->book[i]);
    }
    while (count > 1 && books->book[count - 1]->end <= sealed && (all || (count > BOOKS_KEPT && bytes > allowed))) {
        bytes -= bpi_book_bytes(books->book[--count]);
    }
    bool done = true;
    if (count < books->count) {
        bpi_books *fewer = bpi_books_new(&index->allocator, NULL, books, count);
        done = fewer != NULL && bpi_index_set_books(index, fewer);
        bpi_books_drop(fewer);
    }
    if (all && done && count == 1 && sealed != 0) {
        done = renew(index, sealed);
    }
    bpi_index_release_retired(index);
    return done;
}

void bpi_index_one_book(bpi_index *index, bool one)
{
    index->one_book = one;
}
