/*
 * The life of a call: admitted, its name resolved, carried to one address after
 * the other, home. One timer per call stands at the nearest of its deadlines;
 * which phase the call is in when the total one passes names the failure.
 *
 * A call that ended gives everything back at once (connection, timer, gauges,
 * query) and then only waits in `ended` to be delivered, so a receiver never
 * runs inside the call that caused it.
 *
 * A question to the resolver is its own allocation: if it is on its way home
 * already when its call gives up, it loses the call and frees itself on arrival.
 *
 * Invariants: a call is in exactly one of RESOLVING (question), CONNECTING, SENT,
 * REPLYING (transfer) and ENDED (in the list).
 */
#include "back/dispatch.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "back/carriers.h"
#include "base/mem.h"

#define SHARE_MIN (200 * USEC_PER_MSEC) /* of the time to connect, for one address */

enum call_phase { CALL_RESOLVING, CALL_CONNECTING, CALL_SENT, CALL_REPLYING, CALL_ENDED };

struct question {
    struct resolve_query query; /* first */
    struct call *call;          /* NULL: given up */
};

struct call {
    struct dispatch *dispatch;
    const struct config *config;
    const struct call_spec *spec;
    call_home_fn *home;
    void *ctx;
    size_t index;
    enum call_phase phase;
    bool admitted;
    struct question *question;
    struct addresses *addresses; /* NULL: the host is a literal */
    size_t address, tried;
    struct carried carried;
    struct timer timer;
    usec_t started, connecting_since;
    usec_t deadline, first_byte_deadline;
    usec_t address_deadline; /* while connecting: when this address gives way */
    struct outcome outcome;
    struct call *next; /* ended */
};

struct dispatch {
    struct loop *loop;
    struct mailbox *mailbox;
    struct resolver *resolver;
    struct carriers *carriers;
    struct timer wake;
    struct call *first_ended, *last_ended;
    size_t in_flight;
};

static void connect_next(struct call *call);

static usec_t after(usec_t moment, usec_t span)
{
    return span < USEC_NEVER - moment ? moment + span : USEC_NEVER;
}

static usec_t earlier(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

/* A span of 0 means that there is none. */
static usec_t limit_after(usec_t moment, usec_t span)
{
    return span > 0 ? after(moment, span) : USEC_NEVER;
}

/* ---- admission ---- */

static bool admit(struct call *call)
{
    const struct upstream *upstream = call->spec->upstream;
    if (!gauge_enter(call->config->in_flight, call->config->limits.in_flight))
        return false;
    if (upstream && !gauge_enter(upstream->in_flight, upstream->max_in_flight)) {
        gauge_leave(call->config->in_flight);
        return false;
    }
    return call->admitted = true;
}

static void leave(struct call *call)
{
    if (!call->admitted)
        return;
    call->admitted = false;
    gauge_leave(call->config->in_flight);
    if (call->spec->upstream)
        gauge_leave(call->spec->upstream->in_flight);
}

/* ---- the end of a call ---- */

static void give_up_question(struct call *call)
{
    struct question *question = call->question;
    call->question = NULL;
    if (!question)
        return;
    question->call = NULL;
    if (resolver_withdraw(call->dispatch->resolver, &question->query))
        free(question);
}

static void nothing(struct timer *timer)
{
    (void)timer; /* it made the loop turn */
}

/* Takes *outcome. */
static void end(struct call *call, struct outcome *outcome)
{
    struct dispatch *dispatch = call->dispatch;
    assert(call->phase != CALL_ENDED);
    give_up_question(call);
    carried_stop(&call->carried);
    loop_clear(dispatch->loop, &call->timer);
    leave(call);
    call->addresses = addresses_unref(call->addresses);
    call->phase = CALL_ENDED;
    call->outcome = outcome_take(outcome);
    call->outcome.attempts = (unsigned)call->tried;
    call->outcome.elapsed = clock_now() - call->started;
    call->next = NULL;
    if (dispatch->last_ended)
        dispatch->last_ended->next = call;
    else
        dispatch->first_ended = call;
    dispatch->last_ended = call;
    if (dispatch->wake.position == 0)
        loop_set(dispatch->loop, &dispatch->wake, 0, nothing);
}

static void fail(struct call *call, enum outcome_code code, const char *detail)
{
    struct outcome outcome = {.code = code, .detail = detail};
    end(call, &outcome);
}

/* ---- deadlines ---- */

/* When the time to connect is over, whatever address it is spent on. */
static usec_t connect_limit(const struct call *call)
{
    usec_t limit = limit_after(call->connecting_since, call->spec->connect_timeout);
    return earlier(limit, earlier(call->deadline, call->first_byte_deadline));
}

static bool may_try_another(const struct call *call)
{
    return call->addresses && call->tried < addresses_count(call->addresses) &&
           clock_now() < connect_limit(call);
}

static void deadline_passed(struct timer *timer)
{
    static const enum outcome_code codes[] = {
        [CALL_RESOLVING] = OUTCOME_DNS_TIMEOUT,
        [CALL_CONNECTING] = OUTCOME_CONNECTION_TIMEOUT,
        [CALL_SENT] = OUTCOME_RESPONSE_TIMEOUT,
        [CALL_REPLYING] = OUTCOME_RESPONSE_TIMEOUT,
    };
    struct call *call = container_of(timer, struct call, timer);
    assert(call->phase != CALL_ENDED);
    if (call->phase == CALL_CONNECTING && may_try_another(call)) {
        carried_stop(&call->carried);
        connect_next(call);
        return;
    }
    fail(call, codes[call->phase], NULL);
}

static void arm(struct call *call)
{
    usec_t at = call->deadline;
    if (call->phase != CALL_REPLYING)
        at = earlier(at, call->first_byte_deadline);
    if (call->phase == CALL_CONNECTING)
        at = earlier(at, call->address_deadline);
    if (call->timer.position != 0 && call->timer.at == at)
        return;
    loop_set(call->dispatch->loop, &call->timer, at, deadline_passed);
}

/* When the attempt that begins now is to give way: its share of the time there
 * is to connect, or all of it for the last address. */
static usec_t connect_deadline(const struct call *call, usec_t now)
{
    usec_t limit = connect_limit(call);
    size_t left = call->addresses ? addresses_count(call->addresses) - call->tried : 0;
    if (left == 0 || limit <= now)
        return limit;
    usec_t share = (limit - now) / (left + 1);
    return earlier(limit, now + (share > SHARE_MIN ? share : SHARE_MIN));
}

/* ---- carrying ---- */

static void phase_changed(void *ctx, enum carry_phase phase)
{
    static const enum call_phase phases[] = {
        [CARRY_CONNECTING] = CALL_CONNECTING,
        [CARRY_SENT] = CALL_SENT,
        [CARRY_REPLYING] = CALL_REPLYING,
    };
    struct call *call = ctx;
    call->phase = phases[phase];
    if (phase == CARRY_CONNECTING) {
        call->connecting_since = clock_now();
        call->address_deadline = connect_deadline(call, call->connecting_since);
    } else if (call->addresses && addresses_preferred(call->addresses) != call->address) {
        addresses_prefer(call->addresses, call->address);
    }
    arm(call);
}

/* The address was not reached, so nothing was sent and another may be tried. */
static bool not_reached(const struct call *call, const struct outcome *outcome)
{
    return call->phase == CALL_CONNECTING && (outcome->code == OUTCOME_CONNECTION_REFUSED ||
                                              outcome->code == OUTCOME_DESTINATION_UNROUTABLE ||
                                              outcome->code == OUTCOME_CONNECTION_TIMEOUT);
}

static void call_ended(void *ctx, struct outcome *outcome)
{
    struct call *call = ctx;
    call->carried = (struct carried){.by_exchange = NULL};
    if (not_reached(call, outcome) && may_try_another(call)) {
        outcome_done(outcome);
        connect_next(call);
        return;
    }
    if (outcome->code == OUTCOME_REPLY && call->addresses)
        addresses_prefer(call->addresses, call->address);
    end(call, outcome);
}

static void connect_to(struct call *call, const char *address)
{
    static const struct carry_events events = {.phase = phase_changed, .done = call_ended};
    usec_t now = clock_now();
    bool sent;
    if (call->tried == 0)
        call->connecting_since = now;
    call->tried++;
    call->phase = CALL_CONNECTING;
    call->address_deadline = connect_deadline(call, now);
    if (!carriers_start(call->dispatch->carriers, call->spec, address, call->deadline, &events,
                        call, &call->carried, &sent))
        fail(call, OUTCOME_INTERNAL, "libcurl could not start the call");
    else if (sent)
        phase_changed(call, CARRY_SENT);
    else
        arm(call);
}

/* The preferred address first, then those after it, round the list. */
static void connect_next(struct call *call)
{
    size_t count = addresses_count(call->addresses);
    assert(call->tried < count);
    if (call->tried == 0)
        call->address = addresses_preferred(call->addresses);
    else
        call->address = (call->address + 1) % count;
    connect_to(call, addresses_at(call->addresses, call->address));
}

/* ---- resolving ---- */

static void name_answered(struct call *call, struct resolve_query *query)
{
    if (!query->addresses) {
        fail(call, query->failure, NULL);
        return;
    }
    call->addresses = query->addresses;
    query->addresses = NULL;
    connect_next(call);
}

static void query_came_home(struct resolve_query *query, void *receiver)
{
    struct question *question = (struct question *)(void *)query; /* its first member */
    struct call *call = question->call;
    (void)receiver;
    if (call) {
        call->question = NULL;
        name_answered(call, query);
    }
    addresses_unref(query->addresses);
    free(question);
}

static void resolve(struct call *call)
{
    struct dispatch *dispatch = call->dispatch;
    const char *host = call->spec->origin->host;
    size_t len = strlen(host);
    if (len >= RESOLVE_HOST_MAX) {
        fail(call, OUTCOME_DNS_ERROR, "the name is too long");
        return;
    }
    struct question *question = mem_new(sizeof *question);
    memcpy(question->query.host, host, len + 1);
    question->query.deadline = call->deadline;
    question->query.home = dispatch->mailbox;
    question->query.answered = query_came_home;
    question->call = call;
    int rc = resolver_ask(dispatch->resolver, &question->query);
    if (rc == 0) {
        call->question = question;
        call->phase = CALL_RESOLVING;
        arm(call);
        return;
    }
    if (rc == RESOLVE_CACHED)
        name_answered(call, &question->query);
    else
        fail(call, OUTCOME_CONNECTION_LIMIT, "too many names are being resolved");
    free(question);
}

static bool is_literal(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* ---- the door ---- */

struct call *dispatch_call(struct dispatch *dispatch, const struct config *config,
                           const struct call_spec *spec, call_home_fn *home, void *ctx,
                           size_t index)
{
    struct call *call = mem_new(sizeof *call);
    usec_t now = clock_now();
    *call = (struct call){
        .dispatch = dispatch,
        .config = config,
        .spec = spec,
        .home = home,
        .ctx = ctx,
        .index = index,
        .started = now,
        .deadline = after(now, spec->timeout),
        .first_byte_deadline = limit_after(now, spec->first_byte_timeout),
    };
    dispatch->in_flight++;
    if (!admit(call))
        fail(call, OUTCOME_CONNECTION_LIMIT, NULL);
    else if (is_literal(spec->origin->host))
        connect_to(call, spec->origin->host);
    else
        resolve(call);
    return call;
}

void dispatch_cancel(struct dispatch *dispatch, struct call *call)
{
    assert(call->dispatch == dispatch);
    if (call->phase != CALL_ENDED) {
        fail(call, OUTCOME_CANCELLED, NULL);
        return;
    }
    /* It ended in this turn and is not delivered yet. */
    struct outcome ended = outcome_take(&call->outcome);
    call->outcome = (struct outcome){
        .code = OUTCOME_CANCELLED,
        .elapsed = ended.elapsed,
        .attempts = ended.attempts,
    };
    outcome_done(&ended);
}

static void deliver(struct dispatch *dispatch, struct call *call)
{
    struct outcome outcome = outcome_take(&call->outcome);
    call_home_fn *home = call->home;
    void *ctx = call->ctx;
    size_t index = call->index;
    dispatch->in_flight--;
    free(call);
    home(ctx, index, &outcome);
    outcome_done(&outcome);
}

bool dispatch_turn(struct dispatch *dispatch)
{
    carriers_turn(dispatch->carriers);
    struct call *call;
    loop_clear(dispatch->loop, &dispatch->wake);
    /* Only so many as there are: a receiver may start calls that end at once. */
    size_t count = 0;
    for (call = dispatch->first_ended; call; call = call->next)
        count++;
    bool delivers = count > 0;
    for (; count > 0; count--) {
        call = dispatch->first_ended;
        dispatch->first_ended = call->next;
        if (!dispatch->first_ended)
            dispatch->last_ended = NULL;
        deliver(dispatch, call);
    }
    /* Not for libcurl alone: should it ask for ever, the loop must still turn. */
    return dispatch->first_ended || (delivers && carriers_are_due(dispatch->carriers));
}

size_t dispatch_in_flight(const struct dispatch *dispatch)
{
    return dispatch->in_flight;
}

size_t dispatch_open_sockets(const struct dispatch *dispatch)
{
    return carriers_open_sockets(dispatch->carriers);
}

int dispatch_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
                 struct dispatch **ret_dispatch)
{
    struct carriers *carriers;
    int rc = carriers_new(loop, &carriers);
    if (rc != 0)
        return rc;
    struct dispatch *dispatch = mem_new(sizeof *dispatch);
    dispatch->loop = loop;
    dispatch->mailbox = mailbox;
    dispatch->resolver = resolver;
    dispatch->carriers = carriers;
    *ret_dispatch = dispatch;
    return 0;
}

struct dispatch *dispatch_free(struct dispatch *dispatch)
{
    if (!dispatch)
        return NULL;
    assert(dispatch->in_flight == 0);
    loop_clear(dispatch->loop, &dispatch->wake);
    carriers_free(dispatch->carriers);
    free(dispatch);
    return NULL;
}
