/*
 * Any bytes: both validators must agree in every field, and what they accept
 * can be walked: items lie inside their container and are valid themselves,
 * the count of values matches the walk, decoded keys equal themselves, and what
 * the writer makes of the bytes is accepted. The first byte chooses the depth.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/span.h"
#include "json/validate.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LEVELS = 64, POINTER_ROOM = 40 };

static void check_key(struct json_span key)
{
    char *decoded = malloc(key.len);
    assert(decoded != NULL);
    size_t len = json_decode(key, decoded, key.len);
    assert(len + 2 <= key.len);
    /* Only a lone surrogate keeps a key from being its decoded self. */
    if (memchr(key.data, '\\', key.len) == NULL)
        assert(json_key_is(key, decoded, len) && json_keys_equal(key, key));
    if (json_key_is(key, decoded, len))
        assert(json_keys_equal(key, key));
    free(decoded);
}

static void check_value(struct json_span value, unsigned depth)
{
    struct json_verdict verdict = json_validate_scalar(value.data, value.len, depth);
    assert(verdict.fault == JSON_VALID);
    assert(verdict.start == 0 && verdict.end == value.len);
    assert(verdict.type == json_span_type(value));
}

/* Walks the whole text with a stack of cursors; returns how many values there are. */
static size_t walk(struct json_span text, unsigned depth)
{
    struct json_cursor stack[LEVELS + 1];
    struct json_item item;
    unsigned open = 0;
    size_t values = 1;
    stack[open++] = json_open(text);
    while (open > 0) {
        struct json_cursor *cursor = &stack[open - 1];
        if (!json_next(cursor, &item)) {
            open--;
            continue;
        }
        values++;
        assert((item.key.len > 0) == cursor->object);
        assert(item.value.data > text.data);
        assert(item.value.data + item.value.len < text.data + text.len);
        if (values < 64)
            check_value(item.value, depth);
        if (item.key.len > 0)
            check_key(item.key);
        enum json_type type = json_span_type(item.value);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            assert(open <= depth && open <= LEVELS);
            stack[open++] = json_open(item.value);
        }
    }
    return values;
}

static void check_spans(struct json_span text, unsigned depth)
{
    size_t values = walk(text, depth);
    assert(json_count_values(text, SIZE_MAX) == values);
    assert(json_count_values(text, values / 2) == values / 2);
    for (size_t offset = 0; offset <= text.len; offset += 1 + text.len / 7) {
        char pointer[POINTER_ROOM];
        json_pointer_at(text, offset, pointer, offset % POINTER_ROOM + 1);
        assert(pointer[0] == '\0' || pointer[0] == '/');
        assert(strlen(pointer) <= offset % POINTER_ROOM);
    }
}

static void check_writer(const char *data, size_t len)
{
    struct buffer out;
    buffer_init(&out, 8 * len + 16);
    json_put_string(&out, data, len);
    assert(buffer_status(&out) == 0);
    check_value((struct json_span){out.data, out.len}, 0);
    buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned depth = data[0] % (LEVELS + 1);
    size_t len = size - 1;
    char *text = malloc(len > 0 ? len : 1); /* of the exact size, for the sanitizer */
    assert(text != NULL);
    memcpy(text, data + 1, len);
    struct json_verdict fast = json_validate(text, len, depth);
    struct json_verdict slow = json_validate_scalar(text, len, depth);
    assert(fast.fault == slow.fault && fast.type == slow.type && fast.offset == slow.offset);
    assert(fast.start == slow.start && fast.end == slow.end);
    if (fast.fault == JSON_VALID)
        check_spans((struct json_span){text + fast.start, fast.end - fast.start}, depth);
    else
        assert(fast.offset <= len && fast.start == 0 && fast.end == 0);
    check_writer(text, len);
    free(text);
    return 0;
}
