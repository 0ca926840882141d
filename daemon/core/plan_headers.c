/*
 * Order of precedence where a field could come from several places: the
 * request's own, then the client's (forwarded), then what the daemon adds.
 * Values of the client are looked at again before they are passed on: a parser
 * in front of us may have let a control character through.
 */
#include "core/plan_headers.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define USER_AGENT "gatherd/" GATHERD_VERSION

static bool is_sound(const struct header *header)
{
    return header_value_valid(header->value, strlen(header->value));
}

/* All values of a field as one list (RFC 9110 5.3), or NULL. */
static const char *join(struct arena *arena, const struct header_list *headers, const char *name)
{
    const char *joined = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (!header_is(header, name) || !is_sound(header))
            continue;
        joined = joined ? arena_printf(arena, "%s, %s", joined, header->value) : header->value;
    }
    return joined;
}

static const char *append(struct arena *arena, const char *list, const char *item)
{
    return list && *list ? arena_printf(arena, "%s, %s", list, item) : item;
}

static const char *concat(struct arena *arena, const char *one, const char *other)
{
    size_t len = strlen(one), other_len = strlen(other);
    char *text = arena_alloc(arena, len + other_len + 1);
    memcpy(text, one, len);
    memcpy(text + len, other, other_len);
    return text;
}

struct propagated plan_propagate(const struct propagate *propagate, const struct inbound *inbound,
                                 const char *identity, struct arena *arena)
{
    struct propagated propagated = {0};
    const struct header_list *headers = &inbound->headers;
    if (propagate->trace)
        propagated.trace = inbound->trace ? inbound->trace : trace_read(headers, arena);
    if (inbound->request_id && propagate->request_id[0] != '\0') {
        propagated.id_name = propagate->request_id;
        propagated.id = inbound->request_id;
    }
    if (propagate->via) {
        propagated.via =
            append(arena, join(arena, headers, "Via"), concat(arena, "1.1 ", identity));
        propagated.cdn_loop = append(arena, join(arena, headers, "CDN-Loop"), identity);
    }
    return propagated;
}

/* True when the list `value` ("a, b;x=1") has the item, parameters aside. */
static bool list_has(const char *value, const char *item)
{
    size_t item_len = strlen(item);
    const char *at = value;
    for (;;) {
        at += strspn(at, " \t,");
        if (*at == '\0')
            return false;
        size_t len = strcspn(at, " \t,;");
        if (len == item_len && strncasecmp(at, item, len) == 0)
            return true;
        at += strcspn(at, ",");
    }
}

bool plan_client_lists(const struct inbound *inbound, const char *name, const char *item)
{
    for (size_t i = 0; i < inbound->headers.count; i++) {
        const struct header *header = &inbound->headers.items[i];
        if (header_is(header, name) && list_has(header->value, item))
            return true;
    }
    return false;
}

static void forward_one(struct arena *arena, const struct inbound *inbound, const char *name,
                        struct header_list *list)
{
    if (plan_client_lists(inbound, "Connection", name))
        return; /* it belongs to the client's connection alone (RFC 9110 7.6.1) */
    for (size_t i = 0; i < inbound->headers.count; i++) {
        const struct header *header = &inbound->headers.items[i];
        if (header_is(header, name) && is_sound(header))
            header_add(arena, list, header->name, header->value);
    }
}

/* Room for everything at once, so that adding never grows it in the usual case. */
static void open_list(struct arena *arena, const struct request *request, struct header_list *list)
{
    enum { ADDED_MOST = 8 };
    list->cap = request->headers.count + request->forward_headers.count + ADDED_MOST;
    list->items = arena_unset_array(arena, list->cap, sizeof *list->items);
    list->count = request->headers.count;
    if (list->count > 0)
        memcpy(list->items, request->headers.items, list->count * sizeof *list->items);
}

static void add_missing(struct arena *arena, struct header_list *list, const char *name,
                        const char *value)
{
    if (value && !header_get(list, name))
        header_add(arena, list, name, value);
}

void plan_call_headers(struct arena *arena, const struct request *request,
                       const struct inbound *inbound, const struct propagated *propagated,
                       const char *content_type, struct header_list *ret_headers, bool *decode)
{
    struct header_list *list = ret_headers;
    open_list(arena, request, list);
    for (size_t i = 0; i < request->forward_headers.count; i++) {
        const char *name = request->forward_headers.items[i];
        if (strcasecmp(name, "Accept-Encoding") != 0)
            forward_one(arena, inbound, name, list);
        else if (header_get(&inbound->headers, name))
            *decode = true;
    }
    if (content_type)
        header_add(arena, list, "Content-Type", content_type);
    if (propagated->trace && !header_get(list, "traceparent"))
        add_missing(arena, list, "tracestate", propagated->trace->state);
    if (propagated->id)
        add_missing(arena, list, propagated->id_name, propagated->id);
    add_missing(arena, list, "Via", propagated->via);
    add_missing(arena, list, "CDN-Loop", propagated->cdn_loop);
    add_missing(arena, list, "User-Agent", USER_AGENT);
    add_missing(arena, list, "Accept", "*/*");
}

void plan_inner_headers(struct arena *arena, const struct request *request,
                        const struct inbound *outer, const char *content_type,
                        struct header_list *ret_headers)
{
    static const char *const chain[] = {"traceparent", "tracestate", "Via", "CDN-Loop"};
    open_list(arena, request, ret_headers);
    for (size_t i = 0; i < request->forward_headers.count; i++)
        forward_one(arena, outer, request->forward_headers.items[i], ret_headers);
    if (content_type)
        header_add(arena, ret_headers, "Content-Type", content_type);
    for (size_t i = 0; i < sizeof chain / sizeof chain[0]; i++)
        add_missing(arena, ret_headers, chain[i], join(arena, &outer->headers, chain[i]));
}
