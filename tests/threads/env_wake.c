/* Wake-ups of a ring and of a futex between threads: none may be lost. A lost one is a sleep that
 * doesn't end. */
#include <micropay/env.h>
#include <stdio.h>
#include <unistd.h>

enum { POSTS = 20000, POSTERS = 3 };

static const mp_env *env;
static mp_env_ring *ring; /* NULL = sleeps by env->wait */
static uint32_t word;     /* counts posts */

static void post(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < POSTS; i++) {
        __atomic_add_fetch(&word, 1, __ATOMIC_SEQ_CST);
        if (ring != NULL) {
            env->ring_wake(env->context, ring);
        } else {
            env->wake(env->context, &word, 1);
        }
        if (i % 64 == 0) usleep(1);
    }
}

static void take(void)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&word, __ATOMIC_SEQ_CST);
        mp_env_completion none;

        if (seen == POSTS * POSTERS) return;
        if (ring == NULL) {
            env->wait(env->context, &word, seen, UINT64_MAX);
        } else if (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == seen) {
            env->ring_reap(env->context, ring, &none, 1, UINT64_MAX);
        }
    }
}

static int round_of_posts(void)
{
    uint64_t threads[POSTERS];

    __atomic_store_n(&word, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < POSTERS; i++) {
        if (env->thread_start(env->context, post, NULL, "post", &threads[i]) < 0) return 1;
    }
    take();
    for (unsigned i = 0; i < POSTERS; i++) env->thread_join(env->context, threads[i]);
    return 0;
}

int main(void)
{
    env = mp_env_posix();
    if (round_of_posts() != 0) return 1;
    if (env->ring_open(env->context, 4, &ring) < 0) {
        puts("SKIP: rings are refused here");
        return 77;
    }
    if (round_of_posts() != 0) return 1;
    env->ring_close(env->context, ring);
    return 0;
}
