/*
 * A fan-out is a job and its legs (legs.c). The job decides when it is complete;
 * then what still runs is cancelled first, and the answer is handed over after, so
 * upstreams never work for a client that has its reply.
 *
 * Where requests wait for others (core/graph), or are the calls of a foreach, a leg
 * that settles makes others ready, and they start in the same turn of the loop.
 *
 * Lifetimes: `outstanding` counts calls that are not home and children that are
 * not freed. A child borrows from its parent's arena, so it keeps its parent
 * alive until its own last call is home. `starting` holds the end back while
 * legs are being started: a child without calls is done inside its start.
 *
 * Depth of recursion is that of nesting, which the plan limits.
 */
#include "back/fanout.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "back/fanout_inner.h"
#include "base/mem.h"

enum { FAULTS_MOST = 32 };

/* ---- the end ---- */

void fanout_release(struct fanout *fanout)
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

static void observe(struct fanout *fanout)
{
    if (fanout->observer && !fanout->parent)
        fanout->observer->job_ended(fanout->observer, &fanout->job);
}

/* Of an answer that goes to a client the front counts the limit. */
static void hand_over(struct fanout *fanout, struct answer *answer)
{
    assert(!fanout->ended);
    if (fanout->parent)
        tally_limit(fanout->engine->tally, answer->limit);
    fanout->ended = true;
    fanout->done(fanout->ctx, answer);
}

/* To a stream, once; nobody but those that wait for the reply looks at it afterwards. */
static void tell_part(struct fanout *fanout, size_t index)
{
    if (fanout->legs[index].told)
        return;
    fanout->legs[index].told = true;
    fanout->parts->part_done(fanout->ctx, &fanout->job, index);
    if (!fanout->job.parts[index].request->feeds && !fanout->legs[index].followers)
        job_drop_reply(&fanout->job, index);
}

static void end_stream(struct fanout *fanout)
{
    assert(!fanout->ended);
    for (size_t i = 0; i < fanout->job.count; i++)
        tell_part(fanout, i);
    fanout->ended = true;
    observe(fanout);
    fanout->parts->all_done(fanout->ctx, &fanout->job);
}

static void count_limits(const struct fanout *fanout)
{
    struct tally *tally = fanout->engine->tally;
    if (tally && fanout->job.too_deep > 0)
        tally_add(&tally->limits[TALLY_JSON_DEPTH], fanout->job.too_deep);
    if (tally && fanout->job.too_large > 0)
        tally_add(&tally->limits[TALLY_MERGED], fanout->job.too_large);
}

static void finish(struct fanout *fanout)
{
    legs_stop(fanout);
    count_limits(fanout);
    if (fanout->parts) {
        end_stream(fanout);
    } else if (fanout->group) {
        foreach_finish(fanout);
    } else {
        struct answer *answer = answer_from_job(&fanout->job);
        observe(fanout);
        hand_over(fanout, answer);
    }
}

void fanout_cancel(struct fanout *fanout)
{
    assert(!fanout->ended);
    fanout->ended = true;
    fanout->outstanding++; /* the last child to go must not free it yet */
    legs_stop(fanout);
    observe(fanout);
    fanout->outstanding--;
    fanout_release(fanout);
}

void fanout_pause(struct fanout *fanout, bool paused)
{
    if (fanout->paused == paused)
        return;
    fanout->paused = paused;
    for (size_t i = 0; i < fanout->plan.count; i++)
        leg_pause(fanout, i);
}

/* The batch's deadline has passed. Every foreach first hands over what its items came to: it has
 * no timer of its own. */
static void expire(struct fanout *fanout, usec_t now)
{
    bool starting = fanout->starting;
    fanout->starting = true;
    for (size_t i = 0; i < fanout->plan.count && !fanout->job.complete; i++) {
        struct fanout *child = fanout->legs[i].child;
        if (!child || !child->group)
            continue;
        job_expire(&child->job, now);
        finish(child);
        fanout_release(child);
    }
    fanout->starting = starting;
    job_expire(&fanout->job, now);
}

static void expired(struct timer *timer)
{
    struct fanout *fanout = container_of(timer, struct fanout, timer);
    expire(fanout, clock_now());
    finish(fanout);
    fanout_release(fanout);
}

/* ---- outcomes ---- */

/* What a part that has settled means for the others. */
static void settled(struct fanout *fanout, size_t index)
{
    const struct part *part = &fanout->job.parts[index];
    bool starting = fanout->starting;
    if (fanout->walk)
        graph_settled(fanout->walk, index, part->state == PART_OK || part->request->fallback);
    if (fanout->group)
        fanout->group->running--;
    if (fanout->legs[index].followers) {
        fanout->starting = true;
        legs_settle_followers(fanout, index);
        fanout->starting = starting;
    }
    fanout_go_on(fanout);
}

/* True when an outcome comes too late for its own sake. A leg whose own time was cut to the
 * batch's may fail just before the batch's timer runs: then it is the batch that has expired,
 * and `onTimeout` rules. */
static bool is_late(struct fanout *fanout, struct outcome *outcome, bool from_child, usec_t now)
{
    if (fanout->ended) {
        outcome_done(outcome);
        return true;
    }
    if (now < fanout->deadline || !(from_child || outcome->code != OUTCOME_REPLY))
        return false;
    outcome_done(outcome);
    expire(fanout, now);
    fanout_go_on(fanout);
    return true;
}

void fanout_settle(struct fanout *fanout, size_t index, struct outcome *outcome, bool from_child)
{
    usec_t now = clock_now();
    if (is_late(fanout, outcome, from_child, now))
        return;
    (void)job_settle(&fanout->job, index, outcome, now);
    if (fanout->parts)
        tell_part(fanout, index);
    if (fanout->walk || fanout->group || fanout->legs[index].followers)
        settled(fanout, index);
    else if (fanout->job.complete && !fanout->starting)
        finish(fanout);
}

void fanout_fail(struct fanout *fanout, size_t index, enum outcome_code failure,
                 struct outcome *outcome)
{
    usec_t now = clock_now();
    if (is_late(fanout, outcome, true, now))
        return;
    (void)job_fail(&fanout->job, index, failure, outcome, now);
    if (fanout->parts)
        tell_part(fanout, index);
    settled(fanout, index);
}

void fanout_fail_unsent(struct fanout *fanout, size_t index, enum outcome_code failure,
                        const char *detail)
{
    struct outcome outcome = {.code = failure, .detail = detail};
    fanout_fail(fanout, index, failure, &outcome);
}

/* A request that could not be planned. */
static void fail_refused(struct fanout *fanout, size_t index)
{
    const struct planned *item = &fanout->plan.items[index];
    tally_limit(fanout->engine->tally, item->refused_by);
    fanout_fail_unsent(fanout, index, item->refusal, item->refusal_detail);
}

/* ---- what waits ---- */

static bool next_ready(struct fanout *fanout, size_t *ret_index, size_t *ret_blocker)
{
    *ret_blocker = SIZE_MAX;
    return fanout->group ? foreach_next(fanout, ret_index)
                         : graph_next(fanout->walk, ret_index, ret_blocker);
}

static const struct plan *begin_item(struct fanout *fanout, size_t index)
{
    const struct group *group = fanout->group;
    const struct plan *plan = group ? &fanout->parent->plan : &fanout->plan;
    plan->values->item = group ? group->items.list[index] : (struct json_span){NULL, 0};
    return plan;
}

/* The turn of a request that waited has come. */
static void start_late(struct fanout *fanout, size_t index, size_t blocker)
{
    const struct request *request = fanout->job.parts[index].request;
    struct planned *item = &fanout->plan.items[index];
    if (blocker != SIZE_MAX) {
        fanout_fail_unsent(
            fanout, index, OUTCOME_DEPENDENCY_FAILED,
            arena_printf(fanout->arena, "\"%s\"", fanout->job.parts[blocker].request->id));
        return;
    }
    if (request->foreach) {
        foreach_start(fanout, index);
        return;
    }
    struct arena *arena = arena_new();
    plan_late(begin_item(fanout, index), request, arena, item);
    if (item->refusal == OUTCOME_NONE) {
        fanout->legs[index].arena = arena;
        leg_start(fanout, index, clock_now(), NULL);
        return;
    }
    arena_free(arena);
    fail_refused(fanout, index);
}

/* At the deadline nothing is begun any more, also when its timer has yet to run. */
void fanout_go_on(struct fanout *fanout)
{
    size_t index, blocker;
    if (fanout->starting || fanout->ended)
        return;
    if ((fanout->walk || fanout->group) && clock_now() < fanout->deadline) {
        fanout->starting = true;
        fanout->round++;
        while (!fanout->job.complete && next_ready(fanout, &index, &blocker))
            start_late(fanout, index, blocker);
        fanout->starting = false;
    }
    if (fanout->job.complete)
        finish(fanout);
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

void fanout_begin_job(struct fanout *fanout, const struct batch *batch, usec_t now)
{
    job_init(&fanout->job, fanout->config, batch, fanout->arena, now);
    fanout->has_job = true;
    fanout->legs = arena_array(fanout->arena, fanout->plan.count, sizeof *fanout->legs);
    if (batch->may_repeat)
        dedupe_init(&fanout->dedupe, fanout->plan.items, fanout->plan.count, fanout->arena);
    if (!fanout->group)
        loop_set(fanout->engine->loop, &fanout->timer, fanout->deadline, expired);
}

/* A request with expressions that need not wait: the client said all of it. False when it
 * is not to be started as others are. */
static bool is_early(struct fanout *fanout, size_t index)
{
    const struct planned *item = &fanout->plan.items[index];
    const struct request *request = item->request;
    if (!request->late)
        return true;
    if (request->late->waits)
        return false;
    if (item->refusal != OUTCOME_NONE)
        fail_refused(fanout, index);
    else if (request->foreach)
        foreach_start(fanout, index);
    else
        return true;
    return false;
}

static void prepare_late(struct fanout *fanout, const struct batch *batch)
{
    fanout->plan.values->job = &fanout->job;
    if (!batch->graph)
        return;
    fanout->walk = arena_alloc(fanout->arena, sizeof *fanout->walk);
    graph_begin(fanout->walk, batch->graph, fanout->arena);
}

static void start_legs(struct fanout *fanout, const struct batch *batch,
                       const struct inbound *inbound)
{
    usec_t now = clock_now();
    usec_t own = fanout->plan.timeout < USEC_NEVER - now ? now + fanout->plan.timeout : USEC_NEVER;
    bool late = fanout->plan.planner != NULL;
    fanout->deadline = own < inbound->deadline ? own : inbound->deadline;
    fanout_begin_job(fanout, batch, now);
    if (late)
        prepare_late(fanout, batch);
    fanout->starting = true;
    struct spread spread;
    spread_begin(&spread, fanout->engine->dispatch, fanout->config, &fanout->plan);
    for (size_t i = 0; i < fanout->plan.count && !fanout->job.complete; i++) {
        if (!late || is_early(fanout, i))
            leg_start(fanout, i, now, &spread);
    }
    spread_end(&spread);
    fanout->starting = false;
    fanout_go_on(fanout);
}

struct fanout *fanout_new(const struct fanout_engine *engine, struct config *config,
                          struct arena *arena, struct fanout *parent, finished_fn *done, void *ctx)
{
    struct fanout *fanout = arena_alloc(arena, sizeof *fanout);
    fanout->engine = engine;
    fanout->config = config_ref(config);
    fanout->arena = arena;
    fanout->done = done;
    fanout->ctx = ctx;
    fanout->parent = parent;
    fanout->observer = parent ? parent->observer : NULL;
    if (engine->tally)
        tally_add(&engine->tally->fanouts_begun, 1);
    return fanout;
}

/* NULL: `done` has run. */
static struct fanout *start(struct fanout *fanout, const struct batch *batch,
                            const struct inbound *inbound)
{
    fanout->observer = inbound->observer;
    struct answer *refusal = make_plan(fanout, batch, inbound);
    if (refusal)
        hand_over(fanout, refusal);
    else
        start_legs(fanout, batch, inbound);
    bool ended = fanout->ended;
    fanout_release(fanout);
    return ended ? NULL : fanout;
}

struct fanout *fanout_start_child(struct fanout *parent, const struct batch *batch,
                                  const struct inbound *inbound, struct arena *arena,
                                  fanout_done_fn *done, void *ctx)
{
    return start(fanout_new(parent->engine, parent->config, arena, parent, done, ctx), batch,
                 inbound);
}

struct fanout *fanout_start(const struct fanout_engine *engine, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, fanout_done_fn *done, void *ctx)
{
    return start(fanout_new(engine, config, arena, NULL, done, ctx), batch, inbound);
}

struct fanout *fanout_start_stream(const struct fanout_engine *engine, struct config *config,
                                   const struct batch *batch, const struct inbound *inbound,
                                   struct arena *arena, fanout_done_fn *done,
                                   const struct fanout_parts *parts, void *ctx)
{
    struct fanout *fanout = fanout_new(engine, config, arena, NULL, done, ctx);
    fanout->parts = parts;
    return start(fanout, batch, inbound);
}
