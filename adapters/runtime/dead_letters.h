/*
 * Dead letters and replay over HTTP, for operators: rows that stand among the routes of every
 * service with a database. They need the scope `admin`, and show a tenant its own alone. What isn't
 * even an event is nobody's: all see that it is there, none what is in it.
 *
 * The service's state, which these exchanges get as `service`, begins with its turns:
 *
 *     struct balances {
 *         struct turns *turns;
 *         ...
 *     };
 *     DEAD_LETTERS_OF(struct balances);
 *     const struct http_route balance_routes[] = { ..., DEAD_LETTER_ROUTES, {.path = NULL}};
 */
#ifndef ADAPTERS_RUNTIME_DEAD_LETTERS_H
#define ADAPTERS_RUNTIME_DEAD_LETTERS_H

#include "bus/cloud_event.h"
#include "http/http.h"

#include <stddef.h>

#define RECORD_FILE "runtime/dead_letters.def"
#include "wire/record_struct.h"

void dead_letters_list(struct http_exchange *exchange);
void dead_letters_get(struct http_exchange *exchange);
void dead_letters_replay(struct http_exchange *exchange);
void dead_letters_drop(struct http_exchange *exchange);
void replay_begin(struct http_exchange *exchange);

#define DEAD_LETTERS_OF(state)                                                                     \
    _Static_assert(offsetof(state, turns) == 0, "the routes of dead letters find the turns first")

#define DEAD_LETTER_ROUTES                                                                         \
    {.method = HTTP_GET,                                                                           \
     .path = "/api/v1/dead-letters",                                                               \
     .handle = dead_letters_list,                                                                  \
     .scope = "admin",                                                                             \
     .gives = &dead_letter_record,                                                                 \
     .lists = true,                                                                                \
     .refuses = {REASON_BUSY},                                                                     \
     .summary = "List dead letters",                                                               \
     .help = "Events that this service could not apply, and what came behind them with the same "  \
             "key, oldest first."},                                                                \
        {.method = HTTP_GET,                                                                       \
         .path = "/api/v1/dead-letters/{number}",                                                  \
         .handle = dead_letters_get,                                                               \
         .scope = "admin",                                                                         \
         .text_params = true,                                                                      \
         .gives = &dead_letter_record,                                                             \
         .refuses = {REASON_NOT_FOUND, REASON_BUSY},                                               \
         .summary = "Show a dead letter",                                                          \
         .help = "With the event as it was published."},                                           \
        {.method = HTTP_POST,                                                                      \
         .path = "/api/v1/dead-letters/{number}/replay",                                           \
         .handle = dead_letters_replay,                                                            \
         .scope = "admin",                                                                         \
         .text_params = true,                                                                      \
         .gives = &dead_letters_replayed_record,                                                   \
         .refuses = {REASON_NOT_FOUND, REASON_EVENT_REFUSED, REASON_BUSY},                         \
         .summary = "Apply the dead letters of a key",                                             \
         .help = "All that are parked with the key of this one, the oldest first, each for good. " \
                 "Ends at one that is refused again: the problem's `replayed` says how far it "    \
                 "came."},                                                                         \
    {                                                                                              \
        .method = HTTP_POST, .path = "/api/v1/dead-letters/{number}/drop",                         \
        .handle = dead_letters_drop, .scope = "admin", .text_params = true,                        \
        .gives = &dead_letter_dropped_record, .refuses = {REASON_NOT_FOUND, REASON_BUSY},          \
        .summary = "Drop a dead letter",                                                           \
        .help = "For good. Those behind it stay parked until one of them is replayed."             \
    }

/* Of services that read topics. */
#define REPLAY_ROUTE                                                                               \
    {                                                                                              \
        .method = HTTP_POST, .path = "/api/v1/replay", .handle = replay_begin, .scope = "admin",   \
        .takes = &replay_request_record, .gives = &replay_begun_record, .success = 202,            \
        .refuses = {REASON_NOT_FOUND, REASON_BUSY}, .summary = "Read a topic again",               \
        .help =                                                                                    \
            "Where all that the service does with the topic is to change its own rows; else it "   \
            "is forbidden. Dead letters stay where they are."                                      \
    }

#endif
