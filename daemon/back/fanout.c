/*
 * A fan-out is a job and its legs: a leg is a call given to dispatch, or a child
 * fan-out that runs an endpoint of our own. The job decides when it is complete;
 * then what still runs is cancelled first, and the answer is handed over after,
 * so upstreams never work for a client that has its reply.
 *
 * Lifetimes: `outstanding` counts calls that are not home and children that are
 * not freed. A child borrows from its parent's arena, so it keeps its parent
 * alive until its own last call is home. `starting` holds the end back while
 * the legs are being started: a child without calls is done inside its start.
 *
 * Depth of recursion is that of nesting, which the plan limits.
 */
#include "back/fanout.h"

#include <string.h>

#include "base/buffer.h"

enum { FAULTS_MOST = 32 };

struct leg {
    struct fanout *owner;
    struct call *call;    /* NULL: not running */
    struct fanout *child; /* NULL: not running */
    usec_t started;
    bool told; /* to a stream */
};

struct fanout {
    const struct fanout_engine *engine;
    struct config *config;
    struct arena *arena; /* holds this struct too */
    fanout_done_fn *done;
    const struct fanout_parts *parts; /* NULL: one reply in the end */
    void *ctx;
    struct fanout *parent; /* held until this one is freed */
    struct plan plan;
    struct job job;
    bool has_job;
    struct leg *legs;
    size_t outstanding;
    struct timer timer;
    usec_t deadline;
    bool paused;
    bool starting, ended; /* ended: done has run, or it was cancelled */
};

static struct fanout *start(const struct fanout_engine *engine, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, struct fanout *parent, fanout_done_fn *done,
                            const struct fanout_parts *parts, void *ctx);

/* ---- the end ---- */

/* Frees the fan-out, and its parents, if nothing is outstanding any more. */
static void release(struct fanout *fanout)
{
    while (fanout && fanout->ended && !fanout->starting && fanout->outstanding == 0) {
        struct fanout *parent = fanout->parent;
        struct config *config = fanout->config;
        if (fanout->engine->tally)
            tally_add(&fanout->engine->tally->fanouts_ended, 1);
        if (fanout->has_job)
            job_done(&fanout->job);
        arena_free(fanout->arena); /* with the fan-out in it */
        config_unref(config);
        if (parent)
            parent->outstanding--;
        fanout = parent;
    }
}

static void stop_legs(struct fanout *fanout)
{
    loop_clear(fanout->engine->loop, &fanout->timer);
    for (size_t i = 0; i < fanout->plan.count; i++) {
        struct leg *leg = &fanout->legs[i];
        struct fanout *child = leg->child;
        if (leg->call)
            dispatch_cancel(fanout->engine->dispatch, leg->call);
        leg->call = NULL;
        leg->child = NULL;
        if (child)
            fanout_cancel(child);
    }
}

static void hand_over(struct fanout *fanout, struct answer *answer)
{
    assert(!fanout->ended);
    fanout->ended = true;
    fanout->done(fanout->ctx, answer);
}

static void tell_part(struct fanout *fanout, size_t index)
{
    if (fanout->legs[index].told)
        return;
    fanout->legs[index].told = true;
    fanout->parts->part_done(fanout->ctx, &fanout->job, index);
    job_drop_reply(&fanout->job, index);
}

static void end_stream(struct fanout *fanout)
{
    assert(!fanout->ended);
    for (size_t i = 0; i < fanout->job.count; i++)
        tell_part(fanout, i);
    fanout->ended = true;
    fanout->parts->all_done(fanout->ctx, &fanout->job);
}

static void finish(struct fanout *fanout)
{
    stop_legs(fanout);
    if (fanout->parts)
        end_stream(fanout);
    else
        hand_over(fanout, answer_from_job(&fanout->job));
}

void fanout_cancel(struct fanout *fanout)
{
    assert(!fanout->ended);
    fanout->ended = true;
    fanout->outstanding++; /* the last child to go must not free it yet */
    stop_legs(fanout);
    fanout->outstanding--;
    release(fanout);
}

static void expired(struct timer *timer)
{
    struct fanout *fanout = container_of(timer, struct fanout, timer);
    job_expire(&fanout->job, clock_now());
    finish(fanout);
    release(fanout);
}

/* Takes the outcome of a leg; the fan-out may have ended before. A leg whose own
 * time was cut to the batch's may fail just before the batch's timer runs: then
 * it is the batch that has expired, and `onTimeout` rules. */
static void settle(struct fanout *fanout, size_t index, struct outcome *outcome, bool from_child)
{
    usec_t now = clock_now();
    if (fanout->ended) {
        outcome_done(outcome);
        return;
    }
    if (now >= fanout->deadline && (from_child || outcome->code != OUTCOME_REPLY)) {
        outcome_done(outcome);
        job_expire(&fanout->job, now);
    } else {
        (void)job_settle(&fanout->job, index, outcome, now);
        if (fanout->parts)
            tell_part(fanout, index);
    }
    if (fanout->job.complete && !fanout->starting)
        finish(fanout);
}

/* ---- legs ---- */

static void call_came_home(void *ctx, size_t index, struct outcome *outcome)
{
    struct fanout *fanout = ctx;
    fanout->legs[index].call = NULL;
    fanout->outstanding--;
    settle(fanout, index, outcome, false);
    release(fanout);
}

/* A child's answer is to its parent what an upstream's reply is. */
static struct outcome outcome_of(struct answer *answer, usec_t started)
{
    struct outcome outcome = {
        .code = OUTCOME_REPLY,
        .status = answer->status,
        .elapsed = clock_now() - started,
        .attempts = 1,
    };
    struct buffer head;
    buffer_init(&head, SIZE_MAX / 2);
    for (size_t i = 0; i < answer->headers.count; i++) {
        const struct header *header = &answer->headers.items[i];
        buffer_string(&head, header->name);
        buffer_string(&head, ": ");
        buffer_string(&head, header->value);
        buffer_string(&head, "\r\n");
    }
    outcome.head = buffer_take(&head, &outcome.head_len);
    outcome.body = answer->body;
    outcome.body_len = answer->body_len;
    answer->body = NULL;
    answer->body_len = 0;
    return outcome;
}

/* The child stays outstanding until it is freed (release()). */
static void child_done(void *ctx, struct answer *answer)
{
    struct leg *leg = ctx;
    struct fanout *fanout = leg->owner;
    struct outcome outcome = outcome_of(answer, leg->started);
    answer_free(answer);
    leg->child = NULL;
    settle(fanout, (size_t)(leg - fanout->legs), &outcome, true);
}

static void start_child(struct fanout *fanout, struct leg *leg, struct planned *item)
{
    usec_t own = leg->started + item->timeout;
    item->inner->deadline = own < fanout->deadline ? own : fanout->deadline;
    fanout->outstanding++;
    leg->child = start(fanout->engine, fanout->config, &item->inner->route.endpoint->batch,
                       item->inner, arena_new(), fanout, child_done, NULL, leg);
}

static void pause_leg(struct fanout *fanout, struct leg *leg)
{
    if (leg->call)
        dispatch_pause(fanout->engine->dispatch, leg->call, fanout->paused);
    if (leg->child)
        fanout_pause(leg->child, fanout->paused);
}

void fanout_pause(struct fanout *fanout, bool paused)
{
    if (fanout->paused == paused)
        return;
    fanout->paused = paused;
    for (size_t i = 0; i < fanout->plan.count; i++)
        pause_leg(fanout, &fanout->legs[i]);
}

static void start_call(struct fanout *fanout, size_t index, usec_t now, struct spread *spread)
{
    struct call_spec *call = &fanout->plan.items[index].call;
    /* The upstream is told how long we wait: no longer than the batch lasts. */
    usec_t left = fanout->deadline > now ? fanout->deadline - now : 0;
    if (call->timeout > left)
        call->timeout = left;
    fanout->outstanding++;
    fanout->legs[index].call = spread_call(spread, call, call_came_home, fanout, index);
}

static void start_leg(struct fanout *fanout, size_t index, usec_t now, struct spread *spread)
{
    struct planned *item = &fanout->plan.items[index];
    struct leg *leg = &fanout->legs[index];
    *leg = (struct leg){.owner = fanout, .started = now};
    if (item->in_place)
        start_child(fanout, leg, item);
    else
        start_call(fanout, index, now, spread);
    if (fanout->paused)
        pause_leg(fanout, leg);
}

/* ---- the start ---- */

/* The answer when nothing may be sent at all; otherwise NULL, and the plan stands. */
static struct answer *make_plan(struct fanout *fanout, const struct batch *batch,
                                const struct inbound *inbound)
{
    const char *identity = fanout->engine->identity;
    struct faults faults;
    if (inbound->nesting == 0 && fanout->config->propagate.via && plan_is_loop(inbound, identity))
        return answer_problem(outcome_status(OUTCOME_LOOP), outcome_sentence(OUTCOME_LOOP));
    faults_init(&faults, fanout->arena, FAULTS_MOST);
    plan_make(fanout->config, batch, inbound, identity, fanout->arena, &fanout->plan, &faults);
    if (faults_any(&faults)) {
        fanout->plan.count = 0;
        return answer_from_faults(&faults);
    }
    return NULL;
}

static void start_legs(struct fanout *fanout, const struct batch *batch,
                       const struct inbound *inbound)
{
    usec_t now = clock_now();
    usec_t own = fanout->plan.timeout < USEC_NEVER - now ? now + fanout->plan.timeout : USEC_NEVER;
    fanout->deadline = own < inbound->deadline ? own : inbound->deadline;
    job_init(&fanout->job, fanout->config, batch, fanout->arena, now);
    fanout->has_job = true;
    fanout->legs = arena_array(fanout->arena, fanout->plan.count, sizeof *fanout->legs);
    loop_set(fanout->engine->loop, &fanout->timer, fanout->deadline, expired);
    fanout->starting = true;
    struct spread spread;
    spread_begin(&spread, fanout->engine->dispatch, fanout->config, &fanout->plan);
    for (size_t i = 0; i < fanout->plan.count && !fanout->job.complete; i++)
        start_leg(fanout, i, now, &spread);
    spread_end(&spread);
    fanout->starting = false;
    if (fanout->job.complete)
        finish(fanout);
}

static struct fanout *start(const struct fanout_engine *engine, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, struct fanout *parent, fanout_done_fn *done,
                            const struct fanout_parts *parts, void *ctx)
{
    struct fanout *fanout = arena_alloc(arena, sizeof *fanout);
    fanout->engine = engine;
    fanout->config = config_ref(config);
    fanout->arena = arena;
    fanout->done = done;
    fanout->parts = parts;
    fanout->ctx = ctx;
    fanout->parent = parent;
    if (engine->tally)
        tally_add(&engine->tally->fanouts_begun, 1);
    struct answer *refusal = make_plan(fanout, batch, inbound);
    if (refusal)
        hand_over(fanout, refusal);
    else
        start_legs(fanout, batch, inbound);
    bool ended = fanout->ended;
    release(fanout);
    return ended ? NULL : fanout;
}

struct fanout *fanout_start(const struct fanout_engine *engine, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, fanout_done_fn *done, void *ctx)
{
    return start(engine, config, batch, inbound, arena, NULL, done, NULL, ctx);
}

struct fanout *fanout_start_stream(const struct fanout_engine *engine, struct config *config,
                                   const struct batch *batch, const struct inbound *inbound,
                                   struct arena *arena, fanout_done_fn *done,
                                   const struct fanout_parts *parts, void *ctx)
{
    return start(engine, config, batch, inbound, arena, NULL, done, parts, ctx);
}
