/* Envelopes: statuses, headers, the three kinds of body, problem objects. */
#include "unit/job_fixture.h"

#include "core/merge.h"

#define ITEM(status, headers, body)                                                                \
    "{\"id\":\"a\",\"status\":" status ",\"headers\":{" headers "}" body "}"
#define JSON_TYPE    "\"content-type\":\"application/json\""
#define PROBLEM_TYPE "\"content-type\":\"application/problem+json\""

struct item_case {
    unsigned status;
    const char *head, *body;
    size_t body_len; /* 0: strlen */
    const char *expected;
};

static const struct item_case item_cases[] = {
    {200, JSON_HEAD, " {\"x\": 1.0} ", 0, ITEM("200", JSON_TYPE, ",\"body\":{\"x\": 1.0}")},
    {204, "", "", 0, ITEM("204", "", "")},
    {304, JSON_HEAD, "", 0, ITEM("304", JSON_TYPE, "")},
    {404, JSON_HEAD, "null", 0, ITEM("404", JSON_TYPE, ",\"body\":null")},
    {200, "Content-Type: text/html\r\n", "<a href=\"x\">\xC3\xA9\n", 0,
     ITEM("200", "\"content-type\":\"text/html\"", ",\"body\":\"<a href=\\\"x\\\">\xC3\xA9\\n\"")},
    /* Not UTF-8: the bytes themselves, also when only the last character is cut. */
    {200, "Content-Type: text/plain; charset=iso-8859-1\r\n", "a\xE9z", 0,
     ITEM("200", "\"content-type\":\"text/plain; charset=iso-8859-1\"", ",\"body\":\"Yel6\"")},
    {200, "Content-Type: text/plain\r\n", "a\xC3", 0,
     ITEM("200", "\"content-type\":\"text/plain\"", ",\"body\":\"YcM\"")},
    {200, "Content-Type: image/png\r\n", "\0\xFF\xFE", 3,
     ITEM("200", "\"content-type\":\"image/png\"", ",\"body\":\"AP_-\"")},
    {200, "", "{}", 0, ITEM("200", "", ",\"body\":\"e30\"")},
    {500, "Content-Type: text/plain\r\n", "oops", 0,
     ITEM("500", "\"content-type\":\"text/plain\"", ",\"body\":\"oops\"")},
    {200, "X-B: 2\r\nx-A: 1\r\nX-b: 3\r\nSet-Cookie: s=1\r\nX-Ab: 4\r\nX-B:\r\n", "", 0,
     ITEM("200", "\"x-a\":\"1\",\"x-ab\":\"4\",\"x-b\":\"2, 3, \"", "")},
    {200, "X: \"\\\xFF\r\n", "", 0, ITEM("200", "\"x\":\"\\\"\\\\\xEF\xBF\xBD\"", "")},
    {200,
     "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n"
     "Content-Length: 0\r\nX-End: 2\r\n",
     "", 0, ITEM("200", "\"x-end\":\"2\"", "")},
    {200, JSON_HEAD, "{\"x\":", 0,
     ITEM("502", PROBLEM_TYPE,
          ",\"body\":{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502,"
          "\"detail\":\"the upstream's body is not valid JSON: truncated text at "
          "byte 5\",\"code\":\"invalid_json\",\"upstreamStatus\":200,\"attempts\":1,"
          "\"elapsedMs\":12.345}")},
    {0, NULL, NULL, 0,
     ITEM("502", PROBLEM_TYPE,
          ",\"body\":{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502,"
          "\"detail\":\"the upstream refused the connection\",\"code\":\"connection_refused\","
          "\"attempts\":2,\"elapsedMs\":0.25}")},
};

static void items_give_exact_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof item_cases / sizeof *item_cases; i++) {
        const struct item_case *row = &item_cases[i];
        struct fixture fixture;
        struct buffer out;
        fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 1);
        fixture_begin(&fixture);
        struct outcome outcome = failure(OUTCOME_CONNECTION_REFUSED);
        if (row->status > 0)
            outcome = reply_bytes(row->status, row->head, row->body,
                                  row->body_len > 0 ? row->body_len : strlen(row->body));
        assert_true(settle(&fixture, 0, outcome));
        buffer_init(&out, 4096);
        merge_write_envelope_item(&fixture.job, &fixture.job.parts[0], &out);
        assert_json_is(out.data, out.len, row->expected);
        buffer_done(&out);
        fixture_done(&fixture);
    }
}

static void items_stand_in_declared_order(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 2);
    fixture.batch.meta = META_ALWAYS; /* has no place in an envelope */
    fixture_begin(&fixture);
    settle_json(&fixture, 1, "2");
    settle_json(&fixture, 0, "1");
    buffer_init(&out, 4096);
    assert_int_equal(merge_write(&fixture.job, &out, &refusal), OUTCOME_NONE);
    assert_json_is(out.data, out.len,
                   "{\"responses\":["
                   "{\"id\":\"a\",\"status\":200,\"headers\":{" JSON_TYPE "},\"body\":1},"
                   "{\"id\":\"b\",\"status\":200,\"headers\":{" JSON_TYPE "},\"body\":2}]}");
    buffer_done(&out);
    fixture_done(&fixture);
}

static void late_and_skipped_items_are_problems(void **state)
{
    (void)state;
    for (int expire = 0; expire < 2; expire++) {
        struct fixture fixture;
        struct buffer out;
        fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL, 2);
        fixture_begin(&fixture);
        if (expire)
            job_expire(&fixture.job, 3000);
        else
            settle_json(&fixture, 0, NULL);
        const struct part *part = &fixture.job.parts[1];
        assert_int_equal(merge_envelope_status(part), expire ? 504 : 499);
        buffer_init(&out, 4096);
        merge_write_envelope_item(&fixture.job, part, &out);
        assert_json(out.data, out.len);
        buffer_byte(&out, '\0');
        assert_non_null(strstr(out.data, expire ? "\"code\":\"http_response_timeout\""
                                                : "\"code\":\"cancelled\""));
        buffer_done(&out);
        fixture_done(&fixture);
    }
}

static void thousands_of_fields_are_joined(void **state)
{
    (void)state;
    enum { FIELDS = 5000 };
    struct fixture fixture;
    struct buffer head;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 1);
    fixture_begin(&fixture);
    buffer_init(&head, 1 << 20);
    for (int i = 0; i < FIELDS; i++)
        buffer_printf(&head, "%c%d: v\r\n", i % 2 ? 'x' : 'X', i / 2 % 50);
    buffer_byte(&head, '\0');
    settle(&fixture, 0, reply(200, head.data, ""));
    buffer_init(&out, 1 << 20);
    merge_write_envelope_item(&fixture.job, &fixture.job.parts[0], &out);
    assert_json(out.data, out.len);
    size_t members = 0;
    for (size_t i = 0; i + 1 < out.len; i++)
        members += out.data[i] == '"' && out.data[i + 1] == 'x';
    assert_int_equal(members, 50);
    buffer_done(&out);
    buffer_done(&head);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_give_exact_bytes),
        cmocka_unit_test(items_stand_in_declared_order),
        cmocka_unit_test(late_and_skipped_items_are_problems),
        cmocka_unit_test(thousands_of_fields_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
