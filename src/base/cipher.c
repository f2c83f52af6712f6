/*
 * cipher.c: libsodium, or nothing.
 */
#include "base/cipher.h"

#include "base/assert.h"

void bpi_wipe(void *memory, size_t size)
{
    volatile uint8_t *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = 0;
    }
}

#ifdef BPI_HAVE_LIBSODIUM

#include <sodium.h>

_Static_assert(BPI_CIPHER_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "size of a key");
_Static_assert(BPI_CIPHER_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "size of a nonce");
_Static_assert(BPI_CIPHER_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "size of a tag");
_Static_assert(BPI_CIPHER_NONCE >= crypto_generichash_BYTES_MIN, "a digest can be as short as a nonce");

bool bpi_cipher_available(void)
{
    return sodium_init() >= 0;
}

void bpi_cipher_nonce(const uint8_t key[BPI_CIPHER_KEY], const void *bound, size_t bound_size, const void *message,
                      size_t size, uint8_t nonce_out[BPI_CIPHER_NONCE])
{
    static const char purpose[] = "batpak 2026 v1 nonce";
    uint8_t derived[crypto_generichash_KEYBYTES];
    crypto_generichash_state state;
    /* A key of its own, so that no key does two jobs. */
    int code =
        crypto_generichash(derived, sizeof derived, (const uint8_t *)purpose, sizeof purpose - 1, key, BPI_CIPHER_KEY);
    code |= crypto_generichash_init(&state, derived, sizeof derived, BPI_CIPHER_NONCE);
    code |= crypto_generichash_update(&state, bound, bound_size);
    code |= crypto_generichash_update(&state, message, size);
    code |= crypto_generichash_final(&state, nonce_out, BPI_CIPHER_NONCE);
    bpi_wipe(derived, sizeof derived);
    bpi_wipe(&state, sizeof state);
    BPI_ASSERT(code == 0); /* they refuse sizes only, which are constants here */
}

void bpi_cipher_encrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, uint8_t *message, size_t size, uint8_t tag_out[BPI_CIPHER_TAG])
{
    int code = crypto_aead_xchacha20poly1305_ietf_encrypt_detached(message, tag_out, NULL, message, size, bound,
                                                                   bound_size, NULL, nonce, key);
    BPI_ASSERT(code == 0);
}

bool bpi_cipher_decrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, const uint8_t *bytes, size_t size, const uint8_t tag[BPI_CIPHER_TAG],
                        uint8_t *plain_out)
{
    return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(plain_out, NULL, bytes, size, tag, bound, bound_size,
                                                               nonce, key) == 0;
}

#else

bool bpi_cipher_available(void)
{
    return false;
}

void bpi_cipher_nonce(const uint8_t key[BPI_CIPHER_KEY], const void *bound, size_t bound_size, const void *message,
                      size_t size, uint8_t nonce_out[BPI_CIPHER_NONCE])
{
    (void)key, (void)bound, (void)bound_size, (void)message, (void)size, (void)nonce_out;
    BPI_ASSERT(false);
}

void bpi_cipher_encrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, uint8_t *message, size_t size, uint8_t tag_out[BPI_CIPHER_TAG])
{
    (void)key, (void)nonce, (void)bound, (void)bound_size, (void)message, (void)size, (void)tag_out;
    BPI_ASSERT(false);
}

bool bpi_cipher_decrypt(const uint8_t key[BPI_CIPHER_KEY], const uint8_t nonce[BPI_CIPHER_NONCE], const void *bound,
                        size_t bound_size, const uint8_t *bytes, size_t size, const uint8_t tag[BPI_CIPHER_TAG],
                        uint8_t *plain_out)
{
    (void)key, (void)nonce, (void)bound, (void)bound_size, (void)bytes, (void)size, (void)tag, (void)plain_out;
    return false;
}

#endif
