/* Plans as JSON: what is in them, what is masked, and who may see what. */
#include "core/explain.h"
#include "front/api.h"
#include "unit/batch_fixture.h"

static const char config_text[] =
    "explain: true\n"
    "limits: { merged: 256KiB, nesting: 2 }\n"
    "egress: { allow: ['127.0.0.1:9000'] }\n"
    "upstreams:\n"
    "  shop: { url: 'https://shop.internal:8443/v1/', timeout: 700ms, connectTimeout: 300ms,\n"
    "          firstByteTimeout: 400ms, batch: { methods: [GET, POST], paths: ['/open/*'] } }\n"
    "endpoints:\n"
    "  - path: /users/{id}\n"
    "    method: POST\n"
    "    timeout: 500ms\n"
    "    merge: keyed\n"
    "    headers: { X-All: 'a-{$request.query.q}', X-Own: '{$request.header.X-Api-Key}' }\n"
    "    query: { api_key: hunter2, v: 1 }\n"
    "    forward: { headers: [authorization, x-tag], query: [lang] }\n"
    "    requests:\n"
    "      - { id: a, upstream: shop, url: '/u/{id}{?lang}', timeout: 100ms, optional: true,\n"
    "          select: /x, allow: [b.c, 'd.*'], rename: { b.c: e }, group: g, success: [2xx, 404] "
    "}\n"
    "      - { id: b, upstream: shop, url: '/b/{$responses.a.body#/id}/{id}', method: POST,\n"
    "          headers: { X-Late: '{$responses.a.header.x} {$request.query.q}' }, default: [],\n"
    "          body: { password: p, who: '{$responses.a.body#/id}', n: ['{$request.body#/n}'] } }\n"
    "      - { id: c, url: '/in/{id}', dependsOn: [b] }\n"
    "      - { id: d, url: '/in/{$item.z}', foreach: { from: '$request.body#/list', as: item } }\n"
    "  - path: /in/{x}\n"
    "    requests: [{ id: i, upstream: shop, url: '/i/{x}' }]\n"
    "  - path: /closed\n"
    "    explain: false\n"
    "    requests: [{ id: i, upstream: shop, url: '/hidden' }]\n"
    "  - path: /around\n"
    "    timeout: 50ms\n"
    "    requests: [{ id: o, url: '/closed' }, { id: p, url: /in/7 }]\n"
    "  - path: /dots\n"
    "    forward: { query: [q] }\n"
    "    requests: [{ id: o, upstream: shop, url: '/{q}' }]\n";

struct explain_fixture {
    struct batch_fixture base;
    struct inbound inbound;
    struct answer *answer;
};

static int set_up(void **state)
{
    static struct explain_fixture fixture;
    fixture = (struct explain_fixture){.base.arena = arena_new()};
    fixture.base.config = fixture_config(fixture.base.arena, config_text);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct explain_fixture *fixture = *state;
    answer_free(fixture->answer);
    config_unref(fixture->base.config);
    arena_free(fixture->base.arena);
    return 0;
}

static void ask(struct explain_fixture *fixture, const char *method, const char *target,
                const char *body)
{
    const char *query = strchr(target, '?');
    fixture->inbound = (struct inbound){
        .method = method,
        .target = target,
        .query = query ? query + 1 : "",
        .body = body,
        .body_len = strlen(body),
    };
}

static void say(struct explain_fixture *fixture, const char *name, const char *value)
{
    header_add(fixture->base.arena, &fixture->inbound.headers, name, value);
}

static const char *text_of(struct explain_fixture *fixture)
{
    struct answer *answer = fixture->answer;
    assert_non_null(answer);
    if (json_validate(answer->body, answer->body_len, 64).fault != JSON_VALID)
        print_error("%.*s\n", (int)answer->body_len, answer->body);
    assert_int_equal(json_validate(answer->body, answer->body_len, 64).fault, JSON_VALID);
    return arena_copy(fixture->base.arena, answer->body, answer->body_len);
}

/* As who may see everything. */
static const char *see_all(struct explain_fixture *fixture, unsigned status)
{
    answer_free(fixture->answer);
    fixture->answer =
        api_explain(fixture->base.config, &fixture->inbound, "gatherd-1", fixture->base.arena);
    assert_int_equal(fixture->answer->status, status);
    return text_of(fixture);
}

/* As a client; NULL: it does not ask, or may not. */
static const char *see(struct explain_fixture *fixture)
{
    answer_free(fixture->answer);
    fixture->answer = NULL;
    size_t slot;
    assert_null(api_answer_head(fixture->base.config, &fixture->inbound, &slot));
    if (!api_may_explain(fixture->base.config, &fixture->inbound))
        return NULL;
    fixture->answer = api_explain_asked(fixture->base.config, &fixture->inbound, "gatherd-1",
                                        fixture->base.arena);
    return fixture->answer ? text_of(fixture) : NULL;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_error("%s\nhas no %s\n", text, part);
    assert_non_null(strstr(text, part));
}

static void lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        print_error("%s\nhas %s\n", text, part);
    assert_null(strstr(text, part));
}

static const char *see_user(struct explain_fixture *fixture)
{
    ask(fixture, "POST", "/users/7?explain&lang=de&q=1%202", "{\"n\":1.50,\"list\":[1,2,3]}");
    say(fixture, "Authorization", "Bearer abc");
    say(fixture, "X-Api-Key", "abc");
    say(fixture, "X-Tag", "one");
    say(fixture, "x-tag", "t\"wo");
    const char *text = see(fixture);
    assert_non_null(text);
    assert_int_equal(fixture->answer->status, 200);
    return text;
}

static void test_a_plan(void **state)
{
    struct explain_fixture *fixture = *state;
    const char *text = see_user(fixture);
    assert_string_equal(header_get(&fixture->answer->headers, "Cache-Control"), "no-store");
    assert_string_equal(header_get(&fixture->answer->headers, "Content-Type"), "application/json");
    has(text, "{\"explain\":{\"endpoint\":\"/users/{id}\",\"policy\":\"all\",\"merge\":\"keyed\","
              "\"onTimeout\":\"error\",\"timeoutMs\":500,"
              "\"stages\":[[\"a\",\"d\"],[\"b\"],[\"c\"]],\"requests\":[{\"id\":\"a\"");
    has(text, "{\"id\":\"a\",\"stage\":0,\"dependsOn\":[],\"method\":\"GET\",\"upstream\":\"shop\","
              "\"url\":\"https://shop.internal:8443/v1/u/7?lang=de&api_key=***&v=1\","
              "\"known\":true,\"headers\":{\"X-All\":\"a-1 2\",\"X-Own\":\"***\","
              "\"Authorization\":\"***\",\"X-Tag\":\"one, t\\\"wo\"");
    has(text, "\"X-Request-Timeout-Ms\":\"100\"},\"timeoutMs\":100,\"connectTimeoutMs\":100,"
              "\"firstByteTimeoutMs\":100,\"optional\":true,\"default\":false,"
              "\"shape\":{\"select\":\"/x\",\"allow\":[\"b.c\",\"d.*\"],"
              "\"rename\":{\"b.c\":\"e\"},\"group\":\"g\"},\"success\":[\"2xx\",404]}");
    lacks(text, "abc");
    lacks(text, "hunter2");
}

static void test_what_replies_will_tell(void **state)
{
    const char *text = see_user(*state);
    has(text, "{\"id\":\"b\",\"stage\":1,\"dependsOn\":[\"a\"],\"method\":\"POST\"");
    has(text, "\"url\":\"https://shop.internal:8443/v1/b/{$responses.a.body#/id}/7?"
              "api_key=***&v=1\",\"known\":false");
    has(text, "\"X-Late\":\"{$responses.a.header.x} 1 2\"");
    has(text, "\"body\":\"{\\\"password\\\":\\\"***\\\","
              "\\\"who\\\":\\\"{$responses.a.body#/id}\\\",\\\"n\\\":[1.50]}\",\"timeoutMs\":500,"
              "\"connectTimeoutMs\":300,\"firstByteTimeoutMs\":400,\"optional\":true,"
              "\"default\":true}");
    lacks(text, "bodyBytes");
}

static void test_places_of_our_own(void **state)
{
    const char *text = see_user(*state);
    has(text,
        "{\"id\":\"c\",\"stage\":2,\"dependsOn\":[\"b\"],\"method\":\"GET\",\"upstream\":null,"
        "\"url\":\"/in/7?api_key=***&v=1\",\"known\":true");
    has(text, "\"inPlace\":{\"endpoint\":\"/in/{x}\",\"policy\":\"allSettled\","
              "\"merge\":\"envelope\",\"onTimeout\":\"error\",\"timeoutMs\":500,"
              "\"stages\":[[\"i\"]],\"requests\":[{\"id\":\"i\"");
    has(text, "\"url\":\"https://shop.internal:8443/v1/i/7\"");
    has(text, "\"url\":\"/in/{$item.z}?api_key=***&v=1\",\"known\":false");
    has(text, "\"foreach\":{\"from\":\"$request.body#/list\",\"as\":\"item\",\"max\":32,"
              "\"distinct\":false,\"concurrency\":8,\"items\":3}");
}

static void test_what_will_not_be_sent(void **state)
{
    struct explain_fixture *fixture = *state;
    ask(fixture, "POST", "/users/7?explain", "{\"list\":{}}");
    const char *text = see(fixture);
    has(text, "\"url\":\"https://shop.internal:8443/v1/u/7?api_key=***&v=1\",\"known\":false");
    has(text, "\"error\":{\"code\":\"unresolved_reference\",\"status\":424,"
              "\"detail\":\"{$request.query.q} is absent\"}");
    ask(fixture, "POST", "/users/7?explain&q=1", "{\"list\":{}}");
    say(fixture, "X-Api-Key", "abc");
    text = see(fixture);
    has(text, "\"detail\":\"{$request.body#/n} is absent\"");
    has(text, "\"detail\":\"{$request.body#/list} is not an array\"");
}

static void test_who_asks(void **state)
{
    struct explain_fixture *fixture = *state;
    static const char *const yes[] = {
        "explain",       "explain=",    "explain=true",       "explain=1",
        "a=b&explain&c", "%65xplain=1", "explain=1&explain=0"};
    static const char *const no[] = {"",        "explain=false", "explain=0",
                                     "Explain", "explained",     "a=explain"};
    struct arena *arena = fixture->base.arena;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        ask(fixture, "GET", arena_printf(arena, "/in/7?%s", yes[i]), "");
        assert_non_null(see(fixture));
        assert_int_equal(fixture->answer->status, 200);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        ask(fixture, "GET", arena_printf(arena, "/in/7?%s", no[i]), "");
        assert_null(see(fixture));
    }
    ask(fixture, "GET", "/in/7?explain=maybe", "");
    has(see(fixture), "\"pointer\":\"explain\"");
    assert_int_equal(fixture->answer->status, 400);
    ask(fixture, "GET", "/closed?explain", "");
    assert_null(see(fixture));
    has(see_all(fixture, 200), "/v1/hidden");
}

static void test_the_rest_of_a_query(void **state)
{
    struct explain_fixture *fixture = *state;
    static const char *const queries[][2] = {
        {"", ""},
        {"explain", ""},
        {"explain=1&url=/a", "&url=/a"},
        {"url=/a&%65xplain=0&merge=keyed&explain", "url=/a&merge=keyed"},
        {"url=/a?explain", "url=/a?explain"},
        {"explain=%zz&b", "explain=%zz&b"},
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        assert_string_equal(explain_rest(fixture->base.arena, queries[i][0]), queries[i][1]);
}

static void test_endpoints_keep_their_secrets(void **state)
{
    struct explain_fixture *fixture = *state;
    ask(fixture, "GET", "/around?explain", "");
    const char *text = see(fixture);
    has(text, "\"inPlace\":{\"endpoint\":\"/closed\"}");
    has(text, "\"timeoutMs\":50,\"stages\":[[\"i\"]]");
    has(text, "/v1/i/7");
    lacks(text, "hidden");
    text = see_all(fixture, 200);
    has(text, "/v1/hidden");
    has(text, "/v1/i/7");
}

static void test_batches(void **state)
{
    struct explain_fixture *fixture = *state;
    ask(fixture, "GET", "/batch?explain&url=/in/1&policy=atLeast:1&merge=array", "");
    has(see(fixture), "\"endpoint\":\"/batch\",\"policy\":{\"atLeast\":1},\"merge\":\"array\"");
    ask(fixture, "GET", "/batch?explain=0&url=/in/1", "");
    assert_null(see(fixture));
    assert_string_equal(fixture->inbound.query, "&url=/in/1");
    ask(fixture, "POST", "/batch?explain",
        "{\"requests\":[{\"id\":\"-\",\"url\":\"http://127.0.0.1:9000/a?b={$responses.x.body}\"},"
        "{\"id\":\"x\",\"url\":\"/in/\\u0022\"},"
        "{\"id\":\"y\",\"method\":\"POST\",\"upstream\":\"shop\",\"url\":\"/open/%22\","
        "\"headers\":{\"Content-Type\":\"text/plain\",\"A\":\"\\\"\"},\"body\":\"plain\"}]}");
    has(see(fixture), "400");
    ask(fixture, "POST", "/batch?explain",
        "{\"requests\":[{\"id\":\"-\",\"url\":\"http://127.0.0.1:9000/a?b={$responses.x.body}\"},"
        "{\"id\":\"x\",\"url\":\"/in/%22\"},"
        "{\"id\":\"y\",\"method\":\"POST\",\"upstream\":\"shop\",\"url\":\"/open/%22\","
        "\"headers\":{\"Content-Type\":\"text/plain\",\"A\":\"\\\"\"},\"body\":\"plain\"}]}");
    const char *text = see(fixture);
    has(text, "\"stages\":[[\"x\",\"y\"],[\"-\"]]");
    has(text, "\"url\":\"http://127.0.0.1:9000/a?b={$responses.x.body}\",\"known\":false");
    has(text, "\"A\":\"\\\"\"");
    has(text, "\"bodyBytes\":5,\"timeoutMs\":700");
    lacks(text, "\"body\":");
}

static void test_faults_are_the_batchs(void **state)
{
    struct explain_fixture *fixture = *state;
    ask(fixture, "GET", "/batch?explain&url=http://other.example/", "");
    has(see(fixture), "\"status\":403");
    ask(fixture, "GET", "/batch?explain&url=/in/1&nope=1", "");
    has(see(fixture), "nope");
    ask(fixture, "POST", "/batch?explain", "{\"requests\":[");
    assert_non_null(see(fixture));
    assert_int_equal(fixture->answer->status, 400);
    ask(fixture, "GET", "/dots?explain&q=..", "");
    assert_non_null(see(fixture));
    assert_int_equal(fixture->answer->status, 400);
    ask(fixture, "GET", "/in/1?explain", "");
    say(fixture, "CDN-Loop", "gatherd-1");
    assert_non_null(see(fixture));
    assert_int_equal(fixture->answer->status, 508);
    ask(fixture, "GET", "/nowhere", "");
    see_all(fixture, 404);
    ask(fixture, "DELETE", "/in/1", "");
    see_all(fixture, 405);
}

/* The fault of an endpoint in place is not the fault of the batch. */
static void test_faults_in_place(void **state)
{
    struct explain_fixture *fixture = *state;
    ask(fixture, "POST", "/batch",
        "{\"requests\":[{\"id\":\"a\",\"url\":\"/dots?q=..\"},{\"id\":\"b\",\"url\":\"/in/1\"}]}");
    const char *text = see_all(fixture, 200);
    has(text, "\"inPlace\":{\"endpoint\":\"/dots\",\"error\":{\"status\":400,\"detail\":\"");
    has(text, "/v1/i/1");
}

static void test_too_much(void **state)
{
    struct explain_fixture *fixture = *state;
    struct buffer document scope_buffer;
    buffer_init(&document, SIZE_MAX / 2);
    buffer_string(&document, "{\"requests\":[");
    for (size_t i = 0; i < 5; i++)
        buffer_printf(&document,
                      "%s{\"id\":\"r%zu\",\"method\":\"POST\",\"upstream\":\"shop\","
                      "\"url\":\"/open/1\",\"body\":\"%060000d\"}",
                      i > 0 ? "," : "", i, 0);
    buffer_string(&document, "]}");
    buffer_byte(&document, '\0');
    ask(fixture, "POST", "/batch", document.data);
    has(see_all(fixture, 502), "limits.merged");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_plan),
        TEST(test_what_replies_will_tell),
        TEST(test_places_of_our_own),
        TEST(test_what_will_not_be_sent),
        TEST(test_who_asks),
        TEST(test_the_rest_of_a_query),
        TEST(test_endpoints_keep_their_secrets),
        TEST(test_batches),
        TEST(test_faults_are_the_batchs),
        TEST(test_faults_in_place),
        TEST(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
