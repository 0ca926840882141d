/*
 * What expressions stand for, at run time: looked up in the client's request, in the
 * parts of a job and in the item of a foreach. Borrowed bytes; nothing is copied but
 * what has to be decoded.
 */
#ifndef CORE_VALUES_H
#define CORE_VALUES_H

#include "core/expression.h"
#include "core/inbound.h"
#include "core/job.h"

struct values {
    const struct inbound *inbound;
    const struct job *job;   /* the batch's parts; NULL before there are any */
    struct json_span item;   /* len 0: none */
    unsigned depth;          /* limits.depth, for the client's body */
    struct json_span *found; /* by expression number: the values of $responses and $request
                              * bodies, which stay what they are; len 0: not looked up yet */
    bool *absent;
    size_t count;
    struct json_span client_body;
    bool client_body_read;
    bool sketch; /* nothing is sent: what only replies can tell stays as it was written */
    size_t left; /* how often that was so */
};

/* `expressions`: how many the batch has. Everything lives in `arena`. */
void values_init(struct values *values, const struct inbound *inbound, unsigned depth,
                 size_t expressions, struct arena *arena);

/* True, and counted, when an expression is to stay as it was written. */
static inline bool values_leave(struct values *values, const struct expression *expression)
{
    if (!values->sketch ||
        !(expression_is_response(expression) || expression->source == EXPRESSION_ITEM))
        return false;
    values->left++;
    return true;
}

struct value {
    bool is_text; /* a header or a name's value: plain bytes; otherwise a JSON value */
    const char *data;
    size_t len;
};

/* NULL when found; otherwise why there is none, as the end of a sentence that begins with
 * the expression ("is absent"). `arena` takes what is decoded. */
const char *values_find(struct values *values, const struct expression *expression,
                        struct arena *arena, struct value *ret_value);

/* The same as text: a string's decoded bytes, numbers, true and false as written. What has no
 * text (null, objects, arrays, a lone surrogate) or may have more than `most` bytes is refused. */
const char *values_text(struct values *values, const struct expression *expression, size_t most,
                        struct arena *arena, struct value *ret_text);

#endif
