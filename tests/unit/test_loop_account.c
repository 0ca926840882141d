/* Time at work and time waiting, as somebody else sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"

enum { ROUNDS = 20 };

#define WORK USEC_PER_MSEC
#define WAIT (5 * USEC_PER_MSEC)

static void work(struct timer *timer)
{
    (void)timer;
    for (usec_t until = clock_now() + WORK; clock_now() < until;)
        ;
}

/* Other processes may make a wait shorter than it should be, but hardly all of them. */
static void counts_work_and_not_waiting(void **state)
{
    (void)state;
    struct loop *loop;
    struct loop_account account = {0};
    struct timer timer = {0};
    usec_t turn, began = clock_now();
    assert_int_equal(loop_new(&loop), 0);
    loop_keep_account(loop, &account);
    for (int round = 0; round < ROUNDS; round++) {
        loop_set(loop, &timer, clock_now() + WAIT, work);
        while (timer.position != 0)
            assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
    }
    usec_t ended = clock_now();
    uint64_t busy = loop_account_busy(&account, ended, &turn);
    assert_true(turn >= WORK && turn <= busy);
    assert_true(busy >= ROUNDS * WORK);
    assert_true(busy + 2 * WAIT <= ended - began);
    assert_int_equal(loop_turn(loop, clock_now() + USEC_PER_MSEC), 0);
    assert_true(loop_account_busy(&account, clock_now(), &turn) >= busy);
    loop_free(loop);
}

/* As a loop that waits leaves it, and one that has not come back. */
static void tells_waiting_from_working(void **state)
{
    (void)state;
    usec_t turn;
    struct loop_account waits = {.busy = 70, .since = 0};
    assert_int_equal(loop_account_busy(&waits, 1000, &turn), 70);
    assert_int_equal(turn, 0);
    struct loop_account works = {.busy = 70, .since = 400};
    assert_int_equal(loop_account_busy(&works, 1000, &turn), 670);
    assert_int_equal(turn, 600);
    assert_int_equal(loop_account_busy(&works, 300, &turn), 70); /* it began after we looked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_work_and_not_waiting),
        cmocka_unit_test(tells_waiting_from_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
