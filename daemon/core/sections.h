/* Sections of the configuration that are nothing but their options. */
#ifndef CORE_SECTIONS_H
#define CORE_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/header.h"
#include "core/lists.h"

struct node;

struct limits {
    uint64_t requests, expressions, request_body, request_header, depth, values;
    uint64_t reply_body, reply_header, json_depth, merged, nesting;
    uint64_t connections, in_flight, client_buffer;
    usec_t header_time, body_time, idle_time, send_time;
};

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
    bool trace;                 /* traceparent and tracestate */
    bool via;                   /* Via and CDN-Loop, with loop detection */
    const char *timeout_header; /* remaining milliseconds; "" turns it off */
    const char *request_id;     /* the field for the request's id; "" turns it off */
};

struct compression { /* of replies to clients */
    bool gzip;
    uint64_t level, min, max; /* min and max: bytes of a body that is compressed */
};

struct access_log_options {
    const char *to, *format_text, *sample_text;
    bool query;  /* is part of the target */
    usec_t slow; /* 0: nothing is */
    uint64_t ring;
    /* Compiled. */
    enum access_target { ACCESS_OFF, ACCESS_STDERR, ACCESS_JOURNAL, ACCESS_FILE } target;
    const struct access_format *format;
    uint64_t sample; /* of 2^32 requests */
};

struct tracing_options {
    const char *otlp, *service, *sample_text, *ca_file_text;
    const struct node *headers_node;
    uint64_t queue;
    usec_t timeout, interval;
    /* Compiled. */
    bool on;
    struct header_list headers; /* for the collector */
    const char *ca_file;        /* NULL: the system's */
    uint64_t sample;            /* of 2^32 requests that come without a trace */
};

#endif
