/* Counting, and what follows from the figures of several workers about one upstream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config_load.h"
#include "core/reach.h"

enum { WORKERS = 2, AFTER = 1000 };

struct rig {
    struct config *config;
    struct tally *tallies[WORKERS];
    size_t slot;
};

static int set_up(void **state)
{
    static struct rig rig;
    static const char text[] = "upstreams: {a: {url: \"http://x\"}}\n"
                               "endpoints: [{path: /e, merge: keyed, requests: "
                               "[{id: one, upstream: a, url: /}]}]";
    struct faults faults;
    struct arena *arena = arena_new();
    faults_init(&faults, arena, 10);
    rig.config = config_load_memory("t", text, sizeof text - 1, &faults);
    arena_free(arena);
    assert_non_null(rig.config);
    for (size_t i = 0; i < WORKERS; i++) {
        rig.tallies[i] = tally_new();
        tally_prepare(rig.tallies[i], rig.config);
    }
    rig.slot = config_upstream(rig.config, "a")->slot;
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < WORKERS; i++)
        tally_free(rig->tallies[i]);
    config_unref(rig->config);
    return 0;
}

static struct upstream_tally *part(struct rig *rig, size_t worker)
{
    return tally_upstream(rig->tallies[worker], config_upstream(rig->config, "a"));
}

static void end_call(struct rig *rig, size_t worker, enum outcome_code code, usec_t now)
{
    const struct outcome outcome = {
        .code = code, .status = code == OUTCOME_REPLY ? 200 : 0, .elapsed = 2500};
    tally_call_ended(part(rig, worker), &outcome, now);
}

static bool is_missed(struct rig *rig, usec_t now)
{
    const struct tally *tallies[WORKERS] = {rig->tallies[0], rig->tallies[1]};
    return reach_is_missed(tallies, WORKERS, rig->slot, now, AFTER);
}

static bool is_missed_lately(struct rig *rig, usec_t now)
{
    const struct tally *tallies[WORKERS] = {rig->tallies[0], rig->tallies[1]};
    return reach_is_missed_lately(tallies, WORKERS, rig->slot, now, AFTER);
}

static void counts_calls(void **state)
{
    struct rig *rig = *state;
    struct upstream_tally *one = part(rig, 0);
    assert_ptr_not_equal(one, part(rig, 1));
    end_call(rig, 0, OUTCOME_REPLY, 10);
    end_call(rig, 0, OUTCOME_RESPONSE_TIMEOUT, 20);
    end_call(rig, 0, OUTCOME_CANCELLED, 30);
    assert_int_equal(tally_read(&one->outcomes[STATUS_INDEX_200]), 1);
    assert_int_equal(tally_read(&one->outcomes[STATUS_INDEXES + OUTCOME_RESPONSE_TIMEOUT]), 1);
    assert_int_equal(tally_read(&one->outcomes[STATUS_INDEXES + OUTCOME_CANCELLED]), 1);
    assert_int_equal(tally_read(&one->failure), OUTCOME_RESPONSE_TIMEOUT);
    assert_int_equal(tally_read(&one->failure_at), 20);
    assert_int_equal(tally_read(&one->durations.buckets[1]), 3); /* bounds are included */
    assert_int_equal(tally_read(&one->durations.sum), 7500);
}

static void counts_requests(void **state)
{
    struct rig *rig = *state;
    const struct endpoint *endpoint = rig->config->endpoints.items;
    struct endpoint_tally *one = tally_request_begun(rig->tallies[0], endpoint->slot);
    assert_true(endpoint->slot > SLOT_NONE);
    tally_request_ended(one, 503, 10000001);
    tally_request_ended(one, 0, 0);
    tally_reply(one, RESULT_PARTIAL, 100);
    tally_reply(one, RESULT_ABANDONED, 20);
    tally_request_body(one, 7);
    assert_int_equal(tally_read(&one->begun), 1);
    assert_int_equal(tally_read(&one->ended[STATUS_INDEX_503]), 1);
    assert_int_equal(tally_read(&one->ended[STATUS_INDEX_NONE]), 1);
    assert_int_equal(tally_read(&one->replies[RESULT_PARTIAL]), 1);
    assert_int_equal(tally_read(&one->replies[RESULT_ABANDONED]), 1);
    assert_int_equal(tally_read(&one->bytes_out), 120);
    assert_int_equal(tally_read(&one->bytes_in), 7);
    assert_int_equal(tally_read(&one->durations.buckets[TALLY_BOUNDS]), 1);
    assert_int_equal(tally_read(&one->durations.buckets[0]), 1);
}

/* Who uses the parts of a daemon alone counts nothing. */
static void does_without(void **state)
{
    struct rig *rig = *state;
    const struct outcome outcome = {.code = OUTCOME_REPLY, .status = 200};
    assert_null(tally_upstream(NULL, config_upstream(rig->config, "a")));
    assert_null(tally_request_begun(NULL, SLOT_BATCH));
    tally_call_ended(NULL, &outcome, 1);
    tally_request_ended(NULL, 200, 1);
    tally_limit(NULL, TALLY_REQUESTS);
    tally_reply(NULL, RESULT_COMPLETE, 1);
    tally_request_body(NULL, 1);
    assert_null(tally_free(NULL));
}

static void misses_after_a_while(void **state)
{
    struct rig *rig = *state;
    assert_false(is_missed(rig, 5000));
    end_call(rig, 0, OUTCOME_CONNECTION_REFUSED, 5000);
    assert_false(is_missed(rig, 5000 + AFTER - 1));
    assert_true(is_missed(rig, 5000 + AFTER));
    end_call(rig, 0, OUTCOME_DNS_ERROR, 6000);
    assert_true(is_missed_lately(rig, 6000 + REACH_FORGETS * AFTER - 1));
    assert_false(is_missed_lately(rig, 6000 + REACH_FORGETS * AFTER)); /* nobody has tried since */
    assert_true(is_missed(rig, 6000 + REACH_FORGETS * AFTER));         /* nor reached it */
    assert_true(is_missed(rig, 6000 + 1000 * AFTER));
}

static void any_contact_of_any_worker_counts(void **state)
{
    struct rig *rig = *state;
    end_call(rig, 0, OUTCOME_CONNECTION_TIMEOUT, 5000);
    end_call(rig, 1, OUTCOME_RESPONSE_TIMEOUT, 5500);
    assert_false(is_missed(rig, 6500));
    end_call(rig, 0, OUTCOME_TLS_CERTIFICATE, 6000); /* the first one after the contact */
    assert_false(is_missed(rig, 6499));
    assert_true(is_missed(rig, 6500));
    end_call(rig, 0, OUTCOME_REPLY, 6600);
    assert_false(is_missed(rig, 6600));
    end_call(rig, 0, OUTCOME_CONNECTION_REFUSED, 7000);
    assert_false(is_missed(rig, 7999));
    assert_true(is_missed(rig, 8000));
}

/* What the daemon itself decided says nothing about an upstream. */
static void our_own_refusals_say_nothing(void **state)
{
    struct rig *rig = *state;
    static const enum outcome_code ours[] = {OUTCOME_CANCELLED, OUTCOME_CONNECTION_LIMIT,
                                             OUTCOME_INTERNAL};
    end_call(rig, 0, OUTCOME_CONNECTION_REFUSED, 5000);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        end_call(rig, 0, ours[i], 5500);
    assert_true(is_missed(rig, 6000));
    assert_int_equal(tally_read(&part(rig, 0)->missed_at), 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_calls),
        TEST(counts_requests),
        TEST(does_without),
        TEST(misses_after_a_while),
        TEST(any_contact_of_any_worker_counts),
        TEST(our_own_refusals_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
