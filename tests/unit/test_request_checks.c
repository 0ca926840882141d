/* What the head of a request may not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "front/checks.h"

enum { FIELDS_MAX = 16 };

/* "Name: value" lines; a NULL ends them. */
struct request {
    const char *method, *version, *target;
    const char *fields[FIELDS_MAX];
};

static struct head make_head(struct arena *arena, const struct request *request)
{
    struct header_list *list = arena_alloc(arena, sizeof *list);
    for (size_t i = 0; i < FIELDS_MAX && request->fields[i]; i++) {
        const char *line = request->fields[i];
        const char *colon = strstr(line, ": ");
        assert_non_null(colon);
        header_add(arena, list, arena_copy(arena, line, (size_t)(colon - line)),
                   arena_string(arena, colon + 2));
    }
    struct head head = {
        .method = request->method ? request->method : "POST",
        .version = request->version ? request->version : "HTTP/1.1",
        .fields = list,
    };
    target_take_apart(arena, request->target ? request->target : "/batch", &head.authority,
                      &head.target);
    return head;
}

static struct verdict message(const struct request *request, struct body_framing *framing)
{
    scope_arena struct arena *arena = arena_new();
    struct head head = make_head(arena, request);
    return check_message(&head, framing);
}

static unsigned message_status(const struct request *request)
{
    struct body_framing framing;
    return message(request, &framing).status;
}

static void test_plain_requests_pass(void **state)
{
    (void)state;
    struct body_framing framing = {.chunked = true, .length = 9, .expects_continue = true};
    assert_int_equal(message(&(struct request){.fields = {"Host: a"}}, &framing).status, 0);
    assert_false(framing.chunked);
    assert_false(framing.expects_continue);
    assert_int_equal(framing.length, 0);
    struct request sized = {.fields = {"Host: a:80", "content-length: 12", "Expect: 100-Continue"}};
    assert_int_equal(message(&sized, &framing).status, 0);
    assert_int_equal(framing.length, 12);
    assert_true(framing.expects_continue);
    struct request chunked = {.fields = {"Host: [::1]:8080", "Transfer-Encoding: Chunked"}};
    assert_int_equal(message(&chunked, &framing).status, 0);
    assert_true(framing.chunked);
}

static void test_broken_framing_is_refused_and_closes(void **state)
{
    (void)state;
    static const struct request broken[] = {
        {.fields = {"Host: a", "Content-Length: 3", "Content-Length: 3"}},
        {.fields = {"Host: a", "Content-Length: 3", "Content-Length: 5"}},
        {.fields = {"Host: a", "Content-Length: +3"}},
        {.fields = {"Host: a", "Content-Length: -3"}},
        {.fields = {"Host: a", "Content-Length: 3, 3"}},
        {.fields = {"Host: a", "Content-Length: 0x3"}},
        {.fields = {"Host: a", "Content-Length: "}},
        {.fields = {"Host: a", "Content-Length: 1000000000000000000"}},
        {.fields = {"Host: a", "Content-Length : 3"}},
        {.fields = {"Host: a", "Content-Length0: 3"}},
        {.fields = {"Host: a", "Transfer-Encodingchunked: "}},
        {.fields = {"Host: a", "Transfer-Encoding: gzip, chunked"}},
        {.fields = {"Host: a", "Transfer-Encoding: xchunked"}},
        {.fields = {"Host: a", "Transfer-Encoding: identity"}},
        {.fields = {"Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}},
        {.fields = {"Host: a", "Content-Length: 3", "Transfer-Encoding: chunked"}},
        {.version = "HTTP/1.0", .fields = {"Transfer-Encoding: chunked"}},
        {.fields = {"Host: a", "X[]: 1"}},
        {.fields = {"Host: a", "X\x01Y: 1"}},
        {.fields = {"Host: a", "X: 1\x01"}},
        {.fields = {NULL}},
        {.fields = {"Host: a", "Host: a"}},
        {.fields = {"Host: a b"}},
        {.fields = {"Host: "}},
        {.fields = {"Host: user@a"}},
        {.fields = {"Host: a:80x"}},
        {.fields = {"Host: [::1"}},
        {.method = "G(T", .fields = {"Host: a"}},
        {.method = "", .fields = {"Host: a"}},
        {.target = "/a%00b", .fields = {"Host: a"}},
        {.target = "https://a/batch", .fields = {"Host: a"}},
        {.target = "http:/batch", .fields = {"Host: a"}},
        {.target = "http://", .fields = {"Host: a"}},
        {.target = "http:///batch", .fields = {"Host: a"}},
        {.target = "http://user@a/batch", .fields = {"Host: a"}},
        {.target = "http://user:secret@a/batch", .fields = {"Host: a"}},
        {.target = "http://a:8x/batch", .fields = {"Host: a"}},
        {.target = "http://a/../batch", .fields = {"Host: a"}},
        {.target = "http://a#b", .fields = {"Host: a"}},
        {.target = "http://a/batch", .fields = {NULL}},
        {.target = "http://a/batch", .fields = {"Host: a", "Host: a"}},
        {.target = "*", .fields = {"Host: a"}},
        {.target = "/a b", .fields = {"Host: a"}},
        {.target = "/a/../b", .fields = {"Host: a"}},
        {.target = "/a/%2e%2e/b", .fields = {"Host: a"}},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct body_framing framing = {.length = 77};
        struct verdict verdict = message(&broken[i], &framing);
        if (verdict.status != 400 || !verdict.broken || !verdict.detail)
            fail_msg("case %zu: status %u", i, verdict.status);
        assert_int_equal(framing.length, 77);
    }
}

static void test_targets_in_absolute_form(void **state)
{
    (void)state;
    static const struct {
        const char *target, *authority, *path;
    } cases[] = {
        {"/a?b", NULL, "/a?b"},
        {"*", NULL, "*"},
        {"/http://a/", NULL, "/http://a/"},
        {"https://a/b", NULL, "https://a/b"},
        {"http://a/b?c=/d", "a", "/b?c=/d"},
        {"HTTP://A:80/", "A:80", "/"},
        {"http://a", "a", "/"},
        {"http://[::1]:80?b", "[::1]:80", "/?b"},
        {"http://a?http://b/c", "a", "/?http://b/c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scope_arena struct arena *arena = arena_new();
        const char *authority, *path;
        target_take_apart(arena, cases[i].target, &authority, &path);
        assert_string_equal(path, cases[i].path);
        if (cases[i].authority)
            assert_string_equal(authority, cases[i].authority);
        else
            assert_null(authority);
    }
}

static void test_authority_counts_instead_of_host(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct body_framing framing;
    const char *allowed, *names[] = {"a"};
    struct strings hosts = {names, 1}, none = {NULL, 0};
    struct head head =
        make_head(arena, &(struct request){.target = "http://a/batch",
                                           .fields = {"Host: b", "Origin: http://a"}});
    assert_int_equal(check_message(&head, &framing).status, 0);
    assert_int_equal(check_host(&head, &hosts).status, 0);
    assert_int_equal(check_origin(&head, &none, &allowed).status, 0);
    head = make_head(arena, &(struct request){.target = "http://b/batch",
                                              .fields = {"Host: a", "Origin: http://a"}});
    assert_int_equal(check_host(&head, &hosts).status, 421);
    assert_int_equal(check_origin(&head, &none, &allowed).status, 403);
}

static void test_edges(void **state)
{
    (void)state;
    struct body_framing framing;
    struct request longest = {.fields = {"Host: a", "Content-Length: 999999999999999999"}};
    assert_int_equal(message(&longest, &framing).status, 0);
    assert_int_equal(framing.length, 999999999999999999);
    struct request old = {.version = "HTTP/1.0", .fields = {NULL}};
    assert_int_equal(message_status(&old), 0);
    struct request method32 = {.method = "ABCDEFGHABCDEFGHABCDEFGHABCDEFGH", .fields = {"Host: a"}};
    assert_int_equal(message_status(&method32), 0);
    struct request method33 = {.method = "ABCDEFGHABCDEFGHABCDEFGHABCDEFGHI",
                               .fields = {"Host: a"}};
    assert_int_equal(message_status(&method33), 400);
}

static void test_expectations(void **state)
{
    (void)state;
    struct request other = {.fields = {"Host: a", "Expect: miracles"}};
    assert_int_equal(message_status(&other), 417);
    struct request twice = {.fields = {"Host: a", "Expect: 100-continue", "Expect: 100-continue"}};
    assert_int_equal(message_status(&twice), 417);
}

static unsigned host_status(const char *field, const struct strings *hosts)
{
    scope_arena struct arena *arena = arena_new();
    struct request request = {.fields = {field}};
    struct head head = make_head(arena, &request);
    return check_host(&head, hosts).status;
}

static unsigned admin_host_status(const char *host, const struct strings *hosts)
{
    scope_arena struct arena *arena = arena_new();
    struct request request = {.fields = {arena_printf(arena, "Host: %s", host)}};
    struct head head = make_head(arena, &request);
    return check_admin_host(&head, hosts).status;
}

static void test_hosts_of_admin_pages(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:8081",  "[::1]:8081",    "localhost",
                                       "gatherd:80",      "Admin.example", "10.1.2.3",
                                       "[::ffff:1.2.3.4]"};
    static const char *const bad[] = {
        "evil.example", "admin.example.evil.example:8081", "127.0.0.1.evil", "1.2.3", "1.2.3.4.5",
        "999.1.1.1",    "localhost.evil.example",          "x.admin.example"};
    const char *names[] = {"admin.example"}, *any[] = {"*"};
    struct strings hosts = {names, 1}, all = {any, 1};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(admin_host_status(good[i], &hosts), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(admin_host_status(bad[i], &hosts), 421);
        assert_int_equal(admin_host_status(bad[i], &all), 0);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    const char *names[] = {"api.example.com", "::1", "[fe80::1]"};
    struct strings hosts = {names, 3}, none = {NULL, 0};
    assert_int_equal(host_status("Host: anything", &none), 0);
    assert_int_equal(host_status(NULL, &none), 0);
    assert_int_equal(host_status("Host: api.example.com", &hosts), 0);
    assert_int_equal(host_status("Host: API.example.COM:8080", &hosts), 0);
    assert_int_equal(host_status("Host: [::1]:8080", &hosts), 0);
    assert_int_equal(host_status("Host: [FE80::1]", &hosts), 0);
    assert_int_equal(host_status("Host: api.example.co", &hosts), 421);
    assert_int_equal(host_status("Host: api.example.com.evil", &hosts), 421);
    assert_int_equal(host_status("Host: localhost", &hosts), 421);
    assert_int_equal(host_status(NULL, &hosts), 421);
}

struct origin_case {
    unsigned status;
    bool listed;
    const char *fields[4];
};

static void test_origins(void **state)
{
    (void)state;
    const char *names[] = {"https://app.example.com"};
    struct strings origins = {names, 1};
    static const struct origin_case cases[] = {
        {0, false, {"Host: a:8080"}},
        {0, true, {"Host: a", "Origin: https://app.example.com"}},
        {0, true, {"Host: a", "Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"}},
        {403, false, {"Host: a", "Origin: https://evil.example.com"}},
        {403, false, {"Host: a", "Origin: http://app.example.com"}},
        {403, false, {"Host: a", "Origin: null"}},
        {0, false, {"Host: a:8080", "Origin: http://a:8080", "Sec-Fetch-Site: same-origin"}},
        {0, false, {"Host: a", "Origin: http://A"}},
        {0, false, {"Host: a", "Origin: http://a:80"}},
        {0, false, {"Host: a:443", "Origin: https://a"}},
        {403, false, {"Host: a:8080", "Origin: http://a:8081"}},
        {403, false, {"Host: a:8080", "Origin: http://a:80"}},
        {403, false, {"Host: a", "Origin: http://a.evil"}},
        {403, false, {"Origin: http://a"}},
        {403, false, {"Host: a", "Sec-Fetch-Site: cross-site"}},
        {403, false, {"Host: a", "Sec-Fetch-Site: same-site"}},
        {0, false, {"Host: a", "Sec-Fetch-Site: same-origin"}},
        {0, false, {"Host: a", "Sec-Fetch-Site: none"}},
        {403, false, {"Host: a", "Origin: http://a", "Sec-Fetch-Site: cross-site"}},
        {400, false, {"Host: a", "Origin: https://app.example.com", "Origin: http://evil"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scope_arena struct arena *arena = arena_new();
        struct request request = {.method = "GET"};
        memcpy(request.fields, cases[i].fields, sizeof cases[i].fields);
        struct head head = make_head(arena, &request);
        const char *allowed = NULL;
        struct verdict verdict = check_origin(&head, &origins, &allowed);
        if (verdict.status != cases[i].status)
            fail_msg("case %zu: status %u", i, verdict.status);
        assert_ptr_equal(allowed, cases[i].listed ? names[0] : NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_requests_pass),
        cmocka_unit_test(test_broken_framing_is_refused_and_closes),
        cmocka_unit_test(test_targets_in_absolute_form),
        cmocka_unit_test(test_authority_counts_instead_of_host),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_hosts_of_admin_pages),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
