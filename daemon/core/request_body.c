/*
 * A body is bytes by the time anything is sent. A JSON value goes as it was
 * written, never printed anew (in YAML, which is not JSON, it is printed once
 * when the file is loaded); other types say their bytes as a string or base64.
 */
#include <stdint.h>
#include <string.h>

#include "core/base64.h"
#include "core/merge_type.h"
#include "core/request_compile.h"

static const char *json_bytes(struct compiler *compiler, const struct node *node, size_t *ret_len)
{
    if (node->raw) {
        *ret_len = node->raw_len;
        return node->raw;
    }
    struct buffer text scope_buffer;
    buffer_init(&text, SIZE_MAX);
    node_write_json(node, &text);
    *ret_len = text.len;
    return arena_copy(compiler->arena, text.data, text.len);
}

static void compile_json(struct compiler *compiler, struct request *request)
{
    request->body_data = json_bytes(compiler, request->body_node, &request->body_len);
    if (!request->content_type)
        request->content_type = "application/json";
}

static void compile_text(struct compiler *compiler, struct request *request)
{
    const struct node *node = request->body_node;
    if (node->kind != NODE_STRING) {
        fault_at(compiler->faults, node,
                 "with Content-Type %s the body must be a string (or use bodyBase64), not %s",
                 request->content_type, node_kind_text(node->kind));
        return;
    }
    request->body_data = node->text;
    request->body_len = node->text_len;
}

static void compile_fill(struct compiler *compiler, struct request *request)
{
    bool json = !request->content_type || header_media_kind(request->content_type) == MEDIA_JSON;
    struct fill *fill;
    if (request_fill(compiler, request, request->body_node, request->body_data, request->body_len,
                     json ? FILL_JSON : FILL_TEXT, compiler->document, &fill) &&
        fill)
        request->late->body = fill;
}

static void compile_node(struct compiler *compiler, struct request *request)
{
    const struct node *node = request->body_node;
    if (!compiler->document && node->kind == NODE_STRING &&
        strcmp(node->text, "{$request.body}") == 0) {
        request->body = BODY_CLIENT;
        return;
    }
    request->body = BODY_BYTES;
    if (!request->content_type || header_media_kind(request->content_type) == MEDIA_JSON)
        compile_json(compiler, request);
    else
        compile_text(compiler, request);
    if (request->body_data)
        compile_fill(compiler, request);
}

static void compile_base64(struct compiler *compiler, struct request *request)
{
    const char *text = request->body_base64;
    request->body = BODY_BYTES;
    if (!base64_decode(compiler->arena, text, strlen(text), &request->body_data,
                       &request->body_len))
        fault_at(compiler->faults, request_member(request, "bodyBase64"), "this is not base64");
    if (!request->content_type)
        request->content_type = "application/octet-stream";
}

static void check_method(struct compiler *compiler, const struct request *request)
{
    if (!request->method ||
        (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0))
        return;
    fault_at(compiler->faults, request_member(request, request->body_node ? "body" : "bodyBase64"),
             "a %s request has no body; name another method", request->method);
}

/* These leave out what has another type, so a wrong one would never be seen. */
static void compile_fallback(struct compiler *compiler, struct request *request)
{
    const struct node *node = request->default_node;
    enum json_type type = node->kind == NODE_MAP    ? JSON_OBJECT
                          : node->kind == NODE_LIST ? JSON_ARRAY
                                                    : JSON_NULL; /* one of the scalars */
    const char *wanted = merge_type_wanted((enum merge_kind)compiler->batch->merge, type);
    if (wanted && !request->hidden)
        fault_at(compiler->faults, node, "%s here, not %s", wanted, node_kind_text(node->kind));
    request->fallback = json_bytes(compiler, node, &request->fallback_len);
    request->optional = true;
}

void request_compile_body(struct compiler *compiler, struct request *request)
{
    if (request->body_node && request->body_base64)
        fault_at(compiler->faults, request_member(request, "bodyBase64"),
                 "give either body or bodyBase64");
    else if (request->body_node)
        compile_node(compiler, request);
    else if (request->body_base64)
        compile_base64(compiler, request);
    if (request->body_node || request->body_base64)
        check_method(compiler, request);
    if (request->default_node)
        compile_fallback(compiler, request);
}
