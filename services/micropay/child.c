/* This program as a child process. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_WAIT_MS = 60000, LOOK_EVERY_MS = 2 };

static void path_of(const char *data, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", data, name);
}

/* In the child: its output goes to a log; settings of the environment are not its own. */
static _Noreturn void become(const char *log, int flags, const char *const *arguments)
{
    int file = open(log, O_WRONLY | O_CREAT | flags | O_CLOEXEC, 0600);

    if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) _exit(126);
    for (char **at = environ; *at != NULL;) {
        char name[64];
        size_t length = strcspn(*at, "=");

        if (strncmp(*at, "MICROPAY_", 9) != 0 || length >= sizeof name) {
            at++;
            continue;
        }
        memcpy(name, *at, length);
        name[length] = '\0';
        unsetenv(name); /* the next one is at its place then */
    }
    execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static pid_t run(const char *data, const char *log, int flags, const char *const *arguments)
{
    char path[1200];
    pid_t process;

    path_of(data, log, path, sizeof path);
    process = fork();
    if (process == 0) become(path, flags, arguments);
    return process;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* Whether the log has the line that says so. */
static bool is_ready(const char *log)
{
    FILE *file = fopen(log, "re");
    char line[256];
    bool ready = false;

    while (file != NULL && !ready && fgets(line, sizeof line, file) != NULL)
        ready = strncmp(line, "ready in ", 9) == 0;
    if (file != NULL) fclose(file);
    return ready;
}

enum exit_status child_start(const struct command *command, const char *data, struct child *out)
{
    /* a fraud verdict that dies with a process is not waited for by a reviewer, but passed over */
    const char *const arguments[] = {
        "micropay", "up",    "--data",          data,    "--port-base",
        "0",        "--set", "log_level=error", "--set", "payment.fraud_policy=allow",
        NULL};
    char log[1200];

    path_of(data, "up.log", log, sizeof log);
    unlink(log); /* so that the line of an earlier life isn't taken for this one's */
    out->process = run(data, "up.log", O_TRUNC, arguments);
    if (out->process < 0) {
        complain(command, "could not start a process: %s", strerror(errno));
        out->process = 0;
        return EXIT_LEDGER;
    }
    for (unsigned waited = 0; waited < READY_WAIT_MS; waited += LOOK_EVERY_MS) {
        if (is_ready(log)) return EXIT_DONE;
        if (waitpid(out->process, NULL, WNOHANG) != 0) {
            out->process = 0;
            break;
        }
        pause_ms(LOOK_EVERY_MS);
    }
    complain(command, "'micropay up' did not start; %s says why", log);
    child_kill(out);
    return EXIT_LEDGER;
}

void child_kill(struct child *child)
{
    if (child->process == 0) return;
    kill(child->process, SIGKILL);
    waitpid(child->process, NULL, 0);
    child->process = 0;
}

static int status_of(pid_t process)
{
    int status = 0;

    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int child_stop(struct child *child)
{
    pid_t process = child->process;

    if (process == 0) return -1;
    child->process = 0;
    kill(process, SIGTERM);
    return status_of(process);
}

int child_run(const char *data, const char *log, const char *const *arguments)
{
    pid_t process = run(data, log, O_TRUNC, arguments);

    return process < 0 ? -1 : status_of(process);
}
