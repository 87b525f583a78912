/* The system's environment: what the engine may rely on when it asks Linux for files, threads and
 * sleep. */
#include "env_world.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

TestSuite(env, .init = set_up, .fini = tear_down, .timeout = 60);

/* --- clocks, random bytes, the process --- */

Test(env, clocks_tell_the_time_and_go_on)
{
    uint64_t before = CALL(boot_ns);

    cr_expect_gt(CALL(real_ns), UINT64_C(1700000000) * 1000 * MS);
    usleep(2000);
    cr_expect_geq(CALL(boot_ns), before + 2 * MS);
}

Test(env, random_bytes_differ)
{
    uint8_t a[300] = {0}, b[300] = {0};

    EXPECT(CALL(random, a, sizeof a), 0);
    EXPECT(CALL(random, b, sizeof b), 0);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
    cr_expect_neq(memcmp(a + 150, b, 150), 0);
}

Test(env, a_forked_child_is_another_process)
{
    uint64_t number = CALL(process);
    int status;
    pid_t child;

    EXPECT(number, getpid());
    EXPECT(CALL(process), number);
    child = fork();
    if (child == 0) _exit(CALL(process) == (uint64_t)getpid() && CALL(process) != number ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    EXPECT(status, 0);
}

/* --- directories --- */

Test(env, a_directory_is_made_once)
{
    EXPECT(CALL(dir_make, in("d")), 0);
    EXPECT(CALL(dir_make, in("d")), -EEXIST);
    EXPECT(CALL(dir_make, in("missing/d")), -ENOENT);
    EXPECT(CALL(dir_sync, directory), 0);
    EXPECT(CALL(dir_sync, in("missing")), -ENOENT);
}

Test(env, a_list_of_names_ends_with_two_nuls_and_says_when_it_does_not_fit)
{
    char names[64];

    memset(names, 'x', sizeof names);
    EXPECT(CALL(dir_list, directory, names, sizeof names), 0);
    cr_expect_eq(names[0], '\0');
    CALL(file_close, open_new("abc", 0));
    memset(names, 'x', sizeof names);
    EXPECT(CALL(dir_list, directory, names, 5), 1);
    cr_expect_eq(memcmp(names, "abc\0\0x", 6), 0);
    EXPECT(CALL(dir_list, directory, names, 4), -ENOBUFS);
    EXPECT(CALL(dir_list, directory, names, 0), -ENOBUFS);
    EXPECT(CALL(dir_list, in("missing"), names, sizeof names), -ENOENT);
}

Test(env, the_kind_of_file_system_is_told)
{
    struct stat about;

    cr_expect_neq(CALL(filesystem, directory), MP_ENV_FS_NETWORK);
    EXPECT(CALL(filesystem, in("missing")), -ENOENT);
    if (stat("/dev/shm", &about) == 0) EXPECT(CALL(filesystem, "/dev/shm"), MP_ENV_FS_MEMORY);
}

Test(env, a_rename_replaces_and_a_removed_file_is_gone)
{
    CALL(file_close, open_new("a", 0));
    CALL(file_close, open_new("b", 0));
    EXPECT(CALL(rename, in("a"), in("b")), 0);
    EXPECT(CALL(file_open, in("a"), 0), -ENOENT);
    EXPECT(CALL(remove, in("b")), 0);
    EXPECT(CALL(remove, in("b")), -ENOENT);
}

/* --- files --- */

Test(env, no_file_or_ring_is_inherited_by_a_program_that_is_started)
{
    int before[64], file, flags;
    mp_env_ring *ring;

    for (int i = 0; i < 64; i++) before[i] = fcntl(i, F_GETFD);
    file = open_new("f", 0);
    if (CALL(ring_open, 4, &ring) < 0) ring = NULL;
    for (int i = 0; i < 64; i++) {
        flags = fcntl(i, F_GETFD);
        if (before[i] < 0 && flags >= 0) cr_expect_neq(flags & FD_CLOEXEC, 0, "file %d", i);
    }
    if (ring != NULL) CALL(ring_close, ring);
    CALL(file_close, file);
}

Test(env, a_short_file_is_read_to_its_end)
{
    int file = open_direct("f");
    uint8_t *bytes = pages(4, 'a');
    mp_env_piece piece = {bytes, 2 * PAGE};

    EXPECT(CALL(file_write, file, &piece, 1, 0, false), 2 * PAGE);
    EXPECT(CALL(file_resize, file, PAGE + 100), 0);
    EXPECT(CALL(file_size, file), PAGE + 100);
    EXPECT(CALL(file_read, file, bytes, 4 * PAGE, 0), PAGE + 100);
    EXPECT(CALL(file_read, file, bytes, PAGE, PAGE), 100);
    EXPECT(CALL(file_read, file, bytes, PAGE, 8 * PAGE), 0);
    free(bytes);
    CALL(file_close, file);
}

Test(env, pieces_lie_in_a_row_however_many_there_are)
{
    enum { COUNT = 150 };
    int file = open_new("f", 0);
    mp_env_piece pieces[COUNT];
    uint8_t got[COUNT * 3 + 1];

    for (unsigned i = 0; i < COUNT; i++) {
        pieces[i] = (mp_env_piece){i % 2 ? "odd" : "eve", i % 3 == 0 ? 0 : 3};
    }
    EXPECT(CALL(file_write, file, pieces, COUNT, 7, false), COUNT / 3 * 2 * 3);
    EXPECT(CALL(file_read, file, got, sizeof got, 7), COUNT / 3 * 2 * 3);
    cr_expect_eq(memcmp(got, "oddeveevevodd", 6), 0);
    cr_expect_eq(memcmp(got + 6, "eveodd", 6), 0);
    CALL(file_close, file);
}

Test(env, a_plain_write_past_the_page_cache_is_read_back) { write_and_read_back(false); }
Test(env, a_durable_write_past_the_page_cache_is_read_back) { write_and_read_back(true); }

Test(env, durable_writes_go_on_where_the_kernel_refuses_the_flag)
{
    refuse(SYS_pwritev2, EOPNOTSUPP);
    write_and_read_back(true);
}

Test(env, to_wait_for_the_writes_to_a_file_changes_nothing_of_it)
{
    int file = CALL(file_open, in("f"), MP_ENV_WRITE | MP_ENV_CREATE);
    mp_env_piece piece = {"abc", 3};
    char read[8];

    EXPECT(CALL(file_write, file, &piece, 1, 5000, false), 3);
    EXPECT(CALL(file_settle, file), 0);
    EXPECT(CALL(file_size, file), 5003);
    EXPECT(CALL(file_read, file, read, sizeof read, 5000), 3);
    EXPECT(memcmp(read, "abc", 3), 0);
    EXPECT(CALL(file_close, file), 0);
    EXPECT(CALL(file_settle, file), -EBADF);
}

Test(env, a_file_never_takes_the_place_of_a_standard_stream)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        const unsigned flags = MP_ENV_WRITE | MP_ENV_CREATE;

        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        if (CALL(file_open, in("f"), flags) <= STDERR_FILENO) _exit(1);
        _exit(fcntl(STDERR_FILENO, F_GETFD) == -1 ? 0 : 2); /* nor does it stay open there */
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    EXPECT(status, 0);
}

Test(env, a_write_to_a_file_open_for_reading_fails)
{
    mp_env_piece piece = {"x", 1};
    int file;

    CALL(file_close, open_new("f", 0));
    file = CALL(file_open, in("f"), 0);
    EXPECT(CALL(file_write, file, &piece, 1, 0, true), -EBADF);
    CALL(file_close, file);
    EXPECT(CALL(file_open, in("missing"), MP_ENV_WRITE), -ENOENT);
}

Test(env, a_device_that_is_full_says_so)
{
    mp_env_piece piece = {"x", 1};
    int file = CALL(file_open, "/dev/full", MP_ENV_WRITE);

    EXPECT(CALL(file_write, file, &piece, 1, 0, false), -ENOSPC);
    EXPECT(CALL(file_write, file, &piece, 1, 0, true), -ENOSPC);
    CALL(file_close, file);
}

static void allocate(void)
{
    int file = open_direct("f");
    uint8_t *bytes = pages(1, 'a'), *back = pages(2, 'x');
    mp_env_piece piece = {bytes, PAGE};
    struct stat about;

    EXPECT(CALL(file_write, file, &piece, 1, 0, false), PAGE);
    EXPECT(CALL(file_allocate, file, 0, 40 * PAGE), 0);
    EXPECT(CALL(file_size, file), 40 * PAGE);
    fsync(file);
    fstat(file, &about);
    cr_expect_geq((uint64_t)about.st_blocks * 512, 40 * PAGE);
    EXPECT(CALL(file_read, file, back, 2 * PAGE, 0), 2 * PAGE);
    cr_expect_eq(memcmp(back, bytes, PAGE), 0, "what was there stays");
    cr_expect(back[PAGE] == 0 && memcmp(back + PAGE, back + PAGE + 1, PAGE - 1) == 0);
    EXPECT(CALL(file_allocate, file, 0, 0), -EINVAL);
    free(bytes);
    free(back);
    CALL(file_close, file);
}

Test(env, allocated_space_is_taken_and_zero) { allocate(); }

Test(env, space_is_allocated_where_the_file_system_cannot)
{
    refuse(SYS_fallocate, EOPNOTSUPP);
    allocate();
}

/* --- locks --- */

Test(env, one_opening_at_a_time_has_the_lock_of_a_file)
{
    int a = open_new("f", 0), b = open_new("f", 0);
    int reader = CALL(file_open, in("f"), 0), other = open_new("f", 0);

    EXPECT(CALL(file_locked, reader), 0);
    EXPECT(CALL(file_lock, a), 0);
    EXPECT(CALL(file_lock, a), 0);
    EXPECT(CALL(file_lock, b), -EAGAIN);
    EXPECT(CALL(file_locked, b), 1);
    EXPECT(CALL(file_locked, reader), 1);
    EXPECT(CALL(file_locked, a), 0);
    CALL(file_close, other); /* with locks of the process this would end them */
    EXPECT(CALL(file_lock, b), -EAGAIN);
    CALL(file_close, a);
    EXPECT(CALL(file_locked, reader), 0);
    EXPECT(CALL(file_lock, b), 0);
    CALL(file_close, b);
    CALL(file_close, reader);
}

Test(env, a_forked_child_keeps_the_lock)
{
    int file = open_new("f", 0), other = open_new("f", 0);
    int pipes[2], status;
    char byte;
    pid_t child;

    cr_assert_eq(pipe(pipes), 0);
    EXPECT(CALL(file_lock, file), 0);
    child = fork();
    if (child == 0) {
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
    }
    CALL(file_close, file);
    EXPECT(CALL(file_lock, other), -EAGAIN);
    close(pipes[1]);
    waitpid(child, &status, 0);
    EXPECT(CALL(file_lock, other), 0);
    CALL(file_close, other);
}

/* --- threads and sleep --- */

struct sleeper {
    uint32_t word;
    uint32_t slept;
    bool signals_blocked;
    char name[16];
};

static void sleeper_main(void *argument)
{
    struct sleeper *sleeper = argument;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sleeper->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGPROF);
    pthread_getname_np(pthread_self(), sleeper->name, sizeof sleeper->name);
    while (__atomic_load_n(&sleeper->word, __ATOMIC_SEQ_CST) == 0) {
        CALL(wait, &sleeper->word, 0, UINT64_MAX);
    }
    __atomic_store_n(&sleeper->slept, 1, __ATOMIC_SEQ_CST);
}

Test(env, a_thread_sleeps_until_it_is_woken_and_gets_no_signals)
{
    struct sleeper sleeper = {0};
    uint64_t thread;

    EXPECT(CALL(thread_start, sleeper_main, &sleeper, "a name that is long", &thread), 0);
    usleep(20000);
    EXPECT(__atomic_load_n(&sleeper.slept, __ATOMIC_SEQ_CST), 0);
    __atomic_store_n(&sleeper.word, 1, __ATOMIC_SEQ_CST);
    CALL(wake, &sleeper.word, UINT32_MAX);
    CALL(thread_join, thread);
    EXPECT(sleeper.slept, 1);
    cr_expect(sleeper.signals_blocked);
    cr_expect_str_eq(sleeper.name, "a name that is ");
}

Test(env, an_event_is_readable_once_it_was_signalled)
{
    int event = CALL(event_open);
    struct pollfd poll_event = {.fd = event, .events = POLLIN};
    uint64_t count;

    cr_assert_geq(event, 0);
    EXPECT(poll(&poll_event, 1, 0), 0);
    CALL(event_signal, event);
    CALL(event_signal, event);
    EXPECT(poll(&poll_event, 1, 0), 1);
    EXPECT(read(event, &count, sizeof count), sizeof count);
    EXPECT(count, 2);
    EXPECT(poll(&poll_event, 1, 0), 0);
    CALL(event_close, event);
    EXPECT(fcntl(event, F_GETFD), -1);
}

Test(env, a_sleep_ends_in_time_or_does_not_begin)
{
    uint32_t word = 7;
    uint64_t began = CALL(boot_ns);

    CALL(wait, &word, 8, UINT64_MAX);
    cr_expect_lt(CALL(boot_ns), began + 5000 * MS);
    began = CALL(boot_ns);
    CALL(wait, &word, 7, 20 * MS);
    cr_expect_geq(CALL(boot_ns), began + 19 * MS);
}
