/* Problem documents, byte for byte. */
#include "unit/job_fixture.h"

#include "core/problem.h"

#define HEAD_502 "{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502"

static void titles_are_reason_phrases(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *title;
    } cases[] = {
        {200, "OK"},
        {404, "Not Found"},
        {499, "Client Closed Request"},
        {504, "Gateway Timeout"},
        {511, "Network Authentication Required"},
        {418, "Client Error"},
        {599, "Server Error"},
        {99, "Unknown Status"},
        {100, "Informational"},
        {600, "Unknown Status"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(problem_title(cases[i].status), cases[i].title);
    for (int code = OUTCOME_REPLY + 1; code < OUTCOME_CODE_COUNT; code++)
        assert_null(strstr(problem_title(outcome_status((enum outcome_code)code)), "Error"));
}

static void faults_become_errors(void **state)
{
    (void)state;
    struct fault third = {"/requests/2/url", "is not allowed", 403, NULL};
    struct fault second = {"/requests/1/\"x\"", "needs \"url\"", 400, &third};
    struct fault first = {"", "is not an object", 413, &second};
    struct faults faults = {.first = &first, .last = &third, .count = 3, .most = 3};
    struct faults none = {.count = 0};
    const struct {
        const char *detail;
        const struct faults *faults;
        const char *expected;
    } cases[] = {
        {NULL, NULL, HEAD_502 "}"},
        {"no \"luck\"\n\xFF", NULL, HEAD_502 ",\"detail\":\"no \\\"luck\\\"\\n\xEF\xBF\xBD\"}"},
        {"none", &none, HEAD_502 ",\"detail\":\"none\",\"errors\":[]}"},
        {NULL, &faults,
         HEAD_502 ",\"errors\":[{\"pointer\":\"\",\"detail\":\"is not an object\"},"
                  "{\"pointer\":\"/requests/1/\\\"x\\\"\",\"detail\":\"needs \\\"url\\\"\"},"
                  "{\"pointer\":\"/requests/2/url\",\"code\":\"http_request_denied\","
                  "\"detail\":\"is not allowed\"}]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        problem_write(&out, 502, cases[i].detail, cases[i].faults);
        assert_json_is(out.data, out.len, cases[i].expected);
        buffer_done(&out);
    }
}

/* Nothing of the upstream's body or head may show. */
static void jobs_tell_what_failed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 4);
    fixture.requests[0].optional = true;
    fixture_begin(&fixture);
    struct outcome refused = failure(OUTCOME_CONNECTION_REFUSED);
    refused.detail = "all 2 addresses";
    settle(&fixture, 0, refused);
    settle_json(&fixture, 1, "1");
    settle(&fixture, 3, reply(404, "X-Secret: 1\r\n", "secret"));
    buffer_init(&out, 4096);
    problem_write_job(&out, 502, &fixture.job);
    assert_json_is(out.data, out.len,
                   HEAD_502
                   ",\"detail\":\"request \\\"d\\\": the upstream answered 404\","
                   "\"errors\":["
                   "{\"id\":\"a\",\"pointer\":\"/requests/0\",\"code\":\"connection_refused\","
                   "\"status\":502,\"detail\":\"the upstream refused the connection: all 2 "
                   "addresses\",\"attempts\":2,\"elapsedMs\":0.25},"
                   "{\"id\":\"d\",\"pointer\":\"/requests/3\",\"code\":\"upstream_status\","
                   "\"status\":502,\"detail\":\"the upstream answered 404\","
                   "\"upstreamStatus\":404,\"attempts\":1,\"elapsedMs\":12.345}]}");
    buffer_done(&out);
    fixture_done(&fixture);
}

static void a_job_without_failures_has_no_errors(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "1");
    buffer_init(&out, 4096);
    problem_write_errors(&out, &fixture.job);
    assert_json_is(out.data, out.len, "[]");
    buffer_done(&out);
    buffer_init(&out, 4096);
    problem_write_job(&out, 502, &fixture.job);
    assert_json_is(out.data, out.len, HEAD_502 ",\"errors\":[]}");
    buffer_done(&out);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(titles_are_reason_phrases),
        cmocka_unit_test(faults_become_errors),
        cmocka_unit_test(jobs_tell_what_failed),
        cmocka_unit_test(a_job_without_failures_has_no_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
