/*
 * JSON is filled in its own bytes: strings are found by their quotes, an
 * expression by "{$" inside of one, and what lies between goes out as it was
 * written. A string that is exactly one expression gives way to the value's bytes;
 * inside a longer one a string's content is put in as it is escaped already.
 *
 * "{$$" stands for "{$", so that any text can be sent. In lenient scopes, which
 * are for what clients send, a "{$" that does not begin like an expression is text.
 */
#include "core/fill.h"

#include <stdint.h>
#include <string.h>

#include "json/write.h"

struct compiler {
    struct arena *arena;
    const struct expression_scope *scope;
    struct fill *fill;
    struct fill_piece **tail;
    const char *from; /* what is not in a piece yet begins here */
};

static struct fill_piece *add_piece(struct compiler *compiler)
{
    struct fill_piece *piece = arena_alloc(compiler->arena, sizeof *piece);
    *compiler->tail = piece;
    compiler->tail = &piece->next;
    return piece;
}

static void add_text(struct compiler *compiler, const char *end)
{
    if (end == compiler->from)
        return;
    struct fill_piece *piece = add_piece(compiler);
    piece->text = compiler->from;
    piece->len = (size_t)(end - compiler->from);
}

/* The bytes of an expression inside JSON may be escaped ("\/" is usual). */
static const char *unescape(struct compiler *compiler, const char *begin, size_t *len)
{
    if (compiler->fill->form == FILL_TEXT || !memchr(begin, '\\', *len))
        return begin;
    char *text = arena_alloc(compiler->arena, *len + 1);
    struct json_span quoted = {begin - 1, *len + 2}; /* as if the braces were quotes */
    *len = json_decode(quoted, text, *len);
    return text;
}

/* What stands at "{$": handles it and moves past it. */
static const char *compile_one(struct compiler *compiler, const char **at, const char *begin,
                               const char *end)
{
    const char *brace = *at;
    if (end - brace > 2 && brace[2] == '$') {
        add_text(compiler, brace + 2);
        compiler->from = brace + 3;
        *at = brace + 3;
        return NULL;
    }
    const char *close = memchr(brace, '}', (size_t)(end - brace));
    size_t len = (size_t)((close ? close : end) - brace - 1);
    const char *text = close ? unescape(compiler, brace + 1, &len) : brace + 1;
    if (compiler->scope->lenient && !expression_begins(text, len, compiler->scope)) {
        *at = brace + 2;
        return NULL;
    }
    if (!close)
        return "the closing } is missing";
    struct expression *expression = arena_alloc(compiler->arena, sizeof *expression);
    size_t offset = 0;
    const char *wrong =
        expression_parse(compiler->arena, text, len, compiler->scope, expression, &offset);
    if (wrong) {
        *at = brace + 1 + offset;
        return wrong;
    }
    bool whole = compiler->fill->form == FILL_JSON && brace == begin && close + 1 == end;
    add_text(compiler, whole ? brace - 1 : brace);
    struct fill_piece *piece = add_piece(compiler);
    piece->expression = expression;
    piece->whole = whole;
    compiler->fill->count++;
    compiler->from = whole ? end + 1 : close + 1;
    *at = close + 1;
    return NULL;
}

/* Fills the run between begin and end: a text, or what is between quotes. */
static const char *compile_run(struct compiler *compiler, const char *begin, const char *end,
                               const char **ret_at)
{
    const char *at = begin;
    while ((at = memmem(at, (size_t)(end - at), "{$", 2)) != NULL) {
        const char *wrong = compile_one(compiler, &at, begin, end);
        *ret_at = at;
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *string_end(const char *quote, const char *end)
{
    const char *at = quote + 1;
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < end ? at : end;
}

static bool is_key(const char *after, const char *end)
{
    while (after < end && (*after == ' ' || *after == '\t' || *after == '\n' || *after == '\r'))
        after++;
    return after < end && *after == ':';
}

static const char *compile_json(struct compiler *compiler, const char *data, const char *end,
                                const char **ret_at)
{
    const char *quote = data;
    while ((quote = memchr(quote, '"', (size_t)(end - quote))) != NULL) {
        const char *close = string_end(quote, end);
        if (close == end)
            return NULL;
        const char *wrong = NULL;
        if (!is_key(close + 1, end)) {
            wrong = compile_run(compiler, quote + 1, close, ret_at);
        } else if (!compiler->scope->lenient &&
                   memmem(quote, (size_t)(close - quote), "{$", 2) != NULL) {
            *ret_at = quote;
            wrong = "names are not filled, only values";
        }
        if (wrong)
            return wrong;
        quote = close + 1;
    }
    return NULL;
}

const char *fill_compile(struct arena *arena, const char *data, size_t len, enum fill_form form,
                         const struct expression_scope *scope, struct fill **ret_fill,
                         size_t *ret_offset)
{
    *ret_fill = NULL;
    *ret_offset = 0;
    if (len == 0 || memmem(data, len, "{$", 2) == NULL)
        return NULL;
    struct fill *fill = arena_alloc(arena, sizeof *fill);
    fill->form = form;
    struct compiler compiler = {arena, scope, fill, &fill->first, data};
    const char *at = data;
    const char *wrong = form == FILL_JSON ? compile_json(&compiler, data, data + len, &at)
                                          : compile_run(&compiler, data, data + len, &at);
    if (wrong) {
        *ret_offset = (size_t)(at - data);
        return wrong;
    }
    add_text(&compiler, data + len);
    bool unchanged = fill->count == 0 && fill->first && fill->first->len == len;
    *ret_fill = unchanged ? NULL : fill;
    return NULL;
}

/* ---- Writing ---- */

/* A text as it stands between the quotes of a JSON string. */
static void put_escaped(struct buffer *out, const char *data, size_t len)
{
    struct buffer quoted scope_buffer;
    buffer_init(&quoted, SIZE_MAX / 2);
    json_put_string(&quoted, data, len);
    if (buffer_status(&quoted) == 0)
        buffer_append(out, quoted.data + 1, quoted.len - 2);
    else
        out->status = buffer_status(&quoted);
}

static const char *put_json(const struct fill_piece *piece, const struct value *value,
                            struct buffer *out)
{
    struct json_span span = {value->data, value->len};
    enum json_type type = value->is_text ? JSON_NONE : json_span_type(span);
    if (value->is_text && piece->whole)
        json_put_string(out, value->data, value->len);
    else if (value->is_text)
        put_escaped(out, value->data, value->len);
    else if (piece->whole)
        json_splice(out, span);
    else if (type == JSON_STRING)
        buffer_append(out, span.data + 1, span.len - 2);
    else if (type == JSON_NULL || type == JSON_OBJECT || type == JSON_ARRAY)
        return "is no text that could stand inside a string";
    else
        json_splice(out, span);
    return NULL;
}

/* An expression as it was written, in its place. */
static void put_as_written(const struct fill_piece *piece, enum fill_form form, struct buffer *out)
{
    const char *text = piece->expression->text;
    if (piece->whole)
        buffer_byte(out, '"');
    buffer_byte(out, '{');
    if (form == FILL_JSON)
        put_escaped(out, text, strlen(text));
    else
        buffer_string(out, text);
    buffer_string(out, piece->whole ? "}\"" : "}");
}

const char *fill_write(const struct fill *fill, struct values *values, struct arena *arena,
                       struct buffer *out, const struct expression **ret_culprit)
{
    for (const struct fill_piece *piece = fill->first; piece; piece = piece->next) {
        struct value value;
        const char *wrong;
        if (!piece->expression) {
            buffer_append(out, piece->text, piece->len);
            continue;
        }
        *ret_culprit = piece->expression;
        if (values_leave(values, piece->expression)) {
            put_as_written(piece, fill->form, out);
            continue;
        }
        if (fill->form == FILL_TEXT)
            wrong = values_text(values, piece->expression, out->max, arena, &value);
        else
            wrong = values_find(values, piece->expression, arena, &value);
        if (!wrong && fill->form == FILL_TEXT)
            buffer_append(out, value.data, value.len);
        else if (!wrong)
            wrong = put_json(piece, &value, out);
        if (wrong)
            return wrong;
        if (buffer_status(out) != 0)
            return "makes this too long";
    }
    return NULL;
}
