/* Whole fan-outs: endpoints of a configuration against scripted upstreams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "back/fanout.h"
#include "unit/batch_fixture.h"
#include "unit/dispatch_rig.h"

#define JSON(text, len)                                                                            \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " len "\r\n\r\n" text

static const char configuration[] =
    "upstreams:\n"
    "  good: { url: \"http://127.0.0.1:%u\" }\n"
    "  bad: { url: \"http://127.0.0.1:%u\" }\n"
    "  silent: { url: \"http://127.0.0.1:%u\", timeout: 10s }\n"
    "endpoints:\n"
    "  - { path: /two, merge: keyed, requests: [\n"
    "      { id: a, upstream: good, url: /a }, { id: b, upstream: good, url: /b } ] }\n"
    "  - { path: /fails, merge: keyed, requests: [\n"
    "      { id: a, upstream: silent, url: /a }, { id: b, upstream: bad, url: /b } ] }\n"
    "  - { path: /slow, merge: keyed, timeout: 60ms, requests: [\n"
    "      { id: a, upstream: silent, url: /a }, { id: b, upstream: good, url: /b } ] }\n"
    "  - { path: /partial, merge: keyed, timeout: 60ms, onTimeout: partial, requests: [\n"
    "      { id: a, upstream: silent, url: /a }, { id: b, upstream: good, url: /b } ] }\n"
    "  - { path: /never, merge: keyed, timeout: 10s, requests: [\n"
    "      { id: n, upstream: silent, url: /n } ] }\n"
    "  - { path: \"/item/{id}\", merge: keyed, requests: [\n"
    "      { id: i, upstream: good, url: \"/i/{id}\" } ] }\n"
    "  - { path: /query, merge: keyed, forward: { query: [v] }, requests: [\n"
    "      { id: i, upstream: good, url: \"/i/{v}\" } ] }\n"
    "  - { path: /outer, merge: keyed, requests: [\n"
    "      { id: in, url: /two }, { id: c, upstream: good, url: /c } ] }\n"
    "  - { path: /outer-slow, merge: keyed, timeout: 60ms, requests: [ { id: in, url: /never } ] "
    "}\n"
    "  - { path: /outer-fails, merge: keyed, requests: [\n"
    "      { id: in, url: /never }, { id: b, upstream: bad, url: /b } ] }\n"
    "  - { path: /outer-nothing, merge: keyed, requests: [\n"
    "      { id: in, url: \"/query?v=..\" } ] }\n"
    "  - { path: /outer-outer, merge: keyed, requests: [ { id: o, url: /outer } ] }\n";

struct rig {
    struct dispatch_rig base;
    struct arena *arena;
    struct config *config;
    struct fanout_engine engine;
    struct script_server *good, *bad, *silent;
    struct fanout *fanout;
    unsigned done;
    struct answer *answer;
};

static void rig_init(struct rig *rig)
{
    static const struct script_step good[] = {{JSON("{\"x\":1}", "7"), 0, SCRIPT_KEEP}};
    static const struct script_step bad[] = {
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP}};
    static const struct script_step silent[] = {{NULL, 0, SCRIPT_KEEP}};
    *rig = (struct rig){.done = 0};
    dispatch_rig_init(&rig->base);
    rig->good = script_start(good);
    rig->bad = script_start(bad);
    rig->silent = script_start(silent);
    char text[4096];
    snprintf(text, sizeof text, configuration, (unsigned)rig->good->port, (unsigned)rig->bad->port,
             (unsigned)rig->silent->port);
    rig->arena = arena_new();
    rig->config = fixture_config(rig->arena, text);
    rig->engine = (struct fanout_engine){
        .loop = rig->base.loop,
        .dispatch = rig->base.dispatch,
        .identity = "gatherd-test",
    };
}

static void until_idle(struct rig *rig)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (dispatch_in_flight(rig->base.dispatch) > 0 && clock_now() < end)
        dispatch_rig_turn(&rig->base);
    assert_int_equal(dispatch_in_flight(rig->base.dispatch), 0);
}

static void rig_done(struct rig *rig)
{
    answer_free(rig->answer);
    until_idle(rig);
    script_stop(rig->good);
    script_stop(rig->bad);
    script_stop(rig->silent);
    assert_int_equal(gauge_value(rig->config->in_flight), 0);
    config_unref(rig->config);
    arena_free(rig->arena);
    dispatch_rig_done(&rig->base);
}

static void done(void *ctx, struct answer *answer)
{
    struct rig *rig = ctx;
    rig->answer = answer_free(rig->answer);
    rig->answer = answer;
    rig->done++;
}

static void begin_with(struct rig *rig, const char *path, const char *cdn_loop)
{
    struct arena *arena = arena_new();
    struct inbound *inbound = arena_alloc(arena, sizeof *inbound);
    inbound->method = "GET";
    inbound->target = arena_string(arena, path);
    inbound->query = "";
    inbound->deadline = USEC_NEVER;
    inbound->route = routes_find(rig->config->routes, "GET", inbound->target, strlen(path));
    assert_non_null(inbound->route.endpoint);
    if (cdn_loop)
        header_add(arena, &inbound->headers, "CDN-Loop", cdn_loop);
    rig->fanout = fanout_start(&rig->engine, rig->config, &inbound->route.endpoint->batch, inbound,
                               arena, done, rig);
}

static void begin(struct rig *rig, const char *path)
{
    begin_with(rig, path, NULL);
}

static void expect(struct rig *rig, unsigned status, const char *body)
{
    dispatch_rig_until(&rig->base, &rig->done, 1);
    assert_int_equal(rig->answer->status, status);
    if (body) {
        assert_int_equal(rig->answer->body_len, strlen(body));
        assert_memory_equal(rig->answer->body, body, strlen(body));
    }
}

static void merged(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/two");
    assert_non_null(rig.fanout);
    assert_int_equal(rig.done, 0);
    expect(&rig, 200, "{\"a\":{\"x\":1},\"b\":{\"x\":1}}");
    rig_done(&rig);
}

/* The rest is cancelled before the answer is handed over. */
static void failure_cancels_the_rest(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/fails");
    expect(&rig, 502, NULL);
    assert_int_equal(dispatch_open_sockets(rig.base.dispatch), 1); /* the 500's stays */
    assert_true(script_reached(&rig.silent->closed, atomic_load(&rig.silent->connections)));
    rig_done(&rig);
}

static void expiry(void **state)
{
    (void)state;
    struct rig rig;
    usec_t before = clock_now();
    rig_init(&rig);
    begin(&rig, "/slow");
    expect(&rig, 504, NULL);
    assert_true(clock_now() - before >= 60 * USEC_PER_MSEC);
    assert_true(script_reached(&rig.silent->closed, 1));
    rig_done(&rig);
}

static void expiry_with_what_there_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/partial");
    expect(&rig, 200, NULL);
    assert_non_null(strstr(rig.answer->body, "{\"a\":null,\"b\":{\"x\":1}"));
    rig_done(&rig);
}

static void refusals_need_no_call(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin_with(&rig, "/two", "other, gatherd-test");
    assert_null(rig.fanout);
    assert_int_equal(rig.done, 1);
    assert_int_equal(rig.answer->status, 508);
    begin(&rig, "/item/%2e%2e");
    assert_null(rig.fanout);
    assert_int_equal(rig.done, 2);
    assert_int_equal(rig.answer->status, 400);
    assert_int_equal(dispatch_in_flight(rig.base.dispatch), 0);
    rig_done(&rig);
}

static void endpoints_in_place(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer-outer");
    expect(&rig, 200, "{\"o\":{\"in\":{\"a\":{\"x\":1},\"b\":{\"x\":1}},\"c\":{\"x\":1}}}");
    rig_done(&rig);
}

static void a_child_without_calls(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer-nothing"); /* the child is done inside its start */
    assert_int_equal(rig.done, 1);
    assert_null(rig.fanout);
    assert_int_equal(rig.answer->status / 100, 5);
    rig_done(&rig);
}

static void a_child_has_no_more_time_than_its_parent(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer-slow");
    expect(&rig, 504, NULL);
    until_idle(&rig);
    assert_true(script_reached(&rig.silent->closed, atomic_load(&rig.silent->connections)));
    rig_done(&rig);
}

static void a_failure_cancels_children(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer-fails");
    expect(&rig, 502, NULL);
    assert_int_equal(dispatch_open_sockets(rig.base.dispatch), 1);
    rig_done(&rig);
}

static void cancelled_by_the_client(void **state)
{
    (void)state;
    static const char *const paths[] = {"/never", "/outer-slow", "/slow"};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, paths[i]);
        dispatch_rig_until_seen(&rig.base, &rig.silent->requests, 1);
        fanout_cancel(rig.fanout);
        /* Closed without another turn. */
        assert_true(script_reached(&rig.silent->closed, 1));
        until_idle(&rig);
        assert_int_equal(rig.done, 0);
        rig_done(&rig);
    }
}

static void cancelled_before_anything_was_sent(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer");
    fanout_cancel(rig.fanout);
    until_idle(&rig);
    assert_int_equal(rig.done, 0);
    assert_int_equal(atomic_load(&rig.good->requests), 0);
    rig_done(&rig);
}

/* ---- streams ---- */

struct told {
    struct rig *rig;
    unsigned parts, ends, ok, failed, skipped;
    size_t last; /* told of */
};

static void part_done(void *ctx, const struct job *job, size_t index)
{
    struct told *told = ctx;
    assert_int_equal(told->ends, 0);
    assert_int_not_equal(job->parts[index].state, PART_WAITING);
    if (job->parts[index].state == PART_OK)
        assert_string_equal(job->parts[index].outcome.body, "{\"x\":1}");
    told->last = index;
    told->parts++;
}

static void all_done(void *ctx, const struct job *job)
{
    struct told *told = ctx;
    assert_int_equal(told->parts, job->count);
    for (size_t i = 0; i < job->count; i++)
        assert_null(job->parts[i].outcome.body); /* dropped once it was told */
    told->ok = (unsigned)job->ok;
    told->failed = (unsigned)job->failed;
    told->skipped = (unsigned)job->skipped;
    told->ends++;
}

static void not_refused(void *ctx, struct answer *answer)
{
    (void)ctx;
    answer_free(answer);
    fail();
}

static struct fanout *begin_stream(struct rig *rig, struct told *told, const char *path)
{
    static const struct fanout_parts parts = {.part_done = part_done, .all_done = all_done};
    struct arena *arena = arena_new();
    struct inbound *inbound = arena_alloc(arena, sizeof *inbound);
    *told = (struct told){.rig = rig};
    inbound->method = "GET";
    inbound->target = arena_string(arena, path);
    inbound->query = "";
    inbound->deadline = USEC_NEVER;
    inbound->route = routes_find(rig->config->routes, "GET", inbound->target, strlen(path));
    return fanout_start_stream(&rig->engine, rig->config, &inbound->route.endpoint->batch, inbound,
                               arena, not_refused, &parts, told);
}

static void a_stream_is_told_of_every_part(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned ok, failed, skipped;
    } rows[] = {{"/two", 2, 0, 0}, {"/fails", 0, 1, 1}, {"/slow", 1, 1, 0}, {"/partial", 1, 1, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct told told;
        rig_init(&rig);
        assert_non_null(begin_stream(&rig, &told, rows[i].path));
        dispatch_rig_until(&rig.base, &told.ends, 1);
        assert_int_equal(told.parts, 2);
        assert_int_equal(told.ok, rows[i].ok);
        assert_int_equal(told.failed, rows[i].failed);
        assert_int_equal(told.skipped, rows[i].skipped);
        rig_done(&rig);
    }
}

static void a_cancelled_stream_is_told_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct told told;
    rig_init(&rig);
    struct fanout *fanout = begin_stream(&rig, &told, "/never");
    dispatch_rig_until_seen(&rig.base, &rig.silent->requests, 1);
    fanout_pause(fanout, true);
    fanout_cancel(fanout);
    assert_true(script_reached(&rig.silent->closed, 1));
    until_idle(&rig);
    assert_int_equal(told.parts + told.ends, 0);
    rig_done(&rig);
}

/* A first run leaves idle connections, so that both new and kept ones are paused. */
static void paused_it_reads_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct told told;
    rig_init(&rig);
    for (int round = 0; round < 2; round++) {
        unsigned before = atomic_load(&rig.good->requests);
        struct fanout *fanout = begin_stream(&rig, &told, "/two");
        fanout_pause(fanout, true);
        dispatch_rig_until_seen(&rig.base, &rig.good->requests, before + 2);
        usec_t end = clock_now() + 50 * USEC_PER_MSEC;
        while (clock_now() < end)
            dispatch_rig_turn(&rig.base);
        assert_int_equal(told.parts, 0);
        fanout_pause(fanout, false);
        dispatch_rig_until(&rig.base, &told.ends, 1);
        assert_int_equal(told.ok, 2);
    }
    rig_done(&rig);
}

static void paused_with_its_children(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, "/outer-outer");
    fanout_pause(rig.fanout, true);
    dispatch_rig_until_seen(&rig.base, &rig.good->requests, 3);
    usec_t end = clock_now() + 50 * USEC_PER_MSEC;
    while (clock_now() < end)
        dispatch_rig_turn(&rig.base);
    assert_int_equal(rig.done, 0);
    fanout_pause(rig.fanout, false);
    expect(&rig, 200, "{\"o\":{\"in\":{\"a\":{\"x\":1},\"b\":{\"x\":1}},\"c\":{\"x\":1}}}");
    rig_done(&rig);
}

static void paused_its_deadline_runs(void **state)
{
    (void)state;
    struct rig rig;
    struct told told;
    rig_init(&rig);
    struct fanout *fanout = begin_stream(&rig, &told, "/slow");
    fanout_pause(fanout, true);
    dispatch_rig_until(&rig.base, &told.ends, 1);
    assert_int_equal(told.failed, 2);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged),
        cmocka_unit_test(failure_cancels_the_rest),
        cmocka_unit_test(expiry),
        cmocka_unit_test(expiry_with_what_there_is),
        cmocka_unit_test(refusals_need_no_call),
        cmocka_unit_test(endpoints_in_place),
        cmocka_unit_test(a_child_without_calls),
        cmocka_unit_test(a_child_has_no_more_time_than_its_parent),
        cmocka_unit_test(a_failure_cancels_children),
        cmocka_unit_test(cancelled_by_the_client),
        cmocka_unit_test(cancelled_before_anything_was_sent),
        cmocka_unit_test(a_stream_is_told_of_every_part),
        cmocka_unit_test(a_cancelled_stream_is_told_nothing),
        cmocka_unit_test(paused_it_reads_nothing),
        cmocka_unit_test(paused_with_its_children),
        cmocka_unit_test(paused_its_deadline_runs),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
