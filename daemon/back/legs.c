/*
 * A leg is a call given to dispatch, or a child fan-out that runs an endpoint of
 * our own or the calls of a foreach, or it follows another leg whose call is the
 * same. What was planned for one leg alone lives in that leg's arena, which goes
 * when the call is home, or with the child that borrows from it.
 *
 * A leg that was waiting for others follows only what began in the same round:
 * what began before may show what was there before.
 */
#include <string.h>

#include "back/fanout.h"
#include "back/fanout_inner.h"
#include "base/mem.h"

static size_t index_of(const struct leg *leg)
{
    return (size_t)(leg - leg->owner->legs);
}

/* The calls of a foreach are one part, however many fan-outs that takes. */
static const char *outer_part(const struct fanout *fanout)
{
    const char *id = NULL;
    for (; fanout->parent; fanout = fanout->parent) {
        const struct leg *leg = fanout->ctx;
        if (!fanout->group || id)
            id = leg->owner->plan.items[index_of(leg)].request->id;
    }
    return id;
}

static void observe(const struct fanout *fanout, size_t index)
{
    fanout->observer->call_ended(fanout->observer, &fanout->plan.items[index].call,
                                 &fanout->job.parts[index], outer_part(fanout),
                                 fanout->legs[index].started);
}

static void call_came_home(void *ctx, size_t index, struct outcome *outcome)
{
    struct fanout *fanout = ctx;
    struct leg *leg = &fanout->legs[index];
    struct arena *arena = leg->arena;
    bool observed = fanout->observer && !fanout->ended;
    leg->call = NULL;
    leg->arena = NULL;
    fanout->outstanding--;
    fanout_settle(fanout, index, outcome, false);
    if (observed) /* now that it was judged */
        observe(fanout, index);
    arena_free(arena);
    fanout_release(fanout);
}

/* True when it is the request's own timeout that ended the child, and not what the endpoint
 * has decided. */
static bool was_cut_off(const struct leg *leg, const struct answer *answer, usec_t now)
{
    const struct planned *item = &leg->owner->plan.items[index_of(leg)];
    usec_t deadline = item->inner->deadline;
    return answer->status == outcome_status(OUTCOME_RESPONSE_TIMEOUT) && now >= deadline &&
           deadline < leg->owner->deadline;
}

/* A child's answer is to its parent what an upstream's reply is. */
static struct outcome outcome_of(const struct leg *leg, struct answer *answer)
{
    usec_t now = clock_now();
    struct outcome outcome = {
        .code = OUTCOME_REPLY,
        .status = answer->status,
        .elapsed = now - leg->started,
        .attempts = 1,
    };
    if (was_cut_off(leg, answer, now)) {
        outcome.code = OUTCOME_RESPONSE_TIMEOUT;
        outcome.status = 0;
        return outcome;
    }
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
    if (strcmp(leg->owner->plan.items[index_of(leg)].inner->method, "HEAD") == 0)
        return outcome;
    outcome.body = answer->body;
    outcome.body_len = answer->body_len;
    answer->body = NULL;
    answer->body_len = 0;
    return outcome;
}

/* The child stays outstanding until it is freed (fanout_release()). */
static void child_done(void *ctx, struct answer *answer)
{
    struct leg *leg = ctx;
    struct outcome outcome = outcome_of(leg, answer);
    answer_free(answer);
    leg->child = NULL;
    fanout_settle(leg->owner, index_of(leg), &outcome, true);
}

static void free_arena(void *arena)
{
    arena_free(arena);
}

static void start_child(struct fanout *fanout, struct leg *leg, struct planned *item)
{
    usec_t own = leg->started + item->timeout;
    struct arena *arena = arena_new();
    item->inner->deadline = own < fanout->deadline ? own : fanout->deadline;
    if (leg->arena)
        arena_defer(arena, free_arena, leg->arena);
    leg->arena = NULL;
    fanout->outstanding++;
    leg->child = fanout_start_child(fanout, &item->inner->route.endpoint->batch, item->inner, arena,
                                    child_done, leg);
}

/* ---- following ---- */

static bool may_follow(const void *ctx, size_t index)
{
    const struct fanout *fanout = ctx;
    const struct leg *leg = &fanout->legs[index];
    return leg->call && (leg->round == fanout->round || fanout->group);
}

/* False when it has to be sent. */
static bool follow(struct fanout *fanout, size_t index)
{
    struct leg *leg = &fanout->legs[index];
    if (!fanout->plan.items[index].request->dedupe)
        return false;
    size_t other = dedupe_find(&fanout->dedupe, index, may_follow, fanout);
    if (other == index)
        return false;
    struct leg *leader = &fanout->legs[other];
    leg->arena = arena_free(leg->arena);
    leg->next_follower = leader->followers;
    leader->followers = leg;
    return true;
}

void legs_settle_followers(struct fanout *fanout, size_t index)
{
    struct leg *follower = fanout->legs[index].followers;
    fanout->legs[index].followers = NULL;
    while (follower && !fanout->job.complete) {
        struct leg *next = follower->next_follower;
        struct outcome copy = outcome_copy(&fanout->job.parts[index].outcome);
        fanout_settle(fanout, index_of(follower), &copy, false);
        follower = next;
    }
}

static void start_call(struct fanout *fanout, size_t index, struct spread *spread)
{
    struct planned *item = &fanout->plan.items[index];
    struct leg *leg = &fanout->legs[index];
    /* The upstream is told how long we wait: no longer than the batch lasts. */
    usec_t left = fanout->deadline > leg->started ? fanout->deadline - leg->started : 0;
    if (item->call.timeout > left)
        item->call.timeout = left;
    item->call.latest = fanout->deadline;
    if (fanout->dedupe.slots && follow(fanout, index))
        return;
    if (item->call.trace || fanout->observer)
        item->call.span = random_next(fanout->engine->random);
    fanout->outstanding++;
    leg->call = spread ? spread_call(spread, &item->call, call_came_home, fanout, index)
                       : dispatch_call(fanout->engine->dispatch, fanout->config, &item->call,
                                       call_came_home, fanout, index);
}

void leg_start(struct fanout *fanout, size_t index, usec_t now, struct spread *spread)
{
    struct planned *item = &fanout->plan.items[index];
    struct leg *leg = &fanout->legs[index];
    leg->owner = fanout;
    leg->started = now;
    leg->round = fanout->round;
    fanout->job.parts[index].begun = true;
    if (item->in_place)
        start_child(fanout, leg, item);
    else
        start_call(fanout, index, spread);
    if (fanout->paused)
        leg_pause(fanout, index);
}

void leg_pause(struct fanout *fanout, size_t index)
{
    const struct leg *leg = &fanout->legs[index];
    if (leg->call)
        dispatch_pause(fanout->engine->dispatch, leg->call, fanout->paused);
    if (leg->child)
        fanout_pause(leg->child, fanout->paused);
}

void legs_stop(struct fanout *fanout)
{
    loop_clear(fanout->engine->loop, &fanout->timer);
    for (size_t i = 0; i < fanout->plan.count; i++) {
        struct leg *leg = &fanout->legs[i];
        struct fanout *child = leg->child;
        if (leg->call && fanout->observer)
            observe(fanout, i);
        if (leg->call)
            dispatch_cancel(fanout->engine->dispatch, leg->call);
        leg->call = NULL;
        leg->child = NULL;
        if (child)
            fanout_cancel(child);
    }
}
