/*
 * The memory of a slice has two sides: `call`, `cancelled` and what counts the way home
 * are the owner's all the time; `running` and the chain of what ended are the sibling's
 * from arrival until it posts them. Neither looks at the other's side, so there is no
 * lock. The one thing both may hold is the memory itself: a cancel may cross with the
 * last outcome, so each mail that asks for cancelling holds a reference, and whoever
 * finds nothing running any more does nothing.
 *
 * Outcomes of one turn come home in one mail, that of the first of them. It needs one
 * place in the owner's mailbox where a place per call was reserved; the rest is given
 * back. For a cancel nothing is reserved: with the sibling's mailbox full it is sent a
 * moment later, and the call has its deadline besides.
 *
 * How much of the mailbox may be reserved is bounded (AWAY_MOST), because others need
 * it as well; and who has that much away already has work for all threads.
 */
#include "back/slice.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"

enum { AWAY_MOST = 4096 };

#define CANCEL_AGAIN USEC_PER_MSEC

struct away {
    struct call call; /* first; the owner's */
    struct slice *slice;
    const struct call_spec *spec;
    struct mail mail;     /* home, if it is the first of its turn */
    struct away *next;    /* that ended in the same turn, or came home with it */
    struct call *running; /* the sibling's; NULL: not running */
    struct outcome outcome;
    enum { NOT_CANCELLED, TO_CANCEL, CANCELLED } cancelled; /* the owner's */
    bool paused, told_paused;                               /* the owner's */
    bool home;                                              /* the owner's: delivered */
};

struct chain {
    struct away *first, *last;
    size_t count;
};

struct slice {
    struct mail mail;
    struct slices *owner, *runs_it;
    struct mailbox *home, *there;
    const struct config *config;
    usec_t started;
    size_t count, room;
    _Atomic(size_t) references; /* the owner's, and that of every recall */
    size_t at_home;             /* the owner's: delivered calls */
    struct link to_recall;      /* the owner's */
    struct link to_return;      /* the sibling's */
    struct chain ended;         /* the sibling's */
    struct away calls[];
};

struct order {
    size_t number; /* of the call */
    enum { ORDER_CANCEL, ORDER_PAUSE, ORDER_GO_ON } what;
};

struct recall { /* says which calls are not needed any more, or not now */
    struct mail mail;
    struct slice *slice;
    size_t count;
    struct order orders[];
};

struct slices {
    struct loop *loop;
    struct runner *runner;
    const struct siblings *siblings; /* NULL: alone */
    size_t own, next;
    bool sends;
    size_t away;           /* calls, for others to run */
    struct chain came;     /* home, to be delivered */
    struct link to_recall; /* slices with calls to be cancelled or paused */
    struct link to_return; /* slices of others with calls that ended */
    struct timer wake;
};

static void chain_add(struct chain *chain, struct away *away)
{
    away->next = NULL;
    if (chain->last)
        chain->last->next = away;
    else
        chain->first = away;
    chain->last = away;
    chain->count++;
}

static void drop(struct slice *slice)
{
    if (atomic_fetch_sub_explicit(&slice->references, 1, memory_order_acq_rel) == 1)
        free(slice);
}

static void nothing(struct timer *timer)
{
    (void)timer; /* it made the loop turn */
}

static void wake_at(struct slices *slices, usec_t at)
{
    if (slices->wake.position == 0 || slices->wake.at > at)
        loop_set(slices->loop, &slices->wake, at, nothing);
}

/* ---- on the sibling's thread ---- */

static void ended_here(void *ctx, size_t index, struct outcome *outcome)
{
    struct slice *slice = ctx;
    struct away *away = &slice->calls[index];
    away->running = NULL;
    away->outcome = outcome_take(outcome);
    chain_add(&slice->ended, away);
    if (!list_holds(&slice->to_return))
        list_append(&slice->runs_it->to_return, &slice->to_return);
}

static void slice_arrived(struct mail *mail, void *receiver)
{
    struct slice *slice = container_of(mail, struct slice, mail);
    struct slices *slices = slice->runs_it;
    (void)receiver;
    for (size_t i = 0; i < slice->count; i++) {
        struct away *away = &slice->calls[i];
        const struct call here = {.home = ended_here, .ctx = slice, .index = i};
        away->running =
            runner_start(slices->runner, slice->config, away->spec, slice->started, &here);
    }
}

static void obey(struct slice *slice, const struct order *order)
{
    struct call *running = slice->calls[order->number].running;
    if (running && order->what == ORDER_CANCEL)
        runner_cancel(slice->runs_it->runner, running);
    else if (running)
        runner_pause(running, order->what == ORDER_PAUSE);
}

/* It may arrive when the slice has gone home, and even when its sibling has ended:
 * then nothing is running. */
static void recall_arrived(struct mail *mail, void *receiver)
{
    struct recall *recall = container_of(mail, struct recall, mail);
    struct slice *slice = recall->slice;
    (void)receiver;
    for (size_t i = 0; i < recall->count; i++)
        obey(slice, &recall->orders[i]);
    drop(slice);
    free(recall);
}

static void came_home(struct mail *mail, void *receiver);

/* The slice may be gone after it. */
static void return_ended(struct slice *slice)
{
    struct mailbox *home = slice->home;
    struct away *first = slice->ended.first;
    size_t spare = slice->ended.count - 1;
    list_remove(&slice->to_return);
    slice->ended = (struct chain){.first = NULL};
    if (spare > 0)
        mailbox_unreserve_places(home, spare);
    first->mail.deliver = came_home;
    mailbox_post_reserved(home, &first->mail);
}

/* ---- on the owner's thread ---- */

static void came_home(struct mail *mail, void *receiver)
{
    struct away *away = container_of(mail, struct away, mail);
    struct slices *slices = away->slice->owner;
    (void)receiver;
    while (away) {
        struct away *next = away->next;
        chain_add(&slices->came, away);
        away = next;
    }
    wake_at(slices, 0);
}

static void deliver(struct slices *slices, struct away *away)
{
    struct slice *slice = away->slice;
    struct call handle = away->call;
    struct outcome outcome = outcome_take(&away->outcome);
    if (away->cancelled != NOT_CANCELLED)
        outcome_cancel(&outcome);
    away->home = true;
    slices->away--;
    if (++slice->at_home == slice->count) {
        if (list_holds(&slice->to_recall))
            list_remove(&slice->to_recall);
        drop(slice);
    }
    handle.home(handle.ctx, handle.index, &outcome);
    outcome_done(&outcome);
}

/* Only so many as there are: a receiver may cancel others. */
static void deliver_all(struct slices *slices)
{
    for (size_t count = slices->came.count; count > 0; count--) {
        struct away *away = slices->came.first;
        slices->came.first = away->next;
        slices->came.count--;
        if (!slices->came.first)
            slices->came.last = NULL;
        deliver(slices, away);
    }
}

/* What the sibling has not been told of a call; false: it knows all. */
static bool next_order(struct away *away, struct order *order)
{
    bool cancel = away->cancelled == TO_CANCEL;
    bool pause = away->cancelled == NOT_CANCELLED && away->paused != away->told_paused;
    if (cancel)
        away->cancelled = CANCELLED;
    away->told_paused = away->paused;
    order->what = cancel ? ORDER_CANCEL : away->paused ? ORDER_PAUSE : ORDER_GO_ON;
    return (cancel || pause) && !away->home;
}

/* False: the sibling's mailbox is full. */
static bool send_recall(struct slice *slice)
{
    if (mailbox_reserve(slice->there) != 0)
        return false;
    struct recall *recall = mem_new(sizeof *recall + slice->count * sizeof *recall->orders);
    for (size_t i = 0; i < slice->count; i++) {
        struct order *order = &recall->orders[recall->count];
        order->number = i;
        if (next_order(&slice->calls[i], order))
            recall->count++;
    }
    if (recall->count == 0) {
        mailbox_unreserve(slice->there);
        free(recall);
        return true;
    }
    atomic_fetch_add_explicit(&slice->references, 1, memory_order_relaxed);
    recall->slice = slice;
    recall->mail.deliver = recall_arrived;
    mailbox_post_reserved(slice->there, &recall->mail);
    return true;
}

static void send_recalls(struct slices *slices)
{
    struct link *link = slices->to_recall.next;
    while (link != &slices->to_recall) {
        struct link *next = link->next;
        if (send_recall(container_of(link, struct slice, to_recall)))
            list_remove(link);
        else
            wake_at(slices, loop_now(slices->loop) + CANCEL_AGAIN);
        link = next;
    }
}

static void recall_soon(struct slices *slices, struct slice *slice)
{
    if (!list_holds(&slice->to_recall))
        list_append(&slices->to_recall, &slice->to_recall);
    wake_at(slices, 0);
}

void slices_cancel(struct slices *slices, struct call *call)
{
    struct away *away = container_of(call, struct away, call);
    struct slice *slice = away->slice;
    assert(slice->owner == slices && !away->home);
    away->cancelled = TO_CANCEL;
    recall_soon(slices, slice);
}

void slices_pause(struct slices *slices, struct call *call, bool paused)
{
    struct away *away = container_of(call, struct away, call);
    assert(away->slice->owner == slices && !away->home);
    away->paused = paused;
    recall_soon(slices, away->slice);
}

bool slices_turn(struct slices *slices)
{
    loop_clear(slices->loop, &slices->wake);
    while (!list_is_empty(&slices->to_return))
        return_ended(container_of(slices->to_return.next, struct slice, to_return));
    deliver_all(slices);
    send_recalls(slices);
    return slices->came.first != NULL;
}

/* ---- sending ---- */

size_t slices_hands(const struct slices *slices)
{
    return slices->sends ? slices->siblings->count : 1;
}

/* The others in turn. */
static const struct sibling *next_sibling(struct slices *slices)
{
    const struct siblings *siblings = slices->siblings;
    slices->next = (slices->next + 1) % siblings->count;
    if (slices->next == slices->own)
        slices->next = (slices->next + 1) % siblings->count;
    return &siblings->items[slices->next];
}

struct slice *slice_new(struct slices *slices, const struct config *config, size_t count)
{
    if (slices_hands(slices) < 2 || count == 0 || count > AWAY_MOST - slices->away)
        return NULL;
    struct mailbox *home = slices->siblings->items[slices->own].mailbox;
    const struct sibling *sibling = next_sibling(slices);
    if (mailbox_reserve_places(home, count) != 0)
        return NULL;
    if (mailbox_reserve(sibling->mailbox) != 0) {
        mailbox_unreserve_places(home, count);
        return NULL;
    }
    struct slice *slice = mem_new(sizeof *slice + count * sizeof *slice->calls);
    slice->owner = slices;
    slice->runs_it = sibling->slices;
    slice->home = home;
    slice->there = sibling->mailbox;
    slice->config = config;
    slice->started = clock_now();
    slice->room = count;
    atomic_init(&slice->references, 1);
    return slice;
}

bool slice_is_full(const struct slice *slice)
{
    return slice->count == slice->room;
}

struct call *slice_add(struct slice *slice, const struct call_spec *spec, const struct call *call)
{
    assert(slice->count < slice->room);
    struct away *away = &slice->calls[slice->count++];
    away->call = *call;
    away->call.away = true;
    away->slice = slice;
    away->spec = spec;
    return &away->call;
}

void slice_send(struct slice *slice)
{
    size_t spare = slice->room - slice->count;
    if (spare > 0)
        mailbox_unreserve_places(slice->home, spare);
    if (slice->count == 0) {
        mailbox_unreserve(slice->there);
        free(slice);
        return;
    }
    slice->owner->away += slice->count;
    slice->mail.deliver = slice_arrived;
    mailbox_post_reserved(slice->there, &slice->mail);
}

/* ---- the whole of it ---- */

struct slices *slices_new(struct loop *loop, struct runner *runner)
{
    struct slices *slices = mem_new(sizeof *slices);
    slices->loop = loop;
    slices->runner = runner;
    list_init(&slices->to_recall);
    list_init(&slices->to_return);
    return slices;
}

void slices_join(struct slices *slices, const struct siblings *siblings, size_t own)
{
    slices->siblings = siblings;
    slices->own = slices->next = own;
    slices->sends = true;
}

void slices_leave(struct slices *slices)
{
    slices->sends = false;
}

size_t slices_away(const struct slices *slices)
{
    return slices->away;
}

struct slices *slices_free(struct slices *slices)
{
    if (!slices)
        return NULL;
    assert(slices->away == 0 && !slices->came.first);
    assert(list_is_empty(&slices->to_return) && list_is_empty(&slices->to_recall));
    loop_clear(slices->loop, &slices->wake);
    free(slices);
    return NULL;
}
