/*
 * Calls of a wide fan-out on siblings' threads. A slice is an array of calls that
 * travels to a sibling in one mail, runs there with the sibling's connections and
 * timers, and whose outcomes come home by mail, those that ended in one turn together.
 *
 * A mail moves ownership: a call belongs to the sibling from sending until its outcome
 * is home. What it reads of its fan-out (spec, configuration) stays the owner's, who
 * keeps it unchanged until then.
 */
#ifndef BACK_SLICE_H
#define BACK_SLICE_H

#include "back/runner.h"

struct slices; /* one per worker: those it has sent out, and those it runs for others */
struct slice;

/* A worker as its siblings see it. The mailboxes outlive all workers. */
struct sibling {
    struct mailbox *mailbox;
    struct slices *slices;
};

struct siblings { /* all workers; complete before any of them runs */
    struct sibling *items;
    size_t count;
};

struct slices *slices_new(struct loop *loop, struct runner *runner)
    __attribute__((returns_nonnull));
/* No call of its own may be away, and none of others be here. */
struct slices *slices_free(struct slices *slices);

/* From now on slices may go to and come from the others; `own` is this worker's seat. */
void slices_join(struct slices *slices, const struct siblings *siblings, size_t own);
/* Sends none from now on. Those of others are still run: a worker may end when nobody
 * sends any more and its mailbox was drained after that. */
void slices_leave(struct slices *slices);
/* How many threads may share a fan-out, this one included. */
size_t slices_hands(const struct slices *slices);

/* An empty slice for up to `count` calls to the next sibling. All places that its mails
 * will need are reserved. NULL: there are none; run the calls here. */
struct slice *slice_new(struct slices *slices, const struct config *config, size_t count);
struct call *slice_add(struct slice *slice, const struct call_spec *spec, const struct call *call);
bool slice_is_full(const struct slice *slice);
/* Sends it away; an empty one is freed. */
void slice_send(struct slice *slice);

/* It comes home as OUTCOME_CANCELLED once it is back; the sibling is told in the turn. */
void slices_cancel(struct slices *slices, struct call *call);
/* Stops or goes on reading its reply, as soon as the sibling has the mail. */
void slices_pause(struct slices *slices, struct call *call, bool paused);

/* After runner_turn(): sends home what ended here, tells siblings what to cancel,
 * delivers what came home. True: there is more. */
bool slices_turn(struct slices *slices);

size_t slices_away(const struct slices *slices); /* own calls that are not home yet */

#endif
