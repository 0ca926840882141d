/*
 * Exact or refused: nothing is rounded, so what is printed reads back as the
 * same number, and a value that does not fit is an error instead of a surprise.
 */
#include "core/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* From the largest, so that printing takes the first that divides. */
static const struct unit spans[] = {
    {"m", 60 * USEC_PER_SEC},
    {"s", USEC_PER_SEC},
    {"ms", USEC_PER_MSEC},
};
static const struct unit sizes[] = {
    {"GiB", (uint64_t)1 << 30},
    {"MiB", (uint64_t)1 << 20},
    {"KiB", (uint64_t)1 << 10},
    {"", 1},
};
enum { SPANS = sizeof(spans) / sizeof(spans[0]), SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

/* Reads digits at *text and moves past them; false without one or on overflow. */
static bool read_digits(const char **text, uint64_t *ret_value)
{
    const char *at = *text;
    uint64_t value = 0;
    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    *text = at;
    *ret_value = value;
    return true;
}

static bool find_unit(const struct unit *units, size_t count, const char *name,
                      uint64_t *ret_factor)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) {
            *ret_factor = units[i].factor;
            return true;
        }
    return false;
}

bool units_duration(const char *text, usec_t *ret_span)
{
    uint64_t whole, factor;
    if (strcmp(text, "0") == 0) {
        *ret_span = 0;
        return true;
    }
    if (!read_digits(&text, &whole))
        return false;
    const char *fraction = "";
    if (*text == '.') {
        fraction = ++text;
        while (is_digit(*text))
            text++;
        if (text == fraction)
            return false;
    }
    if (!find_unit(spans, SPANS, text, &factor) || __builtin_mul_overflow(whole, factor, &whole))
        return false;
    for (; is_digit(*fraction); fraction++) {
        uint64_t digit = (uint64_t)(*fraction - '0');
        if (digit > 0 && factor % 10 != 0)
            return false; /* finer than a microsecond */
        factor = factor % 10 == 0 ? factor / 10 : 1;
        if (digit > 0 && __builtin_add_overflow(whole, digit * factor, &whole))
            return false;
    }
    *ret_span = whole;
    return true;
}

bool units_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t value, factor;
    if (!read_digits(&text, &value) || !find_unit(sizes, SIZES, text, &factor) ||
        __builtin_mul_overflow(value, factor, &value))
        return false;
    *ret_bytes = value;
    return true;
}

bool units_count(const char *text, uint64_t *ret_count)
{
    uint64_t value;
    if (!read_digits(&text, &value) || *text != '\0')
        return false;
    *ret_count = value;
    return true;
}

void units_print_duration(usec_t span, char *out, size_t cap)
{
    if (span == 0) {
        snprintf(out, cap, "0");
        return;
    }
    for (size_t i = 0; i < SPANS; i++)
        if (span % spans[i].factor == 0) {
            snprintf(out, cap, "%" PRIu64 "%s", span / spans[i].factor, spans[i].name);
            return;
        }
    uint64_t rest = span % USEC_PER_MSEC;
    int digits = 3;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    snprintf(out, cap, "%" PRIu64 ".%0*" PRIu64 "ms", span / USEC_PER_MSEC, digits, rest);
}

void units_print_size(uint64_t bytes, char *out, size_t cap)
{
    size_t unit = 0;
    while (bytes % sizes[unit].factor != 0 || (bytes == 0 && sizes[unit].factor > 1))
        unit++;
    snprintf(out, cap, "%" PRIu64 "%s", bytes / sizes[unit].factor, sizes[unit].name);
}
