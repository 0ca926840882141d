/*
 * Texts and JSON bodies with {$expressions} in them: compiled once into pieces, put
 * together per call. Whatever a value holds, it stays inside its place: in JSON it is
 * one value, or characters of the string it stands in.
 */
#ifndef CORE_FILL_H
#define CORE_FILL_H

#include "base/buffer.h"
#include "core/values.h"

enum fill_form {
    FILL_TEXT, /* plain bytes */
    FILL_JSON, /* one validated JSON value: strings are filled, keys never */
};

struct fill_piece {
    const char *text; /* when there is no expression */
    size_t len;
    struct expression *expression;
    bool whole; /* in JSON: the expression is the whole string and takes its place */
    struct fill_piece *next;
};

struct fill {
    enum fill_form form;
    struct fill_piece *first;
    size_t count; /* of expressions */
};

/* NULL when compiled; otherwise a sentence, with *ret_offset at the bad byte. *ret_fill is NULL
 * when there is nothing to fill. Borrows data, which lives as long as `arena`. */
const char *fill_compile(struct arena *arena, const char *data, size_t len, enum fill_form form,
                         const struct expression_scope *scope, struct fill **ret_fill,
                         size_t *ret_offset);

/* Writes it; NULL, or why it cannot be, with the expression that is to blame. Whether it
 * fitted says the buffer. `arena` takes what is decoded on the way. */
const char *fill_write(const struct fill *fill, struct values *values, struct arena *arena,
                       struct buffer *out, const struct expression **ret_culprit);

#endif
