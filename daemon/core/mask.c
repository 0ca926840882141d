/*
 * JSON is gone through once, from string to string: one that a colon follows is a name.
 * Nothing recurses, so nesting costs nothing. The text was validated before; were it not,
 * the worst is that too much is masked or shown, never a read beyond its end.
 *
 * Names are compared decoded, since %6Bey and "\u006bey" are "key" to who reads them. A name
 * that cannot be decoded is taken for a secret's.
 */
#include "core/mask.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/inbound.h"
#include "json/span.h"

static bool contains(const char *name, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t at = 0; at + word_len <= len; at++) {
        if (strncasecmp(name + at, word, word_len) == 0)
            return true;
    }
    return false;
}

static bool is_listed_part(const char *part, size_t len)
{
    static const char *const parts[] = {MASK_PARTS};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i]) == len && strncasecmp(part, parts[i], len) == 0)
            return true;
    return false;
}

static bool has_listed_part(const char *name, size_t len)
{
    size_t begin = 0;
    for (size_t at = 0; at <= len; at++) {
        if (at < len && isalnum((unsigned char)name[at]))
            continue;
        if (is_listed_part(name + begin, at - begin))
            return true;
        begin = at + 1;
    }
    return false;
}

bool mask_is_secret(const char *name, size_t len)
{
    static const char *const words[] = {MASK_WORDS};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (contains(name, len, words[i]))
            return true;
    }
    return has_listed_part(name, len);
}

/* ---- Queries and forms ---- */

static void put_member(struct arena *arena, const char *member, size_t len, struct buffer *out)
{
    const char *equals = memchr(member, '=', len);
    struct inbound_member decoded = {0};
    const char *at = member;
    bool secret = inbound_next_member(arena, &at, member + len, &decoded) &&
                  (!decoded.sound || mask_is_secret(decoded.name, decoded.name_len));
    if (!equals || !secret) {
        buffer_append(out, member, len);
        return;
    }
    buffer_append(out, member, (size_t)(equals + 1 - member));
    buffer_string(out, MASK_TEXT);
}

void mask_put_form(const char *form, size_t len, struct buffer *out)
{
    struct arena *arena scope_arena = arena_new();
    const char *end = form + len;
    for (const char *at = form; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop)
            stop = end;
        put_member(arena, at, (size_t)(stop - at), out);
        if (stop < end)
            buffer_byte(out, '&');
        at = stop + 1;
    }
}

void mask_put_target(const char *target, size_t len, struct buffer *out)
{
    const char *mark = memchr(target, '?', len);
    size_t path_len = mark ? (size_t)(mark + 1 - target) : len;
    buffer_append(out, target, path_len);
    if (mark)
        mask_put_form(mark + 1, len - path_len, out);
}

/* The end of the expression that begins at `at`; `at` when nothing closes it. */
static const char *skip_expression(const char *at, const char *end)
{
    const char *close = memchr(at, '}', (size_t)(end - at));
    return close ? close + 1 : at;
}

/* An '&' inside an expression ends no member, and "{&name}" is one of its own. */
static const char *template_member_end(const char *at, const char *end)
{
    while (at < end && *at != '&') {
        const char *after = *at == '{' ? skip_expression(at, end) : at;
        if (after > at && at[1] == '&')
            break;
        at = after > at ? after : at + 1;
    }
    return at;
}

static void put_template_form(const char *form, const char *end, struct buffer *out)
{
    struct arena *arena scope_arena = arena_new();
    for (const char *at = form; at < end;) {
        const char *stop = template_member_end(at, end);
        put_member(arena, at, (size_t)(stop - at), out);
        at = stop;
        if (at < end && *at == '{')
            at = skip_expression(at, end);
        else if (at < end)
            at++;
        buffer_append(out, stop, (size_t)(at - stop));
    }
}

void mask_put_template(const char *text, size_t len, struct buffer *out)
{
    const char *end = text + len, *at = text;
    while (at < end && *at != '?') {
        const char *after = *at == '{' ? skip_expression(at, end) : at;
        at = after > at ? after : at + 1;
    }
    if (at < end)
        at++;
    buffer_append(out, text, (size_t)(at - text));
    put_template_form(at, end, out);
}

/* ---- JSON ---- */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* From a quote to behind the one that closes the string. */
static const char *skip_string(const char *at, const char *end)
{
    at++;
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at < end ? at + 1 : end;
}

/* From the first byte of a value to what follows it. */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (depth == 0 && strchr(",]} \t\r\n", *at)) {
            break;
        } else {
            depth += *at == '{' || *at == '[';
            depth -= *at == '}' || *at == ']';
            at++;
        }
        if (depth == 0 && (at[-1] == '"' || at[-1] == '}' || at[-1] == ']'))
            break;
    }
    return at;
}

static bool is_secret_key(const char *quote, const char *close)
{
    enum { NAME_MOST = 256 };
    char name[NAME_MOST];
    struct json_span key = {quote, (size_t)(close - quote)};
    if (!memchr(quote, '\\', key.len))
        return mask_is_secret(quote + 1, key.len - 2);
    size_t len = json_decode(key, name, sizeof name);
    return len > sizeof name || mask_is_secret(name, len);
}

void mask_put_json(const char *data, size_t len, struct buffer *out)
{
    const char *end = data + len;
    const char *from = data; /* what is not written yet */
    const char *at = data;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        const char *close = skip_string(at, end);
        const char *after = skip_space(close, end);
        if (after < end && *after == ':' && is_secret_key(at, close)) {
            const char *value = skip_space(after + 1, end);
            buffer_append(out, from, (size_t)(value - from));
            buffer_string(out, "\"" MASK_TEXT "\"");
            close = skip_value(value, end);
            from = close;
        }
        at = close;
    }
    buffer_append(out, from, (size_t)(end - from));
}
