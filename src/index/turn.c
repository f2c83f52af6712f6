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
    BYTES_MOST = 16 << 20
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
    (void)bpi_index_mine(index);
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

bool bpi_index_turn(bpi_index *index)
{
    const bpi_books *old = bpi_index_mine(index)->books;
    bpi_book *hot = bpi_index_hot(index);
    if (hot->entities.count == 0 && hot->scopes.count == 0) {
        return true; /* it is as good as new */
    }
    bpi_book *book = bpi_book_new(&index->allocator, index->key);
    bpi_books *books = book == NULL ? NULL : bpi_books_new(&index->allocator, book, old, old->count);
    bool done = books != NULL && bpi_index_set_books(index, books);
    bpi_books_drop(books);
    if (!done) {
        bpi_book_drop(book);
        return false;
    }
    hot->end = bpi_index_next(index);
    hot->retired = index->retired;
    index->retired = hot;
    index->last_scope = NULL;
    atomic_store(&index->hot, book);
    bpi_index_release_retired(index);
    return true;
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
    bpi_index_release_retired(index);
    return done;
}

void bpi_index_one_book(bpi_index *index, bool one)
{
    index->one_book = one;
}
