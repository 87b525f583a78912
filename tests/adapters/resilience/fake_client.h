/* An HTTP client whose answers the test decides on; it takes the place of http/http_client.c. */
#ifndef TESTS_FAKE_CLIENT_H
#define TESTS_FAKE_CLIENT_H

#include "http/http.h"

/* What becomes of a call. */
struct fake_answer {
    unsigned status; /* 0 = none comes: `reason` says why */
    enum reason reason;
    uint64_t after_ms; /* more than the call's time-out: TIMEOUT comes then instead */
    const char *retry_after;
    bool never; /* not even the time-out is kept */
};

struct http_client {
    struct loop *loop;
    /* Called for each call, before it is answered. */
    struct fake_answer (*decide)(void *context, const struct http_call *call);
    void *context;
    unsigned calls, outstanding, most_outstanding;
};

#endif
