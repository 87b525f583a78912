#include "observe/trace_context.h"

#include <criterion/criterion.h>
#include <string.h>

static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

Test(trace_context, what_was_read_is_printed_again)
{
    struct trace_context context;
    char text[TRACEPARENT_TEXT + 1];

    cr_assert(trace_context_read(good, &context));
    cr_assert(context.sampled);
    cr_assert_eq(context.trace[0], 0x4b);
    cr_assert_eq(context.span[7], 0xb7);
    trace_context_print(&context, text);
    cr_assert_str_eq(text, good);
    context.sampled = false;
    trace_context_print(&context, text);
    cr_assert_eq(text[54], '0');
}

Test(trace_context, what_is_no_traceparent_is_none)
{
    static const char *const cases[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
    };
    struct trace_context context = {.sampled = true};

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert(!trace_context_read(cases[i], &context), "%s", cases[i]);
    cr_assert(!trace_context_read(NULL, &context));
    cr_assert(trace_context_is_none(&context));
    cr_assert(context.sampled, "nothing is written");
}

Test(trace_context, a_later_version_is_understood_as_far_as_it_is_known)
{
    struct trace_context context;

    cr_assert(trace_context_read(
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-what-the-future-holds", &context));
    cr_assert(context.sampled);
    cr_assert(!trace_context_read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
                                  &context));
}
