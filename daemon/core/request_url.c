/*
 * Where a request goes: an absolute URL, a path on an upstream, or a path of the
 * daemon's own. What can be known now is decided now: policies for what a
 * client wrote, and the whole target wherever no variable is in it.
 */
#include <stdint.h>
#include <string.h>

#include "base/nearest.h"
#include "core/request_compile.h"

static bool is_late(const struct request *request)
{
    return strstr(request->url, "{$") != NULL;
}

/* ---- Finding the upstream ---- */

static const char *nearest_upstream(struct compiler *compiler, const char *name)
{
    const struct option_list *list = &compiler->config->upstreams;
    const struct upstream *upstreams = list->items;
    const char **names = arena_array(compiler->arena, list->count, sizeof(char *));
    for (size_t i = 0; i < list->count; i++)
        names[i] = upstreams[i].name;
    return nearest_name(name, names, list->count);
}

static void find_upstream(struct compiler *compiler, struct request *request)
{
    const char *name = request->upstream_name;
    request->upstream = config_upstream(compiler->config, name);
    if (request->upstream)
        return;
    const char *nearest = nearest_upstream(compiler, name);
    fault_at(compiler->faults, request_member(request, "upstream"),
             "there is no upstream \"%s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
             nearest ? nearest : "", nearest ? "\"?" : "");
}

/* ---- What a client may do ---- */

static bool has_string(const struct strings *strings, const char *string)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (strcmp(strings->items[i], string) == 0)
            return true;
    }
    return false;
}

bool request_path_allowed(const struct upstream *upstream, const char *path, size_t len)
{
    const struct upstream_batch *policy = &upstream->batch;
    for (size_t i = 0; i < policy->paths.count; i++) {
        if (url_path_matches(policy->paths.items[i], path, len))
            return true;
    }
    return false;
}

static void check_upstream_policy(struct compiler *compiler, struct request *request)
{
    enum { FORBIDDEN = 403 };
    const struct upstream *upstream = request->upstream;
    const struct upstream_batch *policy = &upstream->batch;
    if (policy->closed) {
        fault_with_status(compiler->faults, request_member(request, "upstream"), FORBIDDEN,
                          "upstream \"%s\" is closed to batches", upstream->name);
        return;
    }
    if (request_method_sound(request) && !has_string(&policy->methods, request->method))
        fault_with_status(compiler->faults, request_member(request, "method"), FORBIDDEN,
                          "upstream \"%s\" does not allow %s in batches", upstream->name,
                          request->method);
    if (is_late(request)) {
        request->late->judge_path = true;
        return;
    }
    if (request_path_allowed(upstream, request->url, strlen(request->url)))
        return;
    fault_with_status(compiler->faults, request_member(request, "url"), FORBIDDEN,
                      "upstream \"%s\" does not allow this path in batches", upstream->name);
}

/* Which endpoint an expression leads to is known when it is filled. */
static void check_endpoint(struct compiler *compiler, const struct request *request)
{
    if (is_late(request))
        return;
    const struct node *place = request_member(request, "url");
    struct route_match match =
        routes_find(compiler->config->routes, request->method, request->url, strlen(request->url));
    if (!match.allow)
        fault_at(compiler->faults, place, "no endpoint has this path; was an upstream meant?");
    else if (!match.endpoint && request_method_sound(request))
        fault_at(compiler->faults, place, "the endpoint with this path answers %s, not %s",
                 match.allow, request->method);
}

/* ---- Paths ---- */

static bool knows_variable(const struct compiler *compiler, const char *name)
{
    return (compiler->variables && has_string(compiler->variables, name)) ||
           (compiler->forward && has_string(&compiler->forward->query, name));
}

static const char *nearest_variable(const struct compiler *compiler, const char *name)
{
    const char *nearest = NULL;
    if (compiler->variables)
        nearest = nearest_name(name, compiler->variables->items, compiler->variables->count);
    if (!nearest && compiler->forward)
        nearest =
            nearest_name(name, compiler->forward->query.items, compiler->forward->query.count);
    return nearest;
}

static void check_variables(struct compiler *compiler, const struct request *request)
{
    const char *const *names;
    size_t count = template_variables(request->template, &names);
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == '$' || knows_variable(compiler, names[i]))
            continue;
        if (compiler->document) {
            fault_at(compiler->faults, request_member(request, "url"),
                     "{%s}: variables are for endpoints; a client writes values", names[i]);
            continue;
        }
        const char *nearest = nearest_variable(compiler, names[i]);
        fault_at(compiler->faults, request_member(request, "url"),
                 "{%s} is neither in the endpoint's path nor in its forward.query%s%s%s", names[i],
                 nearest ? "; did you mean {" : "", nearest ? nearest : "", nearest ? "}?" : "");
    }
}

static struct template_value letter(const void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return (struct template_value){"x", 1};
}

/* With a harmless value everywhere only the literal parts can be wrong. */
static const char *check_literal_parts(struct compiler *compiler, const struct request *request)
{
    struct buffer target scope_buffer;
    buffer_init(&target, SIZE_MAX);
    template_expand(request->template, letter, NULL, &target);
    const char *wrong = url_check_target(target.data ? target.data : "", target.len);
    return wrong ? arena_string(compiler->arena, wrong) : NULL;
}

/* The variables of a template that are expressions, added to request->late. */
static void compile_expressions(struct compiler *compiler, struct request *request,
                                const struct template *template)
{
    const struct expression_scope scope = request_scope(compiler, request);
    const struct node *place = request_member(request, "url");
    const char *const *names;
    size_t count = template_variables(template, &names);
    struct late *late = request_late(compiler, request);
    struct expression **all = arena_array(compiler->arena, late->url_count + count, sizeof *all);
    if (late->url_count > 0)
        memcpy(all, late->url, late->url_count * sizeof *all);
    late->url = all;
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] != '$')
            continue;
        struct expression *expression = arena_alloc(compiler->arena, sizeof *expression);
        size_t offset;
        const char *wrong = expression_parse(compiler->arena, names[i], strlen(names[i]), &scope,
                                             expression, &offset);
        if (wrong) {
            fault_at(compiler->faults, place, "{%s}: at byte %zu: %s", names[i], offset,
                     names[i][1] == '$' ? "a URL has no {; write %7B" : wrong);
            continue;
        }
        late->url[late->url_count++] = expression;
        request_refer(compiler, request, place, expression);
    }
}

/* `path`: the url, or what of it comes after the authority. */
static void compile_template(struct compiler *compiler, struct request *request, const char *path)
{
    const struct node *place = request_member(request, "url");
    size_t offset = 0;
    bool late = is_late(request);
    const char *wrong = compiler->document && !late ? url_check_target(path, strlen(path)) : NULL;
    if (wrong) {
        fault_at(compiler->faults, place, "%s", wrong);
        return;
    }
    struct template *template;
    wrong = template_compile(compiler->arena, path, &template, &offset);
    if (wrong) {
        fault_at(compiler->faults, place, "at byte %zu: %s", offset + (size_t)(path - request->url),
                 wrong);
        return;
    }
    request->template = template;
    wrong = check_literal_parts(compiler, request);
    if (wrong)
        fault_at(compiler->faults, place, "%s", wrong);
    check_variables(compiler, request);
    if (late)
        compile_expressions(compiler, request, template);
}

static void compile_path(struct compiler *compiler, struct request *request)
{
    size_t before = compiler->faults->count;
    if (request->url[1] == '/') {
        fault_at(compiler->faults, request_member(request, "url"),
                 "a path begins with one /; an absolute URL with http:// or https://");
        return;
    }
    request->target = request->upstream_name ? TARGET_UPSTREAM : TARGET_ENDPOINT;
    if (request->upstream_name)
        find_upstream(compiler, request);
    compile_template(compiler, request, request->url);
    if (!compiler->document || compiler->faults->count > before)
        return;
    if (request->upstream)
        check_upstream_policy(compiler, request);
    else
        check_endpoint(compiler, request);
}

/* ---- Absolute URLs ---- */

/* Where the path begins; NULL when an expression comes before it. */
static const char *late_path(const char *url)
{
    const char *slashes = strstr(url, "://");
    const char *path = slashes ? strpbrk(slashes + 3, "/?#{") : NULL;
    return path && *path == '/' ? path : NULL;
}

static void compile_absolute(struct compiler *compiler, struct request *request)
{
    enum { FORBIDDEN = 403 };
    const struct node *place = request_member(request, "url");
    const char *text = request->url;
    if (is_late(request)) {
        /* Whom to ask must be known before anything is sent. */
        const char *path = late_path(request->url);
        if (!path) {
            fault_at(compiler->faults, place,
                     "expressions may stand in path and query of a URL, not before them");
            return;
        }
        text = arena_copy(compiler->arena, request->url, (size_t)(path + 1 - request->url));
        compile_template(compiler, request, path);
    }
    const char *wrong = url_parse(compiler->arena, text, &request->absolute);
    if (wrong) {
        fault_at(compiler->faults, place, "%s", wrong);
        return;
    }
    if (request->upstream_name)
        fault_at(compiler->faults, place, "with an upstream the url is a path");
    else if (!egress_allows(&compiler->config->egress, &request->absolute.origin))
        fault_with_status(
            compiler->faults, place, FORBIDDEN, "egress.allow has no rule for %s://%s",
            request->absolute.origin.tls ? "https" : "http", request->absolute.origin.authority);
}

/* ---- The whole target ---- */

size_t request_prefix_length(const struct request *request)
{
    const char *prefix = request->upstream ? request->upstream->url.target : NULL;
    size_t len = prefix ? strlen(prefix) : 0;
    return len > 0 && prefix[len - 1] == '/' ? len - 1 : len;
}

void request_write_target(const struct request *request, const struct batch *batch,
                          template_lookup_fn *lookup, const void *ctx, struct buffer *out)
{
    if (request->target == TARGET_ABSOLUTE && !request->template) {
        buffer_string(out, request->absolute.target);
    } else {
        size_t prefix_len = request_prefix_length(request);
        if (prefix_len > 0)
            buffer_append(out, request->upstream->url.target, prefix_len);
        template_expand(request->template, lookup, ctx, out);
    }
    bool has_query = (batch->query && *batch->query) || batch->query_template;
    if (!has_query || out->len == 0)
        return;
    if (!memchr(out->data, '?', out->len))
        buffer_byte(out, '?');
    else if (out->data[out->len - 1] != '?' && out->data[out->len - 1] != '&')
        buffer_byte(out, '&');
    if (batch->query_template)
        template_expand(batch->query_template, lookup, ctx, out);
    else
        buffer_string(out, batch->query);
}

static void write_literal(struct compiler *compiler, struct request *request)
{
    struct buffer target scope_buffer;
    buffer_init(&target, SIZE_MAX);
    request_write_target(request, compiler->batch, letter, NULL, &target);
    const char *wrong = url_check_target(target.data ? target.data : "", target.len);
    if (wrong)
        fault_at(compiler->faults, request_member(request, "url"), "with the shared query: %s",
                 wrong);
    else
        request->literal = arena_copy(compiler->arena, target.data, target.len);
}

void request_compile_url(struct compiler *compiler, struct request *request)
{
    const struct node *place = request_member(request, "url");
    size_t before = compiler->faults->count;
    if (request->url[0] == '$') {
        fault_at(compiler->faults, place, "references to other requests ($id) are not supported");
        return;
    }
    if (request->url[0] == '/') {
        compile_path(compiler, request);
    } else {
        request->target = TARGET_ABSOLUTE;
        compile_absolute(compiler, request);
    }
    bool literal = request->template ? template_literal(request->template) != NULL
                                     : request->target == TARGET_ABSOLUTE;
    if (compiler->batch->query_template)
        compile_expressions(compiler, request, compiler->batch->query_template);
    else if (literal && compiler->faults->count == before)
        write_literal(compiler, request);
}
