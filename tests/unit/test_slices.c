/* Wide fan-outs over two workers: on one thread, where the order of everything is the
 * test's, and on two, where it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "unit/dispatch_rig.h"

enum { CALLS_MAX = 100, HANDS_MAX = 3 };

struct rig {
    struct dispatch_rig workers[HANDS_MAX]; /* the first owns the fan-outs */
    size_t count;
    struct sibling seats[HANDS_MAX];
    struct siblings siblings;
    struct config config;
    struct upstream upstream;
    struct origin origin;
    char authority[64];
    struct planned items[CALLS_MAX];
    struct plan plan;
    struct call *calls[CALLS_MAX]; /* NULL: home */
    unsigned home, replies, cancelled, others;
};

static void rig_init(struct rig *rig, size_t count, unsigned short port)
{
    *rig = (struct rig){.count = count};
    rig->siblings = (struct siblings){.items = rig->seats, .count = count};
    for (size_t i = 0; i < count; i++) {
        dispatch_rig_init(&rig->workers[i]);
        rig->seats[i] = dispatch_sibling(rig->workers[i].dispatch);
        dispatch_join(rig->workers[i].dispatch, &rig->siblings, i);
    }
    rig->config.in_flight = gauge_new();
    rig->upstream.in_flight = gauge_new();
    snprintf(rig->authority, sizeof rig->authority, "127.0.0.1:%u", (unsigned)port);
    rig->origin = (struct origin){
        .literal = true, .host = "127.0.0.1", .port = port, .authority = rig->authority};
    for (size_t i = 0; i < CALLS_MAX; i++) {
        rig->items[i].call = (struct call_spec){
            .id = "a",
            .upstream = &rig->upstream,
            .origin = &rig->origin,
            .method = "GET",
            .target = "/",
            .timeout = 10 * USEC_PER_SEC,
            .reply_body_max = 100000,
            .reply_header_max = 10000,
        };
    }
    rig->plan.items = rig->items;
}

static void rig_done(struct rig *rig)
{
    assert_int_equal(gauge_value(rig->config.in_flight), 0);
    assert_int_equal(gauge_value(rig->upstream.in_flight), 0);
    for (size_t i = 0; i < rig->count; i++)
        dispatch_rig_done(&rig->workers[i]);
    gauge_unref(rig->config.in_flight);
    gauge_unref(rig->upstream.in_flight);
}

static void came_home(void *ctx, size_t index, struct outcome *outcome)
{
    struct rig *rig = ctx;
    assert_non_null(rig->calls[index]); /* once */
    rig->calls[index] = NULL;
    rig->home++;
    rig->replies += outcome->code == OUTCOME_REPLY;
    rig->cancelled += outcome->code == OUTCOME_CANCELLED;
    rig->others += outcome->code != OUTCOME_REPLY && outcome->code != OUTCOME_CANCELLED;
    if (outcome->code == OUTCOME_REPLY)
        assert_memory_equal(outcome->body, "ok", 2);
}

/* Starts `calls` calls; how many of them went away. */
static size_t begin(struct rig *rig, size_t calls)
{
    struct spread spread;
    size_t away = 0;
    rig->plan.count = calls;
    rig->home = rig->replies = rig->cancelled = rig->others = 0;
    spread_begin(&spread, rig->workers[0].dispatch, &rig->config, &rig->plan);
    for (size_t i = 0; i < calls; i++) {
        rig->calls[i] = spread_call(&spread, &rig->items[i].call, came_home, rig, i);
        away += rig->calls[i]->away;
    }
    spread_end(&spread);
    return away;
}

static void cancel_all(struct rig *rig)
{
    for (size_t i = 0; i < rig->plan.count; i++)
        if (rig->calls[i])
            dispatch_cancel(rig->workers[0].dispatch, rig->calls[i]);
}

static void turn_all(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        assert_int_equal(loop_turn(rig->workers[i].loop, 0), 0);
        while (dispatch_turn(rig->workers[i].dispatch))
            ;
    }
}

static void until_home(struct rig *rig)
{
    usec_t end = clock_now() + 10 * USEC_PER_SEC;
    while (rig->home < rig->plan.count && clock_now() < end)
        turn_all(rig);
    assert_int_equal(rig->home, rig->plan.count);
    assert_int_equal(dispatch_in_flight(rig->workers[0].dispatch), 0);
    turn_all(rig);
    for (size_t i = 1; i < rig->count; i++)
        assert_int_equal(dispatch_in_flight(rig->workers[i].dispatch), 0);
}

static const struct script_step replying[] = {{OK, 0, SCRIPT_KEEP}};
static const struct script_step silent[] = {{NULL, 0, SCRIPT_KEEP}};

/* ---- on one thread ---- */

static void small_fan_outs_stay(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    assert_int_equal(begin(&rig, 63), 0);
    until_home(&rig);
    assert_int_equal(rig.replies, 63);
    assert_int_equal(dispatch_open_sockets(rig.workers[1].dispatch), 0);
    rig_done(&rig);
    script_stop(server);
}

static void wide_ones_are_shared(void **state)
{
    (void)state;
    static const struct {
        size_t hands, calls, away;
    } cases[] = {{2, 64, 32}, {2, 100, 50}, {3, 64, 32}, {3, 96, 64}, {3, 100, 66}, {1, 100, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script_server *server = script_start(replying);
        struct rig rig;
        rig_init(&rig, cases[i].hands, server->port);
        assert_int_equal(begin(&rig, cases[i].calls), cases[i].away);
        assert_int_equal(dispatch_in_flight(rig.workers[0].dispatch), cases[i].calls);
        until_home(&rig);
        assert_int_equal(rig.replies, cases[i].calls);
        assert_int_equal(atomic_load(&server->requests), cases[i].calls);
        rig_done(&rig);
        script_stop(server);
    }
}

/* Endpoints run in place are no calls; a slice they leave half empty is sent as it is. */
static void slices_that_are_not_filled(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    rig.items[99].in_place = true;
    rig.plan.count = 100;
    struct spread spread;
    spread_begin(&spread, rig.workers[0].dispatch, &rig.config, &rig.plan);
    spread_end(&spread);
    assert_int_equal(dispatch_in_flight(rig.workers[0].dispatch), 0);
    spread_begin(&spread, rig.workers[0].dispatch, &rig.config, &rig.plan);
    rig.plan.count = 10; /* the batch was decided by an endpoint run in place */
    for (size_t i = 0; i < 10; i++)
        rig.calls[i] = spread_call(&spread, &rig.items[i].call, came_home, &rig, i);
    spread_end(&spread);
    assert_int_equal(dispatch_in_flight(rig.workers[0].dispatch), 10);
    until_home(&rig);
    assert_int_equal(rig.replies, 10);
    rig_done(&rig);
    script_stop(server);
}

static void cold_tls_is_shared(void **state)
{
    (void)state;
    unsigned short port;
    int dead = script_dead_port(&port);
    struct rig rig;
    rig_init(&rig, 2, port);
    rig.origin.tls = true;
    assert_int_equal(begin(&rig, 7), 0);
    until_home(&rig);
    assert_int_equal(begin(&rig, 8), 4);
    until_home(&rig);
    assert_int_equal(rig.others, 8);
    rig_done(&rig);
    close(dead);
}

static void a_full_mailbox_keeps_them_here(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    for (size_t full = 0; full < 2; full++) { /* the owner's, the sibling's */
        size_t needed = full == 0 ? 32 : 1;
        struct mailbox *mailbox = rig.workers[full].mailbox;
        size_t taken = 4096 - needed + 1;
        assert_int_equal(mailbox_reserve_places(mailbox, taken), 0);
        assert_int_equal(begin(&rig, 64), 0);
        mailbox_unreserve(mailbox); /* the edge */
        until_home(&rig);
        assert_int_equal(rig.replies, 64);
        assert_int_equal(begin(&rig, 64), 32);
        until_home(&rig);
        assert_int_equal(rig.replies, 64);
        mailbox_unreserve_places(mailbox, taken - 1);
    }
    rig_done(&rig);
    script_stop(server);
}

static void who_has_left_sends_none(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    dispatch_leave(rig.workers[1].dispatch);
    assert_int_equal(begin(&rig, 64), 32); /* it still runs what others send */
    until_home(&rig);
    dispatch_leave(rig.workers[0].dispatch);
    assert_int_equal(begin(&rig, 64), 0);
    until_home(&rig);
    rig_done(&rig);
    script_stop(server);
}

static void cancelled_before_they_arrive(void **state)
{
    (void)state;
    struct script_server *server = script_start(silent);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    begin(&rig, 100);
    cancel_all(&rig);
    assert_int_equal(rig.home, 0);
    until_home(&rig);
    assert_int_equal(rig.cancelled, 100);
    rig_done(&rig);
    script_stop(server);
}

static void cancelled_while_they_run(void **state)
{
    (void)state;
    struct script_server *server = script_start(silent);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    begin(&rig, 100);
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (atomic_load(&server->requests) < 100 && clock_now() < end)
        turn_all(&rig);
    cancel_all(&rig);
    turn_all(&rig); /* the owner tells, the sibling reads */
    assert_true(script_reached(&server->closed, 100));
    until_home(&rig);
    assert_int_equal(rig.cancelled, 100);
    rig_done(&rig);
    script_stop(server);
}

/* One by one, so that the same slice is asked for several times; with its mailbox full
 * the sibling hears of it later. */
static void cancelled_in_pieces(void **state)
{
    (void)state;
    struct script_server *server = script_start(silent);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    begin(&rig, 64);
    turn_all(&rig);
    dispatch_cancel(rig.workers[0].dispatch, rig.calls[0]);
    turn_all(&rig);
    turn_all(&rig);
    assert_int_equal(rig.cancelled, 1);
    assert_int_equal(mailbox_reserve_places(rig.workers[1].mailbox, 4096), 0);
    dispatch_cancel(rig.workers[0].dispatch, rig.calls[1]);
    dispatch_cancel(rig.workers[0].dispatch, rig.calls[40]); /* not away */
    for (int i = 0; i < 5; i++)
        turn_all(&rig);
    assert_int_equal(rig.cancelled, 2);
    assert_non_null(rig.calls[1]);
    mailbox_unreserve_places(rig.workers[1].mailbox, 4096);
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (rig.calls[1] && clock_now() < end) /* without another event */
        turn_all(&rig);
    assert_int_equal(rig.cancelled, 3);
    cancel_all(&rig);
    until_home(&rig);
    assert_int_equal(rig.cancelled, 64);
    rig_done(&rig);
    script_stop(server);
}

/* The outcomes are in the owner's mailbox when it cancels; the sibling has ended. */
static void cancelled_when_the_sibling_is_gone(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    struct dispatch_rig *sibling = &rig.workers[1];
    assert_int_equal(begin(&rig, 64), 32);
    dispatch_rig_turn(sibling); /* takes them */
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (dispatch_in_flight(sibling->dispatch) > 0 && clock_now() < end)
        dispatch_rig_turn(sibling);
    sibling->dispatch = dispatch_free(sibling->dispatch);
    assert_non_null(rig.calls[0]);
    cancel_all(&rig);
    while (dispatch_turn(rig.workers[0].dispatch)) /* tells a mailbox that nobody reads */
        ;
    dispatch_rig_until(&rig.workers[0], &rig.home, 64);
    assert_int_equal(rig.cancelled, 64);
    rig_done(&rig);
    script_stop(server);
}

static void deadlines_run_abroad(void **state)
{
    (void)state;
    struct script_server *server = script_start(silent);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    for (size_t i = 0; i < 64; i++)
        rig.items[i].call.timeout = 50 * USEC_PER_MSEC;
    usec_t before = clock_now();
    begin(&rig, 64);
    until_home(&rig);
    assert_int_equal(rig.others, 64);
    assert_true(clock_now() - before >= 50 * USEC_PER_MSEC);
    rig_done(&rig);
    script_stop(server);
}

/* ---- on two ---- */

struct helper {
    struct dispatch_rig *worker;
    atomic_bool nobody_sends;
    pthread_t thread;
};

/* As a worker: it ends when nobody sends any more, its mailbox was drained after that,
 * and nothing is left. */
static bool helper_may_end(struct helper *helper)
{
    if (!atomic_load(&helper->nobody_sends))
        return false;
    mailbox_drain(helper->worker->mailbox, helper->worker);
    return dispatch_in_flight(helper->worker->dispatch) == 0;
}

static void *help(void *ctx)
{
    struct helper *helper = ctx;
    struct dispatch_rig *worker = helper->worker;
    while (!helper_may_end(helper)) {
        assert_int_equal(loop_turn(worker->loop, clock_now() + USEC_PER_MSEC), 0);
        while (dispatch_turn(worker->dispatch))
            ;
    }
    worker->dispatch = dispatch_free(worker->dispatch);
    return NULL;
}

static void helper_start(struct helper *helper, struct rig *rig)
{
    helper->worker = &rig->workers[1];
    atomic_init(&helper->nobody_sends, false);
    assert_int_equal(pthread_create(&helper->thread, NULL, help, helper), 0);
}

static void helper_stop(struct helper *helper)
{
    atomic_store(&helper->nobody_sends, true);
    pthread_join(helper->thread, NULL);
}

static void every_outcome_comes_home_once(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    struct helper helper;
    rig_init(&rig, 2, server->port);
    helper_start(&helper, &rig);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(begin(&rig, 100), 50);
        dispatch_rig_until(&rig.workers[0], &rig.home, 100);
        assert_int_equal(rig.replies, 100);
    }
    helper_stop(&helper);
    assert_int_equal(atomic_load(&server->requests), 5000);
    rig_done(&rig);
    script_stop(server);
}

/* Cancelled after a while that grows, so that cancels meet calls in every state. */
static void cancels_cross_outcomes(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    struct helper helper;
    unsigned replies = 0, cancelled = 0;
    rig_init(&rig, 2, server->port);
    helper_start(&helper, &rig);
    for (unsigned round = 0; round < 150; round++) {
        begin(&rig, 64);
        usec_t end = clock_now() + round % 50 * 20;
        while (clock_now() < end)
            dispatch_turn(rig.workers[0].dispatch);
        cancel_all(&rig);
        dispatch_rig_until(&rig.workers[0], &rig.home, 64);
        replies += rig.replies;
        cancelled += rig.cancelled;
        assert_int_equal(rig.others, 0);
    }
    assert_true(cancelled > 0);
    assert_int_equal(replies + cancelled, 150 * 64);
    helper_stop(&helper);
    rig_done(&rig);
    script_stop(server);
}

/* The stop comes while slices travel: they are run to their end. */
static void stopping_while_slices_travel(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    for (int round = 0; round < 20; round++) {
        struct rig rig;
        struct helper helper;
        rig_init(&rig, 2, server->port);
        helper_start(&helper, &rig);
        assert_int_equal(begin(&rig, 64), 32);
        dispatch_leave(rig.workers[0].dispatch);
        atomic_store(&helper.nobody_sends, true);
        dispatch_rig_until(&rig.workers[0], &rig.home, 64);
        assert_int_equal(rig.replies, 64);
        helper_stop(&helper);
        rig_done(&rig);
    }
    script_stop(server);
}

/* ---- pauses ---- */

static void pause_all(struct rig *rig, bool paused)
{
    for (size_t i = 0; i < rig->plan.count; i++)
        if (rig->calls[i])
            dispatch_pause(rig->workers[0].dispatch, rig->calls[i], paused);
}

static void turn_for(struct rig *rig, usec_t span)
{
    usec_t end = clock_now() + span;
    while (clock_now() < end)
        turn_all(rig);
}

/* Both halves have sent their requests and read nothing until they may. */
static void paused_here_and_there(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    for (unsigned round = 1; round <= 2; round++) { /* then on kept connections */
        assert_int_equal(begin(&rig, 64), 32);
        pause_all(&rig, true);
        usec_t end = clock_now() + 5 * USEC_PER_SEC;
        while (atomic_load(&server->requests) < 64 * round && clock_now() < end)
            turn_all(&rig);
        turn_for(&rig, 50 * USEC_PER_MSEC);
        assert_int_equal(atomic_load(&server->requests), 64 * round);
        assert_int_equal(rig.home, 0);
        pause_all(&rig, false);
        until_home(&rig);
        assert_int_equal(rig.replies, 64);
    }
    rig_done(&rig);
    script_stop(server);
}

static void paused_and_cancelled(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    for (int turns = 0; turns < 5; turns++) { /* also before the sibling has heard of them */
        begin(&rig, 64);
        pause_all(&rig, true);
        for (int i = 0; i < turns; i++)
            turn_all(&rig);
        cancel_all(&rig);
        until_home(&rig);
        assert_int_equal(rig.cancelled, 64);
    }
    rig_done(&rig);
    script_stop(server);
}

static void a_short_pause_changes_nothing(void **state)
{
    (void)state;
    struct script_server *server = script_start(replying);
    struct rig rig;
    rig_init(&rig, 2, server->port);
    begin(&rig, 64);
    for (int i = 0; i < 6; i++) {
        pause_all(&rig, i % 2 == 0);
        if (i > 2)
            turn_all(&rig);
    }
    until_home(&rig);
    assert_int_equal(rig.replies, 64);
    rig_done(&rig);
    script_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_fan_outs_stay),
        cmocka_unit_test(wide_ones_are_shared),
        cmocka_unit_test(slices_that_are_not_filled),
        cmocka_unit_test(cold_tls_is_shared),
        cmocka_unit_test(a_full_mailbox_keeps_them_here),
        cmocka_unit_test(who_has_left_sends_none),
        cmocka_unit_test(cancelled_before_they_arrive),
        cmocka_unit_test(cancelled_while_they_run),
        cmocka_unit_test(cancelled_in_pieces),
        cmocka_unit_test(cancelled_when_the_sibling_is_gone),
        cmocka_unit_test(deadlines_run_abroad),
        cmocka_unit_test(every_outcome_comes_home_once),
        cmocka_unit_test(cancels_cross_outcomes),
        cmocka_unit_test(stopping_while_slices_travel),
        cmocka_unit_test(paused_here_and_there),
        cmocka_unit_test(paused_and_cancelled),
        cmocka_unit_test(a_short_pause_changes_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
