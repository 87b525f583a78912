/* Checking UTF-8. */
#include "wire/utf8.h"

size_t utf8_character(const char *text, size_t length)
{
    static const unsigned char lowest[] = {0, 0, 0x80, 0xa0, 0x90}; /* second byte, by length */
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char first;
    size_t size;

    if (length == 0) return 0;
    first = bytes[0];
    size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size == 0 || first > 0xf4 || size > length) return 0;
    if (size == 1) return 1;
    if (bytes[1] < ((first == 0xe0 || first == 0xf0) ? lowest[size] : 0x80)) return 0;
    if (bytes[1] > (first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf)) return 0;
    for (size_t i = 2; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    return size;
}

bool utf8_valid(const char *text, size_t length)
{
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_character(text + i, length - i);
        if (size == 0) return false;
    }
    return true;
}

static bool is_control(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0];

    if (size == 1) return first < 0x20 || first == 0x7f;
    return first == 0xc2 && (unsigned char)text[1] < 0xa0;
}

bool utf8_printable(const char *text, size_t length)
{
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_character(text + i, length - i);
        if (size == 0 || is_control(text + i, size)) return false;
    }
    return true;
}
