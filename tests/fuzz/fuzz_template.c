/*
 * The input is a template, a newline, and the bytes that fill it. Whatever the
 * values: between the literal parts only unreserved characters, triplets and what the
 * operators themselves write may appear, and decoding an encoded value gives it back.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/template.h"
#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MOST = 1 << 20 };

struct filling {
    const char *data;
    size_t len;
};

/* The name chooses a piece of the bytes, so that variables differ; some are undefined. */
static struct template_value value_of(const void *ctx, const char *name)
{
    const struct filling *filling = ctx;
    size_t sum = 0;
    for (; *name; name++)
        sum = sum * 31 + (unsigned char)*name;
    if (sum % 7 == 3)
        return (struct template_value){NULL, 0};
    size_t skip = filling->len > 0 ? sum % (filling->len + 1) : 0;
    return (struct template_value){filling->data + skip, filling->len - skip};
}

static struct template_value undefined(const void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return (struct template_value){NULL, 0};
}

static void check_encoded(const char *data, size_t len, const char *also)
{
    const char *end = len > 0 ? data + len : data;
    for (const char *at = data; at < end; at++) {
        if (*at == '%') {
            assert(url_triplet(at, end) >= 0);
            at += 2;
        } else {
            assert(url_is_unreserved(*at) || strchr(also, *at));
        }
    }
}

static void expand(struct template *compiled, const struct filling *filling, struct buffer *out)
{
    buffer_init(out, OUT_MOST);
    template_expand(compiled, value_of, filling, out);
}

/* An expression alone, expanded behind what is in `whole` already. */
static void expand_alone(const char *text, size_t len, const struct filling *filling,
                         struct arena *arena, struct buffer *whole)
{
    struct template *compiled;
    struct buffer out scope_buffer;
    size_t offset;
    const char *wrong = template_compile(arena, arena_copy(arena, text, len), &compiled, &offset);
    assert(!wrong);
    expand(compiled, filling, &out);
    check_encoded(out.data, out.len, ".,/;?&=");
    buffer_append(whole, out.data, out.len);
}

/* The output is the literal parts as they are, and each expression as it is alone. */
static void check_output(const char *text, const struct filling *filling, struct arena *arena,
                         const struct buffer *out)
{
    struct buffer whole scope_buffer;
    buffer_init(&whole, OUT_MOST);
    while (*text) {
        size_t literal = strcspn(text, "{");
        buffer_append(&whole, text, literal);
        text += literal;
        size_t expression = *text ? strcspn(text, "}") + 1 : 0;
        if (expression > 0)
            expand_alone(text, expression, filling, arena, &whole);
        text += expression;
    }
    assert(whole.len == out->len);
    assert(whole.len == 0 || memcmp(whole.data, out->data, whole.len) == 0);
}

static void check_encoding(const struct filling *filling, struct arena *arena)
{
    struct buffer encoded scope_buffer;
    const char *decoded;
    size_t len;
    buffer_init(&encoded, OUT_MOST);
    template_encode(filling->data, filling->len, &encoded);
    check_encoded(encoded.data, encoded.len, "");
    bool sound = template_decode(arena, encoded.data, encoded.len, &decoded, &len);
    assert(sound && len == filling->len);
    assert(len == 0 || memcmp(decoded, filling->data, len) == 0);
}

static void check_template(const char *text, const struct filling *filling, struct arena *arena)
{
    struct template *compiled;
    struct buffer out scope_buffer;
    size_t offset = SIZE_MAX;
    const char *wrong = template_compile(arena, text, &compiled, &offset);
    buffer_init(&out, OUT_MOST);
    if (wrong) {
        assert(*wrong && offset <= strlen(text));
        return;
    }
    expand(compiled, filling, &out);
    if (buffer_status(&out) == 0)
        check_output(text, filling, arena, &out);
    buffer_done(&out);
    template_expand(compiled, undefined, NULL, &out);
    assert(out.len <= strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t text_len = newline ? (size_t)(newline - (const char *)data) : size;
    struct arena *arena = arena_new();
    const char *text = arena_copy(arena, (const char *)data, text_len);
    struct filling filling = {"", 0};
    if (newline) {
        filling.len = size - text_len - 1;
        filling.data = arena_copy(arena, newline + 1, filling.len);
    }
    check_template(text, &filling, arena);
    check_encoding(&filling, arena);
    arena_free(arena);
    return 0;
}
