/*
 * Between the modules that compile a batch: what they share while they look for
 * meaning in what the option table has read. Nobody else includes this.
 */
#ifndef CORE_REQUEST_COMPILE_H
#define CORE_REQUEST_COMPILE_H

#include "core/config.h"
#include "core/expression.h"
#include "core/faults.h"
#include "core/fill.h"
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
    bool late_headers;               /* some header has expressions */
    struct reference *first;         /* expressions, in the order they were read */
    struct reference **tail;
};

/* An expression and where it stands. `request` is NULL in what all requests share. */
struct reference {
    struct expression *expression;
    struct request *request;
    const struct node *place;
    struct reference *next;
};

/* Everything about one request, its id's uniqueness aside. */
void request_compile(struct compiler *compiler, struct request *request);

/* request_url.c: target, upstream, template, absolute, literal. */
void request_compile_url(struct compiler *compiler, struct request *request);
/* The whole target: the upstream's prefix, the request's own, the shared query. Not
 * checked. */
void request_write_target(const struct request *request, const struct batch *batch,
                          template_lookup_fn *lookup, const void *ctx, struct buffer *out);
/* How much of a target is the upstream's own path. */
size_t request_prefix_length(const struct request *request);
/* What the upstream's `batch.paths` say about a path (up to '?' or the end). */
bool request_path_allowed(const struct upstream *upstream, const char *path, size_t len);
/* request_headers.c: headers, content_type, decode, forward_headers. */
void request_compile_headers(struct compiler *compiler, struct request *request);
/* request_late.c: expressions. What an expression may name in a request (NULL: in the batch's
 * own headers and query). */
struct expression_scope request_scope(const struct compiler *compiler,
                                      const struct request *request);
/* Notes an expression, to be linked later. */
void request_refer(struct compiler *compiler, struct request *request, const struct node *place,
                   struct expression *expression);
/* Compiles a text with expressions. False with a fault; *ret_fill is NULL without any. */
bool request_fill(struct compiler *compiler, struct request *request, const struct node *place,
                  const char *data, size_t len, enum fill_form form, bool lenient,
                  struct fill **ret_fill);
/* The request's `late`, made when it is first asked for. */
struct late *request_late(struct compiler *compiler, struct request *request);
/* request_foreach.c: before anything that may name the item. */
void request_compile_foreach(struct compiler *compiler, struct request *request);
/* request_links.c: who waits for whom; after all requests. */
void request_link_all(struct compiler *compiler);
/* The batch's own headers into compiler->shared. */
void request_read_shared_headers(struct compiler *compiler);
/* request_body.c: body, body_data, fallback; after the headers. */
void request_compile_body(struct compiler *compiler, struct request *request);

/* False when the method alone has been a fault already. */
bool request_method_sound(const struct request *request);
/* Where a request says `name`, or the request when it does not. */
const struct node *request_member(const struct request *request, const char *name);

#endif
