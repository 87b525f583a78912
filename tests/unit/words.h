/*
 * A small language, so that a case reads as a sentence. One event a line (or a part between
 * semicolons); what isn't named has its default. An event may end in `=> result`.
 *
 *   accounts    A1                          D1 debits_must_not_exceed_credits ledger=2 code=7
 * ud64=3 transfers   T1 A1 -> B1 100             T2 A1 -> B1 2^64 pending timeout=5 linked T3 post
 * T2 60 keep_pending  T4 void T2          T5 increase T2 10 timeout=60 T6 reverse T1 40 T7 bind
 *   updates     U1 A1 set=frozen_debits,closed clear=frozen_credits
 *
 * Ids      a letter and a number (A1), a bare number, 0, max; ? is a new id each time it is said
 * Amounts  a number, max, 2^64, and these with + or - a number behind
 * Times    (at=) as amounts, or now, or the id of an account or transfer for its time; + or - a
 * number behind Fields   debit= credit= amount= pending_id= ud128= ud64= ud32= timeout= ledger=
 * code= flags= at= reserved= debits_pending= debits_posted= credits_pending= credits_posted=
 * account= Defaults ledger 1 and code 1; a post, void, increase or reversal: 0. Amount 0; a post or
 * reversal: max
 */
#ifndef MICROPAY_TEST_WORDS_H
#define MICROPAY_TEST_WORDS_H

#include <micropay/ledger.h>

/* The clock that `now` means, and the time recorded of an account or transfer (0 = none). */
struct words_times {
    uint64_t now;
    uint64_t (*recorded)(mp_id id);
};

enum { WORDS_LINE_MAX = 400 };

/* Takes the next line off *lines into `line`, without the result; `result` gets its name or "".
 * false at the end. */
bool words_line(const char **lines, char line[WORDS_LINE_MAX], char result[WORDS_LINE_MAX]);

/* What a line says; a word that isn't understood ends the test. */
mp_account words_account(const char *line, const struct words_times *times);
mp_transfer words_transfer(const char *line, const struct words_times *times);
mp_account_update words_update(const char *line);
mp_id words_id(const char *word);

/* Names of results; words_result ends the test if there is none of that name. */
const char *words_result_name(mp_operation operation, uint32_t result);
uint32_t words_result(mp_operation operation, const char *name);

/* Say an event, for a message. */
void words_say_account(const mp_account *a, char *text, size_t size);
void words_say_transfer(const mp_transfer *t, char *text, size_t size);
void words_say_update(const mp_account_update *u, char *text, size_t size);
/* A number as decimal or an id as letter and number. */
void words_say_number(mp_u128 number, char text[48]);
void words_say_id(mp_id id, char text[48]);

#endif
