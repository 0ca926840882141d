/* Attempts to connect: how they end, and that a failure is never told from inside the
 * start. TLS attempts have their tests with the carriers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "back/connect.h"
#include "unit/script_server.h"

static const struct script_step steps[] = {{"HTTP/1.1 204 No\r\n\r\n", 0, SCRIPT_KEEP}};

struct attempt {
    struct loop *loop;
    struct connector *connector;
    struct origin origin;
    unsigned told;
    struct channel *made;
    enum outcome_code code;
};

static void rig_init(struct attempt *attempt, unsigned short port)
{
    *attempt =
        (struct attempt){.origin = {.host = "up.test", .port = port, .authority = "up.test"}};
    assert_int_equal(loop_new(&attempt->loop), 0);
    assert_int_equal(connector_new(attempt->loop, &attempt->connector), 0);
}

static void rig_done(struct attempt *attempt)
{
    assert_int_equal(connector_open_sockets(attempt->connector), 0);
    connector_free(attempt->connector);
    loop_free(attempt->loop);
}

static void ignore(struct channel *channel, uint32_t events)
{
    (void)channel;
    (void)events;
}

static void connected(void *ctx, struct channel *channel, enum outcome_code code,
                      const char *detail)
{
    struct attempt *attempt = ctx;
    (void)detail;
    attempt->told++;
    attempt->made = channel;
    attempt->code = code;
    if (channel)
        channel->ready = ignore;
}

static struct connecting *start(struct attempt *attempt, const char *address)
{
    const struct destination to = {.origin = &attempt->origin, .address = address};
    struct connecting *connecting = connecting_start(attempt->connector, &to, connected, attempt);
    assert_non_null(connecting);
    assert_int_equal(attempt->told, 0);
    return connecting;
}

static void wait_for(struct attempt *attempt)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (attempt->told == 0 && clock_now() < end) {
        assert_int_equal(loop_turn(attempt->loop, clock_now() + 50 * USEC_PER_MSEC), 0);
        connector_turn(attempt->connector);
    }
    assert_int_equal(attempt->told, 1);
}

static unsigned short unused_port(void)
{
    unsigned short port;
    close(script_listen("127.0.0.1", 0, &port));
    return port;
}

static void a_connection_carries_bytes(void **state)
{
    (void)state;
    struct script_server *server = script_start(steps);
    struct attempt attempt;
    rig_init(&attempt, server->port);
    start(&attempt, "127.0.0.1");
    wait_for(&attempt);
    assert_non_null(attempt.made);
    assert_int_equal(attempt.code, OUTCOME_NONE);
    assert_false(channel_is_layered(attempt.made));
    assert_true(channel_is_quiet(attempt.made));
    assert_int_equal(connector_open_sockets(attempt.connector), 1);
    assert_int_equal(channel_send(attempt.made, "x\r\n\r\n", 5), 5);
    char reply[64];
    ssize_t got = -EAGAIN;
    for (int i = 0; i < 100 && got == -EAGAIN; i++) {
        assert_int_equal(loop_turn(attempt.loop, clock_now() + 50 * USEC_PER_MSEC), 0);
        got = channel_recv(attempt.made, reply, sizeof reply);
    }
    assert_int_equal(got, strlen(steps[0].reply));
    channel_close(attempt.made);
    rig_done(&attempt);
    script_stop(server);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct attempt attempt;
    rig_init(&attempt, unused_port());
    start(&attempt, "127.0.0.1");
    wait_for(&attempt);
    assert_null(attempt.made);
    assert_int_equal(attempt.code, OUTCOME_CONNECTION_REFUSED);
    rig_done(&attempt);
}

/* What fails at once is told in a turn all the same. */
static void refused_by_the_system(void **state)
{
    (void)state;
    struct attempt attempt;
    rig_init(&attempt, 1);
    start(&attempt, "255.255.255.255");
    wait_for(&attempt);
    assert_null(attempt.made);
    assert_int_equal(attempt.code, OUTCOME_DESTINATION_UNROUTABLE);
    rig_done(&attempt);
}

static void stopped(void **state)
{
    (void)state;
    struct script_server *server = script_start(steps);
    struct attempt attempt;
    rig_init(&attempt, server->port);
    connecting_stop(start(&attempt, "127.0.0.1"));
    connecting_stop(start(&attempt, "255.255.255.255"));
    assert_int_equal(connector_open_sockets(attempt.connector), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(attempt.loop, clock_now() + USEC_PER_MSEC), 0);
    assert_int_equal(attempt.told, 0);
    rig_done(&attempt);
    script_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_carries_bytes),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(refused_by_the_system),
        cmocka_unit_test(stopped),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
