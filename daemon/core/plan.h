/*
 * From a batch and a client's request to the calls to make: templates filled,
 * headers gathered, deadlines and caps set. Everything a carrier needs, and
 * nothing it has to look up.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/config.h"
#include "core/inbound.h"
#include "core/outcome.h"
#include "core/values.h"

struct call_spec {
    const char *id;
    const struct upstream *upstream; /* NULL: an absolute URL */
    const struct origin *origin;
    enum http_version http; /* HTTP_NEGOTIATED: only with TLS */
    const char *method, *target;
    struct header_list headers; /* all but Host, Content-Length, timeout_header, traceparent */
    const char *lines;          /* the same as they go out over HTTP/1.1, or NULL */
    size_t lines_len;
    const char *timeout_header; /* NULL: none; the carrier adds it with the time that remains */
    const struct trace_context *trace; /* NULL: no traceparent goes out */
    uint64_t span; /* stands for a sequence of span ids: random_derive() of how often it was sent */
    bool has_body;
    const char *body;
    size_t body_len;
    bool decode;    /* an Accept-Encoding goes out: the carrier decodes the reply */
    usec_t timeout; /* spans from dispatch */
    usec_t latest;  /* the moment from which its batch does not wait for it; 0: none */
    usec_t connect_timeout, first_byte_timeout; /* 0: only the total counts */
    uint64_t reply_body_max, reply_header_max;
};

struct planned {
    const struct request *request;
    bool in_place; /* an endpoint of our own: `inner`; otherwise `call` */
    struct call_spec call;
    struct inbound *inner; /* its route is set */
    usec_t timeout;
    enum outcome_code refusal; /* why it cannot be sent; OUTCOME_NONE: it can, or its time has
                                * not come yet */
    const char *refusal_detail;
    enum tally_limit refused_by; /* if it was a limit */
};

struct planner; /* what planning needs beside the request */

struct plan {
    struct planned *items; /* one per request, in declared order */
    size_t count;
    usec_t timeout;          /* of the whole batch */
    struct planner *planner; /* for what is planned later; NULL: everything is planned */
    struct values *values;   /* what expressions stand for; NULL as above */
};

/* `identity` is this process's name in Via and CDN-Loop ("gatherd-1a2b3c4d").
 * A value that would put '.' or '..' in a path, or a broken encoding, is a fault
 * (400). Lives in `arena`, borrows from batch, inbound and config. */
void plan_make(const struct config *config, const struct batch *batch,
               const struct inbound *inbound, const char *identity, struct arena *arena,
               struct plan *ret_plan, struct faults *faults);

/* True when a request is planned by plan_late() when its turn comes. */
static inline bool plan_waits(const struct request *request)
{
    return request->late && (request->late->waits || request->foreach);
}

/* Plans a request of the plan as far as it is known before anything was sent: expressions that
 * name replies or items stay as they were written; *ret_known is false when there are some. An
 * endpoint of our own that they would lead to has no route. What is wrong: as below. */
void plan_sketch(const struct plan *plan, const struct request *request, struct arena *arena,
                 struct planned *ret_item, bool *ret_known);

/* Plans a request of the plan, or one call of its foreach (values->item), whose turn has
 * come. What is wrong becomes ret_item->refusal. The rest lives in `arena`, which may go
 * when the call is home. */
void plan_late(const struct plan *plan, const struct request *request, struct arena *arena,
               struct planned *ret_item);

/* True when the client's request has passed through `identity` before (CDN-Loop). */
bool plan_is_loop(const struct inbound *inbound, const char *identity);

#endif
