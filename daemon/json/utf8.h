/*
 * One UTF-8 sequence at a time (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). A module of inline functions: the validator calls
 * it once per non-ASCII character.
 */
#ifndef JSON_UTF8_H
#define JSON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

enum utf8_kind {
    UTF8_GOOD, /* a whole character */
    UTF8_BAD,  /* can never become one */
    UTF8_CUT,  /* the bytes end before it does */
};

struct utf8_step {
    enum utf8_kind kind;
    unsigned len; /* GOOD: the character; else the longest prefix a character could have */
};

/* The allowed second byte depends on the first: Unicode's table 3-7. */
struct utf8_lead {
    unsigned len; /* 0: cannot begin a character */
    unsigned char second_low, second_high;
};

static inline struct utf8_lead utf8_lead(unsigned char first)
{
    if (first < 0x80)
        return (struct utf8_lead){1, 0, 0};
    if (first < 0xC2 || first > 0xF4)
        return (struct utf8_lead){0, 0, 0};
    if (first < 0xE0)
        return (struct utf8_lead){2, 0x80, 0xBF};
    if (first < 0xF0)
        return (struct utf8_lead){3, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF};
    return (struct utf8_lead){4, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF};
}

static inline bool utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* How much of `len` bytes to keep so that it is at most `max` and no character is cut in two. */
static inline size_t utf8_cut(const char *data, size_t len, size_t max)
{
    size_t cut = max;
    if (len <= max)
        return len;
    while (cut > 0 && max - cut < 3 && utf8_continues(data[cut]))
        cut--;
    return utf8_continues(data[cut]) ? max : cut; /* no character is that long */
}

/* Looks at the character that begins at data[0]; `left` is at least 1. The length
 * is at least 1, so that a reader always moves on. */
static inline struct utf8_step utf8_step(const char *data, size_t left)
{
    const unsigned char *bytes = (const unsigned char *)data;
    struct utf8_lead lead = utf8_lead(bytes[0]);
    if (lead.len <= 1)
        return (struct utf8_step){lead.len == 1 ? UTF8_GOOD : UTF8_BAD, 1};
    if (left < 2)
        return (struct utf8_step){UTF8_CUT, 1};
    if (bytes[1] < lead.second_low || bytes[1] > lead.second_high)
        return (struct utf8_step){UTF8_BAD, 1};
    for (unsigned i = 2; i < lead.len; i++) {
        if (i == left)
            return (struct utf8_step){UTF8_CUT, i};
        if ((bytes[i] & 0xC0) != 0x80)
            return (struct utf8_step){UTF8_BAD, i};
    }
    return (struct utf8_step){UTF8_GOOD, lead.len};
}

#endif
