/* One upstream's figures of all workers added up. */
#ifndef CORE_UPSTREAM_SUMS_H
#define CORE_UPSTREAM_SUMS_H

#include "core/metrics_source.h"
#include "core/metrics_text.h"

struct upstream_sums {
    const char *name;
    const struct upstream *upstream; /* NULL: not configured, or not any more */
    uint64_t in_flight, waiting;
    uint64_t outcomes[TALLY_OUTCOMES];
    uint64_t failed; /* 5xx, or no reply although it was waited for */
    struct metric_durations durations;
    uint64_t bytes_in, bytes_out, opened, reused, open, idle, lookups, cache_hits;
    enum outcome_code failure; /* the last; OUTCOME_NONE: none */
    usec_t failure_at;
    bool unreachable;
};

void upstream_sums_read(const struct metrics_source *source, size_t slot,
                        struct upstream_sums *ret_sums);
/* "200", or the code of a failure. */
const char *upstream_outcome_text(size_t outcome);

/* Adds what one worker counted. */
void durations_add(struct metric_durations *sum, const struct duration_tally *tally);

#endif
