/*
 * The model everything else works on: a batch is a list of requests, a policy for when it is
 * complete, and a way to merge the results. An endpoint is a batch saved in the configuration.
 * The same reader serves both; what a client may do is narrower.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "base/clock.h"
#include "core/batch_enums.h"
#include "core/faults.h"
#include "core/header.h"
#include "core/lists.h"
#include "core/request_parts.h"
#include "core/shape.h"
#include "core/template.h"
#include "core/url.h"

struct config;
struct upstream;
struct graph;

struct request {
    /* As written; filled by the option table. */
    const char *id, *method, *url, *upstream_name, *body_base64;
    const struct node *body_node, *default_node, *headers_node, *success_node;
    struct shaping shaping;          /* compiled into `shape` */
    const struct node *forward_node; /* narrows the endpoint's forward.headers */
    usec_t timeout;                  /* 0: the upstream's, or the batch's */
    bool optional, hidden;           /* hidden: only looked up in by `join` */
    bool dedupe;                     /* after compiling: only where it may be */
    struct strings depends_on;
    const struct node *foreach_node;
    /* Compiled. */
    const struct node *node;
    size_t index;
    struct late *late;             /* NULL: all of it is known before anything is sent */
    const struct foreach *foreach; /* NULL: one call */
    bool feeds;                    /* another request uses its body */
    enum target_kind target;
    const struct upstream *upstream; /* borrowed from the configuration */
    struct template *template;       /* TARGET_UPSTREAM and TARGET_ENDPOINT */
    struct url absolute;             /* TARGET_ABSOLUTE */
    const char *literal;             /* the whole target when no variable is in it, or NULL */
    struct header_list headers;      /* batch-wide ones first, the request's own override */
    bool decode;                     /* Accept-Encoding was among them (taken out) */
    enum body_kind body;
    const char *body_data, *content_type;
    size_t body_len, fallback_len;
    const char *fallback; /* `default` as JSON bytes; NULL: none. Implies optional */
    struct success success;
    const struct shape *shape;      /* what is wanted of the body; NULL: all */
    struct strings forward_headers; /* after narrowing, without those in `headers` */
};

struct batch {
    struct option_list list; /* of struct request, in declared order */
    const struct node *headers_node, *query_node, *policy_node, *pass_node, *join_node;
    int merge;       /* enum merge_kind */
    int policy;      /* enum policy_kind */
    size_t at_least; /* successes that are enough under any, race and atLeast; otherwise 0 */
    int conflict, status, meta, on_timeout, etag;
    bool policy_given; /* it was written, and holds for streams too */
    usec_t timeout;
    const struct join *joins; /* compiled */
    size_t join_count;
    struct pass_headers pass;
    const char *query;               /* shared query, encoded: "a=1&b=2"; NULL: none */
    struct template *query_template; /* the same where expressions are in it; query is NULL then */
    const struct graph *graph;       /* who waits for whom; NULL: nobody */
    size_t expressions;              /* how many are in it */
    bool late;                       /* some request is */
    bool may_repeat;                 /* two of its calls may be the same (core/dedupe) */
};

static inline struct request *batch_requests(const struct batch *batch)
{
    return (struct request *)batch->list.items;
}

/* Reads and checks the batch of a client document. `config` must outlive it. What is wrong
 * becomes a fault with its JSON Pointer. */
void batch_read_document(const struct config *config, const struct node *document,
                         struct arena *arena, struct batch *ret_batch, struct faults *faults);

/* GET /batch?url=U&merge=M...: `query` is raw. Places are the member's name and number: "url 2". */
void batch_read_query(const struct config *config, const char *query, size_t len,
                      struct arena *arena, struct batch *ret_batch, struct faults *faults);

/* Compiles what options_read() has filled. `variables`: names for templates, of path and query. */
void batch_compile(const struct config *config, struct batch *batch, const struct forward *forward,
                   const struct strings *variables, struct arena *arena, struct faults *faults);

#endif
