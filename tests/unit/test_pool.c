/* Idle connections: who gets which, and what ends them. The pool takes its time from
 * the loop; limits of milliseconds stand for its seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <signal.h>

#include "back/pool.h"
#include "unit/script_server.h"

#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LONG (50 * USEC_PER_SEC)

struct pool_rig {
    struct script_server *server;
    struct loop *loop;
    struct connector *connector;
    struct pool *pool;
    struct origin origin;
    char authority[32];
    struct channel *made;
    enum outcome_code code;
};

static const struct script_step steps[] = {{OK, 0, SCRIPT_KEEP}};

static void rig_init(struct pool_rig *rig, const struct pool_limits *limits)
{
    *rig = (struct pool_rig){.server = script_start(steps)};
    assert_int_equal(loop_new(&rig->loop), 0);
    assert_int_equal(connector_new(rig->loop, &rig->connector), 0);
    rig->pool = pool_new(rig->loop, limits);
    snprintf(rig->authority, sizeof rig->authority, "up.test:%u", (unsigned)rig->server->port);
    rig->origin =
        (struct origin){.host = "up.test", .port = rig->server->port, .authority = rig->authority};
}

static void rig_done(struct pool_rig *rig)
{
    pool_free(rig->pool);
    connector_free(rig->connector);
    loop_free(rig->loop);
    script_stop(rig->server);
}

static void turn(struct pool_rig *rig, usec_t wait)
{
    assert_int_equal(loop_turn(rig->loop, clock_now() + wait), 0);
    connector_turn(rig->connector);
}

static void unexpected(struct channel *channel, uint32_t events)
{
    (void)channel;
    (void)events;
    fail();
}

static void connected(void *ctx, struct channel *channel, enum outcome_code code,
                      const char *detail)
{
    struct pool_rig *rig = ctx;
    (void)detail;
    rig->made = channel;
    rig->code = code;
    if (channel)
        channel->ready = unexpected;
}

static struct channel *make(struct pool_rig *rig)
{
    rig->made = NULL;
    rig->code = OUTCOME_NONE;
    const struct destination to = {.origin = &rig->origin, .address = "127.0.0.1"};
    assert_non_null(connecting_start(rig->connector, &to, connected, rig));
    for (int i = 0; i < 200 && !rig->made; i++)
        turn(rig, 20 * USEC_PER_MSEC);
    assert_non_null(rig->made);
    return rig->made;
}

static struct peer *peer_of(struct pool_rig *rig, const char *address, const char *ca_file,
                            bool adhoc)
{
    const struct peer_name name = {
        .origin = &rig->origin, .address = address, .ca_file = ca_file, .adhoc = adhoc};
    return pool_peer(rig->pool, &name);
}

static const struct pool_limits usual = {
    .per_peer = 2, .total = 3, .descriptor = INT_MAX, .idle = LONG, .life = LONG};

static void the_last_used_comes_first(void **state)
{
    (void)state;
    struct pool_rig rig;
    rig_init(&rig, &usual);
    struct peer *peer = peer_of(&rig, "127.0.0.1", NULL, false);
    assert_null(pool_take(rig.pool, peer, USEC_NEVER));
    struct channel *a = make(&rig), *b = make(&rig);
    assert_int_equal(connector_open_sockets(rig.connector), 2); /* one descriptor each */
    assert_false(a->used);
    pool_give(rig.pool, peer, a);
    pool_give(rig.pool, peer, b);
    assert_ptr_equal(pool_take(rig.pool, peer, USEC_NEVER), b);
    assert_ptr_equal(pool_take(rig.pool, peer, USEC_NEVER), a);
    assert_null(pool_take(rig.pool, peer, USEC_NEVER));
    assert_true(a->used);
    channel_close(a);
    pool_give(rig.pool, peer, b);
    pool_release(rig.pool, peer); /* an idle connection keeps its peer */
    assert_ptr_equal(peer_of(&rig, "127.0.0.1", NULL, false), peer);
    pool_release(rig.pool, peer);
    assert_int_equal(pool_idle(rig.pool), 1);
    rig_done(&rig);
}

static void identities_do_not_mix(void **state)
{
    (void)state;
    struct pool_rig rig;
    rig_init(&rig, &usual);
    struct peer *peers[9];
    size_t count = 0;
    peers[count++] = peer_of(&rig, "127.0.0.1", NULL, false);
    peers[count++] = peer_of(&rig, "127.0.0.2", NULL, false);
    peers[count++] = peer_of(&rig, "127.0.0.1", "/a", false);
    peers[count++] = peer_of(&rig, "127.0.0.1", "/b", false);
    peers[count++] = peer_of(&rig, "127.0.0.1", NULL, true);
    struct peer_name name = {.origin = &rig.origin, .address = "127.0.0.1", .proxy = "http://a:1"};
    peers[count++] = pool_peer(rig.pool, &name);
    name.proxy = "http://b:1";
    peers[count++] = pool_peer(rig.pool, &name);
    rig.origin.tls = true;
    peers[count++] = peer_of(&rig, "127.0.0.1", NULL, false);
    rig.origin.tls = false;
    rig.origin.authority = "other.test";
    peers[count++] = peer_of(&rig, "127.0.0.1", NULL, false);
    rig.origin.authority = rig.authority;
    pool_give(rig.pool, peers[0], make(&rig));
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(peers[i], peers[j]);
        assert_null(pool_take(rig.pool, peers[i], USEC_NEVER));
    }
    for (size_t i = 0; i < count; i++)
        pool_release(rig.pool, peers[i]);
    rig_done(&rig);
}

static void limits_close_the_oldest(void **state)
{
    (void)state;
    struct pool_rig rig;
    rig_init(&rig, &usual);
    struct peer *one = peer_of(&rig, "127.0.0.1", NULL, false);
    struct peer *two = peer_of(&rig, "127.0.0.2", NULL, false);
    struct channel *channels[5];
    for (size_t i = 0; i < 5; i++)
        channels[i] = make(&rig);
    for (size_t i = 0; i < 3; i++)
        pool_give(rig.pool, one, channels[i]);
    assert_int_equal(pool_idle(rig.pool), 2);
    pool_give(rig.pool, two, channels[3]);
    assert_int_equal(pool_idle(rig.pool), 3);
    pool_give(rig.pool, two, channels[4]);
    assert_int_equal(pool_idle(rig.pool), 3);
    assert_int_equal(connector_open_sockets(rig.connector), 3);
    assert_ptr_equal(pool_take(rig.pool, one, USEC_NEVER), channels[2]);
    assert_null(pool_take(rig.pool, one, USEC_NEVER));
    channel_close(channels[2]);
    pool_release(rig.pool, one);
    pool_release(rig.pool, two);
    rig_done(&rig);
}

static void high_descriptors_are_not_kept(void **state)
{
    (void)state;
    struct pool_rig rig;
    struct pool_limits limits = usual;
    rig_init(&rig, &limits);
    struct channel *low = make(&rig), *high = make(&rig);
    assert_true(high->fd > low->fd);
    limits.descriptor = low->fd;
    struct pool *pool = pool_new(rig.loop, &limits);
    struct peer *peer =
        pool_peer(pool, &(struct peer_name){.origin = &rig.origin, .address = "127.0.0.1"});
    pool_give(pool, peer, high);
    assert_int_equal(pool_idle(pool), 0);
    assert_int_equal(connector_open_sockets(rig.connector), 1);
    pool_give(pool, peer, low);
    assert_int_equal(pool_idle(pool), 1);
    pool_release(pool, peer);
    pool_free(pool);
    rig_done(&rig);
}

static void age_ends_them(void **state)
{
    (void)state;
    struct pool_rig rig;
    struct pool_limits limits = usual;
    limits.idle = 30 * USEC_PER_MSEC;
    rig_init(&rig, &limits);
    struct peer *peer = peer_of(&rig, "127.0.0.1", NULL, false);
    pool_give(rig.pool, peer, make(&rig));
    usec_t begin = clock_now();
    while (pool_idle(rig.pool) > 0 && clock_now() < begin + 5 * USEC_PER_SEC)
        turn(&rig, USEC_PER_SEC);
    assert_int_equal(pool_idle(rig.pool), 0);
    assert_int_equal(connector_open_sockets(rig.connector), 0);
    assert_true(clock_now() - begin >= 29 * USEC_PER_MSEC);
    pool_release(rig.pool, peer);
    rig_done(&rig);
}

static void nobody_lives_for_ever(void **state)
{
    (void)state;
    struct pool_rig rig;
    struct pool_limits limits = usual;
    limits.life = 50 * USEC_PER_MSEC;
    rig_init(&rig, &limits);
    struct peer *peer = peer_of(&rig, "127.0.0.1", NULL, false);
    pool_give(rig.pool, peer, make(&rig));
    assert_int_equal(pool_idle(rig.pool), 1);
    struct channel *channel = make(&rig);
    usec_t end = clock_now() + 60 * USEC_PER_MSEC;
    while (clock_now() < end)
        turn(&rig, 10 * USEC_PER_MSEC);
    assert_null(pool_take(rig.pool, peer, USEC_NEVER)); /* too old to be used */
    pool_give(rig.pool, peer, channel);                 /* too old to be kept */
    assert_int_equal(pool_idle(rig.pool), 0);
    assert_int_equal(connector_open_sockets(rig.connector), 0);
    pool_release(rig.pool, peer);
    rig_done(&rig);
}

static void recently_used_only(void **state)
{
    (void)state;
    struct pool_rig rig;
    rig_init(&rig, &usual);
    struct peer *peer = peer_of(&rig, "127.0.0.1", NULL, false);
    pool_give(rig.pool, peer, make(&rig));
    struct channel *channel = pool_take(rig.pool, peer, USEC_PER_SEC);
    assert_non_null(channel);
    pool_give(rig.pool, peer, channel);
    usec_t end = clock_now() + 20 * USEC_PER_MSEC;
    while (clock_now() < end)
        turn(&rig, 5 * USEC_PER_MSEC);
    assert_null(pool_take(rig.pool, peer, 10 * USEC_PER_MSEC));
    assert_int_equal(pool_idle(rig.pool), 1);
    pool_release(rig.pool, peer);
    rig_done(&rig);
}

static void an_end_is_noticed(void **state)
{
    (void)state;
    static const struct script_step ends[] = {
        {NULL, 0, SCRIPT_CLOSE}, {NULL, 0, SCRIPT_RESET}, {"unasked", 0, SCRIPT_KEEP}};
    struct pool_rig rig;
    rig_init(&rig, &usual);
    script_stop(rig.server);
    rig.server = script_start(ends);
    rig.origin.port = rig.server->port;
    snprintf(rig.authority, sizeof rig.authority, "up.test:%u", (unsigned)rig.server->port);
    struct peer *peer = peer_of(&rig, "127.0.0.1", NULL, false);
    for (unsigned i = 0; i < 3; i++) {
        struct channel *channel = make(&rig);
        assert_true(channel_is_quiet(channel));
        assert_int_equal(channel_send(channel, "x\r\n\r\n", 5), 5);
        pool_give(rig.pool, peer, channel);
        usec_t end = clock_now() + 5 * USEC_PER_SEC;
        while (pool_idle(rig.pool) > 0 && clock_now() < end)
            turn(&rig, 20 * USEC_PER_MSEC);
        assert_int_equal(pool_idle(rig.pool), 0);
        assert_int_equal(connector_open_sockets(rig.connector), 0);
    }
    pool_release(rig.pool, peer);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_used_comes_first),
        cmocka_unit_test(identities_do_not_mix),
        cmocka_unit_test(limits_close_the_oldest),
        cmocka_unit_test(age_ends_them),
        cmocka_unit_test(nobody_lives_for_ever),
        cmocka_unit_test(recently_used_only),
        cmocka_unit_test(an_end_is_noticed),
        cmocka_unit_test(high_descriptors_are_not_kept),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
