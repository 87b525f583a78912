/* The ledger numbers that there are. */
#include "ledger/catalogue.h"

#include "wire/buffer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256 };

struct catalogue {
    mp_ledger *ledger;
    pthread_mutex_t mutex;            /* of what follows; a book stays as it is */
    struct ledger_book *slots[SLOTS]; /* by number */
};

mp_id ledger_book_account(const struct ledger_book *book, enum account_code role)
{
    for (unsigned i = 0; i < BOOKS_ROLES; i++)
        if (books_roles[i] == role) return book->system[i];
    return 0;
}

struct catalogue *catalogue_make(mp_ledger *ledger)
{
    struct catalogue *catalogue = need_memory(sizeof *catalogue);

    catalogue->ledger = ledger;
    pthread_mutex_init(&catalogue->mutex, NULL);
    return catalogue;
}

/* --- reading books --- */

static bool read_root(struct catalogue *catalogue, uint32_t number, mp_account *root)
{
    mp_id id = ledger_root(number);
    uint32_t found = 0;

    return mp_lookup_accounts(catalogue->ledger, &id, 1, root, &found) == MP_OK && found == 1 &&
           root->code == ACCOUNT_CODE_ROOT && root->ledger == number;
}

/* The system accounts were made in one chain with the root: their times follow its own. */
static bool read_system(struct catalogue *catalogue, const mp_account *root,
                        mp_account system[BOOKS_ROLES])
{
    mp_query_filter filter = {
        .ledger = root->ledger,
        .timestamp_min = root->timestamp + 1,
        .timestamp_max = root->timestamp + BOOKS_ROLES,
        .limit = BOOKS_ROLES,
    };
    uint32_t count = 0;

    if (mp_query_accounts(catalogue->ledger, &filter, system, &count) != MP_OK ||
        count != BOOKS_ROLES)
        return false;
    for (unsigned i = 0; i < BOOKS_ROLES; i++)
        if (system[i].code != books_roles[i]) return false;
    return true;
}

static struct ledger_book *read_book(struct catalogue *catalogue, uint32_t number)
{
    mp_account root, system[BOOKS_ROLES];
    struct ledger_book book = {.number = number};
    char currency[4] = "";

    if (!read_root(catalogue, number, &root) || !read_system(catalogue, &root, system)) return NULL;
    memcpy(currency, &root.user_data_64, 3);
    book.root = root.id;
    book.books.live = root.user_data_32 == BOOKS_LIVE;
    for (unsigned i = 0; i < BOOKS_ROLES; i++) {
        memcpy(book.books.tenant + 8 * i, &system[i].user_data_64, 8);
        book.system[i] = system[i].id;
    }
    book.currency = currency_find(currency);
    if (book.currency == NULL || ledger_root_data(&book.books, currency) != root.user_data_128)
        return NULL;
    return memcpy(need_memory(sizeof book), &book, sizeof book);
}

static const struct ledger_book *find(struct catalogue *catalogue, uint32_t number)
{
    struct ledger_book **slot = &catalogue->slots[number % SLOTS], *book = *slot;

    while (book != NULL && book->number != number) book = book->next;
    if (book != NULL) return book;
    book = read_book(catalogue, number);
    if (book == NULL) return NULL;
    book->next = *slot;
    *slot = book;
    return book;
}

const struct ledger_book *catalogue_find(struct catalogue *catalogue, uint32_t number)
{
    const struct ledger_book *book;

    pthread_mutex_lock(&catalogue->mutex);
    book = find(catalogue, number);
    pthread_mutex_unlock(&catalogue->mutex);
    return book;
}

const struct ledger_book *catalogue_of(struct catalogue *catalogue, const struct books *books,
                                       const struct currency *currency)
{
    for (unsigned tries = 0;; tries++) {
        uint32_t number = ledger_number(books, currency->code, tries);
        const struct ledger_book *book = catalogue_find(catalogue, number);
        mp_account root;

        if (book != NULL && book->currency == currency && books_equal(&book->books, books))
            return book;
        if (book == NULL && !read_root(catalogue, number, &root)) return NULL;
    }
}

void catalogue_free(struct catalogue *catalogue)
{
    if (catalogue == NULL) return;
    for (unsigned i = 0; i < SLOTS; i++) {
        while (catalogue->slots[i] != NULL) {
            struct ledger_book *next = catalogue->slots[i]->next;

            free(catalogue->slots[i]);
            catalogue->slots[i] = next;
        }
    }
    pthread_mutex_destroy(&catalogue->mutex);
    free(catalogue);
}
