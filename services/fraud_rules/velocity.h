/* How many payments each payer has started within the window. Bounded: of two payers that share a
 * place the later one takes it. */
#ifndef FRAUD_RULES_VELOCITY_H
#define FRAUD_RULES_VELOCITY_H

#include "wire/ids.h"

struct velocity;

struct velocity *velocity_make(void);
void velocity_free(struct velocity *velocity);
/* Counts one more; returns how many there are in the window that runs, this one included. */
uint64_t velocity_count(struct velocity *velocity, struct account_id payer, uint64_t now_ns,
                        uint64_t window_ns);

#endif
