/* Calls against a scripted upstream: what goes out, and which connection it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "unit/carriers_rig.h"

static void a_reply_comes_as_it_is(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, 1);
    play(&rig, "HTTP/1.1 404 Nope\r\nX-A:  1 \r\nx-b:\r\nContent-Length: 3\r\n\r\nabc", 0,
         SCRIPT_KEEP);
    expect_body(&rig, "abc");
    assert_int_equal(rig.outcome.status, 404);
    assert_string_equal(rig.outcome.head, "X-A: 1\r\nx-b: \r\nContent-Length: 3\r\n");
    rig_done(&rig);
}

static void what_is_sent(void **state)
{
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    struct header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    rig.spec.headers = (struct header_list){headers, 2, 2};
    rig.spec.target = "/a/../b%2F%2f?x=[1]|y";
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    char *request = script_last_request(server);
    char expected[256];
    snprintf(expected, sizeof expected,
             "GET /a/../b%%2F%%2f?x=[1]|y HTTP/1.1\r\nHost: up.test:%u\r\n"
             "X-One: 1\r\nX-Empty:\r\n\r\n",
             (unsigned)server->port);
    assert_string_equal(request, expected);
    free(request);
    script_stop(server);
    rig_done(&rig);
}

static void expect_request(struct rig *rig, struct script_server *server, const char *format)
{
    char expected[256];
    assert_int_equal(run(rig), OUTCOME_REPLY);
    char *request = script_last_request(server);
    snprintf(expected, sizeof expected, format, (unsigned)server->port);
    assert_string_equal(request, expected);
    free(request);
}

/* Recycled handles: nothing of a call may show in the next. */
static void methods_follow_each_other(void **state)
{
    const struct script_step steps[] = {
        {OK, 0, SCRIPT_KEEP},
        {OK, 0, SCRIPT_KEEP},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 0, SCRIPT_KEEP},
        {OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    rig.spec.method = "POST";
    rig.spec.has_body = true;
    rig.spec.body = "a\0b";
    rig.spec.body_len = 3;
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    rig.spec.has_body = false;
    expect_request(&rig, server,
                   "POST /x HTTP/1.1\r\nHost: up.test:%u\r\nContent-Length: 0\r\n\r\n");
    rig.spec.method = "HEAD";
    expect_request(&rig, server, "HEAD /x HTTP/1.1\r\nHost: up.test:%u\r\n\r\n");
    assert_int_equal(rig.outcome.body_len, 0);
    rig.spec.method = "PURGE";
    expect_request(&rig, server, "PURGE /x HTTP/1.1\r\nHost: up.test:%u\r\n\r\n");
    rig.spec.method = "PUT";
    rig.spec.has_body = true;
    rig.spec.body = "xyz";
    expect_request(&rig, server,
                   "PUT /x HTTP/1.1\r\nHost: up.test:%u\r\nContent-Length: 3\r\n\r\nxyz");
    rig.spec.method = "GET";
    rig.spec.has_body = false;
    rig.spec.decode = true;
    expect_request(&rig, server,
                   "GET /x HTTP/1.1\r\nHost: up.test:%u\r\nAccept-Encoding: gzip, deflate\r\n\r\n");
    rig.spec.decode = false;
    expect_request(&rig, server, "GET /x HTTP/1.1\r\nHost: up.test:%u\r\n\r\n");
    script_stop(server);
    rig_done(&rig);
}

static void remaining_time_is_told(void **state)
{
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    rig.spec.timeout_header = "X-Left";
    usec_t deadline = clock_now() + 5 * USEC_PER_SEC;
    begin_at(&rig, "127.0.0.1", deadline);
    until_done(&rig, 1);
    char *request = script_last_request(server);
    char *field = strstr(request, "\r\nX-Left: ");
    assert_non_null(field);
    unsigned long left = strtoul(field + strlen("\r\nX-Left: "), NULL, 10);
    assert_true(left > 1000 && left <= 5000);
    free(request);
    script_stop(server);
    rig_done(&rig);
}

static void connections_are_reused(void **state)
{
    const struct script_step steps[] = {
        {"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", 0,
         SCRIPT_KEEP},
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
        {"HTTP/1.1 204 No Content\r\n\r\n", 0, SCRIPT_KEEP},
        {"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", 0, SCRIPT_KEEP},
        {OK, 0, SCRIPT_KEEP},
    };
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    static const unsigned statuses[] = {404, 500, 204, 304, 200};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(run(&rig), OUTCOME_REPLY);
        assert_int_equal(rig.outcome.status, statuses[i]);
    }
    assert_null(strstr(rig.outcome.head, "X-T"));
    assert_int_equal(atomic_load(&server->connections), 1);
    assert_int_equal(rig_open_sockets(&rig), 1);
    script_stop(server);
    rig_done(&rig);
}

/* A GET may be resent on a new connection, a POST must not. */
static void a_post_is_sent_once(void **state)
{
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}, {NULL, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    rig.spec.method = "POST";
    rig.spec.has_body = true;
    rig.spec.body = "x";
    rig.spec.body_len = 1;
    assert_int_equal(run(&rig), OUTCOME_CONNECTION_TERMINATED);
    assert_int_equal(atomic_load(&server->requests), 2);
    /* libcurl is told to take a new connection, ours saw that the idle one lives. */
    assert_int_equal(atomic_load(&server->connections), rig.way == BY_TRANSFER ? 2 : 1);
    script_stop(server);
    rig_done(&rig);
}

/* What an upstream sends between two calls must not become the next one's reply. */
static void unasked_bytes_end_a_connection(void **state)
{
    const struct script_step steps[] = {
        {OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 0, SCRIPT_KEEP},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
         0, SCRIPT_KEEP},
        {OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    for (int i = 0; i < 3; i++) {
        run(&rig);
        expect_body(&rig, "ok");
    }
    script_stop(server);
    rig_done(&rig);
}

static void a_closed_idle_connection_costs_nothing(void **state)
{
    const struct script_step steps[] = {{OK, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    /* The loop hears of the end and does not spin on it. */
    for (int i = 0; i < 3; i++)
        turn(&rig);
    usec_t before = clock_now();
    turn(&rig);
    assert_true(clock_now() - before >= 10 * USEC_PER_MSEC);
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(atomic_load(&server->requests), 2);
    script_stop(server);
    rig_done(&rig);
}

static void stopping_closes_the_connection(void **state)
{
    const struct script_step steps[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 0, SCRIPT_KEEP}, {NULL, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    void *call = begin(&rig);
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (rig.began == 0 && clock_now() < end)
        turn(&rig);
    assert_int_equal(rig.began, 1);
    stop(&rig, call);
    assert_int_equal(rig_open_sockets(&rig), 0);
    assert_true(script_reached(&server->closed, 1)); /* without another turn of ours */
    assert_int_equal(rig.done, 0);
    stop(&rig, begin(&rig)); /* before anything happened */
    rig.origin.tls = true;   /* in the handshake: the server says nothing */
    call = begin(&rig);
    while (atomic_load(&server->requests) < 2 && clock_now() < end)
        turn(&rig);
    stop(&rig, call);
    assert_int_equal(rig_open_sockets(&rig), 0);
    assert_true(script_reached(&server->closed, 2));
    script_stop(server);
    rig_done(&rig);
}

/* Several origins and handles of one origin share nothing they must not. */
static void origins_do_not_mix(void **state)
{
    const struct script_step one[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", 0, SCRIPT_KEEP}};
    const struct script_step two[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo", 0, SCRIPT_KEEP}};
    struct script_server *servers[] = {script_start(one), script_start(two)};
    struct rig rig;
    rig_init(&rig, *state, 1);
    char authorities[2][64];
    struct origin origins[2];
    for (size_t i = 0; i < 2; i++) {
        snprintf(authorities[i], sizeof authorities[i], "h%zu.test:%u", i,
                 (unsigned)servers[i]->port);
        origins[i] = (struct origin){
            .host = i == 0 ? "h0.test" : "h1.test",
            .port = servers[i]->port,
            .authority = authorities[i],
        };
    }
    for (size_t i = 0; i < 40; i++) {
        rig.spec.origin = &origins[i % 2];
        run(&rig);
        expect_body(&rig, i % 2 == 0 ? "one" : "two");
    }
    assert_int_equal(atomic_load(&servers[0]->connections), 1);
    assert_int_equal(atomic_load(&servers[1]->connections), 1);
    for (unsigned i = 0; i < 20; i++) /* more than one group of handles */
        begin(&rig);
    until_done(&rig, 60);
    assert_true(atomic_load(&servers[1]->connections) <= 20);
    assert_true(rig_open_sockets(&rig) <= 21);
    script_stop(servers[0]);
    script_stop(servers[1]);
    rig_done(&rig);
}

/* More origins than lanes are kept. */
static void many_origins(void **state)
{
    const struct script_step steps[] = {{OK, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    rig_init(&rig, *state, server->port);
    char host[32];
    rig.origin.host = host;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(host, sizeof host, "h%u.test", i);
        snprintf(rig.authority, sizeof rig.authority, "%s:%u", host, (unsigned)server->port);
        assert_int_equal(run(&rig), OUTCOME_REPLY);
    }
    assert_true(rig_open_sockets(&rig) <= 256);
    script_stop(server);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        for_both(a_reply_comes_as_it_is),
        for_both(what_is_sent),
        for_both(methods_follow_each_other),
        for_both(remaining_time_is_told),
        for_both(connections_are_reused),
        for_both(a_post_is_sent_once),
        for_both(unasked_bytes_end_a_connection),
        for_both(a_closed_idle_connection_costs_nothing),
        for_both(stopping_closes_the_connection),
        for_both(origins_do_not_mix),
        for_both(many_origins),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
