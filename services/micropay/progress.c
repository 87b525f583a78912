#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* How long something takes is no business of the ledger's clock, which a test may stop. */
static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct progress progress_begin(void)
{
    return (struct progress){.shown = isatty(STDERR_FILENO) == 1, .started = monotonic_ns()};
}

uint64_t progress_elapsed(const struct progress *progress)
{
    uint64_t elapsed = monotonic_ns() - progress->started;

    return elapsed > 0 ? elapsed : 1;
}

void progress_show(struct progress *progress, uint64_t rows, uint64_t done, uint64_t total)
{
    if (!progress->shown) return;
    uint64_t elapsed = progress_elapsed(progress);
    if (elapsed < progress->next) return;
    progress->next = elapsed + 200000000;
    double seconds = (double)elapsed / 1e9;
    fputs("\r\033[K", stderr);
    if (rows > 0)
        fprintf(stderr, "%.3f million rows  %.2f million/s  ", (double)rows / 1e6,
                (double)rows / 1e6 / seconds);
    if (total > 0 && done > 0) {
        double part = (double)done / (double)total;
        fprintf(stderr, "%.1f %%  %.0f s left", 100 * part,
                part < 1 ? seconds / part - seconds : 0);
    }
    fflush(stderr);
}

void progress_end(const struct progress *progress)
{
    if (progress->shown && progress->next > 0) fputs("\r\033[K", stderr);
}
