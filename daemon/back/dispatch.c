/*
 * Where a call goes. A fan-out is worth sharing when it is wide, or when it would open
 * many TLS connections, each of which costs more than a hundred calls. The slices of
 * siblings are sent before the owner begins with its own part, so that all begin at
 * about the same time. The numbers were measured (docs/decisions/0006-slices.md).
 */
#include "back/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "back/runner.h"
#include "base/mem.h"

enum {
    WIDE = 64,      /* calls from which on a fan-out is shared */
    WIDE_PART = 32, /* calls that a thread gets at least */
    COLD = 8,       /* the same for calls that need a new TLS connection */
    COLD_PART = 4,
};

struct dispatch {
    struct mailbox *mailbox;
    struct runner *runner;
    struct slices *slices;
};

int dispatch_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
                 struct dispatch **ret_dispatch)
{
    struct runner *runner;
    int rc = runner_new(loop, mailbox, resolver, &runner);
    if (rc != 0)
        return rc;
    struct dispatch *dispatch = mem_new(sizeof *dispatch);
    dispatch->mailbox = mailbox;
    dispatch->runner = runner;
    dispatch->slices = slices_new(loop, runner);
    *ret_dispatch = dispatch;
    return 0;
}

void dispatch_count_in(struct dispatch *dispatch, struct tally *tally)
{
    runner_count_in(dispatch->runner, tally);
}

struct dispatch *dispatch_free(struct dispatch *dispatch)
{
    if (!dispatch)
        return NULL;
    slices_free(dispatch->slices);
    runner_free(dispatch->runner);
    free(dispatch);
    return NULL;
}

struct sibling dispatch_sibling(struct dispatch *dispatch)
{
    return (struct sibling){.mailbox = dispatch->mailbox, .slices = dispatch->slices};
}

void dispatch_join(struct dispatch *dispatch, const struct siblings *siblings, size_t own)
{
    slices_join(dispatch->slices, siblings, own);
}

void dispatch_leave(struct dispatch *dispatch)
{
    slices_leave(dispatch->slices);
}

struct call *dispatch_call(struct dispatch *dispatch, const struct config *config,
                           const struct call_spec *spec, call_home_fn *home, void *ctx,
                           size_t index)
{
    const struct call call = {.home = home, .ctx = ctx, .index = index};
    return runner_start(dispatch->runner, config, spec, clock_now(), &call);
}

void dispatch_cancel(struct dispatch *dispatch, struct call *call)
{
    if (call->away)
        slices_cancel(dispatch->slices, call);
    else
        runner_cancel(dispatch->runner, call);
}

void dispatch_pause(struct dispatch *dispatch, struct call *call, bool paused)
{
    if (call->away)
        slices_pause(dispatch->slices, call, paused);
    else
        runner_pause(call, paused);
}

/* ---- sharing ---- */

/* Calls over HTTP/2 share a connection, so spreading them would only make more of them. */
static bool may_be_cold(const struct planned *item)
{
    const struct upstream *upstream = item->call.upstream;
    return item->call.origin && item->call.origin->tls && (!upstream || upstream->http == HTTP_1);
}

/* How many calls need a new TLS connection, about: neighbours in the plan to one origin
 * are counted together against the connections that idle. */
static size_t count_cold(const struct dispatch *dispatch, const struct plan *plan)
{
    size_t cold = 0, idle = 0;
    const struct origin *origin = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *item = &plan->items[i];
        if (!may_be_cold(item))
            continue;
        if (!origin || strcmp(origin->authority, item->call.origin->authority) != 0) {
            origin = item->call.origin;
            idle = runner_idle(dispatch->runner, origin);
        }
        if (idle > 0)
            idle--;
        else
            cold++;
    }
    return cold;
}

static size_t count_calls(const struct plan *plan)
{
    size_t calls = 0;
    for (size_t i = 0; i < plan->count; i++)
        calls += plan->items[i].call.origin != NULL; /* others run in place, or later */
    return calls;
}

static void share_out(struct spread *spread, const struct plan *plan)
{
    size_t calls = count_calls(plan);
    size_t least = calls >= WIDE ? WIDE_PART : COLD_PART;
    if (calls < WIDE && count_cold(spread->dispatch, plan) < COLD)
        return;
    size_t parts = slices_hands(spread->dispatch->slices);
    if (parts > calls / least)
        parts = calls / least;
    spread->slices = parts - 1; /* the owner keeps one, and what is left over */
    spread->each = calls / parts;
}

void spread_begin(struct spread *spread, struct dispatch *dispatch, const struct config *config,
                  const struct plan *plan)
{
    *spread = (struct spread){.dispatch = dispatch, .config = config};
    if (plan->count >= COLD && slices_hands(dispatch->slices) > 1)
        share_out(spread, plan);
}

static void close_slice(struct spread *spread)
{
    slice_send(spread->slice);
    spread->slice = NULL;
    spread->slices--;
}

struct call *spread_call(struct spread *spread, const struct call_spec *spec, call_home_fn *home,
                         void *ctx, size_t index)
{
    struct dispatch *dispatch = spread->dispatch;
    if (spread->slices > 0 && !spread->slice) {
        spread->slice = slice_new(dispatch->slices, spread->config, spread->each);
        if (!spread->slice)
            spread->slices = 0;
    }
    if (!spread->slice)
        return dispatch_call(dispatch, spread->config, spec, home, ctx, index);
    const struct call handle = {.home = home, .ctx = ctx, .index = index};
    struct call *call = slice_add(spread->slice, spec, &handle);
    if (slice_is_full(spread->slice))
        close_slice(spread);
    return call;
}

void spread_end(struct spread *spread)
{
    if (spread->slice)
        close_slice(spread);
}

/* ---- turning ---- */

bool dispatch_turn(struct dispatch *dispatch)
{
    bool more = runner_turn(dispatch->runner);
    return slices_turn(dispatch->slices) || more;
}

size_t dispatch_in_flight(const struct dispatch *dispatch)
{
    return runner_in_flight(dispatch->runner) + slices_away(dispatch->slices);
}

size_t dispatch_open_sockets(const struct dispatch *dispatch)
{
    return runner_open_sockets(dispatch->runner);
}
