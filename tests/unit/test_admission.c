/* Calls that wait for a place to an upstream: their turn, their deadlines, their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "unit/dispatch_rig.h"

enum { PLACES = 2, MOST = 3, CALLS = PLACES + MOST };

struct rig {
    struct dispatch_rig base;
    struct script_server *server;
    struct config config;
    struct upstream upstream;
    struct origin origin;
    char authority[64];
    struct call_spec spec;
    struct call *calls[CALLS + 1]; /* NULL: home */
    enum outcome_code codes[CALLS + 1];
    const char *details[CALLS + 1];
    unsigned attempts[CALLS + 1];
    unsigned home;
};

static void rig_init(struct rig *rig)
{
    static const struct script_step silent[] = {{NULL, 0, SCRIPT_KEEP}};
    *rig = (struct rig){.home = 0};
    dispatch_rig_init(&rig->base);
    rig->server = script_start(silent);
    rig->config.in_flight = gauge_new();
    rig->upstream.in_flight = gauge_new();
    rig->upstream.max_in_flight = PLACES;
    rig->upstream.max_waiting = MOST;
    snprintf(rig->authority, sizeof rig->authority, "127.0.0.1:%u", (unsigned)rig->server->port);
    rig->origin = (struct origin){.literal = true,
                                  .host = "127.0.0.1",
                                  .port = rig->server->port,
                                  .authority = rig->authority};
    rig->spec = (struct call_spec){
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

static void came_home(void *ctx, size_t index, struct outcome *outcome)
{
    struct rig *rig = ctx;
    assert_non_null(rig->calls[index]); /* once */
    rig->calls[index] = NULL;
    rig->codes[index] = outcome->code;
    rig->details[index] = outcome->detail;
    rig->attempts[index] = outcome->attempts;
    rig->home++;
}

static void begin(struct rig *rig, size_t index)
{
    rig->calls[index] =
        dispatch_call(rig->base.dispatch, &rig->config, &rig->spec, came_home, rig, index);
}

static void begin_all(struct rig *rig)
{
    for (size_t i = 0; i < CALLS; i++)
        begin(rig, i);
    dispatch_rig_until_seen(&rig->base, &rig->server->requests, PLACES);
    assert_int_equal(gauge_waiting(rig->upstream.in_flight), MOST);
}

static void cancel(struct rig *rig, size_t index)
{
    dispatch_cancel(rig->base.dispatch, rig->calls[index]);
}

static void rig_done(struct rig *rig)
{
    for (size_t i = 0; i <= CALLS; i++)
        if (rig->calls[i])
            cancel(rig, i);
    while (dispatch_in_flight(rig->base.dispatch) > 0)
        dispatch_rig_turn(&rig->base);
    mailbox_drain(rig->base.mailbox, &rig->base);
    assert_int_equal(gauge_waiting(rig->upstream.in_flight), 0);
    assert_int_equal(gauge_value(rig->upstream.in_flight), 0);
    assert_int_equal(gauge_value(rig->config.in_flight), 0);
    dispatch_rig_done(&rig->base);
    script_stop(rig->server);
    gauge_unref(rig->config.in_flight);
    gauge_unref(rig->upstream.in_flight);
}

static void the_edge_of_the_queue(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin_all(&rig);
    begin(&rig, CALLS);
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_int_equal(rig.codes[CALLS], OUTCOME_CONNECTION_LIMIT);
    assert_null(rig.details[CALLS]);
    assert_int_equal(atomic_load(&rig.server->requests), PLACES);
    /* One leaves the queue: there is room for another. */
    cancel(&rig, PLACES);
    begin(&rig, CALLS);
    dispatch_rig_until(&rig.base, &rig.home, 2);
    assert_int_equal(rig.codes[PLACES], OUTCOME_CANCELLED);
    assert_int_equal(rig.attempts[PLACES], 0);
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), MOST);
    rig_done(&rig);
}

static void a_place_that_comes_free_is_used(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin_all(&rig);
    cancel(&rig, 0);
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), MOST - 1); /* at once */
    dispatch_rig_until_seen(&rig.base, &rig.server->requests, PLACES + 1);
    cancel(&rig, PLACES); /* the oldest of those who waited has been sent */
    dispatch_rig_until(&rig.base, &rig.home, 2);
    assert_int_equal(rig.attempts[PLACES], 1);
    rig_done(&rig);
}

static void deadlines_run_while_waiting(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, 0);
    begin(&rig, 1);
    usec_t before = clock_now();
    rig.spec.timeout = 60 * USEC_PER_MSEC;
    begin(&rig, 2);
    rig.spec.timeout = 10 * USEC_PER_SEC;
    rig.spec.first_byte_timeout = 30 * USEC_PER_MSEC;
    begin(&rig, 3);
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_null(rig.calls[3]);
    assert_true(clock_now() - before >= 30 * USEC_PER_MSEC);
    dispatch_rig_until(&rig.base, &rig.home, 2);
    assert_true(clock_now() - before >= 60 * USEC_PER_MSEC);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(rig.codes[i], OUTCOME_CONNECTION_LIMIT);
        assert_string_equal(rig.details[i], "waited for a free place");
        assert_int_equal(rig.attempts[i], 0);
    }
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), 0);
    rig_done(&rig);
}

/* The place is in the mailbox when its call gives up: the next in the queue gets it. */
static void a_place_that_comes_too_late(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin_all(&rig);
    cancel(&rig, 0);
    cancel(&rig, PLACES);
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), MOST - 1);
    dispatch_rig_until_seen(&rig.base, &rig.server->requests, PLACES + 1);
    assert_int_equal(rig.codes[PLACES], OUTCOME_CANCELLED);
    assert_int_equal(rig.attempts[PLACES], 0);
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), MOST - 2);
    rig_done(&rig);
}

/* Who waits counts for the daemon as a whole. */
static void the_daemons_own_limit(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.config.limits.in_flight = PLACES + 1;
    begin(&rig, 0);
    begin(&rig, 1);
    begin(&rig, 2);
    begin(&rig, 3);
    dispatch_rig_until(&rig.base, &rig.home, 1);
    assert_int_equal(rig.codes[3], OUTCOME_CONNECTION_LIMIT);
    assert_int_equal(gauge_waiting(rig.upstream.in_flight), 1);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_edge_of_the_queue),
        cmocka_unit_test(a_place_that_comes_free_is_used),
        cmocka_unit_test(deadlines_run_while_waiting),
        cmocka_unit_test(a_place_that_comes_too_late),
        cmocka_unit_test(the_daemons_own_limit),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
