/*
 * The pool's door: calls go in, outcomes come home. A call belongs to one
 * thread at a time. Today every call runs on the thread that owns its fan-out;
 * the slices of a wide fan-out will leave through dispatch_call() to siblings'
 * mailboxes and come home the same way, without callers noticing.
 *
 * dispatch owns admission (how many calls are in flight), names, every
 * deadline of a call, and which address to try next; a carrier (transfer.h)
 * moves the bytes.
 */
#ifndef BACK_DISPATCH_H
#define BACK_DISPATCH_H

#include "back/resolve.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "core/outcome.h"
#include "core/plan.h"

struct dispatch; /* one per worker */
struct call;

/* The outcome is the receiver's to take. Never runs inside dispatch_call() or
 * dispatch_cancel(): always from dispatch_turn(), exactly once per call. */
typedef void call_home_fn(void *ctx, size_t index, struct outcome *outcome);

int must_check dispatch_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
                            struct dispatch **ret_dispatch);
/* No call may be left (asserted). Drain the mailbox once more after it: a question
 * whose call gave up may still be in there. */
struct dispatch *dispatch_free(struct dispatch *dispatch);

/* Starts a call. `spec` and `config` must live until it is home. */
struct call *dispatch_call(struct dispatch *dispatch, const struct config *config,
                           const struct call_spec *spec, call_home_fn *home, void *ctx,
                           size_t index);
/* Ends a call that is not home yet: its connection is closed or its stream reset
 * at once; its outcome comes home as OUTCOME_CANCELLED. */
void dispatch_cancel(struct dispatch *dispatch, struct call *call);

/* Delivers outcomes. After every turn of the loop and the mailbox's draining, and
 * again while it returns true. What is started later makes the loop turn at once. */
bool dispatch_turn(struct dispatch *dispatch);

/* Calls not home yet. */
size_t dispatch_in_flight(const struct dispatch *dispatch);
/* Connections to upstreams open now, idle ones included. */
size_t dispatch_open_sockets(const struct dispatch *dispatch);

#endif
