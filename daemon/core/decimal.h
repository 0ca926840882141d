/* Whole numbers as text. A module of one inline function, because every reply needs it. */
#ifndef CORE_DECIMAL_H
#define CORE_DECIMAL_H

#include "base/buffer.h"

static inline void decimal_put(struct buffer *out, unsigned long long number)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(out, digits + at, sizeof digits - at);
}

#endif
