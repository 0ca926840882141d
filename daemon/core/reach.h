/*
 * Whether an upstream can be reached, from what came of connecting to it on all workers.
 * Nobody connects only to find out.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "core/tally.h"

/* True when since `after` at least every attempt of all workers to connect to an upstream has
 * failed, however long ago the last one was. */
bool reach_is_missed(const struct tally *const *tallies, size_t count, size_t slot, usec_t now,
                     usec_t after);

/* For readiness: the same, and the last attempt was within REACH_FORGETS times `after`. A daemon
 * that is not ready gets no requests, so it would never try again if it did not forget. */
enum { REACH_FORGETS = 3 };
bool reach_is_missed_lately(const struct tally *const *tallies, size_t count, size_t slot,
                            usec_t now, usec_t after);

#endif
