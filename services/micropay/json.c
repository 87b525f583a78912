#include "json.h"

struct json json_begin(struct text *out)
{
    text_char(out, '{');
    return (struct json){.out = out};
}

void json_end(struct json *json) { text_bytes(json->out, "}\n", 2); }

/* Quotes what needs it. */
static void quoted(struct text *out, const char *value)
{
    text_char(out, '"');
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\') {
            text_char(out, '\\');
            text_char(out, *value);
        } else if (c < 0x20) {
            text_format(out, "\\u%04x", c);
        } else {
            text_char(out, *value);
        }
    }
    text_char(out, '"');
}

static void member(struct json *json, const char *name)
{
    if (json->behind) text_char(json->out, ',');
    json->behind = true;
    text_char(json->out, '"');
    text_string(json->out, name);
    text_bytes(json->out, "\":", 2);
}

void json_object(struct json *json, const char *name)
{
    member(json, name);
    text_char(json->out, '{');
    json->behind = false;
}

void json_object_end(struct json *json)
{
    text_char(json->out, '}');
    json->behind = true;
}

void json_string(struct json *json, const char *name, const char *value)
{
    member(json, name);
    quoted(json->out, value);
}

void json_digits(struct json *json, const char *name, mp_u128 value)
{
    member(json, name);
    text_char(json->out, '"');
    text_number(json->out, value);
    text_char(json->out, '"');
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    member(json, name);
    text_number(json->out, value);
}

void json_decimal(struct json *json, const char *name, double value)
{
    member(json, name);
    text_format(json->out, "%.3f", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    member(json, name);
    text_string(json->out, value ? "true" : "false");
}
