/* One carrier on a loop of its own, and one call at a time against a script. Include
 * cmocka first. */
#ifndef TESTS_TRANSFER_RIG_H
#define TESTS_TRANSFER_RIG_H

#include "back/transfer.h"
#include "unit/script_server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct rig {
    struct loop *loop;
    struct carrier *carrier;
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

static inline void rig_init(struct rig *rig, unsigned short port)
{
    *rig = (struct rig){.done = 0};
    assert_int_equal(loop_new(&rig->loop), 0);
    assert_int_equal(carrier_new(rig->loop, &rig->carrier), 0);
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
    loop_free(rig->loop);
}

static inline struct transfer *begin(struct rig *rig)
{
    struct transfer *transfer =
        transfer_start(rig->carrier, &rig->spec, "127.0.0.1", USEC_NEVER, &events, rig);
    assert_non_null(transfer);
    return transfer;
}

static inline void turn(struct rig *rig)
{
    assert_int_equal(loop_turn(rig->loop, clock_now() + 20 * USEC_PER_MSEC), 0);
    carrier_turn(rig->carrier);
}

static inline void until_done(struct rig *rig, unsigned count)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
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
