/* The clock is the kernel's monotonic one, in microseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static usec_t kernel_now(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

static void lies_between_two_readings(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        usec_t before = kernel_now();
        usec_t now = clock_now();
        usec_t after = kernel_now();
        assert_true(before <= now && now <= after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_between_two_readings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
