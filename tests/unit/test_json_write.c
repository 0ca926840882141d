#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/validate.h"
#include "json/write.h"

enum { PLENTY = 1 << 20 };

static void assert_written(struct buffer *out, const char *expected)
{
    assert_int_equal(buffer_status(out), 0);
    assert_int_equal(out->len, strlen(expected));
    assert_memory_equal(out->data, expected, out->len);
    buffer_done(out);
}

static void assert_string(const char *data, size_t len, const char *expected)
{
    struct buffer out;
    buffer_init(&out, PLENTY);
    json_put_string(&out, data, len);
    assert_int_equal(json_validate(out.data, out.len, 0).type, JSON_STRING);
    assert_written(&out, expected);
}

static void test_strings(void **state)
{
    (void)state;
    assert_string("", 0, "\"\"");
    assert_string("plain", 5, "\"plain\"");
    assert_string("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    assert_string("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    assert_string("\0\x01\x0B\x1F\x7F", 5, "\"\\u0000\\u0001\\u000b\\u001f\x7F\"");
    assert_string("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", 14,
                  "\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
    assert_string("\xE2\x80\xA8", 3, "\"\xE2\x80\xA8\"");
}

#define BAD "\xEF\xBF\xBD"

static void test_bad_utf8_is_replaced(void **state)
{
    (void)state;
    assert_string("\xFF", 1, "\"" BAD "\"");
    assert_string("a\x80z", 3, "\"a" BAD "z\"");
    assert_string("\xC0\xAF", 2, "\"" BAD BAD "\"");
    assert_string("\xC3", 1, "\"" BAD "\"");
    assert_string("\xC3(", 2, "\"" BAD "(\"");
    assert_string("\xE2\x82", 2, "\"" BAD "\"");
    assert_string("\xE2\x82z", 3, "\"" BAD "z\"");
    assert_string("\xED\xA0\x80", 3, "\"" BAD BAD BAD "\"");
    assert_string("\xF0\x9F\x98", 3, "\"" BAD "\"");
    assert_string("\xF0\x9F\x98\"", 4, "\"" BAD "\\\"\"");
    assert_string("\xF4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
    assert_string("\xF0\x80\x80\xC3\xA9", 5, "\"" BAD BAD BAD "\xC3\xA9\"");
}

static void test_any_bytes_make_a_valid_string(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (unsigned round = 0; round < 20000; round++) {
        static const unsigned char likely[] = {0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xED, 0xA0, 0xF0,
                                               0x9F, 0x98, 0x80, 0xF4, 0x90, '"',  '\\', 0x1F};
        char data[24];
        size_t len = round % sizeof data;
        for (size_t i = 0; i < len; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t drawn = (uint32_t)(random >> 40);
            data[i] = (char)(drawn & 0x100 ? drawn & 0xFF : likely[drawn & 15]);
        }
        struct buffer out;
        buffer_init(&out, PLENTY);
        json_put_string(&out, data, len);
        struct json_verdict verdict = json_validate(out.data, out.len, 0);
        assert_int_equal(verdict.fault, JSON_VALID);
        assert_int_equal(verdict.end, out.len);
        buffer_done(&out);
    }
}

static void test_valid_bytes_survive(void **state)
{
    (void)state;
    char data[3 * 256];
    size_t len = 0;
    for (unsigned code = 0; code < 256; code++) {
        if (code >= 0x80)
            data[len++] = (char)(0xC0 | code >> 6);
        data[len++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
    }
    struct buffer out;
    buffer_init(&out, PLENTY);
    json_put_string(&out, data, len);
    char decoded[sizeof data];
    struct json_span span = {out.data, out.len};
    assert_int_equal(json_decode(span, decoded, sizeof decoded), len);
    assert_memory_equal(decoded, data, len);
    buffer_done(&out);
}

static void test_text_and_splice(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, PLENTY);
    json_put_text(&out, "a\tb");
    json_splice(&out, (struct json_span){":[1e400, -0]", 12});
    assert_written(&out, "\"a\\tb\":[1e400, -0]");
}

static void assert_milliseconds(unsigned long long microseconds, const char *expected)
{
    struct buffer out;
    buffer_init(&out, PLENTY);
    json_put_milliseconds(&out, microseconds);
    assert_int_equal(json_validate(out.data, out.len, 0).type, JSON_NUMBER);
    assert_written(&out, expected);
}

static void test_milliseconds(void **state)
{
    (void)state;
    assert_milliseconds(0, "0");
    assert_milliseconds(1, "0.001");
    assert_milliseconds(10, "0.01");
    assert_milliseconds(45, "0.045");
    assert_milliseconds(100, "0.1");
    assert_milliseconds(999, "0.999");
    assert_milliseconds(1000, "1");
    assert_milliseconds(1001, "1.001");
    assert_milliseconds(12300, "12.3");
    assert_milliseconds(12340, "12.34");
    assert_milliseconds(300000, "300");
    assert_milliseconds(ULLONG_MAX, "18446744073709551.615");
}

static void assert_base64url(const char *data, size_t len, const char *expected)
{
    struct buffer out;
    buffer_init(&out, PLENTY);
    json_put_base64url(&out, data, len);
    assert_written(&out, expected);
}

static void test_base64url(void **state)
{
    (void)state;
    assert_base64url("", 0, "\"\"");
    assert_base64url("f", 1, "\"Zg\"");
    assert_base64url("fo", 2, "\"Zm8\"");
    assert_base64url("foo", 3, "\"Zm9v\"");
    assert_base64url("foob", 4, "\"Zm9vYg\"");
    assert_base64url("fooba", 5, "\"Zm9vYmE\"");
    assert_base64url("foobar", 6, "\"Zm9vYmFy\"");
    assert_base64url("\xFB\xFF\xBE", 3, "\"-_--\"");
    assert_base64url("\0\0\0", 3, "\"AAAA\"");
    assert_base64url("\xFF", 1, "\"_w\"");
}

static void test_base64url_of_any_length(void **state)
{
    (void)state;
    char zeros[2000] = {0};
    for (size_t len = 0; len < sizeof zeros; len++) {
        struct buffer out;
        buffer_init(&out, PLENTY);
        json_put_base64url(&out, zeros, len);
        assert_int_equal(buffer_status(&out), 0);
        assert_int_equal(out.len, 2 + (len * 4 + 2) / 3);
        assert_int_equal(out.data[0], '"');
        for (size_t i = 1; i < out.len - 1; i++)
            assert_int_equal(out.data[i], 'A');
        assert_int_equal(out.data[out.len - 1], '"');
        buffer_done(&out);
    }
}

static void test_the_cap_is_the_buffers(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 7);
    json_put_string(&out, "abcde", 5);
    assert_int_equal(buffer_status(&out), 0);
    json_put_milliseconds(&out, 0);
    assert_int_equal(buffer_status(&out), BUFFER_FULL);
    buffer_done(&out);
    buffer_init(&out, 6);
    json_put_string(&out, "abcde", 5);
    assert_int_equal(buffer_status(&out), BUFFER_FULL);
    buffer_done(&out);
    buffer_init(&out, 5);
    json_put_base64url(&out, "foo", 3);
    assert_int_equal(buffer_status(&out), BUFFER_FULL);
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bad_utf8_is_replaced),
        cmocka_unit_test(test_any_bytes_make_a_valid_string),
        cmocka_unit_test(test_valid_bytes_survive),
        cmocka_unit_test(test_text_and_splice),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_base64url_of_any_length),
        cmocka_unit_test(test_the_cap_is_the_buffers),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
