/* Batches from clients and from the configuration: what is taken, and what is refused where. */
#include "unit/batch_fixture.h"

static const char config_text[] = "egress: { allow: ['api.example.com', '127.0.0.1:9000'] }\n"
                                  "limits: { requests: 3 }\n"
                                  "upstreams:\n"
                                  "  shop:   { url: 'http://shop.internal:8000/v1/' }\n"
                                  "  open:   { url: 'http://open.internal', batch: { methods: "
                                  "[GET, POST], paths: ['/a/*', '/b/**'] } }\n"
                                  "  closed: { url: 'http://closed.internal', batch: off }\n"
                                  "endpoints:\n"
                                  "  - path: /users/{id}\n"
                                  "    merge: keyed\n"
                                  "    requests: [{ id: u, upstream: shop, url: '/users/{id}' }]\n";

static int set_up(void **state)
{
    static struct batch_fixture fixture;
    fixture.arena = arena_new();
    fixture.config = fixture_config(fixture.arena, config_text);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct batch_fixture *fixture = *state;
    config_unref(fixture->config);
    arena_free(fixture->arena);
    return 0;
}

/* A batch of one request with these members besides its id. */
static const char *one(struct batch_fixture *fixture, const char *members)
{
    return arena_printf(fixture->arena, "{\"requests\":[{\"id\":\"a\",%s}]}", members);
}

#define SHOP      "\"upstream\":\"shop\",\"url\":\"/x\""
#define OPEN_POST "\"upstream\":\"open\",\"url\":\"/a/x\",\"method\":\"POST\""

static void test_defaults(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request = fixture_accept(fixture, one(fixture, SHOP));
    assert_string_equal(request->id, "a");
    assert_string_equal(request->method, "GET");
    assert_int_equal(request->target, TARGET_UPSTREAM);
    assert_string_equal(request->upstream->name, "shop");
    assert_string_equal(request->literal, "/v1/x");
    assert_int_equal(request->body, BODY_NONE);
    assert_false(request->optional);
    assert_null(request->fallback);
    assert_int_equal(request->success.classes, 1 << 2);
    assert_int_equal(request->success.count, 0);
    assert_int_equal(request->timeout, 0);
    assert_int_equal(fixture->batch.merge, MERGE_ENVELOPE);
    assert_int_equal(fixture->batch.policy, POLICY_ALL_SETTLED);
    assert_int_equal(fixture->batch.timeout, 5 * USEC_PER_SEC);
    assert_null(fixture->batch.query);
}

static void test_policy_follows_merge(void **state)
{
    struct batch_fixture *fixture = *state;
    fixture_accept(fixture, "{\"merge\":\"keyed\",\"requests\":[{\"id\":\"a\"," SHOP "}]}");
    assert_int_equal(fixture->batch.policy, POLICY_ALL);
    fixture_accept(fixture, "{\"merge\":\"keyed\",\"policy\":\"allSettled\",\"requests\":"
                            "[{\"id\":\"a\"," SHOP "}]}");
    assert_int_equal(fixture->batch.policy, POLICY_ALL_SETTLED);
    fixture_accept(fixture, "{\"policy\":\"all\",\"requests\":[{\"id\":\"a\"," SHOP "}]}");
    assert_int_equal(fixture->batch.policy, POLICY_ALL);
    fixture_accept(fixture, "{\"policy\":{\"atLeast\":1},\"requests\":[{\"id\":\"a\"," SHOP "}]}");
    assert_int_equal(fixture->batch.policy, POLICY_AT_LEAST);
    fixture_refuse(fixture, "{\"policy\":{\"atLeast\":2},\"requests\":[{\"id\":\"a\"," SHOP "}]}",
                   "/policy/atLeast", 400, "2 successes cannot come of 1 request");
}

static void test_ids(void **state)
{
    struct batch_fixture *fixture = *state;
    static const char *const fine[] = {"a", "-", "9", "a_b-C", "Z"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        fixture_accept(fixture, arena_printf(fixture->arena,
                                             "{\"requests\":[{\"id\":\"%s\"," SHOP "}]}", fine[i]));
    static const char *const bad[] = {"_a", "a.b", "a b", "a/b", "\\u00e4", "a\\n", "{a}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse(
            fixture,
            arena_printf(fixture->arena, "{\"requests\":[{\"id\":\"%s\"," SHOP "}]}", bad[i]),
            "/requests/0/id", 400, "an id is");
    char id[66];
    memset(id, 'a', sizeof id);
    id[64] = '\0';
    fixture_accept(fixture,
                   arena_printf(fixture->arena, "{\"requests\":[{\"id\":\"%s\"," SHOP "}]}", id));
    id[64] = 'a';
    id[65] = '\0';
    fixture_read(fixture,
                 arena_printf(fixture->arena, "{\"requests\":[{\"id\":\"%s\"," SHOP "}]}", id));
    assert_true(faults_any(&fixture->faults));
    fixture_refuse(fixture,
                   "{\"requests\":[{\"id\":\"a\"," SHOP "},{\"id\":\"b\"," SHOP "},"
                   "{\"id\":\"a\"," SHOP "}]}",
                   "/requests/2/id", 400, "used twice");
    fixture_refuse(fixture, "{\"requests\":[{" SHOP "}]}", "/requests/0", 400, "\"id\" is missing");
}

static void test_methods(void **state)
{
    struct batch_fixture *fixture = *state;
    fixture_accept(fixture, one(fixture, SHOP ",\"method\":\"HEAD\""));
    fixture_refuse(fixture, one(fixture, SHOP ",\"method\":\"POST\""), "/requests/0/method", 403,
                   "does not allow POST");
    fixture_refuse(fixture, one(fixture, SHOP ",\"method\":\"get\""), "/requests/0/method", 403,
                   "does not allow get");
    fixture_accept(fixture, one(fixture, OPEN_POST));
    static const char *const bad[] = {"CONNECT", "TRACE", "G T", "GET\\r\\n", "\\u00e4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse(
            fixture,
            one(fixture,
                arena_printf(fixture->arena,
                             "\"url\":\"http://api.example.com/\",\"method\":\"%s\"", bad[i])),
            "/requests/0/method", 400, i < 2 ? "not supported" : "a word");
}

/* What the method rules out is said once, whatever an upstream or an endpoint says about it. */
static void test_unsupported_methods_are_one_fault(void **state)
{
    struct batch_fixture *fixture = *state;
    static const char *const targets[] = {SHOP, "\"url\":\"/users/7\"",
                                          "\"upstream\":\"open\",\"url\":\"/a/x\""};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        fixture_refuse(
            fixture,
            one(fixture, arena_printf(fixture->arena, "%s,\"method\":\"CONNECT\"", targets[i])),
            "/requests/0/method", 400, "CONNECT is not supported");
        fixture_refuse(
            fixture,
            one(fixture, arena_printf(fixture->arena, "%s,\"method\":\"G T\"", targets[i])),
            "/requests/0/method", 400, "a word");
    }
}

static void test_absolute_urls(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request =
        fixture_accept(fixture, one(fixture, "\"url\":\"https://API.example.com/a?b#c\""));
    assert_int_equal(request->target, TARGET_ABSOLUTE);
    assert_string_equal(request->absolute.origin.host, "api.example.com");
    assert_string_equal(request->literal, "/a?b");
    fixture_accept(fixture, one(fixture, "\"url\":\"http://127.0.0.1:9000/posts/1\""));
    fixture_refuse(fixture, one(fixture, "\"url\":\"http://127.0.0.1/posts/1\""), "/requests/0/url",
                   403, "egress.allow has no rule for http://127.0.0.1");
    fixture_refuse(fixture, one(fixture, "\"url\":\"http://example.com/\""), "/requests/0/url", 403,
                   "egress.allow has no rule");
    fixture_refuse(fixture, one(fixture, "\"url\":\"ftp://api.example.com/\""), "/requests/0/url",
                   400, "http://host/");
    fixture_refuse(fixture, one(fixture, "\"url\":\"api.example.com/x\""), "/requests/0/url", 400,
                   "http://host/");
    fixture_refuse(fixture, one(fixture, "\"url\":\"http://api.example.com/../x\""),
                   "/requests/0/url", 400, "segments");
    fixture_refuse(fixture,
                   one(fixture, "\"upstream\":\"shop\",\"url\":\"http://api.example.com/\""),
                   "/requests/0/url", 400, "with an upstream the url is a path");
}

static void test_paths_on_upstreams(void **state)
{
    struct batch_fixture *fixture = *state;
    fixture_refuse(fixture, one(fixture, "\"upstream\":\"shoop\",\"url\":\"/x\""),
                   "/requests/0/upstream", 400, "did you mean \"shop\"?");
    fixture_refuse(fixture, one(fixture, "\"upstream\":\"qqqqqq\",\"url\":\"/x\""),
                   "/requests/0/upstream", 400, "there is no upstream \"qqqqqq\"");
    fixture_refuse(fixture, one(fixture, "\"upstream\":\"closed\",\"url\":\"/x\""),
                   "/requests/0/upstream", 403, "closed to batches");
    fixture_accept(fixture, one(fixture, "\"upstream\":\"open\",\"url\":\"/a/x?y\""));
    fixture_accept(fixture, one(fixture, "\"upstream\":\"open\",\"url\":\"/b/x/y\""));
    fixture_refuse(fixture, one(fixture, "\"upstream\":\"open\",\"url\":\"/a/x/y\""),
                   "/requests/0/url", 403, "does not allow this path");
    fixture_refuse(fixture, one(fixture, "\"upstream\":\"open\",\"url\":\"/a/x%2Fy\""),
                   "/requests/0/url", 403, "does not allow this path");
    static const char *const bad[][2] = {
        {"//evil.com/x", "one /"},
        {"/a/../b", "segments"},
        {"/a/%2e%2e/b", "segments"},
        {"/a b", "spaces"},
        {"/{id}", "braces"},
        {"/a#b", "fragment"},
        {"/{$request.path.x}", "$request is for endpoints"},
        {"$b/x", "$id"},
        {"/%zz", "hexadecimal"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse(
            fixture,
            one(fixture,
                arena_printf(fixture->arena, "\"upstream\":\"shop\",\"url\":\"%s\"", bad[i][0])),
            "/requests/0/url", 400, bad[i][1]);
}

static void test_own_endpoints(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request =
        fixture_accept(fixture, one(fixture, "\"url\":\"/users/7?a=b\""));
    assert_int_equal(request->target, TARGET_ENDPOINT);
    assert_string_equal(request->literal, "/users/7?a=b");
    fixture_refuse(fixture, one(fixture, "\"url\":\"/user/7\""), "/requests/0/url", 400,
                   "no endpoint has this path");
    fixture_refuse(fixture, one(fixture, "\"url\":\"/users/7\",\"method\":\"PUT\""),
                   "/requests/0/url", 400, "answers GET, HEAD, not PUT");
    fixture_refuse(fixture, one(fixture, "\"url\":\"/batch\",\"method\":\"POST\""),
                   "/requests/0/url", 400, "no endpoint");
    fixture_refuse(fixture, one(fixture, "\"url\":\"//users/7\""), "/requests/0/url", 400, "one /");
}

static void test_headers(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request = fixture_accept(
        fixture,
        "{\"headers\":{\"X-All\":\"1\",\"X-Own\":\"batch\",\"Content-Type\":\"text/plain\"},"
        "\"requests\":[{\"id\":\"a\"," SHOP ",\"headers\":{\"x-own\":\" mine\\t\","
        "\"Accept-Encoding\":\"br\"}},{\"id\":\"b\"," SHOP "}]}");
    assert_int_equal(request->headers.count, 2);
    assert_string_equal(request->headers.items[0].name, "X-All");
    assert_string_equal(request->headers.items[1].name, "x-own");
    assert_string_equal(request->headers.items[1].value, "mine");
    assert_string_equal(request->content_type, "text/plain");
    assert_true(request->decode);
    assert_string_equal(header_get(&request[1].headers, "X-Own"), "batch");
    assert_false(request[1].decode);
}

static void test_refused_headers(void **state)
{
    struct batch_fixture *fixture = *state;
    static const char *const bad[][3] = {
        {"\"Host\":\"a\"", "/Host", "may not be set"},
        {"\"x-forwarded-for\":\"a\"", "/x-forwarded-for", "may not be set"},
        {"\"transfer-encoding\":\"chunked\"", "/transfer-encoding", "may not be set"},
        {"\"Via\":\"a\"", "/Via", "may not be set"},
        {"\"A B\":\"a\"", "/A B", "not a field name"},
        {"\"\":\"a\"", "/", "not a field name"},
        {"\"A\":\"a\\r\\nB: c\"", "/A", "control characters"},
        {"\"A\":\"a\\u0000\"", "/A", "control characters"},
        {"\"A\":1", "/A", "must be a string, not a number"},
        {"\"A\":true", "/A", "must be a string"},
        {"\"A\":null", "/A", "must be a string"},
        {"\"A\":[\"a\"]", "/A", "must be a string"},
        {"\"A\":\"a\",\"a\":\"b\"", "/a", "twice"},
        {"\"A\":\"{$request.header.x}\"", "/A", "$request is for endpoints"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct arena *arena = fixture->arena;
        fixture_refuse(fixture,
                       one(fixture, arena_printf(arena, SHOP ",\"headers\":{%s}", bad[i][0])),
                       arena_printf(arena, "/requests/0/headers%s", bad[i][1]), 400, bad[i][2]);
        fixture_refuse(fixture,
                       arena_printf(arena,
                                    "{\"headers\":{%s},\"requests\":[{\"id\":\"a\"," SHOP "}]}",
                                    bad[i][0]),
                       arena_printf(arena, "/headers%s", bad[i][1]), 400, bad[i][2]);
    }
    fixture_refuse(fixture, one(fixture, SHOP ",\"headers\":[]"), "/requests/0/headers", 400,
                   "are a map");
}

/* "X0":"","X1":"" and so on. */
static const char *many_fields(struct arena *arena, size_t count)
{
    struct buffer text scope_buffer;
    buffer_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&text, "%s\"X%zu\":\"\"", i > 0 ? "," : "", i);
    return arena_copy(arena, text.data, text.len);
}

static void read_fields(struct batch_fixture *fixture, const char *shared, const char *own)
{
    fixture_read(fixture, arena_printf(fixture->arena,
                                       "{\"headers\":{%s},\"requests\":[{\"id\":\"a\"," SHOP
                                       ",\"headers\":{%s}},{\"id\":\"b\"," SHOP "}]}",
                                       shared, own));
}

static void expect_fields_fault(struct batch_fixture *fixture, const char *place, const char *words)
{
    fixture_print_faults(fixture->faults.count == 1 ? &(struct faults){0} : &fixture->faults);
    assert_int_equal(fixture->faults.count, 1);
    assert_string_equal(fixture->faults.first->place, place);
    assert_int_equal(fixture->faults.first->status, 400);
    assert_non_null(strstr(fixture->faults.first->text, words));
}

static void test_header_counts_are_bounded(void **state)
{
    struct batch_fixture *fixture = *state;
    struct arena *arena = fixture->arena;
    static const char words[] = "at most 100 header fields, not 101";
    read_fields(fixture, "", many_fields(arena, 100));
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, many_fields(arena, 100), "");
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, "", many_fields(arena, 101));
    expect_fields_fault(fixture, "/requests/0/headers", words);
    read_fields(fixture, many_fields(arena, 101), "");
    expect_fields_fault(fixture, "/headers", words);
    /* Together; what a request replaces counts once. */
    read_fields(fixture, many_fields(arena, 100), "\"x7\":\"own\"");
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, many_fields(arena, 100), "\"Y\":\"own\"");
    expect_fields_fault(fixture, "/requests/0/headers", words);
    /* So many are not even looked at: one fault, not one for each. */
    read_fields(fixture, "", arena_printf(arena, "\"Host\":\"\",%s", many_fields(arena, 5000)));
    expect_fields_fault(fixture, "/requests/0/headers", "not 5001");
}

static void test_header_sizes_are_bounded(void **state)
{
    struct batch_fixture *fixture = *state;
    struct arena *arena = fixture->arena;
    enum { OTHERS = 5, FIELD = 5 }; /* "A: " and CR LF; "B: " and CR LF */
    size_t most = (size_t)fixture->config->limits.request_header;
    char *value = arena_alloc(arena, most);
    memset(value, 'v', most);
    value[most - FIELD] = '\0';
    const char *full = arena_printf(arena, "\"A\":\"%s\"", value);
    value[most - FIELD - OTHERS] = '\0';
    const char *almost = arena_printf(arena, "\"A\":\"%s\"", value);
    read_fields(fixture, "", full);
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, full, "");
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, almost, "\"B\":\"\"");
    assert_false(faults_any(&fixture->faults));
    read_fields(fixture, almost, "\"B\":\"1\"");
    expect_fields_fault(fixture, "/requests/0/headers", "limits.requestHeader");
    read_fields(fixture, arena_printf(arena, "%s,\"B\":\"\"", full), "\"C\":\"1\"");
    expect_fields_fault(fixture, "/headers", "limits.requestHeader");
    read_fields(fixture, "", arena_printf(arena, "%s,\"B\":\"\"", full));
    expect_fields_fault(fixture, "/requests/0/headers", "limits.requestHeader");
}

static void expect_body(const struct request *request, const char *body, const char *type)
{
    assert_int_equal(request->body, BODY_BYTES);
    assert_int_equal(request->body_len, strlen(body));
    assert_memory_equal(request->body_data, body, request->body_len);
    assert_string_equal(request->content_type, type);
}

static void test_bodies(void **state)
{
    struct batch_fixture *fixture = *state;
    expect_body(
        fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\": {\"a\": 19.990, \"a\":1e999} ")),
        "{\"a\": 19.990, \"a\":1e999}", "application/json");
    expect_body(fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\":\"{$request.body}\"")),
                "\"{$request.body}\"", "application/json");
    expect_body(fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\":null")), "null",
                "application/json");
    expect_body(
        fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\":-0,\"headers\":{\"content-type\":"
                                                       "\"application/merge-patch+json\"}")),
        "-0", "application/merge-patch+json");
    expect_body(
        fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\":\"a\\n\\u00e9\",\"headers\":"
                                                       "{\"Content-Type\":\"text/plain\"}")),
        "a\n\xc3\xa9", "text/plain");
    expect_body(
        fixture_accept(fixture, one(fixture, OPEN_POST ",\"body\":\"\",\"headers\":"
                                                       "{\"Content-Type\":\"text/plain\"}")),
        "", "text/plain");
    fixture_refuse(fixture,
                   one(fixture, OPEN_POST ",\"body\":{},\"headers\":"
                                          "{\"Content-Type\":\"text/plain\"}"),
                   "/requests/0/body", 400, "must be a string (or use bodyBase64), not a map");
    fixture_refuse(fixture, one(fixture, SHOP ",\"body\":{}"), "/requests/0/body", 400,
                   "a GET request has no body");
    fixture_refuse(fixture, one(fixture, SHOP ",\"method\":\"HEAD\",\"bodyBase64\":\"YQ==\""),
                   "/requests/0/bodyBase64", 400, "a HEAD request has no body");
    fixture_refuse(fixture, one(fixture, OPEN_POST ",\"body\":1,\"bodyBase64\":\"YQ==\""),
                   "/requests/0/bodyBase64", 400, "either");
}

static void test_base64(void **state)
{
    struct batch_fixture *fixture = *state;
    static const struct {
        const char *text;
        size_t len;
        const char *bytes;
    } fine[] = {
        {"", 0, ""},
        {"YQ==", 1, "a"},
        {"YQ", 1, "a"},
        {"YWI=", 2, "ab"},
        {"YWI", 2, "ab"},
        {"YWJj", 3, "abc"},
        {"AAEC/w", 4, "\0\1\2\377"},
        {"-_-_", 3, "\373\377\277"},
        {"+/+/", 3, "\373\377\277"},
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        const struct request *request = fixture_accept(
            fixture, one(fixture, arena_printf(fixture->arena, OPEN_POST ",\"bodyBase64\":\"%s\"",
                                               fine[i].text)));
        assert_int_equal(request->body, BODY_BYTES);
        assert_int_equal(request->body_len, fine[i].len);
        assert_memory_equal(request->body_data, fine[i].bytes, fine[i].len);
        assert_string_equal(request->content_type, "application/octet-stream");
    }
    static const char *const bad[] = {"Y",    "YQ=",   "YQ===", "YWI==", "=",  "====", "YQ==YQ==",
                                      "YW J", "YW\\n", "YR==",  "YWK",   "Y%", "YWJjZ"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse(
            fixture,
            one(fixture, arena_printf(fixture->arena, OPEN_POST ",\"bodyBase64\":\"%s\"", bad[i])),
            "/requests/0/bodyBase64", 400, "not base64");
}

#define SHOP_CONFIG "upstreams: { shop: { url: 'http://shop.internal' } }\n"

static void test_defaults_fit_the_merge(void **state)
{
    struct batch_fixture *fixture = *state;
    static const struct {
        const char *merge, *value, *wrong; /* NULL: fine */
    } rows[] = {
        {"shallow", "{}", NULL},
        {"concat", "[]", NULL},
        {"keyed", "1", NULL},
        {"array", "null", NULL},
        {"shallow", "[]", "merge: shallow needs an object here, not a list"},
        {"shallow", "null", "merge: shallow needs an object here, not null"},
        {"shallow", "\"{}\"", "merge: shallow needs an object here, not a string"},
        {"concat", "{}", "merge: concat needs an array here, not a map"},
        {"concat", "0", "merge: concat needs an array here, not a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *json =
            arena_printf(fixture->arena,
                         "{\"merge\":\"%s\",\"requests\":[{\"id\":\"a\"," SHOP ",\"default\":%s}]}",
                         rows[i].merge, rows[i].value);
        if (rows[i].wrong)
            fixture_refuse(fixture, json, "/requests/0/default", 400, rows[i].wrong);
        else
            fixture_accept(fixture, json);
    }
    fixture_refuse_config(SHOP_CONFIG "endpoints:\n  - path: /e\n    merge: concat\n    requests:\n"
                                      "      - { id: a, upstream: shop, url: /, default: {} }\n",
                          "test.yaml:6:51", "merge: concat needs an array here");
}

static void test_default_makes_optional(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request =
        fixture_accept(fixture, one(fixture, SHOP ",\"default\":[1.0 ,2]"));
    assert_true(request->optional);
    assert_int_equal(request->fallback_len, 8);
    assert_memory_equal(request->fallback, "[1.0 ,2]", 8);
    request = fixture_accept(fixture, one(fixture, SHOP ",\"default\":null"));
    assert_true(request->optional);
    assert_memory_equal(request->fallback, "null", 4);
}

static void test_success(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request =
        fixture_accept(fixture, one(fixture, SHOP ",\"success\":[404,\"5xx\",\"200\",\"2xx\"]"));
    assert_int_equal(request->success.classes, 1 << 5 | 1 << 2);
    assert_int_equal(request->success.count, 2);
    assert_int_equal(request->success.statuses[0], 404);
    assert_int_equal(request->success.statuses[1], 200);
    request = fixture_accept(fixture, one(fixture, SHOP ",\"success\":599"));
    assert_int_equal(request->success.classes, 0);
    assert_int_equal(request->success.statuses[0], 599);
    static const char *const bad[] = {"199", "600", "\"1xx\"", "\"6xx\"", "\"2XX\"", "\"2x\"", "20",
                                      "2e2", "-20", "null",    "{}",      "\"\"",    "2000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse(fixture,
                       one(fixture, arena_printf(fixture->arena, SHOP ",\"success\":[%s]", bad[i])),
                       "/requests/0/success/0", 400, "write a status");
    fixture_refuse(fixture, one(fixture, SHOP ",\"success\":[]"), "/requests/0/success", 400,
                   "at least one");
}

static void test_query(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request = fixture_accept(
        fixture, "{\"query\":{\"a b\":\"c&d\",\"n\":19.990,\"t\":true},\"requests\":["
                 "{\"id\":\"a\"," SHOP "},{\"id\":\"b\",\"url\":\"http://api.example.com/?x=1\"},"
                 "{\"id\":\"c\",\"url\":\"/users/1?\"}]}");
    assert_string_equal(fixture->batch.query, "a%20b=c%26d&n=19.990&t=true");
    assert_string_equal(request[0].literal, "/v1/x?a%20b=c%26d&n=19.990&t=true");
    assert_string_equal(request[1].literal, "/?x=1&a%20b=c%26d&n=19.990&t=true");
    assert_string_equal(request[2].literal, "/users/1?a%20b=c%26d&n=19.990&t=true");
    fixture_refuse(fixture, "{\"query\":{\"a\":null},\"requests\":[{\"id\":\"a\"," SHOP "}]}",
                   "/query/a", 400, "not null");
    fixture_refuse(fixture, "{\"query\":{\"a\":[1]},\"requests\":[{\"id\":\"a\"," SHOP "}]}",
                   "/query/a", 400, "not a list");
    fixture_refuse(fixture, "{\"query\":\"a=b\",\"requests\":[{\"id\":\"a\"," SHOP "}]}", "/query",
                   400, "query is a map");
    fixture_accept(fixture, "{\"query\":{},\"requests\":[{\"id\":\"a\"," SHOP "}]}");
    assert_null(fixture->batch.query);
}

static void test_how_many(void **state)
{
    struct batch_fixture *fixture = *state;
#define ID(letter) "{\"id\":\"" letter "\"," SHOP "}"
    fixture_accept(fixture, "{\"requests\":[" ID("a") "," ID("b") "," ID("c") "]}");
    fixture_refuse(fixture, "{\"requests\":[" ID("a") "," ID("b") "," ID("c") "," ID("d") "]}",
                   "/requests", 400, "limits.requests (3)");
    fixture_refuse(fixture, "{\"requests\":[]}", "/requests", 400, "empty");
    fixture_refuse(fixture, "{}", "", 400, "\"requests\" is missing");
    fixture_refuse(fixture, "[]", "", 400, "not a list");
    fixture_refuse(fixture, "{\"requests\":{}}", "/requests", 400, "");
    fixture_refuse(fixture, "{\"requests\":[1]}", "/requests/0", 400, "");
    fixture_accept(fixture, "{\"merge\":\"raw\",\"requests\":[" ID("a") "]}");
    fixture_refuse(fixture, "{\"merge\":\"raw\",\"requests\":[" ID("a") "," ID("b") "]}",
                   "/requests", 400, "exactly one");
}

static void test_members_a_client_may_not_use(void **state)
{
    struct batch_fixture *fixture = *state;
    fixture_refuse(fixture, one(fixture, SHOP ",\"forward\":{}"), "/requests/0/forward", 400,
                   "\"forward\" is possible only in the configuration");
    fixture_refuse(fixture, one(fixture, SHOP ",\"timout\":\"1s\""), "/requests/0/timout", 400,
                   "did you mean \"timeout\"?");
    fixture_refuse(fixture, one(fixture, SHOP ",\"timeout\":\"61s\""), "/requests/0/timeout", 400,
                   "");
    fixture_refuse(fixture, one(fixture, SHOP ",\"atomicityGroup\":\"g\""),
                   "/requests/0/atomicityGroup", 400, "");
    fixture_refuse(fixture, one(fixture, SHOP ",\"if\":\"x\""), "/requests/0/if", 400, "");
    fixture_accept(fixture, one(fixture, SHOP ",\"timeout\":\"60s\""));
}

static void test_all_faults_at_once(void **state)
{
    struct batch_fixture *fixture = *state;
    fixture_read(fixture, "{\"requests\":[{\"id\":\"_\",\"upstream\":\"nope\",\"url\":\"/..\","
                          "\"headers\":{\"Host\":\"x\"},\"success\":[1],\"body\":1}]}");
    assert_int_equal(fixture->faults.count, 6);
}

/* ---- GET /batch?url=... ---- */

static void read_query(struct batch_fixture *fixture, const char *query)
{
    faults_init(&fixture->faults, fixture->arena, 20);
    batch_read_query(fixture->config, query, strlen(query), fixture->arena, &fixture->batch,
                     &fixture->faults);
}

static void test_batches_from_queries(void **state)
{
    struct batch_fixture *fixture = *state;
    read_query(fixture, "url=http%3A%2F%2Fapi.example.com%2Fa%3Fb%3Dc&merge=keyed&"
                        "url=/users/1&timeout=300ms&policy=allSettled&status=worst&meta=never");
    fixture_print_faults(&fixture->faults);
    assert_false(faults_any(&fixture->faults));
    const struct request *requests = batch_requests(&fixture->batch);
    assert_int_equal(fixture->batch.list.count, 2);
    assert_string_equal(requests[0].id, "1");
    assert_string_equal(requests[0].literal, "/a?b=c");
    assert_string_equal(requests[1].id, "2");
    assert_int_equal(requests[1].target, TARGET_ENDPOINT);
    assert_int_equal(fixture->batch.merge, MERGE_KEYED);
    assert_int_equal(fixture->batch.timeout, 300 * USEC_PER_MSEC);
    assert_int_equal(fixture->batch.policy, POLICY_ALL_SETTLED);
    assert_int_equal(fixture->batch.status, STATUS_WORST);
    assert_int_equal(fixture->batch.meta, META_NEVER);
    read_query(fixture, "url=/users/1&url=/users/2&policy=atLeast:2");
    assert_false(faults_any(&fixture->faults));
    assert_int_equal(fixture->batch.policy, POLICY_AT_LEAST);
    assert_int_equal(fixture->batch.at_least, 2);
}

static void refuse_query(struct batch_fixture *fixture, const char *query, const char *place,
                         unsigned status, const char *part)
{
    read_query(fixture, query);
    fixture_print_faults(fixture->faults.count == 1 ? &(struct faults){0} : &fixture->faults);
    assert_int_equal(fixture->faults.count, 1);
    assert_string_equal(fixture->faults.first->place, place);
    assert_int_equal(fixture->faults.first->status, status);
    if (!strstr(fixture->faults.first->text, part))
        print_error("%s\n", fixture->faults.first->text);
    assert_non_null(strstr(fixture->faults.first->text, part));
}

static void test_refused_queries(void **state)
{
    struct batch_fixture *fixture = *state;
    refuse_query(fixture, "", "url", 400, "give at least one url, as in /batch?url=...");
    refuse_query(fixture, "merge=keyed", "url", 400, "give at least one url");
    refuse_query(fixture, "url=%zz", "member 1", 400, "percent-encoding");
    refuse_query(fixture, "url=/users/1&url=http://evil.example/", "url 2", 403,
                 "egress.allow has no rule");
    refuse_query(fixture, "url=/users/1&url=/nope", "url 2", 400, "no endpoint");
    refuse_query(fixture, "url=/users/1&mrege=keyed", "mrege", 400, "did you mean \"merge\"?");
    refuse_query(fixture, "url=/users/1&body=x", "body", 400,
                 "there is no member \"body\" here; use url, merge, policy, timeout, status, meta; "
                 "in a url write & as %26");
    refuse_query(fixture, "url=/users/1&merge=keyed&merge=array", "merge", 400, "twice");
    refuse_query(fixture, "url=/users/1&merge=nope", "merge", 400, "");
    refuse_query(fixture, "url=/users/1&policy=some", "policy", 400, "must be \"all\"");
    refuse_query(fixture, "url=/users/1&policy=atLeast:2", "policy", 400, "cannot come of 1");
    refuse_query(fixture, "url=/users/1&policy=atLeast:", "policy", 400, "of at least 1");
    refuse_query(fixture, "url=/users/1&policy=atLeast:x", "policy", 400, "of at least 1");
    refuse_query(fixture, "url=/users/1&policy=atLeast", "policy", 400, "not \"atLeast\"");
    refuse_query(fixture, "url=/users/1&x=%zz", "member 2", 400, "percent-encoding");
    refuse_query(fixture, "url=/users/1&timeout=%00", "member 2", 400, "NUL");
    refuse_query(fixture, "url=/users/1&timeout=2h", "timeout", 400, "");
    refuse_query(fixture, "url=/users/1&url=/users/1&url=/users/1&url=/users/1", "url", 400,
                 "limits.requests");
}

/* ---- The configuration ---- */

#define ENDPOINT(more) SHOP_CONFIG "endpoints:\n  - path: /e/{id}\n    method: POST\n" more

static const struct request *load(struct batch_fixture *fixture, const char *yaml)
{
    config_unref(fixture->config);
    fixture->config = fixture_config(fixture->arena, yaml);
    const struct endpoint *endpoint = fixture->config->endpoints.items;
    fixture->batch = endpoint->batch;
    return batch_requests(&endpoint->batch);
}

static void test_endpoints(void **state)
{
    struct batch_fixture *fixture = *state;
    const struct request *request = load(
        fixture,
        ENDPOINT(
            "    merge: keyed\n"
            "    headers: { X-Source: gatherd }\n"
            "    query: { v: 1.50 }\n"
            "    forward: { headers: [authorization, X-Source, content-type], query: [lang] }\n"
            "    requests:\n"
            "      - { id: a, upstream: shop, url: '/a/{id}{?lang}' }\n"
            "      - { id: b, upstream: shop, url: /b, method: POST, body: '{$request.body}',\n"
            "          forward: { headers: Authorization } }\n"
            "      - { id: c, upstream: shop, url: /c, method: PUT, body: { n: 1.10, s: x },\n"
            "          default: { list: [] }, forward: { headers: [] } }\n"));
    assert_int_equal(fixture->batch.policy, POLICY_ALL);
    assert_null(request[0].literal);
    assert_non_null(request[0].template);
    assert_int_equal(request[0].forward_headers.count, 1);
    assert_string_equal(request[0].forward_headers.items[0], "authorization");
    assert_string_equal(request[1].literal, "/b?v=1.50");
    assert_int_equal(request[1].body, BODY_CLIENT);
    assert_null(request[1].content_type);
    assert_int_equal(request[1].forward_headers.count, 1);
    expect_body(&request[2], "{\"n\":1.10,\"s\":\"x\"}", "application/json");
    assert_int_equal(request[2].fallback_len, strlen("{\"list\":[]}"));
    assert_memory_equal(request[2].fallback, "{\"list\":[]}", request[2].fallback_len);
    assert_true(request[2].optional);
    assert_int_equal(request[2].forward_headers.count, 0);
}

static void test_refused_endpoints(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{ id: a, upstream: shop, url: '/{idd}' }", "did you mean {id}?"},
        {"{ id: a, upstream: shop, url: '/{lan}' }", "did you mean {lang}?"},
        {"{ id: a, upstream: shop, url: '/{other}' }", "neither in the endpoint's path"},
        {"{ id: a, upstream: shop, url: '/{+id}' }", "reserved forms"},
        {"{ id: a, upstream: shop, url: '/{$request.path.idd}' }", "did you mean id?"},
        {"{ id: a, upstream: shop, url: '/a b/{id}' }", "spaces"},
        {"{ id: a, upstream: shop, url: '/../{id}' }", "segments"},
        {"{ id: a, upstream: shop, url: '{id}' }", "http://host/"},
        {"{ id: a, upstream: shop, url: '/{id' }", "closing"},
        {"{ id: a, upstream: shap, url: '/' }", "did you mean \"shop\"?"},
        {"{ id: a, url: 'http://api.example.com/' }", "egress.allow"},
        {"{ id: a, upstream: shop, url: /, headers: { A: '{$reqest.header.b}' } }",
         "an expression begins with"},
        {"{ id: a, upstream: shop, url: /, headers: { Host: a } }", "may not be set"},
        {"{ id: a, upstream: shop, url: /, method: POST, body: { '{$request.body#/a}': 1 } }",
         "names are not filled"},
        {"{ id: a, upstream: shop, url: /, method: POST, body: 'x{$request.body' }", "closing"},
        {"{ id: a, upstream: shop, url: /, body: '{$request.body}' }", "a GET request has no body"},
        {"{ id: a, upstream: shop, url: /, forward: { headers: [cookie] } }",
         "cookie is not in the endpoint's forward.headers"},
        {"{ id: a, upstream: shop, url: /, forward: { query: [lang] } }", "forward.headers only"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_refuse_config(
            arena_printf(arena,
                         ENDPOINT("    forward: { headers: [accept], query: [lang] }\n"
                                  "    requests: [%s]\n"),
                         bad[i][0]),
            "test.yaml:6:", bad[i][1]);
    arena_free(arena);
    fixture_refuse_config(ENDPOINT("    merge: raw\n"
                                   "    requests: [{ id: a, upstream: shop, url: / }, "
                                   "{ id: b, upstream: shop, url: / }]\n"),
                          "test.yaml:6:", "exactly one");
    fixture_refuse_config(ENDPOINT("    forward: { headers: [host] }\n"
                                   "    requests: [{ id: a, upstream: shop, url: / }]\n"),
                          "test.yaml:5:", "host");
    fixture_refuse_config(ENDPOINT("    query: { a: '{$responses.a.body}' }\n"
                                   "    requests: [{ id: a, upstream: shop, url: / }]\n"),
                          "test.yaml:5:", "no meaning here");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_policy_follows_merge),
        TEST(test_ids),
        TEST(test_methods),
        TEST(test_unsupported_methods_are_one_fault),
        TEST(test_absolute_urls),
        TEST(test_paths_on_upstreams),
        TEST(test_own_endpoints),
        TEST(test_headers),
        TEST(test_refused_headers),
        TEST(test_header_counts_are_bounded),
        TEST(test_header_sizes_are_bounded),
        TEST(test_bodies),
        TEST(test_base64),
        TEST(test_defaults_fit_the_merge),
        TEST(test_default_makes_optional),
        TEST(test_success),
        TEST(test_query),
        TEST(test_how_many),
        TEST(test_members_a_client_may_not_use),
        TEST(test_all_faults_at_once),
        TEST(test_batches_from_queries),
        TEST(test_refused_queries),
        TEST(test_endpoints),
        cmocka_unit_test(test_refused_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
