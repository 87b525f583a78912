// The C++ side of gbench_shim.h: each function there is one call of Google Benchmark here.
#include "gbench_shim.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace
{

benchmark::State &unwrap(mpb_state *state) { return *reinterpret_cast<benchmark::State *>(state); }

const benchmark::State &unwrap(const mpb_state *state)
{
    return *reinterpret_cast<const benchmark::State *>(state);
}

// The class has moved between namespaces over Google Benchmark's versions; its type is what
// RegisterBenchmark gives.
using Registered =
    decltype(benchmark::RegisterBenchmark("", static_cast<void (*)(benchmark::State &)>(nullptr)));

Registered unwrap(mpb_benchmark *benchmark) { return reinterpret_cast<Registered>(benchmark); }

} // namespace

mpb_benchmark *mpb_register(const char *name, mpb_function *function, void *arg)
{
    return reinterpret_cast<mpb_benchmark *>(
        benchmark::RegisterBenchmark(name, [function, arg](benchmark::State &state) {
            function(reinterpret_cast<mpb_state *>(&state), arg);
        }));
}

void mpb_arg(mpb_benchmark *benchmark, int64_t arg) { unwrap(benchmark)->Arg(arg); }

void mpb_args(mpb_benchmark *benchmark, const int64_t *args, size_t count)
{
    unwrap(benchmark)->Args(std::vector<int64_t>(args, args + count));
}

void mpb_arg_names(mpb_benchmark *benchmark, const char *const *names, size_t count)
{
    unwrap(benchmark)->ArgNames(std::vector<std::string>(names, names + count));
}

void mpb_use_time(mpb_benchmark *benchmark, mpb_time time)
{
    switch (time) {
    case MPB_TIME_CPU: break;
    case MPB_TIME_REAL: unwrap(benchmark)->UseRealTime(); break;
    case MPB_TIME_MANUAL: unwrap(benchmark)->UseManualTime(); break;
    }
}

void mpb_use_unit(mpb_benchmark *benchmark, mpb_unit unit)
{
    static const benchmark::TimeUnit units[] = {benchmark::kNanosecond, benchmark::kMicrosecond,
                                                benchmark::kMillisecond, benchmark::kSecond};

    unwrap(benchmark)->Unit(units[unit]);
}

void mpb_use_iterations(mpb_benchmark *benchmark, int64_t iterations)
{
    unwrap(benchmark)->Iterations(iterations);
}

void mpb_use_min_time(mpb_benchmark *benchmark, double seconds)
{
    unwrap(benchmark)->MinTime(seconds);
}

void mpb_use_repetitions(mpb_benchmark *benchmark, int repetitions)
{
    unwrap(benchmark)->Repetitions(repetitions);
}

void mpb_use_threads(mpb_benchmark *benchmark, int threads) { unwrap(benchmark)->Threads(threads); }

int mpb_run(int *argc, char **argv)
{
    benchmark::Initialize(argc, argv);
    if (benchmark::ReportUnrecognizedArguments(*argc, argv)) {
        return 1;
    }

    const size_t ran = benchmark::RunSpecifiedBenchmarks();

    benchmark::Shutdown();
    return ran == 0 ? 1 : 0;
}

bool mpb_keep_running(mpb_state *state) { return unwrap(state).KeepRunning(); }

bool mpb_keep_running_batch(mpb_state *state, int64_t count)
{
    return unwrap(state).KeepRunningBatch(count);
}

int64_t mpb_range(const mpb_state *state, size_t index) { return unwrap(state).range(index); }

int64_t mpb_iterations(const mpb_state *state)
{
    return static_cast<int64_t>(unwrap(state).iterations());
}

int mpb_thread_index(const mpb_state *state) { return unwrap(state).thread_index(); }

void mpb_pause_timing(mpb_state *state) { unwrap(state).PauseTiming(); }

void mpb_resume_timing(mpb_state *state) { unwrap(state).ResumeTiming(); }

void mpb_set_iteration_time(mpb_state *state, double seconds)
{
    unwrap(state).SetIterationTime(seconds);
}

void mpb_set_items_processed(mpb_state *state, int64_t items)
{
    unwrap(state).SetItemsProcessed(items);
}

void mpb_set_bytes_processed(mpb_state *state, int64_t bytes)
{
    unwrap(state).SetBytesProcessed(bytes);
}

void mpb_set_counter(mpb_state *state, const char *name, double value)
{
    unwrap(state).counters[name] = benchmark::Counter(value);
}

void mpb_set_counter_as(mpb_state *state, const char *name, double value, mpb_counter kind)
{
    static const benchmark::Counter::Flags flags[] = {benchmark::Counter::kDefaults,
                                                      benchmark::Counter::kIsRate,
                                                      benchmark::Counter::kAvgIterations};

    unwrap(state).counters[name] = benchmark::Counter(value, flags[kind]);
}

void mpb_set_label(mpb_state *state, const char *label) { unwrap(state).SetLabel(label); }

void mpb_skip_with_error(mpb_state *state, const char *message)
{
    unwrap(state).SkipWithError(message);
}
