/*
 * Paths are compared raw, as they were sent. /batch cannot be configured as an
 * endpoint, nor /jobs and /-/, so the routes never hold them: the first is
 * served here, the others are not there.
 */
#include "front/api.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "core/document.h"
#include "core/explain.h"

enum { FAULTS_SHOWN = 20 };

#define BATCH_METHODS "GET, HEAD, POST"

static size_t path_length(const struct inbound *inbound)
{
    return strcspn(inbound->target, "?");
}

static bool is_batch(const struct inbound *inbound)
{
    size_t len = path_length(inbound);
    return len == strlen("/batch") && memcmp(inbound->target, "/batch", len) == 0;
}

static struct answer *empty_answer(unsigned status)
{
    struct answer *answer = mem_new(sizeof *answer);
    answer->status = status;
    answer->arena = arena_new();
    return answer;
}

/* OPTIONS: what may be asked here; to a preflight, what a page may ask. */
static struct answer *answer_options(const struct inbound *inbound, const char *allow)
{
    struct answer *answer = empty_answer(204);
    const char *wanted = header_get(&inbound->headers, "Access-Control-Request-Headers");
    const char *methods = arena_printf(answer->arena, "%s, OPTIONS", allow);
    answer_add_header(answer, "Allow", methods);
    if (!header_get(&inbound->headers, "Access-Control-Request-Method"))
        return answer;
    answer_add_header(answer, "Access-Control-Allow-Methods", allow);
    answer_add_header(answer, "Access-Control-Allow-Headers", wanted ? wanted : "Content-Type");
    answer_add_header(answer, "Access-Control-Max-Age", "600");
    return answer;
}

static struct answer *answer_wrong_method(const char *method, const char *allow)
{
    scope_arena struct arena *arena = arena_new();
    const char *methods = arena_printf(arena, "%s, OPTIONS", allow);
    const char *detail =
        arena_printf(arena, "%s is not allowed here; what is: %s", method, methods);
    struct answer *answer = answer_problem(405, detail);
    answer_add_header(answer, "Allow", methods);
    return answer;
}

static bool is_multipart(const struct inbound *inbound)
{
    const char *type = header_get(&inbound->headers, "Content-Type");
    return type && strncasecmp(type, "multipart/", strlen("multipart/")) == 0;
}

static bool is_one_of(const char *method, const char *const *methods, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

static struct answer *answer_batch_head(const struct inbound *inbound)
{
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    if (strcmp(inbound->method, "OPTIONS") == 0)
        return answer_options(inbound, BATCH_METHODS);
    if (!is_one_of(inbound->method, methods, sizeof methods / sizeof *methods))
        return answer_wrong_method(inbound->method, BATCH_METHODS);
    if (is_multipart(inbound))
        return answer_problem(415, "a batch must be JSON, not multipart");
    return NULL;
}

struct answer *api_answer_head(const struct config *config, struct inbound *inbound,
                               size_t *ret_slot)
{
    if (is_batch(inbound)) {
        *ret_slot = SLOT_BATCH;
        return answer_batch_head(inbound);
    }
    *ret_slot = SLOT_NONE;
    inbound->route =
        routes_find(config->routes, inbound->method, inbound->target, path_length(inbound));
    if (!inbound->route.allow)
        return answer_problem(404, "nothing is served at this path");
    if (inbound->route.endpoint) {
        *ret_slot = inbound->route.endpoint->slot;
        return NULL;
    }
    if (strcmp(inbound->method, "OPTIONS") == 0)
        return answer_options(inbound, inbound->route.allow);
    return answer_wrong_method(inbound->method, inbound->route.allow);
}

struct answer *api_answer_reconnect(void)
{
    struct answer *answer = empty_answer(204); /* which says that it must not try again */
    answer_add_header(answer, "Cache-Control", "no-store");
    return answer;
}

static void read_document(const struct config *config, const struct inbound *inbound,
                          struct arena *arena, struct batch *batch, struct faults *faults)
{
    struct document_limits limits = {
        .depth = (unsigned)config->limits.depth,
        .values = (size_t)config->limits.values,
    };
    const struct node *document =
        document_parse(arena, inbound->body, inbound->body_len, &limits, faults);
    if (document)
        batch_read_document(config, document, arena, batch, faults);
}

struct answer *api_read_batch(const struct config *config, const struct inbound *inbound,
                              struct arena *arena, const struct batch **ret_batch)
{
    struct faults faults;
    if (inbound->route.endpoint) {
        *ret_batch = &inbound->route.endpoint->batch;
        return NULL;
    }
    struct batch *batch = arena_alloc(arena, sizeof *batch);
    faults_init(&faults, arena, FAULTS_SHOWN);
    if (strcmp(inbound->method, "POST") == 0)
        read_document(config, inbound, arena, batch, &faults);
    else
        batch_read_query(config, inbound->query, strlen(inbound->query), arena, batch, &faults);
    if (faults_any(&faults))
        return answer_from_faults(&faults);
    *ret_batch = batch;
    return NULL;
}

static struct answer *explain(const struct config *config, const struct inbound *inbound,
                              const char *identity, bool all, struct arena *arena)
{
    const struct batch *batch = NULL;
    struct answer *refusal = api_read_batch(config, inbound, arena, &batch);
    return refusal ? refusal : explain_batch(config, batch, inbound, identity, all, arena);
}

static struct answer *answer_unclear(struct arena *arena)
{
    struct faults faults;
    faults_init(&faults, arena, 1);
    fault_in(&faults, "explain", "must be true or 1 (or nothing), false or 0");
    return answer_from_faults(&faults);
}

struct answer *api_explain_asked(const struct config *config, struct inbound *inbound,
                                 const char *identity, struct arena *arena)
{
    enum explain_wish wish = explain_wish(arena, inbound);
    if (!inbound->route.endpoint)
        inbound->query = explain_rest(arena, inbound->query);
    if (wish == EXPLAIN_UNCLEAR)
        return answer_unclear(arena);
    return wish == EXPLAIN_YES ? explain(config, inbound, identity, false, arena) : NULL;
}

struct answer *api_explain(const struct config *config, struct inbound *inbound,
                           const char *identity, struct arena *arena)
{
    size_t slot;
    struct answer *refusal = api_answer_head(config, inbound, &slot);
    if (refusal)
        return refusal;
    if (!inbound->route.endpoint)
        inbound->query = explain_rest(arena, inbound->query);
    return explain(config, inbound, identity, true, arena);
}
