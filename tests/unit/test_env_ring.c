/* Rings: what the engine may rely on when it has Linux write and read beside it, and wakes it. */
#include "env_world.h"

#include <signal.h>

TestSuite(env_ring, .init = set_up, .fini = tear_down, .timeout = 60);

static mp_env_ring *ring_of(unsigned entries)
{
    mp_env_ring *ring = NULL;
    int result = CALL(ring_open, entries, &ring);

    if (result == -ENOSYS || result == -EPERM || result == -EACCES || result == -ENOMEM) {
        cr_skip("rings are refused here");
    }
    EXPECT(result, 0);
    return ring;
}

static mp_env_completion reap_one(mp_env_ring *ring)
{
    mp_env_completion done = {0};
    int count;

    do {
        count = CALL(ring_reap, ring, &done, 1, UINT64_MAX);
    } while (count == 0);
    EXPECT(count, 1);
    return done;
}

Test(env_ring, a_ring_writes_and_reads)
{
    mp_env_ring *ring = ring_of(8);
    int file = open_direct("f");
    uint8_t *a = pages(2, 'a'), *b = pages(1, 'b'), *back = pages(8, 'x');
    mp_env_completion done;

    {
        mp_env_piece pieces[] = {{a, 2 * PAGE}, {b, PAGE}};

        EXPECT(CALL(ring_write, ring, file, pieces, 2, PAGE, 71), 0);
        memset(pieces, 0xff, sizeof pieces); /* the list is the caller's again at once */
    }
    done = reap_one(ring);
    EXPECT(done.user, 71);
    EXPECT(done.result, 3 * PAGE);
    EXPECT(CALL(ring_read, ring, file, back, 8 * PAGE, 0, 72), 0);
    done = reap_one(ring);
    EXPECT(done.user, 72);
    EXPECT(done.result, 4 * PAGE);
    cr_expect_eq(back[0], 0);
    cr_expect_eq(memcmp(back + PAGE, a, 2 * PAGE), 0);
    cr_expect_eq(memcmp(back + 3 * PAGE, b, PAGE), 0);
    CALL(ring_close, ring);
    CALL(file_close, file);
    free(a);
    free(b);
    free(back);
}

Test(env_ring, a_ring_carries_as_many_operations_as_it_was_made_for)
{
    enum { COUNT = 5 };
    mp_env_ring *ring = ring_of(COUNT);
    int file = open_direct("f");
    uint8_t *bytes = pages(COUNT, 'a');
    unsigned seen = 0;

    for (unsigned round = 0; round < 100; round++) {
        unsigned told = 0;

        for (unsigned i = 0; i < COUNT; i++) {
            mp_env_piece piece = {bytes + (uint64_t)i * PAGE, PAGE};

            EXPECT(CALL(ring_write, ring, file, &piece, 1, (uint64_t)i * PAGE, i), 0);
        }
        EXPECT(CALL(ring_read, ring, file, bytes, PAGE, 0, 9), -EBUSY);
        while (told < COUNT) {
            mp_env_completion done[3];
            int count = CALL(ring_reap, ring, done, 3, round % 2 ? 0 : UINT64_MAX);

            cr_assert(count >= 0 && count <= 3);
            for (int i = 0; i < count; i++) {
                EXPECT(done[i].result, PAGE);
                seen |= 1u << done[i].user;
            }
            told += (unsigned)count;
        }
    }
    EXPECT(seen, (1u << COUNT) - 1);
    CALL(ring_close, ring);
    CALL(file_close, file);
    free(bytes);
}

Test(env_ring, a_ring_tells_what_went_wrong)
{
    mp_env_ring *ring = ring_of(4);
    int full = CALL(file_open, "/dev/full", MP_ENV_WRITE);
    int file, reader;
    uint8_t *bytes = pages(1, 'a');
    mp_env_piece piece = {bytes, PAGE};

    CALL(file_close, open_new("f", 0));
    reader = CALL(file_open, in("f"), 0);
    EXPECT(CALL(ring_write, ring, full, &piece, 1, 0, 1), 0);
    EXPECT(reap_one(ring).result, -ENOSPC);
    EXPECT(CALL(ring_write, ring, reader, &piece, 1, 0, 1), 0);
    EXPECT(reap_one(ring).result, -EBADF);
    EXPECT(CALL(ring_read, ring, reader, bytes, PAGE, 0, 1), 0);
    EXPECT(reap_one(ring).result, 0);
    EXPECT(CALL(ring_write, ring, reader, &piece, 5, 0, 1), -EINVAL);
    file = open_direct("g");
    EXPECT(CALL(ring_write, ring, file, &piece, 1, 0, 1), 0);
    EXPECT(reap_one(ring).result, PAGE);
    EXPECT(CALL(file_resize, file, 100), 0);
    EXPECT(CALL(ring_read, ring, file, bytes, PAGE, 0, 1), 0);
    EXPECT(reap_one(ring).result, 100);
    EXPECT(CALL(ring_open, 0, &ring), -EINVAL);
    CALL(ring_close, ring);
    free(bytes);
}

Test(env_ring, a_write_cut_short_by_the_limit_of_a_file_is_an_error)
{
    mp_env_ring *ring = ring_of(4);
    int file = open_new("f", 0);
    uint8_t *bytes = pages(4, 'a');
    mp_env_piece piece = {bytes, 4 * PAGE};
    struct {
        uint64_t soft, hard;
    } limit = {2 * PAGE + 100, 2 * PAGE + 100};

    signal(SIGXFSZ, SIG_IGN);
    EXPECT(syscall(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, &limit, NULL), 0);
    EXPECT(CALL(file_write, file, &piece, 1, 0, false), -EFBIG);
    EXPECT(CALL(ring_write, ring, file, &piece, 1, 0, 1), 0);
    EXPECT(reap_one(ring).result, -EFBIG);
    CALL(ring_close, ring);
    free(bytes);
}

Test(env_ring, closing_a_ring_waits_for_what_it_carries)
{
    mp_env_ring *ring = ring_of(4);
    int file = open_direct("f");
    uint8_t *bytes = pages(256, 'a');
    mp_env_piece piece = {bytes, 256 * PAGE};

    for (unsigned i = 0; i < 4; i++) {
        EXPECT(CALL(ring_write, ring, file, &piece, 1, i * (256 * PAGE), i), 0);
    }
    CALL(ring_close, ring);
    free(bytes);
    EXPECT(CALL(file_size, file), 4 * (256 * PAGE));
    CALL(file_close, file);
}

Test(env_ring, a_ring_sleeps_no_longer_than_it_may)
{
    mp_env_ring *ring = ring_of(4);
    mp_env_completion done;
    uint64_t began = CALL(boot_ns);

    EXPECT(CALL(ring_reap, ring, &done, 1, 0), 0);
    cr_expect_lt(CALL(boot_ns), began + 1000 * MS);
    for (unsigned i = 0; i < 3; i++) {
        began = CALL(boot_ns);
        EXPECT(CALL(ring_reap, ring, &done, 1, 20 * MS), 0);
        cr_expect_geq(CALL(boot_ns), began + 20 * MS);
    }
    CALL(ring_close, ring);
}

Test(env_ring, a_wake_up_before_the_sleep_ends_it_and_only_it)
{
    mp_env_ring *ring = ring_of(4);
    mp_env_completion done;
    uint64_t began = CALL(boot_ns);

    CALL(ring_wake, ring);
    CALL(ring_wake, ring);
    EXPECT(CALL(ring_reap, ring, &done, 1, 0), 0); /* that was no sleep */
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 0);
    cr_expect_lt(CALL(boot_ns), began + 5000 * MS);
    began = CALL(boot_ns);
    EXPECT(CALL(ring_reap, ring, &done, 1, 20 * MS), 0);
    cr_expect_geq(CALL(boot_ns), began + 20 * MS);
    CALL(ring_close, ring);
}

/* Another thread posts numbers and wakes; the ring's thread takes them. No wake-up may be lost: a
 * lost one is a sleep that doesn't end, which the suite's time-out ends. */
enum { POSTS = 20000 };

struct post {
    mp_env_ring *ring;
    uint32_t posted, taken;
};

static void post_main(void *argument)
{
    struct post *post = argument;

    for (uint32_t i = 1; i <= POSTS; i++) {
        __atomic_store_n(&post->posted, i, __ATOMIC_SEQ_CST);
        CALL(ring_wake, post->ring);
        if (i % 3 == 0) CALL(ring_wake, post->ring);
        while (__atomic_load_n(&post->taken, __ATOMIC_SEQ_CST) < i) {
            if (i % 16 == 0) usleep(1);
        }
    }
}

static void take_posts(struct post *post, int file)
{
    uint8_t *bytes = pages(1, 'a');
    mp_env_piece piece = {bytes, PAGE};
    bool flying = false;

    for (;;) {
        uint32_t posted = __atomic_load_n(&post->posted, __ATOMIC_SEQ_CST);
        mp_env_completion done;
        int count;

        __atomic_store_n(&post->taken, posted, __ATOMIC_SEQ_CST);
        if (!flying && file >= 0) EXPECT(CALL(ring_write, post->ring, file, &piece, 1, 0, 1), 0);
        flying = file >= 0;
        if (posted == POSTS) break;
        count = CALL(ring_reap, post->ring, &done, 1, UINT64_MAX);
        cr_assert_geq(count, 0);
        if (count > 0) {
            EXPECT(done.result, PAGE);
            flying = false;
        }
    }
    if (flying) EXPECT(reap_one(post->ring).result, PAGE);
    free(bytes);
}

static void post_and_take(int file)
{
    struct post post = {.ring = ring_of(4)};
    uint64_t thread;

    EXPECT(CALL(thread_start, post_main, &post, "post", &thread), 0);
    take_posts(&post, file);
    CALL(thread_join, thread);
    CALL(ring_close, post.ring);
}

Test(env_ring, no_wake_up_from_another_thread_is_lost) { post_and_take(-1); }
Test(env_ring, no_wake_up_is_lost_while_writes_fly) { post_and_take(open_direct("f")); }

/* A ring is opened by one thread, used by another, and closed by the first. */
static void use_main(void *argument)
{
    mp_env_ring *ring = argument;
    mp_env_completion done;
    int file = open_direct("f");
    uint8_t *bytes = pages(1, 'a');
    mp_env_piece piece = {bytes, PAGE};

    EXPECT(CALL(ring_write, ring, file, &piece, 1, 0, 1), 0);
    EXPECT(reap_one(ring).result, PAGE);
    EXPECT(CALL(ring_reap, ring, &done, 1, MS), 0);
    CALL(file_close, file);
    free(bytes);
}

Test(env_ring, a_ring_survives_the_thread_that_used_it)
{
    mp_env_ring *ring = ring_of(4);

    for (unsigned i = 0; i < 3; i++) {
        uint64_t thread;

        EXPECT(CALL(thread_start, use_main, ring, "use", &thread), 0);
        CALL(thread_join, thread);
    }
    use_main(ring);
    CALL(ring_wake, ring);
    EXPECT(CALL(ring_reap, ring, &(mp_env_completion){0}, 1, UINT64_MAX), 0);
    CALL(ring_close, ring);
}

Test(env_ring, a_kernel_that_refuses_rings_is_told_from_a_fault)
{
    mp_env_ring *ring;

    refuse(SYS_io_uring_setup, EPERM);
    EXPECT(CALL(ring_open, 8, &ring), -EPERM);
    write_and_read_back(true);
}
