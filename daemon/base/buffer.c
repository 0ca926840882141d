/*
 * Doubling growth, cut at `max`. One byte more than `cap` is allocated, so that
 * vsnprintf() has a place for its NUL when the text just fits, and what is
 * handed out ends with a NUL that nobody counts.
 *
 * Invariants: len <= cap <= max; data is NULL exactly while cap is 0.
 */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 256 };

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->max);
}

static size_t next_cap(const struct buffer *buffer, size_t need)
{
    size_t cap = buffer->cap > 0 ? buffer->cap : FIRST_CAP;
    while (cap < need)
        cap = cap <= SIZE_MAX / 2 ? cap * 2 : SIZE_MAX;
    return cap < buffer->max ? cap : buffer->max;
}

int buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->status != 0 || more <= buffer->cap - buffer->len)
        return buffer->status;
    if (more > buffer->max - buffer->len)
        return buffer->status = BUFFER_FULL;
    size_t cap = next_cap(buffer, buffer->len + more);
    char *data = cap < SIZE_MAX ? realloc(buffer->data, cap + 1) : NULL;
    if (!data)
        return buffer->status = -ENOMEM;
    buffer->data = data;
    buffer->cap = cap;
    return 0;
}

void buffer_append_slow(struct buffer *buffer, const void *data, size_t len)
{
    if (len == 0 || buffer_reserve(buffer, len) != 0)
        return;
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
}

/* Prints if the text fits what is allocated; returns its length either way. */
static size_t print(struct buffer *buffer, const char *format, va_list args)
{
    size_t room = buffer->data ? buffer->cap - buffer->len + 1 : 0;
    char *end = buffer->data ? buffer->data + buffer->len : NULL;
    int len = vsnprintf(end, room, format, args);
    assert(len >= 0);
    return (size_t)len;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    if (buffer->status != 0)
        return;
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    size_t len = print(buffer, format, args);
    if (len > buffer->cap - buffer->len) {
        if (buffer_reserve(buffer, len) == 0)
            print(buffer, format, again);
        else
            len = 0;
    }
    buffer->len += len;
    va_end(again);
    va_end(args);
}

char *buffer_take(struct buffer *buffer, size_t *ret_len)
{
    char *data = buffer->data;
    if (buffer->len > 0) {
        data[buffer->len] = '\0';
    } else {
        free(data);
        data = NULL;
    }
    *ret_len = buffer->len;
    buffer_init(buffer, buffer->max);
    return data;
}
