/* Sections of the configuration that are nothing but their options. */
#ifndef CORE_SECTIONS_H
#define CORE_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/lists.h"

struct stream_options {
    usec_t heartbeat; /* 0: none */
};

struct resolver_options {
    uint64_t threads, queue, entries;
    usec_t ttl, negative_ttl;
};

struct egress_options {
    struct strings allow;
};

struct propagate {              /* what upstreams are told without being asked for by name */
    bool trace;                 /* traceparent and tracestate as they came */
    bool via;                   /* Via and CDN-Loop, with loop detection */
    const char *timeout_header; /* remaining milliseconds; "" turns it off */
};

struct compression { /* of replies to clients */
    bool gzip;
    uint64_t level, min, max; /* min and max: bytes of a body that is compressed */
};

#endif
