/*
 * Runs once per request of a client, so what does not depend on the client was
 * done when the batch was compiled: targets without variables, merged headers,
 * bodies. What is left is to fill templates and to copy pointers; everything new
 * lives in the arena of the plan.
 */
#include "core/plan.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/plan_headers.h"
#include "core/plan_late.h"
#include "core/request_compile.h"

/* Of absolute URLs, which have no upstream to say it. */
#define ABSOLUTE_TIMEOUT         (2 * USEC_PER_SEC)
#define ABSOLUTE_CONNECT_TIMEOUT (1 * USEC_PER_SEC)

struct planner {
    const struct config *config;
    const struct batch *batch;
    const struct inbound *inbound;
    struct arena *arena;
    struct faults *faults;
    struct propagated propagated;
    struct buffer scratch;          /* one for all requests */
    const struct call_spec *before; /* the last call whose lines were written */
    struct values *values;          /* NULL: no request is late */
};

/* ---- Values for templates ---- */

struct lookup {
    const struct planner *planner;
    const char **broken; /* a variable whose encoding cannot be decoded */
};

static struct template_value route_value(const struct lookup *lookup, size_t index)
{
    const struct route_match *route = &lookup->planner->inbound->route;
    struct template_value value = {NULL, 0};
    if (!template_decode(lookup->planner->arena, route->values[index].data,
                         route->values[index].len, &value.data, &value.len))
        *lookup->broken = route->names[index];
    return value;
}

static struct template_value find_value(const void *ctx, const char *name)
{
    const struct lookup *lookup = ctx;
    const struct inbound *inbound = lookup->planner->inbound;
    for (size_t i = 0; i < inbound->route.variable_count; i++) {
        if (strcmp(inbound->route.names[i], name) == 0)
            return route_value(lookup, i);
    }
    struct template_value value = {NULL, 0};
    if (!inbound_query(lookup->planner->arena, inbound, name, &value.data, &value.len))
        value = (struct template_value){NULL, 0};
    return value;
}

/* The variable to name in a fault: the first with a dot in its value, or the first. */
static const char *suspect(const struct request *request, const struct lookup *lookup)
{
    const char *const *names;
    size_t count = template_variables(request->template, &names);
    for (size_t i = 0; i < count; i++) {
        struct template_value value = find_value(lookup, names[i]);
        if (value.len > 0 && memchr(value.data, '.', value.len))
            return names[i];
    }
    return names[0];
}

static const char *fill_late_target(struct planner *planner, const struct request *request)
{
    const char *broken = NULL;
    struct lookup lookup = {planner, &broken};
    const struct late_context context = {planner->batch, planner->values, planner->arena,
                                         planner->faults};
    const char *target = late_target(&context, request, find_value, &lookup);
    if (!broken)
        return target;
    fault_in(planner->faults, "", "the percent-encoding of {%s} is broken", broken);
    return NULL;
}

/* NULL when a value does not fit its place. */
static const char *fill_target(struct planner *planner, const struct request *request)
{
    if (request->literal)
        return request->literal;
    if (request->late && request->late->url_count > 0)
        return fill_late_target(planner, request);
    const char *broken = NULL;
    struct lookup lookup = {planner, &broken};
    planner->scratch.len = 0;
    request_write_target(request, planner->batch, find_value, &lookup, &planner->scratch);
    if (broken) {
        fault_in(planner->faults, "", "the percent-encoding of {%s} is broken", broken);
        return NULL;
    }
    const char *wrong = url_check_target(planner->scratch.data, planner->scratch.len);
    if (!wrong)
        return arena_copy(planner->arena, planner->scratch.data, planner->scratch.len);
    fault_in(planner->faults, "", "the value of {%s} does not fit into the URL of \"%s\": %s",
             suspect(request, &lookup), request->id, wrong);
    return NULL;
}

/* ---- Bodies ---- */

static void fill_late_body(const struct planner *planner, const struct request *request,
                           const char **ret_data, size_t *ret_len)
{
    const struct late_context context = {planner->batch, planner->values, planner->arena,
                                         planner->faults};
    if (request->late->body)
        late_body(&context, request, planner->config->limits.reply_body, ret_data, ret_len);
}

static inline void fill_body(const struct planner *planner, const struct request *request,
                             const char **ret_data, size_t *ret_len, const char **ret_content_type)
{
    *ret_content_type = request->content_type;
    *ret_data = request->body_data;
    *ret_len = request->body_len;
    if (request->late)
        fill_late_body(planner, request, ret_data, ret_len);
    if (request->body != BODY_CLIENT)
        return;
    *ret_data = planner->inbound->body;
    *ret_len = planner->inbound->body_len;
    const char *theirs = header_get(&planner->inbound->headers, "Content-Type");
    if (!request->content_type && theirs && header_value_valid(theirs, strlen(theirs)))
        *ret_content_type = theirs;
}

static void fill_headers(const struct planner *planner, const struct request *request,
                         struct header_list *list)
{
    if (!request->late || !request->late->headers)
        return;
    const struct late_context context = {planner->batch, planner->values, planner->arena,
                                         planner->faults};
    late_headers(&context, request, planner->config->limits.request_header, list);
}

/* ---- Calls ---- */

/* The same texts at the same places. */
static bool same_fields(const struct header_list *one, const struct header_list *other)
{
    return one->count == other->count &&
           memcmp(one->items, other->items, one->count * sizeof *one->items) == 0;
}

/* Most calls of a batch carry the same fields: they share the text of them. */
static void write_lines(struct planner *planner, struct call_spec *call)
{
    const struct call_spec *before = planner->before;
    if (!before || !same_fields(&before->headers, &call->headers)) {
        struct buffer *scratch = &planner->scratch;
        scratch->len = 0;
        header_put_all(scratch, &call->headers);
        if (buffer_status(scratch) != 0)
            return;
        call->lines = arena_copy(planner->arena, scratch->data, scratch->len);
        call->lines_len = scratch->len;
    } else {
        call->lines = before->lines;
        call->lines_len = before->lines_len;
    }
    planner->before = call;
}

static usec_t shorter(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

static enum http_version version_of(const struct upstream *upstream)
{
    enum http_version http = upstream ? (enum http_version)upstream->http : HTTP_1;
    return http == HTTP_NEGOTIATED && !upstream->url.origin.tls ? HTTP_1 : http;
}

static void plan_call(struct planner *planner, const struct request *request, const char *target,
                      struct planned *item)
{
    const struct config *config = planner->config;
    const struct upstream *upstream = request->upstream;
    usec_t own = request->timeout > 0 ? request->timeout
                 : upstream           ? upstream->timeout
                                      : ABSOLUTE_TIMEOUT;
    struct call_spec *call = &item->call;
    *call = (struct call_spec){
        .id = request->id,
        .upstream = upstream,
        .origin = upstream ? &upstream->url.origin : &request->absolute.origin,
        .http = version_of(upstream),
        .method = request->method,
        .target = target,
        .has_body = request->body != BODY_NONE,
        .decode = request->decode,
        .timeout = shorter(own, planner->batch->timeout),
        .connect_timeout = upstream ? upstream->connect_timeout : ABSOLUTE_CONNECT_TIMEOUT,
        .first_byte_timeout = upstream ? upstream->first_byte_timeout : 0,
        .reply_body_max = config->limits.reply_body,
        .reply_header_max = config->limits.reply_header,
    };
    const char *timeout_header = config->propagate.timeout_header;
    if (timeout_header && *timeout_header)
        call->timeout_header = timeout_header;
    const char *content_type;
    fill_body(planner, request, &call->body, &call->body_len, &content_type);
    plan_call_headers(planner->arena, request, planner->inbound, &planner->propagated,
                      call->has_body ? content_type : NULL, &call->headers, &call->decode);
    fill_headers(planner, request, &call->headers);
    if (planner->propagated.trace && !header_get(&call->headers, "traceparent"))
        call->trace = planner->propagated.trace;
    if (call->http != HTTP_2)
        write_lines(planner, call);
    item->timeout = call->timeout;
}

/* ---- Endpoints in place ---- */

static void plan_inner(struct planner *planner, const struct request *request, const char *target,
                       struct planned *item)
{
    const struct inbound *outer = planner->inbound;
    item->in_place = true;
    item->timeout = shorter(request->timeout > 0 ? request->timeout : planner->batch->timeout,
                            planner->batch->timeout);
    if (outer->nesting >= planner->config->limits.nesting) {
        planner->faults->limit = TALLY_NESTING;
        fault_in(planner->faults, "",
                 "\"%s\": endpoints are nested deeper than limits.nesting (%llu)", request->id,
                 (unsigned long long)planner->config->limits.nesting);
        return;
    }
    size_t target_len = strlen(target);
    struct inbound *inner = arena_alloc(planner->arena, sizeof *inner);
    const char *query = target + url_path_length(target, target_len);
    inner->method = request->method;
    inner->target = target;
    inner->query = *query == '?' ? query + 1 : "";
    inner->nesting = outer->nesting + 1;
    inner->deadline = outer->deadline;
    inner->trace = planner->propagated.trace ? planner->propagated.trace : outer->trace;
    inner->request_id = outer->request_id;
    inner->observer = outer->observer;
    bool open = planner->values && planner->values->left > 0; /* a sketch: nobody knows where to */
    if (!open)
        inner->route = routes_find(planner->config->routes, request->method, target, target_len);
    if (!inner->route.endpoint && !open) {
        fault_in(planner->faults, "", "\"%s\": no endpoint answers %s at this path", request->id,
                 request->method);
        return;
    }
    const char *content_type;
    fill_body(planner, request, &inner->body, &inner->body_len, &content_type);
    plan_inner_headers(planner->arena, request, outer,
                       request->body != BODY_NONE ? content_type : NULL, &inner->headers);
    fill_headers(planner, request, &inner->headers);
    item->inner = inner;
}

bool plan_is_loop(const struct inbound *inbound, const char *identity)
{
    return plan_client_lists(inbound, "CDN-Loop", identity);
}

static void plan_item(struct planner *planner, const struct request *request, struct planned *item)
{
    const char *target = fill_target(planner, request);
    *item = (struct planned){.request = request};
    if (target && request->target == TARGET_ENDPOINT)
        plan_inner(planner, request, target, item);
    else if (target)
        plan_call(planner, request, target, item);
}

/* A copy that stays, for those whose turn comes later. */
static void keep_planner(struct planner *planner, struct plan *plan)
{
    plan->planner = arena_alloc(planner->arena, sizeof *planner);
    plan->values = arena_alloc(planner->arena, sizeof *plan->values);
    values_init(plan->values, planner->inbound, (unsigned)planner->config->limits.depth,
                planner->batch->expressions, planner->arena);
    planner->values = plan->values;
    *plan->planner = *planner;
}

void plan_late(const struct plan *plan, const struct request *request, struct arena *arena,
               struct planned *ret_item)
{
    struct planner planner = *plan->planner;
    struct faults faults;
    faults_init(&faults, plan->planner->arena, 1); /* what is said of it outlives the call */
    planner.faults = &faults;
    planner.arena = arena;
    *ret_item = (struct planned){0};
    buffer_init(&planner.scratch, SIZE_MAX);
    plan_item(&planner, request, ret_item);
    buffer_done(&planner.scratch);
    if (!faults_any(&faults))
        return;
    bool denied = faults.first->status == outcome_status(OUTCOME_REQUEST_DENIED);
    ret_item->refusal = denied ? OUTCOME_REQUEST_DENIED : OUTCOME_UNRESOLVED_REFERENCE;
    ret_item->refusal_detail = faults.first->text;
    ret_item->refused_by = faults.limit;
}

void plan_sketch(const struct plan *plan, const struct request *request, struct arena *arena,
                 struct planned *ret_item, bool *ret_known)
{
    plan->values->sketch = true;
    plan->values->left = 0;
    plan_late(plan, request, arena, ret_item);
    *ret_known = plan->values->left == 0;
    plan->values->left = 0;
}

void plan_make(const struct config *config, const struct batch *batch,
               const struct inbound *inbound, const char *identity, struct arena *arena,
               struct plan *ret_plan, struct faults *faults)
{
    const struct request *requests = batch_requests(batch);
    struct planner planner = {
        .config = config, .batch = batch, .inbound = inbound, .arena = arena, .faults = faults};
    struct plan plan = {.count = batch->list.count, .timeout = batch->timeout};
    plan.items = arena_unset_array(arena, plan.count, sizeof *plan.items);
    planner.propagated = plan_propagate(&config->propagate, inbound, identity, arena);
    if (batch->late)
        keep_planner(&planner, &plan);
    buffer_init(&planner.scratch, SIZE_MAX);
    for (size_t i = 0; i < plan.count; i++) {
        if (!requests[i].late)
            plan_item(&planner, &requests[i], &plan.items[i]);
        else if (!plan_waits(&requests[i]))
            plan_late(&plan, &requests[i], arena, &plan.items[i]);
        else
            plan.items[i] = (struct planned){.request = &requests[i]};
    }
    buffer_done(&planner.scratch);
    *ret_plan = plan;
}
