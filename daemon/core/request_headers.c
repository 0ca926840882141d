/*
 * The fields of a request: the batch's first, then the request's own, which
 * replace those of the same name. Content-Type leaves the list, since it goes with
 * the body; so does Accept-Encoding, since whoever decodes replies must say
 * what it can decode.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/header_node.h"
#include "core/options_read.h"
#include "core/request_compile.h"

static bool is_taken_out(const char *name)
{
    return strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "Accept-Encoding") == 0;
}

/* ---- Reading ---- */

/* False with a fault. */
static bool check_expressions(struct compiler *compiler, const struct request *request,
                              const struct node *node)
{
    const struct expression_scope scope = request_scope(compiler, request);
    struct fill *fill;
    size_t offset;
    if (is_taken_out(node->key)) {
        fault_at(compiler->faults, node, "%s takes no expressions", node->key);
        return false;
    }
    const char *wrong = fill_compile(compiler->arena, node->text, node->text_len, FILL_TEXT, &scope,
                                     &fill, &offset);
    if (wrong)
        fault_at(compiler->faults, node, "at byte %zu: %s", offset, wrong);
    compiler->late_headers = true;
    return !wrong;
}

static void read_header(struct compiler *compiler, const struct request *request,
                        const struct node *node, struct header_list *list)
{
    if (!header_node_check(node, list, compiler->faults))
        return;
    if (!strstr(node->text, "{$") || check_expressions(compiler, request, node))
        header_add(compiler->arena, list, node->key, header_node_value(compiler->arena, node));
}

/* As they are sent. */
static size_t field_size(const struct header *header)
{
    return strlen(header->name) + strlen(header->value) + strlen(": \r\n");
}

/* What goes out for each request is bounded like what may come in. False with a fault. */
static bool check_size(struct compiler *compiler, size_t count, size_t size,
                       const struct node *place)
{
    uint64_t most = compiler->config->limits.request_header;
    if (count > REQUEST_FIELDS_MAX)
        fault_at(compiler->faults, place, "a request has at most %d header fields, not %zu",
                 REQUEST_FIELDS_MAX, count);
    else if (size > most)
        fault_at(compiler->faults, place,
                 "the fields of a request have at most limits.requestHeader (%llu) bytes, not %zu",
                 (unsigned long long)most, size);
    else
        return true;
    return false;
}

static size_t total_size(const struct header_list *list)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        size += field_size(&list->items[i]);
    return size;
}

/* `request`: whose they are; NULL: the batch's. */
static struct header_list read_headers(struct compiler *compiler, const struct request *request,
                                       const struct node *map)
{
    struct header_list list = {0};
    if (!map)
        return list;
    if (map->kind != NODE_MAP) {
        fault_at(compiler->faults, map, "headers are a map of names and strings, not %s",
                 node_kind_text(map->kind));
        return list;
    }
    if (!check_size(compiler, map->count, 0, map))
        return list; /* unread: looking for names given twice takes the square of the count */
    for (const struct node *node = map->first; node; node = node->next)
        read_header(compiler, request, node, &list);
    return check_size(compiler, list.count, total_size(&list), map) ? list
                                                                    : (struct header_list){0};
}

void request_read_shared_headers(struct compiler *compiler)
{
    compiler->shared = read_headers(compiler, NULL, compiler->batch->headers_node);
}

/* ---- Merging ---- */

static void take_header(struct compiler *compiler, struct request *request,
                        const struct header *header)
{
    if (strcasecmp(header->name, "Content-Type") == 0)
        request->content_type = header->value;
    else if (strcasecmp(header->name, "Accept-Encoding") == 0)
        request->decode = true;
    else
        header_add(compiler->arena, &request->headers, header->name, header->value);
}

/* ---- Expressions ---- */

/* The node a field was read from: its name is that node's key. */
static const struct node *node_of(const struct node *map, const struct header *header)
{
    for (const struct node *node = map ? map->first : NULL; node; node = node->next) {
        if (node->key == header->name)
            return node;
    }
    return NULL;
}

static void compile_late_headers(struct compiler *compiler, struct request *request)
{
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct header *header = &request->headers.items[i];
        if (!strstr(header->value, "{$"))
            continue;
        const struct node *place = node_of(request->headers_node, header);
        if (!place)
            place = node_of(compiler->batch->headers_node, header);
        struct fill *fill;
        struct late *late = request_late(compiler, request);
        if (!late->headers)
            late->headers = arena_array(compiler->arena, request->headers.count, sizeof fill);
        if (request_fill(compiler, request, place, header->value, strlen(header->value), FILL_TEXT,
                         false, &fill))
            late->headers[i] = fill;
    }
}

/* ---- Forwarding ---- */

static bool is_among(const struct strings *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcasecmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

/* The names this request carries on: its own list when it narrows, or all. */
static struct strings narrow(struct compiler *compiler, const struct request *request)
{
    const struct strings *all = &compiler->forward->headers;
    struct forward own = {0};
    if (!request->forward_node)
        return *all;
    options_read(SECTION_FORWARD, request->forward_node, false, &own, compiler->arena,
                 compiler->faults);
    if (own.query.count > 0)
        fault_at(compiler->faults, request->forward_node,
                 "a request narrows forward.headers only; query is the endpoint's");
    for (size_t i = 0; i < own.headers.count; i++) {
        if (!is_among(all, own.headers.items[i]))
            fault_at(compiler->faults, request->forward_node,
                     "%s is not in the endpoint's forward.headers", own.headers.items[i]);
    }
    bool named = node_get(request->forward_node, "headers") != NULL;
    return named ? own.headers : *all;
}

static void compile_forward(struct compiler *compiler, struct request *request)
{
    struct strings wanted = narrow(compiler, request);
    const char **names = arena_array(compiler->arena, wanted.count, sizeof(char *));
    request->forward_headers.items = names;
    for (size_t i = 0; i < wanted.count; i++) {
        const char *name = wanted.items[i];
        bool own = header_get(&request->headers, name) || strcasecmp(name, "Content-Type") == 0;
        if (!own && !is_among(&request->forward_headers, name))
            names[request->forward_headers.count++] = name;
    }
}

void request_compile_headers(struct compiler *compiler, struct request *request)
{
    struct header_list own = read_headers(compiler, request, request->headers_node);
    size_t count = own.count;
    size_t size = total_size(&own);
    for (size_t i = 0; i < compiler->shared.count; i++) {
        const struct header *shared = &compiler->shared.items[i];
        if (header_get(&own, shared->name))
            continue;
        take_header(compiler, request, shared);
        count++;
        size += field_size(shared);
    }
    if (own.count > 0) /* otherwise they are the batch's own, which were checked */
        (void)check_size(compiler, count, size, request->headers_node);
    for (size_t i = 0; i < own.count; i++)
        take_header(compiler, request, &own.items[i]);
    if (compiler->late_headers)
        compile_late_headers(compiler, request);
    if (compiler->forward)
        compile_forward(compiler, request);
}
