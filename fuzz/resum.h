/* Makes the checksums and chain links of a ledger's files right again after damage, so that it
 * reaches the decoders. */
#ifndef FUZZ_RESUM_H
#define FUZZ_RESUM_H

#include "sim_env.h"

/* `directory`: the ledger's, as the sim has it. */
void resum_all(struct sim *sim, const char *directory);

#endif
