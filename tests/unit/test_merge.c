/* keyed, array, concat; `_meta`; the buffer. Objects: test_merge_object.c; envelopes:
 * test_merge_envelope.c. */
#include "unit/job_fixture.h"

#include "core/merge.h"

#define REFUSED(id, index)                                                                         \
    "{\"id\":\"" id "\",\"pointer\":\"/requests/" index "\",\"code\":\"connection_refused\","      \
    "\"status\":502,\"detail\":\"the upstream refused the connection\",\"attempts\":2,"            \
    "\"elapsedMs\":0.25}"
#define META(total, ok, failed, errors)                                                            \
    "\"_meta\":{\"partial\":true,\"total\":" total ",\"ok\":" ok ",\"failed\":" failed             \
    ",\"skipped\":0,\"errors\":[" errors "]}"

struct merge_case {
    int merge, meta;
    const char *bodies[4]; /* JSON, "" an empty body, "!" a failure, NULL no more parts */
    const char *fallback;  /* of the failed parts, or NULL */
    const char *expected;
};

static const struct merge_case merge_cases[] = {
    {MERGE_KEYED, META_AUTO, {"1"}, NULL, "{\"a\":1}"},
    {MERGE_KEYED,
     META_AUTO,
     {" {\"x\": 1e400} ", "[ ]", "\"\\u00e9\\/\""},
     NULL,
     "{\"a\":{\"x\": 1e400},\"b\":[ ],\"c\":\"\\u00e9\\/\"}"},
    {MERGE_KEYED,
     META_AUTO,
     {"{\"k\":1,\"k\":2}", "-0", "18446744073709551616"},
     NULL,
     "{\"a\":{\"k\":1,\"k\":2},\"b\":-0,\"c\":18446744073709551616}"},
    {MERGE_KEYED, META_AUTO, {"", "null"}, NULL, "{\"a\":null,\"b\":null}"},
    {MERGE_KEYED,
     META_AUTO,
     {"1", "!"},
     NULL,
     "{\"a\":1,\"b\":null," META("2", "1", "1", REFUSED("b", "1")) "}"},
    {MERGE_KEYED,
     META_AUTO,
     {"!", "1", "!"},
     "[]",
     "{\"a\":[],\"b\":1,\"c\":[]," META("3", "1", "2",
                                        REFUSED("a", "0") "," REFUSED("c", "2")) "}"},
    {MERGE_KEYED, META_NEVER, {"1", "!"}, NULL, "{\"a\":1,\"b\":null}"},
    {MERGE_KEYED,
     META_ALWAYS,
     {"1"},
     NULL,
     "{\"a\":1,\"_meta\":{\"partial\":false,\"total\":1,\"ok\":1,\"failed\":0,\"skipped\":0,"
     "\"errors\":[]}}"},
    {MERGE_ARRAY, META_AUTO, {"1", "", "{}"}, NULL, "[1,null,{}]"},
    {MERGE_ARRAY, META_ALWAYS, {"1", "!"}, NULL, "[1,null]"},
    {MERGE_ARRAY, META_AUTO, {"!", "1"}, "{\"d\":0}", "[{\"d\":0},1]"},
    {MERGE_CONCAT, META_AUTO, {"[1,2]", "[]", "[3]"}, NULL, "[1,2,3]"},
    {MERGE_CONCAT, META_AUTO, {"[ ]", "[ 1 , 2 ]", " [\n] "}, NULL, "[ 1 , 2 ]"},
    {MERGE_CONCAT, META_AUTO, {"[[1],[2]]", "", "!"}, NULL, "[[1],[2]]"},
    {MERGE_CONCAT, META_ALWAYS, {"!", "[\"x\"]"}, "[0]", "[0,\"x\"]"},
    {MERGE_CONCAT, META_AUTO, {"!", "[\"x\"]"}, "{}", "[\"x\"]"},
    {MERGE_CONCAT, META_AUTO, {"", ""}, NULL, "[]"},
};

/* Part by part; the job is complete afterwards. */
static void begin_case(struct fixture *fixture, const struct merge_case *row)
{
    size_t count = 0;
    while (count < 4 && row->bodies[count])
        count++;
    fixture_prepare(fixture, row->merge, POLICY_ALL_SETTLED, count);
    fixture->batch.meta = row->meta;
    for (size_t i = 0; i < count && row->fallback; i++)
        fixture_default(fixture, i, row->fallback);
    fixture_begin(fixture);
    for (size_t i = 0; i < count; i++)
        settle_json(fixture, i, row->bodies[i][0] == '!' ? NULL : row->bodies[i]);
    assert_true(fixture->job.complete);
}

static void merges_give_exact_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof merge_cases / sizeof *merge_cases; i++) {
        struct fixture fixture;
        struct buffer out;
        struct merge_refusal refusal = {NULL, NULL, NULL};
        begin_case(&fixture, &merge_cases[i]);
        buffer_init(&out, 1 << 20);
        assert_int_equal(merge_write(&fixture.job, &out, &refusal), OUTCOME_NONE);
        assert_int_equal(buffer_status(&out), 0);
        assert_json_is(out.data, out.len, merge_cases[i].expected);
        buffer_done(&out);
        fixture_done(&fixture);
    }
}

static void the_limit_holds_at_its_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof merge_cases / sizeof *merge_cases; i++) {
        size_t len = strlen(merge_cases[i].expected);
        for (size_t max = len - 1; max <= len; max++) {
            struct fixture fixture;
            struct buffer out;
            struct merge_refusal refusal = {NULL, NULL, NULL};
            begin_case(&fixture, &merge_cases[i]);
            buffer_init(&out, max);
            assert_int_equal(merge_write(&fixture.job, &out, &refusal), OUTCOME_NONE);
            assert_int_equal(buffer_status(&out), max == len ? 0 : BUFFER_FULL);
            buffer_done(&out);
            fixture_done(&fixture);
        }
    }
}

static void skipped_parts_are_null_and_not_partial(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 3);
    fixture.batch.meta = META_NEVER;
    fixture_begin(&fixture);
    assert_false(merge_is_partial(&fixture.job));
    settle_json(&fixture, 0, "1");
    settle_json(&fixture, 1, NULL);
    assert_int_equal(fixture.job.skipped, 1);
    assert_true(merge_is_partial(&fixture.job));
    buffer_init(&out, 1000);
    merge_write(&fixture.job, &out, &refusal);
    assert_json_is(out.data, out.len, "{\"a\":1,\"b\":null,\"c\":null}");
    buffer_done(&out);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_give_exact_bytes),
        cmocka_unit_test(the_limit_holds_at_its_edge),
        cmocka_unit_test(skipped_parts_are_null_and_not_partial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
