/* Cache-Control and Vary of merged replies. */
#include "unit/job_fixture.h"

#include "core/answer.h"
#include "core/answer_cache.h"

#define CACHE(value)  "Cache-Control: " value "\r\n"
#define AUTHORIZED    1
#define FORWARDS_AUTH 2

struct cache_case {
    const char *heads[2]; /* of both parts' replies; NULL: refused */
    const char *methods[2];
    int how; /* 0, or how the first part is authorized */
    const char *control, *vary;
};

static const struct cache_case cache_cases[] = {
    {{CACHE("max-age=60"), CACHE("max-age=30")}, {"GET", "HEAD"}, 0, "max-age=30", NULL},
    {{CACHE("max-age=60") "Age: 50\r\n", CACHE("max-age=30")},
     {"GET", "GET"},
     0,
     "max-age=10",
     NULL},
    {{CACHE("max-age=60") "age: x\r\n", CACHE("max-age=30")},
     {"GET", "GET"},
     0,
     "max-age=30",
     NULL},
    {{CACHE("max-age=60") "Age: 50\r\nAge: 1\r\n", CACHE("max-age=30")},
     {"GET", "GET"},
     0,
     "max-age=10",
     NULL},
    {{CACHE("max-age=60") CACHE("private"), CACHE("max-age=30")},
     {"GET", "GET"},
     0,
     "private, max-age=30",
     NULL},
    {{CACHE("max-age=60"), ""}, {"GET", "GET"}, 0, "no-store", NULL},
    {{"Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\n", CACHE("max-age=60")},
     {"GET", "GET"},
     0,
     "no-store",
     NULL},
    {{CACHE("max-age=60"), CACHE("no-store")}, {"GET", "GET"}, 0, "no-store", NULL},
    {{CACHE("max-age=60"), CACHE("max-age=60")}, {"GET", "POST"}, 0, "no-store", NULL},
    {{CACHE("max-age=60"), NULL}, {"GET", "GET"}, 0, "no-store", NULL},
    {{CACHE("max-age=60"), CACHE("no-cache")}, {"GET", "GET"}, 0, "no-cache", NULL},
    {{CACHE("max-age=60"), CACHE("max-age=60")},
     {"GET", "GET"},
     AUTHORIZED,
     "private, max-age=60",
     NULL},
    {{CACHE("max-age=60"), CACHE("max-age=60")},
     {"GET", "GET"},
     FORWARDS_AUTH,
     "private, max-age=60",
     NULL},
    {{CACHE("public, max-age=60"), CACHE("max-age=60")},
     {"GET", "GET"},
     AUTHORIZED,
     "max-age=60",
     NULL},
    /* Only what the client can change is of interest in Vary. */
    {{CACHE("max-age=9") "Vary: Accept-Language, X-Ours\r\n", CACHE("max-age=9")},
     {"GET", "GET"},
     0,
     "max-age=9",
     "accept-language"},
    {{CACHE("max-age=9") "Vary: X-Ours\r\nVary: cookie, Accept-Encoding\r\n",
      CACHE("max-age=9") "Vary: Cookie, accept-language\r\n"},
     {"GET", "GET"},
     0,
     "max-age=9",
     "Cookie, accept-language"},
    {{CACHE("max-age=9") "Vary: X-Ours\r\n", CACHE("max-age=9")},
     {"GET", "GET"},
     0,
     "max-age=9",
     NULL},
    {{CACHE("max-age=9") "Vary: a, *\r\n", CACHE("max-age=9")},
     {"GET", "GET"},
     0,
     "no-store",
     NULL},
};

static void run(struct fixture *fixture, const struct cache_case *row)
{
    static const char *forwarded[] = {"accept-language", "Cookie", "Accept-Encoding",
                                      "authorization"};
    fixture_prepare(fixture, MERGE_KEYED, POLICY_ALL_SETTLED, 2);
    for (size_t i = 0; i < 2; i++) {
        fixture->requests[i].method = row->methods[i];
        fixture->requests[i].forward_headers =
            (struct strings){forwarded, row->how == FORWARDS_AUTH ? 4 : 3};
    }
    if (row->how == AUTHORIZED)
        header_add(fixture->arena, &fixture->requests[0].headers, "authorization", "Basic eA==");
    fixture_begin(fixture);
    for (size_t i = 0; i < 2; i++)
        settle(fixture, i,
               row->heads[i] ? reply(200, row->heads[i], "1")
                             : failure(OUTCOME_CONNECTION_REFUSED));
}

static void parts_limit_the_reply(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cache_cases / sizeof *cache_cases; i++) {
        const struct cache_case *row = &cache_cases[i];
        struct fixture fixture;
        run(&fixture, row);
        struct answer *answer = answer_from_job(&fixture.job);
        const char *control = header_get(&answer->headers, "Cache-Control");
        const char *vary = header_get(&answer->headers, "Vary");
        if (strcmp(control, row->control) != 0 || (vary != NULL) != (row->vary != NULL) ||
            (vary && strcmp(vary, row->vary) != 0))
            fail_msg("row %zu: %s, %s", i, control, vary ? vary : "-");
        answer_free(answer);
        fixture_done(&fixture);
    }
}

static void parts_not_needed_do_not_count(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ANY, 2);
    fixture.batch.at_least = 1;
    fixture.requests[1].method = "GET";
    fixture_begin(&fixture);
    assert_true(settle(&fixture, 1, reply(200, CACHE("max-age=60"), "1")));
    struct answer *answer = answer_from_job(&fixture.job);
    assert_string_equal(header_get(&answer->headers, "Cache-Control"), "max-age=60");
    answer_free(answer);
    fixture_done(&fixture);
}

static void waiting_counts_as_age(void **state)
{
    (void)state;
    struct fixture fixture;
    struct header_list headers = {0};
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
    fixture.requests[0].method = "GET";
    fixture_begin(&fixture);
    settle(&fixture, 0, reply(200, CACHE("max-age=60"), "1"));
    fixture.job.ended = fixture.job.started + 7 * USEC_PER_SEC - 1;
    answer_cache_headers(fixture.arena, &headers, &fixture.job);
    assert_string_equal(header_get(&headers, "Cache-Control"), "max-age=54");
    fixture_done(&fixture);
}

static void ranges_are_not_stored(void **state)
{
    (void)state;
    struct fixture fixture;
    struct header_list headers = {0};
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
    fixture.requests[0].method = "GET";
    fixture_begin(&fixture);
    settle(&fixture, 0, reply(206, CACHE("max-age=60"), "1"));
    answer_cache_headers(fixture.arena, &headers, &fixture.job);
    assert_null(header_get(&headers, "Cache-Control"));
    fixture_done(&fixture);
}

/* Which replies may be tagged, and by whom. */
static void tags(void **state)
{
    (void)state;
    static const struct {
        int merge, policy;
        int etag;
        bool stored;          /* the parts say how long */
        unsigned statuses[2]; /* 0: refused */
        enum answer_tag tag;
    } cases[] = {
        {MERGE_KEYED, POLICY_ALL, ETAG_AUTO, true, {200, 200}, TAG_BODY},
        {MERGE_KEYED, POLICY_ALL, ETAG_AUTO, true, {200, 201}, TAG_BODY},
        {MERGE_KEYED, POLICY_ALL, ETAG_AUTO, false, {200, 200}, TAG_UPSTREAMS},
        {MERGE_KEYED, POLICY_ALL, ETAG_ALWAYS, false, {200, 200}, TAG_BODY},
        {MERGE_KEYED, POLICY_ALL, ETAG_OFF, true, {200, 200}, TAG_NONE},
        {MERGE_KEYED, POLICY_ALL_SETTLED, ETAG_ALWAYS, true, {200, 0}, TAG_NONE},
        {MERGE_KEYED, POLICY_ALL, ETAG_ALWAYS, true, {200, 0}, TAG_NONE},
        {MERGE_ENVELOPE, POLICY_ALL_SETTLED, ETAG_ALWAYS, true, {200, 200}, TAG_NONE},
        {MERGE_RAW, POLICY_ALL, ETAG_AUTO, false, {200, 0}, TAG_UPSTREAMS},
        {MERGE_RAW, POLICY_ALL, ETAG_AUTO, true, {201, 0}, TAG_NONE},
        {MERGE_RAW, POLICY_ALL, ETAG_OFF, true, {200, 0}, TAG_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        size_t count = cases[i].merge == MERGE_RAW ? 1 : 2;
        fixture_prepare(&fixture, cases[i].merge, cases[i].policy, count);
        const char *head = cases[i].stored ? "Cache-Control: max-age=60\r\n" : "";
        fixture.batch.etag = cases[i].etag;
        fixture_begin(&fixture);
        for (size_t k = 0; k < count; k++) {
            fixture.requests[k].method = "GET";
            settle(&fixture, k,
                   cases[i].statuses[k] ? reply(cases[i].statuses[k], head, "1")
                                        : failure(OUTCOME_CONNECTION_REFUSED));
        }
        struct answer *answer = answer_from_job(&fixture.job);
        if (answer->tag != cases[i].tag)
            fail_msg("row %zu", i);
        answer_free(answer);
        fixture_done(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_limit_the_reply),
        cmocka_unit_test(parts_not_needed_do_not_count),
        cmocka_unit_test(waiting_counts_as_age),
        cmocka_unit_test(ranges_are_not_stored),
        cmocka_unit_test(tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
