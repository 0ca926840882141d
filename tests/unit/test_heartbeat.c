/* Pings and status as the service manager sees them, with workers that answer or do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "back/curl_global.h"
#include "base/log.h"
#include "core/config_load.h"
#include "heartbeat.h"

enum { WORKERS = 2 };

#define EVERY (20 * USEC_PER_MSEC)

struct rig {
    int manager;
    struct arena *arena;
    struct config *config;
    struct latch *workers_in, *resolvers_in;
    struct listeners listeners;
    struct crew crew;
    struct seat seats[WORKERS];
    struct sibling siblings[WORKERS];
    struct worker *workers[WORKERS];
    bool started[WORKERS];
    struct heartbeat heartbeat;
};

static struct rig rig;
static char received[2048];

static void open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@gatherd-test-heartbeat-%d", (int)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    rig.manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(rig.manager, (struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static int set_up(void **state)
{
    (void)state;
    rig = (struct rig){.arena = arena_new(), .config = config_defaults()};
    rig.workers_in = latch_new();
    rig.resolvers_in = latch_new();
    rig.crew = (struct crew){
        .listeners = &rig.listeners,
        .identity = "test",
        .seats = rig.seats,
        .count = WORKERS,
        .siblings = {.items = rig.siblings, .count = WORKERS},
    };
    open_manager();
    assert_int_equal(resolver_new(&rig.config->resolver, rig.resolvers_in, &rig.crew.resolver), 0);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(worker_new(&rig.crew, i, rig.config, &rig.workers[i]), 0);
    return 0;
}

/* A worker whose thread never starts is the one that hangs. */
static void start(size_t seat)
{
    struct latch *greeted = latch_new();
    assert_int_equal(worker_start(rig.workers[seat], rig.workers_in), 0);
    worker_greet(rig.workers[seat], greeted);
    assert_true(latch_wait(greeted, 5 * USEC_PER_SEC));
    latch_free(greeted);
    rig.started[seat] = true;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKERS; i++)
        if (rig.started[i])
            worker_stop(rig.workers[i], clock_now());
        else
            rig.workers[i] = worker_free(rig.workers[i]);
    assert_true(latch_wait(rig.workers_in, 5 * USEC_PER_SEC));
    resolver_stop(rig.crew.resolver);
    assert_true(latch_wait(rig.resolvers_in, 5 * USEC_PER_SEC));
    for (size_t i = 0; i < WORKERS; i++)
        worker_free(rig.workers[i]);
    latch_free(rig.workers_in);
    latch_free(rig.resolvers_in);
    config_unref(rig.config);
    arena_free(rig.arena);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    return close(rig.manager);
}

static void begin(const char *watchdog_usec)
{
    if (watchdog_usec)
        setenv("WATCHDOG_USEC", watchdog_usec, 1);
    heartbeat_start(&rig.heartbeat, &rig.crew, rig.workers, EVERY);
}

static void await_answer_of(size_t seat)
{
    usec_t began = clock_now();
    while (worker_silence(rig.workers[seat], USEC_NEVER) > 0) {
        assert_true(clock_now() - began < 5 * USEC_PER_SEC);
        usleep(1000);
    }
}

static void await_answers(void)
{
    await_answer_of(0);
    await_answer_of(1);
}

/* Until the next beat has happened. */
static void beat(void)
{
    usec_t due = rig.heartbeat.next;
    while (heartbeat_turn(&rig.heartbeat) == due)
        usleep(1000);
}

/* Reads everything; how many messages were `text`. */
static int count_received(const char *text)
{
    int found = 0;
    ssize_t got;
    while ((got = recv(rig.manager, received, sizeof received - 1, 0)) > 0) {
        received[got] = '\0';
        found += strcmp(received, text) == 0;
    }
    return found;
}

static void pings_when_all_answer(void **state)
{
    (void)state;
    start(0);
    start(1);
    begin("60000000");
    assert_int_equal(count_received("WATCHDOG=1"), 0);
    for (int i = 0; i < 3; i++) {
        await_answers();
        beat();
        assert_int_equal(count_received("WATCHDOG=1"), 1);
    }
}

static void one_silent_worker_is_enough_for_no_ping(void **state)
{
    (void)state;
    start(0);
    begin("60000000");
    for (int i = 0; i < 3; i++) {
        beat();
        assert_int_equal(count_received("WATCHDOG=1"), 0);
    }
    start(1); /* late, but it answers */
    await_answers();
    beat();
    assert_int_equal(count_received("WATCHDOG=1"), 1);
}

static void no_pings_without_a_watchdog(void **state)
{
    (void)state;
    start(0);
    start(1);
    begin(NULL);
    beat();
    beat();
    assert_int_equal(count_received("WATCHDOG=1"), 0);
}

static void the_watchdog_sets_the_pace(void **state)
{
    (void)state;
    begin("10000"); /* half of it is less than EVERY */
    assert_int_equal(rig.heartbeat.interval, 5000);
    begin("60000000");
    assert_int_equal(rig.heartbeat.interval, EVERY);
}

static void the_status_is_sent_when_it_changes(void **state)
{
    (void)state;
    static const char idle[] =
        "STATUS=Serving with 2 workers: 0 requests served, 0 in flight, 0 connections";
    begin(NULL);
    assert_int_equal(count_received(idle), 1);
    beat();
    beat();
    assert_int_equal(recv(rig.manager, received, sizeof received, 0), -1);
    atomic_store(&rig.seats[0].served, 5);
    atomic_store(&rig.seats[1].served, 7);
    atomic_store(&rig.seats[1].in_flight, 2);
    beat();
    assert_int_equal(
        count_received(
            "STATUS=Serving with 2 workers: 12 requests served, 2 in flight, 0 connections"),
        1);
    heartbeat_note(&rig.heartbeat, "all is well");
    assert_int_equal(count_received("STATUS=Serving with 2 workers: 12 requests served, 2 in "
                                    "flight, 0 connections; all is well"),
                     1);
    heartbeat_note(&rig.heartbeat, "all is well");
    assert_int_equal(recv(rig.manager, received, sizeof received, 0), -1);
}

static void while_stopping_nobody_needs_to_answer(void **state)
{
    (void)state;
    begin("60000000");
    count_received("");
    heartbeat_stop(&rig.heartbeat);
    assert_int_equal(count_received("STATUS=Stopping: 0 connections are still open"), 1);
    beat();
    assert_int_equal(count_received("WATCHDOG=1"), 1);
}

static int lines; /* that say of worker 1 that it does not answer */

static void take_line(void *ctx, enum log_level level, const char *line,
                      const struct log_fields *fields)
{
    (void)ctx;
    (void)fields;
    lines += level == LOG_LEVEL_WARNING && strcmp(line, "worker 1 does not answer") == 0;
}

static void without_a_manager_a_silent_worker_is_seen(void **state)
{
    (void)state;
    size_t seat = WORKERS;
    lines = 0;
    unsetenv("NOTIFY_SOCKET");
    log_install(take_line, NULL);
    start(0);
    begin("60000000");
    usec_t asked = rig.heartbeat.last;
    assert_false(heartbeat_is_silent(&rig.heartbeat, asked, &seat));
    assert_int_equal(heartbeat_silence(&rig.heartbeat, 1, asked + 5), 5);
    assert_false(heartbeat_is_silent(&rig.heartbeat, asked + EVERY - 1, &seat));
    beat();
    assert_int_equal(lines, 1);
    beat();
    usec_t silence = heartbeat_silence(&rig.heartbeat, 1, rig.heartbeat.last);
    assert_true(silence == rig.heartbeat.last - asked && silence >= 2 * EVERY);
    await_answer_of(0);
    assert_true(heartbeat_is_silent(&rig.heartbeat, rig.heartbeat.last, &seat));
    assert_int_equal(seat, 1);
    assert_int_equal(heartbeat_silence(&rig.heartbeat, 0, clock_now()), 0);
    heartbeat_stop(&rig.heartbeat); /* now nobody needs to answer */
    assert_false(heartbeat_is_silent(&rig.heartbeat, clock_now(), &seat));
    assert_int_equal(heartbeat_silence(&rig.heartbeat, 1, clock_now()), 0);
    assert_int_equal(recv(rig.manager, received, sizeof received, 0), -1);
    log_install(NULL, NULL);
}

static void a_silence_is_named_each_time_it_has_doubled(void **state)
{
    (void)state;
    int beats = 0;
    lines = 0;
    log_install(take_line, NULL);
    start(0);
    begin(NULL);
    usec_t asked = rig.heartbeat.last;
    do {
        int before = lines;
        usec_t last = rig.heartbeat.last;
        beat();
        beats++;
        int marks = 0;
        for (usec_t mark = EVERY; mark <= rig.heartbeat.last - asked; mark *= 2)
            marks += mark > last - asked;
        assert_int_equal(lines - before, marks > 0);
    } while (rig.heartbeat.last - asked < 8 * EVERY);
    assert_true(lines <= beats && lines <= 4);
    start(1);
    await_answers();
    int before = lines;
    beat();
    assert_int_equal(lines, before);
    log_install(NULL, NULL);
}

/* What the worker of a full mailbox would answer is not known. */
static void a_question_that_finds_no_place_is_open(void **state)
{
    (void)state;
    enum { PLACES = 1 << 20 };
    struct mailbox *mailbox = rig.seats[1].mailbox;
    start(0);
    assert_int_equal(mailbox_reserve_places(mailbox, PLACES), 0);
    begin("60000000");
    for (int i = 0; i < 2; i++) {
        beat();
        assert_int_equal(count_received("WATCHDOG=1"), 0);
    }
    assert_int_equal(mailbox_waiting(mailbox), 0);
    mailbox_unreserve_places(mailbox, PLACES);
    beat();
    assert_int_equal(mailbox_waiting(mailbox), 1);
    start(1);
    await_answers();
    beat();
    assert_int_equal(count_received("WATCHDOG=1"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pings_when_all_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_silent_worker_is_enough_for_no_ping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_pings_without_a_watchdog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watchdog_sets_the_pace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_status_is_sent_when_it_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(while_stopping_nobody_needs_to_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_manager_a_silent_worker_is_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_silence_is_named_each_time_it_has_doubled, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_question_that_finds_no_place_is_open, set_up, tear_down),
    };
    if (curl_global_start() != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_stop();
    return failed;
}
