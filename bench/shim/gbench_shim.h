/**
 * Google Benchmark for benchmarks written in C.
 *
 * A benchmark is a C function that loops while mpb_keep_running() says so. It is registered before
 * mpb_run(), which parses Google Benchmark's own options (--benchmark_filter, --benchmark_format,
 * --benchmark_out, ...), runs what matches and prints it.
 *
 *     static void copy(mpb_state *state, void *arg)
 *     {
 *         while (mpb_keep_running(state)) {
 *             memcpy(to, from, (size_t)mpb_range(state, 0));
 *             mpb_clobber_memory();
 *         }
 *         mpb_set_bytes_processed(state, mpb_iterations(state) * mpb_range(state, 0));
 *     }
 *     ...
 *     mpb_benchmark *benchmark = mpb_register("copy", copy, NULL);
 *     mpb_arg(benchmark, 4096);
 *     return mpb_run(&argc, argv);
 *
 * Registration and mpb_run() belong to one thread. A state belongs to the thread that the function
 * runs in. Strings are copied. Nothing here throws into C; a mistake in use aborts with a message.
 */
#ifndef GBENCH_SHIM_H
#define GBENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One run of a benchmark; lives as long as the call of its function. */
typedef struct mpb_state mpb_state;

/** A registered benchmark; owned by the library, valid until mpb_run() returns. */
typedef struct mpb_benchmark mpb_benchmark;

/** The function to measure; arg is what mpb_register() was given. */
typedef void mpb_function(mpb_state *state, void *arg);

/** Which clock decides the figures. */
typedef enum {
    MPB_TIME_CPU,    /**< CPU time of the thread; Google Benchmark's default */
    MPB_TIME_REAL,   /**< wall clock: for whatever waits on disk or another thread */
    MPB_TIME_MANUAL, /**< what mpb_set_iteration_time() says, once an iteration */
} mpb_time;

/** Unit of the printed times. */
typedef enum { MPB_NANOSECOND, MPB_MICROSECOND, MPB_MILLISECOND, MPB_SECOND } mpb_unit;

/** How a counter is printed. */
typedef enum {
    MPB_COUNTER_PLAIN,         /**< as set */
    MPB_COUNTER_RATE,          /**< divided by the seconds measured */
    MPB_COUNTER_PER_ITERATION, /**< divided by the number of iterations */
} mpb_counter;

/** Registers a benchmark under a name; arg is handed to each call, and must live until then. */
mpb_benchmark *mpb_register(const char *name, mpb_function *function, void *arg);

/** Adds a run with one argument, read by mpb_range(state, 0). */
void mpb_arg(mpb_benchmark *benchmark, int64_t arg);

/** Adds a run with count arguments. */
void mpb_args(mpb_benchmark *benchmark, const int64_t *args, size_t count);

/** Names the arguments in the output; count as in mpb_args(). */
void mpb_arg_names(mpb_benchmark *benchmark, const char *const *names, size_t count);

void mpb_use_time(mpb_benchmark *benchmark, mpb_time time);
void mpb_use_unit(mpb_benchmark *benchmark, mpb_unit unit);

/** Exactly so many iterations, instead of as many as the minimum time takes. */
void mpb_use_iterations(mpb_benchmark *benchmark, int64_t iterations);

/** Goes on until so many seconds are measured (default 0.5); not together with iterations. */
void mpb_use_min_time(mpb_benchmark *benchmark, double seconds);

/** Runs it so many times, and adds mean, median and deviation. */
void mpb_use_repetitions(mpb_benchmark *benchmark, int repetitions);

/** Calls the function in so many threads at once. */
void mpb_use_threads(mpb_benchmark *benchmark, int threads);

/**
 * Runs all benchmarks that match the options, which are taken out of argc and argv.
 *
 * @return 0; 1 if an option isn't known or nothing ran. A benchmark that skipped with an error says
 *         so in the output.
 */
int mpb_run(int *argc, char **argv);

/** True as long as another iteration is wanted; the clock starts at the first call. */
bool mpb_keep_running(mpb_state *state);

/** As mpb_keep_running(), for a loop body that does count iterations at once. */
bool mpb_keep_running_batch(mpb_state *state, int64_t count);

/** Argument number index of this run. */
int64_t mpb_range(const mpb_state *state, size_t index);

/** Iterations done; after the loop, all of them. */
int64_t mpb_iterations(const mpb_state *state);

/** Which of mpb_use_threads() this is, from 0. */
int mpb_thread_index(const mpb_state *state);

/** Stops and restarts the clock; costs some 100 ns a pair. */
void mpb_pause_timing(mpb_state *state);
void mpb_resume_timing(mpb_state *state);

/** Seconds that this iteration took, under MPB_TIME_MANUAL. */
void mpb_set_iteration_time(mpb_state *state, double seconds);

/** After the loop: totals over all iterations, printed as rates. */
void mpb_set_items_processed(mpb_state *state, int64_t items);
void mpb_set_bytes_processed(mpb_state *state, int64_t bytes);

/** A figure of the benchmark's own, printed beside the times and in the JSON under its name. */
void mpb_set_counter(mpb_state *state, const char *name, double value);
void mpb_set_counter_as(mpb_state *state, const char *name, double value, mpb_counter kind);

/** A remark printed at the end of the line. */
void mpb_set_label(mpb_state *state, const char *label);

/** Gives up this run; from then on mpb_keep_running() is false. */
void mpb_skip_with_error(mpb_state *state, const char *message);

/** Makes the compiler believe that everything pointed to by value is read. */
static inline void mpb_use_pointer(const void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/** Makes the compiler believe that value is used. */
static inline void mpb_use_value(uint64_t value) { __asm__ volatile("" : : "r"(value)); }

/** Makes the compiler believe that all memory is read and written. */
static inline void mpb_clobber_memory(void) { __asm__ volatile("" : : : "memory"); }

#ifdef __cplusplus
}
#endif

#endif
