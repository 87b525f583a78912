/* The functions of loop_ops by their names, for loops with threads. */
#ifndef ADAPTERS_RUNTIME_LOOP_WORKER_H
#define ADAPTERS_RUNTIME_LOOP_WORKER_H

#include "runtime/loop.h"

enum outcome worker_open(struct loop *loop, const char *name, struct loop_worker **out,
                         struct error *err);
void worker_begin(struct loop_worker *worker, const struct loop_job *job);
bool worker_finish(struct loop_worker *worker);
void worker_close(struct loop_worker *worker);

#endif
