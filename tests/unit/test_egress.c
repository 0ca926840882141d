/* The egress list: what a rule may look like, and what it lets through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/egress.h"

static bool allows(const char *rule_text, const char *url_text)
{
    struct arena *arena scope_arena = arena_new();
    struct egress_rule rule;
    struct url url;
    assert_null(egress_rule_parse(arena, rule_text, &rule));
    assert_null(url_parse(arena, url_text, &url));
    struct egress egress = {&rule, 1};
    return egress_allows(&egress, &url.origin);
}

static void test_hosts(void **state)
{
    (void)state;
    assert_true(allows("example.com", "https://example.com/x"));
    assert_true(allows("EXAMPLE.com", "http://Example.com/"));
    assert_false(allows("example.com", "https://www.example.com/"));
    assert_false(allows("example.com", "https://example.com.evil.net/"));
    assert_false(allows("example.com", "https://notexample.com/"));
    assert_false(allows("example.com", "https://example.com./"));
}

static void test_ports(void **state)
{
    (void)state;
    assert_true(allows("example.com", "http://example.com:80/"));
    assert_true(allows("example.com", "https://example.com:443/"));
    assert_false(allows("example.com", "http://example.com:443/"));
    assert_false(allows("example.com", "https://example.com:80/"));
    assert_false(allows("example.com", "http://example.com:8080/"));
    assert_true(allows("example.com:8080", "http://example.com:8080/"));
    assert_true(allows("example.com:8080", "https://example.com:8080/"));
    assert_false(allows("example.com:8080", "http://example.com/"));
    assert_true(allows("example.com:80", "https://example.com:80/"));
    assert_false(allows("example.com:80", "https://example.com/"));
}

static void test_suffixes(void **state)
{
    (void)state;
    assert_true(allows("*.example.com", "https://a.example.com/"));
    assert_true(allows("*.example.com", "https://a.b.example.com/"));
    assert_false(allows("*.example.com", "https://example.com/"));
    assert_false(allows("*.example.com", "https://aexample.com/"));
    assert_true(allows("*.example.com:9", "http://a.example.com:9/"));
    assert_false(allows("*.example.com:9", "http://a.example.com/"));
}

static void test_addresses(void **state)
{
    (void)state;
    assert_true(allows("127.0.0.1:9000", "http://127.0.0.1:9000/"));
    assert_true(allows("127.0.0.1:9000", "http://0x7f.1:9000/"));
    assert_true(allows("127.1", "http://127.0.0.1/"));
    assert_true(allows("[::1]:9000", "http://[0:0::1]:9000/"));
    assert_true(allows("[::1]", "http://[::1]/"));
    assert_false(allows("[::1]", "http://[::1]:9000/"));
    assert_false(allows("127.0.0.1", "http://127.0.0.2/"));
}

static void test_any_of_several(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct egress_rule rules[2];
    struct url url;
    assert_null(egress_rule_parse(arena, "a.example", &rules[0]));
    assert_null(egress_rule_parse(arena, "b.example", &rules[1]));
    assert_null(url_parse(arena, "http://b.example/", &url));
    assert_true(egress_allows(&(struct egress){rules, 2}, &url.origin));
    assert_false(egress_allows(&(struct egress){rules, 1}, &url.origin));
    assert_false(egress_allows(&(struct egress){NULL, 0}, &url.origin));
}

static void test_bad_rules(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct egress_rule rule;
    const char *const bad[] = {"",
                               "*",
                               "*.",
                               "http://a.example",
                               "a.example/x",
                               "a.example:",
                               "a.example:0",
                               "a:65536",
                               "a.*.example",
                               "**.example",
                               "a b",
                               "user@a",
                               "*.0.0.1",
                               "*.[::1]",
                               "::1",
                               "[::1]:",
                               "a.example?x",
                               "a.example#",
                               "a:b:c",
                               "*a.example"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!egress_rule_parse(arena, bad[i], &rule))
            print_error("%s\n", bad[i]);
        assert_non_null(egress_rule_parse(arena, bad[i], &rule));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_ports),
        cmocka_unit_test(test_suffixes),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_any_of_several), cmocka_unit_test(test_bad_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
