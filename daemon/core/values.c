/*
 * Looking a pointer up costs a pass over the body it points into. Within one job
 * the same expression may be used for every item of a list, so what does not
 * depend on the item is remembered by the expression's number: each pointer is
 * looked up once, and limits.expressions bounds how many there are.
 */
#include "core/values.h"

#include <string.h>

#include "core/template.h"

void values_init(struct values *values, const struct inbound *inbound, unsigned depth,
                 size_t expressions, struct arena *arena)
{
    *values = (struct values){
        .inbound = inbound,
        .depth = depth,
        .count = expressions,
        .found = arena_array(arena, expressions, sizeof(struct json_span)),
        .absent = arena_array(arena, expressions, sizeof(bool)),
    };
}

/* ---- JSON ---- */

/* The client's body is judged when it is first asked for: most endpoints pass it on unread. */
static struct json_span client_body(struct values *values)
{
    const struct inbound *inbound = values->inbound;
    if (values->client_body_read)
        return values->client_body;
    values->client_body_read = true;
    if (inbound->body_len == 0)
        return values->client_body;
    struct json_verdict verdict = json_validate(inbound->body, inbound->body_len, values->depth);
    if (verdict.fault == JSON_VALID)
        values->client_body =
            (struct json_span){inbound->body + verdict.start, verdict.end - verdict.start};
    return values->client_body;
}

static const struct part *part_of(const struct values *values, const struct expression *expression)
{
    assert(values->job && expression->index < values->job->count);
    return &values->job->parts[expression->index];
}

static struct json_span whole(struct values *values, const struct expression *expression)
{
    if (expression->source == EXPRESSION_ITEM)
        return values->item;
    if (expression->source == EXPRESSION_CLIENT_BODY)
        return client_body(values);
    return part_body(part_of(values, expression));
}

static const char *find_json(struct values *values, const struct expression *expression,
                             struct json_span *ret_span)
{
    bool stays = expression->source != EXPRESSION_ITEM;
    assert(!stays || expression->number < values->count);
    if (stays && values->found[expression->number].len > 0) {
        *ret_span = values->found[expression->number];
        return NULL;
    }
    if (stays && values->absent[expression->number])
        return "is absent";
    struct json_span span = whole(values, expression);
    if (span.len == 0)
        return "is absent: there is no JSON body";
    if (pointer_find(span, &expression->pointer, ret_span)) {
        if (stays)
            values->found[expression->number] = *ret_span;
        return NULL;
    }
    if (stays)
        values->absent[expression->number] = true;
    return "is absent";
}

/* ---- Text ---- */

static const char *find_status(const struct values *values, const struct expression *expression,
                               struct arena *arena, struct value *ret_value)
{
    const struct outcome *outcome = &part_of(values, expression)->outcome;
    if (outcome->code != OUTCOME_REPLY)
        return "is absent: there was no reply";
    char *text = arena_printf(arena, "%u", outcome->status);
    *ret_value = (struct value){false, text, strlen(text)};
    return NULL;
}

static const char *find_header(const struct values *values, const struct expression *expression,
                               struct value *ret_value)
{
    const struct outcome *outcome = &part_of(values, expression)->outcome;
    ret_value->is_text = true;
    bool found = outcome->code == OUTCOME_REPLY &&
                 outcome_header(outcome, expression->name, &ret_value->data, &ret_value->len);
    return found ? NULL : "is absent";
}

static bool find_path(const struct values *values, const char *name, struct arena *arena,
                      struct value *ret_value)
{
    const struct route_match *route = &values->inbound->route;
    for (size_t i = 0; i < route->variable_count; i++) {
        if (strcmp(route->names[i], name) == 0)
            return template_decode(arena, route->values[i].data, route->values[i].len,
                                   &ret_value->data, &ret_value->len);
    }
    return false;
}

/* White space around a field's value is none of it; that behind it was kept until now. */
static bool find_field(const struct values *values, const char *name, struct value *ret_value)
{
    const char *text = header_get(&values->inbound->headers, name);
    size_t len = text ? strlen(text) : 0;
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    ret_value->data = text;
    ret_value->len = len;
    return text != NULL;
}

static const char *find_client(const struct values *values, const struct expression *expression,
                               struct arena *arena, struct value *ret_value)
{
    bool found = false;
    ret_value->is_text = true;
    if (expression->source == EXPRESSION_CLIENT_PATH) {
        found = find_path(values, expression->name, arena, ret_value);
    } else if (expression->source == EXPRESSION_CLIENT_QUERY) {
        found = inbound_query(arena, values->inbound, expression->name, &ret_value->data,
                              &ret_value->len);
    } else {
        found = find_field(values, expression->name, ret_value);
    }
    return found ? NULL : "is absent";
}

const char *values_find(struct values *values, const struct expression *expression,
                        struct arena *arena, struct value *ret_value)
{
    struct json_span span;
    const char *wrong;
    switch (expression->source) {
    case EXPRESSION_STATUS:
        return find_status(values, expression, arena, ret_value);
    case EXPRESSION_HEADER:
        return find_header(values, expression, ret_value);
    case EXPRESSION_CLIENT_PATH:
    case EXPRESSION_CLIENT_QUERY:
    case EXPRESSION_CLIENT_HEADER:
        return find_client(values, expression, arena, ret_value);
    case EXPRESSION_BODY:
    case EXPRESSION_CLIENT_BODY:
    case EXPRESSION_ITEM:
        break;
    }
    wrong = find_json(values, expression, &span);
    if (!wrong)
        *ret_value = (struct value){false, span.data, span.len};
    return wrong;
}

/* A character takes at most six bytes when it is escaped. */
static const char *decode(struct json_span string, size_t most, struct arena *arena,
                          struct value *ret_text)
{
    enum { ESCAPED_MOST = 6, QUOTES = 2 };
    if (string.len / ESCAPED_MOST > most + QUOTES)
        return "is too long for this place";
    if (!json_is_decodable(string))
        return "has a lone surrogate, which no text can hold";
    ret_text->is_text = true;
    if (!memchr(string.data, '\\', string.len)) {
        ret_text->data = string.data + 1;
        ret_text->len = string.len - QUOTES;
        return NULL;
    }
    char *text = arena_alloc(arena, string.len);
    ret_text->data = text;
    ret_text->len = json_decode(string, text, string.len);
    return NULL;
}

const char *values_text(struct values *values, const struct expression *expression, size_t most,
                        struct arena *arena, struct value *ret_text)
{
    const char *wrong = values_find(values, expression, arena, ret_text);
    if (!wrong && !ret_text->is_text) {
        struct json_span span = {ret_text->data, ret_text->len};
        enum json_type type = json_span_type(span);
        if (type == JSON_STRING)
            wrong = decode(span, most, arena, ret_text);
        else if (type == JSON_NULL)
            wrong = "is null, which has no text";
        else if (type == JSON_OBJECT || type == JSON_ARRAY)
            wrong = "is an object or array, which has no text";
        ret_text->is_text = true;
    }
    return !wrong && ret_text->len > most ? "is too long for this place" : wrong;
}
