/*
 * Watches one client request for the access log and for traces: gives it an id and a place
 * in a trace, and leaves a record and spans when it is over. Exists only where the
 * configuration asks for it. On the exchange's thread; what it leaves goes into rings that
 * never wait.
 */
#ifndef FRONT_OBSERVE_H
#define FRONT_OBSERVE_H

#include "base/ring.h"
#include "core/access_record.h"
#include "front/connection.h"

struct observed;

struct outlets {        /* of one thread */
    struct ring *lines; /* struct access_record */
    struct ring *spans; /* struct span */
};

/* The request's first line was read. `config` must outlive it. */
struct observed *observe_begin(const struct connection *connection, const struct config *config);
/* The head was read: fills what of `inbound` is for those who watch. `version` is "HTTP/1.1",
 * `arena` that of `inbound`. */
void observe_head(struct observed *observed, struct inbound *inbound, const char *version,
                  struct arena *arena);
/* Who serves it: an endpoint's path, or "/batch"; lives as long as the configuration. */
void observe_endpoint(struct observed *observed, const char *path);
/* All of it was read, and the work begins. */
void observe_complete(struct observed *observed);
/* The reply was decided. The last call counts. */
void observe_reply(struct observed *observed, unsigned status, uint64_t bytes);

/* The reply was a stream that is over: `bytes` of it were made, and for as long as `held` the
 * client took nothing, so that its upstreams had to wait. */
void observe_stream(struct observed *observed, uint64_t bytes, usec_t held);

/* A random one until the head was read and says otherwise; the place stays the same. */
const char *observe_request_id(const struct observed *observed);

/* It is over. `inbound` is looked at only if its head was never read; NULL: nor was its first
 * line. `received` bytes of its body were read. Frees it. */
void observe_end(struct observed *observed, const struct inbound *inbound, uint64_t received,
                 enum access_end end);

#endif
