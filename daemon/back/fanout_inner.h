/* Between fanout.c (the fan-out), legs.c (its legs) and foreach.c. Nobody else includes it. */
#ifndef BACK_FANOUT_INNER_H
#define BACK_FANOUT_INNER_H

#include "back/dispatch.h"
#include "core/answer.h"
#include "core/dedupe.h"
#include "core/graph.h"
#include "core/items.h"

struct fanout_engine;
struct fanout_parts;

typedef void finished_fn(void *ctx, struct answer *answer);

struct leg {
    struct fanout *owner;
    struct call *call;    /* NULL: not running */
    struct fanout *child; /* NULL: not running */
    struct arena *arena;  /* of a call that was planned when its turn came; NULL: the plan's */
    struct leg *followers, *next_follower; /* that wait for the same call */
    usec_t started;
    size_t round;
    bool told; /* to a stream */
};

struct group { /* the calls of a foreach; its fan-out's parent has the plan */
    struct items items;
    const struct foreach *foreach;
    size_t next, running;
};

struct fanout {
    const struct fanout_engine *engine;
    struct config *config;
    struct arena *arena; /* holds this struct too */
    finished_fn *done;
    const struct fanout_parts *parts; /* NULL: one reply in the end */
    void *ctx;
    struct fanout *parent;     /* held until this one is freed */
    struct observer *observer; /* may be NULL */
    struct plan plan;
    struct job job;
    bool has_job;
    struct leg *legs;
    struct dedupe dedupe;    /* in use when it has slots */
    struct graph_walk *walk; /* NULL: nobody waits for anybody */
    struct group *group;     /* NULL: not a foreach's */
    size_t round;            /* of starting legs */
    size_t outstanding;
    struct timer timer;
    usec_t deadline;
    bool paused;
    bool starting, ended; /* ended: done has run, or it was cancelled */
};

/* ---- fanout.c ---- */

/* Begins with nothing planned; takes `arena`. */
struct fanout *fanout_new(const struct fanout_engine *engine, struct config *config,
                          struct arena *arena, struct fanout *parent, finished_fn *done, void *ctx);
/* As fanout_start() for an endpoint of our own. */
struct fanout *fanout_start_child(struct fanout *parent, const struct batch *batch,
                                  const struct inbound *inbound, struct arena *arena,
                                  finished_fn *done, void *ctx);
/* Its job and legs, once the plan's size is known, and its timer; a foreach has its parent's. */
void fanout_begin_job(struct fanout *fanout, const struct batch *batch, usec_t now);
/* Starts what is ready, and ends the fan-out when its job is complete. */
void fanout_go_on(struct fanout *fanout);
/* The outcome of a leg; the fan-out may have ended before. */
void fanout_settle(struct fanout *fanout, size_t index, struct outcome *outcome, bool from_child);
/* A part that fails without an outcome to judge. */
void fanout_fail(struct fanout *fanout, size_t index, enum outcome_code failure,
                 struct outcome *outcome);
void fanout_fail_unsent(struct fanout *fanout, size_t index, enum outcome_code failure,
                        const char *detail);
/* Frees it, and its parents, if nothing is outstanding any more. */
void fanout_release(struct fanout *fanout);

/* ---- legs.c ---- */

/* Starts what was planned for `index`; `spread` NULL: here. */
void leg_start(struct fanout *fanout, size_t index, usec_t now, struct spread *spread);
/* The outcome of `index` is good for those that followed it, too. */
void legs_settle_followers(struct fanout *fanout, size_t index);
/* Reads on or not, as the fan-out is paused. */
void leg_pause(struct fanout *fanout, size_t index);
/* Cancels all that run. */
void legs_stop(struct fanout *fanout);

/* ---- foreach.c ---- */

/* Begins with the calls of a foreach, or settles it when there is nothing to call. */
void foreach_start(struct fanout *fanout, size_t index);
/* The next call that may begin. */
bool foreach_next(struct fanout *fanout, size_t *ret_index);
/* The calls of a foreach are all home: hands their outcome to its leg. */
void foreach_finish(struct fanout *fanout);

#endif
