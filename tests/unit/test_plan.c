/* Plans: what goes to which upstream, given what a client sent. */
#include "unit/batch_fixture.h"

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const char config_text[] =
    "egress: { allow: ['127.0.0.1:9000'] }\n"
    "limits: { nesting: 1, replyBody: 5MiB, replyHeader: 4KiB }\n"
    "upstreams:\n"
    "  shop: { url: 'http://shop.internal:8000/v1', timeout: 700ms, connectTimeout: 300ms,\n"
    "          firstByteTimeout: 400ms, batch: { methods: [GET, POST] } }\n"
    "  plain: { url: 'http://two.internal', http: 2 }\n"
    "  either: { url: 'https://two.internal', http: auto }\n"
    "  neither: { url: 'http://two.internal', http: auto }\n"
    "endpoints:\n"
    "  - path: /users/{id}/x/{part}\n"
    "    timeout: 900ms\n"
    "    merge: keyed\n"
    "    forward: { headers: [authorization, x-tag, accept, accept-encoding], query: [lang, q] }\n"
    "    requests:\n"
    "      - { id: a, upstream: shop, url: '/u/{id}{/part}{?lang,q}' }\n"
    "      - { id: b, upstream: shop, url: '/fixed?z=1{&lang}', timeout: 100ms,\n"
    "          headers: { X-Tag: own, User-Agent: me }, forward: { headers: [] } }\n"
    "      - { id: c, url: '/inner/{id}?l={lang}' }\n"
    "  - path: /inner/{x}\n"
    "    forward: { headers: [authorization], query: [l] }\n"
    "    requests: [{ id: i, upstream: shop, url: '/i/{x}{?l}' }]\n"
    "  - path: /outer\n"
    "    requests: [{ id: o, upstream: shop, url: /o }]\n"
    "  - path: /post\n"
    "    method: POST\n"
    "    query: { k: v }\n"
    "    requests:\n"
    "      - { id: p, upstream: shop, method: POST, url: /p, body: '{$request.body}' }\n"
    "      - { id: r, upstream: shop, method: POST, url: '/p?', body: '{$request.body}',\n"
    "          headers: { Content-Type: text/csv } }\n"
    "      - { id: s, upstream: shop, method: PUT, url: /s, body: [1.0] }\n";

struct plan_fixture {
    struct batch_fixture base;
    struct inbound inbound;
    struct plan plan;
    struct faults faults;
};

static int set_up(void **state)
{
    static struct plan_fixture fixture;
    fixture = (struct plan_fixture){.base.arena = arena_new()};
    fixture.base.config = fixture_config(fixture.base.arena, config_text);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct plan_fixture *fixture = *state;
    config_unref(fixture->base.config);
    arena_free(fixture->base.arena);
    return 0;
}

static void ask(struct plan_fixture *fixture, const char *method, const char *target)
{
    const char *query = strchr(target, '?');
    fixture->inbound = (struct inbound){
        .method = method,
        .target = target,
        .query = query ? query + 1 : "",
        .route = routes_find(fixture->base.config->routes, method, target, strlen(target)),
        .deadline = USEC_NEVER,
    };
}

static void say(struct plan_fixture *fixture, const char *name, const char *value)
{
    header_add(fixture->base.arena, &fixture->inbound.headers, name, value);
}

static void make(struct plan_fixture *fixture, const struct batch *batch)
{
    faults_init(&fixture->faults, fixture->base.arena, 10);
    plan_make(fixture->base.config, batch, &fixture->inbound, "gatherd-1", fixture->base.arena,
              &fixture->plan, &fixture->faults);
}

/* Plans what the client asked for; it must be fine. */
static const struct planned *plan(struct plan_fixture *fixture)
{
    assert_non_null(fixture->inbound.route.endpoint);
    make(fixture, &fixture->inbound.route.endpoint->batch);
    fixture_print_faults(&fixture->faults);
    assert_false(faults_any(&fixture->faults));
    return fixture->plan.items;
}

static void expect_target(struct plan_fixture *fixture, const char *asked, const char *target)
{
    ask(fixture, "GET", asked);
    assert_string_equal(plan(fixture)[0].call.target, target);
}

static void test_templates_are_filled(void **state)
{
    expect_target(*state, "/users/7/x/y", "/v1/u/7/y");
    expect_target(*state, "/users/7/x/y?lang=de&q=", "/v1/u/7/y?lang=de&q=");
    expect_target(*state, "/users/7/x/y?q=a+b%2Bc%26d&other=1", "/v1/u/7/y?q=a%20b%2Bc%26d");
    expect_target(*state, "/users/7/x/y?lang=1&lang=2", "/v1/u/7/y?lang=1");
    expect_target(*state, "/users/7/x/y?lang=%zz&lang=2", "/v1/u/7/y?lang=2");
    expect_target(*state, "/users/7/x/y?l%61ng=de", "/v1/u/7/y?lang=de");
    expect_target(*state, "/users/a%2Fb/x/%3F%23%0d%0a", "/v1/u/a%2Fb/%3F%23%0D%0A");
    expect_target(*state, "/users/a:b@c/x/%c3%A4", "/v1/u/a%3Ab%40c/%C3%A4");
    expect_target(*state, "/users/.../x/.y", "/v1/u/.../.y");
}

static void test_values_cannot_leave_their_segment(void **state)
{
    struct plan_fixture *fixture = *state;
    static const char *const asked[][2] = {
        {"/users/../x/y", "{id}"},           {"/users/./x/y", "{id}"},
        {"/users/%2e%2E/x/y", "{id}"},       {"/users/7/x/..", "{part}"},
        {"/users/7/x/a%2F..%2Fb", "{part}"}, {"/users/7/x/..%5Cb", "{part}"},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        ask(fixture, "GET", asked[i][0]);
        assert_non_null(fixture->inbound.route.endpoint);
        make(fixture, &fixture->inbound.route.endpoint->batch);
        assert_true(faults_any(&fixture->faults));
        assert_string_equal(fixture->faults.first->place, "");
        assert_int_equal(fixture->faults.first->status, 400);
        assert_non_null(strstr(fixture->faults.first->text, asked[i][1]));
    }
}

static void test_long_values(void **state)
{
    struct plan_fixture *fixture = *state;
    char *asked = arena_alloc(fixture->base.arena, URL_LENGTH_MAX + 100);
    strcpy(asked, "/inner/");
    /* "/v1/i/" and the value are just as long as a URL may be, then one longer. */
    size_t len = URL_LENGTH_MAX - strlen("/v1/i/");
    memset(asked + 7, 'a', len + 1);
    asked[7 + len] = '\0';
    ask(fixture, "GET", asked);
    assert_int_equal(strlen(plan(fixture)[0].call.target), URL_LENGTH_MAX);
    asked[7 + len] = 'a';
    ask(fixture, "GET", asked);
    make(fixture, &fixture->inbound.route.endpoint->batch);
    assert_int_equal(fixture->faults.count, 1);
    assert_non_null(strstr(fixture->faults.first->text, "8192"));
}

static void expect_header(const struct call_spec *call, const char *name, const char *value)
{
    const char *found = header_get(&call->headers, name);
    if (!value) {
        assert_null(found);
        return;
    }
    if (!found)
        print_error("%s is missing\n", name);
    assert_non_null(found);
    assert_string_equal(found, value);
}

static size_t count_header(const struct call_spec *call, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < call->headers.count; i++)
        count += strcasecmp(call->headers.items[i].name, name) == 0;
    return count;
}

static void test_only_named_headers_are_forwarded(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/7/x/y");
    say(fixture, "Host", "client.example");
    say(fixture, "Authorization", "Bearer t");
    say(fixture, "Cookie", "c=1");
    say(fixture, "X-Tag", "1");
    say(fixture, "x-tag", "2");
    say(fixture, "Accept", "text/html");
    say(fixture, "Accept-Encoding", "br");
    const struct planned *items = plan(fixture);
    expect_header(&items[0].call, "Authorization", "Bearer t");
    expect_header(&items[0].call, "Accept", "text/html");
    expect_header(&items[0].call, "Accept-Encoding", NULL);
    expect_header(&items[0].call, "Cookie", NULL);
    expect_header(&items[0].call, "Host", NULL);
    expect_header(&items[0].call, "User-Agent", "gatherd/" GATHERD_VERSION);
    assert_int_equal(count_header(&items[0].call, "X-Tag"), 2);
    assert_int_equal(count_header(&items[0].call, "Accept"), 1);
    assert_true(items[0].call.decode);
    expect_header(&items[1].call, "Authorization", NULL);
    expect_header(&items[1].call, "X-Tag", "own");
    expect_header(&items[1].call, "User-Agent", "me");
    expect_header(&items[1].call, "Accept", "*/*");
    assert_int_equal(count_header(&items[1].call, "X-Tag"), 1);
    assert_false(items[1].call.decode);
}

static void test_what_is_not_passed_on(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/7/x/y");
    say(fixture, "Connection", "close, X-Tag");
    say(fixture, "X-Tag", "1");
    say(fixture, "Authorization", "a\rb");
    const struct planned *items = plan(fixture);
    expect_header(&items[0].call, "X-Tag", NULL);
    expect_header(&items[0].call, "Authorization", NULL);
    expect_header(&items[0].call, "Connection", NULL);
}

static void test_trace_and_via(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/outer");
    const struct planned *items = plan(fixture);
    assert_null(items[0].call.trace);
    expect_header(&items[0].call, "Via", "1.1 gatherd-1");
    expect_header(&items[0].call, "CDN-Loop", "gatherd-1");
    say(fixture, "traceparent", TRACEPARENT);
    say(fixture, "tracestate", "x=1");
    say(fixture, "Tracestate", "y=2");
    say(fixture, "Via", "1.0 a");
    say(fixture, "Via", "1.1 b");
    say(fixture, "CDN-Loop", "cdn; v=1");
    items = plan(fixture);
    expect_header(&items[0].call, "traceparent", NULL); /* written when it is sent */
    assert_int_equal(items[0].call.trace->parent, 0x00f067aa0ba902b7);
    expect_header(&items[0].call, "tracestate", "x=1,y=2");
    expect_header(&items[0].call, "Via", "1.0 a, 1.1 b, 1.1 gatherd-1");
    expect_header(&items[0].call, "CDN-Loop", "cdn; v=1, gatherd-1");
    assert_int_equal(count_header(&items[0].call, "Via"), 1);
    assert_string_equal(items[0].call.timeout_header, "X-Request-Timeout-Ms");
}

static void test_propagation_can_be_off(void **state)
{
    struct plan_fixture *fixture = *state;
    config_unref(fixture->base.config);
    fixture->base.config = fixture_config(
        fixture->base.arena, "propagate: { trace: false, via: false, timeoutHeader: '' }\n"
                             "upstreams: { shop: { url: 'http://shop.internal' } }\n"
                             "endpoints: [{ path: /o, requests: [{ id: o, upstream: shop, "
                             "url: / }] }]\n");
    ask(fixture, "GET", "/o");
    say(fixture, "traceparent", TRACEPARENT);
    say(fixture, "Via", "1.0 a");
    const struct planned *items = plan(fixture);
    assert_null(items[0].call.trace);
    expect_header(&items[0].call, "Via", NULL);
    expect_header(&items[0].call, "CDN-Loop", NULL);
    assert_null(items[0].call.timeout_header);
    assert_string_equal(items[0].call.target, "/");
}

static void test_a_requests_own_trace_wins(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "POST", "/batch");
    say(fixture, "traceparent", TRACEPARENT);
    say(fixture, "tracestate", "theirs=1");
    fixture_accept(&fixture->base,
                   "{\"requests\":[{\"id\":\"a\",\"upstream\":\"shop\",\"url\":\"/x\","
                   "\"headers\":{\"Traceparent\":\"mine\"}}]}");
    make(fixture, &fixture->base.batch);
    const struct call_spec *call = &fixture->plan.items[0].call;
    expect_header(call, "traceparent", "mine");
    expect_header(call, "tracestate", NULL);
    assert_int_equal(count_header(call, "traceparent"), 1);
    assert_null(call->trace);
}

static void test_broken_traces_are_dropped(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/outer");
    say(fixture, "traceparent", "00-a-b-01");
    say(fixture, "tracestate", "x=1");
    const struct planned *items = plan(fixture);
    assert_null(items[0].call.trace);
    expect_header(&items[0].call, "tracestate", NULL);
}

static void test_the_id_goes_where_it_is_wanted(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/outer");
    fixture->inbound.request_id = "abc";
    expect_header(&plan(fixture)[0].call, "X-Request-Id", NULL);
    config_unref(fixture->base.config);
    fixture->base.config = fixture_config(
        fixture->base.arena, "propagate: { requestId: X-Request-Id }\n"
                             "upstreams: { shop: { url: 'http://shop.internal' } }\n"
                             "endpoints: [{ path: /o, requests: [{ id: o, upstream: shop, "
                             "url: / }] }]\n");
    ask(fixture, "GET", "/o");
    fixture->inbound.request_id = "abc";
    expect_header(&plan(fixture)[0].call, "X-Request-Id", "abc");
}

static void test_loops(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/outer");
    assert_false(plan_is_loop(&fixture->inbound, "gatherd-1"));
    say(fixture, "Via", "1.1 gatherd-1");
    say(fixture, "CDN-Loop", "gatherd-12, x-gatherd-1; a=gatherd-1");
    assert_false(plan_is_loop(&fixture->inbound, "gatherd-1"));
    say(fixture, "cdn-loop", "other ,gatherd-1;v=2");
    assert_true(plan_is_loop(&fixture->inbound, "gatherd-1"));
    assert_false(plan_is_loop(&fixture->inbound, "gatherd-2"));
}

static void test_times_and_limits(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/7/x/y");
    const struct planned *items = plan(fixture);
    assert_int_equal(fixture->plan.timeout, 900 * USEC_PER_MSEC);
    assert_int_equal(items[0].timeout, 700 * USEC_PER_MSEC);
    assert_int_equal(items[0].call.timeout, 700 * USEC_PER_MSEC);
    assert_int_equal(items[0].call.connect_timeout, 300 * USEC_PER_MSEC);
    assert_int_equal(items[0].call.first_byte_timeout, 400 * USEC_PER_MSEC);
    assert_int_equal(items[0].call.reply_body_max, 5 * 1024 * 1024);
    assert_int_equal(items[0].call.reply_header_max, 4096);
    assert_int_equal(items[1].call.timeout, 100 * USEC_PER_MSEC);
    assert_int_equal(items[2].timeout, 900 * USEC_PER_MSEC);
    ask(fixture, "POST", "/batch");
    fixture_accept(&fixture->base,
                   "{\"timeout\":\"300ms\",\"requests\":["
                   "{\"id\":\"a\",\"upstream\":\"shop\",\"url\":\"/x\",\"timeout\":\"1s\"},"
                   "{\"id\":\"b\",\"url\":\"http://127.0.0.1:9000/y\"}]}");
    make(fixture, &fixture->base.batch);
    assert_int_equal(fixture->plan.items[0].timeout, 300 * USEC_PER_MSEC);
    assert_int_equal(fixture->plan.items[1].timeout, 300 * USEC_PER_MSEC);
    fixture_accept(&fixture->base,
                   "{\"requests\":[{\"id\":\"b\",\"url\":\"http://127.0.0.1:9000/y\"}]}");
    make(fixture, &fixture->base.batch);
    const struct call_spec *call = &fixture->plan.items[0].call;
    assert_int_equal(call->timeout, 2 * USEC_PER_SEC);
    assert_int_equal(call->connect_timeout, USEC_PER_SEC);
    assert_int_equal(call->first_byte_timeout, 0);
    assert_null(call->upstream);
    assert_string_equal(call->origin->authority, "127.0.0.1:9000");
    assert_string_equal(call->target, "/y");
    assert_string_equal(call->method, "GET");
    assert_string_equal(call->id, "b");
}

static void test_bodies(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "POST", "/post");
    say(fixture, "Content-Type", "text/plain");
    fixture->inbound.body = "a\0b";
    fixture->inbound.body_len = 3;
    const struct planned *items = plan(fixture);
    assert_true(items[0].call.has_body);
    assert_int_equal(items[0].call.body_len, 3);
    assert_memory_equal(items[0].call.body, "a\0b", 3);
    expect_header(&items[0].call, "Content-Type", "text/plain");
    assert_string_equal(items[0].call.target, "/v1/p?k=v");
    expect_header(&items[1].call, "Content-Type", "text/csv");
    assert_string_equal(items[1].call.target, "/v1/p?k=v");
    assert_int_equal(items[2].call.body_len, 5);
    assert_memory_equal(items[2].call.body, "[1.0]", 5);
    expect_header(&items[2].call, "Content-Type", "application/json");
    assert_int_equal(count_header(&items[2].call, "Content-Type"), 1);

    ask(fixture, "POST", "/post");
    items = plan(fixture);
    assert_true(items[0].call.has_body);
    assert_int_equal(items[0].call.body_len, 0);
    expect_header(&items[0].call, "Content-Type", NULL);
}

static void test_a_body_takes_its_content_type_with_it(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "POST", "/batch");
    fixture_accept(&fixture->base,
                   "{\"headers\":{\"Content-Type\":\"application/json\"},\"requests\":["
                   "{\"id\":\"a\",\"upstream\":\"shop\",\"url\":\"/x\"},"
                   "{\"id\":\"b\",\"upstream\":\"shop\",\"url\":\"/x\",\"method\":\"POST\","
                   "\"body\":1}]}");
    make(fixture, &fixture->base.batch);
    expect_header(&fixture->plan.items[0].call, "Content-Type", NULL);
    assert_false(fixture->plan.items[0].call.has_body);
    expect_header(&fixture->plan.items[1].call, "Content-Type", "application/json");
    assert_true(fixture->plan.items[1].call.has_body);
}

static void test_endpoints_in_place(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/a%2Fb/x/y?lang=d%26e");
    say(fixture, "Authorization", "Bearer t");
    say(fixture, "Cookie", "c=1");
    say(fixture, "Via", "1.0 a");
    fixture->inbound.deadline = 12345;
    const struct planned *item = &plan(fixture)[2];
    assert_true(item->in_place);
    const struct inbound *inner = item->inner;
    assert_string_equal(inner->method, "GET");
    assert_string_equal(inner->target, "/inner/a%2Fb?l=d%26e");
    assert_string_equal(inner->query, "l=d%26e");
    assert_string_equal(inner->route.endpoint->path, "/inner/{x}");
    assert_int_equal(inner->nesting, 1);
    assert_int_equal(inner->deadline, 12345);
    assert_string_equal(header_get(&inner->headers, "Authorization"), "Bearer t");
    assert_string_equal(header_get(&inner->headers, "Via"), "1.0 a");
    assert_null(header_get(&inner->headers, "Cookie"));

    struct inbound next = *inner;
    fixture->inbound = next;
    const struct call_spec *call = &plan(fixture)[0].call;
    assert_string_equal(call->target, "/v1/i/a%2Fb?l=d%26e");
    expect_header(call, "Authorization", "Bearer t");
}

static void test_nesting_ends(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/7/x/y");
    fixture->inbound.nesting = 1;
    make(fixture, &fixture->inbound.route.endpoint->batch);
    assert_int_equal(fixture->faults.count, 1);
    assert_non_null(strstr(fixture->faults.first->text, "limits.nesting (1)"));
}

/* A template that an ordinary value leads to an endpoint, and this one does not. */
static void test_a_value_that_leads_nowhere(void **state)
{
    struct plan_fixture *fixture = *state;
    config_unref(fixture->base.config);
    fixture->base.config =
        fixture_config(fixture->base.arena,
                       "upstreams: { shop: { url: 'http://shop.internal' } }\n"
                       "endpoints:\n"
                       "  - { path: '/in/{x}', requests: [{ id: i, upstream: shop, url: / }] }\n"
                       "  - { path: '/in/post', method: POST,\n"
                       "      requests: [{ id: p, upstream: shop, url: / }] }\n"
                       "  - { path: '/out/{y}', requests: [{ id: o, url: '/in/{y}' }] }\n");
    ask(fixture, "GET", "/out/1");
    assert_true(plan(fixture)[0].in_place);
    ask(fixture, "GET", "/out/post");
    make(fixture, &fixture->inbound.route.endpoint->batch);
    assert_int_equal(fixture->faults.count, 1);
    assert_non_null(strstr(fixture->faults.first->text, "no endpoint answers GET"));
}

static void test_the_version_of_http(void **state)
{
    static const enum http_version versions[] = {HTTP_1, HTTP_2, HTTP_NEGOTIATED, HTTP_1, HTTP_1};
    struct plan_fixture *fixture = *state;
    ask(fixture, "POST", "/batch");
    fixture_accept(&fixture->base, "{\"requests\":["
                                   "{\"id\":\"a\",\"upstream\":\"shop\",\"url\":\"/x\"},"
                                   "{\"id\":\"b\",\"upstream\":\"plain\",\"url\":\"/x\"},"
                                   "{\"id\":\"c\",\"upstream\":\"either\",\"url\":\"/x\"},"
                                   "{\"id\":\"d\",\"upstream\":\"neither\",\"url\":\"/x\"},"
                                   "{\"id\":\"e\",\"url\":\"http://127.0.0.1:9000/x\"}]}");
    make(fixture, &fixture->base.batch);
    assert_false(faults_any(&fixture->faults));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fixture->plan.items[i].call.http, versions[i]);
}

/* As if each had been written alone; only what is equal is shared. */
static void test_lines_are_the_headers(void **state)
{
    struct plan_fixture *fixture = *state;
    ask(fixture, "GET", "/users/7/x/y");
    say(fixture, "Authorization", "secret");
    const struct planned *items = plan(fixture);
    for (size_t i = 0; i < 2; i++) {
        scope_buffer struct buffer text;
        buffer_init(&text, 10000);
        header_put_all(&text, &items[i].call.headers);
        assert_true(text.len > 0);
        assert_int_equal(items[i].call.lines_len, text.len);
        assert_memory_equal(items[i].call.lines, text.data, text.len);
    }
    assert_non_null(strstr(items[0].call.lines, "\r\nVia: 1.1 gatherd-1\r\n"));
    assert_ptr_not_equal(items[0].call.lines, items[1].call.lines);

    ask(fixture, "POST", "/batch");
    fixture_accept(&fixture->base, "{\"requests\":["
                                   "{\"id\":\"a\",\"upstream\":\"shop\",\"url\":\"/x\"},"
                                   "{\"id\":\"b\",\"upstream\":\"plain\",\"url\":\"/x\"},"
                                   "{\"id\":\"c\",\"upstream\":\"neither\",\"url\":\"/y\"}]}");
    make(fixture, &fixture->base.batch);
    items = fixture->plan.items;
    assert_non_null(items[0].call.lines);
    assert_null(items[1].call.lines);
    assert_ptr_equal(items[0].call.lines, items[2].call.lines);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_templates_are_filled),
        TEST(test_values_cannot_leave_their_segment),
        TEST(test_long_values),
        TEST(test_only_named_headers_are_forwarded),
        TEST(test_what_is_not_passed_on),
        TEST(test_trace_and_via),
        TEST(test_propagation_can_be_off),
        TEST(test_a_requests_own_trace_wins),
        TEST(test_broken_traces_are_dropped),
        TEST(test_the_id_goes_where_it_is_wanted),
        TEST(test_loops),
        TEST(test_times_and_limits),
        TEST(test_bodies),
        TEST(test_a_body_takes_its_content_type_with_it),
        TEST(test_endpoints_in_place),
        TEST(test_nesting_ends),
        TEST(test_a_value_that_leads_nowhere),
        TEST(test_the_version_of_http),
        TEST(test_lines_are_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
