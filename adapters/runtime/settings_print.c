/* Printing settings: as a file that says the same, and as a table of the manual. */
#include "runtime/settings_internal.h"

#include <string.h>

/* Whether a file needs quotes to say it. */
static bool needs_quotes(const char *text)
{
    size_t length = strlen(text);

    if (length == 0) return false;
    return text[0] == ' ' || text[length - 1] == ' ' || text[0] == '#' ||
           strstr(text, " #") != NULL;
}

static void print_row(const struct setting *row, const struct setting_given *given,
                      struct buffer *out)
{
    const char *text = given->text != NULL ? given->text : row->initial;
    const char *quote = needs_quotes(text) ? "\"" : "";
    size_t from = out->length, width;

    buffer_format(out, "%s = %s%s%s", row->name, quote, text, quote);
    width = out->length - from;
    do buffer_char(out, ' ');
    while (++width < 40);
    buffer_format(out, "# %s\n", given->text != NULL ? given->origin : "default");
}

void settings_print(const struct settings_loaded *loaded, struct buffer *out)
{
    for (unsigned i = 0; i < loaded->section_count; i++) {
        const struct settings_section *section = &loaded->sections[i];

        buffer_format(out, "%s[%s]\n", i > 0 ? "\n" : "", section->of->name);
        for (unsigned j = 0; j < section->of->count; j++)
            print_row(&section->of->rows[j], &section->given[j], out);
    }
}

static const char *range_of(const struct setting *row, char *out, size_t size)
{
    setting_describe(row, out, size);
    return out;
}

void settings_print_help(const struct settings *section, struct buffer *out)
{
    buffer_text(out, "| setting | default | what it may be | takes effect | what it does |\n"
                     "|---|---|---|---|---|\n");
    for (unsigned i = 0; i < section->count; i++) {
        const struct setting *row = &section->rows[i];
        char variable[128], range[256];

        setting_variable(section, row, variable, sizeof variable);
        buffer_format(out, "| `%s`<br>`%s%s` |", row->name, variable,
                      row->kind == SETTING_KIND_SECRET ? "_FILE" : "");
        if (row->initial[0] != '\0')
            buffer_format(out, " `%s` |", row->initial);
        else
            buffer_text(out, " |");
        buffer_format(out, " %s | %s | %s |\n", range_of(row, range, sizeof range),
                      row->apply == SETTING_LIVE ? "at once" : "at a restart", row->help);
    }
}
