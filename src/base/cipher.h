/*
 * cipher.h: encrypting what must be forgotten one day: XChaCha20-Poly1305 by libsodium, where the library was built with it.
 *
 * The nonce is made from the key, what the message is bound to and the message (a synthetic nonce): the same message
 * under the same key is the same ciphertext, and two different ones never share a nonce.
 */
#ifndef BPI_BASE_CIPHER_H
#define BPI_BASE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BPI_CIPHER_KEY = 32, BPI_CIPHER_NONCE = 24, BPI_CIPHER_TAG = 16 };

/* False: built without libsodium, and the others must not be called. Any thread. */
bool bpi_cipher_available(void);

void bpi_cipher_nonce(const uint8_t key[BPI_CIPHER_KEY], const void *bound, size_t bound_size, const void *message,
                      size_t size, uint8_t nonce_out[BPI_CIPHER_NONCE]);

/* Encrypts in place; the tag is 16 bytes more. */
void bpi_cipher_encrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, uint8_t *message, size_t size, uint8_t tag_out[BPI_CIPHER_TAG]);

/* False: key, nonce, what it is bound to, bytes and tag do not go together; plain_out then holds nothing of use. */
bool bpi_cipher_decrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, const uint8_t *bytes, size_t size, const uint8_t tag[BPI_CIPHER_TAG],
                        uint8_t *plain_out);

/* Zeroes memory that held a key or a text; no compiler leaves it out. */
void bpi_wipe(void *memory, size_t size);

#endif
