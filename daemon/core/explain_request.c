/*
 * A field that was given twice is shown once, its values as one list: a JSON object should
 * not have a name twice. A body is shown as the text that would go out when it can be masked:
 * JSON that somebody wrote into the batch, and forms; of any other only the length. The
 * client's own bytes, unread until now, are never shown.
 */
#include "core/explain_request.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/fill.h"
#include "core/items.h"
#include "core/mask.h"
#include "core/request_compile.h"

enum { BODY_SHOWN_MOST = 64 * 1024 };

/* ---- Members ---- */

void explain_put_key(struct buffer *out, const char *name)
{
    char before = out->len > 0 ? out->data[out->len - 1] : '{';
    if (before != '{' && before != '[')
        buffer_byte(out, ',');
    json_put_text(out, name);
    buffer_byte(out, ':');
}

void explain_put_text(struct buffer *out, const char *name, const char *text)
{
    explain_put_key(out, name);
    if (text)
        json_put_text(out, text);
    else
        buffer_string(out, "null");
}

void explain_put_count(struct buffer *out, const char *name, size_t count)
{
    explain_put_key(out, name);
    buffer_printf(out, "%zu", count);
}

void explain_put_flag(struct buffer *out, const char *name, bool flag)
{
    explain_put_key(out, name);
    buffer_string(out, flag ? "true" : "false");
}

void explain_put_time(struct buffer *out, const char *name, usec_t time)
{
    explain_put_key(out, name);
    json_put_milliseconds(out, time);
}

void explain_put_error(struct buffer *out, const char *code, unsigned status, const char *detail)
{
    explain_put_key(out, "error");
    buffer_byte(out, '{');
    if (code)
        explain_put_text(out, "code", code);
    explain_put_count(out, "status", status);
    explain_put_text(out, "detail", detail);
    buffer_byte(out, '}');
}

static void put_node(struct buffer *out, const char *name, const struct node *node)
{
    if (!node)
        return;
    explain_put_key(out, name);
    node_write_json(node, out);
}

/* Takes the bytes of `text`. */
static void put_taken(struct buffer *out, const char *name, struct buffer *text)
{
    explain_put_key(out, name);
    json_put_string(out, text->data ? text->data : "", text->len);
    if (buffer_status(text) != 0)
        out->status = buffer_status(text);
    buffer_done(text);
}

/* ---- Where it goes ---- */

static void put_origin(const struct request *request, struct buffer *out)
{
    const struct origin *origin =
        request->upstream ? &request->upstream->url.origin : &request->absolute.origin;
    if (request->target == TARGET_ENDPOINT)
        return;
    buffer_string(out, origin->tls ? "https://" : "http://");
    buffer_string(out, origin->authority);
}

/* Without a target, since it cannot be sent, the URL as it was written. */
static void put_url(const struct explained *explained, struct buffer *out)
{
    const struct request *request = explained->request;
    const struct planned *planned = &explained->planned;
    const char *target = planned->inner ? planned->inner->target : planned->call.target;
    struct buffer url;
    buffer_init(&url, SIZE_MAX / 2);
    if (target || request->target != TARGET_ABSOLUTE)
        put_origin(request, &url);
    if (!target && request->target == TARGET_UPSTREAM)
        buffer_append(&url, request->upstream->url.target, request_prefix_length(request));
    if (!target)
        target = request->url;
    mask_put_target(target, strlen(target), &url);
    put_taken(out, "url", &url);
}

/* ---- Fields ---- */

/* A value that was taken from a client's field is as secret as that field. */
static bool is_from_secret(const struct request *request, size_t index)
{
    const struct fill *fill =
        request->late && request->late->headers && index < request->headers.count
            ? request->late->headers[index]
            : NULL;
    for (const struct fill_piece *piece = fill ? fill->first : NULL; piece; piece = piece->next) {
        const char *name = piece->expression ? piece->expression->name : NULL;
        if (name && mask_is_secret(name, strlen(name)))
            return true;
    }
    return false;
}

static bool is_first(const struct header_list *list, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (header_is(&list->items[i], list->items[index].name))
            return false;
    }
    return true;
}

static void put_field(const struct request *request, const struct header_list *list, size_t index,
                      struct buffer *out)
{
    const char *name = list->items[index].name;
    if (mask_is_secret(name, strlen(name)) || is_from_secret(request, index)) {
        explain_put_text(out, name, MASK_TEXT);
        return;
    }
    struct buffer value;
    buffer_init(&value, SIZE_MAX / 2);
    for (size_t i = index; i < list->count; i++) {
        if (!header_is(&list->items[i], name))
            continue;
        if (i > index)
            buffer_string(&value, ", ");
        buffer_string(&value, list->items[i].value);
    }
    put_taken(out, name, &value);
}

static const struct header_list *fields_of(const struct planned *planned)
{
    return planned->inner ? &planned->inner->headers : &planned->call.headers;
}

/* As they go out, but for Host and Content-Length, which follow from the rest. */
static void put_fields(const struct explained *explained, struct arena *arena, struct buffer *out)
{
    const struct header_list *list = fields_of(&explained->planned);
    const char *timeout = explained->timeout_header;
    explain_put_key(out, "headers");
    buffer_byte(out, '{');
    for (size_t i = 0; i < list->count; i++) {
        if (is_first(list, i))
            put_field(explained->request, list, i, out);
    }
    if (!explained->planned.in_place && explained->planned.call.decode)
        explain_put_text(out, "Accept-Encoding", "gzip, deflate");
    if (!explained->planned.in_place && timeout && *timeout && !header_get(list, timeout))
        explain_put_text(
            out, timeout,
            arena_printf(arena, "%" PRIu64, explain_timeout(explained) / USEC_PER_MSEC));
    buffer_byte(out, '}');
}

/* ---- Body ---- */

static bool is_form(const char *content_type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    return content_type && strncasecmp(content_type, form, strlen(form)) == 0;
}

static void put_body(const struct explained *explained, struct buffer *out)
{
    const struct request *request = explained->request;
    const struct planned *planned = &explained->planned;
    const char *body = planned->inner ? planned->inner->body : planned->call.body;
    size_t len = planned->inner ? planned->inner->body_len : planned->call.body_len;
    const char *type = header_get(fields_of(planned), "Content-Type");
    bool json = header_media_kind(type) == MEDIA_JSON;
    struct buffer text;
    if (request->body == BODY_NONE || planned->refusal != OUTCOME_NONE)
        return;
    if (explained->known)
        explain_put_count(out, "bodyBytes", len);
    if (request->body == BODY_CLIENT || !request->body_node || len > BODY_SHOWN_MOST ||
        !(json || is_form(type)))
        return;
    buffer_init(&text, SIZE_MAX / 2);
    if (json)
        mask_put_json(body ? body : "", len, &text);
    else
        mask_put_form(body ? body : "", len, &text);
    put_taken(out, "body", &text);
}

/* ---- What is done with its reply ---- */

static void put_foreach(const struct explained *explained, const struct items *items,
                        struct buffer *out)
{
    const struct foreach *foreach = explained->request->foreach;
    if (!foreach)
        return;
    explain_put_key(out, "foreach");
    buffer_byte(out, '{');
    explain_put_text(out, "from", foreach->from_text);
    explain_put_text(out, "as", foreach->as);
    explain_put_count(out, "max", foreach->max);
    explain_put_flag(out, "distinct", foreach->distinct);
    explain_put_count(out, "concurrency", foreach->concurrency);
    if (items)
        explain_put_count(out, "items", items->count);
    buffer_byte(out, '}');
}

static void put_shape(const struct request *request, struct buffer *out)
{
    const struct shaping *shaping = &request->shaping;
    if (!shaping->select && !shaping->allow && !shaping->deny && !shaping->rename &&
        !shaping->group)
        return;
    explain_put_key(out, "shape");
    buffer_byte(out, '{');
    if (shaping->select)
        explain_put_text(out, "select", shaping->select);
    put_node(out, "allow", shaping->allow);
    put_node(out, "deny", shaping->deny);
    put_node(out, "rename", shaping->rename);
    if (shaping->group)
        explain_put_text(out, "group", shaping->group);
    buffer_byte(out, '}');
}

/* ---- All of it ---- */

usec_t explain_timeout(const struct explained *explained)
{
    usec_t own = explained->planned.timeout;
    return own > 0 && own < explained->most ? own : explained->most;
}

static void put_times(const struct explained *explained, struct buffer *out)
{
    const struct call_spec *call = &explained->planned.call;
    usec_t timeout = explain_timeout(explained);
    explain_put_time(out, "timeoutMs", timeout);
    if (call->connect_timeout > 0)
        explain_put_time(out, "connectTimeoutMs",
                         call->connect_timeout < timeout ? call->connect_timeout : timeout);
    if (call->first_byte_timeout > 0)
        explain_put_time(out, "firstByteTimeoutMs",
                         call->first_byte_timeout < timeout ? call->first_byte_timeout : timeout);
}

/* Why it would not be sent as far as that is known; counts the items of a list that is. */
static const char *find_items(struct explained *explained, struct arena *arena,
                              struct items *ret_items, bool *ret_found)
{
    const struct foreach *foreach = explained->request->foreach;
    *ret_found = false;
    if (!foreach || expression_is_response(foreach->from))
        return NULL;
    const char *wrong = items_find(explained->values, foreach, arena, ret_items);
    *ret_found = !wrong;
    return wrong;
}

void explain_put_request(const struct explained *given, struct arena *arena, struct buffer *out)
{
    struct explained explained = *given;
    const struct request *request = explained.request;
    struct planned *planned = &explained.planned;
    struct items items;
    bool counted;
    const char *wrong = find_items(&explained, arena, &items, &counted);
    if (wrong && planned->refusal == OUTCOME_NONE) {
        planned->refusal = OUTCOME_UNRESOLVED_REFERENCE;
        planned->refusal_detail = wrong;
    }
    bool refused = planned->refusal != OUTCOME_NONE;
    explain_put_text(out, "method", request->method);
    explain_put_text(out, "upstream", request->upstream ? request->upstream->name : NULL);
    put_url(&explained, out);
    explain_put_flag(out, "known", explained.known && !refused);
    put_fields(&explained, arena, out);
    put_body(&explained, out);
    put_times(&explained, out);
    explain_put_flag(out, "optional", request->optional);
    explain_put_flag(out, "default", request->fallback != NULL);
    put_foreach(&explained, counted ? &items : NULL, out);
    put_shape(request, out);
    put_node(out, "success", request->success_node);
    if (refused)
        explain_put_error(out, outcome_text(planned->refusal), outcome_status(planned->refusal),
                          planned->refusal_detail);
}
