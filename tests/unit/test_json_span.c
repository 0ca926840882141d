#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/span.h"

/* A span in a heap block of exactly its size, so that a sanitizer sees one byte too far. */
static struct json_span make(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return (struct json_span){copy, len};
}

static void release(struct json_span span)
{
    free((void *)(uintptr_t)span.data);
}

static void assert_span(struct json_span span, const char *expected)
{
    assert_int_equal(span.len, strlen(expected));
    assert_memory_equal(span.data, expected, span.len);
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_type type;
    } cases[] = {{"{}", JSON_OBJECT}, {"[]", JSON_ARRAY},    {"\"\"", JSON_STRING},
                 {"0", JSON_NUMBER},  {"-1", JSON_NUMBER},   {"true", JSON_TRUE},
                 {"null", JSON_NULL}, {"false", JSON_FALSE}, {"", JSON_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_span span = {cases[i].text, strlen(cases[i].text)};
        assert_int_equal(json_span_type(span), cases[i].type);
    }
}

static void test_members(void **state)
{
    (void)state;
    struct json_span text = make("{ \"a\" : 1 ,\n\"b\\\"]}\":{\"x\":[\"}\",{}]},\"\":\"\\\\\","
                                 "\"a\":[[1,2],\"]\"] ,\"long\":\"no vector ends { [ here at "
                                 "all\",\"last\":-1.5e3 }");
    static const char *const expected[][2] = {
        {"\"a\"", "1"},
        {"\"b\\\"]}\"", "{\"x\":[\"}\",{}]}"},
        {"\"\"", "\"\\\\\""},
        {"\"a\"", "[[1,2],\"]\"]"},
        {"\"long\"", "\"no vector ends { [ here at all\""},
        {"\"last\"", "-1.5e3"},
    };
    struct json_cursor cursor = json_open(text);
    struct json_item item;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(json_next(&cursor, &item));
        assert_span(item.key, expected[i][0]);
        assert_span(item.value, expected[i][1]);
    }
    assert_false(json_next(&cursor, &item));
    assert_false(json_next(&cursor, &item));
    release(text);
}

static void test_items(void **state)
{
    (void)state;
    struct json_span text = make("[true,null ,[ ] , { } ,\"a,b\",12\n]");
    static const char *const expected[] = {"true", "null", "[ ]", "{ }", "\"a,b\"", "12"};
    struct json_cursor cursor = json_open(text);
    struct json_item item;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(json_next(&cursor, &item));
        assert_int_equal(item.key.len, 0);
        assert_span(item.value, expected[i]);
    }
    assert_false(json_next(&cursor, &item));
    release(text);
}

static void test_nothing_to_walk(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]", "{ }", "[\n\t]", "1", "\"[1]\"", "null"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_span text = make(texts[i]);
        struct json_cursor cursor = json_open(text);
        struct json_item item;
        assert_false(json_next(&cursor, &item));
        release(text);
    }
}

static void test_values_of_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        char string[80], text[256];
        memset(string, 'x', sizeof string);
        string[0] = string[len + 1] = '"';
        string[len + 2] = '\0';
        strcat(strcat(strcat(strcpy(text, "[["), string), "],"), string);
        strcat(text, "]");
        struct json_span span = make(text);
        struct json_cursor cursor = json_open(span);
        struct json_item item;
        assert_true(json_next(&cursor, &item));
        assert_int_equal(item.value.len, len + 4);
        assert_true(json_next(&cursor, &item));
        assert_span(item.value, string);
        assert_false(json_next(&cursor, &item));
        release(span);
    }
}

static bool key_is(const char *key, const char *name, size_t len)
{
    struct json_span span = make(key);
    bool same = json_key_is(span, name, len);
    release(span);
    return same;
}

static void test_key_is(void **state)
{
    (void)state;
    assert_true(key_is("\"id\"", "id", 2));
    assert_true(key_is("\"\"", "", 0));
    assert_true(key_is("\"\\u0069d\"", "id", 2));
    assert_true(key_is("\"caf\\u00E9\"", "caf\xC3\xA9", 5));
    assert_true(key_is("\"caf\xC3\xA9\"", "caf\xC3\xA9", 5));
    assert_true(key_is("\"\\u20ac\"", "\xE2\x82\xAC", 3));
    assert_true(key_is("\"\\ud83d\\uDE00\"", "\xF0\x9F\x98\x80", 4));
    assert_true(key_is("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8));
    assert_true(key_is("\"a\\u0000b\"", "a\0b", 3));
    assert_false(key_is("\"id\"", "ID", 2));
    assert_false(key_is("\"id\"", "i", 1));
    assert_false(key_is("\"id\"", "idx", 3));
    assert_false(key_is("\"i\\u0064\"", "idx", 3));
    assert_false(key_is("\"i\\u0064x\"", "id", 2));
    assert_false(key_is("\"a\\\\\"", "a\\\\", 3));
    assert_false(key_is("\"\\ud800\"", "\xEF\xBF\xBD", 3));
    assert_false(key_is("\"\\ud800\"", "\xED\xA0\x80", 3));
    assert_false(key_is("\"\\udc00\\ud800\"", "\xF0\x90\x80\x80", 4));
    assert_false(key_is("\"a\\udc00\"", "a", 1));
}

static bool keys_equal(const char *left, const char *right)
{
    struct json_span a = make(left), b = make(right);
    bool equal = json_keys_equal(a, b);
    assert_int_equal(json_keys_equal(b, a), equal);
    release(a);
    release(b);
    return equal;
}

static void test_keys_equal(void **state)
{
    (void)state;
    assert_true(keys_equal("\"\"", "\"\""));
    assert_true(keys_equal("\"id\"", "\"id\""));
    assert_true(keys_equal("\"id\"", "\"\\u0069\\u0064\""));
    assert_true(keys_equal("\"\\u0069d\"", "\"i\\u0064\""));
    assert_true(keys_equal("\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""));
    assert_true(keys_equal("\"a\\/b\"", "\"a/b\""));
    assert_false(keys_equal("\"id\"", "\"Id\""));
    assert_false(keys_equal("\"id\"", "\"id2\""));
    assert_false(keys_equal("\"\\u0069d\"", "\"i\\u0064x\""));
    assert_false(keys_equal("\"a\\ud800\"", "\"a\\ud800\""));
    assert_false(keys_equal("\"a\\ud800\"", "\"a\""));
    assert_false(keys_equal("\"e\\u0301\"", "\"\\u00e9\""));
}

static void assert_decodes(const char *text, const char *expected, size_t len)
{
    struct json_span span = make(text);
    for (size_t cap = 0; cap <= len + 1; cap++) {
        char out[64];
        memset(out, '#', sizeof out);
        assert_int_equal(json_decode(span, out, cap), len);
        size_t written = cap < len ? cap : len;
        assert_memory_equal(out, expected, written);
        for (size_t i = written; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
    assert_true(len <= span.len);
    release(span);
}

static void test_decode(void **state)
{
    (void)state;
    assert_decodes("\"\"", "", 0);
    assert_decodes("\"plain\"", "plain", 5);
    assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    assert_decodes("\"a\\u0041\\u007f\\u0080\\u07FF\\u0800\\uffff\"",
                   "aA\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF", 13);
    assert_decodes("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8);
    assert_decodes("\"x\\u0000y\"", "x\0y", 3);
    assert_decodes("\"\\ud800\"", "\xEF\xBF\xBD", 3);
    assert_decodes("\"\\ud800x\"", "\xEF\xBF\xBDx", 4);
    assert_decodes("\"\\udc00\\ud800\"", "\xEF\xBF\xBD\xEF\xBF\xBD", 6);
    assert_decodes("\"\\ud800\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80", 7);
    assert_decodes("\"\\ud800\\n\"", "\xEF\xBF\xBD\n", 4);
}

static void assert_pointer(const char *text, size_t offset, const char *expected)
{
    struct json_span span = make(text);
    char out[64];
    json_pointer_at(span, offset, out, sizeof out);
    assert_string_equal(out, expected);
    release(span);
}

static void test_pointer_of_every_offset(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [10, {\"b\":true}], \"c\":\"d\"}";
    static const struct {
        size_t end; /* offsets up to here */
        const char *pointer;
    } ranges[] = {{6, ""},      {7, "/a"},  {9, "/a/0"}, {11, "/a"}, {16, "/a/1"}, {20, "/a/1/b"},
                  {21, "/a/1"}, {22, "/a"}, {28, ""},    {31, "/c"}, {32, ""},     {40, ""}};
    size_t offset = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (; offset < ranges[i].end; offset++)
            assert_pointer(text, offset, ranges[i].pointer);
    }
}

static void test_pointer_escapes(void **state)
{
    (void)state;
    assert_pointer("{\"a/b~c\":1}", 9, "/a~1b~0c");
    assert_pointer("{\"\\u002F\\u007e\":1}", 16, "/~1~0");
    assert_pointer("{\"\":1}", 4, "/");
    assert_pointer("{\"\":{\"\":1}}", 8, "//");
    assert_pointer("{\"caf\xC3\xA9\\ud83d\\ude00\":1}", 21, "/caf\xC3\xA9\xF0\x9F\x98\x80");
    assert_pointer("{\"\\ud800\":1}", 10, "/\xEF\xBF\xBD");
    assert_pointer("{\"a\\u0000b\":1}", 12,
                   "/a\xEF\xBF\xBD"
                   "b");
    assert_pointer("7", 0, "");
    assert_pointer("\"abc\"", 2, "");
    assert_pointer("[0,0,0,0,0,0,0,0,0,0,0]", 21, "/10");
}

static void test_pointer_is_cut_between_characters(void **state)
{
    (void)state;
    struct json_span text = make("{\"a\xE2\x82\xAC/\":[7]}");
    static const char *const expected[] = {"",
                                           "",
                                           "/",
                                           "/a",
                                           "/a",
                                           "/a",
                                           "/a\xE2\x82\xAC",
                                           "/a\xE2\x82\xAC",
                                           "/a\xE2\x82\xAC~1",
                                           "/a\xE2\x82\xAC~1",
                                           "/a\xE2\x82\xAC~1/0"};
    for (size_t cap = 0; cap < sizeof expected / sizeof *expected; cap++) {
        char out[16];
        memset(out, '#', sizeof out);
        json_pointer_at(text, 10, out, cap);
        if (cap > 0)
            assert_string_equal(out, expected[cap]);
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
    release(text);
}

static void assert_count(const char *text, size_t expected)
{
    struct json_span span = make(text);
    assert_int_equal(json_count_values(span, SIZE_MAX), expected);
    assert_int_equal(json_count_values(span, expected), expected);
    assert_int_equal(json_count_values(span, expected + 1), expected);
    for (size_t most = 0; most < expected; most++)
        assert_int_equal(json_count_values(span, most), most);
    release(span);
}

static void test_count(void **state)
{
    (void)state;
    assert_count("", 0);
    assert_count("1", 1);
    assert_count("\"a,[b]\"", 1);
    assert_count("[]", 1);
    assert_count("{ }", 1);
    assert_count("[ [ ] ]", 2);
    assert_count("[1]", 2);
    assert_count("[1,2]", 3);
    assert_count("{\"a\":1}", 2);
    assert_count("{\"a,b\":\"c{d\",\"e\\\"\":[true,null,{}],\"f\":{\"g\":-1}}", 8);
    assert_count("[[1,2],[3,4],[],{}]", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_nothing_to_walk),
        cmocka_unit_test(test_values_of_every_length),
        cmocka_unit_test(test_key_is),
        cmocka_unit_test(test_keys_equal),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_pointer_of_every_offset),
        cmocka_unit_test(test_pointer_escapes),
        cmocka_unit_test(test_pointer_is_cut_between_characters),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests_name("json_span", tests, NULL, NULL);
}
