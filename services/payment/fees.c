/* Fees: on top of what the payee gets, paid by the payer. */
#include "payment.h"

int64_t fee_of(const struct payment *p, int64_t principal)
{
    __int128 part = (__int128)principal * p->fee_ppm / 1000000; /* rounded down */
    __int128 fee = part + p->fee_fixed;

    if (!p->fee_leg || principal == 0) return 0;
    return fee > AMOUNT_MAX ? AMOUNT_MAX : (int64_t)fee;
}
