/* Status rules, headers, bodies and where they come from. */
#include "unit/job_fixture.h"

#include <stdio.h>

#include "core/answer.h"
#include "core/answer_headers.h"

static void assert_header(const struct answer *answer, const char *name, const char *expected)
{
    const char *value = header_get(&answer->headers, name);
    if (!expected) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_string_equal(value, expected);
}

/* What holds for every answer. */
static void check_answer(const struct answer *answer)
{
    assert_non_null(header_get(&answer->headers, "Cache-Control"));
    assert_int_equal(answer->body != NULL, answer->body_len > 0);
    if (answer->status == 503)
        assert_non_null(header_get(&answer->headers, "Retry-After"));
    for (size_t i = 0; i < answer->headers.count; i++) {
        const struct header *header = &answer->headers.items[i];
        assert_true(header_name_valid(header->name));
        assert_true(header_value_valid(header->value, strlen(header->value)));
    }
    const char *type = header_get(&answer->headers, "Content-Type");
    if (type && strstr(type, "json"))
        assert_json(answer->body, answer->body_len);
}

/* One letter per part and how it ends. */
struct answer_case {
    int merge, policy, rule, on_timeout;
    const char *parts; /* 2: 200, c: 201, 0: 204 empty, 4: 404, x: refused, b: busy (503),
                        * upper-case X: refused and optional, w: never ends */
    unsigned status;
    bool problem;
    const char *aggregate; /* NULL: not there */
    const char *proxy;     /* what Proxy-Status begins with; NULL: not there */
};

#define ALL        POLICY_ALL
#define SETTLED    POLICY_ALL_SETTLED
#define ERROR      ON_TIMEOUT_ERROR
#define PARTIAL    ON_TIMEOUT_PARTIAL
#define COMPLETE_2 "complete; total=2; ok=2; failed=0; skipped=0"
#define PARTIAL_2  "partial; total=2; ok=1; failed=1; skipped=0"
#define FAILED_2   "failed; total=2; ok=0; failed=2; skipped=0"
#define REFUSED    "gatherd; error=connection_refused; details=\""

static const struct answer_case answer_cases[] = {
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "2", 200, false, NULL, NULL},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "22", 200, false, COMPLETE_2, NULL},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "c0", 200, false, COMPLETE_2, NULL},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "2X", 200, false, PARTIAL_2, NULL},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "x", 502, true, NULL, REFUSED "a: the upstream"},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "2xw", 502, true,
     "failed; total=3; ok=1; failed=1; skipped=1", REFUSED "b: "},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "4w", 502, true,
     "failed; total=2; ok=0; failed=1; skipped=1",
     "gatherd; received-status=404; details=\"a: upstream_status, the"},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "b", 503, true, NULL,
     "gatherd; error=connection_limit_reached; "},
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "XX", 502, true, FAILED_2, REFUSED "a: "},
    {MERGE_KEYED, SETTLED, STATUS_STRICT, ERROR, "2x", 200, false, PARTIAL_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_STRICT, ERROR, "bx", 503, true, FAILED_2,
     "gatherd; error=connection_limit_reached; "},
    /* The deadline. */
    {MERGE_KEYED, ALL, STATUS_STRICT, ERROR, "2w", 504, true,
     "failed; total=2; ok=1; failed=1; skipped=0", "gatherd; error=http_response_timeout; "},
    {MERGE_KEYED, SETTLED, STATUS_STRICT, ERROR, "2w", 504, true,
     "failed; total=2; ok=1; failed=1; skipped=0", "gatherd; error=http_response_timeout; "},
    {MERGE_KEYED, ALL, STATUS_STRICT, PARTIAL, "2w", 200, false, PARTIAL_2, NULL},
    {MERGE_KEYED, ALL, STATUS_STRICT, PARTIAL, "Xw", 504, true, FAILED_2,
     "gatherd; error=http_response_timeout; details=\"b: "},
    {MERGE_KEYED, ALL, STATUS_OK, ERROR, "2w", 200, false,
     "failed; total=2; ok=1; failed=1; skipped=0", NULL},
    /* Status rules. */
    {MERGE_KEYED, ALL, STATUS_WORST, ERROR, "2c", 201, false, COMPLETE_2, NULL},
    {MERGE_KEYED, ALL, STATUS_WORST, ERROR, "00", 200, false, COMPLETE_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_WORST, ERROR, "24", 502, false, PARTIAL_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_WORST, ERROR, "xb", 503, true, FAILED_2, REFUSED "a: "},
    {MERGE_KEYED, ALL, STATUS_WORST, ERROR, "xw", 502, true,
     "failed; total=2; ok=0; failed=1; skipped=1", REFUSED "a: "},
    {MERGE_KEYED, SETTLED, STATUS_MULTI, ERROR, "22", 200, false, COMPLETE_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_MULTI, ERROR, "cc", 200, false, COMPLETE_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_MULTI, ERROR, "2c", 207, false, COMPLETE_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_MULTI, ERROR, "2x", 207, false, PARTIAL_2, NULL},
    {MERGE_KEYED, SETTLED, STATUS_MULTI, ERROR, "xb", 502, true, FAILED_2, REFUSED "a: "},
    {MERGE_KEYED, SETTLED, STATUS_OK, ERROR, "xx", 200, false, FAILED_2, NULL},
    {MERGE_KEYED, ALL, STATUS_OK, ERROR, "2x", 200, false,
     "failed; total=2; ok=1; failed=1; skipped=0", NULL},
    /* Other merges. */
    {MERGE_ARRAY, ALL, STATUS_STRICT, ERROR, "2X", 200, false, PARTIAL_2, NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_STRICT, ERROR, "xx", 200, false, FAILED_2, NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_STRICT, ERROR, "24", 200, false, PARTIAL_2, NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_WORST, ERROR, "24", 404, false, PARTIAL_2, NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_WORST, ERROR, "2w", 504, false,
     "failed; total=2; ok=1; failed=1; skipped=0", NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_STRICT, ERROR, "ww", 200, false, FAILED_2, NULL},
    {MERGE_ENVELOPE, SETTLED, STATUS_MULTI, ERROR, "2x", 200, false, PARTIAL_2, NULL},
    {MERGE_RAW, ALL, STATUS_STRICT, ERROR, "c", 201, false, NULL, NULL},
    {MERGE_RAW, ALL, STATUS_STRICT, ERROR, "0", 204, false, NULL, NULL},
    {MERGE_RAW, ALL, STATUS_STRICT, ERROR, "4", 404, false, NULL, NULL},
    {MERGE_RAW, ALL, STATUS_STRICT, ERROR, "x", 502, true, NULL, REFUSED "a: "},
    {MERGE_RAW, ALL, STATUS_OK, ERROR, "x", 502, true, NULL, REFUSED "a: "},
    {MERGE_RAW, ALL, STATUS_STRICT, ERROR, "w", 504, true, NULL,
     "gatherd; error=http_response_timeout; "},
};

static struct outcome outcome_for(char letter)
{
    switch (letter) {
    case '2':
        return reply(200, JSON_HEAD, "{\"v\":2}");
    case 'c':
        return reply(201, JSON_HEAD, "{\"v\":1}");
    case '0':
        return reply(204, "", "");
    case '4':
        return reply(404, JSON_HEAD, "{\"v\":4}");
    case 'b':
        return failure(OUTCOME_CONNECTION_LIMIT);
    default:
        return failure(OUTCOME_CONNECTION_REFUSED);
    }
}

static void run_case(struct fixture *fixture, const struct answer_case *row)
{
    fixture_prepare(fixture, row->merge, row->policy, strlen(row->parts));
    fixture->batch.status = row->rule;
    fixture->batch.on_timeout = row->on_timeout;
    for (size_t i = 0; row->parts[i]; i++)
        fixture->requests[i].optional = row->parts[i] == 'X';
    fixture_begin(fixture);
    for (size_t i = 0; row->parts[i]; i++) {
        if (row->parts[i] != 'w')
            settle(fixture, i, outcome_for(row->parts[i]));
    }
    job_expire(&fixture->job, 61000); /* of use only where something never ends */
}

static void statuses_follow_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answer_cases / sizeof *answer_cases; i++) {
        const struct answer_case *row = &answer_cases[i];
        struct fixture fixture;
        run_case(&fixture, row);
        struct answer *answer = answer_from_job(&fixture.job);
        check_answer(answer);
        if (answer->status != row->status)
            fail_msg("row %zu: status %u", i, answer->status);
        const char *type = header_get(&answer->headers, "Content-Type");
        assert_int_equal(type && strcmp(type, "application/problem+json") == 0, row->problem);
        assert_header(answer, "Aggregate-Status", row->aggregate);
        assert_int_equal(header_get(&answer->headers, "Server-Timing") != NULL,
                         row->aggregate != NULL);
        const char *proxy = header_get(&answer->headers, "Proxy-Status");
        assert_int_equal(proxy != NULL, row->proxy != NULL);
        if (proxy)
            assert_memory_equal(proxy, row->proxy, strlen(row->proxy));
        assert_header(answer, "Retry-After", row->status == 503 ? "1" : NULL);
        answer_free(answer);
        fixture_done(&fixture);
    }
}

static void ok_still_shows_what_there_is(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 3);
    fixture.batch.status = STATUS_OK;
    fixture.batch.meta = META_NEVER;
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "1");
    settle_json(&fixture, 1, NULL);
    struct answer *answer = answer_from_job(&fixture.job);
    check_answer(answer);
    assert_int_equal(answer->status, 200);
    assert_json_is(answer->body, answer->body_len, "{\"a\":1,\"b\":null,\"c\":null}");
    answer_free(answer);
    fixture_done(&fixture);
}

static void a_conflict_is_a_problem(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_SHALLOW, POLICY_ALL, 2);
    fixture.batch.conflict = CONFLICT_ERROR;
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "{\"k\":1}");
    settle_json(&fixture, 1, "{\"k\":2}");
    struct answer *answer = answer_from_job(&fixture.job);
    check_answer(answer);
    assert_int_equal(answer->status, 502);
    assert_json_is(answer->body, answer->body_len,
                   "{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502,\"detail\":"
                   "\"request \\\"b\\\": two upstreams answered with the same key\",\"errors\":["
                   "{\"id\":\"b\",\"pointer\":\"/requests/1\",\"code\":\"merge_conflict\","
                   "\"status\":502,\"detail\":\"two upstreams answered with the same key: /k, "
                   "which \\\"a\\\" has too\","
                   "\"upstreamStatus\":200,\"attempts\":1,\"elapsedMs\":12.345}]}");
    assert_header(answer, "Aggregate-Status", "failed; total=2; ok=1; failed=1; skipped=0");
    answer_free(answer);
    fixture_done(&fixture);
}

static void merged_replies_are_limited_at_the_edge(void **state)
{
    (void)state;
    static const int merges[] = {MERGE_KEYED, MERGE_SHALLOW};
    static const size_t edges[] = {13, 7}; /* {"a":{"v":2}} and {"v":2} */
    for (size_t i = 0; i < 4; i++) {
        struct fixture fixture;
        size_t limit = edges[i / 2] - i % 2;
        fixture_prepare(&fixture, merges[i / 2], POLICY_ALL, 1);
        fixture.config.limits.merged = limit;
        fixture_begin(&fixture);
        settle(&fixture, 0, outcome_for('2'));
        struct answer *answer = answer_from_job(&fixture.job);
        check_answer(answer);
        assert_int_equal(answer->status, i % 2 == 0 ? 200 : 502);
        if (i % 2 == 0)
            assert_int_equal(answer->body_len, limit);
        answer_free(answer);
        fixture_done(&fixture);
    }
}

static void single_bodies_are_moved(void **state)
{
    (void)state;
    static const struct {
        int merge;
        const char *body, *expected;
        bool moved;
    } cases[] = {
        {MERGE_RAW, "anything", "anything", true},
        {MERGE_SHALLOW, "{\"x\": 1}\n", "{\"x\": 1}", true},
        {MERGE_CONCAT, "[ 1 ]", "[ 1 ]", true},
        {MERGE_CONCAT, " [1]", "[1]", false},
        {MERGE_SHALLOW, "", "{}", false},
        {MERGE_ARRAY, "[1]", "[[1]]", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_prepare(&fixture, cases[i].merge, POLICY_ALL, 1);
        fixture_begin(&fixture);
        struct outcome outcome = reply(200, "", cases[i].body);
        const char *body = outcome.body;
        settle(&fixture, 0, outcome);
        struct answer *answer = answer_from_job(&fixture.job);
        assert_int_equal(answer->body == body, cases[i].moved);
        assert_int_equal(answer->body_len, strlen(cases[i].expected));
        assert_memory_equal(answer->body, cases[i].expected, answer->body_len);
        answer_free(answer);
        fixture_done(&fixture);
    }
}

static void raw_passes_headers_on(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_RAW, POLICY_ALL, 1);
    fixture_begin(&fixture);
    settle(&fixture, 0,
           reply(503,
                 "Content-Type: text/plain\r\nETag: \"1\"\r\nLink: <a>\r\nLink: <b>\r\n"
                 "Connection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 4\r\n"
                 "Content-Encoding: br\r\nSet-Cookie: s\r\nDate: now\r\nServer: s\r\nVia: v\r\n"
                 "Access-Control-Allow-Origin: *\r\nBad Name: 1\r\nBad-Value: a\x01\r\n"
                 "Retry-After: 30\r\nCache-Control: max-age=5\r\n",
                 "busy"));
    struct answer *answer = answer_from_job(&fixture.job);
    check_answer(answer);
    assert_int_equal(answer->status, 503);
    static const struct header expected[] = {
        {"Content-Type", "text/plain"},
        {"ETag", "\"1\""},
        {"Link", "<a>"},
        {"Link", "<b>"},
        {"Content-Encoding", "br"},
        {"Retry-After", "30"},
        {"Cache-Control", "max-age=5"},
    };
    assert_int_equal(answer->headers.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < answer->headers.count; i++) {
        assert_string_equal(answer->headers.items[i].name, expected[i].name);
        assert_string_equal(answer->headers.items[i].value, expected[i].value);
    }
    answer_free(answer);
    fixture_done(&fixture);
}

/* The header without what merging took, which is the clock's: "_merge;dur=N, _total;dur=N". */
static void assert_timing(const struct answer *answer, const char *parts)
{
    const char *value = header_get(&answer->headers, "Server-Timing");
    unsigned whole;
    unsigned tenths;
    int used = 0;
    assert_non_null(value);
    assert_memory_equal(value, parts, strlen(parts));
    value += strlen(parts);
    assert_int_equal(sscanf(value, "_merge;dur=%u.%1u%n", &whole, &tenths, &used), 2);
    value += used;
    assert_int_equal(sscanf(value, ", _total;dur=%u.%1u%n", &whole, &tenths, &used), 2);
    assert_true(whole >= 4);
    assert_int_equal(value[used], '\0');
}

static void durations_have_one_decimal(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL_SETTLED, 5);
    fixture_begin(&fixture);
    static const usec_t elapsed[] = {49, 50, 301000, 999950, 12345678};
    for (size_t i = 0; i < 5; i++) {
        struct outcome outcome = i == 3 ? failure(OUTCOME_CONNECTION_TIMEOUT) : outcome_for('2');
        outcome.elapsed = elapsed[i];
        settle(&fixture, i, outcome);
    }
    struct answer *answer = answer_from_job(&fixture.job);
    assert_timing(answer, "a;dur=0.0, b;dur=0.1, c;dur=301.0, "
                          "d;dur=1000.0;desc=\"connection_timeout\", e;dur=12345.7, ");
    answer_free(answer);
    fixture_done(&fixture);
}

static void server_timing_is_cut_at_a_part(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL_SETTLED, FIXTURE_REQUESTS);
    fixture_begin(&fixture);
    for (size_t i = 0; i < FIXTURE_REQUESTS; i++) {
        snprintf(fixture.ids[i], sizeof fixture.ids[i], "%064zu", i);
        settle_json(&fixture, i, i == 0 ? "1" : NULL);
    }
    struct answer *answer = answer_from_job(&fixture.job);
    check_answer(answer);
    const char *value = header_get(&answer->headers, "Server-Timing");
    size_t len = strlen(value);
    assert_true(len <= SERVER_TIMING_MAX);
    assert_true(len > SERVER_TIMING_MAX - 300); /* one part more would have been too much */
    assert_non_null(strstr(value, "\", _merge;dur="));
    assert_non_null(strstr(value, ", _total;dur="));
    assert_header(answer, "Aggregate-Status", "partial; total=64; ok=1; failed=63; skipped=0");
    answer_free(answer);
    fixture_done(&fixture);
}

static void faults_rank_their_status(void **state)
{
    (void)state;
    static const struct {
        unsigned statuses[3];
        size_t count;
        unsigned expected;
        const char *detail;
    } cases[] = {
        {{400}, 1, 400, "\"detail\":\"is wrong\""},
        {{403}, 1, 403, "\"detail\":\"is wrong\""},
        {{403, 400, 403}, 3, 400, "\"detail\":\"3 things are wrong with the request\""},
        {{413, 403, 400}, 3, 413, "3 things"},
        {{403, 413, 400}, 9, 413, "9 things"}, /* the count knows of those beyond the cap */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault list[3];
        struct faults faults = {.first = list, .count = cases[i].count, .most = 3};
        size_t kept = cases[i].count < 3 ? cases[i].count : 3;
        for (size_t k = 0; k < kept; k++)
            list[k] = (struct fault){"/requests", "is wrong", cases[i].statuses[k],
                                     k + 1 < kept ? &list[k + 1] : NULL};
        struct answer *answer = answer_from_faults(&faults);
        check_answer(answer);
        assert_int_equal(answer->status, cases[i].expected);
        char *text = mem_copy(answer->body, answer->body_len);
        assert_non_null(strstr(text, cases[i].detail));
        assert_non_null(strstr(text, "\"errors\":[{\"pointer\":\"/requests\""));
        free(text);
        answer_free(answer);
    }
}

static void problems_stand_alone(void **state)
{
    (void)state;
    struct answer *answer = answer_problem(503, "no more \"room\"");
    check_answer(answer);
    assert_json_is(answer->body, answer->body_len,
                   "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                   "\"detail\":\"no more \\\"room\\\"\"}");
    assert_header(answer, "Content-Type", "application/problem+json");
    assert_header(answer, "Cache-Control", "no-store");
    assert_header(answer, "Retry-After", "1");
    char name[] = "Allow";
    char value[] = "GET";
    answer_add_header(answer, name, value);
    name[0] = value[0] = '!'; /* copies were made */
    assert_header(answer, "Allow", "GET");
    assert_null(answer_free(answer));
    assert_null(answer_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_follow_the_rules),
        cmocka_unit_test(ok_still_shows_what_there_is),
        cmocka_unit_test(a_conflict_is_a_problem),
        cmocka_unit_test(merged_replies_are_limited_at_the_edge),
        cmocka_unit_test(single_bodies_are_moved),
        cmocka_unit_test(raw_passes_headers_on),
        cmocka_unit_test(durations_have_one_decimal),
        cmocka_unit_test(server_timing_is_cut_at_a_part),
        cmocka_unit_test(faults_rank_their_status),
        cmocka_unit_test(problems_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
