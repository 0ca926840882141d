/* What the service manager's socket receives, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/notify.h"

static int manager = -1;
static char received[2048];

/* An abstract socket: nothing to clean up. */
static int open_manager(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@gatherd-test-notify-%d", (int)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    if (bind(manager, (struct sockaddr *)&address, size) != 0)
        return -1;
    return setenv("NOTIFY_SOCKET", name, 1);
}

static int close_manager(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    return close(manager);
}

static const char *receive(void)
{
    ssize_t got = recv(manager, received, sizeof received - 1, 0);
    assert_true(got > 0);
    received[got] = '\0';
    return received;
}

static void states_are_sent(void **state)
{
    (void)state;
    assert_int_equal(notify_ready(), 0);
    assert_string_equal(receive(), "READY=1");
    assert_int_equal(notify_stopping(), 0);
    assert_string_equal(receive(), "STOPPING=1");
    assert_int_equal(notify_extend(2500000), 0);
    assert_string_equal(receive(), "EXTEND_TIMEOUT_USEC=2500000");
    assert_int_equal(notify_watchdog(), 0);
    assert_string_equal(receive(), "WATCHDOG=1");
}

static void reloading_carries_its_moment(void **state)
{
    (void)state;
    usec_t before = clock_now();
    assert_int_equal(notify_reloading(), 0);
    usec_t after = clock_now();
    usec_t moment = 0;
    assert_int_equal(sscanf(receive(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &moment), 1);
    assert_true(before <= moment && moment <= after);
}

static void a_status_is_one_assignment(void **state)
{
    (void)state;
    assert_int_equal(notify_status("%d workers", 2), 0);
    assert_string_equal(receive(), "STATUS=2 workers");
    assert_int_equal(notify_status("bad\nREADY=1\x7f!"), 0);
    assert_string_equal(receive(), "STATUS=bad READY=1 !");
    assert_int_equal(notify_status("%0511d", 7), 0);
    assert_int_equal(strlen(receive()), strlen("STATUS=") + 511);
    assert_int_equal(notify_status("%0512d", 7), 0);
    assert_int_equal(strlen(receive()), strlen("STATUS=") + 511);
    assert_int_equal(received[strlen(received) - 1], '0'); /* the 7 was cut off */
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    char *name = strdup(getenv("NOTIFY_SOCKET"));
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_ready(), 0);
    assert_int_equal(notify_reloading(), 0);
    assert_int_equal(notify_status("x"), 0);
    assert_int_equal(recv(manager, received, sizeof received, 0), -1);
    setenv("NOTIFY_SOCKET", name, 1);
    free(name);
}

static void a_manager_that_is_gone_is_an_error(void **state)
{
    (void)state;
    char *name = strdup(getenv("NOTIFY_SOCKET"));
    setenv("NOTIFY_SOCKET", "@gatherd-test-nobody-listens", 1);
    assert_true(notify_ready() < 0);
    assert_true(notify_status("x") < 0);
    setenv("NOTIFY_SOCKET", name, 1);
    free(name);
}

static void a_manager_that_does_not_read_costs_a_moment(void **state)
{
    (void)state;
    enum { MOST = 10000 };
    int rc = 0, sent = 0;
    usec_t began = clock_now();
    for (; rc == 0 && sent < MOST; sent++)
        rc = notify_watchdog();
    assert_int_equal(rc, -EAGAIN);
    assert_true(clock_now() - began < 5 * USEC_PER_SEC);
    for (; sent > 1; sent--)
        assert_string_equal(receive(), "WATCHDOG=1");
    assert_int_equal(notify_stopping(), 0);
    assert_string_equal(receive(), "STOPPING=1");
}

static void the_watchdog_is_for_its_process(void **state)
{
    (void)state;
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_interval(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_interval(), 30 * USEC_PER_SEC);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_interval(), 0);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_sent),
        cmocka_unit_test(reloading_carries_its_moment),
        cmocka_unit_test(a_status_is_one_assignment),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(a_manager_that_is_gone_is_an_error),
        cmocka_unit_test(a_manager_that_does_not_read_costs_a_moment),
        cmocka_unit_test(the_watchdog_is_for_its_process),
    };
    return cmocka_run_group_tests(tests, open_manager, close_manager);
}
