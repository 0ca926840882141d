/* Descriptors: what is delivered, and what must not be after a close. */
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
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/loop.h"

struct source {
    struct watch watch;
    struct loop *loop;
    struct source *victim;
    int count;
    uint32_t events;
};

static struct source *source_of(struct watch *watch)
{
    return container_of(watch, struct source, watch);
}

static void count(struct watch *watch, uint32_t events)
{
    source_of(watch)->count++;
    source_of(watch)->events = events;
}

static void count_and_unwatch(struct watch *watch, uint32_t events)
{
    count(watch, events);
    loop_unwatch(source_of(watch)->loop, watch);
}

static int ready_fd(void)
{
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int idle_fd(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
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

static void a_pipe_becomes_readable_and_hangs_up(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source source = {.count = 0};
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(loop_watch(loop, &source.watch, ends[0], EPOLLIN, count), 0);
    turn(loop);
    assert_int_equal(source.count, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turn(loop);
    assert_int_equal(source.count, 1);
    assert_int_equal(source.events, EPOLLIN);
    turn(loop); /* level-triggered: nobody read it */
    assert_int_equal(source.count, 2);
    close(ends[1]);
    turn(loop);
    assert_int_equal(source.events, EPOLLIN | EPOLLHUP);
    loop_unwatch(loop, &source.watch);
    turn(loop);
    assert_int_equal(source.count, 3);
    loop_unwatch(loop, &source.watch); /* again is fine */
    close(ends[0]);
    assert_null(loop_free(loop));
    assert_null(loop_free(NULL));
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source first = {.count = 0};
    struct source second = {.count = 0};
    assert_int_equal(loop_watch(loop, &first.watch, -1, EPOLLIN, count), -EBADF);
    int fd = ready_fd();
    close(fd);
    assert_int_equal(loop_watch(loop, &first.watch, fd, EPOLLIN, count), -EBADF);
    FILE *file = tmpfile();
    assert_int_equal(loop_watch(loop, &first.watch, fileno(file), EPOLLIN, count), -EPERM);
    fclose(file);
    fd = ready_fd();
    assert_int_equal(loop_watch(loop, &first.watch, fd, EPOLLIN, count), 0);
    assert_int_equal(loop_watch(loop, &second.watch, fd, EPOLLIN, count), -EEXIST);
    assert_false(second.watch.active);
    turn(loop);
    assert_int_equal(first.count, 1); /* the first owner lost nothing */
    loop_unwatch(loop, &first.watch);
    close(fd);
    loop_free(loop);
}

static void rewatch_changes_the_events(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source source = {.count = 0};
    int fd = ready_fd();
    assert_int_equal(loop_watch(loop, &source.watch, fd, EPOLLIN, count), 0);
    assert_int_equal(loop_rewatch(loop, &source.watch, EPOLLOUT), 0);
    turn(loop);
    assert_int_equal(source.events, EPOLLOUT);
    assert_int_equal(loop_rewatch(loop, &source.watch, 0), 0);
    turn(loop);
    assert_int_equal(source.count, 1);
    assert_int_equal(loop_rewatch(loop, &source.watch, EPOLLIN | EPOLLET), 0);
    turn(loop);
    turn(loop);
    assert_int_equal(source.count, 2); /* edge-triggered: once */
    assert_int_equal(source.events, EPOLLIN);
    loop_unwatch(loop, &source.watch);
    close(fd);
    loop_free(loop);
}

static void an_exclusive_watch_may_change(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source source = {.count = 0};
    int fd = ready_fd();
    assert_int_equal(loop_watch(loop, &source.watch, fd, EPOLLOUT | EPOLLEXCLUSIVE, count), 0);
    assert_int_equal(loop_rewatch(loop, &source.watch, EPOLLIN | EPOLLEXCLUSIVE), 0);
    turn(loop);
    assert_int_equal(source.events, EPOLLIN);
    assert_int_equal(loop_rewatch(loop, &source.watch, EPOLLOUT), 0);
    assert_int_equal(loop_rewatch(loop, &source.watch, EPOLLIN | EPOLLEXCLUSIVE), 0);
    turn(loop);
    assert_int_equal(source.count, 2);
    loop_unwatch(loop, &source.watch);
    turn(loop);
    assert_int_equal(source.count, 2);
    close(fd);
    loop_free(loop);
}

/* Whichever of two comes first ends the other, whose event is in the same batch. */
static void end_victim(struct watch *watch, uint32_t events)
{
    count(watch, events);
    struct source *source = source_of(watch);
    loop_unwatch(source->loop, &source->victim->watch);
    loop_unwatch(source->loop, watch);
}

static void an_ended_watch_hears_nothing_of_its_batch(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source a = {.loop = loop};
    struct source b = {.loop = loop, .victim = &a};
    a.victim = &b;
    int fds[2] = {ready_fd(), ready_fd()};
    assert_int_equal(loop_watch(loop, &a.watch, fds[0], EPOLLIN, end_victim), 0);
    assert_int_equal(loop_watch(loop, &b.watch, fds[1], EPOLLIN, end_victim), 0);
    turn(loop);
    assert_int_equal(a.count + b.count, 1);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}

static struct source successor;

/* Closes the other's descriptor and gives its number to an idle one, watched. */
static void replace_victim(struct watch *watch, uint32_t events)
{
    count(watch, events);
    struct source *source = source_of(watch);
    struct source *victim = source->victim;
    int number = victim->watch.fd;
    if (successor.watch.active)
        return;
    loop_unwatch(source->loop, &victim->watch);
    int idle = idle_fd();
    assert_int_equal(dup3(idle, number, O_CLOEXEC), number); /* closes the old one */
    close(idle);
    assert_int_equal(loop_watch(source->loop, &successor.watch, number, EPOLLIN, count), 0);
}

static void an_event_never_reaches_the_next_owner_of_a_number(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source a = {.loop = loop};
    struct source b = {.loop = loop, .victim = &a};
    a.victim = &b;
    memset(&successor, 0, sizeof successor);
    int fds[2] = {ready_fd(), ready_fd()};
    assert_int_equal(loop_watch(loop, &a.watch, fds[0], EPOLLIN, replace_victim), 0);
    assert_int_equal(loop_watch(loop, &b.watch, fds[1], EPOLLIN, replace_victim), 0);
    turn(loop);
    assert_int_equal(a.count + b.count, 1);
    assert_int_equal(successor.count, 0);
    assert_int_equal(eventfd_write(successor.watch.fd, 1), 0);
    turn(loop);
    assert_int_equal(successor.count, 1); /* its own event does */
    loop_unwatch(loop, &a.watch);
    loop_unwatch(loop, &b.watch);
    loop_unwatch(loop, &successor.watch);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}

static void closing_first_hurts_no_successor(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source old = {.count = 0};
    struct source new = {.count = 0};
    int number = idle_fd();
    assert_int_equal(loop_watch(loop, &old.watch, number, EPOLLIN, count), 0);
    int fd = ready_fd();
    assert_int_equal(dup3(fd, number, O_CLOEXEC), number);
    close(fd);
    assert_int_equal(loop_watch(loop, &new.watch, number, EPOLLIN, count), 0);
    assert_int_equal(loop_rewatch(loop, &old.watch, EPOLLOUT), -EBADF);
    loop_unwatch(loop, &old.watch);
    turn(loop);
    assert_int_equal(new.count, 1);
    assert_int_equal(old.count, 0);
    loop_unwatch(loop, &new.watch);
    close(number);
    loop_free(loop);
}

static void unwatching_after_the_close_is_fine(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source source = {.count = 0};
    int fd = ready_fd();
    assert_int_equal(loop_watch(loop, &source.watch, fd, EPOLLIN, count), 0);
    close(fd);
    loop_unwatch(loop, &source.watch);
    assert_false(source.watch.active);
    assert_int_equal(loop_watch(loop, &source.watch, ready_fd(), EPOLLIN, count), 0);
    turn(loop);
    assert_int_equal(source.count, 1);
    loop_unwatch(loop, &source.watch);
    close(fd); /* the lowest free number is the same again */
    loop_free(loop);
}

enum { BATCH = 256 };

static void one_turn_takes_256_events(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct loop *loop = loop_made();
    struct source *sources = calloc(BATCH + 1, sizeof *sources);
    for (int i = 0; i <= BATCH; i++) {
        sources[i].loop = loop;
        assert_int_equal(
            loop_watch(loop, &sources[i].watch, ready_fd(), EPOLLIN, count_and_unwatch), 0);
    }
    int sums[2] = {0, 0};
    for (int round = 0; round < 2; round++) {
        turn(loop);
        for (int i = 0; i <= BATCH; i++)
            sums[round] += sources[i].count;
    }
    assert_int_equal(sums[0], BATCH);
    assert_int_equal(sums[1], BATCH + 1);
    for (int i = 0; i <= BATCH; i++)
        close(sources[i].watch.fd);
    free(sources);
    loop_free(loop);
}

/* A callback's new watch has a number far beyond the table: the table moves. */
static void watch_far_away(struct watch *watch, uint32_t events)
{
    count(watch, events);
    struct source *source = source_of(watch);
    int far = fcntl(watch->fd, F_DUPFD_CLOEXEC, 900);
    assert_true(far >= 900);
    assert_int_equal(loop_watch(source->loop, &source->victim->watch, far, EPOLLIN, count), 0);
    loop_unwatch(source->loop, watch);
}

static void the_table_grows_inside_a_callback(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source far = {.loop = loop};
    struct source near = {.loop = loop, .victim = &far};
    struct source other = {.loop = loop};
    int fds[2] = {ready_fd(), ready_fd()};
    assert_int_equal(loop_watch(loop, &near.watch, fds[0], EPOLLIN, watch_far_away), 0);
    assert_int_equal(loop_watch(loop, &other.watch, fds[1], EPOLLIN, count), 0);
    turn(loop);
    turn(loop);
    assert_int_equal(near.count, 1);
    assert_int_equal(far.count, 1);
    assert_int_equal(other.count, 2);
    loop_unwatch(loop, &far.watch);
    loop_unwatch(loop, &other.watch);
    close(far.watch.fd);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}

static void ask_victim_for_less(struct watch *watch, uint32_t events)
{
    count(watch, events);
    struct source *source = source_of(watch);
    if (source->count + source->victim->count == 1)
        assert_int_equal(loop_rewatch(source->loop, &source->victim->watch, 0), 0);
}

static void a_pause_holds_within_the_batch(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct source a = {.loop = loop};
    struct source b = {.loop = loop, .victim = &a};
    a.victim = &b;
    int fds[2] = {ready_fd(), ready_fd()};
    assert_int_equal(loop_watch(loop, &a.watch, fds[0], EPOLLIN, ask_victim_for_less), 0);
    assert_int_equal(loop_watch(loop, &b.watch, fds[1], EPOLLIN, ask_victim_for_less), 0);
    turn(loop);
    assert_int_equal(a.count + b.count, 1);
    loop_unwatch(loop, &a.watch);
    loop_unwatch(loop, &b.watch);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}

static void ignore_signal(int number)
{
    (void)number;
}

static void an_interrupted_wait_is_no_error(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    struct sigaction action = {.sa_handler = ignore_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval every = {.it_interval = {0, 10000}, .it_value = {0, 10000}};
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    usec_t begin = clock_now();
    assert_int_equal(loop_turn(loop, begin + 60 * USEC_PER_SEC), 0);
    assert_true(clock_now() - begin < 60 * USEC_PER_SEC);
    every = (struct itimerval){.it_value = {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    sigaction(SIGALRM, &before, NULL);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_becomes_readable_and_hangs_up),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
        cmocka_unit_test(rewatch_changes_the_events),
        cmocka_unit_test(an_exclusive_watch_may_change),
        cmocka_unit_test(an_ended_watch_hears_nothing_of_its_batch),
        cmocka_unit_test(an_event_never_reaches_the_next_owner_of_a_number),
        cmocka_unit_test(closing_first_hurts_no_successor),
        cmocka_unit_test(unwatching_after_the_close_is_fine),
        cmocka_unit_test(one_turn_takes_256_events),
        cmocka_unit_test(the_table_grows_inside_a_callback),
        cmocka_unit_test(a_pause_holds_within_the_batch),
        cmocka_unit_test(an_interrupted_wait_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
