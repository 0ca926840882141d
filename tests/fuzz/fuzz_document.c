/*
 * Any bytes as a client's document, read against a small configuration. What is
 * accepted must hold what the rest of the daemon relies on: every request has a
 * sound id and target, lifted bytes are valid JSON from the client's own text, and
 * a plan of it has no faults but those of nesting. What is refused says why.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_load.h"
#include "core/document.h"
#include "core/plan.h"
#include "json/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH = 16, VALUES = 2000, FAULTS = 8 };

static const char config_text[] =
    "egress: { allow: ['api.example.com', '127.0.0.1:9000', '*.test'] }\n"
    "upstreams:\n"
    "  shop: { url: 'http://shop.internal/v1', batch: { methods: [GET, POST], paths: ['/a/**'] } "
    "}\n"
    "  off: { url: 'http://off.internal', batch: off }\n"
    "endpoints:\n"
    "  - path: /users/{id}\n"
    "    forward: { headers: [accept], query: [q] }\n"
    "    requests: [{ id: u, upstream: shop, url: '/u/{id}{?q}' }]\n";

static const struct config *config(void)
{
    static struct config *loaded;
    if (!loaded) {
        struct arena *arena = arena_new();
        struct faults faults;
        faults_init(&faults, arena, FAULTS);
        loaded = config_load_memory("fuzz.yaml", config_text, strlen(config_text), &faults);
        assert(loaded);
        arena_free(arena);
    }
    return loaded;
}

static void check_json(const char *data, size_t len)
{
    struct json_verdict verdict = json_validate(data, len, DEPTH);
    assert(verdict.fault == JSON_VALID && verdict.start == 0 && verdict.end == len);
}

static void check_headers(const struct header_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        assert(header_name_valid(list->items[i].name));
        assert(header_value_valid(list->items[i].value, strlen(list->items[i].value)));
    }
}

static void check_request(const struct request *request)
{
    assert(request->id && *request->id && request->literal);
    assert(url_check_target(request->literal, strlen(request->literal)) == NULL);
    assert(request->target != TARGET_UPSTREAM || !request->upstream->batch.closed);
    assert(request->body != BODY_CLIENT);
    assert(request->success.classes != 0 || request->success.count > 0);
    check_headers(&request->headers);
    for (size_t i = 0; i < request->headers.count; i++)
        assert(!header_refused(request->headers.items[i].name));
    if (request->fallback)
        check_json(request->fallback, request->fallback_len);
    if (request->body_node && header_media_kind(request->content_type) == MEDIA_JSON)
        check_json(request->body_data, request->body_len);
}

static void check_plan(const struct batch *batch, struct arena *arena)
{
    struct plan plan;
    struct faults faults;
    struct inbound inbound = {
        .method = "POST", .target = "/batch", .query = "", .deadline = USEC_NEVER};
    faults_init(&faults, arena, FAULTS);
    plan_make(config(), batch, &inbound, "gatherd-fuzz", arena, &plan, &faults);
    assert(!faults_any(&faults));
    for (size_t i = 0; i < plan.count; i++) {
        const struct planned *item = &plan.items[i];
        check_headers(item->in_place ? &item->inner->headers : &item->call.headers);
        assert(item->timeout > 0 && item->timeout <= plan.timeout);
    }
}

static void check_faults(const struct faults *faults)
{
    for (const struct fault *fault = faults->first; fault; fault = fault->next) {
        assert(fault->place && fault->text && *fault->text);
        assert(fault->status == 400 || fault->status == 403);
        assert(fault->place[0] == '\0' || fault->place[0] == '/');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct document_limits limits = {DEPTH, VALUES};
    struct arena *arena = arena_new();
    struct faults faults;
    faults_init(&faults, arena, FAULTS);
    const struct node *document = document_parse(arena, (const char *)data, size, &limits, &faults);
    assert(document || faults_any(&faults));
    if (document) {
        struct batch batch;
        batch_read_document(config(), document, arena, &batch, &faults);
        for (size_t i = 0; !faults_any(&faults) && i < batch.list.count; i++)
            check_request(&batch_requests(&batch)[i]);
        if (!faults_any(&faults))
            check_plan(&batch, arena);
    }
    check_faults(&faults);
    arena_free(arena);
    return 0;
}
