/* Lists of a foreach, and what its calls make together. */
#include "core/items.h"
#include "unit/job_fixture.h"

struct listing {
    struct fixture base;
    struct inbound inbound;
    struct values values;
    struct expression from;
    struct foreach foreach;
};

static void begin(struct listing *listing, const char *json)
{
    fixture_prepare(&listing->base, MERGE_KEYED, POLICY_ALL, 2);
    fixture_begin(&listing->base);
    listing->inbound = (struct inbound){.query = ""};
    values_init(&listing->values, &listing->inbound, 64, 1, listing->base.arena);
    listing->values.job = &listing->base.job;
    listing->from = (struct expression){.text = "$responses.a.body", .source = EXPRESSION_BODY};
    listing->foreach = (struct foreach){.max = 3, .concurrency = 1, .from = &listing->from};
    settle(&listing->base, 0, reply(200, JSON_HEAD, json));
}

static void expect_items(const char *json, bool distinct, size_t count, const char *last)
{
    struct listing listing;
    struct items items;
    begin(&listing, json);
    listing.foreach.distinct = distinct;
    assert_null(items_find(&listing.values, &listing.foreach, listing.base.arena, &items));
    assert_int_equal(items.count, count);
    if (last) {
        assert_int_equal(items.list[count - 1].len, strlen(last));
        assert_memory_equal(items.list[count - 1].data, last, strlen(last));
    }
    fixture_done(&listing.base);
}

static void refuse_items(const char *json, bool distinct, const char *words)
{
    struct listing listing;
    struct items items;
    begin(&listing, json);
    listing.foreach.distinct = distinct;
    const char *wrong = items_find(&listing.values, &listing.foreach, listing.base.arena, &items);
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, words));
    fixture_done(&listing.base);
}

static void test_lists(void **state)
{
    (void)state;
    expect_items("[]", false, 0, NULL);
    expect_items("[ 1 , {\"a\":[2]} ]", false, 2, "{\"a\":[2]}");
    expect_items("[1,1,1]", false, 3, "1");
    expect_items("[1,1,1,1,1]", true, 1, "1");
    expect_items("[1,2,1,\"1\",2,2]", true, 3, "\"1\"");
    expect_items("[1.0,1,1e0]", true, 3, "1e0");
    refuse_items("[1,2,3,4]", false, "more than 3 items");
    refuse_items("[1,2,3,1,4]", true, "more than 3 items");
    refuse_items("{\"a\":1}", false, "is not an array");
    refuse_items("\"[1]\"", false, "is not an array");
}

static void begin_calls(struct fixture *fixture, size_t count, bool optional)
{
    fixture_prepare(fixture, MERGE_KEYED, POLICY_ALL_SETTLED, 1);
    fixture->requests[0].foreach = &(struct foreach){.max = 9};
    fixture->requests[0].optional = optional;
    const struct batch *batch =
        items_batch(&fixture->batch, &fixture->requests[0], count, fixture->arena);
    assert_null(batch_requests(batch)[count - 1].foreach);
    job_init(&fixture->job, &fixture->config, batch, fixture->arena, 1000);
}

static void test_an_array_in_order(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome;
    begin_calls(&fixture, 3, false);
    assert_false(settle(&fixture, 2, reply(200, JSON_HEAD, " 3.0 ")));
    assert_false(settle(&fixture, 0, reply(200, "", "{\"a\" : 1}")));
    assert_true(settle(&fixture, 1, reply(204, "", "")));
    assert_int_equal(items_outcome(&fixture.job, 100, fixture.arena, &outcome), OUTCOME_NONE);
    assert_json_is(outcome.body, outcome.body_len, "[{\"a\" : 1},null,3.0]");
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.attempts, 3);
    assert_int_equal(outcome_media(&outcome), MEDIA_JSON);
    assert_null(items_failures(&fixture.job, fixture.arena));
    outcome_done(&outcome);
    assert_int_equal(items_outcome(&fixture.job, 19, fixture.arena, &outcome),
                     OUTCOME_RESPONSE_BODY_SIZE);
    assert_null(outcome.body);
    assert_int_equal(items_outcome(&fixture.job, 20, fixture.arena, &outcome), OUTCOME_NONE);
    outcome_done(&outcome);
    fixture_done(&fixture);
}

/* Even where the batch waits for all: the list is one part. */
static void test_a_required_item(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome;
    begin_calls(&fixture, 3, false);
    assert_false(settle_json(&fixture, 0, "1"));
    assert_true(settle(&fixture, 1, reply(500, "", "no")));
    assert_int_equal(items_outcome(&fixture.job, 100, fixture.arena, &outcome),
                     OUTCOME_UPSTREAM_STATUS);
    assert_int_equal(outcome.status, 500);
    assert_string_equal(outcome.detail, "item 1");
    assert_int_equal(outcome.body_len, 2);
    outcome_done(&outcome);
    fixture_done(&fixture);
}

static void test_optional_items(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome;
    begin_calls(&fixture, 2, true);
    assert_false(settle_json(&fixture, 1, NULL));
    assert_true(settle(&fixture, 0, reply(200, JSON_HEAD, "no json")));
    assert_int_equal(items_outcome(&fixture.job, 100, fixture.arena, &outcome), OUTCOME_NONE);
    assert_json_is(outcome.body, outcome.body_len, "[null,null]");
    const struct item_failures *failures = items_failures(&fixture.job, fixture.arena);
    assert_int_equal(failures->count, 2);
    assert_int_equal(failures->items[0].item, 0);
    assert_int_equal(failures->items[0].failure, OUTCOME_INVALID_JSON);
    assert_null(failures->items[0].outcome.body);
    assert_int_equal(failures->items[1].failure, OUTCOME_CONNECTION_REFUSED);
    outcome_done(&outcome);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_an_array_in_order),
        cmocka_unit_test(test_a_required_item),
        cmocka_unit_test(test_optional_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
