/* The limit at its edge, alone and with threads that race for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/gauge.h"

static void the_limit_holds_at_its_edge(void **state)
{
    (void)state;
    struct gauge *gauge = gauge_new();
    assert_int_equal(gauge_value(gauge), 0);
    assert_true(gauge_enter(gauge, 2));
    assert_true(gauge_enter(gauge, 2));
    assert_false(gauge_enter(gauge, 2));
    assert_int_equal(gauge_value(gauge), 2);
    assert_false(gauge_enter(gauge, 1)); /* a reload lowered it */
    assert_true(gauge_enter(gauge, 3));  /* or raised it */
    gauge_leave(gauge);
    gauge_leave(gauge);
    assert_true(gauge_enter(gauge, 2));
    assert_false(gauge_enter(gauge, 2));
    gauge_leave(gauge);
    gauge_leave(gauge);
    assert_int_equal(gauge_value(gauge), 0);
    assert_null(gauge_unref(gauge));
}

static void zero_is_no_limit(void **state)
{
    (void)state;
    struct gauge *gauge = gauge_new();
    for (int i = 0; i < 1000; i++)
        assert_true(gauge_enter(gauge, 0));
    assert_int_equal(gauge_value(gauge), 1000);
    for (int i = 0; i < 1000; i++)
        gauge_leave(gauge);
    gauge_unref(gauge);
}

static void the_last_reference_frees(void **state)
{
    (void)state;
    struct gauge *gauge = gauge_new();
    assert_ptr_equal(gauge_ref(gauge), gauge);
    assert_null(gauge_unref(gauge));
    assert_true(gauge_enter(gauge, 1)); /* still there */
    gauge_leave(gauge);
    assert_null(gauge_unref(gauge));
    assert_null(gauge_unref(NULL));
}

enum { THREADS = 4, LIMIT = 3, ROUNDS = 20000 };

struct race {
    struct gauge *gauge;
    _Atomic(int) inside;
    _Atomic(int) beyond;
    _Atomic(int) entered;
};

static void *race_for_it(void *ctx)
{
    struct race *race = ctx;
    struct gauge *gauge = gauge_ref(race->gauge);
    for (int i = 0; i < ROUNDS; i++) {
        if (!gauge_enter(gauge, LIMIT))
            continue;
        if (atomic_fetch_add(&race->inside, 1) >= LIMIT)
            atomic_fetch_add(&race->beyond, 1);
        atomic_fetch_add(&race->entered, 1);
        atomic_fetch_sub(&race->inside, 1);
        gauge_leave(gauge);
    }
    gauge_unref(gauge);
    return NULL;
}

static void threads_never_pass_the_limit(void **state)
{
    (void)state;
    struct race race = {.gauge = gauge_new()};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_for_it, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(race.beyond, 0);
    assert_true(race.entered >= ROUNDS);
    assert_int_equal(gauge_value(race.gauge), 0);
    gauge_unref(race.gauge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_holds_at_its_edge),
        cmocka_unit_test(zero_is_no_limit),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(threads_never_pass_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
