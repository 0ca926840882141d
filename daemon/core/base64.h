/* Base64 as clients write it (RFC 4648 sections 4 and 5). */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Either alphabet, with or without padding; no white space, no bits left over. */
bool base64_decode(struct arena *arena, const char *text, size_t len, const char **ret_data,
                   size_t *ret_len);

#endif
