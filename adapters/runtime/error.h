/*
 * What a call came to, in words for the person who meets it.
 *
 * Functions of adapters and services return an outcome, all that code branches on. A reason
 * (reasons.def) fixes outcome, HTTP status, problem type and title. Message: short, lower case, no
 * full stop, what could not be done ("could not" may work next time, "cannot" never will). Hint:
 * what to do. Detail: facts in sentences, for the log alone. None of them ever holds a secret or
 * personal data.
 */
#ifndef ADAPTERS_RUNTIME_ERROR_H
#define ADAPTERS_RUNTIME_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))

enum outcome {
    OUTCOME_DONE = 0, /* it happened */
    OUTCOME_AGAIN,    /* it didn't happen; the same call may work later */
    OUTCOME_UNKNOWN,  /* it may have happened: ask again with the same id */
    OUTCOME_REFUSED,  /* it didn't happen and won't unless what was asked changes */
    OUTCOME_BROKEN,   /* stop: what must hold doesn't */
};

enum reason {
    REASON_NONE = 0,
#define REASON(NAME, outcome, status, type, title, help) REASON_##NAME,
#include "reasons.def"
#undef REASON
    REASON_COUNT,
};

/* A row of reasons.def */
struct reason_row {
    const char *name; /* the closed list's word: events, problems and the API say the same */
    enum outcome outcome;
    unsigned status;   /* HTTP */
    const char *type;  /* last part of the problem's type URI */
    const char *title; /* of the problem */
    const char *help;  /* what the caller can do: docs/errors.md */
};
/* Never NULL for a reason of the enum. */
const struct reason_row *reason_row(enum reason reason);
/* The reason that has a name; REASON_NONE if there is none. */
enum reason reason_find(const char *name);

enum { ERROR_MEMBERS_MAX = 8, ERROR_FAULTS_MAX = 32 };

/* A further member of the problem: what is available, what is missing. */
struct error_member {
    const char *name; /* lives for ever */
    char value[48];
};

/* What is wrong with one field of a request. */
struct error_fault {
    char field[64]; /* as a JSON pointer, "/amount"; "" = the body as a whole; or "query cursor" */
    char message[128];
};

/* Lent by the caller; zero-initialised means no error. */
struct error {
    enum reason reason;
    enum outcome outcome;
    char message[192];
    char detail[384];
    char hint[192];
    unsigned member_count, fault_count;
    struct error_member members[ERROR_MEMBERS_MAX];
    struct error_fault faults[ERROR_FAULTS_MAX];
};

/* Sets reason, outcome and message; clears the rest. Returns the outcome. */
__attribute__((format(printf, 3, 4))) enum outcome error_set(struct error *err, enum reason reason,
                                                             const char *format, ...);
__attribute__((format(printf, 2, 3))) void error_detail(struct error *err, const char *format, ...);
__attribute__((format(printf, 2, 3))) void error_hint(struct error *err, const char *format, ...);
/* Adds a member of the problem; beyond ERROR_MEMBERS_MAX it is dropped. */
__attribute__((format(printf, 3, 4))) void error_member(struct error *err, const char *name,
                                                        const char *format, ...);
/* Adds a fault; the first one sets REASON_INVALID_REQUEST. Beyond ERROR_FAULTS_MAX it is counted
 * only. */
__attribute__((format(printf, 3, 4))) void error_fault(struct error *err, const char *field,
                                                       const char *format, ...);

#endif
