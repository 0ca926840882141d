/* Turns at shared connections: one looks, the others wait in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "back/entry.h"
#include "base/loop.h"

enum { CALLS = 4 };

struct fixture {
    struct entry entry;
    struct link admitted;
    struct entrant calls[CALLS];
};

static void init(struct fixture *fixture)
{
    *fixture = (struct fixture){.calls = {{.sendings = 0}}};
    entry_init(&fixture->entry, NULL, false);
    list_init(&fixture->admitted);
    for (size_t i = 0; i < CALLS; i++) {
        fixture->calls[i].entry = &fixture->entry;
        fixture->calls[i].admitted = &fixture->admitted;
    }
}

static struct entrant *take_admitted(struct fixture *fixture)
{
    if (list_is_empty(&fixture->admitted))
        return NULL;
    struct entrant *first = container_of(fixture->admitted.next, struct entrant, turn);
    entrant_withdraw(first);
    return first;
}

static void all_ask(struct fixture *fixture)
{
    init(fixture);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(entry_ask(&fixture->calls[i]), i == 0);
    assert_null(take_admitted(fixture));
}

static void one_after_the_other(void **state)
{
    struct fixture fixture;
    (void)state;
    all_ask(&fixture);
    for (size_t i = 0; i < CALLS; i++) {
        assert_true(entrant_may_send(&fixture.calls[i], false, i == 0));
        assert_int_equal(fixture.calls[i].used, i > 0);
        struct entrant *next = take_admitted(&fixture);
        assert_ptr_equal(next, i + 1 < CALLS ? &fixture.calls[i + 1] : NULL);
        assert_null(take_admitted(&fixture));
    }
    assert_true(fixture.entry.connected);
    assert_null(fixture.entry.entering);
    assert_true(entry_ask(&fixture.calls[0]));
}

static void who_leaves_makes_room(void **state)
{
    struct fixture fixture;
    (void)state;
    all_ask(&fixture);
    entrant_withdraw(&fixture.calls[1]); /* it waited */
    entry_passed(&fixture.calls[1]);
    assert_null(take_admitted(&fixture));
    entry_passed(&fixture.calls[0]); /* it failed */
    entry_passed(&fixture.calls[0]);
    assert_ptr_equal(take_admitted(&fixture), &fixture.calls[2]);
    assert_null(take_admitted(&fixture));
    entry_passed(&(struct entrant){.entry = NULL});
}

static void nothing_to_join(void **state)
{
    struct fixture fixture;
    (void)state;
    all_ask(&fixture);
    assert_true(entrant_may_send(&fixture.calls[0], true, true));
    struct entrant *joiner = take_admitted(&fixture);
    joiner->joins = fixture.entry.connected;
    assert_true(joiner->joins);
    assert_false(entrant_may_send(joiner, true, true));
    assert_true(joiner->alone);
    assert_int_equal(joiner->sendings, 0);
    entry_again(joiner);
    assert_false(fixture.entry.connected);
    assert_ptr_equal(take_admitted(&fixture), joiner); /* before those who wait */
    joiner->joins = fixture.entry.connected;
    assert_true(entrant_may_send(joiner, true, true));
    assert_ptr_equal(take_admitted(&fixture), &fixture.calls[2]);
    /* Another call's turn: it comes right after that. */
    entry_again(joiner);
    assert_null(take_admitted(&fixture));
    entry_passed(&fixture.calls[2]);
    assert_ptr_equal(take_admitted(&fixture), joiner);
}

static void what_may_be_repeated(void **state)
{
    struct fixture fixture;
    (void)state;
    init(&fixture);
    struct entrant *call = &fixture.calls[0];
    assert_true(entrant_may_send(call, false, true));
    assert_false(entrant_may_send(call, false, true)); /* twice, and not idempotent */
    assert_true(call->refused);
    assert_true(entrant_may_send(call, true, false));
    assert_int_equal(call->sendings, 2);
    assert_false(entrant_may_repeat(call, false, false));
    assert_false(entrant_may_repeat(call, false, true)); /* an earlier sending did leave */
    assert_true(entrant_may_repeat(call, true, false));
    assert_false(entrant_may_repeat(call, true, false)); /* once */

    call = &fixture.calls[1];
    assert_true(entrant_may_send(call, false, true)); /* on a connection of its own */
    assert_false(entrant_may_repeat(call, true, false));
    assert_true(entrant_may_repeat(call, false, true)); /* it never went out */
    assert_true(entrant_may_send(call, false, true));
}

static void nothing_is_shared_in_http_1(void **state)
{
    struct fixture fixture;
    (void)state;
    all_ask(&fixture);
    entry_learn(&fixture.calls[0], true);
    for (size_t i = 1; i < CALLS; i++)
        assert_ptr_equal(take_admitted(&fixture), &fixture.calls[i]);
    assert_true(entry_ask(&fixture.calls[1]));
    assert_true(entry_ask(&fixture.calls[2]));
    entry_learn(&fixture.calls[0], false);
    assert_true(entry_ask(&fixture.calls[1]));
    assert_false(entry_ask(&fixture.calls[2]));
}

static void init_late(struct fixture *fixture, struct loop **ret_loop)
{
    assert_int_equal(loop_new(ret_loop), 0);
    init(fixture);
    entry_init(&fixture->entry, *ret_loop, true);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(entry_ask(&fixture->calls[i]), i == 0);
    assert_true(entrant_may_send(&fixture->calls[0], true, true));
    assert_null(take_admitted(fixture)); /* the connection stands, and that is not enough */
    assert_false(fixture->entry.connected);
}

static void the_first_reply_lets_the_others_join(void **state)
{
    struct fixture fixture;
    struct loop *loop;
    (void)state;
    init_late(&fixture, &loop);
    entry_learn(&fixture.calls[0], false);
    assert_true(fixture.entry.connected);
    assert_int_equal(fixture.entry.patience.position, 0);
    for (size_t i = 1; i < CALLS; i++) {
        assert_ptr_equal(take_admitted(&fixture), &fixture.calls[i]);
        assert_null(take_admitted(&fixture));
        assert_true(entrant_may_send(&fixture.calls[i], true, false));
        entry_learn(&fixture.calls[0], false); /* more of the same reply */
    }
    loop_free(loop);
}

static void a_slow_first_reply_holds_up_nobody(void **state)
{
    struct fixture fixture;
    struct loop *loop;
    (void)state;
    init_late(&fixture, &loop);
    usec_t start = clock_now();
    assert_int_equal(loop_turn(loop, start + 10 * USEC_PER_SEC), 0);
    assert_in_range(clock_now() - start, 50 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
    for (size_t i = 1; i < CALLS; i++) { /* all at once, each to its own connection */
        assert_ptr_equal(take_admitted(&fixture), &fixture.calls[i]);
        assert_false(fixture.entry.connected);
    }
    assert_true(entrant_may_send(&fixture.calls[1], true, true));
    assert_int_equal(fixture.entry.patience.position, 0);
    assert_true(entry_ask(&fixture.calls[2])); /* who comes later waits again */
    assert_true(entrant_may_send(&fixture.calls[2], true, true));
    assert_false(entry_ask(&fixture.calls[3]));
    entry_learn(&fixture.calls[1], false); /* for a reply to any of them */
    assert_ptr_equal(take_admitted(&fixture), &fixture.calls[3]);
    loop_free(loop);
}

static void without_a_reply_the_next_one_tries(void **state)
{
    struct fixture fixture;
    struct loop *loop;
    (void)state;
    init_late(&fixture, &loop);
    entry_passed(&fixture.calls[0]); /* it failed */
    assert_int_equal(fixture.entry.patience.position, 0);
    assert_ptr_equal(take_admitted(&fixture), &fixture.calls[1]);
    assert_null(take_admitted(&fixture));
    assert_false(fixture.entry.connected);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(who_leaves_makes_room),
        cmocka_unit_test(nothing_to_join),
        cmocka_unit_test(what_may_be_repeated),
        cmocka_unit_test(nothing_is_shared_in_http_1),
        cmocka_unit_test(the_first_reply_lets_the_others_join),
        cmocka_unit_test(a_slow_first_reply_holds_up_nobody),
        cmocka_unit_test(without_a_reply_the_next_one_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
