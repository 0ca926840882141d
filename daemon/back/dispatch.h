/*
 * The pool's door: calls go in, outcomes come home. A call runs on the thread that owns
 * its fan-out, or, if the fan-out is worth sharing, on a sibling's; its owner does not
 * notice. It belongs to one thread at a time.
 */
#ifndef BACK_DISPATCH_H
#define BACK_DISPATCH_H

#include "back/call.h"
#include "back/resolve.h"
#include "back/slice.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "core/tally.h"

struct dispatch; /* one per worker */

int must_check dispatch_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
                            struct dispatch **ret_dispatch);
/* Its runner counts in `tally` from now on; borrowed. */
void dispatch_count_in(struct dispatch *dispatch, struct tally *tally);
/* No call may be left (asserted). Drain the mailbox once more after it: a question
 * whose call gave up may still be in there. */
struct dispatch *dispatch_free(struct dispatch *dispatch);

/* How siblings reach this worker. */
struct sibling dispatch_sibling(struct dispatch *dispatch);
/* Before it runs, with all workers in `siblings`: it shares wide fan-outs with them. */
void dispatch_join(struct dispatch *dispatch, const struct siblings *siblings, size_t own);
/* Its calls stay here from now on; those of others that come are still run. */
void dispatch_leave(struct dispatch *dispatch);

/* Starts a call here. `spec` and `config` must live until it is home. `home` never runs
 * inside dispatch_call() or dispatch_cancel(): always from dispatch_turn(), exactly once. */
struct call *dispatch_call(struct dispatch *dispatch, const struct config *config,
                           const struct call_spec *spec, call_home_fn *home, void *ctx,
                           size_t index);
/* Ends a call that is not home yet: its connection is closed or its stream reset, at
 * once or, on a sibling, as soon as that reads its mail; its outcome comes home as
 * OUTCOME_CANCELLED. */
void dispatch_cancel(struct dispatch *dispatch, struct call *call);

/* Stops or goes on reading the call's reply. Its deadlines run on. A call over HTTP/2 is
 * read on: its connection carries others. */
void dispatch_pause(struct dispatch *dispatch, struct call *call, bool paused);

/* How the calls of one fan-out are shared out while they are started. */
struct spread {
    struct dispatch *dispatch;
    const struct config *config;
    struct slice *slice; /* being filled */
    size_t slices, each; /* yet to be filled, this one included; calls in each */
};

/* Decides by the plan; a small fan-out on warm connections is not shared. */
void spread_begin(struct spread *spread, struct dispatch *dispatch, const struct config *config,
                  const struct plan *plan);
/* As dispatch_call(), here or away. */
struct call *spread_call(struct spread *spread, const struct call_spec *spec, call_home_fn *home,
                         void *ctx, size_t index);
void spread_end(struct spread *spread);

/* Delivers outcomes. After every turn of the loop and the mailbox's draining, and
 * again while it returns true. What is started later makes the loop turn at once. */
bool dispatch_turn(struct dispatch *dispatch);

/* Calls not home yet, those of others that run here included. */
size_t dispatch_in_flight(const struct dispatch *dispatch);
/* Connections to upstreams open now, idle ones included. */
size_t dispatch_open_sockets(const struct dispatch *dispatch);

#endif
