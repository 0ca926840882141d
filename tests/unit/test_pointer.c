/* JSON Pointer: the examples of RFC 6901 sections 5 and 6, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/pointer.h"

static const char rfc[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
    "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";

/* NULL: nothing is found. */
static void expect(const char *json, enum pointer_form form, const char *text, const char *value)
{
    struct arena *arena scope_arena = arena_new();
    struct json_verdict verdict = json_validate(json, strlen(json), 64);
    struct json_span span = {json + verdict.start, verdict.end - verdict.start};
    struct json_span found = {NULL, 0};
    struct pointer pointer;
    size_t offset;
    assert_int_equal(verdict.fault, JSON_VALID);
    assert_null(pointer_parse(arena, text, strlen(text), form, &pointer, &offset));
    assert_int_equal(pointer_find(span, &pointer, &found), value != NULL);
    if (value) {
        assert_int_equal(found.len, strlen(value));
        assert_memory_equal(found.data, value, found.len);
    }
}

static void refuse(enum pointer_form form, const char *text, size_t at, const char *sentence)
{
    struct arena *arena scope_arena = arena_new();
    struct pointer pointer;
    size_t offset;
    const char *wrong = pointer_parse(arena, text, strlen(text), form, &pointer, &offset);
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, sentence));
    assert_int_equal(offset, at);
}

static void test_rfc_strings(void **state)
{
    (void)state;
    expect(rfc, POINTER_STRING, "", rfc);
    expect(rfc, POINTER_STRING, "/foo", "[\"bar\",\"baz\"]");
    expect(rfc, POINTER_STRING, "/foo/0", "\"bar\"");
    expect(rfc, POINTER_STRING, "/", "0");
    expect(rfc, POINTER_STRING, "/a~1b", "1");
    expect(rfc, POINTER_STRING, "/c%d", "2");
    expect(rfc, POINTER_STRING, "/e^f", "3");
    expect(rfc, POINTER_STRING, "/g|h", "4");
    expect(rfc, POINTER_STRING, "/i\\j", "5");
    expect(rfc, POINTER_STRING, "/k\"l", "6");
    expect(rfc, POINTER_STRING, "/ ", "7");
    expect(rfc, POINTER_STRING, "/m~0n", "8");
}

static void test_rfc_fragments(void **state)
{
    (void)state;
    expect(rfc, POINTER_FRAGMENT, "#", rfc);
    expect(rfc, POINTER_FRAGMENT, "#/foo", "[\"bar\",\"baz\"]");
    expect(rfc, POINTER_FRAGMENT, "#/foo/0", "\"bar\"");
    expect(rfc, POINTER_FRAGMENT, "#/", "0");
    expect(rfc, POINTER_FRAGMENT, "#/a~1b", "1");
    expect(rfc, POINTER_FRAGMENT, "#/c%25d", "2");
    expect(rfc, POINTER_FRAGMENT, "#/e%5Ef", "3");
    expect(rfc, POINTER_FRAGMENT, "#/g%7Ch", "4");
    expect(rfc, POINTER_FRAGMENT, "#/i%5Cj", "5");
    expect(rfc, POINTER_FRAGMENT, "#/k%22l", "6");
    expect(rfc, POINTER_FRAGMENT, "#/%20", "7");
    expect(rfc, POINTER_FRAGMENT, "#/m~0n", "8");
    expect(rfc, POINTER_FRAGMENT, "#/m%7E0n", "8");
    expect(rfc, POINTER_FRAGMENT, "#%2Ffoo%2f1", "\"baz\"");
}

static void test_arrays(void **state)
{
    (void)state;
    expect("[10, [20, 30]]", POINTER_STRING, "/1/0", "20");
    expect("[10, [20, 30]]", POINTER_STRING, "/2", NULL);
    expect("[10]", POINTER_STRING, "/-", NULL);
    expect("[10,11]", POINTER_STRING, "/01", NULL);
    expect("[10,11]", POINTER_STRING, "/+1", NULL);
    expect("[10,11]", POINTER_STRING, "/", NULL);
    expect("[10,11]", POINTER_STRING, "/18446744073709551616", NULL);
    expect("[10,11]", POINTER_STRING, "/18446744073709551615", NULL);
    expect("{\"01\":1,\"-\":2}", POINTER_STRING, "/01", "1");
    expect("{\"01\":1,\"-\":2}", POINTER_STRING, "/-", "2");
}

static void test_values(void **state)
{
    (void)state;
    expect("7", POINTER_STRING, "", "7");
    expect("7", POINTER_STRING, "/a", NULL);
    expect("\"text\"", POINTER_STRING, "/0", NULL);
    expect("null", POINTER_STRING, "/0", NULL);
    expect("{\"a\":null}", POINTER_STRING, "/a", "null");
    expect("{}", POINTER_STRING, "/a", NULL);
    expect("{\"a\":{\"b\":1}}", POINTER_STRING, "/b", NULL);
    expect(" { \"a\" : [ 1.50 ] } ", POINTER_STRING, "/a/0", "1.50");
}

/* Keys are compared by what they mean, and the last of two equal ones is the one. */
static void test_keys(void **state)
{
    (void)state;
    expect("{\"\\u0061\":1}", POINTER_STRING, "/a", "1");
    expect("{\"a\\/b\":1}", POINTER_STRING, "/a~1b", "1");
    expect("{\"\\u00e9\":1}", POINTER_FRAGMENT, "#/%C3%A9", "1");
    expect("{\"a\\u0000b\":1}", POINTER_FRAGMENT, "#/a%00b", "1");
    expect("{\"\\ud800\":1}", POINTER_STRING, "/\xEF\xBF\xBD", NULL);
    expect("{\"a\":1,\"b\":2,\"a\":3}", POINTER_STRING, "/a", "3");
    expect("{\"~1\":1}", POINTER_STRING, "/~01", "1");
}

static void test_refusals(void **state)
{
    (void)state;
    refuse(POINTER_STRING, "a", 0, "begins with /");
    refuse(POINTER_STRING, "#/a", 0, "begins with /");
    refuse(POINTER_STRING, "/a~", 2, "~");
    refuse(POINTER_STRING, "/a~2", 2, "~");
    refuse(POINTER_STRING, "/~/a", 1, "~");
    refuse(POINTER_FRAGMENT, "", 0, "#");
    refuse(POINTER_FRAGMENT, "/a", 0, "#");
    refuse(POINTER_FRAGMENT, "#a", 1, "begins with /");
    refuse(POINTER_FRAGMENT, "#/a%2", 3, "percent");
    refuse(POINTER_FRAGMENT, "#/a%zz", 3, "percent");
    refuse(POINTER_FRAGMENT, "#/a~%32", 3, "~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_strings), cmocka_unit_test(test_rfc_fragments),
        cmocka_unit_test(test_arrays),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
