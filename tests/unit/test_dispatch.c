/* Calls from the door to home: limits, names, deadlines, addresses, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>

#include "unit/dispatch_rig.h"

struct rig {
    struct dispatch_rig base;
    struct config config;
    struct upstream upstream;
    struct origin origin;
    char authority[64];
    struct call_spec spec;
    bool starting;
    unsigned home;
    size_t index;
    struct outcome outcome; /* of the call that came home last */
};

static void rig_init(struct rig *rig, const char *host, unsigned short port)
{
    *rig = (struct rig){.home = 0};
    dispatch_rig_init(&rig->base);
    rig->config.in_flight = gauge_new();
    rig->upstream.in_flight = gauge_new();
    snprintf(rig->authority, sizeof rig->authority, "%s:%u", host, (unsigned)port);
    unsigned char address[sizeof(struct in6_addr)];
    rig->origin = (struct origin){
        .literal =
            inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1,
        .host = host,
        .port = port,
        .authority = rig->authority,
    };
    rig->spec = (struct call_spec){
        .id = "a",
        .upstream = &rig->upstream,
        .origin = &rig->origin,
        .method = "GET",
        .target = "/",
        .timeout = 5 * USEC_PER_SEC,
        .reply_body_max = 100000,
        .reply_header_max = 10000,
    };
}

static void rig_done(struct rig *rig)
{
    outcome_done(&rig->outcome);
    assert_int_equal(gauge_value(rig->config.in_flight), 0);
    assert_int_equal(gauge_value(rig->upstream.in_flight), 0);
    dispatch_rig_done(&rig->base);
    gauge_unref(rig->config.in_flight);
    gauge_unref(rig->upstream.in_flight);
}

static void came_home(void *ctx, size_t index, struct outcome *outcome)
{
    struct rig *rig = ctx;
    assert_false(rig->starting);
    outcome_done(&rig->outcome);
    rig->outcome = outcome_take(outcome);
    rig->index = index;
    rig->home++;
}

static struct call *begin(struct rig *rig)
{
    rig->starting = true;
    struct call *call =
        dispatch_call(rig->base.dispatch, &rig->config, &rig->spec, came_home, rig, 7);
    rig->starting = false;
    assert_non_null(call);
    return call;
}

static enum outcome_code run(struct rig *rig)
{
    begin(rig);
    dispatch_rig_until(&rig->base, &rig->home, rig->home + 1);
    assert_int_equal(dispatch_in_flight(rig->base.dispatch), 0);
    assert_int_equal(rig->index, 7);
    return rig->outcome.code;
}

static void replies_come_home(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    static const char *const hosts[] = {"127.0.0.1", "one"};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_init(&rig, hosts[i], server->port);
        for (unsigned call = 0; call < 3; call++) {
            assert_int_equal(run(&rig), OUTCOME_REPLY);
            assert_int_equal(rig.outcome.status, 200);
            assert_memory_equal(rig.outcome.body, "ok", 2);
            assert_int_equal(rig.outcome.attempts, 1);
            assert_true(rig.outcome.elapsed > 0);
        }
        assert_int_equal(dispatch_open_sockets(rig.base.dispatch), 1);
        rig_done(&rig);
    }
    script_stop(server);
}

static void names_without_addresses(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, "bad", 80);
    for (int i = 0; i < 2; i++) { /* looked up, remembered */
        assert_int_equal(run(&rig), OUTCOME_DNS_ERROR);
        assert_int_equal(rig.outcome.attempts, 0);
    }
    char name[300];
    memset(name, 'a', sizeof name);
    name[RESOLVE_HOST_MAX] = '\0';
    rig.origin.host = name;
    assert_int_equal(run(&rig), OUTCOME_DNS_ERROR);
    assert_non_null(rig.outcome.detail);
    name[RESOLVE_HOST_MAX - 1] = '\0';
    assert_int_equal(run(&rig), OUTCOME_DNS_ERROR);
    assert_null(rig.outcome.detail);
    rig_done(&rig);
}

/* The call ends with `code` when `span` is over, not before and not much later. */
static void expect_deadline(struct rig *rig, usec_t span, enum outcome_code code)
{
    assert_int_equal(run(rig), code);
    assert_true(rig->outcome.elapsed >= span);
    assert_true(rig->outcome.elapsed < span + USEC_PER_SEC);
}

static void deadline_while_resolving(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, "hang", 80);
    rig.spec.timeout = 30 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.timeout, OUTCOME_DNS_TIMEOUT);
    assert_int_equal(rig.outcome.attempts, 0);
    begin(&rig); /* waits behind the lookup that hangs, until both end */
    sem_post(&rig.base.hang);
    dispatch_rig_until(&rig.base, &rig.home, 2);
    assert_int_equal(rig.outcome.code, OUTCOME_DNS_ERROR);
    rig_done(&rig);
}

static void deadline_while_connecting(void **state)
{
    (void)state;
    struct black_hole hole;
    struct rig rig;
    black_hole_open(&hole, "127.0.0.1", 0);
    rig_init(&rig, "one", hole.port);
    rig.spec.timeout = 30 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.timeout, OUTCOME_CONNECTION_TIMEOUT);
    assert_int_equal(rig.outcome.attempts, 1);
    rig.spec.timeout = 5 * USEC_PER_SEC;
    rig.spec.connect_timeout = 40 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.connect_timeout, OUTCOME_CONNECTION_TIMEOUT);
    assert_int_equal(dispatch_open_sockets(rig.base.dispatch), 0);
    rig_done(&rig);
    black_hole_close(&hole);
}

static void deadline_while_waiting(void **state)
{
    (void)state;
    const struct script_step steps[] = {
        {NULL, 0, SCRIPT_KEEP},
        {NULL, 0, SCRIPT_KEEP},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, "one", server->port);
    rig.spec.timeout = 30 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.timeout, OUTCOME_RESPONSE_TIMEOUT);
    assert_int_equal(rig.outcome.status, 0);
    rig.spec.timeout = 5 * USEC_PER_SEC;
    rig.spec.first_byte_timeout = 40 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.first_byte_timeout, OUTCOME_RESPONSE_TIMEOUT);
    /* The first byte comes in time; the last does not. */
    rig.spec.timeout = 200 * USEC_PER_MSEC;
    rig.spec.first_byte_timeout = 100 * USEC_PER_MSEC;
    expect_deadline(&rig, rig.spec.timeout, OUTCOME_RESPONSE_TIMEOUT);
    assert_null(rig.outcome.body);
    assert_true(script_reached(&server->closed, 3));
    rig_done(&rig);
    script_stop(server);
}

static void cancelling_closes_the_connection(void **state)
{
    (void)state;
    const struct script_step steps[] = {{NULL, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, "one", server->port);
    struct call *call = begin(&rig);
    dispatch_rig_until_seen(&rig.base, &server->requests, 1);
    dispatch_cancel(rig.base.dispatch, call);
    assert_int_equal(rig.home, 0);
    assert_true(script_reached(&server->closed, 1)); /* the loop did not turn */
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_int_equal(rig.outcome.code, OUTCOME_CANCELLED);
    assert_int_equal(rig.outcome.attempts, 1);
    script_stop(server);
    rig_done(&rig);
}

static void cancelling_early_and_late(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, "hang", 80);
    struct call *call = begin(&rig);
    dispatch_cancel(rig.base.dispatch, call); /* its lookup runs */
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_int_equal(rig.outcome.code, OUTCOME_CANCELLED);
    rig.config.limits.in_flight = 1;
    assert_true(gauge_enter(rig.config.in_flight, 0));
    call = begin(&rig);
    dispatch_cancel(rig.base.dispatch, call); /* refused already, not yet told */
    dispatch_rig_until(&rig.base, &rig.home, 2);
    assert_int_equal(rig.outcome.code, OUTCOME_CANCELLED);
    gauge_leave(rig.config.in_flight);
    rig_done(&rig);
}

/* A question whose answer is in the mailbox when its call gives up. */
static void an_answer_too_late(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, "bad", 80);
    struct call *call = begin(&rig);
    struct pollfd readable = {.fd = mailbox_fd(rig.base.mailbox), .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    dispatch_cancel(rig.base.dispatch, call);
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_int_equal(rig.outcome.code, OUTCOME_CANCELLED);
    rig_done(&rig);
}

static void limits_at_their_edge(void **state)
{
    (void)state;
    const struct script_step steps[] = {{NULL, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    for (int which = 0; which < 2; which++) {
        struct rig rig;
        struct call *calls[3];
        rig_init(&rig, "127.0.0.1", server->port);
        rig.config.limits.in_flight = which == 0 ? 3 : 0;
        rig.upstream.max_in_flight = which == 1 ? 3 : 0;
        for (size_t i = 0; i < 3; i++)
            calls[i] = begin(&rig);
        begin(&rig);
        dispatch_rig_until(&rig.base, &rig.home, 1);
        assert_int_equal(rig.outcome.code, OUTCOME_CONNECTION_LIMIT);
        assert_int_equal(rig.outcome.attempts, 0);
        dispatch_cancel(rig.base.dispatch, calls[0]); /* makes room at once */
        struct call *next = begin(&rig);
        dispatch_rig_until(&rig.base, &rig.home, 2);
        assert_int_equal(rig.outcome.code, OUTCOME_CANCELLED);
        dispatch_cancel(rig.base.dispatch, calls[1]);
        dispatch_cancel(rig.base.dispatch, calls[2]);
        dispatch_cancel(rig.base.dispatch, next);
        dispatch_rig_until(&rig.base, &rig.home, 5);
        rig_done(&rig);
    }
    script_stop(server);
}

static void the_next_address(void **state)
{
    (void)state;
    static const char *const hosts[] = {"two", "six"};
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}, {OK, 0, SCRIPT_CLOSE}};
    for (size_t i = 0; i < 2; i++) {
        struct script_server *server = script_start(steps);
        struct rig rig;
        rig_init(&rig, hosts[i], server->port);
        assert_int_equal(run(&rig), OUTCOME_REPLY);
        assert_int_equal(rig.outcome.attempts, 2);
        assert_int_equal(run(&rig), OUTCOME_REPLY); /* the good one is remembered */
        assert_int_equal(rig.outcome.attempts, 1);
        script_stop(server);
        assert_int_equal(run(&rig), OUTCOME_CONNECTION_REFUSED); /* round the list */
        assert_int_equal(rig.outcome.attempts, 2);
        rig_done(&rig);
    }
}

static void an_address_that_swallows_everything(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct black_hole hole;
    black_hole_open(&hole, "127.0.0.2", server->port);
    struct rig rig;
    rig_init(&rig, "two", server->port);
    rig.spec.connect_timeout = 500 * USEC_PER_MSEC;
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(rig.outcome.attempts, 2);
    assert_true(rig.outcome.elapsed >= 250 * USEC_PER_MSEC); /* its share */
    rig_done(&rig);
    black_hole_close(&hole);
    script_stop(server);
}

/* Replies, also error replies, are final: no other address is asked. */
static void what_was_sent_is_not_sent_again(void **state)
{
    (void)state;
    const struct script_step steps[] = {{NULL, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct script_server *other = script_start_at("127.0.0.2", server->port, steps, 1);
    struct rig rig;
    rig_init(&rig, "two", server->port);
    assert_int_equal(run(&rig), OUTCOME_CONNECTION_TERMINATED);
    assert_int_equal(atomic_load(&other->requests), 1);
    assert_int_equal(atomic_load(&server->requests), 0);
    rig_done(&rig);
    script_stop(other);
    script_stop(server);
}

struct load {
    struct rig *rig;
    unsigned left, home, most;
};

static void next_please(void *ctx, size_t index, struct outcome *outcome)
{
    struct load *load = ctx;
    struct rig *rig = load->rig;
    assert_int_equal(outcome->code, OUTCOME_REPLY);
    load->home++;
    size_t in_flight = dispatch_in_flight(rig->base.dispatch);
    load->most = in_flight > load->most ? (unsigned)in_flight : load->most;
    if (load->left > 0) {
        load->left--;
        dispatch_call(rig->base.dispatch, &rig->config, &rig->spec, next_please, load, index);
    }
}

static void two_thousand_calls_leave_nothing(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, "one", server->port);
    struct load load = {.rig = &rig, .left = 1990};
    for (size_t i = 0; i < 10; i++)
        dispatch_call(rig.base.dispatch, &rig.config, &rig.spec, next_please, &load, i);
    usec_t end = clock_now() + 20 * USEC_PER_SEC;
    size_t descriptors = 0;
    while (load.home < 2000 && clock_now() < end) {
        dispatch_rig_turn(&rig.base);
        if (descriptors == 0 && load.home >= 200)
            descriptors = open_descriptors();
    }
    assert_int_equal(load.home, 2000);
    assert_int_equal(load.most, 9); /* the tenth was home */
    assert_int_equal(open_descriptors(), descriptors);
    assert_int_equal(atomic_load(&server->requests), 2000);
    assert_true(atomic_load(&server->connections) <= 10);
    rig_done(&rig);
    script_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_home),
        cmocka_unit_test(names_without_addresses),
        cmocka_unit_test(deadline_while_resolving),
        cmocka_unit_test(deadline_while_connecting),
        cmocka_unit_test(deadline_while_waiting),
        cmocka_unit_test(cancelling_closes_the_connection),
        cmocka_unit_test(cancelling_early_and_late),
        cmocka_unit_test(an_answer_too_late),
        cmocka_unit_test(limits_at_their_edge),
        cmocka_unit_test(the_next_address),
        cmocka_unit_test(an_address_that_swallows_everything),
        cmocka_unit_test(what_was_sent_is_not_sent_again),
        cmocka_unit_test(two_thousand_calls_leave_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
