/*
 * The input is masked as JSON and as a target. Valid JSON stays valid, as deep and with as many
 * values or fewer; what was masked once is not changed again; nothing but the mask is new.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mask.h"
#include "json/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MOST = 1 << 24, DEPTH = 512 };

typedef void put_fn(const char *data, size_t len, struct buffer *out);

static void check_again(put_fn *put, const struct buffer *once)
{
    struct buffer twice scope_buffer;
    buffer_init(&twice, OUT_MOST);
    put(once->data ? once->data : "", once->len, &twice);
    assert(twice.len == once->len);
    assert(once->len == 0 || memcmp(twice.data, once->data, once->len) == 0);
}

/* No member with a secret's name has another value than the mask. */
static void check_members(struct json_span span)
{
    struct json_cursor cursor = json_open(span);
    struct json_item item;
    char name[256];
    while (json_next(&cursor, &item)) {
        size_t len = item.key.len > 0 ? json_decode(item.key, name, sizeof name) : 0;
        if (len <= sizeof name && mask_is_secret(name, len))
            assert(item.value.len == 5 && memcmp(item.value.data, "\"***\"", 5) == 0);
        else
            check_members(item.value);
    }
}

static void check_json(const char *text, size_t len)
{
    struct buffer out scope_buffer;
    buffer_init(&out, OUT_MOST);
    mask_put_json(text, len, &out);
    struct json_verdict before = json_validate(text, len, DEPTH);
    if (before.fault != JSON_VALID)
        return;
    struct json_verdict after = json_validate(out.data, out.len, DEPTH);
    assert(after.fault == JSON_VALID && after.type == before.type);
    check_again(mask_put_json, &out);
    check_members((struct json_span){out.data + after.start, after.end - after.start});
}

static void check_target(const char *text, size_t len)
{
    struct buffer out scope_buffer;
    buffer_init(&out, OUT_MOST);
    mask_put_target(text, len, &out);
    check_again(mask_put_target, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1); /* so that a sanitizer sees a step beyond its end */
    memcpy(text, data, size);
    check_json(text, size);
    check_target(text, size);
    free(text);
    return 0;
}
