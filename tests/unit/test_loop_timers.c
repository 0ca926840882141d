/* Deadlines: their order, their moment, and changes from inside callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"

struct alarm {
    struct timer timer;
    struct loop *loop;
    struct alarm *other;
    int count;
    usec_t rang; /* clock when it ran last */
    size_t order;
};

static struct alarm *alarm_of(struct timer *timer)
{
    return container_of(timer, struct alarm, timer);
}

static void ring(struct timer *timer)
{
    struct alarm *alarm = alarm_of(timer);
    alarm->count++;
    alarm->rang = clock_now();
}

static struct loop *loop_made(void)
{
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    return loop;
}

static void turn(struct loop *loop)
{
    assert_int_equal(loop_turn(loop, 0), 0);
}

static void a_deadline_is_never_early(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm alarm = {.loop = loop};
    static const usec_t spans[] = {0, 1, 999, 1000, 1001, 5500, 20000};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        usec_t at = clock_now() + spans[i];
        loop_set(loop, &alarm.timer, at, ring);
        while (alarm.count == (int)i)
            assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
        assert_true(alarm.rang >= at);
        assert_true(alarm.rang < at + 10 * USEC_PER_SEC); /* this machine may be busy */
        assert_int_equal(alarm.timer.position, 0);
        assert_true(loop_now(loop) >= at && loop_now(loop) <= alarm.rang);
    }
    loop_free(loop);
}

static void one_wait_is_enough(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm alarm = {.loop = loop};
    for (int i = 1; i <= 10; i++) { /* rounding down would wake early, for nothing */
        loop_set(loop, &alarm.timer, clock_now() + 1500, ring);
        assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
        assert_int_equal(alarm.count, i);
    }
    loop_free(loop);
}

static void until_bounds_the_wait(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm alarm = {.loop = loop};
    loop_set(loop, &alarm.timer, clock_now() + 600 * USEC_PER_SEC, ring);
    usec_t until = clock_now() + 3 * USEC_PER_MSEC;
    assert_int_equal(loop_turn(loop, until), 0);
    assert_true(clock_now() >= until && clock_now() < until + 60 * USEC_PER_SEC);
    assert_int_equal(alarm.count, 0);
    loop_set(loop, &alarm.timer, USEC_NEVER, ring);
    turn(loop);
    assert_int_equal(alarm.count, 0);
    assert_true(alarm.timer.position != 0);
    loop_clear(loop, &alarm.timer);
    assert_int_equal(alarm.timer.position, 0);
    loop_clear(loop, &alarm.timer); /* again is fine */
    loop_free(loop);
}

static size_t rung;

static void ring_in_order(struct timer *timer)
{
    ring(timer);
    alarm_of(timer)->order = ++rung;
}

enum { TIMERS = 500, STEPS = 20000 };

static int by_order(const void *a, const void *b)
{
    const struct alarm *const *left = a;
    const struct alarm *const *right = b;
    return (*left)->order < (*right)->order ? -1 : (*left)->order > (*right)->order;
}

/* What rang did so exactly once and in the order of `at`; it is what was due. */
static void check_against_model(struct alarm *alarms, const usec_t *model, usec_t now)
{
    struct alarm *ringing[TIMERS];
    size_t count = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        bool due = model[i] <= now;
        assert_int_equal(alarms[i].count, due);
        assert_int_equal(alarms[i].timer.position != 0, model[i] != USEC_NEVER && !due);
        if (due)
            ringing[count++] = &alarms[i];
    }
    assert_true(count > 0);
    qsort(ringing, count, sizeof *ringing, by_order);
    for (size_t i = 1; i < count; i++)
        assert_true(ringing[i - 1]->timer.at <= ringing[i]->timer.at);
}

static void random_changes_keep_the_order(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm *alarms = calloc(TIMERS, sizeof *alarms);
    usec_t model[TIMERS];
    memset(model, 0xff, sizeof model); /* USEC_NEVER: not set */
    uint32_t seed = 12345;
    usec_t now = clock_now();
    usec_t first = now - 1000; /* half of the moments have passed, half are far away */
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        size_t which = (seed >> 8) % TIMERS;
        usec_t offset = (seed >> 20) % 1000;
        if (seed % 7 == 0) {
            loop_clear(loop, &alarms[which].timer);
            model[which] = USEC_NEVER;
            continue;
        }
        usec_t far = (seed >> 19) % 2 * 3600 * USEC_PER_SEC;
        model[which] = first + offset + far;
        loop_set(loop, &alarms[which].timer, model[which], ring_in_order);
    }
    rung = 0;
    turn(loop);
    check_against_model(alarms, model, loop_now(loop));
    for (size_t i = 0; i < TIMERS; i++)
        loop_clear(loop, &alarms[i].timer);
    loop_free(loop);
    free(alarms);
}

static void ring_and_set_again(struct timer *timer)
{
    ring(timer);
    assert_int_equal(timer->position, 0); /* removed before it runs */
    loop_set(alarm_of(timer)->loop, timer, 0, ring_and_set_again);
}

static void what_is_set_for_the_past_runs_in_the_next_turn(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm alarm = {.loop = loop};
    loop_set(loop, &alarm.timer, 0, ring_and_set_again);
    for (int i = 1; i <= 5; i++) {
        /* USEC_NEVER: a deadline that has passed keeps the loop from waiting */
        assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
        assert_int_equal(alarm.count, i);
    }
    loop_clear(loop, &alarm.timer);
    loop_free(loop);
}

static void set_other_for_the_past(struct timer *timer)
{
    struct alarm *alarm = alarm_of(timer);
    ring(timer);
    loop_set(alarm->loop, &alarm->other->timer, loop_now(alarm->loop), ring);
}

/* A timer that is due in this turn and is set anew waits for the next as well. */
static void a_due_timer_may_be_put_off(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm second = {.loop = loop};
    struct alarm first = {.loop = loop, .other = &second};
    loop_set(loop, &first.timer, 1, set_other_for_the_past);
    loop_set(loop, &second.timer, 2, ring);
    turn(loop);
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 0);
    turn(loop);
    assert_int_equal(second.count, 1);
    loop_free(loop);
}

static void clear_other(struct timer *timer)
{
    ring(timer);
    loop_clear(alarm_of(timer)->loop, &alarm_of(timer)->other->timer);
}

static void a_due_timer_may_be_cleared(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm second = {.loop = loop};
    struct alarm first = {.loop = loop, .other = &second};
    loop_set(loop, &second.timer, 2, ring);
    loop_set(loop, &first.timer, 1, clear_other);
    turn(loop);
    turn(loop);
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 0);
    loop_free(loop);
}

static struct alarm late[4];

/* All four wait for the next turn; one is cleared, one moved far away. */
static void set_four_late(struct timer *timer)
{
    struct loop *loop = alarm_of(timer)->loop;
    ring(timer);
    for (size_t i = 0; i < 4; i++)
        loop_set(loop, &late[i].timer, 4 - i, ring_in_order);
    loop_clear(loop, &late[0].timer);
    loop_set(loop, &late[3].timer, clock_now() + 3600 * USEC_PER_SEC, ring_in_order);
}

static void late_ones_may_be_changed(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct alarm first = {.loop = loop};
    memset(late, 0, sizeof late);
    rung = 0;
    loop_set(loop, &first.timer, 0, set_four_late);
    turn(loop);
    assert_int_equal(rung, 0);
    turn(loop);
    assert_int_equal(late[2].order, 1); /* due at 2 */
    assert_int_equal(late[1].order, 2); /* due at 3 */
    assert_int_equal(rung, 2);
    assert_true(late[3].timer.position != 0);
    loop_clear(loop, &late[3].timer);
    loop_free(loop);
}

struct both {
    struct watch watch;
    struct alarm alarm;
};

static void disarm(struct watch *watch, uint32_t events)
{
    struct both *both = container_of(watch, struct both, watch);
    (void)events;
    loop_clear(both->alarm.loop, &both->alarm.timer);
    loop_unwatch(both->alarm.loop, watch);
}

/* What arrived in time counts, even if its deadline passed in the same turn. */
static void data_beats_a_deadline_of_the_same_turn(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct both both = {.alarm.loop = loop};
    int fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(loop_watch(loop, &both.watch, fd, EPOLLIN, disarm), 0);
    loop_set(loop, &both.alarm.timer, 0, ring);
    turn(loop);
    assert_int_equal(both.alarm.count, 0);
    close(fd);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_never_early),
        cmocka_unit_test(one_wait_is_enough),
        cmocka_unit_test(until_bounds_the_wait),
        cmocka_unit_test(random_changes_keep_the_order),
        cmocka_unit_test(what_is_set_for_the_past_runs_in_the_next_turn),
        cmocka_unit_test(a_due_timer_may_be_put_off),
        cmocka_unit_test(a_due_timer_may_be_cleared),
        cmocka_unit_test(late_ones_may_be_changed),
        cmocka_unit_test(data_beats_a_deadline_of_the_same_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
