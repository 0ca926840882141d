/*
 * A growing byte buffer with a cap. Appending never fails loudly: the first
 * append that would pass the cap (or finds no memory) marks the buffer, all
 * later ones do nothing, and the writer asks buffer_status() once at the end.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/errors.h"

enum { BUFFER_FULL = 1 }; /* positive: the cap was reached */

struct buffer {
    char *data; /* malloc'd; NULL while nothing was written */
    size_t len;
    size_t cap; /* bytes allocated */
    size_t max; /* len never passes it */
    int status; /* 0, BUFFER_FULL or -ENOMEM; sticky */
};

void buffer_init(struct buffer *buffer, size_t max);
/* Frees the bytes; the buffer is empty and usable again afterwards. */
void buffer_done(struct buffer *buffer);
#define scope_buffer __attribute__((cleanup(buffer_done)))

/* Makes room for `more` bytes beyond len; 0, BUFFER_FULL or -ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t more);

void buffer_append_slow(struct buffer *buffer, const void *data, size_t len);
void buffer_printf(struct buffer *buffer, const char *format, ...) printf_like(2, 3);

static inline void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    if (buffer->status == 0 && len <= buffer->cap - buffer->len) {
        if (len > 0)
            memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
        return;
    }
    buffer_append_slow(buffer, data, len);
}

static inline void buffer_string(struct buffer *buffer, const char *string)
{
    buffer_append(buffer, string, strlen(string));
}

static inline void buffer_byte(struct buffer *buffer, char byte)
{
    buffer_append(buffer, &byte, 1);
}

static inline int buffer_status(const struct buffer *buffer)
{
    return buffer->status;
}

/* Hands the bytes to the caller, who frees them with free(); the buffer is
 * empty afterwards. NULL when nothing was written. */
char *buffer_take(struct buffer *buffer, size_t *ret_len);

#endif
