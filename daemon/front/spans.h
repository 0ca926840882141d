/* The spans of one client request, made of what is known of it and left in a ring. */
#ifndef FRONT_SPANS_H
#define FRONT_SPANS_H

#include "base/ring.h"
#include "core/access_record.h"
#include "core/job.h"
#include "core/plan.h"

/* One for each time the call was sent; none if it never was, because it was refused. `trace` has
 * the request's own span as its parent. */
void spans_leave_call(struct ring *ring, const struct trace_context *trace,
                      const struct call_spec *spec, const struct part *part, usec_t started,
                      usec_t now);

struct request_span {
    const struct trace_context *trace; /* its state included */
    uint64_t parent;                   /* of the span; 0: none */
    const struct access_record *record;
    const char *endpoint;      /* NULL: none */
    enum outcome_code failure; /* what decided a problem document; OUTCOME_NONE: nothing did */
};

void spans_leave_request(struct ring *ring, const struct request_span *request);

#endif
