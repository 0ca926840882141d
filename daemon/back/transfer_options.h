/* A call's description as libcurl's options. With lane.c (what follows from the
 * origin) and multi.c (descriptors) the only place that sets any. */
#ifndef BACK_TRANSFER_OPTIONS_H
#define BACK_TRANSFER_OPTIONS_H

#include "back/lane.h"
#include "core/plan.h"

struct transfer_callbacks { /* `handle` is what each is given */
    curl_write_callback header;
    curl_write_callback body;
    curl_prereq_callback ready;
};

/* Once for a new handle: what never changes. False: out of memory. */
bool must_check transfer_options_fixed(struct handle *handle,
                                       const struct transfer_callbacks *callbacks);
/* For each call: everything else, whatever the handle carried before. `shared`: calls
 * share connections. */
bool must_check transfer_options_call(struct handle *handle, const struct call_spec *spec,
                                      const char *address, usec_t deadline, bool shared);
/* For HTTP/2 without TLS, each time: to join a connection, or to make one. libcurl 7.88
 * begins HTTP/2 anew on a connection that a handle with prior knowledge joins; one
 * without it would ask for an upgrade on a connection that it makes. */
bool must_check transfer_options_join(struct handle *handle, bool joins);
/* It goes out now: writes the time that remains into the header that tells it, and a new
 * parent id into traceparent, where there are such. */
void transfer_options_refresh(struct handle *handle, const struct call_spec *spec, usec_t deadline);
/* What CURLOPT_CONNECT_TO takes to reach `origin` at `address`; part of the handle. */
struct curl_slist *transfer_options_pin(struct handle *handle, const struct origin *origin,
                                        const char *address);

#endif
