/*
 * The input is an item, a newline, and a text with expressions. Whatever they are: a filled
 * JSON text is valid JSON with the same shape as with a harmless value in its place, a filled
 * URL has nothing but what its template has, and every complaint has its place in the text.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fill.h"
#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MOST = 1 << 20, DEPTH = 64 };

static const struct expression_scope scopes[] = {
    {.client = true, .item = "item"},
    {.item = "item", .lenient = true},
};

static bool is_json(const char *data, size_t len, struct json_span *ret_span)
{
    struct json_verdict verdict = json_validate(data, len, DEPTH);
    *ret_span = (struct json_span){data + verdict.start, verdict.end - verdict.start};
    return verdict.fault == JSON_VALID;
}

/* False when it cannot be filled. */
static bool write(const struct fill *fill, struct json_span item, struct arena *arena,
                  struct buffer *out)
{
    const struct inbound inbound = {.query = "x=%2541&y=a\"b", .body = "{\"a\":1}", .body_len = 7};
    struct values values;
    const struct expression *culprit = NULL;
    values_init(&values, &inbound, DEPTH, fill->count, arena);
    values.item = item;
    buffer_init(out, OUT_MOST);
    const char *wrong = fill_write(fill, &values, arena, out, &culprit);
    assert(!wrong || (*wrong && culprit));
    return !wrong && buffer_status(out) == 0;
}

/* Members and items are the same in number, at each level that the text has itself. */
static size_t count_members(struct json_span span)
{
    struct json_cursor cursor = json_open(span);
    struct json_item item;
    size_t count = 0;
    while (json_next(&cursor, &item))
        count++;
    return count;
}

static void check_fill(struct arena *arena, const char *text, size_t len, enum fill_form form,
                       const struct expression_scope *scope, struct json_span item)
{
    struct fill *fill;
    size_t offset = SIZE_MAX;
    const char *wrong = fill_compile(arena, text, len, form, scope, &fill, &offset);
    assert(wrong ? *wrong && offset <= len && !fill : true);
    if (!fill)
        return;
    size_t number = 0;
    for (struct fill_piece *piece = fill->first; piece; piece = piece->next) {
        if (piece->expression)
            piece->expression->number = number++;
    }
    assert(number == fill->count);
    struct buffer out scope_buffer;
    struct json_span before, after;
    if (!write(fill, item, arena, &out) || form == FILL_TEXT)
        return;
    bool sound = json_validate(out.data, out.len, 2 * DEPTH).fault == JSON_VALID;
    assert(sound);
    sound = is_json(text, len, &before);
    after = (struct json_span){out.data, out.len};
    struct json_verdict verdict = json_validate(out.data, out.len, 2 * DEPTH);
    after = (struct json_span){out.data + verdict.start, verdict.end - verdict.start};
    enum json_type type = json_span_type(before);
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        assert(count_members(before) == count_members(after));
}

static void check_parse(struct arena *arena, const char *text, size_t len)
{
    struct expression expression;
    size_t offset = SIZE_MAX;
    if (len == 0 || text[0] != '$')
        return;
    for (size_t i = 0; i < 2; i++) {
        const char *wrong = expression_parse(arena, text, len, &scopes[i], &expression, &offset);
        assert(offset <= len);
        assert(wrong || expression_begins(text, len, &scopes[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!newline)
        return 0;
    struct arena *arena = arena_new();
    size_t item_len = (size_t)(newline - (const char *)data);
    size_t len = size - item_len - 1;
    const char *text = arena_copy(arena, newline + 1, len);
    struct json_span item, whole;
    if (!is_json(arena_copy(arena, (const char *)data, item_len), item_len, &item))
        item = (struct json_span){"null", 4};
    check_parse(arena, text, len);
    for (size_t i = 0; i < 2; i++) {
        check_fill(arena, text, len, FILL_TEXT, &scopes[i], item);
        if (is_json(text, len, &whole))
            check_fill(arena, text, len, FILL_JSON, &scopes[i], item);
    }
    arena_free(arena);
    return 0;
}
