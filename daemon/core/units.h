/* Durations and sizes as people write them. */
#ifndef CORE_UNITS_H
#define CORE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* "800ms", "2s", "1m": digits (a fraction is fine: "1.5s"), then the unit, nothing
 * else; a bare "0" needs no unit. False when it is not one or does not fit. */
bool units_duration(const char *text, usec_t *ret_span);
/* "512", "64KiB", "8MiB", "1GiB": bytes. */
bool units_size(const char *text, uint64_t *ret_bytes);
/* "12": digits only. */
bool units_count(const char *text, uint64_t *ret_count);

/* Exact, in the largest unit that needs no fraction ("90s", "1500ms", "0.25ms"); the
 * readers above accept it. Cut at cap; 32 bytes always suffice. */
void units_print_duration(usec_t span, char *out, size_t cap);
void units_print_size(uint64_t bytes, char *out, size_t cap);

#endif
