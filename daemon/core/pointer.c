/*
 * A pointer is a list of tokens, unescaped when it is parsed: first the triplets
 * of a fragment, then ~1 and ~0 (RFC 6901 section 6 has them in that order). A
 * token is both a name and, if it looks like one, an index; what the value is
 * decides which of them counts.
 *
 * An object may have a name twice. Most readers of JSON keep the last value, so
 * that one is found: what a pointer shows is what such a reader would have seen.
 */
#include "core/pointer.h"

#include <stdint.h>
#include <string.h>

#include "core/url.h"

/* Digits without a leading zero (section 4); anything else is no index. */
static size_t read_index(const char *name, size_t len)
{
    enum { DIGITS_MAX = 15 }; /* far beyond any array, far below an overflow */
    if (len == 0 || len > DIGITS_MAX || (name[0] == '0' && len > 1))
        return SIZE_MAX;
    size_t index = 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(name[i] - '0');
    }
    return index;
}

/* One byte of a token, decoded: `at` moves past it. -1: not a triplet, -2: not an escape. */
static int read_byte(const char **at, const char *end, enum pointer_form form)
{
    int byte = (unsigned char)**at;
    if (byte != '%' || form != POINTER_FRAGMENT) {
        (*at)++;
        return byte;
    }
    byte = url_triplet(*at, end);
    if (byte < 0)
        return -1;
    *at += 3;
    return byte;
}

static int read_escaped(const char **at, const char *end, enum pointer_form form)
{
    int byte = read_byte(at, end, form);
    if (byte != '~')
        return byte;
    int code = *at < end ? read_byte(at, end, form) : -2;
    if (code != '0' && code != '1')
        return code == -1 ? -1 : -2;
    return code == '0' ? '~' : '/';
}

/* From after a '/' to before the next. An encoded slash (%2F) is a slash like any other, so a
 * fragment is cut at those, too. */
static bool at_slash(const char *at, const char *end, enum pointer_form form)
{
    return *at == '/' || (form == POINTER_FRAGMENT && url_triplet(at, end) == '/');
}

static const char *parse_token(struct arena *arena, const char **at, const char *end,
                               enum pointer_form form, struct pointer_token *ret_token)
{
    const char *stop = *at;
    while (stop < end && !at_slash(stop, end, form))
        stop++;
    char *name = arena_alloc(arena, (size_t)(stop - *at) + 1);
    size_t len = 0;
    while (*at < stop) {
        const char *begin = *at;
        int byte = read_escaped(at, stop, form);
        if (byte >= 0) {
            name[len++] = (char)byte;
            continue;
        }
        *at = begin;
        return byte == -1 ? "this is not a percent-encoding" : "after ~ comes 0 or 1 (RFC 6901)";
    }
    *ret_token = (struct pointer_token){name, len, read_index(name, len)};
    return NULL;
}

static size_t count_tokens(const char *at, const char *end, enum pointer_form form)
{
    size_t count = 0;
    for (; at < end; at++)
        count += at_slash(at, end, form);
    return count;
}

const char *pointer_parse(struct arena *arena, const char *text, size_t len, enum pointer_form form,
                          struct pointer *ret_pointer, size_t *ret_offset)
{
    const char *at = text;
    const char *end = text + len;
    *ret_offset = 0;
    *ret_pointer = (struct pointer){NULL, 0};
    if (form == POINTER_FRAGMENT) {
        if (len == 0 || *at != '#')
            return "a pointer in this form begins with #";
        at++;
    }
    struct pointer_token *tokens = arena_array(arena, count_tokens(at, end, form), sizeof *tokens);
    size_t count = 0;
    const char *wrong = NULL;
    while (!wrong && at < end) {
        if (!at_slash(at, end, form)) {
            wrong = "a pointer is empty or begins with /";
            break;
        }
        at += *at == '/' ? 1 : 3;
        wrong = parse_token(arena, &at, end, form, &tokens[count]);
        count++;
    }
    *ret_offset = (size_t)(at - text);
    if (!wrong)
        *ret_pointer = (struct pointer){tokens, count};
    return wrong;
}

static bool find_member(struct json_span object, const struct pointer_token *token,
                        struct json_span *ret_value)
{
    struct json_cursor cursor = json_open(object);
    struct json_item item;
    bool found = false;
    while (json_next(&cursor, &item)) {
        if (!json_key_is(item.key, token->name, token->len))
            continue;
        *ret_value = item.value;
        found = true;
    }
    return found;
}

static bool find_item(struct json_span array, size_t index, struct json_span *ret_value)
{
    struct json_cursor cursor = json_open(array);
    struct json_item item;
    if (index == SIZE_MAX)
        return false;
    for (size_t i = 0; json_next(&cursor, &item); i++) {
        if (i == index) {
            *ret_value = item.value;
            return true;
        }
    }
    return false;
}

bool pointer_find(struct json_span value, const struct pointer *pointer,
                  struct json_span *ret_value)
{
    for (size_t i = 0; i < pointer->count; i++) {
        const struct pointer_token *token = &pointer->tokens[i];
        enum json_type type = json_span_type(value);
        struct json_span found;
        if (type == JSON_OBJECT ? !find_member(value, token, &found)
                                : !(type == JSON_ARRAY && find_item(value, token->index, &found)))
            return false;
        value = found;
    }
    *ret_value = value;
    return value.len > 0;
}
