/* When a batch is complete: what `policy` may be, and what the counts of its parts mean. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core/job.h"

/* Reads batch->policy_node into batch->policy and batch->at_least. Without one it is `all`,
 * and for envelopes `allSettled`. Anything else, and an `atLeast` that the batch's requests
 * can never reach, is a fault. */
void policy_read(struct batch *batch, struct faults *faults);

enum policy_verdict {
    POLICY_OPEN, /* what has settled decides nothing */
    POLICY_MET,  /* what still waits is not needed */
    POLICY_LOST, /* it cannot be met any more: the part that settled last decided */
};

/* After `part` has settled and is counted. */
enum policy_verdict policy_judge(const struct job *job, const struct part *part);

#endif
