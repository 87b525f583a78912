/* One value of a setting: what it must be, and reading it. */
#include "runtime/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits without sign or leading zeros; what follows them is left in *end. */
static bool read_number(const char *text, uint64_t *out, const char **end)
{
    uint64_t number = 0;

    if (!is_digit(*text) || (*text == '0' && is_digit(text[1]))) return false;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return false;
    *out = number;
    *end = text;
    return true;
}

static bool read_unit(const char *text, uint64_t *number)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};

    while (*text == ' ') text++;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text, units[i].unit) == 0)
            return !__builtin_mul_overflow(*number, UINT64_C(1) << units[i].shift, number);
    return false;
}

static bool number_of(const struct setting *row, const char *text, uint64_t *out)
{
    const char *end;

    if (!read_number(text, out, &end)) return false;
    if (row->kind == SETTING_KIND_BYTES ? !read_unit(end, out) : *end != '\0') return false;
    return *out >= row->min && *out <= row->max;
}

/* Index of a word in a list with blanks between. */
static bool word_of(const char *words, const char *text, unsigned *out)
{
    size_t length = strlen(text);
    unsigned index = 0;

    for (const char *at = words; *at != '\0'; index++) {
        size_t size = strcspn(at, " ");

        if (size == length && memcmp(at, text, size) == 0) {
            *out = index;
            return true;
        }
        at += size;
        at += strspn(at, " ");
    }
    return false;
}

/* Nothing that a line of a file couldn't say. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f || *text == '"') return false;
    return true;
}

static const char secret_prefix[] = "file:";

/* What the file has, less the newlines at its end; *out stays as it was on failure. */
static bool read_secret(const char *path, char out[SETTING_SECRET_MAX + 1],
                        char why[SETTING_WHY_MAX])
{
    char text[SETTING_SECRET_MAX + 2]; /* a newline may follow the longest */
    FILE *file = fopen(path, "re");
    size_t length;
    bool good;

    if (file == NULL) {
        snprintf(why, SETTING_WHY_MAX, "its file could not be opened: %s", strerror(errno));
        return false;
    }
    length = fread(text, 1, sizeof text, file);
    good = ferror(file) == 0;
    fclose(file);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) length--;
    good = good && length > 0 && length <= SETTING_SECRET_MAX && !memchr(text, '\0', length);
    if (good) {
        memset(out, 0, SETTING_SECRET_MAX + 1);
        memcpy(out, text, length);
    } else {
        snprintf(why, SETTING_WHY_MAX, "its file must hold 1 to %d bytes of text",
                 SETTING_SECRET_MAX);
    }
    explicit_bzero(text, sizeof text);
    return good;
}

void setting_describe(const struct setting *row, char *out, size_t size)
{
    unsigned long long min = row->min, max = row->max;

    switch (row->kind) {
    case SETTING_KIND_ONE_OF: snprintf(out, size, "one of: %s", row->words); break;
    case SETTING_KIND_MS: snprintf(out, size, "milliseconds, %llu to %llu", min, max); break;
    case SETTING_KIND_U32: snprintf(out, size, "a whole number, %llu to %llu", min, max); break;
    case SETTING_KIND_BYTES: snprintf(out, size, "bytes, %llu to %llu", min, max); break;
    case SETTING_KIND_AMOUNT: snprintf(out, size, "a decimal amount"); break;
    case SETTING_KIND_FLAG: snprintf(out, size, "true or false"); break;
    case SETTING_KIND_TEXT: snprintf(out, size, "text of at most %llu bytes", max); break;
    case SETTING_KIND_SECRET: snprintf(out, size, "file:PATH, never the secret itself"); break;
    }
}

/* Says what was expected, and what came instead unless it might be a secret. */
static bool refuse(const struct setting *row, const char *text, char why[SETTING_WHY_MAX])
{
    char wanted[SETTING_WHY_MAX];

    setting_describe(row, wanted, sizeof wanted);
    if (row->kind == SETTING_KIND_SECRET)
        snprintf(why, SETTING_WHY_MAX, "must be %.60s", wanted);
    else
        snprintf(why, SETTING_WHY_MAX, "\"%.20s\" is not %.60s", text, wanted);
    return false;
}

bool setting_read(const struct setting *row, const char *text, void *field,
                  char why[SETTING_WHY_MAX])
{
    struct amount amount = {0};
    uint64_t number = 0;
    unsigned word = 0;
    char *out = field;

    switch (row->kind) {
    case SETTING_KIND_ONE_OF:
        if (!word_of(row->words, text, &word)) return refuse(row, text, why);
        if (field != NULL) *(unsigned *)field = word;
        return true;
    case SETTING_KIND_AMOUNT:
        if (!amount_read(text, &amount)) return refuse(row, text, why);
        if (field != NULL) { /* by member: what lies between them stays zero, to be compared */
            ((struct amount *)field)->units = amount.units;
            ((struct amount *)field)->digits = amount.digits;
        }
        return true;
    case SETTING_KIND_FLAG:
        if (!word_of("false true", text, &word)) return refuse(row, text, why);
        if (field != NULL) *(bool *)field = word == 1;
        return true;
    case SETTING_KIND_MS:
    case SETTING_KIND_BYTES:
        if (!number_of(row, text, &number)) return refuse(row, text, why);
        if (field != NULL) *(uint64_t *)field = number;
        return true;
    case SETTING_KIND_U32:
        if (!number_of(row, text, &number) || number > UINT32_MAX) return refuse(row, text, why);
        if (field != NULL) *(uint32_t *)field = (uint32_t)number;
        return true;
    case SETTING_KIND_TEXT:
        if (strlen(text) > row->max || !is_plain(text)) return refuse(row, text, why);
        if (field != NULL) strncpy(out, text, row->size); /* pads with zeros */
        return true;
    case SETTING_KIND_SECRET:
        if (*text == '\0') {
            if (field != NULL) memset(out, 0, row->size);
            return true;
        }
        if (strncmp(text, secret_prefix, strlen(secret_prefix)) != 0 ||
            text[strlen(secret_prefix)] == '\0' || !is_plain(text))
            return refuse(row, text, why);
        return field == NULL || read_secret(text + strlen(secret_prefix), out, why);
    }
    return false;
}
