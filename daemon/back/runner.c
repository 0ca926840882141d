/*
 * The life of a call: admitted, its name resolved, carried to one address after
 * the other, home. One timer per call stands at the nearest of its deadlines;
 * which phase the call is in when the total one passes names the failure.
 *
 * A call that ended gives everything back at once (connection, timer, gauges,
 * query) and then only waits in `ended` to be delivered, so a receiver never
 * runs inside the call that caused it.
 *
 * Invariants: a call is in exactly one of WAITING (for a place), RESOLVING (question),
 * CONNECTING, SENT, REPLYING (carried) and ENDED (in the list).
 */
#include "back/runner.h"

#include <stdlib.h>
#include <string.h>

#include "back/admission.h"
#include "back/carriers.h"
#include "back/question.h"
#include "base/mem.h"
#include "base/recycler.h"

enum { SPARE_CALLS = 1024 };

#define SHARE_MIN (200 * USEC_PER_MSEC) /* of the time to connect, for one address */

enum call_phase {
    CALL_WAITING,
    CALL_RESOLVING,
    CALL_CONNECTING,
    CALL_SENT,
    CALL_REPLYING,
    CALL_ENDED,
};

struct running {
    struct call call; /* first */
    struct runner *runner;
    const struct call_spec *spec;
    enum call_phase phase;
    struct admission admission;
    struct question *question;
    struct addresses *addresses; /* NULL: the host is a literal */
    size_t address, tried;
    struct upstream_tally *tally; /* or NULL */
    struct carried carried;
    struct timer timer;
    usec_t started, connecting_since, resent;
    usec_t deadline, first_byte_deadline;
    usec_t address_deadline; /* while connecting: when this address gives way */
    struct outcome outcome;
    bool paused;
    struct running *next; /* ended */
};

struct runner {
    struct loop *loop;
    struct mailbox *mailbox;
    struct resolver *resolver;
    struct carriers *carriers;
    struct timer wake;
    struct running *first_ended, *last_ended;
    struct recycler records; /* of struct running */
    struct tally *tally;     /* or NULL */
};

static void connect_next(struct running *call);

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

/* ---- the end of a call ---- */

static void nothing(struct timer *timer)
{
    (void)timer; /* it made the loop turn */
}

/* As it ended, which whoever asked may not want to know any more. */
static void count(const struct running *call)
{
    struct runner *runner = call->runner;
    tally_call_ended(call->tally, &call->outcome, loop_now(runner->loop));
    if (call->outcome.code == OUTCOME_RESPONSE_BODY_SIZE)
        tally_limit(runner->tally, TALLY_REPLY_BODY);
    else if (call->outcome.code == OUTCOME_RESPONSE_HEADER_SIZE)
        tally_limit(runner->tally, TALLY_REPLY_HEADER);
}

/* Takes *outcome. */
static void end(struct running *call, struct outcome *outcome)
{
    struct runner *runner = call->runner;
    assert(call->phase != CALL_ENDED);
    call->question = question_give_up(runner->resolver, call->question);
    carried_stop(&call->carried);
    loop_clear(runner->loop, &call->timer);
    admission_end(&call->admission);
    call->addresses = addresses_unref(call->addresses);
    call->phase = CALL_ENDED;
    call->outcome = outcome_take(outcome);
    call->outcome.attempts = (unsigned)call->tried;
    if (call->resent > 0)
        call->outcome.resent = call->resent;
    call->outcome.elapsed = clock_now() - call->started;
    count(call);
    call->next = NULL;
    if (runner->last_ended)
        runner->last_ended->next = call;
    else
        runner->first_ended = call;
    runner->last_ended = call;
    if (runner->wake.position == 0)
        loop_set(runner->loop, &runner->wake, 0, nothing);
}

static void fail(struct running *call, enum outcome_code code, const char *detail)
{
    struct outcome outcome = {.code = code, .detail = detail};
    end(call, &outcome);
}

/* ---- deadlines ---- */

/* When the time to connect is over, whatever address it is spent on. */
static usec_t connect_limit(const struct running *call)
{
    usec_t limit = limit_after(call->connecting_since, call->spec->connect_timeout);
    return earlier(limit, earlier(call->deadline, call->first_byte_deadline));
}

static bool may_try_another(const struct running *call)
{
    return call->addresses && call->tried < addresses_count(call->addresses) &&
           clock_now() < connect_limit(call);
}

/* Its time is over: what it was doing says which failure that is. */
static void run_out(struct running *call)
{
    static const enum outcome_code codes[] = {
        [CALL_WAITING] = OUTCOME_CONNECTION_LIMIT,      [CALL_RESOLVING] = OUTCOME_DNS_TIMEOUT,
        [CALL_CONNECTING] = OUTCOME_CONNECTION_TIMEOUT, [CALL_SENT] = OUTCOME_RESPONSE_TIMEOUT,
        [CALL_REPLYING] = OUTCOME_RESPONSE_TIMEOUT,
    };
    bool waited = call->phase == CALL_WAITING;
    if (waited)
        tally_limit(call->runner->tally, TALLY_MAX_WAITING);
    fail(call, codes[call->phase], waited ? "waited for a free place" : NULL);
}

static void deadline_passed(struct timer *timer)
{
    struct running *call = container_of(timer, struct running, timer);
    assert(call->phase != CALL_ENDED);
    if (call->phase == CALL_CONNECTING && may_try_another(call)) {
        carried_stop(&call->carried);
        connect_next(call);
        return;
    }
    run_out(call);
}

static void arm(struct running *call)
{
    usec_t at = call->deadline;
    if (call->phase != CALL_REPLYING)
        at = earlier(at, call->first_byte_deadline);
    if (call->phase == CALL_CONNECTING)
        at = earlier(at, call->address_deadline);
    if (call->timer.position != 0 && call->timer.at == at)
        return;
    loop_set(call->runner->loop, &call->timer, at, deadline_passed);
}

/* When the attempt that begins now is to give way: its share of the time there
 * is to connect, or all of it for the last address. */
static usec_t connect_deadline(const struct running *call, usec_t now)
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
    struct running *call = ctx;
    call->phase = phases[phase];
    if (phase == CARRY_CONNECTING) {
        call->connecting_since = call->resent = clock_now();
        call->address_deadline = connect_deadline(call, call->connecting_since);
    } else if (call->addresses && addresses_preferred(call->addresses) != call->address) {
        addresses_prefer(call->addresses, call->address);
    }
    arm(call);
}

/* The address was not reached, so nothing was sent and another may be tried. */
static bool not_reached(const struct running *call, const struct outcome *outcome)
{
    return call->phase == CALL_CONNECTING && (outcome->code == OUTCOME_CONNECTION_REFUSED ||
                                              outcome->code == OUTCOME_DESTINATION_UNROUTABLE ||
                                              outcome->code == OUTCOME_CONNECTION_TIMEOUT);
}

static void call_ended(void *ctx, struct outcome *outcome)
{
    struct running *call = ctx;
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

static void connect_to(struct running *call, const char *address)
{
    static const struct carry_events events = {.phase = phase_changed, .done = call_ended};
    usec_t now = clock_now();
    bool sent;
    if (call->tried == 0)
        call->connecting_since = now;
    call->tried++;
    call->phase = CALL_CONNECTING;
    call->address_deadline = connect_deadline(call, now);
    if (!carriers_start(call->runner->carriers, call->spec, address, call->deadline, &events, call,
                        &call->carried, &sent))
        fail(call, OUTCOME_INTERNAL, "libcurl could not start the call");
    else if (sent)
        phase_changed(call, CARRY_SENT);
    else
        arm(call);
    if (call->paused)
        carried_pause(&call->carried, true);
}

/* The preferred address first, then those after it, round the list. */
static void connect_next(struct running *call)
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

/* Whom we connect to; the names behind a proxy are the proxy's business. */
static const char *contact(const struct call_spec *spec)
{
    const struct proxy *proxy = spec->upstream ? spec->upstream->proxy : NULL;
    return proxy ? proxy->host : spec->origin->host;
}

static void name_answered(void *ctx, struct addresses *addresses, enum outcome_code failure)
{
    struct running *call = ctx;
    call->question = NULL;
    call->addresses = addresses;
    if (addresses) {
        connect_next(call);
        return;
    }
    bool proxy = contact(call->spec) != call->spec->origin->host;
    fail(call, failure, proxy ? "the name is the proxy's" : NULL);
}

static void count_question(const struct running *call, int rc)
{
    if (rc == RESOLVE_BUSY)
        tally_limit(call->runner->tally, TALLY_RESOLVER_QUEUE);
    else if (call->tally)
        tally_add(rc == 0 ? &call->tally->lookups : &call->tally->cache_hits, 1);
}

static void resolve(struct running *call)
{
    struct runner *runner = call->runner;
    const char *host = contact(call->spec);
    if (strlen(host) >= RESOLVE_HOST_MAX) {
        fail(call, OUTCOME_DNS_ERROR, "the name is too long");
        return;
    }
    int rc = question_ask(runner->resolver, runner->mailbox, host, call->deadline, name_answered,
                          call, &call->question);
    count_question(call, rc);
    if (rc == 0) {
        call->phase = CALL_RESOLVING;
        arm(call);
    } else if (rc == RESOLVE_BUSY) {
        fail(call, OUTCOME_CONNECTION_LIMIT, "too many names are being resolved");
    }
}

/* ---- the whole of it ---- */

static void begin(void *ctx)
{
    struct running *call = ctx;
    const struct call_spec *spec = call->spec;
    const struct proxy *proxy = spec->upstream ? spec->upstream->proxy : NULL;
    if (proxy ? proxy->literal : spec->origin->literal)
        connect_to(call, contact(spec));
    else
        resolve(call);
}

static void refuse(struct running *call, int admitted)
{
    bool full = admitted == ADMISSION_DAEMON_FULL;
    tally_limit(call->runner->tally, full ? TALLY_IN_FLIGHT : TALLY_MAX_IN_FLIGHT);
    fail(call, OUTCOME_CONNECTION_LIMIT, NULL);
}

struct call *runner_start(struct runner *runner, const struct config *config,
                          const struct call_spec *spec, usec_t started, const struct call *handle)
{
    struct running *call = recycler_take(&runner->records);
    *call = (struct running){
        .call = *handle,
        .runner = runner,
        .spec = spec,
        .tally = tally_upstream(runner->tally, spec->upstream),
        .started = started,
        .deadline = earlier(after(started, spec->timeout), limit_after(0, spec->latest)),
        .first_byte_deadline = limit_after(started, spec->first_byte_timeout),
    };
    if (call->tally)
        tally_add(&call->tally->begun, 1);
    int admitted =
        admission_begin(&call->admission, config, spec->upstream, runner->mailbox, begin, call);
    if (admitted == ADMISSION_GRANTED)
        begin(call);
    else if (admitted == ADMISSION_WAITS)
        arm(call);
    else
        refuse(call, admitted);
    return &call->call;
}

void runner_cancel(struct runner *runner, struct call *handle)
{
    struct running *call = container_of(handle, struct running, call);
    assert(call->runner == runner);
    /* A batch whose deadline passes cancels its calls, often before their own timers fire;
     * yet they did not end because nobody wanted them. */
    if (call->phase != CALL_ENDED && clock_now() >= call->deadline)
        run_out(call);
    else if (call->phase != CALL_ENDED)
        fail(call, OUTCOME_CANCELLED, NULL);
    outcome_cancel(&call->outcome);
}

void runner_pause(struct call *handle, bool paused)
{
    struct running *call = container_of(handle, struct running, call);
    call->paused = paused;
    carried_pause(&call->carried, paused);
}

static void deliver(struct runner *runner, struct running *call)
{
    struct outcome outcome = outcome_take(&call->outcome);
    struct call handle = call->call;
    recycler_give(&runner->records, call);
    handle.home(handle.ctx, handle.index, &outcome);
    outcome_done(&outcome);
}

bool runner_turn(struct runner *runner)
{
    carriers_turn(runner->carriers);
    struct running *call;
    loop_clear(runner->loop, &runner->wake);
    /* Only so many as there are: a receiver may start calls that end at once. */
    size_t count = 0;
    for (call = runner->first_ended; call; call = call->next)
        count++;
    bool delivers = count > 0;
    for (; count > 0; count--) {
        call = runner->first_ended;
        runner->first_ended = call->next;
        if (!runner->first_ended)
            runner->last_ended = NULL;
        deliver(runner, call);
    }
    /* Not for libcurl alone: should it ask for ever, the loop must still turn. */
    return runner->first_ended || (delivers && carriers_are_due(runner->carriers));
}

size_t runner_in_flight(const struct runner *runner)
{
    return runner->records.count;
}

size_t runner_idle(const struct runner *runner, const struct origin *origin)
{
    return carriers_idle(runner->carriers, origin);
}

size_t runner_open_sockets(const struct runner *runner)
{
    return carriers_open_sockets(runner->carriers);
}

int runner_new(struct loop *loop, struct mailbox *mailbox, struct resolver *resolver,
               struct runner **ret_runner)
{
    struct carriers *carriers;
    int rc = carriers_new(loop, &carriers);
    if (rc != 0)
        return rc;
    struct runner *runner = mem_new(sizeof *runner);
    runner->loop = loop;
    runner->mailbox = mailbox;
    runner->resolver = resolver;
    runner->carriers = carriers;
    recycler_init(&runner->records, sizeof(struct running), SPARE_CALLS);
    *ret_runner = runner;
    return 0;
}

void runner_count_in(struct runner *runner, struct tally *tally)
{
    runner->tally = tally;
    carriers_count_in(runner->carriers, tally);
}

struct runner *runner_free(struct runner *runner)
{
    if (!runner)
        return NULL;
    loop_clear(runner->loop, &runner->wake);
    carriers_free(runner->carriers);
    recycler_done(&runner->records);
    free(runner);
    return NULL;
}
