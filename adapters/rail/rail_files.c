/* The rail of files. */
#include "rail/rail.h"

#include "wire/buffer.h"
#include "wire/times.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 1400, NEWS_MAX = 10000 };

struct rail {
    char *directory;
    char reading[PATH_MAX_BYTES], done[PATH_MAX_BYTES]; /* file that was read, where it goes */
};

struct rail *rail_files_open(const char *directory)
{
    struct rail *rail = need_memory(sizeof *rail);

    rail->directory = need_copy(directory);
    return rail;
}

void rail_close(struct rail *rail)
{
    if (rail == NULL) return;
    free(rail->directory);
    free(rail);
}

bool rail_was_used(const struct rail *rail) { return access(rail->directory, F_OK) == 0; }

bool rail_scheme_is_valid(const char *scheme)
{
    size_t length = strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return length > 0 && length <= RAIL_SCHEME_MAX && scheme[length] == '\0';
}

/* --- sending --- */

static enum outcome refuse(const char *what, const char *path, struct error *err)
{
    error_set(err, REASON_OUT_OF_SPACE, "could not %s %s: %s", what, path, strerror(errno));
    return err->outcome;
}

static enum outcome make_directories(const struct rail *rail, const char *scheme, const char *last,
                                     char *out, struct error *err)
{
    const char *parts[] = {"", scheme, last};

    out[0] = '\0';
    for (unsigned i = 0; i < 3; i++) {
        size_t length = strlen(out);

        if (i == 0)
            snprintf(out, PATH_MAX_BYTES, "%s", rail->directory);
        else
            snprintf(out + length, PATH_MAX_BYTES - length, "/%s", parts[i]);
        if (mkdir(out, 0700) != 0 && errno != EEXIST) return refuse("make", out, err);
    }
    return OUTCOME_DONE;
}

/* A CSV field: quoted, with quotes doubled. */
static void add_field(struct buffer *out, const char *text)
{
    buffer_char(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"') buffer_char(out, '"');
        buffer_char(out, *text);
    }
    buffer_char(out, '"');
}

static void add_payment(struct buffer *out, const struct rail_payment *payment)
{
    char id[UUID_TEXT + 1], amount[AMOUNT_TEXT_MAX], time[INSTANT_TEXT_MAX];

    uuid_print(payment->payment, id);
    amount_print(amount_of(payment->amount, payment->currency), amount);
    instant_print(payment->created_ns, time);
    buffer_format(out, "%s,", id);
    add_field(out, payment->identifier);
    buffer_format(out, ",%s,%s,", amount, payment->currency->code);
    add_field(out, payment->reference);
    buffer_format(out, ",%s\n", time);
}

static bool write_all(int file, const struct buffer *text)
{
    size_t done = 0;

    while (done < text->length) {
        ssize_t wrote = write(file, text->bytes + done, text->length - done);

        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        done += (size_t)wrote;
    }
    return fsync(file) == 0;
}

static bool sync_directory(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;

    if (directory >= 0) close(directory);
    return synced;
}

static enum outcome write_file(const char *directory, const char *name, const struct buffer *text,
                               struct error *err)
{
    char path[PATH_MAX_BYTES + 64], temporary[PATH_MAX_BYTES + 64];
    bool written;
    int file;

    snprintf(path, sizeof path, "%s/%s.csv", directory, name);
    snprintf(temporary, sizeof temporary, "%s/.%s.part", directory, name);
    file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return refuse("make", temporary, err);
    written = write_all(file, text);
    if (close(file) != 0 || !written) return refuse("write", temporary, err);
    if (rename(temporary, path) != 0 || !sync_directory(directory))
        return refuse("write", path, err);
    return OUTCOME_DONE;
}

enum outcome rail_send(struct rail *rail, const char *name, const struct rail_payment *payments,
                       unsigned count, struct error *err)
{
    char directory[PATH_MAX_BYTES];
    struct buffer text = {0};
    enum outcome outcome = make_directories(rail, payments[0].scheme, "out", directory, err);

    if (outcome != OUTCOME_DONE) return outcome;
    buffer_text(&text, "payment,identifier,amount,currency,reference,created_at\n");
    for (unsigned i = 0; i < count; i++) add_payment(&text, &payments[i]);
    outcome = write_file(directory, name, &text, err);
    buffer_done(&text);
    return outcome;
}

/* --- receiving --- */

/* The first file of news; false if there is none. */
static bool find_file(struct rail *rail, const char *scheme)
{
    char in[PATH_MAX_BYTES];
    struct dirent *entry;
    DIR *directory;
    bool found = false;

    snprintf(in, sizeof in, "%s/%s/in", rail->directory, scheme);
    directory = opendir(in);
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        size_t length = strlen(entry->d_name);

        found = entry->d_name[0] != '.' && length > 4 &&
                strcmp(entry->d_name + length - 4, ".csv") == 0;
        if (!found) continue;
        found = snprintf(rail->reading, sizeof rail->reading, "%s/%s", in, entry->d_name) <
                    (int)sizeof rail->reading &&
                snprintf(rail->done, sizeof rail->done, "%s/done/%s", in, entry->d_name) <
                    (int)sizeof rail->done;
    }
    if (directory != NULL) closedir(directory);
    return found;
}

static bool find_news(struct rail *rail)
{
    DIR *directory = opendir(rail->directory);
    struct dirent *entry;
    bool found = false;

    while (directory != NULL && !found && (entry = readdir(directory)) != NULL)
        found = rail_scheme_is_valid(entry->d_name) && find_file(rail, entry->d_name);
    if (directory != NULL) closedir(directory);
    return found;
}

static bool read_row(char *line, struct rail_news *out)
{
    char *result = strchr(line, ','), *end;

    if (result == NULL) return false;
    *result++ = '\0';
    end = result + strcspn(result, ",\r\n");
    *end = '\0';
    out->returned = strcmp(result, "returned") == 0;
    return uuid_read(line, &out->payment) && (out->returned || strcmp(result, "confirmed") == 0);
}

enum outcome rail_receive(struct rail *rail, struct rail_news **news, unsigned *count,
                          struct error *err)
{
    char line[512];
    FILE *file;

    *count = 0;
    *news = NULL;
    if (!find_news(rail)) return OUTCOME_DONE;
    file = fopen(rail->reading, "re");
    if (file == NULL) return refuse("read", rail->reading, err);
    *news = need_memory(NEWS_MAX * sizeof **news);
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (number == 1 && strncmp(line, "payment,", 8) == 0) continue;
        if (*count == NEWS_MAX || !read_row(line, &(*news)[*count]))
            error_fault(err, rail->reading, "line %u is no payment with its result", number);
        else
            ++*count;
    }
    fclose(file);
    if (*count == 0) rail_done(rail);
    return OUTCOME_DONE;
}

void rail_done(struct rail *rail)
{
    char directory[PATH_MAX_BYTES];
    char *slash;

    snprintf(directory, sizeof directory, "%s", rail->done);
    slash = strrchr(directory, '/');
    if (slash == NULL) return;
    *slash = '\0';
    if (mkdir(directory, 0700) == 0 || errno == EEXIST) (void)!rename(rail->reading, rail->done);
}
