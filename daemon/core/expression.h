/*
 * Runtime expressions: names for values that exist only once other requests of the
 * batch were answered ($responses.user.body#/id), or that the client sent
 * ($request.query.lang), or that a request is repeated for ($item). The text is parsed
 * once; core/values looks the value up.
 */
#ifndef CORE_EXPRESSION_H
#define CORE_EXPRESSION_H

#include "core/pointer.h"

enum expression_source {
    EXPRESSION_BODY, /* of another request's reply */
    EXPRESSION_STATUS,
    EXPRESSION_HEADER,
    EXPRESSION_CLIENT_PATH, /* of the client's request */
    EXPRESSION_CLIENT_QUERY,
    EXPRESSION_CLIENT_HEADER,
    EXPRESSION_CLIENT_BODY,
    EXPRESSION_ITEM, /* of foreach */
};

struct expression {
    const char *text; /* as written, without braces; for sentences */
    enum expression_source source;
    const char *id;         /* $responses: the request's */
    const char *name;       /* of a header, path variable or query member */
    struct pointer pointer; /* into a body or an item */
    size_t index;           /* $responses: the request's place, once it was linked */
    size_t number;          /* among the expressions of its batch, once it was linked */
};

/* What may be named in a place. */
struct expression_scope {
    bool responses, client; /* $responses, $request */
    const char *item;       /* "item", or what `as` says; NULL outside of foreach */
    bool lenient; /* other people's text: what does not begin like an expression is none */
};

/* Parses text[0..len), which begins with '$'. NULL when it is one; otherwise a sentence,
 * with *ret_offset at the bad byte. Lives in `arena`, borrows nothing. */
const char *expression_parse(struct arena *arena, const char *text, size_t len,
                             const struct expression_scope *scope,
                             struct expression *ret_expression, size_t *ret_offset);

/* True when text[0..len), which begins with '$', begins like an expression of the scope. */
bool expression_begins(const char *text, size_t len, const struct expression_scope *scope);

static inline bool expression_is_response(const struct expression *expression)
{
    return expression->source <= EXPRESSION_HEADER;
}

#endif
