/* A fuzzer's bytes, taken from the front; zeros when they have run out. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *data;
    size_t size;
};

static inline void input_bytes(struct input *input, void *to, size_t size)
{
    size_t there = size < input->size ? size : input->size;

    memset(to, 0, size);
    if (there > 0) memcpy(to, input->data, there);
    input->data += there;
    input->size -= there;
}

static inline uint8_t input_u8(struct input *input)
{
    uint8_t value;

    input_bytes(input, &value, sizeof value);
    return value;
}

static inline uint16_t input_u16(struct input *input)
{
    uint16_t value;

    input_bytes(input, &value, sizeof value);
    return value;
}

#endif
