/* What the journal's socket receives, and what happens when nobody reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/journal.h"

static char folder[] = "/tmp/gatherd-test-XXXXXX";
static char path[64];
static char received[16384];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int open_reader(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void close_reader(int fd)
{
    close(fd);
    unlink(path);
}

static const char *receive(int fd)
{
    ssize_t got = recv(fd, received, sizeof received - 1, 0);
    assert_true(got > 0);
    received[got] = '\0';
    return received;
}

static void a_line_is_a_datagram_with_its_fields(void **state)
{
    (void)state;
    int reader = open_reader();
    struct journal *journal = journal_open(path);
    struct log_fields fields = {.count = 0};
    log_add_text(&fields, LOG_MESSAGE_ID, "7a0e");
    log_add_number(&fields, "STATUS", 502);
    log_add_text(&fields, "ENDPOINT", "/a\nPRIORITY=0\x7f");
    assert_int_equal(journal_send(journal, LOG_LEVEL_WARNING, "it failed", &fields), 0);
    assert_string_equal(receive(reader),
                        "PRIORITY=4\nSYSLOG_IDENTIFIER=gatherd\nMESSAGE=it failed\n"
                        "MESSAGE_ID=7a0e\nSTATUS=502\nENDPOINT=/a PRIORITY=0 \n");
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "plain", NULL), 0);
    assert_string_equal(receive(reader), "PRIORITY=6\nSYSLOG_IDENTIFIER=gatherd\nMESSAGE=plain\n");
    journal_free(journal);
    close_reader(reader);
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    int reader = open_reader();
    struct journal *journal = journal_open(path);
    struct log_fields fields = {.count = 0};
    char *large = malloc(10001);
    memset(large, 'x', 10000);
    large[10000] = '\0';
    log_add_text(&fields, "LARGE", large);
    log_add_text(&fields, "BEHIND", "y");
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", &fields), 0);
    size_t len = strlen(receive(reader));
    assert_int_equal(len, 8192);
    assert_string_equal(received + len - 4, "xxx\n");
    free(large);
    journal_free(journal);
    close_reader(reader);
}

static void a_journal_that_hangs_does_not_stop_us(void **state)
{
    (void)state;
    int reader = open_reader();
    struct journal *journal = journal_open(path);
    int sent = 0, rc;
    while ((rc = journal_send(journal, LOG_LEVEL_INFO, "line", NULL)) == 0)
        assert_true(++sent < 100000);
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", NULL), -EAGAIN);
    for (int i = 0; i < sent; i++)
        assert_null(strstr(receive(reader), "LINES_LOST"));
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "back", NULL), 0);
    assert_non_null(strstr(receive(reader), "\nLINES_LOST=2\nMESSAGE=back\n"));
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "again", NULL), 0);
    assert_null(strstr(receive(reader), "LINES_LOST"));
    journal_free(journal);
    close_reader(reader);
}

static void a_journal_that_comes_back_is_found(void **state)
{
    (void)state;
    struct journal *journal = journal_open(path);
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", NULL), -ENOENT);
    int reader = open_reader();
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", NULL), 0);
    close_reader(reader);
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", NULL), -ENOENT);
    reader = open_reader();
    assert_int_equal(journal_send(journal, LOG_LEVEL_INFO, "line", NULL), 0);
    assert_non_null(strstr(receive(reader), "LINES_LOST=1\n"));
    close_reader(reader);
    journal_free(journal);
}

static void only_the_named_stream_is_the_journals(void **state)
{
    (void)state;
    struct stat status;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    unsetenv("JOURNAL_STREAM");
    assert_false(journal_has_stderr());
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(journal_has_stderr());
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_false(journal_has_stderr());
    setenv("JOURNAL_STREAM", "nonsense", 1);
    assert_false(journal_has_stderr());
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_datagram_with_its_fields),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(a_journal_that_hangs_does_not_stop_us),
        cmocka_unit_test(a_journal_that_comes_back_is_found),
        cmocka_unit_test(only_the_named_stream_is_the_journals),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
