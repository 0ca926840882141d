/*
 * A carrier: one HTTP/1.1 call, written and read by us. The hot path: one send and one
 * recv for most calls, no libcurl in between.
 */
#ifndef BACK_EXCHANGE_H
#define BACK_EXCHANGE_H

#include "back/carry.h"
#include "back/pool.h"
#include "core/plan.h"
#include "core/tally.h"

struct exchanges; /* one per worker: its connections, idle ones included */
struct exchange;

int must_check exchanges_new(struct loop *loop, const struct pool_limits *limits,
                             struct exchanges **ret_exchanges);
/* Counts in `tally` from now on; borrowed. */
void exchanges_count_in(struct exchanges *exchanges, struct tally *tally);
/* No exchange may be left. NULL is fine. */
struct exchanges *exchanges_free(struct exchanges *exchanges);

/* Begins a call to `address` (a literal), on an idle connection if there is a fit
 * one. `spec` and `address` must live until it is over. `deadline` is only told to
 * the upstream (timeout_header). *ret_sent: the request is on its way already, and
 * CARRY_SENT will not be told. NULL: libcurl could not start it.
 *
 * An idempotent call whose idle connection ends before a byte of the reply goes out
 * once more on a new one. Another call is never repeated; it takes an idle
 * connection only when that was in use a moment ago and is seen to be alive. */
struct exchange *exchange_start(struct exchanges *exchanges, const struct call_spec *spec,
                                const char *address, usec_t deadline,
                                const struct carry_events *events, void *ctx, bool *ret_sent);
/* Stops or goes on reading the reply. */
void exchange_pause(struct exchange *exchange, bool paused);
/* Ends it without `done`; the connection is closed. */
void exchange_stop(struct exchange *exchange);

/* Reports what happened. Once per turn of the loop. */
void exchanges_turn(struct exchanges *exchanges);
/* True when it would do something now; else the loop wakes when it would. */
bool exchanges_are_due(const struct exchanges *exchanges);

size_t exchanges_open_sockets(const struct exchanges *exchanges);
size_t exchanges_idle(const struct exchanges *exchanges);
size_t exchanges_idle_to(const struct exchanges *exchanges, const struct origin *origin);

#endif
