/* What the tests of the system's environment share: a directory of their own, files in it, a kernel
 * that refuses. */
#ifndef TESTS_ENV_WORLD_H
#define TESTS_ENV_WORLD_H

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <micropay/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define MS   UINT64_C(1000000) /* ns */

static const mp_env *env;
static char directory[200];

#define CALL(verb, ...) env->verb(env->context, ##__VA_ARGS__)
#define EXPECT(expression, wanted)                                                                 \
    do {                                                                                           \
        long long got_ = (long long)(expression), wanted_ = (long long)(wanted);                   \
        cr_assert(got_ == wanted_, "%s: %lld instead of %lld", #expression, got_, wanted_);        \
    } while (0)

static inline const char *in(const char *name)
{
    static char paths[4][300];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static inline int removed(const char *path, const struct stat *about, int flag, struct FTW *place)
{
    (void)about;
    (void)flag;
    (void)place;
    return remove(path);
}

static inline void set_up(void)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");

    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL) parent = "/tmp";
    snprintf(directory, sizeof directory, "%s/micropay-env-XXXXXX", parent);
    cr_assert_not_null(mkdtemp(directory));
    env = mp_env_posix();
}

static inline void tear_down(void) { nftw(directory, removed, 16, FTW_DEPTH | FTW_PHYS); }

/* A page-aligned buffer filled with a letter. */
static inline uint8_t *pages(unsigned count, char letter)
{
    uint8_t *bytes = aligned_alloc(PAGE, (size_t)count * PAGE);

    cr_assert_not_null(bytes);
    memset(bytes, letter, (size_t)count * PAGE);
    return bytes;
}

static inline int open_new(const char *name, unsigned flags)
{
    int file = CALL(file_open, in(name), MP_ENV_WRITE | MP_ENV_CREATE | flags);

    cr_assert_geq(file, 0, "%s: %s", name, strerror(-file));
    return file;
}

/* With O_DIRECT where the file system has it. */
static inline int open_direct(const char *name)
{
    int file = CALL(file_open, in(name), MP_ENV_WRITE | MP_ENV_CREATE | MP_ENV_DIRECT);

    return file == -EINVAL ? open_new(name, 0) : file;
}

/* Makes the kernel refuse a system call to this process (a test is one) from here on. */
static inline void refuse(long number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) cr_skip("no seccomp here");
}

static inline void write_and_read_back(bool durable)
{
    int file = open_direct("f");
    uint8_t *a = pages(3, 'a'), *b = pages(1, 'b'), *back = pages(4, 0);
    mp_env_piece pieces[] = {{a, 3 * PAGE}, {b, PAGE}};

    EXPECT(CALL(file_write, file, pieces, 2, PAGE, durable), 4 * PAGE);
    EXPECT(CALL(file_read, file, back, 4 * PAGE, PAGE), 4 * PAGE);
    cr_expect_eq(memcmp(back, a, 3 * PAGE), 0);
    cr_expect_eq(memcmp(back + 3 * PAGE, b, PAGE), 0);
    EXPECT(CALL(file_sync, file), 0);
    free(a);
    free(b);
    free(back);
    CALL(file_close, file);
}

#endif
