/*
 * URL templates: RFC 6570 levels 1 to 3 without the reserved forms {+x} and {#x},
 * so that a value can never leave the place it was given: it adds no path
 * segment, no query member and no header. Compiled once, expanded per request.
 *
 * A runtime expression ({$responses.a.body#/id}) is a variable, too: its name begins
 * with '$' and goes up to the brace.
 */
#ifndef CORE_TEMPLATE_H
#define CORE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"

struct template; /* immutable; lives in the arena it was compiled in */

/* A value to fill in; `data` NULL: undefined (expands to nothing, RFC 6570 2.3). */
struct template_value {
    const char *data; /* decoded bytes */
    size_t len;
};
/* Looks up a variable; `ctx` is the caller's. */
typedef struct template_value template_lookup_fn(const void *ctx, const char *name);

/* NULL when compiled; otherwise a sentence, with *ret_offset at the bad byte. */
const char *template_compile(struct arena *arena, const char *text, struct template **ret_template,
                             size_t *ret_offset);
/* Names it uses, in order of first use. */
size_t template_variables(const struct template *compiled, const char *const **ret_names);
/* Without variables: the text itself; otherwise NULL. */
const char *template_literal(const struct template *compiled);

void template_expand(const struct template *compiled, template_lookup_fn *lookup, const void *ctx,
                     struct buffer *out);

/* Percent-encodes everything but unreserved characters (RFC 3986 2.3). */
void template_encode(const char *data, size_t len, struct buffer *out);
/* Decodes triplets into an arena copy, terminated; without triplets ret_data is
 * `data` itself. False on a bad triplet. Plus is a plus. */
bool template_decode(struct arena *arena, const char *data, size_t len, const char **ret_data,
                     size_t *ret_len);

#endif
