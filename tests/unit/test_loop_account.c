/* Time at work and time waiting, as somebody else sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"

enum { ROUNDS = 20 };

#define WORK USEC_PER_MSEC
#define WAIT (5 * USEC_PER_MSEC)
#define LOOK (300 * USEC_PER_MSEC)

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

/* Clients that always want more keep a loop from waiting, and not from coming round. */
static void a_turn_without_a_wait_is_a_turn(void **state)
{
    (void)state;
    struct loop *loop;
    struct loop_account account = {0};
    struct timer timer = {0};
    usec_t turn, began = clock_now(), last = began;
    assert_int_equal(loop_new(&loop), 0);
    loop_keep_account(loop, &account);
    for (int round = 0; round < ROUNDS; round++) {
        last = clock_now();
        loop_set(loop, &timer, last, work);
        assert_int_equal(loop_turn(loop, 0), 0);
    }
    usec_t ended = clock_now();
    uint64_t busy = loop_account_busy(&account, ended, &turn);
    assert_true(turn >= WORK && turn <= ended - last);
    assert_true(busy >= ROUNDS * WORK && busy <= ended - began);
    loop_free(loop);
}

/* As a loop that waits leaves it, and one that has not come back. */
static void tells_waiting_from_working(void **state)
{
    (void)state;
    usec_t turn;
    struct loop_account waits = {.work = 70};
    assert_int_equal(loop_account_busy(&waits, 1000, &turn), 70);
    assert_int_equal(turn, 0);
    struct loop_account works = {.work = LOOP_AT_WORK | (400 - 70), .turn = 900};
    assert_int_equal(loop_account_busy(&works, 1000, &turn), 670);
    assert_int_equal(turn, 100);
    struct loop_account late = {.work = LOOP_AT_WORK | (400 - 70), .turn = 400};
    assert_int_equal(loop_account_busy(&late, 300, &turn), 0); /* it began after we looked */
    assert_int_equal(turn, 0);
}

/* Between the loop's look at the clock and its word others may look at theirs. */
static void what_was_told_is_not_taken_back(void **state)
{
    (void)state;
    usec_t turn;
    struct loop_account account = {.work = LOOP_AT_WORK | 330};
    assert_int_equal(loop_account_busy(&account, 1000, &turn), 670);
    account.work = 930 - 330;
    assert_int_equal(loop_account_busy(&account, 1001, &turn), 670);
    account.work = LOOP_AT_WORK | (1100 - 600);
    assert_int_equal(loop_account_busy(&account, 1050, &turn), 670);
    assert_int_equal(loop_account_busy(&account, 1150, &turn), 670);
    assert_int_equal(loop_account_busy(&account, 1200, &turn), 700);
}

/* ---- several threads look while it works ---- */

static struct {
    struct loop_account account;
    struct loop *loop;
    _Atomic(uint64_t) seen, reads, backwards;
    _Atomic(bool) over;
} watched;

static void spin(struct watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    for (usec_t until = clock_now() + 20; clock_now() < until;)
        ;
}

static void *run_loop(void *unused)
{
    int rc = 0;
    while (rc == 0 && !atomic_load(&watched.over))
        rc = loop_turn(watched.loop, USEC_NEVER);
    return rc == 0 ? NULL : unused;
}

/* Not less than what any of them had seen before this one looked. */
static void *look(void *unused)
{
    (void)unused;
    usec_t turn, now;
    for (usec_t until = clock_now() + LOOK; (now = clock_now()) < until;) {
        uint64_t floor = atomic_load(&watched.seen);
        uint64_t busy = loop_account_busy(&watched.account, now, &turn);
        if (busy < floor)
            atomic_fetch_add(&watched.backwards, 1);
        while (busy > floor && !atomic_compare_exchange_weak(&watched.seen, &floor, busy))
            ;
        atomic_fetch_add(&watched.reads, 1);
    }
    return NULL;
}

static void it_never_goes_backwards(void **state)
{
    (void)state;
    pthread_t loop, reader;
    struct watch watch = {0};
    int fd = eventfd(1, EFD_CLOEXEC); /* always ready: it waits, and not for long */
    usec_t began = clock_now();
    assert_int_equal(loop_new(&watched.loop), 0);
    loop_keep_account(watched.loop, &watched.account);
    assert_int_equal(loop_watch(watched.loop, &watch, fd, EPOLLIN, spin), 0);
    assert_int_equal(pthread_create(&loop, NULL, run_loop, &watch), 0);
    assert_int_equal(pthread_create(&reader, NULL, look, NULL), 0);
    look(NULL);
    void *failed;
    assert_int_equal(pthread_join(reader, NULL), 0);
    atomic_store(&watched.over, true);
    assert_int_equal(pthread_join(loop, &failed), 0);
    assert_null(failed);
    assert_true(atomic_load(&watched.reads) > 1000);
    assert_int_equal(atomic_load(&watched.backwards), 0);
    assert_true(atomic_load(&watched.seen) > 0 && atomic_load(&watched.seen) < clock_now() - began);
    loop_unwatch(watched.loop, &watch);
    loop_free(watched.loop);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_work_and_not_waiting),
        cmocka_unit_test(a_turn_without_a_wait_is_a_turn),
        cmocka_unit_test(tells_waiting_from_working),
        cmocka_unit_test(what_was_told_is_not_taken_back),
        cmocka_unit_test(it_never_goes_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
