/*
 * Spans: what a trace is told of one client request, and of every time one of its calls was
 * sent; and how a batch of them is written for a collector (OTLP, JSON over HTTP). Copied as
 * bytes from thread to thread.
 */
#ifndef CORE_SPAN_H
#define CORE_SPAN_H

#include <stdbool.h>

#include "base/buffer.h"
#include "core/access_record.h"
#include "core/outcome.h"

enum span_kind { SPAN_SERVER = 2, SPAN_CLIENT = 3 }; /* OTLP's numbers */

enum span_text {
    SPAN_METHOD,
    SPAN_PATH,
    SPAN_ROUTE,     /* the endpoint's path; of a call: its id */
    SPAN_AUTHORITY, /* host and perhaps a port, IPv6 addresses in brackets */
    SPAN_VERSION,   /* of HTTP: "1.1"; absent: not known */
    SPAN_USER_AGENT,
    SPAN_STATE, /* tracestate */
    SPAN_TEXTS,
};

enum { SPAN_BYTES_MAX = 1840, SPAN_PATH_MAX = 512, SPAN_NAME_MAX = 256, SPAN_STATE_MAX = 512 };

struct span {
    unsigned char trace_id[16];
    uint64_t id, parent;   /* parent 0: the first of its trace */
    usec_t started, ended; /* on the monotonic clock */
    enum span_kind kind;
    unsigned flags;    /* of the trace */
    unsigned status;   /* of HTTP; 0: none */
    const char *error; /* what went wrong, for error.type; static. NULL: nothing that has a name of
                        * its own; a server's 5xx has failed all the same */
    unsigned resends;  /* how often it had been sent before */
    bool tls;
    enum access_client client;
    unsigned char address[16]; /* of the client */
    struct {
        unsigned short at, len; /* len 0: absent */
    } texts[SPAN_TEXTS];
    size_t used;
    char bytes[SPAN_BYTES_MAX];
};

/* Keeps a text, cut to `max` bytes and to the room there is, between characters. */
void span_put(struct span *span, enum span_text text, const char *data, size_t len, size_t max);
size_t span_size(const struct span *span); /* how many of its bytes count */

/* An ExportTraceServiceRequest: begun, any number of spans, ended. `offset` makes a
 * monotonic moment one since 1970. */
void otlp_begin(struct buffer *out, const char *service);
void otlp_put(struct buffer *out, const struct span *span, usec_t offset, bool first);
void otlp_end(struct buffer *out);

#endif
