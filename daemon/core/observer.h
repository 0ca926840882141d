/*
 * Who is told what a fan-out does, for logs and traces. A header without a source: the
 * contract between those who run fan-outs and those who watch. Both functions run on the
 * thread of the fan-out, at the latest while the answer is handed over or the fan-out
 * cancelled.
 */
#ifndef CORE_OBSERVER_H
#define CORE_OBSERVER_H

#include "base/clock.h"

struct call_spec;
struct job;
struct part;

struct observer {
    /* A call has ended, or is not needed any more; of nested endpoints too. `part` is
     * PART_WAITING if nobody waits for its outcome; spec->span is that of the call. `outer` is
     * the id of the client's part that an endpoint run in place stands for; NULL: the call is
     * that part itself. */
    void (*call_ended)(struct observer *observer, const struct call_spec *spec,
                       const struct part *part, const char *outer, usec_t started);
    /* The fan-out of the client's own request is over, or was cancelled. */
    void (*job_ended)(struct observer *observer, const struct job *job);
};

#endif
