/* Workers of the real loop: a thread each, and one job handed over under a mutex. */
#include "runtime/loop_worker.h"

#include "wire/buffer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct loop_worker worker;
    struct loop *loop;
    char name[16];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct loop_job job;    /* under the mutex, as the rest */
    bool begun, over, ends; /* a job was handed over; its work is over; the thread is to end */
    struct loop_task done;  /* on the loop */
};

static void *worker_main(void *context)
{
    struct worker *worker = context;

    pthread_setname_np(pthread_self(), worker->name);
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (!worker->ends && (!worker->begun || worker->over))
            pthread_cond_wait(&worker->changed, &worker->mutex);
        if (worker->ends) break;
        pthread_mutex_unlock(&worker->mutex);
        worker->job.work(worker->job.context);
        pthread_mutex_lock(&worker->mutex);
        worker->over = true;
        pthread_cond_broadcast(&worker->changed);
        loop_post(worker->loop, &worker->done);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static void on_worked(void *context)
{
    struct worker *worker = context;

    pthread_mutex_lock(&worker->mutex);
    worker->begun = worker->over = false;
    pthread_mutex_unlock(&worker->mutex);
    worker->job.done(worker->job.context);
}

enum outcome worker_open(struct loop *loop, const char *name, struct loop_worker **out,
                         struct error *err)
{
    struct worker *worker = need_memory(sizeof *worker);
    sigset_t all, before;
    int failure;

    worker->worker.ops = loop->ops;
    worker->loop = loop;
    worker->done = (struct loop_task){.run = on_worked, .context = worker};
    snprintf(worker->name, sizeof worker->name, "%s", name);
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    sigfillset(&all); /* signals are for the loop's thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failure = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0) {
        *out = &worker->worker;
        return OUTCOME_DONE;
    }
    free(worker);
    error_set(err, REASON_INTERNAL, "could not start the thread %s", name);
    error_detail(err, "The system said: %s.", strerror(failure));
    return err->outcome;
}

void worker_begin(struct loop_worker *base, const struct loop_job *job)
{
    struct worker *worker = (struct worker *)base;

    pthread_mutex_lock(&worker->mutex);
    assert(!worker->begun);
    worker->job = *job;
    worker->begun = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

bool worker_finish(struct loop_worker *base)
{
    struct worker *worker = (struct worker *)base;
    bool begun;

    pthread_mutex_lock(&worker->mutex);
    begun = worker->begun;
    while (worker->begun && !worker->over) pthread_cond_wait(&worker->changed, &worker->mutex);
    worker->begun = worker->over = false;
    pthread_mutex_unlock(&worker->mutex);
    loop_task_cancel(worker->loop, &worker->done);
    return begun;
}

void worker_close(struct loop_worker *base)
{
    struct worker *worker = (struct worker *)base;

    pthread_mutex_lock(&worker->mutex);
    assert(!worker->begun);
    worker->ends = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}
