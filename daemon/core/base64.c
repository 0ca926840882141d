/*
 * One spelling per value: bits that a shorter spelling would not have must be
 * zero, so that two different texts never mean the same bytes.
 */
#include "core/base64.h"

static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+' || digit == '-')
        return 62;
    return digit == '/' || digit == '_' ? 63 : -1;
}

/* The digits without padding; false when the padding does not fill up to four. */
static bool strip_padding(const char *text, size_t *len)
{
    size_t digits = *len;
    while (digits > 0 && *len - digits < 2 && text[digits - 1] == '=')
        digits--;
    bool sound = digits == *len || *len % 4 == 0;
    *len = digits;
    return sound;
}

bool base64_decode(struct arena *arena, const char *text, size_t len, const char **ret_data,
                   size_t *ret_len)
{
    if (!strip_padding(text, &len) || len % 4 == 1)
        return false;
    char *data = arena_alloc(arena, len / 4 * 3 + 3);
    size_t out = 0;
    unsigned bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = (bits << 6 | (unsigned)value) & 0xFFFF;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        data[out++] = (char)(bits >> bit_count & 0xFF);
    }
    if ((bits & ((1u << bit_count) - 1)) != 0)
        return false;
    *ret_data = data;
    *ret_len = out;
    return true;
}
