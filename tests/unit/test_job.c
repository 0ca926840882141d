/* Policies, success, what a body must be, the deadline. */
#include "unit/job_fixture.h"

#include "core/job.h"

/* What happens to each part in turn: a step settles one part. */
struct step {
    size_t part;
    unsigned status; /* 0: `code` */
    enum outcome_code code;
    const char *head, *body;
    bool completes;
};

#define OK_STEP(part, completes)                                                                   \
    {                                                                                              \
        part, 200, OUTCOME_REPLY, JSON_HEAD, "{}", completes                                       \
    }
#define BAD_STEP(part, completes)                                                                  \
    {                                                                                              \
        part, 0, OUTCOME_CONNECTION_REFUSED, "", "", completes                                     \
    }
#define END_STEP                                                                                   \
    {                                                                                              \
        FIXTURE_REQUESTS, 0, OUTCOME_NONE, "", "", false                                           \
    }

struct policy_case {
    const char *name;
    int policy;
    const char *kinds; /* one per part: r required, o optional, d with default */
    struct step steps[5];
    const char *states; /* o ok, f failed, s skipped, w waiting */
    int decider;        /* -1: none */
};

static const struct policy_case policy_cases[] = {
    {"all succeed", POLICY_ALL, "rr", {OK_STEP(1, false), OK_STEP(0, true), END_STEP}, "oo", -1},
    {"a required failure ends it",
     POLICY_ALL,
     "rrr",
     {OK_STEP(2, false), BAD_STEP(1, true), END_STEP},
     "sfo",
     1},
    {"the last may be the required failure",
     POLICY_ALL,
     "rr",
     {OK_STEP(0, false), BAD_STEP(1, true), END_STEP},
     "of",
     1},
    {"an optional failure does not",
     POLICY_ALL,
     "ro",
     {BAD_STEP(1, false), OK_STEP(0, true), END_STEP},
     "of",
     -1},
    {"nor one with a default",
     POLICY_ALL,
     "dr",
     {BAD_STEP(0, false), OK_STEP(1, true), END_STEP},
     "fo",
     -1},
    {"nothing succeeded: the first failure decides",
     POLICY_ALL,
     "oo",
     {BAD_STEP(1, false), BAD_STEP(0, true), END_STEP},
     "ff",
     0},
    {"allSettled waits",
     POLICY_ALL_SETTLED,
     "rrr",
     {BAD_STEP(0, false), BAD_STEP(2, false), OK_STEP(1, true), END_STEP},
     "fof",
     -1},
    {"allSettled, nothing succeeded",
     POLICY_ALL_SETTLED,
     "or",
     {BAD_STEP(1, false), BAD_STEP(0, true), END_STEP},
     "ff",
     0},
    {"what comes twice or later changes nothing",
     POLICY_ALL,
     "rrr",
     {OK_STEP(0, false), BAD_STEP(0, false), BAD_STEP(1, true), OK_STEP(2, false), END_STEP},
     "ofs",
     1},
    {"still waiting", POLICY_ALL, "rr", {OK_STEP(0, false), END_STEP}, "ow", -1},
};

static void apply_kinds(struct fixture *fixture, const char *kinds)
{
    for (size_t i = 0; kinds[i]; i++) {
        fixture->requests[i].optional = kinds[i] == 'o';
        if (kinds[i] == 'd')
            fixture_default(fixture, i, "[]");
    }
}

static void assert_states(const struct job *job, const char *states)
{
    static const char letters[] = {
        [PART_WAITING] = 'w', [PART_OK] = 'o', [PART_FAILED] = 'f', [PART_SKIPPED] = 's'};
    size_t counts[4] = {0};
    for (size_t i = 0; i < job->count; i++) {
        assert_int_equal(letters[job->parts[i].state], states[i]);
        counts[job->parts[i].state]++;
    }
    assert_int_equal(job->waiting, counts[PART_WAITING]);
    assert_int_equal(job->ok, counts[PART_OK]);
    assert_int_equal(job->failed, counts[PART_FAILED]);
    assert_int_equal(job->skipped, counts[PART_SKIPPED]);
}

static void assert_decider(const struct job *job, int index)
{
    if (index < 0)
        assert_null(job->decider);
    else
        assert_ptr_equal(job->decider, &job->parts[index]);
}

static void policies_say_when(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof policy_cases / sizeof *policy_cases; i++) {
        const struct policy_case *row = &policy_cases[i];
        struct fixture fixture;
        fixture_prepare(&fixture, MERGE_KEYED, row->policy, strlen(row->kinds));
        apply_kinds(&fixture, row->kinds);
        fixture_begin(&fixture);
        bool complete = false;
        for (const struct step *step = row->steps; step->part < FIXTURE_REQUESTS; step++) {
            struct outcome outcome =
                step->status ? reply(step->status, step->head, step->body) : failure(step->code);
            if (settle(&fixture, step->part, outcome) != step->completes)
                fail_msg("%s: step %zu", row->name, (size_t)(step - row->steps));
            complete = complete || step->completes;
            assert_int_equal(fixture.job.complete, complete);
        }
        assert_states(&fixture.job, row->states);
        assert_decider(&fixture.job, row->decider);
        assert_int_equal(fixture.job.ended, complete ? 5000 : 1000);
        fixture_done(&fixture);
    }
}

struct judge_case {
    int merge;
    unsigned status;
    const char *head, *body;
    enum outcome_code failure; /* OUTCOME_NONE: a success */
    enum json_type type;
    const char *value; /* NULL: none */
};

#define TEXT_HEAD "Content-Type: text/plain\r\n"

static const struct judge_case judge_cases[] = {
    {MERGE_KEYED, 200, JSON_HEAD, " {\"x\":1}\n", OUTCOME_NONE, JSON_OBJECT, "{\"x\":1}"},
    {MERGE_KEYED, 299, "", "1e400", OUTCOME_NONE, JSON_NUMBER, "1e400"},
    {MERGE_KEYED, 300, JSON_HEAD, "{}", OUTCOME_UPSTREAM_STATUS, JSON_NONE, NULL},
    {MERGE_KEYED, 199, JSON_HEAD, "{}", OUTCOME_UPSTREAM_STATUS, JSON_NONE, NULL},
    {MERGE_KEYED, 200, TEXT_HEAD, "null", OUTCOME_NONE, JSON_NULL, "null"},
    {MERGE_KEYED, 200, JSON_HEAD, "", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_KEYED, 204, JSON_HEAD, "", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_KEYED, 204, JSON_HEAD, "not JSON", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_KEYED, 200, JSON_HEAD, "\n", OUTCOME_INVALID_JSON, JSON_NONE, NULL},
    {MERGE_KEYED, 200, JSON_HEAD, "{} x", OUTCOME_INVALID_JSON, JSON_NONE, NULL},
    {MERGE_KEYED, 500, JSON_HEAD, "{} x", OUTCOME_UPSTREAM_STATUS, JSON_NONE, NULL},
    {MERGE_ARRAY, 200, JSON_HEAD, "<html>", OUTCOME_INVALID_JSON, JSON_NONE, NULL},
    {MERGE_SHALLOW, 200, JSON_HEAD, "{}", OUTCOME_NONE, JSON_OBJECT, "{}"},
    {MERGE_SHALLOW, 200, JSON_HEAD, "[]", OUTCOME_MERGE_TYPE, JSON_ARRAY, NULL},
    {MERGE_SHALLOW, 200, JSON_HEAD, "null", OUTCOME_MERGE_TYPE, JSON_NULL, NULL},
    {MERGE_SHALLOW, 200, JSON_HEAD, "", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_CONCAT, 200, JSON_HEAD, "[1]", OUTCOME_NONE, JSON_ARRAY, "[1]"},
    {MERGE_CONCAT, 200, JSON_HEAD, "{}", OUTCOME_MERGE_TYPE, JSON_OBJECT, NULL},
    {MERGE_RAW, 200, JSON_HEAD, "{oops", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_RAW, 404, TEXT_HEAD, "gone", OUTCOME_UPSTREAM_STATUS, JSON_NONE, NULL},
    {MERGE_ENVELOPE, 200, JSON_HEAD, "{oops", OUTCOME_INVALID_JSON, JSON_NONE, NULL},
    {MERGE_ENVELOPE, 500, JSON_HEAD, "{oops", OUTCOME_INVALID_JSON, JSON_NONE, NULL},
    {MERGE_ENVELOPE, 500, JSON_HEAD, "{}", OUTCOME_UPSTREAM_STATUS, JSON_OBJECT, NULL},
    {MERGE_ENVELOPE, 200, TEXT_HEAD, "{oops", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_ENVELOPE, 200, "", "{oops", OUTCOME_NONE, JSON_NONE, NULL},
    {MERGE_ENVELOPE, 304, JSON_HEAD, "", OUTCOME_UPSTREAM_STATUS, JSON_NONE, NULL},
};

static void bodies_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judge_cases / sizeof *judge_cases; i++) {
        const struct judge_case *row = &judge_cases[i];
        struct fixture fixture;
        fixture_prepare(&fixture, row->merge, POLICY_ALL, 1);
        fixture_begin(&fixture);
        assert_true(settle(&fixture, 0, reply(row->status, row->head, row->body)));
        const struct part *part = &fixture.job.parts[0];
        bool success = row->failure == OUTCOME_NONE;
        if ((part->state == PART_OK) != success || part->type != row->type)
            fail_msg("row %zu: state %d type %d", i, part->state, part->type);
        if (!success)
            assert_int_equal(part->failure, row->failure);
        struct json_span value = part_value(part);
        assert_int_equal(value.len, row->value ? strlen(row->value) : 0);
        if (row->value)
            assert_memory_equal(value.data, row->value, value.len);
        fixture_done(&fixture);
    }
}

static void depth_is_limited_at_its_edge(void **state)
{
    (void)state;
    for (uint64_t depth = 2; depth <= 3; depth++) {
        struct fixture fixture;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
        fixture.config.limits.json_depth = depth;
        fixture_begin(&fixture);
        settle_json(&fixture, 0, "[[[]]]");
        assert_int_equal(fixture.job.ok, depth == 3 ? 1 : 0);
        fixture_done(&fixture);
    }
}

static void details_name_the_byte_and_the_coding(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool coded;
    } cases[] = {{JSON_HEAD, false}, {"Content-Encoding: br\r\n", true}};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
        fixture_begin(&fixture);
        settle(&fixture, 0, reply(200, cases[i].head, "[1,]"));
        const char *detail = fixture.job.parts[0].outcome.detail;
        assert_non_null(strstr(detail, "at byte 3"));
        assert_int_equal(strstr(detail, "content coding") != NULL, cases[i].coded);
        fixture_done(&fixture);
    }
}

static void success_may_be_narrowed_and_widened(void **state)
{
    (void)state;
    static const unsigned statuses[] = {404, 410};
    static const struct {
        unsigned status;
        bool success;
    } cases[] = {{200, false}, {301, true}, {399, true}, {404, true},
                 {405, false}, {410, true}, {999, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
        fixture.requests[0].success = (struct success){1 << 3, statuses, 2};
        fixture_begin(&fixture);
        settle(&fixture, 0, reply(cases[i].status, JSON_HEAD, "1"));
        assert_int_equal(fixture.job.ok == 1, cases[i].success);
        fixture_done(&fixture);
    }
}

static void the_deadline_completes(void **state)
{
    (void)state;
    static const struct {
        int policy, on_timeout;
        const char *kinds;
        bool first_is_ok;
        const char *states;
        int decider;
    } cases[] = {
        {POLICY_ALL, ON_TIMEOUT_ERROR, "ror", true, "off", 2},
        {POLICY_ALL, ON_TIMEOUT_ERROR, "ro", true, "of", 1},
        {POLICY_ALL, ON_TIMEOUT_PARTIAL, "rrr", true, "off", -1},
        {POLICY_ALL, ON_TIMEOUT_PARTIAL, "orr", false, "fff", 1},
        {POLICY_ALL_SETTLED, ON_TIMEOUT_ERROR, "rr", true, "of", 1},
        {POLICY_ALL_SETTLED, ON_TIMEOUT_PARTIAL, "rr", true, "of", -1},
        {POLICY_ALL_SETTLED, ON_TIMEOUT_PARTIAL, "rr", false, "ff", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_prepare(&fixture, MERGE_KEYED, cases[i].policy, strlen(cases[i].kinds));
        fixture.batch.on_timeout = cases[i].on_timeout;
        apply_kinds(&fixture, cases[i].kinds);
        fixture_begin(&fixture);
        assert_false(settle_json(&fixture, 0, cases[i].first_is_ok ? "1" : NULL));
        job_expire(&fixture.job, 9000);
        assert_true(fixture.job.complete && fixture.job.expired);
        assert_int_equal(fixture.job.ended, 9000);
        assert_states(&fixture.job, cases[i].states);
        assert_decider(&fixture.job, cases[i].decider);
        assert_int_equal(fixture.job.parts[1].failure, OUTCOME_RESPONSE_TIMEOUT);
        assert_int_equal(fixture.job.parts[1].outcome.elapsed, 8000);
        assert_false(settle_json(&fixture, 1, "2")); /* too late: freed */
        assert_states(&fixture.job, cases[i].states);
        fixture_done(&fixture);
    }
}

static void the_deadline_of_a_complete_job_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 1);
    fixture_begin(&fixture);
    assert_true(settle_json(&fixture, 0, "1"));
    job_expire(&fixture.job, 9000);
    assert_false(fixture.job.expired);
    assert_int_equal(fixture.job.ended, 5000);
    assert_null(fixture.job.decider);
    fixture_done(&fixture);
}

static void a_rejected_part_decides(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_SHALLOW, POLICY_ALL, 2);
    fixture_begin(&fixture);
    settle_json(&fixture, 0, "{}");
    settle_json(&fixture, 1, "{}");
    job_reject(&fixture.job, 1, OUTCOME_MERGE_CONFLICT, NULL);
    assert_states(&fixture.job, "of");
    assert_decider(&fixture.job, 1);
    assert_int_equal(fixture.job.parts[1].failure, OUTCOME_MERGE_CONFLICT);
    fixture_done(&fixture);
}

/* What dependents see: the body as JSON, also where the merge does not look at it. */
static void test_bodies_for_dependents(void **state)
{
    (void)state;
    static const struct {
        int merge;
        bool feeds;
        const char *head, *body, *expected;
    } cases[] = {
        {MERGE_KEYED, false, JSON_HEAD, " {} ", "{}"},
        {MERGE_ENVELOPE, false, JSON_HEAD, " {} ", "{}"},
        {MERGE_ENVELOPE, false, "", "{}", NULL},
        {MERGE_ENVELOPE, true, "", " {} ", "{}"},
        {MERGE_ENVELOPE, true, "", "no json", NULL},
        {MERGE_RAW, true, JSON_HEAD, "1.0", "1.0"},
        {MERGE_RAW, false, JSON_HEAD, "1.0", NULL},
        {MERGE_RAW, true, JSON_HEAD, "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        fixture_prepare(&fixture, cases[i].merge, POLICY_ALL_SETTLED, 1);
        fixture.requests[0].feeds = cases[i].feeds;
        fixture_begin(&fixture);
        assert_true(settle(&fixture, 0, reply(200, cases[i].head, cases[i].body)));
        assert_int_equal(fixture.job.parts[0].state, PART_OK);
        struct json_span body = part_body(&fixture.job.parts[0]);
        assert_int_equal(body.len, cases[i].expected ? strlen(cases[i].expected) : 0);
        if (cases[i].expected)
            assert_memory_equal(body.data, cases[i].expected, body.len);
        fixture_done(&fixture);
    }
}

static bool fail_unsent(struct job *job, size_t index, enum outcome_code failure,
                        const char *detail, usec_t now)
{
    struct outcome outcome = {.code = failure, .detail = detail};
    return job_fail(job, index, failure, &outcome, now);
}

static void test_parts_that_were_never_sent(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 3);
    fixture_default(&fixture, 0, "[5]");
    fixture_begin(&fixture);
    assert_false(
        fail_unsent(&fixture.job, 0, OUTCOME_UNRESOLVED_REFERENCE, "{$x} is absent", 2000));
    assert_int_equal(fixture.job.parts[0].state, PART_FAILED);
    assert_int_equal(fixture.job.parts[0].failure, OUTCOME_UNRESOLVED_REFERENCE);
    assert_int_equal(fixture.job.parts[0].outcome.attempts, 0);
    assert_int_equal(part_body(&fixture.job.parts[0]).len, 3);
    assert_true(fail_unsent(&fixture.job, 1, OUTCOME_DEPENDENCY_FAILED, NULL, 2000));
    assert_ptr_equal(fixture.job.decider, &fixture.job.parts[1]);
    assert_int_equal(fixture.job.parts[2].state, PART_SKIPPED);
    assert_int_equal(outcome_status(OUTCOME_DEPENDENCY_FAILED), 424);
    assert_false(fail_unsent(&fixture.job, 2, OUTCOME_DEPENDENCY_FAILED, NULL, 2000));
    assert_int_equal(fixture.job.parts[2].state, PART_SKIPPED);
    fixture_done(&fixture);
}

/* A foreach's list is judged by its items, and is one level deeper than they may be. */
static void test_a_foreach(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_prepare(&fixture, MERGE_KEYED, POLICY_ALL, 2);
    fixture.config.limits.json_depth = 1;
    fixture.requests[0].foreach = &(struct foreach){.max = 1};
    fixture.requests[0].success.classes = 1 << 4;
    fixture_begin(&fixture);
    assert_false(settle(&fixture, 0, reply(200, JSON_HEAD, "[[]]")));
    assert_int_equal(fixture.job.parts[0].state, PART_OK);
    assert_true(settle(&fixture, 1, reply(200, JSON_HEAD, "[[]]")));
    assert_int_equal(fixture.job.parts[1].failure, OUTCOME_INVALID_JSON);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_for_dependents),
        cmocka_unit_test(test_parts_that_were_never_sent),
        cmocka_unit_test(test_a_foreach),
        cmocka_unit_test(policies_say_when),
        cmocka_unit_test(bodies_are_judged),
        cmocka_unit_test(depth_is_limited_at_its_edge),
        cmocka_unit_test(details_name_the_byte_and_the_coding),
        cmocka_unit_test(success_may_be_narrowed_and_widened),
        cmocka_unit_test(the_deadline_completes),
        cmocka_unit_test(the_deadline_of_a_complete_job_changes_nothing),
        cmocka_unit_test(a_rejected_part_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
