/* Lines to whatever may be at the other end: nobody waits, and lines stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/outlet.h"

enum { LINE = 100, WRITERS = 4, LINES = 5000, HELD_MOST = 100000 };

static const char line[] = "one line\n";

static size_t fill(struct outlet *outlet)
{
    size_t count = 0;
    ssize_t wrote;
    while ((wrote = outlet_write(outlet, line, strlen(line), true)) == (ssize_t)strlen(line))
        assert_true(++count < HELD_MOST);
    assert_int_equal(wrote, -EAGAIN);
    return count;
}

static void drain(int fd, size_t lines)
{
    char got[sizeof line];
    for (size_t i = 0; i < lines; i++) {
        assert_int_equal(read(fd, got, strlen(line)), strlen(line));
        assert_memory_equal(got, line, strlen(line));
    }
}

static void a_full_pipe_refuses(void **state)
{
    (void)state;
    int ends[2];
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(pipe(ends), 0);
        struct outlet outlet = OUTLET_ON(ends[1]);
        if (opened)
            outlet_open(&outlet, ends[1]);
        assert_int_equal(outlet.way, opened ? OUTLET_WRITTEN : OUTLET_POLLED);
        size_t count = fill(&outlet);
        assert_false(outlet_await(&outlet, USEC_PER_MSEC));
        drain(ends[0], count);
        assert_true(outlet_await(&outlet, 0));
        assert_true(fill(&outlet) > 0);
        assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* the others' is as it was */
        outlet_close(&outlet);
        close(ends[0]);
        close(ends[1]);
    }
}

static void a_full_socket_refuses(void **state)
{
    (void)state;
    int ends[2];
    struct outlet outlet;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    outlet_open(&outlet, ends[1]);
    assert_int_equal(outlet.way, OUTLET_SENT);
    size_t count = fill(&outlet);
    drain(ends[0], count);
    assert_true(fill(&outlet) > 0);
    close(ends[0]);
    assert_int_equal(outlet_write(&outlet, line, strlen(line), true), -EPIPE); /* and no signal */
    outlet_close(&outlet);
    close(ends[1]);
}

/* What one write could not place is not glued to the next line. */
static void a_torn_line_is_ended(void **state)
{
    (void)state;
    struct rlimit before, small = {.rlim_cur = LINE, .rlim_max = RLIM_INFINITY};
    char name[] = "/tmp/gatherd-test-XXXXXX", text[LINE], got[4 * LINE];
    int fd = mkstemp(name);
    struct outlet outlet;
    memset(text, 'x', sizeof text);
    text[LINE - 1] = '\n';
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    outlet_open(&outlet, fd);
    assert_true(outlet.regular);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(outlet_write(&outlet, text, LINE, true), LINE);
    small.rlim_cur = 2 * LINE - 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(outlet_write(&outlet, text, LINE, true), LINE - 10);
    assert_int_equal(outlet_write(&outlet, line, strlen(line), true), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(outlet_write(&outlet, line, strlen(line), true), strlen(line));
    assert_int_equal(outlet_write(&outlet, line, strlen(line), true), strlen(line));
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(pread(fd, got, sizeof got, 0), 2 * LINE - 10 + 1 + 2 * strlen(line));
    assert_memory_equal(got + LINE, text, LINE - 10);
    assert_memory_equal(got + 2 * LINE - 10, "\none line\none line\n", 1 + 2 * strlen(line));
    outlet_close(&outlet);
    close(fd);
    unlink(name);
}

static void a_rest_goes_on_where_it_was(void **state)
{
    (void)state;
    char got[8];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct outlet outlet = OUTLET_ON(ends[1]);
    assert_int_equal(outlet_write(&outlet, "ab", 2, true), 2);
    assert_int_equal(outlet_write(&outlet, "c\n", 2, false), 2);
    assert_int_equal(outlet_write(&outlet, "d\n", 2, true), 2);
    assert_int_equal(read(ends[0], got, sizeof got), 6);
    assert_memory_equal(got, "abc\nd\n", 6);
    close(ends[0]);
    close(ends[1]);
}

struct writer {
    struct outlet *outlet;
    char letter;
    size_t written;
};

static void *write_lines(void *ctx)
{
    struct writer *writer = ctx;
    char text[LINE];
    memset(text, writer->letter, sizeof text);
    text[LINE - 1] = '\n';
    for (int i = 0; i < LINES; i++) {
        ssize_t wrote = outlet_write(writer->outlet, text, LINE, true);
        if (wrote == LINE)
            writer->written++;
        else if (wrote != -EAGAIN)
            return NULL;
    }
    return writer;
}

struct reader {
    int fd;
    size_t seen[WRITERS];
    bool torn;
};

/* Until the last writer has closed. */
static void *read_lines(void *ctx)
{
    struct reader *reader = ctx;
    char text[LINE];
    for (ssize_t got; (got = read(reader->fd, text, LINE)) > 0;) {
        for (int i = 1; i < LINE - 1; i++)
            reader->torn |= text[i] != text[0];
        reader->torn |= got != LINE || text[LINE - 1] != '\n';
        reader->seen[(text[0] - 'a') % WRITERS]++;
    }
    return NULL;
}

/* A descriptor that blocks, several threads, and a reader that is behind. */
static void no_thread_waits_for_another(void **state)
{
    (void)state;
    int ends[2];
    pthread_t threads[WRITERS], reading;
    struct writer writers[WRITERS];
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    struct outlet outlet = OUTLET_ON(ends[1]);
    struct reader reader = {.fd = ends[0]};
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&outlet, (char)('a' + i), 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    assert_int_equal(pthread_create(&reading, NULL, read_lines, &reader), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    close(ends[1]);
    pthread_join(reading, NULL);
    assert_false(reader.torn);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(reader.seen[i], writers[i].written);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_refuses),
        cmocka_unit_test(a_full_socket_refuses),
        cmocka_unit_test(a_torn_line_is_ended),
        cmocka_unit_test(a_rest_goes_on_where_it_was),
        cmocka_unit_test(no_thread_waits_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
