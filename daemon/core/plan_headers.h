/* The fields of planned calls: the request's own, those passed on by name, those that
 * tell upstreams who is asking, and the defaults. */
#ifndef CORE_PLAN_HEADERS_H
#define CORE_PLAN_HEADERS_H

#include "core/config.h"
#include "core/inbound.h"

/* The same for all calls of a plan; NULL: not sent. */
struct propagated {
    const struct trace_context *trace; /* the caller writes traceparent of it */
    const char *via, *cdn_loop;
    const char *id_name, *id; /* of the request */
};

struct propagated plan_propagate(const struct propagate *propagate, const struct inbound *inbound,
                                 const char *identity, struct arena *arena);

/* Fills the fields of a call; *decode becomes true when a passed-on field asks for it.
 * `content_type`: NULL without a body. */
void plan_call_headers(struct arena *arena, const struct request *request,
                       const struct inbound *inbound, const struct propagated *propagated,
                       const char *content_type, struct header_list *ret_headers, bool *decode);

/* True when a field `name` of the client's lists `item`, parameters aside. */
bool plan_client_lists(const struct inbound *inbound, const char *name, const char *item);

/* The fields of a request to an endpoint of our own: what a client could have sent, so
 * that the endpoint forwards from them as it would from a client's. */
void plan_inner_headers(struct arena *arena, const struct request *request,
                        const struct inbound *outer, const char *content_type,
                        struct header_list *ret_headers);

#endif
