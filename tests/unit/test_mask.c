/* Secrets by their names, in queries, forms and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mask.h"
#include "json/validate.h"

typedef void put_fn(const char *data, size_t len, struct buffer *out);

/* The bytes stand at the end of a block of their own, so that a sanitizer sees a step beyond. */
static void expect(put_fn *put, const char *text, const char *expected)
{
    struct buffer out scope_buffer;
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    buffer_init(&out, 1000);
    put(copy, len, &out);
    free(copy);
    assert_int_equal(buffer_status(&out), 0);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, expected);
}

static bool is_secret(const char *name)
{
    return mask_is_secret(name, strlen(name));
}

static void test_names(void **state)
{
    (void)state;
    static const char *const secret[] = {
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "Set-Cookie",
        "X-Api-Key",
        "key",
        "access_token",
        "TOKEN",
        "secretary",
        "clientSecret",
        "Password",
        "passwd",
        "sessionId",
        "X-Amz-Signature",
        "my-credentials",
        "X-Auth",
        "auth",
        "a.sig",
        "user_pass",
        "SID",
        "X-JWT-Assertion",
        "userPwd",
    };
    static const char *const plain[] = {
        "",     "k",         "ke",   "accept",       "author",      "X-Author", "passage", "design",
        "side", "authority", "toke", "X-Request-Id", "traceparent", "-",        "--"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(is_secret(secret[i]));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(is_secret(plain[i]));
    assert_false(mask_is_secret("keyed", 2));
}

static void test_targets(void **state)
{
    (void)state;
    expect(mask_put_target, "", "");
    expect(mask_put_target, "/a", "/a");
    expect(mask_put_target, "/a?", "/a?");
    expect(mask_put_target, "/token=a?b=1", "/token=a?b=1");
    expect(mask_put_target, "/a?token=x&b=1&KEY=y", "/a?token=***&b=1&KEY=***");
    expect(mask_put_target, "/a?token&key=&&b", "/a?token&key=***&&b");
    expect(mask_put_target, "/a?t%6Fken=x?y=z", "/a?t%6Fken=***");
    expect(mask_put_target, "/a?%zz=x&a=%", "/a?%zz=***&a=***");
    expect(mask_put_target, "/a?b=key=c&", "/a?b=key=c&");
    expect(mask_put_target, "/a?token={$responses.a.body#/x}&i=1", "/a?token=***&i=1");
    expect(mask_put_form, "password=a+b&n=1", "password=***&n=1");
    expect(mask_put_form, "", "");
}

static void test_templates(void **state)
{
    (void)state;
    expect(mask_put_template, "", "");
    expect(mask_put_template, "/a/{b}", "/a/{b}");
    expect(mask_put_template, "/a?token={t}&b={b}", "/a?token=***&b={b}");
    expect(mask_put_template, "/a{?token,b}", "/a{?token,b}");
    expect(mask_put_template, "/a?token=1{&b,c}", "/a?token=***{&b,c}");
    expect(mask_put_template, "/a?b=1{&token}&key=2", "/a?b=1{&token}&key=***");
    expect(mask_put_template, "/a?token={$responses.a.body#/x&y}&b=1", "/a?token=***&b=1");
    expect(mask_put_template, "/{$responses.a.body#/?x}/b?key=1",
           "/{$responses.a.body#/?x}/b?key=***");
    expect(mask_put_template, "https://h/a?b={&key=1", "https://h/a?b={&key=***");
    expect(mask_put_template, "/a?token={", "/a?token=***");
    expect(mask_put_template, "/{?token=1", "/{?token=***");
    expect(mask_put_template, "/a?b={", "/a?b={");
}

static void test_json(void **state)
{
    (void)state;
    expect(mask_put_json, "", "");
    expect(mask_put_json, "1", "1");
    expect(mask_put_json, "\"token\"", "\"token\"");
    expect(mask_put_json, "[\"token\",\"x\"]", "[\"token\",\"x\"]");
    expect(mask_put_json, "{\"a\":\"token\",\"token\":\"a\"}",
           "{\"a\":\"token\",\"token\":\"***\"}");
    expect(mask_put_json, "{ \"token\" : 1.50 , \"b\" : 1e400 }",
           "{ \"token\" : \"***\" , \"b\" : 1e400 }");
    expect(mask_put_json, "{\"keys\":[{\"a\":\"]}\"},[\"\\\"]\"]],\"b\":2}",
           "{\"keys\":\"***\",\"b\":2}");
    expect(mask_put_json, "{\"a\":[{\"token\":null},{\"token\":{}}]}",
           "{\"a\":[{\"token\":\"***\"},{\"token\":\"***\"}]}");
    expect(mask_put_json, "{\"t\\u006fken\":true}", "{\"t\\u006fken\":\"***\"}");
    expect(mask_put_json, "{\"a\\\"token\":\"\\\\\"}", "{\"a\\\"token\":\"***\"}");
    expect(mask_put_json, "{\"token\":\"\\\"\",\"b\":\"x\"}", "{\"token\":\"***\",\"b\":\"x\"}");
    expect(mask_put_json, "{\"token\":-1}", "{\"token\":\"***\"}");
}

/* An escaped name that is too long to be looked at is taken for a secret's. */
static void test_a_long_name(void **state)
{
    (void)state;
    struct buffer text scope_buffer;
    struct buffer out scope_buffer;
    buffer_init(&text, 10000);
    buffer_init(&out, 10000);
    buffer_string(&text, "{\"\\n");
    for (size_t i = 0; i < 1000; i++)
        buffer_byte(&text, 'a');
    buffer_string(&text, "\":\"hidden\"}");
    mask_put_json(text.data, text.len, &out);
    assert_null(memmem(out.data, out.len, "hidden", strlen("hidden")));
    assert_int_equal(json_validate(out.data, out.len, 2).fault, JSON_VALID);
}

/* What is no JSON is read to its end and not beyond it. */
static void test_broken_json(void **state)
{
    (void)state;
    expect(mask_put_json, "{\"token\":", "{\"token\":\"***\"");
    expect(mask_put_json, "{\"token\":\"a", "{\"token\":\"***\"");
    expect(mask_put_json, "{\"token\":\"a\\", "{\"token\":\"***\"");
    expect(mask_put_json, "{\"token\":[{", "{\"token\":\"***\"");
    expect(mask_put_json, "{\"token", "{\"token");
    expect(mask_put_json, "\"", "\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),       cmocka_unit_test(test_targets),
        cmocka_unit_test(test_templates),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_a_long_name), cmocka_unit_test(test_broken_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
