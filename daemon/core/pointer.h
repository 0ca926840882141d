/*
 * JSON Pointer (RFC 6901): compiled once, then looked up in validated JSON without
 * a tree.
 */
#ifndef CORE_POINTER_H
#define CORE_POINTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "json/span.h"

struct pointer_token {
    const char *name; /* unescaped; may hold any byte */
    size_t len;
    size_t index; /* as an array's index; SIZE_MAX: it is none */
};

struct pointer {
    const struct pointer_token *tokens;
    size_t count; /* 0: the whole value */
};

enum pointer_form {
    POINTER_STRING,   /* "/a/b" (section 5) */
    POINTER_FRAGMENT, /* "#/a%20b": the '#' first, the rest percent-encoded (section 6) */
};

/* NULL when parsed; otherwise a sentence, with *ret_offset at the bad byte. Lives in `arena`
 * and borrows nothing. */
const char *pointer_parse(struct arena *arena, const char *text, size_t len, enum pointer_form form,
                          struct pointer *ret_pointer, size_t *ret_offset);

/* False when there is no such value. Of a name an object has twice, the last counts. */
bool pointer_find(struct json_span value, const struct pointer *pointer,
                  struct json_span *ret_value);

#endif
