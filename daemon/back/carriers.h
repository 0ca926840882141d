/*
 * Both ways to carry a call, behind one face, and the choice between them: an
 * exchange of ours for HTTP/1.1, a transfer of libcurl's for what that declines.
 */
#ifndef BACK_CARRIERS_H
#define BACK_CARRIERS_H

#include "back/carry.h"
#include "base/loop.h"
#include "core/plan.h"
#include "core/tally.h"

struct carriers; /* one per worker */
struct exchange;
struct transfer;

struct carried { /* a call on its way: one of them; none once it has ended */
    struct exchange *by_exchange;
    struct transfer *by_transfer;
};

int must_check carriers_new(struct loop *loop, struct carriers **ret_carriers);
/* Counts in `tally` from now on; borrowed. */
void carriers_count_in(struct carriers *carriers, struct tally *tally);
struct carriers *carriers_free(struct carriers *carriers); /* no call may be left */

/* Begins a call to `address` (a literal, pinned for the connection); it and `spec`
 * must live until the call is over. `deadline` is only told to the upstream. False:
 * libcurl could not start it. *ret_sent: the request is on its way already, and
 * CARRY_SENT will not be told. */
bool must_check carriers_start(struct carriers *carriers, const struct call_spec *spec,
                               const char *address, usec_t deadline,
                               const struct carry_events *events, void *ctx,
                               struct carried *ret_carried, bool *ret_sent);
/* Stops or goes on reading the reply of an exchange; nothing for a transfer. */
void carried_pause(struct carried *carried, bool paused);
/* Ends it without `done`, closing its connection; nothing if it has ended. */
void carried_stop(struct carried *carried);

/* Reports what happened. Once per turn of the loop. */
void carriers_turn(struct carriers *carriers);
/* True when it would do something now; else the loop wakes when it would. */
bool carriers_are_due(const struct carriers *carriers);

/* Connections open now, idle ones included. */
size_t carriers_open_sockets(const struct carriers *carriers);
/* Those of them that are idle and lead to `origin`. */
size_t carriers_idle(const struct carriers *carriers, const struct origin *origin);

#endif
