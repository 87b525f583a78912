/* The values of labels. */
#include "observe/metrics_internal.h"

#include <string.h>

enum { WORDS_MOST = 256 };

/* The values of each label, from 1; made when first asked for. */
static char *words[LABELS][WORDS_MOST];
static uint16_t word_counts[LABELS];

static void add_word(enum metric_label label, const char *word, size_t length)
{
    char *copy;

    if (word_counts[label] >= label_rows[label].most) return;
    copy = need_memory(length + 1);
    memcpy(copy, word, length);
    words[label][word_counts[label]++] = copy;
}

static void add_list(enum metric_label label)
{
    for (const char *at = label_rows[label].words; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        add_word(label, at, length);
        at += length;
    }
}

static void make_words(void)
{
    if (word_counts[LABEL_NONE] > 0) return;
    for (unsigned label = 0; label < LABELS; label++) {
        word_counts[label] = 1; /* "other" */
        if (label != LABEL_NONE) add_list(label);
    }
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        const char *name = reason_row((enum reason)i)->name;

        add_word(LABEL_reason, name, strlen(name));
    }
    for (const struct currency *row = currencies; row->name != NULL; row++)
        add_word(LABEL_currency, row->code, strlen(row->code));
}

static bool is_open(enum metric_label label)
{
    return label_rows[label].words[0] == '\0' && label != LABEL_reason && label != LABEL_currency;
}

const char *metric_word_text(enum metric_label label, uint16_t number)
{
    return number > 0 && number < word_counts[label] ? words[label][number] : "other";
}

uint16_t metric_words(enum metric_label label)
{
    make_words();
    return word_counts[label];
}

uint16_t metric_word(enum metric_label label, const char *word)
{
    make_words();
    for (uint16_t i = 1; i < word_counts[label]; i++)
        if (strcmp(words[label][i], word) == 0) return i;
    if (!is_open(label) || word_counts[label] >= label_rows[label].most) return 0;
    add_word(label, word, strlen(word));
    return (uint16_t)(word_counts[label] - 1);
}
