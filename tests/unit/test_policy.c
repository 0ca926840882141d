/* any, race, atLeast: when they end, with what, and what nobody may write. */
#include "unit/job_fixture.h"

#include "core/answer.h"
#include "core/policy.h"
#include "core/yaml.h"

/* One row: what happens in turn. A digit is the part that settles: + before it, it succeeds;
 * - before it, it fails; ! is the deadline. */
struct policy_case {
    int policy, on_timeout;
    size_t at_least;
    const char *events;
    size_t completes;   /* after so many events; 0: never */
    const char *states; /* o ok, f failed, s skipped, w waiting */
    int decider;        /* -1: none */
    bool partial;
};

#define ANY     POLICY_ANY, ON_TIMEOUT_ERROR, 1
#define RACE    POLICY_RACE, ON_TIMEOUT_ERROR, 1
#define TWO     POLICY_AT_LEAST, ON_TIMEOUT_ERROR, 2
#define LENIENT ON_TIMEOUT_PARTIAL

static const struct policy_case policy_cases[] = {
    {ANY, "+1", 1, "sos", -1, false},
    {ANY, "-0+2", 2, "fso", -1, false},
    {ANY, "-0-2", 0, "fwf", -1, true},
    {ANY, "-2-0-1", 3, "fff", 1, true},
    {ANY, "-2!", 2, "fff", 0, true},
    {POLICY_ANY, LENIENT, 1, "!", 1, "fff", 0, true},
    {RACE, "+2", 1, "sso", -1, false},
    {RACE, "-1", 1, "sfs", 1, true},
    {RACE, "!", 1, "fff", 0, true},
    {POLICY_RACE, LENIENT, 1, "!", 1, "fff", 0, true},
    {TWO, "+1", 0, "wow", -1, false},
    {TWO, "+1+0", 2, "oos", -1, false},
    {TWO, "-1+0+2", 3, "ofo", -1, false},
    {TWO, "-1-0", 2, "ffs", 0, true},
    {TWO, "+0-1-2", 3, "off", 2, true},
    {TWO, "+0!", 2, "off", 1, true},
    {POLICY_AT_LEAST, LENIENT, 2, "+0!", 2, "off", 1, true},
    {POLICY_AT_LEAST, ON_TIMEOUT_ERROR, 3, "+0+1+2", 3, "ooo", -1, false},
    {POLICY_AT_LEAST, ON_TIMEOUT_ERROR, 3, "+0-1", 2, "ofs", 1, true},
};

static char letter_of(const struct part *part)
{
    switch (part->state) {
    case PART_OK:
        return 'o';
    case PART_FAILED:
        return 'f';
    case PART_SKIPPED:
        return 's';
    default:
        return 'w';
    }
}

/* Plays the events; how many there were when the job became complete. */
static size_t play(struct fixture *fixture, const char *events)
{
    size_t count = 0;
    for (const char *at = events; *at; at += *at == '!' ? 1 : 2) {
        count++;
        if (*at == '!') {
            job_expire(&fixture->job, 9000);
        } else {
            bool ended =
                settle_json(fixture, (size_t)(at[1] - '0'), *at == '+' ? "{\"v\":1}" : NULL);
            assert_int_equal(ended, fixture->job.complete);
        }
        if (fixture->job.complete)
            return count;
    }
    return 0;
}

static void prepare(struct fixture *fixture, const struct policy_case *row)
{
    fixture_prepare(fixture, MERGE_KEYED, row->policy, 3);
    fixture->batch.at_least = row->at_least;
    fixture->batch.on_timeout = row->on_timeout;
}

static void counts_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof policy_cases / sizeof *policy_cases; i++) {
        const struct policy_case *row = &policy_cases[i];
        struct fixture fixture;
        prepare(&fixture, row);
        fixture.requests[0].optional = true; /* means nothing here */
        fixture_begin(&fixture);
        if (play(&fixture, row->events) != row->completes)
            fail_msg("row %zu ends at another event", i);
        for (size_t k = 0; k < 3; k++)
            if (letter_of(&fixture.job.parts[k]) != row->states[k])
                fail_msg("row %zu: part %zu is %c", i, k, letter_of(&fixture.job.parts[k]));
        int decider = fixture.job.decider ? (int)(fixture.job.decider - fixture.job.parts) : -1;
        if (decider != row->decider)
            fail_msg("row %zu: part %d decided", i, decider);
        if (fixture.job.complete)
            assert_int_equal(job_is_partial(&fixture.job), row->partial);
        fixture_done(&fixture);
    }
}

static void replies_say_so(void **state)
{
    (void)state;
    static const struct {
        struct policy_case row;
        unsigned status;
        const char *aggregate, *body; /* NULL: a problem document */
    } cases[] = {
        {{ANY, "-0+2", 0, "", 0, false},
         200,
         "complete; total=3; ok=1; failed=1; skipped=1",
         "{\"a\":null,\"b\":null,\"c\":{\"v\":1}}"},
        {{ANY, "-0-1-2", 0, "", 0, false}, 502, "failed; total=3; ok=0; failed=3; skipped=0", NULL},
        {{RACE, "-1", 0, "", 0, false}, 502, "failed; total=3; ok=0; failed=1; skipped=2", NULL},
        {{TWO, "+0-1!", 0, "", 0, false}, 504, "failed; total=3; ok=1; failed=2; skipped=0", NULL},
        {{POLICY_AT_LEAST, LENIENT, 2, "+0!", 0, "", 0, false},
         504,
         "failed; total=3; ok=1; failed=2; skipped=0",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        prepare(&fixture, &cases[i].row);
        fixture_begin(&fixture);
        assert_true(play(&fixture, cases[i].row.events) > 0);
        struct answer *answer = answer_from_job(&fixture.job);
        assert_int_equal(answer->status, cases[i].status);
        assert_string_equal(header_get(&answer->headers, "Aggregate-Status"), cases[i].aggregate);
        if (cases[i].body)
            assert_json_is(answer->body, answer->body_len, cases[i].body);
        else
            assert_string_equal(header_get(&answer->headers, "Content-Type"),
                                "application/problem+json");
        answer_free(answer);
        fixture_done(&fixture);
    }
}

static void what_may_be_written(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        int merge;
        size_t count;
        int policy; /* -1: a fault */
        size_t at_least;
        const char *place, *fault;
    } cases[] = {
        {"any", MERGE_KEYED, 3, POLICY_ANY, 1, NULL, NULL},
        {"race", MERGE_ENVELOPE, 3, POLICY_RACE, 1, NULL, NULL},
        {"all", MERGE_ENVELOPE, 3, POLICY_ALL, 0, NULL, NULL},
        {"allSettled", MERGE_KEYED, 3, POLICY_ALL_SETTLED, 0, NULL, NULL},
        {"{atLeast: 1}", MERGE_KEYED, 1, POLICY_AT_LEAST, 1, NULL, NULL},
        {"{atLeast: 3}", MERGE_KEYED, 3, POLICY_AT_LEAST, 3, NULL, NULL},
        {"{atLeast: 4}", MERGE_KEYED, 3, -1, 0, "f:1:11", "cannot come of 3 requests"},
        {"{atLeast: 2}", MERGE_KEYED, 1, -1, 0, "f:1:11", "cannot come of 1 request"},
        {"{atLeast: 0}", MERGE_KEYED, 3, -1, 0, "f:1:11", "of at least 1, not 0"},
        {"{atLeast: -1}", MERGE_KEYED, 3, -1, 0, "f:1:11", "of at least 1, not -1"},
        {"{atLeast: 1.0}", MERGE_KEYED, 3, -1, 0, "f:1:11", "of at least 1, not 1.0"},
        {"{atLeast: '2'}", MERGE_KEYED, 3, -1, 0, "f:1:11", "not a string"},
        {"{atLeast: 18446744073709551616}", MERGE_KEYED, 3, -1, 0, "f:1:11", "of at least 1"},
        {"{atLeast: 2, any: 1}", MERGE_KEYED, 3, -1, 0, "f:1:1", "not another map"},
        {"{}", MERGE_KEYED, 3, -1, 0, "f:1:1", "not another map"},
        {"ANY", MERGE_KEYED, 3, -1, 0, "f:1:1", "not \"ANY\""},
        {"atLeast", MERGE_KEYED, 3, -1, 0, "f:1:1", "not \"atLeast\""},
        {"2", MERGE_KEYED, 3, -1, 0, "f:1:1", "not a number"},
        {"[any]", MERGE_KEYED, 3, -1, 0, "f:1:1", "not a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new();
        struct faults faults;
        faults_init(&faults, arena, 5);
        struct batch batch = {.merge = cases[i].merge, .list.count = cases[i].count};
        batch.policy_node = yaml_parse(arena, "f", cases[i].yaml, strlen(cases[i].yaml), &faults);
        assert_false(faults_any(&faults));
        policy_read(&batch, &faults);
        assert_int_equal(faults_any(&faults), cases[i].policy < 0);
        if (cases[i].policy < 0) {
            assert_string_equal(faults.first->place, cases[i].place);
            if (!strstr(faults.first->text, cases[i].fault))
                fail_msg("%s: %s", cases[i].yaml, faults.first->text);
        } else {
            assert_int_equal(batch.policy, cases[i].policy);
            assert_int_equal(batch.at_least, cases[i].at_least);
        }
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_decide),
        cmocka_unit_test(replies_say_so),
        cmocka_unit_test(what_may_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
