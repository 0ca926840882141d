/* The access log in the journal: what an entry has, and what becomes of it without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "access_log.h"
#include "core/access_record.h"
#include "events.h"
#include "unit/batch_fixture.h"

static struct sockaddr_un journal_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/gatherd-test-%d.sock", (int)getpid());
    return address;
}

static struct access_record sample(bool slow)
{
    struct access_record record = {.status = 502,
                                   .duration = 1234,
                                   .slowest = 1100,
                                   .sampled = true,
                                   .slow = slow,
                                   .client = CLIENT_UNIX};
    access_put(&record, ACCESS_REQUEST_ID, "abc", 3, 128);
    access_put(&record, ACCESS_METHOD, "GET", 3, 32);
    access_put(&record, ACCESS_TARGET, "/x", 2, ACCESS_TARGET_MAX);
    access_put(&record, ACCESS_ENDPOINT, "/{x}", 4, ACCESS_NAME_MAX);
    access_put(&record, ACCESS_PART, "user", 4, ACCESS_NAME_MAX);
    access_put(&record, ACCESS_UPSTREAM, "shop", 4, ACCESS_NAME_MAX);
    return record;
}

static void leave(struct access_log *log, bool slow)
{
    struct access_record record = sample(slow);
    assert_true(ring_put(access_log_ring(log, 0), &record, access_record_size(&record)));
}

static void expect_entry(int fd, const char *const *lines)
{
    char entry[8192];
    ssize_t len = recv(fd, entry, sizeof entry - 1, 0);
    assert_true(len > 0);
    entry[len] = '\0';
    for (; *lines; lines++) {
        if (!strstr(entry, *lines))
            print_error("%s is not in\n%s\n", *lines, entry);
        assert_non_null(strstr(entry, *lines));
    }
}

static void entries_have_fields(void **state)
{
    (void)state;
    static const char *const usual[] = {
        "PRIORITY=6\n",
        "MESSAGE_ID=" EVENT_REQUEST "\n",
        "REQUEST_ID=abc\n",
        "ENDPOINT=/{x}\n",
        "UPSTREAM=shop\n",
        "STATUS=502\n",
        "DURATION_US=1234\n",
        "CLIENT=unix\n",
        "MESSAGE=GET /x: 502 in 1.2 ms\n",
        NULL,
    };
    static const char *const slow[] = {
        "PRIORITY=4\n",
        "MESSAGE_ID=" EVENT_SLOW_REQUEST "\n",
        "MESSAGE=slow request: GET /x: 502 in 1.2 ms, the slowest call \"user\" to shop in 1.1 "
        "ms\n",
        NULL,
    };
    scope_arena struct arena *arena = arena_new();
    struct sockaddr_un address = journal_address();
    struct access_log *log;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    struct config *config = fixture_config(arena, "accessLog: { to: journal }\n");
    assert_int_equal(access_log_new(1, 16, address.sun_path, &log), 0);
    assert_int_equal(access_log_prepare(log, config), 0);
    access_log_commit(log);
    leave(log, false);
    expect_entry(fd, usual);
    leave(log, true);
    expect_entry(fd, slow);
    assert_true(access_log_stop(log));
    assert_int_equal(access_log_dropped(log), 0);
    access_log_free(log);
    config_unref(config);
    close(fd);
    unlink(address.sun_path);
}

static void without_a_journal_lines_are_counted(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct access_log *log;
    struct config *config = fixture_config(arena, "accessLog: { to: journal }\n");
    assert_int_equal(access_log_new(1, 16, "/tmp/no-such-journal.sock", &log), 0);
    assert_int_equal(access_log_prepare(log, config), 0);
    access_log_commit(log);
    leave(log, false);
    leave(log, false);
    assert_true(access_log_stop(log));
    assert_int_equal(access_log_dropped(log), 2);
    assert_null(access_log_free(log));
    assert_null(access_log_free(NULL));
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_fields),
        cmocka_unit_test(without_a_journal_lines_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
