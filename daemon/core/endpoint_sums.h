/* One endpoint's figures of all workers added up. */
#ifndef CORE_ENDPOINT_SUMS_H
#define CORE_ENDPOINT_SUMS_H

#include "core/metrics_source.h"
#include "core/metrics_text.h"

#define ENDPOINT_METHOD_ANY "(any)" /* of what is no single endpoint: /batch, (none), (other) */

struct endpoint_sums {
    char method[ENDPOINT_METHOD_MAX + 1];
    const char *path;
    uint64_t in_flight, ended[STATUS_INDEXES], replies[REPLY_RESULTS];
    uint64_t failed; /* of those that have ended, with 5xx */
    uint64_t bytes_in, bytes_out;
    struct metric_durations durations;
};

/* What has ended and how many durations there are agree, but for the requests of a worker that
 * ends some without a pause. */
void endpoint_sums_read(const struct metrics_source *source, size_t slot,
                        struct endpoint_sums *ret_sums);

#endif
