/*
 * Content codings undone piece by piece: gzip and deflate through zlib, into a
 * buffer whose cap counts decoded bytes.
 */
#ifndef BACK_INFLATE_H
#define BACK_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct inflater;

enum inflate_status {
    INFLATE_MALFORMED = 1, /* also bytes after the end of the stream */
    INFLATE_FULL,          /* there is more than the buffer may hold */
};

/* `gzip` false: deflate, with or without the zlib wrapping. NULL: no memory. */
struct inflater *inflater_new(bool gzip);
struct inflater *inflater_free(struct inflater *inflater); /* NULL is fine */

/* Appends what these bytes decode to. 0, a status above or -ENOMEM; after anything
 * but 0 the inflater is of no more use. */
int must_check inflater_feed(struct inflater *inflater, const char *data, size_t len,
                             struct buffer *out);
/* True when the stream is complete, or nothing at all came. */
bool inflater_is_complete(const struct inflater *inflater);

#endif
