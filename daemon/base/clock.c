/*
 * One clock for every deadline. clock_gettime(CLOCK_MONOTONIC) cannot fail on
 * Linux with a valid pointer, and is answered in user space without a syscall.
 */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

usec_t clock_now(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(rc == 0);
    return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

usec_t clock_epoch_offset(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    assert(rc == 0);
    return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000 - clock_now();
}
