/* A short history of a small bank in the simulated world, in which everything happens once, and
 * what must be true of a ledger in which it has happened up to some point: books, answers, ids.
 *
 * The steps are few and their blocks small, so that all that a power cut can leave of each can be
 * tried. They are told to the ledger one after another; whoever was interrupted goes on with the
 * first one that was not answered, and sends the same ids again. */
#ifndef TESTS_STORY_H
#define TESTS_STORY_H

#include "sim_env.h"

#include <micropay/micropay.h>

enum { STORY_EVENTS = 60, STORY_ACCOUNTS = 6, STORY_STEPS = 13 };

/* Where a telling stands. May be copied while a step is under way: what is answered is that. */
struct story {
    struct sim *sim;
    mp_options options;
    mp_ledger *ledger;
    unsigned asked;    /* steps begun */
    unsigned answered; /* steps of which all answers are known */
    mp_result results[STORY_STEPS][STORY_EVENTS];
};

/* An empty ledger "bank", made and durable, in a new world. Free it by sim_free. */
struct sim *story_world(void);
struct story story_begin(struct sim *sim, mp_options options);

/* Opens the ledger. */
mp_status story_open(struct story *story);
/* Tells the steps from `answered` on up to step number `to`, or to the first that fails. */
mp_status story_tell(struct story *story, unsigned to);
mp_status story_close(struct story *story);

/* One after another: outcomes, and what was wrong with them. */
struct tally {
    uint64_t outcomes;
    uint64_t refused; /* the ledger didn't open, or didn't go on */
    uint64_t lost;    /* something acknowledged isn't there */
    uint64_t wrong;   /* books that never were, or that verification finds a problem in */
    char first[512];  /* what was wrong first, in words */
};

/* A world that was interrupted while a story was told: opens the ledger, looks whether all is there
 * that was answered and nothing that wasn't asked, goes on to the end, and verifies. `told` is left
 * as it was. `what` says in words what happened. */
void story_check(const struct story *told, struct sim *sim, const char *what, struct tally *tally);

/* The books of an open ledger are those after so many steps; -1 = of none. */
int story_books(mp_ledger *ledger, unsigned from, unsigned to);
/* All that was answered is there; else says what isn't. */
bool story_answers_hold(struct story *story, unsigned answered, char *why, size_t size);
/* mp_verify finds nothing wrong; else says what. */
bool story_verified(struct sim *sim, mp_verify_report *report, char *why, size_t size);

/* Nothing went wrong; says how many outcomes were tried. */
void tally_expect_clean(const struct tally *tally, const char *of);

#endif
