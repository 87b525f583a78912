/* For test programs without Criterion: what must hold, or the program ends and says where. */
#ifndef TESTS_MUST_H
#define TESTS_MUST_H

#include <micropay/micropay.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, mp_last_error());   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
