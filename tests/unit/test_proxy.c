/* The URL of a proxy: what it is made of, what is refused, and what may be shown of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/proxy.h"

static void expect(const char *text, const char *host, unsigned port, const char *user,
                   const char *password)
{
    struct arena *arena scope_arena = arena_new();
    struct proxy proxy;
    const char *wrong = proxy_parse(arena, text, &proxy);
    if (wrong)
        print_error("%s: %s\n", text, wrong);
    assert_null(wrong);
    assert_string_equal(proxy.text, text);
    assert_string_equal(proxy.host, host);
    assert_int_equal(proxy.port, port);
    if (!user) {
        assert_null(proxy.user);
        assert_null(proxy.password);
        return;
    }
    assert_string_equal(proxy.user, user);
    assert_string_equal(proxy.password, password);
}

static void expect_refused(const char *text, const char *part)
{
    struct arena *arena scope_arena = arena_new();
    struct proxy proxy;
    const char *wrong = proxy_parse(arena, text, &proxy);
    if (!wrong || !strstr(wrong, part))
        print_error("%s: %s\n", text, wrong ? wrong : "taken");
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, part));
}

static void reads_proxies(void **state)
{
    (void)state;
    expect("http://p.test:3128", "p.test", 3128, NULL, NULL);
    expect("http://p.test:3128/", "p.test", 3128, NULL, NULL);
    expect("http://P.test", "p.test", 80, NULL, NULL);
    expect("http://[::1]:8080", "::1", 8080, NULL, NULL);
    expect("http://me@p.test:1", "p.test", 1, "me", "");
    expect("http://me:@p.test:1", "p.test", 1, "me", "");
    expect("http://me:pw@[::1]:1", "::1", 1, "me", "pw");
    expect("http://me:a:b@c@p.test:1", "p.test", 1, "me", "a:b@c");
    expect("http://m%20e:%40%3A%2f@p.test:1", "p.test", 1, "m e", "@:/");
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    expect_refused("", "the URL of a proxy");
    expect_refused("p.test:3128", "the URL of a proxy");
    expect_refused("https://p.test", "the URL of a proxy");
    expect_refused("socks5://p.test", "the URL of a proxy");
    expect_refused("http://p.test/x", "no path");
    expect_refused("http://p.test?x", "no path");
    expect_refused("http://p.test#x", "no path");
    expect_refused("http://:pw@p.test", "no name");
    expect_refused("http://@p.test", "no name");
    expect_refused("http://a%3ab:c@p.test", "must not contain");
    expect_refused("http://a%b:c@p.test", "broken %XX");
    expect_refused("http://a:c%0d@p.test", "control character");
    expect_refused("http://a:c%00@p.test", "control character");
    expect_refused("http://a:c\r\n@p.test", "control character");
    expect_refused("http://a:b@", "");
    expect_refused("http://p.test:0", "port");
}

static void expect_mask(const char *text, const char *masked)
{
    struct buffer out scope_buffer;
    buffer_init(&out, SIZE_MAX);
    proxy_mask(text, &out);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, masked);
}

static void shows_no_credentials(void **state)
{
    (void)state;
    expect_mask("http://p.test:1", "http://p.test:1");
    expect_mask("http://me@p.test:1", "http://***@p.test:1");
    expect_mask("http://me:a@b@p.test:1/", "http://***@p.test:1/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_proxies),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(shows_no_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
