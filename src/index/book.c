/*
 * book.c: books of names: their life, and looking through them.
 */
#include "index/book.h"

#include "base/memory.h"

bpi_book *bpi_book_new(const bp_allocator *allocator, uint64_t key)
{
    bpi_book *book = bpi_allocate_zero(allocator, sizeof *book);
    if (book == NULL) {
        return NULL;
    }
    book->allocator = allocator;
    book->end = BP_NONE;
    atomic_init(&book->references, 1);
    bpi_names_init(&book->entities, allocator, key);
    bpi_names_init(&book->scopes, allocator, key);
    return book;
}

bpi_book *bpi_book_hold(bpi_book *book)
{
    atomic_fetch_add_explicit(&book->references, 1, memory_order_relaxed);
    return book;
}

void bpi_book_drop(bpi_book *book)
{
    if (book != NULL && atomic_fetch_sub_explicit(&book->references, 1, memory_order_acq_rel) == 1) {
        bpi_names_fini(&book->entities);
        bpi_names_fini(&book->scopes);
        bpi_release(book->allocator, book, sizeof *book);
    }
}

size_t bpi_book_bytes(const bpi_book *book)
{
    return bpi_names_bytes(&book->entities) + bpi_names_bytes(&book->scopes);
}

static size_t size_of(size_t count)
{
    return sizeof(bpi_books) + count * sizeof(bpi_book *);
}

bpi_books *bpi_books_new(const bp_allocator *allocator, bpi_book *first, const bpi_books *from, size_t count)
{
    bpi_books *books = bpi_allocate_zero(allocator, size_of(count + 1));
    if (books == NULL) {
        return NULL;
    }
    books->allocator = allocator;
    books->capacity = count + 1;
    atomic_init(&books->references, 1);
    if (first != NULL) {
        books->book[books->count++] = bpi_book_hold(first);
    }
    for (size_t i = 0; i < count; i++) {
        books->book[books->count++] = bpi_book_hold(from->book[i]);
    }
    return books;
}

bpi_books *bpi_books_hold(bpi_books *books)
{
    atomic_fetch_add_explicit(&books->references, 1, memory_order_relaxed);
    return books;
}

void bpi_books_drop(bpi_books *books)
{
    if (books == NULL || atomic_fetch_sub_explicit(&books->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < books->count; i++) {
        bpi_book_drop(books->book[i]);
    }
    bpi_release(books->allocator, books, size_of(books->capacity));
}

bpi_entity *bpi_books_find(const bpi_books *books, size_t at, bp_text name, uint32_t fingerprint, bool entity)
{
    bpi_entity *found = NULL;
    for (; at < books->count && found == NULL; at++) {
        found = bpi_names_find_hashed(bpi_book_names(books->book[at], entity), name, fingerprint);
    }
    return found;
}

bpi_entity *bpi_books_read(const bpi_books *books, bp_text name, bool entity)
{
    bpi_entity *found = NULL;
    for (size_t i = 0; i < books->count && found == NULL; i++) {
        found = bpi_names_read(bpi_book_names(books->book[i], entity), name);
    }
    return found;
}
