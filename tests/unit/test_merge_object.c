/* Shallow merges: conflicts, order, duplicates, `_meta`, many keys. */
#include "unit/job_fixture.h"

#include <stdio.h>

#include "core/merge.h"

struct object_case {
    int conflict;
    const char *bodies[4]; /* "!" a failure, NULL no more parts */
    const char *expected;  /* NULL: a conflict ... */
    size_t conflicting;    /* ... that shows at this part */
};

static const struct object_case object_cases[] = {
    {CONFLICT_LAST, {"{\"a\":1}"}, "{\"a\":1}", 0},
    {CONFLICT_LAST, {"{ \"a\" : 1 }", ""}, "{ \"a\" : 1 }", 0},
    {CONFLICT_LAST, {"{}", "{ }"}, "{}", 0},
    {CONFLICT_LAST, {"{}", "{\"a\":1}", "{}"}, "{\"a\":1}", 0},
    {CONFLICT_LAST, {"{ \"a\" : 1 }", "{\"b\":[ 2 ]}"}, "{\"a\":1,\"b\":[ 2 ]}", 0},
    {CONFLICT_LAST, {"{\"a\":1,\"b\":2}", "{\"c\":3,\"a\":4}"}, "{\"a\":4,\"b\":2,\"c\":3}", 0},
    {CONFLICT_FIRST, {"{\"a\":1,\"b\":2}", "{\"c\":3,\"a\":4}"}, "{\"a\":1,\"b\":2,\"c\":3}", 0},
    {CONFLICT_ERROR, {"{\"a\":1,\"b\":2}", "{\"c\":3,\"a\":4}"}, NULL, 1},
    {CONFLICT_ERROR, {"{\"a\":1}", "{\"b\":2}", "{\"c\":3,\"b\":4}"}, NULL, 2},
    {CONFLICT_ERROR, {"{\"a\":1}", "{\"A\":2}"}, "{\"a\":1,\"A\":2}", 0},
    {CONFLICT_LAST, {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}"}, "{\"a\":3}", 0},
    {CONFLICT_FIRST, {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}"}, "{\"a\":1}", 0},
    /* Duplicates of one upstream stay where they are, unless another part wins. */
    {CONFLICT_LAST,
     {"{\"a\":1,\"b\":0,\"a\":2}", "{\"c\":3}"},
     "{\"a\":1,\"b\":0,\"a\":2,\"c\":3}",
     0},
    {CONFLICT_ERROR, {"{\"a\":1,\"a\":2}", "{\"c\":3}"}, "{\"a\":1,\"a\":2,\"c\":3}", 0},
    {CONFLICT_LAST, {"{\"a\":1,\"b\":0,\"a\":2}", "{\"a\":3}"}, "{\"a\":3,\"b\":0}", 0},
    {CONFLICT_LAST, {"{\"a\":1}", "{\"a\":2,\"b\":0,\"a\":3}"}, "{\"a\":2,\"b\":0,\"a\":3}", 0},
    {CONFLICT_LAST, {"{\"a\":1}", "{\"a\":2,\"a\":3}", "{\"a\":4}"}, "{\"a\":4}", 0},
    {CONFLICT_FIRST,
     {"{\"a\":1,\"a\":2}", "{\"a\":3,\"a\":4,\"b\":5}"},
     "{\"a\":1,\"a\":2,\"b\":5}",
     0},
    /* Keys are equal when what they stand for is; the winner's own bytes are shown. */
    {CONFLICT_LAST, {"{\"\\u0061\":1}", "{\"a\":2}"}, "{\"a\":2}", 0},
    {CONFLICT_LAST, {"{\"a\":1}", "{\"\\u0061\":2}"}, "{\"\\u0061\":2}", 0},
    {CONFLICT_ERROR, {"{\"\xC3\xA9\":1}", "{\"\\u00E9\":2}"}, NULL, 1},
    {CONFLICT_ERROR, {"{\"\xF0\x9F\x98\x80\":1}", "{\"\\ud83d\\uDE00\":2}"}, NULL, 1},
    {CONFLICT_ERROR, {"{\"\\ud800\":1}", "{\"\\ud800\":2}"}, "{\"\\ud800\":1,\"\\ud800\":2}", 0},
    {CONFLICT_ERROR, {"{\"\\ud800\":1}", "{\"\\ufffd\":2}"}, "{\"\\ud800\":1,\"\\ufffd\":2}", 0},
    {CONFLICT_ERROR, {"{\"\":1}", "{\"\":2}"}, NULL, 1},
    {CONFLICT_ERROR, {"{\"\\\"\":1}", "{\"\\u0022\":2}"}, NULL, 1},
    /* A failed part gives its default, which must be an object. */
    {CONFLICT_LAST, {"{\"a\":1}", "!"}, "{\"a\":1,\"d\":0}", 0},
};

static void begin_case(struct fixture *fixture, const char *const bodies[4], int conflict)
{
    size_t count = 0;
    while (count < 4 && bodies[count])
        count++;
    fixture_prepare(fixture, MERGE_SHALLOW, POLICY_ALL, count);
    fixture->batch.conflict = conflict;
    fixture->batch.meta = META_NEVER;
    for (size_t i = 0; i < count; i++)
        fixture_default(fixture, i, "{\"d\":0}");
    fixture_begin(fixture);
    for (size_t i = 0; i < count; i++)
        settle_json(fixture, i, bodies[i][0] == '!' ? NULL : bodies[i]);
    assert_true(fixture->job.complete);
}

static void conflicts_follow_declared_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof object_cases / sizeof *object_cases; i++) {
        const struct object_case *row = &object_cases[i];
        struct fixture fixture;
        struct buffer out;
        struct merge_refusal refusal = {NULL, NULL, NULL};
        begin_case(&fixture, row->bodies, row->conflict);
        buffer_init(&out, 4096);
        enum outcome_code code = merge_write(&fixture.job, &out, &refusal);
        assert_int_equal(code, row->expected ? OUTCOME_NONE : OUTCOME_MERGE_CONFLICT);
        if (row->expected)
            assert_json_is(out.data, out.len, row->expected);
        else
            assert_ptr_equal(refusal.part, &fixture.job.parts[row->conflicting]);
        buffer_done(&out);
        fixture_done(&fixture);
    }
}

static void arrival_does_not_matter(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    fixture_prepare(&fixture, MERGE_SHALLOW, POLICY_ALL, 2);
    fixture_begin(&fixture);
    settle_json(&fixture, 1, "{\"k\":\"second\"}");
    settle_json(&fixture, 0, "{\"k\":\"first\"}");
    buffer_init(&out, 100);
    merge_write(&fixture.job, &out, &refusal);
    assert_json_is(out.data, out.len, "{\"k\":\"second\"}");
    buffer_done(&out);
    fixture_done(&fixture);
}

#define ALL_OK                                                                                     \
    "\"_meta\":{\"partial\":false,\"total\":%d,\"ok\":%d,\"failed\":0,\"skipped\":0,\"errors\":[]" \
    "}"

static void an_upstreams_meta_stays(void **state)
{
    (void)state;
    static const struct {
        const char *bodies[4];
        const char *before; /* ours comes after it; NULL: theirs is all there is */
        const char *whole;
    } cases[] = {
        {{"{\"a\":1}"}, "{\"a\":1,", NULL},
        {{"{}"}, "{", NULL},
        {{"{\"a\":1}", "{\"b\":2}"}, "{\"a\":1,\"b\":2,", NULL},
        {{"{\"a\":1,\"_meta\":7,\"b\":2}"}, NULL, "{\"a\":1,\"_meta\":7,\"b\":2}"},
        {{"{\"\\u005fmeta\":7}"}, NULL, "{\"\\u005fmeta\":7}"},
        {{"{\"_meta\":7}", "{\"b\":2}"}, NULL, "{\"_meta\":7,\"b\":2}"},
        {{"{\"a\":1}", "{\"_meta\":[]}"}, NULL, "{\"a\":1,\"_meta\":[]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct buffer out;
        struct merge_refusal refusal = {NULL, NULL, NULL};
        char expected[256];
        begin_case(&fixture, cases[i].bodies, CONFLICT_LAST);
        fixture.batch.meta = META_ALWAYS;
        buffer_init(&out, 4096);
        merge_write(&fixture.job, &out, &refusal);
        int count = (int)fixture.job.count;
        if (cases[i].whole)
            snprintf(expected, sizeof expected, "%s", cases[i].whole);
        else
            snprintf(expected, sizeof expected, "%s" ALL_OK "}", cases[i].before, count, count);
        assert_json_is(out.data, out.len, expected);
        buffer_done(&out);
        fixture_done(&fixture);
    }
}

/* Two objects of `keys` members each, the second's shifted by half; as many lookups as
 * a table that did not grow or a list would never finish. */
static void many_keys_are_merged(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    struct fixture fixture;
    struct buffer bodies[2];
    struct buffer expected;
    struct buffer out;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    fixture_prepare(&fixture, MERGE_SHALLOW, POLICY_ALL, 2);
    fixture_begin(&fixture);
    for (int b = 0; b < 2; b++) {
        buffer_init(&bodies[b], 1 << 24);
        for (int i = 0; i < KEYS; i++)
            buffer_printf(&bodies[b], "%c\"k%d\":%d", i == 0 ? '{' : ',', i + b * KEYS / 2, b);
        buffer_byte(&bodies[b], '}');
        settle(&fixture, (size_t)b, reply_bytes(200, JSON_HEAD, bodies[b].data, bodies[b].len));
    }
    buffer_init(&expected, 1 << 24);
    for (int i = 0; i < KEYS + KEYS / 2; i++)
        buffer_printf(&expected, "%c\"k%d\":%d", i == 0 ? '{' : ',', i, i >= KEYS / 2);
    buffer_byte(&expected, '}');
    buffer_byte(&expected, '\0');
    buffer_init(&out, 1 << 24);
    assert_int_equal(merge_write(&fixture.job, &out, &refusal), OUTCOME_NONE);
    assert_json_is(out.data, out.len, expected.data);
    buffer_done(&out);
    buffer_done(&expected);
    buffer_done(&bodies[0]);
    buffer_done(&bodies[1]);
    fixture_done(&fixture);
}

static void check_refusal(int merge, const char *const bodies[4], enum outcome_code code,
                          const char *text)
{
    struct fixture fixture;
    struct buffer out;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    begin_case(&fixture, bodies, CONFLICT_ERROR);
    fixture.batch.merge = merge;
    buffer_init(&out, 4096);
    assert_int_equal(merge_write(&fixture.job, &out, &refusal), code);
    assert_string_equal(merge_refusal_text(&fixture.job, code, &refusal), text);
    buffer_done(&out);
    fixture_done(&fixture);
}

static void a_refusal_names_the_place(void **state)
{
    (void)state;
    static const struct {
        int merge;
        const char *bodies[4], *text;
    } rows[] = {
        {MERGE_SHALLOW, {"{\"a\":1}", "{\"b\":2}", "{\"c\":3,\"b\":4}"}, "/b, which \"b\" has too"},
        {MERGE_SHALLOW, {"{\"o\":{}}", "{ \"o\" : {\"x\":1} }"}, "/o, which \"a\" has too"},
        {MERGE_SHALLOW, {"{\"a/~b\":1}", "{\"\\u0061/~b\":1}"}, "/a~1~0b, which \"a\" has too"},
        {MERGE_DEEP,
         {"{\"o\":{\"x\":1}}", "{\"o\":{\"y\":2}}", "{\"o\":{\"z\":3,\"x\":[4]}}"},
         "/o/x, which \"a\" has too"},
        {MERGE_DEEP, {"{\"d\":1}", "!"}, "/d, which \"a\" has too"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_refusal(rows[i].merge, rows[i].bodies, OUTCOME_MERGE_CONFLICT, rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conflicts_follow_declared_order),
        cmocka_unit_test(arrival_does_not_matter),
        cmocka_unit_test(an_upstreams_meta_stays),
        cmocka_unit_test(many_keys_are_merged),
        cmocka_unit_test(a_refusal_names_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
