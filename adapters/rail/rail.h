/*
 * Rails: how money leaves the platform. A payment to somebody outside is handed to a rail, which
 * confirms it later, or returns it.
 *
 * The only one yet is of files (rail_files.c): DIR/SCHEME/out/ gets CSV files of payments,
 *
 *     payment,identifier,amount,currency,reference,created_at
 *
 * and files that are put into DIR/SCHEME/in/ (written elsewhere, then renamed) say what became of
 * them: `payment,result,reason`, where result is confirmed or returned. A file that was read goes
 * to in/done/. A payment may be handed over twice if the process dies in between: its id says so.
 */
#ifndef ADAPTERS_RAIL_RAIL_H
#define ADAPTERS_RAIL_RAIL_H

#include "runtime/error.h"
#include "wire/amount.h"
#include "wire/ids.h"

enum { RAIL_SCHEME_MAX = 16, RAIL_IDENTIFIER_MAX = 64 };

struct rail_payment {
    struct uuid payment;
    const char *scheme, *identifier, *reference;
    const struct currency *currency;
    int64_t amount; /* minor units */
    uint64_t created_ns;
};

/* What the other side says of a payment. */
struct rail_news {
    struct uuid payment;
    bool returned; /* else confirmed */
};

struct rail;
/* `directory` is made when it is first needed. */
struct rail *rail_files_open(const char *directory);
void rail_close(struct rail *rail);
/* False: nothing was ever sent by it, so there can be no news. */
bool rail_was_used(const struct rail *rail);
/* Schemes are words: [a-z0-9_-], at most 16. */
bool rail_scheme_is_valid(const char *scheme);
/* Hands payments of one scheme over, durably; `name` names the file. */
enum outcome rail_send(struct rail *rail, const char *name, const struct rail_payment *payments,
                       unsigned count, struct error *err) MUST_USE;
/* Reads the next file of news, of any scheme; *count is 0 if there is none. The news are the
 * caller's to free; the file stays until rail_done(). Rows that can't be read are faults of err,
 * and left out. */
enum outcome rail_receive(struct rail *rail, struct rail_news **news, unsigned *count,
                          struct error *err) MUST_USE;
/* The news received last are applied. */
void rail_done(struct rail *rail);

#endif
