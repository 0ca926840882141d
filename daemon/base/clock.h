/*
 * Time. Every deadline of the daemon counts microseconds of CLOCK_MONOTONIC,
 * so that a changed wall clock moves none of them.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

typedef uint64_t usec_t; /* microseconds: a moment on the monotonic clock, or a span */

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC  ((usec_t)1000000)
#define USEC_NEVER    UINT64_MAX

usec_t clock_now(void);
/* What to add to a moment for the microseconds since 1970; changes with the wall clock. */
usec_t clock_epoch_offset(void);

#endif
