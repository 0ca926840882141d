/* Lines and events: items, line breaks, the summary, a heartbeat. */
#include "unit/job_fixture.h"

#include <stdio.h>

#include "core/stream_format.h"

#define HEADERS "\"headers\":{\"content-type\":\"application/json\"}"

static void expect(struct buffer *out, const char *expected)
{
    assert_int_equal(buffer_status(out), 0);
    buffer_byte(out, '\0');
    assert_string_equal(out->data, expected);
    buffer_done(out);
}

static void expect_part(enum reply_form form, const char *body, const char *expected)
{
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 1);
    fixture_begin(&fixture);
    settle_json(&fixture, 0, body);
    buffer_init(&out, SIZE_MAX / 2);
    buffer_string(&out, "before\n"); /* is left alone */
    stream_put_part(form, &fixture.job, &fixture.job.parts[0], &out);
    expect(&out, expected);
    fixture_done(&fixture);
}

static void lines(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value;
    } rows[] = {
        {"1.50", "1.50"},
        {"{\n\"a\":\r\n1}", "{ \"a\":  1}"},
        {"[\n\n\n]", "[   ]"},
        {"[\r]", "[ ]"},
        {"\"\\n\\r\"", "\"\\n\\r\""},
        {"{\"a\":\"\xC2\x85\xE2\x80\xA8\"}", "{\"a\":\"\xC2\x85\xE2\x80\xA8\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[256];
        snprintf(expected, sizeof expected,
                 "before\n{\"id\":\"a\",\"status\":200," HEADERS ",\"body\":%s}\n", rows[i].value);
        expect_part(FORM_NDJSON, rows[i].body, expected);
        expect_part(FORM_X_NDJSON, rows[i].body, expected);
    }
}

static void events(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value;
    } rows[] = {
        {"1.50", "1.50"},
        {"{\n\"a\":\r\n1}", "{\ndata: \"a\":\ndata: 1}"},
        {"[\n\n]", "[\ndata: \ndata: ]"},
        {"[\r]", "[\ndata: ]"},
        {"[\n\r\n]", "[\ndata: \ndata: ]"},
        {"\"\\n\\r\"", "\"\\n\\r\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[256];
        snprintf(expected, sizeof expected,
                 "before\nevent: response\nid: a\ndata: {\"id\":\"a\",\"status\":200," HEADERS
                 ",\"body\":%s}\n\n",
                 rows[i].value);
        expect_part(FORM_SERVER_EVENTS, rows[i].body, expected);
    }
}

static void failed_part(void **state)
{
    (void)state;
    expect_part(FORM_NDJSON, NULL,
                "before\n{\"id\":\"a\",\"status\":502,\"headers\":{\"content-type\":"
                "\"application/problem+json\"},\"body\":{\"type\":\"about:blank\",\"title\":"
                "\"Bad Gateway\",\"status\":502,\"detail\":\"the upstream refused the "
                "connection\",\"code\":\"connection_refused\",\"attempts\":2,\"elapsedMs\":"
                "0.25}}\n");
}

/* The reply was dropped before the summary is written. */
static void summary(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 2);
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "{}");
    job_drop_reply(&fixture.job, 0);
    assert_null(fixture.job.parts[0].outcome.body);
    assert_int_equal(fixture.job.parts[0].outcome.status, 200);
    settle_json(&fixture, 1, NULL);
    job_drop_reply(&fixture.job, 1);
    buffer_init(&out, SIZE_MAX / 2);
    stream_put_summary(FORM_NDJSON, &fixture.job, &out);
    expect(&out, "{\"summary\":{\"status\":200,\"partial\":true,\"total\":2,\"ok\":1,\"failed\":1,"
                 "\"skipped\":0,\"errors\":[{\"id\":\"b\",\"pointer\":\"/requests/1\",\"code\":"
                 "\"connection_refused\",\"status\":502,\"detail\":\"the upstream refused the "
                 "connection\",\"attempts\":2,\"elapsedMs\":0.25}]}}\n");
    fixture_done(&fixture);
}

static void summary_of_a_failed_batch(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL, 3);
    fixture_begin(&fixture);
    settle_json(&fixture, 1, "{}");
    assert_true(settle(&fixture, 0, failure(OUTCOME_RESPONSE_TIMEOUT)));
    buffer_init(&out, SIZE_MAX / 2);
    stream_put_summary(FORM_SERVER_EVENTS, &fixture.job, &out);
    buffer_byte(&out, '\0');
    static const char begin[] = "event: done\ndata: {\"summary\":{\"status\":504,\"partial\":true,"
                                "\"total\":3,\"ok\":1,\"failed\":1,\"skipped\":1,\"errors\":[";
    assert_memory_equal(out.data, begin, sizeof begin - 1);
    assert_string_equal(out.data + strlen(out.data) - 5, "]}}\n\n");
    buffer_done(&out);
    fixture_done(&fixture);
}

static void heartbeat(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 100);
    stream_put_heartbeat(FORM_NDJSON, &out);
    assert_int_equal(out.len, 0);
    stream_put_heartbeat(FORM_SERVER_EVENTS, &out);
    expect(&out, ":\n\n");
}

/* A merge is ignored; a policy only when nobody wrote it. */
static void batch(void **state)
{
    (void)state;
    struct batch merged = {.merge = MERGE_KEYED, .policy = POLICY_ALL};
    assert_int_equal(stream_batch(&merged).merge, MERGE_ENVELOPE);
    assert_int_equal(stream_batch(&merged).policy, POLICY_ALL_SETTLED);
    merged.policy_given = true;
    assert_int_equal(stream_batch(&merged).policy, POLICY_ALL);
}

/* A buffer that is full stays so. */
static void no_room(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_ENVELOPE, POLICY_ALL_SETTLED, 1);
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "[\n1]");
    for (size_t max = 0; max < 100; max++) {
        buffer_init(&out, max);
        stream_put_part(FORM_SERVER_EVENTS, &fixture.job, &fixture.job.parts[0], &out);
        assert_int_equal(buffer_status(&out), BUFFER_FULL);
        buffer_done(&out);
    }
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(events),
        cmocka_unit_test(failed_part),
        cmocka_unit_test(summary),
        cmocka_unit_test(summary_of_a_failed_batch),
        cmocka_unit_test(heartbeat),
        cmocka_unit_test(batch),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
