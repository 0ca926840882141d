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
    sem_t *emptied;
};

struct record {
    uint64_t writer, number;
};

static void take(void *ctx, const void *data)
{
    struct taker *taker = ctx;
    const struct record *record = data;
    assert_int_equal(record->number, taker->next[record->writer]);
    taker->next[record->writer]++;
}

static struct collector_times emptied(void *ctx, bool last)
{
    struct taker *taker = ctx;
    taker->last = last;
    if (taker->emptied)
        sem_post(taker->emptied);
    return (struct collector_times){.idle = USEC_NEVER, .pause = 0};
}

static const struct collector_work work = {.take = take, .emptied = emptied};

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
    struct taker taker = {.emptied = &rounds};
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
        cmocka_unit_test(one_never_started_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
