/* What only the exchange promises: what is sent again and what never, phases, partial
 * sends, large bodies. What both carriers promise is in test_carriers*.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>

#include "unit/carriers_rig.h"

static void start_rig(struct rig *rig, struct script_server *server, const char *method)
{
    rig_init(rig, &by_exchange, server->port);
    rig->spec.method = method;
    rig->spec.has_body = strcmp(method, "POST") == 0;
    rig->spec.body = "x";
    rig->spec.body_len = rig->spec.has_body ? 1 : 0;
}

static const struct {
    const char *method;
    struct script_step second; /* the first leaves the connection open; others reply */
    enum outcome_code code;
    unsigned requests;
} dead_cases[] = {
    {"GET", {NULL, 0, SCRIPT_CLOSE}, OUTCOME_REPLY, 3},
    {"GET", {NULL, 0, SCRIPT_RESET}, OUTCOME_REPLY, 3},
    {"DELETE", {NULL, 0, SCRIPT_CLOSE}, OUTCOME_REPLY, 3},
    {"POST", {NULL, 0, SCRIPT_CLOSE}, OUTCOME_CONNECTION_TERMINATED, 2},
    {"POST", {NULL, 0, SCRIPT_RESET}, OUTCOME_CONNECTION_TERMINATED, 2},
    {"PATCH", {NULL, 0, SCRIPT_CLOSE}, OUTCOME_CONNECTION_TERMINATED, 2},
    {"GET", {"H", 0, SCRIPT_CLOSE}, OUTCOME_RESPONSE_INCOMPLETE, 2},
    {"GET", {"H", 0, SCRIPT_RESET}, OUTCOME_RESPONSE_INCOMPLETE, 2},
    {"GET", {"HTTP/1.1 100 More\r\n\r\n", 0, SCRIPT_CLOSE}, OUTCOME_RESPONSE_INCOMPLETE, 2},
};

static void what_is_sent_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dead_cases / sizeof *dead_cases; i++) {
        const struct script_step steps[] = {
            {OK, 0, SCRIPT_KEEP}, dead_cases[i].second, {OK, 0, SCRIPT_KEEP}};
        struct script_server *server = script_start(steps);
        struct rig rig;
        start_rig(&rig, server, dead_cases[i].method);
        assert_int_equal(run(&rig), OUTCOME_REPLY);
        assert_int_equal(run(&rig), dead_cases[i].code);
        assert_int_equal(atomic_load(&server->requests), dead_cases[i].requests);
        assert_int_equal(rig_open_sockets(&rig), dead_cases[i].code == OUTCOME_REPLY);
        script_stop(server);
        rig_done(&rig);
    }
}

static void once_and_on_a_new_connection(void **state)
{
    (void)state;
    const struct script_step steps[] = {
        {OK, 0, SCRIPT_KEEP}, {OK, 0, SCRIPT_KEEP}, {NULL, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    start_rig(&rig, server, "GET");
    begin(&rig);
    begin(&rig);
    until_done(&rig, 2); /* two idle connections */
    assert_int_equal(run(&rig), OUTCOME_CONNECTION_TERMINATED);
    assert_int_equal(atomic_load(&server->requests), 4);
    assert_int_equal(atomic_load(&server->connections), 3);
    script_stop(server);
    rig_done(&rig);
}

static void a_new_connection_is_no_reason(void **state)
{
    (void)state;
    const struct script_step steps[] = {{NULL, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    start_rig(&rig, server, "GET");
    assert_int_equal(run(&rig), OUTCOME_CONNECTION_TERMINATED);
    assert_int_equal(atomic_load(&server->requests), 1);
    script_stop(server);
    rig_done(&rig);
}

/* Waits until a descriptor of this process has seen its other side close. */
static void await_hang_up(void)
{
    enum { LAST = 64 };
    struct pollfd all[LAST];
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    for (bool seen = false; !seen;) {
        assert_true(clock_now() < end);
        for (int i = 0; i < LAST; i++)
            all[i] = (struct pollfd){.fd = i, .events = POLLRDHUP};
        assert_true(poll(all, LAST, 100) >= 0);
        for (int i = 3; i < LAST; i++)
            seen |= (all[i].revents & POLLRDHUP) != 0;
    }
}

/* An upstream that says nothing of it but closes with its reply: nobody may find the
 * connection idle, not even in the turn in which the reply was read. */
static void a_reply_with_the_end_behind_it(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}, {OK, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    start_rig(&rig, server, "GET");
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(rig_open_sockets(&rig), 1);
    begin(&rig);
    await_hang_up();
    until_done(&rig, 2);
    assert_int_equal(rig.outcome.code, OUTCOME_REPLY);
    assert_int_equal(rig_open_sockets(&rig), 0);
    script_stop(server);
    rig_done(&rig);
}

/* A second after its last use a connection is too old for a POST, not for a GET. */
static void a_post_takes_fresh_connections(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    start_rig(&rig, server, "POST");
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(atomic_load(&server->connections), 1);
    usec_t end = clock_now() + 1010 * USEC_PER_MSEC;
    while (clock_now() < end)
        turn(&rig);
    assert_int_equal(run(&rig), OUTCOME_REPLY);
    assert_int_equal(atomic_load(&server->connections), 2);
    script_stop(server);
    rig_done(&rig);
}

struct phases {
    struct rig rig;
    char seen[16];
    struct exchange *to_stop; /* when it connects again */
};

static void note_phase(void *ctx, enum carry_phase phase)
{
    struct phases *phases = ctx;
    static const char letters[] = {
        [CARRY_CONNECTING] = 'c', [CARRY_SENT] = 's', [CARRY_REPLYING] = 'r'};
    phases->seen[strlen(phases->seen)] = letters[phase];
    if (phase == CARRY_CONNECTING && phases->to_stop) {
        exchange_stop(phases->to_stop);
        phases->rig.done++;
    }
}

static void note_done(void *ctx, struct outcome *outcome)
{
    struct phases *phases = ctx;
    strcat(phases->seen, "d");
    done(&phases->rig, outcome);
}

static struct exchange *begin_noting(struct phases *phases)
{
    static const struct carry_events noting = {.phase = note_phase, .done = note_done};
    bool sent;
    memset(phases->seen, 0, sizeof phases->seen);
    struct exchange *exchange = exchange_start(phases->rig.exchanges, &phases->rig.spec,
                                               "127.0.0.1", USEC_NEVER, &noting, phases, &sent);
    strcat(phases->seen, sent ? "S" : "");
    return exchange;
}

static void phases_are_told_in_order(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP},
                                        {OK, 0, SCRIPT_KEEP},
                                        {NULL, 0, SCRIPT_CLOSE},
                                        {OK, 0, SCRIPT_KEEP},
                                        {NULL, 0, SCRIPT_CLOSE}};
    struct script_server *server = script_start(steps);
    struct phases phases = {.seen = ""};
    start_rig(&phases.rig, server, "GET");
    static const char *const expected[] = {"sd", "Sd", "Scsd"};
    for (unsigned i = 0; i < 3; i++) {
        begin_noting(&phases);
        until_done(&phases.rig, i + 1);
        assert_string_equal(phases.seen, expected[i]);
    }
    phases.to_stop = begin_noting(&phases);
    until_done(&phases.rig, 4);
    assert_string_equal(phases.seen, "Sc");
    /* Nobody listens any more: connecting again is told, then that it failed. */
    phases.to_stop = NULL;
    assert_int_equal(exchanges_open_sockets(phases.rig.exchanges), 0);
    rig_done(&phases.rig);
    script_stop(server);
}

/* ---- an upstream that takes its time ---- */

struct slow_server {
    int listener;
    unsigned short port;
    size_t read_first; /* before it replies */
    size_t wanted;     /* in all */
    bool holds;        /* then it neither reads nor closes until the test is over */
    int over[2];
    const char *reply;
    size_t received;
    pthread_t thread;
};

static void *slow_run(void *ctx)
{
    struct slow_server *server = ctx;
    char bytes[65536];
    bool replied = false;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    while (server->received < server->wanted) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            break;
        server->received += (size_t)got;
        if (!replied && server->received >= server->read_first) {
            script_send(fd, server->reply, strlen(server->reply));
            replied = true;
        }
    }
    char byte;
    if (server->holds && read(server->over[0], &byte, 1) != 0)
        abort();
    close(fd);
    return NULL;
}

static void slow_start(struct slow_server *server)
{
    int small = 4096;
    server->listener = script_listen("127.0.0.1", 0, &server->port);
    setsockopt(server->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(pipe(server->over), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, slow_run, server), 0);
}

static void slow_stop(struct slow_server *server)
{
    close(server->over[1]);
    pthread_join(server->thread, NULL);
    close(server->over[0]);
    close(server->listener);
}

static void a_request_in_many_sends(void **state)
{
    (void)state;
    size_t len = 5000000;
    char *body = calloc(1, len);
    struct rig rig;
    rig_init(&rig, &by_exchange, 1);
    struct slow_server server = {.wanted = SIZE_MAX, .reply = OK};
    slow_start(&server);
    rig.origin.port = server.port;
    snprintf(rig.authority, sizeof rig.authority, "up.test:%u", (unsigned)server.port);
    rig.spec.method = "PUT";
    rig.spec.has_body = true;
    rig.spec.body = body;
    rig.spec.body_len = len;
    char head[256];
    server.read_first = len + (size_t)snprintf(head, sizeof head,
                                               "PUT /x HTTP/1.1\r\nHost: %s\r\n"
                                               "Content-Length: %zu\r\n\r\n",
                                               rig.authority, len);
    run(&rig);
    expect_body(&rig, "ok");
    assert_int_equal(rig_open_sockets(&rig), 1);
    rig_done(&rig);
    slow_stop(&server);
    assert_int_equal(server.received, server.read_first);
    free(body);
}

/* The reply comes while the request still goes out: it counts, the connection not. */
static void a_reply_before_its_time(void **state)
{
    (void)state;
    size_t len = 50000000;
    char *body = calloc(1, len);
    for (unsigned holds = 0; holds < 2; holds++) {
        struct rig rig;
        rig_init(&rig, &by_exchange, 1);
        struct slow_server server = {
            .wanted = 1000,
            .holds = holds,
            .read_first = 1000,
            .reply = "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno",
        };
        slow_start(&server);
        rig.origin.port = server.port;
        snprintf(rig.authority, sizeof rig.authority, "up.test:%u", (unsigned)server.port);
        rig.spec.method = "POST";
        rig.spec.has_body = true;
        rig.spec.body = body;
        rig.spec.body_len = len;
        run(&rig);
        expect_body(&rig, "no");
        assert_int_equal(rig.outcome.status, 413);
        assert_int_equal(rig_open_sockets(&rig), 0);
        rig_done(&rig);
        slow_stop(&server);
        assert_true(server.received < len);
    }
    free(body);
}

static void large_bodies(void **state)
{
    (void)state;
    size_t len = 3000000;
    char *reply = malloc(len + 100);
    for (size_t kind = 0; kind < 3; kind++) {
        static const char *const heads[] = {
            "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2dc6c0\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        };
        struct rig rig;
        rig_init(&rig, &by_exchange, 1);
        rig.spec.reply_body_max = len;
        size_t at = strlen(heads[kind]);
        memcpy(reply, heads[kind], at);
        for (size_t i = 0; i < len; i++)
            reply[at + i] = (char)('a' + i % 23);
        at += len;
        if (kind == 1)
            at += (size_t)sprintf(reply + at, "\r\n0\r\n\r\n");
        assert_int_equal(play(&rig, reply, at, kind == 2 ? SCRIPT_CLOSE : SCRIPT_KEEP),
                         OUTCOME_REPLY);
        assert_int_equal(rig.outcome.body_len, len);
        for (size_t i = 0; i < len; i++)
            assert_true(rig.outcome.body[i] == (char)('a' + i % 23));
        assert_int_equal(rig.began, 1);
        assert_int_equal(rig_open_sockets(&rig), kind == 2 ? 0 : 1);
        rig_done(&rig);
    }
    free(reply);
}

/* Exactly what one recv() takes, and a byte that nobody asked for behind it. */
static void a_reply_that_fills_the_buffer(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t len = 16384;
    char *reply = malloc(len + 16);
    size_t extension = len - strlen(head) - strlen("0;\r\n\r\n");
    struct rig rig;
    for (size_t surplus = 0; surplus < 2; surplus++) {
        rig_init(&rig, &by_exchange, 1);
        rig.spec.reply_header_max = 100000;
        size_t at = (size_t)sprintf(reply, "%s", head);
        /* Trailers fill it up. */
        at += (size_t)sprintf(reply + at, "0\r\nX:");
        memset(reply + at, 'x', extension);
        at = len - 4;
        memcpy(reply + at, "\r\n\r\n!", 5);
        play(&rig, reply, len + surplus, SCRIPT_KEEP);
        expect_body(&rig, "");
        assert_int_equal(exchanges_idle(rig.exchanges), surplus == 0 ? 1 : 0);
        rig_done(&rig);
    }
    free(reply);
}

static void many_at_once(void **state)
{
    (void)state;
    const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};
    struct script_server *server = script_start(steps);
    struct rig rig;
    start_rig(&rig, server, "GET");
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            begin(&rig);
        until_done(&rig, 100 * round);
        assert_int_equal(exchanges_idle(rig.exchanges), 100);
    }
    assert_int_equal(atomic_load(&server->connections), 100);
    assert_int_equal(rig.sent, 300);
    script_stop(server);
    /* They all ended, which is heard without a call. */
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (exchanges_idle(rig.exchanges) > 0 && clock_now() < end)
        turn(&rig);
    assert_int_equal(rig_open_sockets(&rig), 0);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_again),
        cmocka_unit_test(once_and_on_a_new_connection),
        cmocka_unit_test(a_new_connection_is_no_reason),
        cmocka_unit_test(a_reply_with_the_end_behind_it),
        cmocka_unit_test(a_post_takes_fresh_connections),
        cmocka_unit_test(phases_are_told_in_order),
        cmocka_unit_test(a_request_in_many_sends),
        cmocka_unit_test(a_reply_before_its_time),
        cmocka_unit_test(large_bodies),
        cmocka_unit_test(a_reply_that_fills_the_buffer),
        cmocka_unit_test(many_at_once),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
