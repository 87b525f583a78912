/*
 * Places in the ledger's history, as answers name them in Micropay-Sequence:
 * "timeline.shard.sequence". A read that is asked for Micropay-At-Least waits until the ledger has
 * come there.
 */
#ifndef ADAPTERS_LEDGER_PLACE_H
#define ADAPTERS_LEDGER_PLACE_H

#include "http/http.h"

#include <micropay/micropay.h>

enum { LEDGER_PLACE_MAX = 16 + 1 + 4 + 1 + 20 };

/* Prints a sequence of the shard of live or test money. */
void ledger_place_print(mp_ledger *ledger, bool live, uint64_t sequence,
                        char out[LEDGER_PLACE_MAX + 1]);
/* Newest sequence that is durable: every read that follows has seen it. */
uint64_t ledger_newest(mp_ledger *ledger);
/* Sets Micropay-Sequence of the answer; nothing if the sequence is 0 or there is no ledger. */
void ledger_place_header(mp_ledger *ledger, struct http_exchange *exchange, uint64_t sequence);

/* --- waiting for a place --- */

struct places;

/* `ledger` may be NULL: then nothing is ever waited for, nor seen. */
struct places *places_make(struct loop *loop, mp_ledger *ledger);
/* Whoever still waits is forgotten, as when a process dies: else call places_end() first. */
void places_free(struct places *places);
/* Hands the exchange to `seen` once the ledger has come to exchange->at_least: at once if it has
 * or none was asked for. After two seconds it is answered not-yet-visible instead. */
void places_wait(struct places *places, struct http_exchange *exchange,
                 void (*seen)(struct http_exchange *exchange));
/* Everybody is refused: the process stops. */
void places_end(struct places *places);

#endif
