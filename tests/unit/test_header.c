/* Fields: order, names without case, and what nobody may set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/header.h"

static void test_lists_keep_order_and_spelling(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct header_list list = {0};
    header_add(arena, &list, "Accept", "a");
    header_add(arena, &list, "X-One", "1");
    header_add(arena, &list, "accept", "b");
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[2].name, "accept");
    assert_string_equal(header_get(&list, "ACCEPT"), "a");
    assert_string_equal(header_get(&list, "x-one"), "1");
    assert_null(header_get(&list, "X-On"));
}

static void test_lists_grow(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct header_list list = {0};
    for (unsigned i = 0; i < 100; i++)
        header_add(arena, &list, arena_printf(arena, "N%u", i), arena_printf(arena, "%u", i));
    assert_int_equal(list.count, 100);
    assert_string_equal(header_get(&list, "n0"), "0");
    assert_string_equal(header_get(&list, "n99"), "99");
}

static void test_names(void **state)
{
    (void)state;
    assert_true(header_name_valid("X-Trace_1.0~!#$%&'*+^`|"));
    const char *const bad[] = {"",    " ",        "a b", "a:",  "a\r", "a\n", "(a)",
                               "a/b", "\xc3\xa4", "a\"", "a@b", "a,b", "a;b", "a=b",
                               "{a}", "[a]",      "a\\", "a\t", "\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(header_name_valid(bad[i]));
}

static void test_values(void **state)
{
    (void)state;
    assert_true(header_value_valid("", 0));
    assert_true(header_value_valid("a\tb \xc3\xa4", 6));
    const char controls[] = {0, 1, 8, 10, 11, 13, 31, 127};
    for (size_t i = 0; i < sizeof controls; i++) {
        char value[3] = {'a', controls[i], 'b'};
        assert_false(header_value_valid(value, sizeof value));
    }
}

static void test_methods(void **state)
{
    (void)state;
    assert_true(header_method_valid("GET"));
    assert_true(header_method_valid("m-search"));
    assert_true(header_method_valid("A234567890123456789012345678901Z"));
    assert_false(header_method_valid("A234567890123456789012345678901ZZ"));
    assert_false(header_method_valid(""));
    assert_false(header_method_valid("G ET"));
    assert_false(header_method_valid("GET\r\n"));
    assert_true(header_method_idempotent("PUT"));
    assert_true(header_method_idempotent("DELETE"));
    assert_false(header_method_idempotent("POST"));
    assert_false(header_method_idempotent("PATCH"));
    assert_false(header_method_idempotent("get"));
}

static void test_refused(void **state)
{
    (void)state;
    const char *const refused[] = {
        "host",
        "Content-Length",
        "CONNECTION",
        "Keep-Alive",
        "te",
        "Trailer",
        "Transfer-Encoding",
        "upgrade",
        "Proxy-Authorization",
        "proxy-",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "X-Real-IP",
        "Via",
        "Expect",
        "CDN-Loop",
        "HTTP2-Settings",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_true(header_refused(refused[i]));
    const char *const fine[] = {"Authorization", "Accept",       "X-Forwarded", "Proxy", "Hosts",
                                "Viad",          "Content-Type", "traceparent", "Cookie"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_false(header_refused(fine[i]));
}

static void test_media_kinds(void **state)
{
    (void)state;
    const struct {
        const char *type;
        enum media_kind kind;
    } rows[] = {
        {NULL, MEDIA_NONE},
        {"", MEDIA_NONE},
        {" ", MEDIA_NONE},
        {"; charset=utf-8", MEDIA_NONE},
        {"application/json", MEDIA_JSON},
        {"Application/JSON;charset=utf-8", MEDIA_JSON},
        {" application/json ; a=b", MEDIA_JSON},
        {"application/problem+json", MEDIA_JSON},
        {"image/svg+JSON", MEDIA_JSON},
        {"application/+json", MEDIA_OTHER},
        {"+json", MEDIA_OTHER},
        {"/+json", MEDIA_OTHER},
        {"application/jsonp", MEDIA_OTHER},
        {"application/json-seq", MEDIA_OTHER},
        {"application/x-ndjson", MEDIA_OTHER},
        {"text/plain", MEDIA_TEXT},
        {"TEXT/html; charset=x", MEDIA_TEXT},
        {"text/", MEDIA_OTHER},
        {"text", MEDIA_OTHER},
        {"application/octet-stream", MEDIA_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(header_media_kind(rows[i].type), rows[i].kind);
}

static void test_methods_in_another_case(void **state)
{
    (void)state;
    assert_string_equal(header_method_meant("get"), "GET");
    assert_string_equal(header_method_meant("Patch"), "PATCH");
    assert_null(header_method_meant("GET"));
    assert_null(header_method_meant("purge"));
    assert_null(header_method_meant("gets"));
    assert_null(header_method_meant(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_keep_order_and_spelling),
        cmocka_unit_test(test_lists_grow),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_methods_in_another_case),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_media_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
