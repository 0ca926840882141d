/* URLs: what libcurl 7.88 would take and a guard must not, and how paths compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/url.h"

static void expect_url(const char *text, const char *host, unsigned port, const char *authority,
                       const char *target)
{
    struct arena *arena scope_arena = arena_new();
    struct url url;
    const char *wrong = url_parse(arena, text, &url);
    if (wrong)
        print_error("%s: %s\n", text, wrong);
    assert_null(wrong);
    assert_string_equal(url.origin.host, host);
    assert_int_equal(url.origin.literal, !host[strspn(host, "0123456789.")] || strchr(host, ':'));
    assert_int_equal(url.origin.port, port);
    assert_string_equal(url.origin.authority, authority);
    assert_string_equal(url.target, target);
}

/* `part` is a piece of the sentence, so that it is refused for the right reason. */
static void expect_refused(const char *text, const char *part)
{
    struct arena *arena scope_arena = arena_new();
    struct url url;
    const char *wrong = url_parse(arena, text, &url);
    if (!wrong || !strstr(wrong, part))
        print_error("%s: %s\n", text, wrong ? wrong : "taken");
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, part));
}

static void test_ordinary_urls(void **state)
{
    (void)state;
    expect_url("http://example.com", "example.com", 80, "example.com", "/");
    expect_url("HTTPS://Example.COM/A?b=c", "example.com", 443, "example.com", "/A?b=c");
    expect_url("https://example.com:8443/", "example.com", 8443, "example.com:8443", "/");
    expect_url("http://example.com:80/x", "example.com", 80, "example.com", "/x");
    expect_url("http://example.com:443/x", "example.com", 443, "example.com:443", "/x");
    expect_url("http://example.com?q=1", "example.com", 80, "example.com", "/?q=1");
    expect_url("http://example.com#f", "example.com", 80, "example.com", "/");
    expect_url("http://example.com/a?#f", "example.com", 80, "example.com", "/a?");
    expect_url("http://example.com/a//b/%2Fc?x=[1]|2", "example.com", 80, "example.com",
               "/a//b/%2Fc?x=[1]|2");
    expect_url("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80,
               "xn--bcher-kva.example", "/");
    expect_url("http://a_b.internal:1/", "a_b.internal", 1, "a_b.internal:1", "/");
    expect_url("http://example.com:65535/", "example.com", 65535, "example.com:65535", "/");
}

static void test_addresses_are_normalised(void **state)
{
    (void)state;
    expect_url("http://[::1]:9000/", "::1", 9000, "[::1]:9000", "/");
    expect_url("http://[0:0:0:0:0:0:0:1]/", "::1", 80, "[::1]", "/");
    expect_url("http://[2001:DB8::A]/", "2001:db8::a", 80, "[2001:db8::a]", "/");
    const char *const loopback[] = {"http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/",
                                    "http://0177.0.0.1/", "http://127.1/"};
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        expect_url(loopback[i], "127.0.0.1", 80, "127.0.0.1", "/");
    expect_url("http://1.2.3/", "1.2.0.3", 80, "1.2.0.3", "/");
    expect_url("http://0/", "0.0.0.0", 80, "0.0.0.0", "/");
}

static void test_what_libcurl_is_lenient_about(void **state)
{
    (void)state;
    expect_refused("http://evil.com\\@127.0.0.1/", "backslash");
    expect_refused("http://%6c%6f%63alhost/", "percent-encoding");
    expect_refused("http:///x", "host is empty");
    expect_refused("http://", "host is empty");
    expect_refused("http://?x", "host is empty");
    expect_refused("http://:80/", "host is empty");
    expect_refused("http://[::1%25eth0]/", "zone id");
    expect_refused("http://[::1%eth0]/", "zone id");
    expect_refused("http://example.com:0/", "port");
    expect_refused("http://example.com:65536/", "port");
    expect_refused("http://example.com:-1/", "port");
    expect_refused("http://example.com:8a/", "port");
    expect_refused("http://\xe2\x91\xa0\xe2\x91\xa1/", "ASCII");
    expect_refused("http://b\xc3\xbc"
                   "cher.example/",
                   "ASCII");
    expect_refused("http://user@example.com/", "user names");
    expect_refused("http://user:pass@example.com/", "user names");
    expect_refused("http://@example.com/", "user names");
    expect_refused("http://a b/", "spaces");
    expect_refused("http://example.com/a b", "spaces");
    expect_refused("http://example.com/a\r\nHost: x", "control");
    expect_refused("http://example.com/\x7f", "control");
}

static void test_schemes(void **state)
{
    (void)state;
    const char *const texts[] = {"example.com",  "example.com/x",        "ftp://example.com/",
                                 "file:///etc",  "gopher://localhost",   "http:/example.com",
                                 "http:example", "//example.com/",       "",
                                 "https",        "httpx://example.com/", "javascript:alert(1)"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(texts[i], "http://host/");
}

static void test_hosts(void **state)
{
    (void)state;
    expect_refused("http://a..b/", "not a host name");
    expect_refused("http://.a/", "not a host name");
    expect_refused("http://a~b/", "not a host name");
    expect_refused("http://a*b/", "");
    expect_refused("http://[::g]/", "");
    expect_refused("http://[::1/", "");
    expect_refused("http://[]/", "");
    expect_refused("http://[127.0.0.1]/", "");
    char text[400];
    /* Labels of 63 characters: the last one just allowed, then one too many. */
    snprintf(text, sizeof text, "http://%063d.%063d.%063d.%061d/", 0, 0, 0, 0);
    memset(text + 7, 'a', 63);
    expect_url(text, arena_copy(*state, text + 7, 253), 80, arena_copy(*state, text + 7, 253), "/");
    snprintf(text, sizeof text, "http://a%062d.%063d.%063d.%062d/", 0, 0, 0, 0);
    expect_refused(text, "not a host name");
    snprintf(text, sizeof text, "http://a%063d/", 0);
    expect_refused(text, "not a host name");
}

static void test_length(void **state)
{
    (void)state;
    char text[URL_LENGTH_MAX + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "http://e/", 9);
    text[URL_LENGTH_MAX] = '\0';
    struct arena *arena scope_arena = arena_new();
    struct url url;
    assert_null(url_parse(arena, text, &url));
    text[URL_LENGTH_MAX] = 'a';
    text[URL_LENGTH_MAX + 1] = '\0';
    expect_refused(text, "8192");
    text[8] = '/';
    assert_null(url_check_target(text + 8, URL_LENGTH_MAX - 7));
    memset(text, 'a', sizeof text);
    text[0] = '/';
    assert_null(url_check_target(text, URL_LENGTH_MAX));
    assert_non_null(url_check_target(text, URL_LENGTH_MAX + 1));
}

static void test_targets(void **state)
{
    (void)state;
    const char *const fine[] = {
        "/",          "/a/b",         "//a",       "/a//",          "/...",    "/.a",
        "/a./b",      "/..a",         "/%20%7b",   "/a?..",         "/a?/../", "/a?b=[c]|d",
        "/a?b?c",     "/a:b@c;d=e,f", "/!$&'()*+", "/%252e%252e/a", "/a%2e/b", "/a?%2e%2e",
        "/%2e%2e%2e", "/a?",          "/-._~",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        if (url_check_target(fine[i], strlen(fine[i])))
            print_error("%s\n", fine[i]);
        assert_null(url_check_target(fine[i], strlen(fine[i])));
    }
    const char *const bad[] = {
        "",        "a",         "?a",      "/a#b",      "/a b",      "/a\\b",   "/a\tb",
        "/[a]",    "/a|b",      "/a^b",    "/a`b",      "/a\"b",     "/<a>",    "/{a}",
        "/a?{b}",  "/a?<b>",    "/a?b#c",  "/%",        "/%2",       "/%2g",    "/a?%",
        "/a?b%zz", "/\xc3\xa4", "/\x7f",   "/.",        "/..",       "/./a",    "/a/../b",
        "/a/..",   "/a/.?b",    "/%2e",    "/%2E%2e/a", "/a/%2e./b", "/a%2f..", "/a%2F%2e%2e%2Fb",
        "/a%5c..", "/..%5cb",   "/%2e%5C",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!url_check_target(bad[i], strlen(bad[i])))
            print_error("%s\n", bad[i]);
        assert_non_null(url_check_target(bad[i], strlen(bad[i])));
    }
    assert_non_null(url_check_target("/a\0b", 4));
    assert_null(url_check_target("/ab", 2));
}

static void test_absolute_urls_obey_the_rules_of_targets(void **state)
{
    (void)state;
    expect_refused("http://example.com/a/../b", "segments");
    expect_refused("http://example.com/%2e%2E/", "segments");
    expect_refused("http://example.com/{id}", "braces");
    expect_refused("http://example.com/%zz", "hexadecimal");
}

struct glob_row {
    const char *glob, *path;
    bool matches;
};

static const struct glob_row glob_rows[] = {
    {"/**", "/", true},
    {"/**", "/a/b/c", true},
    {"/**", "", false},
    {"/**", "a", false},
    {"/", "/", true},
    {"/", "/a", false},
    {"", "/", false},
    {"/a", "/a", true},
    {"/a", "/a/", false},
    {"/a/", "/a", false},
    {"/a", "/a?b=c", true},
    {"/a", "/A", false},
    {"/users", "/%75sers", true},
    {"/%75sers", "/users", true},
    {"/a%2fb", "/a%2Fb", true},
    {"/a/b", "/a%2Fb", false},
    {"/*", "/", true},
    {"/*", "/a", true},
    {"/*", "/a/b", false},
    {"/*", "/a%2Fb", false},
    {"/*", "/a%5cb", false},
    {"/*", "/a%20b", true},
    {"/a*c", "/abbc", true},
    {"/a*c", "/abbcd", false},
    {"/a*b*c", "/axxbyyc", true},
    {"/a*b*c", "/axxcyyb", false},
    {"/*.json", "/a.b.json", true},
    {"/*.json", "/a.b.jsonx", false},
    {"/***", "/abc", true},
    {"/a/**", "/a", true},
    {"/a/**", "/a/", true},
    {"/a/**", "/a/b/c", true},
    {"/a/**", "/ab", false},
    {"/**/z", "/z", true},
    {"/**/z", "/a/b/z", true},
    {"/**/z", "/a/b/z/y", false},
    {"/a/**/z", "/a/z", true},
    {"/a/**/b/**/c", "/a/x/b/y/z/c", true},
    {"/a/**/b/**/c", "/a/x/c/y/b", false},
    {"/**/b/*", "/a/b/b/c", true},
    {"/v1/*/items", "/v1/7/items", true},
    {"/v1/*/items", "/v1/7/8/items", false},
};

static void test_globs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof glob_rows / sizeof glob_rows[0]; i++) {
        const struct glob_row *row = &glob_rows[i];
        if (url_path_matches(row->glob, row->path, strlen(row->path)) != row->matches)
            print_error("%s %s\n", row->glob, row->path);
        assert_int_equal(url_path_matches(row->glob, row->path, strlen(row->path)), row->matches);
    }
}

/* The same by the definition, trying everything: what the greedy walk must equal. */
static bool slow_segment(const char *glob, const char *text)
{
    if (*glob == '*')
        return slow_segment(glob + 1, text) ||
               (*text && *text != '/' && slow_segment(glob, text + 1));
    if (*glob == '\0' || *glob == '/')
        return *text == '\0' || *text == '/';
    return *glob == *text && slow_segment(glob + 1, text + 1);
}

static bool slow_matches(const char *glob, const char *path)
{
    if (*glob == '\0')
        return *path == '\0';
    const char *rest = strchr(glob + 1, '/');
    rest = rest ? rest : glob + strlen(glob);
    const char *path_rest = *path ? strchr(path + 1, '/') : NULL;
    path_rest = path_rest ? path_rest : path + strlen(path);
    if (strncmp(glob, "/**", 3) == 0 && rest == glob + 3)
        return slow_matches(rest, path) || (*path && slow_matches(glob, path_rest));
    return *path && slow_segment(glob + 1, path + 1) && slow_matches(rest, path_rest);
}

static void test_globs_against_the_definition(void **state)
{
    (void)state;
    uint32_t random = 12345;
    size_t matched = 0;
    for (unsigned round = 0; round < 200000; round++) {
        char texts[2][12];
        for (unsigned which = 0; which < 2; which++) {
            random = random * 1664525u + 1013904223u;
            size_t len = 1 + (random >> 16) % 9;
            for (size_t i = 0; i < len; i++) {
                random = random * 1664525u + 1013904223u;
                texts[which][i] = (which == 0 ? "ab/**" : "ab/ab")[(random >> 16) % 5];
            }
            texts[which][0] = '/';
            texts[which][len] = '\0';
        }
        bool expected = slow_matches(texts[0], texts[1]);
        if (url_path_matches(texts[0], texts[1], strlen(texts[1])) != expected)
            print_error("%s %s\n", texts[0], texts[1]);
        assert_int_equal(url_path_matches(texts[0], texts[1], strlen(texts[1])), expected);
        matched += expected;
    }
    assert_true(matched > 10000);
}

static int make_arena(void **state)
{
    *state = arena_new();
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_urls),
        cmocka_unit_test(test_addresses_are_normalised),
        cmocka_unit_test(test_what_libcurl_is_lenient_about),
        cmocka_unit_test(test_schemes),
        cmocka_unit_test_setup_teardown(test_hosts, make_arena, free_arena),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_absolute_urls_obey_the_rules_of_targets),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_globs_against_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
