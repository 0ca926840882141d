/* Rings between threads, and the thread that empties them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/collector.h"

#define LONG_ENOUGH (60 * USEC_PER_SEC)

enum { RECORDS = 20000, WRITERS = 2 };

static void a_full_ring_drops(void **state)
{
    (void)state;
    struct bell *bell;
    assert_int_equal(bell_new(&bell), 0);
    struct ring *ring = ring_new(3, 5, bell); /* four places */
    assert_null(ring_first(ring));
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(ring, "abcde", 5));
    assert_false(ring_put(ring, "x", 1));
    assert_int_equal(ring_dropped(ring), 1);
    assert_memory_equal(ring_first(ring), "abcde", 5);
    ring_drop_first(ring);
    assert_true(ring_put(ring, "z", 1));
    assert_false(ring_put(ring, "x", 1));
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(ring_first(ring), "abcde", 5);
        ring_drop_first(ring);
    }
    assert_memory_equal(ring_first(ring), "zbcde", 5); /* only its own length was copied */
    ring_drop_first(ring);
    assert_null(ring_first(ring));
    assert_int_equal(ring_dropped(ring), 2);
    ring_free(ring);
    bell_free(bell);
}

static void a_bell_wakes_who_sleeps(void **state)
{
    (void)state;
    struct bell *bell;
    assert_int_equal(bell_new(&bell), 0);
    bell_ring(bell); /* nobody sleeps: no effect */
    usec_t begin = clock_now();
    bell_sleep(bell, 5 * USEC_PER_MSEC);
    assert_true(clock_now() - begin >= 5 * USEC_PER_MSEC);
    bell_arm(bell);
    bell_ring(bell);
    begin = clock_now();
    bell_sleep(bell, LONG_ENOUGH);
    bell_wake(bell);
    bell_sleep(bell, LONG_ENOUGH);
    assert_true(clock_now() - begin < LONG_ENOUGH);
    bell_free(bell);
}

struct taker {
    uint64_t next[WRITERS]; /* that each writer's record must be */
    bool last;
    sem_t *passed;
};

struct record {
    uint64_t writer, number;
};

static bool take(void *ctx, const void *data)
{
    struct taker *taker = ctx;
    const struct record *record = data;
    assert_int_equal(record->number, taker->next[record->writer]);
    taker->next[record->writer]++;
    return true;
}

static void between(void *ctx)
{
    (void)ctx;
}

static struct collector_times passed(void *ctx, bool last)
{
    struct taker *taker = ctx;
    taker->last = last;
    if (taker->passed)
        sem_post(taker->passed);
    return (struct collector_times){.idle = USEC_NEVER, .pause = 0};
}

static const struct collector_work work = {.take = take, .between = between, .passed = passed};

struct writer {
    struct ring *ring;
    uint64_t number;
};

static void *write_records(void *ctx)
{
    struct writer *writer = ctx;
    for (uint64_t i = 0; i < RECORDS;) {
        struct record record = {writer->number, i};
        if (ring_put(writer->ring, &record, sizeof record))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void everything_arrives_in_order(void **state)
{
    (void)state;
    struct collector *collector;
    struct taker taker = {.last = false};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    assert_int_equal(collector_new(WRITERS, 64, sizeof(struct record), &collector), 0);
    assert_int_equal(collector_start(collector, "taker", &work, &taker), 0);
    assert_int_equal(collector_start(collector, "taker", &work, &taker), 0); /* once */
    for (uint64_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){collector_ring(collector, i), i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(collector_stop(collector, LONG_ENOUGH));
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(taker.next[i], RECORDS);
    assert_true(taker.last);
    collector_free(collector);
}

/* One record wakes the thread, which sleeps until there is one; no time passes for it. */
static void a_record_wakes_the_thread(void **state)
{
    (void)state;
    sem_t rounds;
    struct collector *collector;
    struct taker taker = {.passed = &rounds};
    sem_init(&rounds, 0, 0);
    assert_int_equal(collector_new(1, 16, sizeof(struct record), &collector), 0);
    assert_int_equal(collector_start(collector, "taker", &work, &taker), 0);
    sem_wait(&rounds);
    for (uint64_t i = 0; i < 100; i++) {
        struct record record = {0, i};
        assert_true(ring_put(collector_ring(collector, 0), &record, sizeof record));
        sem_wait(&rounds);
    }
    collector_wake(collector);
    sem_wait(&rounds);
    assert_true(collector_stop(collector, LONG_ENOUGH));
    assert_int_equal(taker.next[0], 100);
    assert_int_equal(collector_dropped(collector), 0);
    collector_free(collector);
    sem_destroy(&rounds);
}

/* ---- passes ---- */

enum { MANY = 1000 };

struct watcher {
    struct collector *collector;
    uint64_t taken, refuse; /* refuse: so many times */
    uint64_t betweens, passes;
    uint64_t first_of_second; /* how many were taken before the second ring's first */
    _Atomic(bool) refill;
    sem_t passed;
};

static bool watch_record(void *ctx, const void *data)
{
    struct watcher *watcher = ctx;
    const struct record *record = data;
    if (watcher->refuse > 0) {
        watcher->refuse--;
        return false;
    }
    if (record->writer == 1 && watcher->first_of_second == 0)
        watcher->first_of_second = watcher->taken;
    watcher->taken++;
    if (atomic_load(&watcher->refill))
        ring_put(collector_ring(watcher->collector, 0), record, sizeof *record);
    return true;
}

static void watch_between(void *ctx)
{
    ((struct watcher *)ctx)->betweens++;
}

static struct collector_times watch_pass(void *ctx, bool last)
{
    struct watcher *watcher = ctx;
    (void)last;
    watcher->passes++;
    sem_post(&watcher->passed);
    return (struct collector_times){.idle = USEC_NEVER, .pause = 0};
}

static const struct collector_work watching = {
    .take = watch_record, .between = watch_between, .passed = watch_pass};

static void start_watching(struct watcher *watcher, const size_t counts[2])
{
    sem_init(&watcher->passed, 0, 0);
    assert_int_equal(collector_new(2, 1024, sizeof(struct record), &watcher->collector), 0);
    for (uint64_t writer = 0; writer < 2; writer++)
        for (uint64_t i = 0; i < counts[writer]; i++) {
            struct record record = {writer, i};
            assert_true(
                ring_put(collector_ring(watcher->collector, writer), &record, sizeof record));
        }
    assert_int_equal(collector_start(watcher->collector, "watcher", &watching, watcher), 0);
}

static void stop_watching(struct watcher *watcher)
{
    assert_true(collector_stop(watcher->collector, LONG_ENOUGH));
    collector_free(watcher->collector);
    sem_destroy(&watcher->passed);
}

/* A record comes for each that is taken, and still there are ends of passes. */
static void passes_end_whatever_the_load(void **state)
{
    (void)state;
    struct watcher watcher = {.refill = true};
    start_watching(&watcher, (size_t[]){MANY, 0});
    for (int i = 0; i < 5; i++)
        sem_wait(&watcher.passed);
    atomic_store(&watcher.refill, false);
    stop_watching(&watcher);
    assert_true(watcher.taken >= 5 * MANY);
    assert_true(watcher.betweens >= 5 * (MANY / 256));
}

static void no_ring_waits_for_another(void **state)
{
    (void)state;
    struct watcher watcher = {.taken = 0};
    start_watching(&watcher, (size_t[]){MANY, 1});
    sem_wait(&watcher.passed);
    stop_watching(&watcher);
    assert_int_equal(watcher.taken, MANY + 1);
    assert_in_range(watcher.first_of_second, 1, 256);
}

static void what_is_refused_stays(void **state)
{
    (void)state;
    struct watcher watcher = {.refuse = 3};
    start_watching(&watcher, (size_t[]){10, 10});
    for (int i = 0; i < 4; i++)
        sem_wait(&watcher.passed);
    assert_int_equal(watcher.taken, 20);
    assert_int_equal(watcher.passes, 4);
    stop_watching(&watcher);
}

static void one_never_started_ends_at_once(void **state)
{
    (void)state;
    struct collector *collector;
    assert_int_equal(collector_new(1, 16, 16, &collector), 0);
    assert_true(collector_stop(collector, 0));
    collector_free(collector);
    assert_null(collector_free(NULL));
    assert_null(ring_free(NULL));
    assert_null(bell_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_ring_drops),
        cmocka_unit_test(a_bell_wakes_who_sleeps),
        cmocka_unit_test(everything_arrives_in_order),
        cmocka_unit_test(a_record_wakes_the_thread),
        cmocka_unit_test(passes_end_whatever_the_load),
        cmocka_unit_test(no_ring_waits_for_another),
        cmocka_unit_test(what_is_refused_stays),
        cmocka_unit_test(one_never_started_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
