/*
 * A turn: wait for descriptors and deadlines, read the mail, bring outcomes
 * home, let libmicrohttpd run. While either of the last two has more to do the
 * next turn does not wait.
 *
 * A worker may end only when no sibling can hand it a connection or calls any more
 * (`crew->accepting` is 0 and its mailbox was empty after that was seen), and when
 * no call is left, its own or a sibling's. The mailbox itself stays until main has
 * seen everybody leave: a sibling or a resolver thread may be just about to return
 * from posting, or cancel a call that has already gone home.
 */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acceptor.h"
#include "access_log.h"
#include "back/fanout.h"
#include "back/span_export.h"
#include "base/log.h"
#include "base/mem.h"
#include "front/observe.h"
#include "front/server.h"

/* A bound for what others may leave here, each bounded on its own (connections, names,
 * calls of siblings, calls that wait for a place): it is there to be never reached. */
enum { MAILBOX_CAPACITY = 1 << 20 };

#define FLUSH_TIME   (500 * USEC_PER_MSEC) /* for the last replies, after the drain time */
#define SIBLING_WAIT (2 * USEC_PER_MSEC)

struct worker {
    struct crew *crew;
    size_t seat;
    struct loop *loop;
    struct dispatch *dispatch;
    struct fanout_engine engine;
    struct random random;
    struct outlets outlets;
    struct server *server;
    struct acceptor *acceptor;
    struct watch mail_watch;
    uint64_t owned; /* connections taken and not yet reported closed */
    bool stopping, gave_up;
    bool alone;   /* as seen before this turn: no sibling hands anything over any more */
    usec_t until; /* of the drain; later: of the flush */
    struct mail pulse;
    _Atomic(usec_t) asked; /* when the question was that is open; 0: none is */
    bool posted;           /* the main thread's: it has left for the mailbox */
};

struct order {
    struct mail mail;
    struct config *config;
    struct latch *taken;
    usec_t until;
};

static struct mailbox *own_mailbox(const struct worker *worker)
{
    return worker->crew->seats[worker->seat].mailbox;
}

/* ---- on the worker's thread ---- */

static void take_connection(void *receiver, int fd, const struct sockaddr *peer, socklen_t len)
{
    struct worker *worker = receiver;
    if (!worker->server) {
        close(fd);
        acceptor_release(worker->crew, worker->seat, 1);
        return;
    }
    worker->owned++;
    int rc = server_add(worker->server, fd, peer, len);
    if (rc != 0)
        log_warning("cannot serve a connection: %s", strerror(-rc));
}

/* Tells the crew what has closed. */
static void report_closed(struct worker *worker)
{
    uint64_t open = server_connections(worker->server);
    assert(open <= worker->owned);
    if (open < worker->owned)
        acceptor_release(worker->crew, worker->seat, worker->owned - open);
    worker->owned = open;
}

static void mail_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct worker *worker = container_of(watch, struct worker, mail_watch);
    mailbox_drain(own_mailbox(worker), worker);
}

static void take_config(struct mail *mail, void *receiver)
{
    struct order *order = container_of(mail, struct order, mail);
    struct worker *worker = receiver;
    if (worker->server) {
        server_configure(worker->server, order->config);
        acceptor_limit(worker->acceptor, order->config->limits.connections);
    }
    config_unref(order->config);
    latch_leave(order->taken);
    free(order);
}

static void take_stop(struct mail *mail, void *receiver)
{
    struct order *order = container_of(mail, struct order, mail);
    struct worker *worker = receiver;
    if (!worker->stopping || order->until < worker->until)
        worker->until = order->until;
    if (!worker->stopping) {
        worker->stopping = true;
        dispatch_leave(worker->dispatch);
        acceptor_stop(worker->acceptor);
        server_drain(worker->server);
    }
    free(order);
}

static void take_greeting(struct mail *mail, void *receiver)
{
    (void)receiver;
    struct order *order = container_of(mail, struct order, mail);
    latch_leave(order->taken);
    free(order);
}

static void take_pulse(struct mail *mail, void *receiver)
{
    (void)receiver;
    struct worker *worker = container_of(mail, struct worker, pulse);
    struct seat *seat = &worker->crew->seats[worker->seat];
    if (worker->server) {
        uint64_t served, in_flight;
        server_count_requests(worker->server, &served, &in_flight);
        atomic_store(&seat->served, served);
        atomic_store(&seat->in_flight, in_flight);
    }
    atomic_store(&worker->asked, 0);
}

/* True when there is more to do without waiting. Clients come last: an answer that is
 * there after libmicrohttpd ran would wait for whatever happens next. What the clients
 * begin sets a timer of its own if it ends at once. */
static bool run_parts(struct worker *worker)
{
    bool more_calls = dispatch_turn(worker->dispatch);
    bool more_clients = server_turn(worker->server);
    report_closed(worker);
    return more_calls || more_clients;
}

static void give_up(struct worker *worker)
{
    worker->gave_up = true;
    worker->until = loop_now(worker->loop) + FLUSH_TIME;
    server_give_up(worker->server);
}

/* Mail that waits is left to the next turn: what it brings must go through all parts. */
static bool is_finished(struct worker *worker)
{
    worker->alone = worker->stopping && atomic_load(&worker->crew->accepting) == 0;
    if (!worker->alone || mailbox_waiting(own_mailbox(worker)) > 0 ||
        dispatch_in_flight(worker->dispatch) > 0)
        return false;
    bool flushed = worker->gave_up && loop_now(worker->loop) >= worker->until;
    return flushed || server_connections(worker->server) == 0;
}

/* By what is_finished() saw, not by a second look: a sibling that has stopped in between wakes
 * nobody, and this worker would sleep until the drain time is over. */
static usec_t wait_until(const struct worker *worker, bool more)
{
    if (more)
        return 0;
    if (!worker->stopping)
        return USEC_NEVER;
    bool siblings_go_on =
        !worker->alone || (worker->gave_up && dispatch_in_flight(worker->dispatch) > 0);
    return siblings_go_on ? loop_now(worker->loop) + SIBLING_WAIT : worker->until;
}

static void take_down(struct worker *worker)
{
    struct loop *loop = worker->loop;
    if (worker->server)
        atomic_fetch_add(&worker->crew->cut, server_cut(worker->server));
    worker->server = server_free(worker->server);
    acceptor_release(worker->crew, worker->seat, worker->owned);
    worker->acceptor = acceptor_free(worker->acceptor);
    worker->dispatch = dispatch_free(worker->dispatch);
    loop_unwatch(loop, &worker->mail_watch);
    worker->loop = loop_free(loop);
}

static void run(void *ctx)
{
    struct worker *worker = ctx;
    _Atomic(uint64_t) *thread = &worker->crew->seats[worker->seat].thread;
    bool more = false;
    atomic_store(thread, (uint64_t)gettid());
    while (!is_finished(worker)) {
        int rc = loop_turn(worker->loop, wait_until(worker, more));
        if (rc != 0) {
            log_error("a worker cannot wait for events: %s", strerror(-rc));
            abort();
        }
        if (worker->stopping && !worker->gave_up && loop_now(worker->loop) >= worker->until)
            give_up(worker);
        more = run_parts(worker);
    }
    take_down(worker);
    atomic_store(thread, 0);
}

/* ---- on the main thread ---- */

static void observe(struct worker *worker)
{
    const struct crew *crew = worker->crew;
    if (!crew->access_log || !crew->span_export)
        return;
    worker->outlets = (struct outlets){
        .lines = access_log_ring(crew->access_log, worker->seat),
        .spans = span_export_ring(crew->span_export, worker->seat),
    };
    server_observe(worker->server, &worker->outlets);
}

static int build(struct worker *worker, struct config *config)
{
    struct crew *crew = worker->crew;
    struct seat *seat = &crew->seats[worker->seat];
    seat->tally = tally_new();
    tally_prepare(seat->tally, config);
    int rc = mailbox_new(MAILBOX_CAPACITY, &seat->mailbox);
    if (rc == 0)
        rc = loop_new(&worker->loop);
    if (rc == 0)
        loop_keep_account(worker->loop, &seat->tally->loop);
    if (rc == 0)
        rc = loop_watch(worker->loop, &worker->mail_watch, mailbox_fd(seat->mailbox), EPOLLIN,
                        mail_ready);
    if (rc == 0)
        rc = dispatch_new(worker->loop, seat->mailbox, crew->resolver, &worker->dispatch);
    if (rc != 0)
        return rc;
    dispatch_count_in(worker->dispatch, seat->tally);
    crew->siblings.items[worker->seat] = dispatch_sibling(worker->dispatch);
    dispatch_join(worker->dispatch, &crew->siblings, worker->seat);
    worker->engine = (struct fanout_engine){
        .loop = worker->loop,
        .dispatch = worker->dispatch,
        .identity = crew->identity,
        .tally = seat->tally,
        .random = &worker->random,
    };
    rc = random_seed(&worker->random);
    if (rc == 0)
        rc = server_new(worker->loop, &worker->engine, config, &worker->server);
    if (rc != 0)
        return rc;
    observe(worker);
    rc = acceptor_new(worker->loop, crew, worker->seat, take_connection, worker, &worker->acceptor);
    if (rc == 0)
        acceptor_limit(worker->acceptor, config->limits.connections);
    return rc;
}

int worker_new(struct crew *crew, size_t seat, struct config *config, struct worker **ret_worker)
{
    struct worker *worker = mem_new(sizeof *worker);
    worker->crew = crew;
    worker->seat = seat;
    int rc = build(worker, config);
    if (rc != 0) {
        worker_free(worker);
        return rc;
    }
    *ret_worker = worker;
    return 0;
}

struct worker *worker_free(struct worker *worker)
{
    if (!worker)
        return NULL;
    struct seat *seat = &worker->crew->seats[worker->seat];
    if (worker->loop)
        take_down(worker);
    if (seat->mailbox) {
        mailbox_drain(seat->mailbox, worker);
        seat->mailbox = mailbox_free(seat->mailbox);
    }
    seat->tally = tally_free(seat->tally);
    free(worker);
    return NULL;
}

int worker_start(struct worker *worker, struct latch *latch)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%zu", worker->seat);
    return latch_thread(latch, name, run, worker);
}

/* The main thread has time: a full mailbox empties soon. */
static void send_order(struct worker *worker, struct order order)
{
    struct order *copy = mem_new(sizeof *copy);
    *copy = order;
    while (mailbox_post(own_mailbox(worker), &copy->mail) != 0)
        usleep(1000);
}

void worker_configure(struct worker *worker, struct config *config, struct latch *taken)
{
    latch_enter(taken);
    send_order(
        worker,
        (struct order){.mail.deliver = take_config, .config = config_ref(config), .taken = taken});
}

void worker_stop(struct worker *worker, usec_t until)
{
    send_order(worker, (struct order){.mail.deliver = take_stop, .until = until});
}

void worker_greet(struct worker *worker, struct latch *latch)
{
    latch_enter(latch);
    send_order(worker, (struct order){.mail.deliver = take_greeting, .taken = latch});
}

/* A question that a full mailbox refuses is open all the same, and tried again. */
void worker_ask(struct worker *worker, usec_t now)
{
    if (atomic_load(&worker->asked) == 0) {
        worker->posted = false;
        atomic_store(&worker->asked, now);
    }
    if (worker->posted)
        return;
    worker->pulse.deliver = take_pulse;
    worker->posted = mailbox_post(own_mailbox(worker), &worker->pulse) == 0;
}

usec_t worker_silence(const struct worker *worker, usec_t now)
{
    usec_t asked = atomic_load(&worker->asked);
    return asked > 0 && asked < now ? now - asked : 0;
}
