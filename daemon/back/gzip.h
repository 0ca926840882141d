/* A body as one gzip member. */
#ifndef BACK_GZIP_H
#define BACK_GZIP_H

#include <stddef.h>

#include "base/errors.h"

enum { GZIP_NO_GAIN = 1 }; /* it would not be smaller */

/* Compresses `len` > 0 bytes with level 1 to 9 into *ret_data, which the caller frees. 0,
 * GZIP_NO_GAIN, or -ENOMEM. The same bytes and level give the same result. */
int must_check gzip_compress(const char *data, size_t len, int level, char **ret_data,
                             size_t *ret_len);

#endif
