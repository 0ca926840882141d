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
/* For each call: everything else, whatever the handle carried before. */
bool must_check transfer_options_call(struct handle *handle, const struct call_spec *spec,
                                      const char *address, usec_t deadline);
/* Writes the time that remains now into the header that tells it, if there is one. */
void transfer_options_refresh(struct handle *handle, const struct call_spec *spec, usec_t deadline);

#endif
