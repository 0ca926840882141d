/* passHeaders: what may be written, and what goes out. */
#include "unit/job_fixture.h"

#include "core/answer.h"
#include "core/pass_headers.h"
#include "core/yaml.h"

/* Reads `yaml` as the passHeaders of the batch, whose requests are "a" and "b". */
static void read_into(struct fixture *fixture, const char *yaml, struct faults *faults)
{
    faults_init(faults, fixture->arena, 5);
    fixture->batch.pass_node = yaml_parse(fixture->arena, "f", yaml, strlen(yaml), faults);
    assert_false(faults_any(faults));
    pass_headers_read(&fixture->batch, fixture->arena, faults);
}

static void what_may_be_written(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *place, *fault; /* NULL: none */
    } cases[] = {
        {"{a: etag}", NULL, NULL},
        {"{b: [ETag, X-Total], a: [Link]}", NULL, NULL},
        {"{a: []}", NULL, NULL},
        {"{}", NULL, NULL},
        {"[etag]", "f:1:1", "a map of ids and field names, not a list"},
        {"{c: etag}", "f:1:2", "there is no request \"c\""},
        {"{a: 5}", "f:1:5", "a string, not a number"},
        {"{a: [etag, {}]}", "f:1:12", "a string, not a map"},
        {"{a: 'x y'}", "f:1:5", "not a field name"},
        {"{a: ''}", "f:1:5", "not a field name"},
        {"{a: [etag, ETAG]}", "f:1:12", "ETAG is given twice"},
        {"{a: Set-Cookie}", "f:1:5", "Set-Cookie is never passed on"},
        {"{a: content-length}", "f:1:5", "never passed on"},
        {"{a: Transfer-Encoding}", "f:1:5", "never passed on"},
        {"{a: connection}", "f:1:5", "never passed on"},
        {"{a: content-type}", "f:1:5", "never passed on"},
        {"{a: Content-Encoding}", "f:1:5", "never passed on"},
        {"{a: cache-control}", "f:1:5", "never passed on"},
        {"{a: vary}", "f:1:5", "never passed on"},
        {"{a: age}", "f:1:5", "never passed on"},
        {"{a: Server-Timing}", "f:1:5", "never passed on"},
        {"{a: aggregate-status}", "f:1:5", "never passed on"},
        {"{a: Proxy-Status}", "f:1:5", "never passed on"},
        {"{a: retry-after}", "f:1:5", "never passed on"},
        {"{a: access-control-allow-origin}", "f:1:5", "never passed on"},
        {"{a: Date}", "f:1:5", "never passed on"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct faults faults;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 2);
        read_into(&fixture, cases[i].yaml, &faults);
        assert_int_equal(faults.count, cases[i].fault ? 1 : 0);
        if (cases[i].fault) {
            assert_string_equal(faults.first->place, cases[i].place);
            if (!strstr(faults.first->text, cases[i].fault))
                fail_msg("%s: %s", cases[i].yaml, faults.first->text);
        }
        fixture_done(&fixture);
    }
}

static void there_is_a_limit(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct fixture fixture;
        struct faults faults;
        struct buffer yaml scope_buffer;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 2);
        buffer_init(&yaml, 10000);
        buffer_string(&yaml, "{b: x, a: [");
        for (size_t i = 0; i < PASS_HEADERS_MAX - 1 + extra; i++)
            buffer_printf(&yaml, "X-%zu, ", i);
        buffer_append(&yaml, "]}", 3);
        read_into(&fixture, yaml.data, &faults);
        assert_int_equal(faults.count, extra);
        assert_int_equal(fixture.batch.pass.count, extra ? 0 : PASS_HEADERS_MAX);
        fixture_done(&fixture);
    }
}

static void raw_needs_none(void **state)
{
    (void)state;
    struct fixture fixture;
    struct faults faults;
    fixture_prepare(&fixture, MERGE_RAW, POLICY_ALL, 1);
    read_into(&fixture, "{a: etag}", &faults);
    assert_int_equal(faults.count, 1);
    assert_non_null(strstr(faults.first->text, "merge: raw"));
    fixture_done(&fixture);
}

static void what_goes_out(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *heads[2]; /* NULL: a failure */
        const char *name, *value;
    } cases[] = {
        {"{a: x-total}", {"X-Total: 7\r\n", ""}, "X-Total", "7"},
        {"{a: x-total}", {"", "X-Total: 7\r\n"}, "X-Total", NULL},
        {"{a: x-total}", {"X-Total:\r\n", ""}, "X-Total", NULL},
        {"{a: x-total}", {"X-Total: \x01\r\n", ""}, "X-Total", NULL},
        {"{a: x-total}", {"X-Total: 7\r\nConnection: x-total\r\n", ""}, "X-Total", NULL},
        /* Two have it: declared order, whatever the order here. */
        {"{b: x, a: x}", {"X: 1\r\n", "X: 2\r\n"}, "X", "1"},
        {"{b: x, a: x}", {NULL, "X: 2\r\n"}, "X", "2"},
        {"{b: x, a: x}", {"X: 1\r\nX: 3\r\n", "X: 2\r\n"}, "X", "1"},
        {"{b: link, a: LINK}",
         {"Link: <1>\r\nlink: <3>\r\n", "Link: <2>\r\n"},
         "Link",
         "<1>, <3>, <2>"},
        {"{b: etag, a: etag}", {"ETag: \"1\"\r\n", "ETag: \"2\"\r\n"}, "ETag", "\"1\""},
        /* Not named, not passed. */
        {"{a: x}", {"X: 1\r\nY: 2\r\n", "Y: 3\r\n"}, "Y", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct faults faults;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL_SETTLED, 2);
        read_into(&fixture, cases[i].yaml, &faults);
        fixture_begin(&fixture);
        for (size_t k = 0; k < 2; k++) {
            const char *head = cases[i].heads[k];
            settle(&fixture, k, head ? reply(200, head, "1") : failure(OUTCOME_DNS_ERROR));
        }
        struct answer *answer = answer_from_job(&fixture.job);
        fixture_done(&fixture); /* the reply outlives its job and the batch */
        const char *value = header_get(&answer->headers, cases[i].name);
        if ((value != NULL) != (cases[i].value != NULL) ||
            (value && strcmp(value, cases[i].value) != 0))
            fail_msg("row %zu: %s", i, value ? value : "-");
        answer_free(answer);
    }
}

static void problems_carry_none(void **state)
{
    (void)state;
    struct fixture fixture;
    struct faults faults;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 2);
    read_into(&fixture, "{a: x}", &faults);
    fixture_begin(&fixture);
    settle(&fixture, 0, reply(200, "X: 1\r\n", "1"));
    settle(&fixture, 1, failure(OUTCOME_DNS_ERROR));
    struct answer *answer = answer_from_job(&fixture.job);
    assert_null(header_get(&answer->headers, "X"));
    answer_free(answer);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_written), cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(raw_needs_none),      cmocka_unit_test(what_goes_out),
        cmocka_unit_test(problems_carry_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
