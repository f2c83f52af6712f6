/*
 * book.h: the names that are in memory, in books: one is being written, older ones are only read.
 *
 * A book has the names of the events that were appended while it was the newest one, with the heads of their entities;
 * when it has become large, a new one begins with the next block. What is asked for is looked up in the newest book that
 * has it, then in the images of sealed blocks, which know every name that is new in them. So a name is needed for as long
 * as one of its events lies in an open block; after that it is only quicker to ask. A book that is not needed goes when
 * there is no room for it, or nothing to do: then the newest one, too, makes room for one with the names that are needed.
 * An entity that is appended to again comes into the newest book, so that what is in use stays.
 *
 * Books are dropped oldest first: a newer one knows more. Arrays of blocks hold the books that go with them.
 */
#ifndef BPI_INDEX_BOOK_H
#define BPI_INDEX_BOOK_H

#include "index/names.h"

typedef struct bpi_book {
    const bp_allocator *allocator;
    _Atomic uint32_t references;
    bpi_names entities;
    bpi_names scopes;
    uint64_t end;             /* its events lie below; BP_NONE: it is being written */
    struct bpi_book *retired; /* the next that waits for lookers to leave (index/core.h) */
} bpi_book;

/* Newest first. Never changes. */
typedef struct bpi_books {
    const bp_allocator *allocator;
    _Atomic uint32_t references;
    size_t count;
    size_t capacity;
    bpi_book *book[]; /* held */
} bpi_books;

bpi_book *bpi_book_new(const bp_allocator *allocator, uint64_t key); /* NULL: no memory */
bpi_book *bpi_book_hold(bpi_book *book);
void bpi_book_drop(bpi_book *book); /* NULL is allowed */
/* Bytes of heap, but for names that are long. */
size_t bpi_book_bytes(const bpi_book *book);

/* `first` (NULL: none), then the first `count` of `from`. NULL: no memory. */
bpi_books *bpi_books_new(const bp_allocator *allocator, bpi_book *first, const bpi_books *from, size_t count);
bpi_books *bpi_books_hold(bpi_books *books);
void bpi_books_drop(bpi_books *books); /* NULL is allowed */

static inline bpi_names *bpi_book_names(bpi_book *book, bool entity)
{
    return entity ? &book->entities : &book->scopes;
}

/* ---- the writer ---- */

/* The item of a name in the books from `at` on; NULL: none has it. */
bpi_entity *bpi_books_find(const bpi_books *books, size_t at, bp_text name, uint32_t fingerprint, bool entity);

/* ---- any thread ---- */

/* The newest item of a name that had an event; NULL: there is none. */
bpi_entity *bpi_books_read(const bpi_books *books, bp_text name, bool entity);

#endif
