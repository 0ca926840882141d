/* The tables: what is valid, and which fault is named where. */
#include "unit/json_fence.h"

struct valid {
    const char *text;
    enum json_type type;
};

static const struct valid valid_texts[] = {
    {"{}", JSON_OBJECT},
    {"[]", JSON_ARRAY},
    {"\"\"", JSON_STRING},
    {"true", JSON_TRUE},
    {"false", JSON_FALSE},
    {"null", JSON_NULL},
    {"0", JSON_NUMBER},
    {"-0", JSON_NUMBER},
    {"-0.0e-0", JSON_NUMBER},
    {"12345678", JSON_NUMBER},
    {"123456789012345678901234567890", JSON_NUMBER},
    {"18446744073709551616", JSON_NUMBER},
    {"1e400", JSON_NUMBER},
    {"1E+400", JSON_NUMBER},
    {"1e-400", JSON_NUMBER},
    {"0.1e00", JSON_NUMBER},
    {"0.30000000000000004", JSON_NUMBER},
    {"[0,-1,2.5,0e1,0E+1,-1.5E-10,1e0000000000001]", JSON_ARRAY},
    {"[1234567,12345678,123456789,1234567890123456,0.12345678e12345678]", JSON_ARRAY},
    {"[ ]", JSON_ARRAY},
    {"[\t\r\n ]", JSON_ARRAY},
    {"{ \n}", JSON_OBJECT},
    {"[[],[[]],{},[{}]]", JSON_ARRAY},
    {"[null, true , false\n]", JSON_ARRAY},
    {"{\"a\":1}", JSON_OBJECT},
    {"{ \"a\" : 1 , \"b\" : [ ] }", JSON_OBJECT},
    {"{\"a\":1,\"a\":2}", JSON_OBJECT},
    {"{\"\":{\"\":{}}}", JSON_OBJECT},
    {"{\"a\\u0000\\\"\\\\b\":1}", JSON_OBJECT},
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u00E9\"]", JSON_ARRAY},
    {"[\"\\\\\\\\\\\\\"]", JSON_ARRAY},
    {"[\"http:\\/\\/a\\/b\"]", JSON_ARRAY},
    {"[\"\\ud800\"]", JSON_ARRAY},
    {"[\"\\udc00\\ud800x\"]", JSON_ARRAY},
    {"[\"\\uD834\\uDD1E\"]", JSON_ARRAY},
    {"[\"\\u0000\"]", JSON_ARRAY},
    {"[\"\x7F\"]", JSON_ARRAY},
    {"[\"\xC2\x80\xDF\xBF\"]", JSON_ARRAY},
    {"[\"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\"]", JSON_ARRAY},
    {"[\"\xF0\x90\x80\x80\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\"]", JSON_ARRAY},
    {"[\"\xE2\x80\xA8\xE2\x80\xA9\"]", JSON_ARRAY},
    {"[\"\xEF\xBB\xBF\"]", JSON_ARRAY},
    {"[\"{}[]:,\",\" \"]", JSON_ARRAY},
    {"{\"key that is longer than one vector\":\"value that is longer than a block of "
     "sixty-four bytes, to the last one\"}",
     JSON_OBJECT},
};

static void test_valid_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_texts / sizeof *valid_texts; i++) {
        const char *text = valid_texts[i].text;
        struct json_verdict verdict = judge(text, strlen(text));
        if (verdict.fault != JSON_VALID)
            fail_msg("%s at %zu: %s", json_fault_text(verdict.fault), verdict.offset, text);
        assert_int_equal(verdict.type, valid_texts[i].type);
        assert_int_equal(verdict.offset, 0);
        assert_int_equal(verdict.start, 0);
        assert_int_equal(verdict.end, strlen(text));
    }
}

#if defined(__SSE2__)
/* Without this a vectorised pass that refused everything would go unnoticed: the scalar
 * validator has the last word. */
static void test_vectors_accept_all_valid_containers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_texts / sizeof *valid_texts; i++) {
        const char *text = valid_texts[i].text;
        bool container = text[0] == '[' || text[0] == '{';
        assert_int_equal(json_vector_accepts(text, strlen(text), DEPTH), container);
    }
}
#endif

static void test_white_space_around_the_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_texts / sizeof *valid_texts; i++) {
        char text[256] = " \t\r\n";
        strcat(strcat(text, valid_texts[i].text), "\n\n \t");
        struct json_verdict verdict = judge(text, strlen(text));
        assert_int_equal(verdict.fault, JSON_VALID);
        assert_int_equal(verdict.type, valid_texts[i].type);
        assert_int_equal(verdict.start, 4);
        assert_int_equal(verdict.end, strlen(text) - 4);
    }
}

struct invalid {
    const char *text;
    enum json_fault fault;
    size_t offset;
};

static const struct invalid invalid_texts[] = {
    {"", JSON_EMPTY, 0},
    {" ", JSON_EMPTY, 1},
    {" \n\t\r", JSON_EMPTY, 4},
    {"\xEF\xBB\xBF{}", JSON_SYNTAX, 0},
    {"\xFE\xFF", JSON_SYNTAX, 0},
    {"\v{}", JSON_SYNTAX, 0},
    {"\f", JSON_SYNTAX, 0},
    {"\xC2\xA0{}", JSON_SYNTAX, 0},
    {"[\xC2\xA0]", JSON_SYNTAX, 1},
    {"[\f]", JSON_SYNTAX, 1},
    {"[1,]", JSON_SYNTAX, 3},
    {"[1,,2]", JSON_SYNTAX, 3},
    {"[,1]", JSON_SYNTAX, 1},
    {"[,]", JSON_SYNTAX, 1},
    {"[1 2]", JSON_SYNTAX, 3},
    {"[1:2]", JSON_SYNTAX, 2},
    {"[\"a\" \"b\"]", JSON_SYNTAX, 5},
    {"[1}", JSON_SYNTAX, 2},
    {"{\"a\":1]", JSON_SYNTAX, 6},
    {"[}", JSON_SYNTAX, 1},
    {"{]", JSON_SYNTAX, 1},
    {"]", JSON_SYNTAX, 0},
    {"}", JSON_SYNTAX, 0},
    {"{,}", JSON_SYNTAX, 1},
    {"{\"a\"}", JSON_SYNTAX, 4},
    {"{\"a\":}", JSON_SYNTAX, 5},
    {"{\"a\":1,}", JSON_SYNTAX, 7},
    {"{\"a\":1,,\"b\":2}", JSON_SYNTAX, 7},
    {"{\"a\"::1}", JSON_SYNTAX, 5},
    {"{\"a\",1}", JSON_SYNTAX, 4},
    {"{\"a\" 1}", JSON_SYNTAX, 5},
    {"{:1}", JSON_SYNTAX, 1},
    {"{a:1}", JSON_SYNTAX, 1},
    {"{'a':1}", JSON_SYNTAX, 1},
    {"{1:1}", JSON_SYNTAX, 1},
    {"{null:1}", JSON_SYNTAX, 1},
    {"{\"a\":1 \"b\":2}", JSON_SYNTAX, 7},
    {"{[]:1}", JSON_SYNTAX, 1},
    {"[1]// x", JSON_TRAILING, 3},
    {"[/**/]", JSON_SYNTAX, 1},
    {"['a']", JSON_SYNTAX, 1},
    {"[a]", JSON_SYNTAX, 1},
    {"NaN", JSON_SYNTAX, 0},
    {"[NaN]", JSON_SYNTAX, 1},
    {"[nan]", JSON_SYNTAX, 2},
    {"[Infinity]", JSON_SYNTAX, 1},
    {"[-Infinity]", JSON_SYNTAX, 2},
    {"[+1]", JSON_SYNTAX, 1},
    {"[.5]", JSON_SYNTAX, 1},
    {"[-.5]", JSON_SYNTAX, 2},
    {"[5.]", JSON_SYNTAX, 3},
    {"[5.e1]", JSON_SYNTAX, 3},
    {"[1e]", JSON_SYNTAX, 3},
    {"[1e+]", JSON_SYNTAX, 4},
    {"[1e1.5]", JSON_SYNTAX, 4},
    {"[1e+-1]", JSON_SYNTAX, 4},
    {"[1ee1]", JSON_SYNTAX, 3},
    {"[1.2.3]", JSON_SYNTAX, 4},
    {"[-]", JSON_SYNTAX, 2},
    {"[--1]", JSON_SYNTAX, 2},
    {"[- 1]", JSON_SYNTAX, 2},
    {"[1-2]", JSON_SYNTAX, 2},
    {"[1 .5]", JSON_SYNTAX, 3},
    {"[01]", JSON_SYNTAX, 2},
    {"[-01]", JSON_SYNTAX, 3},
    {"[00]", JSON_SYNTAX, 2},
    {"[0x10]", JSON_SYNTAX, 2},
    {"[1a]", JSON_SYNTAX, 2},
    {"[1\xC3\xA9]", JSON_SYNTAX, 2},
    {"[\xEF\xBC\x91]", JSON_SYNTAX, 1},
    {"01", JSON_TRAILING, 1},
    {"-", JSON_TRUNCATED, 1},
    {"-x", JSON_SYNTAX, 1},
    {"1.", JSON_TRUNCATED, 2},
    {"1e", JSON_TRUNCATED, 2},
    {"1e+", JSON_TRUNCATED, 3},
    {"1.x", JSON_SYNTAX, 2},
    {"[True]", JSON_SYNTAX, 1},
    {"[trUe]", JSON_SYNTAX, 3},
    {"[truee]", JSON_SYNTAX, 5},
    {"[tru]", JSON_SYNTAX, 4},
    {"[nul]", JSON_SYNTAX, 4},
    {"[fals]", JSON_SYNTAX, 5},
    {"[t]", JSON_SYNTAX, 2},
    {"[nulltrue]", JSON_SYNTAX, 5},
    {"tru", JSON_TRUNCATED, 3},
    {"truex", JSON_TRAILING, 4},
    {"true false", JSON_TRAILING, 5},
    {"{}{}", JSON_TRAILING, 2},
    {"{} {}", JSON_TRAILING, 3},
    {"[][]", JSON_TRAILING, 2},
    {"[]]", JSON_TRAILING, 2},
    {"{}}", JSON_TRAILING, 2},
    {"{},", JSON_TRAILING, 2},
    {"[1]x]", JSON_TRAILING, 3},
    {"\"a\"\"", JSON_TRAILING, 3},
    {"\"\" \xEF\xBB\xBF", JSON_TRAILING, 3},
    {"[", JSON_TRUNCATED, 1},
    {"{", JSON_TRUNCATED, 1},
    {"[1", JSON_TRUNCATED, 2},
    {"[1,", JSON_TRUNCATED, 3},
    {"[1, ", JSON_TRUNCATED, 4},
    {"[[]", JSON_TRUNCATED, 3},
    {"[[]  ", JSON_TRUNCATED, 5},
    {"{\"a\":{}", JSON_TRUNCATED, 7},
    {"{\"a\"", JSON_TRUNCATED, 4},
    {"{\"a\":", JSON_TRUNCATED, 5},
    {"[\"}", JSON_TRUNCATED, 3},
    {"[\"]", JSON_TRUNCATED, 3},
    {"{\"}", JSON_TRUNCATED, 3},
    {"[\"\\\"]", JSON_TRUNCATED, 5},
    {"\"", JSON_TRUNCATED, 1},
    {"\"\\", JSON_TRUNCATED, 2},
    {"\"\\u", JSON_TRUNCATED, 3},
    {"\"\\u12", JSON_TRUNCATED, 5},
    {"\"\\u1234", JSON_TRUNCATED, 7},
    {"[\"\\x\"]", JSON_BAD_ESCAPE, 2},
    {"[\"ab\\'\"]", JSON_BAD_ESCAPE, 4},
    {"[\"\\U0041\"]", JSON_BAD_ESCAPE, 2},
    {"[\"\\u\"]", JSON_BAD_ESCAPE, 2},
    {"[\"\\u00g0\"]", JSON_BAD_ESCAPE, 2},
    {"[\"\\u00]", JSON_BAD_ESCAPE, 2},
    {"[\"\\]", JSON_BAD_ESCAPE, 2},
    {"[\"\\\n\"]", JSON_BAD_ESCAPE, 2},
    {"[\"\\\xC3\xA9\"]", JSON_BAD_ESCAPE, 2},
    {"[\"\\ud800\\u\"]", JSON_BAD_ESCAPE, 8},
    {"[\\u0031]", JSON_SYNTAX, 1},
    {"[\"\n\"]", JSON_CONTROL_CHAR, 2},
    {"[\"a\tb\"]", JSON_CONTROL_CHAR, 3},
    {"[\"\x1F\"]", JSON_CONTROL_CHAR, 2},
    {"{\"a\r\":1}", JSON_CONTROL_CHAR, 3},
    {"[\"\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"a\xBF\"]", JSON_BAD_UTF8, 3},
    {"[\"\xC0\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xC1\xBF\"]", JSON_BAD_UTF8, 2},
    {"[\"\xC2\"]", JSON_BAD_UTF8, 2},
    {"[\"\xC2\xC2\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xC3\x28\"]", JSON_BAD_UTF8, 2},
    {"[\"\xE0\x80\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xE0\x9F\xBF\"]", JSON_BAD_UTF8, 2},
    {"[\"\xE2\x82\"]", JSON_BAD_UTF8, 2},
    {"[\"\xE2\x82\x28\"]", JSON_BAD_UTF8, 2},
    {"[\"\xED\xA0\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xED\xBF\xBF\"]", JSON_BAD_UTF8, 2},
    {"[\"\xED\xA0\xBD\xED\xB8\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF0\x80\x80\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF0\x8F\xBF\xBF\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF0\x9F\x98\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF4\x90\x80\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF5\x80\x80\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xF8\x88\x80\x80\x80\"]", JSON_BAD_UTF8, 2},
    {"[\"\xFE\"]", JSON_BAD_UTF8, 2},
    {"[\"\xFF\"]", JSON_BAD_UTF8, 2},
    {"[\"\xC3\xA9\xE9\"]", JSON_BAD_UTF8, 4},
    {"{\"\xFF\":1}", JSON_BAD_UTF8, 2},
    {"\"\xC3", JSON_TRUNCATED, 2},
    {"\"\xE2\x82", JSON_TRUNCATED, 3},
    {"\"\xF0\x9F\x98", JSON_TRUNCATED, 4},
    {"\"\xE0\x80", JSON_BAD_UTF8, 1},
    {"\"\xED\xA0", JSON_BAD_UTF8, 1},
    {"\"\xF4\x90", JSON_BAD_UTF8, 1},
};

static void assert_refused(const struct invalid *expected, const char *text, size_t offset)
{
    struct json_verdict verdict = judge(text, strlen(text));
    if (verdict.fault != expected->fault || verdict.offset != offset)
        fail_msg("%s at %zu, not %s at %zu: %s", json_fault_text(verdict.fault), verdict.offset,
                 json_fault_text(expected->fault), offset, text);
    assert_int_equal(verdict.type, JSON_NONE);
    assert_int_equal(verdict.start, 0);
    assert_int_equal(verdict.end, 0);
}

static void test_invalid_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid_texts / sizeof *invalid_texts; i++)
        assert_refused(&invalid_texts[i], invalid_texts[i].text, invalid_texts[i].offset);
}

/* Behind enough text for vectors and blocks to be in use; only syntax inside. */
static void test_invalid_items_of_a_long_array(void **state)
{
    (void)state;
    static const char before[] = "[\"a string that fills more than one vector\", 12345678901,\n"
                                 "                                     {\"key\": null}, ";
    for (size_t i = 0; i < sizeof invalid_texts / sizeof *invalid_texts; i++) {
        const struct invalid *invalid = &invalid_texts[i];
        if (invalid->fault == JSON_EMPTY || invalid->fault == JSON_TRAILING ||
            invalid->fault == JSON_TRUNCATED)
            continue;
        char text[256];
        strcat(strcat(strcpy(text, before), invalid->text), "]");
        assert_refused(invalid, text, invalid->offset + strlen(before));
    }
}

static void test_nul_bytes(void **state)
{
    (void)state;
    struct json_verdict verdict = judge("123\0", 4);
    assert_int_equal(verdict.fault, JSON_TRAILING);
    assert_int_equal(verdict.offset, 3);
    verdict = judge("[\"a\0b\"]", 7);
    assert_int_equal(verdict.fault, JSON_CONTROL_CHAR);
    assert_int_equal(verdict.offset, 3);
    verdict = judge("[\0]", 3);
    assert_int_equal(verdict.fault, JSON_SYNTAX);
    assert_int_equal(verdict.offset, 1);
    verdict = judge("[]\0", 3);
    assert_int_equal(verdict.fault, JSON_TRAILING);
    assert_int_equal(verdict.offset, 2);
}

static void fill_nested(char *text, size_t depth, const char *opening, const char *closing)
{
    size_t width = strlen(opening);
    for (size_t i = 0; i < depth; i++)
        memcpy(text + i * width, opening, width);
    memset(text + depth * width, *closing, depth);
}

static void check_depth(unsigned depth)
{
    static char text[FENCED_MAX];
    fill_nested(text, depth, "[", "]");
    assert_int_equal(judge_to_depth(text, 2 * depth, depth).fault, JSON_VALID);
    struct json_verdict verdict = judge_to_depth(text, 2 * depth, depth - 1);
    assert_int_equal(verdict.fault, JSON_TOO_DEEP);
    assert_int_equal(verdict.offset, depth - 1);

    fill_nested(text, depth - 1, "{\"\":", "}");
    size_t opened = 4 * (depth - 1);
    memmove(text + opened + 2, text + opened, depth - 1);
    memcpy(text + opened, "{}", 2);
    assert_int_equal(judge_to_depth(text, 5 * (depth - 1) + 2, depth).fault, JSON_VALID);
    verdict = judge_to_depth(text, 5 * (depth - 1) + 2, depth - 1);
    assert_int_equal(verdict.fault, JSON_TOO_DEEP);
    assert_int_equal(verdict.offset, opened);
}

static void test_depth(void **state)
{
    (void)state;
    check_depth(1);
    check_depth(2);
    check_depth(63);
    check_depth(64);
    check_depth(65);
    check_depth(512);
    check_depth(JSON_DEPTH_MAX);
    assert_int_equal(judge_to_depth("\"a\"", 3, 0).fault, JSON_VALID);
    assert_int_equal(judge_to_depth("{}", 2, 0).fault, JSON_TOO_DEEP);
}

/* Objects and arrays in turns: what each bracket closes is remembered on every level. */
static void test_mixed_nesting(void **state)
{
    (void)state;
    static char text[FENCED_MAX];
    size_t levels = 1000, len = 0;
    for (size_t i = 0; i < levels; i++) {
        const char *opening = i * i % 7 < 3 ? "[1," : "{\"a\":";
        strcpy(text + len, opening);
        len += strlen(opening);
    }
    text[len++] = '0';
    size_t innermost = len;
    for (size_t i = levels; i-- > 0;)
        text[len++] = i * i % 7 < 3 ? ']' : '}';
    assert_int_equal(judge_to_depth(text, len, 1000).fault, JSON_VALID);
    for (size_t i = innermost; i < len; i++) {
        text[i] ^= ']' ^ '}';
        struct json_verdict verdict = judge_to_depth(text, len, 1000);
        assert_int_equal(verdict.fault, JSON_SYNTAX);
        assert_int_equal(verdict.offset, i);
        text[i] ^= ']' ^ '}';
    }
}

static void test_every_fault_has_a_name(void **state)
{
    (void)state;
    for (unsigned fault = JSON_VALID; fault <= JSON_TRAILING; fault++) {
        assert_string_not_equal(json_fault_text(fault), "unknown fault");
        for (unsigned other = JSON_VALID; other < fault; other++)
            assert_string_not_equal(json_fault_text(fault), json_fault_text(other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_texts),
#if defined(__SSE2__)
        cmocka_unit_test(test_vectors_accept_all_valid_containers),
#endif
        cmocka_unit_test(test_white_space_around_the_value),
        cmocka_unit_test(test_invalid_texts),
        cmocka_unit_test(test_invalid_items_of_a_long_array),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_mixed_nesting),
        cmocka_unit_test(test_every_fault_has_a_name),
    };
    return cmocka_run_group_tests_name("json_validate", tests, build_fence, NULL);
}
