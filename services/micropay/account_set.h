/* A set of account ids of bounded size: when it is full it forgets everything. For "made already"
 * that does no harm, since making an account twice changes nothing. One thread. */
#ifndef COMMAND_ACCOUNT_SET_H
#define COMMAND_ACCOUNT_SET_H

#include <micropay/micropay.h>

struct account_set {
    mp_id *slots; /* open addressing; 0 = empty, which is no account's id */
    size_t capacity, count;
};

/* False without memory. */
bool account_set_begin(struct account_set *set);
/* Adds an id, which isn't 0; false if it is in already. */
bool account_set_add(struct account_set *set, mp_id id);
void account_set_end(struct account_set *set);

#endif
