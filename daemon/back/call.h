/*
 * What the pool's door and those behind it know of every call. A header without a
 * source: the contract that dispatch.h, runner.h and slice.h share.
 */
#ifndef BACK_CALL_H
#define BACK_CALL_H

#include "core/outcome.h"
#include "core/plan.h"

/* The outcome is the receiver's to take. */
typedef void call_home_fn(void *ctx, size_t index, struct outcome *outcome);

struct call { /* the first member of what runs it, here or for its owner elsewhere */
    call_home_fn *home;
    void *ctx;
    size_t index;
    bool away; /* on a sibling's thread */
};

#endif
