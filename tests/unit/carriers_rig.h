/* One carrier, of either kind, on a loop of its own, and one call at a time against a
 * script. Include cmocka first. */
#ifndef TESTS_CARRIERS_RIG_H
#define TESTS_CARRIERS_RIG_H

#include "back/exchange.h"
#include "back/transfer.h"
#include <limits.h>

#include "unit/script_server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum way { BY_TRANSFER, BY_EXCHANGE };

static const enum way by_transfer = BY_TRANSFER, by_exchange = BY_EXCHANGE;

/* A test is run once for each. */
#define for_both(test)                                                                             \
    {#test " by transfer", test, NULL, NULL, (void *)&by_transfer},                                \
    {                                                                                              \
#test " by exchange", test, NULL, NULL, (void *)&by_exchange                               \
    }

struct rig {
    struct loop *loop;
    enum way way;
    struct carrier *carrier; /* one of them */
    struct exchanges *exchanges;
    struct origin origin;
    char authority[64];
    struct call_spec spec;
    struct outcome outcome;
    unsigned done, sent, began;
};

static inline void phase(void *ctx, enum carry_phase phase)
{
    struct rig *rig = ctx;
    rig->sent += phase == CARRY_SENT;
    rig->began += phase == CARRY_REPLYING;
}

static inline void done(void *ctx, struct outcome *outcome)
{
    struct rig *rig = ctx;
    outcome_done(&rig->outcome);
    rig->outcome = outcome_take(outcome);
    rig->done++;
}

static const struct carry_events events = {.phase = phase, .done = done};

static const struct pool_limits pool_limits = {
    .per_peer = 100,
    .total = 1000,
    .descriptor = INT_MAX,
    .idle = 50 * USEC_PER_SEC,
    .life = 300 * USEC_PER_SEC,
};

/* `way` points to one: a test's state. */
static inline void rig_init(struct rig *rig, const void *way, unsigned short port)
{
    *rig = (struct rig){.way = *(const enum way *)way};
    assert_int_equal(loop_new(&rig->loop), 0);
    if (rig->way == BY_TRANSFER)
        assert_int_equal(carrier_new(rig->loop, &rig->carrier), 0);
    else
        assert_int_equal(exchanges_new(rig->loop, &pool_limits, &rig->exchanges), 0);
    snprintf(rig->authority, sizeof rig->authority, "up.test:%u", (unsigned)port);
    rig->origin = (struct origin){.host = "up.test", .port = port, .authority = rig->authority};
    rig->spec = (struct call_spec){
        .id = "a",
        .origin = &rig->origin,
        .method = "GET",
        .target = "/x",
        .timeout = USEC_PER_SEC,
        .reply_body_max = 1000,
        .reply_header_max = 2000,
    };
}

static inline void rig_done(struct rig *rig)
{
    outcome_done(&rig->outcome);
    carrier_free(rig->carrier);
    exchanges_free(rig->exchanges);
    loop_free(rig->loop);
}

static inline size_t rig_open_sockets(const struct rig *rig)
{
    return rig->way == BY_TRANSFER ? carrier_open_sockets(rig->carrier)
                                   : exchanges_open_sockets(rig->exchanges);
}

static inline void *begin_at(struct rig *rig, const char *address, usec_t deadline)
{
    bool sent = false;
    void *call =
        rig->way == BY_TRANSFER
            ? (void *)transfer_start(rig->carrier, &rig->spec, address, deadline, &events, rig)
            : (void *)exchange_start(rig->exchanges, &rig->spec, address, deadline, &events, rig,
                                     &sent);
    assert_non_null(call);
    rig->sent += sent;
    return call;
}

static inline void *begin(struct rig *rig)
{
    return begin_at(rig, "127.0.0.1", USEC_NEVER);
}

static inline void stop(struct rig *rig, void *call)
{
    if (rig->way == BY_TRANSFER)
        transfer_stop(call);
    else
        exchange_stop(call);
}

static inline void turn(struct rig *rig)
{
    assert_int_equal(loop_turn(rig->loop, clock_now() + 20 * USEC_PER_MSEC), 0);
    if (rig->way == BY_TRANSFER)
        carrier_turn(rig->carrier);
    else
        exchanges_turn(rig->exchanges);
}

static inline void until_done(struct rig *rig, unsigned count)
{
    usec_t end = clock_now() + 15 * USEC_PER_SEC;
    while (rig->done < count && clock_now() < end)
        turn(rig);
    assert_int_equal(rig->done, count);
}

static inline enum outcome_code run(struct rig *rig)
{
    begin(rig);
    until_done(rig, rig->done + 1);
    return rig->outcome.code;
}

/* One call to an upstream that plays one step. */
static inline enum outcome_code play(struct rig *rig, const char *reply, size_t len,
                                     enum script_end end)
{
    const struct script_step steps[] = {{reply, len, end}};
    struct script_server *server = script_start(steps);
    rig->origin.port = server->port;
    snprintf(rig->authority, sizeof rig->authority, "up.test:%u", (unsigned)server->port);
    enum outcome_code code = run(rig);
    script_stop(server);
    return code;
}

static inline void expect_body(const struct rig *rig, const char *body)
{
    assert_int_equal(rig->outcome.code, OUTCOME_REPLY);
    assert_int_equal(rig->outcome.body_len, strlen(body));
    if (strlen(body) > 0)
        assert_memory_equal(rig->outcome.body, body, strlen(body));
}

#endif
