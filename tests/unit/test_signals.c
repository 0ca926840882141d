/* Signals arrive through the descriptor and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "sys/signals.h"

static int signals_fd = -1;

static int open_signals(void **state)
{
    (void)state;
    return signals_open(&signals_fd);
}

static int close_signals(void **state)
{
    (void)state;
    return close(signals_fd);
}

static void each_signal_is_read(void **state)
{
    (void)state;
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int got = 0;
        struct pollfd wait = {.fd = signals_fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 0), 0);
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        assert_int_equal(poll(&wait, 1, 10000), 1);
        assert_int_equal(signals_next(signals_fd, &got), 0);
        assert_int_equal(got, numbers[i]);
        assert_int_equal(signals_next(signals_fd, &got), SIGNALS_NONE);
        assert_int_equal(got, numbers[i]); /* untouched */
    }
}

static void repeated_ones_may_merge(void **state)
{
    (void)state;
    int got = 0;
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(signals_next(signals_fd, &got), 0);
    assert_int_equal(got, SIGHUP);
    assert_int_equal(signals_next(signals_fd, &got), SIGNALS_NONE);
}

static void *mask_of_thread(void *ctx)
{
    pthread_sigmask(SIG_SETMASK, NULL, ctx);
    return NULL;
}

static void threads_inherit_the_block(void **state)
{
    (void)state;
    pthread_t thread;
    sigset_t mask;
    assert_int_equal(pthread_create(&thread, NULL, mask_of_thread, &mask), 0);
    pthread_join(thread, NULL);
    assert_int_equal(sigismember(&mask, SIGTERM), 1);
    assert_int_equal(sigismember(&mask, SIGINT), 1);
    assert_int_equal(sigismember(&mask, SIGHUP), 1);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
}

static void a_broken_pipe_is_an_error_and_no_signal(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
}

static void a_closed_descriptor_is_an_error(void **state)
{
    (void)state;
    int got = 0;
    int fd = dup(signals_fd);
    close(fd);
    assert_int_equal(signals_next(fd, &got), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signal_is_read),
        cmocka_unit_test(repeated_ones_may_merge),
        cmocka_unit_test(threads_inherit_the_block),
        cmocka_unit_test(a_broken_pipe_is_an_error_and_no_signal),
        cmocka_unit_test(a_closed_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_signals, close_signals);
}
