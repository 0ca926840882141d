/* Control characters in field texts (RFC 9110 5.5). A module of inline functions: every
 * line of every reply and every field of a client is looked through. */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not 0 when one of eight bytes may be below 0x20, or DEL: below 0x80 itself, it gets
 * its top bit from losing 0x20 or from gaining 1. A carry may raise a false alarm only. */
static inline uint64_t control_suspicion(const char *data)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return ((word - ones * 0x20) | (word + ones)) & ~word & ones * 0x80;
}

/* The last eight bytes may overlap those before: bytes looked at twice cost nothing. */
static inline bool control_is_suspected(const char *data, size_t len)
{
    if (len < 8)
        return true;
    uint64_t found = control_suspicion(data + len - 8);
    for (size_t i = 0; i + 8 < len; i += 8)
        found |= control_suspicion(data + i);
    return found != 0;
}

/* True when there is one, tabs aside. */
static inline bool control_is_in(const char *data, size_t len)
{
    if (!control_is_suspected(data, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

#endif
