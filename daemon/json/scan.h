/* Where things end in validated text, for json/span and json/walk only. Strings end at the
 * first quote that no backslash takes, containers where brackets balance outside strings, other
 * scalars before the next comma, bracket or white space. From the first byte to the one behind.
 * Nothing at or after `end` is read. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "json/container.h"

/* ORed into a byte it makes '[' and '{' the same, and ']' and '}'; of all bytes that it
 * makes equal to a quote or a comma none other occurs in valid JSON. */
enum { FOLD = 0x20, NO_FOLD = 0 };

/* The first byte that, ORed with fold, is in the set; or end. */
static inline __attribute__((always_inline)) const char *find_any(const char *at, const char *end,
                                                                  char fold, const char set[3])
{
#if defined(__SSE2__)
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        bytes = _mm_or_si128(bytes, _mm_set1_epi8(fold));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(set[0])),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8(set[1])));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(set[2])));
        unsigned bits = (unsigned)_mm_movemask_epi8(found);
        if (bits != 0)
            return at + __builtin_ctz(bits);
    }
#endif
    for (; at < end; at++)
        if ((*at | fold) == set[0] || (*at | fold) == set[1] || (*at | fold) == set[2])
            break;
    return at;
}

/* Between values no other byte is as low as a space. */
static inline const char *skip_space(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at <= ' ')
        at++;
    return at;
}

static inline const char *skip_string(const char *at, const char *end)
{
    at++;
    for (;;) {
        at = find_any(at, end, NO_FOLD, "\"\\\\");
        if (at == end)
            return end;
        if (*at == '"')
            return at + 1;
        if (end - at < 2)
            return end;
        at += 2;
    }
}

static inline const char *skip_scalar(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at > ' ' && *at != ',' && (*at | FOLD) != '}')
        at++;
    return at;
}

static inline const char *skip_value(const char *at, const char *end)
{
    if (*at == '"')
        return skip_string(at, end);
    return *at == '{' || *at == '[' ? json_container_end(at, end) : skip_scalar(at, end);
}

#endif
