/*
 * Endpoints: routes first, all of them, since a batch may name an endpoint that
 * is declared below it; then the batches; then who calls whom.
 *
 * The calls form a graph whose nodes are endpoints. It is walked depth first
 * with a stack of our own (a configuration may have thousands of endpoints).
 * A finished endpoint knows how many levels are below it.
 */
#include <string.h>

#include "core/config_check.h"
#include "core/header.h"
#include "core/template.h"

static bool is_variable_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *name && !(*name >= '0' && *name <= '9') && strspn(name, letters) == strlen(name);
}

static bool contains(const struct strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], text) == 0)
            return true;
    return false;
}

static void check_forward(const struct endpoint *endpoint, const struct strings *path_names,
                          struct faults *faults)
{
    const struct node *forward = node_get(endpoint->node, "forward");
    for (size_t i = 0; i < endpoint->forward.headers.count; i++) {
        const char *name = endpoint->forward.headers.items[i];
        const char *wrong = !header_name_valid(name) ? "is not a header field's name"
                            : header_refused(name)   ? "is never passed on"
                                                     : NULL;
        if (wrong)
            fault_at(faults, node_get(forward, "headers"), "\"%.100s\" %s", name, wrong);
    }
    for (size_t i = 0; i < endpoint->forward.query.count; i++) {
        const char *name = endpoint->forward.query.items[i];
        const char *wrong =
            !is_variable_name(name)
                ? "cannot be used in a template: letters, digits and \"_\", no digit first"
            : contains(path_names, name) ? "is already the name of a path variable"
                                         : NULL;
        if (wrong)
            fault_at(faults, node_get(forward, "query"), "\"%.100s\" %s", name, wrong);
    }
}

static void add_route(const struct config *config, const struct endpoint *endpoint,
                      struct faults *faults)
{
    const struct node *method = node_get(endpoint->node, "method");
    if (!endpoint->path)
        return;
    const char *meant = header_method_meant(endpoint->method);
    if (meant) {
        fault_at(faults, method, HEADER_METHOD_CASE, meant);
        return;
    }
    if (!header_method_valid(endpoint->method) ||
        strpbrk(endpoint->method, "abcdefghijklmnopqrstuvwxyz")) {
        fault_at(faults, method, "must be a method such as \"GET\", in capitals");
        return;
    }
    const char *wrong = routes_add(config->routes, endpoint->path, endpoint->method, endpoint);
    if (wrong)
        fault_at(faults, node_get(endpoint->node, "path"), "%s", wrong);
}

/* True when what the table requires is there. */
static bool is_readable(const struct endpoint *endpoint)
{
    const struct request *requests = batch_requests(&endpoint->batch);
    for (size_t i = 0; i < endpoint->batch.list.count; i++)
        if (!requests[i].id || !requests[i].url || !requests[i].node)
            return false;
    return endpoint->path && endpoint->batch.list.count > 0;
}

static void compile_endpoint(const struct config *config, struct endpoint *endpoint,
                             struct faults *faults)
{
    struct strings names = {0};
    struct strings variables = {0};
    if (!is_readable(endpoint))
        return;
    const char *const *path_names = NULL;
    names.count = route_variables(config->arena, endpoint->path, &path_names);
    names.items = arena_array(config->arena, names.count, sizeof(char *));
    for (size_t i = 0; i < names.count; i++)
        names.items[i] = path_names[i];
    check_forward(endpoint, &names, faults);
    const struct strings *query = &endpoint->forward.query;
    variables.items = arena_array(config->arena, names.count + query->count, sizeof(char *));
    for (size_t i = 0; i < names.count; i++)
        variables.items[variables.count++] = names.items[i];
    for (size_t i = 0; i < query->count; i++)
        variables.items[variables.count++] = query->items[i];
    batch_compile(config, &endpoint->batch, &endpoint->forward, &variables, config->arena, faults);
}

void config_check_endpoints(struct config *config, struct faults *faults)
{
    struct endpoint *endpoints = config->endpoints.items;
    for (size_t i = 0; i < config->endpoints.count; i++)
        add_route(config, &endpoints[i], faults);
    for (size_t i = 0; i < config->endpoints.count; i++)
        compile_endpoint(config, &endpoints[i], faults);
    for (size_t i = 0; i < config->endpoints.count; i++) {
        if (!node_get(endpoints[i].node, "explain"))
            endpoints[i].explain = config->explain;
    }
}

enum walk_state { WALK_NEW, WALK_OPEN, WALK_DONE };

struct walk {
    const struct config *config;
    const struct endpoint *endpoints;
    struct faults *faults;
    enum walk_state *states;
    uint64_t *levels;     /* endpoints below it, in the longest chain */
    size_t *path;         /* open endpoints, outermost first */
    size_t *next_request; /* of each open endpoint */
    size_t depth;
    bool circular;
};

static struct template_value any_value(const void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return (struct template_value){"~any~", 5};
}

/* The endpoint a request names; NULL for other targets. Where a template is filled at run
 * time, the one that an ordinary value leads to. */
static const struct endpoint *called_endpoint(struct walk *walk, const struct request *request)
{
    struct buffer target scope_buffer;
    buffer_init(&target, URL_LENGTH_MAX * 8);
    if (request->target != TARGET_ENDPOINT || !request->template)
        return NULL;
    template_expand(request->template, any_value, NULL, &target);
    struct route_match match = routes_find(walk->config->routes, request->method,
                                           target.data ? target.data : "", target.len);
    const struct node *url = node_get(request->node, "url");
    if (!match.endpoint && template_literal(request->template)) {
        if (match.allow)
            fault_at(walk->faults, url, "the endpoint at this path answers %s, not %s", match.allow,
                     request->method);
        else
            fault_at(walk->faults, url, "no endpoint has this path");
    }
    return match.endpoint;
}

static void fault_cycle(struct walk *walk, const struct request *request, size_t target)
{
    size_t first = 0;
    struct buffer names scope_buffer;
    buffer_init(&names, 400);
    walk->circular = true;
    while (walk->path[first] != target)
        first++;
    for (size_t i = first; i < walk->depth; i++)
        buffer_printf(&names, "%s -> ", walk->endpoints[walk->path[i]].path);
    buffer_string(&names, walk->endpoints[target].path);
    fault_at(walk->faults, node_get(request->node, "url"),
             "endpoints call each other in a circle: %.*s%s", (int)names.len,
             names.data ? names.data : "", buffer_status(&names) == 0 ? "" : "...");
}

static void leave(struct walk *walk)
{
    size_t done = walk->path[--walk->depth];
    uint64_t most = walk->config->limits.nesting;
    walk->states[done] = WALK_DONE;
    if (walk->levels[done] == most + 1 && !walk->circular)
        fault_at(walk->faults, node_get(walk->endpoints[done].node, "path"),
                 "endpoints are nested deeper here than limits.nesting, which is %llu",
                 (unsigned long long)most);
    if (walk->depth > 0) {
        size_t caller = walk->path[walk->depth - 1];
        if (walk->levels[caller] < walk->levels[done] + 1)
            walk->levels[caller] = walk->levels[done] + 1;
    }
}

static void enter(struct walk *walk, size_t index)
{
    walk->states[index] = WALK_OPEN;
    walk->path[walk->depth] = index;
    walk->next_request[walk->depth++] = 0;
}

/* Looks at one more request of the innermost open endpoint, or leaves it. */
static void step(struct walk *walk)
{
    size_t caller = walk->path[walk->depth - 1];
    const struct batch *batch = &walk->endpoints[caller].batch;
    size_t next = walk->next_request[walk->depth - 1]++;
    if (next == batch->list.count) {
        leave(walk);
        return;
    }
    const struct request *request = &batch_requests(batch)[next];
    const struct endpoint *called = called_endpoint(walk, request);
    if (!called)
        return;
    size_t index = (size_t)(called - walk->endpoints);
    if (walk->states[index] == WALK_NEW)
        enter(walk, index);
    else if (walk->states[index] == WALK_OPEN)
        fault_cycle(walk, request, index);
    else if (walk->levels[caller] < walk->levels[index] + 1)
        walk->levels[caller] = walk->levels[index] + 1;
}

void config_check_calls(const struct config *config, struct faults *faults)
{
    struct arena *arena scope_arena = arena_new();
    size_t count = config->endpoints.count;
    struct walk walk = {
        .config = config,
        .endpoints = config->endpoints.items,
        .faults = faults,
        .states = arena_array(arena, count, sizeof(enum walk_state)),
        .levels = arena_array(arena, count, sizeof(uint64_t)),
        .path = arena_array(arena, count, sizeof(size_t)),
        .next_request = arena_array(arena, count, sizeof(size_t)),
    };
    for (size_t i = 0; i < count; i++) {
        if (walk.states[i] == WALK_NEW)
            enter(&walk, i);
        while (walk.depth > 0)
            step(&walk);
    }
}
