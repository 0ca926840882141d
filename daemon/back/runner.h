/*
 * Runs calls on this thread: admission, names, every deadline of a call, and which
 * address to try next. A carrier (carriers.h) moves the bytes.
 */
#ifndef BACK_RUNNER_H
#define BACK_RUNNER_H

#include "back/call.h"
#include "back/resolve.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "core/tally.h"

struct runner; /* one per worker */

int must_check runner_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
                          struct runner **ret_runner);
/* Counts in `tally` from now on; borrowed. */
void runner_count_in(struct runner *runner, struct tally *tally);
/* No call may be left (asserted). Drain the mailbox once more after it: a question or
 * a place whose call gave up may still be in there. */
struct runner *runner_free(struct runner *runner);

/* Starts a call whose clock began to run at `started`. `spec` and `config` must live
 * until it is home. */
struct call *runner_start(struct runner *runner, const struct config *config,
                          const struct call_spec *spec, usec_t started, const struct call *call);
/* Ends a call that is not home yet; it comes home as OUTCOME_CANCELLED. It is counted as what
 * ended it: its deadline if that has passed. */
void runner_cancel(struct runner *runner, struct call *call);
/* Stops or goes on reading its reply, at once or when it comes to that. */
void runner_pause(struct call *call, bool paused);

/* Delivers outcomes; true: there are more, or more to do at once. */
bool runner_turn(struct runner *runner);

size_t runner_in_flight(const struct runner *runner); /* calls not home yet */
size_t runner_open_sockets(const struct runner *runner);
/* Connections that are idle now and lead to `origin`. */
size_t runner_idle(const struct runner *runner, const struct origin *origin);

#endif
