/* What is looked at before cJSON: strings and numbers, byte by byte; it alone sees the rest. */
#include "wire/json.h"

#include "wire/utf8.h"

#include <string.h>

/* Where the check stands. */
struct scan {
    const char *at, *end;
    const char *wrong; /* what is */
};

static bool wrong(struct scan *scan, const char *what)
{
    scan->wrong = what;
    return false;
}

static char peek(const struct scan *scan) { return scan->at < scan->end ? *scan->at : '\0'; }

/* From behind the opening quote to behind the closing one. */
static bool scan_string(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at != '"') {
        size_t left = (size_t)(scan->end - scan->at);
        unsigned char c = (unsigned char)*scan->at;

        if (c < 0x20) return wrong(scan, "has a control character");
        if (c < 0x80 && c != '\\') { /* nearly all of them */
            scan->at++;
        } else if (c == '\\') {
            if (left >= 6 && memcmp(scan->at, "\\u0000", 6) == 0) return wrong(scan, "has a NUL");
            scan->at += left >= 2 ? 2 : 1;
        } else {
            size_t size = utf8_character(scan->at, left);

            if (size == 0) return wrong(scan, "is not UTF-8");
            scan->at += size;
        }
    }
    if (scan->at == scan->end) return wrong(scan, "ends inside a string");
    scan->at++;
    return true;
}

static unsigned scan_digits(struct scan *scan)
{
    unsigned count = 0;

    for (; peek(scan) >= '0' && peek(scan) <= '9'; scan->at++) count++;
    return count;
}

static bool scan_number(struct scan *scan)
{
    const char *begin = scan->at, *whole;
    unsigned count;
    bool integer = true;

    if (peek(scan) == '-') scan->at++;
    whole = scan->at;
    count = scan_digits(scan);
    if (count == 0 || (count > 1 && *whole == '0')) return wrong(scan, "has a malformed number");
    if (peek(scan) == '.') {
        scan->at++;
        integer = false;
        if (scan_digits(scan) == 0) return wrong(scan, "has a malformed number");
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        scan->at++;
        integer = false;
        if (peek(scan) == '+' || peek(scan) == '-') scan->at++;
        if (scan_digits(scan) == 0) return wrong(scan, "has a malformed number");
    }
    /* as many digits as JSON_COUNT_MAX compare as text */
    if (integer && (count > 16 || (count == 16 && memcmp(whole, "9007199254740991", 16) > 0)))
        return wrong(scan, "has a whole number beyond 2^53 - 1: send it as a string");
    if (scan->at - begin > 60) return wrong(scan, "has a number of too many digits");
    return true;
}

static bool scan_all(struct scan *scan)
{
    unsigned depth = 0;

    while (scan->at < scan->end) {
        char c = *scan->at;

        if (c == '-' || (c >= '0' && c <= '9')) {
            if (!scan_number(scan)) return false;
            continue;
        }
        scan->at++;
        switch (c) {
        case '"':
            if (!scan_string(scan)) return false;
            break;
        case '{':
        case '[':
            if (++depth > JSON_DEPTH_MAX) return wrong(scan, "is nested too deeply");
            break;
        case '}':
        case ']':
            if (depth-- == 0) return wrong(scan, "is not JSON");
            break;
        default:
            if (c == '\0' || strchr(" \t\r\n,:truefalsn", c) == NULL)
                return wrong(scan, "is not JSON");
        }
    }
    return true;
}

cJSON *json_parse(const char *text, size_t length, struct error *err)
{
    struct scan scan = {.at = text, .end = text + length};
    const char *end = NULL;
    cJSON *json;

    if (!scan_all(&scan)) {
        error_fault(err, "", "%s, at byte %zu", scan.wrong, (size_t)(scan.at - text));
        return NULL;
    }
    json = cJSON_ParseWithLengthOpts(text, length, &end, false);
    if (json == NULL) {
        error_fault(err, "", "is not JSON, at byte %zu", end != NULL ? (size_t)(end - text) : 0);
        return NULL;
    }
    while (end < text + length && strchr(" \t\r\n", *end) != NULL && *end != '\0') end++;
    if (end != text + length) {
        cJSON_Delete(json);
        error_fault(err, "", "goes on behind its end, at byte %zu", (size_t)(end - text));
        return NULL;
    }
    return json;
}

bool json_count(const cJSON *value, uint64_t *out)
{
    double number;

    if (!cJSON_IsNumber(value)) return false;
    number = value->valuedouble;
    if (!(number >= 0 && number <= (double)JSON_COUNT_MAX)) return false;
    *out = (uint64_t)number;
    return (double)*out == number;
}

const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}
