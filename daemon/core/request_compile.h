/*
 * Between the modules that compile a batch: what they share while they look for
 * meaning in what the option table has read. Nobody else includes this.
 */
#ifndef CORE_REQUEST_COMPILE_H
#define CORE_REQUEST_COMPILE_H

#include "core/config.h"
#include "core/faults.h"
#include "core/request.h"

/* Of one request, the batch's included; their bytes are bounded by limits.requestHeader. */
#define REQUEST_FIELDS_MAX 100

struct compiler {
    const struct config *config;
    struct batch *batch;
    struct arena *arena;
    struct faults *faults;
    bool document; /* a client's: no templates, no client body, policies of upstreams apply */
    const struct forward *forward;   /* of the endpoint; NULL in documents */
    const struct strings *variables; /* NULL in documents */
    struct header_list shared;       /* the batch's headers */
};

/* Everything about one request, its id's uniqueness aside. */
void request_compile(struct compiler *compiler, struct request *request);

/* request_url.c: target, upstream, template, absolute, literal. */
void request_compile_url(struct compiler *compiler, struct request *request);
/* The whole target: the upstream's prefix, the request's own, the shared query. Not
 * checked. */
void request_write_target(const struct request *request, const char *query,
                          template_lookup_fn *lookup, const void *ctx, struct buffer *out);
/* request_headers.c: headers, content_type, decode, forward_headers. */
void request_compile_headers(struct compiler *compiler, struct request *request);
/* The batch's own headers into compiler->shared. */
void request_read_shared_headers(struct compiler *compiler);
/* request_body.c: body, body_data, fallback; after the headers. */
void request_compile_body(struct compiler *compiler, struct request *request);

/* False when the method alone has been a fault already. */
bool request_method_sound(const struct request *request);
/* Where a request says `name`, or the request when it does not. */
const struct node *request_member(const struct request *request, const char *name);

#define REQUEST_NO_EXPRESSIONS "expressions in this place are not supported by this version"

#endif
