/*
 * What one worker counts. Every figure has one writer, the worker, and is read by whoever
 * reports: no lock, and nothing of two workers in one cache line. Who reads a figure sees in
 * what it reads after that at least all that was counted before: what ended, then what began.
 * Parts per upstream and endpoint are found by the slot (core/slots.h) that the
 * configuration's snapshot holds; they are made before a snapshot comes to the worker.
 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include <stdatomic.h>

#include "base/loop.h"
#include "core/config.h"
#include "core/limit.h"
#include "core/outcome.h"
#include "core/reply_result.h"
#include "core/slots.h"
#include "core/status.h"

enum {
    TALLY_BOUNDS = 13, /* of durations; what is longer has a bucket of its own */
    TALLY_OUTCOMES = STATUS_INDEXES + OUTCOME_CODE_COUNT, /* of calls: statuses, then failures */
};

extern const uint64_t tally_bounds[TALLY_BOUNDS]; /* microseconds, included */

struct duration_tally {
    _Atomic(uint64_t) buckets[TALLY_BOUNDS + 1], sum; /* calls in each; microseconds */
};

struct endpoint_tally {
    _Atomic(uint64_t) begun, ended[STATUS_INDEXES];
    _Atomic(uint64_t) replies[REPLY_RESULTS], bytes_in, bytes_out; /* bytes of bodies */
    struct duration_tally durations;
};

struct upstream_tally {
    _Atomic(uint64_t) begun, outcomes[TALLY_OUTCOMES];
    struct duration_tally durations;
    _Atomic(uint64_t) bytes_in, bytes_out;
    _Atomic(uint64_t) opened, reused; /* connections */
    _Atomic(uint64_t) known, closed;  /* those whose end will be seen; whose end was */
    _Atomic(uint64_t) rested, taken;  /* times that one became idle, and was so no more */
    _Atomic(uint64_t) lookups, cache_hits;
    _Atomic(uint64_t) failure, failure_at;     /* the last: its code and when; 0: none */
    _Atomic(uint64_t) met_at;                  /* it was connected to; 0: never */
    _Atomic(uint64_t) missed_since, missed_at; /* not so since it was; 0: it was */
};

struct tally {
    struct loop_account loop;
    _Atomic(uint64_t) accepted, turns, fanouts_begun, fanouts_ended;
    _Atomic(uint64_t) limits[TALLY_LIMITS];
    /* NULL where no configuration that was in force has needed one. */
    _Atomic(struct upstream_tally *) upstreams[SLOTS_MAX];
    _Atomic(struct endpoint_tally *) endpoints[SLOTS_MAX];
};

static inline void tally_add(_Atomic(uint64_t) *figure, uint64_t more)
{
    uint64_t now = atomic_load_explicit(figure, memory_order_relaxed) + more;
    atomic_store_explicit(figure, now, memory_order_release);
}

static inline uint64_t tally_read(const _Atomic(uint64_t) *figure)
{
    return atomic_load_explicit(figure, memory_order_acquire);
}

/* Its part of `tally`; both may be NULL: no tally gives NULL, no upstream an absolute URL's. */
static inline struct upstream_tally *tally_upstream(const struct tally *tally,
                                                    const struct upstream *upstream)
{
    size_t slot = upstream ? upstream->slot : SLOT_FIRST;
    return tally ? atomic_load_explicit(&tally->upstreams[slot], memory_order_relaxed) : NULL;
}

struct tally *tally_new(void) __attribute__((returns_nonnull));
struct tally *tally_free(struct tally *tally); /* NULL is fine */
/* Makes the parts that `config` needs. Before the worker gets it; one thread at a time. */
void tally_prepare(struct tally *tally, const struct config *config);

/* All of them: `tally`, or the part of it, may be NULL, and then nothing is counted. */
void tally_limit(struct tally *tally, enum tally_limit limit);
void tally_call_ended(struct upstream_tally *tally, const struct outcome *outcome, usec_t now);
struct endpoint_tally *tally_request_begun(struct tally *tally, size_t slot);
void tally_request_ended(struct endpoint_tally *tally, unsigned status, usec_t took);
/* What its reply was, and how many bytes its body had; those of the request's. */
void tally_reply(struct endpoint_tally *tally, enum reply_result result, uint64_t bytes);
void tally_request_body(struct endpoint_tally *tally, uint64_t bytes);

#endif
