/*
 * The error convention of this project, in one place.
 *
 *   0          done
 *   negative   -errno: this cannot go on; pass it up unchanged
 *   positive   a condition listed in an enum of the called module's header;
 *              the direct caller handles it and never passes it on
 *
 * Results go out through parameters named ret_*, which come last and stay
 * untouched on failure. A function logs or returns an error, never both.
 * What cannot happen is asserted; assertions stay on in production.
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#include <assert.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))

#endif
