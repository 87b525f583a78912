#include "names.h"

#include "numbers.h"

#include <stdio.h>

const struct flag_names account_flag_names = {{
    "linked",
    "debits_must_not_exceed_credits",
    "credits_must_not_exceed_debits",
    "history",
    "imported",
    "closed",
    "frozen_debits",
    "frozen_credits",
}};

const struct flag_names transfer_flag_names = {{
    "linked",
    "pending",
    "post_pending_transfer",
    "void_pending_transfer",
    "balancing_debit",
    "balancing_credit",
    "closing_debit",
    "closing_credit",
    "imported",
    "keep_pending",
    "increase_pending",
    "reversal",
    "bind_id",
}};

const struct flag_names update_flag_names = {{
    "linked",
}};

static bool flag_parse(const struct flag_names *names, struct slice text, uint16_t *out)
{
    mp_u128 number;

    for (unsigned bit = 0; bit < 16; bit++) {
        if (names->names[bit] != NULL && slice_is(text, names->names[bit])) {
            *out = (uint16_t)(1u << bit);
            return true;
        }
    }
    if (!number_parse(text, &number) || number > UINT16_MAX) return false;
    *out = (uint16_t)number;
    return true;
}

const char *flags_parse(const struct flag_names *names, struct slice text, uint16_t *out)
{
    unsigned flags = 0;

    text = slice_trim(text);
    while (text.length > 0) {
        const char *bar = memchr(text.data, '|', text.length);
        struct slice name = {text.data, bar != NULL ? (size_t)(bar - text.data) : text.length};
        uint16_t flag;
        if (!flag_parse(names, slice_trim(name), &flag))
            return "has a flag that is neither known by name nor a number of 16 bits";
        flags |= flag;
        if (bar == NULL) break;
        text = (struct slice){bar + 1, text.length - name.length - 1};
        if (text.length == 0) return "ends with '|'";
    }
    *out = (uint16_t)flags;
    return NULL;
}

char *flags_print(const struct flag_names *names, uint16_t flags, char out[FLAGS_TEXT_MAX])
{
    size_t length = 0;
    unsigned unnamed = 0;

    out[0] = '\0';
    for (unsigned bit = 0; bit < 16; bit++) {
        if (!(flags >> bit & 1)) continue;
        if (names->names[bit] == NULL) {
            unnamed |= 1u << bit;
            continue;
        }
        length += (size_t)snprintf(out + length, FLAGS_TEXT_MAX - length, "%s%s",
                                   length > 0 ? "|" : "", names->names[bit]);
    }
    if (unnamed != 0)
        snprintf(out + length, FLAGS_TEXT_MAX - length, "%s0x%x", length > 0 ? "|" : "", unnamed);
    return out;
}

const char *change_name(mp_change_type type)
{
    switch (type) {
    case MP_CHANGE_SINGLE_PHASE: return "single_phase";
    case MP_CHANGE_TWO_PHASE_PENDING: return "two_phase_pending";
    case MP_CHANGE_TWO_PHASE_POSTED: return "two_phase_posted";
    case MP_CHANGE_TWO_PHASE_VOIDED: return "two_phase_voided";
    case MP_CHANGE_TWO_PHASE_EXPIRED: return "two_phase_expired";
    case MP_CHANGE_TWO_PHASE_PART_POSTED: return "two_phase_part_posted";
    case MP_CHANGE_TWO_PHASE_INCREASED: return "two_phase_increased";
    case MP_CHANGE_REVERSAL: return "reversal";
    case MP_CHANGE_ACCOUNT_UPDATED: return "account_updated";
    }
    return "unknown";
}

const char *record_name(mp_record_kind kind)
{
    switch (kind) {
    case MP_RECORD_ACCOUNT: return "account";
    case MP_RECORD_TRANSFER: return "transfer";
    case MP_RECORD_EXPIRY: return "expiry";
    case MP_RECORD_UPDATE: return "account_update";
    case MP_RECORD_BOUND_ID: return "bound_id";
    case MP_RECORD_INPUT_POSITION: return "input_position";
    }
    return "unknown";
}
