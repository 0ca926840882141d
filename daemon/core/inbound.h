/* What a client asked, as values: enough to fill an endpoint's templates. */
#ifndef CORE_INBOUND_H
#define CORE_INBOUND_H

#include "base/clock.h"
#include "core/header.h"
#include "core/observer.h"
#include "core/route.h"
#include "core/trace_context.h"

struct inbound {
    const char *method;
    const char *target;    /* raw request target, origin form */
    const char *query;     /* after '?', or "" */
    const char *authority; /* of a target that came in absolute form; or NULL */
    struct header_list headers;
    const char *body;
    size_t body_len;
    struct route_match route; /* of an endpoint */
    unsigned nesting;         /* 0: from a client; +1 per endpoint run in place */
    usec_t deadline;          /* of the job it belongs to; USEC_NEVER at the top */
    /* Where somebody watches; all NULL otherwise. */
    const struct trace_context *trace; /* its parent is our own span */
    const char *request_id;
    struct observer *observer;
};

/* The decoded first value of a query member; false when absent (or when its
 * percent-encoding is broken, which counts as absent). '+' is a space here. */
bool inbound_query(struct arena *arena, const struct inbound *inbound, const char *name,
                   const char **ret_data, size_t *ret_len);

/* Iterates the members of a query string, decoded; borrowed or from the arena,
 * not terminated. Start with *position at its first byte. */
struct inbound_member {
    const char *name, *value;
    size_t name_len, value_len;
    bool sound; /* false: its percent-encoding is broken, the rest means nothing */
};
bool inbound_next_member(struct arena *arena, const char **position, const char *end,
                         struct inbound_member *ret_member);

#endif
