/* What the kernel tells of this process and of one thread of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/process.h"

#define WORK     (60 * USEC_PER_MSEC)
#define PATIENCE (20 * USEC_PER_SEC)

struct spinner {
    pthread_t id;
    _Atomic(uint64_t) thread;
    _Atomic(bool) over;
};

static void *spin(void *ctx)
{
    struct spinner *spinner = ctx;
    atomic_store(&spinner->thread, (uint64_t)gettid());
    while (!atomic_load(&spinner->over))
        ;
    return NULL;
}

static void start(struct spinner *spinner)
{
    assert_int_equal(pthread_create(&spinner->id, NULL, spin, spinner), 0);
    while (atomic_load(&spinner->thread) == 0)
        sched_yield();
}

static void end(struct spinner *spinner)
{
    atomic_store(&spinner->over, true);
    assert_int_equal(pthread_join(spinner->id, NULL), 0);
}

/* On one CPU: what one of them has the other one waits for. */
static void a_thread_runs_or_wants_to(void **state)
{
    (void)state;
    cpu_set_t before, one;
    struct spinner spinners[2] = {0};
    struct process_thread use[2], more;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0); /* theirs as well */
    uint64_t began = clock_now();
    start(&spinners[0]);
    start(&spinners[1]);
    do {
        assert_true(clock_now() - began < PATIENCE);
        usleep(1000);
        for (int i = 0; i < 2; i++)
            assert_true(process_look_at_thread(atomic_load(&spinners[i].thread), &use[i]));
    } while (use[0].cpu < WORK || use[1].cpu < WORK || use[0].run_delay < WORK / 2 ||
             use[1].run_delay < WORK / 2);
    uint64_t passed = clock_now() - began;
    assert_true(use[0].cpu + use[1].cpu <= passed + WORK);
    assert_true(process_look_at_thread(atomic_load(&spinners[0].thread), &more));
    assert_true(more.cpu >= use[0].cpu && more.run_delay >= use[0].run_delay);
    end(&spinners[0]);
    end(&spinners[1]);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void nobody_is_told_of_no_thread(void **state)
{
    (void)state;
    struct process_thread use;
    assert_false(process_look_at_thread(0, &use));
    assert_false(process_look_at_thread((uint64_t)getppid(), &use)); /* another process's */
    assert_true(process_look_at_thread((uint64_t)gettid(), &use));
}

static void the_process_uses_something(void **state)
{
    (void)state;
    struct process_use use;
    process_look(&use);
    assert_true(use.memory > 1 << 16);
    assert_true(use.files >= 1 && use.files <= use.files_most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_or_wants_to),
        cmocka_unit_test(nobody_is_told_of_no_thread),
        cmocka_unit_test(the_process_uses_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
