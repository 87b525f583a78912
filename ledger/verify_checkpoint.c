/* Checkpoints against the log. */
#include "verify.h"

mp_status verify_checkpoints(struct verifier *verifier)
{
    (void)verifier;
    return MP_OK;
}
