/*
 * Runs one job: plans it, sends its calls through dispatch, feeds the outcomes
 * to core/job, runs endpoints of our own in place as child fan-outs, keeps the
 * batch's deadline, and hands over one answer. One thread from start to end.
 */
#ifndef BACK_FANOUT_H
#define BACK_FANOUT_H

#include "back/dispatch.h"
#include "base/random.h"
#include "core/answer.h"

struct fanout;

/* For a reply that is sent as its parts complete. None of them may cancel the fan-out. */
struct fanout_parts {
    /* Every part once, when it has been settled; its header and body are freed after it. */
    void (*part_done)(void *ctx, const struct job *job, size_t index);
    /* After the last one, in place of `done`. */
    void (*all_done)(void *ctx, const struct job *job);
};

struct fanout_engine { /* what fan-outs of one worker share; borrowed */
    struct loop *loop;
    struct dispatch *dispatch;
    const char *identity;  /* this process in Via and CDN-Loop */
    struct tally *tally;   /* or NULL */
    struct random *random; /* for ids of spans */
};

/* Takes the answer. May run inside fanout_start(), when nothing had to be sent. */
typedef void fanout_done_fn(void *ctx, struct answer *answer);

/* Starts a fan-out. `arena` is taken: it holds batch (unless that lives in the
 * configuration) and inbound, and is freed when the last call is home. A
 * reference to `config` is taken for as long. NULL: `done` has run already. */
struct fanout *fanout_start(const struct fanout_engine *engine, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, fanout_done_fn *done, void *ctx);
/* The same for a stream: `done` runs only when nothing may be sent at all. `parts` is
 * borrowed; it may be told of the end inside this call too, and then NULL is returned. */
struct fanout *fanout_start_stream(const struct fanout_engine *engine, struct config *config,
                                   const struct batch *batch, const struct inbound *inbound,
                                   struct arena *arena, fanout_done_fn *done,
                                   const struct fanout_parts *parts, void *ctx);
/* Nothing is read from its upstreams any more, or again. Deadlines go on. Fine inside
 * part_done(). */
void fanout_pause(struct fanout *fanout, bool paused);
/* The client is gone (or the daemon stops): cancels every call at once; `done`
 * will not run. Only before `done` has run. */
void fanout_cancel(struct fanout *fanout);

#endif
