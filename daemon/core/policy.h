/* When a batch is complete: what `policy` may be, and what the counts of its parts mean. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core/request.h"

/* Reads batch->policy_node into batch->policy and batch->at_least. Without one it is `all`,
 * and for envelopes `allSettled`. Anything else, and an `atLeast` that the batch's requests
 * can never reach, is a fault. */
void policy_read(struct batch *batch, struct faults *faults);

enum policy_verdict {
    POLICY_OPEN, /* what has settled decides nothing */
    POLICY_MET,  /* what still waits is not needed */
    POLICY_LOST, /* it cannot be met any more: the part that settled last decided */
};

enum settled { SETTLED_WELL, SETTLED_BADLY, SETTLED_FATALLY }; /* fatally: required under `all` */

/* After a part has settled; `ok` and `waiting` count it already. */
enum policy_verdict policy_judge(const struct batch *batch, enum settled how, size_t ok,
                                 size_t waiting);

#endif
