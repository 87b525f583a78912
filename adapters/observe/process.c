/* Figures of this process from /proc. */
#include "observe/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of /proc/self/stat, numbered as in proc(5) */
enum {
    STAT_USER_TIME = 14,
    STAT_SYSTEM_TIME = 15,
    STAT_THREADS = 20,
    STAT_START = 22,
    STAT_RESIDENT = 24,
    STAT_FIELDS = 25
};

/* The numbers of /proc/self/stat; the name, in brackets, may have blanks. */
static bool read_stat(long long out[STAT_FIELDS])
{
    FILE *file = fopen("/proc/self/stat", "re");
    char text[1024], *at;
    size_t length;

    if (file == NULL) return false;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    at = strrchr(text, ')');
    if (at == NULL) return false;
    at += 2; /* field 3, the state, is a letter */
    for (unsigned field = 4; field < STAT_FIELDS; field++) {
        at = strchr(at, ' ');
        if (at == NULL) return false;
        out[field] = strtoll(++at, NULL, 10);
    }
    return true;
}

/* When the system was started, seconds since the epoch; 0 if it can't be read. */
static long long boot_time(void)
{
    FILE *file = fopen("/proc/stat", "re");
    long long seconds = 0;
    char line[256];

    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "btime ", 6) == 0) seconds = strtoll(line + 6, NULL, 10);
    fclose(file);
    return seconds;
}

/* -1 if they can't be counted. */
static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -1; /* the folder's own isn't counted */

    if (folder == NULL) return -1;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.') count++;
    closedir(folder);
    return count;
}

static void print(struct buffer *out, const char *name, const char *kind, const char *help,
                  double value)
{
    buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, kind, name,
                  value);
}

void process_print_metrics(struct buffer *out)
{
    double ticks = (double)sysconf(_SC_CLK_TCK);
    long long stat[STAT_FIELDS], boot = boot_time();
    int descriptors = open_descriptors();

    if (descriptors >= 0)
        print(out, "process_open_fds", "gauge", "Open file descriptors.", descriptors);
    if (!read_stat(stat)) return;
    print(out, "process_cpu_seconds_total", "counter", "CPU time of user and system.",
          (double)(stat[STAT_USER_TIME] + stat[STAT_SYSTEM_TIME]) / ticks);
    print(out, "process_resident_memory_bytes", "gauge", "Memory that is in use.",
          (double)stat[STAT_RESIDENT] * (double)sysconf(_SC_PAGESIZE));
    print(out, "process_threads", "gauge", "Threads.", (double)stat[STAT_THREADS]);
    if (boot > 0)
        print(out, "process_start_time_seconds", "gauge", "Start, in seconds since the epoch.",
              (double)boot + (double)stat[STAT_START] / ticks);
}
