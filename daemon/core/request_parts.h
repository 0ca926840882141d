/* What a request is made of: small types that core/request.h puts together. */
#ifndef CORE_REQUEST_PARTS_H
#define CORE_REQUEST_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lists.h"

struct expression;
struct fill;
struct shape;

struct forward {
    struct strings headers; /* field names passed on from the client */
    struct strings query;   /* query members usable in templates */
};

struct success {
    unsigned classes; /* bit n: nxx */
    const unsigned *statuses;
    size_t count;
};

enum target_kind {
    TARGET_UPSTREAM, /* a path on a configured upstream */
    TARGET_ABSOLUTE, /* a literal absolute URL, allowed by egress */
    TARGET_ENDPOINT, /* a path of the daemon's own */
};

/* One call per item of a list. */
struct foreach {
    const char *from_text, *as; /* as written */
    uint64_t max, concurrency;
    bool distinct;
    struct expression *from;
    const struct shape *shape; /* what is wanted of each item's body; NULL: all */
};

/* What of a request is known only when it is its turn. */
struct late {
    struct expression **url; /* of the template */
    size_t url_count;
    const struct fill **headers; /* one for each of request->headers; NULL: as it is */
    const struct fill *body;     /* NULL: body_data */
    bool waits;                  /* for other requests */
    bool judge_path;             /* a client wrote the url: the upstream's `batch.paths` hold */
};

enum body_kind {
    BODY_NONE,
    BODY_BYTES,  /* known when the batch was read */
    BODY_CLIENT, /* "{$request.body}": the client's bytes and Content-Type */
};

struct pass_header { /* a field of a part's reply that goes on to the client */
    size_t part;
    const char *name;
};

struct pass_headers {
    struct pass_header *items; /* in the declared order of the parts */
    size_t count;
};

#endif
