/*
 * assert.h: what must hold. BPI_ASSERT is always on and guards stored state; BPI_DEBUG_ASSERT is for hot loops and
 * is there only with BATPAK_DEBUG. Neither is ever used on input: bytes and arguments yield a typed error.
 */
#ifndef BPI_BASE_ASSERT_H
#define BPI_BASE_ASSERT_H

/* Writes the place to stderr and aborts: the program's memory is not what it must be. */
_Noreturn void bpi_assert_failed(const char *condition, const char *file, int line);

#define BPI_ASSERT(condition) ((condition) ? (void)0 : bpi_assert_failed(#condition, __FILE__, __LINE__))

#ifdef BATPAK_DEBUG
#define BPI_DEBUG_ASSERT(condition) BPI_ASSERT(condition)
#else
#define BPI_DEBUG_ASSERT(condition) ((void)0)
#endif

#endif
