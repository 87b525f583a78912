/* Results of the ledger as reasons. */
#include "ledger/port.h"

/* A result without a row doesn't compile. */
#define MP_X(NAME, name, number, binds) _Static_assert(ROW_OF_##NAME == (number), #name);
enum {
#define RESULT(NAME, reason) ROW_OF_##NAME = MP_TRANSFER_##NAME,
#include "ledger/results.def"
#undef RESULT
};
MP_TRANSFER_RESULTS(MP_X)
#undef MP_X

enum reason ledger_reason(uint32_t result)
{
    switch (result) {
#define RESULT(NAME, reason)                                                                       \
    case MP_TRANSFER_##NAME:                                                                       \
        return REASON_##reason;
#include "ledger/results.def"
#undef RESULT
    default: return REASON_INTERNAL;
    }
}
