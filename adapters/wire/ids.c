/* UUIDs and derived hashes. */
#include "wire/ids.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_dash(unsigned at) { return at == 8 || at == 13 || at == 18 || at == 23; }

bool uuid_read(const char *text, struct uuid *out)
{
    struct uuid id = {0};
    unsigned nibbles = 0;

    for (unsigned i = 0; i < UUID_TEXT; i++) {
        int value = digit(text[i]);

        if (is_dash(i)) {
            if (text[i] != '-') return false;
            continue;
        }
        if (value < 0) return false;
        id.bytes[nibbles / 2] = (uint8_t)(id.bytes[nibbles / 2] << 4 | value);
        nibbles++;
    }
    if (text[UUID_TEXT] != '\0') return false;
    *out = id;
    return true;
}

void uuid_print(struct uuid id, char out[UUID_TEXT + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned nibbles = 0;

    for (unsigned i = 0; i < UUID_TEXT; i++) {
        if (is_dash(i)) {
            out[i] = '-';
            continue;
        }
        out[i] = digits[id.bytes[nibbles / 2] >> (nibbles % 2 == 0 ? 4 : 0) & 15];
        nibbles++;
    }
    out[UUID_TEXT] = '\0';
}

static struct uuid with_version(struct uuid id, unsigned version)
{
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | version << 4);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

struct uuid uuid_7(uint64_t now_ns, const uint8_t random[10])
{
    struct uuid id;
    uint64_t ms = now_ns / 1000000;

    for (unsigned i = 0; i < 6; i++) id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(id.bytes + 6, random, 10);
    return with_version(id, 7);
}

struct uuid uuid_8(const uint8_t hash[32])
{
    struct uuid id;

    memcpy(id.bytes, hash, sizeof id.bytes);
    return with_version(id, 8);
}

static _Noreturn void no_hash(void)
{
    fprintf(stderr, "micropay: the system's libcrypto refuses SHA-256; ending\n");
    exit(3);
}

/* What hashing needs: one method for all, and a context for each thread, freed with it. */
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;
static pthread_key_t hash_key;
static EVP_MD *hash_method;

static void free_context(void *context) { EVP_MD_CTX_free(context); }

static void hash_begin(void)
{
    hash_method = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (hash_method == NULL || pthread_key_create(&hash_key, free_context) != 0) no_hash();
}

static EVP_MD_CTX *hash_context(void)
{
    static __thread EVP_MD_CTX *context;

    if (context != NULL) return context;
    pthread_once(&hash_once, hash_begin);
    context = EVP_MD_CTX_new();
    if (context == NULL || pthread_setspecific(hash_key, context) != 0) no_hash();
    return context;
}

void hash_fields(const struct hash_field *fields, unsigned count, uint8_t out[32])
{
    EVP_MD_CTX *context = hash_context();

    if (EVP_DigestInit_ex2(context, hash_method, NULL) != 1) no_hash();
    for (unsigned i = 0; i < count; i++) {
        uint64_t length = fields[i].length;

        if (EVP_DigestUpdate(context, &length, sizeof length) != 1 ||
            EVP_DigestUpdate(context, fields[i].bytes, fields[i].length) != 1)
            no_hash();
    }
    if (EVP_DigestFinal_ex(context, out, NULL) != 1) no_hash();
}
