/*
 * A reader that moves over the text from left to right: words between dots, then
 * a name or a pointer. What a scope does not have is refused with a sentence that
 * says where it would be right, since a misplaced expression is the usual mistake.
 */
#include "core/expression.h"

#include <stdint.h>
#include <string.h>

struct reader {
    struct arena *arena;
    const char *at, *end;
};

/* Takes `word` when it comes next and ends there. */
static bool take_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    const char *after = reader->at + len;
    if (after < reader->end && *after != '.' && *after != '#')
        return false;
    reader->at = after;
    return true;
}

static bool take_dot(struct reader *reader)
{
    if (reader->at == reader->end || *reader->at != '.')
        return false;
    reader->at++;
    return true;
}

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

/* A field name is a token (RFC 9110 5.6.2); names of query members are taken as widely. */
static bool is_token_byte(char byte)
{
    return is_word_byte(byte) || (byte != '\0' && strchr("!#$%&'*+.^`|~", byte));
}

/* A run of bytes that `fits`; NULL when it is empty. */
static const char *take_name(struct reader *reader, bool fits(char byte))
{
    const char *begin = reader->at;
    while (reader->at < reader->end && fits(*reader->at))
        reader->at++;
    size_t len = (size_t)(reader->at - begin);
    return len > 0 ? arena_copy(reader->arena, begin, len) : NULL;
}

/* Nothing, or a pointer to the end. */
static const char *take_pointer(struct reader *reader, struct pointer *ret_pointer)
{
    size_t len = (size_t)(reader->end - reader->at);
    size_t offset = 0;
    if (len == 0)
        return NULL;
    if (*reader->at != '#')
        return "here comes # and a JSON Pointer, or the end";
    const char *wrong =
        pointer_parse(reader->arena, reader->at, len, POINTER_FRAGMENT, ret_pointer, &offset);
    reader->at += wrong ? offset : len;
    return wrong;
}

static const char *at_end(const struct reader *reader)
{
    return reader->at == reader->end ? NULL : "here the expression should end";
}

static const char *parse_named(struct reader *reader, struct expression *expression,
                               enum expression_source source, bool fits(char byte))
{
    expression->source = source;
    if (!take_dot(reader))
        return "here comes . and a name";
    expression->name = take_name(reader, fits);
    return expression->name ? at_end(reader) : "here comes a name";
}

static const char *parse_response(struct reader *reader, struct expression *expression)
{
    expression->id = take_dot(reader) ? take_name(reader, is_word_byte) : NULL;
    if (!expression->id)
        return "after $responses comes . and the id of a request";
    if (!take_dot(reader))
        return "after the id comes .body, .status or .header.NAME";
    if (take_word(reader, "header"))
        return parse_named(reader, expression, EXPRESSION_HEADER, is_token_byte);
    if (take_word(reader, "status")) {
        expression->source = EXPRESSION_STATUS;
        return at_end(reader);
    }
    expression->source = EXPRESSION_BODY;
    return take_word(reader, "body") ? take_pointer(reader, &expression->pointer)
                                     : "after the id comes .body, .status or .header.NAME";
}

static const char *parse_client(struct reader *reader, struct expression *expression)
{
    static const char sentence[] =
        "after $request comes .path.NAME, .query.NAME, .header.NAME or .body";
    if (!take_dot(reader))
        return sentence;
    if (take_word(reader, "path"))
        return parse_named(reader, expression, EXPRESSION_CLIENT_PATH, is_word_byte);
    if (take_word(reader, "query"))
        return parse_named(reader, expression, EXPRESSION_CLIENT_QUERY, is_token_byte);
    if (take_word(reader, "header"))
        return parse_named(reader, expression, EXPRESSION_CLIENT_HEADER, is_token_byte);
    expression->source = EXPRESSION_CLIENT_BODY;
    return take_word(reader, "body") ? take_pointer(reader, &expression->pointer) : sentence;
}

/* {$item.name} is short for {$item#/name}. */
static const char *parse_item(struct reader *reader, struct expression *expression)
{
    expression->source = EXPRESSION_ITEM;
    if (!take_dot(reader))
        return take_pointer(reader, &expression->pointer);
    const char *name = take_name(reader, is_word_byte);
    if (!name || reader->at < reader->end)
        return "a member's name here has letters, digits, _ and -; for others write #/ and a "
               "JSON Pointer";
    struct pointer_token *token = arena_alloc(reader->arena, sizeof *token);
    *token = (struct pointer_token){name, strlen(name), SIZE_MAX};
    expression->pointer = (struct pointer){token, 1};
    return NULL;
}

const char *expression_parse(struct arena *arena, const char *text, size_t len,
                             const struct expression_scope *scope,
                             struct expression *ret_expression, size_t *ret_offset)
{
    struct reader reader = {arena, text + 1, text + len};
    struct expression expression = {.text = arena_copy(arena, text, len)};
    const char *wrong;
    if (take_word(&reader, "responses"))
        wrong = scope->responses ? parse_response(&reader, &expression)
                                 : "$responses has no meaning here: this is for all requests";
    else if (take_word(&reader, "request"))
        wrong = scope->client ? parse_client(&reader, &expression)
                              : "$request is for endpoints; here you know the value yourself";
    else if (scope->item && take_word(&reader, scope->item))
        wrong = parse_item(&reader, &expression);
    else if (take_word(&reader, "item"))
        wrong = scope->item ? "$item has another name here: the one that \"as\" says"
                            : "$item is for requests with foreach";
    else
        wrong = "an expression begins with $responses, $request or $item; "
                "for the text {$ write {$$";
    *ret_offset = (size_t)(reader.at - text);
    *ret_expression = expression;
    return wrong;
}

bool expression_begins(const char *text, size_t len, const struct expression_scope *scope)
{
    struct reader reader = {NULL, text + 1, text + len};
    if (take_word(&reader, "responses"))
        return scope->responses && reader.at < reader.end;
    if (take_word(&reader, "request"))
        return scope->client && reader.at < reader.end;
    return scope->item && take_word(&reader, scope->item);
}
