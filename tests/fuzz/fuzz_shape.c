/*
 * The input is a request's members as JSON, a newline, and a body. Whatever both are: the
 * result is valid JSON, no longer than the body and what the names add; without renames and
 * group it has no more values than the body; and shaping it with `deny` again changes nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/document.h"
#include "core/shape.h"
#include "core/without_nulls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH = 512, GROWTH = 1 << 16 };

static const struct shape *compile(struct arena *arena, const char *text, size_t len,
                                   const struct node **ret_node)
{
    struct faults faults;
    struct document_limits limits = {.depth = 64, .values = 20000};
    faults_init(&faults, arena, 10);
    *ret_node = document_parse(arena, text, len, &limits, &faults);
    if (!*ret_node || (*ret_node)->kind != NODE_MAP)
        return NULL;
    const struct shape *shape = shape_compile(*ret_node, arena, &faults);
    return faults_any(&faults) ? NULL : shape;
}

static struct json_span check_valid(const char *data, size_t len)
{
    struct json_verdict verdict = json_validate(data, len, DEPTH + 1);
    assert(verdict.fault == JSON_VALID && verdict.start == 0 && verdict.end == len);
    return (struct json_span){data, len};
}

static bool only_leaves_out(const struct node *request)
{
    return !node_get(request, "rename") && !node_get(request, "group") &&
           !node_get(request, "select");
}

static void check_shape(const struct shape *shape, const struct node *request,
                        struct json_span value)
{
    struct shaped once, twice;
    if (shape_apply(shape, value, GROWTH, &once) != 0)
        return;
    assert(once.value.len <= value.len + GROWTH);
    if (once.value.len > 0)
        check_valid(once.value.data, once.value.len);
    if (once.value.len > 0 && only_leaves_out(request)) {
        assert(once.value.len <= value.len);
        assert(json_count_values(once.value, SIZE_MAX) <= json_count_values(value, SIZE_MAX));
        int status = shape_apply(shape, once.value, 0, &twice);
        assert(status == 0 && !twice.bytes && twice.value.len == once.value.len);
    }
    free(once.bytes);
}

static void check_without_nulls(struct json_span value)
{
    struct buffer out scope_buffer;
    buffer_init(&out, SIZE_MAX / 2);
    if (json_span_type(value) != JSON_OBJECT)
        return;
    without_nulls_put(&out, value);
    check_valid(out.data, out.len);
    assert(out.len <= value.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *newline = size > 0 ? memchr(text, '\n', size) : NULL;
    const struct node *request;
    if (!newline)
        return 0;
    size_t len = (size_t)(newline - text);
    struct arena *arena = arena_new();
    struct json_verdict verdict = json_validate(newline + 1, size - len - 1, DEPTH);
    struct json_span value = {newline + 1 + verdict.start, verdict.end - verdict.start};
    const struct shape *shape = compile(arena, text, len, &request);
    if (verdict.fault == JSON_VALID) {
        check_without_nulls(value);
        if (shape)
            check_shape(shape, request, value);
    }
    arena_free(arena);
    return 0;
}
