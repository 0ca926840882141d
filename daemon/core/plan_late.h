/*
 * Filling what a request says with expressions. A value never leaves its place: it
 * adds no path segment, no query member, no field and no JSON member; where it would,
 * the request is not sent.
 */
#ifndef CORE_PLAN_LATE_H
#define CORE_PLAN_LATE_H

#include "core/faults.h"
#include "core/values.h"

struct late_context {
    const struct batch *batch;
    struct values *values;
    struct arena *arena;
    struct faults *faults; /* what is wrong; 403 for what a client may not name */
};

/* The whole target; NULL with a fault. `plain` looks up the variables that are no expressions. */
const char *late_target(const struct late_context *context, const struct request *request,
                        template_lookup_fn *plain, const void *plain_ctx);
/* The body, of at most `most` bytes; unchanged with a fault. */
void late_body(const struct late_context *context, const struct request *request, uint64_t most,
               const char **ret_data, size_t *ret_len);
/* Fills the values of a list that begins with the request's own fields; all of it may have at
 * most `most` bytes. */
void late_headers(const struct late_context *context, const struct request *request, uint64_t most,
                  struct header_list *list);

#endif
