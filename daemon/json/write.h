/*
 * Writing JSON pieces into a buffer: our own text escaped, other people's
 * values spliced as they are.
 */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <stddef.h>

#include "base/buffer.h"
#include "json/span.h"

/* A quoted JSON string. Invalid UTF-8 becomes U+FFFD, so the result is always
 * valid JSON; only what must be escaped is escaped. */
void json_put_string(struct buffer *out, const char *data, size_t len);
void json_put_text(struct buffer *out, const char *string);

/* A value's bytes, unchanged. */
static inline void json_splice(struct buffer *out, struct json_span value)
{
    buffer_append(out, value.data, value.len);
}

/* Microseconds as milliseconds with at most three decimals: 12.3, 0.045, 300. */
void json_put_milliseconds(struct buffer *out, unsigned long long microseconds);

/* Quoted base64url without padding (RFC 4648 section 5). */
void json_put_base64url(struct buffer *out, const char *data, size_t len);

#endif
